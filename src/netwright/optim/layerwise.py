"""LAMB and Muon: steps that look at a whole tensor, not at each number of it."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cache, partial
from typing import Any, ClassVar

import torch
from torch import Tensor

from netwright.optim.base import FirstOrder, Params, Settings
from netwright.optim.checks import members
from netwright.optim.formulas import adam_scalars
from netwright.optim.moments import ADAM, MOMENTS, adam_numbers
from netwright.optim.rules import Group, Rule, decay_of

Numbers = Any  # a tuple of tensors
VECTOR_SCALE = 0.015  # lr of biases and norms beside that of matrices: 3e-4 and 0.02 in Jordan's code
COEFFICIENTS = (3.4445, -4.7750, 2.0315)  # of the quintic iteration (Jordan 2024)

# ------------------------------------------------------------ LAMB


def _lamb_numbers(group: Group) -> tuple[float, ...]:
    decay = decay_of(group)
    inside = group["decay"] == "lr"
    return (*adam_numbers(group), decay.by_lr if inside else 0.0, 0.0 if inside else decay.by_lr, decay.alone)


def _lamb_scalars(t: Any, product: Any, lr: Any, hyper: Numbers) -> Numbers:
    (_, *rest), product = adam_scalars(t, product, lr, hyper)  # type: ignore[no-untyped-call]
    gone = hyper[7] * lr + hyper[8] * (lr != 0).to(lr.dtype)
    return (lr, 1 / (1 - torch.exp(t * hyper[2])), *rest, hyper[6], gone), product


def _lamb(p: Tensor, g: Tensor, state: Numbers, k: Numbers) -> Numbers:
    """r = m' / (sqrt(s') + eps) + lambda theta; theta -= lr (|theta| / |r|) r, with the ratio 1 where a norm is 0."""
    lr, debias1, beta1, rest1, beta2, rest2, debias2, inner, outer, decay, gone = k
    m = beta1 * state[0] + rest1 * g
    s = beta2 * state[1] + rest2 * (g * g)
    r = debias1 * m / ((s / debias2 + inner).sqrt() + outer) + decay * p
    size, length = torch.linalg.vector_norm(p), torch.linalg.vector_norm(r)
    ratio = torch.where((size > 0) & (length > 0), size / length, torch.ones_like(size))
    return p - lr * ratio * r - gone * p, (m, s)


LAMB_RULE = Rule(_lamb, _lamb_scalars, _lamb_numbers, MOMENTS, whole="LAMB's ratio needs two norms of each tensor", decays=True)


class LAMB(FirstOrder):
    """Adam's step, stretched in each tensor to a share of the tensor's own length (You et al. 2020, algorithm 2).

    r = m' / (sqrt(s') + eps) + lambda theta; theta = theta - lr |theta| / |r| r, where the ratio is 1 if one of the norms is
    0. phi, the paper's bound on |theta|, is the identity, as in its experiments. `decay` other than "lr" (form "notes":
    "constant") takes lambda theta out of r, and off theta, as AdamW does. Defaults: lr 1e-3, betas (0.9, 0.999), eps 1e-6,
    lambda 0.01, as the paper's code. Set the group of biases and norms to `weight_decay` 0 (see `no_decay`). timm's version
    also clips all gradients to norm 1: `max_norm=1.0`. Not in the notes.

    >>> optimizer = nw.optim.LAMB(model.parameters(), lr=5e-3, weight_decay=0.02, max_norm=1.0)
    """

    keeps: ClassVar = ("step", *MOMENTS, "master")
    moments: ClassVar = True

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-6,
        weight_decay: float = 0.01,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        form: str = "torch",
        eps_mode: str | None = None,
        decay: str | None = None,
        max_norm: float | None = None,
        on_nonfinite: str | None = None,
        master_weights: bool = False,
        path: str = "auto",
    ) -> None:
        settings: Group = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay, "maximize": maximize, "form": form}
        settings |= {"differentiable": differentiable, "eps_mode": eps_mode, "decay": decay, "master_weights": master_weights}
        settings |= {"decoupled_weight_decay": True}
        super().__init__(params, settings, Settings(max_norm, on_nonfinite, path))

    def _rule(self, group: Group) -> Rule:
        return LAMB_RULE


# ------------------------------------------------------------ Muon


@dataclass(frozen=True)
class Iteration:
    """Newton and Schulz' quintic iteration: a matrix (rows, columns) with the same singular vectors, and values near 1.

    With Jordan's coefficients the values end between 0.7 and 1.2. In bfloat16 on a GPU, as published; elsewhere in the
    matrix's own type: bfloat16 is slow on a CPU.
    """

    coefficients: tuple[float, float, float] = COEFFICIENTS
    steps: int = 5
    eps: float = 1e-7

    def __call__(self, matrix: Tensor) -> Tensor:
        """The matrix with its singular values near 1."""
        a, b, c = self.coefficients
        x = matrix.to(torch.bfloat16) if matrix.device.type == "cuda" else matrix
        tall = x.shape[0] > x.shape[1]
        x = x.T if tall else x
        x = x / x.norm().clamp(min=self.eps)
        for _ in range(self.steps):
            square = x @ x.T
            x = a * x + (b * square + c * square @ square) @ x
        made: Tensor = (x.T if tall else x).to(matrix.dtype)
        return made


def _muon_scalars(t: Any, product: Any, lr: Any, hyper: Numbers) -> Numbers:
    return (lr, hyper[0]), product


def _muon(nesterov: bool, by_rms: bool, orthogonal: Iteration, p: Tensor, g: Tensor, state: Numbers, k: Numbers) -> Numbers:
    """b = mu b + (1 - mu) g; u = b, or with Nesterov (1 - mu) g + mu b, as an orthogonal matrix; theta -= lr scale u."""
    lr, mu = k
    b = mu * state[0] + (1 - mu) * g
    u = (1 - mu) * g + mu * b if nesterov else b
    if not p.numel():
        return p, (b,)
    rows, columns = p.shape[0], p[0].numel()
    scale = 0.2 * math.sqrt(max(rows, columns)) if by_rms else math.sqrt(max(1.0, rows / columns))
    return p - lr * scale * orthogonal(u.reshape(rows, columns)).reshape(p.shape), (b,)


@cache
def muon_rule(nesterov: bool, by_rms: bool, orthogonal: Iteration) -> Rule:
    """Muon's rule for these options."""
    return Rule(
        partial(_muon, nesterov, by_rms, orthogonal),
        _muon_scalars,
        lambda group: (float(group["momentum"]),),
        ("momentum_buffer",),
        whole="Muon's step is products of matrices",
        counts=False,
    )


