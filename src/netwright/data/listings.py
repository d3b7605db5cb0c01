"""Pictures that are listed, and pictures that are read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from netwright.data.pictures import Array

Step = Callable[[int, int], None]  # called with how many are done, of how many


class Pixels(Protocol):
    """Pictures (n, side, side, channels) uint8: an array, or something that reads or decodes what it is asked for."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def __len__(self) -> int: ...

    def __getitem__(self, which: Any) -> Array: ...


@dataclass(frozen=True)
class BadPicture:
    """A picture that was left out: its name in the source, and why it cannot be read."""

    name: str
    reason: str


@dataclass(frozen=True)
class Pictures:
    """Pictures of one size: `pixels` (n, side, side, channels) uint8, `labels` (n,) class indices.

    `pixels` is an array, or what `store` gives: it has a `shape` and a length, and is indexed by a slice or an
    array of indices, which gives an array. `bad` are the pictures that were listed but left out. `aspects` (n,) float32
    are width / height of pictures that were squeezed to a square; None: they were not.
    """

    pixels: Pixels
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    bad: tuple[BadPicture, ...] = ()
    aspects: NDArray[np.float32] | None = None

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class Listing:
    """Pictures that are not read yet: a name and a class index for each.

    `groups` tells which pictures belong together (one patient, one video): they never stand in two parts.
    """

    names: tuple[str, ...]
    labels: NDArray[np.int64]
    groups: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.names)

    def take(self, indices: NDArray[np.int64]) -> Listing:
        """Some of the pictures, in the order of their indices."""
        indices = np.sort(indices)
        groups = None if self.groups is None else tuple(self.groups[i] for i in indices)
        return Listing(tuple(self.names[i] for i in indices), self.labels[indices], groups)


def joined(listings: Sequence[Listing]) -> Listing:
    """Several listings as one, in their order."""
    if len(listings) == 1:
        return listings[0]
    names = tuple(name for listing in listings for name in listing.names)
    groups = [listing.groups for listing in listings if listing.groups is not None]
    together = tuple(name for mine in groups for name in mine) if len(groups) == len(listings) else None
    return Listing(names, np.concatenate([listing.labels for listing in listings]), together)
