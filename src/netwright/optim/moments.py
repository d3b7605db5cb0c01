"""Adam, AdamW, NAdam and Lion: moving means of gradients and of their squares."""

from __future__ import annotations

import math
from typing import ClassVar

from torch import Tensor

from netwright.optim import formulas
from netwright.optim.base import FirstOrder, Params, Settings
from netwright.optim.rules import Group, Rule, places_of_eps

Rate = float | Tensor


def _log(beta: float) -> float:
    return math.log(beta) if beta else -math.inf


def adam_numbers(group: Group) -> tuple[float, ...]:
    """beta1, beta2, their logarithms, and the places of eps."""
    beta1, beta2 = map(float, group["betas"])
    return beta1, beta2, _log(beta1), _log(beta2), *places_of_eps(group)


MOMENTS = ("exp_avg", "exp_avg_sq")
ADAM = Rule(formulas.adam, formulas.adam_scalars, adam_numbers, MOMENTS)
AMSGRAD = Rule(formulas.amsgrad, formulas.adam_scalars, adam_numbers, (*MOMENTS, "max_exp_avg_sq"))


class Adam(FirstOrder):
    """Moving means of gradients and of their squares, both debiased (Kingma and Ba 2015; notes 1.4.3).

    m = beta1 m + (1 - beta1) g; s = beta2 s + (1 - beta2) g^2; with m' = m / (1 - beta1^t), s' = s / (1 - beta2^t):
    form "torch" (and the paper): theta = theta - lr m' / (sqrt(s') + eps); form "notes": theta - lr m' / sqrt(s' + eps).
    `eps_mode` sets the place of eps apart from the form. `weight_decay` is added to the gradient, lambda theta (which is not
    the same as decay: see AdamW), unless `decoupled_weight_decay`. `amsgrad` divides by the largest s so far (Reddi 2018).

    Defaults are torch's and the paper's: lr 1e-3, betas (0.9, 0.999), eps 1e-8.

    >>> optimizer = nw.optim.Adam(model.parameters(), lr=1e-3)
    """

    keeps: ClassVar = ("step", *MOMENTS, "max_exp_avg_sq", "master")
    moments: ClassVar = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        form: str = "torch",
        eps_mode: str | None = None,
        decay: str | None = None,
        max_norm: float | None = None,
        on_nonfinite: str | None = None,
        master_weights: bool = False,
        path: str = "auto",
    ) -> None:
        settings: Group = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "foreach": foreach,
        }
        settings |= {"maximize": maximize, "capturable": capturable, "differentiable": differentiable, "fused": fused}
        settings |= {"decoupled_weight_decay": decoupled_weight_decay, "form": form, "eps_mode": eps_mode, "decay": decay}
        settings |= {"master_weights": master_weights}
        super().__init__(params, settings, Settings(max_norm, on_nonfinite, path))

    def _rule(self, group: Group) -> Rule:
        return AMSGRAD if group["amsgrad"] else ADAM


class AdamW(FirstOrder):
    """Adam with weight decay of the parameters themselves (Loshchilov and Hutter 2019; notes 1.4.4).

    Adam's step, and theta loses a share of itself. `decay` says which: "lr" lr lambda (torch, timm), "constant" lambda alone
    (the notes: theta - step - lambda theta), "schedule" lambda lr / (lr at the start) (the paper's eta_t lambda). None: the
    form's, "lr" for "torch" and "constant" for "notes". In a step whose lr is 0 nothing decays in any of them.

    Defaults are torch's: lr 1e-3, betas (0.9, 0.999), eps 1e-8, lambda 1e-2 (meant for `decay="lr"`; "constant" wants about lr
    times that).

    >>> optimizer = nw.optim.AdamW(nw.optim.no_decay(model, weight_decay=0.05), lr=1e-3)
    """

    keeps: ClassVar = ("step", *MOMENTS, "max_exp_avg_sq", "master")
    moments: ClassVar = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 1e-2,
        amsgrad: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        form: str = "torch",
        eps_mode: str | None = None,
        decay: str | None = None,
        max_norm: float | None = None,
        on_nonfinite: str | None = None,
        master_weights: bool = False,
        path: str = "auto",
    ) -> None:
        settings: Group = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "amsgrad": amsgrad}
        settings |= {"maximize": maximize, "foreach": foreach, "capturable": capturable, "differentiable": differentiable}
        settings |= {"fused": fused, "form": form, "eps_mode": eps_mode, "decay": decay, "master_weights": master_weights}
        settings |= {"decoupled_weight_decay": True}
        super().__init__(params, settings, Settings(max_norm, on_nonfinite, path))

    def _rule(self, group: Group) -> Rule:
        return AMSGRAD if group["amsgrad"] else ADAM


