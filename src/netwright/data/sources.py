"""Where pictures come from, and how they are split: class folders, and the digits embedded in scikit-learn."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from netwright.data.pictures import Array, BadPictureError, read_picture, unwarned
from netwright.errors import NetwrightError

SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}
Step = Callable[[int, int], None]  # called with how many are done, of how many


@dataclass(frozen=True)
class Pictures:
    """Decoded pictures of one size: `pixels` (n, side, side, channels) uint8, `labels` (n,) class indices."""

    pixels: Array
    labels: NDArray[np.int64]
    names: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Listing:
    """Pictures that are not read yet: a name and a class index for each."""

    names: tuple[str, ...]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: NDArray[np.int64]) -> Listing:
        """Some of the pictures, in the order of their indices."""
        indices = np.sort(indices)
        return Listing(tuple(self.names[i] for i in indices), self.labels[indices])


class Reader(Protocol):
    """Decodes the named pictures of a source."""

    def __call__(self, listing: Listing, image: int, step: Step | None) -> Pictures: ...


@dataclass(frozen=True)
class Source:
    """A data set before its pictures are read: classes, and the pictures of each split it came with.

    `splits` has `train` and `test` (and `validation`), or `all` where the source is not split.
    `mirror` tells whether a mirrored picture keeps its class.
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    image: int | None  # side of the pictures if all have one size
    mirror: bool
    splits: dict[str, Listing]
    read: Reader
    ignored: tuple[str, ...] = ()

    def split(self, seed: int, validation: float = 0.0, test: float = 0.2) -> Data:
        """Parts for training, validation and a held-out test; missing ones are drawn per class with `seed`.

        A source's own `val` serves as the held-out test where it has no `test`. `validation` is the
        share taken from the training part, 0 for none (the source's own is then kept where it has one).
        """
        parts = dict(self.splits)
        if "all" in parts:
            parts["train"], parts["test"] = stratified(parts.pop("all"), test, seed, self.classes)
        elif "test" not in parts:
            parts["test"] = parts.pop("validation")
        if validation and "validation" not in parts:
            parts["train"], parts["validation"] = stratified(parts["train"], validation, seed + 1, self.classes)
        return Data(self, parts["train"], parts["test"], parts.get("validation"))

    @property
    def fingerprint(self) -> str:
        """Changes when a picture is added, removed, renamed or relabelled."""
        digest = hashlib.sha256(repr((self.classes, self.channels)).encode())
        for split, listing in sorted(self.splits.items()):
            digest.update(repr((split, listing.names, listing.labels.tolist())).encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Data:
    """A source with its parts: the test part is held out and serves for no choice."""

    source: Source
    train: Listing
    test: Listing
    validation: Listing | None = None


def open_source(where: str | os.PathLike[str]) -> Source:
    """The data set of a name (`digits`) or of a folder of class folders (with or without train/val/test).

    Raises NetwrightError, which says what was found instead.
    """
    path = Path(where)
    if str(where) == "digits" and not path.exists():
        return _digits()
    if not path.exists():
        raise NetwrightError(f"there is no folder {path}, and no built-in data set of that name (there is: digits)")
    if not path.is_dir():
        raise NetwrightError(f"{path} is a file: expected a folder with one folder of pictures per class")
    return _folder(path)


def stratified(listing: Listing, share: float, seed: int, classes: Sequence[str]) -> tuple[Listing, Listing]:
    """Split off a share of every class: (the rest, the share). Every class keeps at least one picture on both sides."""
    source = np.random.default_rng(seed)
    rest: list[NDArray[np.int64]] = []
    part: list[NDArray[np.int64]] = []
    for label, name in enumerate(classes):
        mine = source.permutation(np.flatnonzero(listing.labels == label))
        if len(mine) == 1:
            raise NetwrightError(f"class {name!r} has only 1 picture to train on: too few to set one apart")
        count = min(max(round(share * len(mine)), 1), len(mine) - 1) if len(mine) else 0
        part.append(mine[:count])
        rest.append(mine[count:])
    return listing.take(np.concatenate(rest)), listing.take(np.concatenate(part))


# ---------------------------------------------------------------- digits


def _digits() -> Source:
    """1,797 handwritten digits of 8 x 8 pixels, embedded in scikit-learn."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype(np.uint8)[..., None]

    def read(listing: Listing, image: int, step: Step | None) -> Pictures:
        chosen = pixels[[int(name) for name in listing.names]]
        if image != 8:
            resized = [Image.fromarray(p[..., 0]).resize((image, image), Image.Resampling.BICUBIC) for p in chosen]
            chosen = np.stack([np.asarray(p) for p in resized])[..., None]
        return Pictures(chosen, listing.labels, listing.names)

    names = tuple(map(str, range(len(pixels))))
    everything = Listing(names, digits.target.astype(np.int64))
    classes = tuple(map(str, digits.target_names))
    return Source("digits", classes, 1, 8, mirror=False, splits={"all": everything}, read=read)


# ---------------------------------------------------------------- class folders


@dataclass
class _Found:
    classes: list[str]
    ignored: list[str] = field(default_factory=list)
    splits: dict[str, Listing] = field(default_factory=dict)


def _folder(root: Path) -> Source:
    inner = {p.name.lower(): p for p in _folders(root)}
    if "train" in inner and (len(inner.keys() & SPLITS.keys()) > 1 or _folders(inner["train"])):
        found = _Found([p.name for p in _folders(inner["train"])])
        folders = [(SPLITS[name], path) for name, path in inner.items() if name in SPLITS]
        if len(folders) == 1:
            folders = [("all", inner["train"])]
    else:
        found = _Found([p.name for p in _folders(root)])
        folders = [("all", root)]
    if not found.classes:
        raise NetwrightError(f"{root} has no class folders: expected one folder of pictures per class")
    for split, folder in folders:
        if split in found.splits:
            raise NetwrightError(f"{root} has two folders for {split} pictures: keep one")
        found.splits[split] = _list(root, folder, found)
        if not len(found.splits[split]):
            raise NetwrightError(f"{folder} has no pictures in its folders: expected one folder of pictures per class")
    first = found.splits.get("all", found.splits.get("train"))
    assert first is not None
    _check_classes(root, found.classes, first)

    def read(listing: Listing, image: int, step: Step | None) -> Pictures:
        return _read_files(root, listing, image, step)

    size = _common_size(root, first)
    return Source(str(root.resolve()), tuple(found.classes), 3, size, True, found.splits, read, tuple(found.ignored))


def _folders(root: Path) -> list[Path]:
    return sorted(p for p in root.iterdir() if p.is_dir() and not p.name.startswith("."))


def _list(root: Path, folder: Path, found: _Found) -> Listing:
    """The pictures below a folder of class folders; names are relative to the root, so that it may be moved."""
    names: list[str] = []
    labels: list[int] = []
    endings = Image.registered_extensions()
    for class_folder in _folders(folder):
        if class_folder.name not in found.classes:
            raise NetwrightError(f"{class_folder} is a class that the training pictures do not have")
        for path in sorted(p for p in class_folder.rglob("*") if p.is_file()):
            name = path.relative_to(root).as_posix()
            if any(part.startswith(".") for part in path.relative_to(folder).parts):
                continue
            if not name.isprintable() or "\udc80" <= max(name) <= "\udcff":
                raise NetwrightError(f"{name!r} in {root} has a name that is no text: rename it")
            if path.suffix.lower() in endings:
                names.append(name)
                labels.append(found.classes.index(class_folder.name))
            else:
                found.ignored.append(name)
    return Listing(tuple(names), np.array(labels, dtype=np.int64))


def _check_classes(root: Path, classes: list[str], listing: Listing) -> None:
    counts = Counter(listing.labels.tolist())
    if not counts:
        raise NetwrightError(f"{root} has no pictures in its folders: expected one folder of pictures per class")
    empty = [name for label, name in enumerate(classes) if not counts[label]]
    if empty:
        raise NetwrightError(f"{root}: the class folder {empty[0]!r} holds no pictures to train on")
    if len(classes) == 1:
        raise NetwrightError(f"{root} has one class only ({classes[0]!r}): a classifier needs at least two class folders")


def _common_size(root: Path, listing: Listing) -> int | None:
    """The shorter side of all pictures if a sample of them agrees, else None."""
    sides = set()
    for i in np.linspace(0, len(listing) - 1, num=min(len(listing), 64), dtype=int):
        try:
            with unwarned(), Image.open(root / listing.names[i]) as opened:
                sides.add(min(opened.size))
        except Exception:  # told when it is read
            continue
    return sides.pop() if len(sides) == 1 else None


def _refuse_more_than_memory(need: int, image: int) -> None:
    if not hasattr(os, "sysconf"):
        return
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if need > 0.8 * memory:
        told = f"{need / 1e9:.0f} GB, of {memory / 1e9:.0f} GB"
        raise NetwrightError(f"the decoded pictures would take {told} of memory at {image} px: lower --image or take fewer")


def _read_files(root: Path, listing: Listing, image: int, step: Step | None) -> Pictures:
    _refuse_more_than_memory(len(listing) * image * image * 3, image)
    pixels = np.empty((len(listing), image, image, 3), np.uint8)
    bad: list[BadPictureError] = []

    def read(i: int) -> BadPictureError | None:
        try:
            pixels[i] = read_picture(root / listing.names[i], image)
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
