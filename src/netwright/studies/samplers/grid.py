"""Every design of a finite space, once: a grid search."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

from netwright.errors import NetwrightError
from netwright.spaces.finite import every
from netwright.studies.ground import Ground, plain
from netwright.studies.trials import Proposal, Trial


@dataclass(frozen=True)
class Grid:
    """Slot i has the i-th of the designs within the limits, in the order of the space's questions; equal ones count once.

    Raises NetwrightError for a space that is not finite, or has more than 10,000 ways to choose (see `every`), where no design
    is within the limits, and when it is asked for more designs than there are.
    """

    ground: Ground

    @functools.cached_property
    def members(self) -> tuple[Proposal, ...]:
        """All there is to try."""
        found: dict[str, Proposal] = {}
        for made in every(self.ground.space, self.ground.proposal):
            found.setdefault(plain(made.design), made)
        if not found:
            raise NetwrightError(
                f"no design of {self.ground.space.name} has {self.ground.limits} {self.ground.at}: widen the limits"
            )
        return tuple(found.values())

    def propose(self, slot: int, trials: Sequence[Trial]) -> Proposal:
        return self.members[slot]

    def check(self, trials: int) -> None:
        """Raise NetwrightError for more trials than there are designs."""
        if trials > len(self.members):
            there = f"{self.ground.space.name} has {len(self.members):,} designs within the limits"
            raise NetwrightError(f"{there}, and the sampler grid tries each once: {trials:,} trials are too many")
