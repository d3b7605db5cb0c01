"""AlexNet: ImageNet Classification with Deep Convolutional Neural Networks (Krizhevsky et al. 2012)."""

from __future__ import annotations

from netwright.graph import Count, Design, FeatureMap, Fraction


class AlexNet(Design):
    """Five convolutions and three linear layers in one tower, as in "One weird trick" (arXiv:1404.5997).

    Weight names: torchvision. Deviations from the 2012 paper are the released weights': one tower,
    narrower layers, no local response normalization.
    """

    dropout: Fraction = 0.5
    classes: Count = 1000
    resolution: Count = 224

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.section("features", alexnet_features).section("classifier", alexnet_head, self.dropout, self.classes)


def alexnet_features(x: FeatureMap) -> FeatureMap:
    """224 px -> 6 px."""
    x = x.conv("features.0", 64, 11, 4, padding=2, bias=True).relu("features.1").max_pool(3, 2, name="features.2")
    x = x.conv("features.3", 192, 5, bias=True).relu("features.4").max_pool(3, 2, name="features.5")
    x = x.conv("features.6", 384, 3, bias=True).relu("features.7")
    x = x.conv("features.8", 256, 3, bias=True).relu("features.9")
    x = x.conv("features.10", 256, 3, bias=True).relu("features.11").max_pool(3, 2, name="features.12")
    return x.adaptive_pool(6, name="avgpool")


def alexnet_head(x: FeatureMap, dropout: float, classes: int) -> FeatureMap:
    """Three linear layers: nearly all params of the network."""
    x = x.flatten().dropout(dropout, name="classifier.0").linear("classifier.1", 4096).relu("classifier.2")
    x = x.dropout(dropout, name="classifier.3").linear("classifier.4", 4096).relu("classifier.5")
    return x.linear("classifier.6", classes, role="head")


NETWORKS: dict[str, Design] = {"alexnet": AlexNet()}
