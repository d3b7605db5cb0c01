"""The RegNet space (arXiv:2003.13678), with every bound a field."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator

from netwright.errors import DesignError
from netwright.graph import Count, Fraction, Size
from netwright.spaces.anynet import Range, only_or_one
from netwright.spaces.base import Space
from netwright.spaces.pick import Pick
from netwright.zoo.regnet import RegNet, quantized_widths

RANGES = ("depth", "w_0", "w_a", "w_m", "group_width")


class RegNetSpace(Space):
    """RegNet designs whose five numbers lie in the given ranges, RegNetY with `squeeze` 0.25.

    The defaults are the paper's good half (Sections 4 and 5, and the authors' code: depths uniform, the other numbers
    uniform in the logarithm); the paper's whole space is `regnetx_whole`. A draw whose widths do not form `stages` stages
    is no member: the space returns None for it, and so it does where a power of w_m is left out between two stages, unless
    `skips` (the authors' code refuses such draws; the paper does not say). `constrained` admits only designs with
    params (M) < 3 + 5.5 F and acts (M) < 6.5 sqrt(F) for F G macs (Section 4, "Complexity analysis", as in the authors' code).
    """

    depth: Range = (12, 28)
    w_0: Range = (8, 256)
    w_a: Range = (8, 256)
    w_m: tuple[float, float] = (2.0, 3.0)
    group_width: Range = (8, 128)  # multiples of 8
    bottleneck: tuple[Count, ...] = (1,)
    stages: Range = (4, 4)
    skips: bool = False
    constrained: bool = False
    squeeze: Fraction = 0.0
    stem: tuple[Count, ...] = (32,)
    stem_stride: tuple[Count, ...] = (2,)
    classes: Size = 1000
    resolution: Count = 224

    def check(self) -> None:
        if not (self.bottleneck and self.stem and self.stem_stride):
            raise DesignError("RegNetSpace: bottleneck, stem and stem_stride need at least one value each")
        for name in (*RANGES, "stages"):
            low, high = getattr(self, name)
            if low > high:
                raise DesignError(f"RegNetSpace: {name} is {(low, high)}, expected a range from the least to the most")
        if self.w_0[0] < 8 or self.w_m[0] <= 1:
            raise DesignError(
                f"RegNetSpace: w_0 starts at {self.w_0[0]} and w_m at {self.w_m[0]}, expected at least 8 and above 1"
            )

    def __call__(self, pick: Pick) -> RegNet | None:
        depth = pick.integer("depth", *self.depth)
        w_0 = pick.integer("w_0", *self.w_0, step=8, log=True)
        w_a = pick.real("w_a", *self.w_a, log=True, digits=2)
        w_m = pick.real("w_m", *self.w_m, log=True, digits=2)
        group_width = pick.integer("group_width", *self.group_width, step=8, log=True)
        bottleneck = only_or_one(pick, "bottleneck", self.bottleneck)
        stem, stem_stride = only_or_one(pick, "stem", self.stem), only_or_one(pick, "stem_stride", self.stem_stride)
        if not self._forms(depth, w_0, w_a, w_m):  # most draws: known before a design is made
            return None
        return RegNet(
            depth=depth,
            w_0=w_0,
            w_a=w_a,
            w_m=w_m,
            group_width=group_width,
            bottleneck=bottleneck,
            squeeze=self.squeeze,
            stem=stem,
            stem_stride=stem_stride,
            classes=self.classes,
            resolution=self.resolution,
        )

    def has(self, design: RegNet) -> bool:
        """Whether the design's numbers lie in the ranges and form as many stages as the space asks for."""
        ranges = all(low <= getattr(design, name) <= high for name in RANGES for low, high in [getattr(self, name)])
        options = all(getattr(design, name) in getattr(self, name) for name in ("bottleneck", "stem", "stem_stride"))
        formed = self._forms(design.depth, design.w_0, design.w_a, design.w_m)
        return ranges and options and formed and design.squeeze == self.squeeze and not design.up

    def _forms(self, depth: int, w_0: int, w_a: float, w_m: float) -> bool:
        last = round(math.log((w_0 + w_a * (depth - 1)) / w_0) / math.log(w_m)) + 1  # powers of w_m up to the last block's
        if last < self.stages[0] or (last > self.stages[1] and not self.skips):
            return False
        stages = len(set(quantized_widths(depth, w_0, w_a, w_m)))
        return self.stages[0] <= stages <= self.stages[1] and (self.skips or stages == last)

    def admits(self, params: int, macs: int, acts: int) -> bool:
        if not self.constrained:
            return True
        giga = macs / 1e9
        return params / 1e6 < 3 + 5.5 * giga and acts / 1e6 < 6.5 * math.sqrt(giga)

    def small_designs(self) -> Iterator[RegNet]:
        """Members at the low corner: the narrowest stem and w_0, little depth, and every way that widths can round, once each.

        Block j moves to the next power of w_m where w_0 + w_a j passes w_0 w_m^(k + 1/2), so the slopes
        just around these points, for every w_m to a hundredth, are all that differ.
        """
        shapes = {(tuple(design.stages()), design.stem): design for design in self._low_corner()}
        yield from shapes.values()

    def _low_corner(self) -> Iterator[RegNet]:
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
            bottleneck=max(self.bottleneck),
            squeeze=self.squeeze,
            classes=self.classes,
            resolution=self.resolution,
        )
        if self.has(first):
            yield from (first.replace(group_width=group) for group in range(self.group_width[0], self.group_width[1] + 1, 8))


def regnet_for(image: int, classes: int) -> RegNetSpace:
    """A RegNet space for small budgets and few pictures: shallower and narrower than the paper's.

    Small pictures may keep their size in the stem, and may take fewer than four stages; a power of w_m may be left out.
    """
    return RegNetSpace(
        depth=(5, 20),
        w_0=(8, 96),
        w_a=(8, 96),
        w_m=(1.8, 3.0),
        group_width=(8, 64),
        stages=(2, 4) if image <= 16 else (3, 4),
        skips=True,
        stem=(16, 24, 32),
        stem_stride=(1,) if image <= 16 else (1, 2) if image <= 64 else (2,),
        classes=classes,
        resolution=image,
    )
