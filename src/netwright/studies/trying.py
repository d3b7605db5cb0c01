"""Trying designs: each is trained briefly and measured on a validation part; what was tried is kept on disk."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from netwright.errors import DivergedError, NetwrightError
from netwright.files import Output, read_json, write_json
from netwright.graph import Design, to_json, trace
from netwright.studies.asked import Asked, recipe_for
from netwright.studies.near import Drawn
from netwright.studies.pace import measured
from netwright.studies.spending import Pace, Search, Training, plan_search, plan_training, some_of
from netwright.training.engine.moments import Epoch
from netwright.training.train import trained
from netwright.units import counted, short_seconds

PLANNED = "search.json"
TELLING = 5.0  # seconds
GLANCE = 0.5  # seconds in which the pace of a candidate is measured


@dataclass(frozen=True)
class Candidate:
    """A design that was trained briefly: its cost, epochs and pictures, and its validation accuracy after each epoch."""

    number: int
    design: Design
    params: int
    macs: int
    acts: int
    trained: Training
    curve: tuple[Epoch, ...]

    @property
    def accuracy(self) -> float:
        """Validation accuracy after the last epoch."""
        last = self.curve[-1].validation
        assert last is not None
        return last

    @property
    def seconds(self) -> float:
        """What its training took, validation included."""
        return sum(epoch.seconds for epoch in self.curve)

    def to_json(self) -> dict[str, Any]:
        """As plain values, for files and reports."""
        design = json.loads(to_json(self.design, None))
        return {
            "number": self.number,
            "design": {name: value for name, value in design.items() if name != "schema"},
            "params": self.params,
            "macs": self.macs,
            "acts": self.acts,
            **self.trained._asdict(),
            "validation_accuracy": self.accuracy,
            "seconds": round(self.seconds, 2),
            "curve": [asdict(epoch) for epoch in self.curve],
        }


@dataclass(frozen=True)
class Searched:
    """What a search was planned to be, its candidates in the order they were tried, and the numbers of those not begun."""

    planned: Search
    tried: list[Candidate]
    left: list[int]
    pace: Pace | None = None  # of a candidate of middle size, where it was measured

    @property
    def trained(self) -> float | None:
        """Seconds of the winner for a picture, where its brief training was long enough to tell."""
        best = self.best
        if self.pace is None or best.seconds < TELLING:
            return None
        steps = best.seconds / best.trained.epochs - self.planned.compared * self.pace.evaluated
        return max(steps, 0.0) / best.trained.pictures

    @property
    def best(self) -> Candidate:
        """The most accurate candidate; of equals the one with fewer macs."""
        return max(self.tried, key=lambda candidate: (candidate.accuracy, -candidate.macs))


def drawn_before(output: Output) -> int | None:
    """How many draws a run that goes on took for its designs; None for one that has not tried any against the clock."""
    kept = output.work / PLANNED
    draws: int | None = read_json(kept).get("draws") if kept.exists() else None
    return draws


def search(asked: Asked, drawn: Drawn, pace: Pace | None, until: float) -> Searched:
    """Try designs, in the order drawn, until the clock has spent `until` seconds (infinite: all of them).

    With the `pace` of a candidate of middle size it is planned how many are tried, and for how long: each as long as the
    others, so that one which computes faster sees more pictures, as it would in the long training. Raises DivergedError
    where none could be trained.
    """
    asked.clock.enter("search")
    planned, end = _planned(asked, pace, until)
    if pace is not None:  # now there is something to lose
        write_json(asked.output.work / PLANNED, {"planned": planned._asdict(), "end": end, "draws": drawn.draws})
        asked.clock.begin()
    trying = _Trying(asked, planned, None if pace is None else planned.seconds(pace), end)
    for number, design in enumerate(drawn.designs[: planned.trials], 1):
        trying.candidate(number, design)
    if not trying.tried:
        raise DivergedError("no candidate could be trained: every one diverged")
    return Searched(planned, trying.tried, trying.left, pace)


def _planned(asked: Asked, pace: Pace | None, until: float) -> tuple[Search, float]:
    """What is to be tried, and when that ends: as kept in the folder where the run goes on."""
    effort, data, kept = asked.effort, asked.plan.data, asked.output.work / PLANNED
    assert data.validation is not None
    there = len(data.train), len(data.validation)
    if pace is None:
        return Search(effort.trials or 8, effort.trial_epochs or 6, *there), until
    if kept.exists():
        value = read_json(kept)
        return Search(**value["planned"]), value["end"]
    planned = plan_search(until - asked.clock.spent, pace, there, effort.trials, effort.trial_epochs)
    asked.progress.say(_told(planned, there, pace))
    return planned, until


def middle(asked: Asked, designs: tuple[Design, ...]) -> Design:
    """The design of middle size."""
    plan = asked.plan
    return sorted(designs, key=lambda one: trace(one, plan.image, plan.source.channels).macs)[len(designs) // 2]


def _told(planned: Search, there: tuple[int, int], pace: Pace) -> str:
    """How the search's time is spent, and what there is no time for."""
    part = f"{planned.pictures:,} of " if planned.pictures < there[0] else ""
    epochs = counted(planned.epochs, "epoch")
    each = f"{short_seconds(planned.seconds(pace))} each ({epochs} on {part}{there[0]:,} training pictures)"
    return f"a candidate of middle size trains on {1 / pace.trained:,.0f} images/s: time for {planned.trials} candidates, {each}"


