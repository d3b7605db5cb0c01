"""Sampling designs under a budget: what lies outside is rejected before anything is built."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass

from netwright.errors import NetwrightError
from netwright.graph import Design, Graph, trace
from netwright.spaces.pick import Pick
from netwright.spaces.regnet import RegNetSpace
from netwright.units import short_amount

Space = Callable[[Pick], Design | None]
MOST_DRAWS = 250_000


@dataclass(frozen=True)
class Sample:
    """Designs within a budget, in the order they were drawn, and how many draws they took."""

    designs: tuple[Design, ...]
    draws: int


def sample(
    space: Space,
    n: int,
    *,
    macs: tuple[int, int],
    image: int | None = None,
    channels: int = 3,
    seed: int = 0,
    most_draws: int = MOST_DRAWS,
) -> Sample:
    """Draw from a space until n different designs have macs from macs[0] to macs[1] for one image.

    Fewer come back when `most_draws` draws did not give n. The stream depends on the space, the
    budget and the seed alone: sample(5) is the start of sample(500).
    """
    source = random.Random(seed)
    found: dict[Design, None] = {}
    draws = 0
    while len(found) < n and draws < most_draws:
        draws += 1
        design = space(Pick(source))
        if design is not None and macs[0] <= trace(design, image, channels).macs <= macs[1]:
            found.setdefault(design)
    return Sample(tuple(found), draws)


def smallest(space: RegNetSpace, image: int | None = None, channels: int = 3) -> tuple[Design, Graph]:
    """The design of a RegNet space with the fewest macs, and its graph."""
    shapes = {(tuple(design.stages()), design.stem): design for design in space.small_designs()}
    graphs = [(trace(design, image, channels), design) for design in shapes.values()]
    graph, design = min(graphs, key=lambda made: made[0].macs)
    return design, graph


def candidates(space: RegNetSpace, n: int, most: int, *, image: int, channels: int = 3, seed: int = 0) -> Sample:
    """n designs of at most `most` macs, all near the budget where the space has enough of those.

    Raises NetwrightError, with the smallest design's macs, where no design meets the budget.
    """
    draws = 0
    for share in (0.6, 0.2, 0.0):
        budget = (int(share * most), most)
        drawn = sample(space, n, macs=budget, image=image, channels=channels, seed=seed, most_draws=5_000)
        draws += drawn.draws
        if len(drawn.designs) == n:
            return Sample(drawn.designs, draws)
    least, graph = smallest(space, image, channels)
    if graph.macs > most:
        raise NetwrightError(
            f"no design meets a budget of {short_amount(most)} macs at {image} px: "
            f"the smallest has {graph.macs:,} macs; raise --max-macs or lower --image"
        )
    return Sample(drawn.designs or (least,), draws)
