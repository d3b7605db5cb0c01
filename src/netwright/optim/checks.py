"""What settings and parameters an optimizer takes: one line of error that says which is wrong and what is expected."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import Tensor

from netwright.errors import NetwrightError, did_you_mean


class Form(NamedTuple):
    """What a form decides unless it is set apart: where eps stands in Adam's family, and what decay is multiplied by."""

    eps_mode: str
    decay: str


FORMS = {"torch": Form("outside", "lr"), "notes": Form("inside", "constant")}

_POSITIVE = ("lr", "eps", "weight_decay", "lr_decay", "initial_accumulator_value", "momentum_decay", "vector_scale", "vector_eps")
_FLAGS = ("nesterov", "amsgrad", "centered", "maximize", "differentiable", "master_weights", "decoupled_weight_decay")


def check_params(params: Any) -> list[Any]:
    """Parameters, groups or named parameters as a list. Raises NetwrightError for none, and for what is no such thing."""
    if isinstance(params, Tensor):
        raise NetwrightError("params is one tensor, expected a list of them: [tensor], or model.parameters()")
    if isinstance(params, (set, frozenset)):
        raise NetwrightError("params is a set, whose order changes from run to run: give a list")
    if isinstance(params, str) or not isinstance(params, Iterable):
        raise NetwrightError(f"params is {params!r}, expected tensors, such as model.parameters()")
    given = list(params)
    if not given or all(isinstance(group, dict) and not members(group) for group in given):
        raise NetwrightError("there are no parameters to optimize (is everything frozen?)")
    if any(isinstance(part, dict) for part in given) and not all(isinstance(part, dict) for part in given):
        raise NetwrightError("params holds groups (dicts) and parameters side by side, expected the one or the other")
    return given


def members(group: dict[str, Any]) -> list[Any]:
    """The parameters of a group, or pairs of name and parameter."""
    if "params" not in group:
        raise NetwrightError(f"a parameter group has no 'params', only {', '.join(map(repr, group)) or 'nothing'}")
    given = group["params"]
    if isinstance(given, (set, frozenset)):
        raise NetwrightError("a group's params are a set, whose order changes from run to run: give a list")
    if isinstance(given, str) or not isinstance(given, Iterable):
        raise NetwrightError(f"a group's params is {given!r}, expected tensors")
    return [given] if isinstance(given, Tensor) else list(given)


def check_members(group: dict[str, Any], earlier: Iterable[dict[str, Any]], differentiable: bool) -> None:
    """Raise NetwrightError, which names the parameter, for what cannot be optimized, or is optimized already."""
    seen: dict[int, str] = {}
    names: set[str] = set()
    count = 0
    for other in earlier:
        named = other.get("param_names") or [f"parameter {count + index}" for index in range(len(other["params"]))]
        count += len(named)
        seen |= {id(p): name for p, name in zip(other["params"], named, strict=True)}
        names |= set(other.get("param_names") or ())
    for index, member in enumerate(group["params"]):
        has_name = isinstance(member, tuple) and len(member) == 2 and isinstance(member[0], str)
        name, p = member if has_name else (f"parameter {count + index}", member)
        if not isinstance(p, Tensor):
            raise NetwrightError(f"{name} is of type {type(p).__name__}, expected a tensor")
        if p.is_complex() or not p.is_floating_point():
            kind = "complex" if p.is_complex() else str(p.dtype).removeprefix("torch.")
            raise NetwrightError(f"{name} is {kind}: only real, floating-point parameters can be optimized")
        if not (differentiable or p.is_leaf or p.retains_grad):
            raise NetwrightError(f"{name} is no leaf: it was computed from other tensors, and those can be")
        if id(p) in seen or name in names:
            before = seen.get(id(p), "the name of another one")
            raise NetwrightError(f"{name} was given twice (before as {before}): every parameter once")
        seen[id(p)] = name
        names |= {name} if has_name else set()


def check_choice(name: str, value: Any, known: Iterable[Any]) -> None:
    """Raise NetwrightError unless a word is one of the known ones."""
    known = tuple(known)
    if not any(value is k or value == k for k in known):
        near = did_you_mean(value, [k for k in known if k]) if isinstance(value, str) else ""
        raise NetwrightError(f"{name} is {value!r}{near} (known: {', '.join(map(repr, known))})")


