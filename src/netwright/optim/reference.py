"""The reference: a loop over parameters, with the formula as it is written. Every other path is tested against it."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from netwright.optim.rules import Rule, Step


def working(dtype: torch.dtype) -> torch.dtype:
    """What a parameter's state and arithmetic are in: float32 for narrower types, else the type itself."""
    return torch.float64 if dtype == torch.float64 else torch.float32


def update(rule: Rule, p: Tensor, g: Tensor, state: dict[str, Any], step: Step) -> None:
    """One step of one parameter, in place. The gradient is not changed.

    With `state["master"]` that copy is what moves, and the parameter is its rounding.
    """
    theta: Tensor = state.get("master", p)
    x, g = theta.to(working(p.dtype)), g.to(working(p.dtype))
    if torch.is_grad_enabled():  # a differentiable step: what it computes from must not be written over
        x = x.clone()
    if step.scale is not None:
        g = g * step.scale
    if step.l2:
        g = g + step.l2 * x
    if step.keep is not None:
        x = step.keep * x
    x, made = rule.formula(x, g, tuple(state[name] for name in rule.states), step.scalars)
    for name, value in zip(rule.states, made, strict=True):
        if torch.is_grad_enabled():
            state[name] = value
        else:
            state[name].copy_(value)
    theta.copy_(x)
    if theta is not p:
        p.copy_(theta)
