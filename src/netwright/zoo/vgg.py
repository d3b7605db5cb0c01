"""VGG: Very Deep Convolutional Networks for Large-Scale Image Recognition (arXiv:1409.1556)."""

from __future__ import annotations

from typing import ClassVar

from netwright.blocks import classify
from netwright.graph import Count, Design, FeatureMap, Fraction, Size
from netwright.graph.initial import Initial, he, normal
from netwright.graph.resizing import Resizing
from netwright.graph.values import same_length


class VGG(Design):
    """Stages of 3x3 convolutions, each ended by a 2x2 pooling that halves the map (Table 1).

    Weight names: torchvision, which numbers all layers of `features` in a row. `batch_norm` is a
    later addition to the paper's networks. Without it, only shallow ones train from the start: convolutions
    start as He et al. 2015 have it, where the paper draws with deviation 0.1 and grows deep from shallow (`grow`).
    `hidden` is the width of the two linear layers before the classifier.
    """

    depths: tuple[Count, ...] = (2, 2, 3, 3, 3)
    widths: tuple[Count, ...] = (64, 128, 256, 512, 512)
    batch_norm: bool = False
    hidden: Count = 4096
    dropout: Fraction = 0.5
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=he("out"), linear=normal(0.01), head=normal(0.01))

    def check(self) -> None:
        same_length(self, "depths", "widths")

    def __call__(self, x: FeatureMap) -> FeatureMap:
        number = 0
        for i, (depth, width) in enumerate(zip(self.depths, self.widths, strict=True)):
            x = x.section(f"stage{i + 1}", vgg_stage, number, depth, width, self.batch_norm)
            number += depth * (3 if self.batch_norm else 2) + 1
        return x.section("classifier", vgg_head, self.hidden, self.dropout, self.classes)

    def resized(self, by: Resizing) -> VGG:
        depths, widths = tuple(map(by.depth, self.depths)), tuple(map(by.width, self.widths))
        return self.replace(depths=depths, widths=widths, hidden=by.width(self.hidden))


def vgg_stage(x: FeatureMap, number: int, depth: int, width: int, batch_norm: bool) -> FeatureMap:
    """`depth` convolutions of one width, then a pooling; `number` is the first layer's place in `features`."""
    for _ in range(depth):
        x = x.conv(f"features.{number}", width, 3, bias=True)
        if batch_norm:
            x = x.norm(f"features.{number + 1}")
        number += 3 if batch_norm else 2
        x = x.relu(f"features.{number - 1}")
    return x.max_pool(2, 2, name=f"features.{number}")


def vgg_head(x: FeatureMap, hidden: int, dropout: float, classes: int) -> FeatureMap:
    """Three linear layers on a 7 px map; other image sizes are pooled to 7 px."""
    x = x.adaptive_pool(7, name="avgpool").flatten()
    x = x.linear("classifier.0", hidden).relu("classifier.1").dropout(dropout, name="classifier.2")
    x = x.linear("classifier.3", hidden).relu("classifier.4")
    return classify(x, "classifier.6", classes, dropout, "classifier.5")


_DEPTHS = {  # Table 1, columns A, B, D, E
    "vgg11": (1, 1, 2, 2, 2),
    "vgg13": (2, 2, 2, 2, 2),
    "vgg16": (2, 2, 3, 3, 3),
    "vgg19": (2, 2, 4, 4, 4),
}
NETWORKS: dict[str, Design] = {name: VGG(depths) for name, depths in _DEPTHS.items()}
NETWORKS |= {f"{name}_bn": VGG(depths, batch_norm=True) for name, depths in _DEPTHS.items()}