def check_group(group: dict[str, Any], optimizer: str) -> None:
    """Raise NetwrightError for a setting outside of its range, or a word that is not known."""
    for key in _POSITIVE:
        if group.get(key) is not None or (key in group and key != "vector_scale"):
            _number(optimizer, key, group[key], math.inf)
    for key in ("momentum", "alpha"):
        if key in group:
            _number(optimizer, key, group[key], 1.0, closed=key == "alpha")
    _check_betas(group.get("betas", (0, 0)), optimizer)
    _check_muon(group, optimizer)
    if "dampening" in group:
        _number(optimizer, "dampening", group["dampening"], 1.0, closed=True)
    for key in _FLAGS:
        if key in group and not isinstance(group[key], bool):
            raise NetwrightError(f"{optimizer}: {key} is {group[key]!r}, expected True or False")
    if group.get("nesterov") and not (group.get("momentum") and not group.get("dampening")):
        raise NetwrightError(f"{optimizer}: nesterov needs a momentum above 0 and no dampening")
    check_choice("form", group["form"], FORMS)
    check_choice("eps_mode", group["eps_mode"], (None, "outside", "inside"))
    check_choice("decay", group["decay"], (None, "lr", "schedule", "constant"))


def _check_betas(betas: Any, optimizer: str) -> None:
    if not isinstance(betas, (tuple, list)) or len(betas) != 2:
        raise NetwrightError(f"{optimizer}: betas is {betas!r}, expected two numbers, such as (0.9, 0.999)")
    for index, beta in enumerate(betas):
        _number(optimizer, f"betas[{index}]", beta, 1.0)


def _check_muon(group: dict[str, Any], optimizer: str) -> None:
    if "ns_steps" in group and (type(group["ns_steps"]) is not int or group["ns_steps"] < 1):
        raise NetwrightError(f"{optimizer}: ns_steps is {group['ns_steps']!r}, expected a whole number, 1 or above")
    if "adjust_lr_fn" in group:
        check_choice("adjust_lr_fn", group["adjust_lr_fn"], (None, "original", "match_rms_adamw"))
    numbers = group.get("ns_coefficients", (0, 0, 0))
    if not isinstance(numbers, (tuple, list)) or len(numbers) != 3 or not all(isinstance(n, (int, float)) for n in numbers):
        raise NetwrightError(f"{optimizer}: ns_coefficients is {numbers!r}, expected three numbers")


def _number(optimizer: str, key: str, value: Any, most: float, closed: bool = False) -> None:
    expected = "a number, 0 or above" if most == math.inf else f"a number from 0 to {'' if closed else 'below '}1"
    if isinstance(value, Tensor):
        if value.numel() != 1 or (key != "lr" and value.requires_grad):
            raise NetwrightError(f"{optimizer}: {key} is a tensor of shape {tuple(value.shape)}, expected {expected}")
        if value.is_meta or value.device.type != "cpu":
            return  # reading it would wait for the device
    elif isinstance(value, bool) or not isinstance(value, (int, float)):
        raise NetwrightError(f"{optimizer}: {key} is {value!r}, expected {expected}")
    number = float(value)
    if not (0 <= number < most or (closed and number == most)) or math.isinf(number):
        raise NetwrightError(f"{optimizer}: {key} is {number:g}, expected {expected}")


def check_keys(group: dict[str, Any], known: Iterable[str], optimizer: str) -> None:
    """Raise NetwrightError for a key that looks like a misspelt setting; others are the user's own, as in torch."""
    known = set(known)
    for key in ("max_norm", "on_nonfinite", "path"):
        if key in group:
            raise NetwrightError(
                f"{optimizer}: {key} holds for the whole optimizer, not for a group: give it to {optimizer}(...)"
            )
    for key in group:
        near = [] if key in known else difflib.get_close_matches(str(key), sorted(known), n=1, cutoff=0.75)
        if near:
            raise NetwrightError(f"{optimizer} has no setting {key!r}; did you mean {near[0]}?")
