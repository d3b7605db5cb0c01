"""Sampling designs under a budget: what lies outside is refused before anything is built."""

from __future__ import annotations

import contextlib
import math
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netwright.errors import NetwrightError
from netwright.graph import Design, Graph, to_json, trace
from netwright.graph.layers import Counts
from netwright.progress import Progress, Step
from netwright.spaces.budgets import COUNTED, Budget, Limit
from netwright.spaces.domains import Choice
from netwright.spaces.drawing import OUTCOMES, WITHIN, Job, Range
from netwright.spaces.nearest import impossible, out_of_reach
from netwright.spaces.pick import Pick
from netwright.spaces.workers import in_order

if TYPE_CHECKING:
    from netwright.spaces.base import Space

SOON = 2_000  # draws without any design after which it is asked whether the budget can be met at all
PATIENCE = 50_000  # draws without a new design after which there may be no more
CHUNK, FEW = 500, 50  # draws that one of several processes makes at a time, and the only one


class SampleNote(UserWarning):
    """A sample that has fewer designs than were asked for."""


NORMAL_95 = 1.959964  # the standard normal deviate that 95 % lie within, to both sides


def wilson(p: float, n: int, z: float = NORMAL_95) -> tuple[float, float]:
    """Confidence interval of a share p that was found in n trials (Wilson 1927); z says of how much, by default of 95 %.

    >>> wilson(0.0, 10)[0]
    0.0
    """
    centre, spread = p + z * z / (2 * n), z * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    low, high = (centre - spread) / (1 + z * z / n), (centre + spread) / (1 + z * z / n)
    return max(0.0, min(low, p)), min(1.0, max(high, p))  # rounding must not leave a share of 0 or 1 outside


