"""Data sets whose pictures are arrays already: what is checked of them, whatever file they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netwright.data.contents import ArrayContents
from netwright.data.pictures import Array
from netwright.data.reading import check_classes
from netwright.data.sources import Listing, Source
from netwright.errors import NetwrightError

CLASSES = ("classes.txt", "classnames.txt")  # beside the data: one name a line, in the order of the indices


@dataclass(frozen=True)
class Part:
    """The pictures (n, height, width, channels) uint8 of one split, and their labels (n,): indices or names."""

    pixels: Array
    labels: NDArray[np.int64] | NDArray[np.str_]


def source_of_arrays(path: Path, parts: dict[str, Part], classes: Sequence[str] | None = None) -> Source:
    """A source of pictures in memory (or mapped); one part alone is `all`. A picture is called `split/number`.

    `classes` are the names of the labels 0, 1, ... where they are known, else the labels name themselves. Pictures whose
    classes are numbers are not to be mirrored: they may be digits or letters.
    Raises NetwrightError for parts that do not fit together, and for a class that has no pictures to train on.
    """
    if len(parts) > 1 and "train" not in parts:
        raise NetwrightError(f"{path} has {' and '.join(parts)} pictures, but none to train on")
    if len(parts) == 1:
        parts = {"all": next(iter(parts.values()))}
    shapes = {part.pixels.shape[1:] for part in parts.values()}
    if len(shapes) > 1:
        raise NetwrightError(f"{path}: its parts have pictures of several shapes: {', '.join(map(str, sorted(shapes)))}")
    height, width, channels = shapes.pop()
    first = parts["all"] if "all" in parts else parts["train"]
    named, splits = _listed(path, parts, first, classes)
    check_classes(path, named, splits.get("all") or splits["train"])

    def pixels(names: Sequence[str]) -> Array:
        return _some({split: part.pixels for split, part in parts.items()}, names)

    contents = ArrayContents(pixels, (height, width))
    mirror = not all(name.isdecimal() for name in named)
    return Source(str(path.resolve()), tuple(named), channels, min(height, width), mirror, splits, contents)


def _listed(
    path: Path, parts: dict[str, Part], first: Part, classes: Sequence[str] | None
) -> tuple[list[str], dict[str, Listing]]:
    """The classes, in the order of the labels, and the listings."""
    known = list(range(len(classes))) if classes is not None else np.unique(first.labels).tolist()
    splits = {}
    for split, part in parts.items():
        labels, which = np.unique(part.labels, return_inverse=True)
        unknown = [label for label in labels.tolist() if label not in known]
        if unknown:
            where = "there are no names for more" if classes is not None else "the training pictures do not have it"
            raise NetwrightError(f"{path}: its {split} pictures have a class {unknown[0]!r}, but {where}")
        places = np.array([known.index(label) for label in labels.tolist()], np.int64)
        names = tuple(f"{split}/{number}" for number in range(len(part.labels)))
        splits[split] = Listing(names, places[which.reshape(-1)])
    return [str(label) for label in known] if classes is None else list(classes), splits


def _some(parts: dict[str, Array], names: Sequence[str]) -> Array:
    """The named pictures; those of one part in their order are given as they lie."""
    split = names[0].partition("/")[0] if names else next(iter(parts))
    numbers = np.array([int(name.rpartition("/")[2]) for name in names], np.int64)
    mine = np.array([name.startswith(f"{split}/") for name in names], bool)
    if mine.all():
        whole = len(numbers) == len(parts[split]) and bool((np.diff(numbers) == 1).all())
        return parts[split] if whole else parts[split][numbers]
    pixels = np.empty((len(names), *parts[split].shape[1:]), np.uint8)
    for part, content in parts.items():
        mine = np.array([name.startswith(f"{part}/") for name in names], bool)
        pixels[mine] = content[numbers[mine]]
    return pixels


def named_classes(folder: Path) -> list[str] | None:
    """The names of the classes from a file beside the data, None where there is none."""
    for name in CLASSES:
        if (folder / name).is_file():
            return class_names((folder / name).read_bytes(), folder / name)
    return None


def class_names(content: bytes, path: Path) -> list[str]:
    """One name a line; raises NetwrightError for an empty list and for a name that stands twice."""
    names = [line.strip() for line in content.decode("utf-8-sig", errors="replace").splitlines() if line.strip()]
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice or not names:
        raise NetwrightError(f"{path}: " + (f"class {twice[0]!r} stands twice" if twice else "it names no classes"))
    return names


def as_pictures(array: NDArray[np.generic], what: str) -> Array:
    """Pictures as (n, height, width, channels) uint8.

    From (n, height, width), (n, height, width, channels) or (n, channels, height, width) with 1 or 3 channels; whole
    numbers from 0 to 255, or floating-point ones from 0 to 1. Raises NetwrightError, which calls them `what`.
    """
    shape = array.shape
    if array.ndim == 3:
        array = array[..., None]
    elif array.ndim == 4 and shape[3] not in (1, 3) and shape[1] in (1, 3):
        array = array.transpose(0, 2, 3, 1)
    if array.ndim != 4 or array.shape[3] not in (1, 3) or 0 in array.shape:
        expected = "(n, height, width), or with 1 or 3 channels behind"
        raise NetwrightError(f"{what} has the shape {shape}, expected {expected}")
    if array.dtype == np.uint8:
        return array  # type: ignore[return-value]
    if array.dtype.kind not in "biuf":
        raise NetwrightError(f"{what} is of type {array.dtype}, expected uint8")
    most = 1 if array.dtype.kind in "bf" else 255
    low, high = array.min(), array.max()
    if not (low >= 0 and high <= most):
        raise NetwrightError(f"{what} goes from {low:g} to {high:g}, expected values from 0 to {most} for {array.dtype}")
    scaled: Array = np.multiply(array, 255 / most, dtype=np.float32).round().astype(np.uint8)
    return scaled


def as_labels(array: NDArray[np.generic], count: int, what: str) -> NDArray[np.int64] | NDArray[np.str_]:
    """Labels (n,) of `count` pictures: whole numbers from 0, names, or one row a picture with a single 1.

    Raises NetwrightError, which calls them `what`.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if len(array) != count if array.ndim else True:
        raise NetwrightError(f"{what} are {len(array) if array.ndim else 'one'}, of {count:,} pictures")
    if array.ndim == 2 and array.dtype.kind in "biuf":
        if not np.isin(array, (0, 1)).all() or not (array.sum(1) == 1).all():
            raise NetwrightError(f"{what} have {array.shape[1]} columns: pictures of several classes at once are not for this")
        hot: NDArray[np.int64] = np.argmax(array, 1).astype(np.int64)
        return hot
    if array.ndim == 1 and array.dtype.kind == "U":
        return array.astype(np.str_)
    if array.ndim != 1 or array.dtype.kind not in "biuf":
        raise NetwrightError(f"{what} are of type {array.dtype} and shape {array.shape}, expected one number for each picture")
    whole = array.astype(np.int64)
    if not (whole == array).all() or (whole < 0).any():
        raise NetwrightError(f"{what} are expected to be whole numbers from 0")
    return whole
