"""Each optimizer's settings found on a grid, before optimizers are compared."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import torch

from netwright.errors import NetwrightError
from netwright.lab.landscapes import Landscape, Point
from netwright.lab.many import bound_of, can_share, settings_at_once, strayed
from netwright.lab.methods import Method, Settings
from netwright.lab.trajectory import BUDGET, Walk, check_start, finite

LRS = tuple(float(f"{10 ** (k / 4):.3g}") for k in range(-16, 5))  # 1e-4 to 10, four to a decade
MOMENTA = (0.5, 0.7, 0.8, 0.9, 0.95, 0.99)
_SECOND_ORDER_LRS = (0.1, 0.25, 0.5, 0.75, 1.0)
_SEEDS = 3  # under noise a setting is judged by as many runs, none of them with the seed of the comparison

Grid = dict[str, tuple[Any, ...]]


@dataclass(frozen=True)
class Tuning:
    """What came of a search: the chosen method, its score, the grid, every score and what the score is.

    `at_edge` names the settings chosen at an end of their grid: better ones may lie beyond it.
    """

    method: Method
    score: float
    grid: Grid
    scores: tuple[tuple[dict[str, Any], float], ...]
    objective: str

    @property
    def at_edge(self) -> tuple[str, ...]:
        return tuple(
            name
            for name, values in self.grid.items()
            if len(values) > 1 and self.method.settings[name] in (values[0], values[-1])
        )

    def told(self) -> str:
        """What was searched, in a line."""
        axes = [f"{name} {values[0]:g} to {values[-1]:g} ({len(values)})" for name, values in self.grid.items()]
        edge = f"; chosen at the end of the grid: {', '.join(self.at_edge)}" if self.at_edge else ""
        return f"{' x '.join(axes)}, for the lowest {self.objective}{edge}"

    def to_json(self) -> dict[str, Any]:
        """The grid, the choice and all scores."""
        return {
            "objective": self.objective,
            "grid": {name: list(values) for name, values in self.grid.items()},
            "chosen": {name: self.method.settings[name] for name in self.grid},
            "score": finite(self.score),
            "at_edge": list(self.at_edge),
            "scores": [{**settings, "score": finite(score)} for settings, score in self.scores],
        }


def grid_of(method: Method, settings: Settings) -> Grid:
    """The grid an optimizer is tuned on, without what `settings` fixes: lr, and momentum for momentum and Nesterov."""
    grid: Grid = {} if "lr" in settings else {"lr": _SECOND_ORDER_LRS if method.second_order else LRS}
    if method.name in ("momentum", "nesterov") and "momentum" not in settings:
        grid["momentum"] = MOMENTA
    return grid


def tuned(
    landscape: Landscape,
    optimizer: str | Method,
    settings: Settings | None = None,
    *,
    start: Point | None = None,
    budget: int = BUDGET,
    seed: int = 0,
    noise: float = 0.0,
    grid: Grid | None = None,
    loss: float | None = None,
) -> Tuning:
    """The settings of the grid with the lowest loss at the end of the budget; with `loss`, with the fewest evaluations to it.

    `grid` is setting -> values (default: `grid_of`). Equal scores go to the setting whose losses are lower on the way. Under
    noise, or with mini-batches, a score is the mean over three runs with other seeds than `seed`, and the loss at the end is
    the mean over the last tenth of the steps. What diverges scores infinity, and where everything does
    it is the first of the grid. Raises NetwrightError for a grid without values, and as `run` does.
    """
    settings = settings or {}
    method = (optimizer if isinstance(optimizer, Method) else Method(optimizer)).having(settings)
    grid = grid_of(method, settings) if grid is None else grid
    if any(not values for values in grid.values()):
        raise NetwrightError("the grid has a setting without values")
    noisy = noise > 0 or landscape.noisy
    seeds = [seed + 1 + i for i in range(_SEEDS)] if noisy else [seed]
    place = check_start(landscape, start)
    choices = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    methods = [method.having(chosen) for chosen in choices]
    Walk(landscape, methods[0], place, budget, seed, noise)  # refuses what a run refuses
    scores = _mean([_scores(_losses(landscape, methods, place, budget, one, noise), loss, noisy) for one in seeds])
    best = min(range(len(choices)), key=scores.__getitem__)
    ending = "mean loss over the last tenth of the steps" if noisy else "loss at the end"
    objective = f"number of evaluations to a loss of {loss:g}" if loss is not None else f"{ending} of {budget} evaluations"
    scored = tuple((chosen, score[0]) for score, chosen in zip(scores, choices, strict=True))
    return Tuning(methods[best], scores[best][0], grid, scored, objective)


Run = list[tuple[int, float]]  # evaluations and loss after each step; empty where it diverged or failed
Score = tuple[float, float]  # what is asked for, and for ties the mean loss on the way


def _losses(landscape: Landscape, methods: list[Method], start: Point, budget: int, seed: int, noise: float) -> list[Run]:
    """The losses of each method on its way."""
    if not can_share(methods[0]):
        return [_alone(Walk(landscape, method, start, budget, seed, noise)) for method in methods]
    losses = landscape(settings_at_once(landscape, methods, start, budget, seed, noise))
    strays = strayed(losses, bound_of(float(losses[0, 0]))).tolist()
    return [[] if stray else list(enumerate(column)) for stray, column in zip(strays, losses.T.tolist(), strict=True)]


def _alone(walk: Walk) -> Run:
    steps = list(walk)
    if walk.ended != "budget":
        return []
    losses = walk.landscape(torch.tensor([place for _, place, _, _ in steps], dtype=torch.float64)).tolist()
    return [(step[0], loss) for step, loss in zip(steps, losses, strict=True)]


def _scores(runs: list[Run], to: float | None, noisy: bool) -> list[Score]:
    return [_score(run, to, noisy) for run in runs]


def _score(run: Run, to: float | None, noisy: bool) -> Score:
    if not run:
        return math.inf, math.inf
    losses = [loss for _, loss in run]
    mean = sum(losses) / len(losses)
    if to is None:
        last = losses[-max(1, len(losses) // 10) :] if noisy else losses[-1:]
        return sum(last) / len(last), mean
    since = math.inf
    for evaluations, loss in reversed(run):
        if not loss <= to:
            break
        since = evaluations
    return since, mean


def _mean(scores: list[list[Score]]) -> list[Score]:
    """Over the seeds, for each choice."""
    count = len(scores)
    return [(sum(s[0] for s in of) / count, sum(s[1] for s in of) / count) for of in zip(*scores, strict=True)]
