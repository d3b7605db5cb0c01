"""Regularized evolution (Real et al. 2019, arXiv:1802.01548): the young have children, the old die."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from netwright.studies.ground import Ground, plain
from netwright.studies.samplers.history import History, rank
from netwright.studies.samplers.replay import Replay, replayed, several, shuffled
from netwright.studies.trials import Proposal, Trial

PURPOSE = 1  # of its chance, apart from that of a slot's random design
TRIES, CHANGES = 50, 4  # attempts with one choice changed, then with two, ...


@dataclass(frozen=True)
class Evolution:
    """Among some of the trials that finished last the best is the parent; its child differs in one choice.

    The population is the younger half of the complete trials, at least `startup` and at most `population` of them, and a
    tournament is among a quarter of it. That is the paper's 100 and 25 once 200 trials are complete; for fewer the paper says
    nothing, and with a fixed 100 a study of 150 trials would be random for the most part. Before `startup` trials are
    complete, each slot has its random design.

    The changed choice is drawn anew as the space draws it, among those that are neither fixed nor shared; it never keeps its
    value. Deviations from the paper: a child beyond the limits, or that was tried already, is given up for another
    tournament; after 50 of these two choices change at once, and so on up to four. If that finds nothing either, it is the slot's
    random design. A trial that was stopped early or failed has no value and no children.
    """

    ground: Ground
    startup: int = 20
    population: int = 100
    _history: History = field(default_factory=History, compare=False, repr=False)

    def propose(self, slot: int, trials: Sequence[Trial]) -> Proposal:
        self._history.read(trials)
        complete, taken = self._history.complete, self._history.taken
        draws = 0
        if slot >= self.startup and len(complete) >= self.startup:
            young = complete[-min(max(len(complete) // 2, self.startup), self.population) :]
            chance = self.ground.chance(slot, PURPOSE)
            for draws in range(1, TRIES * CHANGES + 1):
                parent = max(shuffled(chance, young)[: max(2, len(young) // 4)], key=rank)
                made = self._child(parent, 1 + (draws - 1) // TRIES, chance)
                if made is not None and plain(made.design) not in taken:
                    return replace(made, draws=draws)
        made = self.ground.random(slot, taken)
        return replace(made, draws=draws + made.draws, about={"from": "random"})

    def _child(self, parent: Trial, changes: int, chance: random.Random) -> Proposal | None:
        free = [name for name, domain in replayed(self.ground.space, parent.chosen).free.items() if several(domain)]
        pick = Replay(chance, parent.chosen, set(shuffled(chance, free)[:changes]))
        return self.ground.proposal(pick, {"from": "evolution", "parent": parent.number})
