"""Where samplers look: a space under hard limits. A design outside them never becomes a trial."""

from __future__ import annotations

import random
from collections.abc import Container, Sequence
from dataclasses import dataclass, replace
from typing import Any

from netwright.errors import NetwrightError
from netwright.graph import Design, to_json
from netwright.progress import Progress
from netwright.scaling.budget import shown
from netwright.spaces.base import Space
from netwright.spaces.budgets import ANY, COUNTED, Limit
from netwright.spaces.drawing import WITHIN, Job
from netwright.spaces.pick import Pick
from netwright.spaces.sampling import sample
from netwright.studies.limits import Limits
from netwright.studies.trials import Proposal

PATIENCE = 200_000  # draws for one trial
REFUSED = 2_000  # designs within the limits on counts that may be refused for memory or latency before that is impossible


@dataclass(frozen=True)
class Ground:
    """A space, the limits, the image (px) and its channels, and the seed of a study."""

    space: Space
    limits: Limits
    image: int
    channels: int
    seed: int

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

        Where there seems to be no other left it is one of those. Raises NetwrightError where the limits admit none.
        """
        source, refused = self.chance(slot), list[Design]()
        within: Proposal | None = None
        for draws in range(1, PATIENCE + 1):
            made = self.counted(Pick(source))
            if made is None:
                continue
            if self.limits.misses(made.design, self.image):
                refused.append(made.design)
                if len(refused) >= REFUSED and within is None:
                    raise self._impossible(refused)
                continue
            within = replace(made, draws=draws)
            if plain(made.design) not in taken:
                return within
        if within is None:
            raise NetwrightError(f"no design of {self.space.name} has {self.limits} in {PATIENCE:,} draws: widen the limits")
        return within

    def possible(self) -> None:
        """Raise NetwrightError, with what the smallest design found costs, where the limits admit none."""
        spans = {name: _span(*getattr(self.limits.counts, name)) for name in COUNTED}
        sample(
            self.space,
            1,
            macs=spans["macs"],
            params=spans["params"],
            acts=spans["acts"],
            image=self.image,
            channels=self.channels,
            seed=self.seed,
            progress=Progress(quiet=True),
        )
        self.random(0)

    def _impossible(self, refused: Sequence[Design]) -> NetwrightError:
        """The error for limits on memory and latency that none of many designs met, with the nearest."""
        more = self.limits.more
        costs = [self.limits.cost(design, self.image) for design in refused]
        nearest = min(costs, key=lambda made: max(limit.of(made) / limit.most for limit in more))
        least = " and ".join(shown(limit.name, limit.of(nearest)) for limit in more)
        return NetwrightError(
            f"no design of {self.space.name} has {self.limits} at {self.image} px: the nearest found has {least}"
        )


def _span(low: float, high: float) -> Limit:
    return (int(low) or None, None if high == ANY[1] else int(high))


def plain(design: Design) -> str:
    """A design on one line of JSON: what tells equal ones."""
    return to_json(design, None)
