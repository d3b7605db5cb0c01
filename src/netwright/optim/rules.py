"""What an update rule consists of, and the numbers of one step of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
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
    counts: bool = True  # keeps the number of the step
    share: str = ""  # a setting that lr is multiplied by

    @cached_property
    def names(self) -> frozenset[str]:
        """All that it keeps in a parameter's state."""
        return frozenset((*self.states, *(["step"] if self.counts else []), *(["mu_product"] if self.product else [])))

    def factor(self, group: Group) -> float:
        """What the group's lr is multiplied by."""
        return float(group[self.share]) if self.share else 1.0


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


class Step:
    """The numbers of one step of a group's parameters that share its number `t`; those of the formula are made when asked for.

    Numbers are floats, or 0-dim tensors (`as_tensors`) where nothing may wait for a device. `keep` is what is left of theta by
    decay, None where nothing decays. `scale` multiplies gradients (sign, loss scaling, clipping); None: 1.
    """

    def __init__(self, rule: Rule, group: Group, state: dict[str, Any], as_tensors: bool) -> None:
        self.rule, self.group, self.state, self.as_tensors = rule, group, state, as_tensors
        decay, lr, factor = decay_of(group, rule.factor(group)), group["lr"], rule.factor(group)
        self.lr: Any = lr.detach().to(torch.float64) * factor if as_tensors and isinstance(lr, Tensor) else float(lr) * factor
        self.l2 = decay.l2
        self.keep = decay.keep(self.lr) if (decay.by_lr or decay.alone) and not rule.decays else None
        self.scale: Any = None

    @cached_property
    def _made(self) -> tuple[tuple[Any, ...], Any]:
        """The formula's scalars and the new product, computed in float64."""
        one = torch.ones((), dtype=torch.float64)
        t, product = self.state.get("step", one), self.state.get("mu_product", one)
        lr = self.lr if isinstance(self.lr, Tensor) else torch.tensor(self.lr, dtype=torch.float64)
        hyper = list(torch.tensor(self.rule.hyper(self.group), dtype=torch.float64).unbind())
        if self.as_tensors:
            place = lr.device if isinstance(self.lr, Tensor) else t.device
            lr, t, product, *hyper = (x.to(place) for x in (lr, t, product, *hyper))
        scalars, product = self.rule.scalars(t.to(torch.float64), product.to(torch.float64), lr, tuple(hyper))
        return (scalars if self.as_tensors else tuple(float(k) for k in scalars)), product

    @property
    def scalars(self) -> tuple[Any, ...]:
        """What the formula takes as k."""
        return self._made[0]

    @property
    def product(self) -> Any:
        """The new running product."""
        return self._made[1]
