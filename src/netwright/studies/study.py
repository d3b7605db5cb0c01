"""A study as it is read: its trials, the best of them, the front, the population that statistics are made of."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from netwright.errors import FailedError
from netwright.spaces import population
from netwright.spaces.population import Member, Population
from netwright.studies.goals import Goal
from netwright.studies.ledger import Ledger, join
from netwright.studies.question import Question
from netwright.studies.trials import COMPLETE, ENDED, FAILED, LOST, RUNNING, STOPPED, Trial
from netwright.units import counted, short_amount, short_seconds

_AS_MEMBER = {COMPLETE: population.COMPLETE, STOPPED: population.STOPPED, FAILED: population.FAILED}


@dataclass(frozen=True)
class Study:
    """What a study has come to: `question` says what was asked, `wanted` how many trials for.

    It is a sequence of the trials that have used up a slot or run, in the order in which they began; `lost` are those whose
    worker died, or that came second to a slot. A notebook shows its charts.

    >>> study = nw.read_study("study")
    >>> study.counts["complete"], study.best in study.front
    (2, True)
    """

    name: str
    question: Question = field(repr=False)
    wanted: int
    trials: tuple[Trial, ...] = field(repr=False)
    lost: tuple[Trial, ...] = field(default=(), repr=False)

    @classmethod
    def of(cls, ledger: Ledger, question: Question | None = None) -> Study:
        """The study as a ledger has it now."""
        trials = ledger.trials()
        kept = tuple([trial for trial in trials if trial.status != LOST])
        lost = tuple([trial for trial in trials if trial.status == LOST])
        return cls(ledger.name, question or Question.from_json(ledger.settings), ledger.wanted, kept, lost)

    def __len__(self) -> int:
        return len(self.trials)

    def __iter__(self) -> Iterator[Trial]:
        return iter(self.trials)

    def __getitem__(self, place: int) -> Trial:
        return self.trials[place]

    @property
    def goal(self) -> Goal:
        """What was maximized."""
        return self.question.goal

    @property
    def complete(self) -> tuple[Trial, ...]:
        """The trials that were trained to the end."""
        return tuple([trial for trial in self.trials if trial.status == COMPLETE])

    @property
    def counts(self) -> dict[str, int]:
        """How many trials there are of each status."""
        found = Counter(trial.status for trial in [*self.trials, *self.lost])
        return {status: found[status] for status in (COMPLETE, STOPPED, FAILED, RUNNING, LOST)}

    @property
    def front(self) -> tuple[Trial, ...]:
        """The complete trials that no other betters in one value without being worse in another, the best first value first.

        With one value that is the best trial; of equals it is the one with fewer macs.
        """
        signs = [1 if word == "maximize" else -1 for word in self.goal.directions]
        best: list[Trial] = []
        reached: tuple[float, ...] | None = None
        for trial in sorted(
            self.complete, key=lambda one: (*[-s * v for s, v in zip(signs, _values(one), strict=True)], one.macs)
        ):
            others = tuple([s * v for s, v in zip(signs, _values(trial), strict=True)][1:])
            if reached is None or (others and others > reached):
                best.append(trial)
                reached = others
        return tuple(best)

    @property
    def best(self) -> Trial:
        """The first of the front. Raises FailedError where no trial is complete."""
        front = self.front
        if not front:
            raise FailedError(f"no trial of the study {self.name!r} is complete{self._why()}")
        return front[0]

    def _why(self) -> str:
        reasons = Counter(trial.reason for trial in self.trials if trial.status == FAILED)
        return f"; most failed so: {reasons.most_common(1)[0][0]}" if reasons else ""

    def population(self, name: str = "") -> Population:
        """The trials for statistics (see `Population`): those that were stopped early or failed are named as such."""
        members = [
            Member(
                trial.chosen,
                1 - trial.accuracy if trial.status == COMPLETE and trial.accuracy is not None else None,
                trial.macs,
                trial.params,
                trial.acts,
                _AS_MEMBER[trial.status],
            )
            for trial in self.trials
            if trial.status in ENDED
        ]
        return Population(name or self.name, tuple(members), self.told())

    def told(self) -> str:
        """How designs were drawn and evaluated, in one line: what two populations should share."""
        evaluation = self.question.evaluation
        if "recipe" not in evaluation:
            return f"evaluated by {evaluation.get('function', 'a function')}"
        recipe = json.loads(evaluation["recipe"])
        optimizer = f"{recipe['optimizer']['name']}, lr {recipe['optimizer']['lr']:g}"
        how = f"{counted(recipe['epochs'], 'epoch')} of {optimizer}, batch {recipe['batch']}"
        return f"{evaluation['data']} {self.question.ground.at}, {self.question.limits}; {how}"

    def to_json(self) -> dict[str, Any]:
        """As plain values: the question, and every trial with its design, cost, curve, time, host, versions and reason."""
        return {
            "study": self.name,
            "question": self.question.to_json(),
            "wanted": self.wanted,
            "counts": self.counts,
            "front": [trial.number for trial in self.front],
            "trials": [plain_trial(trial) for trial in self.trials],
        }

    def __str__(self) -> str:
        return "\n".join([*_table(self.front, self.goal), "", self._summary()])

    def _repr_html_(self) -> str:
        from netwright.report.study_page import study_piece

        return study_piece(self.to_json())

    def _summary(self) -> str:
        counts = ", ".join(f"{count:,} {status}" for status, count in self.counts.items() if count)
        hours = sum(trial.seconds for trial in self.trials)
        return f"study {self.name}: {self.wanted:,} trials wanted, {counts}; {short_seconds(hours)} of trials"


def _values(trial: Trial) -> tuple[float, ...]:
    assert trial.values is not None
    return trial.values


def _table(trials: Sequence[Trial], goal: Goal) -> list[str]:
    measured = goal.measured if goal.measured not in ("", "macs", "params") else ""
    column = f"{measured:>12}  " if measured else ""
    lines = [f"{'trial':>6}  {'accuracy':>8}  {'macs':>9}  {'params':>9}  {column}choices"]
    for trial in trials:
        cost = f"{trial.costs[measured]:>12,.4g}  " if measured else ""
        counts = f"{short_amount(trial.macs):>9}  {short_amount(trial.params):>9}"
        choices = " ".join(f"{name}={value}" for name, value in trial.chosen.items())
        lines.append(f"{trial.number:>6}  {100 * (trial.accuracy or 0):>6.1f} %  {counts}  {cost}{choices}")
    return lines


def plain_trial(trial: Trial) -> dict[str, Any]:
    """A trial as plain values."""
    return {
        "number": trial.number,
        "status": trial.status,
        "design": json.loads(trial.plain_design),
        "chosen": dict(trial.chosen),
        "params": trial.params,
        "macs": trial.macs,
        "acts": trial.acts,
        "costs": dict(trial.costs),
        "accuracy": trial.accuracy,
        "values": list(trial.values) if trial.values is not None else None,
        "curve": {str(epoch): accuracy for epoch, accuracy in trial.curve.items()},
        "seed": trial.seed,
        "seconds": trial.seconds,
        "host": trial.host,
        "versions": dict(trial.versions),
        "reason": trial.reason,
        "draws": trial.draws,
        "about": dict(trial.about),
    }


def read_study(storage: str, name: str | None = None, *, run_files: bool = True) -> Study:
    """The study of a storage (a study's folder, a journal, a database); without a name the only one there.

    A space of the user's own is read from its file, as the study's workers do; without `run_files` it is only named, for studies
    whose files one would not run. Raises NetwrightError for a storage without that study, and for several without a name.

    >>> len(nw.read_study("study"))
    2
    """
    ledger = join(storage, name, lambda line: None)
    return Study.of(ledger, Question.from_json(ledger.settings, run_files=run_files))
