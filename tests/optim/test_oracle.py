"""Every rule, form, option, precision and path against the float64 NumPy oracle, and against torch where the forms coincide."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from netwright import optim
from tests.optim import oracle
from tests.optim.cases import (
    CASES,
    CUDA,
    FEW,
    HERE,
    INTERPRETED,
    MAIN,
    SHAPES,
    STEPS,
    TWINS,
    Case,
    Place,
    Shapes,
    close,
    copies,
    everywhere,
    give,
    in_full_precision,
    narrowed,
    no_triton,
    over,
    parameters,
    same,
    set_lr,
    values,
    walk,
)


def rate(case: Case, t: int) -> float:
    """A lr that changes at every step, as no schedule of a library does."""
    return case.lr * (1.0 + 0.5 * math.sin(t))


def noise(t: int, shapes: Shapes = SHAPES) -> dict[str, np.ndarray]:
    return values(shapes, "gradient", t)


class Race:
    """An optimizer and the oracle side by side; the gradient is curvature * x + noise at each one's own point x."""

    def __init__(self, case: Case, place: Place, dtype: torch.dtype, curvature: float, **more: Any) -> None:
        self.case, self.curvature = case, curvature
        self.params = parameters(SHAPES, dtype, place.device)
        self.optimizer = case.make(list(self.params.values()), place, **more)
        self.rules = {name: oracle.make(case.name, a, case.settings) for name, a in values(SHAPES, "start", 0).items()}
        self.travelled = {name: np.zeros(shape) for name, shape in SHAPES.items()}

    def run(self, steps: int = STEPS, constant: bool = False) -> Iterator[int]:
        for t in range(steps):
            lr = self.case.lr if constant else rate(self.case, t)
            for name, g in noise(t).items():
                self.one(name, g, lr)
            set_lr(self.optimizer, lr)
            self.optimizer.step()
            yield t

    def one(self, name: str, g: np.ndarray, lr: float) -> None:
        p, rule = self.params[name], self.rules[name]
        here = p.detach().double().cpu().numpy()
        p.grad = torch.tensor(self.curvature * here + g, dtype=p.dtype, device=p.device)
        rule.lr = lr
        before = rule.stored
        rule.step(lambda x: self.curvature * x + g)
        self.travelled[name] += abs(rule.stored - before)

    def check(self, tensors: Mapping[str, Tensor], eps: float, what: str = "stored") -> None:
        """Within eps of the path's length and of the largest value on it."""
        for name, rule in self.rules.items():
            expected = getattr(rule, what)
            tolerance = eps * (abs(expected) + self.travelled[name] + 1e-300)
            error = abs(tensors[name].detach().double().cpu().numpy() - expected)
            assert (error <= tolerance).all(), f"{name}: off by {float((error / tolerance).max()):.3g} times the tolerance"


# float64: a step rounds some ten times and the steps feed back; Newton-Schulz and the centered root magnify it a hundred times
FLOAT64 = 1e-11
# fp32: rounding at most 2^-24 of |theta| a step, 50 steps; in the update about ten roundings, added up over the path
FLOAT32 = 50 * 2.0**-23


def test_the_paths_that_no_case_can_walk_here_are_told_once() -> None:
    """What a GPU or the interpreter would add to `everywhere`."""
    absent = [] if CUDA or INTERPRETED else [no_triton()]
    absent += [] if CUDA else ["no GPU: the CUDA paths are not tested"]
    assert {Place("reference"), Place("fast")} <= set(HERE)
    assert (Place("triton") in HERE) == (not no_triton())
    if absent:
        pytest.skip("; ".join(absent))
    assert {place.path for place in HERE if place.device == "cuda"} == {"reference", "fast", "triton"}


@everywhere
@over(CASES)
def test_the_formulas_in_float64(case: Case, place: Place) -> None:
    race = Race(case, place, torch.float64, curvature=0.3)
    for _ in race.run():
        race.check(race.params, FLOAT64)


@everywhere
@over(CASES)
def test_the_formulas_in_fp32(case: Case, place: Place) -> None:
    """Without feedback, so that only the optimizer's own rounding adds up."""
    race = Race(case, place, torch.float32, curvature=0.0)
    for _ in race.run():
        pass
    race.check(race.params, FLOAT32)


@everywhere
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=str)
@over(MAIN)
def test_master_weights_walk_as_fp32(case: Case, dtype: torch.dtype, place: Place) -> None:
    """The gradients are exact in bf16 and fp16: the masters are held to fp32's tolerance, the parameters are their roundings."""
    race = Race(case, place, dtype, curvature=0.0, master_weights=True)
    for _ in race.run():
        pass
    state = race.optimizer.state
    masters = {name: state[p]["master"] for name, p in race.params.items()}
    assert {m.dtype for m in masters.values()} == {torch.float32}
    race.check(masters, FLOAT32)
    assert all(same(p.detach(), narrowed(masters[name], dtype, case, place)) for name, p in race.params.items())


