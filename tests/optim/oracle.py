"""The update rules in float64 NumPy: an oracle written from the lecture notes, the papers and torch's documentation alone.

One class holds one array under one rule. A rule asks for the gradient at the point where its formula takes it, so that
Nesterov's momentum of the notes is computed literally, at theta + mu v. Nothing here is shared with netwright.optim.

g is the gradient, t the number of the step (from 1), lambda the weight decay. L2 regularization adds lambda x to the
gradient; decoupled decay takes its part of theta itself.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Gradient = Callable[[Array], Array]


class Rule:
    """An array `x` under a rule. `lr` may be changed between steps; `lr_at_start` stays."""

    l2 = True  # weight decay goes into the gradient

    def __init__(self, x: npt.ArrayLike, lr: float, weight_decay: float = 0.0, maximize: bool = False) -> None:
        self.x = np.array(x, dtype=np.float64)
        self.lr = self.lr_at_start = lr
        self.weight_decay, self.maximize = weight_decay, maximize
        self.t = 0

    @property
    def stored(self) -> Array:
        """What an optimizer keeps in the parameter: the point at which the next gradient is taken."""
        return self.x

    @property
    def theta(self) -> Array:
        """The iterate of the recurrence."""
        return self.x

    def step(self, gradient: Gradient) -> None:
        self.t += 1
        g = np.asarray(gradient(self.stored.copy()), dtype=np.float64)
        g = -g if self.maximize else g
        self.update(g + self.weight_decay * self.stored if self.l2 else g)

    def update(self, g: Array) -> None:
        raise NotImplementedError


class Sgd(Rule):
    """theta -= lr g."""

    def update(self, g: Array) -> None:
        self.x = self.x - self.lr * g


class TorchMomentum(Rule):
    """b = mu b + (1 - dampening) g, the first b is g undamped; x -= lr b, or with Nesterov x -= lr (g + mu b)."""

    def __init__(self, x: npt.ArrayLike, momentum: float, dampening: float = 0.0, nesterov: bool = False, **common: Any) -> None:
        super().__init__(x, **common)
        self.mu, self.dampening, self.nesterov = momentum, dampening, nesterov
        self.b = np.zeros_like(self.x)

    def update(self, g: Array) -> None:
        self.b = g.copy() if self.t == 1 else self.mu * self.b + (1 - self.dampening) * g
        self.x = self.x - self.lr * (g + self.mu * self.b if self.nesterov else self.b)

    @property
    def theta(self) -> Array:
        return self.x + self.lr * self.mu * self.b if self.nesterov else self.x


class NotesMomentum(Rule):
    """v = mu v - lr grad(theta); theta += v. With Nesterov the gradient is taken at theta + mu v."""

    def __init__(self, x: npt.ArrayLike, momentum: float, nesterov: bool = False, dampening: float = 0.0, **common: Any) -> None:
        super().__init__(x, **common)
        self.mu, self.nesterov, self.dampening = momentum, nesterov, dampening
        self.v = np.zeros_like(self.x)

    @property
    def stored(self) -> Array:
        return self.x + self.mu * self.v if self.nesterov else self.x

    def update(self, g: Array) -> None:
        self.v = self.mu * self.v - self.lr * (1 - self.dampening) * g
        self.x = self.x + self.v


def root(s: Array, eps: float, inside: bool) -> Array:
    return np.sqrt(s + eps) if inside else np.sqrt(s) + eps


class Adagrad(Rule):
    """s += g g; theta -= lr g / (sqrt(s) + eps), with lr / (1 + (t - 1) lr_decay) for lr."""

    def __init__(
        self,
        x: npt.ArrayLike,
        lr_decay: float = 0.0,
        initial_accumulator_value: float = 0.0,
        eps: float = 1e-10,
        inside: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(x, **common)
        self.lr_decay, self.eps, self.inside = lr_decay, eps, inside
        self.s = np.full_like(self.x, initial_accumulator_value)

    def update(self, g: Array) -> None:
        self.s = self.s + g * g
        lr = self.lr / (1 + (self.t - 1) * self.lr_decay)
        self.x = self.x - lr / root(self.s, self.eps, self.inside) * g


class RMSprop(Rule):
    """s = beta s + (1 - beta) g g; theta -= lr g / (sqrt(s) + eps).

    Centered: s - m m for s under the root, m = beta m + (1 - beta) g. With momentum, which the notes do not have here:
    b = mu b + g / (sqrt(s) + eps); theta -= lr b.
    """

    def __init__(
        self,
        x: npt.ArrayLike,
        alpha: float = 0.99,
        eps: float = 1e-8,
        momentum: float = 0.0,
        centered: bool = False,
        inside: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(x, **common)
        self.beta, self.eps, self.mu, self.centered, self.inside = alpha, eps, momentum, centered, inside
        self.s, self.m, self.b = (np.zeros_like(self.x) for _ in range(3))

    def update(self, g: Array) -> None:
        self.s = self.beta * self.s + (1 - self.beta) * g * g
        self.m = self.beta * self.m + (1 - self.beta) * g
        s = self.s - self.m * self.m if self.centered else self.s
        self.b = self.mu * self.b + g / root(s, self.eps, self.inside)
        self.x = self.x - self.lr * self.b


class Decoupled(Rule):
    """A rule whose weight decay may be decoupled: theta loses its part `rate` besides the step."""

    def __init__(self, x: npt.ArrayLike, decay: str | None = None, **common: Any) -> None:
        super().__init__(x, **common)
        self.decay, self.l2 = decay, decay is None

    @property
    def rate(self) -> float:
        if self.decay is None or self.lr == 0:
            return 0.0
        return self.weight_decay * {"lr": self.lr, "schedule": self.lr / self.lr_at_start, "constant": 1.0}[self.decay]


class Adam(Decoupled):
    """m = b1 m + (1 - b1) g; s = b2 s + (1 - b2) g g; theta -= lr m^ / (sqrt(s^) + eps).

    Without bias: m^ = m / (1 - b1^t) and s^ = s / (1 - b2^t). The notes have sqrt(s^ + eps). With `decay` it is AdamW: theta
    also loses rate theta(t). AMSGrad divides by the largest s so far; as in torch it is taken before the bias is corrected.
    """

    def __init__(
        self,
        x: npt.ArrayLike,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        amsgrad: bool = False,
        inside: bool = False,
        **common: Any,
    ) -> None:
        super().__init__(x, **common)
        (self.b1, self.b2), self.eps, self.amsgrad, self.inside = betas, eps, amsgrad, inside
        self.m, self.s, self.largest = (np.zeros_like(self.x) for _ in range(3))

    def moments(self, g: Array) -> tuple[Array, Array]:
        self.m = self.b1 * self.m + (1 - self.b1) * g
        self.s = self.b2 * self.s + (1 - self.b2) * g * g
        self.largest = np.maximum(self.largest, self.s)
        s = self.largest if self.amsgrad else self.s
        return self.m / (1 - self.b1**self.t), s / (1 - self.b2**self.t)

    def update(self, g: Array) -> None:
        m, s = self.moments(g)
        self.x = self.x - self.lr * m / root(s, self.eps, self.inside) - self.rate * self.x


class NAdam(Adam):
    """Dozat 2016, in torch's form: mu_t = b1 (1 - 0.96^(t psi) / 2) and the product of all mu up to t in place of b1^t."""

    def __init__(self, x: npt.ArrayLike, momentum_decay: float = 4e-3, **common: Any) -> None:
        super().__init__(x, **common)
        self.psi = momentum_decay

    def update(self, g: Array) -> None:
        _, s = self.moments(g)
        mu = [self.b1 * (1 - 0.5 * 0.96 ** (t * self.psi)) for t in range(1, self.t + 2)]
        now, after = math.prod(mu[:-1]), math.prod(mu)
        m = mu[-1] * self.m / (1 - after) + (1 - mu[-2]) * g / (1 - now)
        self.x = self.x - self.lr * m / root(s, self.eps, self.inside) - self.rate * self.x


