"""An optimizer's update with the numbers of one step in it.

Each rule is evaluated as it is written; where it does not give the step that was taken (an option that the rule here does
not have), the text says the plain difference instead, so that no formula stands there that is not what happened.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netwright.lab.methods import Method
from netwright.optim.checks import FORMS

Vector = NDArray[np.float64]


@dataclass(frozen=True)
class _At:
    """What a rule reads: all settings, the number of the step (from 1), theta, the gradient, the state before."""

    settings: dict[str, Any]
    t: int
    theta: Vector
    g: Vector
    state: dict[str, Any]

    def of(self, name: str) -> Vector:
        return np.asarray(self.state.get(name, np.zeros(2)), dtype=float)

    def root(self, s: Vector, name: str, inside: bool) -> tuple[Vector, str]:
        """The denominator: eps stands inside of the root or outside."""
        eps = self.settings["eps"]
        if inside:
            return np.sqrt(s + eps), f"sqrt({name} + {eps:g})"
        return np.sqrt(s) + eps, f"(sqrt({name}) + {eps:g})"


Rule = Callable[[_At], tuple[str, Vector]]


def formula(
    method: Method,
    number: int,
    before: tuple[float, float],
    after: tuple[float, float],
    gradient: tuple[float, float],
    state: dict[str, Any],
) -> str:
    """The update of step `number` (from 1) from `before` to `after`; `state` is the optimizer's before the step.

    `gradient` is the one that the step was shown.
    """
    settings = method.all_settings()
    theta, reached, g = np.array(before), np.array(after), np.array(gradient)
    if method.second_order:
        return f"theta = {_v(theta)} - {settings['lr']:g} H^-1 g, g = {_v(g)}, = {_v(reached)}"
    rule = _RULES.get(method.name)
    if rule is not None:
        at = _At(settings, number, theta, g, state)
        with np.errstate(all="ignore"):
            text, predicted = rule(_decayed(at) if method.name not in _DECOUPLED else at)
        if np.allclose(predicted, reached, rtol=1e-9, atol=1e-12):
            return f"{text} = {_v(reached)}"
    return f"theta = {_v(theta)} + {_v(reached - theta)} = {_v(reached)}"


def _v(vector: Vector) -> str:
    return "(" + ", ".join(f"{value:.4g}" for value in vector) + ")"


def _decayed(at: _At) -> _At:
    """Weight decay as part of the gradient."""
    decay = at.settings.get("weight_decay", 0)
    return _At(at.settings, at.t, at.theta, at.g + decay * at.theta, at.state) if decay else at


def _sgd(at: _At) -> tuple[str, Vector]:
    lr, mu = at.settings["lr"], at.settings["momentum"]
    if not mu:
        return f"theta = {_v(at.theta)} - {lr:g} {_v(at.g)}", at.theta - lr * at.g
    share = 1 - at.settings["dampening"] if at.t > 1 else 1
    old = at.of("momentum_buffer")
    if at.settings["form"] == "notes":
        v = mu * old - lr * share * at.g
        return f"v = {mu:g} {_v(old)} - {lr * share:g} {_v(at.g)} = {_v(v)}; theta = {_v(at.theta)} + v", at.theta + v
    b = mu * old + share * at.g
    kept = f"{share:g} " if share != 1 else ""
    return f"b = {mu:g} {_v(old)} + {kept}{_v(at.g)} = {_v(b)}; theta = {_v(at.theta)} - {lr:g} b", at.theta - lr * b


def _adagrad(at: _At) -> tuple[str, Vector]:
    lr = at.settings["lr"] / (1 + (at.t - 1) * at.settings["lr_decay"])
    old = at.of("sum") if at.state else np.full(2, float(at.settings["initial_accumulator_value"]))
    s = old + at.g**2
    down, told = at.root(s, "s", at.settings["eps_mode"] == "inside")
    text = f"s = {_v(old)} + {_v(at.g)}^2 = {_v(s)}; theta = {_v(at.theta)} - {lr:g} {_v(at.g)} / {told}"
    return text, at.theta - lr * at.g / down


def _rmsprop(at: _At) -> tuple[str, Vector]:
    lr, beta = at.settings["lr"], at.settings["alpha"]
    old = at.of("square_avg")
    s = beta * old + (1 - beta) * at.g**2
    down, told = at.root(s, "s", at.settings["eps_mode"] == "inside")
    text = f"s = {beta:g} {_v(old)} + {1 - beta:g} {_v(at.g)}^2 = {_v(s)}; theta = {_v(at.theta)} - {lr:g} {_v(at.g)} / {told}"
    return text, at.theta - lr * at.g / down


def _means(at: _At) -> tuple[Vector, Vector, str]:
    """Adam's two running means, not yet debiased."""
    first, second = at.settings["betas"]
    old, old_squares = at.of("exp_avg"), at.of("exp_avg_sq")
    m, s = first * old + (1 - first) * at.g, second * old_squares + (1 - second) * at.g**2
    text = (
        f"m = {first:g} {_v(old)} + {1 - first:g} {_v(at.g)} = {_v(m)}; "
        f"s = {second:g} {_v(old_squares)} + {1 - second:g} {_v(at.g)}^2 = {_v(s)}"
    )
    return m, s, text


