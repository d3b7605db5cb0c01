"""Where the pictures of a source lie: in files that are decoded, or decoded in arrays."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from netwright.data.listings import Listing
from netwright.data.pictures import (
    Array,
    BadPictureError,
    Decoded,
    Inspected,
    Readable,
    as_shown,
    decode,
    digest_of,
    inspect_picture,
    open_file,
    open_picture,
    unwarned,
)
from netwright.data.reading import check_classes, check_names, sample
from netwright.data.sources import Source
from netwright.preprocessing import Preprocessing, View


class Files(Protocol):
    """Files by their names."""

    def file(self, name: str) -> Readable:
        """What `read_picture` takes."""

    def place(self, name: str) -> tuple[str, int]:
        """The path of the file on disk that it lies in, and at which byte."""


class FileContents:
    """Pictures in files, which are decoded."""

    def __init__(self, files: Files) -> None:
        self.files = files

    def picture(self, name: str, shown: View) -> Decoded:
        return decode(self.files.file(name), shown)

    def inspect(self, name: str, whole: bool) -> Inspected:
        return inspect_picture(self.files.file(name), name, 3, whole)

    def ready(self, names: Sequence[str], shown: View) -> Array | None:
        return None

    def stamps(self, names: Sequence[str]) -> NDArray[np.int64] | None:
        known: dict[str, tuple[int, int, int, int]] = {}  # a tar is asked about once
        found = np.zeros((len(names), 5), np.int64)
        for i, name in enumerate(names):
            path, start = self.files.place(name)
            if path not in known:
                try:
                    about = os.stat(path)  # noqa: PTH116 (twice as fast as a Path's)
                    known[path] = about.st_size, about.st_mtime_ns, about.st_ctime_ns, about.st_ino & (2**63 - 1)
                except OSError:
                    known[path] = (0, 0, 0, 0)  # told when it is read
            found[i] = *known[path], start
        return found

    def content(self, name: str) -> bytes:
        file = self.files.file(name)
        try:
            with open_file(file) if isinstance(file, Path) else file as content:
                return content.read()
        except OSError as error:
            raise BadPictureError(f"{name} cannot be read ({error.strerror or error})") from None


class ArrayContents:
    """Pictures that need no decoding: `pixels` gives some of them by name as (n, height, width, channels) uint8."""

    def __init__(self, pixels: Callable[[Sequence[str]], Array], size: tuple[int, int]) -> None:
        self.pixels, self.size = pixels, size

    def picture(self, name: str, shown: View) -> Decoded:
        return fit_array(self.pixels([name])[0], shown)

    def inspect(self, name: str, whole: bool) -> Inspected:
        return inspect_array(self.pixels([name])[0])

    def ready(self, names: Sequence[str], shown: View) -> Array | None:
        cropped = isinstance(shown, Preprocessing) and shown.resize > shown.image
        return self.pixels(names) if self.size == (shown.image, shown.image) and not cropped else None

    def stamps(self, names: Sequence[str]) -> NDArray[np.int64] | None:
        return None

    def content(self, name: str) -> bytes:
        return bytes(self.pixels([name])[0].data)


def fit_array(pixels: Array, shown: View) -> Decoded:
    """A picture (height, width, channels) as `shown` says."""
    return as_shown(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels), shown)


def inspect_array(pixels: Array) -> Inspected:
    """What a picture (height, width, channels) in memory is."""
    return Inspected("array", "L" if pixels.shape[2] == 1 else "RGB", pixels.shape[1::-1], (), digest_of(pixels))


def source_of_files(
    path: Path, files: Files, classes: list[str], splits: dict[str, Listing], ignored: list[str], indexed: bool = False
) -> Source:
    """A source of colour pictures in files; `splits` as in `Source`. Raises NetwrightError for a class without pictures."""
    check_names(path, (*classes, *ignored, *(name for listing in splits.values() for name in listing.names)))
    first = splits["all"] if "all" in splits else splits["train"]
    check_classes(path, classes, first)
    size = _common_size(files, first)
    return Source(str(path.resolve()), tuple(classes), 3, size, True, splits, FileContents(files), tuple(ignored), indexed)


def _common_size(files: Files, listing: Listing) -> int | None:
    """The shorter side of all pictures if a sample of them agrees, else None."""
    sides = set()
    for name in sample(listing):
        try:
            with unwarned(), open_picture(files.file(name)) as picture:
                sides.add(min(picture.size))
        except Exception:  # told when it is read
            continue
    return sides.pop() if len(sides) == 1 else None
