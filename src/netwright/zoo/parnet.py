"""ParNet: Non-deep Networks (arXiv:2110.07641)."""

from __future__ import annotations

from typing import ClassVar, Literal

from netwright.blocks import classify
from netwright.graph import Count, Design, FeatureMap, Fraction, Size, concat
from netwright.graph.initial import UNIFORM, Initial
from netwright.graph.resizing import Resizing


class ParNet(Design):
    """Three streams of RepVGG-SSE blocks at three resolutions, fused: twelve layers deep (Fig. 2, Table 1).

    `widths` are those of the streams and of the last block. The activation is the paper's SiLU; the
    authors' released configuration, read literally, yields ReLU. With `deploy` the 1x1 beside each 3x3
    is merged into it: `convert` makes the weights. Weight names: the authors'.
    """

    widths: tuple[Count, Count, Count, Count] = (92, 192, 384, 1280)
    depths: tuple[Count, Count, Count] = (4, 5, 5)
    activation: Literal["silu", "relu"] = "silu"
    deploy: bool = False
    dropout: Fraction = 0.0
    classes: Size = 1000
    resolution: Count = 224

    initial: ClassVar[Initial] = Initial(conv=UNIFORM, head=UNIFORM, bias=None, identity=False)

    def __call__(self, x: FeatureMap) -> FeatureMap:
        form = ParBlock(self.activation, self.deploy)
        first, second, third, last = self.widths
        x = x.block("inits.0.0.block", form, min(64, first), 2)
        high = x.block("inits.0.1.block", form, first, 2)
        middle = high.block("inits.1.block", form, second, 2)
        low = middle.block("inits.2.block", form, third, 2)
        y = high.block("streams.0", stream, form, self.depths[0]).block("downsamples_2.0.block", form, second, 2)
        y = fused(middle.block("streams.1", stream, form, self.depths[1]), y, "downsamples_2.1", form, third, 2)
        y = fused(low.block("streams.2", stream, form, self.depths[2]), y, "combine", form, third, 1)
        x = y.block("combine.3.block", form, last, 2)
        return x.section("head", parnet_head, self.dropout, self.classes)

    def resized(self, by: Resizing) -> ParNet:
        return self.replace(widths=tuple(map(by.width, self.widths)), depths=tuple(map(by.depth, self.depths)))


class ParBlock(Design):
    """The block of all parts but the streams: halves the map or fuses two.

    A 3x3 and a 1x1 (behind a 2x2 average pooling where it strides), each with its norm, added, gated by
    twice the sigmoid of a 1x1 convolution of the input's means; with `groups` the channels are shuffled
    afterwards. A divisor of 4 lets windows hang over the edge of odd maps (which the authors' code
    refuses) such that the merged form stays equal.
    """

    activation: Literal["silu", "relu"] = "silu"
    deploy: bool = False

    def __call__(self, x: FeatureMap, width: int, stride: int, groups: int = 1) -> FeatureMap:
        y = branches(x, width, stride, groups, self.deploy)
        gate = x.adaptive_pool(1).conv("se.cvsig.conv", width, 1, groups=groups, role="gate").sigmoid()
        y = (y * (gate * 2)).activation(self.activation)
        return y.shuffle(groups) if groups > 1 else y


def branches(x: FeatureMap, width: int, stride: int, groups: int, deploy: bool) -> FeatureMap:
    """The 3x3 and the 1x1 beside it, or the one 3x3 that equals both."""
    if deploy:
        return x.conv("rbr_dense", width, 3, stride, groups=groups, bias=True)
    y = x.conv("rbr_dense.conv", width, 3, stride, groups=groups).norm("rbr_dense.bn")
    if stride == 1:
        return y + x.conv("rbr_1x1.conv", width, 1, groups=groups).norm("rbr_1x1.bn")
    pooled = x.avg_pool(2, 2, ceil=True, divisor=4, name="rbr_1x1.0")
    return y + pooled.conv("rbr_1x1.1.conv", width, 1, groups=groups).norm("rbr_1x1.1.bn")


def stream(x: FeatureMap, form: ParBlock, depth: int) -> FeatureMap:
    """`depth` blocks that keep the shape."""
    return x.repeat([f"{i}.block" for i in range(depth)], stream_block, form.activation, form.deploy)


def stream_block(x: FeatureMap, activation: str, deploy: bool) -> FeatureMap:
    """RepVGG-SSE (Fig. 2a): 3x3, 1x1 and a skip branch that is squeezed and excited in one layer."""
    skip = x.norm("rbr_identity")
    y = branches(x, x.channels, 1, 1, deploy)
    gate = skip.adaptive_pool(1).conv("se.cvsig.conv", x.channels, 1, role="gate").sigmoid()
    return (y + skip * gate).activation(activation)


def fused(x: FeatureMap, other: FeatureMap, name: str, form: ParBlock, width: int, stride: int) -> FeatureMap:
    """Both maps with a norm each, joined with their channels in turn, then a block of two groups."""
    joined = concat(x.norm(f"{name}.0.b1"), other.norm(f"{name}.0.b2")).shuffle(2)
    made: FeatureMap = joined.block(f"{name}.2.block", form, width, stride, 2)
    return made


def parnet_head(x: FeatureMap, dropout: float, classes: int) -> FeatureMap:
    """Global average pooling and one linear layer."""
    return classify(x.global_pool("head.global_pool"), "head.fc", classes, dropout or None, "head.dropout")


NETWORKS: dict[str, Design] = {
    "parnet_s": ParNet(),
    "parnet_m": ParNet((128, 256, 512, 2048)),
    "parnet_l": ParNet((160, 320, 640, 2560), dropout=0.1),
    "parnet_xl": ParNet((200, 400, 800, 3200), dropout=0.1),
}
