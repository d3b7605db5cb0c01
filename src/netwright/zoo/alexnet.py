"""AlexNet: ImageNet Classification with Deep Convolutional Neural Networks (Krizhevsky et al. 2012), and ZFNet after it."""

from __future__ import annotations

from typing import ClassVar

from netwright.blocks import classify
from netwright.graph import Count, Design, FeatureMap, Fraction, Size
from netwright.graph.initial import UNIFORM, Initial, normal

PAPER = Initial(conv=normal(0.01), linear=normal(0.01), head=normal(0.01), identity=False)  # both papers say so


class AlexNet(Design):
    """Five convolutions and three linear layers in one tower, as in "One weird trick" (arXiv:1404.5997).

    Weight names: torchvision. Deviations from the 2012 paper are the released weights': one tower,
    narrower layers, no local response normalization.
    """

    dropout: Fraction = 0.5
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=UNIFORM, linear=UNIFORM, head=UNIFORM, bias=None)

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.section("features", alexnet_features).section("classifier", alexnet_head, self.dropout, self.classes)


class AlexNet2012(Design):
    """The paper's own network (Fig. 2): two towers as convolutions of two groups, local response normalization.

    `groups` 1 lets every convolution see both towers. The paper divides the sum of squares by nothing
    (alpha 1e-4); torch averages over n = 5, so alpha is 5e-4 here. The first convolution pads by 2, so
    that 224 px become 55.
    """

    groups: Count = 2
    dropout: Fraction = 0.5
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = PAPER

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.section("features", paper_features, self.groups)
        return x.section("classifier", alexnet_head, self.dropout, self.classes, "bias-one")


class ZFNet(Design):
    """AlexNet with a 7x7/2 in front and stride 2 in the 5x5 (Zeiler and Fergus, arXiv:1311.2901, Fig. 3)."""

    dropout: Fraction = 0.5
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = PAPER

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.section("features", zfnet_features).section("classifier", alexnet_head, self.dropout, self.classes)


def alexnet_features(x: FeatureMap) -> FeatureMap:
    """224 px -> 6 px."""
    x = x.conv("features.0", 64, 11, 4, padding=2, bias=True).relu("features.1").max_pool(3, 2, name="features.2")
    x = x.conv("features.3", 192, 5, bias=True).relu("features.4").max_pool(3, 2, name="features.5")
    x = x.conv("features.6", 384, 3, bias=True).relu("features.7")
    x = x.conv("features.8", 256, 3, bias=True).relu("features.9")
    x = x.conv("features.10", 256, 3, bias=True).relu("features.11").max_pool(3, 2, name="features.12")
    return x.adaptive_pool(6, name="avgpool")


def paper_features(x: FeatureMap, groups: int) -> FeatureMap:
    """224 px -> 6 px; "bias-one": layers whose biases start at 1, so that their ReLUs are fed."""
    x = x.conv("conv1", 96, 11, 4, padding=2, bias=True).relu("relu1")
    x = x.local_norm(5, alpha=5e-4, k=2.0, name="norm1").max_pool(3, 2, name="pool1")
    x = x.conv("conv2", 256, 5, groups=groups, bias=True, role="bias-one").relu("relu2")
    x = x.local_norm(5, alpha=5e-4, k=2.0, name="norm2").max_pool(3, 2, name="pool2")
    x = x.conv("conv3", 384, 3, bias=True).relu("relu3")
    x = x.conv("conv4", 384, 3, groups=groups, bias=True, role="bias-one").relu("relu4")
    x = x.conv("conv5", 256, 3, groups=groups, bias=True, role="bias-one").relu("relu5").max_pool(3, 2, name="pool5")
    return x.adaptive_pool(6, name="avgpool")


def zfnet_features(x: FeatureMap) -> FeatureMap:
    """224 px -> 6 px."""
    x = x.conv("conv1", 96, 7, 2, padding=1, bias=True).relu("relu1").max_pool(3, 2, padding=1, name="pool1")
    x = x.local_norm(5, alpha=5e-4, k=2.0, name="norm1")
    x = x.conv("conv2", 256, 5, 2, padding=0, bias=True).relu("relu2").max_pool(3, 2, padding=1, name="pool2")
    x = x.local_norm(5, alpha=5e-4, k=2.0, name="norm2")
    for i, width in ((3, 384), (4, 384), (5, 256)):
        x = x.conv(f"conv{i}", width, 3, bias=True).relu(f"relu{i}")
    return x.max_pool(3, 2, name="pool5").adaptive_pool(6, name="avgpool")


def alexnet_head(x: FeatureMap, dropout: float, classes: int, role: str = "") -> FeatureMap:
    """Three linear layers: nearly all params of the network."""
    x = x.flatten().dropout(dropout, name="classifier.0")
    x = x.linear("classifier.1", 4096, role=role).relu("classifier.2")
    if classes:
        x = x.dropout(dropout, name="classifier.3")
    x = x.linear("classifier.4", 4096, role=role).relu("classifier.5")
    return classify(x, "classifier.6", classes)


NETWORKS: dict[str, Design] = {"alexnet": AlexNet(), "alexnet_2012": AlexNet2012(), "zfnet": ZFNet()}
