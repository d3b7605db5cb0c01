"""A network for small grey or colour pictures on a CPU: stages of few, wide layers, which processors compute best.

netwright cost examples/small_pictures.py:net --image 28 --channels 1
netwright train examples/small_pictures.py:net fashion-mnist/ --epochs 9 --set augment.crop=none --set augment.flip=yes -o run
"""

from __future__ import annotations

import netwright as nw
from netwright.graph import Count, FeatureMap, Size


class SmallPictures(nw.Design):
    """A stem, then halved twice; after each a residual layer of the same size."""

    width: Count = 32
    classes: Size = 10

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("stem.conv", self.width, 3).norm("stem.norm").relu("stem.relu")
        for i in (1, 2):
            x = x.conv(f"down{i}.conv", self.width << i, 3, 2).norm(f"down{i}.norm").relu(f"down{i}.relu")
            x = x + x.conv(f"same{i}.conv", self.width << i, 3).norm(f"same{i}.norm").relu(f"same{i}.relu")
        return x.global_pool("pool").linear("fc", self.classes)


net = SmallPictures()