def _nadam(group: Group) -> tuple[float, ...]:
    beta1, beta2 = map(float, group["betas"])
    return beta1, beta2, float(group["momentum_decay"]) * math.log(0.96), _log(beta2), *places_of_eps(group)


NADAM = Rule(formulas.nadam, formulas.nadam_scalars, _nadam, MOMENTS, product=True)


class NAdam(FirstOrder):
    """Adam with Nesterov's momentum (Dozat 2016), as torch has it.

    With mu_t = beta1 (1 - 0.96^(t psi) / 2), psi `momentum_decay`:
    theta = theta - lr (mu_(t+1) m / (1 - mu_1 ... mu_(t+1)) + (1 - mu_t) g / (1 - mu_1 ... mu_t)) / (sqrt(s') + eps).
    `decoupled_weight_decay` decays as AdamW does. Defaults are torch's: lr 2e-3, betas (0.9, 0.999), psi 4e-3. Not in the notes:
    their form sets eps inside of the root, as in Adam.

    >>> optimizer = nw.optim.NAdam(model.parameters())
    """

    keeps: ClassVar = ("step", "mu_product", *MOMENTS, "master")
    moments: ClassVar = True

    def __init__(
        self,
        params: Params,
        lr: Rate = 2e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum_decay: float = 4e-3,
        decoupled_weight_decay: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        form: str = "torch",
        eps_mode: str | None = None,
        decay: str | None = None,
        max_norm: float | None = None,
        on_nonfinite: str | None = None,
        master_weights: bool = False,
        path: str = "auto",
    ) -> None:
        settings: Group = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "momentum_decay": momentum_decay}
        settings |= {"decoupled_weight_decay": decoupled_weight_decay, "foreach": foreach, "maximize": maximize}
        settings |= {"capturable": capturable, "differentiable": differentiable, "form": form, "eps_mode": eps_mode}
        settings |= {"decay": decay, "master_weights": master_weights}
        super().__init__(params, settings, Settings(max_norm, on_nonfinite, path))

    def _rule(self, group: Group) -> Rule:
        return NADAM


def _lion(group: Group) -> tuple[float, ...]:
    beta1, beta2 = map(float, group["betas"])
    return beta1, beta2


LION = Rule(formulas.lion, formulas.lion_scalars, _lion, ("exp_avg",), counts=False)


class Lion(FirstOrder):
    """The sign of an interpolated gradient (Chen et al. 2023, algorithm 2).

    theta = theta - lr sign(beta1 m + (1 - beta1) g) - lr lambda theta; m = beta2 m + (1 - beta2) g. The sign of 0 is 0.
    Defaults are the paper's: lr 1e-4 (a third to a tenth of AdamW's), betas (0.9, 0.99), lambda 0 (3 to 10 times AdamW's).
    `decay` as in AdamW. Not in the notes.

    >>> optimizer = nw.optim.Lion(model.parameters(), lr=1e-4, weight_decay=0.1)
    """

    keeps: ClassVar = ("exp_avg", "master")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-4,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        form: str = "torch",
        decay: str | None = None,
        max_norm: float | None = None,
        on_nonfinite: str | None = None,
        master_weights: bool = False,
        path: str = "auto",
    ) -> None:
        settings: Group = {"lr": lr, "betas": betas, "weight_decay": weight_decay, "maximize": maximize}
        settings |= {"differentiable": differentiable, "form": form, "decay": decay, "master_weights": master_weights}
        settings |= {"decoupled_weight_decay": True}
        super().__init__(params, settings, Settings(max_norm, on_nonfinite, path))

    def _rule(self, group: Group) -> Rule:
        return LION
