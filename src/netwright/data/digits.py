"""1,797 handwritten digits of 8 x 8 pixels, embedded in scikit-learn."""

from __future__ import annotations

import numpy as np

from netwright.data.reading import read_decoded
from netwright.data.sources import Listing, Pictures, Source, Step
from netwright.preprocessing import Preprocessing


def open_digits() -> Source:
    """The digits, in 8-bit grey."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    pixels = (digits.images * (255 / 16)).round().astype(np.uint8)[..., None]

    def read(listing: Listing, shown: Preprocessing, step: Step | None) -> Pictures:
        return read_decoded(pixels[[int(name) for name in listing.names]], listing, shown, step)

    names = tuple(map(str, range(len(pixels))))
    everything = Listing(names, digits.target.astype(np.int64))
    classes = tuple(map(str, digits.target_names))
    return Source("digits", classes, 1, 8, mirror=False, splits={"all": everything}, read=read)