class Lion(Decoupled):
    """Chen et al. 2023, Algorithm 2: theta -= lr (sign(b1 m + (1 - b1) g) + lambda theta); then m = b2 m + (1 - b2) g."""

    def __init__(self, x: npt.ArrayLike, betas: tuple[float, float] = (0.9, 0.99), **common: Any) -> None:
        super().__init__(x, **common)
        self.b1, self.b2 = betas
        self.m = np.zeros_like(self.x)

    def update(self, g: Array) -> None:
        c = self.b1 * self.m + (1 - self.b1) * g
        self.m = self.b2 * self.m + (1 - self.b2) * g
        self.x = self.x - self.lr * np.sign(c) - self.rate * self.x


class Lamb(Adam):
    """You et al. 2019, Algorithm 2 with phi(z) = z: r = m^ / (sqrt(s^) + eps) + lambda theta; theta -= lr |theta| / |r| r.

    Where |theta| or |r| is 0 the ratio is 1. The norms are those of the whole tensor. A decay that knows no lr stays out of
    r and comes off theta, as AdamW's does.
    """

    def update(self, g: Array) -> None:
        m, s = self.moments(g)
        within = self.decay == "lr"
        r = m / root(s, self.eps, self.inside) + (self.weight_decay * self.x if within else 0.0)
        size, length = np.linalg.norm(self.x), np.linalg.norm(r)
        ratio = size / length if size > 0 and length > 0 else 1.0
        self.x = self.x - self.lr * ratio * r - (0.0 if within else self.rate * self.x)


