"""Optimizers beside each other on one landscape, from one start, with one budget."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from netwright.lab.landscapes import Landscape, Point
from netwright.lab.methods import Method, Settings
from netwright.lab.trajectory import BUDGET, Trajectory, check_start, run
from netwright.lab.tuning import Tuning, tuned
from netwright.progress import Progress


@dataclass(frozen=True)
class Race:
    """Trajectories over one landscape; `tunings` has those optimizers that were tuned."""

    landscape: Landscape
    start: Point
    budget: int
    seed: int
    noise: float
    trajectories: tuple[Trajectory, ...]
    tunings: Mapping[str, Tuning] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Everything, for programs."""
        return {
            **self.landscape.to_json(),
            "start": self.start,
            "budget": self.budget,
            "seed": self.seed,
            "noise": self.noise,
            "tuning": {name: tuning.to_json() for name, tuning in self.tunings.items()},
            "trajectories": [trajectory.to_json() for trajectory in self.trajectories],
        }

    def to_csv(self) -> str:
        """A line for each step of each optimizer."""
        return steps_csv(self.trajectories)

    def rows(self) -> list[dict[str, str]]:
        """The table: what each optimizer was set to, what it paid, where it ended."""
        return [
            {
                "optimizer": trajectory.method.name,
                "settings": trajectory.method.told(),
                "evaluations": str(trajectory.evaluations),
                "final loss": "diverged" if trajectory.diverged else f"{trajectory.loss:.4g}",
                "distance": "" if trajectory.diverged else f"{trajectory.distance:.3g}",
            }
            for trajectory in self.trajectories
        ]

    def told(self) -> str:
        """Landscape, start, noise and budget in a line."""
        noise = f", gradient noise {self.noise:g}" if self.noise else ""
        place = f"({self.start[0]:.4g}, {self.start[1]:.4g})"
        return f"{self.landscape} from {place}{noise}, {self.budget} evaluations each, seed {self.seed}"

    def __str__(self) -> str:
        rows = self.rows()
        names = list(rows[0])
        wide = {name: max(len(name), *(len(row[name]) for row in rows)) for name in names}
        lines = ["  ".join(name.ljust(wide[name]) for name in names).rstrip()]
        for row in rows:
            lines.append("  ".join(row[name].ljust(wide[name]) for name in names).rstrip())
        ends = [f"{t.method.name} {t.ended}" for t in self.trajectories if t.ended.startswith("failed")]
        tuning = [f"{name} tuned over {tuning.told()}" for name, tuning in self.tunings.items()]
        return "\n".join([self.told(), "", *lines, *([""] if ends or tuning else []), *ends, *tuning])


def race(
    landscape: Landscape,
    optimizers: Sequence[str | Method],
    *,
    start: Point | None = None,
    budget: int = BUDGET,
    seed: int = 0,
    noise: float = 0.0,
    settings: Mapping[str, Settings] | None = None,
    tune: bool = True,
    progress: Progress | None = None,
) -> Race:
    """Run each optimizer with the same budget, start and noise; `settings` is optimizer -> settings.

    With `tune` what `settings` (or a given `Method`) leaves open of lr and momentum is tuned first, on the grid that the
    result states; without it the classes' defaults hold. Raises NetwrightError as `run` does.
    """
    place = check_start(landscape, start)
    asked = [_asked(optimizer, (settings or {})) for optimizer in optimizers]
    trajectories, tunings = [], {}
    with (progress or Progress(quiet=True)).bar("tuning") as step:
        for number, (method, fixed) in enumerate(asked):
            if tune and not {"lr"} <= set(fixed):
                found = tuned(landscape, method, fixed, start=place, budget=budget, seed=seed, noise=noise)
                tunings[method.name], method = found, found.method
            trajectories.append(run(landscape, method, start=place, budget=budget, seed=seed, noise=noise))
            step(number + 1, len(asked), method.name)
    return Race(landscape, place, budget, seed, noise, tuple(trajectories), tunings)


def _asked(optimizer: str | Method, settings: Mapping[str, Settings]) -> tuple[Method, Settings]:
    """The method, and which of its settings were asked for."""
    if isinstance(optimizer, Method):
        return optimizer, optimizer.settings
    return Method(optimizer, settings.get(optimizer, {})), settings.get(optimizer, {})


def steps_csv(trajectories: Sequence[Trajectory]) -> str:
    """A line for each step; the state in columns of its own, numbers in full."""
    return _csv([row for trajectory in trajectories for row in _rows(trajectory)])


def races_csv(races: Sequence[Race]) -> str:
    """As `steps_csv`, of several races: each line begins with its race's number, landscape and start."""
    rows: list[dict[str, Any]] = []
    for number, race in enumerate(races, 1):
        told = {"race": number, "landscape": str(race.landscape), "start_x": race.start[0], "start_y": race.start[1]}
        rows += [told | row for trajectory in race.trajectories for row in _rows(trajectory)]
    return _csv(rows)


def _csv(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    names = [name for name in names if name != "formula"] + ["formula"]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _rows(trajectory: Trajectory) -> list[dict[str, Any]]:
    rows = []
    for number, step in enumerate(trajectory.steps):
        row: dict[str, Any] = {"optimizer": trajectory.method.name, "step": number, "evaluations": step.evaluations}
        row |= {"x": step.theta[0], "y": step.theta[1], "loss": step.loss, "gradient_norm": step.gradient_norm}
        for name, value in {"gradient": step.gradient, **step.state}.items():
            if isinstance(value, (tuple, list)):
                row |= {f"{name}_{axis}": part for axis, part in zip("xy", value, strict=False)}
            elif value is not None:
                row[name] = value
        rows.append(row | {"formula": step.formula})
    return rows
