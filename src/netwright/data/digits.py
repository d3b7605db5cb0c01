"""1,797 handwritten digits of 8 x 8 pixels, embedded in scikit-learn."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from netwright.data.contents import ArrayContents
from netwright.data.pictures import Array
from netwright.data.sources import Listing, Source


def open_digits() -> Source:
    """The digits, in 8-bit grey."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype(np.uint8)[..., None]

    def some(names: Sequence[str]) -> Array:
        return np.asarray(pixels[[int(name) for name in names]])

    names = tuple(map(str, range(len(pixels))))
    everything = Listing(names, digits.target.astype(np.int64))
    classes = tuple(map(str, digits.target_names))
    return Source("digits", classes, 1, 8, mirror=False, splits={"all": everything}, contents=ArrayContents(some, (8, 8)))
