"""SGD, Adagrad and RMSprop, with the names and arguments of torch's."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from netwright.optim import formulas
from netwright.optim.base import FirstOrder, Params, Settings
from netwright.optim.rules import Group, Rule, places_of_eps

Rate = float | Tensor

# ------------------------------------------------------------ gradient descent


def _momentum(group: Group) -> tuple[float, ...]:
    return float(group["momentum"]), float(group["dampening"])


_BUFFER = ("momentum_buffer",)
SGD_RULES = {  # by momentum, nesterov, form
    "sgd": Rule(formulas.sgd, formulas.sgd_scalars, lambda group: (), counts=False),
    "torch": Rule(formulas.momentum, formulas.momentum_scalars, _momentum, _BUFFER, counts=False),
    "damped": Rule(formulas.momentum, formulas.damped_scalars, _momentum, _BUFFER),
    "notes": Rule(formulas.momentum, formulas.momentum_notes_scalars, _momentum, _BUFFER, counts=False),
    "nesterov torch": Rule(formulas.nesterov, formulas.nesterov_scalars, _momentum, _BUFFER, counts=False),
    "nesterov notes": Rule(formulas.nesterov, formulas.nesterov_notes_scalars, _momentum, _BUFFER, counts=False),
}


class SGD(FirstOrder):
    """Gradient descent, with momentum or Nesterov momentum.

    With g the gradient (and `weight_decay` theta added to it):

    - plain: theta = theta - lr g (notes 1.1)
    - `momentum=mu`, form "torch": b = mu b + (1 - dampening) g, the first b is g; theta = theta - lr b.
      Form "notes" (1.3): v = mu v - lr g, theta = theta + v. The same path at a constant lr; when lr changes, the notes' v
      keeps the steps it was made of, torch's b takes the new lr for all of them.
    - `nesterov=True`: the gradient is taken at theta + mu v. In both forms the stored parameter is that look-ahead point, as
      in torch, and `iterates()` gives theta: p - mu v ("notes"), p + lr mu b ("torch", exact at a constant lr).

    Defaults are torch's (lr 1e-3). The notes give no numbers; mu 0.9 is usual.

    Deviations: form "notes" takes `dampening`, which the notes do not have. State is fp32 for narrower parameters (torch:
    the parameter's type). `p.grad` is never written to.

    >>> optimizer = nw.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    """

    keeps: ClassVar = ("step", "momentum_buffer", "master")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        form: str = "torch",
        max_norm: float | None = None,
        on_nonfinite: str | None = None,
        master_weights: bool = False,
        path: str = "auto",
    ) -> None:
        settings: Group = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
        }
        settings |= {"maximize": maximize, "foreach": foreach, "differentiable": differentiable, "fused": fused, "form": form}
        settings |= {"master_weights": master_weights}
        super().__init__(params, settings, Settings(max_norm, on_nonfinite, path))

    def _rule(self, group: Group) -> Rule:
        if not group["momentum"]:
            return SGD_RULES["sgd"]
        if group["dampening"] and group["form"] == "torch":
            return SGD_RULES["damped"]
        return SGD_RULES[f"nesterov {group['form']}" if group["nesterov"] else group["form"]]


# ------------------------------------------------------------ adaptive learning rates


def _adagrad(group: Group) -> tuple[float, ...]:
    return float(group["lr_decay"]), *places_of_eps(group)


ADAGRAD = Rule(formulas.adagrad, formulas.adagrad_scalars, _adagrad, ("sum",))


class Adagrad(FirstOrder):
    """A learning rate for each number, divided by the root of all its squared gradients so far (Duchi et al. 2011; notes 1.4.1).

    s = s + g^2; theta = theta - lr g / (sqrt(s) + eps). eps stands outside of the root in both forms; `eps_mode="inside"`
    sets it inside. s only grows, so steps shrink, and may become too short before the minimum is reached.

    Defaults are torch's: lr 1e-2, eps 1e-10, s starts at `initial_accumulator_value` 0. `lr_decay`: lr / (1 + (t - 1) lr_decay).

    >>> optimizer = nw.optim.Adagrad(model.parameters(), lr=0.05)
    """

    keeps: ClassVar = ("step", "sum", "master")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        form: str = "torch",
        eps_mode: str | None = None,
        max_norm: float | None = None,
        on_nonfinite: str | None = None,
        master_weights: bool = False,
        path: str = "auto",
    ) -> None:
        settings: Group = {"lr": lr, "lr_decay": lr_decay, "weight_decay": weight_decay}
        settings |= {"initial_accumulator_value": initial_accumulator_value, "eps": eps, "foreach": foreach}
        settings |= {"maximize": maximize, "differentiable": differentiable, "fused": fused, "form": form, "eps_mode": eps_mode}
        settings |= {"master_weights": master_weights}
        super().__init__(params, settings, Settings(max_norm, on_nonfinite, path))

    def _rule(self, group: Group) -> Rule:
        return ADAGRAD


def _rmsprop(group: Group) -> tuple[float, ...]:
    return float(group["alpha"]), float(group["momentum"]), *places_of_eps(group)


RMSPROP_RULES = {  # by centered, momentum
    (False, False): Rule(formulas.rmsprop, formulas.rmsprop_scalars, _rmsprop, ("square_avg",)),
    (False, True): Rule(formulas.rmsprop_momentum, formulas.rmsprop_scalars, _rmsprop, ("square_avg", "momentum_buffer")),
    (True, False): Rule(formulas.rmsprop_centered, formulas.rmsprop_scalars, _rmsprop, ("square_avg", "grad_avg")),
    (True, True): Rule(
        formulas.rmsprop_centered_momentum,
        formulas.rmsprop_scalars,
        _rmsprop,
        ("square_avg", "grad_avg", "momentum_buffer"),
    ),
}


class RMSprop(FirstOrder):
    """Adagrad that forgets: a moving mean of squared gradients (Tieleman and Hinton 2012; notes 1.4.2).

    s = alpha s + (1 - alpha) g^2; theta = theta - lr g / (sqrt(s) + eps). eps stands outside of the root in both forms
    (TensorFlow and timm's rmsprop_tf have it inside: `eps_mode="inside"`). `alpha` is the notes' beta ("0.9 or higher"); the
    default 0.99 and eps 1e-8 are torch's. `momentum`: b = mu b + g / (sqrt(s) + eps), theta = theta - lr b.
    `centered`: s - mean(g)^2 for s (Graves 2013).

    >>> optimizer = nw.optim.RMSprop(model.parameters(), lr=0.01, alpha=0.9)
    """

    keeps: ClassVar = ("step", "square_avg", "grad_avg", "momentum_buffer", "master")

    def __init__(
        self,
        params: Params,
        lr: Rate = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
        *,
        form: str = "torch",
        eps_mode: str | None = None,
        max_norm: float | None = None,
        on_nonfinite: str | None = None,
        master_weights: bool = False,
        path: str = "auto",
    ) -> None:
        settings: Group = {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay, "momentum": momentum}
        settings |= {"centered": centered, "capturable": capturable, "foreach": foreach, "maximize": maximize}
        settings |= {"differentiable": differentiable, "form": form, "eps_mode": eps_mode, "master_weights": master_weights}
        super().__init__(params, settings, Settings(max_norm, on_nonfinite, path))

    def _rule(self, group: Group) -> Rule:
        return RMSPROP_RULES[bool(group["centered"]), bool(group["momentum"])]
