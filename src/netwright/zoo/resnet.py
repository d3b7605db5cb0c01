"""ResNet: Deep Residual Learning for Image Recognition (arXiv:1512.03385), and what only changes its block or stem."""

from __future__ import annotations

import math
from typing import ClassVar

from netwright.blocks import Basic, Bottleneck, Branches, Plain, SqueezeExcite, classify, doubled, stage, whole_groups
from netwright.graph import Count, Design, FeatureMap, Size
from netwright.graph.initial import UNIFORM, Initial, he
from netwright.graph.resizing import Resizing
from netwright.graph.values import same_length

Block = Basic | Bottleneck | Branches | Plain


class ResNet(Design):
    """Four stages of residual blocks for 224 px (Table 1). Weight names: torchvision, which timm shares.

    Also ResNeXt (arXiv:1611.05431), the wide bottlenecks (arXiv:1605.07146) and SE-ResNet
    (arXiv:1709.01507) by their block's fields. `width` is the first stage's and doubles from stage to stage,
    or there is one for each. `deep_stem` is the width of the first two of three 3x3
    convolutions that stand in place of the 7x7 (ResNet-C, arXiv:1812.01187, Fig. 2b), 0 for the 7x7.
    """

    depths: tuple[Count, ...] = (3, 4, 6, 3)
    block: Block = Bottleneck()
    width: Count | tuple[Count, ...] = 64
    deep_stem: Size = 0
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=he("out"), head=UNIFORM)

    def __call__(self, x: FeatureMap) -> FeatureMap:
        widths = doubled(self.width, len(self.depths))
        x = x.section("stem", resnet_stem, widths[0], self.deep_stem)
        for i, (depth, width) in enumerate(zip(self.depths, widths, strict=True)):
            x = x.block(f"layer{i + 1}", stage, self.block, depth, width, 1 if i == 0 else 2)
        return x.section("head", resnet_head, self.classes)

    def check(self) -> None:
        if isinstance(self.width, tuple):
            same_length(self, "depths", "width")

    def resized(self, by: Resizing) -> ResNet:
        """Groups stay as many and become wider: widths are multiples by which a group's width comes out whole."""
        multiple = whole_groups(getattr(self.block, "base", 64), getattr(self.block, "reduce_first", 1))
        widths = tuple([by.width(width, multiple) for width in doubled(self.width, len(self.depths))])
        deep = by.width(self.deep_stem) if self.deep_stem else 0
        return self.replace(depths=tuple(map(by.depth, self.depths)), width=widths, deep_stem=deep)


class CifarResNet(Design):
    """Three stages for 32 px, 6n + 2 layers (Section 4.2). Weight names: the widely used public ones.

    Shortcuts subsample and pad with zeros (option A), as the paper does on CIFAR-10. `depth` is that of every stage, or there is
    one for each, and so for `width`, which else doubles from stage to stage. Other numbers of stages than three, and a stem that
    strides, are not the paper's: they suit smaller and larger pictures.
    """

    depth: Count | tuple[Count, ...] = 3
    block: Block = Basic("pad")
    width: Count | tuple[Count, ...] = 16
    stem_stride: Count = 1
    classes: Size = 10
    resolution: Count = 32

    initial: ClassVar[Initial] = Initial(conv=he("in"), head=he("in"))

    @property
    def depths(self) -> tuple[int, ...]:
        """Blocks of each stage."""
        if isinstance(self.depth, tuple):
            return self.depth
        return (self.depth,) * (len(self.width) if isinstance(self.width, tuple) else 3)

    def __call__(self, x: FeatureMap) -> FeatureMap:
        widths = doubled(self.width, len(self.depths))
        x = x.section("stem", cifar_stem, widths[0], self.stem_stride)
        for i, (depth, width) in enumerate(zip(self.depths, widths, strict=True)):
            x = x.block(f"layer{i + 1}", stage, self.block, depth, width, 1 if i == 0 else 2)
        return x.section("head", cifar_head, self.classes)

    def check(self) -> None:
        if isinstance(self.depth, tuple) and isinstance(self.width, tuple):
            same_length(self, "depth", "width")

    def resized(self, by: Resizing) -> CifarResNet:
        depth = tuple(map(by.depth, self.depth)) if isinstance(self.depth, tuple) else by.depth(self.depth)
        return self.replace(depth=depth, width=tuple(map(by.width, doubled(self.width, len(self.depths)))))


def resnet_stem(x: FeatureMap, width: int, deep: int) -> FeatureMap:
    """224 px -> 56 px; a deep stem ends 2 x `deep` wide where that is more than `width` (SENet-154)."""
    if deep:
        x = x.conv("conv1.0", deep, 3, 2).norm("conv1.1").relu("conv1.2")
        x = x.conv("conv1.3", deep, 3).norm("conv1.4").relu("conv1.5").conv("conv1.6", max(width, 2 * deep), 3)
    else:
        x = x.conv("conv1", width, 7, 2)
    return x.norm("bn1").relu().max_pool(3, 2, padding=1, name="maxpool")


