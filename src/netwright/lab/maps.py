"""Maps: how many steps each lr and momentum takes to a precision, and from which start which minimum is reached."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from netwright.errors import NetwrightError
from netwright.lab.landscapes import Canyon, Landscape, Point, Sphere
from netwright.lab.many import bound_of, can_share, lr_by_momentum, starts_at_once
from netwright.lab.methods import Method
from netwright.lab.trajectory import Walk
from netwright.report.charts import Window

Array = NDArray[np.float64]
_STRAY = -1  # "no minimum" in a basin map


@dataclass(frozen=True)
class StepsMap:
    """Steps of SGD with momentum until the loss is `epsilon` of that at the start, and stays so: `steps[momentum, lr]`.

    NaN where the budget did not suffice, infinite where it diverged. `optimum` is (lr, momentum) from theory, `best` that of
    the fastest cell.
    """

    landscape: Landscape
    lrs: Array
    momenta: Array
    steps: Array
    epsilon: float
    budget: int
    optimum: tuple[float, float]

    @property
    def best(self) -> tuple[float, float]:
        if not np.isfinite(self.steps).any():
            return math.nan, math.nan
        row, column = np.unravel_index(np.nanargmin(np.where(np.isfinite(self.steps), self.steps, np.nan)), self.steps.shape)
        return float(self.lrs[column]), float(self.momenta[row])

    @property
    def fewest(self) -> float:
        """Steps of the fastest cell."""
        finite = self.steps[np.isfinite(self.steps)]
        return float(finite.min()) if finite.size else math.nan

    def rows(self) -> list[dict[str, Any]]:
        """A row for each cell: `lr`, `momentum`, `steps` (None where not reached), `diverged`."""
        return [
            {
                "lr": float(lr),
                "momentum": float(momentum),
                "steps": int(steps) if math.isfinite(steps) else None,
                "diverged": math.isinf(steps),
            }
            for momentum, line in zip(self.momenta, self.steps, strict=True)
            for lr, steps in zip(self.lrs, line, strict=True)
        ]


def heavy_ball_optimum(smallest: float, largest: float) -> tuple[float, float]:
    """lr and momentum with the fastest convergence on a quadratic whose curvatures lie between the two.

    lr = (2 / (sqrt(L) + sqrt(m)))^2, momentum = ((sqrt(L) - sqrt(m)) / (sqrt(L) + sqrt(m)))^2 (Polyak 1964; Goh, "Why Momentum
    Really Works", Distill 2017).

    >>> heavy_ball_optimum(1.0, 9.0)
    (0.25, 0.25)
    """
    root, other = math.sqrt(largest), math.sqrt(smallest)
    return (2 / (root + other)) ** 2, ((root - other) / (root + other)) ** 2


def steps_map(
    landscape: Canyon | Sphere,
    *,
    lrs: Sequence[float] | None = None,
    momenta: Sequence[float] | None = None,
    epsilon: float = 1e-6,
    budget: int = 300,
    start: Point | None = None,
) -> StepsMap:
    """Steps to epsilon for every lr and momentum on a quadratic; by default lr from 0 to 4 / L, momentum from 0 to 1.

    Raises NetwrightError for a landscape that is not quadratic (there is no analytic optimum on it).
    """
    if not isinstance(landscape, (Canyon, Sphere)):
        raise NetwrightError(f"the map is of quadratics with a known optimum (canyon, sphere), not of {landscape}")
    largest = landscape.condition if isinstance(landscape, Canyon) else 1.0
    across: Array = np.array(lrs if lrs is not None else (np.arange(64) + 0.5) / 16 / largest, dtype=np.float64)
    upwards: Array = np.array(momenta if momenta is not None else (np.arange(40) + 0.5) / 40, dtype=np.float64)
    walk = lr_by_momentum(landscape, torch.tensor(across), torch.tensor(upwards), start or landscape.start, budget)
    first = next(walk)
    goal, bound = epsilon * float(landscape(first)[0, 0]), bound_of(float(landscape(first)[0, 0]))
    steps = np.full((len(upwards), len(across)), np.nan)
    strays = np.zeros(steps.shape, dtype=bool)
    for number, place in enumerate(walk, start=1):
        losses = landscape(place).numpy()
        strays |= ~(losses <= bound)
        low = losses <= goal
        steps = np.where(low, np.where(np.isnan(steps), number, steps), np.nan)
    steps[strays] = np.inf
    return StepsMap(landscape, across, upwards, np.asarray(steps), epsilon, budget, heavy_ball_optimum(1.0, largest))


@dataclass(frozen=True)
class BasinMap:
    """Which minimum a method reaches from each start: `ends[row, column]` is its number, -1 for none within `tolerance`."""

    landscape: Landscape
    method: Method
    xs: Array
    ys: Array
    ends: NDArray[np.int64]
    budget: int
    tolerance: float

    def share(self, minimum: int) -> float:
        """The share of the starts that end in that minimum (-1: in none)."""
        return float((self.ends == minimum).mean())

    def rows(self) -> list[dict[str, Any]]:
        """A row for each start: `x`, `y`, `minimum` (its number, or None)."""
        return [
            {"x": float(x), "y": float(y), "minimum": None if end == _STRAY else int(end)}
            for y, line in zip(self.ys, self.ends, strict=True)
            for x, end in zip(self.xs, line, strict=True)
        ]


def basins(
    landscape: Landscape,
    method: str | Method,
    window: Window,
    *,
    resolution: int = 48,
    budget: int = 200,
    tolerance: float = 0.2,
    seed: int = 0,
    noise: float = 0.0,
) -> BasinMap:
    """Run a method from a grid of starts over a window (x from, x to, y from, y to) and see where each run ends.

    A run has reached a minimum when it ends within `tolerance` of it. Second-order methods and others that are not
    elementwise run one by one. Raises NetwrightError as `run` does, and for a resolution below 2.
    """
    if resolution < 2:
        raise NetwrightError(f"the resolution is {resolution}, expected at least 2")
    method = method if isinstance(method, Method) else Method(method)
    x0, x1, y0, y1 = window
    xs = x0 + (np.arange(resolution) + 0.5) * (x1 - x0) / resolution
    high = max(2, round(resolution * (y1 - y0) / (x1 - x0)))
    ys = y0 + (np.arange(high) + 0.5) * (y1 - y0) / high
    starts = torch.tensor(np.stack(np.meshgrid(xs, ys), -1).reshape(-1, 2))
    Walk(landscape, method, (0.0, 0.0), budget, seed, noise)  # refuses what a run refuses
    if can_share(method):
        last = starts_at_once(landscape, method, starts, budget, seed, noise).numpy()
    else:
        last = np.array([_last(Walk(landscape, method, (x, y), budget, seed, noise)) for x, y in starts.tolist()])
    distances = np.linalg.norm(last[:, None, :] - np.array(landscape.minima), axis=-1)
    distances = np.where(np.isnan(distances), np.inf, distances)
    ends = np.where(distances.min(1) <= tolerance, distances.argmin(1), _STRAY).reshape(high, resolution)
    return BasinMap(landscape, method, xs, ys, ends, budget, tolerance)


def _last(walk: Walk) -> Point:
    *_, (_, place, _, _) = walk
    return place if walk.ended == "budget" else (math.nan, math.nan)
