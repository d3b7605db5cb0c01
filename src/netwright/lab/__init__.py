"""The lab: the optimizers that train networks, watched on losses of two parameters, and on slices of real ones."""

from netwright.lab.figures import FIGURES, figure
from netwright.lab.landscapes import (
    LANDSCAPES,
    Basins,
    Canyon,
    Landscape,
    LeastSquares,
    Rosenbrock,
    Saddle,
    Sphere,
    landscape,
)
from netwright.lab.maps import BasinMap, StepsMap, basins, heavy_ball_optimum, steps_map
from netwright.lab.methods import Method
from netwright.lab.newton import Fit, newton_fits
from netwright.lab.picture import Figure, race_figure, races_figure
from netwright.lab.racing import Race, race
from netwright.lab.slices import Slice, random_slice, train_digits, training_slice
from netwright.lab.starting import starting
from netwright.lab.tracks import Track, around, tracks
from netwright.lab.trajectory import Step, Trajectory, run
from netwright.lab.tuning import Tuning, tuned

__all__ = [
    "FIGURES",
    "LANDSCAPES",
    "BasinMap",
    "Basins",
    "Canyon",
    "Figure",
    "Fit",
    "Landscape",
    "LeastSquares",
    "Method",
    "Race",
    "Rosenbrock",
    "Saddle",
    "Slice",
    "Sphere",
    "Step",
    "StepsMap",
    "Track",
    "Trajectory",
    "Tuning",
    "around",
    "basins",
    "figure",
    "heavy_ball_optimum",
    "landscape",
    "newton_fits",
    "race",
    "race_figure",
    "races_figure",
    "random_slice",
    "run",
    "starting",
    "steps_map",
    "tracks",
    "train_digits",
    "training_slice",
    "tuned",
]
