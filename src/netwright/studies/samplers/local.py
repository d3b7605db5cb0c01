"""Local search (White et al. 2021, arXiv:2005.02960): the neighbours of the best, until none is better."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from netwright.spaces.domains import Choice, Domain, Options, Whole
from netwright.studies.ground import Ground, plain
from netwright.studies.samplers.history import History, rank, went_well
from netwright.studies.samplers.replay import Replay, replayed, shuffled
from netwright.studies.trials import Proposal, Trial

PURPOSE = 2  # of its chance, apart from that of a slot's random design
FAR, NEAR = 1 / 16, 1 / 64  # of the chance: the steps of real numbers; FAR also where there are more than 16 whole numbers

Choices = Mapping[str, Choice]


class _Memory:
    """What can be found again in the trials, kept so that it need not be."""

    def __init__(self) -> None:
        self.climb = 0
        self.centre = -1
        self.neighbours: list[Choices] = []
        self.made: dict[int, Proposal | None] = {}
        self._bests: dict[int, Trial] = {}

    @property
    def best(self) -> Trial | None:
        """The best complete trial of the latest climb."""
        return self._bests.get(self.climb)

    def read(self, begun: list[Trial], over: list[Trial]) -> None:
        """Trials that are new, and those that are newly over."""
        self.climb = max([self.climb, *map(_climb, begun)])
        for trial in filter(went_well, over):
            climb = _climb(trial)
            self._bests[climb] = max(trial, self._bests.get(climb, trial), key=rank)

    def around(self, trial: Trial, space: Any) -> list[Choices]:
        """The neighbours of a trial."""
        if self.centre != trial.number:
            self.centre, self.neighbours = trial.number, neighbours(space, trial.chosen)
            self.made.clear()
        return self.neighbours


def _climb(trial: Trial) -> int:
    return int(trial.about.get("climb", 0))


@dataclass(frozen=True)
class Local:
    """Climbs: the neighbours of the best design so far of a climb are tried, in random order, until none is left.

    A neighbour differs in one choice (`around`): the next values of an ordered one, all others of options. Where values must not
    fall, those that stand in the way move along. As soon as a neighbour is better the climb goes on from there (the paper's
    "query until lower"). When all neighbours were tried or are beyond the limits, a new climb starts from a random design; so it
    does while the climb has no complete trial. Trials say in `about` which climb they are part of.

    With several workers a climb may end while its last neighbours still run; one that turns out better is not followed then.
    """

    ground: Ground
    _history: History = field(default_factory=History, compare=False, repr=False)
    _memory: _Memory = field(default_factory=_Memory, compare=False, repr=False)

    def propose(self, slot: int, trials: Sequence[Trial]) -> Proposal:
        begun, over = self._history.read(trials)
        self._memory.read(begun, over)
        climb, best = self._memory.climb, self._memory.best
        draws = 0
        if best is not None:
            near = self._memory.around(best, self.ground.space)
            for place in shuffled(self.ground.chance(slot, PURPOSE), range(len(near))):
                draws += 1
                made = self._made(place, climb)
                if made is not None and plain(made.design) not in self._history.taken:
                    return replace(made, draws=draws)
            climb += 1
        made = self.ground.random(slot, self._history.taken)
        return replace(made, draws=draws + made.draws, about={"from": "random", "climb": climb})

    def _made(self, place: int, climb: int) -> Proposal | None:
        """The design of a neighbour; each is looked at once."""
        made = self._memory.made
        if place not in made:
            # what is drawn because another choice brings it along is always drawn the same: that is one neighbour
            pick = Replay(random.Random(0), self._memory.neighbours[place])
            made[place] = self.ground.proposal(pick, {"from": "local", "climb": climb})
        return made[place]


def neighbours(space: Any, chosen: Choices) -> list[Choices]:
    """The choices of all neighbours of a design that a space made from these."""
    pick = replayed(space, chosen)
    found: list[Choices] = []
    for name, domain in pick.free.items():
        order = next((names for names in pick.orders if name in names), [name])
        for value in around(domain, chosen[name]):
            near = {**chosen, **_in_order(order, name, value, chosen)}
            if all(near[other] == chosen[other] or other in pick.free for other in order):
                found.append(near)
    return found


def around(domain: Domain, value: Choice) -> list[Choice]:
    """The values next to one, nearest first; of options all others.

    Next to a whole number are one step down and one up, where there are more than 16 also a sixteenth of the chance away
    (about uniform in the logarithm for such domains); next to a real number 1/64 and 1/16 of the chance.

    >>> from netwright.spaces.domains import Options, Real, Whole
    >>> around(Whole(8, 32, 8), 16), around(Options((3, 5, 7)), 5), around(Real(0.0, 1.0), 1.0)
    ([8, 24], [3, 7], [0.984375, 0.9375])
    >>> around(Whole(8, 1024, 8, True), 512)
    [504, 520, 360, 720]
    """
    if isinstance(domain, Options):
        return [other for other in domain.values if (type(other), other) != (type(value), value)]
    near: list[Choice] = []
    if isinstance(domain, Whole):
        near = [int(value) - domain.step, int(value) + domain.step]
        shares = [FAR] if domain.size > 16 else []
    else:
        shares = [NEAR, FAR]
    here = domain.share(value)  # type: ignore[arg-type]
    near += [domain.at(min(max(here + side * share, 0.0), 1.0)) for share in shares for side in (-1, 1)]
    return [other for other in dict.fromkeys(near) if other != value and domain.holds(other)]


def _in_order(order: list[str], name: str, value: Choice, chosen: Choices) -> Choices:
    """The values of a group that must not fall when one of them moves: those that stand in its way move along."""
    place = order.index(name)
    before = {other: min(chosen[other], value) for other in order[:place]}
    after = {other: max(chosen[other], value) for other in order[place + 1 :]}
    return {**before, name: value, **after}
