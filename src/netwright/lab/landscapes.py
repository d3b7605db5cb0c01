"""Losses of two parameters whose minima are known: where optimizers can be watched."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from netwright.errors import NetwrightError, did_you_mean

Point = tuple[float, float]
Loss = Callable[[Tensor], Tensor]  # (..., 2) -> (...)


@dataclass(frozen=True)
class Landscape:
    """A loss over the plane: called on a float64 tensor (..., 2) it gives the losses (...).

    `rotate` turns the whole landscape (with its minima, its usual start and its window) about the origin, in degrees,
    counterclockwise. Raises NetwrightError for a value that a landscape cannot have.
    """

    rotate: float = 0.0

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            whole = field.type == "int"
            if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)) or not math.isfinite(value):
                raise NetwrightError(f"{field.name} is {value!r}, expected a {'whole ' if whole else ''}number")

    def __call__(self, theta: Tensor) -> Tensor:
        return self.formula(self._straight(theta))

    def formula(self, theta: Tensor) -> Tensor:
        """The loss before it is rotated."""
        raise NotImplementedError

    def batches(self, generator: torch.Generator) -> Iterator[Loss]:
        """The loss that each step sees: itself, unless there are mini-batches."""
        while True:
            yield self

    @property
    def minima(self) -> tuple[Point, ...]:
        """All local minima, as rotated."""
        return tuple(self.turned(point) for point in self._minima())

    @property
    def start(self) -> Point:
        """Where trajectories usually start, as rotated."""
        return self.turned(self._start())

    @property
    def lowest(self) -> float:
        """The loss at the lowest minimum."""
        return float(self(torch.tensor(self.minima, dtype=torch.float64)).min())

    @property
    def reach(self) -> float:
        """How far from the origin the landscape is of interest."""
        return 1.2 * max(math.hypot(*point) for point in (*self._minima(), self._start()))

    @property
    def noisy(self) -> bool:
        """Whether steps see less than the whole loss."""
        return False

    def turned(self, point: Point) -> Point:
        """Where a point of the unrotated landscape comes to lie."""
        cosine, sine = _turn(self.rotate)
        return (cosine * point[0] - sine * point[1], sine * point[0] + cosine * point[1])

    def nearest(self, theta: Point) -> tuple[int, float]:
        """Which minimum is the nearest, and its distance."""
        distances = [math.dist(theta, minimum) for minimum in self.minima]
        return distances.index(min(distances)), min(distances)

    def to_json(self) -> dict[str, Any]:
        """Name, settings and minima."""
        settings = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {"landscape": name_of(self), **settings, "minima": self.minima, "lowest": self.lowest}

    def __str__(self) -> str:
        told = [
            f"{field.name} {getattr(self, field.name):g}"
            for field in dataclasses.fields(self)
            if field.name not in ("rotate", "seed") or getattr(self, field.name)
        ]
        return f"{name_of(self)}{' (' + ', '.join(told) + ')' if told else ''}"

    def _minima(self) -> tuple[Point, ...]:
        return ((0.0, 0.0),)

    def _start(self) -> Point:
        raise NotImplementedError

    def _straight(self, theta: Tensor) -> Tensor:
        if self.rotate == 0:
            return theta
        cosine, sine = _turn(self.rotate)
        x, y = theta[..., 0], theta[..., 1]
        return torch.stack((cosine * x + sine * y, cosine * y - sine * x), -1)


def _turn(degrees: float) -> Point:
    angle = math.radians(degrees)
    return math.cos(angle), math.sin(angle)


@dataclass(frozen=True)
class Sphere(Landscape):
    """f = (x^2 + y^2) / 2: no direction is preferred. Minimum 0 at (0, 0).

    >>> float(Sphere()(torch.tensor([3.0, 4.0], dtype=torch.float64)))
    12.5
    """

    def formula(self, theta: Tensor) -> Tensor:
        return (theta * theta).sum(-1) / 2

    def _start(self) -> Point:
        return (-4.0, 3.0)


@dataclass(frozen=True)
class Canyon(Landscape):
    """f = (x^2 + c y^2) / 2 with the condition number c: curvature 1 along x, c along y. Minimum 0 at (0, 0)."""

    condition: float = 30.0

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(1, "condition", self.condition)

    def formula(self, theta: Tensor) -> Tensor:
        return (theta[..., 0] ** 2 + self.condition * theta[..., 1] ** 2) / 2

    def _start(self) -> Point:
        return (-4.0, 1.2)


@dataclass(frozen=True)
class Saddle(Landscape):
    """f = x^2 / 2 - y^2 / 2 + y^4 / 4: a saddle at (0, 0), loss 0; minima -1/4 at (0, 1) and (0, -1).

    Trajectories start beside the ridge y = 0, on which gradients lead into the saddle.
    """

    def formula(self, theta: Tensor) -> Tensor:
        x, y = theta[..., 0], theta[..., 1]
        return x**2 / 2 - y**2 / 2 + y**4 / 4

    def _minima(self) -> tuple[Point, ...]:
        return ((0.0, 1.0), (0.0, -1.0))

    def _start(self) -> Point:
        return (-1.6, 0.02)


@dataclass(frozen=True)
class Basins(Landscape):
    """f = q1 q2 / (q1 + q2), q_i = |theta - c_i|^2 / (2 w_i^2): a wide basin and a narrow one, equally deep.

    Minima 0 at c_1 = (1.5, 0), where w_1 = `wide` and the curvature is 1 / w_1^2, and at c_2 = (-1.5, 0), w_2 = `narrow`.
    """

    wide: float = 1.2
    narrow: float = 0.4

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(1e-3, "narrow", self.narrow)
        _at_least(self.narrow, "wide", self.wide)

    def formula(self, theta: Tensor) -> Tensor:
        x, y = theta[..., 0], theta[..., 1]
        first = ((x - 1.5) ** 2 + y**2) / (2 * self.wide**2)
        second = ((x + 1.5) ** 2 + y**2) / (2 * self.narrow**2)
        return first * second / (first + second)

    def _minima(self) -> tuple[Point, ...]:
        return ((1.5, 0.0), (-1.5, 0.0))

    def _start(self) -> Point:
        return (-2.6, 1.6)


@dataclass(frozen=True)
class Rosenbrock(Landscape):
    """f = (1 - x)^2 + 100 (y - x^2)^2: a bent canyon (Rosenbrock 1960). Minimum 0 at (1, 1)."""

    def formula(self, theta: Tensor) -> Tensor:
        x, y = theta[..., 0], theta[..., 1]
        return (1 - x) ** 2 + 100 * (y - x**2) ** 2

    def _minima(self) -> tuple[Point, ...]:
        return ((1.0, 1.0),)

    def _start(self) -> Point:
        return (-1.2, 1.0)


@dataclass(frozen=True)
class LeastSquares(Landscape):
    """f = 1 / (2N) sum_i (x_i . theta - t_i)^2 over N `examples`; a step sees the mean over its mini-batch of `batch`.

    Features are Gaussian, whitened and then scaled, so that the Hessian X'X / N is diag(c, 1) with the condition number c:
    the gradient along w1 is the larger one. Targets are x_i . (2, -1) and Gaussian noise of deviation `spread`; the minimum is
    the exact solution of the normal equations. An epoch shuffles the examples and takes them batch by batch (the last one may
    be smaller), as in the notes, 1.1. With `batch` as large as `examples` there is no noise. Data come from `seed`.
    """

    condition: float = 10.0
    examples: int = 128
    batch: int = 128
    spread: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        _at_least(1, "condition", self.condition)
        _at_least(3, "examples", self.examples)
        _at_least(1, "batch", self.batch)
        _at_least(0, "spread", self.spread)
        if self.batch > self.examples:
            raise NetwrightError(f"batch is {self.batch}, but there are only {self.examples} examples")

    def formula(self, theta: Tensor) -> Tensor:
        features, targets = _examples(self.condition, self.examples, self.spread, self.seed)
        return _half_mean_square(features, targets, theta)

    def batches(self, generator: torch.Generator) -> Iterator[Loss]:
        features, targets = _examples(self.condition, self.examples, self.spread, self.seed)
        while self.noisy:
            for chosen in self.epoch(generator):
                yield self._batch_loss(features[chosen], targets[chosen])
        yield from super().batches(generator)

    def epoch(self, generator: torch.Generator) -> tuple[Tensor, ...]:
        """The numbers of the examples in each batch of one epoch."""
        return torch.split(torch.randperm(self.examples, generator=generator), self.batch)

    @property
    def noisy(self) -> bool:
        return self.batch < self.examples

    def _batch_loss(self, features: Tensor, targets: Tensor) -> Loss:
        return lambda theta: _half_mean_square(features, targets, self._straight(theta))

    def _minima(self) -> tuple[Point, ...]:
        features, targets = _examples(self.condition, self.examples, self.spread, self.seed)
        solution = torch.linalg.solve(features.T @ features, features.T @ targets)
        return ((float(solution[0]), float(solution[1])),)

    def _start(self) -> Point:
        return (-1.5, 4.0)


@lru_cache(maxsize=16)
def _examples(condition: float, count: int, spread: float, seed: int) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    raw = torch.randn(count, 2, generator=generator, dtype=torch.float64)
    white = torch.linalg.qr(raw).Q * math.sqrt(count)
    features = white * torch.tensor([math.sqrt(condition), 1.0], dtype=torch.float64)
    noise = spread * torch.randn(count, generator=generator, dtype=torch.float64)
    return features, features @ torch.tensor([2.0, -1.0], dtype=torch.float64) + noise


def _half_mean_square(features: Tensor, targets: Tensor, theta: Tensor) -> Tensor:
    return ((theta @ features.T - targets) ** 2).mean(-1) / 2


def _at_least(least: float, name: str, value: float) -> None:
    if value < least:
        raise NetwrightError(f"{name} is {value:g}, expected at least {least:g}")


LANDSCAPES: dict[str, Landscape] = {
    "sphere": Sphere(),
    "canyon": Canyon(),
    "rotated-canyon": Canyon(rotate=30.0),
    "saddle": Saddle(),
    "basins": Basins(),
    "rosenbrock": Rosenbrock(),
    "least-squares": LeastSquares(batch=16),
}


def name_of(landscape: Landscape) -> str:
    """What the landscape's kind is called."""
    for name, known in LANDSCAPES.items():
        if type(known) is type(landscape):
            return name
    return type(landscape).__name__.lower()


def landscape(name: str, settings: Mapping[str, float] | None = None) -> Landscape:
    """The landscape of that name, with other settings where they are given.

    Raises NetwrightError for an unknown name, a setting that the landscape does not have, or a value that cannot be.

    >>> landscape("canyon", {"condition": 100, "rotate": 30}).minima
    ((0.0, 0.0),)
    """
    if name not in LANDSCAPES:
        raise NetwrightError(f"there is no landscape {name!r}{did_you_mean(name, LANDSCAPES)} (known: {', '.join(LANDSCAPES)})")
    made, settings = LANDSCAPES[name], dict(settings or {})
    known = [field.name for field in dataclasses.fields(made)]
    for setting in settings:
        if setting not in known:
            having = [n for n, other in LANDSCAPES.items() if setting in {f.name for f in dataclasses.fields(other)}]
            who = f"; {' and '.join(having)} have" if len(having) > 1 else f"; {having[0]} has" if having else ""
            raise NetwrightError(f"{name} has no {setting}{who}{'' if having else did_you_mean(setting, known)}")
    return dataclasses.replace(made, **settings)
