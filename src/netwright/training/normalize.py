"""Stored pictures as networks take them: float batches, a mean and a deviation of the training pictures."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netwright.data.listings import Pixels
from netwright.data.pictures import Array


def to_batch(pixels: Array) -> Tensor:
    """(n, height, width, channels) uint8 -> (n, channels, height, width) float in 0..1, channels last in memory."""
    usable = np.require(pixels, requirements=("C", "W"))  # torch warns of arrays that may not be written
    return torch.from_numpy(usable).permute(0, 3, 1, 2).float().div_(255)


@dataclass(frozen=True)
class Normalize:
    """Subtract a mean and divide by a deviation per channel, measured on the training pictures (0..1 scale)."""

    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __call__(self, batch: Tensor) -> Tensor:
        """A (n, channels, height, width) float batch, normalized."""
        mean = torch.tensor(self.mean, device=batch.device)[:, None, None]
        return (batch - mean) / torch.tensor(self.std, device=batch.device)[:, None, None]

    @classmethod
    def of(cls, pixels: Pixels) -> Normalize:
        """The statistics of uint8 pictures (n, height, width, channels), in float64 and 1,000 at a time."""
        count, total, squares = 0, np.zeros(pixels.shape[-1]), np.zeros(pixels.shape[-1])
        for start in range(0, len(pixels), 1000):
            part = pixels[start : start + 1000].reshape(-1, pixels.shape[-1]).astype(np.float64) / 255
            count, total, squares = count + len(part), total + part.sum(0), squares + (part**2).sum(0)
        mean = total / count
        std = np.sqrt(np.maximum(squares / count - mean**2, 1e-4))
        return cls(tuple(mean.round(6).tolist()), tuple(std.round(6).tolist()))
