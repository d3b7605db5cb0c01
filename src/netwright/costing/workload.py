"""What a layer gives a machine to do: kind, multiply-accumulates, values moved, and the traits that decide its speed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from netwright.graph.layers import (
    Activation,
    AdaptivePool,
    Concat,
    Conv,
    Dropout,
    Flatten,
    Input,
    Item,
    Layer,
    Linear,
    LocalNorm,
    Multiply,
    Norm,
    Pool,
    Scale,
    Shape,
    Shuffle,
    Subsample,
)

# torch computes a convolution of one image that reads at most so many values, by a window of at most 3, without oneDNN
SMALL_READ, SMALL_KERNEL = 20480, 3
IN_PLACE = " in place"  # ends the kind of an activation that writes over its input
LANES = 8  # values that vector units take at once; kernels fill channels up to a multiple


Traits = tuple[float, ...]


class Work(NamedTuple):
    """One call of a layer, the batch included.

    `macs` are multiply-accumulates (for pooling: values looked at), `read`, `written` and `weights` numbers of values.
    `traits` are base-2 logarithms by which calls of a kind are near to each other; each kind has its own.
    """

    kind: str
    macs: float
    read: float
    written: float
    weights: float
    traits: Traits


def work_of(layer: Layer, inputs: Sequence[Shape], out: Shape, batch: int, inplace: bool = False) -> tuple[Work, ...]:
    """The calls that a layer takes for maps of the shapes `inputs` (without the batch); none where it only renames values.

    >>> from netwright.graph.layers import Conv
    >>> [work.kind for work in work_of(Conv(64, 64, (3, 3), (1, 1), (1, 1)), [(64, 56, 56)], (64, 56, 56), 1)]
    ['conv']
    """
    if isinstance(layer, Conv):
        return _of_conv(layer, inputs[0], out, batch)
    if isinstance(layer, Linear):
        sizes = (_log(layer.inputs), _log(layer.outputs), _log(batch))
        macs = batch * layer.inputs * layer.outputs
        return (Work("linear", macs, batch * layer.inputs, batch * layer.outputs, layer.inputs * layer.outputs, sizes),)
    if isinstance(layer, (Input, Item, Flatten, Dropout)):  # a view, or nothing once trained
        return ()
    return _of_values(layer, inputs, out, batch, inplace)


def _of_conv(layer: Conv, given: Shape, out: Shape, batch: int) -> tuple[Work, ...]:
    pixels, area = out[1] * out[2], layer.kernel[0] * layer.kernel[1]
    inside, outside = layer.inputs // layer.groups, layer.outputs // layer.groups
    macs = batch * layer.outputs * pixels * inside * area
    read, weights = batch * math.prod(given), layer.outputs * inside * area
    strides = layer.stride[0] * layer.stride[1]
    sizes = (_log(batch), _log(pixels), _log(area), _log(strides))
    ends: Traits = (_log(layer.inputs), _log(layer.outputs), _waste(inside), _waste(outside))
    kind = "conv" if area > 1 else "pointwise"
    if layer.groups > 1 and inside == outside == 1:
        kind, ends = "depthwise", (_log(layer.inputs), _waste(layer.inputs))
    elif layer.groups > 1:
        kind, ends = "grouped", (_log(layer.groups), _log(inside), _log(outside), _waste(inside), _waste(outside))
    elif layer.inputs < LANES:
        kind, ends = "stem", (_log(layer.inputs), _log(layer.outputs), _waste(outside))
    else:
        ends = (*ends, 3.0 * (batch == 1 and read <= SMALL_READ and min(layer.kernel) <= SMALL_KERNEL))
    made = Work(kind, macs, read, batch * math.prod(out), weights, (*sizes, *ends))
    if layer.padding != "same":
        return (made,)
    return Work("pad", 0, read, read, 0, (_log(read),)), made


def _of_values(layer: Layer, inputs: Sequence[Shape], out: Shape, batch: int, inplace: bool) -> tuple[Work, ...]:
    """The calls of a layer without macs, which costs by the values that it moves."""
    read, written = batch * sum(map(math.prod, inputs)), batch * math.prod(out)
    kind, looked = layer.kind, 0
    traits: Traits = (_log(written),)
    if isinstance(layer, Activation):
        kind += IN_PLACE if inplace else ""
    elif isinstance(layer, Norm):
        traits = (_log(written), _log(layer.channels))
    elif isinstance(layer, Pool):
        area, strides = math.prod(layer.kernel), math.prod(layer.stride)
        looked, traits = written * area, (_log(written), _log(area), _log(strides), _log(math.prod(out[1:])))
    elif isinstance(layer, AdaptivePool):
        kind = "global_pool" if layer.size == (1, 1) else "adaptive_pool"
        traits = (_log(batch * out[0]), _log(math.prod(inputs[0][1:])), _log(math.prod(out[1:])))
    elif isinstance(layer, Multiply):
        kind = "multiply" if len(set(inputs)) == 1 else "gate"
        traits = (_log(written), _log(out[0]))
    elif isinstance(layer, Concat):
        traits = (_log(written), _log(len(inputs)))
    elif isinstance(layer, LocalNorm):
        looked = written * layer.size
        traits = (_log(written), _log(layer.size))
    elif isinstance(layer, Scale):
        kind = "scale" if len(layer.factor) == 1 and layer.shift == (0.0,) else "scale_channels"
    elif isinstance(layer, (Shuffle, Subsample)):
        traits = (_log(written), _log(math.prod(out[1:])))
    return (Work(kind, looked, read, written, 0, traits),)


def _log(value: float) -> float:
    return round(math.log2(max(value, 1)), 4)


def _waste(channels: int) -> float:
    """Logarithm of the share by which channels are filled up to full vectors."""
    return round(math.log2(-(-channels // LANES) * LANES / channels), 4)
