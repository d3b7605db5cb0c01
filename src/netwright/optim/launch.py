"""The path of a GPU: addresses in tables on the device, made once, and one launch for all tensors of one rule and type."""

from __future__ import annotations

import importlib.util
import math
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.optim import fused
from netwright.optim.gradients import name_of, of_group
from netwright.optim.rules import Group, Rule, decay_of

if TYPE_CHECKING:
    from netwright.optim.base import FirstOrder

EACH = 8  # blocks that a program of the reduction adds up


def unavailable(path: str, p: Tensor) -> str:
    """Why the kernel does not run where a parameter lies; "" where it does."""
    if path in ("reference", "fast"):
        return f"path is {path!r}"
    on_gpu = p.device.type == "cuda"
    if not _has_triton():
        return "Triton is not installed: pip install triton" if path == "triton" or on_gpu else f"it is on the {p.device.type}"
    if on_gpu or (path == "triton" and _interprets()):
        return ""
    way = ", and the kernel needs a GPU, or TRITON_INTERPRET=1 for tests" if path == "triton" else ""
    return f"it is on the {p.device.type}{way}"


def refusal(optimizer: FirstOrder, group: Group, p: Tensor) -> str:
    """Why a parameter does not take the Triton kernel; "" where it does."""
    rule = optimizer._rule(group)
    if why := unavailable(optimizer.settings.path, p):
        return why
    if rule.whole:
        return rule.whole
    if group["differentiable"]:
        return "a differentiable step is made of torch's operations"
    if type(p) not in fused.PLAIN:
        return f"it is a {type(p).__name__}"
    if p.dtype not in (torch.float32, torch.bfloat16, torch.float16):
        return f"it is {str(p.dtype).removeprefix('torch.')}, the kernel computes in float32"
    if not fused.is_dense(p):
        return "its memory has gaps"
    return ""


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def _interprets() -> bool:
    from netwright.optim import kernels

    return kernels.interpreted


def reasons(optimizer: FirstOrder, group: Group) -> dict[str, int]:
    """For `explain`: which path how many parameters of a group take, and why not the kernel."""
    told: Counter[str] = Counter()
    rule = optimizer._rule(group)
    for p in group["params"]:
        why = refusal(optimizer, group, p)
        if not why:
            told["one launch of a Triton kernel for all"] += 1
        elif not optimizer.is_fast(group, rule, p.device.type != "cpu"):
            told[f"the reference, a loop of torch's operations ({why})"] += 1
        elif fused.kernel_of(rule, group, optimizer.settings.max_norm is not None) and p.dtype in (torch.float32, torch.float64):
            told[f"torch's fused kernel ({why})"] += 1
        else:
            told[f"the formula in blocks that stay in cache ({why})"] += 1
    return dict(told)


class Plan:
    """Which parameters the kernel moves, by table; `left` are the others', by group: indices of parameters."""

    def __init__(self, optimizer: FirstOrder) -> None:
        self.left: list[list[int]] = [[] for _ in optimizer.param_groups]
        self.waiting: list[Tensor] = []  # for a first gradient
        buckets: dict[Any, list[tuple[int, Tensor]]] = {}
        for group in optimizer.param_groups:
            of_group(group)  # refuses gradients that cannot be used before any state is made
        for number, group in enumerate(optimizer.param_groups):
            rule = optimizer._rule(group)
            for index, p in enumerate(group["params"]):
                if why := refusal(optimizer, group, p):
                    self.left[number].append(index)
                    if optimizer.settings.path == "triton" and unavailable("triton", p):
                        raise NetwrightError(f"path is 'triton', but {name_of(group, index)} cannot take it: {why}")
                elif p.grad is None:
                    self.waiting.append(p)
                else:
                    master = bool(group["master_weights"]) and p.dtype != torch.float32
                    buckets.setdefault((rule, p.dtype, master, p.device), []).append((number, p))
        self.rules = [optimizer._rule(group) for group in optimizer.param_groups]
        limited = optimizer.settings.max_norm is not None or optimizer.settings.on_nonfinite == "skip"
        devices = {key[3] for key in buckets}
        if buckets and limited and (any(self.left) or len(devices) > 1):  # one norm of all: where all gradients can be read
            self.left = [list(range(len(group["params"]))) for group in optimizer.param_groups]
            buckets, self.waiting = {}, []
        norms = {device: torch.zeros(max(len(buckets), 1), device=device) for device in devices}
        self.tables = [
            Table(optimizer, key[0], members, norms[key[3]], slot) for slot, (key, members) in enumerate(buckets.items())
        ]

    def holds(self, optimizer: FirstOrder) -> bool:
        """Whether it is still the plan: no rule has changed, and no parameter got its first gradient."""
        if any(p.grad is not None for p in self.waiting):
            return False
        return all(optimizer._rule(group) is rule for group, rule in zip(optimizer.param_groups, self.rules, strict=True))

    def step(self, optimizer: FirstOrder) -> None:
        """One step of what the tables hold."""
        settings = optimizer.settings
        for table in self.tables:
            table.point(optimizer)
        if settings.max_norm is not None or settings.on_nonfinite == "skip":
            for table in self.tables:
                table.measure()
        for table in self.tables:
            table.launch(optimizer)
            torch.autograd.graph.increment_version(table.params)


