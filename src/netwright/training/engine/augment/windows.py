"""Boxes cut out of a batch of uint8 pictures and brought to one size."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def cut(pixels: Tensor, boxes: Tensor, flips: Tensor, image: int) -> Tensor:
    """(n, side, side, channels) uint8 -> (n, image, image, channels) uint8; `boxes` and `flips` as in `Drawn`, on the CPU.

    Boxes may reach over the edge, where zeros are. Those of another size than `image` are resized as Pillow's antialiased
    bilinear does it: equal to it up to 1 of 255 (on a CPU torch's uint8 kernel, elsewhere one matrix product per axis).
    """
    side = pixels.shape[1]
    over = max(0, -int(boxes[:, :2].min()), int((boxes[:, :2] + boxes[:, 2:]).max()) - side)
    if over:
        pixels = F.pad(pixels, (0, 0, over, over, over, over))
        boxes = boxes + torch.tensor([over, over, 0, 0])
    if bool((boxes[:, 2:] == image).all()):
        return flipped(_exact(pixels, boxes[:, 0], boxes[:, 1], image), flips)
    if pixels.device.type == "cpu":
        return _resized_each(pixels, boxes, flips, image)
    return flipped(resized_at_once(pixels, boxes, image), flips)


def _exact(pixels: Tensor, top: Tensor, left: Tensor, image: int) -> Tensor:
    """Windows of the image's size: every row of one is a run of bytes in memory."""
    n, side, _, channels = pixels.shape
    if side == image:
        return pixels
    pixels = pixels.contiguous()
    run = image * channels
    runs = pixels.as_strided((n * side * side - image + 1, run), (channels, 1))  # those that begin at each pixel
    first = (torch.arange(n) * side + top)[:, None] + torch.arange(image)
    places = (first * side + left[:, None]).view(-1).to(pixels.device, non_blocking=True)
    return runs.index_select(0, places).view(n, image, image, channels)


def _resized_each(pixels: Tensor, boxes: Tensor, flips: Tensor, image: int) -> Tensor:
    """One after the other, which is faster on a CPU than any way to do all at once: each stays in its cache."""
    made = pixels.new_empty(len(pixels), image, image, pixels.shape[3])
    for picture, (top, left, height, width), flip, out in zip(pixels, boxes.tolist(), flips.tolist(), made, strict=True):
        # in this order: torch then knows that channels are last, and is three times as fast
        window = picture[top : top + height, left : left + width].contiguous()[None].permute(0, 3, 1, 2)
        window = F.interpolate(window, (image, image), mode="bilinear", antialias=True)
        out.copy_((window.flip(3) if flip else window)[0].permute(1, 2, 0))
    return made


def resized_at_once(pixels: Tensor, boxes: Tensor, image: int) -> Tensor:
    """The same by matrix products with the weights of the triangle filter, rounded to uint8 once."""
    side = pixels.shape[1]
    boxes = boxes.to(pixels.device, non_blocking=True)
    down, across = (triangle(boxes[:, axis], boxes[:, axis + 2], side, image) for axis in (0, 1))
    x = pixels.permute(0, 3, 1, 2).float()
    x = down[:, None] @ x @ across[:, None].transpose(2, 3)
    return x.round_().clamp_(0, 255).to(torch.uint8).permute(0, 2, 3, 1).contiguous()


def triangle(start: Tensor, length: Tensor, side: int, image: int) -> Tensor:
    """(n, image, side) weights that resize `length` pixels from `start` on to `image`: Pillow's antialiased bilinear."""
    scale = length.float()[:, None] / image
    centre = (torch.arange(image, device=length.device) + 0.5) * scale  # (n, image), from the start on
    place = torch.arange(side, device=length.device) - start[:, None]  # (n, side)
    distance = (place[:, None] + 0.5 - centre[:, :, None]) / scale.clamp(min=1)[:, :, None]
    inside = (place >= 0) & (place < length[:, None])
    weights = (1 - distance.abs()).clamp_(min=0) * inside[:, None]
    return weights / weights.sum(2, keepdim=True)


def flipped(pixels: Tensor, flips: Tensor) -> Tensor:
    """The pictures with those mirrored from left to right that `flips` (n,) says."""
    chosen = flips.nonzero()[:, 0]
    if not len(chosen):
        return pixels
    places = torch.arange(len(pixels))
    places[chosen] = len(pixels) + torch.arange(len(chosen))
    chosen, places = chosen.to(pixels.device, non_blocking=True), places.to(pixels.device, non_blocking=True)
    mirrored = pixels.index_select(0, chosen).permute(0, 3, 1, 2).flip(3).permute(0, 2, 3, 1)
    return torch.cat([pixels, mirrored]).index_select(0, places)
