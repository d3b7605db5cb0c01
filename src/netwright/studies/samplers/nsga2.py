"""NSGA-II (Deb et al. 2002), by Optuna: a front of accuracy and a cost."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from optuna import Study
from optuna.samplers import NSGAIISampler
from optuna.trial import FrozenTrial

from netwright.studies.goals import Goal
from netwright.studies.ground import Ground
from netwright.studies.samplers.mirror import Mirror
from netwright.studies.trials import Proposal, Trial

PURPOSE = 4  # of its chance, apart from that of a slot's random design


class FirstFinished(NSGAIISampler):
    """Optuna's sampler, whose generations are the first trials of them that finished: so all workers see the same parents.

    Optuna takes those that were complete when the first worker asked, and remembers that in the study; a mirror is each
    worker's own.
    """

    def get_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """The trials of a generation, as many as a population has."""
        found = super().get_population(study, generation)
        found.sort(key=lambda trial: (trial.user_attrs["finished"], trial.user_attrs["number"]))
        return found[: self.population_size]

    def get_parent_population(self, study: Study, generation: int) -> list[FrozenTrial]:
        """The parents of a generation, always in the same order: Optuna's differs the first time."""
        return sorted(super().get_parent_population(study, generation), key=lambda trial: trial.user_attrs["number"])


@dataclass(frozen=True)
class NSGA2:
    """Optuna's `NSGAIISampler` with its defaults, but for the population: 20 (Optuna's 50 is for longer studies).

    The first generation has the slots' random designs. A child beyond the limits, or that was tried already, is made again,
    up to `attempts` times; then it is the slot's random design. The generation of a trial is kept in its `about`, so that
    several workers agree. Trials that were stopped early or failed are no parents. Only the choices that all trials have are
    crossed over and mutated, the others are drawn anew.
    """

    ground: Ground
    goal: Goal
    population: int = 20
    attempts: int = 100

    @functools.cached_property
    def _mirror(self) -> Mirror:
        return Mirror(self.ground, self.goal, pruned=False)

    def propose(self, slot: int, trials: Sequence[Trial]) -> Proposal:
        mirror = self._mirror
        mirror.read(trials)
        seed = self.ground.chance(slot, PURPOSE).getrandbits(32)
        sampler = FirstFinished(population_size=self.population, seed=seed)
        made, draws = None, 0
        with mirror.asked() as trial:
            if sampler.get_trial_generation(mirror.study, trial):
                made, draws = mirror.proposal(sampler, mirror.trial(trial.number), self.attempts, "nsga2")
            about = {"attributes": dict(mirror.trial(trial.number).system_attrs)}
        return replace(made, about={**made.about, **about}) if made else mirror.random(slot, draws, about)
