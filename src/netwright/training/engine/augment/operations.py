"""What policies do to pictures: the operations of Pillow, on whole batches of uint8 pictures on any device.

`amounts` are: for shears the share of a side, for translations px, for rotations degrees counter-clockwise, for brightness,
colour, contrast and sharpness Pillow's factor (1: as it is), for posterize the bits that are kept, for solarize the level from
which it inverts, for solarize_add what is added below 128. Results are Pillow's, but for rounding: tables (brightness,
contrast, posterize, solarize, autocontrast, equalize, invert) are equal; colour, sharpness and pictures resampled bilinearly are
within 1 of 255 (rounded here, cut off there); at the nearest pixel a few come from the neighbour of Pillow's, which counts
places in 1 / 65536.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

LEVELS = 256
GREY = (19595, 38470, 7471)  # of 65536: ITU-R 601-2 as Pillow has it


def operate(pixels: Tensor, kinds: Tensor, amounts: Tensor, fill: Tensor, smooth: bool) -> Tensor:
    """(n, height, width, channels) uint8 pictures after one operation each: `kinds` (n,) are places in NAMES, on the CPU.

    What comes from outside of a picture has the levels `fill` (channels,); `smooth` resamples bilinearly.
    """
    names = [NAMES[kind] for kind in kinds.tolist()]
    left = [i for i, name in enumerate(names) if name == "identity"]
    order, parts = list(left), [_taken(pixels, left)] if left else []
    for group in ([*TABLES], *([name] for name in BLENDS), [*MOVES]):
        mine = [i for i, name in enumerate(names) if name in group]
        if not mine:
            continue
        chosen, wanted, strength = _taken(pixels, mine), [names[i] for i in mine], amounts[mine]
        if group[0] in TABLES:
            chosen = _looked_up(chosen, wanted, strength)
        elif group[0] in BLENDS:
            chosen = _blended(chosen, BLENDS[group[0]], strength)
        else:
            chosen = _moved(chosen, wanted, strength, fill, smooth)
        order += mine
        parts.append(chosen)
    return pixels if len(left) == len(names) else _taken(torch.cat(parts), torch.tensor(order).argsort().tolist())


def _taken(values: Tensor, places: list[int]) -> Tensor:
    """Some rows; what is put together anew comes from here too, since copying into rows is slow for bytes."""
    return values.index_select(0, torch.tensor(places).to(values.device, non_blocking=True))


# ---------------------------------------------------------------- each level becomes another


def _looked_up(pixels: Tensor, names: list[str], amounts: Tensor) -> Tensor:
    """Operations that are a table of 256 levels for each channel of each picture."""
    channels = pixels.shape[3]
    order: list[int] = []
    tables = []
    for name in dict.fromkeys(names):
        mine = [i for i, one in enumerate(names) if one == name]
        amount = amounts[mine].to(pixels.device, non_blocking=True)[:, None, None]
        levels = torch.arange(LEVELS, device=pixels.device, dtype=torch.float64)
        made = TABLES[name](levels, amount, pixels, mine)
        tables.append(made.clamp(0, 255).to(torch.uint8).expand(len(mine), channels, LEVELS))
        order += mine
    table = _taken(torch.cat(tables), torch.tensor(order).argsort().tolist())
    return table.view(-1).index_select(0, _cells(pixels)).view_as(pixels)


def _cells(pixels: Tensor) -> Tensor:
    """For each byte of the pictures the cell that stands for its level in tables of (n, channels, 256), int32."""
    n, height, width, channels = pixels.shape
    starts = LEVELS * torch.arange(n * channels, device=pixels.device, dtype=torch.int32).view(n, 1, channels)
    return pixels.view(n, height, width * channels).int().add_(starts.repeat(1, 1, width)).view(-1)


def _mixed(levels: Tensor, dull: Tensor | float, factor: Tensor) -> Tensor:
    """Pillow's blend of a level with a dull one, in float32 as there."""
    dull = dull.float() if isinstance(dull, Tensor) else dull
    return (levels.float() - dull) * factor.float() + dull


def _contrast(levels: Tensor, factor: Tensor, pixels: Tensor, mine: list[int]) -> Tensor:
    grey = _grey(_planes(_taken(pixels, mine)))
    mean = (grey.double().mean((1, 2, 3)) + 0.5).floor()
    return _mixed(levels, mean[:, None, None], factor)


def _autocontrast(levels: Tensor, amount: Tensor, pixels: Tensor, mine: list[int]) -> Tensor:
    planes = _taken(pixels, mine).flatten(1, 2).transpose(1, 2).contiguous()
    low, high = planes.amin(2, keepdim=True).double(), planes.amax(2, keepdim=True).double()
    scale = levels[-1] / (high - low)  # 255 / tensor would be 255 times a rounded inverse
    return torch.where(high > low, levels * scale - low * scale, levels)


