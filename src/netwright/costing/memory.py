"""Bytes that a network takes in training and in inference, read from its graph.

What a layer keeps for its backward pass is what torch's autograd keeps for the module that `build` makes of it, found
out with `torch.autograd.graph.saved_tensors_hooks` (tests/test_memory.py holds every network to it). docs/memory.md
has the rules as a table.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, get_args

from netwright.costing.states import state_copies
from netwright.errors import NetwrightError, did_you_mean
from netwright.graph import Flat, Graph, Row
from netwright.graph import layers as L
from netwright.units import short_bytes

Precision = Literal["fp32", "bf16"]
PRECISIONS: tuple[Precision, ...] = get_args(Precision)

FULL, HALF, INDEX = 4, 2, 8  # bytes of a number in fp32, in bf16, and of a max pooling's index (int64)


def number_bytes(precision: str) -> int:
    """Bytes of a number: 4 in fp32, 2 in bf16. Raises NetwrightError for another precision."""
    if precision not in PRECISIONS:
        near = did_you_mean(precision, PRECISIONS) if isinstance(precision, str) else ""
        raise NetwrightError(f"there is no precision {precision!r}{near} (known: {', '.join(PRECISIONS)})")
    return HALF if precision == "bf16" else FULL


def check_batch(batch: int) -> None:
    """Raise NetwrightError unless the batch is a whole number of at least 1."""
    if type(batch) is not int or batch < 1:
        raise NetwrightError(f"batch is {batch!r}, expected a whole number of at least 1")


# ---------------------------------------------------------------- the storages of maps


class Map(NamedTuple):
    """The output of a row: the place of the row in whose storage it lies, its shape, and the bytes of a number.

    `learns` tells whether a gradient flows through it: none flows before the first layer with weights.
    """

    place: int
    shape: L.Shape
    width: int
    learns: bool

    @property
    def numbers(self) -> int:
        """Of one image."""
        return math.prod(self.shape)


def _shares(row: Row, training: bool) -> bool:
    """Whether the output of a layer lies in its input's storage."""
    layer, kind = row.layer, type(row.layer)
    if kind not in _SHARING:
        return row.inplace
    if isinstance(layer, L.Shuffle):  # of one group, or of one channel each: nothing changes places
        return layer.groups in (1, row.shape[0])
    return not (isinstance(layer, L.Dropout) and training and layer.rate)


_SHARING = {L.Shuffle, L.Flatten, L.Dropout}
_WEIGHED = {L.Conv, L.Linear, L.Norm}


def _width(row: Row, reads: Sequence[Map], narrow: int) -> int:
    """Bytes of an output's numbers: autocast narrows what convolutions and linear layers give; sums take the wider one."""
    kind = type(row.layer)
    if narrow == FULL or kind is L.LocalNorm:
        return FULL
    if kind is L.Conv or kind is L.Linear:
        return narrow
    return max([read.width for read in reads], default=FULL)


def uses(flat: Flat, narrow: int) -> Iterator[tuple[Row, list[Map], Map]]:
    """Of each row in training: itself, the maps that it reads, the one that it gives; autocast narrows to `narrow` bytes."""
    maps: list[Map] = []
    for i, row in enumerate(flat.rows):
        reads = [maps[j] for j in row.inputs]
        place = reads[0].place if _shares(row, training=True) else i
        learns = type(row.layer) in _WEIGHED or True in [read.learns for read in reads]
        out = Map(place, row.shape, _width(row, reads, narrow), learns)
        maps.append(out)
        yield row, reads, out


# ---------------------------------------------------------------- what a backward pass keeps, one rule for each kind


class Kept(NamedTuple):
    """A storage: bytes for each image and bytes whatever the batch; `place` is that of the map it is, or NEW."""

    place: int
    per_image: int
    once: int = 0


NEW = -1


def _map(kept: Map) -> Kept:
    return Kept(kept.place, kept.numbers * kept.width)


def _cast(read: Map, narrow: int) -> Kept:
    """A map as a convolution or linear layer reads it: autocast copies what is wider, for each reader anew."""
    return _map(read) if read.width == narrow else Kept(NEW, read.numbers * narrow)


