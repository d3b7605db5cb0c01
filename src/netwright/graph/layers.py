"""The layers: what each does to a shape, how many params it has and how many macs it takes.

A shape is that of one image without the batch: (channels, height, width), or (features,) once
flattened. Layers are frozen values with their sizes already resolved; `FeatureMap` makes them.
Counting conventions: macs are the multiply-accumulates of convolutions and linear layers, without
biases; acts are the outputs of those layers; norms, activations, pooling and sums count nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from netwright.errors import DesignError, VanishedError

Shape = tuple[int, ...]
Pair = tuple[int, int]
Padding = Pair | Literal["same"]
Counts = tuple[int, int, int]  # params, macs and acts of one image (plain tuples: none of the collector's business)


def pair(value: int | Pair) -> Pair:
    """(height, width) of a kernel, stride or padding given as one number or two."""
    return (value, value) if isinstance(value, int) else value


def slide(shape: Shape, kernel: Pair, stride: Pair, padding: Pair, ceil: bool = False) -> Pair:
    """Height and width that are left when a window slides over a (channels, height, width) shape.

    `ceil` rounds up, but no last window may start in the padding after the picture (torch's rule).
    """
    if len(shape) != 3:
        raise DesignError(f"needs a map of (channels, height, width), got {shape}")
    height = _slide(shape[1], kernel[0], stride[0], padding[0], ceil)
    return height, _slide(shape[2], kernel[1], stride[1], padding[1], ceil)


def _slide(size: int, kernel: int, stride: int, padding: int, ceil: bool) -> int:
    span = size + 2 * padding - kernel
    out = (span + (stride - 1 if ceil else 0)) // stride + 1
    if ceil and (out - 1) * stride >= size + padding:
        out -= 1
    if out < 1:
        extra = f" with padding {padding}" if padding else ""
        raise VanishedError(f"a window of {kernel} does not fit into {size} pixels{extra}: the image is too small")
    return out


class Layer:
    """What every layer answers. Those that hold no weights keep the answers given here."""

    __slots__ = ()
    kind: str

    def out(self, shape: Shape) -> Shape:
        """The output shape; raises DesignError when the layer cannot take the input."""
        return shape

    def counts(self, out: Shape) -> Counts | None:
        """What a use of the layer with the output shape `out` costs; None for nothing."""
        return None

    def __str__(self) -> str:
        return self.kind


@dataclass(frozen=True, slots=True)
class Input(Layer):
    """Where a graph begins."""

    kind = "input"


@dataclass(frozen=True, slots=True)
class Conv(Layer):
    """A convolution; each of `groups` slices of outputs sees inputs / groups channels.

    Padding "same" is TensorFlow's: so much that stride s leaves a map of size / s, rounded up; an odd
    pixel goes to the right and the bottom, and how much depends on the map's size.
    `role` tells `build` how the paper initializes it ("" as the family's other convolutions).
    """

    inputs: int
    outputs: int
    kernel: Pair
    stride: Pair = (1, 1)
    padding: Padding = (0, 0)
    groups: int = 1
    bias: bool = False
    role: str = ""

    kind = "conv"

    def out(self, shape: Shape) -> Shape:
        if self.padding == "same":
            size = slide(shape, (1, 1), self.stride, (0, 0), ceil=True)
        else:
            size = slide(shape, self.kernel, self.stride, self.padding)
        if self.inputs % self.groups or self.outputs % self.groups:
            raise DesignError(f"{self.groups} groups do not divide {self.inputs} -> {self.outputs} channels")
        return self.outputs, *size

    def counts(self, out: Shape) -> Counts:
        acts = self.outputs * out[1] * out[2]
        per_output = self.inputs // self.groups * self.kernel[0] * self.kernel[1]
        return self.outputs * (per_output + self.bias), acts * per_output, acts

    def __str__(self) -> str:
        stride = "" if self.stride == (1, 1) else f"/{_size(self.stride)}"
        groups = "" if self.groups == 1 else f" g{self.groups}"
        return f"conv {_size(self.kernel, 2)}{stride}{groups}"


@dataclass(frozen=True, slots=True)
class Norm(Layer):
    """Batch normalization with a learned scale and shift per channel."""

    channels: int
    eps: float = 1e-5
    momentum: float = 0.1
    role: str = ""

    kind = "norm"

    def counts(self, out: Shape) -> Counts:
        return 2 * self.channels, 0, 0


@dataclass(frozen=True, slots=True)
class Linear(Layer):
    """A fully connected layer on a flat map."""

    inputs: int
    outputs: int
    bias: bool = True
    role: str = ""

    kind = "linear"

    def out(self, shape: Shape) -> Shape:
        if shape != (self.inputs,):
            raise DesignError(f"needs a flat map of {self.inputs} features, got {shape}: flatten or pool it first")
        return (self.outputs,)

    def counts(self, out: Shape) -> Counts:
        return self.outputs * (self.inputs + self.bias), self.inputs * self.outputs, self.outputs


@dataclass(frozen=True, slots=True)
class Activation(Layer):
    """An elementwise function by its name in torch.nn.functional: relu, relu6, silu, sigmoid."""

    kind: str


@dataclass(frozen=True, slots=True)
class Pool(Layer):
    """Maximum or average over a sliding window."""

    kind: str  # max_pool or avg_pool
    kernel: Pair
    stride: Pair
    padding: Pair = (0, 0)
    ceil: bool = False
    count_pad: bool = True  # an average counts the padding's zeros
    divisor: int | None = None  # of an average, in place of the window's area

    def out(self, shape: Shape) -> Shape:
        if any(2 * p > k for p, k in zip(self.padding, self.kernel, strict=True)):
            raise DesignError(f"padding {self.padding} is more than half of the window {self.kernel}")
        return shape[0], *slide(shape, self.kernel, self.stride, self.padding, self.ceil)

    def __str__(self) -> str:
        return f"{self.kind} {_size(self.kernel, 2)}/{_size(self.stride)}"


@dataclass(frozen=True, slots=True)
class AdaptivePool(Layer):
    """Average over a grid of `size` cells, whatever the map's height and width."""

    size: Pair

    kind = "adaptive_pool"

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 3:
            raise DesignError(f"needs a map of (channels, height, width), got {shape}")
        return shape[0], *self.size

    def __str__(self) -> str:
        return f"adaptive_pool {_size(self.size, 2)}"


@dataclass(frozen=True, slots=True)
class Flatten(Layer):
    """(channels, height, width) -> (features,)."""

    kind = "flatten"

    def out(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


@dataclass(frozen=True, slots=True)
class Dropout(Layer):
    """A site where training may zero a share `rate` of the values."""

    rate: float

    kind = "dropout"

    def __str__(self) -> str:
        return f"dropout {self.rate:g}"


@dataclass(frozen=True, slots=True)
class LocalNorm(Layer):
    """Each value divided by (k + alpha / size x the sum of squares of `size` neighbouring channels) to the power of beta."""

    size: int
    alpha: float
    beta: float
    k: float

    kind = "local_norm"


@dataclass(frozen=True, slots=True)
class Scale(Layer):
    """A constant factor and shift, one for all channels or one each; nothing is learned."""

    factor: tuple[float, ...]
    shift: tuple[float, ...] = (0.0,)

    kind = "scale"

    def out(self, shape: Shape) -> Shape:
        if not {len(self.factor), len(self.shift)} <= {1, shape[0]}:
            raise DesignError(f"{len(self.factor)} factors and {len(self.shift)} shifts for {shape[0]} channels")
        return shape


@dataclass(frozen=True, slots=True)
class Shuffle(Layer):
    """Channels dealt out to `groups` in turn, so that the next grouped convolution sees all of them."""

    groups: int

    kind = "shuffle"

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 3 or shape[0] % self.groups:
            raise DesignError(f"{self.groups} groups do not divide the channels of a map of {shape}")
        return shape


@dataclass(frozen=True, slots=True)
class Subsample(Layer):
    """Every stride-th pixel, and zero channels half before and half after: ResNet's option-A shortcut."""

    outputs: int
    stride: int

    kind = "subsample"

    def out(self, shape: Shape) -> Shape:
        if len(shape) != 3 or shape[0] > self.outputs:
            raise DesignError(f"cannot pad a map of shape {shape} with zeros to {self.outputs} channels")
        return self.outputs, -(-shape[1] // self.stride), -(-shape[2] // self.stride)


@dataclass(frozen=True, slots=True)
class Item(Layer):
    """One of the maps that a block with several outputs returns."""

    index: int

    kind = "item"


@dataclass(frozen=True, slots=True)
class Add(Layer):
    """The sum of two maps of one shape."""

    kind = "add"


@dataclass(frozen=True, slots=True)
class Multiply(Layer):
    """A map times a gate of the same channels; the gate may have one pixel."""

    kind = "multiply"


@dataclass(frozen=True, slots=True)
class Concat(Layer):
    """Maps of one height and width, one after the other along the channels."""

    kind = "concat"


def _size(value: Pair, atleast: int = 1) -> str:
    return str(value[0]) if value[0] == value[1] and atleast == 1 else f"{value[0]}x{value[1]}"
