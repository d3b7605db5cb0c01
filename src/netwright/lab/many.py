"""Many runs in one: settings, or starts, beside each other in one optimizer, each as if it were alone.

Gradients of a sum of losses do not mix, and an elementwise optimizer does not either, so n runs cost little more than
one. All of them see the same mini-batches and the same noise, those that a run of its own with that seed sees.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor

from netwright.lab.landscapes import Landscape, Point
from netwright.lab.methods import Method

ELEMENTWISE = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "lion")
_DESCENT = ("sgd", "momentum", "nesterov")
_MIXING = ("max_norm", "on_nonfinite")  # settings that look at all parameters at once


def can_share(method: Method) -> bool:
    """Whether runs of the method can go side by side in one optimizer."""
    return method.name in ELEMENTWISE and not any(method.settings.get(name) is not None for name in _MIXING)


def settings_at_once(
    landscape: Landscape, methods: Sequence[Method], start: Point, budget: int, seed: int, noise: float
) -> Tensor:
    """The iterates (step, method, 2) of methods of one name that differ in their settings.

    One group for each; for gradient descent, whose steps are proportional to lr, one for all that differ in lr only.
    """
    if methods[0].name in _DESCENT and not any(method.settings.get("weight_decay") for method in methods):
        return _by_lr(landscape, methods, start, budget, seed, noise)
    parameters = [torch.tensor(start, dtype=torch.float64, requires_grad=True) for _ in methods]
    own = _differing(methods)
    groups = [{"params": [p], **settings} for p, settings in zip(parameters, own, strict=True)]
    optimizer = methods[0].make_groups(groups)
    return torch.stack(list(_walk(landscape, optimizer, parameters, budget, seed, noise)))


def _by_lr(landscape: Landscape, methods: Sequence[Method], start: Point, budget: int, seed: int, noise: float) -> Tensor:
    """Groups of equal settings but for lr: the lr of a run scales its gradient (see `lr_by_momentum`)."""
    own = [{**settings, "lr": 1.0} for settings in _differing(methods)]
    kinds: dict[str, list[int]] = {}
    for number, settings in enumerate(own):
        kinds.setdefault(repr(settings), []).append(number)
    width = max(map(len, kinds.values()))
    scale = torch.zeros(len(kinds), width, dtype=torch.float64)
    for row, numbers in enumerate(kinds.values()):
        scale[row, : len(numbers)] = torch.tensor([methods[number].lr for number in numbers], dtype=torch.float64)
    place = torch.tensor(start, dtype=torch.float64)
    parameters = [place.repeat(width, 1).requires_grad_() for _ in kinds]
    groups = [{"params": [p], **own[numbers[0]]} for p, numbers in zip(parameters, kinds.values(), strict=True)]
    walked = torch.stack(list(_walk(landscape, methods[0].make_groups(groups), parameters, budget, seed, noise, scale)))
    found = {number: walked[:, row, i] for row, numbers in enumerate(kinds.values()) for i, number in enumerate(numbers)}
    return torch.stack([found[number] for number in range(len(methods))], 1)


def _differing(methods: Sequence[Method]) -> list[dict[str, Any]]:
    """Of each method the settings in which the methods differ."""
    names = [name for name in methods[0].settings if any(m.settings[name] != methods[0].settings[name] for m in methods)]
    return [{name: method.settings[name] for name in names} for method in methods]


def starts_at_once(landscape: Landscape, method: Method, starts: Tensor, budget: int, seed: int, noise: float) -> Tensor:
    """The last iterates (n, 2) of one method from the starts (n, 2)."""
    last = starts
    for place in starts_walked(landscape, method, starts, budget, seed, noise):
        last = place
    return last


def starts_walked(landscape: Landscape, method: Method, starts: Tensor, budget: int, seed: int, noise: float) -> Iterator[Tensor]:
    """The iterates (n, 2) of one method after each step, from the starts (n, 2) on."""
    parameter = starts.detach().clone().to(torch.float64).requires_grad_()
    for places in _walk(landscape, method.make(parameter), [parameter], budget, seed, noise):
        yield places[0]


def lr_by_momentum(landscape: Landscape, lrs: Tensor, momenta: Tensor, start: Point, budget: int) -> Iterator[Tensor]:
    """The iterates (momenta, lrs, 2) of SGD with momentum after each step, from the start on.

    One group for each momentum. Within a group the lr of a run scales its gradient and the group's lr is 1, which at constant
    lr is the same: b = mu b + lr g, theta -= b.
    """
    place = torch.tensor(start, dtype=torch.float64)
    parameters = [place.repeat(len(lrs), 1).requires_grad_() for _ in momenta]
    groups: list[dict[str, Any]] = [
        {"params": [p], "lr": 1.0, "momentum": float(momentum)} for p, momentum in zip(parameters, momenta, strict=True)
    ]
    return _walk(landscape, Method("momentum").make_groups(groups), parameters, budget, 0, 0.0, lrs.to(torch.float64))


def _walk(
    landscape: Landscape,
    optimizer: Any,
    parameters: list[Tensor],
    budget: int,
    seed: int,
    noise: float,
    scale: Tensor | None = None,
) -> Iterator[Tensor]:
    generator = torch.Generator().manual_seed(seed)
    batches = landscape.batches(torch.Generator().manual_seed(seed + 1))
    yield torch.stack([p.detach().clone() for p in parameters])
    for _ in range(budget):
        theta = torch.stack(parameters)
        losses = next(batches)(theta)
        if noise:
            losses = losses + theta @ (noise * torch.randn(2, generator=generator, dtype=torch.float64))
        optimizer.zero_grad()
        (losses if scale is None else losses * scale).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        yield torch.stack([p for group in optimizer.iterates() for p in group])


def strayed(losses: Tensor, bound: float) -> Tensor:
    """For losses (step, run): whether a run's loss was ever not finite or beyond the bound."""
    return (~(losses.abs() <= bound)).any(0)


def bound_of(start: float) -> float:
    """The loss beyond which a run is called diverged: a million times that of the start, or of 1."""
    return 1e6 * max(1.0, abs(start)) if math.isfinite(start) else math.inf
