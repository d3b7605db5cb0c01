"""A network for small grey or colour pictures on a CPU: few, wide layers, most of them where maps are small.

netwright cost examples/small_pictures.py:net --image 28 --channels 1
netwright train examples/small_pictures.py:net fashion-mnist/ --recipe small --set augment.flip=yes -o run
"""

from __future__ import annotations

import netwright as nw
from netwright.graph import Count, FeatureMap, Size


class SmallPictures(nw.Design):
    """A stem, then halved three times; after the first two a residual layer of the same size."""

    width: Count = 24
    classes: Size = 10

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("stem.conv", self.width, 5).norm("stem.norm").relu("stem.relu")
        for i in (1, 2, 3):
            x = x.conv(f"down{i}.conv", self.width << i, 3, 2).norm(f"down{i}.norm").relu(f"down{i}.relu")
            if i < 3:
                x = x + x.conv(f"same{i}.conv", self.width << i, 3).norm(f"same{i}.norm").relu(f"same{i}.relu")
        return x.global_pool("pool").linear("fc", self.classes)


net = SmallPictures()
