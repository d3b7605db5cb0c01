"""The fast path of a CPU: torch's fused kernels where they compute our formula, else the formula in blocks that stay in cache."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch import Tensor

from netwright.optim import formulas
from netwright.optim.reference import update
from netwright.optim.rules import Group, Rule, Step, decay_of
from netwright.optim.tables import same_order

BLOCK = 1 << 18  # numbers of the formula's blocks: what it makes on the way, a megabyte each, stays in cache
HANDFUL = 1 << 20  # numbers that one call of a kernel takes where it needs scratch: fewer calls, and 4 MB

WIDE = (torch.float32, torch.float64)
PLAIN = (Tensor, torch.nn.Parameter)  # not a DTensor or another subclass, whose memory is not one array

Item = tuple[Tensor, Tensor, dict[str, Any]]  # parameter, gradient, state
Kernel = Callable[[Rule, Group, list[Item], Step], None]


def kernel_of(rule: Rule, group: Group, scaled: bool) -> Kernel | None:
    """Torch's kernel for a rule, or None where torch has none that computes the same.

    None with eps inside of the root, with decay that is not lr times lambda, and with scaled gradients: the kernels
    would write the scaled ones into `p.grad`.
    """
    decay = decay_of(group)
    if (rule.product and (group["maximize"] or decay.by_lr)) or group.get("alpha") == 1:  # 1 - 1^t is 0
        return None
    plain = not (scaled or decay.alone or group["inside"] or isinstance(group["lr"], Tensor))
    if plain and decay.by_lr and group["decay"] != "lr":
        return None
    return KERNELS.get(rule.formula) if plain and group["form"] == "torch" else None


def run(rule: Rule, group: Group, items: list[Item], step: Step, scaled: bool) -> None:
    """One step of parameters that share the number of the step."""
    kernel = kernel_of(rule, group, scaled)
    if kernel is not None and _all_fit(rule, items):
        return _launch(kernel, rule, group, items, step)
    fit: dict[torch.dtype, list[Item]] = {}
    for item in items:
        if kernel is not None and _fits(rule, item):
            fit.setdefault(item[0].dtype, []).append(item)
        else:
            blocked(rule, item, step)
    for same in fit.values():
        assert kernel is not None
        _launch(kernel, rule, group, same, step)
    return None


def _launch(kernel: Kernel, rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    kernel(rule, group, items, step)
    torch.autograd.graph.increment_version([item[0] for item in items])  # so that autograd sees the change; kernels do not say


def _all_fit(rule: Rule, items: list[Item]) -> bool:
    """What `_fits` says, for the usual case, of all at once: a step has little time for each of hundreds of tensors."""
    params, grads, *places = _lists(rule, items)
    if not set(map(type, params)) <= {*PLAIN} or any("master" in state for _, _, state in items):
        return False
    dtypes = {p.dtype for p in params}
    if len(dtypes) > 1 or not dtypes <= {*WIDE} or {g.dtype for g in grads} != dtypes:
        return False
    return all(all(map(Tensor.is_contiguous, arrays)) for arrays in (params, grads, *places))


def _fits(rule: Rule, item: Item) -> bool:
    """Whether a kernel may walk through all arrays in one order: plain tensors of the same type and dense layout."""
    p, g, state = item
    if type(p) not in PLAIN or p.dtype not in WIDE or g.dtype != p.dtype or "master" in state:
        return False
    whole = p.is_contiguous() and g.is_contiguous()
    for name in rule.states:
        whole = whole and state[name].is_contiguous()
    if whole or not is_dense(p):
        return whole
    return all(same_order(p, array) for array in (g, *[state[name] for name in rule.states]))


def is_dense(p: Tensor) -> bool:
    """Whether the numbers of a tensor fill its memory without gaps, in whatever order."""
    return bool(torch.ops.aten.is_non_overlapping_and_dense(p))


# ------------------------------------------------------------ torch's kernels


def _lists(rule: Rule, items: list[Item]) -> list[list[Tensor]]:
    params, grads = [item[0] for item in items], [item[1] for item in items]
    return [params, grads, *([item[2][name] for item in items] for name in rule.states)]


def _sgd(rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    params, grads, *buffers = _lists(rule, items)
    if not (buffers or step.l2):  # one addition, which is faster than the kernel
        torch._foreach_add_(params, grads, alpha=step.lr if group["maximize"] else -step.lr)
        return
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
        is_first_step=bool(buffers) and rule.counts and bool(items[0][2]["step"] == 1),
    )


def _adagrad(rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    params, grads, sums = _lists(rule, items)
    lr_decay, _, eps = rule.hyper(group)
    torch._fused_adagrad_(
        params,
        grads,
        sums,
        [item[2]["step"] for item in items],
        lr=step.lr,
        lr_decay=lr_decay,
        weight_decay=step.l2,
        eps=eps,
        maximize=bool(group["maximize"]),
    )


def _adam(rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    params, grads, means, squares, *most = _lists(rule, items)
    beta1, beta2, *_, eps = rule.hyper(group)
    kernel = torch._fused_adam_ if step.keep is None else torch._fused_adamw_
    kernel(
        params,
        grads,
        means,
        squares,
        most[0] if most else [],
        [item[2]["step"] for item in items],
        lr=step.lr,
        beta1=beta1,
        beta2=beta2,
        weight_decay=float(group["weight_decay"]),
        eps=eps,
        amsgrad=bool(most),
        maximize=bool(group["maximize"]),
    )


def _rmsprop(rule: Rule, group: Group, items: list[Item], step: Step) -> None:
    """Torch has no kernel for it, but Adam's is one: with beta1 0 the mean is the gradient, and after countless steps
    nothing is left to debias. The mean is scratch, zeroed each time: 0 times what a broken gradient left would be NaN.
    """
    beta, *_, eps = rule.hyper(group)
    countless = torch.tensor(1e30)
    for whole, (params, grads, squares, scratch) in _handfuls(rule, items):
        whole.zero_()
        torch._fused_adam_(
            params,
            grads,
            scratch,
            squares,
            [],
            [countless] * len(params),
            lr=step.lr,
            beta1=0.0,
            beta2=beta,
            weight_decay=step.l2,
            eps=eps,
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
    for _, (params, grads, means, squares, scratch) in _handfuls(rule, items):
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


def _handfuls(rule: Rule, items: list[Item]) -> Iterator[tuple[Tensor, list[list[Tensor]]]]:
    """The arrays in pieces, as many at once as HANDFUL has room for; the last list is scratch of the same sizes, also whole."""
    room = min(HANDFUL, sum(p.numel() for p, _, _ in items))
    scratch = torch.zeros(room, dtype=items[0][0].dtype)
    held: list[tuple[Tensor, ...]] = []
    taken = 0
    for p, g, state in items:
        for pieces in _pieces((p, g, *[state[name] for name in rule.states])):
            count = pieces[0].numel()
            if taken + count > room:
                yield _handful(scratch[:taken], held)
                held, taken = [], 0
            held.append(pieces)
            taken += count
    if held:
        yield _handful(scratch[:taken], held)


def _pieces(arrays: tuple[Tensor, ...]) -> Iterable[tuple[Tensor, ...]]:
    """Arrays of one layout as they are, or flat, in pieces of HANDFUL numbers."""
    if arrays[0].numel() <= HANDFUL and arrays[0].is_contiguous():
        return [arrays]
    return zip(*(torch.split(_flat(array), HANDFUL) for array in arrays), strict=True)


def _handful(scratch: Tensor, held: list[tuple[Tensor, ...]]) -> tuple[Tensor, list[list[Tensor]]]:
    parts = torch.split(scratch, [pieces[0].numel() for pieces in held])
    return scratch, [*map(list, zip(*held, strict=True)), [part.view_as(p[0]) for part, p in zip(parts, held, strict=True)]]


KERNELS: dict[Any, Kernel] = {
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
    if not same_order(p, g):
        g = torch.empty_like(p, dtype=g.dtype).copy_(g)
    if not all(same_order(p, state[name]) for name in names):
        return update(rule, p, g, state, step)
    for pieces in zip(*(torch.split(_flat(array), BLOCK) for array in (p, g, *(state[n] for n in names))), strict=True):
        update(rule, pieces[0], pieces[1], dict(zip(names, pieces[2:], strict=True)), step)
    return None
