"""Designs near the limits: what a search for the most accurate network begins with."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from netwright.errors import DesignError, NetwrightError
from netwright.graph import Design, trace
from netwright.progress import Progress
from netwright.scaling.budget import UNITS, shown
from netwright.spaces.budgets import ANY, COUNTED, Limit
from netwright.spaces.nearest import neighbours
from netwright.spaces.pick import Pick
from netwright.spaces.sampling import same_network, sample, smallest
from netwright.studies.ground import Ground

SHARES = (0.6, 0.2, 0.0)  # of the tightest limit: designs that take so much of it come before those that take less
DRAWS = 5_000  # after which fewer designs, or smaller ones, will do


@dataclass(frozen=True)
class Drawn:
    """Different designs within the limits, and how many draws they took."""

    designs: tuple[Design, ...]
    draws: int


def possible(ground: Ground) -> None:
    """Raise NetwrightError, with the cost of the smallest design found, where the limits admit none."""
    spans = {name: _span(*getattr(ground.limits.counts, name)) for name in COUNTED}
    sample(
        ground.space,
        1,
        macs=spans["macs"],
        params=spans["params"],
        acts=spans["acts"],
        image=ground.image,
        channels=ground.channels,
        seed=ground.seed,
        progress=Progress(quiet=True),
    )
    if ground.limits.more and all(ground.proposal(ground.job.pick(number)) is None for number in range(DRAWS)):
        _only(ground)


def _span(low: float, high: float) -> Limit:
    return (int(low) or None, None if high == ANY[1] else int(high))


def near(ground: Ground, n: int, most: int = DRAWS, until: Callable[[], bool] = lambda: False, smaller: bool = False) -> Drawn:
    """n designs that take 60 to 100 % of the tightest limit, where the space has so many; then smaller ones, in the order drawn.

    With `smaller` every second one takes 20 to 60 %: where time is the tighter limit, a network that sees more pictures may win.

    The draws are those of `nw.spaces.sample`: near(5) is the start of near(50). After `most` draws, or when `until` says so, what
    was found must do: with as many draws as it took, it is found again. Raises NetwrightError, with the cost of the
    smallest design found, where none is within the limits, and for a space that fails.
    """
    found: dict[object, tuple[float, Design]] = {}
    draws = full = 0
    while draws < most and full < n and not until():
        made = ground.proposal(ground.job.pick(draws))
        draws += 1
        if made is None:
            continue
        load = ground.limits.load(made.design, ground.image)
        key = same_network(trace(made.design, ground.image, ground.channels))
        if key not in found:
            found[key] = (load, made.design)
            full += load >= SHARES[0]
    levels = [[design for load, design in found.values() if low <= load < high] for low, high in _levels()]
    ordered = list(itertools.chain(*(_alternating(*levels[:2]), *levels[2:]) if smaller else levels))
    return Drawn(tuple(ordered[:n]) or (_only(ground, draws),), draws)


def _levels() -> Iterator[tuple[float, float]]:
    return zip(SHARES, (math.inf, *SHARES), strict=False)


def _alternating(first: list[Design], second: list[Design]) -> list[Design]:
    """One of each in turn, then the rest of the longer."""
    pairs = itertools.zip_longest(first, second)
    return [design for pair in pairs for design in pair if design is not None]


def _only(ground: Ground, draws: int = DRAWS) -> Design:
    """The smallest design that can be found, where it is within the limits though no draw was; else NetwrightError."""
    found = min(_small(ground), key=lambda one: one[0], default=None)
    if found is None:
        told = f"none of {draws:,} draws of {ground.space.name} is a design that takes its image ({ground.at})"
        raise NetwrightError(f"{told}: raise --image or give another space")
    load, design = found
    if load <= 1 and ground.limits.counts.misses(trace(design, ground.image, ground.channels).totals) == "":
        return design
    has = ground.limits.costs(design, ground.image)
    costs = " and ".join(_told(name, has[name]) for name in has)
    raise NetwrightError(
        f"no design of {ground.space.name} has {ground.limits} {ground.at}: "
        f"the smallest has {costs}; raise the limit or lower --image"
    )


def _told(name: str, value: float) -> str:
    """Counts to the last one: a limit is raised to that."""
    return shown(name, value) if UNITS.get(name) else f"{value:,.0f} {name}"


def _small(ground: Ground) -> Iterator[tuple[float, Design]]:
    """Small designs with their loads: the one of fewest macs, where the space knows it; what changing single choices leads to."""
    known = smallest(ground.space, ground.image, ground.channels)
    if known is not None:
        yield ground.limits.load(known[0], ground.image), known[0]
    drawn = [(one, pick) for pick in map(ground.job.pick, range(200)) if (one := _judged(ground, pick)) is not None]
    if not drawn:
        return
    (load, design), pick = min(drawn, key=lambda one: one[0][0])
    improved = True
    while improved:
        improved = False
        for other in neighbours(pick):
            made = _judged(ground, other)
            if made is not None and made[0] < load:
                (load, design), pick, improved = made, other, True
                break
    yield load, design


def _judged(ground: Ground, pick: Pick) -> tuple[float, Design] | None:
    """The load of what a pick leads to, whether it is within or not; None for what is no member or does not take the image."""
    try:
        design = ground.space(pick)
        if design is None or ground.job.cost(design, pick) is None:
            return None
        return ground.limits.load(design, ground.image), design
    except (DesignError, NetwrightError):  # choices that do not go together
        return None
