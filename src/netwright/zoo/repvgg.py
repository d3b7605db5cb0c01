"""RepVGG: Making VGG-style ConvNets Great Again (arXiv:2101.03697)."""

from __future__ import annotations

import math
from typing import ClassVar

from netwright.blocks import classify
from netwright.graph import Count, Design, FeatureMap, Positive, Size
from netwright.graph.initial import UNIFORM, Initial
from netwright.graph.resizing import Resizing


class RepVGG(Design):
    """Stages of 3x3 convolutions that train with a 1x1 and an identity beside them (Table 2). Weight names: timm.

    `a` widens the first three stages and `b` the last one; every second block has `groups`. With `deploy`
    each block is the one 3x3 convolution that equals its three branches: `convert` makes its weights.
    """

    depths: tuple[Count, ...] = (2, 4, 14, 1)
    a: Positive = 0.75
    b: Positive = 2.5
    groups: Count = 1
    deploy: bool = False
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=UNIFORM, head=UNIFORM, bias=None, identity=False)

    def widths(self) -> list[int]:
        """Channels of each stage: 64 a, 128 a, 256 a, ... and the last one times b instead."""
        factors = [self.a] * (len(self.depths) - 1) + [self.b]
        return [int((64 << i) * factor) for i, factor in enumerate(factors)]

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.block("stem", rep_block, min(64, int(64 * self.a)), 2, 1, self.deploy)
        for i, (depth, width) in enumerate(zip(self.depths, self.widths(), strict=True)):
            x = x.block(f"stages.{i}", rep_stage, depth, width, self.groups, self.deploy)
        made: FeatureMap = x.block("head", rep_head, self.classes)
        return made

    def resized(self, by: Resizing) -> RepVGG:
        """The first and the last stage come out as multiples of 8, and `a` and `b` follow from them."""
        depths = tuple(map(by.depth, self.depths))
        if by.wider == 1:
            return self.replace(depths=depths)
        multiple, last = math.lcm(8, self.groups), 64 << len(depths) - 1
        a, b = by.width(64 * self.a, multiple) / 64, by.width(last * self.b, multiple) / last
        return self.replace(depths=depths, a=a, b=b)


def rep_stage(x: FeatureMap, depth: int, width: int, groups: int, deploy: bool) -> FeatureMap:
    """`depth` blocks of one width; the first one halves the map, every second one is grouped."""
    for i in range(depth):
        x = x.block(str(i), rep_block, width, 1 if i else 2, groups if i % 2 else 1, deploy)
    return x


def rep_block(x: FeatureMap, width: int, stride: int, groups: int, deploy: bool) -> FeatureMap:
    """A 3x3, a 1x1 and, where shapes agree, the input itself, each with its norm, added (Fig. 2b and 2c)."""
    if deploy:
        return x.conv("reparam_conv", width, 3, stride, groups=groups, bias=True).relu()
    identity = x.norm("identity") if stride == 1 and x.channels == width else None
    dense = x.conv("conv_kxk.conv", width, 3, stride, groups=groups).norm("conv_kxk.bn")
    y = x.conv("conv_1x1.conv", width, 1, stride, groups=groups).norm("conv_1x1.bn") + dense
    return (y + identity if identity is not None else y).relu()


def rep_head(x: FeatureMap, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return classify(x.global_pool("global_pool"), "fc", classes)


_B = (4, 6, 16, 1)
NETWORKS: dict[str, Design] = {
    "repvgg_a0": RepVGG(),
    "repvgg_a1": RepVGG(a=1, b=2.5),
    "repvgg_a2": RepVGG(a=1.5, b=2.75),
    "repvgg_b0": RepVGG(_B, 1, 2.5),
    "repvgg_b1": RepVGG(_B, 2, 4),
    "repvgg_b1g4": RepVGG(_B, 2, 4, 4),
    "repvgg_b2": RepVGG(_B, 2.5, 5),
    "repvgg_b2g4": RepVGG(_B, 2.5, 5, 4),
    "repvgg_b3": RepVGG(_B, 3, 5),
    "repvgg_b3g4": RepVGG(_B, 3, 5, 4),
}
