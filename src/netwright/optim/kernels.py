"""The Triton kernels: one step of all tensors of a table in one launch, and the sum of squares of their gradients in another.

The formulas are those of `netwright.optim.formulas`, compiled with Triton's functions for torch's. Importing this module
needs Triton; with TRITON_INTERPRET=1 the kernels run on CPU tensors, for tests.
"""

# mypy: disable-error-code="no-untyped-def,untyped-decorator"

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
import triton
import triton.language as tl

BLOCK = 1024  # numbers of a program, by 4 warps: larger ones were slower on an H200
COMMON, OWN = 5, 6  # columns of a row of settings: lr, l2, by_lr, alone, sign; then those of the rule
KINDS = {torch.float32: tl.float32, torch.bfloat16: tl.bfloat16, torch.float16: tl.float16}

interpreted: bool = bool(triton.knobs.runtime.interpret)


@triton.jit
def _sign(x):
    return tl.where(x > 0, 1.0, tl.where(x < 0, -1.0, 0.0))


@triton.jit
def _maximum(x, y):
    return tl.maximum(x, y, propagate_nan=tl.PropagateNan.ALL)


def _functions() -> dict[str, Any]:
    """What formulas call. The interpreter replaces the members of `tl` while a kernel runs: they are looked up then."""
    if not interpreted:
        return {"exp": tl.exp, "sqrt": tl.sqrt, "where": tl.where, "maximum": _maximum, "sign": _sign}
    return {
        "sign": _sign,
        "exp": lambda x: tl.exp(x),
        "sqrt": lambda x: tl.sqrt(x),
        "where": lambda condition, x, y: tl.where(condition, x, y),
        "maximum": _maximum,
    }


@cache
def compiled(formula: Callable[..., Any]) -> Any:
    """A formula as Triton reads it."""
    read = types.FunctionType(formula.__code__, {"tl": tl, **_functions()}, formula.__name__)
    read.__module__, read.__qualname__ = formula.__module__, formula.__qualname__
    return read if interpreted else triton.jit(read)


@triton.jit
def _address(TABLE, index, KIND: tl.constexpr, ALIGNED: tl.constexpr):
    pointer = tl.load(TABLE + index).to(tl.pointer_type(KIND))
    if ALIGNED:
        pointer = tl.multiple_of(pointer, 16)
    return pointer


@triton.jit
def _load(pointer, at, mask, FULL: tl.constexpr):
    if FULL:
        x = tl.load(pointer + at)
    else:
        x = tl.load(pointer + at, mask=mask, other=0.0)
    return x.to(tl.float32)


@triton.jit
def _store(pointer, at, x, mask, FULL: tl.constexpr):
    if FULL:
        tl.store(pointer + at, x.to(pointer.dtype.element_ty))
    else:
        tl.store(pointer + at, x.to(pointer.dtype.element_ty), mask=mask)


@triton.jit
def _move(
    TENSORS,
    GRADS,
    tensor,
    at,
    mask,
    k,
    decay,
    FORMULA: tl.constexpr,
    STATES: tl.constexpr,
    KIND: tl.constexpr,
    MASTER: tl.constexpr,
    ALIGNED: tl.constexpr,
    FULL: tl.constexpr,
):
    """One block of one tensor. `decay` is (scale of the gradient, l2, share of theta that is kept)."""
    row = TENSORS + tensor * 5
    p_at = _address(row, 0, KIND, ALIGNED)
    theta_at = p_at
    if MASTER:
        theta_at = _address(row, 4, tl.float32, ALIGNED)
    x = _load(theta_at, at, mask, FULL)
    g = _load(_address(GRADS, tensor, KIND, ALIGNED), at, mask, FULL) * decay[0] + decay[1] * x
    x = decay[2] * x
    a_at = _address(row, 1, tl.float32, ALIGNED)
    b_at = _address(row, 2, tl.float32, ALIGNED)
    c_at = _address(row, 3, tl.float32, ALIGNED)
    if STATES == 0:
        x, state = FORMULA(x, g, (), k)
    elif STATES == 1:
        x, state = FORMULA(x, g, (_load(a_at, at, mask, FULL),), k)
    elif STATES == 2:
        x, state = FORMULA(x, g, (_load(a_at, at, mask, FULL), _load(b_at, at, mask, FULL)), k)
    else:
        kept = (_load(a_at, at, mask, FULL), _load(b_at, at, mask, FULL), _load(c_at, at, mask, FULL))
        x, state = FORMULA(x, g, kept, k)
    _store(theta_at, at, x, mask, FULL)
    if MASTER:
        _store(p_at, at, x, mask, FULL)
    if STATES > 0:
        _store(a_at, at, state[0], mask, FULL)
    if STATES > 1:
        _store(b_at, at, state[1], mask, FULL)
    if STATES > 2:
        _store(c_at, at, state[2], mask, FULL)


