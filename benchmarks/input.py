"""Training images per second that the input path gives: netwright's, and a DataLoader with timm's transforms.

    PYTHONPATH=.venv/peers python benchmarks/input.py DATA [--images 224 96] [--policies none trivial] [--out FILE]

DATA is a folder with `train` or class folders in it. Both read the same files, shuffle, crop, flip and normalize alike (below
64 px: a shift over zeros; else random resized crops of 0.35 to 1 of the area), and give float32 batches; nothing is trained.
The peer: timm's ImageDataset (Pillow) under torch's DataLoader with 2 workers that stay between epochs. netwright: what a
training reads, from the cache, which is filled before ("cached" is what all epochs but the first are). Epochs are taken in
turns; medians are shown.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import torch
from peers import timm, transforms

from netwright.costing.profiles import describe_processor
from netwright.data import open_source
from netwright.data.store import store
from netwright.training.engine.augment import stored
from netwright.training.engine.batches import Batches, Task, Where
from netwright.training.normalize import Normalize
from netwright.training.recipes.recipe import Augmentation, Recipe

WORKERS = 2
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
Policy = Literal["none", "trivial"]
Epoch = Callable[[int], int]  # its number -> how many pictures it had


def ours(data: Path, image: int, policy: Policy, batch: int, cache: Path) -> tuple[Epoch, float]:
    """What reads an epoch, and how many seconds the cache took."""
    recipe = Recipe(batch=batch, augment=Augmentation(policy=policy))
    source = open_source(data)
    listing = source.splits.get("train") or source.splits["all"]
    started = time.perf_counter()
    pictures = store(source, listing, stored(recipe.augment, image), cache=cache)
    took = time.perf_counter() - started
    task = Task(pictures, Normalize(MEAN, STD), image, True, len(source.classes))
    batches = Batches(task, recipe, 0, Where(torch.device("cpu"), torch.channels_last))

    def epoch(number: int) -> int:
        count = 0
        for made in batches.of(number):
            assert made.x.shape[1:] == (3, image, image)
            count += len(made.x)
        return count

    return epoch, took


def theirs(data: Path, image: int, policy: Policy, batch: int) -> Epoch:
    """The same by Pillow, picture by picture, in the workers of a DataLoader."""
    last: list[Any] = [transforms.ToTensor(), transforms.Normalize(MEAN, STD)]
    extra = [transforms.TrivialAugmentWide()] if policy == "trivial" else []
    shown: Any
    if Augmentation().cropped(image) == "pad":
        shown = transforms.Compose(
            [
                transforms.RandomCrop(image, padding=image // 8),
                transforms.RandomHorizontalFlip(),
                *extra,
                *last,
            ]
        )
    else:
        plain = timm.data.create_transform(
            image, is_training=True, scale=(0.35, 1), color_jitter=0.0, interpolation="bilinear", mean=MEAN, std=STD
        )
        shown = transforms.Compose([*plain.transforms[:2], *extra, *last])
    folder = data / "train" if (data / "train").is_dir() else data
    loader = torch.utils.data.DataLoader(
        timm.data.ImageDataset(str(folder), transform=shown),
        batch,
        shuffle=True,
        num_workers=WORKERS,
        persistent_workers=True,
    )

    def epoch(number: int) -> int:
        count = 0
        for x, _ in loader:
            assert x.shape[1:] == (3, image, image)
            count += len(x)
        return count

    return epoch


def rate(epoch: Epoch, number: int) -> float:
    """Images per second."""
    started = time.perf_counter()
    count = epoch(number)
    return count / (time.perf_counter() - started)


def line(data: Path, image: int, policy: Policy, batch: int, rounds: int, cache: Path) -> str:
    """A row of the table."""
    mine, filling = ours(data, image, policy, batch, cache)
    peer = theirs(data, image, policy, batch)
    rate(mine, 0), rate(peer, 0)  # the first epoch warms up: files are read, workers start
    found = [(rate(peer, i), rate(mine, i)) for i in range(1, rounds + 1)]
    slow, fast = (statistics.median(values) for values in zip(*found, strict=True))
    ratio = statistics.median(b / a for a, b in found)
    return f"| {data.name} | {image} | {policy} | {slow:,.0f} | {fast:,.0f} | {ratio:.1f} | {filling:.1f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="a folder of pictures in class folders")
    parser.add_argument("--images", type=int, nargs="+", default=[224, 96], help="sides in px")
    parser.add_argument("--policies", nargs="+", choices=["none", "trivial"], default=["none", "trivial"])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3, help="epochs of each that are timed")
    parser.add_argument("--out", type=Path, help="add the table to this file as well")
    options = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in ("torch", "timm", "torchvision", "pillow"))
    threads = f"{torch.get_num_threads()} threads, OMP_WAIT_POLICY={os.environ.get('OMP_WAIT_POLICY', 'unset')}"
    about = (
        f"Batch {options.batch}, {WORKERS} workers for the peer, median of {options.rounds} epochs each in turns. {versions}, "
        f"Python {platform.python_version()}; {describe_processor()}, {threads}."
    )
    words = f"{options.data.name} --images {' '.join(map(str, options.images))} --policies {' '.join(options.policies)}"
    command = f"`python benchmarks/input.py {words} --batch {options.batch} --rounds {options.rounds}`"
    lines = [
        f"{command}. {about}",
        "",
        "| data | image px | policy | DataLoader + timm, images/s | netwright, images/s | ratio | cache filled in s |",
        "|---|---:|---|---:|---:|---:|---:|",
    ]
    print("\n".join(lines), flush=True)
    with tempfile.TemporaryDirectory() as cache:
        for image in options.images:
            for policy in options.policies:
                lines.append(line(options.data, image, policy, options.batch, options.rounds, Path(cache)))
                print(lines[-1], flush=True)
    if options.out:
        with options.out.open("a", encoding="utf-8") as file:
            file.write("\n".join([*lines, "", ""]))


if __name__ == "__main__":
    main()
