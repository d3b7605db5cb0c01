"""Short synthetic networks: what layers cost beside each other, beyond what each of them costs alone."""

from __future__ import annotations

import random
from typing import Literal, NamedTuple

from netwright.costing.latency import works_of
from netwright.costing.workload import Work
from netwright.graph import Count, Design, FeatureMap, trace
from netwright.graph.layers import Pair

Kind = Literal["plain", "bottleneck", "separable"]
KINDS: tuple[Kind, ...] = ("plain", "bottleneck", "separable")


class CalibrationBlock(Design):
    """Convolutions with norms and activations around a sum, drawn by no paper."""

    kind: Kind = "plain"
    kernel: Count = 3
    activation: Literal["relu", "relu6", "silu"] = "relu"

    def __call__(self, x: FeatureMap) -> FeatureMap:
        width = x.channels
        if self.kind == "plain":
            y = x.conv("a", width, self.kernel).norm("na").activation(self.activation)
            return x + y.conv("b", width, self.kernel).norm("nb")
        wide = 3 * width if self.kind == "separable" else max(8, width // 2)
        y = x.conv("a", wide, 1).norm("na").activation(self.activation)
        y = y.conv("b", wide, self.kernel, groups=wide if self.kind == "separable" else 1).norm("nb").activation(self.activation)
        return x + y.conv("c", width, 1).norm("nc")


class CalibrationChain(Design):
    """`depth` equal blocks on a map of `width` channels, then a classifier of 100 classes."""

    block: CalibrationBlock
    depth: Count
    width: Count
    resolution: Count = 32

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("stem", self.width, 3).norm("norm").relu()
        x = x.repeat([f"block{i}" for i in range(self.depth)], self.block)
        return x.global_pool().linear("head", 100)


class Chain(NamedTuple):
    """A chain to be measured for a batch."""

    design: CalibrationChain
    batch: int

    @property
    def image(self) -> Pair:
        """Height and width of its images in px."""
        return (self.design.resolution, self.design.resolution)

    @property
    def works(self) -> tuple[Work, ...]:
        """All calls, in order."""
        rows = trace(self.design).flat().rows
        return tuple([work for several in works_of(rows, self.batch) for work in several])


def chains(seed: int = 0, count: int = 24) -> tuple[Chain, ...]:
    """The chains to measure; equal for equal seeds. Half of them are so small that overheads are most of their time."""
    chance = random.Random(seed)
    made = []
    for i in range(count):
        small = i % 2 == 0
        block = CalibrationBlock(KINDS[i % 3], chance.choice((3, 3, 5)), chance.choice(("relu", "relu6", "silu")))
        width = 8 * round(2 ** chance.uniform(0, 2.5 if small else 4.5))
        side = round(2 ** chance.uniform(2, 5)) if small else round(2 ** chance.uniform(3, 5.5))
        made.append(
            Chain(CalibrationChain(block, chance.choice((3, 5, 8)), width, side), 1 if small else chance.choice((1, 1, 2, 4)))
        )
    return tuple(made)
