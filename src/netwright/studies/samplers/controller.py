"""The notes' RNN controller as a sampler: of ours (`Controller`), and of Optuna's kind (`ControllerSampler`)."""

from __future__ import annotations

import functools
import math
import random
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from optuna import Study
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.samplers import BaseSampler
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from netwright.spaces.domains import Choice, Domain, Options, Real, Whole, rising
from netwright.spaces.pick import Pick
from netwright.studies.ground import Ground, plain
from netwright.studies.samplers.history import History, went_well
from netwright.studies.samplers.policy import BINS, Lesson, Places, Policy, Step, Walk, places_of
from netwright.studies.trials import Proposal, Trial

PURPOSE = 5  # of its chance, apart from that of a slot's random design
PATIENT = 20  # draws from the policy as it is


@dataclass(frozen=True)
class Controller:
    """Zoph & Le's controller: an LSTM writes a design choice by choice, and learns from its reward (the goal's value).

    Each worker builds the same controller from the trials: it learns from the complete ones in the order in which they
    finished. What is drawn depends on the trials and the slot alone. Fixed and shared choices are not the controller's. Where
    values must not fall, only those that do not are open to it.

    Deviations from the paper: one trial is one update, not a batch of eight. Designs beyond the limits, or that were tried
    already, are drawn again up to `attempts` times and give no gradient; after 20 draws the policy is flattened more and more
    for that (its scores are divided by 1 up to 3.4), else one that has settled would only repeat itself. After the last it is
    the slot's random design, from which the controller learns as if it were its own. With several workers a design may be
    older than the policy that learns from it, and a trial that a worker sees late is learnt late there. Stopped and failed
    trials teach nothing: they have no reward. The paper's skip connections are a space's business, not the controller's.
    """

    ground: Ground
    lesson: Lesson = field(default_factory=Lesson)
    attempts: int = 100
    _history: History = field(default_factory=History, compare=False, repr=False)

    @functools.cached_property
    def policy(self) -> Policy:
        """The network, as far as it has learnt."""
        return Policy(self.ground.seed, self.lesson)

    def propose(self, slot: int, trials: Sequence[Trial]) -> Proposal:
        _, over = self._history.read(trials)
        for trial in filter(went_well, over):
            self.policy.learn(written(self.ground.space, trial.chosen), trial.value)
        chance, taken = self.ground.chance(slot, PURPOSE), self._history.taken
        for draws in range(1, self.attempts + 1):
            heat = 1 + 3 * max(0, draws - PATIENT) / self.attempts
            made = self.ground.proposal(WalkPick(chance, Walk(self.policy, heat)), {"from": "controller"})
            if made is not None and plain(made.design) not in taken:
                return replace(made, draws=draws)
        made = self.ground.random(slot, taken)
        return replace(made, draws=self.attempts + made.draws, about={"from": "random"})


class PlacedPick(Pick):
    """A pick whose answers are places of domains. Where values must not fall, only places that allow it are open."""

    def _draw(self, name: str, domain: Domain) -> Any:
        places = places_of(domain)
        return self._value(name, places, self._place(name, places, 0, places.count - 1))

    def _draw_rising(self, names: list[str], domain: Whole, held: tuple[int | None, ...]) -> list[int]:
        least, places = rising(domain, held, [0.0] * len(names)), places_of(domain)  # raises where those that are held fall
        made: list[int] = []
        for i, name in enumerate(names):
            low = max([least[i], *made[-1:]])
            high = min([value for value in held[i:] if value is not None], default=domain.high)
            if held[i] is None:
                value = self._value(name, places, self._place(name, places, places.of(low), places.of(high)))
                made.append(min(max(int(value), low), high))
            else:
                made.append(low)
        return made

    def _place(self, name: str, places: Places, low: int, high: int) -> int:
        """One of the places from low to high."""
        raise NotImplementedError

    def _value(self, name: str, places: Places, place: int) -> Choice:
        """A value of that place."""
        raise NotImplementedError


class WalkPick(PlacedPick):
    """A pick that a policy answers."""

    def __init__(self, source: random.Random, walk: Walk) -> None:
        super().__init__(source)
        self._walk = walk

    def _place(self, name: str, places: Places, low: int, high: int) -> int:
        if low == high:
            return low
        return self._walk.choose(key_of(name, places.domain), places.count, self._source.random(), low, high)

    def _value(self, name: str, places: Places, place: int) -> Choice:
        return places.value(place, self._source.random())


class WrittenPick(PlacedPick):
    """A pick that repeats a design's choices, and writes down the steps that lead there."""

    def __init__(self, chosen: Mapping[str, Choice]) -> None:
        super().__init__(random.Random(0))
        self._chosen = chosen
        self.steps: list[Step] = []

    def _place(self, name: str, places: Places, low: int, high: int) -> int:
        place = places.of(self._chosen[name])
        if low < high:
            self.steps.append(Step(key_of(name, places.domain), places.count, place, low, high))
        return place

    def _value(self, name: str, places: Places, place: int) -> Choice:
        return self._chosen[name]


def written(space: Any, chosen: Mapping[str, Choice]) -> list[Step]:
    """The steps by which a controller writes the design of these choices."""
    pick = WrittenPick(chosen)
    space(pick)
    return pick.steps


