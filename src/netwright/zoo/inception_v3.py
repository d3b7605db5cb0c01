"""Inception v3: Rethinking the Inception Architecture (arXiv:1512.00567)."""

from __future__ import annotations

from typing import ClassVar

from netwright.blocks import chain, classify, unit
from netwright.errors import DesignError
from netwright.graph import Count, Design, FeatureMap, Fraction, Size, concat
from netwright.graph.initial import Initial, truncated
from netwright.zoo.googlenet import as_inception


class InceptionV3(Design):
    """Factorized 5x5 and 7x7 convolutions (Table 1, Fig. 5 to 7 and 10). Weight names: torchvision, which timm shares.

    `aux` adds the auxiliary classifier, which serves in training only: the outputs are then (classes,
    auxiliary classes). `transform_input` takes pictures normalized with ImageNet's mean and deviation to
    the ones of TensorFlow's weights, as torchvision does inside of its network.
    """

    aux: bool = False
    transform_input: bool = False
    dropout: Fraction = 0.5
    classes: Size = 1000
    resolution: Count = 299

    initial: ClassVar[Initial] = Initial(conv=truncated(0.1), head=truncated(0.1), identity=False)

    def check(self) -> None:
        if self.aux and not self.classes:
            raise DesignError("InceptionV3: an auxiliary classifier (aux) needs classes")

    def __call__(self, x: FeatureMap) -> FeatureMap | tuple[FeatureMap, FeatureMap]:
        if self.transform_input:
            x = as_inception(x)
        x = x.section("stem", v3_stem)
        for name, pooled in (("Mixed_5b", 32), ("Mixed_5c", 64), ("Mixed_5d", 64)):
            x = x.block(name, v3_a, pooled)
        x = x.block("Mixed_6a", v3_reduce_a)
        for name, inner in (("Mixed_6b", 128), ("Mixed_6c", 160), ("Mixed_6d", 160), ("Mixed_6e", 192)):
            x = x.block(name, v3_b, inner)
        aux = x.block("AuxLogits", v3_aux, self.classes) if self.aux else None
        x = x.block("Mixed_7a", v3_reduce_b).block("Mixed_7b", v3_c).block("Mixed_7c", v3_c)
        x = x.section("head", v3_head, self.dropout, self.classes)
        return x if aux is None else (x, aux)


def v3_stem(x: FeatureMap) -> FeatureMap:
    """299 px -> 35 px: the 7x7 as three 3x3s."""
    x = unit(x, "Conv2d_1a_3x3", 32, 3, 2, padded=False)
    x = unit(x, "Conv2d_2a_3x3", 32, 3, padded=False)
    x = unit(x, "Conv2d_2b_3x3", 64, 3).max_pool(3, 2, name="maxpool1")
    x = unit(unit(x, "Conv2d_3b_1x1", 80), "Conv2d_4a_3x3", 192, 3, padded=False)
    return x.max_pool(3, 2, name="maxpool2")


def v3_a(x: FeatureMap, pooled: int) -> FeatureMap:
    """35 px (Fig. 5); the middle branch keeps its 5x5, as released."""
    one = unit(x, "branch1x1", 64)
    five = chain(x, "branch5x5_", (48, 1), (64, 5), first=1)
    double = chain(x, "branch3x3dbl_", (64, 1), (96, 3), (96, 3), first=1)
    return concat(one, five, double, unit(x.avg_pool(3, 1, padding=1), "branch_pool", pooled))


def v3_reduce_a(x: FeatureMap) -> FeatureMap:
    """35 px -> 17 px (Fig. 10)."""
    three = unit(x, "branch3x3", 384, 3, 2, padded=False)
    double = chain(x, "branch3x3dbl_", (64, 1), (96, 3), first=1)
    return concat(three, unit(double, "branch3x3dbl_3", 96, 3, 2, padded=False), x.max_pool(3, 2))


def v3_b(x: FeatureMap, inner: int) -> FeatureMap:
    """17 px: 7x7 convolutions factorized into 1x7 and 7x1 (Fig. 6)."""
    one = unit(x, "branch1x1", 192)
    seven = chain(x, "branch7x7_", (inner, 1), (inner, (1, 7)), (192, (7, 1)), first=1)
    layers = (inner, 1), (inner, (7, 1)), (inner, (1, 7)), (inner, (7, 1)), (192, (1, 7))
    double = chain(x, "branch7x7dbl_", *layers, first=1)
    return concat(one, seven, double, unit(x.avg_pool(3, 1, padding=1), "branch_pool", 192))


def v3_reduce_b(x: FeatureMap) -> FeatureMap:
    """17 px -> 8 px."""
    three = unit(unit(x, "branch3x3_1", 192), "branch3x3_2", 320, 3, 2, padded=False)
    seven = chain(x, "branch7x7x3_", (192, 1), (192, (1, 7)), (192, (7, 1)), first=1)
    return concat(three, unit(seven, "branch7x7x3_4", 192, 3, 2, padded=False), x.max_pool(3, 2))


def v3_c(x: FeatureMap) -> FeatureMap:
    """8 px: 3x3 convolutions as a 1x3 and a 3x1 side by side (Fig. 7)."""
    one = unit(x, "branch1x1", 320)
    three = unit(x, "branch3x3_1", 384)
    three = concat(unit(three, "branch3x3_2a", 384, (1, 3)), unit(three, "branch3x3_2b", 384, (3, 1)))
    double = chain(x, "branch3x3dbl_", (448, 1), (384, 3), first=1)
    double = concat(unit(double, "branch3x3dbl_3a", 384, (1, 3)), unit(double, "branch3x3dbl_3b", 384, (3, 1)))
    return concat(one, three, double, unit(x.avg_pool(3, 1, padding=1), "branch_pool", 192))


def v3_aux(x: FeatureMap, classes: int) -> FeatureMap:
    """A classifier on the 17 px maps, for training."""
    x = unit(unit(x.avg_pool(5, 3), "conv0", 128), "conv1", 768, 5, padded=False)
    return classify(x.global_pool(), "fc", classes)


def v3_head(x: FeatureMap, dropout: float, classes: int) -> FeatureMap:
    """Global average pooling, dropout and one linear layer."""
    return classify(x.global_pool("avgpool"), "fc", classes, dropout)


NETWORKS: dict[str, Design] = {"inception_v3": InceptionV3()}
