"""Pixels that are not an array in memory: read from a pack, or decoded, when they are asked for."""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from netwright.data.cache import Pack
from netwright.data.pictures import Array, Decoded
from netwright.data.reading import read_many, refuse_bad


class Stored:
    """Pictures in a pack: (n, image, image, channels), indexed by a slice or an array of indices.

    A picture's checksum is compared when it is first asked for; one that is damaged is decoded again and mended.
    """

    def __init__(self, pack: Pack, places: NDArray[np.int64], one: Callable[[int], Decoded], checked: NDArray[np.bool_]) -> None:
        self.shape = (len(places), *pack.shape[1:])
        self._pack, self._places, self._one, self._checked = pack, places, one, checked
        self._held: dict[int, Array] = {}  # mended pictures that the pack did not take

    @property
    def contents(self) -> str:
        """What tells these pictures from others: the pack is named by the digests of its files."""
        return f"{self._pack.folder.name} {zlib.crc32(self._places.tobytes())}"

    def __len__(self) -> int:
        return len(self._places)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)

    def __getitem__(self, which: Any) -> Array:
        if isinstance(which, (int, np.integer)):
            return np.asarray(self[np.array([which])][0])
        rows = np.arange(len(self))[which]
        self._check(rows[~self._checked[rows]])
        pixels = self._pack.take(self._places[rows])
        for i in [i for i, row in enumerate(rows.tolist()) if row in self._held] if self._held else ():
            pixels[i] = self._held[int(rows[i])]
        return pixels

    def _check(self, rows: NDArray[np.int64]) -> None:
        if not len(rows):
            return
        damaged = rows[~self._pack.good(self._places[rows])].tolist()
        if damaged:
            told = f"{len(damaged):,} damaged pictures are decoded again"
            warnings.warn(f"the cache {self._pack.folder}: {told}", stacklevel=4)
        for row in damaged:
            picture = self._one(row)
            try:
                self._pack.put(int(self._places[row]), picture)
            except OSError:
                self._held[row] = picture.pixels
        self._checked[rows] = True

    def without(self, rows: NDArray[np.int64]) -> Stored:
        """The pictures but some."""
        left = np.delete(np.arange(len(self)), rows)
        return Stored(self._pack, self._places[left], lambda i: self._one(int(left[i])), self._checked[left])


class OnDemand:
    """Pictures that are decoded each time they are asked for: (n, image, image, channels)."""

    def __init__(self, shape: tuple[int, int, int, int], one: Callable[[int], Decoded], threads: int) -> None:
        self.shape, self._one, self._threads = shape, one, threads

    def __len__(self) -> int:
        return self.shape[0]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Array:
        return np.asarray(self[:], dtype)

    def __getitem__(self, which: Any) -> Array:
        if isinstance(which, (int, np.integer)):
            return self._one(int(np.arange(len(self))[which])).pixels
        rows = np.arange(len(self))[which]
        pixels = np.empty((len(rows), *self.shape[1:]), np.uint8)
        refuse_bad(read_many(lambda i: self._one(int(rows[i])).pixels, range(len(rows)), pixels.__setitem__, self._threads))
        return pixels

    def without(self, rows: NDArray[np.int64]) -> OnDemand:
        """The pictures but some."""
        left = np.delete(np.arange(len(self)), rows)
        return OnDemand((len(left), *self.shape[1:]), lambda i: self._one(int(left[i])), self._threads)
