"""What several claims read off graphs, and the small designs that they compare."""

from __future__ import annotations

from collections.abc import Iterable

from netwright.graph import Count, Design, FeatureMap, Flat, Graph, Row, trace
from netwright.graph.layers import Conv, Input, Layer, Linear
from netwright.zoo import network

BATCH = 128  # of the lecture's tables
MEBI = 2**20
Side = tuple[Count, Count]


class Convs(Design):
    """Convolutions of one width one after the other, with nothing between."""

    kernels: tuple[Side, ...] = ((3, 3),)
    width: Count = 64
    groups: Count = 1

    def __call__(self, x: FeatureMap) -> FeatureMap:
        for i, kernel in enumerate(self.kernels):
            x = x.conv(f"conv{i}", self.width, kernel, groups=self.groups)
        return x


class Single(Design):
    """One block of `width` by itself."""

    body: Design
    width: Count
    stride: Count = 1

    def __call__(self, x: FeatureMap) -> FeatureMap:
        made: FeatureMap = x.block("block", self.body, self.width, self.stride)
        return made


def traced(name: str, image: int | None = None) -> Graph:
    """The graph of a network of the zoo."""
    return trace(network(name), image)


def convs(rows: Iterable[Row]) -> list[Row]:
    """The convolutions among them."""
    return [row for row in rows if isinstance(row.layer, Conv)]


def conv_of(row: Row) -> Conv:
    """The row's layer, which is a convolution."""
    assert isinstance(row.layer, Conv)
    return row.layer


def is_depthwise(row: Row) -> bool:
    """Whether it filters each of several channels by itself."""
    return isinstance(row.layer, Conv) and row.layer.groups == row.layer.inputs > 1


def longest(flat: Flat, counted: type[Layer] | tuple[type[Layer], ...] = (Conv, Linear)) -> int:
    """Layers of these kinds on the longest way from the image to an output."""
    reached: list[int] = []
    for row in flat.rows:
        before = max([reached[i] for i in row.inputs], default=0)
        reached.append(before + isinstance(row.layer, counted))
    return max(reached[i] for i in flat.outputs)


def readers(flat: Flat) -> dict[int, list[Row]]:
    """Who reads the map of each row, by its place."""
    found: dict[int, list[Row]] = {i: [] for i in range(len(flat.rows))}
    for row in flat.rows:
        for i in row.inputs:
            found[i].append(row)
    return found


def blocks(flat: Flat, *stages: str) -> dict[str, list[int]]:
    """The places of the rows of each block directly in these stages (`blocks.0`, `layer1`): `blocks.0.0`, `layer1.2`, ..."""
    found: dict[str, list[int]] = {}
    for i, row in enumerate(flat.rows):
        for stage in stages:
            if row.name.startswith(stage + ".") and not isinstance(row.layer, Input):
                found.setdefault(f"{stage}.{row.name.removeprefix(stage + '.').partition('.')[0]}", []).append(i)
    return found


def entered(flat: Flat, places: list[int]) -> tuple[int, ...]:
    """The shape of the map that comes into a group of rows: that of the first one's input."""
    return flat.rows[flat.rows[places[0]].inputs[0]].shape


def listed(values: Iterable[object]) -> str:
    """`1, 2 and 3`."""
    told = [f"{value:.3g}" if isinstance(value, float) else str(value) for value in values]
    return told[0] if len(told) == 1 else f"{', '.join(told[:-1])} and {told[-1]}"
