"""RegNet: Designing Network Design Spaces (arXiv:2003.13678)."""

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


class RegNet(Design):
    """RegNetX from its five numbers (Section 3.3); RegNetY with `squeeze` 0.25. Weight names: timm.

    Block j gets the width w_0 + w_a j, moved to the nearest power of w_m times w_0, and rounded to 8;
    blocks of equal width are a stage. `group_width` is the width of a group, not the number of groups.
    The first convolution has `stem_stride` 2 in the paper; 1 suits pictures of a few pixels. `up` rounds
    stages to their group width as torchvision does, which gives wider ones for some presets: its
    networks (`regnet_x_400mf` and its like) are not all the paper's. `depths` and `widths`, one of each per stage, stand in
    place of what the numbers give: a scaled RegNet has them, for it has seldom five such numbers.
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
    depths: tuple[Count, ...] = ()
    widths: tuple[Count, ...] = ()
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=he("out"))

    def stages(self) -> list[tuple[int, int, int]]:
        """(depth, width, group width) of every stage; widths are multiples of their group width."""
        if self.widths:
            return [(d, w, min(self.group_width, w)) for d, w in zip(self.depths, self.widths, strict=True)]
        found, widths = [], self.block_widths()
        for width in dict.fromkeys(widths):  # they never fall: equal ones stand together
            group = min(self.group_width, width)
            fitted = rounded(width, group) if self.up else round(width / group) * group
            found.append((widths.count(width), fitted, group))
        return found

    def check(self) -> None:
        if self.depths or self.widths:
            same_length(self, "depths", "widths")
        for width in self.widths:
            if width % min(self.group_width, width):
                raise DesignError(f"RegNet: a width is {width}, expected a multiple of the group width {self.group_width}")

    def block_widths(self) -> list[int]:
        """Width that the five numbers give each block, quantized to w_0 w_m^k and rounded to 8 (equations 2 to 4)."""
        w_0, w_a, log, scale = self.w_0, self.w_a, math.log, math.log(self.w_m)
        powers = [round(log((w_0 + w_a * j) / w_0) / scale) for j in range(self.depth)]
        width = {k: round(w_0 * self.w_m**k / 8) * 8 for k in set(powers)}
        return [width[k] for k in powers]

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.block("stem", stem, self.stem, self.stem_stride)
        for i, (depth, width, group) in enumerate(self.stages()):
            x = x.block(f"s{i + 1}", stage, depth, width, group, self.squeeze)
        made: FeatureMap = x.block("head", head, self.classes)
        return made

    def resized(self, by: Resizing) -> RegNet:
        """Stage by stage, and group widths with the stages'. The stem stays: it has one width from 200 MF to 32 GF."""
        stages = self.stages()
        widths = tuple([by.fitted(width, group)[0] for _, width, group in stages])
        depths = tuple([by.depth(depth) for depth, _, _ in stages])
        return self.replace(depths=depths, widths=widths, group_width=by.group_width(self.group_width))


@functools.cache
def _names(depth: int) -> list[str]:
    return [f"b{i + 1}" for i in range(1, depth)]


def stage(x: FeatureMap, depth: int, width: int, group_width: int, squeeze: float) -> FeatureMap:
    """`depth` blocks of one width; the first one halves the map."""
    x = x.block("b1", x_block, width, 2, group_width, squeeze)
    return x.repeat(_names(depth), x_block, width, 1, group_width, squeeze)


def stem(x: FeatureMap, width: int, stride: int) -> FeatureMap:
    """One 3x3 convolution."""
    return x.conv("conv", width, 3, stride).norm("bn").relu()


def head(x: FeatureMap, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return classify(x.global_pool(), "fc", classes)


def x_block(x: FeatureMap, width: int, stride: int, group_width: int, squeeze: float) -> FeatureMap:
    """A residual block without a bottleneck: 1x1, grouped 3x3, 1x1, all of one width (Fig. 4).

    The gate of the Y block squeezes to a share of the block's *input* width, as in the paper's code.
    """
    y = x.conv("conv1.conv", width, 1).norm("conv1.bn").relu()
    y = y.conv("conv2.conv", width, 3, stride, groups=width // group_width).norm("conv2.bn").relu()
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
