"""The path of a GPU: addresses in tables on the device, made once, and one launch for all tensors of one rule and type."""

from __future__ import annotations

import math
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.optim.gradients import of_group
from netwright.optim.rules import Group, Rule, decay_of

if TYPE_CHECKING:
    from netwright.optim.base import FirstOrder

EACH = 8  # blocks that a program of the reduction adds up
PLACES = 3  # for state, in a row of addresses: after the parameter's, before the master copy's


def same_order(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors of one shape have their numbers in the same order of memory."""
    if one.is_contiguous() and other.is_contiguous():
        return True
    return all(a == b or size == 1 for a, b, size in zip(one.stride(), other.stride(), one.shape, strict=True))


def _form(g: Tensor | None) -> Any:
    """What must stay as it was for an address to mean the same: type and layout."""
    return None if g is None else (g.dtype, g.is_contiguous() or g.stride())


def _build(p: Tensor) -> tuple[Any, ...]:
    return p.dtype, p.device, p.shape, p.stride()


class Table:
    """Tensors that share rule, type and device: their addresses, blocks and counts, on the device."""

    def __init__(self, optimizer: FirstOrder, rule: Rule, members: list[tuple[int, Tensor]], norms: Tensor, slot: int) -> None:
        from netwright.optim import kernels

        self.rule, self.norms, self.slot = rule, norms, slot
        self.params = [p for _, p in members]
        self.device, self.dtype = self.params[0].device, self.params[0].dtype
        self.numbers = sorted({number for number, _ in members})
        rows = {number: row for row, number in enumerate(self.numbers)}
        self.kept = [optimizer.prepared(optimizer.param_groups[number], p, rule) for number, p in members]
        self.master = "master" in self.kept[0]
        self.builds = [_build(p) for p in self.params]
        counts = torch.tensor([-(-p.numel() // kernels.BLOCK) for p in self.params])
        self.blocks = self._on_device(_blocks(counts, [rows[number] for number, _ in members]), torch.int32)
        self.sizes = self._on_device([p.numel() for p in self.params], torch.int64)
        self._count(counts)
        names = (*rule.states, *(["master"] if self.master else []), *(["step"] if rule.counts else []))
        self.held = [[(name, state[name]) for name in names] for state in self.kept]  # no address outlives its memory
        self.parts = torch.zeros(-(-len(self.blocks) // EACH), device=self.device)
        self.done = torch.zeros(1, dtype=torch.int32, device=self.device)
        self.groups = torch.zeros(len(rows), kernels.COMMON + kernels.OWN, dtype=torch.float64, device=self.device)
        self.formula, self.scalars = kernels.compiled(rule.formula), kernels.compiled(rule.scalars)
        self.settings: list[tuple[float, ...]] = []
        self.own: list[int] = []
        self.seen: tuple[Any, ...] = ()
        self.copies: list[Tensor] = []

    def current(self) -> AbstractContextManager[Any]:
        """Makes the table's device the current one: Triton launches there."""
        return torch.cuda.device(self.device) if self.device.type == "cuda" else nullcontext()

    def _on_device(self, values: Any, dtype: torch.dtype) -> Tensor:
        """Without waiting for the device: torch keeps pinned memory until the copy is done."""
        made = torch.as_tensor(values, dtype=dtype)
        return made.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else made.clone()

    def _count(self, counts: Tensor) -> None:
        """Each block counts for itself; a parameter's `step` is a view of its first block's count."""
        blocks = int(counts.sum())
        self.counts = torch.zeros(blocks, device=self.device)
        self.products = torch.ones(blocks if self.rule.product else 1, dtype=torch.float64, device=self.device)
        stores = {"step": self.counts, "mu_product": self.products}
        first = [0, *counts.cumsum(0).tolist()]
        for name in [*(["step"] if self.rule.counts else []), *(["mu_product"] if self.rule.product else [])]:
            values = torch.stack([state[name].detach().to(self.device, stores[name].dtype) for state in self.kept])
            stores[name].copy_(values.repeat_interleave(counts.to(self.device)))
            for state, block, count in zip(self.kept, first, counts.tolist(), strict=False):
                if count:
                    state[name] = stores[name][block]
        self.version = self.counts._version

    def holds(self, optimizer: FirstOrder) -> bool:
        """Whether state and parameters are those that the table was made of; what a parameter holds may have moved."""
        if optimizer.state.get(self.params[0]) is not self.kept[0] or self.counts._version != self.version:
            return False
        for state, held in zip(self.kept, self.held, strict=True):
            for name, value in held:
                if state.get(name) is not value:
                    return False
        own = [p.data_ptr() for p in self.params]
        if own != self.own:
            return [_build(p) for p in self.params] == self.builds
        return not any(p.grad is not None and p.grad.dtype != self.dtype for p in self.params)

    def point(self, optimizer: FirstOrder) -> None:
        """Bring addresses and settings on the device up to date, where they have changed."""
        grads = [p.grad for p in self.params]
        try:
            addresses = [0 if g is None else g.data_ptr() for g in grads]
        except RuntimeError:  # a sparse gradient has no address
            for group in optimizer.param_groups:
                of_group(group)
            raise
        own = [p.data_ptr() for p in self.params]
        if own != self.own:
            self._not_captured("parameters have moved")
            self.own, self.seen = own, ()
            self.tensors = self._on_device(self._rows(own), torch.int64)
        seen = (addresses, [_form(g) for g in grads])
        if seen != self.seen:
            self._readdress(grads, seen)
        settings = [self._settings(optimizer.param_groups[number]) for number in self.numbers]
        if settings != self.settings:
            self._not_captured("a setting has changed (an lr that changes is given as a tensor on the device)")
            self.settings = settings
            self.groups.copy_(self._on_device(settings, torch.float64), non_blocking=True)
        for row, number in enumerate(self.numbers):
            lr = optimizer.param_groups[number]["lr"]
            if isinstance(lr, Tensor) and lr.device.type != "cpu":
                self.groups[row, 0].copy_(lr * self.rule.factor(optimizer.param_groups[number]))

    def _settings(self, group: Group) -> tuple[float, ...]:
        lr, factor, hyper = group["lr"], self.rule.factor(group), self.rule.hyper(group)
        rate = 0.0 if isinstance(lr, Tensor) and lr.device.type != "cpu" else float(lr) * factor
        sign = -1.0 if group["maximize"] else 1.0
        return (rate, *decay_of(group, factor), sign, *hyper, *[0.0] * (6 - len(hyper)))

    def _rows(self, own: list[int]) -> list[list[int]]:
        """Addresses: the parameter's, three of state, the master copy's."""
        rows = []
        for address, state in zip(own, self.kept, strict=True):
            places = [state[name].data_ptr() for name in self.rule.states]
            rows.append([address, *places, *[0] * (PLACES - len(places)), state["master"].data_ptr() if self.master else 0])
        self.own_aligned = all(address % 16 == 0 for row in rows for address in row)
        return rows

    def _readdress(self, grads: list[Tensor | None], seen: tuple[Any, ...]) -> None:
        """New addresses of gradients; one of another layout is copied, each time, and its copy kept until the launch."""
        self._not_captured("gradients have moved (zero_grad(set_to_none=False) keeps them in place)")
        addresses = list(seen[0])
        for place, (p, g) in enumerate(zip(self.params, grads, strict=True)):
            if g is not None and not same_order(p, g):
                self.copies.append(torch.empty_like(p).copy_(g))
                addresses[place] = self.copies[-1].data_ptr()
        self.seen = () if self.copies else seen
        self.aligned = self.own_aligned and all(address % 16 == 0 for address in addresses)
        self.addresses = self._on_device(addresses, torch.int64)

    def _not_captured(self, why: str) -> None:
        if self.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            raise NetwrightError(f"a CUDA graph is being captured, and {why}: run a step before the capture")

    def measure(self) -> None:
        """The sum of squares of the gradients, into this table's place among `norms`."""
        from netwright.optim import kernels

        if not len(self.blocks):
            return
        kernels.norm_kernel[(len(self.parts),)](
            self.addresses,
            self.blocks,
            self.sizes,
            self.parts,
            self.done,
            self.norms,
            self.slot,
            len(self.blocks),
            KIND=kernels.KINDS[self.dtype],
            ALIGNED=self.aligned,
            SIZE=kernels.BLOCK,
            EACH=EACH,
        )

    def launch(self, optimizer: FirstOrder) -> None:
        """The step itself."""
        from netwright.optim import kernels

        settings = optimizer.settings
        clipped, skipping = settings.max_norm is not None, settings.on_nonfinite == "skip"
        scale, found = getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None)
        if not len(self.blocks):
            return
        kernels.step_kernel[(len(self.blocks),)](
            self.tensors,
            self.addresses,
            self.blocks,
            self.sizes,
            self.groups,
            self.counts,
            self.products,
            self.norms,
            self.norms if scale is None else scale.to(self.device, torch.float32),
            self.norms if found is None else found.to(self.device, torch.float32),
            settings.max_norm if settings.max_norm is not None else math.inf,
            FORMULA=self.formula,
            SCALARS=self.scalars,
            STATES=len(self.rule.states),
            KIND=kernels.KINDS[self.dtype],
            MASTER=self.master,
            PRODUCT=int(self.rule.product),
            HAS_SCALE=scale is not None,
            HAS_FOUND=found is not None,
            NORM_SLOTS=len(self.norms) if clipped or skipping else 0,
            CLIP=clipped,
            SKIP=skipping,
            ALIGNED=self.aligned,
            SIZE=kernels.BLOCK,
        )
        self.copies.clear()  # what is queued on the stream reads them before their memory is used again


def _blocks(counts: Tensor, rows: list[int]) -> Tensor:
    """(tensor, block in it, row of settings) of each program."""
    tensor = torch.arange(len(counts)).repeat_interleave(counts)
    first = (counts.cumsum(0) - counts).repeat_interleave(counts)
    return torch.stack([tensor, torch.arange(len(tensor)) - first, torch.tensor(rows)[tensor]], 1)
