"""A finished figure: a chart with its caption and its numbers, written as its file's suffix says."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError, did_you_mean
from netwright.files import writing
from netwright.lab.racing import Race, races_csv
from netwright.lab.trajectory import Trajectory
from netwright.lab.views import scene
from netwright.report.charts import (
    Chart,
    Theme,
    below,
    beside,
    losses_chart,
    paths_chart,
    race_chart,
    to_png,
    to_svg,
    with_caption,
)
from netwright.report.html import figure, page, table

SUFFIXES = (".svg", ".png", ".html", ".json", ".csv")
_SHOWN = 25  # steps whose formulas stand in a page; all of them are in JSON and CSV

Rows = Sequence[dict[str, str]]


@dataclass(frozen=True)
class Figure:
    """A chart, its title, its caption (settings, budget, and what came out), and its numbers as JSON and CSV.

    `tables` are shown in the HTML page: title -> rows.
    """

    name: str
    title: str
    caption: str
    chart: Chart = field(repr=False)
    data: dict[str, Any] = field(repr=False)
    csv: str = field(repr=False)
    tables: dict[str, Rows] = field(default_factory=dict, repr=False)

    @property
    def svg(self) -> str:
        """Chart, title and caption as SVG."""
        return to_svg(with_caption(self.chart, self.title, self.caption), self.label)

    @property
    def label(self) -> str:
        """What stands for the chart where it is not seen."""
        return f"{self.title}. {self.caption}"

    def drawn(self, theme: Theme) -> str:
        """The chart alone as SVG, in one of the chart layer's themes."""
        return to_svg(self.chart, self.label, theme)

    @property
    def html(self) -> str:
        """A page that is complete in itself: no script, nothing fetched."""
        drawn = figure(self.chart, self.title, self.caption, self.csv, self.name)
        return page(self.title, [drawn, *(_table(title, rows) for title, rows in self.tables.items() if rows)])

    def to_json(self) -> dict[str, Any]:
        """Name, title, caption and all numbers."""
        return {"figure": self.name, "title": self.title, "caption": self.caption, **self.data}

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the figure as the suffix says: .svg, .png, .html, .json or .csv; whole or not at all.

        Raises NetwrightError for another suffix and a path that cannot be written, FailedError where the disk fails or is full.
        """
        out = Path(path)
        check_path(out)
        made = {
            ".svg": lambda: self.svg.encode(),
            ".png": lambda: to_png(self.svg),
            ".html": lambda: self.html.encode(),
            ".json": lambda: (json.dumps(self.to_json(), indent=1) + "\n").encode(),
            ".csv": lambda: self.csv.encode(),
        }[out.suffix.lower()]()
        with writing(out) as temporary:
            temporary.write_bytes(made)
        return out

    def _repr_svg_(self) -> str:
        return self.svg


def check_path(out: Path) -> None:
    """Raise NetwrightError for a suffix that no figure has, or a folder where a file is to be."""
    if out.suffix.lower() not in SUFFIXES:
        near = did_you_mean(out.suffix, SUFFIXES) if out.suffix else ""
        raise NetwrightError(f"cannot tell the form of {out}: end it with {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}{near}")
    if out.is_dir():
        raise NetwrightError(f"cannot write {out}: it is a folder")


def _table(title: str, rows: Rows) -> str:
    listed = table(list(rows[0]), [[str(cell) for cell in row.values()] for row in rows], title, kind="words")
    return f"<details{'' if len(rows) > 20 else ' open'}><summary>{escape(title)}</summary>{listed}</details>"


def race_tables(race: Race) -> dict[str, Rows]:
    """What a page shows of a race: the table, how each was tuned, and each one's first steps as formulas."""
    tuning = [{"optimizer": name, "searched": tuning.told()} for name, tuning in race.tunings.items()]
    steps = {f"Steps of {t.method}": steps_table(t) for t in race.trajectories}
    return {"Settings and results": race.rows(), "Tuning": tuning, **steps}


def steps_table(trajectory: Trajectory) -> Rows:
    """The first steps of a trajectory: loss and formula."""
    return [
        {"step": str(number), "evaluations": str(step.evaluations), "loss": f"{step.loss:.6g}", "update": step.formula}
        for number, step in enumerate(trajectory.steps[: _SHOWN + 1])
    ]


def race_figure(race: Race) -> Figure:
    """A race as a figure: trajectories over contours, the loss over evaluations."""
    results = "; ".join(f"{row['optimizer']} ({row['settings']}): {row['final loss']}" for row in race.rows())
    edge = [f"{name}'s {' and '.join(tuning.at_edge)}" for name, tuning in race.tunings.items() if tuning.at_edge]
    ends = f"; at an end of its grid: {', '.join(edge)}" if edge else ""
    how = f"Tuned first: {', '.join(race.tunings)} (grids in the page and the JSON{ends}). " if race.tunings else "Not tuned. "
    caption = f"{race.told()}. {how}x: minimum, circle: start, diamonds: ends. Final losses: {results}."
    chart = race_chart(*scene(race.trajectories))
    return Figure("race", f"netwright lab: {race.landscape}", caption, chart, race.to_json(), race.to_csv(), race_tables(race))


def races_figure(races: Sequence[Race]) -> Figure:
    """Several races as one figure: those of one landscape share a panel, with the loss over evaluations below it.

    Their optimizers are the same; one race is drawn as `race_figure` does.
    """
    if len(races) == 1:
        return race_figure(races[0])
    places: dict[tuple[object, float], list[Race]] = {}
    for race in races:
        places.setdefault((race.landscape, race.noise), []).append(race)
    others = {1: "", 2: " and another start"}
    told = [of[0].told() + others.get(len(of), f" and {len(of) - 1} other starts") for of in places.values()]
    tuned = any(race.tunings for race in races)
    caption = f"{'; '.join(told)}. {'Tuned first' if tuned else 'Not tuned'}. x: minimum, circles: starts, diamonds: ends."
    chart = beside(*(_panel([t for race in of for t in race.trajectories]) for of in places.values()))
    rows = [
        {"landscape": str(race.landscape), "start": f"({race.start[0]:.4g}, {race.start[1]:.4g})", **row}
        for race in races
        for row in race.rows()
    ]
    title = f"netwright lab: {' and '.join(dict.fromkeys(str(race.landscape) for race in races))}"
    data = {"races": [race.to_json() for race in races]}
    return Figure("races", title, caption, chart, data, races_csv(races), {"Settings and results": rows})


def _panel(trajectories: Sequence[Trajectory]) -> Chart:
    plane, paths = scene(trajectories)
    return below(paths_chart(plane, paths, str(trajectories[0].landscape)), losses_chart(paths))
