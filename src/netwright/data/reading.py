"""Many pictures -> one array: decoded side by side, bad ones named; what all sources of files share."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from netwright.data.memory import refuse_more_than_memory
from netwright.data.pictures import Array, BadPictureError, fit, read_picture, unwarned
from netwright.data.sources import Listing, Pictures, Source, Step
from netwright.errors import NetwrightError
from netwright.preprocessing import Preprocessing

Opened = Callable[[str], Path | BinaryIO]  # a picture's name -> what read_picture takes


def source_of_files(
    path: Path,
    opened: Opened,
    classes: list[str],
    splits: dict[str, Listing],
    ignored: list[str],
    indexed: bool = False,
) -> Source:
    """A source of colour pictures in files; `splits` as in `Source`. Raises NetwrightError for a class without pictures."""
    for name in (*classes, *ignored, *(name for listing in splits.values() for name in listing.names)):
        if not name.isprintable() or "\udc80" <= max(name) <= "\udcff":
            raise NetwrightError(f"{name!r} in {path} is a name that is no text: rename it")
    first = splits["all"] if "all" in splits else splits["train"]
    check_classes(path, classes, first)

    def read(listing: Listing, shown: Preprocessing, step: Step | None) -> Pictures:
        return read_files(opened, listing, shown, step)

    size = _common_size(opened, first)
    return Source(str(path.resolve()), tuple(classes), 3, size, True, splits, read, tuple(ignored), indexed)


def check_classes(path: Path, classes: list[str], training: Listing) -> None:
    """Raise NetwrightError unless there are two classes or more, each with pictures to train on."""
    counts = Counter(training.labels.tolist())
    empty = [name for label, name in enumerate(classes) if not counts[label]]
    if empty:
        raise NetwrightError(f"{path}: class {empty[0]!r} has no pictures to train on")
    if len(classes) == 1:
        raise NetwrightError(f"{path} has one class only ({classes[0]!r}): a classifier needs at least two")


def read_files(opened: Opened, listing: Listing, shown: Preprocessing, step: Step | None) -> Pictures:
    """Decode picture files; raises BadPictureError, which names the first bad one and counts the others."""
    return _together(lambda i: read_picture(opened(listing.names[i]), shown), 3, listing, shown, step)


def read_decoded(pixels: Array, listing: Listing, shown: Preprocessing, step: Step | None) -> Pictures:
    """Pictures (n, side, side, channels) that need no decoding, as `shown` says."""
    side, channels = pixels.shape[2:]
    if side == shown.resize == shown.image:
        return Pictures(pixels, listing.labels, listing.names)
    flat = pixels[..., 0] if channels == 1 else pixels

    def one(i: int) -> Array:
        return np.asarray(fit(Image.fromarray(flat[i]), shown)).reshape(shown.image, shown.image, channels)

    return _together(one, channels, listing, shown, step)


def _together(one: Callable[[int], Array], channels: int, listing: Listing, shown: Preprocessing, step: Step | None) -> Pictures:
    refuse_more_than_memory(len(listing), shown.image, channels)
    pixels = np.empty((len(listing), shown.image, shown.image, channels), np.uint8)
    bad: list[BadPictureError] = []

    def read(i: int) -> BadPictureError | None:
        try:
            pixels[i] = one(i)
        except BadPictureError as error:
            return error
        return None

    with unwarned(), ThreadPoolExecutor(os.cpu_count()) as pool:
        for done, wrong in enumerate(pool.map(read, range(len(listing))), 1):
            if wrong is not None:
                bad.append(wrong)
            if step is not None:
                step(done, len(listing))
    if bad:
        more = f", and {len(bad) - 1} more such files" if len(bad) > 1 else ""
        raise BadPictureError(f"{bad[0]}{more}: mend or remove it")
    return Pictures(pixels, listing.labels, listing.names)


def _common_size(opened: Opened, listing: Listing) -> int | None:
    """The shorter side of all pictures if a sample of them agrees, else None."""
    sides = set()
    for i in np.linspace(0, len(listing) - 1, num=min(len(listing), 64), dtype=int):
        try:
            with unwarned(), Image.open(opened(listing.names[i])) as picture:
                sides.add(min(picture.size))
        except Exception:  # told when it is read
            continue
    return sides.pop() if len(sides) == 1 else None
