"""How nearly the widths of a design are those of a RegNet: the fitting error e_fit."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from netwright.errors import NetwrightError
from netwright.spaces.population import Array

W_M = (1.5, 3.0)  # the RegNet space's bounds
_ZOOMS, _CELLS, _FINE = 4, 4, 9  # refinements of the grid: how often, around how many of its cells, into how many each way


@dataclass(frozen=True)
class WidthFit:
    """The RegNet that fits best: its numbers and e_fit, the mean of |ln(fitted / observed)| over the blocks.

    e_fit 0.1 means widths off by about 10 %.
    """

    error: float
    w_0: float
    w_a: float
    w_m: float

    def widths(self, depth: int) -> list[float]:
        """The fitted widths of so many blocks, by equations 2 to 4 of the paper (not rounded)."""
        slope = self.w_a / self.w_0
        return [self.w_0 * self.w_m ** round(math.log(1 + slope * j) / math.log(self.w_m)) for j in range(depth)]


def width_fit(widths: Sequence[int | float], w_m: tuple[float, float] = W_M) -> WidthFit:
    """Fit the quantized linear widths of a RegNet to the widths of a design's blocks, in order (arXiv:2003.13678, Section 3.3).

    The paper sets d to the design's depth and searches a grid over w_0, w_a and w_m for the smallest mean log-ratio of
    predicted to observed block widths, e_fit (its Figure 9). Here the grid is over w_m and w_a / w_0 only, and refined: for
    these the best w_0 is exact, since the logarithm of every width shifts with it and a mean of absolute values is least at
    the median. Widths are compared before they are rounded to 8, so a RegNet has an e_fit of what rounding costs.

    Raises NetwrightError for no widths, widths that are not positive, or w_m that is not above 1.

    >>> width_fit([48, 48, 96, 96, 96, 192]).error < 1e-9
    True
    """
    bad = [width for width in widths if isinstance(width, bool) or not math.isfinite(width) or width <= 0]
    if not len(widths) or bad:
        raise NetwrightError(f"block widths are {list(widths)[:8]!r}: expected positive numbers, one for each block")
    low, high = w_m
    if not 1 < low <= high < math.inf:
        raise NetwrightError(f"w_m from {low} to {high}: expected numbers above 1")
    observed = np.log(np.array(widths, dtype=np.float64))
    # from slopes that never leave the first width to ones that leave the last observed one behind at the second block
    least, most = 0.1 / len(widths), 4 * math.exp(float(np.ptp(observed)))
    slopes = np.concatenate([[0.0], np.geomspace(least, most, 96)])
    found = _searched(observed, slopes, np.linspace(low, high, 61), (low, high))
    return WidthFit(*found)


def _searched(observed: Array, slopes: Array, steps: Array, bounds: tuple[float, float]) -> tuple[float, float, float, float]:
    """e_fit, w_0, w_a and w_m of the best cell of a grid that is refined around its best cells."""
    grid = np.stack([np.repeat(slopes, len(steps)), np.tile(steps, len(slopes))])
    near = (slopes[2] / slopes[1], steps[1] - steps[0])  # the size of a cell: a factor, a difference
    for _ in range(_ZOOMS):
        errors, _ = _fitted(observed, *grid)
        best = grid[:, np.argsort(errors, kind="stable")[:_CELLS]]
        factors, shifts = near[0] ** np.linspace(-1, 1, _FINE), near[1] * np.linspace(-1, 1, _FINE)
        slope = (best[0][:, None, None] * factors[:, None] + 0 * shifts).ravel()
        step = np.clip((best[1][:, None, None] + 0 * factors[:, None] + shifts).ravel(), *bounds)
        grid = np.concatenate([best, np.stack([slope, step])], axis=1)
        near = (near[0] ** (2 / (_FINE - 1)), near[1] * 2 / (_FINE - 1))
    errors, logs = _fitted(observed, *grid)
    place = int(np.argmin(errors))
    w_0 = math.exp(float(logs[place]))
    return float(errors[place]), w_0, w_0 * float(grid[0, place]), float(grid[1, place])


def _fitted(observed: Array, slopes: Array, steps: Array) -> tuple[Array, Array]:
    """e_fit (m,) and the best ln w_0 (m,) for each pair of w_a / w_0 and w_m, (m,)."""
    scale = np.log(steps)[:, None]
    powers = np.rint(np.log1p(slopes[:, None] * np.arange(len(observed))) / scale)
    rest = np.sort(observed - powers * scale, axis=1)  # what w_0 has to explain
    middle = (len(observed) - 1) // 2
    logs = rest[:, middle]
    return np.abs(rest - logs[:, None]).mean(axis=1), logs