@everywhere
@over(MAIN)
def test_bf16_without_masters_rounds_once_a_step(case: Case, place: Place) -> None:
    """fp32 state and arithmetic, one rounding to bf16 (2^-9 of theta) a step. The oracle rounds too, from float64; where
    the two fall on different sides of a tie they differ by a bf16 unit from there on, so most must be equal and none far."""
    race = Race(case, place, torch.bfloat16, curvature=0.0)
    apart = dict.fromkeys(SHAPES, 0.0)
    for _ in race.run(steps=min(STEPS, 10)):
        for name, rule in race.rules.items():
            rule.x = narrowed(torch.tensor(rule.x), torch.bfloat16, case, place).double().numpy()
            apart[name] = float((race.params[name].detach().double().cpu().numpy() != rule.stored).mean())
    held = {t.dtype for s in race.optimizer.state.values() for t in s.values() if t.ndim}
    assert held <= {torch.float32}
    if race.rules["long"].stored is race.rules["long"].x:  # the look-ahead point of the notes' recurrence is not rounded here
        assert apart["long"] < 0.02
    race.check(race.params, 10 * 2.0**-8)


@everywhere
@over([case for case in CASES if case.settings.get("nesterov") and case.name == "SGD"])
def test_iterates_are_theta_of_the_recurrence(case: Case, place: Place) -> None:
    """theta is not the stored look-ahead point: at every step, also while lr changes, it is the oracle's theta."""
    race = Race(case, place, torch.float64, curvature=0.3)
    for _ in race.run(steps=min(STEPS, 20)):
        (thetas,) = race.optimizer.iterates()  # type: ignore[attr-defined]
        race.check(dict(zip(race.params, thetas, strict=True)), FLOAT64, "theta")


@everywhere
def test_iterates_of_torchs_nesterov_are_the_notes_theta_at_constant_lr(place: Place) -> None:
    case = Case("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True})
    race = Race(case, place, torch.float64, curvature=0.3)
    race.rules = {name: oracle.make("SGD", r.x, {**case.settings, "form": "notes"}) for name, r in race.rules.items()}
    for _ in race.run(steps=min(STEPS, 30), constant=True):
        (thetas,) = race.optimizer.iterates()  # type: ignore[attr-defined]
        race.check(dict(zip(race.params, thetas, strict=True)), FLOAT64, "theta")


@everywhere
@over(MAIN)
def test_iterates_are_detached_copies(case: Case, place: Place) -> None:
    params = parameters(FEW, device=place.device)
    optimizer = case.make([{"params": [p]} for p in params.values()], place)
    start = optimizer.iterates()  # type: ignore[attr-defined]
    assert same(start, [[p.detach()] for p in params.values()])
    walk(optimizer, params)
    before = copies(params)
    thetas = optimizer.iterates()  # type: ignore[attr-defined]
    assert [len(group) for group in thetas] == [1] * len(FEW)
    for (theta,), p in zip(thetas, params.values(), strict=True):
        assert not theta.requires_grad
        if not case.settings.get("nesterov") or case.name == "Muon":
            assert same(theta, p.detach())
        theta.zero_()
    assert same(copies(params), before)


@everywhere
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=str)
@over(TWINS)
def test_torchs_own_optimizer(case: Case, dtype: torch.dtype, place: Place) -> None:
    """torch's Muon takes matrices alone."""
    shapes = {name: shape for name, shape in SHAPES.items() if case.name != "Muon" or len(shape) == 2}
    mine, theirs = (parameters(shapes, dtype, place.device) for _ in range(2))
    optimizer = case.make(list(mine.values()), place)
    assert case.twin is not None
    twin = case.twin(list(theirs.values()), **case.settings)
    exact = dtype is torch.float64 and case.name != "NAdam"  # torch multiplies NAdam's mu up in fp32
    tolerance = FLOAT64 if exact else FLOAT32
    for t in range(STEPS):
        for params, each in ((mine, optimizer), (theirs, twin)):
            set_lr(each, rate(case, t))
            give(params, t)
        optimizer.step()
        with in_full_precision():
            twin.step()
    for name in shapes:
        torch.testing.assert_close(mine[name], theirs[name], rtol=tolerance, atol=tolerance * (1 + STEPS * case.lr))


@everywhere
@over(MAIN)
def test_one_alone_walks_as_among_others(case: Case, place: Place) -> None:
    together, alone = (parameters(SHAPES, torch.float32, place.device) for _ in range(2))
    walk(case.make(list(together.values()), place), together)
    for name, p in alone.items():
        walk(case.make([p], place), {name: p})
    for name in SHAPES:
        torch.testing.assert_close(together[name], alone[name], rtol=1e-6, atol=1e-7)


