"""What torch's operations cost and what they are called, in the words of netwright's own layers where they are such."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import flop_registry

from netwright.graph.layers import AdaptivePool, Conv, Dropout, Pool

aten = torch.ops.aten

# ---------------------------------------------------------------- macs and acts


def counts_of(packet: Any, args: Sequence[Any], kwargs: Mapping[str, Any], out: Any) -> tuple[int, int]:
    """Macs and acts of one call of an operation; (0, 0) for those that neither convolve nor multiply matrices.

    Macs are half of what torch's own counter of flops says. It leaves out a few products, which are counted here:
    of a matrix with a vector, bilinear ones, and attention fused for a CPU. Attention counts as the two products that it
    is made of, also where it is fused and never holds the scores: the same numbers whichever kernel runs.
    """
    if packet in _PRODUCTS:
        return _PRODUCTS[packet](args, out)
    if packet not in flop_registry:
        return 0, 0
    return flop_registry[packet](*args, **kwargs, out_val=out) // 2, _first(out).numel()


def counts(packet: Any) -> bool:
    """Whether the operation is one with macs."""
    return packet in _PRODUCTS or packet in flop_registry


def _first(out: Any) -> Tensor:
    first: Tensor = out[0] if isinstance(out, (tuple, list)) else out
    return first


def _attention(args: Sequence[Any], out: Any) -> tuple[int, int]:
    """(n, heads, queries, width) with (n, heads, keys, width): the scores, and the sums of values that they weigh."""
    query, key, value = args[:3]
    scores = math.prod(query.shape[:-1]) * key.shape[-2]
    return scores * (query.shape[-1] + value.shape[-1]), scores + _first(out).numel()


def _vector(args: Sequence[Any], out: Any) -> tuple[int, int]:
    return args[0].numel(), out.numel()


def _more_vector(args: Sequence[Any], out: Any) -> tuple[int, int]:
    return args[1].numel(), out.numel()


def _batches(args: Sequence[Any], out: Any) -> tuple[int, int]:
    return args[1].numel() * args[2].shape[-1], out.numel()


def _bilinear(args: Sequence[Any], out: Any) -> tuple[int, int]:
    return out.numel() * args[1].numel() // max(out.shape[-1], 1), out.numel()


_PRODUCTS: dict[Any, Callable[[Sequence[Any], Any], tuple[int, int]]] = {
    aten.mv: _vector,
    aten.dot: _vector,
    aten.vdot: _vector,
    aten.addmv: _more_vector,
    aten.addbmm: _batches,
    aten._trilinear: _bilinear,
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention: _attention,
    aten._scaled_dot_product_efficient_attention: _attention,
    aten._scaled_dot_product_cudnn_attention: _attention,
}

# ---------------------------------------------------------------- names

_WORDS = {
    "addmm": "linear",
    "mm": "matmul",
    "bmm": "matmul",
    "baddbmm": "matmul",
    "addbmm": "matmul",
    "mv": "matmul",
    "addmv": "matmul",
    "dot": "matmul",
    "vdot": "matmul",
    "trilinear": "bilinear",
    "native_batch_norm": "norm",
    "native_batch_norm_legit": "norm",
    "native_batch_norm_legit_no_training": "norm",
    "cudnn_batch_norm": "norm",
    "native_layer_norm": "layer_norm",
    "native_group_norm": "group_norm",
    "fused_rms_norm": "rms_norm",
    "cat": "concat",
    "mul": "multiply",
    "max_pool2d_with_indices": "max_pool",
    "max_pool3d_with_indices": "max_pool",
    "avg_pool2d": "avg_pool",
    "avg_pool3d": "avg_pool",
    "adaptive_avg_pool2d": "adaptive_pool",
    "adaptive_avg_pool3d": "adaptive_pool",
    "safe_softmax": "softmax",
    "constant_pad_nd": "pad",
    "prelu_kernel": "prelu",
}

# Copies and what only makes room: no row of a table
_SILENT = {
    "clone",
    "to_copy",
    "unsafe_view",
    "lift_fresh",
    "lift_fresh_copy",
    "empty_like",
    "copy",
    "detach",
    "unsafe_split",
    "resize",
}
COPIES = {"clone", "to_copy"}


def word_of(packet: Any) -> str:
    """An operation's name without the marks of in-place and internal ones."""
    return str(packet.__name__).strip("_")


