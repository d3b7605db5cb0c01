"""Spaces for small budgets and small pictures: residual networks of plain 3x3 convolutions, alone and beside RegNets."""

from __future__ import annotations

from collections.abc import Iterator

from netwright.blocks import Basic
from netwright.errors import DesignError
from netwright.graph import Count, Design, Size
from netwright.spaces.anynet import Range
from netwright.spaces.base import Space
from netwright.spaces.pick import Pick
from netwright.spaces.regnet import RegNetSpace, regnet_for
from netwright.zoo.resnet import CifarResNet

FAMILIES = ("residual", "regnet")


class ResidualSpace(Space):
    """CIFAR's residual networks (arXiv:1512.03385, Section 4.2) with any number of stages, each as deep as it likes.

    Widths double from stage to stage, from `width` (multiples of 8); the stem may stride. Dense 3x3 convolutions are
    what processors compute fastest, so that these networks see more pictures in the same time than others of their macs.
    """

    stages: Range = (3, 5)
    depth: Range = (1, 4)
    width: Range = (8, 96)
    stem_stride: tuple[Count, ...] = (1, 2)
    classes: Size = 1000
    resolution: Count = 224

    def check(self) -> None:
        for name in ("stages", "depth", "width"):
            low, high = getattr(self, name)
            if low > high:
                raise DesignError(f"ResidualSpace: {name} is {(low, high)}, expected a range from the least to the most")
        if not self.stem_stride:
            raise DesignError("ResidualSpace: stem_stride is empty, expected at least one value")

    def __call__(self, pick: Pick) -> CifarResNet:
        stages = pick.integer("stages", *self.stages)
        return CifarResNet(
            depth=tuple([pick.integer(f"depth_{i}", *self.depth) for i in range(1, stages + 1)]),
            block=Basic(),
            width=pick.integer("width", *self.width, step=8, log=True),
            stem_stride=pick.choice("stem_stride", self.stem_stride),
            classes=self.classes,
            resolution=self.resolution,
        )

    def small_designs(self) -> Iterator[CifarResNet]:
        """The narrowest and shallowest, for each number of stages."""
        for stages in range(self.stages[0], self.stages[1] + 1):
            depths, stride = (self.depth[0],) * stages, max(self.stem_stride)
            yield CifarResNet(depths, Basic(), self.width[0], stride, self.classes, self.resolution)


class CompactSpace(Space):
    """Residual networks and RegNets, as often the one as the other."""

    residual: ResidualSpace = ResidualSpace()
    regnet: RegNetSpace = RegNetSpace()

    def __call__(self, pick: Pick) -> Design | None:
        return self.residual(pick) if pick.choice("family", FAMILIES) == "residual" else self.regnet(pick)

    def small_designs(self) -> Iterator[Design]:
        """Those of both."""
        yield from self.residual.small_designs()
        yield from self.regnet.small_designs()

    def at(self, image: int | None = None, classes: int | None = None) -> CompactSpace:
        return self.replace(residual=self.residual.at(image, classes), regnet=self.regnet.at(image, classes))


def compact_for(image: int, classes: int) -> CompactSpace:
    """The space that `design` takes by itself for pictures of so many pixels: numbers of stages and strides that suit them.

    The last maps of the residual networks have from 2 to 14 px a side.
    """
    halved = max(1, image.bit_length() - 3)  # times, by which 4 to 7 px are left
    strides = (1,) if image <= 16 else (1, 2) if image <= 64 else (2,)
    fewest = halved + 1 if image <= 16 else halved
    residual = ResidualSpace(stages=(fewest, fewest + 1), stem_stride=strides, classes=classes, resolution=image)
    return CompactSpace(residual=residual, regnet=regnet_for(image, classes))
