"""Schedules: step by step equal to torch's schedulers, with and without torch's help, and their faults."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import lr_scheduler as peers

from netwright.errors import NetwrightError
from netwright.optim import schedules
from netwright.optim.schedules import (
    cosine,
    exponential,
    linear,
    multistep,
    one_cycle,
    one_cycle_momentum,
    polynomial,
    rising,
    set_lr,
    set_momentum,
    steps_down,
    warmup,
)

LR, STEPS = 0.4, 37
Scheduler = Callable[[torch.optim.Optimizer], Any]


def sgd(lr: float | torch.Tensor = LR, **options: Any) -> torch.optim.SGD:
    return torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr, **options)


def walk(scheduler: Scheduler, steps: int, key: str = "lr", optimizer: torch.optim.Optimizer | None = None) -> list[float]:
    """A group's value at steps 0, 1, ... under one of torch's schedulers."""
    optimizer = optimizer or sgd()
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Detected call of")
        made, found = scheduler(optimizer), []
        for step in range(steps):
            found.append(optimizer.param_groups[0][key])
            if step + 1 < steps:
                made.step()
    return found


PAIRS: list[tuple[str, Callable[[int], float], Scheduler]] = [
    ("cosine", partial(cosine, steps=STEPS, lr=LR), lambda o: peers.CosineAnnealingLR(o, STEPS)),
    ("cosine to", partial(cosine, steps=STEPS, lr=LR, final=0.01), lambda o: peers.CosineAnnealingLR(o, STEPS, 0.01)),
    ("steps", partial(steps_down, every=7, lr=LR), lambda o: peers.StepLR(o, 7)),
    ("steps half", partial(steps_down, every=1, lr=LR, factor=0.5), lambda o: peers.StepLR(o, 1, 0.5)),
    ("multistep", partial(multistep, milestones=(5, 9, 9, 30), lr=LR), lambda o: peers.MultiStepLR(o, [5, 9, 9, 30])),
    ("exponential", partial(exponential, lr=LR, factor=0.97), lambda o: peers.ExponentialLR(o, 0.97)),
    ("polynomial", partial(polynomial, steps=20, lr=LR, power=2.5), lambda o: peers.PolynomialLR(o, 20, 2.5)),
    ("linear", partial(linear, steps=20, lr=LR, final=0.1), lambda o: peers.LinearLR(o, 1.0, 0.25, 20)),
    ("rising", partial(rising, steps=20, lr=LR, start=0.25), lambda o: peers.LinearLR(o, 0.25, 1.0, 20)),
    ("warm-up", partial(warmup, steps=20, then=LR, start=0.25), lambda o: peers.LinearLR(o, 0.25, 1.0, 20)),
    (
        "warm-up, then steps",
        lambda step: warmup(step, 5, lambda s: multistep(s, (12, 20), LR), start=0.2),
        lambda o: peers.ChainedScheduler([peers.MultiStepLR(o, [12, 20]), peers.LinearLR(o, 0.2, 1.0, 5)], o),
    ),
    (
        "warm-up, then cosine",
        lambda step: warmup(step, 6, lambda s: cosine(s - 6, STEPS - 6, LR), start=0.1),
        lambda o: peers.SequentialLR(o, [peers.LinearLR(o, 0.1, 1.0, 6), peers.CosineAnnealingLR(o, STEPS - 6)], [6]),
    ),
]


@pytest.mark.parametrize(("ours", "torchs"), [pair[1:] for pair in PAIRS], ids=[pair[0] for pair in PAIRS])
def test_equal_to_torchs_step_by_step(ours: Callable[[int], float], torchs: Scheduler) -> None:
    found = [ours(step) for step in range(STEPS + 1)]
    assert found == pytest.approx(walk(torchs, STEPS + 1), rel=1e-9, abs=1e-12)
    assert all(type(value) is float for value in found)


@pytest.mark.parametrize("steps", [2, 3, 10, 100])
@pytest.mark.parametrize("pct_start", [0.0, 0.1, 0.3, 0.45])
@pytest.mark.parametrize("three_phase", [False, True])
@pytest.mark.parametrize(("anneal", "word"), [("cosine", "cos"), ("linear", "linear")])
def test_one_cycle_is_torchs_with_its_momentum(steps: int, pct_start: float, three_phase: bool, anneal: Any, word: Any) -> None:
    def torchs(optimizer: torch.optim.Optimizer) -> Any:
        factors = {"div_factor": 10.0, "final_div_factor": 50.0, "base_momentum": 0.8, "max_momentum": 0.9}
        return peers.OneCycleLR(
            optimizer, LR, steps, pct_start=pct_start, anneal_strategy=word, three_phase=three_phase, **factors
        )

    options: Any = {"pct_start": pct_start, "anneal": anneal, "three_phase": three_phase}
    ours = [one_cycle(step, steps, LR, div_factor=10, final_div_factor=50, **options) for step in range(steps)]
    momentum = [one_cycle_momentum(step, steps, base=0.8, most=0.9, **options) for step in range(steps)]
    try:
        wanted = walk(torchs, steps, optimizer=sgd(momentum=0.9))
    except ZeroDivisionError:  # torch's, where the rise ends at step 0
        assert ours[0] == pytest.approx(LR)
        return
    assert ours == pytest.approx(wanted, rel=1e-9, abs=1e-12)
    assert momentum == pytest.approx(walk(torchs, steps, "momentum", sgd(momentum=0.9)), rel=1e-9)


def test_one_cycles_defaults_are_torchs() -> None:
    def torchs(optimizer: torch.optim.Optimizer) -> Any:
        return peers.OneCycleLR(optimizer, LR, 50)

    assert [one_cycle(step, 50, LR) for step in range(50)] == pytest.approx(walk(torchs, 50, optimizer=sgd(momentum=0.9)))
    ours = [one_cycle_momentum(step, 50) for step in range(50)]
    assert ours == pytest.approx(walk(torchs, 50, "momentum", sgd(momentum=0.9)))


def test_efficientnets_decay() -> None:
    """0.97 every 2.4 epochs: after 24 epochs ten times, whether in steps or smoothly."""
    assert steps_down(24.1, 2.4, 0.016, 0.97) == pytest.approx(0.016 * 0.97**10)
    assert steps_down(2.39, 2.4, 0.016, 0.97) == 0.016
    assert exponential(24, 0.016, 0.97, every=2.4) == pytest.approx(0.016 * 0.97**10)


@given(st.integers(1, 200), st.integers(0, 199), st.floats(0, 10), st.floats(0, 10))
def test_cosine_with_a_warm_up(steps: int, wait: int, lr: float, final: float) -> None:
    """Up in a straight line, down to `final`, never outside of the two, and no jump where they meet."""
    wait = min(wait, steps - 1)
    values = [cosine(step, steps, lr, final, warmup=wait) for step in range(steps + 5)]
    assert values[wait] == pytest.approx(lr)
    assert values[steps:] == pytest.approx([final] * 5)
    assert all(min(0 if wait else lr, lr, final) - 1e-9 <= value <= max(lr, final) + 1e-9 for value in values)
    assert values[:wait] == pytest.approx([lr * step / wait for step in range(wait)] if wait else [])
    down = np.diff(values[wait:])
    assert (down * (final - lr) >= -1e-9).all()


@given(st.floats(0, 50), st.integers(1, 40))
def test_schedules_stay_where_they_end(beyond: float, steps: int) -> None:
    for schedule in (cosine, linear, polynomial):
        assert schedule(steps + beyond, steps, LR, final=0.1) == pytest.approx(0.1)
    if steps > 1:
        assert one_cycle(steps - 1 + beyond, steps, LR) == pytest.approx(LR / 25e4)


def test_a_warm_up_of_no_steps_is_none() -> None:
    assert warmup(0, 0, 0.3) == 0.3
    assert cosine(0, 4, 0.3, warmup=0) == 0.3
    assert cosine(np.int64(2), 4, np.float64(0.4)) == pytest.approx(0.2)  # type: ignore[arg-type]


# ---------------------------------------------------------------- into an optimizer


def groups() -> list[dict[str, Any]]:
    return [
        {"params": [torch.zeros(1, requires_grad=True)], "lr": 0.1, "lr_scale": 0.25},
        {"params": [torch.zeros(1, requires_grad=True)], "lr": torch.tensor(0.1)},
    ]


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW])
def test_set_lr_keeps_to_each_groups_scale_and_writes_tensors_in_place(kind: Any) -> None:
    optimizer = kind(groups(), lr=0.1, foreach=False)
    held = optimizer.param_groups[1]["lr"]
    assert isinstance(held, torch.Tensor)
    set_lr(optimizer, 0.8)
    assert optimizer.param_groups[0]["lr"] == pytest.approx(0.2)
    assert optimizer.param_groups[1]["lr"] is held
    assert held.item() == pytest.approx(0.8)


def test_set_momentum_knows_betas() -> None:
    optimizer = sgd(momentum=0.5)
    set_momentum(optimizer, 0.9)
    assert optimizer.param_groups[0]["momentum"] == 0.9
    adam = torch.optim.AdamW(groups()[:1], betas=(0.5, 0.99))
    set_momentum(adam, 0.9)
    assert adam.param_groups[0]["betas"] == (0.9, 0.99)
    with pytest.raises(NetwrightError, match="Adagrad has neither momentum nor betas"):
        set_momentum(torch.optim.Adagrad(groups()[:1]), 0.9)


def test_as_a_factor_in_torchs_lambda_lr() -> None:
    """There each group has its own initial rate, so layer-wise scales hold as well."""
    optimizer = torch.optim.SGD([group | {"lr": lr} for group, lr in zip(groups(), (0.1, 0.4), strict=True)], lr=1.0)
    scheduler = peers.LambdaLR(optimizer, partial(cosine, steps=10, lr=1.0, warmup=2))
    for step in range(11):
        factor = cosine(step, 10, 1.0, warmup=2)
        assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.1 * factor, 0.4 * factor])
        optimizer.step()
        scheduler.step()


def test_a_training_with_set_lr_is_one_with_torchs_scheduler() -> None:
    def run(ours: bool) -> list[float]:
        x = torch.tensor([3.0, -2.0], dtype=torch.float64, requires_grad=True)
        optimizer = torch.optim.SGD([x], lr=0.3, momentum=0.9)
        scheduler = None if ours else peers.CosineAnnealingLR(optimizer, 20)
        for step in range(20):
            if ours:
                set_lr(optimizer, cosine(step, 20, 0.3))
            optimizer.zero_grad()
            (x**2).sum().backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            if scheduler is not None:
                scheduler.step()
        return x.tolist()

    assert run(ours=True) == pytest.approx(run(ours=False), rel=1e-9)


# ---------------------------------------------------------------- faults

NUMBERS: dict[str, dict[str, float]] = {
    "cosine": {"step": 1, "steps": 4, "lr": 0.1, "final": 0.0, "warmup": 1},
    "steps_down": {"step": 1, "every": 4, "lr": 0.1, "factor": 0.5},
    "multistep": {"step": 1, "lr": 0.1, "factor": 0.5},
    "exponential": {"step": 1, "every": 4, "lr": 0.1, "factor": 0.5},
    "polynomial": {"step": 1, "steps": 4, "lr": 0.1, "power": 2, "final": 0.0},
    "linear": {"step": 1, "steps": 4, "lr": 0.1, "final": 0.0},
    "rising": {"step": 1, "steps": 4, "lr": 0.1, "start": 0.1},
    "warmup": {"step": 1, "steps": 4, "start": 0.1},
    "one_cycle": {"step": 1, "steps": 4, "lr": 0.1, "pct_start": 0.3, "div_factor": 25, "final_div_factor": 1e4},
    "one_cycle_momentum": {"step": 1, "steps": 4, "base": 0.8, "most": 0.9, "pct_start": 0.3},
}
ALSO: dict[str, dict[str, Any]] = {"multistep": {"milestones": (2, 3)}, "warmup": {"then": 0.1}}


@pytest.mark.parametrize("bad", [-1.0, math.nan, math.inf, "many", None, True], ids=str)
@pytest.mark.parametrize(("name", "argument"), [(name, argument) for name, numbers in NUMBERS.items() for argument in numbers])
def test_bad_numbers_are_named(name: str, argument: str, bad: Any) -> None:
    schedule = getattr(schedules, name)
    schedule(**NUMBERS[name], **ALSO.get(name, {}))
    with pytest.raises(NetwrightError, match=f"^{argument} is ") as caught:
        schedule(**NUMBERS[name] | {argument: bad}, **ALSO.get(name, {}))
    assert "\n" not in str(caught.value)


def test_other_faults() -> None:
    for call, words in (
        (lambda: cosine(0, 0, 0.1), "steps is 0"),
        (lambda: cosine(0, 4, 0.1, warmup=4), "warmup is 4 of 4 steps"),
        (lambda: steps_down(0, 0, 0.1), "every is 0"),
        (lambda: multistep(0, (3, -1), 0.1), "milestone is -1"),
        (lambda: one_cycle(0, 1, 0.1), "steps is 1"),
        (lambda: one_cycle(0, 4, 0.1, pct_start=1.5), "up to 1"),
        (lambda: one_cycle(0, 4, 0.1, pct_start=0.6, three_phase=True), r"up to 0\.5"),
        (lambda: one_cycle(0, 4, 0.1, anneal="cosin"), "did you mean cosine"),  # type: ignore[arg-type]
        (lambda: one_cycle(0, 4, 0.1, div_factor=0), "div_factor is 0"),
        (lambda: set_lr(sgd(), -0.1), "lr is -0.1"),
        (lambda: set_lr(sgd(), math.nan), "lr is nan"),
        (lambda: set_momentum(sgd(), 1.0), "momentum is 1.0"),
        (lambda: set_momentum(sgd(), -0.5), "momentum is -0.5"),
    ):
        with pytest.raises(NetwrightError, match=words):
            call()
