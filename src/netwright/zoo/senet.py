"""SENet as first released: Squeeze-and-Excitation Networks (arXiv:1709.01507). The later forms are ResNets with `squeeze`."""

from __future__ import annotations

from typing import ClassVar

from netwright.blocks import SqueezeExcite, classify, doubled, stage, whole_groups
from netwright.graph import Count, Design, FeatureMap, Size
from netwright.graph.initial import UNIFORM, Initial, he
from netwright.graph.resizing import Resizing
from netwright.graph.values import same_length

GATE = SqueezeExcite(multiple=1)  # a sixteenth of the channels, not rounded to eights


class LegacyBasic(Design):
    """Two 3x3 convolutions; there is a ReLU before the gate (the released code, not the paper)."""

    expansion = 1

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        y = x.conv("conv1", width, 3, stride).norm("bn1").relu()
        y = y.conv("conv2", width, 3).norm("bn2", role="residual-last").relu()
        gated: FeatureMap = y.block("se_module", GATE)
        return (gated + _projected(x, width, stride, 1)).relu()


class LegacyBottleneck(Design):
    """A bottleneck with a gate; with one group the stride sits on the first 1x1 (Caffe), else on the 3x3.

    `halved`: the first 1x1 has half the width of the 3x3, and projections are 3x3 (SENet-154).
    """

    groups: Count = 1
    base: Count = 64
    halved: bool = False

    expansion = 4

    def __call__(self, x: FeatureMap, width: int, stride: int) -> FeatureMap:
        inner, outer = width * self.base // 64 * self.groups, 4 * width
        first, second = (stride, 1) if self.groups == 1 else (1, stride)
        y = x.conv("conv1", inner // 2 if self.halved else inner, 1, first).norm("bn1").relu()
        y = y.conv("conv2", inner, 3, second, groups=self.groups).norm("bn2").relu()
        y = y.conv("conv3", outer, 1).norm("bn3", role="residual-last")
        gated: FeatureMap = y.block("se_module", GATE)
        return (gated + _projected(x, outer, stride, 3 if self.halved and stride > 1 else 1)).relu()


class SENet(Design):
    """Four stages of gated residual blocks for 224 px. Weight names: Cadene's port, which timm keeps.

    The stem's pooling rounds up instead of padding, as in Caffe. `deep_stem`: three 3x3 convolutions in place of the 7x7.
    `width` is the first stage's and doubles from stage to stage, or there is one for each.
    """

    depths: tuple[Count, ...] = (3, 4, 6, 3)
    block: LegacyBasic | LegacyBottleneck = LegacyBottleneck()
    deep_stem: bool = False
    width: Count | tuple[Count, ...] = 64
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=he("in"), head=UNIFORM)

    def __call__(self, x: FeatureMap) -> FeatureMap:
        widths = doubled(self.width, len(self.depths))
        x = x.section("stem", senet_stem, widths[0], self.deep_stem)
        for i, (depth, width) in enumerate(zip(self.depths, widths, strict=True)):
            x = x.block(f"layer{i + 1}", stage, self.block, depth, width, 1 if i == 0 else 2)
        return x.section("head", senet_head, self.classes)

    def check(self) -> None:
        if isinstance(self.width, tuple):
            same_length(self, "depths", "width")

    def resized(self, by: Resizing) -> SENet:
        """Groups stay as many and become wider, as in `ResNet`."""
        multiple = whole_groups(getattr(self.block, "base", 64), 2 if getattr(self.block, "halved", False) else 1)
        widths = tuple([by.width(width, multiple) for width in doubled(self.width, len(self.depths))])
        return self.replace(depths=tuple(map(by.depth, self.depths)), width=widths)


def _projected(x: FeatureMap, width: int, stride: int, kernel: int) -> FeatureMap:
    if stride == 1 and x.channels == width:
        return x
    return x.conv("downsample.0", width, kernel, stride).norm("downsample.1")


def senet_stem(x: FeatureMap, width: int, deep: bool) -> FeatureMap:
    """224 px -> 56 px."""
    if deep:
        x = x.conv("layer0.conv1", width, 3, 2).norm("layer0.bn1").relu("layer0.relu1")
        x = x.conv("layer0.conv2", width, 3).norm("layer0.bn2").relu("layer0.relu2")
        x = x.conv("layer0.conv3", 2 * width, 3).norm("layer0.bn3").relu("layer0.relu3")
    else:
        x = x.conv("layer0.conv1", width, 7, 2).norm("layer0.bn1").relu("layer0.relu1")
    return x.max_pool(3, 2, ceil=True, name="pool0")


def senet_head(x: FeatureMap, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return classify(x.global_pool("global_pool"), "last_linear", classes)


NETWORKS: dict[str, Design] = {
    "legacy_seresnet18": SENet((2, 2, 2, 2), LegacyBasic()),
    "legacy_seresnet34": SENet((3, 4, 6, 3), LegacyBasic()),
    "legacy_seresnet50": SENet((3, 4, 6, 3)),
    "legacy_seresnet101": SENet((3, 4, 23, 3)),
    "legacy_seresnet152": SENet((3, 8, 36, 3)),
    "legacy_seresnext26_32x4d": SENet((2, 2, 2, 2), LegacyBottleneck(32, 4)),
    "legacy_seresnext50_32x4d": SENet((3, 4, 6, 3), LegacyBottleneck(32, 4)),
    "legacy_seresnext101_32x4d": SENet((3, 4, 23, 3), LegacyBottleneck(32, 4)),
    "legacy_senet154": SENet((3, 8, 36, 3), LegacyBottleneck(64, 4, halved=True), deep_stem=True),
}
