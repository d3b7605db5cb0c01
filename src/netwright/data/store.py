"""Pictures for training and evaluation: decoded once, kept on disk or in memory, or decoded when they are asked for."""

from __future__ import annotations

import hashlib
import math
import random
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL
from numpy.typing import NDArray

from netwright.data.cache import Kept, Pack, default_cache
from netwright.data.digests import digests
from netwright.data.listings import BadPicture, Listing, Pictures, Step, joined
from netwright.data.memory import memory
from netwright.data.pictures import Array, BadPictureError, Decoded
from netwright.data.reading import read_many, refuse_bad
from netwright.data.sources import Source
from netwright.data.stored import OnDemand, Stored
from netwright.errors import NetwrightError
from netwright.preprocessing import Squeezed, View

FORMAT = 1  # of packs; raised when an old one would be read wrongly
FITS = 0.5  # of the memory, at most, is taken for decoded pictures that are not kept on disk


def store(
    source: Source,
    listing: Listing,
    shown: View,
    *,
    cache: Path | Literal["default"] | None = "default",
    skip_bad: bool = False,
    workers: int | None = None,
    step: Step | None = None,
) -> Pictures:
    """The listed pictures, decoded once; of `shown` the sizes and the filter are used. Squeezed ones bring their aspects.

    Files are decoded into `cache` (`default_cache()`), from where a later call maps them into memory; without a cache,
    or where its disk is full, into memory, and where they would take more than half of it, they are decoded by `workers`
    threads (one per processor) each time that they are asked for. Pictures that need no decoding are given as they are.

    A bad picture raises BadPictureError, which names the first and counts the others; with `skip_bad` they are left out,
    and stand in `bad`. Raises NetwrightError where no picture is left.
    """
    ready = source.contents.ready(listing.names, shown)
    if ready is not None:
        return Pictures(ready, listing.labels, listing.names)
    making = _Making(source, listing, shown, source.threads(workers), step or (lambda done, total: None))
    folder = default_cache() if cache == "default" else cache
    made: Pictures | None = None
    bad: dict[int, BadPictureError] = {}
    if folder is not None and len(listing) and source.contents.stamps(()) is not None:
        try:
            made, bad = making.cached(folder)
        except (OSError, _FullError) as error:
            why = error.strerror or error if isinstance(error, OSError) else error
            warnings.warn(f"the cache {folder} cannot be used ({why}): pictures are decoded without it", stacklevel=2)
    if made is None:
        made, bad = making.uncached()
    if not skip_bad:
        refuse_bad(bad)
    if len(bad) == len(listing) > 0:
        raise NetwrightError(f"none of {len(listing):,} pictures can be read; the first: {next(iter(bad.values()))}")
    return _without(made, bad)


class _FullError(Exception):
    """There is no room for a pack."""