def is_foreign(func: Any) -> bool:
    """Whether an operation is none of torch's aten: a custom one, or torchvision's, or a quantized one."""
    return bool(func.namespace != "aten")


def is_view(func: Any) -> bool:
    """Whether an operation only looks at its input in another way."""
    return any(r.alias_info is not None and not r.alias_info.is_write for r in func._schema.returns)


def is_silent(func: Any) -> bool:
    """Whether an operation only looks at its input in another way, copies it or makes room."""
    return is_view(func) or (not is_foreign(func) and word_of(func._overloadpacket) in _SILENT)


def kind_of(func: Any, args: Sequence[Any], out: Any) -> str:
    """What a call of an operation is called in a table: conv 3x3/2 g32, norm, relu, ...; one outside of aten by its own name."""
    packet = func._overloadpacket
    if is_foreign(func):
        return str(packet.__name__)
    if packet in (aten.convolution, aten._convolution):
        return _conv(args[1], args[3], args[5], args[6], args[8])
    word = word_of(packet)
    if "attention" in word:
        return "attention"
    name = _WORDS.get(word, word)
    if name == "multiply" and not all(isinstance(factor, Tensor) and factor.dim() for factor in args[:2]):
        return "scale"
    if name == "hardtanh" and tuple(args[1:]) == (0.0, 6.0):
        return "relu6"
    if name in ("max_pool", "avg_pool") and _first(out).dim() == 4:
        kernel = _pair(args[1])
        return str(Pool(name, kernel, _pair(args[2]) if len(args) > 2 and args[2] else kernel))
    if name == "adaptive_pool" and out.dim() == 4:
        return str(AdaptivePool(_pair(args[1])))
    return name


def _pair(sizes: Sequence[int]) -> tuple[int, int]:
    return sizes[0], sizes[-1]


def _conv(weight: Tensor, stride: Sequence[int], dilation: Sequence[int], transposed: bool, groups: int) -> str:
    """As our own convolutions are printed where they are such; with d for a dilation, and with the number of dimensions."""
    kernel = tuple(weight.shape[2:])
    dilated = "" if set(dilation) <= {1} else f" d{_size(dilation)}"
    if len(kernel) == 2 and not transposed:
        return f"{Conv(groups, groups, _pair(kernel), _pair(stride), groups=groups)}{dilated}"
    name = f"conv{'_transposed' if transposed else ''}{'' if len(kernel) == 2 else f'{len(kernel)}d'}"
    strides = "" if set(stride) <= {1} else f"/{_size(stride)}"
    return f"{name} {'x'.join(map(str, kernel))}{strides}{dilated}{'' if groups == 1 else f' g{groups}'}"


def _size(values: Sequence[int]) -> str:
    return str(values[0]) if len(set(values)) == 1 else "x".join(map(str, values))


def kind_of_module(module: nn.Module, kinds: Sequence[tuple[str, bool]]) -> str:
    """What the call of a module without children is called; `kinds` are those of its operations, and whether each has macs."""
    if isinstance(module, nn.modules.dropout._DropoutNd):
        return str(Dropout(module.p))
    if isinstance(module, nn.AdaptiveAvgPool2d) and None not in (sizes := _sizes(module.output_size)):
        return str(AdaptivePool(sizes))
    for types, kind in _MODULES:
        if isinstance(module, types):
            return kind
    counted = [kind for kind, multiplies in kinds if multiplies]
    if len(counted) == 1 or len(kinds) == 1:
        return counted[0] if counted else kinds[0][0]
    return type(module).__name__


def _sizes(size: Any) -> Any:
    return tuple(size) if isinstance(size, (tuple, list)) else (size, size)


_MODULES: tuple[tuple[Any, str], ...] = (
    (nn.Linear, "linear"),
    (nn.Flatten, "flatten"),
    (nn.modules.batchnorm._NormBase, "norm"),
    (nn.LocalResponseNorm, "local_norm"),
)
