"""Users' mistakes and bad numbers: one line that names the argument or the parameter, and nothing half done."""

from __future__ import annotations

import copy
import inspect
import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import torch

from netwright import optim
from netwright.errors import NetwrightError
from tests.optim.cases import (
    CUDA,
    FEW,
    INTERPRETED,
    MAIN,
    Case,
    Place,
    close,
    copies,
    everywhere,
    give,
    over,
    parameters,
    same,
    set_lr,
    walk,
)

NAMES = sorted({case.name for case in MAIN})
NAN = math.nan
BAD: list[tuple[str, Any]] = [
    *(("lr", bad) for bad in (-1.0, NAN, math.inf, "fast", None, torch.ones(2), torch.tensor(-1.0))),
    *(("weight_decay", bad) for bad in (-0.1, NAN, "much")),
    *(("eps", bad) for bad in (-1e-8, NAN)),
    *(("momentum", bad) for bad in (-0.1, NAN)),
    *(("betas", bad) for bad in ((1.0, 0.9), (0.9, 1.0), (-0.1, 0.9), (0.9, -0.1), (NAN, 0.9), (0.9,), 0.9, ("a", "b"))),
    *(("alpha", bad) for bad in (-0.1, 1.1, NAN)),
    *(("lr_decay", bad) for bad in (-0.1, NAN)),
    *(("initial_accumulator_value", bad) for bad in (-0.1, NAN)),
    *(("momentum_decay", bad) for bad in (-0.1, NAN)),
    *(("ns_steps", bad) for bad in (-1, 2.5)),
    *(("max_norm", bad) for bad in (-1.0, NAN)),
]
WORDS = {"form": "nots", "eps_mode": "insde", "decay": "schedul", "on_nonfinite": "eror", "path": "refrence"}
MEANT = {"form": "notes", "eps_mode": "inside", "decay": "schedule", "on_nonfinite": "error", "path": "reference"}


@contextmanager
def refused(*words: str) -> Iterator[None]:
    """A NetwrightError of one line that has these words in it."""
    with pytest.raises(NetwrightError) as caught:
        yield
    text = str(caught.value)
    assert text
    assert "\n" not in text
    for word in words:
        assert word in text, text


def arguments(name: str) -> set[str]:
    return set(inspect.signature(getattr(optim, name)).parameters)


@pytest.mark.parametrize(("argument", "bad"), BAD, ids=str)
def test_bad_numbers(argument: str, bad: Any) -> None:
    """At making, in a group's own settings, and in a group added later."""
    takers = [name for name in NAMES if argument in arguments(name)]
    assert takers
    for name in takers:
        kind, p = getattr(optim, name), torch.nn.Parameter(torch.ones(2))
        with refused(argument):
            kind([p], **{argument: bad})
        if argument == "max_norm":  # one bound for the norm over all groups
            continue
        with refused(argument):
            kind([{"params": [p], argument: bad}])
        optimizer = kind([p])
        groups = len(optimizer.param_groups)
        with refused(argument):
            optimizer.add_param_group({"params": [torch.nn.Parameter(torch.ones(2))], argument: bad})
        assert len(optimizer.param_groups) == groups


@pytest.mark.parametrize("argument", WORDS)
@pytest.mark.parametrize("name", NAMES)
def test_unknown_words(name: str, argument: str) -> None:
    if argument in arguments(name):
        with refused(argument, repr(WORDS[argument]), f"did you mean {MEANT[argument]}"):
            getattr(optim, name)([torch.nn.Parameter(torch.ones(2))], **{argument: WORDS[argument]})
        with refused(argument):
            getattr(optim, name)([torch.nn.Parameter(torch.ones(2))], **{argument: 3})


@pytest.mark.parametrize("name", NAMES)
def test_what_are_no_parameters(name: str) -> None:
    kind, p = getattr(optim, name), torch.nn.Parameter(torch.ones(2))
    with refused("no parameters"):
        kind([])
    with refused("no parameters"):
        kind(iter([]))
    for bad in (p, [1.0], ["weight"], None, 3, {p}, [{"lr": 0.1}], [[p]]):
        with refused():
            kind(bad)
    with refused("leaf"):
        kind([p * 2])
    with refused("blocks.0.weight", "leaf"):
        kind([("blocks.0.weight", p * 2)])
    with refused("complex", "blocks.0.weight"):
        kind([("blocks.0.weight", torch.nn.Parameter(torch.ones(2, dtype=torch.complex64)))])
    with refused("weight"):
        kind([("weight", p), ("weight", torch.nn.Parameter(torch.ones(2)))])


@pytest.mark.parametrize("name", NAMES)
def test_a_parameter_twice(name: str) -> None:
    kind, p, q = getattr(optim, name), torch.nn.Parameter(torch.ones(2)), torch.nn.Parameter(torch.ones(2))
    with refused("parameter 0", "parameter 2"):
        kind([p, q, p])
    with refused("bias", "tied"):
        kind([("bias", p), ("weight", q), ("tied", p)])
    with refused("parameter 0", "parameter 2"):
        kind([{"params": [p]}, {"params": [q, p]}])
    optimizer = kind([p])
    groups = len(optimizer.param_groups)
    with refused("parameter 0"):
        optimizer.add_param_group({"params": [p]})
    assert len(optimizer.param_groups) == groups