def resnet_head(x: FeatureMap, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return classify(x.global_pool("avgpool"), "fc", classes)


def cifar_stem(x: FeatureMap, width: int, stride: int) -> FeatureMap:
    """One 3x3 convolution: with a stride of 1 small pictures keep their size."""
    return x.conv("conv1", width, 3, stride).norm("bn1").relu()


def cifar_head(x: FeatureMap, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return classify(x.global_pool(), "linear", classes)


def branch_width(groups: int, channels: int = 256, inner: int = 64) -> float:
    """Width d of each of G branches at which a ResNeXt block costs the macs of a bottleneck block per pixel.

    Solves 9 G d^2 + 2 C G d = 2 C M + 9 M^2 for C `channels` outside and M `inner` ones (arXiv:1611.05431,
    Section 3.3); the published pairs are this rounded: (1, 64), (2, 40), (4, 24), (8, 14), (32, 4).

    >>> [round(branch_width(groups)) for groups in (1, 2, 4, 8, 32)]
    [64, 40, 24, 14, 4]
    """
    cost = 2 * channels * inner + 9 * inner**2
    half = channels * groups
    return (math.sqrt(half**2 + 9 * groups * cost) - half) / (9 * groups)


_SMALL = {"18": (2, 2, 2, 2), "34": (3, 4, 6, 3)}
_DEPTHS = {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
_SE = SqueezeExcite()
_NEXT = {"50": ((32, 4),), "101": ((32, 4), (32, 8), (32, 16), (32, 32), (64, 4))}

NETWORKS: dict[str, Design] = {
    **{f"resnet{name}": ResNet(depths, Basic()) for name, depths in _SMALL.items()},
    **{f"resnet{name}": ResNet(depths) for name, depths in _DEPTHS.items()},
    **{f"resnet{name}c": ResNet(depths, Basic(), deep_stem=32) for name, depths in _SMALL.items()},
    **{f"resnet{name}c": ResNet(depths, deep_stem=32) for name, depths in _DEPTHS.items()},
    **{f"resnet{name}d": ResNet(depths, Basic("average"), deep_stem=32) for name, depths in _SMALL.items()},
    **{f"resnet{name}d": ResNet(depths, Bottleneck(shortcut="average"), deep_stem=32) for name, depths in _DEPTHS.items()},
    "resnet50_v1": ResNet(block=Bottleneck(stride_first=True)),
    "resnet50b": ResNet(),
    **{f"resnext{name}_{g}x{w}d": ResNet(_DEPTHS[name], Bottleneck(g, w)) for name, pairs in _NEXT.items() for g, w in pairs},
    "resnext50d_32x4d": ResNet(block=Bottleneck(32, 4, shortcut="average"), deep_stem=32),
    "wide_resnet50_2": ResNet(block=Bottleneck(base=128)),
    "wide_resnet101_2": ResNet(_DEPTHS["101"], Bottleneck(base=128)),
    **{f"seresnet{name}": ResNet(depths, Basic(squeeze=_SE)) for name, depths in _SMALL.items()},
    **{f"seresnet{name}": ResNet(depths, Bottleneck(squeeze=_SE)) for name, depths in _DEPTHS.items()},
    "seresnet152d": ResNet(_DEPTHS["152"], Bottleneck(shortcut="average", squeeze=_SE), deep_stem=32),
    "seresnext50_32x4d": ResNet(block=Bottleneck(32, 4, squeeze=_SE)),
    "seresnext101_32x4d": ResNet(_DEPTHS["101"], Bottleneck(32, 4, squeeze=_SE)),
    "seresnext101_32x8d": ResNet(_DEPTHS["101"], Bottleneck(32, 8, squeeze=_SE)),
    "seresnext101_64x4d": ResNet(_DEPTHS["101"], Bottleneck(64, 4, squeeze=_SE)),
    "seresnext101d_32x8d": ResNet(_DEPTHS["101"], Bottleneck(32, 8, shortcut="average", squeeze=_SE), deep_stem=32),
    "senet154": ResNet(_DEPTHS["152"], Bottleneck(64, 4, shortcut="wide", squeeze=_SE, reduce_first=2), deep_stem=64),
    **{f"resnet{6 * n + 2}_cifar": CifarResNet(n) for n in (3, 5, 7, 9, 18)},
    **{f"plain{6 * n + 2}_cifar": CifarResNet(n, Plain()) for n in (3, 9)},
}