@dataclass(frozen=True)
class _Making:
    """A listing on its way to pixels; what makes them also gives the bad ones by their place in the listing."""

    source: Source
    listing: Listing
    shown: View
    threads: int
    step: Step

    def uncached(self) -> tuple[Pictures, dict[int, BadPictureError]]:
        """In memory where they fit, else on demand."""
        shape = (len(self.listing), self.shown.image, self.shown.image, self.source.channels)
        pixels = np.empty(shape, np.uint8) if math.prod(shape) <= FITS * memory() else None
        aspects = np.ones(len(self.listing), np.float32)

        def one(i: int) -> Decoded:
            return self.source.contents.picture(self.listing.names[i], self.shown)

        def keep(i: int, picture: Decoded) -> None:
            aspects[i] = picture.aspect
            if pixels is not None:
                pixels[i] = picture.pixels

        bad = read_many(one, range(len(self.listing)), keep, self.threads, self.step)
        return self._pictures(OnDemand(shape, one, self.threads) if pixels is None else pixels, aspects), bad

    def _pictures(self, pixels: Array | Stored | OnDemand, aspects: NDArray[np.float32]) -> Pictures:
        known = aspects if isinstance(self.shown, Squeezed) else None
        return Pictures(pixels, self.listing.labels, self.listing.names, aspects=known)

    def cached(self, cache: Path) -> tuple[Pictures, dict[int, BadPictureError]]:
        """From a pack, whose places are those of all pictures of the splits that the listed ones are of.

        Raises OSError or _FullError where the pack cannot be written.
        """
        splits = self._splits()
        names = list(dict.fromkeys(joined([self.source.splits[split] for split in splits]).names))
        stamps = self.source.contents.stamps(names)
        assert stamps is not None
        remembered = cache / "digests" / f"{_hash(self.source.name, splits)}.npz"
        found, read = digests(self.source, names, stamps, remembered, self._first_half)
        made_by = [FORMAT, PIL.__version__]
        about = {"source": self.source.name, "splits": splits, "shown": self._size()}
        key = _hash(made_by, self._size(), self.source.channels, found.tobytes())
        shape = (len(names), self.shown.image, self.shown.image, self.source.channels)
        pack = Pack(cache / key, shape, squeezed=isinstance(self.shown, Squeezed))
        place_of = {name: place for place, name in enumerate(names)}
        places = np.array([place_of[name] for name in self.listing.names])
        one = _unchanged(self.source, self.listing, self.shown, stamps[places])
        kept = Kept(pack, about, made_by, found)
        bad = self._fill(kept, places, one, read)
        return self._pictures(Stored(pack, places, one, np.zeros(len(places), bool)), pack.aspects(places)), bad

    def _splits(self) -> list[str]:
        """The splits that the listed pictures are of."""
        listed = set(self.listing.names)
        return [split for split, listing in sorted(self.source.splits.items()) if not listed.isdisjoint(listing.names)]

    def _size(self) -> list[Any]:
        if isinstance(self.shown, Squeezed):
            return ["squeezed", self.shown.image, self.shown.filter]
        return [self.shown.resize, self.shown.image, self.shown.filter, self.shown.rounding]

    def _first_half(self, done: int, new: int) -> None:
        self.step(done, new + len(self.listing))

    def _fill(
        self, kept: Kept, places: NDArray[np.int64], one: Callable[[int], Decoded], read: int
    ) -> dict[int, BadPictureError]:
        """Decode what the pack lacks."""
        pack = kept.pack
        missing = np.flatnonzero(~pack.there(places)).tolist()
        if not missing:
            return {}
        with kept.begun():
            missing = np.flatnonzero(~pack.there(places)).tolist()
            if not pack.room(len(missing)):
                raise _FullError("too little room on the disk")
            start = random.randrange(len(missing) or 1)  # of runs that fill one pack at once each does a part
            order = missing[start:] + missing[:start]
            before = read + len(places) - len(missing)

            def once(i: int) -> Decoded | None:
                return None if pack.there(places[order[i : i + 1]])[0] else one(order[i])

            def keep(i: int, picture: Decoded | None) -> None:
                if picture is not None:
                    pack.put(int(places[order[i]]), picture)

            def step(done: int, total: int) -> None:
                self.step(before + done, before + total)

            bad = read_many(once, range(len(order)), keep, self.threads, step)
        return {order[i]: error for i, error in sorted(bad.items(), key=lambda item: order[item[0]])}


def _unchanged(source: Source, listing: Listing, shown: View, stamps: NDArray[np.int64]) -> Callable[[int], Decoded]:
    """What decodes the i-th listed picture, whose file must still be the one whose digest names the pack."""

    def one(i: int) -> Decoded:
        picture = source.contents.picture(listing.names[i], shown)
        now = source.contents.stamps(listing.names[i : i + 1])
        if now is None or not np.array_equal(now[0], stamps[i]):
            raise NetwrightError(f"{listing.names[i]} was changed while the pictures were read: start again")
        return picture

    return one


def _hash(*what: object) -> str:
    return hashlib.sha256(repr(what).encode()).hexdigest()[:32]


def _without(pictures: Pictures, bad: dict[int, BadPictureError]) -> Pictures:
    if not bad:
        return pictures
    rows = np.array(sorted(bad))
    left = np.delete(np.arange(len(pictures)), rows)
    pixels: Any = pictures.pixels
    if isinstance(pixels, np.ndarray):
        for to, row in enumerate(left.tolist()):  # in place: they may fill half of the memory
            pixels[to] = pixels[row]
        pixels = pixels[: len(left)]
    else:
        pixels = pixels.without(rows)
    told = tuple(BadPicture(pictures.names[row], bad[row].reason) for row in rows.tolist())
    aspects = pictures.aspects[left] if pictures.aspects is not None else None
    return Pictures(pixels, pictures.labels[left], tuple(pictures.names[row] for row in left.tolist()), told, aspects)
