"""An Optuna study in memory that holds a study's trials, so that Optuna's own samplers can answer for the choices of a design.

The stored study cannot be asked itself: Optuna creates a trial before it samples, and here a trial is created only for a
design that is within the limits. In the mirror an ordered choice is the share of the chance that leads to it, a number from 0
to 1, and options are known by their place; so bounds may change from trial to trial, and options that change are parameters
of their own. Choices that are fixed, or follow another by a rule of the space, are left out.
"""

from __future__ import annotations

import contextlib
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import optuna
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from optuna.samplers import BaseSampler, RandomSampler
from optuna.search_space import IntersectionSearchSpace
from optuna.storages import InMemoryStorage
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState, create_trial

from netwright.spaces.domains import Choice, Domain, Options, Whole, rising
from netwright.spaces.pick import Pick
from netwright.studies.goals import Goal
from netwright.studies.ground import Ground, plain
from netwright.studies.samplers.history import History, went_well
from netwright.studies.samplers.replay import replayed, several
from netwright.studies.trials import STOPPED, Proposal, Trial

SHARE = FloatDistribution(0.0, 1.0)


class Mirror:
    """The trials of a study as Optuna's samplers want them; `read` first, then `proposal`.

    `pruned` says whether trials that were stopped early count (PRUNED, with their curves) or not (FAIL).
    """

    def __init__(self, ground: Ground, goal: Goal, pruned: bool) -> None:
        self.ground, self.history = ground, History()
        self._pruned, self._numbers = pruned, dict[int, int]()
        self._storage = InMemoryStorage()
        directions = [StudyDirection[word.upper()] for word in goal.directions]
        with _quiet():
            self.study = optuna.create_study(storage=self._storage, directions=directions, sampler=RandomSampler(seed=0))
        self._id = self._storage.get_study_id_from_name(self.study.study_name)
        self._common = IntersectionSearchSpace(include_pruned=pruned)
        self.usable = 0

    def read(self, trials: Sequence[Trial]) -> None:
        """What is new among the trials."""
        begun, over = self.history.read(trials)
        for trial in begun:
            self._begin(trial)
        for trial in over:
            if trial.number in self._numbers:
                self._end(trial, self._numbers.pop(trial.number))

    def _begin(self, trial: Trial) -> None:
        made = create_trial(
            state=TrialState.RUNNING,
            **_parameters(self.ground.space, trial.chosen),
            user_attrs={"number": trial.number, "finished": math.inf},
            system_attrs=dict(trial.about.get("attributes", {})),
        )
        number = self._storage.create_new_trial(self._id, template_trial=made)
        self._numbers[trial.number] = self._storage.get_trial_number_from_id(number)

    def _end(self, trial: Trial, number: int) -> None:
        place = self._storage.get_trial_id_from_study_id_trial_number(self._id, number)
        self._storage.set_trial_user_attr(place, "finished", trial.finished)
        if went_well(trial):
            self.usable += 1
            self.study.tell(number, trial.values)
        elif trial.status == STOPPED and trial.curve and self._pruned:
            self.usable += 1
            for epoch, accuracy in trial.curve.items():
                self._storage.set_trial_intermediate_value(place, epoch, accuracy)
            self.study.tell(number, state=TrialState.PRUNED)
        else:
            self.study.tell(number, state=TrialState.FAIL)

    @contextlib.contextmanager
    def asked(self) -> Iterator[FrozenTrial]:
        """A trial for a sampler to answer for. It fails in the end: what is proposed comes back as a trial of the study."""
        number = self.study.ask().number
        try:
            yield self.trial(number)
        finally:
            self.study.tell(number, state=TrialState.FAIL)

    def trial(self, number: int) -> FrozenTrial:
        """A trial of the mirror as it is now."""
        return self._storage.get_trial(self._storage.get_trial_id_from_study_id_trial_number(self._id, number))

    def proposal(self, sampler: BaseSampler, trial: FrozenTrial, attempts: int, name: str) -> tuple[Proposal | None, int]:
        """The first design of so many of a sampler's that is within the limits and new, and how many it took."""
        common = self._common.calculate(self.study)
        for draws in range(1, attempts + 1):
            together = sampler.sample_relative(self.study, trial, common) if common else {}
            pick = MirrorPick(self, sampler, trial, together)
            made = self.ground.proposal(pick, {"from": name})
            if made is not None and plain(made.design) not in self.history.taken:
                return replace(made, draws=draws), draws
        return None, attempts

    def random(self, slot: int, draws: int = 0, about: Mapping[str, Any] | None = None) -> Proposal:
        """The slot's random design, after so many draws."""
        made = self.ground.random(slot, self.history.taken)
        return replace(made, draws=draws + made.draws, about={"from": "random", **(about or {})})


class MirrorPick(Pick):
    """A pick that a sampler of Optuna's answers: what it sampled together, and the others one by one.

    Values that must not fall are sampled each for itself and put in order, between those that are held.
    """

    def __init__(self, mirror: Mirror, sampler: BaseSampler, trial: FrozenTrial, together: Mapping[str, Any]) -> None:
        super().__init__(random.Random(0))
        self._mirror, self._sampler, self._trial, self._together = mirror, sampler, trial, together

    def _draw(self, name: str, domain: Domain) -> Any:
        if not several(domain):
            return domain.at(0.0)
        key, kind = _parameter(name, domain)
        value = self._together.get(key)
        if value is None:
            value = self._sampler.sample_independent(self._mirror.study, self._trial, key, kind)
        return domain.values[value] if isinstance(domain, Options) else domain.at(value)

    def _draw_rising(self, names: list[str], domain: Whole, held: tuple[int | None, ...]) -> list[int]:
        lowest = rising(domain, held, [0.0] * len(names))  # raises where those that are held fall
        free = iter(sorted(self._draw(name, domain) for name, value in zip(names, held, strict=True) if value is None))
        most = [min([value for value in held[i:] if value is not None], default=domain.high) for i in range(len(names))]
        values = [next(free) if value is None else value for value in held]
        return [min(max(value, low), high) for value, low, high in zip(values, lowest, most, strict=True)]


def _parameter(name: str, domain: Domain) -> tuple[str, BaseDistribution]:
    if isinstance(domain, Options):
        return f"{name} {domain.values!r}", CategoricalDistribution(range(len(domain.values)))
    return name, SHARE


def _parameters(space: Any, chosen: Mapping[str, Choice]) -> dict[str, Any]:
    """The parameters of a trial and their distributions: the choices that were free."""
    params: dict[str, Any] = {}
    distributions: dict[str, BaseDistribution] = {}
    for name, domain in replayed(space, chosen).free.items():
        if several(domain):
            key, kind = _parameter(name, domain)
            value: Any = chosen[name]
            share = domain.place(value) if isinstance(domain, Options) else min(max(domain.share(value), 0.0), 1.0)
            params[key], distributions[key] = share, kind
    return {"params": params, "distributions": distributions}


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the line that Optuna logs for a new study."""
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        yield
    finally:
        optuna.logging.set_verbosity(before)