def _equalize(levels: Tensor, amount: Tensor, pixels: Tensor, mine: list[int]) -> Tensor:
    chosen = _taken(pixels, mine)
    n, height, width, channels = chosen.shape
    counts = torch.bincount(_cells(chosen), minlength=n * channels * LEVELS).view(n, channels, LEVELS)
    brightest = ((counts > 0) * levels).amax(2, keepdim=True).long()
    step = (height * width - counts.gather(2, brightest)) // 255
    before = counts.cumsum(2) - counts
    made = (step // 2 + before) // step.clamp(min=1)
    return torch.where(step > 0, made.double(), levels)


Table = Callable[[Tensor, Tensor, Tensor, list[int]], Tensor]
TABLES: dict[str, Table] = {  # levels (256,), amounts (m, 1, 1), all pictures, which are meant -> (m, 1 or channels, 256)
    "brightness": lambda levels, factor, pixels, mine: _mixed(levels, 0.0, factor),
    "contrast": _contrast,
    "posterize": lambda levels, bits, pixels, mine: (levels / 2 ** (8 - bits)).floor() * 2 ** (8 - bits),
    "solarize": lambda levels, start, pixels, mine: torch.where(levels < start, levels, 255 - levels),
    "solarize_add": lambda levels, more, pixels, mine: torch.where(levels < 128, levels + more, levels),
    "invert": lambda levels, amount, pixels, mine: (255 - levels).expand(len(mine), 1, LEVELS),
    "autocontrast": _autocontrast,
    "equalize": _equalize,
}

# ---------------------------------------------------------------- each pixel is blended with a duller one


def _blended(pixels: Tensor, duller: Callable[[Tensor], Tensor], amounts: Tensor) -> Tensor:
    planes = _planes(pixels)
    factors = amounts.float().to(pixels.device, non_blocking=True)[:, None, None, None]
    dull = duller(planes)
    return _pixels((planes - dull).mul_(factors).add_(dull).clamp_(0, 255))


def _planes(pixels: Tensor) -> Tensor:
    """(n, height, width, channels) uint8 -> (n, channels, height, width) float32, in this order in memory."""
    return pixels.permute(0, 3, 1, 2).contiguous().float()


def _pixels(planes: Tensor) -> Tensor:
    """The way back; what is behind the point is cut off."""
    return planes.permute(0, 2, 3, 1).contiguous().to(torch.uint8)


def _grey(planes: Tensor) -> Tensor:
    """(n, channels, height, width) -> (n, 1, height, width); every number is exact in float32."""
    if planes.shape[1] == 1:
        return planes
    red, green, blue = GREY
    weighed = planes[:, :1] * red + planes[:, 1:2] * green + planes[:, 2:] * blue
    return weighed.add_(1 << 15).div_(1 << 16).floor_()


def _smoothed(planes: Tensor) -> Tensor:
    """Pillow's SMOOTH: the mean of 3 x 3 pixels where the middle one counts five times; the border stays."""
    if min(planes.shape[2:]) < 3:
        return planes
    rows = planes[:, :, :-2] + planes[:, :, 1:-1] + planes[:, :, 2:]
    sums = (rows[..., :-2] + rows[..., 1:-1]).add_(rows[..., 2:]).add_(planes[:, :, 1:-1, 1:-1], alpha=4)
    made = planes.clone()
    made[:, :, 1:-1, 1:-1] = sums.div_(13).add_(0.5).floor_()
    return made


BLENDS: dict[str, Callable[[Tensor], Tensor]] = {"colour": _grey, "sharpness": _smoothed}

# ---------------------------------------------------------------- pixels are moved


def _moved(pixels: Tensor, names: list[str], amounts: Tensor, fill: Tensor, smooth: bool) -> Tensor:
    """Affine maps: where a pixel comes from is a linear function of where it goes."""
    height, width = pixels.shape[1:3]
    rows = [MOVES[name](amount, width, height) for name, amount in zip(names, amounts.tolist(), strict=True)]
    across_x, across_y, across_1, down_x, down_y, down_1 = torch.tensor(rows, device=pixels.device).T[:, :, None, None]
    x = torch.arange(width, device=pixels.device) + 0.5
    y = torch.arange(height, device=pixels.device)[:, None] + 0.5
    from_x = across_x * x + (across_y * y + across_1)  # (n, height, width), in px from the corner
    from_y = down_x * x + (down_y * y + down_1)
    inside = (from_x >= 0) & (from_x < width) & (from_y >= 0) & (from_y < height)
    grid = torch.stack([from_x.mul_(2 / width).sub_(1), from_y.mul_(2 / height).sub_(1)], 3)
    mode = "bilinear" if smooth else "nearest"
    planes = F.grid_sample(_planes(pixels), grid, mode=mode, padding_mode="border", align_corners=False)
    outside = fill.to(pixels.device).round()[:, None, None]
    return _pixels((planes.round_() - outside).mul_(inside[:, None].float()).add_(outside))


def _rotation(degrees: float, width: int, height: int) -> tuple[float, ...]:
    """Around the centre, as PIL.Image.rotate has it."""
    angle = -math.radians(degrees)
    cosine, sine = math.cos(angle), math.sin(angle)
    x, y = width / 2, height / 2
    return cosine, sine, x - cosine * x - sine * y, -sine, cosine, y + sine * x - cosine * y


Move = Callable[[float, int, int], tuple[float, ...]]
MOVES: dict[str, Move] = {  # amount, width, height -> what PIL.Image.transform takes
    "shear_x": lambda share, width, height: (1.0, share, 0.0, 0.0, 1.0, 0.0),
    "shear_y": lambda share, width, height: (1.0, 0.0, 0.0, share, 1.0, 0.0),
    "translate_x": lambda px, width, height: (1.0, 0.0, px, 0.0, 1.0, 0.0),
    "translate_y": lambda px, width, height: (1.0, 0.0, 0.0, 0.0, 1.0, px),
    "rotate": _rotation,
}

NAMES = ("identity", *TABLES, *BLENDS, *MOVES)
