"""A benchmark without training: a space of 96,000 small designs, each with an accuracy from a table that a seed makes.

Accuracies are made of the effect of each choice, interactions of two, and noise that a design keeps. The effects of ordered
choices are smooth. All accuracies are known, so is the best.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from netwright.spaces import Pick, space
from netwright.studies.goals import Goal
from netwright.studies.ground import Ground, plain
from netwright.studies.limits import Limits
from netwright.studies.samplers.base import Sampler
from netwright.studies.trials import COMPLETE, Proposal, Trial
from netwright.zoo.regnet import AnyNet

DEPTHS, WIDTHS = tuple(range(1, 5)), tuple(range(8, 41, 8))
CHOICES: dict[str, tuple[int, ...]] = {
    **{f"depth_{i}": DEPTHS for i in (1, 2, 3)},
    **{f"width_{i}": WIDTHS for i in (1, 2, 3)},
    "bottleneck": (1, 2, 4),
    "group_width": (1, 2),
    "squeeze": (0, 1),
}
PAIRS = 8  # interactions
IMAGE = 8


def cells(pick: Pick) -> AnyNet:
    """The space: three stages."""
    depths = tuple([pick.integer(f"depth_{i}", DEPTHS[0], DEPTHS[-1]) for i in (1, 2, 3)])
    widths = tuple([pick.integer(f"width_{i}", WIDTHS[0], WIDTHS[-1], step=8) for i in (1, 2, 3)])
    bottleneck = pick.choice("bottleneck", CHOICES["bottleneck"])
    group = pick.choice("group_width", CHOICES["group_width"])
    squeeze = 0.25 * pick.choice("squeeze", CHOICES["squeeze"])
    return AnyNet(depths, widths, (bottleneck,) * 3, (group,) * 3, (1, 2, 2), squeeze, 8, 1, classes=10, resolution=IMAGE)


def ground(seed: int, limits: Limits | None = None) -> Ground:
    """The space without limits."""
    return Ground(space(cells), limits or Limits(), IMAGE, 3, seed)


class Table:
    """Accuracies of all designs: mean 0.85, standard deviation 0.03; effects are about 60 % of the variance, noise 10 %."""

    def __init__(self, seed: int) -> None:
        source = np.random.default_rng(seed)
        shape = tuple(len(values) for values in CHOICES.values())
        total = _unit([_along(_smooth(source, size), i, shape) for i, size in enumerate(shape)])
        pairs = list(itertools.combinations(range(len(shape)), 2))
        chosen = [pairs[i] for i in source.choice(len(pairs), PAIRS, replace=False)]
        both = _unit(
            [_along(_smooth(source, shape[i]), i, shape) * _along(_smooth(source, shape[j]), j, shape) for i, j in chosen]
        )
        noise = source.standard_normal(shape)
        self.accuracies = 0.85 + 0.03 * (total * np.sqrt(0.6) + both * np.sqrt(0.3) + noise * np.sqrt(0.1))
        self.best = float(self.accuracies.max())

    def accuracy(self, chosen: Mapping[str, object]) -> float:
        """That of the design of these choices."""
        return float(self.accuracies[tuple(CHOICES[name].index(chosen[name]) for name in CHOICES)])


def _smooth(source: np.random.Generator, size: int) -> np.ndarray:
    """A random slope and a random bend."""
    x = np.linspace(-1, 1, size)
    return source.standard_normal() * x + source.standard_normal() * (x**2 - 0.5) if size > 2 else source.standard_normal() * x


def _along(values: np.ndarray, axis: int, shape: tuple[int, ...]) -> np.ndarray:
    return values.reshape([-1 if i == axis else 1 for i in range(len(shape))]) * np.ones(shape)


def _unit(parts: list[np.ndarray]) -> np.ndarray:
    """Their sum, with mean 0 and standard deviation 1."""
    total = np.stack(parts).sum(axis=0)
    made: np.ndarray = (total - total.mean()) / total.std()
    return made


# ---------------------------------------------------------------- trials without a storage


def trial_of(made: Proposal, number: int, slot: int, status: str = "running") -> Trial:
    """The trial that a proposal becomes."""
    return Trial(number, slot, status, plain(made.design), made.chosen, made.asked, made.totals, seed=slot, about=made.about)


def ended(trial: Trial, values: tuple[float, ...] | None, status: str = COMPLETE, at: float | None = None) -> Trial:
    """The trial after its end, the time being its number unless told."""
    accuracy = values[0] if values else None
    return replace(trial, status=status, values=values, accuracy=accuracy, finished=float(trial.number + 1) if at is None else at)


@dataclass
class Study:
    """A study on a table: its trials, by one worker that asks and is answered at once."""

    table: Table
    goal: Goal
    trials: list[Trial] = field(default_factory=list)

    def run(self, sampler: Sampler, count: int) -> Study:
        """So many trials more."""
        for slot in range(len(self.trials), len(self.trials) + count):
            made = sampler.propose(slot, self.trials)
            values = self.goal.values(self.table.accuracy(made.chosen), {"macs": made.totals[1]})
            self.trials.append(ended(trial_of(made, slot, slot), values))
        return self

    @property
    def values(self) -> list[float]:
        """The first value of each trial."""
        return [trial.value for trial in self.trials]


def interval(differences: Sequence[float]) -> tuple[float, float]:
    """95 % for the mean of paired differences: Student's t."""
    from scipy import stats

    values = np.asarray(differences)
    half = float(stats.t.ppf(0.975, len(values) - 1)) * float(values.std(ddof=1)) / len(values) ** 0.5
    return float(values.mean()) - half, float(values.mean()) + half


def hypervolume(points: Sequence[tuple[float, float]], worst: tuple[float, float]) -> float:
    """The area that a front of (more, less) dominates, up to a worst point: a sum over its steps."""
    area, height = 0.0, worst[0]
    for accuracy, cost in sorted(points, key=lambda point: (point[1], -point[0])):
        if accuracy > height and cost < worst[1]:
            area += (accuracy - height) * (worst[1] - cost)
            height = accuracy
    return area
