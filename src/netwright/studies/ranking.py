"""What a grid search for alpha, beta and gamma came to: every triple, the best, and whether that is told apart."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from html import escape
from statistics import NormalDist
from typing import Any

from netwright.graph import own_image
from netwright.report.html import table
from netwright.scaling.rules import Rule, compound
from netwright.spaces.sampling import wilson
from netwright.studies.study import Study
from netwright.studies.trials import Trial
from netwright.units import short_amount

LEVEL = 0.05  # of all comparisons with the best together
BEST, BEHIND, UNDECIDED, UNKNOWN = "best", "behind", "undecided", "unknown"


@dataclass(frozen=True)
class Row:
    """A triple: its network's image (px) and cost, and the share of the validation pictures that it got right after training.

    `interval` is that share's (95 %, Wilson 1927), None where it is not known how many pictures there were. `verdict` is "best",
    "behind" or "undecided" as `Ranking` says; "unknown" without a number of pictures.
    """

    trial: int
    alpha: float
    beta: float
    gamma: float
    image: int
    params: int
    macs: int
    accuracy: float
    interval: tuple[float, float] | None
    verdict: str


@dataclass(frozen=True)
class Ranking:
    """The complete trials of a grid search, the most accurate first; of equals that with fewer macs.

    A row is behind the best where the interval of the difference of both accuracies is above 0 (Newcombe 1998, method 10, of
    95 % for all rows together by Bonferroni's correction), else undecided. It takes the accuracies as of different
    pictures; they are of the same ones, which differences are seen better on, so "behind" is said too seldom rather than too
    often. The chance of a training is in no interval: each network is trained once. `pictures` are those of the validation part.
    """

    study: Study
    pictures: int | None

    @property
    def rows(self) -> tuple[Row, ...]:
        """All of them. Raises FailedError where no trial is complete."""
        ordered = sorted(self.study.complete, key=lambda trial: (-trial.value, trial.macs, trial.number))
        best = self.study.best
        return tuple([self._row(trial, best, len(ordered) - 1) for trial in ordered])

    def _row(self, trial: Trial, best: Trial, comparisons: int) -> Row:
        interval = wilson(trial.value, self.pictures) if self.pictures else None
        verdict = BEST if trial is best else UNKNOWN
        if trial is not best and self.pictures:
            z = NormalDist().inv_cdf(1 - LEVEL / 2 / comparisons)
            verdict = BEHIND if difference(best.value, trial.value, self.pictures, z)[0] > 0 else UNDECIDED
        alpha, beta, gamma = [float(trial.chosen[name]) for name in ("alpha", "beta", "gamma")]
        image = own_image(trial.design)
        return Row(trial.number, alpha, beta, gamma, image, trial.params, trial.macs, trial.value, interval, verdict)

    @property
    def rule(self) -> Rule:
        """Compound scaling with the best triple: for `nw.scale`."""
        best = self.rows[0]
        return compound(best.alpha, best.beta, best.gamma)

    @property
    def verdict(self) -> str:
        """Of the runner-up: "behind" or "undecided"; "unknown" without a number of pictures or where there is none."""
        return self.rows[1].verdict if len(self.rows) > 1 else UNKNOWN

    def told(self) -> str:
        """The best triple, and how sure that is, in words."""
        best, *others = self.rows
        points = f"{100 * best.accuracy:.1f} %"
        start = f"best: alpha {best.alpha:g}, beta {best.beta:g}, gamma {best.gamma:g} ({points})"
        if not others:
            return f"{start}; there is no other to compare it with"
        if self.pictures is None:
            return f"{start}; undecided: it is not known on how many pictures it was measured"
        close = sum(row.verdict == UNDECIDED for row in others)
        on = f"on {self.pictures:,} validation pictures, one training each"
        if not close:
            return f"{start}; better than all {len(others)} others {on}"
        return f"{start}; undecided: not told apart from {close} of {len(others)} others {on}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        rows = [asdict(row) for row in self.rows]
        return {"pictures": self.pictures, "verdict": self.verdict, "rule": self.rule.fields(), "triples": rows}

    def __str__(self) -> str:
        counts = self.study.counts
        missing = ", ".join(f"{counts[name]} {name}" for name in ("failed", "stopped early", "running") if counts[name])
        heads, cells = _cells(self.rows)
        wide = [max(map(len, column)) for column in zip(heads, *cells, strict=True)]
        lines = ["  ".join(f"{cell:>{w}}" for cell, w in zip(row, wide, strict=True)) for row in (heads, *cells)]
        return "\n".join([*lines, "", self.told(), *([f"not ranked: {missing}"] if missing else [])])

    def section(self) -> str:
        """The table of a page, under what it says."""
        heads, cells = _cells(self.rows)
        caption = (
            f"Share of the validation pictures with its 95 % interval; against the best: {BEHIND} where the interval of the "
            "difference (95 % for all rows together) is above 0."
        )
        return f"<h2>Triples</h2><p>{escape(self.told())}.</p>{table(heads, cells, caption, kind='words')}"


def difference(first: float, second: float, n: int, z: float) -> tuple[float, float]:
    """The interval of the difference of two shares of n trials each (Newcombe 1998, method 10: from Wilson's intervals).

    >>> low, high = difference(9 / 10, 3 / 10, 10, 1.959964)
    >>> round(low, 4), round(high, 4)
    (0.1705, 0.809)
    """
    (low, high), (lower, higher) = wilson(first, n, z), wilson(second, n, z)
    apart = first - second
    return apart - math.hypot(first - low, higher - second), apart + math.hypot(high - first, second - lower)


def _cells(rows: Sequence[Row]) -> tuple[list[str], list[list[str]]]:
    heads = ["alpha", "beta", "gamma", "image", "macs", "params", "accuracy", "95 %", "against the best"]
    cells = []
    for row in rows:
        low, high = row.interval or (math.nan, math.nan)
        within = f"{100 * low:.1f} to {100 * high:.1f} %" if row.interval else "-"
        counts = [f"{row.image} px", short_amount(row.macs), short_amount(row.params)]
        triple = [f"{value:g}" for value in (row.alpha, row.beta, row.gamma)]
        cells.append([*triple, *counts, f"{100 * row.accuracy:.1f} %", within, row.verdict])
    return heads, cells
