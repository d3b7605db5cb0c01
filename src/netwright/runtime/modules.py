"""What torch does not have: networks that remember, a convolution padded as TensorFlow does it, a few functions of a graph."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, fx, nn
from torch.nn import functional as F


class Network(fx.GraphModule):
    """What `build` returns. torch's own modules of this kind forget their `meta` when they are pickled: this one does not."""

    def __reduce__(self) -> tuple[Any, ...]:
        restore, arguments = super().__reduce__()
        return _restored, (restore, arguments, type(self).__name__, self.meta)


def _restored(restore: Callable[..., fx.GraphModule], arguments: tuple[Any, ...], name: str, meta: dict[str, Any]) -> Network:
    plain = restore(*arguments)
    network = Network(plain, plain.graph, name)
    network.meta = meta
    return network


class SameConv2d(nn.Conv2d):
    """A convolution whose padding is found from the map's size; an odd pixel goes to the right and the bottom."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002 (torch's name)
        """(n, channels, height, width) -> (n, outputs, height / stride, width / stride), rounded up."""
        missing = [
            max((-(-size // stride) - 1) * stride + kernel - size, 0)
            for size, stride, kernel in zip(input.shape[-2:], self.stride, self.kernel_size, strict=True)
        ]
        top, left = missing[0] // 2, missing[1] // 2
        padded = F.pad(input, (left, missing[1] - left, top, missing[0] - top))
        return F.conv2d(padded, self.weight, self.bias, self.stride, 0, self.dilation, self.groups)


def subsample(x: Tensor, width: int, stride: int) -> Tensor:
    """Every `stride`-th pixel, then zero channels before and after up to `width`."""
    x = x[:, :, ::stride, ::stride]
    missing = width - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, missing // 2, missing - missing // 2))


def rescale(x: Tensor, factor: tuple[float, ...], shift: tuple[float, ...]) -> Tensor:
    """x times a factor plus a shift, one for each channel."""
    return x * x.new_tensor(factor)[:, None, None] + x.new_tensor(shift)[:, None, None]


def shuffle(x: Tensor, groups: int) -> Tensor:
    """Channels dealt out to `groups` in turn."""
    batch, channels, height, width = x.shape
    return x.reshape(batch, groups, channels // groups, height, width).transpose(1, 2).reshape(batch, channels, height, width)


fx.wrap("subsample")
fx.wrap("rescale")
fx.wrap("shuffle")
