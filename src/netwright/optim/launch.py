"""Which parameters take the Triton kernel, and why others do not."""

from __future__ import annotations

import importlib.util
import operator
from collections import Counter
from functools import cache
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.optim import fused
from netwright.optim.gradients import name_of, of_group
from netwright.optim.rules import Group
from netwright.optim.tables import Table

if TYPE_CHECKING:
    from netwright.optim.base import FirstOrder, Settings


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
    if p.grad is not None and p.grad.dtype != p.dtype:
        return f"its gradient is {str(p.grad.dtype).removeprefix('torch.')}"
    return ""


@cache
def _has_triton() -> bool:
    return importlib.util.find_spec("triton") is not None


def _interprets() -> bool:
    from netwright.optim import kernels

    return kernels.interpreted


def limited(settings: Settings) -> bool:
    """Whether a step needs the norm of all gradients."""
    return settings.max_norm is not None or settings.on_nonfinite == "skip"


def reasons(optimizer: FirstOrder, group: Group) -> dict[str, int]:
    """For `explain`: which path how many parameters of a group take, and why not the kernel."""
    told: Counter[str] = Counter()
    rule, settings = optimizer._rule(group), optimizer.settings
    members = [(other, p) for other in optimizer.param_groups for p in other["params"]]
    refused = {id(p): refusal(optimizer, other, p) for other, p in members}
    apart = limited(settings) and (any(refused.values()) or len({p.device for _, p in members}) > 1)
    for p in group["params"]:
        why = refused[id(p)] or ("one norm of all gradients, not all of them the kernel's" if apart else "")
        if not why:
            told["one launch of a Triton kernel for all"] += 1
        elif not optimizer.is_fast(group, rule, p.device.type != "cpu"):
            told[f"the reference, a loop of torch's operations ({why})"] += 1
        elif fused.kernel_of(rule, group, settings.max_norm is not None) and p.dtype in fused.WIDE:
            told[f"torch's fused kernel ({why})"] += 1
        else:
            told[f"the formula in blocks that stay in cache ({why})"] += 1
    return dict(told)


class Plan:
    """Which parameters the kernel moves, by table; `left` are the others', by group: indices of parameters."""

    def __init__(self, optimizer: FirstOrder) -> None:
        self.left: list[list[int]] = [[] for _ in optimizer.param_groups]
        self.waiting: list[Tensor] = []  # for a first gradient
        self.members = [list(group["params"]) for group in optimizer.param_groups]
        self.kinds = [_kind(optimizer, group) for group in optimizer.param_groups]
        for group in optimizer.param_groups:
            of_group(group)  # refuses gradients that cannot be used before any state is made
        buckets = self._buckets(optimizer)
        devices = {key[3] for key in buckets}
        if buckets and limited(optimizer.settings) and (any(self.left) or len(devices) > 1):
            # one norm of all gradients: taken where all of them can be read
            self.left = [list(range(len(members))) for members in self.members]
            buckets, self.waiting = {}, []
        norms = {device: torch.zeros(max(len(buckets), 1), device=device) for device in devices}
        self.tables = [
            Table(optimizer, key[0], members, norms[key[3]], slot) for slot, (key, members) in enumerate(buckets.items())
        ]

    def _buckets(self, optimizer: FirstOrder) -> dict[Any, list[tuple[int, Tensor]]]:
        """Parameters of the kernel by rule, type, master copies, device; the others go to `left`, or wait."""
        buckets: dict[Any, list[tuple[int, Tensor]]] = {}
        for number, group in enumerate(optimizer.param_groups):
            for index, p in enumerate(group["params"]):
                if why := refusal(optimizer, group, p):
                    self.left[number].append(index)
                    if optimizer.settings.path == "triton" and unavailable("triton", p):
                        raise NetwrightError(f"path is 'triton', but {name_of(group, index)} cannot take it: {why}")
                elif p.grad is None:
                    self.waiting.append(p)
                else:
                    master = bool(group["master_weights"]) and p.dtype != torch.float32
                    buckets.setdefault((optimizer._rule(group), p.dtype, master, p.device), []).append((number, p))
        return buckets

    def holds(self, optimizer: FirstOrder) -> bool:
        """Whether it is still the plan: the same groups, rules, parameters and state, and no first gradient."""
        groups = optimizer.param_groups
        if len(groups) != len(self.members) or any(p.grad is not None for p in self.waiting):
            return False
        for group, members, kind in zip(groups, self.members, self.kinds, strict=True):
            params = group["params"]
            if len(params) != len(members) or not all(map(operator.is_, params, members)) or _kind(optimizer, group) != kind:
                return False
        return all(table.holds(optimizer) for table in self.tables)

    def step(self, optimizer: FirstOrder) -> None:
        """One step of what the tables hold."""
        for table in self.tables:
            with table.current():
                table.point(optimizer)
                if limited(optimizer.settings):
                    table.measure()
        for table in self.tables:
            with table.current():
                table.launch(optimizer)
            torch.autograd.graph.increment_version(table.params)


def _kind(optimizer: FirstOrder, group: Group) -> tuple[Any, ...]:
    return optimizer._rule(group), group["master_weights"], group["differentiable"]
