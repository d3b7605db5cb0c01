"""Where samplers look: a space under hard limits. A design outside them never becomes a trial."""

from __future__ import annotations

import random
from collections.abc import Container
from dataclasses import dataclass, replace
from typing import Any

from netwright.errors import NetwrightError
from netwright.graph import Design, to_json
from netwright.spaces.drawing import WITHIN, Job
from netwright.spaces.pick import Pick
from netwright.studies.limits import Limits
from netwright.studies.trials import Proposal

PATIENCE = 200_000  # draws for one trial


@dataclass(frozen=True)
class Ground:
    """A space, the limits, the image (px) and its channels, and the seed of a study."""

    space: Any
    limits: Limits
    image: int
    channels: int
    seed: int

    @property
    def job(self) -> Job:
        """What judges picks: the space under its limits on counts."""
        return Job(self.space, self.limits.counts, self.image, self.channels, self.seed)

    def proposal(self, pick: Pick, about: dict[str, Any] | None = None) -> Proposal | None:
        """The design that a pick leads to, None for one that is no member of the space or not within the limits.

        Raises NetwrightError for a space that fails.
        """
        draw = self.job.judged(pick)
        if draw.outcome != WITHIN:
            return None
        assert draw.design is not None
        assert draw.totals is not None
        if self.limits.misses(draw.design, self.image):
            return None
        return Proposal(draw.design, pick.chosen, pick.asked, draw.totals, 1, about or {})

    def chance(self, slot: int, purpose: int = 0) -> random.Random:
        """The chance of a slot: the same whoever takes it. Purposes have chances of their own."""
        return random.Random((self.seed << 96) | (slot << 32) | purpose)

    def random(self, slot: int, taken: Container[str] = ()) -> Proposal:
        """A slot's own random design; `taken` are designs (as JSON) that others have: these are drawn again.

        After 200,000 draws without a new one it is the last one within, else NetwrightError.
        """
        source, within = self.chance(slot), None
        for draws in range(1, PATIENCE + 1):
            made = self.proposal(Pick(source))
            if made is None:
                continue
            within = replace(made, draws=draws)
            if plain(made.design) not in taken:
                return within
        if within is None:
            raise NetwrightError(f"no design of {self.space.name} within {self.limits} in {PATIENCE:,} draws: widen the limits")
        return within


def plain(design: Design) -> str:
    """A design on one line of JSON: what tells equal ones."""
    return to_json(design, None)
