"""Which operations a policy picks for each picture, and how strong they are."""

from __future__ import annotations

import torch
from torch import Tensor

from netwright.training.engine.augment.operations import NAMES
from netwright.training.recipes.recipe import Augmentation

BINS = 31  # strengths of TrivialAugment, evenly spaced, the weakest first
STRONGEST = {  # of TrivialAugment Wide, as torchvision has them; those left out have no strength
    "shear_x": 0.99,
    "shear_y": 0.99,
    "translate_x": 32.0,  # px, whatever the size of the image
    "translate_y": 32.0,
    "rotate": 135.0,
    "brightness": 0.99,
    "colour": 0.99,
    "contrast": 0.99,
    "sharpness": 0.99,
}
TRIVIAL = ("identity", *STRONGEST, "posterize", "solarize", "autocontrast", "equalize")
RAND = (*STRONGEST, "posterize", "solarize", "autocontrast", "equalize", "invert", "solarize_add")
RAND_CHANCE, RAND_SPREAD = 0.5, 0.5  # of an operation to be done, and the deviation of its magnitude


def draw_policy(augment: Augmentation, n: int, image: int, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Operations (n, k) int64, places in `operations.NAMES`, and their amounts (n, k) float64, for images of `image` px.

    "trivial" is one operation of 14 at one of 31 strengths: torchvision's TrivialAugmentWide. "rand" is timm's
    rand-m{magnitude}-n{operations}-mstd0.5-inc1: each of the operations is drawn from 15 and done with a chance of one half,
    its magnitude normal around the recipe's (cut off at 0 and 10). Deviations: timm resamples bilinearly or bicubically by
    chance, here it is always bilinear; posterize leaves at least one bit, as Pillow asks for.
    """
    if augment.policy == "none":
        return torch.zeros(n, 0, dtype=torch.int64), torch.zeros(n, 0, dtype=torch.float64)
    if augment.policy == "trivial":
        names, shape = TRIVIAL, (n, 1)
        table = _trivial_table()
        strength = torch.randint(BINS, shape, generator=generator)
    else:
        names, shape = RAND, (n, augment.operations)
        magnitude = augment.magnitude + RAND_SPREAD * torch.randn(shape, generator=generator, dtype=torch.float64)
        strength = magnitude.clamp_(0, 10)
    picked = torch.randint(len(names), shape, generator=generator)
    sign = 1.0 - 2.0 * torch.randint(2, shape, generator=generator).double()
    places = torch.tensor([NAMES.index(name) for name in names])
    if augment.policy == "trivial":
        amounts = table[picked, strength]
        amounts = torch.where(_is(names, picked, set(STRONGEST)), sign * amounts, amounts)
        shifted = torch.where(_is(names, picked, _ENHANCED), 1 + amounts, amounts)
        return places[picked], shifted
    done = torch.rand(shape, generator=generator) < RAND_CHANCE
    amounts = _rand_amounts(names, picked, strength / 10, sign, image)
    return torch.where(done, places[picked], NAMES.index("identity")), amounts


_ENHANCED = {"brightness", "colour", "contrast", "sharpness"}


def _is(names: tuple[str, ...], picked: Tensor, wanted: set[str]) -> Tensor:
    return torch.tensor([name in wanted for name in names])[picked]


def _trivial_table() -> Tensor:
    """(operations, bins) of amounts without signs."""
    weak_to_strong = torch.linspace(0, 1, BINS, dtype=torch.float64)
    rows = {name: most * weak_to_strong for name, most in STRONGEST.items()}
    for name in ("translate_x", "translate_y"):
        rows[name] = rows[name].floor()
    rows["posterize"] = 8 - (6 * weak_to_strong).round()
    rows["solarize"] = 255 * (1 - weak_to_strong)
    return torch.stack([rows.get(name, torch.zeros(BINS, dtype=torch.float64)) for name in TRIVIAL])


def _rand_amounts(names: tuple[str, ...], picked: Tensor, level: Tensor, sign: Tensor, image: int) -> Tensor:
    """timm's level functions ("increasing" ones where there are two), for levels of 0 to 1."""
    rows = dict.fromkeys(names, torch.zeros_like(level))
    rows |= dict.fromkeys(("shear_x", "shear_y"), 0.3 * level * sign)
    rows |= dict.fromkeys(("translate_x", "translate_y"), 0.45 * level * sign * image)
    rows |= {"rotate": 30 * level * sign}
    rows |= dict.fromkeys(_ENHANCED, (1 + 0.9 * level * sign).clamp(min=0.1))
    rows |= {"posterize": (4 - (4 * level).floor()).clamp(min=1), "solarize": 256 - (256 * level).floor()}
    rows |= {"solarize_add": (110 * level).floor()}
    return torch.stack([rows[name] for name in names]).gather(0, picked[None])[0]
