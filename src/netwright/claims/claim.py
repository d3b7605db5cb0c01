"""What a claim is: a statement of the notes, an experiment, and a judge that sees nothing but the evidence."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError
from netwright.progress import Progress

EXACT, QUICK, LONG = KINDS = ("exact", "quick", "long")
HOLDS, FAILS, CORRECTED, UNDECIDED = WORDS = ("holds", "fails", "corrected", "undecided")

Numbers = Mapping[str, Any]  # name -> a number, a word, True or False, None, or a list of such
Rows = Sequence[dict[str, Any]]
Chart = Any


@dataclass(frozen=True)
class Terms:
    """What an experiment is run with: the seed of all chance, the pictures, a folder to work in, who is told how it goes.

    `data` and `folder` are for long claims. A `tiny` run is to see that the experiment works: its result says nothing.
    """

    seed: int = 0
    data: str | None = None
    folder: Path | None = None
    tiny: bool = False
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))


@dataclass(frozen=True)
class Evidence:
    """What an experiment found: named numbers, on which the verdict rests, and rows, of which the figure is drawn.

    `about` says in a line what was done. All of it is plain, for it is stored as JSON. Raises NetwrightError for what JSON does
    not have, such as an infinite number.
    """

    numbers: Numbers
    rows: Rows = ()
    about: str = ""

    def __post_init__(self) -> None:
        _check_plain("numbers", dict(self.numbers))
        _check_plain("rows", [dict(row) for row in self.rows])


@dataclass(frozen=True)
class Verdict:
    """One of the four words, and why, in a sentence with the numbers in it."""

    word: str
    why: str

    def __post_init__(self) -> None:
        if self.word not in WORDS:
            raise NetwrightError(f"a verdict is {self.word!r}, expected one of {', '.join(WORDS)}")


@dataclass(frozen=True)
class Claim:
    """A statement of the notes that can be run.

    - `name`: the id and words, `a16-grouped-convolution`; `kind`: "exact" (arithmetic), "quick" (seconds) or "long" (minutes).
    - `statement` in our words, `source` where the notes say it.
    - `judge` takes the evidence's numbers alone, so that no verdict is written by hand: `holds`; `fails`; `corrected` where the
      statement as said is false and the run found the right figure, which the verdict then states; `undecided` where the
      evidence allows both.
    - `draw` makes the figure of the evidence, if there is one.
    """

    name: str
    kind: str
    statement: str
    source: str
    experiment: Callable[[Terms], Evidence]
    judge: Callable[[Numbers], Verdict]
    draw: Callable[[Evidence], Chart] | None = None

    @property
    def number(self) -> str:
        """The id: `A16`."""
        return self.name.partition("-")[0].upper()


def settled(true: bool, why: str) -> Verdict:
    """`holds` or `fails`."""
    return Verdict(HOLDS if true else FAILS, why)


def corrected(as_said: bool, right: bool, why: str) -> Verdict:
    """`holds` where the statement is true as said, `corrected` where the right figure was found instead, else `fails`."""
    return Verdict(HOLDS if as_said else CORRECTED if right else FAILS, why)


def by_interval(low: float, high: float, why: str, *, least: float = 0.0) -> Verdict:
    """Whether a quantity is at least `least`, of its interval: `undecided` where that lies on both sides."""
    return Verdict(HOLDS if low >= least else FAILS if high < least else UNDECIDED, why)


def _check_plain(where: str, value: Any) -> None:
    if isinstance(value, dict):
        for name, part in value.items():
            _check_plain(f"{where}.{name}", part)
    elif isinstance(value, (list, tuple)):
        for part in value:
            _check_plain(where, part)
    elif value is not None and type(value) not in (int, float, str, bool):
        raise NetwrightError(f"{where} of the evidence are of type {type(value).__name__}, expected plain values")
    elif isinstance(value, float) and not math.isfinite(value):
        raise NetwrightError(f"{where} of the evidence are {value}, expected a finite number or None")
