"""Paired trainings: differences with their intervals, how they are told, and what follows from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from netwright.claims.claim import FAILS, HOLDS, UNDECIDED, Numbers, Verdict


def gap(name: str, ones: Sequence[float], others: Sequence[float]) -> dict[str, float]:
    """The mean of the paired differences and its 95 % interval (Student's t), as numbers of that name: _mean, _low, _high."""
    from netwright.training.seeds import spread

    told = spread([a - b for a, b in zip(ones, others, strict=True)])
    low, high = told.interval or (told.mean, told.mean)
    return {f"{name}_mean": told.mean, f"{name}_low": low, f"{name}_high": high}


def mean(values: Sequence[float]) -> float:
    """Of at least one number."""
    return sum(values) / len(values)


def strictly(low: float, high: float, why: str) -> Verdict:
    """Whether a difference is above zero, of its interval: `undecided` where zero is in it."""
    return Verdict(HOLDS if low > 0 else FAILS if high < 0 else UNDECIDED, why)


def percent(values: Sequence[float]) -> str:
    """The mean of percentages."""
    return f"{mean(values):.1f} %"


def shown_gaps(numbers: Numbers, labels: Mapping[str, str]) -> list[dict[str, Any]]:
    """Rows for a chart of intervals: of each named difference, under its label."""
    return [
        {"label": label, "x": numbers[f"{name}_mean"], "low": numbers[f"{name}_low"], "high": numbers[f"{name}_high"]}
        for name, label in labels.items()
    ]
