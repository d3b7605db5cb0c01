"""Loading an optimizer's state: matched by name where there are names, refused where it does not fit, in full precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.optim.formulas import momentum
from netwright.optim.gradients import name_of
from netwright.optim.reference import working

if TYPE_CHECKING:
    from netwright.optim.base import FirstOrder

StateDict = dict[str, Any]
SCALARS = {"step": torch.float32, "mu_product": torch.float64}


def load(optimizer: FirstOrder, state_dict: StateDict, plain: Callable[[StateDict], None]) -> None:
    """`plain` is torch's own loading: it calls the hooks, and rounds state to the parameters' type, which is undone here."""
    seen: list[StateDict] = []
    if not isinstance(state_dict, dict):
        raise NetwrightError(f"this is no optimizer's state but {type(state_dict).__name__}: expected what state_dict() gives")

    def fit(_: Any, given: StateDict) -> StateDict:
        seen.append(matched(optimizer, given))
        return seen[0]

    def restore(_: Any) -> None:
        _restore(optimizer, seen[0])

    before = optimizer.register_load_state_dict_pre_hook(fit)  # after the user's own hooks
    after = optimizer.register_load_state_dict_post_hook(restore, prepend=True)  # before them
    try:
        plain(state_dict)
    finally:
        before.remove()
        after.remove()


def matched(optimizer: FirstOrder, given: StateDict) -> StateDict:
    """The given state in the order of the optimizer's parameters. Raises NetwrightError where it does not fit."""
    if not isinstance(given, dict) or not {"state", "param_groups"} <= set(given):
        raise NetwrightError("this is no optimizer's state: expected what state_dict() gives, with 'state' and 'param_groups'")
    here, there = optimizer.param_groups, given["param_groups"]
    if not all(isinstance(group, dict) and "params" in group for group in there):
        raise NetwrightError("this is no optimizer's state: its groups have no 'params'")
    if len(here) != len(there):
        raise NetwrightError(f"the state has {len(there)} parameter groups, the optimizer {len(here)}")
    groups = [matched_group(number, mine, theirs) for number, (mine, theirs) in enumerate(zip(here, there, strict=True))]
    for mine, theirs in zip(here, groups, strict=True):
        for index, key in enumerate(theirs["params"]):
            _check(optimizer, mine, theirs, index, given["state"].get(key, {}))
    unknown = set(given["state"]) - {key for group in groups for key in group["params"]}
    if unknown:
        raise NetwrightError(f"the state holds parameters that are in none of its groups: {_some(sorted(map(str, unknown)))}")
    return {**given, "param_groups": groups}


def matched_group(number: int, mine: dict[str, Any], theirs: dict[str, Any]) -> dict[str, Any]:
    """A stored group in the order of ours: by name where both have names, else by place. Raises where they do not match."""
    names, stored = mine.get("param_names"), theirs.get("param_names")
    if names and stored and len(stored) == len(theirs["params"]):
        if missing := [name for name in names if name not in stored]:
            raise NetwrightError(f"the state has nothing of {_some(missing)} in group {number}")
        if extra := [name for name in stored if name not in names]:
            raise NetwrightError(f"the state has {_some(extra)} in group {number}, the optimizer has not")
        place = dict(zip(stored, theirs["params"], strict=True))
        return {**theirs, "params": [place[name] for name in names], "param_names": list(names)}
    if len(mine["params"]) != len(theirs["params"]):
        counts = f"{len(theirs['params'])} parameters in group {number}, the optimizer has {len(mine['params'])}"
        last = name_of(mine, min(len(mine["params"]), len(theirs["params"])) - 1) if mine["params"] else "none"
        raise NetwrightError(f"the state has {counts} (the last that both have: {last})")
    return theirs


def _some(names: list[str]) -> str:
    return ", ".join(names[:12]) + (f" and {len(names) - 12} more" if len(names) > 12 else "")


def _check(optimizer: FirstOrder, mine: dict[str, Any], theirs: dict[str, Any], index: int, stored: dict[str, Any]) -> None:
    """Refuse a parameter's state that is of another rule or shape, or incomplete."""
    name, shape = name_of(mine, index), tuple(mine["params"][index].shape)
    for key, value in stored.items():
        if key not in optimizer.keeps and value is not None:
            known = ", ".join(optimizer.keeps) or "nothing"
            raise NetwrightError(f"the state of {name} holds {key!r}: {type(optimizer).__name__} keeps {known}")
        if key in SCALARS:
            if not isinstance(value, (int, float, Tensor)) or (isinstance(value, Tensor) and value.numel() != 1):
                raise NetwrightError(f"the state of {name} has {key} {value!r}, expected a number")
        elif value is not None and not (isinstance(value, Tensor) and tuple(value.shape) == shape):
            what = f"of shape {tuple(value.shape)}" if isinstance(value, Tensor) else repr(value)[:40]
            raise NetwrightError(f"the state of {name} has {key} {what}, expected a tensor of shape {shape}")
    rule = optimizer._rule({**mine, **{key: value for key, value in theirs.items() if key in mine}})
    wanted = [
        *rule.states,
        *(["mu_product"] if rule.product else []),
        *(["step"] if rule.counts and (rule.formula is not momentum or "form" in theirs) else []),
    ]
    lacking = [key for key in wanted if stored.get(key) is None]
    if any(value is not None for value in stored.values()) and lacking:
        raise NetwrightError(f"the state of {name} lacks {', '.join(lacking)}")


def _restore(optimizer: FirstOrder, given: StateDict) -> None:
    """Write the state again as it was stored: torch has rounded it to its parameter's type."""
    for mine, theirs in zip(optimizer.param_groups, given["param_groups"], strict=True):
        rule = optimizer._rule(mine)
        for p, key in zip(mine["params"], theirs["params"], strict=True):
            stored = given["state"].get(key)
            if not stored:
                continue
            kept: dict[str, Any] = {}
            for name, value in stored.items():
                if name in SCALARS:
                    kept[name] = torch.as_tensor(value, dtype=SCALARS[name]).detach().clone().cpu().reshape(())
                elif value is not None:
                    kept[name] = _as(value, p)
            if rule.counts and "step" not in kept and all(name in kept for name in rule.states):
                kept["step"] = torch.ones((), dtype=torch.float32)  # torch keeps no count; only a first step is special
            optimizer.state[p] = kept


def _as(value: Tensor, p: Tensor) -> Tensor:
    made = torch.empty_like(p, dtype=working(p.dtype), memory_format=torch.preserve_format, requires_grad=False)
    return made.copy_(value.detach())
