"""NumPy archives of pictures and labels, as MedMNIST's and Keras's are."""

from __future__ import annotations

import contextlib
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from netwright.data.arrays import Part, as_labels, as_pictures, named_classes, source_of_arrays
from netwright.data.memory import memory
from netwright.data.sources import Source
from netwright.errors import NetwrightError

SPLITS = ("train", "validation", "test")
WORDS = {"train": ("train",), "validation": ("val", "valid", "validation"), "test": ("test",)}
PAIRS = (("images", "labels"), ("x", "y"), ("X", "y"), ("data", "labels"), ("data", "target"))
CLASSES = ("classes", "class_names", "label_names")


def open_npz(path: Path) -> Source:
    """The pictures of an .npz file: `train_images` and `train_labels` (and `val_`, `test_`); `x_train` and `y_train`;
    or, without parts, `images` and `labels`, `x` and `y`.

    Pictures and labels are of the forms that `as_pictures` and `as_labels` take; `classes` may name them, or a
    `classes.txt` beside the file. Raises NetwrightError, which says what is in the file instead.
    """
    with _opened(path) as archive:
        pairs = _pairs(set(archive.files))
        if not pairs:
            expected = "train_images and train_labels, x_train and y_train, images and labels, or x and y"
            found = ", ".join(archive.files[:8]) or "nothing"
            raise NetwrightError(f"{path} holds {found}: expected the arrays {expected}")
        parts = {}
        for split, (images, labels) in pairs.items():
            pixels = as_pictures(archive[images], f"{images} in {path}")
            parts[split] = Part(pixels, as_labels(archive[labels], len(pixels), f"{labels} in {path}"))
        inside = [name for name in CLASSES if name in archive.files]
        classes = [str(name) for name in archive[inside[0]].reshape(-1)] if inside else named_classes(path.parent)
    by_name = any(part.labels.dtype.kind == "U" for part in parts.values())
    return source_of_arrays(path, parts, None if by_name else classes)


def _pairs(names: set[str]) -> dict[str, tuple[str, str]]:
    """The arrays of pictures and labels of each split; `all` where there is no split."""
    found: dict[str, tuple[str, str]] = {}
    for split in SPLITS:
        for images, labels in PAIRS:
            for word in WORDS[split]:
                for pair in ((f"{word}_{images}", f"{word}_{labels}"), (f"{images}_{word}", f"{labels}_{word}")):
                    if names.issuperset(pair):
                        found.setdefault(split, pair)
    return found or next(({"all": pair} for pair in PAIRS if names.issuperset(pair)), {})


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[Any]:
    try:
        with zipfile.ZipFile(path) as file:
            size, most = sum(entry.file_size for entry in file.infolist()), memory() // 2
        if size > most:
            raise NetwrightError(f"{path} unpacks to {size / 1e9:.0f} GB, more than half of the memory")
        with np.load(path, allow_pickle=False) as archive:
            yield archive
    except OSError as error:
        raise NetwrightError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error, NotImplementedError, MemoryError) as error:
        if "allow_pickle" in str(error):
            raise NetwrightError(f"{path} holds Python objects, which can run code: save plain arrays") from None
        raise NetwrightError(f"{path} is no .npz file that can be read ({error}): copy it again") from None
