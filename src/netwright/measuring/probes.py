"""The synthetic layers that a machine is measured with: drawn over wide ranges of shapes, from no network."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from netwright.costing.workload import Work, work_of
from netwright.graph import layers as L
from netwright.graph.layers import Layer, Shape
from netwright.graph.tracing import ACTIVATIONS

MOST_MACS = 6e8  # of one call: 5 to 20 ms on a core or two
MOST_VALUES = 5 << 22  # of a map, the batch included: 80 MiB
MOST_WEIGHTS = 1 << 23
LEAST_MACS = 2e5  # of a convolution: below it a call's overhead is all there is, and some probes are there already


@dataclass(frozen=True)
class Padding(Layer):
    """The zeros that "same" padding puts around a map before a convolution: a call of its own."""

    kind = "pad"


class Probe(NamedTuple):
    """A layer to be measured, the shapes of its inputs without the batch, and whether it writes over its input."""

    layer: Layer
    inputs: tuple[Shape, ...]
    batch: int
    inplace: bool = False

    @property
    def out(self) -> Shape:
        """The shape of the output without the batch."""
        first = self.inputs[0]
        if isinstance(self.layer, L.Concat):
            return sum(shape[0] for shape in self.inputs), *first[1:]
        return self.layer.out(first)

    @property
    def work(self) -> Work:
        """What is to be done: the calls of a layer without padding are one."""
        if isinstance(self.layer, Padding):
            same = L.Conv(self.inputs[0][0], 1, (1, 1), padding="same")
            return work_of(same, self.inputs, same.out(self.inputs[0]), self.batch)[0]
        (work,) = work_of(self.layer, self.inputs, self.out, self.batch, self.inplace)
        return work


Draw = Callable[[random.Random], Probe]


def _near(chance: random.Random, least: float, most: float) -> float:
    """Any number of a range, each octave as likely as the next."""
    return 2 ** chance.uniform(math.log2(least), math.log2(most))


def _channels(chance: random.Random, least: int, most: int) -> int:
    """Mostly multiples of 8, as designers like them, but any number may come."""
    multiple = chance.choice((1, 2, 4, 8, 8, 8, 16, 16, 32))
    return max(least, round(_near(chance, least, most) / multiple) * multiple)


def _side(chance: random.Random, most: int = 224) -> int:
    return round(_near(chance, 3, most))


def _batch(chance: random.Random) -> int:
    return chance.choice((1, 1, 1, 1, 2, 4, 8, 16))


def _map(chance: random.Random, least: int = 8, most: int = 2048) -> tuple[Shape, int]:
    """The shape of a map and a batch, of 500 values or more, every octave as likely."""
    values, side, batch = _near(chance, 500, MOST_VALUES), _side(chance), _batch(chance)
    channels = min(most, max(least, round(values / side / side / batch)))
    return (channels, side, side), batch


def _kernel(chance: random.Random) -> tuple[int, int]:
    return chance.choice(((3, 3), (3, 3), (3, 3), (3, 3), (5, 5), (5, 5), (7, 7), (1, 7), (7, 1), (1, 3), (3, 1), (2, 2)))


def _conv(chance: random.Random, kernel: tuple[int, int], sizes: tuple[int, int, int], strided: float) -> Probe:
    """`sizes` are input channels, output channels and groups; `strided` the chance of a stride of 2."""
    stride = 2 if chance.random() < strided else 1
    padding = (kernel[0] // 2, kernel[1] // 2)
    side = max(_side(chance), *kernel)
    layer = L.Conv(sizes[0], sizes[1], kernel, (stride, stride), padding, sizes[2], chance.random() < 0.3)
    return Probe(layer, ((sizes[0], side, side),), _batch(chance))


def conv(chance: random.Random) -> Probe:
    """A dense convolution with a window of more than one pixel."""
    return _conv(chance, _kernel(chance), (_channels(chance, 8, 1024), _channels(chance, 8, 1024), 1), 0.2)


def pointwise(chance: random.Random) -> Probe:
    """A dense 1x1 convolution; gates run it on one pixel."""
    made = _conv(chance, (1, 1), (_channels(chance, 8, 3072), _channels(chance, 8, 3072), 1), 0.12)
    return made if chance.random() < 0.85 else made._replace(inputs=((made.inputs[0][0], 1, 1),))


def stem(chance: random.Random) -> Probe:
    """The first convolution of a network, which sees an image."""
    kernel, stride = chance.choice(((3, 2), (3, 2), (3, 1), (7, 2), (11, 4), (5, 2), (6, 2)))
    layer = L.Conv(chance.choice((1, 3, 3, 3, 4)), _channels(chance, 8, 128), (kernel,) * 2, (stride,) * 2, (kernel // 2,) * 2)
    side = round(_near(chance, 24, 640))
    return Probe(layer, ((layer.inputs, side, side),), _batch(chance))


def depthwise(chance: random.Random) -> Probe:
    """A convolution that filters each channel."""
    kernel = chance.choice((3, 3, 3, 5, 5, 7))
    channels = _channels(chance, 8, 3072)
    return _conv(chance, (kernel, kernel), (channels, channels, channels), 0.3)


def grouped(chance: random.Random) -> Probe:
    """A convolution in groups of more than one channel."""
    groups = round(_near(chance, 2, 96))
    inside = chance.choice((2, 4, 4, 8, 8, 12, 16, 16, 24, 32, 40, 48, 56, 64, 96, 128, 168, 232))
    outside = inside if chance.random() < 0.8 else chance.choice((4, 8, 16, 32, 64))
    return _conv(chance, chance.choice(((3, 3),) * 6 + ((1, 1), (5, 5))), (inside * groups, outside * groups, groups), 0.25)


def linear(chance: random.Random) -> Probe:
    """A fully connected layer."""
    layer = L.Linear(_channels(chance, 16, 16384), _channels(chance, 10, 8192), chance.random() < 0.8)
    return Probe(layer, ((layer.inputs,),), _batch(chance))


def norm(chance: random.Random) -> Probe:
    """A batch normalization with its running statistics."""
    shape, batch = _map(chance)
    return Probe(L.Norm(shape[0]), (shape,), batch)


def max_pool(chance: random.Random) -> Probe:
    """A maximum over windows."""
    return _pool(chance, "max_pool")


def avg_pool(chance: random.Random) -> Probe:
    """A mean over windows."""
    return _pool(chance, "avg_pool")


def _pool(chance: random.Random, kind: str) -> Probe:
    kernel, stride = chance.choice(((3, 2), (3, 2), (2, 2), (3, 1), (3, 1), (5, 3)))
    shape, batch = _map(chance)
    shape = (shape[0], max(shape[1], kernel), max(shape[2], kernel))
    padding = kernel // 2 if stride == 1 or chance.random() < 0.5 else 0
    return Probe(L.Pool(kind, (kernel,) * 2, (stride,) * 2, (padding,) * 2), (shape,), batch)


def global_pool(chance: random.Random) -> Probe:
    """A mean over all pixels."""
    shape, batch = _map(chance)
    return Probe(L.AdaptivePool((1, 1)), (shape,), batch)


def adaptive_pool(chance: random.Random) -> Probe:
    """Means over a grid of a few cells."""
    shape, batch = _map(chance)
    return Probe(L.AdaptivePool((chance.choice((2, 3, 6, 7)),) * 2), (shape,), batch)


def add(chance: random.Random) -> Probe:
    """The sum of two maps."""
    shape, batch = _map(chance)
    return Probe(L.Add(), (shape, shape), batch)


def multiply(chance: random.Random) -> Probe:
    """The product of two maps."""
    shape, batch = _map(chance)
    return Probe(L.Multiply(), (shape, shape), batch)


def gate(chance: random.Random) -> Probe:
    """A map times a gate of one pixel."""
    shape, batch = _map(chance)
    return Probe(L.Multiply(), (shape, (shape[0], 1, 1)), batch)


def concat(chance: random.Random) -> Probe:
    """Two to eight maps joined."""
    shape, batch = _map(chance)
    count = chance.choice((2, 2, 3, 4, 4, 6, 8))
    return Probe(
        L.Concat(), tuple((max(1, round(shape[0] * _near(chance, 0.3, 1.5) / count)), *shape[1:]) for _ in range(count)), batch
    )


def scale(chance: random.Random) -> Probe:
    """A map times a constant."""
    shape, batch = _map(chance)
    return Probe(L.Scale((0.5,)), (shape,), batch)


def scale_channels(chance: random.Random) -> Probe:
    """An image scaled and shifted channel by channel."""
    side = round(_near(chance, 24, 640))
    return Probe(L.Scale((0.5, 0.6, 0.7), (0.1, 0.2, 0.3)), ((3, side, side),), _batch(chance))


def shuffle(chance: random.Random) -> Probe:
    """Channels dealt out to groups."""
    shape, batch = _map(chance)
    groups = chance.choice((2, 3, 4, 8))
    return Probe(L.Shuffle(groups), ((-(-shape[0] // groups) * groups, *shape[1:]),), batch)


def subsample(chance: random.Random) -> Probe:
    """Every second pixel and twice the channels."""
    shape, batch = _map(chance, 8, 1024)
    return Probe(L.Subsample(2 * shape[0], 2), (shape,), batch)


def local_norm(chance: random.Random) -> Probe:
    """Local response normalization."""
    shape, batch = _map(chance, 16, 512)
    return Probe(L.LocalNorm(5, 1e-4, 0.75, 1.0), (shape,), batch)


def pad(chance: random.Random) -> Probe:
    """A map with zeros around it."""
    shape, batch = _map(chance)
    return Probe(Padding(), (shape,), batch)


def _activation(kind: str, inplace: bool) -> Draw:
    def draw(chance: random.Random) -> Probe:
        shape, batch = _map(chance)
        return Probe(ACTIVATIONS[kind], (shape,), batch, inplace)

    return draw


# How many of each; where the time of networks goes there are more.
_COUNTS: tuple[tuple[Draw, int], ...] = (
    (conv, 80), (pointwise, 72), (depthwise, 48), (grouped, 48), (stem, 16), (linear, 20), (norm, 24), (max_pool, 14),
    (avg_pool, 12), (global_pool, 10), (adaptive_pool, 8), (add, 20), (multiply, 10), (gate, 12), (concat, 14), (scale, 6),
    (scale_channels, 6), (shuffle, 8), (subsample, 8), (local_norm, 8), (pad, 14),
)  # fmt: skip
_EACH_ACTIVATION = 8
INPLACE = ("relu", "relu6", "silu")


def probes(seed: int = 0) -> tuple[Probe, ...]:
    """The layers to measure, in random order; equal for equal seeds."""
    chance = random.Random(seed)
    kinds = [*_COUNTS, *[(_activation(kind, False), _EACH_ACTIVATION) for kind in ACTIVATIONS]]
    kinds += [(_activation(kind, True), _EACH_ACTIVATION) for kind in INPLACE]
    made = [_fitting(draw, chance) for draw, count in kinds for _ in range(count)]
    chance.shuffle(made)
    return tuple(made)


def _fitting(draw: Draw, chance: random.Random) -> Probe:
    """A probe that is neither too big for a short measurement nor too small to say anything."""
    while True:
        made = draw(chance)
        work = made.work
        dense = isinstance(made.layer, L.Conv)
        fits = work.macs <= MOST_MACS and max(work.read, work.written) <= MOST_VALUES and work.weights <= MOST_WEIGHTS
        if fits and (not dense or work.macs > LEAST_MACS or chance.random() < 0.1):
            return made
