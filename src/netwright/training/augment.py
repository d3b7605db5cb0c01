"""Augmentation of whole batches, drawn from a generator of its own: same seed, same pictures."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

SMALL = 32  # below this many pixels a picture is shifted, not cropped


def stored_side(image: int) -> int:
    """The side at which training pictures are kept: larger than the crops, so that cropping loses no detail."""
    return image if image < SMALL else round(image * 1.25)


def augment(batch: Tensor, image: int, crop_area: float, mirror: bool, generator: torch.Generator) -> Tensor:
    """Random crops (or shifts) and mirror images of a (n, channels, side, side) float batch, `image` pixels wide."""
    n = len(batch)
    if image < SMALL:
        scale = torch.ones(n, 2)
        reach = torch.full((n, 2), 2 / 8)  # in half widths
    else:
        area = torch.empty(n).uniform_(crop_area, 1, generator=generator)
        aspect = torch.empty(n).uniform_(-math.log(4 / 3), math.log(4 / 3), generator=generator).exp().sqrt()
        scale = torch.stack([area.sqrt() * aspect, area.sqrt() / aspect], 1).clamp_(max=1)
        reach = 1 - scale
    centre = reach * torch.empty(n, 2).uniform_(-1, 1, generator=generator)
    flip = torch.ones(n)
    if mirror:
        flip -= 2 * (torch.rand(n, generator=generator) < 0.5)
    return _sample(batch, image, scale * torch.stack([flip, torch.ones(n)], 1), centre)


def _sample(batch: Tensor, image: int, scale: Tensor, centre: Tensor) -> Tensor:
    """Resample each picture around its centre; scale 1 shows it whole, zeros lie outside."""
    matrix = torch.zeros(len(batch), 2, 3)
    matrix[:, 0, 0], matrix[:, 1, 1] = scale[:, 0], scale[:, 1]
    matrix[:, :, 2] = centre
    size = [len(batch), batch.shape[1], image, image]
    grid = F.affine_grid(matrix.to(batch.device), size, align_corners=False)
    return F.grid_sample(batch, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