@dataclass
class _Trying:
    """A search on its way: what is planned, seconds for each candidate (None: as many epochs for all), and when it ends."""

    asked: Asked
    planned: Search
    seconds: float | None
    end: float
    tried: list[Candidate] = field(default_factory=list)
    left: list[int] = field(default_factory=list)

    def candidate(self, number: int, design: Design) -> None:
        """Train a design briefly; one that was tried before (kept below `work`) is read back."""
        plan, progress = self.asked.plan, self.asked.progress
        kept = self.asked.output.work / "candidates" / f"{number:03d}.json"
        graph = trace(design, plan.image, plan.source.channels)
        before = _read(kept, design)
        if before is None:
            decided, takes = self._decided(design)
            title = f"candidate {number} of {self.planned.trials}"
            if takes and self.asked.clock.spent + takes > self.end:
                self.left.append(number)
                progress.say(f"{title} is not begun: it would take {short_seconds(takes)}, past the search's end")
                return
            try:
                before = decided, self._trained(design, decided, title)
            except DivergedError as error:
                progress.say(f"{title} is left out: {error}")
                return
            curve = [asdict(epoch) for epoch in before[1]]
            told = {"macs": graph.macs, "params": graph.params}  # for who looks on
            write_json(kept, {"design": to_json(design, None), **told, "trained": decided._asdict(), "curve": curve})
        self.tried.append(Candidate(number, design, *graph.totals, *before))
        progress.say(f"candidate {number}: {graph.macs:,} macs, validation accuracy {100 * self.tried[-1].accuracy:.1f} %")

    def _decided(self, design: Design) -> tuple[Training, float]:
        """Epochs and pictures of a design, and the seconds that count against the search's end (0: it is begun anyway)."""
        planned, effort = self.planned, self.asked.effort
        plain = Training(planned.epochs, planned.pictures)
        if self.seconds is None:
            return plain, 0.0
        pace = measured(design, self.asked.job(recipe_for(planned.epochs)), GLANCE)
        must = not self.tried or effort.trials is not None
        if effort.trial_epochs is not None:
            return plain, 0.0 if must else planned.seconds(pace)
        train = len(self.asked.plan.data.train)
        each = pace.trained + pace.evaluated * planned.compared / planned.pictures
        return plan_training(self.seconds, each, train), 0.0 if must else self.seconds

    def _trained(self, design: Design, decided: Training, title: str) -> tuple[Epoch, ...]:
        """Validation accuracy after each epoch."""
        asked, data = self.asked, self.asked.plan.data
        assert data.validation is not None
        job = asked.job(recipe_for(decided.epochs))
        listing = some_of(data.train, decided.pictures, asked.plan.seed)
        task = asked.task(job, listing, some_of(data.validation, self.planned.compared, asked.plan.seed))
        _, training = trained(design, task, job, None, title)
        return tuple(training.history)


def _read(kept: Path, design: Design) -> tuple[Training, tuple[Epoch, ...]] | None:
    if not kept.exists():
        return None
    try:
        value = read_json(kept)
        if value["design"] != to_json(design, None):
            return None
        return Training(**value["trained"]), tuple([Epoch(**epoch) for epoch in value["curve"]])
    except (NetwrightError, KeyError, TypeError):  # damaged, or of an older version: it is tried again
        return None
