"""Random search: each slot has its own random design, whatever the others gave."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from netwright.studies.ground import Ground
from netwright.studies.samplers.history import History
from netwright.studies.trials import Proposal, Trial


@dataclass(frozen=True)
class Random:
    """A slot's own random design, or the next one of its stream that no trial has.

    Hard to beat by much at some hundred trials (Li & Talwalkar 2019; Ying et al. 2019), and the only sampler here whose
    trials are a sample of the space: populations are made of these.
    """

    ground: Ground
    _history: History = field(default_factory=History, compare=False, repr=False)

    def propose(self, slot: int, trials: Sequence[Trial]) -> Proposal:
        self._history.read(trials)
        return self.ground.random(slot, self._history.taken)
