"""Receptive fields: how many pixels of the image one output sees, and how far apart the fields of neighbours lie.

The recursion of Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks"
(distill.pub, 2019): a window of k at stride s makes the field r + (k - 1) j of a field r with the jump j, and the
jump s j. Fields are those of an output far from the border: they may be larger than the image, and what lies
beyond it is padding.

Where paths join, the field spans all of them (the largest one, where they have one centre). A map that is scaled by
a gate of one pixel per channel is counted without it: through a gate of squeeze-and-excitation every output depends on
the whole image, and the literature counts the main path.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from netwright.graph import Flat, Layer, Row, Shape
from netwright.graph.layers import AdaptivePool, Conv, Flatten, Multiply, Pair, Pool, Subsample

Jump = tuple[float, float]


class Field(NamedTuple):
    """Height and width in pixels of what one output sees, and the distance of neighbours' fields; None for flat maps.

    Jumps are whole numbers but for the mean one of an adaptive pooling whose cells are not all of one size.
    """

    size: Pair
    jump: Jump | None


class Window(NamedTuple):
    """What one output of a layer looks at along one axis: `kernel` values from `stride` times its place less `padding` on."""

    kernel: int
    stride: float
    padding: int


class Span(NamedTuple):
    """A field along one axis, exactly: that of output i begins at pixel start + i x jump; it is never longer than `limit`."""

    size: float = 1
    jump: float = 1
    start: float = 0
    limit: float = math.inf

    def over(self, window: Window) -> Span:
        """The field of an output that looks at a window of outputs with this one."""
        size = min(self.size + (window.kernel - 1) * self.jump, self.limit)
        return Span(size, self.jump * window.stride, self.start - window.padding * self.jump, self.limit)

    def whole(self, count: int) -> float:
        """What `count` neighbours see together."""
        return min(self.size + (count - 1) * self.jump, self.limit)


def windows(layer: Layer, given: Shape, out: Shape) -> tuple[Window, Window]:
    """The windows of a layer along height and width, for a map of shape `given`; (1, 1, 0) where each value sees its own."""
    if len(given) != 3:
        return Window(1, 1, 0), Window(1, 1, 0)
    height, width = [_window(layer, axis, given[axis + 1], out[axis + 1] if len(out) == 3 else 1) for axis in (0, 1)]
    return height, width


def _window(layer: Layer, axis: int, size: int, out: int) -> Window:
    if isinstance(layer, Conv):
        kernel, stride = layer.kernel[axis], layer.stride[axis]
        missing = max((out - 1) * stride + kernel - size, 0) // 2  # before; the odd one comes after
        return Window(kernel, stride, missing if layer.padding == "same" else layer.padding[axis])
    if isinstance(layer, Pool):
        return Window(layer.kernel[axis], layer.stride[axis], layer.padding[axis])
    if isinstance(layer, AdaptivePool):
        cells = [-(-(i + 1) * size // out) - i * size // out for i in range(out)]
        return Window(max(cells), size // out if size % out == 0 else _share(size, out), 0)
    if isinstance(layer, Flatten):
        return Window(size, size, 0)
    if isinstance(layer, Subsample):
        return Window(1, layer.stride, 0)
    return Window(1, 1, 0)


def _share(size: int, out: int) -> float:
    from fractions import Fraction  # seldom needed, and slow to load

    return Fraction(size, out)  # type: ignore[return-value]  # exact, so that sums of jumps are


def joined(spans: Sequence[Span]) -> Span:
    """The field that spans several: from the first pixel of any to the last one of any."""
    if len(spans) == 1:
        return spans[0]
    start = min(span.start for span in spans)
    end = max(span.start + span.size for span in spans)
    limit = max(span.limit for span in spans)
    return Span(min(end - start, limit), max(span.jump for span in spans), start, limit)


Spans = tuple[Span, Span]  # along height and width


def spans(flat: Flat) -> tuple[Spans, ...]:
    """The field of every row along both axes, with where it begins."""
    reached: list[Spans] = []
    for row in flat.rows:
        reached.append(_step(flat, row, [reached[i] for i in counted(flat, row)]))
    return tuple(reached)


def fields(flat: Flat) -> tuple[Field, ...]:
    """The receptive field of every row, in pixels of the graph's input.

    >>> from netwright.graph import trace
    >>> from netwright.zoo import network
    >>> flat = trace(network("vgg16")).flat()
    >>> dict(zip([row.name for row in flat.rows], fields(flat)))["features.30"]
    Field(size=(212, 212), jump=(32, 32))
    """
    return tuple([field_of(found, row.shape) for found, row in zip(spans(flat), flat.rows, strict=True)])


def kernel_of(flat: Flat, places: Sequence[int]) -> Field:
    """Effective kernel (size) and stride (jump) of a group of rows: the field of the last in values of the maps they read."""
    reached: dict[int, Spans] = {}
    own = (Span(), Span())
    for place in places:
        row = flat.rows[place]
        reached[place] = _step(flat, row, [reached.get(i, own) for i in counted(flat, row)])
    return field_of(reached[places[-1]], flat.rows[places[-1]].shape)


def is_gated(flat: Flat, row: Row) -> bool:
    """Whether the row scales a map by a gate of one pixel for each channel."""
    return isinstance(row.layer, Multiply) and flat.rows[row.inputs[1]].shape != row.shape


def counted(flat: Flat, row: Row) -> tuple[int, ...]:
    """The inputs through which the field is counted."""
    return row.inputs[:1] if is_gated(flat, row) else row.inputs


def _step(flat: Flat, row: Row, read: list[Spans]) -> Spans:
    if not read:
        return Span(), Span()
    given = flat.rows[row.inputs[0]].shape
    height, width = [joined(axis) for axis in zip(*read, strict=True)]
    if isinstance(row.layer, AdaptivePool):  # its cells cover the map: no later window can see more
        height = height._replace(limit=height.whole(given[1]))
        width = width._replace(limit=width.whole(given[2]))
    over_height, over_width = windows(row.layer, given, row.shape)
    return height.over(over_height), width.over(over_width)


def field_of(found: Spans, shape: Shape) -> Field:
    """Whole pixels, and no jump for a flat shape."""
    size = math.ceil(found[0].size), math.ceil(found[1].size)
    return Field(size, (plain(found[0].jump), plain(found[1].jump)) if len(shape) == 3 else None)


def plain(value: float) -> float:
    """A jump as an integer, where it is one, or a float."""
    return int(value) if value == int(value) else float(value)