@triton.jit
def step_kernel(
    TENSORS,
    GRADS,
    BLOCKS,
    SIZES,
    GROUPS,
    COUNTS,
    PRODUCTS,
    NORMS,
    SCALE,
    FOUND,
    max_norm,
    FORMULA: tl.constexpr,
    SCALARS: tl.constexpr,
    STATES: tl.constexpr,
    KIND: tl.constexpr,
    MASTER: tl.constexpr,
    PRODUCT: tl.constexpr,
    HAS_SCALE: tl.constexpr,
    HAS_FOUND: tl.constexpr,
    NORM_SLOTS: tl.constexpr,
    CLIP: tl.constexpr,
    SKIP: tl.constexpr,
    ALIGNED: tl.constexpr,
    SIZE: tl.constexpr,
):
    """A program moves one block of one tensor; it keeps the number of the step for itself, so none waits for another.

    TENSORS: addresses (5 a tensor: parameter, three of state, master copy); GRADS: addresses, 0 where there is no gradient;
    BLOCKS: (tensor, block in it, row of GROUPS) of each program; SIZES: numbers of each tensor; GROUPS: settings in float64
    (COMMON + OWN, 11, a row); COUNTS, PRODUCTS: of each program; NORMS: sums of squares of gradients; SCALE, FOUND: a
    GradScaler's.
    """
    program = tl.program_id(0)
    tensor = tl.load(BLOCKS + program * 3)
    if tl.load(GRADS + tensor) == 0:
        return
    if HAS_FOUND:
        if tl.load(FOUND) != 0:
            return
    scale = 1.0
    if HAS_SCALE:
        scale = 1.0 / tl.load(SCALE)
    if NORM_SLOTS > 0:
        total = tl.load(NORMS)
        for slot in range(1, NORM_SLOTS):
            total += tl.load(NORMS + slot)
        if SKIP:
            if not (total < float("inf")):
                return
        if CLIP:
            norm = tl.sqrt(total) * scale
            scale = scale * tl.minimum(max_norm / (norm + 1e-6), 1.0, propagate_nan=tl.PropagateNan.ALL)
    row = GROUPS + tl.load(BLOCKS + program * 3 + 2) * 11
    lr = tl.load(row)
    hyper = (tl.load(row + 5), tl.load(row + 6), tl.load(row + 7), tl.load(row + 8), tl.load(row + 9), tl.load(row + 10))
    t = tl.load(COUNTS + program) + 1
    product = tl.load(PRODUCTS + program * PRODUCT)
    k, product = SCALARS(t.to(tl.float64), product, lr, hyper)
    keep = 1 - (tl.load(row + 2) * lr + tl.where(lr != 0, tl.load(row + 3), 0.0))
    k = [x.to(tl.float32) for x in k]
    decay = (scale * tl.load(row + 4).to(tl.float32), tl.load(row + 1).to(tl.float32), keep.to(tl.float32))
    first = tl.load(BLOCKS + program * 3 + 1).to(tl.int64) * SIZE
    size = tl.load(SIZES + tensor)
    at = first + tl.arange(0, SIZE)
    mask = at < size
    if first + SIZE <= size:
        _move(TENSORS, GRADS, tensor, at, mask, k, decay, FORMULA, STATES, KIND, MASTER, ALIGNED, True)
    else:
        _move(TENSORS, GRADS, tensor, at, mask, k, decay, FORMULA, STATES, KIND, MASTER, ALIGNED, False)
    tl.store(COUNTS + program, t)
    if PRODUCT:
        tl.store(PRODUCTS + program, product)


@triton.jit(do_not_specialize=["slot", "blocks"])
def norm_kernel(
    GRADS,
    BLOCKS,
    SIZES,
    PARTS,
    DONE,
    NORMS,
    slot,
    blocks,
    KIND: tl.constexpr,
    ALIGNED: tl.constexpr,
    SIZE: tl.constexpr,
    EACH: tl.constexpr,
):
    """The sum of squares of all gradients of a table: each program adds EACH blocks up, the last one to end adds the parts.

    Always in the same order, so that a run repeats itself to the bit.
    """
    program = tl.program_id(0)
    programs = tl.num_programs(0)
    sums = tl.zeros((SIZE,), tl.float32)
    for block in range(program * EACH, min(program * EACH + EACH, blocks)):
        tensor = tl.load(BLOCKS + block * 3)
        if tl.load(GRADS + tensor) != 0:
            at = tl.load(BLOCKS + block * 3 + 1).to(tl.int64) * SIZE + tl.arange(0, SIZE)
            g = _load(_address(GRADS, tensor, KIND, ALIGNED), at, at < tl.load(SIZES + tensor), False)
            sums += g * g
    tl.store(PARTS + program, tl.sum(sums))
    tl.debug_barrier()
    if tl.atomic_add(DONE, 1) == programs - 1:
        total = tl.zeros((SIZE,), tl.float32)
        for start in range(0, programs, SIZE):
            at = start + tl.arange(0, SIZE)
            total += tl.load(PARTS + at, mask=at < programs, other=0.0, cache_modifier=".cg")
        tl.store(NORMS + slot, tl.sum(total))
        tl.store(DONE, 0)
