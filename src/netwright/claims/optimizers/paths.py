"""What the optimizers' claims share: one thread, trajectories as rows, and their figures."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from netwright.claims.claim import Chart, Evidence, Terms

if TYPE_CHECKING:
    from netwright.lab import Landscape, Trajectory

Row = dict[str, Any]


def alone(experiment: Callable[[Terms], Evidence]) -> Callable[[Terms], Evidence]:
    """The experiment with one thread of torch's: of tensors this small, threads only wait for each other."""

    @functools.wraps(experiment)
    def run(terms: Terms) -> Evidence:
        import torch

        before = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            return experiment(terms)
        finally:
            torch.set_num_threads(before)

    return run


def walked(panel: str, trajectories: Sequence[Trajectory]) -> list[Row]:
    """A row for each step, of which `paths_figure` draws."""
    lowest = trajectories[0].landscape.lowest
    return [
        {
            "panel": panel,
            "name": trajectory.method.name,
            "evaluations": step.evaluations,
            "x": _short(step.theta[0]),
            "y": _short(step.theta[1]),
            "loss": _short(step.loss - lowest),
        }
        for trajectory in trajectories
        for step in trajectory.steps
    ]


def _short(value: float) -> float:
    return float(f"{value:.5g}")


def paths_figure(found: Evidence, places: Mapping[str, Landscape]) -> Chart:
    """Trajectories over contour lines and their losses, one panel below the other; `places` is panel -> landscape."""
    from netwright.lab.views import plane_of, window_around
    from netwright.report.charts import Path, below, race_chart

    charts = []
    for panel, landscape in places.items():
        rows = [row for row in found.rows if row["panel"] == panel]
        paths = []
        for name in dict.fromkeys(row["name"] for row in rows):
            mine = [row for row in rows if row["name"] == name]
            losses = [(row["evaluations"], row["loss"]) for row in mine]
            paths.append(Path(name, name, [(row["x"], row["y"]) for row in mine], losses))
        window = window_around(landscape, [(row["x"], row["y"]) for row in rows])
        charts.append(race_chart(plane_of(landscape, window), paths, panel))
    return charts[0] if len(charts) == 1 else below(*charts)


def start_loss(landscape: Landscape) -> float:
    """The loss above the lowest at the landscape's usual start."""
    import torch

    return float(landscape(torch.tensor(landscape.start, dtype=torch.float64))) - landscape.lowest


def near(landscape: Landscape, share: float = 1e-3) -> float:
    """The loss that is this share of that at the start, both above the lowest."""
    return landscape.lowest + share * start_loss(landscape)


def sign_changes(trajectory: Trajectory, axis: int) -> float:
    """The share of the steps that cross the axis."""
    values = [step.theta[axis] for step in trajectory.steps]
    return sum(a * b < 0 for a, b in itertools.pairwise(values)) / (len(values) - 1)


def whole(text: float | None) -> str:
    """A number of evaluations as it is told."""
    return "never" if text is None else f"{text:g}"
