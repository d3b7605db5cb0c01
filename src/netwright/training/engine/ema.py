"""The moving average of a network's weights."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import Tensor, nn


class Average:
    """An exponential moving average of all weights and floating-point buffers, in fp32 (Polyak & Juditsky 1992).

    After step t (from 1) its decay is the smaller of `decay` and (1 + t) / (10 + t), so that it soon forgets the start
    (as in TensorFlow's ExponentialMovingAverage). Integer buffers are copied.
    """

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay = decay
        self.values = {name: value.detach().clone().float() for name, value in _averaged(model)}

    @torch.no_grad()
    def update(self, model: nn.Module, share: Tensor) -> None:
        """Move by `share` (see `share_at`) towards the model's values. The share is a tensor: graphs are captured with it."""
        now = [value.detach().float() for _, value in _averaged(model)]
        means = list(self.values.values())
        moved = torch._foreach_sub(now, means)
        torch._foreach_mul_(moved, share)
        torch._foreach_add_(means, moved)

    def share_at(self, step: int) -> float:
        """How far the average moves in a step (counted from 1): 1 less the decay."""
        return 1 - min(self.decay, (1 + step) / (10 + step))

    @contextlib.contextmanager
    @torch.no_grad()
    def in_place_of(self, model: nn.Module) -> Iterator[None]:
        """Let the model compute with the average; afterwards it has its own values again."""
        kept = [(value, value.detach().clone()) for _, value in _averaged(model)]
        self.copy_to(model)
        try:
            yield
        finally:
            for value, before in kept:
                value.data.copy_(before)

    @torch.no_grad()
    def copy_to(self, model: nn.Module) -> None:
        """Give the model the average for good."""
        for name, value in _averaged(model):
            value.data.copy_(self.values[name])


def _averaged(model: nn.Module) -> list[tuple[str, Tensor]]:
    return [(name, value) for name, value in model.state_dict(keep_vars=True).items() if value.is_floating_point()]
