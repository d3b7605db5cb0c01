"""Saving and loading: resuming is never having stopped, state goes by name, and what does not fit is refused by name."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim.optimizer import Optimizer

from netwright.errors import NetwrightError
from tests.optim.cases import (
    FEW,
    MAIN,
    TWINS,
    Case,
    Place,
    copies,
    everywhere,
    give,
    in_full_precision,
    over,
    parameters,
    same,
    walk,
)

State = dict[str, Any]


def through_a_file(state: State) -> State:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


def refused(change: Callable[[], object], *words: str) -> None:
    """One line that has the words in it."""
    with pytest.raises(NetwrightError) as caught:
        change()
    text = str(caught.value)
    assert "\n" not in text
    for word in words:
        assert word in text, text


def tensors(optimizer: Optimizer) -> list[State]:
    return [dict(optimizer.state[p]) for group in optimizer.param_groups for p in group["params"] if p in optimizer.state]


@everywhere
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("master", [False, True], ids=["", "master"])
@over(MAIN)
def test_resuming_is_never_having_stopped(case: Case, master: bool, dtype: torch.dtype, place: Place) -> None:
    """Bit for bit, in parameters and state, at another lr in each group, in the middle of training."""
    whole, halves = (parameters(FEW, dtype, place.device) for _ in range(2))

    def made(params: State) -> Optimizer:
        groups = [{"params": [params["weight"]], "lr": 2 * case.lr}, {"params": [params["bias"], params["scale"]]}]
        return case.make(groups, place, master_weights=master)

    straight, first = made(whole), made(halves)
    walk(straight, whole, range(8))
    walk(first, halves, range(4))
    saved = through_a_file({"optimizer": first.state_dict(), "weights": copies(halves)})
    again = parameters(FEW, dtype, place.device, seed="another")
    second = made(again)
    with torch.no_grad():
        for name, p in again.items():
            p.copy_(saved["weights"][name])
    second.load_state_dict(saved["optimizer"])
    assert same(second.state_dict(), first.state_dict())
    walk(second, again, range(4, 8))
    assert same(copies(again), copies(whole))
    assert same(tensors(second), tensors(straight))


@everywhere
@over(MAIN)
def test_fp32_state_stays_so_beside_bf16_weights(case: Case, place: Place) -> None:
    """Also when an optimizer over fp32 weights saved it; torch's own load would cast it to bf16."""
    wide, narrow = parameters(FEW, torch.float32, place.device), parameters(FEW, torch.bfloat16, place.device)
    first, second = case.make(list(wide.values()), place), case.make(list(narrow.values()), place)
    walk(first, wide)
    second.load_state_dict(through_a_file(first.state_dict()))
    assert same(tensors(second), tensors(first))
    walk(second, narrow, [3])
    kept = [t for state in tensors(second) for key, t in state.items() if key not in ("step", "mu_product")]
    assert {t.dtype for t in kept} <= {torch.float32}


@over(MAIN)
def test_a_loaded_state_is_its_own(case: Case) -> None:
    """What is loaded is copied: neither the dictionary nor the optimizer it came from changes with later steps."""
    mine, theirs = parameters(), parameters()
    first, second = case.make(list(mine.values())), case.make(list(theirs.values()))
    walk(first, mine)
    saved = first.state_dict()
    before, kept = copy.deepcopy(saved), copy.deepcopy(tensors(first))
    second.load_state_dict(saved)
    walk(second, theirs, range(3, 6))
    assert same(saved, before)
    assert same(tensors(first), kept)


