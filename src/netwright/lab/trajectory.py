"""A run of an optimizer over a landscape, step by step: where it was, what it saw, what it remembered, what it paid."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.lab.formulas import formula
from netwright.lab.landscapes import Landscape, Loss, Point
from netwright.lab.many import bound_of
from netwright.lab.methods import Method, Settings

BUDGET = 100  # evaluations


@dataclass(frozen=True)
class Step:
    """What a step left behind.

    `evaluations` of gradients and Hessian-vector products up to now; `theta` the iterate (never Nesterov's look-ahead
    point); `loss` and `gradient_norm` of the whole, noiseless landscape at theta; `gradient` what the optimizer was shown
    for this step (with noise, at the look-ahead point under Nesterov; None at the start); `state` the optimizer's own;
    `formula` the update with the step's numbers in it.
    """

    evaluations: int
    theta: Point
    loss: float
    gradient_norm: float
    gradient: Point | None = None
    state: dict[str, Any] = field(default_factory=dict)
    formula: str = ""


@dataclass(frozen=True)
class Trajectory:
    """A run: its steps (the first one is the start), and how it ended: "budget", "diverged" or "failed: why"."""

    landscape: Landscape
    method: Method
    budget: int
    seed: int
    noise: float
    steps: tuple[Step, ...]
    ended: str = "budget"

    @property
    def diverged(self) -> bool:
        """Whether the loss left all bounds."""
        return self.ended == "diverged"

    @property
    def evaluations(self) -> int:
        """Gradients and Hessian-vector products that were evaluated."""
        return self.steps[-1].evaluations

    @property
    def loss(self) -> float:
        """The loss at the end; infinite where it diverged."""
        return math.inf if self.diverged else self.steps[-1].loss

    @property
    def distance(self) -> float:
        """From the end to the nearest minimum; infinite where it diverged."""
        return math.inf if self.diverged else self.landscape.nearest(self.steps[-1].theta)[1]

    def reached(self, loss: float) -> int | None:
        """Evaluations until the loss was that low and stayed so to the end; None where it never did."""
        since = None
        for step in self.steps:
            low = step.loss <= loss
            since = (step.evaluations if since is None else since) if low else None
        return None if self.diverged else since

    def to_json(self) -> dict[str, Any]:
        """Everything, for programs; what is not finite is None."""
        return {
            "optimizer": self.method.name,
            "settings": {"lr": self.method.lr, **self.method.settings},
            "budget": self.budget,
            "seed": self.seed,
            "noise": self.noise,
            "ended": self.ended,
            "evaluations": self.evaluations,
            "loss": finite(self.loss),
            "distance": finite(self.distance),
            "steps": [
                {
                    "step": number,
                    "evaluations": step.evaluations,
                    "theta": finite(step.theta),
                    "loss": finite(step.loss),
                    "gradient_norm": finite(step.gradient_norm),
                    "gradient": finite(step.gradient),
                    "state": finite(step.state),
                    "formula": step.formula,
                }
                for number, step in enumerate(self.steps)
            ],
        }


def finite(value: Any) -> Any:
    """The value with None for numbers that JSON does not have."""
    if isinstance(value, dict):
        return {key: finite(item) for key, item in value.items()}
    if isinstance(value, (tuple, list)):
        return [finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def run(
    landscape: Landscape,
    optimizer: str | Method,
    settings: Settings | None = None,
    *,
    start: Point | None = None,
    budget: int = BUDGET,
    seed: int = 0,
    noise: float = 0.0,
) -> Trajectory:
    """Let an optimizer walk over a landscape (float64, one parameter of two numbers) until the budget is spent.

    `budget` counts evaluations: a gradient (with its loss), a Hessian-vector product and a loss that a line search asks for are
    one each, an exact Hessian of k variables is k; a step that would not fit is not taken. `noise` is the deviation of the
    Gaussian noise in every gradient; it and the mini-batches come from `seed`, one draw for each step. A divergence ends the run
    and is recorded, as is a step that the optimizer could not take. Raises NetwrightError for an unknown optimizer or setting, a
    start that is not two finite numbers, a budget below 1 and a negative noise.

    >>> from netwright.lab import Sphere
    >>> run(Sphere(), "sgd", {"lr": 0.5}, budget=2).steps[-1].theta
    (-1.0, 0.75)
    """
    method = optimizer if isinstance(optimizer, Method) else Method(optimizer)
    method = method.having(settings or {})
    walk = Walk(landscape, method, check_start(landscape, start), budget, seed, noise)
    taken = list(walk)
    losses, norms = _measure(landscape, [place for _, place, _, _ in taken])
    steps = []
    for i, (evaluations, theta, gradient, state) in enumerate(taken):
        text = ""
        if gradient is not None:
            text = formula(method, i, taken[i - 1][1], theta, gradient, taken[i - 1][3])
        steps.append(Step(evaluations, theta, losses[i], norms[i], gradient, state, text))
    return Trajectory(landscape, method, budget, seed, noise, tuple(steps), walk.ended)


def check_start(landscape: Landscape, start: Point | None) -> Point:
    """The start, or the landscape's own. Raises NetwrightError unless it is two finite numbers."""
    if start is None:
        return landscape.start
    try:
        x, y = (float(value) for value in start)
    except (TypeError, ValueError):
        raise NetwrightError(f"the start is {start!r}, expected two numbers X,Y") from None
    if not (math.isfinite(x) and math.isfinite(y)):
        raise NetwrightError(f"the start is {start!r}, expected two finite numbers X,Y")
    return x, y


