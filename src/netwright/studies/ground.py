"""Where samplers look: a space under hard limits. A design outside them never becomes a trial."""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any

from netwright.errors import NetwrightError
from netwright.graph import Design, to_json
from netwright.spaces.base import Space
from netwright.spaces.drawing import WITHIN, Job
from netwright.spaces.pick import Pick
from netwright.studies.limits import Limits
from netwright.studies.trials import Proposal

PATIENCE = 200_000  # draws for one trial
KNOWN = 2_000  # of these that gave what others have
REFUSED = 20_000  # of these that were refused for memory or latency, which take longer to tell


@dataclass(frozen=True)
class Ground:
    """A space, the limits, the image (px; None: each design's own) and its channels, and the seed of a study."""

    space: Space
    limits: Limits
    image: int | None
    channels: int
    seed: int

    @property
    def at(self) -> str:
        """The image in words."""
        return told_image(self.image)

    @property
    def job(self) -> Job:
        """What judges picks: the space under its limits on counts."""
        return Job(self.space, self.limits.counts, self.image, self.channels, self.seed)

    def counted(self, pick: Pick, about: dict[str, Any] | None = None) -> Proposal | None:
        """The design of a pick, None for one that is no member of the space or outside the limits on counts."""
        draw = self.job.judged(pick)
        if draw.outcome != WITHIN:
            return None
        assert draw.design is not None
        assert draw.totals is not None
        return Proposal(draw.design, pick.chosen, pick.asked, draw.totals, 1, about or {})

    def proposal(self, pick: Pick, about: dict[str, Any] | None = None) -> Proposal | None:
        """The design that a pick leads to, None for one that is no member of the space or not within the limits.

        Raises NetwrightError for a space that fails.
        """
        made = self.counted(pick, about)
        return None if made is None or self.limits.misses(made.design, self.image) else made

    def chance(self, slot: int, purpose: int = 0) -> random.Random:
        """The chance of a slot: the same whoever takes it. Purposes have chances of their own."""
        return random.Random((self.seed << 96) | (slot << 32) | purpose)

    def random(self, slot: int, taken: Container[str] = ()) -> Proposal:
        """A slot's own random design; `taken` are designs (as JSON) that others have: these are drawn again.

        After 2,000 of those it is one of them: there seems to be no other left. Raises NetwrightError where no draw is within
        the limits.
        """
        source, known, refused = self.chance(slot), 0, 0
        within: Proposal | None = None
        for draws in range(1, PATIENCE + 1):
            made = self.counted(Pick(source))
            if made is None:
                continue
            if self.limits.misses(made.design, self.image):
                refused += 1
                if refused > REFUSED:
                    break
                continue
            within = replace(made, draws=draws)
            if plain(made.design) not in taken:
                return within
            known += 1
            if known > KNOWN:
                break
        if within is None:
            raise NetwrightError(f"no design of {self.space.name} has {self.limits} in {draws:,} draws: widen the limits")
        return within


def told_image(image: int | None) -> str:
    """At which image designs are counted and trained."""
    return f"at {image} px" if image is not None else "each at its own resolution"


def plain(design: Design) -> str:
    """A design on one line of JSON: what tells equal ones."""
    return to_json(design, None)