@everywhere
@over(MAIN)
def test_state_goes_by_name(case: Case, place: Place) -> None:
    """Parameters of one shape in another order, in other groups' places, get the state of their name."""
    shapes = {"a": (4, 4), "b": (4, 4), "c": (4, 4)}
    mine, other = (parameters(shapes, place.dtype, place.device) for _ in range(2))
    first = case.make(list(mine.items()), place)
    walk(first, mine)
    with torch.no_grad():
        for name in shapes:
            other[name].copy_(mine[name])
    second = case.make([(name, other[name]) for name in ("c", "a", "b")], place)
    second.load_state_dict(through_a_file(first.state_dict()))
    assert [name for group in second.param_groups for name in group["param_names"]] == ["c", "a", "b"]
    for name in shapes:
        assert same(dict(second.state[other[name]]), dict(first.state[mine[name]]))
    walk(first, mine, range(3, 6))
    walk(second, other, range(3, 6))
    assert same(copies(mine), copies(other))


@over(MAIN)
def test_without_names_state_goes_by_place(case: Case) -> None:
    """As in torch, also where only one side knows names."""
    mine, theirs = parameters(), parameters()
    named, plain = case.make(list(mine.items())), case.make(list(theirs.values()))
    walk(named, mine)
    plain.load_state_dict(through_a_file(named.state_dict()))
    assert same(tensors(plain), tensors(named))
    back = case.make(list(mine.items()))
    nameless = {**named.state_dict(), "param_groups": [dict(g) for g in named.state_dict()["param_groups"]]}
    for group in nameless["param_groups"]:
        del group["param_names"]
    back.load_state_dict(through_a_file(nameless))
    assert same(tensors(back), tensors(named))
    assert sorted(name for group in back.param_groups for name in group["param_names"]) == sorted(FEW)


@over([case for case in MAIN if case.keeps])
def test_what_does_not_fit_is_refused_by_name(case: Case) -> None:
    """And nothing is loaded then, not the part that would have fitted either."""
    mine = parameters()
    first = case.make(list(mine.items()))
    walk(first, mine)
    saved = first.state_dict()

    def load(shapes: dict[str, tuple[int, ...]]) -> Callable[[], object]:
        others = parameters(shapes)
        second = case.make(list(others.items()))
        walk(second, others, range(1))
        before = copy.deepcopy(second.state_dict())

        def change() -> None:
            try:
                second.load_state_dict(through_a_file(saved))
            finally:
                assert same(second.state_dict(), before)

        return change

    refused(load({**FEW, "weight": (3, 6)}), "weight", "(3, 5)", "(3, 6)")
    refused(load({**FEW, "more": (2,)}), "more")
    refused(load({name: FEW[name] for name in ("weight", "bias")}), "scale")
    refused(load({"weights": (3, 5), "bias": (3,), "scale": ()}), "weight")
    grouped = parameters()
    two = case.make([{"params": [(n, grouped[n]) for n in ("weight", "bias")]}, {"params": [("scale", grouped["scale"])]}])
    refused(lambda: two.load_state_dict(through_a_file(saved)), "group")


@over([case for case in MAIN if case.keeps])
def test_without_names_a_wrong_shape_or_number_is_refused_too(case: Case) -> None:
    mine = parameters()
    first = case.make(list(mine.values()))
    walk(first, mine)
    saved = through_a_file(first.state_dict())
    for shapes in ({**FEW, "weight": (3, 6)}, {**FEW, "more": (2,)}, {"weight": (3, 5)}):
        other = case.make(list(parameters(shapes).values()))
        refused(lambda other=other: other.load_state_dict(saved))


@over([case for case in MAIN if case.keeps])
def test_a_broken_state_is_refused(case: Case) -> None:
    """A file whose state lacks a tensor, has text in its place, or is no state at all."""
    mine = parameters()
    first = case.make(list(mine.items()))
    walk(first, mine)

    def spoiled(change: Callable[[State], object]) -> Callable[[], object]:
        saved = copy.deepcopy(first.state_dict())
        change(saved)
        second = case.make(list(parameters().items()))
        return lambda: second.load_state_dict(saved)

    held = set(first.state[mine["bias"]])
    for key in case.state_keys(mine["bias"]) & held if len(held) > 1 else ():  # none at all: it has never had a gradient
        refused(spoiled(lambda s, key=key: s["state"][1].pop(key)), "bias", key)
    refused(spoiled(lambda s: s["state"][0].update({case.keeps[0]: "text"})), "weight")
    refused(spoiled(lambda s: s["state"].update({99: s["state"][0]})))
    refused(spoiled(lambda s: s.pop("state")))
    refused(spoiled(lambda s: s.pop("param_groups")))
    refused(spoiled(lambda s: s.update(param_groups=[{}])))
    refused(lambda: case.make(list(parameters().items())).load_state_dict(None))  # type: ignore[arg-type]


