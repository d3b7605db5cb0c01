"""What a source of pictures is: its classes, its listed pictures, and how they are split."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from netwright.data.pictures import Array
from netwright.errors import NetwrightError
from netwright.preprocessing import Preprocessing

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
    """Decodes the named pictures of a source; of `shown` the sizes and the filter are used."""

    def __call__(self, listing: Listing, shown: Preprocessing, step: Step | None) -> Pictures: ...


@dataclass(frozen=True)
class Source:
    """A data set before its pictures are read: classes, and the pictures of each split it came with.

    `splits` has `train` and `test` (and `validation`), or `all` where the source is not split.
    `mirror` tells whether a mirrored picture keeps its class. `indexed` tells that the classes' names
    are indices into the outputs of some network ("0", "7", ...), not words.
    """

    name: str
    classes: tuple[str, ...]
    channels: int
    image: int | None  # side of the pictures if all have one size
    mirror: bool
    splits: dict[str, Listing]
    read: Reader
    ignored: tuple[str, ...] = ()
    indexed: bool = False

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
