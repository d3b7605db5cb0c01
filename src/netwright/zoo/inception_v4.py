"""Inception v4: Inception-v4, Inception-ResNet and the Impact of Residual Connections on Learning (arXiv:1602.07261)."""

from __future__ import annotations

from typing import ClassVar

from netwright.blocks import chain, classify, unit
from netwright.errors import DesignError
from netwright.graph import Count, Design, FeatureMap, Fraction, Positive, Size, concat
from netwright.graph.initial import Draw, Initial
from netwright.graph.resizing import Resizing


class InceptionV4(Design):
    """Four modules A, seven B and three C with reductions between (Fig. 9). Weight names: timm."""

    depths: tuple[Count, Count, Count] = (4, 7, 3)
    dropout: Fraction = 0.2
    classes: Size = 1000
    resolution: Count = 299

    initial: ClassVar[Initial] = Initial(conv=Draw("truncated", "in", 2.6), head=Draw("truncated", "in", 2.6), identity=False)

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.section("stem", v4_stem)
        a, b, c = self.depths
        number = 6
        for depth, module, reduction in ((a, v4_a, v4_reduce_a), (b, v4_b, v4_reduce_b), (c, v4_c, None)):
            x = x.repeat([f"features.{number + i}" for i in range(depth)], module)
            if reduction is not None:
                x = x.block(f"features.{number + depth}", reduction)
            number += depth + 1
        return x.section("head", v4_head, self.dropout, self.classes)

    def resized(self, by: Resizing) -> InceptionV4:
        return self.replace(depths=deeper("InceptionV4", self.depths, by))


def deeper(name: str, depths: tuple[int, int, int], by: Resizing) -> tuple[int, ...]:
    """More modules of each kind; what is in them has the widths of the paper's figures."""
    if by.wider != 1:
        raise DesignError(f"{name} has no widths to scale, its modules are drawn one by one: scale its depth or its resolution")
    return tuple(map(by.depth, depths))


def v4_stem(x: FeatureMap) -> FeatureMap:
    """299 px -> 35 px (Fig. 3)."""
    x = unit(x, "features.0", 32, 3, 2, padded=False)
    x = unit(unit(x, "features.1", 32, 3, padded=False), "features.2", 64, 3)
    made: FeatureMap = x.block("features.3", stem_a).block("features.4", stem_b).block("features.5", stem_c)
    return made


def stem_a(x: FeatureMap) -> FeatureMap:
    """147 px -> 73 px."""
    return concat(x.max_pool(3, 2, name="maxpool"), unit(x, "conv", 96, 3, 2, padded=False))


def stem_b(x: FeatureMap) -> FeatureMap:
    """73 px -> 71 px."""
    short = unit(unit(x, "branch0.0", 64), "branch0.1", 96, 3, padded=False)
    long = chain(x, "branch1.", (64, 1), (64, (1, 7)), (64, (7, 1)))
    return concat(short, unit(long, "branch1.3", 96, 3, padded=False))


def stem_c(x: FeatureMap) -> FeatureMap:
    """71 px -> 35 px."""
    return concat(unit(x, "conv", 192, 3, 2, padded=False), x.max_pool(3, 2, name="maxpool"))


def v4_a(x: FeatureMap) -> FeatureMap:
    """35 px (Fig. 4)."""
    one = unit(x, "branch0", 96)
    three = chain(x, "branch1.", (64, 1), (96, 3))
    double = chain(x, "branch2.", (64, 1), (96, 3), (96, 3))
    return concat(one, three, double, pooled(x, 96))


def v4_reduce_a(x: FeatureMap) -> FeatureMap:
    """35 px -> 17 px (Fig. 7)."""
    three = unit(x, "branch0", 384, 3, 2, padded=False)
    double = unit(chain(x, "branch1.", (192, 1), (224, 3)), "branch1.2", 256, 3, 2, padded=False)
    return concat(three, double, x.max_pool(3, 2, name="branch2"))


def v4_b(x: FeatureMap) -> FeatureMap:
    """17 px (Fig. 5)."""
    one = unit(x, "branch0", 384)
    seven = chain(x, "branch1.", (192, 1), (224, (1, 7)), (256, (7, 1)))
    double = chain(x, "branch2.", (192, 1), (192, (7, 1)), (224, (1, 7)), (224, (7, 1)), (256, (1, 7)))
    return concat(one, seven, double, pooled(x, 128))


def v4_reduce_b(x: FeatureMap) -> FeatureMap:
    """17 px -> 8 px (Fig. 8)."""
    three = unit(unit(x, "branch0.0", 192), "branch0.1", 192, 3, 2, padded=False)
    seven = chain(x, "branch1.", (256, 1), (256, (1, 7)), (320, (7, 1)))
    return concat(three, unit(seven, "branch1.3", 320, 3, 2, padded=False), x.max_pool(3, 2, name="branch2"))


def v4_c(x: FeatureMap) -> FeatureMap:
    """8 px (Fig. 6)."""
    one = unit(x, "branch0", 256)
    three = unit(x, "branch1_0", 384)
    three = concat(unit(three, "branch1_1a", 256, (1, 3)), unit(three, "branch1_1b", 256, (3, 1)))
    double = chain(x, "branch2_", (384, 1), (448, (3, 1)), (512, (1, 3)))
    double = concat(unit(double, "branch2_3a", 256, (1, 3)), unit(double, "branch2_3b", 256, (3, 1)))
    return concat(one, three, double, pooled(x, 256))


def pooled(x: FeatureMap, width: int) -> FeatureMap:
    """Average pooling (padding does not count) and a 1x1."""
    return unit(x.avg_pool(3, 1, padding=1, count_pad=False, name="branch3.0"), "branch3.1", width)