def _inside(at: _At) -> bool:
    """Where Adam's eps stands: inside in the notes, outside in torch."""
    return (at.settings["eps_mode"] or FORMS[at.settings["form"]].eps_mode) == "inside"


def _debiased(at: _At) -> tuple[Vector, Vector, str, str]:
    first, second = at.settings["betas"]
    m, s, text = _means(at)
    m, s = m / (1 - first**at.t), s / (1 - second**at.t)
    down, told = at.root(s, "s'", _inside(at))
    return m, down, told, f"{text}; m' = m / {1 - first**at.t:.4g} = {_v(m)}; s' = s / {1 - second**at.t:.4g} = {_v(s)}"


def _adam(at: _At) -> tuple[str, Vector]:
    m, down, told, text = _debiased(at)
    lr = at.settings["lr"]
    return f"{text}; theta = {_v(at.theta)} - {lr:g} m' / {told}", at.theta - lr * m / down


def _shrink(at: _At) -> tuple[float, str]:
    """What a decoupled decay takes of theta in a step at constant lr."""
    mode = at.settings["decay"] or FORMS[at.settings["form"]].decay
    share = at.settings["weight_decay"] * (at.settings["lr"] if mode == "lr" else 1)
    return share, f" - {share:g} {_v(at.theta)}" if share else ""


def _adamw(at: _At) -> tuple[str, Vector]:
    share, tail = _shrink(at)
    text, reached = _adam(at)
    return text + tail, reached - share * at.theta


def _nadam(at: _At) -> tuple[str, Vector]:
    first, second = at.settings["betas"]
    lr, decay = at.settings["lr"], at.settings["momentum_decay"]
    mu, ahead = (first * (1 - 0.5 * 0.96 ** (t * decay)) for t in (at.t, at.t + 1))
    product = float(at.state.get("mu_product", 1.0)) * mu
    m, s, text = _means(at)
    down, told = at.root(s / (1 - second**at.t), f"s / {1 - second**at.t:.4g}", _inside(at))
    here, there = (1 - mu) / (1 - product), ahead / (1 - product * ahead)
    text += f"; theta = {_v(at.theta)} - {lr:g} ({here:.4g} {_v(at.g)} + {there:.4g} m) / {told}"
    return text, at.theta - lr * (here * at.g + there * m) / down


def _lion(at: _At) -> tuple[str, Vector]:
    first, _ = at.settings["betas"]
    lr, old = at.settings["lr"], at.of("exp_avg")
    c = first * old + (1 - first) * at.g
    share, tail = _shrink(at)
    text = f"c = {first:g} {_v(old)} + {1 - first:g} {_v(at.g)} = {_v(c)}; theta = {_v(at.theta)} - {lr:g} sign(c){tail}"
    return text, at.theta - lr * np.sign(c) - share * at.theta


def _lamb(at: _At) -> tuple[str, Vector]:
    m, down, told, text = _debiased(at)
    lr, decay = at.settings["lr"], at.settings["weight_decay"]
    constant = (at.settings["decay"] or FORMS[at.settings["form"]].decay) == "constant"
    inner, outer = (0.0, decay) if constant else (decay, 0.0)
    r = m / down + inner * at.theta
    sizes = float(np.linalg.norm(at.theta)), float(np.linalg.norm(r))
    trust = sizes[0] / sizes[1] if min(sizes) > 0 else 1.0
    text += f"; r = m' / {told} + {inner:g} {_v(at.theta)} = {_v(r)}; theta = {_v(at.theta)} - {lr:g} |theta| / |r| r"
    text += f" - {outer:g} {_v(at.theta)}" if outer else ""
    return f"{text}, |theta| / |r| = {trust:.4g},", at.theta - lr * trust * r - outer * at.theta


_DECOUPLED = ("adamw", "lion", "lamb", "muon")
_RULES: dict[str, Rule] = {
    "sgd": _sgd,
    "momentum": _sgd,
    "nesterov": _sgd,
    "adagrad": _adagrad,
    "rmsprop": _rmsprop,
    "adam": _adam,
    "adamw": _adamw,
    "nadam": _nadam,
    "lion": _lion,
    "lamb": _lamb,
}
