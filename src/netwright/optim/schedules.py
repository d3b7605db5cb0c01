"""Learning rates (and momentum) as plain functions of the step, for any optimizer: numbers in, one float out.

A step is a number of anything, whole or not: batches or epochs; the first one is 0. Set the value with `set_lr`, or let
torch do it: `LambdaLR(optimizer, partial(cosine, steps=90, lr=1.0))` (there the lr is a factor of each group's own).
All raise NetwrightError for numbers that cannot be. Beyond their end, schedules stay at their last value.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from numbers import Real
from typing import Any, Literal

import torch
from torch import Tensor

from netwright.errors import NetwrightError, did_you_mean

Anneal = Literal["cosine", "linear"]


def cosine(step: float, steps: float, lr: float, final: float = 0.0, warmup: float = 0) -> float:
    """Half a cosine from lr at step 0 to `final` at step `steps` (SGDR without restarts, Loshchilov & Hutter 2017).

    With a warm-up, the first `warmup` of the steps rise linearly from 0, and the cosine takes the rest. Equal to torch's
    CosineAnnealingLR up to its T_max, after which torch's rises again. Raises NetwrightError for a warm-up that leaves no steps.

    >>> [round(cosine(step, 4, 0.1), 3) for step in range(5)]
    [0.1, 0.085, 0.05, 0.015, 0.0]
    """
    not_below(0, {"step": step, "lr": lr, "final": final, "warmup": warmup})
    above(0, {"steps": steps})
    if warmup >= steps:
        raise NetwrightError(f"warmup is {warmup} of {steps} steps: leave some for the cosine")
    if step < warmup:
        return rising(step, warmup, lr)
    return _between(lr, final, min((step - warmup) / (steps - warmup), 1.0), "cosine")


def steps_down(step: float, every: float, lr: float, factor: float = 0.1) -> float:
    """Times `factor` after `every` steps, and again. torch's StepLR.

    EfficientNet's and MobileNet's `steps_down(epoch, 2.4, lr, 0.97)` (Tan & Le 2019).

    >>> [steps_down(epoch, 30, 1.0) for epoch in (0, 29, 30, 60)]
    [1.0, 1.0, 0.1, 0.010000000000000002]
    """
    not_below(0, {"step": step, "lr": lr, "factor": factor})
    above(0, {"every": every})
    return lr * math.pow(factor, step // every)


def multistep(step: float, milestones: Sequence[float], lr: float, factor: float = 0.1) -> float:
    """Times `factor` from each milestone on; a milestone that stands twice counts twice. torch's MultiStepLR.

    ResNet's `multistep(epoch, (30, 60, 80), 0.1)` (Goyal et al. 2017).

    >>> [multistep(epoch, (2, 3), 1.0, 0.5) for epoch in range(4)]
    [1.0, 1.0, 0.5, 0.25]
    """
    not_below(0, {"step": step, "lr": lr, "factor": factor})
    for milestone in milestones:
        not_below(0, {"milestone": milestone})
    return lr * math.pow(factor, sum(step >= milestone for milestone in milestones))


def exponential(step: float, lr: float, factor: float, every: float = 1) -> float:
    """Times `factor` in every `every` steps, smoothly: lr factor^(step / every). torch's ExponentialLR for every step.

    >>> exponential(4.8, 1.0, 0.5, every=2.4)
    0.25
    """
    not_below(0, {"step": step, "lr": lr, "factor": factor})
    above(0, {"every": every})
    return lr * math.pow(factor, step / every)


def polynomial(step: float, steps: float, lr: float, power: float = 1.0, final: float = 0.0) -> float:
    """final + (lr - final) (1 - step / steps)^power. torch's PolynomialLR.

    >>> [polynomial(step, 4, 1.0, power=2) for step in range(5)]
    [1.0, 0.5625, 0.25, 0.0625, 0.0]
    """
    not_below(0, {"step": step, "lr": lr, "final": final, "power": power})
    above(0, {"steps": steps})
    return final + (lr - final) * math.pow(1 - min(step / steps, 1.0), power)


def linear(step: float, steps: float, lr: float, final: float = 0.0) -> float:
    """A straight line from lr at step 0 to `final` at step `steps`. torch's LinearLR.

    >>> [linear(step, 4, 1.0) for step in range(6)]
    [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    """
    return polynomial(step, steps, lr, final=final)


def rising(step: float, steps: float, lr: float, start: float = 0.0) -> float:
    """A straight line from lr times `start` at step 0 to lr at step `steps`: a warm-up alone.

    >>> [rising(step, 4, 1.0, start=0.2) for step in (0, 2, 4, 5)]
    [0.2, 0.6000000000000001, 1.0, 1.0]
    """
    not_below(0, {"step": step, "lr": lr, "start": start})
    above(0, {"steps": steps})
    return _between(lr * start, lr, min(step / steps, 1.0), "linear")


def warmup(step: float, steps: float, then: float | Callable[[float], float], start: float = 0.0) -> float:
    """A linear warm-up before any other schedule: from `start` of what that gives at step `steps` (Goyal et al. 2017).

    `then` is a function of the step, counted from the beginning as here, or one number. With start 0 the first step has
    rate 0. Equal to torch's LinearLR chained with a schedule that is still constant.

    >>> [warmup(epoch, 5, lambda epoch: multistep(epoch, (30, 60), 0.5), start=0.2) for epoch in (0, 5, 30)]
    [0.1, 0.5, 0.05]
    >>> warmup(7, 5, lambda epoch: cosine(epoch - 5, 4, lr=1.0))
    0.5
    """
    not_below(0, {"step": step, "steps": steps})
    value = then(max(step, steps)) if callable(then) else then
    return value if step >= steps else rising(step, steps, value, start)


def one_cycle(
    step: float,
    steps: float,
    lr: float,
    *,
    pct_start: float = 0.3,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
    anneal: Anneal = "cosine",
    three_phase: bool = False,
) -> float:
    """Up to lr, and down to almost nothing (Smith & Topin 2018). The numbers and arguments of torch's OneCycleLR.

    From lr / div_factor the rate rises for a share `pct_start` of the `steps`, then falls to that over final_div_factor
    at the last step, which is `steps` - 1; `three_phase` is the paper's: back in as many steps as up, then to the end.
    Momentum is to go the other way: `one_cycle_momentum`. Deviations of torch's from the paper are kept: two phases, cosine.

    >>> [round(one_cycle(step, 10, 1.0), 4) for step in range(10)]
    [0.04, 0.52, 1.0, 0.9505, 0.8117, 0.6113, 0.3887, 0.1883, 0.0495, 0.0]
    """
    not_below(0, {"lr": lr})
    above(0, {"div_factor": div_factor, "final_div_factor": final_div_factor})
    low = lr / div_factor
    return _cycle(step, steps, (low, lr, low / final_div_factor), pct_start, anneal, three_phase)


def one_cycle_momentum(
    step: float,
    steps: float,
    *,
    base: float = 0.85,
    most: float = 0.95,
    pct_start: float = 0.3,
    anneal: Anneal = "cosine",
    three_phase: bool = False,
) -> float:
    """The momentum of `one_cycle`: from `most` down to `base` while the rate rises, and back. Give it to `set_momentum`.

    >>> [round(one_cycle_momentum(step, 10), 3) for step in (0, 1, 2, 9)]
    [0.95, 0.9, 0.85, 0.95]
    """
    not_below(0, {"base": base, "most": most})
    return _cycle(step, steps, (most, base, most), pct_start, anneal, three_phase)


def _cycle(
    step: float, steps: float, values: tuple[float, float, float], pct_start: float, anneal: str, three_phase: bool
) -> float:
    """From the first value to the second, (back to the first,) and to the third."""
    not_below(0, {"step": step, "pct_start": pct_start})
    above(1, {"steps": steps})
    if pct_start > (0.5 if three_phase else 1):
        raise NetwrightError(f"pct_start is {pct_start}: give a share of the steps up to {0.5 if three_phase else 1}")
    if anneal not in ("cosine", "linear"):
        raise NetwrightError(
            f"there is no anneal {anneal!r}{did_you_mean(str(anneal), ('cosine', 'linear'))} (known: cosine, linear)"
        )
    first, second, third = values
    rise = pct_start * steps - 1
    phases = [(rise, first, second), (steps - 1, second, third)]
    if three_phase:
        phases = [(rise, first, second), (2 * pct_start * steps - 2, second, first), (steps - 1, first, third)]
    begin, step = 0.0, min(step, steps - 1)
    for end, low, high in phases[:-1]:
        if step <= end:
            return _between(low, high, (step - begin) / (end - begin) if end > begin else 1.0, anneal)
        begin = end
    end, low, high = phases[-1]
    return _between(low, high, (step - begin) / (end - begin), anneal)


def _between(first: float, last: float, share: float, anneal: str) -> float:
    """`share` of the way from one number to another."""
    if anneal == "linear":
        return (last - first) * share + first
    return last + (first - last) / 2 * (math.cos(math.pi * share) + 1)


def set_lr(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the learning rate of every group, times its `lr_scale` where it has one (see `layer_decay`).

    A rate that is a tensor is written in place: graphs that were captured with it see the new one.
    """
    not_below(0, {"lr": value})
    for group in optimizer.param_groups:
        group["lr"] = _written(group["lr"], value * group.get("lr_scale", 1.0))


def set_momentum(optimizer: torch.optim.Optimizer, value: float) -> None:
    """Set the momentum of every group: `momentum`, or the first of the `betas`. Raises NetwrightError for a group of neither."""
    not_below(0, {"momentum": value})
    if value >= 1:
        raise NetwrightError(f"momentum is {value}: give a number from 0 up to, but not, 1")
    for group in optimizer.param_groups:
        if "betas" in group:
            group["betas"] = (_written(group["betas"][0], value), *group["betas"][1:])
        elif "momentum" in group:
            group["momentum"] = _written(group["momentum"], value)
        else:
            raise NetwrightError(f"{type(optimizer).__name__} has neither momentum nor betas: leave its cycle out")


def _written(held: Any, value: float) -> Any:
    """The value, or the tensor that was held with the value in it."""
    if not isinstance(held, Tensor):
        return value
    with torch.no_grad():
        return held.fill_(value)


def not_below(least: float, numbers: dict[str, float]) -> None:
    """Raise NetwrightError for the first of the named numbers that is less than `least`, or no finite number."""
    for name, value in numbers.items():
        if not _is_number(value) or value < least:
            raise NetwrightError(f"{name} is {value!r}: give a finite number of at least {least:g}")


def above(least: float, numbers: dict[str, float]) -> None:
    """Raise NetwrightError for a number that is not above `least`."""
    for name, value in numbers.items():
        if not _is_number(value) or value <= least:
            raise NetwrightError(f"{name} is {value!r}: give a finite number above {least:g}")


def _is_number(value: object) -> bool:
    return value is not True and value is not False and isinstance(value, Real) and math.isfinite(value)
