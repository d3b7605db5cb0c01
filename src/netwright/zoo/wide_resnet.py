"""Wide Residual Networks (arXiv:1605.07146) for small pictures; those for ImageNet are ResNets with wider bottlenecks."""

from __future__ import annotations

from typing import ClassVar

from netwright.blocks import classify, doubled
from netwright.errors import DesignError
from netwright.graph import Count, Design, FeatureMap, Fraction, Size
from netwright.graph.initial import Initial, he
from netwright.graph.resizing import Resizing


class WideResNet(Design):
    """Three groups of (depth - 4) / 6 pre-activated blocks, `widen` times wider (Table 1). Weight names: the authors'.

    `stem` is the width that `widen` multiplies, and doubles from group to group; `widths` stand in place of these
    products in a scaled network, whose factor is seldom whole.
    """

    depth: Count = 28
    widen: Count = 10
    stem: Count = 16
    widths: tuple[Count, Count, Count] | None = None
    dropout: Fraction = 0.0
    classes: Size = 10
    resolution: Count = 32

    initial: ClassVar[Initial] = Initial(conv=he("in"), head=he("in"), identity=False)

    def check(self) -> None:
        if self.depth < 10 or (self.depth - 4) % 6:
            raise DesignError(f"WideResNet: depth is {self.depth}, expected 6 n + 4: 10, 16, 22, 28, 34, 40, ...")

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("conv0", self.stem, 3)
        for i, width in enumerate(self.widths or doubled(self.stem * self.widen, 3)):
            x = x.block(f"group{i}", group, (self.depth - 4) // 6, width, 1 if i == 0 else 2, self.dropout)
        return classify(x.norm("bn").relu().global_pool(), "fc", self.classes)

    def resized(self, by: Resizing) -> WideResNet:
        depth = 6 * by.depth((self.depth - 4) // 6) + 4
        if by.wider == 1:
            return self.replace(depth=depth)
        widths = tuple(map(by.width, self.widths or doubled(self.stem * self.widen, 3)))
        return self.replace(depth=depth, widths=widths, stem=by.width(self.stem))


def group(x: FeatureMap, depth: int, width: int, stride: int, dropout: float) -> FeatureMap:
    """`depth` blocks of one width; only the first one strides."""
    x = x.block("block0", wide_block, width, stride, dropout)
    return x.repeat([f"block{i}" for i in range(1, depth)], wide_block, width, 1, dropout)


def wide_block(x: FeatureMap, width: int, stride: int, dropout: float) -> FeatureMap:
    """Norm and ReLU before each 3x3 (Fig. 1c, and 1d with dropout); a projection sees the activated map."""
    first = x.norm("bn0").relu()
    y = first.conv("conv0", width, 3, stride).norm("bn1").relu()
    if dropout:
        y = y.dropout(dropout)
    y = y.conv("conv1", width, 3)
    return y + (x if x.channels == width and stride == 1 else first.conv("convdim", width, 1, stride))


NETWORKS: dict[str, Design] = {f"wrn_{depth}_{widen}": WideResNet(depth, widen) for depth, widen in ((28, 10), (16, 4), (40, 2))}
