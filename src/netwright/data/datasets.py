"""Torch Datasets, and whatever else has a length and gives pairs of a picture and a label."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from netwright.data.arrays import as_pictures
from netwright.data.colours import to_8_bits
from netwright.data.contents import fit_array, inspect_array
from netwright.data.pictures import Array, BadPictureError, Decoded, Inspected
from netwright.data.reading import check_classes
from netwright.data.sources import SPLITS, Listing, Source
from netwright.errors import NetwrightError
from netwright.preprocessing import View


@runtime_checkable
class Dataset(Protocol):
    """Pictures by number: `dataset[i]` gives a pair of a picture and a label.

    A picture is a PIL image, an array or a tensor: (height, width), (height, width, channels) or (channels, height,
    width), uint8, or floating-point from 0 to 1. A label is a whole number.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


def open_dataset(dataset: Dataset | Mapping[str, Dataset]) -> Source:
    """A dataset as it is, or one for each split: `{"train": ..., "test": ...}`.

    Classes are named by the attribute `classes` where there is one. Labels come from `targets` or `labels` where they
    are there, else every item is asked for once. One thread reads: datasets seldom promise more.
    Raises NetwrightError for items that are no such pairs.
    """
    given = dict(dataset) if isinstance(dataset, Mapping) else {"all": dataset}
    parts: dict[str, Dataset] = {}
    for name, part in given.items():
        if name not in (*SPLITS, "all") or (name == "all" and len(given) > 1):
            raise NetwrightError(f"a dataset for {name!r}, expected train, val or test")
        parts[SPLITS.get(name, name)] = part
    if len(parts) == 1:
        parts = {"all": next(iter(parts.values()))}
    if "all" not in parts and "train" not in parts:
        raise NetwrightError(f"datasets for {' and '.join(parts)}, but none for train")
    first = parts["all"] if "all" in parts else parts["train"]
    labels = {split: _labels(part) for split, part in parts.items()}
    named = getattr(first, "classes", None)
    count = max(int(mine.max(initial=-1)) for mine in labels.values()) + 1
    classes = [str(name) for name in named] if named is not None else [str(i) for i in range(count)]
    if len(classes) < count:
        raise NetwrightError(f"{_name(first)} names {len(classes)} classes, but a label is {count - 1}")
    splits = {split: Listing(tuple(f"{split}/{number}" for number in range(len(mine))), mine) for split, mine in labels.items()}
    check_classes(_name(first), classes, splits["all"] if "all" in splits else splits["train"])
    shapes = _shapes(first)
    channels = 1 if {shape[2] for shape in shapes} == {1} else 3
    sides = {min(shape[:2]) for shape in shapes}
    side = sides.pop() if len(sides) == 1 else None
    mirror = not all(name.isdecimal() for name in classes)
    contents = _Contents(parts, channels)
    return Source(_name(first), tuple(classes), channels, side, mirror, splits, contents, parallel=False)


class _Contents:
    def __init__(self, parts: dict[str, Dataset], channels: int) -> None:
        self.parts, self.channels = parts, channels

    def picture(self, name: str, shown: View) -> Decoded:
        return fit_array(self._read(name), shown)

    def inspect(self, name: str, whole: bool) -> Inspected:
        return inspect_array(self._read(name))

    def _read(self, name: str) -> Array:
        split, _, number = name.partition("/")
        pixels = _checked(self.parts[split], int(number), name)
        if pixels.shape[2] == self.channels:
            return pixels
        picture = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
        return np.asarray(picture.convert("L" if self.channels == 1 else "RGB")).reshape(*pixels.shape[:2], -1)

    def ready(self, names: Sequence[str], shown: View) -> Array | None:
        return None

    def stamps(self, names: Sequence[str]) -> NDArray[np.int64] | None:
        return None

    def content(self, name: str) -> bytes:
        return self._read(name).tobytes()


def _name(dataset: Dataset) -> str:
    return f"the dataset {type(dataset).__name__}"


def _shapes(dataset: Dataset) -> set[tuple[int, ...]]:
    """The shapes of some pictures; raises BadPictureError where not one of them can be read."""
    shapes, wrong = set(), None
    for i in np.linspace(0, len(dataset) - 1, num=min(len(dataset), 16), dtype=int).tolist():
        try:
            shapes.add(_checked(dataset, i, str(i)).shape)
        except BadPictureError as error:  # told when it is read
            wrong = wrong or error
    if not shapes and wrong is not None:
        raise wrong
    return shapes


def _checked(dataset: Dataset, i: int, name: str) -> Array:
    try:
        return _pixels(dataset, i)
    except Exception as error:  # whatever the dataset raises
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise BadPictureError(f"{name} of {_name(dataset)} cannot be read ({reason})", reason) from None


def _labels(dataset: Dataset) -> NDArray[np.int64]:
    if not isinstance(dataset, Dataset):
        raise NetwrightError(f"{type(dataset).__name__} is no dataset: expected __len__ and __getitem__")
    if not len(dataset):
        raise NetwrightError(f"{_name(dataset)} is empty")
    found: Any = next((value for name in ("targets", "labels") if _fits(value := getattr(dataset, name, None), dataset)), None)
    if found is None:
        found = [_pair(dataset, i)[1] for i in range(len(dataset))]
    try:
        labels = np.asarray(found)
        whole = labels.astype(np.int64).reshape(len(dataset))
    except (TypeError, ValueError):
        raise NetwrightError(f"{_name(dataset)}: labels are expected to be whole numbers, found {str(found[0])[:40]!r}") from None
    if (whole < 0).any() or not (whole == labels.reshape(-1)).all():
        raise NetwrightError(f"{_name(dataset)}: labels are expected to be whole numbers from 0")
    return whole


def _fits(value: Any, dataset: Dataset) -> bool:
    return hasattr(value, "__len__") and not isinstance(value, (str, dict)) and len(value) == len(dataset)


def _pair(dataset: Dataset, i: int) -> tuple[Any, Any]:
    item = dataset[i]
    if not isinstance(item, (tuple, list)) or len(item) < 2:
        raise NetwrightError(f"{_name(dataset)} gives {type(item).__name__}, expected pairs of a picture and a label")
    return item[0], item[1]


def _pixels(dataset: Dataset, i: int) -> Array:
    """A picture as (height, width, channels) uint8."""
    picture = _pair(dataset, i)[0]
    if isinstance(picture, Image.Image):
        flat = to_8_bits(picture)
        flat = flat if flat.mode == "L" else flat.convert("RGB")
        return np.asarray(flat).reshape(flat.height, flat.width, -1)
    array = np.asarray(picture)
    return np.asarray(as_pictures(array[None], f"picture {i} of {_name(dataset)}")[0])
