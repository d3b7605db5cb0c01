"""MobileNet (arXiv:1704.04861) and MobileNetV2: Inverted Residuals and Linear Bottlenecks (arXiv:1801.04381)."""

from __future__ import annotations

from typing import ClassVar

from netwright.blocks import MBConv, Stage, classify, stage
from netwright.graph import Count, Design, FeatureMap, Fraction, Positive, Size
from netwright.graph.initial import Initial, truncated
from netwright.graph.resizing import Resizing, rounded
from netwright.graph.values import same_length

INITIAL = Initial(conv=truncated(0.09), head=truncated(0.09), identity=False)  # the authors' code; the papers do not say


class Separable(Design):
    """Filter each channel by a 3x3, then mix them by a 1x1 (arXiv:1704.04861, Fig. 3, right)."""

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        x = x.conv("conv_dw", x.channels, 3, stride, groups=x.channels).norm("bn1").activation("relu6")
        return x.conv("conv_pw", width, 1).norm("bn2").activation("relu6")


class MobileNetV1(Design):
    """Depthwise separable convolutions (Table 1); `width` is the paper's multiplier alpha. Weight names: timm.

    The activation is ReLU6, as in the released code. All stages but the first one stride.
    """

    width: Positive = 1.0
    stem: Count = 32
    depths: tuple[Count, ...] = (1, 2, 2, 6, 2)
    widths: tuple[Count, ...] = (64, 128, 256, 512, 1024)
    dropout: Fraction = 0.2
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = INITIAL

    def check(self) -> None:
        same_length(self, "depths", "widths")

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.section("stem", mobile_stem, rounded(self.stem * self.width), "relu6", 1e-5, False)
        for i, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            x = x.block(f"blocks.{i}", stage, Separable(), depth, rounded(width * self.width), 1 if i == 0 else 2)
        return x.section("head", mobile_head, self.dropout, self.classes)

    def resized(self, by: Resizing) -> MobileNetV1:
        stem, *widths = [by.width(width * self.width) for width in (self.stem, *self.widths)]
        return self.replace(width=1.0, stem=stem, depths=tuple(map(by.depth, self.depths)), widths=tuple(widths))


class MobileNetV2(Design):
    """Inverted residuals (Table 2); `width` is the multiplier, which the last 1x1 follows only upwards. Weight names: timm."""

    stages: tuple[Stage, ...] = (
        Stage(MBConv(1), 1, 16, 1),
        Stage(MBConv(6), 2, 24, 2),
        Stage(MBConv(6), 3, 32, 2),
        Stage(MBConv(6), 4, 64, 2),
        Stage(MBConv(6), 3, 96, 1),
        Stage(MBConv(6), 3, 160, 2),
        Stage(MBConv(6), 1, 320, 1),
    )
    width: Positive = 1.0
    stem: Count = 32
    neck: Count = 1280
    dropout: Fraction = 0.2
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = INITIAL

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.section("stem", mobile_stem, rounded(self.stem * self.width), "relu6", 1e-5, False)
        for i, row in enumerate(self.stages):
            x = x.block(f"blocks.{i}", row, self.width)
        x = x.section("neck", mobile_neck, max(self.neck, rounded(self.neck * self.width)), "relu6", 1e-5)
        return x.section("head", mobile_head, self.dropout, self.classes)

    def resized(self, by: Resizing) -> MobileNetV2:
        """Here the last 1x1 follows downwards too."""
        stages = tuple([row.resized(by, self.width) for row in self.stages])
        stem, neck = by.width(self.stem * self.width), by.width(self.neck * max(1.0, self.width))
        return self.replace(stages=stages, width=1.0, stem=stem, neck=neck)


def mobile_stem(x: FeatureMap, width: int, activation: str, eps: float, same: bool) -> FeatureMap:
    """One strided 3x3 convolution."""
    return x.conv("conv_stem", width, 3, 2, padding="same" if same else None).norm("bn1", eps=eps).activation(activation)


def mobile_neck(x: FeatureMap, width: int, activation: str, eps: float) -> FeatureMap:
    """The last 1x1 convolution, which widens."""
    return x.conv("conv_head", width, 1).norm("bn2", eps=eps).activation(activation)


def mobile_head(x: FeatureMap, dropout: float, classes: int) -> FeatureMap:
    """Global average pooling, dropout and one linear layer."""
    return classify(x.global_pool("global_pool"), "classifier", classes, dropout)


_WIDTHS = {"025": 0.25, "050": 0.5, "075": 0.75, "100": 1.0, "125": 1.25}
NETWORKS: dict[str, Design] = {
    **{f"mobilenetv1_{name}": MobileNetV1(width) for name, width in _WIDTHS.items()},
    **{f"mobilenetv2_{round(100 * width):03d}": MobileNetV2(width=width) for width in (0.35, 0.5, 0.75, 1.0, 1.4)},
    "mobilenet_v2": MobileNetV2(),
}