def test_another_rules_state_is_refused() -> None:
    params = parameters()
    adam = Case("Adam", {"lr": 0.1}).make(list(params.items()))
    walk(adam, params)
    for other in (Case("RMSprop", {"lr": 0.1}), Case("SGD", {"lr": 0.1, "momentum": 0.9})):
        refused(lambda other=other: other.make(list(parameters().items())).load_state_dict(adam.state_dict()), "weight")


@everywhere
@over(TWINS)
def test_torchs_own_state_is_taken(case: Case, place: Place) -> None:
    """A run begun with torch's class goes on with ours as if ours had begun it."""
    shapes = {"weight": (3, 5), "tall": (7, 2)} if case.name == "Muon" else FEW
    mine, theirs = (parameters(shapes, torch.float32, place.device) for _ in range(2))
    assert case.twin is not None
    twin = case.twin(list(theirs.values()), **case.settings)
    straight = case.make(list(mine.values()), place)
    with in_full_precision():
        walk(twin, theirs)
        walk(straight, mine)
    loaded = case.make(list(theirs.values()), place)
    loaded.load_state_dict(through_a_file(twin.state_dict()))
    walk(loaded, theirs, range(3, 6))
    walk(straight, mine, range(3, 6))
    for name in shapes:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-5, atol=1e-5)


@over([case for case in TWINS if case.keeps and case.name != "Muon"])
def test_torch_takes_ours(case: Case) -> None:
    """The way back: the state has torch's names and shapes."""
    mine, theirs = (parameters(FEW, torch.float32) for _ in range(2))
    assert case.twin is not None
    first, straight = case.make(list(mine.values())), case.twin(list(theirs.values()), **case.settings)
    walk(first, mine)
    walk(straight, theirs)
    back = case.twin(list(mine.values()), **case.settings)
    back.load_state_dict(through_a_file(first.state_dict()))
    walk(back, mine, range(3, 6))
    walk(straight, theirs, range(3, 6))
    for name in FEW:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-5, atol=1e-5)


@over(MAIN)
def test_a_count_of_steps_may_be_a_plain_number(case: Case) -> None:
    """As in files of torch before 1.12."""
    mine, theirs = parameters(), parameters()
    first = case.make(list(mine.values()))
    walk(first, mine)
    saved = copy.deepcopy(first.state_dict())
    for state in saved["state"].values():
        if "step" in state:
            state["step"] = int(state["step"])
    with torch.no_grad():
        for name, p in theirs.items():
            p.copy_(mine[name])
    second = case.make(list(theirs.values()))
    second.load_state_dict(saved)
    walk(first, mine, range(3, 5))
    walk(second, theirs, range(3, 5))
    assert same(copies(mine), copies(theirs))


@over(MAIN)
def test_masters_appear_and_vanish_with_the_setting(case: Case) -> None:
    """A bf16 run without masters can go on with them: they start from the weights."""
    params = parameters(FEW, torch.bfloat16)
    plain = case.make(list(params.values()))
    walk(plain, params)
    saved = through_a_file(plain.state_dict())
    keeping = case.make(list(params.values()), master_weights=True)
    keeping.load_state_dict(saved)
    for group in keeping.param_groups:
        group["master_weights"] = True
    give(params, 3)
    keeping.step()
    for p in params.values():
        assert same(keeping.state[p]["master"].bfloat16(), p.detach())