def _conv(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    layer = row.layer
    assert isinstance(layer, L.Conv)
    if layer.padding == "same":  # a padded copy, even where nothing is missing
        spans = zip(reads[0].shape[1:], row.shape[1:], layer.stride, layer.kernel, strict=True)
        read = Kept(NEW, layer.inputs * math.prod([max(size, (o - 1) * s + k) for size, o, s, k in spans]) * narrow)
    else:
        read = _cast(reads[0], narrow)
    if narrow == FULL:
        return (read,)
    area = layer.kernel[0] * layer.kernel[1]
    return read, Kept(NEW, 0, layer.outputs * (layer.inputs // layer.groups) * area * narrow)


def _linear(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    layer = row.layer
    assert isinstance(layer, L.Linear)
    read = _cast(reads[0], narrow)
    if narrow == FULL or not reads[0].learns:  # then nobody asks for the gradient that the weight gives
        return (read,)
    return read, Kept(NEW, 0, layer.inputs * layer.outputs * narrow)


def _norm(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    return _map(reads[0]), Kept(NEW, 0, 2 * row.shape[0] * FULL)  # mean and inverse deviation of each channel


def _activation(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    if row.layer.kind in ("relu", "sigmoid"):
        return (_map(out),)
    return (Kept(NEW, out.numbers * out.width) if row.inplace else _map(reads[0]),)  # in place, torch keeps a copy of the input


def _pool(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    read = _map(reads[0])
    return (read, Kept(NEW, out.numbers * INDEX)) if row.layer.kind == "max_pool" else (read,)


def _adaptive_pool(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    return () if row.shape[1:] == (1, 1) else (_map(reads[0]),)  # one cell is a mean: its gradient is the same everywhere


def _dropout(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    # the mask: as wide as the map on a CPU, one byte on a GPU
    return () if _shares(row, training=True) else (Kept(NEW, out.numbers * out.width),)


def _local_norm(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    """The map; its squares with size - 1 channels of padding, which are then averaged; k + alpha x mean; its power beta."""
    layer = row.layer
    assert isinstance(layer, L.LocalNorm)
    padded = out.numbers // row.shape[0] * (row.shape[0] + layer.size - 1)
    return _map(reads[0]), Kept(NEW, (padded + 2 * out.numbers) * FULL)


def _scale(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    layer = row.layer
    assert isinstance(layer, L.Scale)
    tensor = len(layer.factor) > 1 or layer.shift != (0.0,)  # a single number is none
    return (Kept(NEW, 0, len(layer.factor) * out.width),) if tensor else ()


def _multiply(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    """Each factor for the other's gradient."""
    return [_map(mine) for mine, other in (reads, reads[::-1]) if other.learns]


def _nothing(row: Row, reads: Sequence[Map], out: Map, narrow: int) -> Iterable[Kept]:
    return ()


Rule = Callable[[Row, Sequence[Map], Map, int], Iterable[Kept]]
RULES: dict[type[L.Layer], Rule] = {
    L.Input: _nothing,
    L.Conv: _conv,
    L.Norm: _norm,
    L.Linear: _linear,
    L.Activation: _activation,
    L.Pool: _pool,
    L.AdaptivePool: _adaptive_pool,
    L.Flatten: _nothing,
    L.Dropout: _dropout,
    L.LocalNorm: _local_norm,
    L.Scale: _scale,
    L.Shuffle: _nothing,
    L.Subsample: _nothing,
    L.Add: _nothing,
    L.Multiply: _multiply,
    L.Concat: _nothing,
}


def _kept(flat: Flat, narrow: int) -> list[tuple[int, int]]:
    """Of each row: the bytes for each image and the bytes whatever the batch that its backward pass is the first to keep."""
    charged: set[int] = set()
    result = []
    for row, reads, out in uses(flat, narrow):
        per_image = once = 0
        if out.learns:
            for place, each, whole in RULES[type(row.layer)](row, reads, out, narrow):
                if place == NEW or place not in charged:
                    per_image += each
                    once += whole
                    charged.add(place)
        result.append((per_image, once))
    return result


def saved_bytes(flat: Flat, batch: int = 1, precision: Precision = "fp32") -> tuple[int, ...]:
    """The bytes that each layer's backward pass keeps of a training forward pass: one number for each row.

    A storage is charged once, to the first row that keeps it. Parameters and buffers are not counted; under bf16
    (autocast) the casts of weights are. Raises NetwrightError for a batch or a precision that cannot be.

    >>> from netwright.graph import trace
    >>> from netwright.zoo import network
    >>> sum(saved_bytes(trace(network("resnet50")).flat(), batch=32)) // 2**20
    2621
    """
    check_batch(batch)
    return tuple([batch * per_image + once for per_image, once in _kept(flat, number_bytes(precision))])


# ---------------------------------------------------------------- inference


def live_numbers(flat: Flat) -> tuple[int, ...]:
    """For each row, the numbers of one image's maps that are alive while it runs in evaluation mode.

    These are what it reads and writes and what a later row or the caller still needs. Maps in one storage
    (in-place activations, flattening, dropout) count once; the image counts until its last use.
    """
    rows = flat.rows
    places: list[int] = []
    last = [0] * len(rows)  # the row that is the last to need a storage
    for i, row in enumerate(rows):
        places.append(places[row.inputs[0]] if _shares(row, training=False) else i)
        last[places[i]] = i
        for j in row.inputs:
            last[places[j]] = i
    for i in flat.outputs:
        last[places[i]] = len(rows)
    numbers = [math.prod(row.shape) if place == i else 0 for i, (row, place) in enumerate(zip(rows, places, strict=True))]
    dying = [0] * (len(rows) + 1)  # numbers that no row after this one needs
    for place, end in enumerate(last):
        dying[end] += numbers[place]
    alive, result = sum([n for row, n in zip(rows, numbers, strict=True) if not row.inputs]), []
    for i, row in enumerate(rows):
        if row.inputs:
            alive += numbers[i]
        result.append(alive)
        alive -= dying[i]
    return tuple(result)


# ---------------------------------------------------------------- the whole of it


@dataclass(frozen=True)
class Memory:
    """Bytes of a network at a batch, a precision and with an optimizer.

    `parameters`, `gradients` and `state` are in fp32 in training, under bf16 autocast too (the parameters are then their
    own master weights; their bf16 casts are in `saved`). `saved` is what autograd keeps between the forward and the
    backward pass. `weights` are the parameters in the bytes of the precision, as inference holds them, `maps` the
    largest sum of feature maps that are alive at once.
    """

    batch: int
    precision: Precision
    optimizer: str
    parameters: int
    gradients: int
    state: int
    saved: int
    weights: int
    maps: int

    @property
    def training(self) -> int:
        """Parameters, gradients, optimizer state and saved bytes."""
        return self.parameters + self.gradients + self.state + self.saved

    @property
    def inference(self) -> int:
        """Weights and the largest sum of live maps."""
        return self.weights + self.maps


def memory_of(
    graph: Graph, batch: int = 1, precision: Precision = "fp32", optimizer: str = "momentum", flat: Flat | None = None
) -> Memory:
    """The bytes that the network of a graph takes in training and in inference. `flat` is the flat graph, where it is at hand.

    Not counted: workspaces of convolutions, buffers (the norms' running statistics), gradients of maps, what an
    allocator rounds up, a device's context. Raises NetwrightError for a batch, a precision or an optimizer that
    cannot be.

    >>> from netwright.graph import trace
    >>> from netwright.zoo import network
    >>> memory = memory_of(trace(network("resnet50")), batch=32)
    >>> memory.training // 2**20, memory.inference // 2**20
    (2914, 391)
    """
    flat, width, full = flat or graph.flat(), number_bytes(precision), graph.params * FULL
    saved = sum(saved_bytes(flat, batch, precision))
    maps = batch * width * max(live_numbers(flat))
    return Memory(batch, precision, optimizer, full, full, state_copies(optimizer) * full, saved, graph.params * width, maps)


def largest_batch(graph: Graph, limit: int, precision: Precision = "fp32", optimizer: str = "momentum") -> int:
    """The largest batch whose training (`Memory.training`) fits into `limit` bytes.

    Raises NetwrightError where not even one image fits, saying how much that needs, and where an image takes nothing.
    """
    if type(limit) is not int or limit < 1:
        raise NetwrightError(f"the limit is {limit!r}, expected a whole number of bytes")
    one, two = [memory_of(graph, batch, precision, optimizer).training for batch in (1, 2)]
    if one > limit:
        raise NetwrightError(
            f"training needs {short_bytes(one)} ({one:,} bytes) for a batch of 1: more than the limit of {short_bytes(limit)}"
        )
    if one == two:
        raise NetwrightError("training keeps nothing for an image: every batch fits")
    return 1 + (limit - one) // (two - one)  # what is kept grows by the same bytes with each image