@everywhere
@over([case for case in CASES if not case.settings.get("maximize")])
def test_maximize_is_the_step_of_the_negated_gradient(case: Case, place: Place) -> None:
    up, down = (parameters(FEW, torch.float32, place.device) for _ in range(2))
    rising = case.make(list(up.values()), place, maximize=True)
    falling = case.make(list(down.values()), place)
    for t in range(3):
        give(up, t, scale=-1.0)
        give(down, t)
        rising.step()
        falling.step()
    close(copies(up), copies(down))


@everywhere
@over(MAIN)
def test_clipping_is_torchs_followed_by_a_plain_step(case: Case, place: Place) -> None:
    """Over all groups at once; below the bound nothing is scaled; the gradients stay."""
    mine, theirs = (parameters(SHAPES, torch.float64, place.device) for _ in range(2))
    halves = [{"params": [p]} for p in mine.values()]
    optimizer = case.make(halves, place, max_norm=3.0)
    plain = case.make(list(theirs.values()), Place("reference"))
    for t in range(3):
        scale = 1e-3 if t == 1 else 1.0
        give(mine, t, scale)
        give(theirs, t, scale)
        before = {name: p.grad for name, p in mine.items()}
        kept = {name: g.clone() for name, g in before.items() if g is not None}
        norm = torch.nn.utils.clip_grad_norm_(theirs.values(), 3.0)
        assert (norm < 3.0) == (t == 1)
        optimizer.step()
        plain.step()
        assert all(mine[name].grad is g for name, g in before.items())
        assert same({name: g for name, g in before.items() if g is not None}, kept)
    for name in SHAPES:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-10, atol=1e-12)


@everywhere
@over(MAIN)
def test_clipping_matches_the_formulas(case: Case, place: Place) -> None:
    params = parameters(SHAPES, torch.float64, place.device)
    optimizer = case.make(list(params.values()), place, max_norm=3.0)
    rules = {name: oracle.make(case.name, a, case.settings) for name, a in values(SHAPES, "start", 0).items()}
    for t in range(5):
        give(params, t)
        optimizer.step()
        for rule, g in zip(rules.values(), oracle.clipped(list(noise(t).values()), 3.0), strict=True):
            rule.step(lambda x, g=g: g)
    for name, rule in rules.items():
        np.testing.assert_allclose(params[name].detach().cpu().numpy(), rule.stored, rtol=1e-9, atol=1e-11)


@everywhere
@over(MAIN)
def test_the_state_is_torchs_in_name_and_precision(case: Case, place: Place) -> None:
    for dtype in (torch.float64, torch.float32, torch.bfloat16):
        params = parameters(SHAPES, dtype, place.device)
        optimizer = case.make(list(params.values()), place)
        walk(optimizer, params, range(2))
        for p in params.values():
            state = optimizer.state[p]
            assert set(state) - {"step"} == case.state_keys(p) - {"step"}
            assert "step" not in state or (state["step"].ndim == 0 and state["step"] == 2)
            wide = torch.float64 if dtype is torch.float64 else torch.float32
            assert {t.dtype for key, t in state.items() if key not in ("step", "mu_product")} <= {wide}
            assert all(t.shape == p.shape for key, t in state.items() if key not in ("step", "mu_product"))
            assert p.dtype is dtype


def test_what_the_state_costs_is_what_the_costs_say() -> None:
    """The tensors an optimizer keeps per parameter are those that memory is planned with."""
    from netwright.costing.states import STATES

    for name, copies_ in STATES.items():
        kind, fixed = optim.named(name)
        p = torch.nn.Parameter(torch.ones(3, 5))
        optimizer = kind([p], lr=0.1, **fixed)
        p.grad = torch.ones(3, 5)
        optimizer.step()
        assert sum(t.numel() for t in optimizer.state[p].values() if t.ndim) == copies_ * p.numel(), name


@st.composite
def walks(draw: st.DrawFn) -> tuple[Case, Shapes, list[int], list[float]]:
    """An optimizer with settings of its own, some shapes, and gradients of every size (zero among them) with a lr each."""
    case = draw(st.sampled_from(CASES))
    own = {
        "lr": draw(st.floats(1e-4, 0.1)),
        "weight_decay": draw(st.sampled_from([0.0, 1e-3, 0.1])),
        "maximize": draw(st.booleans()),
    }
    shape = st.lists(st.integers(1, 9), min_size=0, max_size=4).map(tuple)
    shapes = {f"p{i}": s for i, s in enumerate(draw(st.lists(shape, min_size=1, max_size=4)))}
    scales = draw(st.lists(st.sampled_from([0.0, 1e-6, 1.0, 30.0]), min_size=1, max_size=6))
    rates = draw(st.lists(st.floats(0.0, 1.5), min_size=len(scales), max_size=len(scales)))
    return Case(case.name, {**case.settings, **own}), shapes, scales, rates


