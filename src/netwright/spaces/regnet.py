"""The RegNet space (arXiv:2003.13678), with every bound a field."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from netwright.graph import Count, Value
from netwright.spaces.pick import Pick
from netwright.zoo.regnet import RegNet

Range = tuple[Count, Count]


class RegNetSpace(Value):
    """RegNetX designs whose five numbers lie in the given ranges; the defaults are the paper's (Section 4).

    A draw whose widths do not form `stages` stages is no member: the space returns None for it.
    """

    depth: Range = (12, 28)
    w_0: Range = (8, 256)
    w_a: Range = (8, 256)
    w_m: tuple[float, float] = (2.0, 3.0)
    group_width: tuple[Count, ...] = (8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 120, 128)
    stages: Range = (4, 4)
    stem: tuple[Count, ...] = (32,)
    stem_stride: tuple[Count, ...] = (2,)
    classes: Count = 1000
    resolution: Count = 224

    def __call__(self, pick: Pick) -> RegNet | None:
        design = RegNet(
            depth=pick.integer("depth", *self.depth),
            w_0=pick.integer("w_0", *self.w_0, step=8),
            w_a=round(pick.real("w_a", *self.w_a, log=True), 2),
            w_m=round(pick.real("w_m", *self.w_m), 2),
            group_width=pick.choice("group_width", self.group_width),
            stem=pick.choice("stem", self.stem),
            stem_stride=pick.choice("stem_stride", self.stem_stride),
            classes=self.classes,
            resolution=self.resolution,
        )
        return design if self.has(design) else None

    def has(self, design: RegNet) -> bool:
        """Whether the design has as many stages as the space asks for."""
        return self.stages[0] <= len(set(design.block_widths())) <= self.stages[1]

    def small_designs(self) -> Iterator[RegNet]:
        """Members at the low corner: the narrowest stem and w_0, little depth, and every way that widths can round.

        Block j moves to the next power of w_m where w_0 + w_a j passes w_0 w_m^(k + 1/2), so the slopes
        just around these points, for every w_m to a hundredth, are all that differ.
        """
        least = max(self.depth[0], self.stages[0])
        depths = range(least, min(least + 2, self.depth[1]) + 1)
        steps = range(round(self.w_m[0] * 100), round(self.w_m[1] * 100) + 1)
        for depth, step in itertools.product(depths, steps):
            turns = [self.w_0[0] * ((step / 100) ** (k + 0.5) - 1) / j for j in range(1, depth) for k in range(self.stages[1])]
            hundredths = {round(self.w_a[0] * 100), *(math.floor(turn * 100) + i for turn in turns for i in (0, 1))}
            for slope in sorted(hundredths):
                if self.w_a[0] <= slope / 100 <= self.w_a[1]:
                    yield from self._small(depth, slope / 100, step / 100)

    def _small(self, depth: int, w_a: float, w_m: float) -> Iterator[RegNet]:
        """The members with these numbers and the least of the others, one for each group width."""
        first = RegNet(
            depth=depth,
            w_0=self.w_0[0],
            w_a=w_a,
            w_m=w_m,
            group_width=self.group_width[0],
            stem=min(self.stem),
            stem_stride=max(self.stem_stride),
            classes=self.classes,
            resolution=self.resolution,
        )
        if self.has(first):
            yield from (first.replace(group_width=group) for group in self.group_width)


def regnet_for(image: int, classes: int) -> RegNetSpace:
    """A RegNet space for small budgets and few pictures: shallower and narrower than the paper's.

    Small pictures may keep their size in the stem, and may take fewer than four stages.
    """
    return RegNetSpace(
        depth=(5, 20),
        w_0=(8, 96),
        w_a=(8, 96),
        w_m=(1.8, 3.0),
        group_width=(8, 16, 24, 32, 48, 64),
        stages=(2, 4) if image <= 16 else (3, 4),
        stem=(16, 24, 32),
        stem_stride=(1,) if image <= 16 else (1, 2) if image <= 64 else (2,),
        classes=classes,
        resolution=image,
    )
