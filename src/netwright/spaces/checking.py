"""Testing a design space: whether it holds what every space must, which choices it has, what its designs cost."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from netwright.errors import DesignError, NetwrightError, VanishedError
from netwright.graph import Design, own_image, trace
from netwright.graph.layers import Counts
from netwright.spaces.base import Space
from netwright.spaces.budgets import COUNTED
from netwright.spaces.domains import Choice, Domain
from netwright.spaces.named import space as as_space
from netwright.spaces.pick import Pick, stem_of, told
from netwright.spaces.sampling import same_network
from netwright.units import short_amount

SHOWN = 5  # problems of one kind differ in their numbers only


@dataclass(frozen=True)
class Parameter:
    """A choice of a space: its name, what it can be (several where its bounds depend on other choices), how often it is asked."""

    name: str
    domains: tuple[Domain, ...]
    asked: int

    def __str__(self) -> str:
        first, *others = self.domains
        kind = type(first).__name__.lower()
        return f"{kind:8}{first}{f', or others ({len(others)})' if others else ''}"


@dataclass(frozen=True)
class SpaceReport:
    """What calling a space on seeded picks showed; `problems` are what is wrong with it, one line each.

    `none` counts the draws that gave no design, `too_small` those whose design does not fit into the image, `networks` the
    different networks, `free` the choices that are neither fixed nor shared with another. `costs` has the params, macs
    and acts of one image of every design, in the order drawn.
    """

    name: str
    draws: int
    image: int | None
    parameters: tuple[Parameter, ...]
    problems: tuple[str, ...]
    none: int
    too_small: int
    networks: int
    costs: tuple[Counts, ...] = field(repr=False)
    free: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def spread(self, count: str) -> tuple[int, int, int] | None:
        """The least, the median and the most of "params", "macs" or "acts"; None without designs."""
        values = sorted(cost[COUNTED.index(count)] for cost in self.costs)
        return (values[0], values[len(values) // 2], values[-1]) if values else None

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "space": self.name,
            "ok": self.ok,
            "problems": list(self.problems),
            "draws": self.draws,
            "none": self.none,
            "too_small": self.too_small,
            "degrees_of_freedom": self.free,
            "designs": len(self.costs),
            "networks": self.networks,
            "image": self.image,
            "parameters": [
                {"name": one.name, "values": [str(domain) for domain in one.domains], "asked": one.asked}
                for one in self.parameters
            ],
            **{name: self.spread(name) for name in COUNTED},
        }

    def __str__(self) -> str:
        wide = max([len(one.name) for one in self.parameters] or [0])
        at = f"{self.image} px" if self.image else "its own image size"
        lines = [f"{self.name}: {self.free} degrees of freedom", ""]
        for one in self.parameters:
            seldom = "" if one.asked == self.draws else f"   (in {100 * one.asked / self.draws:.0f} % of draws)"
            lines.append(f"  {one.name:{wide}}  {one}{seldom}")
        lines += [
            "",
            f"{self.draws:,} draws: {len(self.costs):,} designs, {self.networks:,} different networks",
            f"  no member {self.none:,}, too deep for {at} {self.too_small:,}",
        ]
        for name in COUNTED:
            spread = self.spread(name)
            if spread:
                least, median, most = map(short_amount, spread)
                lines.append(f"  {name:6}  {least} to {most}, median {median} at {at}")
        lines += ["", *[f"wrong: {problem}" for problem in self.problems]] if self.problems else []
        return "\n".join(lines)


@dataclass
class _Tally:
    asked: Counter[str] = field(default_factory=Counter)
    domains: dict[str, dict[Domain, None]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)  # by kind, the first of each
    networks: set[Any] = field(default_factory=set)
    costs: list[Counts] = field(default_factory=list)
    none: int = 0
    too_small: int = 0

    def wrong(self, kind: str, line: str) -> None:
        self.problems.setdefault(kind, line)


def check_space(space: Any, draws: int = 200, *, image: int | None = None, channels: int = 3, seed: int = 0) -> SpaceReport:
    """Call a space (a name, `file.py:name`, a function or a space) on seeded picks and say what is wrong with it.

    Found are: exceptions, results that are neither a design nor None, names asked twice with other bounds, designs that do not
    trace, choices or designs that depend on anything but the pick (every pick is made twice, in another order), spaces without
    any design. Raises NetwrightError only for what is no space at all.

    >>> report = check_space("anynetx_a", 20, image=64)
    >>> report.ok, report.networks, len(report.parameters)
    (True, 20, 16)
    """
    for name, value, least in (("draws", draws, 1), ("seed", seed, 0), ("channels", channels, 1)):
        if type(value) is not int or value < least:
            raise NetwrightError(f"{name} is {value!r}, expected a whole number of at least {least}")
    tested = as_space(space)
    tally = _Tally()
    first = [_draw(tested, (seed << 64) | number, tally) for number in range(draws)]
    for number in reversed(range(draws)):
        again = _draw(tested, (seed << 64) | number, _Tally())
        _compare(tested, number, first[number], again, tally)
    for design, pick in first:
        if design is not None:
            _cost(tested, design, pick, image, channels, tally)
    if not tally.costs and not tally.problems:
        tally.wrong("empty", f"the space {tested.name} gave no design in {draws:,} draws")
    parameters = tuple([Parameter(name, tuple(tally.domains[name]), tally.asked[name]) for name in tally.domains])
    problems = tuple(tally.problems.values())
    costs = tuple(tally.costs)
    return SpaceReport(
        tested.name,
        draws,
        image,
        parameters,
        problems,
        tally.none,
        tally.too_small,
        len(tally.networks),
        costs,
        _free([pick.chosen for _, pick in first]),
    )


def _free(chosen: list[dict[str, Choice]]) -> int:
    """How many choices varied over the draws, those that always agreed with another of their stem counted once."""
    names = dict.fromkeys(name for one in chosen for name in one)
    columns = {name: tuple([one.get(name) for one in chosen]) for name in names}
    return len({(stem_of(name), column) for name, column in columns.items() if len(set(column)) > 1})


def _draw(space: Space, key: int, tally: _Tally) -> tuple[Any, Pick]:
    pick = Pick(random.Random(key))
    design = None
    try:
        design = space(pick)
        tally.none += design is None
    except NetwrightError as error:
        kind = str(error).partition(" (choices")[0]
        tally.wrong(kind if len(tally.problems) < SHOWN else "more", str(error))
    for name, domain in pick.asked.items():
        tally.asked[name] += 1
        tally.domains.setdefault(name, {})[domain] = None
    return design, pick


def _compare(space: Space, number: int, first: tuple[Any, Pick], again: tuple[Any, Pick], tally: _Tally) -> None:
    """Note a draw that was another one the second time."""
    (design, pick), (other, repeated) = first, again
    if pick.chosen != repeated.chosen or pick.asked != repeated.asked:
        what = f"other choices: {told(pick.chosen)}, then {told(repeated.chosen)}"
    elif design != other:
        what = f"another design from the same choices ({told(pick.chosen)})"
    else:
        return
    tally.wrong("impure", f"the space {space.name} depends on more than its pick: draw {number} made again gave {what}")


def _cost(space: Space, design: Design, pick: Pick, image: int | None, channels: int, tally: _Tally) -> None:
    try:
        graph = trace(design, image or own_image(design), channels)
    except VanishedError:
        tally.too_small += 1
    except DesignError as error:
        tally.wrong("trace", f"the space {space.name} gives a design that cannot be: {error} (choices: {told(pick.chosen)})")
    except Exception as error:
        fault = f"{type(error).__name__}: {error} (choices: {told(pick.chosen)})"
        tally.wrong("trace", f"the space {space.name} gives a design that does not run: {fault}")
    else:
        tally.costs.append(graph.totals)
        tally.networks.add(same_network(graph))
