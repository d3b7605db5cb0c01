"""Blocks that several families share; each reads top to bottom like its figure in the paper."""

from __future__ import annotations

import math
from typing import Literal

from netwright.graph import Count, Design, FeatureMap, Positive, concat
from netwright.graph.layers import Pair, pair
from netwright.graph.resizing import Resizing, rounded

# ---------------------------------------------------------------- convolution, norm, rectifier


def conv_norm_relu(x: FeatureMap, width: int, height: int, across: int, stride: int, padded: bool, norm: bool) -> FeatureMap:
    """A convolution with a kernel of `height` x `across`, its norm and a ReLU; without the norm it has a bias."""
    x = x.conv("conv", width, (height, across), stride, padding=None if padded else 0, bias=not norm)
    return (x.norm("bn", eps=0.001) if norm else x).relu()


def unit(
    x: FeatureMap, name: str, width: int, kernel: int | Pair = 1, stride: int = 1, *, padded: bool = True, norm: bool = True
) -> FeatureMap:
    """The block `name` of a convolution, its norm and a ReLU: what Inception networks are made of."""
    made: FeatureMap = x.block(name, conv_norm_relu, width, *pair(kernel), stride, padded, norm)
    return made


def chain(x: FeatureMap, name: str, *layers: tuple[int, int | Pair], first: int = 0) -> FeatureMap:
    """Units one after the other, called name0, name1, ...; a layer is its width and kernel."""
    for i, (width, kernel) in enumerate(layers):
        x = unit(x, f"{name}{first + i}", width, kernel)
    return x


def classify(x: FeatureMap, name: str, classes: int, dropout: float | None = None, site: str = "dropout") -> FeatureMap:
    """The linear classifier, after dropout where the paper has it; for 0 classes the features as they are."""
    if not classes:
        return x
    if dropout is not None:
        x = x.dropout(dropout, name=site)
    return x.linear(name, classes, role="head")


def doubled(width: int | tuple[int, ...], stages: int) -> tuple[int, ...]:
    """The width of each stage: as given, or doubled from stage to stage where there is one number.

    >>> doubled(64, 4), doubled((64, 136), 2)
    ((64, 128, 256, 512), (64, 136))
    """
    return width if isinstance(width, tuple) else tuple([width << i for i in range(stages)])


