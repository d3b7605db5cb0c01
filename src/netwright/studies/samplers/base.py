"""What a sampler is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from netwright.studies.trials import Proposal, Trial


class Sampler(Protocol):
    """Proposes the design of a slot. It is asked in every worker, so all that it learns comes from the trials."""

    def propose(self, slot: int, trials: Sequence[Trial]) -> Proposal:
        """A design within the limits, given all trials so far in the order of their numbers, running ones among them."""
