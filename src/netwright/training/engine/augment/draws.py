"""The chance of augmentation, drawn for a whole batch from one generator: the same for any number of processes."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.preprocessing import Squeezed, View, whole
from netwright.training.engine.augment.policies import draw_policy
from netwright.training.recipes.recipe import Augmentation

SHOWN = 224 / 256  # share of a picture's side that "shift" shows
ATTEMPTS = 10  # at a box that fits, as torchvision and timm make them
ERASED_AREA, ERASED_ASPECT = (0.02, 1 / 3), (0.3, 1 / 0.3)  # Zhong et al. 2020, Section 4.2


@dataclass(frozen=True, eq=False)
class Mixing:
    """How the pictures of a batch are mixed with their neighbours.

    `share` is what a picture keeps of itself (1: all of it). `box` is None for mixup; for cutmix it is what comes from the
    neighbour: top, left, bottom and right in px of the image.
    """

    share: float
    box: tuple[int, int, int, int] | None = None


@dataclass(frozen=True, eq=False)
class Drawn:
    """All chance of a batch of n pictures; tensors on the CPU.

    `boxes` (n, 4) int64 are top, left, height and width in px of the stored picture (zeros lie outside of it), `flips` (n,) bool.
    `operations` (n, k) int64 are places in `operations.NAMES` and `amounts` (n, k) float64 their numbers, done one after the
    other; `smooth` ones resample bilinearly and fill with the mean, as timm does, others take the nearest pixel and fill with
    zeros, as torchvision does. `erased` (n, 4) int64 are top, left, bottom and right in px of the image, all 0 for none.
    `mixing` is None where the recipe mixes nothing.
    """

    boxes: Tensor
    flips: Tensor
    operations: Tensor
    amounts: Tensor
    erased: Tensor
    mixing: Mixing | None = None
    smooth: bool = False

    def __len__(self) -> int:
        return len(self.flips)

    def rows(self, part: slice) -> Drawn:
        """The chance of a part of the batch.

        Raises NetwrightError for a part that would separate neighbours that are mixed.
        """
        start, stop, step = part.indices(len(self))
        if step != 1 or (self.mixing is not None and (start % 2 or (stop % 2 and stop != len(self)))):
            raise NetwrightError(f"rows {start} to {stop} separate pictures that are mixed: give each process an even number")
        made = {name: getattr(self, name)[start:stop] for name in ("boxes", "flips", "operations", "amounts", "erased")}
        return replace(self, **made)


def stored(augment: Augmentation, image: int, own: int | None = None) -> View:
    """How training pictures are kept for images of `image` px: all of them and larger where crops are cut, else the square.

    `own` is the shorter side of the pictures where all have one: they are not enlarged beyond it for resized crops.
    """
    kind = augment.cropped(image)
    if kind == "resized":
        side = round(1.25 * image)
        return Squeezed(side if own is None else min(side, max(image, own)))
    return Squeezed(round(image / SHOWN)) if kind == "shift" else whole(image)


def draw(
    augment: Augmentation,
    n: int,
    sides: tuple[int, int],
    mirror: bool,
    generator: torch.Generator,
    aspects: Tensor | None = None,
) -> Drawn:
    """Draw the augmentation of `n` pictures; `sides` are those of the stored picture and of the image, in px.

    `mirror` is whether the pictures may be mirrored at all. `aspects` (n,) are width / height of pictures that were squeezed
    to the stored square: their crops are drawn as in the pictures themselves. The numbers depend on the arguments and the
    generator's state only; what is drawn of the generator does not depend on the aspects. What kind of crop "auto" is follows
    from the largest image that the stored side was made for, so that it stays when images grow through a training.
    """
    side, image = sides
    kind = augment.cropped(max(side, image)) if augment.crop == "auto" else augment.crop
    squeezed = torch.ones(n, dtype=torch.float64) if aspects is None else aspects.double()
    boxes = _resized(augment, side, squeezed, generator) if kind == "resized" else _windows(kind, n, side, generator)
    flips = torch.rand(n, generator=generator) < (0.5 if augment.flip == "yes" or (mirror and augment.flip == "auto") else 0)
    operations, amounts = draw_policy(augment, n, image, generator)
    erased = _erased(augment.erasing, n, image, generator)
    mixing = _mixing(augment, image, generator)
    if kind == "shift":
        boxes = _along(boxes, side, squeezed, torch.rand(n, 2, generator=generator))
    return Drawn(boxes, flips, operations, amounts, erased, mixing, smooth=augment.policy == "rand")


def _resized(augment: Augmentation, side: int, squeezed: Tensor, generator: torch.Generator) -> Tensor:
    """Boxes (n, 4) of random area and aspect; where none fits, the central one of the nearest aspect, as torchvision has it."""
    low, high = augment.aspect_least, 1 / augment.aspect_least
    boxes, found = _fitting(side, (augment.area_least, 1.0), (low, high), squeezed, generator)
    largest = side * torch.stack([squeezed / low, high / squeezed], 1).clamp(max=1)  # (n, 2), height and width
    sizes = largest.round().clamp(min=1).long()
    return torch.where(found[:, None], boxes, torch.cat([(side - sizes) // 2, sizes], 1))


def _windows(kind: str, n: int, stored: int, generator: torch.Generator) -> Tensor:
    """Boxes (n, 4) of one size, squares."""
    side = max(1, round(stored * SHOWN)) if kind == "shift" else stored
    reach = {"shift": stored - side, "pad": 2 * (stored // 8)}.get(kind, 0)
    corners = torch.randint(reach + 1, (n, 2), generator=generator)
    corners -= stored // 8 if kind == "pad" else 0
    return torch.cat([corners, torch.full((n, 2), side)], 1)


def _along(boxes: Tensor, side: int, squeezed: Tensor, chance: Tensor) -> Tensor:
    """Windows of a square as squares of a longer picture: shorter along its longer side, at more places, told by `chance`."""
    sizes = (boxes[:, 2:] * torch.stack([squeezed, 1 / squeezed], 1).clamp(max=1)).round().clamp(min=1).long()
    places = (boxes[:, :2] + chance.double()) * (side - sizes + 1) / (side - boxes[:, 2:] + 1)
    return torch.cat([places.long(), sizes], 1)


def _fitting(
    side: int,
    area: tuple[float, float],
    aspect: tuple[float, float],
    squeezed: Tensor,
    generator: torch.Generator,
    below: int = 0,
) -> tuple[Tensor, Tensor]:
    """Boxes (n, 4) within a square: top, left, height, width; the first of ten that fits. And (n,) whether one does.

    Shares of the area are uniform, aspects log-uniform (width to height) before pictures of aspects `squeezed` (n,) were
    squeezed to the square; sides are at most `side` - `below`.
    """
    n = len(squeezed)
    chance = torch.rand(n, ATTEMPTS, 2, generator=generator, dtype=torch.float64)
    areas = side * side * (area[0] + (area[1] - area[0]) * chance[..., 0])
    low, high = math.log(aspect[0]), math.log(aspect[1])
    ratios = torch.exp(low + (high - low) * chance[..., 1]) / squeezed[:, None]
    sizes = torch.stack([areas / ratios, areas * ratios], 2).sqrt().round().clamp(min=1).long()  # (n, attempts, 2)
    fits = (sizes <= side - below).all(2)
    first = fits.long().argmax(1)  # of equal values the first
    chosen = sizes[torch.arange(n), first]
    places = torch.rand(n, 2, generator=generator, dtype=torch.float64)
    return torch.cat([(places * (side - chosen + 1)).long(), chosen], 1), fits.any(1)


def _erased(chance: float, n: int, image: int, generator: torch.Generator) -> Tensor:
    if not chance:
        return torch.zeros(n, 4, dtype=torch.int64)
    happens = torch.rand(n, generator=generator) < chance
    square = torch.ones(n, dtype=torch.float64)
    boxes, found = _fitting(image, ERASED_AREA, ERASED_ASPECT, square, generator, below=1)
    boxes[:, 2:] += boxes[:, :2]
    return torch.where((happens & found)[:, None], boxes, 0)


def _mixing(augment: Augmentation, image: int, generator: torch.Generator) -> Mixing | None:
    """One for the batch, as timm's default: mixup (Zhang et al. 2017) or cutmix (Yun et al. 2019, Algorithm A1)."""
    if not (augment.mixup or augment.cutmix):
        return None
    seed, chance, kind, *centre = torch.randint(1 << 53, (5,), generator=generator).tolist()
    if chance >= augment.mix_chance * (1 << 53):
        return Mixing(1.0)
    cuts = bool(augment.cutmix) and (not augment.mixup or kind % 2 == 1)
    alpha = augment.cutmix if cuts else augment.mixup
    share = float(np.random.default_rng(seed).beta(alpha, alpha))
    if not cuts:
        return Mixing(share)
    half = int(image * math.sqrt(1 - share))
    start = [number % image - half // 2 for number in centre]
    top, left, bottom, right = (min(max(edge, 0), image) for edge in (*start, start[0] + half, start[1] + half))
    return Mixing(1 - (bottom - top) * (right - left) / (image * image), (top, left, bottom, right))