def v4_head(x: FeatureMap, dropout: float, classes: int) -> FeatureMap:
    """Global average pooling, dropout and one linear layer."""
    return classify(x.global_pool("global_pool"), "last_linear", classes, dropout)


# ---------------------------------------------------------------- Inception-ResNet-v2


class InceptionResNetV2(Design):
    """Ten residual modules A, twenty B and ten C, their branches scaled down (Fig. 15). Weight names: timm.

    As released: the stem is Inception v3's and its last module (5b) is not residual; the last C has no ReLU.
    """

    depths: tuple[Count, Count, Count] = (10, 20, 9)
    scales: tuple[Positive, Positive, Positive] = (0.17, 0.10, 0.20)
    dropout: Fraction = 0.2
    classes: Size = 1000
    resolution: Count = 299

    initial: ClassVar[Initial] = Initial(conv=Draw("uniform", "in", 1.0), head=Draw("uniform", "in", 1.0), identity=False)

    def __call__(self, x: FeatureMap) -> FeatureMap:
        (a, b, c), (scale_a, scale_b, scale_c) = self.depths, self.scales
        x = x.section("stem", irv2_stem)
        x = x.repeat([f"repeat.{i}" for i in range(a)], irv2_a, scale_a).block("mixed_6a", irv2_reduce_a)
        x = x.repeat([f"repeat_1.{i}" for i in range(b)], irv2_b, scale_b).block("mixed_7a", irv2_reduce_b)
        x = x.repeat([f"repeat_2.{i}" for i in range(c)], irv2_c, scale_c, True).block("block8", irv2_c, 1.0, False)
        return x.section("head", irv2_head, self.dropout, self.classes)

    def resized(self, by: Resizing) -> InceptionResNetV2:
        return self.replace(depths=deeper("InceptionResNetV2", self.depths, by))


def irv2_stem(x: FeatureMap) -> FeatureMap:
    """299 px -> 35 px."""
    x = unit(x, "conv2d_1a", 32, 3, 2, padded=False)
    x = unit(unit(x, "conv2d_2a", 32, 3, padded=False), "conv2d_2b", 64, 3).max_pool(3, 2, name="maxpool_3a")
    x = unit(unit(x, "conv2d_3b", 80), "conv2d_4a", 192, 3, padded=False).max_pool(3, 2, name="maxpool_5a")
    made: FeatureMap = x.block("mixed_5b", irv2_mixed)
    return made


def irv2_mixed(x: FeatureMap) -> FeatureMap:
    """35 px: an Inception module."""
    one = unit(x, "branch0", 96)
    five = chain(x, "branch1.", (48, 1), (64, 5))
    double = chain(x, "branch2.", (64, 1), (96, 3), (96, 3))
    return concat(one, five, double, pooled(x, 64))


def irv2_a(x: FeatureMap, scale: float) -> FeatureMap:
    """35 px (Fig. 16): 1x1, 3x3 and two 3x3s beside each other."""
    one = unit(x, "branch0", 32)
    three = chain(x, "branch1.", (32, 1), (32, 3))
    double = chain(x, "branch2.", (32, 1), (48, 3), (64, 3))
    return residual(x, concat(one, three, double), scale)


def irv2_reduce_a(x: FeatureMap) -> FeatureMap:
    """35 px -> 17 px."""
    three = unit(x, "branch0", 384, 3, 2, padded=False)
    double = unit(chain(x, "branch1.", (256, 1), (256, 3)), "branch1.2", 384, 3, 2, padded=False)
    return concat(three, double, x.max_pool(3, 2, name="branch2"))


def irv2_b(x: FeatureMap, scale: float) -> FeatureMap:
    """17 px (Fig. 17): 1x1 beside 1x7 and 7x1."""
    one = unit(x, "branch0", 192)
    seven = chain(x, "branch1.", (128, 1), (160, (1, 7)), (192, (7, 1)))
    return residual(x, concat(one, seven), scale)


def irv2_reduce_b(x: FeatureMap) -> FeatureMap:
    """17 px -> 8 px (Fig. 18)."""
    one = unit(unit(x, "branch0.0", 256), "branch0.1", 384, 3, 2, padded=False)
    two = unit(unit(x, "branch1.0", 256), "branch1.1", 288, 3, 2, padded=False)
    three = unit(chain(x, "branch2.", (256, 1), (288, 3)), "branch2.2", 320, 3, 2, padded=False)
    return concat(one, two, three, x.max_pool(3, 2, name="branch3"))


def irv2_c(x: FeatureMap, scale: float, active: bool) -> FeatureMap:
    """8 px (Fig. 19): 1x1 beside 1x3 and 3x1."""
    one = unit(x, "branch0", 192)
    three = chain(x, "branch1.", (192, 1), (224, (1, 3)), (256, (3, 1)))
    return residual(x, concat(one, three), scale, active)


def residual(x: FeatureMap, branches: FeatureMap, scale: float, active: bool = True) -> FeatureMap:
    """A 1x1 without a norm brings the branches to the width of x; a scale of 0.1 to 0.3 keeps training stable (Section 3.3)."""
    y = branches.conv("conv2d", x.channels, 1, bias=True)
    y = (y if scale == 1 else y * scale) + x
    return y.relu("act") if active else y


def irv2_head(x: FeatureMap, dropout: float, classes: int) -> FeatureMap:
    """A last 1x1, global average pooling, dropout and one linear layer."""
    return classify(unit(x, "conv2d_7b", 1536).global_pool("global_pool"), "classif", classes, dropout)


NETWORKS: dict[str, Design] = {"inception_v4": InceptionV4(), "inception_resnet_v2": InceptionResNetV2()}
