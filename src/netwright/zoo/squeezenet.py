"""SqueezeNet: AlexNet-level accuracy with 50x fewer parameters (arXiv:1602.07360)."""

from __future__ import annotations

from typing import ClassVar, Literal

from netwright.graph import Count, Design, FeatureMap, Fraction, Size, concat
from netwright.graph.initial import Draw, Initial, normal

FIRES = ((16, 64), (16, 64), (32, 128), (32, 128), (48, 192), (48, 192), (64, 256), (64, 256))  # squeezed, expanded (Table 1)


class SqueezeNet(Design):
    """Eight fire modules and a 1x1 convolution as classifier. Weight names: torchvision.

    Version 1.1 (the authors' repository) has a smaller first convolution and pools earlier.
    """

    version: Literal["1.0", "1.1"] = "1.0"
    dropout: Fraction = 0.5
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=Draw("uniform", "in", 2.0), head=normal(0.01), identity=False)

    def __call__(self, x: FeatureMap) -> FeatureMap:
        width, kernel, pooled_before = (96, 7, (0, 3, 7)) if self.version == "1.0" else (64, 3, (0, 2, 4))
        x = x.conv("features.0", width, kernel, 2, padding=0, bias=True).relu("features.1")
        number = 2
        for i, (squeezed, expanded) in enumerate(FIRES):
            if i in pooled_before:
                x = x.max_pool(3, 2, ceil=True, name=f"features.{number}")
                number += 1
            x = x.block(f"features.{number}", fire, squeezed, expanded)
            number += 1
        return x.section("classifier", squeezenet_head, self.dropout, self.classes)


def fire(x: FeatureMap, squeezed: int, expanded: int) -> FeatureMap:
    """A 1x1 squeezes, a 1x1 and a 3x3 side by side expand (Fig. 1)."""
    x = x.conv("squeeze", squeezed, 1, bias=True).relu("squeeze_activation")
    one = x.conv("expand1x1", expanded, 1, bias=True).relu("expand1x1_activation")
    return concat(one, x.conv("expand3x3", expanded, 3, bias=True).relu("expand3x3_activation"))


def squeezenet_head(x: FeatureMap, dropout: float, classes: int) -> FeatureMap:
    """Scores for every pixel, averaged; for 0 classes the averaged features."""
    if classes:
        x = x.dropout(dropout, name="classifier.0")
        x = x.conv("classifier.1", classes, 1, bias=True, role="head").relu("classifier.2")
    return x.global_pool("classifier.3")


NETWORKS: dict[str, Design] = {"squeezenet1_0": SqueezeNet("1.0"), "squeezenet1_1": SqueezeNet("1.1")}
