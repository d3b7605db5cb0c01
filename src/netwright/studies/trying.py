"""Trying designs: each is trained briefly and measured on a validation part; what was tried is kept on disk."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netwright.errors import DivergedError, NetwrightError
from netwright.files import Output, read_json, write_json
from netwright.graph import Design, to_json, trace
from netwright.studies.asked import Asked
from netwright.studies.near import Drawn
from netwright.studies.pace import measured
from netwright.studies.spending import Pace, Search, plan_search, some_of
from netwright.training.engine.batches import Task
from netwright.training.engine.moments import Epoch
from netwright.training.recipes.recipe import Recipe
from netwright.training.train import Job, trained
from netwright.units import short_seconds

PLANNED = "search.json"
TELLING = 5.0  # seconds
Begins = Callable[[int, Design], str]  # why a candidate is not begun, '' for one that is


@dataclass(frozen=True)
class Candidate:
    """A design that was trained briefly: its cost and its validation accuracy after each epoch."""

    number: int
    design: Design
    params: int
    macs: int
    acts: int
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
        if self.pace is None or self.best.seconds < TELLING:
            return None
        return (
            max(self.best.seconds / self.planned.epochs - self.planned.compared * self.pace.evaluated, 0.0)
            / self.planned.pictures
        )

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

    With the `pace` of a candidate of middle size it is planned how many are tried, and for how long.
    """
    asked.clock.enter("search")
    planned, end = _planned(asked, pace, until)
    plan = asked.plan
    assert plan.data.validation is not None
    job = asked.job(Recipe(epochs=planned.epochs))
    listing = some_of(plan.data.train, planned.pictures, plan.seed)
    task = asked.task(job, listing, some_of(plan.data.validation, planned.compared, plan.seed))
    if pace is not None:  # now there is something to lose
        write_json(asked.output.work / PLANNED, {"planned": planned._asdict(), "end": end, "draws": drawn.draws})
        asked.clock.begin()
    left: list[int] = []
    tried: list[Candidate] = []

    def begins(number: int, design: Design) -> str:
        if pace is None or not tried or asked.effort.trials is not None:
            return ""
        takes = planned.seconds(measured(design, job, 0.5))
        if asked.clock.spent + takes <= end:
            return ""
        left.append(number)
        return f"it would take {short_seconds(takes)}, past the search's end"

    try_designs(drawn.designs[: planned.trials], task, job, asked.output.work, begins, tried)
    return Searched(planned, tried, left, pace)


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
    what = f"{planned.trials} candidates, {planned.epochs} epochs each on {part}{there[0]:,} training pictures"
    return f"a candidate of middle size trains on {1 / pace.trained:,.0f} images/s: time for {what}"


def try_designs(designs: tuple[Design, ...], task: Task, job: Job, work: Path, begins: Begins, tried: list[Candidate]) -> None:
    """Train each design briefly and add it to `tried`; those already tried (kept below `work`) are read back.

    Raises DivergedError where none could be trained.
    """
    plan, progress = job.plan, job.progress
    for number, design in enumerate(designs, 1):
        kept = work / "candidates" / f"{number:03d}.json"
        graph = trace(design, plan.image, plan.source.channels)
        curve = _read_curve(kept, design)
        if curve is None:
            title = f"candidate {number} of {len(designs)}"
            refused = begins(number, design)
            if refused:
                progress.say(f"{title} is not begun: {refused}")
                continue
            try:
                _, training = trained(design, task, job, None, title)
                curve = training.history
            except DivergedError as error:
                progress.say(f"{title} is left out: {error}")
                continue
            write_json(kept, {"design": to_json(design, None), "curve": [asdict(epoch) for epoch in curve]})
        tried.append(Candidate(number, design, *graph.totals, tuple(curve)))
        progress.say(f"candidate {number}: {graph.macs:,} macs, validation accuracy {100 * tried[-1].accuracy:.1f} %")
    if not tried:
        raise DivergedError("no candidate could be trained: every one diverged")


def _read_curve(kept: Path, design: Design) -> list[Epoch] | None:
    if not kept.exists():
        return None
    try:
        value = read_json(kept)
    except NetwrightError:  # damaged: it is tried again
        return None
    return [Epoch(**epoch) for epoch in value["curve"]] if value["design"] == to_json(design, None) else None