@settings(max_examples=150, deadline=None)
@given(walks())
def test_fast_and_reference_agree_on_anything(drawn: tuple[Case, Shapes, list[float], list[float]]) -> None:
    case, shapes, scales, rates = drawn
    mine, theirs = (parameters(shapes) for _ in range(2))
    fast, reference = case.make(list(mine.values()), Place("fast")), case.make(list(theirs.values()), Place("reference"))
    for t, (scale, factor) in enumerate(zip(scales, rates, strict=True)):
        for params, optimizer in ((mine, fast), (theirs, reference)):
            give(params, t, scale)
            set_lr(optimizer, case.lr * factor)
            optimizer.step()
    for name in shapes:
        torch.testing.assert_close(mine[name], theirs[name], rtol=1e-9, atol=1e-9)


@settings(max_examples=60, deadline=None)
@given(walks())
def test_reference_and_oracle_agree_on_anything(drawn: tuple[Case, Shapes, list[float], list[float]]) -> None:
    case, shapes, scales, rates = drawn
    params = parameters(shapes)
    optimizer = case.make(list(params.values()), Place("reference"))
    rules = {name: oracle.make(case.name, a, case.settings) for name, a in values(shapes, "start", 0).items()}
    for t, (scale, factor) in enumerate(zip(scales, rates, strict=True)):
        give(params, t, scale)
        set_lr(optimizer, case.lr * factor)
        optimizer.step()
        for name, g in values(shapes, "gradient", t).items():
            rules[name].lr = case.lr * factor
            rules[name].step(lambda x, g=g, scale=scale: scale * g)
    for name, rule in rules.items():
        np.testing.assert_allclose(params[name].detach().numpy(), rule.stored, rtol=1e-8, atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.floats(1e-4, 0.1), st.floats(0.0, 0.99), st.floats(0.0, 0.1), st.booleans(), st.sampled_from(["reference", "fast"]))
def test_at_constant_lr_the_two_forms_of_momentum_walk_alike(
    lr: float, momentum: float, weight_decay: float, nesterov: bool, path: str
) -> None:
    """v = -lr b, so that the paths are the same in exact arithmetic."""
    own = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay, "nesterov": nesterov and momentum > 0}
    notes, torchs = (parameters() for _ in range(2))
    walk(optim.SGD(list(notes.values()), form="notes", path=path, **own), notes, range(8))
    walk(optim.SGD(list(torchs.values()), form="torch", path=path, **own), torchs, range(8))
    for name in FEW:
        torch.testing.assert_close(notes[name], torchs[name], rtol=1e-10, atol=1e-12)


def test_the_forms_differ_where_they_should() -> None:
    """A changing lr tells the notes' momentum from torch's; eps inside the root tells the notes' Adam from torch's."""
    for case in (
        Case("SGD", {"lr": 0.05, "momentum": 0.9}),
        Case("Adam", {"lr": 0.01, "eps": 0.05}),
        Case("AdamW", {"lr": 0.01, "weight_decay": 0.1, "eps": 1e-300}),
    ):
        notes, torchs = (parameters() for _ in range(2))
        for params, form in ((notes, "notes"), (torchs, "torch")):
            optimizer = case.make(list(params.values()), form=form)
            for t in range(5):
                set_lr(optimizer, rate(case, t))
                give(params, t)
                optimizer.step()
        assert all(float((notes[name] - torchs[name]).detach().abs().max()) > 1e-4 for name in FEW), case


@pytest.mark.slow
@pytest.mark.skipif(INTERPRETED, reason="the tests run under the interpreter already")
@pytest.mark.parametrize("file", ["oracle", "contract", "faults", "resume", "changes"])
def test_triton_without_a_gpu(file: str) -> None:
    """The kernels on the CPU, in a process of their own: Triton reads TRITON_INTERPRET once, when it is loaded."""
    reason = no_triton()
    if "not installed" in reason:
        pytest.skip(reason)
    those = "triton and not float64 and not torchs_own"  # the kernels hand float64 on
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", "not slow", "-k", those]
    here = Path(__file__)
    done = subprocess.run(
        [*command, str(here.with_name(f"test_{file}.py"))],
        capture_output=True,
        text=True,
        env={**os.environ, "TRITON_INTERPRET": "1"},
        cwd=here.parents[2],
    )
    assert done.returncode == 0, done.stdout[-3000:]
    assert " passed" in done.stdout
