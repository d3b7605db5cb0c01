"""What an update rule consists of, and the numbers of one step of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import torch
from torch import Tensor

Group = dict[str, Any]
Formula = Callable[[Any, Any, tuple[Any, ...], tuple[Any, ...]], tuple[Any, tuple[Any, ...]]]
Scalars = Callable[[Any, Any, Any, tuple[Any, ...]], tuple[tuple[Any, ...], Any]]


@dataclass(frozen=True)
class Rule:
    """One rule: its formula, what it keeps for each parameter (`states`, in the formula's order), and its numbers.

    `hyper` reads a parameter group. A rule that is not elementwise says why in `whole`: it has the reference path only.
    """

    formula: Formula
    scalars: Scalars
    hyper: Callable[[Group], tuple[float, ...]]
    states: tuple[str, ...] = ()
    product: bool = False  # keeps `mu_product`
    whole: str = ""
    decays: bool = False  # takes the decoupled decay into its own formula
    counted: bool = True  # False: beyond the first step its number does not matter, and torch's files have none
    share: str = ""  # a setting that lr is multiplied by

    def factor(self, group: Group) -> float:
        """What the group's lr is multiplied by."""
        return float(group[self.share]) if self.share else 1.0

    @property
    def counts(self) -> bool:
        """Whether the number of the step matters: plain SGD keeps nothing at all."""
        return bool(self.states)


def places_of_eps(group: Group) -> tuple[float, float]:
    """eps inside of the root, and outside of it: one of the two is zero."""
    eps = float(group["eps"])
    return (eps, 0.0) if group["inside"] else (0.0, eps)


class Decay(NamedTuple):
    """Weight decay: `l2` theta is added to the gradient; theta loses (`by_lr` lr + `alone`) of itself."""

    l2: float
    by_lr: float
    alone: float

    def keep(self, lr: Any) -> Any:
        """What is left of theta; all of it where lr is 0 (a step of no length changes nothing)."""
        if isinstance(lr, Tensor):
            return 1 - (self.by_lr * lr + self.alone * (lr != 0).to(lr.dtype))
        return 1 - (self.by_lr * lr + self.alone) if lr else 1.0


def decay_of(group: Group, factor: float = 1.0) -> Decay:
    """The decay of a group whose lr is multiplied by `factor`, by its `weight_decay`, `decoupled_weight_decay` and `decay`."""
    amount = float(group["weight_decay"])
    if not group["decoupled_weight_decay"]:
        return Decay(amount, 0.0, 0.0)
    if group["decay"] == "constant":
        return Decay(0.0, 0.0, amount)
    if group["decay"] == "schedule":
        start = factor * float(group["lr_at_start"])
        return Decay(0.0, amount / start if start else 0.0, 0.0)
    return Decay(0.0, amount, 0.0)


@dataclass
class Step:
    """The numbers of one step of one parameter: ready for arrays. `keep` is None where nothing decays."""

    lr: Any
    scalars: tuple[Any, ...]
    product: Any
    l2: float
    keep: Any
    scale: Any = field(default=None)  # of gradients: sign, loss scaling, clipping; None: 1

    @classmethod
    def of(cls, rule: Rule, group: Group, t: Tensor, product: Tensor, as_tensors: bool) -> Step:
        """The step number `t` (0-dim) of a group; numbers are floats, or 0-dim tensors where nothing may wait for a device."""
        decay, lr = decay_of(group, rule.factor(group)), group["lr"]
        rate = lr.detach().to(torch.float64) if isinstance(lr, Tensor) else torch.tensor(float(lr), dtype=torch.float64)
        hyper = list(torch.tensor(rule.hyper(group), dtype=torch.float64).unbind())
        if as_tensors:
            place = lr.device if isinstance(lr, Tensor) else t.device
            rate, t, product, *hyper = (x.to(place) for x in (rate, t, product, *hyper))
        rate = rate * rule.factor(group)
        scalars, made = rule.scalars(t.to(torch.float64), product.to(torch.float64), rate, tuple(hyper))
        decays = bool(decay.by_lr or decay.alone) and not rule.decays
        keep = decay.keep(rate) if decays else None
        if not as_tensors:
            scalars, keep = tuple(float(k) for k in scalars), None if keep is None else float(keep)
        return cls(rate if as_tensors else float(rate), scalars, made, decay.l2, keep)
