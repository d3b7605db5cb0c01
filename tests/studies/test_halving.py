"""Successive halving against a count by hand, and its corners."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwright.errors import DesignError
from netwright.studies.halving import Halving
from netwright.studies.trials import FAILED, LOST, RUNNING, STOPPED, Trial

ACCURACIES = st.one_of(st.sampled_from([0.1, 0.2, 0.3, 0.5]), st.floats(0, 1), st.just(math.nan))


def with_curves(curves: Sequence[dict[int, float]], status: str = RUNNING) -> list[Trial]:
    return [Trial(i, i, status, "{}", {}, {}, (0, 0, 0), 0, curve=curve) for i, curve in enumerate(curves)]


def goes_on(mine: float, others: list[float], factor: int) -> bool:
    """By sorting: whether it is not below the last of those that pass."""
    if math.isnan(mine):
        return False
    best_first = sorted([mine, *others], key=lambda value: -math.inf if math.isnan(value) else value, reverse=True)
    last = best_first[max(len(best_first) // factor, 1) - 1]
    return math.isnan(last) or mine >= last


@given(ACCURACIES, st.lists(ACCURACIES, max_size=40), st.integers(2, 5), st.integers(1, 3), st.integers(0, 3))
def test_a_rung_lets_the_best_share_pass(mine: float, others: list[float], factor: int, first: int, rung: int) -> None:
    rule, epoch = Halving(first=first, factor=factor), first * factor**rung
    trials = with_curves([{epoch: other} for other in others])
    assert rule.stops(epoch, mine, trials) is not goes_on(mine, others, factor)


@given(st.integers(1, 4), st.integers(2, 5), st.integers(1, 200))
def test_rungs_are_the_first_epoch_times_powers_of_the_factor(first: int, factor: int, epoch: int) -> None:
    rungs = {first * factor**k for k in range(10)}
    rule = Halving(first=first, factor=factor)
    assert rule.is_rung(epoch) is (epoch in rungs)
    if epoch not in rungs:
        assert not rule.stops(epoch, 0.0, with_curves([{epoch: 1.0}] * 9))


def test_the_first_at_a_rung_goes_on_and_so_does_an_equal() -> None:
    rule = Halving(first=2, factor=3)
    assert not rule.stops(2, 0.1, [])
    assert not rule.stops(2, 0.5, with_curves([{2: 0.5}] * 5))
    assert rule.stops(2, 0.49, with_curves([{2: 0.5}]))


def test_a_trainings_own_curve_is_not_one_of_the_others() -> None:
    trials = with_curves([{1: value} for value in (0.5, 0.6, 0.4, 0.3, 0.2)])
    assert Halving(factor=3).stops(1, 0.5, trials[1:])  # 5 values: one passes, and that is 0.6
    assert Halving(factor=3).stops(1, 0.5, trials, mine=0)
    assert not Halving(factor=3).stops(1, 0.5, trials)  # as if there were a sixth


def test_values_at_other_epochs_do_not_count() -> None:
    trials = with_curves([{1: 0.9, 3: 0.9}, {1: 0.9}])
    assert not Halving(first=2, factor=2).stops(2, 0.1, trials)
    assert Halving(first=1, factor=2).stops(1, 0.1, trials)


@pytest.mark.parametrize("status", [STOPPED, FAILED])
def test_what_was_stopped_or_failed_counts_and_what_was_lost_does_not(status: str) -> None:
    trials = with_curves([{1: 0.9}], status)
    assert Halving().stops(1, 0.1, trials)
    assert not Halving().stops(1, 0.1, [replace(trials[0], status=LOST)])


def test_a_training_that_is_no_longer_finite_stops_at_any_rung_only() -> None:
    assert Halving().stops(1, math.nan, [])
    assert Halving().stops(3, math.inf, [])
    assert not Halving().stops(2, math.nan, [])


@given(st.lists(st.floats(0, 1), min_size=1, max_size=200), st.integers(2, 4))
def test_about_one_of_factor_passes_when_values_come_in_falling_order_and_more_when_they_rise(
    values: list[float], factor: int
) -> None:
    rule = Halving(factor=factor)

    def passed(order: list[float]) -> int:
        return sum(not rule.stops(1, value, with_curves([{1: other} for other in order[:i]])) for i, value in enumerate(order))

    distinct = sorted(set(values))
    assert passed(distinct) == len(distinct)  # each is the best so far
    assert passed(distinct[::-1]) <= max(1, len(distinct) // factor)


@pytest.mark.parametrize("fields", [{"first": 0}, {"factor": 1}, {"first": 1.5}, {"factor": -3}])
def test_a_rule_that_cannot_be_is_refused(fields: dict[str, float]) -> None:
    with pytest.raises(DesignError, match="expected a whole number"):
        Halving(**fields)  # type: ignore[arg-type]