def key_of(name: str, domain: Domain) -> str:
    """What a choice is known by: ordered ones keep their weights when only their bounds change, not their number of places."""
    return f"{name} {domain.values!r}" if isinstance(domain, Options) else name


class ControllerSampler(BaseSampler):
    """The same controller as a sampler for Optuna: `optuna.create_study(sampler=ControllerSampler(seed=0))`.

    It learns from the complete trials of the study, whoever ran them, before each new one, in the order in which they were
    complete; so a study that goes on, or several processes, need nothing further. Whole and real numbers with more than 16
    values have 16 places. Parameters may be asked for conditionally, and with other bounds. Pruned and failed trials teach
    nothing. A study with several objectives is a ValueError.
    """

    def __init__(self, seed: int | None = None, lesson: Lesson = Lesson()) -> None:  # noqa: B008 (a frozen value)
        seed = random.SystemRandom().getrandbits(32) if seed is None else seed
        self._chance, self._policy = random.Random(seed), Policy(seed, lesson)
        self._learnt: set[int] = set()
        self._walks: dict[int, tuple[list[str], Walk]] = {}  # of the trials that are being asked: names, and where it stands
        self._lock = threading.RLock()  # a study may run trials in several threads

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if name not in ("_lock", "_walks")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state, _lock=threading.RLock(), _walks={})

    def reseed_rng(self) -> None:
        self._chance = random.Random(random.SystemRandom().getrandbits(32))

    def infer_relative_search_space(self, study: Study, trial: FrozenTrial) -> dict[str, BaseDistribution]:
        _check(study)
        return {}

    def sample_relative(self, study: Study, trial: FrozenTrial, search_space: dict[str, BaseDistribution]) -> dict[str, Any]:
        return {}

    def before_trial(self, study: Study, trial: FrozenTrial) -> None:
        _check(study)
        sign = 1 if study.direction == StudyDirection.MAXIMIZE else -1
        with self._lock:
            complete = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
            new = [one for one in complete if one.number not in self._learnt]
            for one in sorted(new, key=lambda one: (str(one.datetime_complete), one.number)):
                self._learnt.add(one.number)
                if one.value is not None and math.isfinite(one.value):
                    self._policy.learn(_steps(one), sign * one.value)

    def sample_independent(self, study: Study, trial: FrozenTrial, param_name: str, param_distribution: BaseDistribution) -> Any:
        _check(study)
        with self._lock:
            names, walk = self._walks.get(trial.number, ([], Walk(self._policy)))
            if names != list(trial.params):  # some were given, or asked elsewhere
                names, walk = list(trial.params), Walk(self._policy)
                for step in _steps(trial):
                    walk.follow(step)
            key, coded = _coded(param_name, param_distribution)
            places = places_of(coded.domain)
            place = walk.choose(key, places.count, self._chance.random())
            self._walks[trial.number] = ([*names, param_name], walk)
            return coded.value(places.value(place, self._chance.random()))

    def after_trial(self, study: Study, trial: FrozenTrial, state: TrialState, values: Sequence[float] | None) -> None:
        with self._lock:
            self._walks.pop(trial.number, None)


def _check(study: Study) -> None:
    if len(study.directions) > 1:
        raise ValueError("ControllerSampler is after one objective; this study has several")


@dataclass(frozen=True)
class _Coded:
    """A distribution of Optuna's as a domain, and the way between their values."""

    distribution: BaseDistribution
    domain: Domain

    def value(self, code: Choice) -> Any:
        """What Optuna calls a value of the domain."""
        given = self.distribution
        if isinstance(given, CategoricalDistribution):
            return given.choices[int(code)]
        if isinstance(given, IntDistribution):
            return min(max(round(code), given.low), given.high)  # type: ignore[arg-type]
        assert isinstance(given, FloatDistribution)
        return float(code) if given.step is None else min(given.low + int(code) * given.step, given.high)

    def code(self, value: Any) -> Choice:
        """The value of the domain."""
        given = self.distribution
        if isinstance(given, FloatDistribution) and given.step is not None:
            value = round((value - given.low) / given.step)
        code: Choice = int(given.to_internal_repr(value)) if isinstance(given, CategoricalDistribution) else value
        return code


def _coded(name: str, given: BaseDistribution) -> tuple[str, _Coded]:
    """What a parameter is known by, and its domain."""
    if isinstance(given, CategoricalDistribution):
        return f"{name} {given.choices!r}", _Coded(given, Whole(0, len(given.choices) - 1))
    if isinstance(given, FloatDistribution):
        steps = None if given.step is None else round((given.high - given.low) / given.step)
        return name, _Coded(given, Real(given.low, given.high, given.log) if steps is None else Whole(0, steps))
    assert isinstance(given, IntDistribution)
    if given.log and given.high - given.low >= BINS:  # a real number to be rounded: a domain would list all values
        return name, _Coded(given, Real(given.low - 0.5, given.high + 0.5, log=True))
    return name, _Coded(given, Whole(given.low, given.high, given.step, given.log))


def _steps(trial: FrozenTrial) -> list[Step]:
    """The steps by which a trial's parameters were, or could have been, written."""
    steps = []
    for name, value in trial.params.items():
        key, coded = _coded(name, trial.distributions[name])
        places = places_of(coded.domain)
        if places.count > 1:
            steps.append(Step(key, places.count, places.of(coded.code(value)), 0, places.count - 1))
    return steps
