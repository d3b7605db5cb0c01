"""Networks of inverted residuals around EfficientNet-B0 (arXiv:1905.11946, Table 1), with every bound a field."""

from __future__ import annotations

from netwright.blocks import MBConv, Stage
from netwright.errors import DesignError
from netwright.graph import Count, Size
from netwright.graph.resizing import rounded
from netwright.graph.values import Positive
from netwright.spaces.base import Space
from netwright.spaces.pick import Pick
from netwright.zoo.efficientnet import GATE, EfficientNet

B0 = EfficientNet()


class MBConvSpace(Space):
    """EfficientNets whose stages have a kernel, an expansion, squeeze-and-excitation or none, a depth and a width of their own.

    Strides are those of `base` (B0), and so is the first stage's expansion of 1. A stage is deeper by up to `deeper`
    blocks than that of the base, or shallower by as many, but never less than 1; its width is that of the base times one
    of `wider`, rounded to 8 as the family does. That is the factorized space of MnasNet (arXiv:1807.11626, Section 4.1), from
    which B0 came, without its plain and separable convolutions.
    """

    base: EfficientNet = B0
    kernel: tuple[Count, ...] = (3, 5, 7)
    expansion: tuple[Count, ...] = (3, 4, 6)
    squeeze: tuple[bool, ...] = (True, False)
    deeper: Size = 2
    wider: tuple[Positive, ...] = (0.5, 0.75, 1.0, 1.25, 1.5)
    classes: Size = 1000
    resolution: Count = 224

    def check(self) -> None:
        for name in ("kernel", "expansion", "squeeze", "wider"):
            if not getattr(self, name):
                raise DesignError(f"MBConvSpace: {name} is empty, expected at least one value")
        if any(kernel % 2 == 0 for kernel in self.kernel):
            raise DesignError(f"MBConvSpace: kernel is {self.kernel}, expected odd numbers: even ones change the map's size")

    def __call__(self, pick: Pick) -> EfficientNet:
        stages = tuple([self._stage(pick, i + 1, stage) for i, stage in enumerate(self.base.stages)])
        return self.base.replace(stages=stages, classes=self.classes, resolution=self.resolution)

    def _stage(self, pick: Pick, number: int, stage: Stage) -> Stage:
        block = MBConv(
            expansion=1 if stage.block.expansion == 1 else pick.choice(f"expansion_{number}", self.expansion),
            kernel=pick.choice(f"kernel_{number}", self.kernel),
            squeeze=GATE if pick.choice(f"squeeze_{number}", self.squeeze) else None,
            activation=stage.block.activation,
        )
        least = max(1, stage.depth - self.deeper)
        depth = pick.integer(f"depth_{number}", least, stage.depth + self.deeper)
        width = rounded(stage.width * pick.choice(f"wider_{number}", self.wider))
        return Stage(block, depth, width, stage.stride)
