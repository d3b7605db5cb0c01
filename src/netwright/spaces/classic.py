"""VGG and ResNet in one space: what a shortcut, a bottleneck and heavy linear layers are worth."""

from __future__ import annotations

from typing import Literal

from netwright.blocks import Basic, Bottleneck, Plain
from netwright.errors import DesignError
from netwright.graph import Count, Size
from netwright.spaces.anynet import Range
from netwright.spaces.base import Space
from netwright.spaces.pick import Pick
from netwright.zoo.resnet import Block, ResNet
from netwright.zoo.vgg import VGG

Kind = Literal["vgg", "plain", "basic", "bottleneck"]
BLOCKS: dict[Kind, Block] = {"plain": Plain(), "basic": Basic(), "bottleneck": Bottleneck()}


class VGGResNetSpace(Space):
    """VGG (arXiv:1409.1556, Table 1) and ResNet's plain, basic and bottleneck networks (arXiv:1512.03385, Table 1).

    A VGG has five stages that double in width from `vgg_width` up to eight times as much (as the paper's do), with batch
    norms; a ResNet four, from `resnet_width`. VGG's linear layers alone cost 120 M macs: a smaller budget leaves only ResNets.
    """

    kind: tuple[Kind, ...] = ("vgg", "plain", "basic", "bottleneck")
    vgg_depth: Range = (1, 4)
    vgg_width: Range = (16, 96)
    resnet_depth: Range = (1, 8)
    resnet_width: Range = (16, 96)
    classes: Size = 1000
    resolution: Count = 224

    def check(self) -> None:
        if not self.kind:
            raise DesignError("VGGResNetSpace: kind is empty, expected at least one of vgg, plain, basic and bottleneck")
        for name in ("vgg_depth", "vgg_width", "resnet_depth", "resnet_width"):
            low, high = getattr(self, name)
            if low > high:
                raise DesignError(f"VGGResNetSpace: {name} is {(low, high)}, expected a range from the least to the most")

    def __call__(self, pick: Pick) -> VGG | ResNet:
        kind = pick.choice("kind", self.kind)
        if kind == "vgg":
            depths = tuple([pick.integer(f"vgg_depth_{i}", *self.vgg_depth) for i in range(1, 6)])
            width = pick.integer("vgg_width", *self.vgg_width, step=8, log=True)
            widths = tuple([width * min(2**i, 8) for i in range(5)])
            return VGG(depths, widths, batch_norm=True, classes=self.classes, resolution=self.resolution)
        depths = tuple([pick.integer(f"resnet_depth_{i}", *self.resnet_depth) for i in range(1, 5)])
        width = pick.integer("resnet_width", *self.resnet_width, step=8, log=True)
        return ResNet(depths, BLOCKS[kind], width, classes=self.classes, resolution=self.resolution)