def newton_schulz(m: Array, steps: int = 5, eps: float = 1e-7) -> Array:
    """Jordan 2024: the quintic iteration X = a X + b (X X') X + c (X X')^2 X, from X = M / |M|; M's orthogonal factor, nearly."""
    a, b, c = 3.4445, -4.7750, 2.0315
    x = m.T if m.shape[0] > m.shape[1] else m
    x = x / max(float(np.linalg.norm(x)), eps)
    for _ in range(steps):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return x.T if m.shape[0] > m.shape[1] else x


class Muon(Decoupled):
    """Jordan 2024: b = mu b + (1 - mu) g; M = (1 - mu) g + mu b; theta -= lr sqrt(max(1, rows / columns)) NS(M).

    Without Nesterov M = b. `rms` is Liu et al.'s scale, 0.2 sqrt(max(rows, columns)), instead. A filter (out, in, kh, kw) is
    the matrix (out, in kh kw). Arrays of fewer than two dimensions are AdamW's (`MuonVector`).
    """

    def __init__(
        self, x: npt.ArrayLike, momentum: float = 0.95, nesterov: bool = True, ns_steps: int = 5, rms: bool = False, **common: Any
    ) -> None:
        super().__init__(x, **common)
        self.mu, self.nesterov, self.ns_steps, self.rms = momentum, nesterov, ns_steps, rms
        self.b = np.zeros_like(self.x)

    def update(self, g: Array) -> None:
        self.b = self.mu * self.b + (1 - self.mu) * g
        m = (1 - self.mu) * g + self.mu * self.b if self.nesterov else self.b
        matrix = m.reshape(m.shape[0], -1)
        factor = newton_schulz(matrix, self.ns_steps).reshape(m.shape)
        rows, columns = matrix.shape
        scale = 0.2 * math.sqrt(max(rows, columns)) if self.rms else math.sqrt(max(1.0, rows / columns))
        self.x = self.x - self.lr * scale * factor - self.rate * self.x


class MuonVector(Adam):
    """What has no matrix, beside Muon: AdamW at 0.015 of the lr (Jordan's 3e-4 beside 0.02), at all of it beside Liu et al.'s."""

    def __init__(self, x: npt.ArrayLike, rms: bool = False, **common: Any) -> None:
        super().__init__(x, **{"betas": (0.9, 0.95), **common})
        self.scale = 1.0 if rms else 0.015

    def update(self, g: Array) -> None:
        given, start = self.lr, self.lr_at_start
        self.lr, self.lr_at_start = self.scale * given, self.scale * start
        super().update(g)
        self.lr, self.lr_at_start = given, start


def clipped(gradients: Sequence[Array], max_norm: float) -> list[Array]:
    """The gradients scaled so that their norm over all arrays is at most max_norm (Pascanu et al. 2013; torch adds 1e-6)."""
    norm = math.sqrt(sum(float((g * g).sum()) for g in gradients))
    return [g * min(1.0, max_norm / (norm + 1e-6)) for g in gradients]


# the defaults that differ between classes; the others are those of the classes above
DEFAULTS: dict[str, dict[str, float]] = {
    "AdamW": {"weight_decay": 1e-2},
    "LAMB": {"weight_decay": 1e-2, "eps": 1e-6},
    "Muon": {"weight_decay": 0.1},
}


def make(name: str, x: npt.ArrayLike, settings: Mapping[str, Any]) -> Rule:
    """The rule of an optimizer's class and arguments (`form`, `eps_mode`, `decay` among them), for one array."""
    given = {**DEFAULTS.get(name, {}), **settings}
    notes = given.pop("form", "torch") == "notes"
    eps_mode, decay = given.pop("eps_mode", None), given.pop("decay", None)
    if name == "SGD":
        if not given.get("momentum"):
            return Sgd(x, **{k: v for k, v in given.items() if k in ("lr", "weight_decay", "maximize")})
        return (NotesMomentum if notes else TorchMomentum)(x, **given)
    if decay is None and (name in ("AdamW", "Lion", "LAMB", "Muon") or given.pop("decoupled_weight_decay", False)):
        decay = "constant" if notes else "lr"
    if name == "Lion":
        return Lion(x, decay=decay, **given)
    if name == "Muon":
        given["rms"] = given.pop("adjust_lr_fn", None) == "match_rms_adamw"
        if np.ndim(x) >= 2:
            return Muon(x, decay=decay, **given)
        given = {key: value for key, value in given.items() if key not in ("momentum", "nesterov", "ns_steps")}
    inside = eps_mode == "inside" or (eps_mode is None and notes and name not in ("Adagrad", "RMSprop"))
    if name == "Adagrad":
        return Adagrad(x, inside=inside, **given)
    if name == "RMSprop":
        return RMSprop(x, inside=inside, **given)
    given.pop("decoupled_weight_decay", None)
    kinds: dict[str, type[Adam]] = {"Adam": Adam, "AdamW": Adam, "NAdam": NAdam, "LAMB": Lamb, "Muon": MuonVector}
    return kinds[name](x, decay=decay, inside=inside, **given)