def whole_groups(base: int = 64, parts: int = 1) -> int:
    """The least multiple of 8 at which width x `base` / 64, the width of a bottleneck's group, divides into `parts`.

    >>> whole_groups(4), whole_groups(4, 2), whole_groups(128)
    (16, 32, 8)
    """
    return math.lcm(8, 64 * parts // math.gcd(64 * parts, base))


def stage(x: FeatureMap, block: Design, depth: int, width: int, stride: int) -> FeatureMap:
    """`depth` blocks of one width, called 0, 1, ...; only the first one strides."""
    x = x.block("0", block, width, stride)
    return x.repeat([str(i) for i in range(1, depth)], block, width, 1)


# ---------------------------------------------------------------- squeeze and excitation


class SqueezeExcite(Design):
    """Scale each channel by a gate computed from the means of all of them (Hu et al. 2017, Fig. 3).

    The squeezed width is `ratio` of `of` channels (those of x itself where the caller gives none),
    rounded to a `multiple`, half of one upwards. `reduce` and `expand` are what the checkpoint calls
    the two 1x1 convolutions.
    """

    ratio: Positive = 1 / 16
    multiple: Count = 8
    activation: Literal["relu", "silu"] = "relu"
    reduce: str = "fc1"
    expand: str = "fc2"

    def __call__(self, x: FeatureMap, of: int = 0) -> FeatureMap:
        squeezed = max(1, math.floor((of or x.channels) * self.ratio / self.multiple + 0.5)) * self.multiple
        gate = x.adaptive_pool(1).conv(self.reduce, squeezed, 1, bias=True, role="gate").activation(self.activation)
        return x * gate.conv(self.expand, x.channels, 1, bias=True, role="gate").sigmoid()


# ---------------------------------------------------------------- residual blocks

ShortcutKind = Literal["project", "average", "wide", "pad"]


def shortcut(x: FeatureMap, kind: ShortcutKind, width: int, stride: int) -> FeatureMap:
    """x itself, or x brought to the shape of the residual branch.

    "project": a strided 1x1 convolution (He et al. 2015, option B); "average": a 2x2 average pooling before
    the 1x1 (ResNet-D, He et al. 2018, Fig. 2c); "wide": a 3x3 where it strides (SENet-154); "pad": every
    stride-th pixel and zero channels (option A).
    """
    if stride == 1 and x.channels == width:
        return x
    if kind == "pad":
        return x.subsample(width, stride)
    if kind == "average":
        x = x if stride == 1 else x.avg_pool(2, stride, ceil=True, count_pad=False, name="downsample.0")
        return x.conv("downsample.1", width, 1).norm("downsample.2")
    kernel = 3 if kind == "wide" and stride > 1 else 1
    return x.conv("downsample.0", width, kernel, stride).norm("downsample.1")


class Plain(Design):
    """Two 3x3 convolutions without a shortcut: the plain network of He et al. 2015, Section 3.3."""

    expansion = 1

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        x = x.conv("conv1", width, 3, stride).norm("bn1").relu()
        return x.conv("conv2", width, 3).norm("bn2").relu()


class Basic(Design):
    """Two 3x3 convolutions around a shortcut (He et al. 2015, Fig. 5, left)."""

    shortcut: ShortcutKind = "project"
    squeeze: SqueezeExcite | None = None

    expansion = 1

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        y = x.conv("conv1", width, 3, stride).norm("bn1").relu()
        y = y.conv("conv2", width, 3).norm("bn2", role="residual-last")
        if self.squeeze:
            y = y.block("se", self.squeeze)
        return (y + shortcut(x, self.shortcut, width, stride)).relu()


class Bottleneck(Design):
    """1x1 reduce, 3x3, 1x1 expand by four, around a shortcut (He et al. 2015, Fig. 5, right).

    The stride sits on the 3x3 (as in the released weights of torchvision and timm), not on the
    first 1x1 as in the paper; `stride_first` puts it there. With `groups` > 1 it is ResNeXt's block
    (Xie et al. 2016, Fig. 3c): `base` is the inner width per group of a 64-wide stage. A wide ResNet
    has `base` 128. `reduce_first` 2 halves the width of the first 1x1 (SENet-154).
    """

    groups: Count = 1
    base: Count = 64
    stride_first: bool = False
    shortcut: ShortcutKind = "project"
    squeeze: SqueezeExcite | None = None
    reduce_first: Count = 1

    expansion = 4

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        inner, outer = width * self.base // 64 * self.groups, self.expansion * width
        first, second = (stride, 1) if self.stride_first else (1, stride)
        y = x.conv("conv1", inner // self.reduce_first, 1, first).norm("bn1").relu()
        y = y.conv("conv2", inner, 3, second, groups=self.groups).norm("bn2").relu()
        y = y.conv("conv3", outer, 1).norm("bn3", role="residual-last")
        if self.squeeze:
            y = y.block("se", self.squeeze)
        return (y + shortcut(x, self.shortcut, outer, stride)).relu()


class Branches(Design):
    """ResNeXt's block before its branches are merged (Xie et al. 2016, Fig. 3): the same function as `Bottleneck`.

    `form` "sum" is Fig. 3a (every branch expands to the full width, the results are added),
    "concatenate" Fig. 3b (the branches are joined, then expanded together).
    """

    form: Literal["sum", "concatenate"] = "sum"
    groups: Count = 32
    base: Count = 4

    expansion = 4

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        inner, outer = width * self.base // 64, self.expansion * width
        branches = []
        for i in range(self.groups):
            y = x.conv(f"branch{i}.conv1", inner, 1).norm(f"branch{i}.bn1").relu()
            y = y.conv(f"branch{i}.conv2", inner, 3, stride).norm(f"branch{i}.bn2").relu()
            branches.append(y.conv(f"branch{i}.conv3", outer, 1) if self.form == "sum" else y)
        if self.form == "sum":
            y = branches[0]
            for branch in branches[1:]:
                y = y + branch
        else:
            y = concat(*branches).conv("conv3", outer, 1)
        return (y.norm("bn3", role="residual-last") + shortcut(x, "project", outer, stride)).relu()


# ---------------------------------------------------------------- inverted residuals


class MBConv(Design):
    """Expand by a 1x1, filter each channel, project without an activation (MobileNetV2, Sandler et al. 2018, Fig. 4).

    With `squeeze` it is EfficientNet's; its gate squeezes to a share of the block's *input*. Where shapes
    differ there is no shortcut. With `expansion` 1 the first 1x1 is left out. `same` pads as TensorFlow
    does. Weight names: timm.
    """

    expansion: Count = 6
    kernel: Count = 3
    squeeze: SqueezeExcite | None = None
    activation: Literal["relu", "relu6", "silu"] = "relu6"
    eps: Positive = 1e-5
    same: bool = False

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        y, number = x, 1
        if self.expansion > 1:
            y = y.conv("conv_pw", x.channels * self.expansion, 1).norm("bn1", eps=self.eps).activation(self.activation)
            number = 2
        y = y.conv("conv_dw", y.channels, self.kernel, stride, groups=y.channels, padding="same" if self.same else None)
        y = y.norm(f"bn{number}", eps=self.eps).activation(self.activation)
        if self.squeeze:
            y = y.block("se", self.squeeze, x.channels)
        y = y.conv("conv_pwl" if self.expansion > 1 else "conv_pw", width, 1)
        y = y.norm(f"bn{number + 1}", eps=self.eps, role="residual-last")
        return x + y if stride == 1 and x.channels == width else y


class Stage(Design):
    """`depth` equal blocks of one width; only the first one strides."""

    block: MBConv
    depth: Count
    width: Count
    stride: Count

    def __call__(self, x: FeatureMap, wider: float = 1, deeper: float = 1) -> FeatureMap:
        """Widths are rounded to multiples of 8, depths upwards."""
        return stage(x, self.block, math.ceil(self.depth * deeper), rounded(self.width * wider), self.stride)

    def resized(self, by: Resizing, wider: float = 1, deeper: float = 1) -> Stage:
        """Scaled on top of what the network multiplies itself by, so that each number is rounded once."""
        return self.replace(depth=by.depth(self.depth * deeper), width=by.width(self.width * wider))


# ---------------------------------------------------------------- Inception v1


class Inception(Design):
    """Four parallel branches, concatenated (Szegedy et al. 2014, Fig. 2b); widths in the order of its Table 1.

    `five_kernel` 3 and `norm` are what the released weights have; the paper has 5 and no norm.
    """

    one: Count
    three_reduce: Count
    three: Count
    five_reduce: Count
    five: Count
    pool: Count
    five_kernel: Count = 3
    norm: bool = True

    def __call__(self, x: FeatureMap) -> FeatureMap:
        one = unit(x, "branch1", self.one, norm=self.norm)
        three = unit(x, "branch2.0", self.three_reduce, norm=self.norm)
        three = unit(three, "branch2.1", self.three, 3, norm=self.norm)
        five = unit(x, "branch3.0", self.five_reduce, norm=self.norm)
        five = unit(five, "branch3.1", self.five, self.five_kernel, norm=self.norm)
        pool = x.max_pool(3, 1, padding=1, ceil=True, name="branch4.0")
        return concat(one, three, five, unit(pool, "branch4.1", self.pool, norm=self.norm))


class NaiveInception(Design):
    """The module before dimension reduction (Szegedy et al. 2014, Fig. 2a): the pooled input is kept, so it always widens."""

    one: Count
    three: Count
    five: Count

    def __call__(self, x: FeatureMap) -> FeatureMap:
        one = unit(x, "branch1", self.one, norm=False)
        three = unit(x, "branch2", self.three, 3, norm=False)
        five = unit(x, "branch3", self.five, 5, norm=False)
        return concat(one, three, five, x.max_pool(3, 1, padding=1, name="branch4"))
