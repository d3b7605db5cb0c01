"""What a choice can be: whole numbers, real numbers, or one of several options. A domain turns chance into a value."""

from __future__ import annotations

import functools
import math
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

from netwright.errors import DesignError

Choice = int | float | str | bool


@dataclass(frozen=True)
class Whole:
    """The whole numbers low, low + step, ... up to high; each as likely, or with `log` about uniform in the logarithm.

    With `log` a value v has the logarithmic length from v - step to v, the lowest that from the larger of low - step and
    low / 2 (the authors' code for RegNet, pycls, `log_uniform`): 8, 16, ..., 1024 come from (4, 1024].

    >>> [Whole(8, 32, 8).at(share) for share in (0.0, 0.3, 0.999)]
    [8, 16, 32]
    """

    low: int
    high: int
    step: int = 1
    log: bool = False

    def check(self) -> None:
        """Raise DesignError where there is nothing to choose from."""
        if not all(type(value) is int for value in (self.low, self.high, self.step)):
            raise DesignError(f"needs whole numbers, got from {self.low!r} to {self.high!r} in steps of {self.step!r}")
        if self.step < 1 or self.low > self.high or (self.log and self.low < 1):
            raise DesignError(f"nothing to choose from in {self}")

    @functools.cached_property
    def size(self) -> int:
        """How many values there are."""
        return (self.high - self.low) // self.step + 1

    def at(self, share: float) -> int:
        """The value below which that share of the chance (from 0 to below 1) lies."""
        place = bisect_right(self._reached, share) if self.log else int(share * self.size)
        return self.low + self.step * min(place, self.size - 1)

    @functools.cached_property
    def _reached(self) -> list[float]:
        return list(accumulate(weights(self)))

    def share(self, value: int) -> float:
        """The middle of the shares that give a value: `at` turned round."""
        place = (value - self.low) // self.step
        if not self.log:
            return (place + 0.5) / self.size
        return (self._reached[place] + (self._reached[place - 1] if place else 0.0)) / 2

    def holds(self, value: object) -> bool:
        """Whether it is one of the values."""
        return type(value) is int and self.low <= value <= self.high and (value - self.low) % self.step == 0

    def few(self) -> list[int]:
        """Some values that span the domain, the lowest first."""
        return sorted({self.low + self.step * (i * (self.size - 1) // 8) for i in range(9)})

    def __str__(self) -> str:
        step = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.low} to {self.high}{step}{', log' if self.log else ''}"


@functools.lru_cache(maxsize=256)
def weights(domain: Whole) -> tuple[float, ...]:
    """How likely each value is; adds up to 1."""
    if not domain.log:
        return (1 / domain.size,) * domain.size
    edges = [max(domain.low - domain.step, domain.low / 2), *range(domain.low, domain.high + 1, domain.step)]
    whole = math.log(edges[-1] / edges[0])
    return tuple([math.log(edges[i + 1] / edges[i]) / whole for i in range(domain.size)])


@dataclass(frozen=True, slots=True)
class Real:
    """The numbers from low to high, uniform or uniform in the logarithm, rounded to `digits` after the point where given.

    >>> Real(2.0, 3.0, digits=2).at(0.5)
    2.5
    """

    low: float
    high: float
    log: bool = False
    digits: int | None = None

    def check(self) -> None:
        """Raise DesignError where there is nothing to choose from."""
        numbers = all(type(value) in (int, float) and math.isfinite(value) for value in (self.low, self.high))
        if not numbers or self.low > self.high or (self.log and self.low <= 0):
            raise DesignError(f"nothing to choose from in {self}")

    def at(self, share: float) -> float:
        """The value below which that share of the chance (from 0 to below 1) lies."""
        spread = self.low * (self.high / self.low) ** share if self.log else self.low + share * (self.high - self.low)
        value = spread if self.digits is None else round(spread, self.digits)
        return min(max(value, self.low), self.high)

    def share(self, value: float) -> float:
        """The share that gives a value: `at` turned round."""
        if self.low == self.high:
            return 0.5
        if self.log:
            return math.log(value / self.low) / math.log(self.high / self.low)
        return (value - self.low) / (self.high - self.low)

    def holds(self, value: object) -> bool:
        """Whether it is a number in the range."""
        return type(value) in (int, float) and self.low <= value <= self.high  # type: ignore[operator]

    def few(self) -> list[float]:
        """Some values that span the domain, the lowest first."""
        return sorted({self.at(i / 16) for i in range(16)} | {self.high})

    def __str__(self) -> str:
        return f"{self.low:g} to {self.high:g}{', log' if self.log else ''}"


@dataclass(frozen=True, slots=True)
class Options:
    """One of several words or numbers, each as likely."""

    values: tuple[Choice, ...]

    def check(self) -> None:
        """Raise DesignError where there is nothing to choose from."""
        if not self.values:
            raise DesignError("nothing to choose from: there are no options")
        if any(type(value) not in PLAIN for value in self.values):
            raise DesignError(f"options are known by words and numbers, got {self.values!r}")
        if len({(type(value), value) for value in self.values}) < len(self.values):
            raise DesignError(f"two options are called the same: {self}")

    def at(self, share: float) -> Choice:
        """The option below which that share of the chance (from 0 to below 1) lies."""
        return self.values[min(int(share * len(self.values)), len(self.values) - 1)]

    def holds(self, value: object) -> bool:
        """Whether it is one of the options."""
        return any(type(value) is type(option) and value == option for option in self.values)

    def place(self, value: Choice) -> int:
        """Where it stands among the options."""
        return next(i for i, option in enumerate(self.values) if type(option) is type(value) and option == value)

    def few(self) -> list[Choice]:
        """All options."""
        return list(self.values)

    def __str__(self) -> str:
        return " | ".join(map(str, self.values))


Domain = Whole | Real | Options
PLAIN = (int, float, str, bool)


def plain(domain: Domain) -> list[Any]:
    """A domain as plain values, for JSON: its kind, then its fields.

    >>> plain(Whole(8, 32, 8, True)), of_plain(["whole", 8, 32, 8, True])
    (['whole', 8, 32, 8, True], Whole(low=8, high=32, step=8, log=True))
    """
    if isinstance(domain, Whole):
        return ["whole", domain.low, domain.high, domain.step, domain.log]
    if isinstance(domain, Real):
        return ["real", domain.low, domain.high, domain.log, domain.digits]
    return ["options", *domain.values]


def of_plain(given: list[Any]) -> Domain:
    """The domain that `plain` gave."""
    kind, *fields = given
    return whole(*fields) if kind == "whole" else real(*fields) if kind == "real" else one_of(*fields)


@functools.lru_cache(maxsize=1 << 10, typed=True)
def whole(low: int, high: int, step: int, log: bool) -> Whole:
    """A domain of whole numbers, checked once. Raises DesignError where there is nothing to choose from."""
    domain = Whole(low, high, step, log)
    domain.check()
    return domain


@functools.lru_cache(maxsize=1 << 10, typed=True)
def real(low: float, high: float, log: bool, digits: int | None) -> Real:
    """A domain of real numbers, checked once. Raises DesignError where there is nothing to choose from."""
    domain = Real(low, high, log, digits)
    domain.check()
    return domain


@functools.lru_cache(maxsize=1 << 10, typed=True)
def one_of(*values: Choice) -> Options:
    """A domain of options, checked once: words and numbers, all different. Raises DesignError for none, or two alike."""
    domain = Options(values)
    domain.check()
    return domain


@functools.lru_cache(maxsize=256)
def _tails(domain: Whole, held: tuple[int | None, ...]) -> tuple[tuple[float, ...], ...]:
    """For each of several values that may not fall: the chance of value i at this place times that of all that may follow."""
    after = [1.0] * domain.size  # the chance that what follows a value does not fall below it
    tails: list[tuple[float, ...]] = []
    for given in reversed(held):
        mine = [
            chance * follow if given is None or domain.low + domain.step * i == given else 0.0
            for i, (chance, follow) in enumerate(zip(weights(domain), after, strict=True))
        ]
        after = list(accumulate(reversed(mine)))[::-1]
        tails.append(tuple(mine))
    return tuple(reversed(tails))


def rising(domain: Whole, held: tuple[int | None, ...], shares: list[float]) -> list[int]:
    """Values that do not fall, one for each share: exactly what independent draws give where they happen not to fall.

    `held` has the values that are given, None for the others. Raises DesignError where those fall.

    >>> rising(Whole(1, 16), (None, None, 4, None), [0.99, 0.99, 0.0, 0.0])
    [4, 4, 4, 4]
    """
    made: list[int] = []
    start = 0
    for tail, share in zip(_tails(domain, held), shares, strict=True):
        reached = list(accumulate(tail[start:]))
        if not reached or reached[-1] <= 0:
            raise DesignError(f"the given values {[value for value in held if value is not None]} fall, expected rising ones")
        place = bisect_right(reached, share * reached[-1])
        while place >= len(reached) or tail[start + place] == 0:  # a share of nearly 1, rounded up
            place -= 1
        start += place
        made.append(domain.low + domain.step * start)
    return made
