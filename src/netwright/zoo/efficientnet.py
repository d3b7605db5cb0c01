"""EfficientNet: Rethinking Model Scaling (arXiv:1905.11946), and MnasNet-A1 (arXiv:1807.11626), from which it came."""

from __future__ import annotations

from typing import ClassVar

from netwright.blocks import MBConv, SqueezeExcite, Stage
from netwright.graph import Count, Design, FeatureMap, Fraction, Positive, Size
from netwright.graph.initial import Draw, Initial, he
from netwright.graph.resizing import Resizing, rounded
from netwright.zoo.mobilenet import mobile_head, mobile_neck, mobile_stem

INITIAL = Initial(conv=he("groups"), head=Draw("uniform", "out", 1 / 3), identity=False)  # the authors' code

GATE = SqueezeExcite(1 / 4, 1, "silu", "conv_reduce", "conv_expand")


def _mbconv(expansion: int, kernel: int) -> MBConv:
    return MBConv(expansion, kernel, GATE, "silu")


class EfficientNet(Design):
    """B0 (Table 1) with `width` and `depth` multiplied; B1 to B8 are the authors' presets. Weight names: timm.

    Widths are rounded to multiples of 8, depths upwards. `same` pads as the authors' TensorFlow does,
    else symmetrically; `eps` is that of the norms (1e-3 in TensorFlow). What the released weights need is
    set when they are loaded. `stem` and `neck` are the widths of the first convolution and of the last 1x1.

    The presets are not the formula alpha^phi, beta^phi, gamma^phi of Section 3.3, which `netwright.scaling` computes: they are
    rounded by hand (B7: width 2.0, depth 3.1 and 600 px imply phi 7.3, 6.2 and 7.05) and raise dropout too.
    """

    stages: tuple[Stage, ...] = (
        Stage(_mbconv(1, 3), 1, 16, 1),
        Stage(_mbconv(6, 3), 2, 24, 2),
        Stage(_mbconv(6, 5), 2, 40, 2),
        Stage(_mbconv(6, 3), 3, 80, 2),
        Stage(_mbconv(6, 5), 3, 112, 1),
        Stage(_mbconv(6, 5), 4, 192, 2),
        Stage(_mbconv(6, 3), 1, 320, 1),
    )
    width: Positive = 1.0
    depth: Positive = 1.0
    stem: Count = 32
    neck: Count = 1280
    dropout: Fraction = 0.2
    eps: Positive = 1e-5
    same: bool = False
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = INITIAL

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.section("stem", mobile_stem, rounded(self.stem * self.width), "silu", self.eps, self.same)
        for i, row in enumerate(self.stages):
            block = row.block.replace(eps=self.eps, same=self.same)
            x = x.block(f"blocks.{i}", row.replace(block=block), self.width, self.depth)
        x = x.section("neck", mobile_neck, rounded(self.neck * self.width), "silu", self.eps)
        return x.section("head", mobile_head, self.dropout, self.classes)

    def resized(self, by: Resizing) -> EfficientNet:
        """With stages, stem and neck as they come out, and `width` and `depth` 1."""
        stages = tuple([row.resized(by, self.width, self.depth) for row in self.stages])
        stem, neck = by.width(self.stem * self.width), by.width(self.neck * self.width)
        return self.replace(stages=stages, width=1.0, depth=1.0, stem=stem, neck=neck)


_RELU_GATE = SqueezeExcite(1 / 4, 1, "relu", "conv_reduce", "conv_expand")


class MnasNet(Design):
    """MnasNet-A1, the network that the search found (Fig. 7). Weight names: timm, which calls it semnasnet."""

    stages: tuple[Stage, ...] = (
        Stage(MBConv(1, 3, None, "relu"), 1, 16, 1),
        Stage(MBConv(6, 3, None, "relu"), 2, 24, 2),
        Stage(MBConv(3, 5, _RELU_GATE, "relu"), 3, 40, 2),
        Stage(MBConv(6, 3, None, "relu"), 4, 80, 2),
        Stage(MBConv(6, 3, _RELU_GATE, "relu"), 2, 112, 1),
        Stage(MBConv(6, 5, _RELU_GATE, "relu"), 3, 160, 2),
        Stage(MBConv(6, 3, None, "relu"), 1, 320, 1),
    )
    width: Positive = 1.0
    stem: Count = 32
    neck: Count = 1280
    dropout: Fraction = 0.2
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = INITIAL

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.section("stem", mobile_stem, rounded(self.stem * self.width), "relu", 1e-5, False)
        for i, row in enumerate(self.stages):
            x = x.block(f"blocks.{i}", row, self.width)
        x = x.section("neck", mobile_neck, self.neck, "relu", 1e-5)
        return x.section("head", mobile_head, self.dropout, self.classes)

    def resized(self, by: Resizing) -> MnasNet:
        stages = tuple([row.resized(by, self.width) for row in self.stages])
        return self.replace(stages=stages, width=1.0, stem=by.width(self.stem * self.width), neck=by.width(self.neck))


PRESETS = {  # the authors' code: width, depth, resolution in px, dropout
    "efficientnet_b0": (1.0, 1.0, 224, 0.2),
    "efficientnet_b1": (1.0, 1.1, 240, 0.2),
    "efficientnet_b2": (1.1, 1.2, 260, 0.3),
    "efficientnet_b3": (1.2, 1.4, 300, 0.3),
    "efficientnet_b4": (1.4, 1.8, 380, 0.4),
    "efficientnet_b5": (1.6, 2.2, 456, 0.4),
    "efficientnet_b6": (1.8, 2.6, 528, 0.5),
    "efficientnet_b7": (2.0, 3.1, 600, 0.5),
    "efficientnet_b8": (2.2, 3.6, 672, 0.5),
}
NETWORKS: dict[str, Design] = {
    name: EfficientNet(width=width, depth=depth, dropout=dropout, resolution=resolution)
    for name, (width, depth, resolution, dropout) in PRESETS.items()
}
NETWORKS |= {"mnasnet_a1": MnasNet(), "semnasnet_100": MnasNet()}
