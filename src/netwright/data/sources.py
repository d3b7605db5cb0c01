"""What a source of pictures is: its classes, its listed pictures, and how they are split."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from netwright.data.listings import BadPicture, Listing, Pictures, Step, joined
from netwright.data.memory import refuse_more_than_memory
from netwright.data.pictures import Array, Decoded, Inspected
from netwright.data.reading import read_many, refuse_bad
from netwright.data.splitting import Labels, fold_of, share_of
from netwright.errors import NetwrightError
from netwright.preprocessing import Preprocessing, View

SPLITS = {"train": "train", "val": "validation", "valid": "validation", "validation": "validation", "test": "test"}

__all__ = ["SPLITS", "BadPicture", "Contents", "Data", "Listing", "Pictures", "Source", "Step"]


class Contents(Protocol):
    """The pictures of a source by their names; of `shown` the sizes and the filter are used."""

    def picture(self, name: str, shown: View) -> Decoded:
        """One picture (image, image, channels); raises BadPictureError, which names it."""

    def ready(self, names: Sequence[str], shown: View) -> Array | None:
        """The pictures where they lie decoded at the size asked for, else None."""

    def stamps(self, names: Sequence[str]) -> NDArray[np.int64] | None:
        """(n, 5) numbers that change when a picture's file does; None where the pictures are no files."""

    def inspect(self, name: str, whole: bool) -> Inspected:
        """What a picture is, from its header or from all of it; raises BadPictureError."""

    def content(self, name: str) -> bytes:
        """The bytes of a picture's file; raises BadPictureError."""


@dataclass(frozen=True)
class Source:
    """A data set before its pictures are read: classes, and the pictures of each split it came with.

    `splits` has `train` and `test` (and `validation`), or `all` where the source is not split.
    `mirror` tells whether a mirrored picture keeps its class. `indexed` tells that the classes' names
    are indices into the outputs of some network ("0", "7", ...), not words. `parallel` tells whether several
    threads may read at once.
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    image: int | None  # side of the pictures if all have one size
    mirror: bool
    splits: dict[str, Listing]
    contents: Contents
    ignored: tuple[str, ...] = ()
    indexed: bool = False
    parallel: bool = True

    def picture(self, name: str, shown: View) -> Array:
        """One picture as (image, image, channels) uint8; raises BadPictureError, which names the file and says why."""
        return self.contents.picture(name, shown).pixels

    def read(self, listing: Listing, shown: Preprocessing, step: Step | None) -> Pictures:
        """Decode pictures into memory; raises BadPictureError, which names the first bad one and counts the others.

        Raises NetwrightError where they would take more than four fifths of the memory (see `store`).
        """
        ready = self.contents.ready(listing.names, shown)
        if ready is not None:
            return Pictures(ready, listing.labels, listing.names)
        refuse_more_than_memory(len(listing), shown.image, self.channels)
        pixels = np.empty((len(listing), shown.image, shown.image, self.channels), np.uint8)
        bad = read_many(
            lambda i: self.picture(listing.names[i], shown), range(len(listing)), pixels.__setitem__, self.threads(), step
        )
        refuse_bad(bad)
        return Pictures(pixels, listing.labels, listing.names)

    def threads(self, asked: int | None = None) -> int:
        """How many threads may decode: those asked for, else one per processor, but one where only one may read."""
        return (asked or os.cpu_count() or 1) if self.parallel else 1

    def split(self, seed: int, validation: float = 0.0, test: float = 0.2, fold: tuple[int, int] | None = None) -> Data:
        """Parts for training, validation and a held-out test; missing ones are drawn per class with `seed`.

        A source's own `val` serves as the held-out test where it has no `test`. `validation` is the
        share taken from the training part, 0 for none (the source's own is then kept where it has one).
        Where pictures have groups, whole groups are drawn, such that the classes' shares come as near as they can.

        `fold` (i, k) is for cross-validation: all pictures but the source's own `test` are dealt into k parts,
        and the i-th of them, counted from 1, is held out in its place.
        Raises NetwrightError for a group in two parts, and for a class that cannot be trained on.
        """
        parts = dict(self.splits)
        if fold is not None:
            names = [name for name in ("all", "train", "validation") if name in parts]
            whole = joined([parts.pop(name) for name in names])
            parts["train"], parts["test"] = self._divided(whole, fold_of(self._labels(whole), fold, seed))
        elif "all" in parts:
            whole = parts.pop("all")
            parts["train"], parts["test"] = self._divided(whole, share_of(self._labels(whole), test, seed))
        elif "test" not in parts:
            parts["test"] = parts.pop("validation")
        if validation and "validation" not in parts:
            whole = parts["train"]
            parts["train"], parts["validation"] = self._divided(whole, share_of(self._labels(whole), validation, seed + 1))
        _refuse_shared_groups(parts)
        self._refuse_unknown(parts)
        return Data(self, parts["train"], parts["test"], parts.get("validation"))

    def _labels(self, listing: Listing) -> Labels:
        return Labels(listing.labels, self.classes, listing.groups)

    def _divided(self, listing: Listing, held_out: NDArray[np.bool_]) -> tuple[Listing, Listing]:
        return listing.take(np.flatnonzero(~held_out)), listing.take(np.flatnonzero(held_out))

    def _refuse_unknown(self, parts: dict[str, Listing]) -> None:
        """A class that is held out but cannot be trained on would only ever be wrong."""
        trained = set(parts["train"].labels.tolist())
        for part in ("validation", "test"):
            for label in sorted(set(parts[part].labels.tolist()) - trained) if part in parts else ():
                told = f"class {self.classes[label]!r} has pictures for {part}, but none to train on"
                hint = ": its groups all fell on that side; try another --seed" if parts["train"].groups is not None else ""
                raise NetwrightError(f"{self.name}: {told}{hint}")

    @property
    def fingerprint(self) -> str:
        """Changes when a picture is added, removed, renamed, relabelled or put into another group."""
        digest = hashlib.sha256(repr((self.classes, self.channels)).encode())
        for split, listing in sorted(self.splits.items()):
            digest.update(repr((split, listing.names, listing.labels.tolist())).encode())
            if listing.groups is not None:
                digest.update(repr(listing.groups).encode())
        return digest.hexdigest()[:16]


@dataclass(frozen=True)
class Data:
    """A source with its parts: the test part is held out and serves for no choice."""

    source: Source
    train: Listing
    test: Listing
    validation: Listing | None = None


def _refuse_shared_groups(parts: dict[str, Listing]) -> None:
    seen: dict[str, str] = {}
    for part, listing in parts.items():
        for group in dict.fromkeys(listing.groups or ()):
            if group in seen:
                told = f"group {group!r} has pictures for {seen[group]} and for {part}"
                raise NetwrightError(f"{told}: change the splits that the data came with, or leave out --group")
            seen[group] = part