@dataclass(frozen=True)
class Sample:
    """Designs within a budget, in the order they were drawn, and how many draws they took.

    It is a sequence of its designs. `chosen` and `costs` (params, macs, acts of one image) are theirs; `refused` counts the other
    draws by their reason, each once: "structure" (the space gave None), "image" (too small for the design), "params
    below", "params above", "macs below", ... (the first count outside), "constraint" (what the space itself bounds).
    """

    designs: tuple[Design, ...]
    draws: int
    chosen: tuple[dict[str, Choice], ...] = ()
    costs: tuple[Counts, ...] = ()
    refused: dict[str, int] = field(default_factory=dict)
    duplicates: int = 0
    wanted: int = 0

    def __len__(self) -> int:
        return len(self.designs)

    def __iter__(self) -> Iterator[Design]:
        return iter(self.designs)

    def __getitem__(self, place: int) -> Design:
        return self.designs[place]

    @property
    def rate(self) -> float:
        """Share of the draws that lay within the budget, those drawn before among them."""
        return (len(self.designs) + self.duplicates) / self.draws if self.draws else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the rate (Wilson 1927, for a binomial share)."""
        return wilson(self.rate, max(self.draws, 1))

    def statistics(self) -> dict[str, Any]:
        """The counts of draws as plain values: they add up to `draws`."""
        low, high = self.interval
        counts = {"draws": self.draws, "designs": len(self.designs), "duplicates": self.duplicates, "refused": self.refused}
        return counts | {"rate": self.rate, "rate_95": [low, high]}

    def to_json(self) -> dict[str, Any]:
        """The designs with their choices and costs, and the statistics, as plain values."""
        import json

        rows = zip(self.designs, self.chosen, self.costs, strict=True)
        designs = [
            {"design": json.loads(to_json(design, None)), "chosen": chosen, **dict(zip(COUNTED, cost, strict=True))}
            for design, chosen, cost in rows
        ]
        return {**self.statistics(), "sample": designs}

    def __str__(self) -> str:
        low, high = self.interval
        refused = ", ".join(f"{count:,} {reason}" for reason, count in self.refused.items()) or "none"
        share = f"{100 * self.rate:.3g} % (95 %: {100 * low:.3g} to {100 * high:.3g} %)"
        again = f"; drawn again: {self.duplicates:,}" if self.duplicates else ""
        return f"{len(self.designs):,} designs from {self.draws:,} draws, {share} within; refused: {refused}{again}"


@dataclass
class _Found:
    """What a sampling has so far."""

    designs: dict[Any, tuple[Design, dict[str, Choice], Counts]] = field(default_factory=dict)
    draws: int = 0
    last: int = 0  # draws when the last new design was found
    duplicates: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    extremes: Range = field(default_factory=lambda: Range(0))  # of all draws, without their outcomes

    def take(self, job: Job, made: Range, n: int, most: int) -> None:
        """The draws of a range up to the one that gives the n-th design, or the last one wanted."""
        for name, found in made.least.items():
            self.extremes.least[name] = min(found, self.extremes.least.get(name, found))
        for name, found in made.most.items():
            self.extremes.most[name] = max(found, self.extremes.most.get(name, found), key=lambda one: (one[0], -one[1]))
        for number, outcome in enumerate(made.outcomes[: most - self.draws], made.start):
            self.draws += 1
            if outcome != WITHIN:
                self.refused[outcome] += 1
                continue
            draw = job.draw(number)
            assert draw.design is not None
            assert draw.totals is not None
            key = same_network(trace(draw.design, job.image, job.channels))
            if key in self.designs:
                self.duplicates += 1
                continue
            self.designs[key] = (draw.design, draw.pick.chosen, draw.totals)
            self.last = self.draws
            if len(self.designs) == n:
                return

    def sample(self, wanted: int) -> Sample:
        """What came of it."""
        designs, chosen, costs = zip(*self.designs.values(), strict=True) if self.designs else ((), (), ())
        refused = {OUTCOMES[place]: count for place, count in sorted(self.refused.items())}
        return Sample(designs, self.draws, chosen, costs, refused, self.duplicates, wanted)


def same_network(graph: Graph) -> tuple[Any, ...]:
    """A key that equal networks share, whatever numbers they were made from: their layers and what these read."""
    return tuple([(row.name, row.layer, row.inputs) for row in graph.flat().rows])


def sample(
    space: Space | Callable[[Pick], Design | None],
    n: int,
    *,
    macs: Limit = None,
    params: Limit = None,
    acts: Limit = None,
    image: int | None = None,
    channels: int = 3,
    seed: int = 0,
    workers: int = 1,
    most_draws: int | None = None,
    progress: Progress | None = None,
) -> Sample:
    """Draw from a space until n different networks lie within the budget for one image of `image` px (None: their own).

    A limit is the most ("400M"), or a pair of the least and the most. The stream depends on the space, the budget and the
    seed alone: sample(5) is the start of sample(500), and `workers` processes give what one gives. It ends early after
    `most_draws`, or where 50,000 draws brought no new design (then with a `SampleNote`): fewer come back. Raises
    NetwrightError where there is none (it names the smallest design found) and for a space that fails.
    """
    job = _job(space, Budget.of(macs=macs, params=params, acts=acts), image, channels, seed)
    for name, value in {"n": n, "workers": workers, **({} if most_draws is None else {"most_draws": most_draws})}.items():
        if type(value) is not int or value < 1:
            raise NetwrightError(f"{name} is {value!r}, expected a whole number of at least 1")
    found = _search(job, n, workers, most_draws, progress or Progress())
    if not found.designs:
        raise impossible(job, found.extremes, found.draws)
    if len(found.designs) < n and found.draws != most_draws:
        after = f"{found.draws:,} draws: there may be no more"
        told = f"{len(found.designs)} of {n} designs of {job.space.name} after {after}"
        warnings.warn(told, SampleNote, stacklevel=2)
    return found.sample(n)


def _job(space: Any, budget: Budget, image: int | None, channels: int, seed: int) -> Job:
    from netwright.spaces.named import space as as_space

    for name, value in {"image": image, "channels": channels}.items():
        if not (value is None and name == "image") and (type(value) is not int or value < 1):
            raise NetwrightError(f"{name} is {value!r}, expected a whole number of at least 1")
    if type(seed) is not int or seed < 0:
        raise NetwrightError(f"seed is {seed!r}, expected a whole number of at least 0")
    return Job(as_space(space), budget, image, channels, seed)


def _search(job: Job, n: int, workers: int, most_draws: int | None, progress: Progress) -> _Found:
    """Draw until n are found."""
    found = _Found()
    most = most_draws or sys.maxsize
    ranges = in_order(job, workers, CHUNK if workers > 1 else FEW)
    with contextlib.closing(ranges), _LateBar(progress) as step:
        for made in ranges:
            found.take(job, made, n, most)
            step(len(found.designs), n, f"{len(found.designs)} of {n} designs, {found.draws:,} draws")
            if found.draws == SOON and not found.designs and (beyond := out_of_reach(job, found.extremes)) is not None:
                raise beyond
            if len(found.designs) == n or found.draws >= most or found.draws - found.last >= PATIENCE:
                return found
    raise AssertionError("ranges have no end")


class _LateBar(contextlib.ExitStack):
    """A progress bar that shows itself only where the work takes longer than a second."""

    def __init__(self, progress: Progress) -> None:
        super().__init__()
        self.progress, self.started = progress, time.monotonic()
        self.step: Step | None = None

    def __call__(self, done: int, total: int, word: str) -> None:
        if self.step is None and time.monotonic() - self.started > 1:
            self.step = self.enter_context(self.progress.bar("sampling"))
        if self.step is not None:
            self.step(done, total, word)


def smallest(space: Space, image: int | None = None, channels: int = 3) -> tuple[Design, Graph] | None:
    """The design with the fewest macs of a space that knows its `small_designs`, and its graph; None for another space."""
    graphs = [(design, trace(design, image, channels)) for design in space.small_designs()]
    return min(graphs, key=lambda made: made[1].macs, default=None)