Taken = tuple[int, Point, Point | None, dict[str, Any]]  # evaluations, theta, the gradient shown, the optimizer's state


class Walk:
    """The steps of a run, as they are taken; `ended` tells afterwards why it stopped."""

    def __init__(self, landscape: Landscape, method: Method, start: Point, budget: int, seed: int, noise: float) -> None:
        if isinstance(budget, bool) or not isinstance(budget, int) or budget < 1:
            raise NetwrightError(f"the budget is {budget!r}, expected a whole number of evaluations, at least 1")
        if not isinstance(noise, (int, float)) or not 0 <= noise < math.inf:
            raise NetwrightError(f"the noise is {noise!r}, expected a deviation of at least 0")
        self.landscape, self.start, self.budget, self.noise = landscape, start, budget, noise
        self.ended = "budget"
        self.used = 0
        self._method = method
        self._generator = torch.Generator().manual_seed(seed)
        self._batches = landscape.batches(torch.Generator().manual_seed(seed + 1))
        self._theta = torch.tensor(start, dtype=torch.float64, requires_grad=True)
        self._optimizer: Any = method.make(self._theta)
        self._loss: Loss = landscape
        self._shown: Tensor | None = None
        self._fresh = False

    def __iter__(self) -> Iterator[Taken]:
        yield 0, self.start, None, {}
        bound = bound_of(float(self.landscape(self._theta.detach())))
        while True:
            self._loss, self._shown = self._next_loss(), None
            try:
                self._optimizer.step(self._closure)
            except (NetwrightError, ArithmeticError, RuntimeError) as error:  # such as a Hessian without an inverse
                self.ended = f"failed: {' '.join(str(error).split())}"
                return
            if self.used > self.budget:
                return
            self._optimizer.zero_grad()
            place = self._optimizer.iterates()[0][0]
            yield self.used, _point(place), None if self._shown is None else _point(self._shown), self._state()
            loss = float(self.landscape(place))
            if not (math.isfinite(loss) and abs(loss) <= bound):
                self.ended = "diverged"
                return
            if self.used == self.budget:
                return

    def _next_loss(self) -> Loss:
        """The loss of one step, the same however often the step asks for it: of a mini-batch, its gradient with noise."""
        loss = next(self._batches)
        if not self.noise:
            return loss
        noise = self.noise * torch.randn(2, generator=self._generator, dtype=torch.float64)
        return lambda theta: loss(theta) + theta @ noise

    def _closure(self) -> Tensor:
        """The loss at the parameter. With its gradient it is one evaluation; what differentiates it further is counted there."""
        self.used += 1
        self._fresh = True
        seen = self._theta.clone()
        seen.register_hook(self._count)  # type: ignore[no-untyped-call]
        loss = self._loss(seen)
        if not self._method.second_order:
            loss.backward()  # type: ignore[no-untyped-call]
        return loss

    def _count(self, gradient: Tensor) -> None:
        """Called whenever a gradient, or a Hessian-vector product, arrives at the parameter."""
        self.used += 0 if self._fresh else 1
        self._fresh = False
        if self._shown is None:
            self._shown = gradient.detach().clone()

    def _state(self) -> dict[str, Any]:
        state = self._optimizer.state.get(self._theta, {})
        return {name: _plain(value) for name, value in state.items() if value is not None}


def _point(tensor: Tensor) -> Point:
    x, y = tensor.tolist()
    return x, y


def _plain(value: Any) -> Any:
    return value.tolist() if isinstance(value, Tensor) else value


def _measure(landscape: Landscape, places: list[Point]) -> tuple[list[float], list[float]]:
    """Losses and gradients' norms of the whole landscape: measurements, which no budget pays."""
    theta = torch.tensor(places, dtype=torch.float64, requires_grad=True)
    losses = landscape(theta)
    (gradients,) = torch.autograd.grad(losses.sum(), theta)
    return losses.tolist(), gradients.norm(dim=-1).tolist()