class Table:
    """Tensors that share rule, type and device: their addresses, blocks and counts, on the device."""

    def __init__(self, optimizer: FirstOrder, rule: Rule, members: list[tuple[int, Tensor]], norms: Tensor, slot: int) -> None:
        from netwright.optim import kernels

        self.rule, self.norms, self.slot = rule, norms, slot
        self.params = [p for _, p in members]
        self.device, self.dtype = self.params[0].device, self.params[0].dtype
        self.numbers = sorted({number for number, _ in members})
        rows = {number: row for row, number in enumerate(self.numbers)}
        kept = [optimizer.prepared(optimizer.param_groups[number], p, rule) for number, p in members]
        self.master = "master" in kept[0]
        places = [[state[name] for name in (*rule.states, *["master"] * self.master)] for state in kept]
        self.held = places  # so that no address outlives its memory
        counts = [-(-p.numel() // kernels.BLOCK) for p in self.params]
        self.blocks = self._on_device(
            [(i, b, rows[number]) for i, (number, _) in enumerate(members) for b in range(counts[i])], torch.int32
        )
        self.sizes = self._on_device([p.numel() for p in self.params], torch.int64)
        self._count(kept, counts)
        self.parts = torch.zeros(-(-len(self.blocks) // EACH), device=self.device)
        self.done = torch.zeros(1, dtype=torch.int32, device=self.device)
        self.groups = torch.zeros(len(rows), kernels.COMMON + kernels.OWN, dtype=torch.float64, device=self.device)
        self.formula, self.scalars = kernels.compiled(rule.formula), kernels.compiled(rule.scalars)
        self.settings: list[tuple[float, ...]] = []
        self.addresses: list[int] = []
        self.own: list[int] = []

    def _on_device(self, values: Any, dtype: torch.dtype) -> Tensor:
        """Without waiting for the device: torch keeps pinned memory until the copy is done."""
        made = torch.tensor(values, dtype=dtype, pin_memory=self.device.type == "cuda")
        return made.to(self.device, non_blocking=True)

    def _count(self, kept: list[dict[str, Any]], counts: list[int]) -> None:
        """Each block counts for itself; a parameter's `step` is a view of its first block's count."""
        repeats = torch.tensor(counts)
        self.counts = torch.zeros(sum(counts), device=self.device)
        self.products = torch.ones(sum(counts) if self.rule.product else 1, dtype=torch.float64, device=self.device)
        if not self.rule.counts:
            return
        first = [0, *repeats.cumsum(0).tolist()]
        for name, store in (("step", self.counts), *([("mu_product", self.products)] if self.rule.product else [])):
            values = torch.tensor([float(state[name]) for state in kept], dtype=store.dtype)
            store.copy_(values.repeat_interleave(repeats))
            for state, block, number in zip(kept, first, counts, strict=False):
                if number:
                    state[name] = store[block]

    def point(self, optimizer: FirstOrder) -> None:
        """Bring addresses and settings on the device up to date, where they have changed."""
        try:
            addresses = [0 if p.grad is None else p.grad.data_ptr() for p in self.params]
        except RuntimeError:  # a sparse gradient has no address
            for group in optimizer.param_groups:
                of_group(group)
            raise
        own = [p.data_ptr() for p in self.params]
        if addresses != self.addresses or own != self.own:
            self._readdress(own)
        settings = [self._row(optimizer.param_groups[number]) for number in self.numbers]
        if settings != self.settings:
            self._not_captured("a setting has changed (an lr that changes is given as a tensor on the device)")
            self.settings = settings
            self.groups.copy_(self._on_device(settings, torch.float64), non_blocking=True)
        for row, number in enumerate(self.numbers):
            lr = optimizer.param_groups[number]["lr"]
            if isinstance(lr, Tensor) and lr.device == self.device and self.device.type != "cpu":
                self.groups[row, 0].copy_(lr * self.rule.factor(optimizer.param_groups[number]))

    def _row(self, group: Group) -> tuple[float, ...]:
        lr = group["lr"]
        on_device = isinstance(lr, Tensor) and lr.device.type != "cpu"
        hyper = self.rule.hyper(group)
        sign = -1.0 if group["maximize"] else 1.0
        return (
            0.0 if on_device else float(lr) * self.rule.factor(group),
            *decay_of(group, self.rule.factor(group)),
            sign,
            *hyper,
            *[0.0] * (6 - len(hyper)),
        )

    def _readdress(self, own: list[int]) -> None:
        self._not_captured("gradients or parameters have moved (zero_grad(set_to_none=False) keeps them in place)")
        self.grads: list[Tensor | None] = []
        for p in self.params:
            g = p.grad
            if g is not None and (g.layout != torch.strided or g.stride() != p.stride()):
                if g.layout != torch.strided or g.is_complex():
                    raise NetwrightError(f"a gradient of shape {tuple(p.shape)} is sparse or complex, expected a dense, real one")
                g = torch.empty_like(p).copy_(g)
            self.grads.append(g)
        moved = any(g is not None and g is not p.grad for g, p in zip(self.grads, self.params, strict=True))
        self.addresses = [] if moved else [0 if g is None else g.data_ptr() for g in self.grads]  # copies are made anew each time
        self.own = own
        table = [
            [p.data_ptr(), *(place.data_ptr() for place in held[: len(self.rule.states)]), *[0] * (3 - len(self.rule.states)), 0]
            for p, held in zip(self.params, self.held, strict=True)
        ]
        if self.master:
            for line, held in zip(table, self.held, strict=True):
                line[4] = held[-1].data_ptr()
        addresses = [0 if g is None else g.data_ptr() for g in self.grads]
        self.aligned = all(address % 16 == 0 for line in (*table, addresses) for address in line)
        self.tensors = self._on_device(table, torch.int64)
        self.grad_table = self._on_device(addresses, torch.int64)

    def _not_captured(self, why: str) -> None:
        if self.device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            raise NetwrightError(f"a CUDA graph is being captured, and {why}: run a step before the capture")

    def measure(self) -> None:
        """The sum of squares of the gradients, into this table's place among `norms`."""
        from netwright.optim import kernels

        kernels.norm_kernel[(len(self.parts),)](
            self.grad_table,
            self.blocks,
            self.sizes,
            self.parts,
            self.done,
            self.norms[self.slot :],
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
        scale, found = getattr(optimizer, "grad_scale", None), getattr(optimizer, "found_inf", None)
        limited = settings.max_norm is not None or settings.on_nonfinite == "skip"
        if not len(self.blocks):
            return
        kernels.step_kernel[(len(self.blocks),)](
            self.tensors,
            self.grad_table,
            self.blocks,
            self.sizes,
            self.groups,
            self.counts,
            self.products,
            self.norms,
            self.norms if scale is None else scale.to(self.device, torch.float32),
            self.norms if found is None else found.to(self.device, torch.float32),
            math.inf if settings.max_norm is None else settings.max_norm,
            FORMULA=self.formula,
            SCALARS=self.scalars,
            STATES=len(self.rule.states),
            KIND=kernels.KINDS[self.dtype],
            MASTER=self.master,
            PRODUCT=int(self.rule.product),
            HAS_SCALE=scale is not None,
            HAS_FOUND=found is not None,
            NORM_SLOTS=len(self.norms) if limited else 0,
            CLIP=settings.max_norm is not None,
            SKIP=settings.on_nonfinite == "skip",
            ALIGNED=self.aligned,
            SIZE=kernels.BLOCK,
        )
