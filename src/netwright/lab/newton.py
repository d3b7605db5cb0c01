"""Newton's method in one dimension: at each step the parabola that it fits, whose lowest point is the next step."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from netwright import optim
from netwright.errors import NetwrightError, did_you_mean
from netwright.lab.trajectory import finite

Function = Callable[[Tensor], Tensor]


@dataclass(frozen=True)
class Fit:
    """A step: x, f(x), f'(x), f''(x), and where `netwright.optim.Newton` went.

    `parabola(x')` is f + f' d + f'' d^2 / 2 with d = x' - x (the notes, 1.2).
    """

    x: float
    value: float
    slope: float
    curvature: float
    reached: float

    @property
    def step(self) -> float:
        """-f'(x) / f''(x); NaN where the curvature is zero."""
        return -self.slope / self.curvature if self.curvature else math.nan

    def parabola(self, x: float) -> float:
        d = x - self.x
        return self.value + self.slope * d + self.curvature * d * d / 2

    def to_json(self) -> dict[str, Any]:
        """All numbers."""
        told = {"x": self.x, "f": self.value, "slope": self.slope, "curvature": self.curvature}
        return {name: finite(value) for name, value in {**told, "step": self.step, "reached": self.reached}.items()}


def quadratic(x: Tensor) -> Tensor:
    """x^2 / 2 - x: the minimum -1/2 at 1; one step suffices from anywhere."""
    return x**2 / 2 - x


def exponential(x: Tensor) -> Tensor:
    """e^x - 2 x: convex; the minimum 2 - 2 log 2 at log 2."""
    return torch.exp(x) - 2 * x


def double_well(x: Tensor) -> Tensor:
    """x^4 / 4 - x^2 / 2: minima -1/4 at -1 and 1, a maximum 0 at 0, where the curvature is negative around it."""
    return x**4 / 4 - x**2 / 2


FUNCTIONS: dict[str, Function] = {"quadratic": quadratic, "exponential": exponential, "double-well": double_well}


def newton_fits(function: str | Function, start: float, steps: int = 5, lr: float = 1.0) -> tuple[Fit, ...]:
    """The steps of `netwright.optim.Newton` on a function of one variable, in float64, with the parabola of each.

    Ends early where the curvature is zero or the point leaves all numbers. Raises NetwrightError for an unknown function, a
    start that is not finite and fewer than one step.

    >>> [round(fit.reached, 6) for fit in newton_fits("quadratic", -3.0, 2)]
    [1.0, 1.0]
    """
    if isinstance(function, str):
        if function not in FUNCTIONS:
            raise NetwrightError(f"there is no function {function!r}{did_you_mean(function, FUNCTIONS)}")
        function = FUNCTIONS[function]
    if not math.isfinite(start) or steps < 1:
        raise NetwrightError(f"expected a finite start and at least one step, not {start} and {steps}")
    x = torch.tensor([start], dtype=torch.float64, requires_grad=True)
    optimizer = optim.Newton([x], lr=lr)
    fits = []
    for _ in range(steps):
        before = float(x.detach())
        value, slope, curvature = _derivatives(function, before)
        try:
            optimizer.step(lambda: function(x).sum())
        except (NetwrightError, RuntimeError):  # a Hessian without an inverse
            break
        fits.append(Fit(before, value, slope, curvature, float(x.detach())))
        if not math.isfinite(fits[-1].reached):
            break
    return tuple(fits)


def _derivatives(function: Function, at: float) -> tuple[float, float, float]:
    x = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    value = function(x)
    (slope,) = torch.autograd.grad(value, x, create_graph=True)
    (curvature,) = torch.autograd.grad(slope, x)
    return float(value.detach()), float(slope.detach()), float(curvature)
