"""What to say where a budget admits nothing: the smallest or largest design that can be found, and its cost."""

from __future__ import annotations

import random
from collections.abc import Iterator

from netwright.errors import DesignError, NetwrightError
from netwright.graph.layers import Counts
from netwright.spaces.budgets import COUNTED
from netwright.spaces.domains import Choice
from netwright.spaces.drawing import Job, Range
from netwright.spaces.pick import Pick, told

Found = tuple[int, dict[str, Choice]]  # a count, and the choices of the design that has it


def impossible(job: Job, extremes: Range, draws: int) -> NetwrightError:
    """The error for a budget that no draw met, in one line; of several limits it names the first that nothing meets."""
    start = _start(job)
    if not extremes.least or not job.budget.bounded():  # the space itself refuses the designs that there are
        return NetwrightError(f"{start}: none of {draws:,} draws is a member that takes the image")
    beyond = out_of_reach(job, extremes)
    if beyond is not None:
        return beyond
    name = "macs" if "macs" in job.budget.bounded() else job.budget.bounded()[0]
    count, chosen = descend(job, name, extremes.least[name][1], smaller=True)
    met = f"none of {draws:,} draws meets all limits at once; the smallest found has {count:,} {name} ({told(chosen)})"
    return NetwrightError(f"{start}: {met}; widen the limits")


def out_of_reach(job: Job, extremes: Range) -> NetwrightError | None:
    """The error for a limit that neither a draw nor the smallest (or largest) design found from there meets; else None."""
    for name in job.budget.bounded() if extremes.least else ():
        least, most = getattr(job.budget, name)
        if extremes.least[name][0] > most:
            count, chosen = descend(job, name, extremes.least[name][1], smaller=True)
            if count > most:
                return NetwrightError(f"{_start(job)}: the smallest found has {count:,} {name} ({told(chosen)}); {_raise(name)}")
        if extremes.most[name][0] < least:
            count, chosen = descend(job, name, extremes.most[name][1], smaller=False)
            if count < least:
                found = f"the largest found has {count:,} {name} ({told(chosen)})"
                return NetwrightError(f"{_start(job)}: {found}; lower the least {name}")
    return None


def _start(job: Job) -> str:
    where = f"at {job.image} px" if job.image is not None else "at its own image size"
    return f"no design of {job.space.name} has {job.budget} {where}"


def _raise(name: str) -> str:
    return f"raise the most {name}" + ("" if name == "params" else " or lower the image")


def descend(job: Job, name: str, number: int, *, smaller: bool) -> Found:
    """From a draw on, change one choice at a time as long as the count named becomes smaller (or larger)."""
    place = COUNTED.index(name)
    sign = 1 if smaller else -1
    pick = job.pick(number)
    totals = _totals(job, pick)
    assert totals is not None
    best, improved = totals[place], True
    while improved:
        improved = False
        for other in neighbours(pick):
            totals = _totals(job, other)
            if totals is not None and sign * totals[place] < sign * best:
                best, pick, improved = totals[place], other, True
                break
    return best, pick.chosen


def neighbours(pick: Pick) -> Iterator[Pick]:
    """Picks that differ in one choice."""
    for name, domain in pick.asked.items():
        for value in domain.few():
            if value != pick.chosen[name]:
                yield Pick(random.Random(0), {**pick.chosen, name: value})


def _totals(job: Job, pick: Pick) -> Counts | None:
    try:
        design = job.space(pick)
        return None if design is None else job.cost(design, pick)
    except (DesignError, NetwrightError):  # choices that do not go together
        return None
