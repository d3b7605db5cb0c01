"""The tree-structured Parzen estimator (Bergstra et al. 2011), by Optuna."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from optuna.samplers import TPESampler

from netwright.studies.goals import Goal
from netwright.studies.ground import Ground
from netwright.studies.samplers.mirror import Mirror
from netwright.studies.trials import Proposal, Trial

PURPOSE = 3  # of its chance, apart from that of a slot's random design


@dataclass(frozen=True)
class TPE:
    """Optuna's `TPESampler` over all choices together; those that not every trial has are sampled each for itself.

    The first `startup` slots, and all until so many trials have ended with a value or a curve, have their random designs.
    Trials that were stopped early count as worse than those that went to their end, by their curves' accuracies whatever the
    goal; running ones count as bad, so that workers keep apart. A design beyond the limits, or that was tried already, is
    sampled again, up to `attempts` times; then it is the slot's random design. Optuna knows nothing of the limits. After a
    tenth of the attempts each is one draw from the good trials' density, no longer the best of 24: the best are often the
    same.
    """

    ground: Ground
    goal: Goal
    startup: int = 15
    attempts: int = 100

    @functools.cached_property
    def _mirror(self) -> Mirror:
        return Mirror(self.ground, self.goal, pruned=True)

    def propose(self, slot: int, trials: Sequence[Trial]) -> Proposal:
        mirror = self._mirror
        mirror.read(trials)
        if slot < self.startup or mirror.usable < self.startup:
            return mirror.random(slot)
        # a new one for each slot: what it samples depends on the trials and the slot alone
        seed = self.ground.chance(slot, PURPOSE).getrandbits(32)
        before = 0
        with mirror.asked() as trial:
            for candidates, attempts in ((24, self.attempts // 10), (1, self.attempts - self.attempts // 10)):
                sampler = TPESampler(seed=seed, multivariate=True, n_startup_trials=self.startup, n_ei_candidates=candidates)
                made, draws = mirror.proposal(sampler, trial, attempts, "tpe")
                if made is not None:
                    return replace(made, draws=before + draws)
                before += draws
        return mirror.random(slot, before)
