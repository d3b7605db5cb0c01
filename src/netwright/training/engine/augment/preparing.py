"""From stored uint8 pictures and what was drawn for them to what a network is trained on."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional as F

from netwright.training.engine.augment.draws import Drawn, Mixing
from netwright.training.engine.augment.operations import operate
from netwright.training.engine.augment.windows import cut

CHUNK = 1 << 20  # bytes of stored pictures that a CPU works on at once: what stays in its cache


@dataclass(frozen=True, eq=False)
class Look:
    """What pictures are brought to: the side of the image in px, and the mean and deviation per channel (0..1 scale).

    `classes` is how wide mixed targets are, `layout` how the batch lies in memory.
    """

    image: int
    classes: int
    mean: Tensor
    std: Tensor
    layout: torch.memory_format = torch.contiguous_format


def prepared(pixels: Tensor, labels: Tensor, drawn: Drawn, look: Look, out: Tensor | None = None) -> tuple[Tensor, Tensor]:
    """(n, side, side, channels) uint8 and (n,) int64 -> (n, channels, image, image) float32, normalized, and targets.

    Targets are the labels, or (n, classes) float32 for a recipe that mixes. Everything is computed on the device of `pixels`;
    the same picture with the same chance gives the same bits in any batch. Order as in timm: crop and resize, flip, policy,
    normalize, erase, mix. Pictures 2k and 2k + 1 are mixed with each other; a last odd one stays as it is. `out` is memory to
    work in, (n, image, image, channels) float32: fresh memory of a large batch costs a CPU as much time as all the rest.
    """
    n, side, _, channels = pixels.shape
    made = torch.empty(n, look.image, look.image, channels, device=pixels.device) if out is None else out
    mean = look.mean.to(pixels.device, torch.float32)
    scale = 1 / (255 * look.std.to(pixels.device, torch.float32))
    scale, shift = scale.repeat(look.image), (-255 * mean * scale).repeat(look.image)  # of a whole line of pixels
    size = max(1, CHUNK // (side * side * channels)) if pixels.device.type == "cpu" else max(n, 1)
    for start in range(0, n, size):
        part = slice(start, start + size)
        shown = cut(pixels[part], drawn.boxes[part], drawn.flips[part], look.image)
        for kinds, amounts in zip(drawn.operations[part].unbind(1), drawn.amounts[part].unbind(1), strict=True):
            shown = operate(shown, kinds, amounts, 255 * mean * drawn.smooth, drawn.smooth)
        lines = shown.view(-1, look.image, look.image * channels).float()
        torch.addcmul(shift, lines, scale, out=made[part].view(lines.shape))
    _erase(made, drawn.erased)
    targets = labels
    if drawn.mixing is not None:
        targets = _mix(F.one_hot(labels, look.classes).float(), drawn.mixing.share)
        made = _cut_and_pasted(made, drawn.mixing) if drawn.mixing.box is not None else _mix(made, drawn.mixing.share)
    return made.permute(0, 3, 1, 2).contiguous(memory_format=look.layout), targets


def _erase(made: Tensor, boxes: Tensor) -> None:
    """Set boxes (n, 4) of a (n, height, width, channels) batch to zero, the mean of what is normalized, in place."""
    if made.device.type == "cpu":
        for i in boxes[:, 2].nonzero()[:, 0].tolist():
            top, left, bottom, right = boxes[i].tolist()
            made[i, top:bottom, left:right] = 0
    elif bool(boxes.any()):
        place = torch.arange(made.shape[1], device=made.device)
        top, left, bottom, right = boxes.to(made.device, non_blocking=True)[:, :, None].unbind(1)
        rows, columns = (place >= top) & (place < bottom), (place >= left) & (place < right)
        made.masked_fill_((rows[:, :, None] & columns[:, None])[..., None], 0)


def _mix(values: Tensor, share: float) -> Tensor:
    """Each row with `share` of itself and the rest of its neighbour; a last odd one as it is."""
    pairs = _pairs(values)
    mixed = (pairs * share).add_(pairs.flip(1), alpha=1 - share).flatten(0, 1)
    return torch.cat([mixed, values[-1:]]) if len(values) % 2 else mixed


def _cut_and_pasted(made: Tensor, mixing: Mixing) -> Tensor:
    """The box of each picture taken from its neighbour, in place."""
    assert mixing.box is not None
    top, left, bottom, right = mixing.box
    box = _pairs(made)[:, :, top:bottom, left:right]
    box.copy_(box.flip(1))
    return made


def _pairs(values: Tensor) -> Tensor:
    """(n, ...) -> (n / 2, 2, ...), without a last odd one."""
    pairs = len(values) // 2
    return values[: 2 * pairs].view(pairs, 2, *values.shape[1:])
