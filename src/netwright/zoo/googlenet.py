"""GoogLeNet: Going Deeper with Convolutions (arXiv:1409.4842)."""

from __future__ import annotations

from netwright.blocks import Inception, classify, unit
from netwright.errors import DesignError
from netwright.graph import Count, Design, FeatureMap, Fraction, Size
from netwright.graph.initial import Draw, Initial, truncated
from netwright.graph.layers import Scale
from netwright.preprocessing import IMAGENET_MEAN, IMAGENET_STD

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

    As released: batch norm, and 3x3 for the 5x5 branch. `paper` takes local response normalization and
    5x5 instead (`inception_v1`). `aux` adds the two auxiliary classifiers, which serve in training
    only: the outputs are then (classes, those of the second one, those of the first one).
    `transform_input` takes pictures normalized with ImageNet's mean and deviation to the ones of
    TensorFlow's weights, as torchvision does inside of its network.
    """

    paper: bool = False
    aux: bool = False
    transform_input: bool = False
    dropout: Fraction = 0.2
    classes: Size = 1000
    resolution: Count = 224

    @property
    def initial(self) -> Initial:
        """torchvision's for the released form; for the paper's, which says nothing, that of Caffe's replication."""
        draw = Draw("uniform", "in", 1.0) if self.paper else truncated(0.01)
        return Initial(conv=draw, linear=draw, head=draw, bias=0.2 if self.paper else 0.0, identity=False)

    def check(self) -> None:
        if self.aux and not self.classes:
            raise DesignError("GoogLeNet: auxiliary classifiers (aux) need classes")

    def __call__(self, x: FeatureMap) -> FeatureMap | tuple[FeatureMap, ...]:
        if self.transform_input:
            x = as_inception(x)
        x = x.section("stem", googlenet_stem, not self.paper)
        aux: list[FeatureMap] = []
        for name, module in TABLE_1.items():
            if name == "4a":
                x = x.max_pool(3, 2, ceil=True, name="maxpool3")
            elif name == "5a":
                x = x.max_pool(3 if self.paper else 2, 2, ceil=True, name="maxpool4")
            x = x.block(f"inception{name}", module.replace(five_kernel=5, norm=False) if self.paper else module)
            if self.aux and name in ("4a", "4d"):
                aux.insert(0, x.block(f"aux{len(aux) + 1}", googlenet_aux, self.classes, self.paper))
        x = x.section("head", googlenet_head, self.dropout, self.classes)
        return (x, *aux) if aux else x


def as_inception(x: FeatureMap) -> FeatureMap:
    """From ImageNet's mean and deviation to 0.5 and 0.5."""
    pairs = list(zip(IMAGENET_MEAN, IMAGENET_STD, strict=True))
    return x.layer(Scale(tuple(std / 0.5 for _, std in pairs), tuple((mean - 0.5) / 0.5 for mean, _ in pairs)))


def googlenet_stem(x: FeatureMap, norm: bool) -> FeatureMap:
    """224 px -> 28 px in five layers; the paper's local norms stand after the first pooling and before the second."""
    x = unit(x, "conv1", 64, 7, 2, norm=norm).max_pool(3, 2, ceil=True, name="maxpool1")
    x = x if norm else x.local_norm(5, name="norm1")
    x = unit(unit(x, "conv2", 64, norm=norm), "conv3", 192, 3, norm=norm)
    x = x if norm else x.local_norm(5, name="norm2")
    return x.max_pool(3, 2, ceil=True, name="maxpool2")


def googlenet_aux(x: FeatureMap, classes: int, paper: bool) -> FeatureMap:
    """A small classifier on a 4 px map, for training (Section 5); other image sizes are pooled to 4 px."""
    x = x.avg_pool(5, 3).adaptive_pool(4) if paper else x.adaptive_pool(4)
    x = unit(x, "conv", 128, norm=not paper).flatten().linear("fc1", 1024).relu()
    return classify(x, "fc2", classes, 0.7)


def googlenet_head(x: FeatureMap, dropout: float, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return classify(x.global_pool("avgpool"), "fc", classes, dropout)


NETWORKS: dict[str, Design] = {"googlenet": GoogLeNet(), "inception_v1": GoogLeNet(paper=True, dropout=0.4)}
