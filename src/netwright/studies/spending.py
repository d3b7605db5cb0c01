"""Minutes and what they are spent on: a clock that outlives a kill, and from measured speed to trials, pictures and epochs."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from netwright.data import Listing
from netwright.errors import NetwrightError
from netwright.files import read_json, write_json
from netwright.training.engine.moments import Moment

DRAWING = 0.1  # share of the minutes that may be spent until there are designs to try
SEARCH = 0.5  # share of what start and end leave of the minutes
ENOUGH = 8_000  # pictures that a candidate should see before it is compared with others, if time allows
TRIALS = (3, 16)  # the fewest candidates that are worth a search, and the most
FEWEST = 500  # pictures without which a candidate tells nothing
LEAST = 64  # pictures that are trained on, however little time there is
FULL = 10  # epochs from which on whole ones are near enough to what time allows
OUTSIDE = "baselines"  # what the minutes are not spent on
KEPT = 2.0  # seconds from one time that the clock is kept to the next


class Clock:
    """The seconds of a run, by what they were spent on; those before a kill count, once they are kept in a file.

    `minutes` are those to be spent, None for as many as it takes.
    """

    def __init__(self, minutes: float | None, started: float | None = None, now: Callable[[], float] = time.monotonic) -> None:
        if minutes is not None and not (type(minutes) in (int, float) and 0 < minutes < math.inf):
            raise NetwrightError(f"minutes is {minutes!r}, expected a number above 0")
        self.minutes, self._now = minutes, now
        self.parts: dict[str, float] = {}
        self._part, self._since = "start", now() if started is None else started
        self._file: Path | None = None
        self._keeps = False
        self._kept = -math.inf

    def enter(self, part: str) -> None:
        """From now on seconds are spent on this."""
        self._count()
        self._part = part
        self.keep()

    def _count(self) -> None:
        now = self._now()
        self.parts[self._part] = self.parts.get(self._part, 0.0) + now - self._since
        self._since = now

    @property
    def spent(self) -> float:
        """Seconds so far, before a kill and after it, but for what lies outside of the minutes."""
        self._count()
        return math.fsum(seconds for part, seconds in self.parts.items() if part != OUTSIDE)

    @property
    def seconds(self) -> float:
        """Seconds to be spent in all; infinite where nobody said."""
        return math.inf if self.minutes is None else 60 * self.minutes

    @property
    def left(self) -> float:
        """Seconds that are left; negative when they are over."""
        return self.seconds - self.spent

    def read(self, file: Path) -> None:
        """Add what was spent before; it will be kept in this file."""
        self._file = file
        try:
            before = read_json(file) if file.exists() else {}
            for part, seconds in before.items():
                self.parts[part] = self.parts.get(part, 0.0) + float(seconds)
        except (NetwrightError, TypeError, ValueError, AttributeError):
            return  # damaged: what was spent before is lost

    def begin(self) -> None:
        """From now on the seconds are kept."""
        self._keeps = True
        self.keep()

    def keep(self) -> None:
        """Write what was spent."""
        if self._keeps and self._file is not None:
            self._count()
            write_json(self._file, self.parts)
            self._kept = self._now()

    def watch(self, moment: Moment) -> None:
        """To be called in a training: keeps the seconds now and then."""
        if self._now() - self._kept > KEPT:
            self.keep()

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        total = self.spent
        parts = {part: round(seconds, 2) for part, seconds in self.parts.items()}
        return {"minutes": self.minutes, "seconds": {**parts, "total": round(total, 2)}}


class Pace(NamedTuple):
    """What was measured of a network: seconds for a picture in training, and for one that is evaluated."""

    trained: float
    evaluated: float


class Search(NamedTuple):
    """So many candidates, each trained for these epochs on so many pictures, and compared on so many others."""

    trials: int
    epochs: int
    pictures: int
    compared: int

    def seconds(self, pace: Pace) -> float:
        """What a candidate of this pace takes."""
        return self.epochs * (self.pictures * pace.trained + self.compared * pace.evaluated)


class Training(NamedTuple):
    """So many epochs on so many pictures."""

    epochs: int
    pictures: int


def plan_search(
    seconds: float, pace: Pace, there: tuple[int, int], trials: int | None = None, epochs: int | None = None
) -> Search:
    """What a search of so many seconds can try; `there` are the pictures to train on and to compare with.

    Each candidate should see 8,000 pictures; there are from 3 to 16 of them. What time does not suffice for is cut in this
    order: epochs, pictures, candidates. Numbers of `trials` and `epochs` that are given stand, whatever they take.

    >>> plan_search(60.0, Pace(1 / 800, 1 / 2400), (1600, 400))
    Search(trials=6, epochs=4, pictures=1600, compared=400)
    """
    train, compared = there[0], min(there[1], max(there[0] // 4, 1))
    # with as many to compare as a quarter of those to train with, a picture costs so much
    each = pace.trained + pace.evaluated * compared / train
    affordable = max(seconds, 0.0) / each
    if trials is None:
        wanted = ENOUGH if epochs is None else epochs * train
        least = TRIALS[0] if epochs is None else 1
        trials = min(max(round(affordable / wanted), least), TRIALS[1])
        trials = min(trials, max(1, int(affordable / min(FEWEST, train)))) if epochs is None else trials
    seen = affordable / trials
    if epochs is not None or seen >= train:
        return Search(trials, epochs or int(seen / train), train, compared)
    pictures = min(train, max(int(seen), LEAST))
    return Search(trials, 1, pictures, max(1, compared * pictures // train))


def plan_training(seconds: float, trained: float, pictures: int, epochs: int | None = None) -> Training:
    """The epochs that fit into so many seconds, where a picture takes `trained`; those that are given stand.

    Less than ten epochs are rounded up and shown a part of the pictures, so that the time is spent and the schedule ends.

    >>> plan_training(100.0, 0.01, 4000), plan_training(100.0, 0.01, 500)
    (Training(epochs=3, pictures=3333), Training(epochs=20, pictures=500))
    """
    if epochs is not None:
        return Training(epochs, pictures)
    shown = max(seconds, 0.0) / trained
    if shown >= FULL * pictures:
        return Training(int(shown / pictures), pictures)
    most = int(shown / min(LEAST, pictures))  # epochs, each of which shows so many
    made = max(1, min(math.ceil(shown / pictures - 1e-9), most))
    return Training(made, min(pictures, max(int(shown / made), LEAST)))


def some_of(listing: Listing, count: int, seed: int) -> Listing:
    """So many pictures of a listing, drawn by chance: of each class in proportion, but one at least.

    Fewer are a part of more. All of them are the listing itself.
    """
    if count >= len(listing):
        return listing
    labels = np.asarray(listing.labels)
    source = np.random.default_rng(seed)
    rank = np.empty(len(labels))
    for label in np.unique(labels):
        mine = np.flatnonzero(labels == label)
        # the k-th of n stands at k / n; the first of each class before all others
        rank[source.permutation(mine)] = np.arange(len(mine)) / len(mine)
    order = np.lexsort((source.random(len(labels)), rank))
    return listing.take(order[: max(count, len(np.unique(labels)))])
