"""Decoded pictures on disk: written once, checked by their sums, mapped into memory.

A pack holds the pictures of one source at one size, each at a place of its own, and for each the checksum of its bytes;
of squeezed pictures the aspects as well, each beside its complement.
A place is filled once with what its file decodes to, so that two runs that fill it at once write the same bytes; the sum is
written after the picture. So there is no state that a kill, a crash of the machine, a truncation or a flipped bit could
leave and that would be taken for good: a picture whose sum or aspect is missing or wrong is decoded again.
"""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import threading
import time
import weakref
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from netwright.data.digests import Digests
from netwright.data.pictures import Array, Decoded
from netwright.errors import NetwrightError
from netwright.files import read_json, write_json, writing

THERE = 1 << 32  # marks a sum as written: a picture's may be 0
LEFTOVER = 3600  # seconds after which a file that is being written is taken for one that a kill left


def default_cache() -> Path:
    """Where decoded pictures are kept: $NETWRIGHT_CACHE, else netwright/pictures in $XDG_CACHE_HOME or ~/.cache."""
    own = os.environ.get("NETWRIGHT_CACHE")
    if own:
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netwright" / "pictures"


class Pack:
    """Decoded pictures of one size on disk, (n, image, image, channels) uint8, as far as they are filled.

    A `squeezed` one keeps the aspect of each, too.
    """

    def __init__(self, folder: Path, shape: tuple[int, int, int, int], squeezed: bool = False) -> None:
        """Open or begin a pack; raises OSError where it cannot be written."""
        self.folder, self.shape, self.squeezed = folder, shape, squeezed
        self.size = shape[1] * shape[2] * shape[3]  # bytes of a picture
        begun = folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        try:
            self._pixels = _sized(folder / "pixels", shape[0] * self.size)
            weakref.finalize(self, self._pixels.close)
            self._sums = _sized(folder / "sums", shape[0] * 8)
            weakref.finalize(self, self._sums.close)
            if squeezed:
                self._aspects = _sized(folder / "aspects", shape[0] * 8)
                weakref.finalize(self, self._aspects.close)
        except OSError:
            if not begun:
                shutil.rmtree(folder, ignore_errors=True)
            raise
        self.pixels: Array = np.memmap(self._pixels, np.uint8, "r", shape=shape)
        self.sums: NDArray[np.uint64] = np.memmap(self._sums, np.uint64, "r", shape=(shape[0],))
        if squeezed:
            self._ratios: NDArray[np.uint32] = np.memmap(self._aspects, np.uint32, "r", shape=(shape[0], 2))
        self._writing = threading.Lock()

    def put(self, place: int, picture: Decoded) -> None:
        """Fill a place; raises OSError where the disk is full."""
        content = np.ascontiguousarray(picture.pixels).data.cast("B")
        bits = np.array(picture.aspect, np.float32).view(np.uint32)
        with self._writing:
            _write(self._pixels, place * self.size, content)
            if self.squeezed:
                _write(self._aspects, place * 8, memoryview(np.array([bits, ~bits]).tobytes()))
            _write(self._sums, place * 8, memoryview(np.uint64(zlib.crc32(content) | THERE).tobytes()))

    def take(self, places: NDArray[np.int64]) -> Array:
        """(n, image, image, channels) copies of pictures."""
        flat = np.asarray(self.pixels).reshape(self.shape[0], self.size)
        return np.take(flat, places, axis=0).reshape(len(places), *self.shape[1:])

    def aspects(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """(n,) width / height of pictures that are there, 1 where they are not squeezed."""
        if not self.squeezed:
            return np.ones(len(places), np.float32)
        return np.asarray(self._ratios[places, 0]).view(np.float32)

    def there(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) which places have been filled; their pixels may be damaged since, their aspects are not."""
        there = np.asarray(self.sums[places]) >= THERE
        if self.squeezed:
            ratios = np.asarray(self._ratios[places])
            there &= ratios[:, 0] == ~ratios[:, 1]
        return there

    def good(self, places: NDArray[np.int64]) -> NDArray[np.bool_]:
        """(n,) which pictures are there, as they were written."""
        sums, good = np.asarray(self.sums[places]), self.there(places)
        for i in np.flatnonzero(good):
            good[i] = int(sums[i]) == zlib.crc32(self.pixels[places[i]].data) | THERE
        return good

    def room(self, missing: int) -> bool:
        """Whether the disk takes so many more pictures, and keeps a tenth of itself or 256 MB free."""
        disk = shutil.disk_usage(self.folder)
        return missing * self.size <= disk.free - min(disk.total // 10, 256 << 20)


def _sized(path: Path, size: int) -> BinaryIO:
    """A file for reading and writing, of a given size; what is new in it are zeros, which take no disk."""
    try:
        handle = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o666)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM) or not path.exists():
            raise
        return path.open("rb", buffering=0)  # somebody else's, to be read
    file = os.fdopen(handle, "r+b", buffering=0)
    try:
        if os.fstat(handle).st_size != size:
            file.truncate(size)
    except OSError:
        file.close()
        raise
    return file


def _write(file: BinaryIO, start: int, content: memoryview) -> None:
    file.seek(start)
    while content:  # a disk that fills up takes a part first
        content = content[file.write(content) :]


@dataclass(frozen=True)
class Kept:
    """A pack with what is written beside it: what it is of, what made it, and the digest of each picture's file."""

    pack: Pack
    about: dict[str, Any]
    made_by: list[Any]
    digests: Digests

    @contextlib.contextmanager
    def begun(self) -> Iterator[None]:
        """Fill the pack inside: it is described first, and takes over from packs of other contents, which go at the end.

        A pack that was empty and could not be filled goes, so that it takes no room on a full disk.
        """
        empty = not self.pack.sums.any()
        try:
            if not (self.pack.folder / "about.json").exists():
                with writing(self.pack.folder / "digests.npy") as path, path.open("wb") as file:
                    np.save(file, self.digests)
                write_json(self.pack.folder / "about.json", {**self.about, "made_by": self.made_by})
            before = list(self._superseded())
            for folder, made_by in before:
                if empty and made_by == self.made_by:
                    self._take_over(folder)
            yield
        except BaseException as error:
            if empty and not isinstance(error, KeyboardInterrupt):
                shutil.rmtree(self.pack.folder, ignore_errors=True)
            if isinstance(error, NetwrightError) and isinstance(error.__cause__, OSError):  # of `writing`
                raise error.__cause__ from None
            raise
        for folder, _ in before:
            shutil.rmtree(folder, ignore_errors=True)
        _sweep(self.pack.folder.parent)

    def _superseded(self) -> Iterator[tuple[Path, Any]]:
        """Packs of the same source and size with other contents, and what made them."""
        for file in sorted(self.pack.folder.parent.glob("*/about.json")):
            with contextlib.suppress(NetwrightError):
                about = read_json(file)
                if file.parent != self.pack.folder and {**about, "made_by": 0} == {**self.about, "made_by": 0}:
                    yield file.parent, about["made_by"]

    def _take_over(self, folder: Path) -> None:
        """Copy from an old pack the pictures whose files have the same contents; raises OSError where the disk is full."""
        try:
            known = np.load(folder / "digests.npy", allow_pickle=False).reshape(-1, self.digests.shape[1])
            old = Pack(folder, (len(known), *self.pack.shape[1:]), self.pack.squeezed)
        except (OSError, ValueError):
            return
        places = {digest.tobytes(): place for place, digest in enumerate(known)}
        for place in np.flatnonzero(~self.pack.there(np.arange(len(self.digests)))).tolist():
            found = np.array([places.get(self.digests[place].tobytes(), -1)])
            if found[0] >= 0 and old.good(found)[0]:
                self.pack.put(place, Decoded(old.pixels[found[0]], float(old.aspects(found)[0])))


def _sweep(cache: Path) -> None:
    """Remove what a kill left of files that were being written."""
    for torn in cache.glob("*/.*.part"):
        with contextlib.suppress(OSError):
            if time.time() - torn.stat().st_mtime > LEFTOVER:
                torn.unlink()
