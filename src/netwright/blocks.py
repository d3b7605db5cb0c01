"""Blocks that several families share; each reads top to bottom like its figure in the paper."""

from __future__ import annotations

from netwright.graph import Count, Design, FeatureMap, concat


class Plain(Design):
    """Two 3x3 convolutions without a shortcut: the plain network of He et al. 2015, Section 3.3."""

    expansion = 1

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        x = x.conv("conv1", width, 3, stride).norm("bn1").relu()
        return x.conv("conv2", width, 3).norm("bn2").relu()


class Basic(Design):
    """Two 3x3 convolutions around a shortcut (He et al. 2015, Fig. 5, left).

    `pad_shortcut`: where shapes differ the shortcut subsamples and pads with zero channels (option A);
    else it is a strided 1x1 projection (option B).
    """

    pad_shortcut: bool = False

    expansion = 1

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        y = x.conv("conv1", width, 3, stride).norm("bn1").relu()
        y = y.conv("conv2", width, 3).norm("bn2", role="residual-last")
        if self.pad_shortcut and (stride != 1 or x.channels != width):
            x = x.subsample(width, stride)
        return (y + projected(x, width, 1 if self.pad_shortcut else stride)).relu()


class Bottleneck(Design):
    """1x1 reduce, 3x3, 1x1 expand by four, around a shortcut (He et al. 2015, Fig. 5, right).

    The stride sits on the 3x3 (as in the released weights of torchvision and timm), not on the
    first 1x1 as in the paper; `stride_first` puts it there. With `groups` > 1 it is ResNeXt's block
    (Xie et al. 2016, Fig. 3c): `base` is the inner width per group of a 64-wide stage. A wide ResNet
    has `base` 128.
    """

    groups: Count = 1
    base: Count = 64
    stride_first: bool = False

    expansion = 4

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        inner, outer = width * self.base // 64 * self.groups, self.expansion * width
        first, second = (stride, 1) if self.stride_first else (1, stride)
        y = x.conv("conv1", inner, 1, first).norm("bn1").relu()
        y = y.conv("conv2", inner, 3, second, groups=self.groups).norm("bn2").relu()
        y = y.conv("conv3", outer, 1).norm("bn3", role="residual-last")
        return (y + projected(x, outer, stride)).relu()


def projected(x: FeatureMap, width: int, stride: int) -> FeatureMap:
    """The shortcut: x itself, or a strided 1x1 projection where shapes differ (option B)."""
    if stride == 1 and x.channels == width:
        return x
    return x.conv("downsample.0", width, 1, stride).norm("downsample.1")


def conv_norm_relu(x: FeatureMap, width: int, kernel: int, stride: int = 1) -> FeatureMap:
    """A convolution, its norm and a ReLU."""
    return x.conv("conv", width, kernel, stride).norm("bn", eps=0.001).relu()


class Inception(Design):
    """Four parallel branches, concatenated (Szegedy et al. 2014, Fig. 2b); widths in the order of its Table 1.

    `five_kernel` 3 is what the released weights have in place of the paper's 5x5.
    """

    one: Count
    three_reduce: Count
    three: Count
    five_reduce: Count
    five: Count
    pool: Count
    five_kernel: Count = 3

    def __call__(self, x: FeatureMap) -> FeatureMap:
        one = x.block("branch1", conv_norm_relu, self.one, 1)
        three = x.block("branch2.0", conv_norm_relu, self.three_reduce, 1)
        three = three.block("branch2.1", conv_norm_relu, self.three, 3)
        five = x.block("branch3.0", conv_norm_relu, self.five_reduce, 1)
        five = five.block("branch3.1", conv_norm_relu, self.five, self.five_kernel)
        pool = x.max_pool(3, 1, padding=1, ceil=True, name="branch4.0").block("branch4.1", conv_norm_relu, self.pool, 1)
        return concat(one, three, five, pool)


def squeeze_excite(x: FeatureMap, squeezed: int) -> FeatureMap:
    """Scale each channel by a gate computed from the means of all of them (Hu et al. 2017, Fig. 3)."""
    gate = x.adaptive_pool(1).conv("fc1", squeezed, 1, bias=True).relu()
    return x * gate.conv("fc2", x.channels, 1, bias=True).sigmoid()