@everywhere
@over(MAIN)
def test_sparse_gradients(case: Case, place: Place) -> None:
    """Before anything has moved."""
    params = parameters(FEW, place.dtype, place.device)
    optimizer = case.make(list(params.items()), place)
    give(params, 0)
    before = copies(params)
    params["scale"].grad = None
    weight = params["weight"].grad
    assert weight is not None
    params["weight"].grad, params["bias"].grad = None, params["bias"].grad
    params["weight"].grad = weight.to_sparse()
    with refused("sparse", "weight"):
        optimizer.step()
    assert same(copies(params), before)
    assert not any(optimizer.state[p] for p in params.values() if p in optimizer.state)


@pytest.mark.skipif(CUDA or INTERPRETED, reason="Triton can run here")
@pytest.mark.parametrize("name", NAMES)
def test_triton_without_a_gpu_says_so(name: str) -> None:
    p = torch.nn.Parameter(torch.ones(2, 2))
    with refused("triton"):
        optimizer = getattr(optim, name)([p], path="triton")
        p.grad = torch.ones(2, 2)
        optimizer.step()
    assert same(p.detach(), torch.ones(2, 2))


def poisoned(params: dict[str, torch.nn.Parameter], t: int, bad: float) -> None:
    give(params, t)
    grad = params["bias"].grad
    assert grad is not None
    grad[1] = bad


@everywhere
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@over(MAIN)
def test_bad_gradients_under_error(case: Case, bad: float, place: Place) -> None:
    """The parameter is named and nothing has changed; a later good step is as if the bad one had not been."""
    mine, theirs = (parameters(FEW, place.dtype, place.device) for _ in range(2))
    optimizer = case.make([{"params": [pair]} for pair in mine.items()], place, on_nonfinite="error")
    plain = case.make(list(theirs.values()), place)
    for t, wrong in enumerate([True, False, True, False]):
        if wrong:
            before, state = copies(mine), copy.deepcopy(optimizer.state_dict())
            poisoned(mine, t, bad)
            with refused("bias"):
                optimizer.step()
            assert same(copies(mine), before)
            assert same(optimizer.state_dict()["param_groups"], state["param_groups"])
            changed = optimizer.state_dict()["state"]
            assert all(same(changed[key], kept) for key, kept in state["state"].items())
        else:
            walk(optimizer, mine, [t])
            walk(plain, theirs, [t])
    close(mine, theirs)


@everywhere
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
@over(MAIN)
def test_bad_gradients_under_skip(case: Case, bad: float, place: Place) -> None:
    """The whole step is left out: parameters, state and counts stay, also of parameters whose own gradient was good."""
    mine, theirs = (parameters(FEW, place.dtype, place.device) for _ in range(2))
    optimizer = case.make(list(mine.values()), place, on_nonfinite="skip", max_norm=5.0)
    plain = case.make(list(theirs.values()), place, max_norm=5.0)
    for t, wrong in enumerate([True, False, True, True, False]):
        if wrong:
            before = copies(mine)
            poisoned(mine, t, bad)
            optimizer.step()
            assert same(copies(mine), before)
        else:
            walk(optimizer, mine, [t])
            walk(plain, theirs, [t])
    close(mine, theirs)
    for p, q in zip(mine.values(), theirs.values(), strict=True):
        assert same(optimizer.state[p].get("step"), plain.state[q].get("step"))


@everywhere
@over(MAIN)
def test_bad_gradients_pass_by_default(case: Case, place: Place) -> None:
    """As in torch: NaN in, NaN out, in the one place (Lion's sign of NaN is 0, so there it is in the state)."""
    params = parameters(FEW, place.dtype, place.device)
    optimizer = case.make(list(params.values()), place)
    poisoned(params, 0, math.nan)
    optimizer.step()
    seen = optimizer.state[params["bias"]]["exp_avg"] if case.name == "Lion" else params["bias"]
    assert bool(seen.isnan()[1])
    assert bool(params["weight"].isfinite().all())


def test_a_lr_of_zero_at_the_start_has_no_schedule_to_follow() -> None:
    """lambda lr / lr_at_construction is 0 / 0 then: refused, or no decay; never NaN."""
    p = torch.nn.Parameter(torch.ones(2))
    p.grad = torch.ones(2)
    try:
        optimizer = optim.AdamW([p], lr=0.0, decay="schedule")
    except NetwrightError:
        return
    optimizer.step()
    optimizer.param_groups[0]["lr"] = 0.1
    optimizer.step()
    assert bool(p.isfinite().all())


@everywhere
@over([case for case in MAIN if case.name not in ("SGD", "Adagrad", "RMSprop")])
def test_a_step_of_lr_zero_changes_no_parameter(case: Case, place: Place) -> None:
    """Distributed checkpoints make their state so; the notes' decay, which knows no lr, rests too."""
    params = parameters(FEW, place.dtype, place.device)
    optimizer = case.make(list(params.values()), place, weight_decay=0.1, lr=torch.tensor(case.lr))
    before = copies(params)
    set_lr(optimizer, torch.tensor(0.0))
    walk(optimizer, params, range(2))
    assert same(copies(params), before)
    set_lr(optimizer, 0.0)
    walk(optimizer, params, range(2))
    assert same(copies(params), before)
