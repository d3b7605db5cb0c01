"""What training crops lose to the size at which pictures are kept: against Pillow's crop and resize from the original.

    python benchmarks/crops.py TAR [--image 224] [--pictures 200] [--out FILE]

TAR is a tar of photographs. Kept are the central square ("square"), or all of the picture squeezed to a square ("all of it"), at
several sizes. Crops are drawn as a training draws them, in what is kept: resized ones of .35 to 1 and of .08 to 1 of the area,
and shifts. From squeezed pictures the crops of the central square are cut as well ("the same crops"), a comparison that favours
the square. The figure is the mean absolute difference of uint8 pixels.
"""

from __future__ import annotations

import argparse
import io
import statistics
import tarfile
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from netwright.costing.profiles import describe_processor
from netwright.data.colours import to_8_bits
from netwright.data.pictures import Decoded, as_shown
from netwright.preprocessing import Squeezed, View, whole
from netwright.training.engine.augment import draw
from netwright.training.engine.augment.windows import cut
from netwright.training.recipes.recipe import Augmentation

Box = tuple[float, float, float, float]  # left, top, right and bottom in px of the original
CROPS = 4  # of a picture


def photographs(tar: Path, count: int) -> Iterator[Image.Image]:
    """Some of the tar's pictures, spread over it, upright."""
    with tarfile.open(tar) as opened:
        members = [member for member in opened if member.isfile() and member.name.lower().endswith((".jpg", ".jpeg"))]
        for place in np.linspace(0, len(members) - 1, min(count, len(members)), dtype=int):
            content = opened.extractfile(members[place])
            assert content is not None
            with Image.open(io.BytesIO(content.read())) as picture:
                yield to_8_bits(picture).convert("RGB")


def shown_part(picture: Image.Image, shown: View) -> Box:
    """The part of the original that is kept."""
    width, height = picture.size
    if isinstance(shown, Squeezed):
        return 0, 0, width, height
    made = [int(shown.image * edge / min(picture.size)) for edge in picture.size]  # rounded as `fit` does
    left, top = (round((edge - shown.image) / 2) for edge in made)
    across, down = width / made[0], height / made[1]
    return left * across, top * down, (left + shown.image) * across, (top + shown.image) * down


def apart(picture: Image.Image, kept: Decoded, part: Box, boxes: Tensor, image: int) -> list[float]:
    """Mean absolute differences of crops, (n, 4) boxes of what is kept, from Pillow's of the original."""
    side = kept.pixels.shape[0]
    squeezed = torch.tensor(kept.pixels)[None].expand(len(boxes), -1, -1, -1)
    made = cut(squeezed, boxes, torch.zeros(len(boxes), dtype=torch.bool), image).numpy().astype(int)
    across, down = (part[2] - part[0]) / side, (part[3] - part[1]) / side
    found = []
    for one, (top, left, height, width) in zip(made, boxes.tolist(), strict=True):
        ends = (left + width) * across, (top + height) * down
        box = (part[0] + left * across, part[1] + top * down, part[0] + ends[0], part[1] + ends[1])
        wanted = picture.resize((image, image), Image.Resampling.BILINEAR, box=box)
        found.append(float(np.abs(one - np.asarray(wanted)).mean()))
    return found


def moved(boxes: Tensor, part: Box, picture: Image.Image, sides: tuple[int, int]) -> Tensor:
    """Boxes of the central square, kept at one side, as boxes of the picture squeezed to another."""
    scale = torch.tensor([part[3] - part[1], part[2] - part[0]]) / sides[0]
    starts = torch.tensor([part[1], part[0]]) + boxes[:, :2] * scale
    ends = starts + boxes[:, 2:] * scale
    size = torch.tensor(picture.size[::-1])
    first, last = ((edge / size * sides[1]).round().long() for edge in (starts, ends))
    return torch.cat([first, (last - first).clamp(min=1)], 1)


def measured(tar: Path, augment: Augmentation, image: int, count: int) -> dict[str, float]:
    """What is kept -> the mean difference."""
    shift = augment.crop == "shift"
    square = whole(round(image * 256 / 224) if shift else round(1.25 * image))
    sides = [round(factor * image) for factor in ((256 / 224, 1.5) if shift else (1.0, 1.25, 1.5))]
    found: dict[str, list[float]] = {}
    for number, picture in enumerate(photographs(tar, count)):
        chance = torch.Generator()
        kept, part = as_shown(picture, square), shown_part(picture, square)
        boxes = draw(augment, CROPS, (square.image, image), False, chance.manual_seed(number)).boxes
        found.setdefault(f"square, {square.image} px", []).extend(apart(picture, kept, part, boxes, image))
        for side in sides:
            shown = Squeezed(side)
            kept, all_of_it = as_shown(picture, shown), shown_part(picture, shown)
            aspects = torch.full((CROPS,), kept.aspect)
            own = draw(augment, CROPS, (side, image), False, chance.manual_seed(number), aspects).boxes
            same = moved(boxes, part, picture, (square.image, side))
            for name, crops in (("its own crops", own), ("the same crops", same)):
                found.setdefault(f"all of it, {side} px, {name}", []).extend(apart(picture, kept, all_of_it, crops, image))
    return {name: statistics.fmean(values) for name, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tar", type=Path)
    parser.add_argument("--image", type=int, default=224)
    parser.add_argument("--pictures", type=int, default=200)
    parser.add_argument("--out", type=Path, help="add the table to this file as well")
    options = parser.parse_args()
    torch.set_num_threads(1)
    crops: dict[str, tuple[Literal["resized", "shift"], float]] = {
        "resized, .35 to 1": ("resized", 0.35),
        "resized, .08 to 1": ("resized", 0.08),
        "shift": ("shift", 1.0),
    }
    words = f"`python benchmarks/crops.py {options.tar.name} --image {options.image} --pictures {options.pictures}`"
    versions = ", ".join(f"{name} {version(name)}" for name in ("pillow", "torch"))
    lines = [
        f"{words}. {CROPS} crops of each picture. {versions}; {describe_processor()}.",
        "",
        "| crop | kept | mean absolute difference (of 255) |",
        "|---|---|---:|",
    ]
    for name, (kind, least) in crops.items():
        made = measured(options.tar, Augmentation(crop=kind, area_least=least), options.image, options.pictures)
        lines += [f"| {name} | {kept} | {value:.2f} |" for kept, value in made.items()]
    print("\n".join(lines))
    if options.out:
        with options.out.open("a", encoding="utf-8") as file:
            file.write("\n".join([*lines, "", ""]))


if __name__ == "__main__":
    main()
