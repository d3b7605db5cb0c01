"""AnyNet and RegNet: Designing Network Design Spaces (arXiv:2003.13678)."""

from __future__ import annotations

import functools
import math
from typing import Annotated, ClassVar

from netwright.blocks import SqueezeExcite, classify
from netwright.errors import DesignError
from netwright.graph import Count, Design, FeatureMap, Fraction, Positive, Size
from netwright.graph.initial import Initial, he
from netwright.graph.resizing import Resizing, rounded
from netwright.graph.values import AtLeast, same_length


class AnyNet(Design):
    """AnyNetX: a stem, stages of equal X blocks, a head (Section 3.2, Fig. 3); AnyNetY with `squeeze` 0.25.

    Each stage has a depth, a width, a bottleneck (the width over that of the 3x3 convolution) and the width of a
    group. They are taken as they are: `fit_groups` makes them agree. Weight names: as RegNet's.

    >>> from netwright.graph import trace
    >>> same = AnyNet(depths=(1, 2, 7, 12), widths=(32, 64, 160, 384), bottlenecks=(1,) * 4, group_widths=(16,) * 4)
    >>> trace(same, 224).totals == trace(NETWORKS["regnetx_004"], 224).totals
    True
    """

    depths: tuple[Count, ...] = (1, 2, 7, 12)
    widths: tuple[Count, ...] = (32, 64, 160, 384)
    bottlenecks: tuple[Count, ...] = (1, 1, 1, 1)
    group_widths: tuple[Count, ...] = (16, 16, 16, 16)
    strides: tuple[Count, ...] = (2, 2, 2, 2)
    squeeze: Fraction = 0.0
    stem: Count = 32
    stem_stride: Count = 2
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=he("out"))

    def check(self) -> None:
        same_length(self, "depths", "widths", "bottlenecks", "group_widths", "strides")
        for width, bottleneck, group in zip(self.widths, self.bottlenecks, self.group_widths, strict=True):
            if width % (bottleneck * group):
                raise DesignError(
                    f"AnyNet: the width {width} is no multiple of bottleneck x group width = {bottleneck} x {group}; "
                    f"{fit_groups(width, bottleneck, group)} would be a width and group width that agree"
                )

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.block("stem", stem, self.stem, self.stem_stride)
        stages = zip(self.depths, self.widths, self.group_widths, self.bottlenecks, self.strides, strict=True)
        for i, (depth, width, group, bottleneck, stride) in enumerate(stages):
            x = x.block(f"s{i + 1}", stage, depth, width, group, self.squeeze, bottleneck, stride)
        made: FeatureMap = x.block("head", head, self.classes)
        return made

    def resized(self, by: Resizing) -> AnyNet:
        """Depths, widths and group widths. The stem stays: RegNet's has one width from 200 MF to 32 GF."""
        stages = zip(self.widths, self.bottlenecks, self.group_widths, strict=True)
        inner, groups = zip(*[by.fitted(width // b, group) for width, b, group in stages], strict=True)
        widths = tuple([width * b for width, b in zip(inner, self.bottlenecks, strict=True)])
        return self.replace(depths=tuple([by.depth(d) for d in self.depths]), widths=widths, group_widths=groups)


def fit_groups(width: int, bottleneck: int, group_width: int) -> tuple[int, int]:
    """The width nearest to `width`, and a group width, so that whole groups fill the bottleneck's inner width.

    As in the authors' code: a group is no wider than the inner width, which is rounded to whole groups, half to even.

    >>> fit_groups(40, 4, 16), fit_groups(200, 2, 16)
    ((40, 10), (192, 16))
    """
    inner = max(1, width // bottleneck)
    group = min(group_width, inner)
    return max(group, round(inner / group) * group) * bottleneck, group


class RegNet(Design):
    """RegNetX from its five numbers (Section 3.3); RegNetY with `squeeze` 0.25. Weight names: timm.

    Block j gets the width w_0 + w_a j, moved to the nearest power of w_m times w_0, and rounded to 8;
    blocks of equal width are a stage. `group_width` is the width of a group, not the number of groups.
    The first convolution has `stem_stride` 2 in the paper; 1 suits pictures of a few pixels. `up` rounds
    stages to their group width as torchvision does, which gives wider ones for some presets: its
    networks (`regnet_x_400mf` and its like) are not all the paper's. `bottleneck` is 1 in all of the paper's
    networks, but a sixth number of its space (Section 3.3).
    """

    depth: Count = 22
    w_0: Annotated[int, AtLeast(8)] = 24
    w_a: Positive = 24.48
    w_m: Annotated[float, AtLeast(1.001)] = 2.54
    group_width: Count = 16
    squeeze: Fraction = 0.0
    stem: Count = 32
    stem_stride: Count = 2
    up: bool = False
    bottleneck: Count = 1
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=he("out"))

    def stages(self) -> list[tuple[int, int, int]]:
        """(depth, width, group width) of every stage; widths are multiples of their group width."""
        found, widths = [], self.block_widths()
        for width in dict.fromkeys(widths):  # they never fall: equal ones stand together
            fitted, group = fit_groups(width, self.bottleneck, self.group_width)
            if self.up:
                fitted = rounded(width // self.bottleneck, group) * self.bottleneck
            found.append((widths.count(width), fitted, group))
        return found

    def block_widths(self) -> list[int]:
        """Width of each block, quantized to w_0 w_m^k and rounded to 8 (equations 2 to 4)."""
        return list(quantized_widths(self.depth, self.w_0, self.w_a, self.w_m))

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return self.by_stage()(x)

    def by_stage(self) -> AnyNet:
        """The same network, stage by stage."""
        depths, widths, groups = zip(*self.stages(), strict=True)
        return AnyNet(
            depths=depths,
            widths=widths,
            bottlenecks=(self.bottleneck,) * len(depths),
            group_widths=groups,
            strides=(2,) * len(depths),
            squeeze=self.squeeze,
            stem=self.stem,
            stem_stride=self.stem_stride,
            classes=self.classes,
            resolution=self.resolution,
        )

    def resized(self, by: Resizing) -> AnyNet:
        """Stage by stage: a scaled RegNet has seldom five such numbers."""
        return self.by_stage().resized(by)


def quantized_widths(depth: int, w_0: int, w_a: float, w_m: float) -> tuple[int, ...]:
    """Width of each block from RegNet's numbers (equations 2 to 4)."""
    log, scale = math.log, math.log(w_m)
    powers = [round(log((w_0 + w_a * j) / w_0) / scale) for j in range(depth)]
    width = {k: round(w_0 * w_m**k / 8) * 8 for k in set(powers)}
    return tuple([width[k] for k in powers])


@functools.cache
def _names(depth: int) -> list[str]:
    return [f"b{i + 1}" for i in range(1, depth)]


def stage(x: FeatureMap, depth: int, width: int, group_width: int, squeeze: float, bottleneck: int, stride: int) -> FeatureMap:
    """`depth` blocks of one width; only the first one strides."""
    x = x.block("b1", x_block, width, stride, group_width, squeeze, bottleneck)
    return x.repeat(_names(depth), x_block, width, 1, group_width, squeeze, bottleneck)


def stem(x: FeatureMap, width: int, stride: int) -> FeatureMap:
    """One 3x3 convolution."""
    return x.conv("conv", width, 3, stride).norm("bn").relu()


def head(x: FeatureMap, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return classify(x.global_pool(), "fc", classes)


def x_block(x: FeatureMap, width: int, stride: int, group_width: int, squeeze: float, bottleneck: int) -> FeatureMap:
    """A residual block: 1x1, grouped 3x3, 1x1; the first two are `width` over `bottleneck` wide (Fig. 4).

    The gate of the Y block squeezes to a share of the block's *input* width, as in the paper's code.
    """
    inner = width // bottleneck
    y = x.conv("conv1.conv", inner, 1).norm("conv1.bn").relu()
    y = y.conv("conv2.conv", inner, 3, stride, groups=inner // group_width).norm("conv2.bn").relu()
    if squeeze:
        y = y.block("se", SqueezeExcite(squeeze, 1), x.channels)
    y = y.conv("conv3.conv", width, 1).norm("conv3.bn", role="residual-last")
    if stride != 1 or x.channels != width:
        x = x.conv("downsample.conv", width, 1, stride).norm("downsample.bn")
    return (y + x).relu()


_PRESETS = {  # Figures 15 and 16: depth, w_0, w_a, w_m, group width
    "regnetx_002": (13, 24, 36.44, 2.49, 8),
    "regnetx_004": (22, 24, 24.48, 2.54, 16),
    "regnetx_006": (16, 48, 36.97, 2.24, 24),
    "regnetx_008": (16, 56, 35.73, 2.28, 16),
    "regnetx_016": (18, 80, 34.01, 2.25, 24),
    "regnetx_032": (25, 88, 26.31, 2.25, 48),
    "regnetx_040": (23, 96, 38.65, 2.43, 40),
    "regnetx_064": (17, 184, 60.83, 2.07, 56),
    "regnetx_080": (23, 80, 49.56, 2.88, 120),
    "regnetx_120": (19, 168, 73.36, 2.37, 112),
    "regnetx_160": (22, 216, 55.59, 2.1, 128),
    "regnetx_320": (23, 320, 69.86, 2.0, 168),
    "regnety_002": (13, 24, 36.44, 2.49, 8),
    "regnety_004": (16, 48, 27.89, 2.09, 8),
    "regnety_006": (15, 48, 32.54, 2.32, 16),
    "regnety_008": (14, 56, 38.84, 2.4, 16),
    "regnety_016": (27, 48, 20.71, 2.65, 24),
    "regnety_032": (21, 80, 42.63, 2.66, 24),
    "regnety_040": (22, 96, 31.41, 2.24, 64),
    "regnety_064": (25, 112, 33.22, 2.27, 72),
    "regnety_080": (17, 192, 76.82, 2.19, 56),
    "regnety_120": (19, 168, 73.36, 2.37, 112),
    "regnety_160": (18, 200, 106.23, 2.48, 112),
    "regnety_320": (20, 232, 115.89, 2.53, 232),
}
_TORCHVISION = {  # its name -> the paper's; 128gf is torchvision's own
    f"regnet_{kind}_{name}": f"regnet{kind}_{number}"
    for kind in "xy"
    for name, number in {
        "400mf": "004",
        "800mf": "008",
        "1_6gf": "016",
        "3_2gf": "032",
        "8gf": "080",
        "16gf": "160",
        "32gf": "320",
    }.items()
}
NETWORKS: dict[str, Design] = {
    name: RegNet(*numbers, squeeze=0.25 if name.startswith("regnety") else 0.0) for name, numbers in _PRESETS.items()
}
NETWORKS |= {name: NETWORKS[paper].replace(up=True) for name, paper in _TORCHVISION.items()}
NETWORKS["regnet_y_128gf"] = RegNet(27, 456, 160.83, 2.52, 264, squeeze=0.25, up=True)
