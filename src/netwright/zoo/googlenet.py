"""GoogLeNet: Going Deeper with Convolutions (arXiv:1409.4842)."""

from __future__ import annotations

from netwright.blocks import Inception, conv_norm_relu
from netwright.graph import Count, Design, FeatureMap, Fraction

TABLE_1 = {
    "3a": Inception(64, 96, 128, 16, 32, 32),
    "3b": Inception(128, 128, 192, 32, 96, 64),
    "4a": Inception(192, 96, 208, 16, 48, 64),
    "4b": Inception(160, 112, 224, 24, 64, 64),
    "4c": Inception(128, 128, 256, 24, 64, 64),
    "4d": Inception(112, 144, 288, 32, 64, 64),
    "4e": Inception(256, 160, 320, 32, 128, 128),
    "5a": Inception(256, 160, 320, 32, 128, 128),
    "5b": Inception(384, 192, 384, 48, 128, 128),
}


class GoogLeNet(Design):
    """A stem to 28 px, nine Inception modules, global average pooling (Table 1). Weight names: torchvision.

    As released, not as in the paper: batch norm in place of local response normalization, 3x3 for the
    5x5 branch. The form without auxiliary heads, which serve in training only.
    """

    dropout: Fraction = 0.2
    classes: Count = 1000
    resolution: Count = 224

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.section("stem", googlenet_stem)
        for name, module in TABLE_1.items():
            if name == "4a":
                x = x.max_pool(3, 2, ceil=True, name="maxpool3")
            elif name == "5a":
                x = x.max_pool(2, 2, ceil=True, name="maxpool4")
            x = x.block(f"inception{name}", module)
        return x.section("head", googlenet_head, self.dropout, self.classes)


def googlenet_stem(x: FeatureMap) -> FeatureMap:
    """224 px -> 28 px in five layers."""
    x = x.block("conv1", conv_norm_relu, 64, 7, 2).max_pool(3, 2, ceil=True, name="maxpool1")
    x = x.block("conv2", conv_norm_relu, 64, 1).block("conv3", conv_norm_relu, 192, 3)
    made: FeatureMap = x.max_pool(3, 2, ceil=True, name="maxpool2")
    return made


def googlenet_head(x: FeatureMap, dropout: float, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return x.global_pool("avgpool").dropout(dropout, name="dropout").linear("fc", classes, role="head")


NETWORKS: dict[str, Design] = {"googlenet": GoogLeNet()}
