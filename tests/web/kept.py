"""A folder of real studies and runs, small ones, and one whose names are hostile."""

from __future__ import annotations

from pathlib import Path

import netwright as nw
from netwright.graph import Count, Design, Size
from netwright.progress import Progress
from netwright.studies import Goal
from tests.studies.evaluators import worth
from tests.studies.helpers import SMALL

HOSTILE = "<img src=x onerror=alert(1)>"
QUIET = Progress(quiet=True)


class PageTiny(Design):
    """Trained in a moment."""

    width: Count = 8
    classes: Size = 10
    resolution: Count = 8

    def __call__(self, x):  # type: ignore[no-untyped-def]
        return x.conv("conv", self.width, 3, stride=2).norm("norm").relu().global_pool().linear("fc", self.classes)


def evaluated(design: Design, seed: int, report) -> float:  # type: ignore[no-untyped-def]
    """What every fourth design fails at."""
    value = worth(design, seed)
    if value > 0.9:
        raise ValueError(HOSTILE)
    for epoch in (1, 2, 3):
        report(epoch, value * epoch / 3)
    return value


def fill(root: Path) -> None:
    """A study of a front, and one training."""
    goal = Goal(kind="pareto")
    nw.search(
        space=SMALL, macs="5M", goal=goal, evaluate=evaluated, image=32, trials=24, out=root / "sub" / HOSTILE, progress=QUIET
    )
    nw.train(PageTiny(), "digits", recipe=nw.Recipe(epochs=3), out=root / "run", progress=QUIET)
