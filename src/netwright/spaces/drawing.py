"""One draw of a space: its number and the seed say all about its chance, so any process can make it."""

from __future__ import annotations

import contextlib
import gc
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from netwright.errors import DesignError, NetwrightError, VanishedError
from netwright.graph import Design, trace
from netwright.graph.layers import Counts
from netwright.spaces.budgets import COUNTED, Budget
from netwright.spaces.pick import Pick, told

if TYPE_CHECKING:
    from netwright.spaces.base import Space

SIDES = [f"{name} {side}" for name in COUNTED for side in ("below", "above")]
# how a draw ends: within the budget; None from the space; a map without pixels; not admitted by the space; outside the budget
OUTCOMES = ("within", "structure", "image", "constraint", *SIDES)
_PLACE = {word: place for place, word in enumerate(OUTCOMES)}
WITHIN, STRUCTURE, IMAGE, CONSTRAINT = range(4)


@dataclass(frozen=True)
class Job:
    """What is sampled: a space under a budget, for an image (px, None for a design's own) of some channels, and the seed."""

    space: Space
    budget: Budget
    image: int | None
    channels: int
    seed: int

    def pick(self, number: int) -> Pick:
        """The pick of a draw."""
        return Pick(random.Random((self.seed << 64) | number))

    def draw(self, number: int) -> Draw:
        """The draw of that number (see `judged`)."""
        return self.judged(self.pick(number))

    def judged(self, pick: Pick) -> Draw:
        """What the space makes of a pick. Raises NetwrightError for a space that fails, or whose design cannot be."""
        try:
            design = self.space(pick)
        except DesignError as error:
            raise NetwrightError(f"the space {self.space.name} fails: {error} (choices: {told(pick.chosen)})") from error
        if design is None:
            return Draw(STRUCTURE, pick)
        totals = self.cost(design, pick)
        if totals is None:
            return Draw(IMAGE, pick, design)
        missed = self.budget.misses(totals)
        if missed:
            return Draw(_PLACE[missed], pick, design, totals)
        return Draw(WITHIN if self.space.admits(*totals) else CONSTRAINT, pick, design, totals)

    def cost(self, design: Design, pick: Pick) -> Counts | None:
        """Params, macs and acts of one image; None where the image is too small for the design."""
        try:
            return trace(design, self.image, self.channels).totals
        except VanishedError:
            return None
        except DesignError as error:
            way_out = "return None where the choices do not fit together"
            raise NetwrightError(
                f"the space {self.space.name} gives a design that cannot be: {error} (choices: {told(pick.chosen)}); {way_out}"
            ) from error
        except Exception as error:
            raise NetwrightError(
                f"the space {self.space.name} gives a design that does not run: {type(error).__name__}: {error} "
                f"(choices: {told(pick.chosen)})"
            ) from error


@dataclass(frozen=True, slots=True)
class Draw:
    """How a draw ended (a place in OUTCOMES), its pick, and the design with its totals where there is one."""

    outcome: int
    pick: Pick
    design: Design | None = None
    totals: Counts | None = None


@dataclass
class Range:
    """The outcomes of several draws in a row, and the extremes among their designs, admitted or not."""

    start: int
    outcomes: bytearray = field(default_factory=bytearray)
    least: dict[str, tuple[int, int]] = field(default_factory=dict)  # count -> its least value, and the number of that draw
    most: dict[str, tuple[int, int]] = field(default_factory=dict)

    def add(self, number: int, draw: Draw) -> None:
        """One draw more."""
        self.outcomes.append(draw.outcome)
        if draw.totals is not None:
            for name, value in zip(COUNTED, draw.totals, strict=True):
                if name not in self.least or value < self.least[name][0]:
                    self.least[name] = (value, number)
                if name not in self.most or value > self.most[name][0]:
                    self.most[name] = (value, number)


def draw_range(job: Job, start: int, stop: int) -> Range:
    """The draws from start to before stop."""
    made = Range(start)
    with _uncollected():
        for number in range(start, stop):
            made.add(number, job.draw(number))
    return made


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Without the garbage collector, which looks at all remembered blocks again and again; draws leave it nothing."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()
