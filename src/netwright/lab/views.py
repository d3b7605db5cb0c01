"""From trajectories to what charts draw: windows, grids of losses, paths."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from netwright.lab.landscapes import Landscape
from netwright.lab.trajectory import Trajectory
from netwright.report.charts import Path, Plane, Window

_FLATTEST, _TALLEST = 0.45, 1.15  # height of a window over its width
_POINTS = 161


def window_around(landscape: Landscape, places: Sequence[tuple[float, float]]) -> Window:
    """A window that holds the minima, the usual start and the places, with a margin; those too far away are left out."""
    limit = 3 * landscape.reach
    inside = [place for place in places if all(math.isfinite(c) and abs(c) <= limit for c in place)]
    xs, ys = zip(*inside, *landscape.minima, strict=True)
    x, y = (min(xs) + max(xs)) / 2, (min(ys) + max(ys)) / 2
    wide, high = 1.2 * (max(xs) - min(xs)), 1.2 * (max(ys) - min(ys))
    wide = max(wide, high / _TALLEST, 1e-6)
    high = max(high, _FLATTEST * wide)
    return x - wide / 2, x + wide / 2, y - high / 2, y + high / 2


def plane_of(landscape: Landscape, window: Window, axes: tuple[str, str] = ("w1", "w2")) -> Plane:
    """The landscape's losses above the lowest, over a window."""
    xs, ys = np.linspace(*window[:2], _POINTS), np.linspace(*window[2:], _POINTS)
    grid = torch.tensor(np.stack(np.meshgrid(xs, ys), -1))
    return Plane(xs, ys, (landscape(grid) - landscape.lowest).numpy(), landscape.minima, axes)


def path_of(trajectory: Trajectory, label: str | None = None) -> Path:
    """A trajectory as it is drawn."""
    lowest = trajectory.landscape.lowest
    label = (label or trajectory.method.name) + (" (diverged)" if trajectory.diverged else "")
    losses = [(step.evaluations, step.loss - lowest) for step in trajectory.steps]
    return Path(label, trajectory.method.name, [step.theta for step in trajectory.steps], losses, trajectory.diverged)


def scene(trajectories: Sequence[Trajectory]) -> tuple[Plane, list[Path]]:
    """The landscape under trajectories, and their paths."""
    places = [step.theta for t in trajectories for step in (t.steps[:1] if t.diverged else t.steps)]
    landscape = trajectories[0].landscape
    return plane_of(landscape, window_around(landscape, places)), [path_of(t) for t in trajectories]
