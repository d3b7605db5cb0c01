"""A block of one's own, a network of such blocks, and a space of such networks.

netwright cost own_space.py:net --image 8 --channels 1
netwright draw own_space.py:net --image 8 --channels 1 -o net.svg
netwright space own_space.py:space --image 8 --channels 1
netwright search digits --space own_space.py:space --max-macs 500K --trials 3 --epochs 3 --set batch=32 -o study
"""

from __future__ import annotations

import netwright as nw
from netwright.graph import Count, FeatureMap, Size
from netwright.spaces import Pick


class TwoScales(nw.Design):
    """Fine and coarse patterns at once: a 3x3 and a 5x5 depthwise convolution, added, between two 1x1 ones; a shortcut around."""

    expansion: Count = 2

    def __call__(self, x: FeatureMap, width: int, stride: int = 1) -> FeatureMap:
        inner = self.expansion * width
        y = x.conv("grow", inner, 1).norm("grow_norm").relu()
        fine = y.conv("fine", inner, 3, stride, groups=inner).norm("fine_norm")
        coarse = y.conv("coarse", inner, 5, stride, groups=inner).norm("coarse_norm")
        y = (fine + coarse).relu().conv("shrink", width, 1).norm("shrink_norm", role="residual-last")
        return x + y if x.shape == y.shape else y


class TwoScaleNet(nw.Design):
    """A stem, then stages of such blocks; each stage is twice as wide as the one before, and half as large."""

    depths: tuple[Count, ...] = (1, 2)
    width: Count = 16
    block: TwoScales = TwoScales()
    classes: Size = 10

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("stem", self.width, 3).norm("stem_norm").relu()
        for stage, depth in enumerate(self.depths):
            for number in range(depth):
                stride = 2 if stage and not number else 1
                x = x.block(f"stage{stage}.block{number}", self.block, self.width << stage, stride)
        return x.global_pool("pool").linear("fc", self.classes)


def space(pick: Pick) -> TwoScaleNet:
    """All that a study may choose from: how deep, how wide, how far a block expands."""
    depths = (pick.integer("depth_1", 1, 3), pick.integer("depth_2", 1, 3))
    width = pick.integer("width", 8, 32, step=8)
    return TwoScaleNet(depths, width, TwoScales(pick.choice("expansion", (1, 2, 3))))


net = TwoScaleNet()
