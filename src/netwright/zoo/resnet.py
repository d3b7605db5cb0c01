"""ResNet: Deep Residual Learning for Image Recognition (arXiv:1512.03385), and what only changes its block."""

from __future__ import annotations

from netwright.blocks import Basic, Bottleneck, Plain
from netwright.graph import Count, Design, FeatureMap

Block = Basic | Bottleneck | Plain


class ResNet(Design):
    """Four stages of residual blocks for 224 px (Table 1). Weight names: torchvision, which timm shares.

    Also ResNeXt (arXiv:1611.05431) and the wide ResNet (arXiv:1605.07146) by their block's fields.
    """

    depths: tuple[Count, ...] = (3, 4, 6, 3)
    block: Block = Bottleneck()
    width: Count = 64
    classes: Count = 1000
    resolution: Count = 224

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.section("stem", resnet_stem, self.width)
        for i, depth in enumerate(self.depths):
            x = x.block(f"layer{i + 1}", stage, self.block, depth, self.width << i, 1 if i == 0 else 2)
        return x.section("head", resnet_head, self.classes)


class CifarResNet(Design):
    """Three stages for 32 px, 6n + 2 layers (Section 4.2). Weight names: the widely used public ones.

    Shortcuts subsample and pad with zeros (option A), as the paper does on CIFAR-10.
    """

    depth: Count = 3
    block: Block = Basic(pad_shortcut=True)
    width: Count = 16
    classes: Count = 10
    resolution: Count = 32

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.section("stem", cifar_stem, self.width)
        for i in range(3):
            x = x.block(f"layer{i + 1}", stage, self.block, self.depth, self.width << i, 1 if i == 0 else 2)
        return x.section("head", cifar_head, self.classes)


def stage(x: FeatureMap, block: Block, depth: int, width: int, stride: int) -> FeatureMap:
    """`depth` blocks of one width; only the first one strides."""
    x = x.block("0", block, width, stride)
    return x.repeat([str(i) for i in range(1, depth)], block, width, 1)


def resnet_stem(x: FeatureMap, width: int) -> FeatureMap:
    """224 px -> 56 px."""
    return x.conv("conv1", width, 7, 2).norm("bn1").relu().max_pool(3, 2, padding=1, name="maxpool")


def resnet_head(x: FeatureMap, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return x.global_pool("avgpool").linear("fc", classes, role="head")


def cifar_stem(x: FeatureMap, width: int) -> FeatureMap:
    """One 3x3 convolution: small pictures keep their size."""
    return x.conv("conv1", width, 3).norm("bn1").relu()


def cifar_head(x: FeatureMap, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return x.global_pool().linear("linear", classes, role="head")


_SMALL, _DEPTHS = {"18": (2, 2, 2, 2), "34": (3, 4, 6, 3)}, {"50": (3, 4, 6, 3), "101": (3, 4, 23, 3), "152": (3, 8, 36, 3)}
NETWORKS: dict[str, Design] = {
    **{f"resnet{name}": ResNet(depths, Basic()) for name, depths in _SMALL.items()},
    **{f"resnet{name}": ResNet(depths) for name, depths in _DEPTHS.items()},
    "resnet50_v1": ResNet(block=Bottleneck(stride_first=True)),
    "resnet50b": ResNet(),
    "resnext50_32x4d": ResNet(block=Bottleneck(groups=32, base=4)),
    **{
        f"resnext101_{groups}x{base}d": ResNet(_DEPTHS["101"], Bottleneck(groups, base))
        for groups, base in ((32, 4), (32, 8), (32, 16), (32, 32), (64, 4))
    },
    "wide_resnet50_2": ResNet(block=Bottleneck(base=128)),
    "wide_resnet101_2": ResNet(_DEPTHS["101"], Bottleneck(base=128)),
    **{f"resnet{6 * n + 2}_cifar": CifarResNet(n) for n in (3, 5, 7, 9, 18)},
    **{f"plain{6 * n + 2}_cifar": CifarResNet(n, Plain()) for n in (3, 9)},
}
