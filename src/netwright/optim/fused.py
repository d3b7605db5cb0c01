"""The fast path of a CPU: torch's fused kernels where they compute our formula, else the formula in blocks that stay in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from netwright.optim import formulas
from netwright.optim.reference import update, working
from netwright.optim.rules import Group, Rule, Step, decay_of

BLOCK = 1 << 18  # numbers of the formula's blocks: what it makes on the way, a megabyte each, stays in cache
HANDFUL = 1 << 20  # numbers that one call of a kernel takes where it needs scratch: fewer calls, and 4 MB

PLAIN = (Tensor, torch.nn.Parameter)  # not a DTensor or another subclass, whose memory is not one array

Item = tuple[Tensor, Tensor, dict[str, Any]]  # parameter, gradient, state


def kernel_of(rule: Rule, group: Group, scaled: bool) -> Callable[[Rule, Group, list[Item], Step], None] | None:
    """Torch's kernel for a rule, or None where torch has none that computes the same.

    None with eps inside of the root, with decay that is not lr times lambda, and with scaled gradients: the kernels
    would write the scaled ones into `p.grad`.
    """
    if rule.product and (group["maximize"] or decay_of(group).by_lr):
        return None
    decay = decay_of(group)
    plain = not (scaled or decay.alone or group["inside"] or isinstance(group["lr"], Tensor))
    if plain and decay.by_lr and group["decay"] != "lr":
        return None
    return KERNELS.get(rule.formula) if plain and group["form"] == "torch" else None


def run(rule: Rule, group: Group, items: list[Item], step: Step, scaled: bool) -> None:
    """One step of parameters that share the number of the step."""
    kernel = kernel_of(rule, group, scaled)
    fit: dict[torch.dtype, list[Item]] = {}
    for item in items:
        if kernel is not None and _fits(rule, item):
            fit.setdefault(item[0].dtype, []).append(item)
        else:
            blocked(rule, item, step)
    for same in fit.values():
        assert kernel is not None
        kernel(rule, group, same, step)
        torch.autograd.graph.increment_version([p for p, _, _ in same])  # so that autograd sees the change; kernels do not say


def _fits(rule: Rule, item: Item) -> bool:
    """Whether a kernel may walk through all arrays in one order: plain tensors of the same type and dense layout."""
    p, g, state = item
    if type(p) not in PLAIN or p.dtype != working(p.dtype) or g.dtype != p.dtype or "master" in state:
        return False
    if p.is_contiguous():
        return g.is_contiguous() and all(state[name].is_contiguous() for name in rule.states)
    return is_dense(p) and g.stride() == p.stride() and all(state[name].stride() == p.stride() for name in rule.states)


def is_dense(p: Tensor) -> bool:
    """Whether the numbers of a tensor fill its memory without gaps, in whatever order."""
    return bool(torch.ops.aten.is_non_overlapping_and_dense(p))


# ------------------------------------------------------------ torch's kernels


def _lists(rule: Rule, items: list[Item]) -> list[list[Tensor]]:
    params, grads = [item[0] for item in items], [item[1] for item in items]
    return [params, grads, *([item[2][name] for item in items] for name in rule.states)]


def _sgd(rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    params, grads, *buffers = _lists(rule, items)
    torch._fused_sgd_(
        params,
        grads,
        buffers[0] if buffers else [],
        weight_decay=step.l2,
        momentum=float(group["momentum"]),
        lr=step.lr,
        dampening=float(group["dampening"]),
        nesterov=bool(group["nesterov"]),
        maximize=bool(group["maximize"]),
        is_first_step=bool(buffers) and bool(items[0][2]["step"] == 1),
    )


def _adagrad(rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    params, grads, sums = _lists(rule, items)
    torch._fused_adagrad_(
        params,
        grads,
        sums,
        [item[2]["step"] for item in items],
        lr=step.lr,
        lr_decay=float(group["lr_decay"]),
        weight_decay=step.l2,
        eps=step.scalars[-1],
        maximize=bool(group["maximize"]),
    )


def _adam(rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    params, grads, means, squares, *most = _lists(rule, items)
    kernel = torch._fused_adam_ if step.keep is None else torch._fused_adamw_
    kernel(
        params,
        grads,
        means,
        squares,
        most[0] if most else [],
        [item[2]["step"] for item in items],
        lr=step.lr,
        beta1=step.scalars[1],
        beta2=step.scalars[3],
        weight_decay=float(group["weight_decay"]),
        eps=step.scalars[-1],
        amsgrad=bool(most),
        maximize=bool(group["maximize"]),
    )


def _rmsprop(rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    """Torch has no kernel for it, but Adam's is one: with beta1 0 the mean is the gradient, and after countless steps
    nothing is left to debias. The mean is scratch, zeroed each time: 0 times what a broken gradient left would be NaN.
    """
    countless = torch.tensor(1e30)
    for params, grads, squares, scratch in _handfuls(rule, items):
        torch._foreach_zero_(scratch)
        torch._fused_adam_(
            params,
            grads,
            scratch,
            squares,
            [],
            [countless] * len(params),
            lr=step.lr,
            beta1=0.0,
            beta2=step.scalars[1],
            weight_decay=step.l2,
            eps=step.scalars[-1],
            amsgrad=False,
            maximize=bool(group["maximize"]),
        )


def _nadam(rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    """Adam's kernel again: of_g g + of_m m, with m the new mean, is (of_g + of_m) times another mean of g and the old m.

    That one's beta is of_m beta1 / (of_g + of_m); the kernel makes it in scratch, and divides it by 1 - beta^t.
    """
    of_g, of_m, beta1, rest1, beta2 = step.scalars[:5]
    if not of_g + of_m:  # lr is 0: only the state moves
        for item in items:
            blocked(rule, item, step)
        return
    beta, count = of_m * beta1 / (of_g + of_m), items[0][2]["step"]
    for params, grads, means, squares, scratch in _handfuls(rule, items):
        if step.l2:
            grads = list(torch._foreach_add(grads, params, alpha=step.l2))
        torch._foreach_copy_(scratch, means)
        torch._foreach_lerp_(means, grads, rest1)
        torch._fused_adam_(
            params,
            grads,
            scratch,
            squares,
            [],
            [count] * len(params),
            lr=(of_g + of_m) * (1 - beta ** float(count)),
            beta1=beta,
            beta2=beta2,
            weight_decay=0.0,
            eps=step.scalars[-1],
            amsgrad=False,
            maximize=False,
        )


def _handfuls(rule: Rule, items: list[Item]) -> Iterator[list[list[Tensor]]]:
    """The arrays in pieces, as many at once as HANDFUL has room for; the last list is scratch of the same sizes."""
    scratch = torch.zeros(HANDFUL, dtype=items[0][0].dtype)
    held: list[tuple[Tensor, ...]] = []
    taken = 0
    for p, g, state in items:
        for pieces in zip(
            *(torch.split(_flat(array), HANDFUL) for array in (p, g, *(state[n] for n in rule.states))), strict=True
        ):
            count = len(pieces[0])
            if taken + count > HANDFUL:
                yield list(map(list, zip(*held, strict=True)))
                held, taken = [], 0
            held.append((*pieces, scratch[taken : taken + count]))
            taken += count
    if held:
        yield list(map(list, zip(*held, strict=True)))


KERNELS: dict[Any, Callable[[Rule, Group, list[Item], Step], None]] = {
    formulas.sgd: _sgd,
    formulas.momentum: _sgd,
    formulas.nesterov: _sgd,
    formulas.adagrad: _adagrad,
    formulas.adam: _adam,
    formulas.amsgrad: _adam,
    formulas.nadam: _nadam,
    formulas.rmsprop: _rmsprop,
}

# ------------------------------------------------------------ blocks


def _flat(array: Tensor) -> Tensor:
    """All numbers of a dense array in the order of memory, as a view."""
    return array.view(-1) if array.is_contiguous() else array.as_strided((array.numel(),), (1,))


def blocked(rule: Rule, item: Item, step: Step) -> None:
    """The reference's update, block by block: what it makes on the way stays in cache."""
    p, g, state = item
    names = [*rule.states, *(["master"] if "master" in state else [])]
    if type(p) not in PLAIN or p.numel() <= BLOCK or not is_dense(p):
        return update(rule, p, g, state, step)
    if g.stride() != p.stride():
        g = torch.empty_like(p, dtype=g.dtype).copy_(g)
    if any(state[name].stride() != p.stride() for name in names):
        return update(rule, p, g, state, step)
    for pieces in zip(*(torch.split(_flat(array), BLOCK) for array in (p, g, *(state[n] for n in names))), strict=True):
        update(rule, pieces[0], pieces[1], dict(zip(names, pieces[2:], strict=True)), step)
    return None
