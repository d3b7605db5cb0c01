"""What all first-order optimizers share: groups and their checks, state, scaling, clipping, paths, loading."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.optim import gradients, launch, loading
from netwright.optim.checks import FORMS, check_choice, check_group, check_keys, check_members, check_params, members
from netwright.optim.fused import Item
from netwright.optim.fused import run as run_fused
from netwright.optim.reference import update, working
from netwright.optim.rules import Group, Rule, Step

PATHS = ("auto", "reference", "fast", "triton")
Params = Iterable[Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, Tensor]]


@dataclass(frozen=True)
class Settings:
    """What holds for a whole optimizer, not for one group of parameters."""

    max_norm: float | None = None
    on_nonfinite: str | None = None
    path: str = "auto"

    def __post_init__(self) -> None:
        if self.max_norm is not None:
            number = isinstance(self.max_norm, (int, float, Tensor)) and not isinstance(self.max_norm, bool)
            if not number or not float(self.max_norm) > 0:
                raise NetwrightError(
                    f"max_norm is {self.max_norm!r}, expected a number above 0 (None: gradients are not clipped)"
                )
            object.__setattr__(self, "max_norm", float(self.max_norm))
        check_choice("on_nonfinite", self.on_nonfinite, (None, "error", "skip"))
        check_choice("path", self.path, PATHS)


COMMON = {"form": "torch", "eps_mode": None, "decay": None, "decoupled_weight_decay": False, "master_weights": False}


class FirstOrder(torch.optim.Optimizer):
    """A torch optimizer whose step is a `Rule`, on the fastest path there is for it (see `explain`)."""

    keeps: ClassVar[tuple[str, ...]] = ()  # every name that may stand in a parameter's state
    _step_supports_amp_scaling = True  # GradScaler leaves its scale in `grad_scale`, and in `found_inf` whether to step

    def __init__(self, params: Params, defaults: dict[str, Any], settings: Settings) -> None:
        self.settings = settings
        self._last: dict[int, tuple[float | Tensor, float]] = {}  # group -> lr and momentum of the last step, for `iterates`
        self._plan: launch.Plan | None = None
        super().__init__(check_params(params), COMMON | defaults)

    # ------------------------------------------------------------ what a subclass says

    def _rule(self, group: Group) -> Rule:
        raise NotImplementedError

    # ------------------------------------------------------------ groups

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add parameters with settings of their own. Raises NetwrightError for what is no setting or out of its range."""
        kind = type(self).__name__
        given = {**param_group, "params": members(param_group)}
        check_keys(given, {"params", "param_names", *self.defaults}, kind)
        check_group(self.defaults | given, kind)
        check_members(given, self.param_groups, bool(given.get("differentiable", self.defaults["differentiable"])))
        try:
            super().add_param_group(given)
        except (ValueError, TypeError) as error:
            raise NetwrightError(f"{kind}: {error}") from error
        self._complete(self.param_groups[-1])
        self._plan = None

    def _complete(self, group: Group) -> None:
        """What follows from a group's settings: places of eps and decay that its form decides, its lr at the start."""
        form = FORMS[group["form"]]
        group["eps_mode"] = group["eps_mode"] or (form.eps_mode if self.moments else "outside")
        group["decay"] = group["decay"] or form.decay
        group["inside"] = group["eps_mode"] == "inside"
        lr = group["lr"]
        unread = isinstance(lr, Tensor) and lr.device.type != "cpu" and group["decay"] != "schedule"
        group.setdefault("lr_at_start", math.nan if unread else float(lr))

    moments: ClassVar[bool] = False  # whether the notes have eps inside of the root: Adam's family

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "settings": self.settings}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Also for files of older versions: what is missing gets its default."""
        super().__setstate__(state)
        self.__dict__.setdefault("settings", Settings())
        self._last, self._plan = {}, None
        for group in self.param_groups:
            for key, value in self.defaults.items():
                group.setdefault(key, value)
            self._complete(group)

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from `state_dict()`: bitwise as if never stopped; fp32 state stays fp32 beside narrower parameters.

        By the parameters' names where both sides know them (`named_parameters()`), else by position. Torch's own files of
        the same rule are read too. Raises NetwrightError, which names the parameter, for a state that does not fit.
        """
        loading.load(self, state_dict, super().load_state_dict)

    # ------------------------------------------------------------ the step

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """One step from the gradients in `.grad`. `closure` computes the loss and its gradients, and is returned.

        Raises NetwrightError for sparse and complex gradients, and non-finite ones where `on_nonfinite="error"`.
        """
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        with torch.set_grad_enabled(any(group["differentiable"] for group in self.param_groups)):
            self._step()
        return loss

    def _step(self) -> None:
        compiling = torch.compiler.is_compiling()
        if not compiling:
            self._last = {n: _last(g) for n, g in enumerate(self.param_groups) if g.get("nesterov")}
        plan = self._planned() if not compiling else None
        found = [gradients.of_group(group, plan.left[n] if plan else None) for n, group in enumerate(self.param_groups)]
        if plan is not None and plan.tables:
            if self.settings.on_nonfinite == "error":
                gradients.check_finite(self)
            plan.step(self)
        if not any(found):
            return
        scale = gradients.scale(self, found)
        if scale is gradients.SKIP:
            return
        for group, items in zip(self.param_groups, found, strict=True):
            if items:
                rule = self._rule(group)
                self._step_group(rule, group, self._with_state(group, items, rule), scale)

    def _planned(self) -> launch.Plan:
        if self._plan is None or not self._plan.holds(self):
            self._plan = launch.Plan(self)
        return self._plan

    def _step_group(self, rule: Rule, group: Group, items: list[Item], scale: Any) -> None:
        if items[0][0].device.type == "cuda" and torch.cuda.is_current_stream_capturing():
            why = next(iter(launch.reasons(self, group)))
            raise NetwrightError(f"a CUDA graph cannot capture this step, whose numbers are the host's: {why}")
        as_tensors = torch.compiler.is_compiling() or items[0][0].device.type != "cpu"
        for same in _by_step(rule, items, as_tensors):
            if rule.counts:
                torch._foreach_add_([item[2]["step"] for item in same], 1)
            step = Step(rule, group, same[0][2], as_tensors)
            step.scale = scale if not group["maximize"] else -1.0 if scale is None else -scale
            if rule.product:
                product = step.product
                for item in same:
                    item[2]["mu_product"] = product
            if self.is_fast(group, rule, as_tensors):
                run_fused(rule, group, same, step, scale is not None)
            else:
                for p, g, kept in same:
                    update(rule, p, g, kept, step)

    def is_fast(self, group: Group, rule: Rule, as_tensors: bool) -> bool:
        """Whether parameters on a CPU take fused kernels or blocks, not the reference."""
        return self.settings.path != "reference" and not (as_tensors or rule.whole or group["differentiable"])

    def _with_state(self, group: Group, items: list[tuple[Tensor, Tensor]], rule: Rule) -> list[Item]:
        if not (rule.names or self.state or group["master_weights"]):  # plain SGD
            return [(p, g, {}) for p, g in items]
        kept = [self.state[p] for p, _ in items]
        if group["master_weights"] or not all(state.keys() >= rule.names for state in kept):
            kept = [self.prepared(group, p, rule) for p, _ in items]
        return [(p, g, state) for (p, g), state in zip(items, kept, strict=True)]

    def prepared(self, group: Group, p: Tensor, rule: Rule) -> dict[str, Any]:
        """The state of a parameter, made where there is none yet."""
        state: dict[str, Any] = self.state[p]
        if rule.counts and "step" not in state:
            state["step"] = torch.zeros((), dtype=torch.float32, device=p.device if torch.compiler.is_compiling() else "cpu")
        for name in rule.states:
            if name not in state:
                first = float(group.get("initial_accumulator_value", 0)) if name == "sum" else 0.0
                state[name] = torch.zeros_like(p, dtype=working(p.dtype), memory_format=torch.preserve_format)
                if first:
                    state[name].fill_(first)
        if rule.product and "mu_product" not in state:
            state["mu_product"] = torch.ones((), dtype=torch.float64, device=state["step"].device)
        if group["master_weights"] and p.dtype != working(p.dtype) and "master" not in state:
            state["master"] = p.detach().to(working(p.dtype), copy=True)
        return state

    # ------------------------------------------------------------ readings

    @torch.no_grad()
    def iterates(self) -> list[list[Tensor]]:
        """theta of each group's parameters, as copies: under Nesterov the parameters themselves are the look-ahead points."""
        return [[self._iterate(number, group, p) for p in group["params"]] for number, group in enumerate(self.param_groups)]

    def _iterate(self, number: int, group: Group, p: Tensor) -> Tensor:
        kept = self.state.get(p, {})
        theta: Tensor = kept.get("master", p).detach().clone()
        buffer = kept.get("momentum_buffer")
        if not group.get("nesterov") or buffer is None or self._rule(group).whole:
            return theta
        lr, momentum = self._last.get(number) or _last(group)
        ahead = momentum if group["form"] == "notes" else -lr * momentum
        moved: Tensor = theta - (ahead * buffer).to(theta.dtype)
        return moved

    def explain(self) -> str:
        """Which path the parameters of each group take, and why not a faster one."""
        lines = []
        for number, group in enumerate(self.param_groups):
            for reason, count in launch.reasons(self, group).items():
                lines.append(f"group {number}: {count} of {len(group['params'])} parameters: {reason}")
        return "\n".join(lines)


def _last(group: Group) -> tuple[float | Tensor, float]:
    """lr and momentum of a step, for later: a tensor is copied, since schedulers write into it."""
    lr = group["lr"]
    return (lr.detach().clone() if isinstance(lr, Tensor) else float(lr)), group["momentum"]


def _by_step(rule: Rule, items: list[Item], as_tensors: bool) -> Iterable[list[Item]]:
    """Items that share the number of their step: nearly always all of them."""
    if not rule.counts:
        return [items]
    if as_tensors:
        return [[item] for item in items]
    kinds: dict[tuple[float, float], list[Item]] = {}
    for item in items:
        kept = item[2]
        key = float(kept["step"]), float(kept["mu_product"]) if rule.product else 0.0
        kinds.setdefault(key, []).append(item)
    return kinds.values()
