"""Trying designs: each is trained briefly and measured on a validation part; what was tried is kept on disk."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from netwright.errors import DivergedError, NetwrightError
from netwright.files import read_json, write_json
from netwright.graph import Design, to_json, trace
from netwright.training.engine.batches import Task
from netwright.training.engine.moments import Epoch
from netwright.training.train import Job, trained


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

    def to_json(self) -> dict[str, Any]:
        """As plain values, for files and reports."""
        return {
            "number": self.number,
            "design": self.design.fields(),
            "params": self.params,
            "macs": self.macs,
            "acts": self.acts,
            "validation_accuracy": self.accuracy,
            "seconds": round(sum(epoch.seconds for epoch in self.curve), 2),
            "curve": [asdict(epoch) for epoch in self.curve],
        }


def try_designs(designs: tuple[Design, ...], task: Task, job: Job, work: Path) -> list[Candidate]:
    """Train each design briefly; those already tried (kept below `work`) are read back."""
    tried, plan, progress = [], job.plan, job.progress
    for number, design in enumerate(designs, 1):
        kept = work / "candidates" / f"{number:03d}.json"
        graph = trace(design, plan.image, plan.source.channels)
        curve = _read_curve(kept, design)
        if curve is None:
            title = f"candidate {number} of {len(designs)}"
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
    return tried


def _read_curve(kept: Path, design: Design) -> list[Epoch] | None:
    if not kept.exists():
        return None
    try:
        value = read_json(kept)
    except NetwrightError:  # damaged: it is tried again
        return None
    return [Epoch(**epoch) for epoch in value["curve"]] if value["design"] == to_json(design, None) else None


def best(tried: list[Candidate]) -> Candidate:
    """The most accurate candidate; of equals the one with fewer macs."""
    return max(tried, key=lambda candidate: (candidate.accuracy, -candidate.macs))
