"""CIFAR-10 and CIFAR-100 in their binary version: small pictures one after another in a few files."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netwright.data.contents import ArrayContents
from netwright.data.pictures import Array
from netwright.data.reading import check_classes
from netwright.data.sources import Listing, Source
from netwright.data.trees import Tree
from netwright.errors import NetwrightError

SIDE = 32
PIXELS = 3 * SIDE * SIDE  # bytes: all red, then all green, then all blue, row by row


@dataclass(frozen=True)
class _Layout:
    """Files of a data set; each picture has `labels` bytes before its pixels, the last of them its class.

    (CIFAR-100 writes one of 20 coarse classes first.)
    """

    folder: str
    train: str
    test: str
    classes: str
    labels: int
    mark: str  # a file that tells the data set


LAYOUTS = (
    _Layout("cifar-10-batches-bin", r"data_batch_\d+\.bin", r"test_batch\.bin", "batches.meta.txt", 1, "data_batch_1.bin"),
    _Layout("cifar-100-binary", r"train\.bin", r"test\.bin", "fine_label_names.txt", 2, "fine_label_names.txt"),
)
PICKLES = {"cifar-10-batches-py": ("batches.meta", "data_batch_1"), "cifar-100-python": ("meta", "train")}


def open_cifar(tree: Tree) -> Source | None:
    """CIFAR's pictures in a folder or right below it; None where they are not there.

    Raises NetwrightError for the Python version, whose files are pickles, and for damaged files.
    """
    found = [(layout, under) for layout in LAYOUTS for under in ("", f"{layout.folder}/") if tree.has(under + layout.mark)]
    if len(found) > 1:
        raise NetwrightError(f"{tree.path} holds more than one CIFAR data set: give the folder of one of them")
    if found:
        return _open(tree, *found[0])
    for folder, files in PICKLES.items():
        if any(all(tree.has(under + name) for name in files) for under in ("", f"{folder}/")):
            raise NetwrightError(
                f"{tree.path} is CIFAR's Python version, whose files are pickles, which can run code: get the binary version"
            )
    return None


def _open(tree: Tree, layout: _Layout, under: str) -> Source:
    classes = _classes(tree, under + layout.classes)
    splits = {}
    for split, pattern in (("train", layout.train), ("test", layout.test)):
        files = [name for name in tree.files(under.rstrip("/")) if re.fullmatch(re.escape(under) + pattern, name)]
        if not files:
            raise NetwrightError(f"{tree.path / under} has no {split} pictures: expected {pattern.replace(chr(92), '')}")
        splits[split] = _list(tree, files, layout, classes)
    check_classes(tree.path, classes, splits["train"])

    contents = ArrayContents(functools.partial(_pixels, tree, layout), (SIDE, SIDE))
    return Source(str(tree.path.resolve()), tuple(classes), 3, SIDE, True, splits, contents)


def _classes(tree: Tree, name: str) -> list[str]:
    if not tree.has(name):
        raise NetwrightError(f"{tree.path / name} is missing: it names the classes")
    lines = tree.read(name).decode("utf-8", errors="replace").splitlines()
    return [line.strip() for line in lines if line.strip()]


def _list(tree: Tree, files: list[str], layout: _Layout, classes: list[str]) -> Listing:
    """The pictures of some files; a picture is called `file/number`, counted from 0."""
    names: list[str] = []
    labels = []
    for file in files:
        mine = _records(tree, file, layout)[:, layout.labels - 1].astype(np.int64)
        wrong = np.flatnonzero(mine >= len(classes))
        if len(wrong):
            told = f"picture {wrong[0]} is of class {mine[wrong[0]]}, but {layout.classes} names {len(classes)} classes"
            raise NetwrightError(f"{tree.path / file}: {told}")
        names += [f"{file}/{number}" for number in range(len(mine))]
        labels.append(mine)
    return Listing(tuple(names), np.concatenate(labels))


def _records(tree: Tree, file: str, layout: _Layout) -> Array:
    """A file as (pictures, bytes of one)."""
    content, size = tree.read(file), layout.labels + PIXELS
    if not content or len(content) % size:
        problem = f"{len(content):,} bytes are no whole number of pictures of {size:,}"
        raise NetwrightError(f"{tree.path / file} is cut off or damaged ({problem}): copy it again")
    return np.frombuffer(content, np.uint8).reshape(-1, size)


def _pixels(tree: Tree, layout: _Layout, names: Sequence[str]) -> Array:
    """The named pictures as (n, side, side, 3); one file at a time is in memory."""
    pixels = np.empty((len(names), SIDE, SIDE, 3), np.uint8)
    parts = [name.rpartition("/") for name in names]
    files = np.array([file for file, _, _ in parts])
    numbers = np.array([int(number) for _, _, number in parts])
    for file in dict.fromkeys(files.tolist()):
        mine = files == file
        planes = _some_records(tree, file, layout, numbers[mine])[:, layout.labels :]
        pixels[mine] = planes.reshape(-1, 3, SIDE, SIDE).transpose(0, 2, 3, 1)
    return pixels


def _some_records(tree: Tree, file: str, layout: _Layout, numbers: NDArray[np.int64]) -> Array:
    """Some pictures of a file that was read before; a few are read where they lie."""
    size = layout.labels + PIXELS
    if len(numbers) > 100:
        return _records(tree, file, layout)[numbers]
    parts = [tree.read(file, int(number) * size, size) for number in numbers]
    if any(len(part) != size for part in parts):
        raise NetwrightError(f"{tree.path / file} has become shorter while it was read")
    return np.frombuffer(b"".join(parts), np.uint8).reshape(-1, size)
