"""Making layers for a feature map: arguments are checked and the output shape is found, once for equal arguments."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from netwright.errors import DesignError
from netwright.graph import layers as L
from netwright.graph.layers import Counts, Padding, Pair, Shape, pair


@lru_cache(maxsize=1 << 16, typed=True)
def make_conv(
    shape: Shape, width: int, kernel: int | Pair, stride: int | Pair, padding: int | Padding | None, *rest: Any
) -> tuple[L.Conv, Shape, Counts]:
    """A convolution on a map of `shape`, its output shape and its counts; `rest` is groups, bias and role."""
    groups = rest[0]
    if not (type(width) is type(kernel) is type(stride) is type(groups) is int and min(width, kernel, stride, groups) > 0):
        check_sizes(width=width, kernel=kernel, stride=stride, groups=groups)
    kernel = pair(kernel)
    if padding is None:
        padding = (kernel[0] // 2, kernel[1] // 2)
    elif padding != "same":
        check_paddings(padding)
        padding = pair(padding)
    if type(rest[1]) is not bool:
        raise DesignError(f"bias is {rest[1]!r}, expected True or False")
    layer = L.Conv(shape[0], width, kernel, pair(stride), padding, *rest)
    out = layer.out(shape)
    return layer, out, layer.counts(out)


@lru_cache(maxsize=1 << 12, typed=True)
def make_linear(shape: Shape, width: int, bias: bool, role: str) -> tuple[L.Linear, Shape, Counts]:
    """A fully connected layer, its output shape and its counts."""
    check_sizes(width=width)
    layer = L.Linear(shape[0], width, bias, role)
    out = layer.out(shape)
    return layer, out, layer.counts(out)


@lru_cache(maxsize=1 << 12, typed=True)
def make_norm(shape: Shape, eps: float, momentum: float, role: str) -> tuple[L.Norm, Shape, Counts]:
    """A batch normalization, its shape and its counts."""
    if len(shape) != 3:
        raise DesignError(f"needs a map of (channels, height, width), got {shape}")
    if eps < 0 or not 0 <= momentum <= 1:
        raise DesignError(f"eps is {eps!r} and momentum {momentum!r}, expected eps >= 0 and momentum from 0 to 1")
    layer = L.Norm(shape[0], eps, momentum, role)
    return layer, shape, layer.counts(shape)


def check_sizes(**values: Any) -> None:
    """Raise DesignError unless each is a whole number of at least 1, or a pair of them."""
    for name, value in values.items():
        if type(value) is int and value >= 1:
            continue
        if type(value) is not tuple or len(value) != 2 or any(type(v) is not int or v < 1 for v in value):
            raise DesignError(f"{name} is {value!r}, expected a whole number of at least 1")


def check_paddings(padding: Any) -> None:
    """Raise DesignError unless it is a whole number of at least 0, or a pair of them."""
    values = padding if type(padding) is tuple else (padding, padding)
    if len(values) != 2 or any(type(p) is not int or p < 0 for p in values):
        raise DesignError(f"padding is {padding!r}, expected a whole number of at least 0, or two")


def make_pool(kind: str, kernel: Any, stride: Any, padding: Any, name: str, *rest: Any) -> L.Pool:
    """A pooling; `rest` is ceil, count_pad and divisor."""
    try:
        check_sizes(kernel=kernel, stride=stride)
        check_paddings(padding)
    except DesignError as error:
        raise error.inside(name or kind) from None
    return L.Pool(kind, pair(kernel), pair(stride), pair(padding), *rest)