def _vector_numbers(group: Group) -> tuple[float, ...]:
    return adam_numbers({**group, "eps": group["vector_eps"]})


VECTOR_RULE = replace(ADAM, hyper=_vector_numbers, share="vector_scale")


def _is_flat(member: Any) -> bool:
    """Whether a parameter, or pair of name and parameter, has no matrix."""
    p = member[1] if isinstance(member, tuple) and len(member) == 2 else member
    return isinstance(p, Tensor) and p.ndim < 2


class Muon(FirstOrder):
    """Momentum whose step is made an orthogonal matrix (Jordan 2024; Liu et al. 2025 for `adjust_lr_fn`).

    A convolution's filters (out, in, height, width) are the matrix (out, in height width). b = mu b + (1 - mu) g; Nesterov's
    (1 - mu) g + mu b goes through five steps of Newton and Schulz' iteration, and theta = theta - lr scale u - lr lambda theta.
    `adjust_lr_fn`: "original" (None) scale sqrt(max(1, rows / columns)); "match_rms_adamw" 0.2 sqrt(max(rows, columns)), so
    that AdamW's lr and decay can be kept.

    Parameters with fewer than two dimensions (biases, norms) have no matrix: in a group of their own, they take AdamW's rule
    with `betas` and `vector_eps` at lr times `vector_scale`. None is 0.015 (Jordan's 3e-4 beside 0.02), and 1 with
    "match_rms_adamw". The last layer is better given to AdamW too: a group with `"matrices": False` and its `vector_scale`.

    Arguments and defaults are those of torch.optim.Muon (lr 1e-3, lambda 0.1; Jordan's own lr is 0.02 with "original"), which
    takes two-dimensional parameters only. On those this is the same up to bfloat16 (see `Iteration`). Not in the notes.

    >>> optimizer = nw.optim.Muon(model.parameters(), lr=0.02, weight_decay=0.01)
    """

    keeps: ClassVar = ("step", "momentum_buffer", *MOMENTS, "master")
    moments: ClassVar = True

    def __init__(
        self,
        params: Params,
        lr: float | Tensor = 1e-3,
        weight_decay: float = 0.1,
        momentum: float = 0.95,
        nesterov: bool = True,
        ns_coefficients: tuple[float, float, float] = COEFFICIENTS,
        eps: float = 1e-7,
        ns_steps: int = 5,
        adjust_lr_fn: str | None = None,
        *,
        betas: tuple[float, float] = (0.9, 0.95),
        vector_eps: float = 1e-8,
        vector_scale: float | None = None,
        maximize: bool = False,
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
            "weight_decay": weight_decay,
            "momentum": momentum,
            "nesterov": nesterov,
            "ns_steps": ns_steps,
        }
        settings |= {"ns_coefficients": tuple(ns_coefficients), "vector_eps": vector_eps}
        settings |= {"adjust_lr_fn": adjust_lr_fn, "betas": betas, "eps": eps, "vector_scale": vector_scale, "form": form}
        settings |= {"maximize": maximize, "eps_mode": eps_mode, "decay": decay, "master_weights": master_weights}
        settings |= {"decoupled_weight_decay": True, "differentiable": False, "matrices": None}
        super().__init__(params, settings, Settings(max_norm, on_nonfinite, path))

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters: matrices and vectors become two groups, unless the group says `matrices`."""
        given = members(param_group)
        flat, rest = [m for m in given if _is_flat(m)], [m for m in given if not _is_flat(m)]
        if param_group.get("matrices") is not None or not (flat and rest):
            return super().add_param_group({"matrices": not flat} | param_group)
        super().add_param_group(param_group | {"params": rest, "matrices": True})
        return super().add_param_group(param_group | {"params": flat, "matrices": False})

    def _complete(self, group: Group) -> None:
        super()._complete(group)
        if group["matrices"] is None:  # a file of torch's
            group["matrices"] = not any(_is_flat(p) for p in group["params"])
        if group["vector_scale"] is None:
            group["vector_scale"] = 1.0 if group["adjust_lr_fn"] == "match_rms_adamw" else VECTOR_SCALE

    def _rule(self, group: Group) -> Rule:
        if not group["matrices"]:
            return VECTOR_RULE
        orthogonal = Iteration(tuple(group["ns_coefficients"]), group["ns_steps"], float(group["eps"]))
        return muon_rule(group["nesterov"], group["adjust_lr_fn"] == "match_rms_adamw", orthogonal)
