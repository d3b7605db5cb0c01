"""All figures of the lab by name."""

from __future__ import annotations

from collections.abc import Callable

from netwright.errors import NetwrightError, did_you_mean
from netwright.lab import more_figures, notes_figures
from netwright.lab.picture import Figure

FIGURES: dict[str, tuple[str, Callable[[int], Figure]]] = {  # name -> what it shows, who makes it
    "1.1": ("SGD and momentum in a sphere and a canyon", notes_figures.sgd_and_momentum),
    "1.2": ("the step in Nesterov momentum", notes_figures.nesterov_step),
    "1.3": ("SGD, momentum, Nesterov momentum", notes_figures.three_momenta),
    "1.4": ("a larger gradient along w1", notes_figures.unequal_gradients),
    "1.5": ("SGD and AdaGrad", notes_figures.adagrad),
    "1.6": ("SGD, AdaGrad and RMSProp", notes_figures.rmsprop),
    "1.7": ("SGD, AdaGrad, RMSProp and Adam", notes_figures.adam),
    "1.8": ("the same with a smaller batch size", notes_figures.adam_with_smaller_batches),
    "newton": ("Newton's method in one dimension, with its parabolas", more_figures.newton),
    "map": ("steps to epsilon over lr and momentum, and the analytic optimum", more_figures.steps),
    "basins": ("from which start to which minimum", more_figures.basin_maps),
    "slice": ("slices through the loss of a network on the digits", more_figures.slices),
}


def figure(name: str, seed: int = 0) -> Figure:
    """A figure by its name: 1.1 to 1.8 (of the notes), newton, map, basins or slice; computed afresh.

    Raises NetwrightError for another name.
    """
    if name not in FIGURES:
        near = did_you_mean(name, FIGURES)
        raise NetwrightError(f"there is no figure {name!r}{near} (known: {', '.join(FIGURES)})")
    return FIGURES[name][1](seed)
