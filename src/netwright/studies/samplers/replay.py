"""Picks that repeat the choices of a trial, with some of them changed."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, TypeVar

from netwright.spaces.domains import Choice, Domain, Options, Real, Whole, rising
from netwright.spaces.pick import Pick

REDRAWS = 64  # until a value is another one
T = TypeVar("T")


class Replay(Pick):
    """Answers with the given values where they fit and draws the others; those in `anew` are drawn until they differ.

    `free` are the choices that the space left to it: neither fixed nor the same as another by a rule of the space.
    `orders` are those of them that must not fall, in their groups.

    >>> pick = Replay(random.Random(0), {"depth": 3, "width": 8}, anew={"width"})
    >>> pick.integer("depth", 1, 4), pick.integer("width", 8, 16, step=8)
    (3, 16)
    """

    def __init__(self, source: random.Random, given: Mapping[str, Choice], anew: Collection[str] = ()) -> None:
        super().__init__(source, given)
        self._anew = anew
        self.free: dict[str, Domain] = {}
        self.orders: list[list[str]] = []

    def _held(self, name: str, domain: Domain) -> Any:
        self.free[name] = domain
        value = self._given.get(name)
        # what another choice changed may have changed the bounds of this one
        return None if name in self._anew or value is None or not domain.holds(value) else value

    def _draw(self, name: str, domain: Domain) -> Any:
        if name not in self._anew:
            return super()._draw(name, domain)
        return self._another(lambda: domain.at(self._source.random()), self._given.get(name))

    def _draw_rising(self, names: list[str], domain: Whole, held: tuple[int | None, ...]) -> list[int]:
        self.orders.append(names)
        before = [self._given.get(name) for name in names]
        values: list[int] = []
        for _ in range(REDRAWS):
            values = rising(domain, held, [self._source.random() for _ in names])
            if all(new != old for name, new, old in zip(names, values, before, strict=True) if name in self._anew):
                break
        return values

    def _another(self, draw: Callable[[], Any], old: Any) -> Any:
        value = draw()
        for _ in range(REDRAWS):
            if (type(value), value) != (type(old), old):
                break
            value = draw()
        return value


def replayed(space: Callable[[Pick], Any], chosen: Mapping[str, Choice]) -> Replay:
    """The pick after a space was called with these choices again."""
    pick = Replay(random.Random(0), chosen)
    space(pick)
    return pick


def several(domain: Domain) -> bool:
    """Whether there is anything to choose.

    >>> several(Whole(8, 8)), several(Real(1.0, 2.0)), several(Options(("a",)))
    (False, True, False)
    """
    if isinstance(domain, Options):
        return len(domain.values) > 1
    return domain.low < domain.high if isinstance(domain, Real) else domain.size > 1


def shuffled(chance: random.Random, items: Sequence[T]) -> list[T]:
    """The items in a random order, by `random()` alone: Python keeps that the same from version to version."""
    order = [(chance.random(), place) for place in range(len(items))]
    return [items[place] for _, place in sorted(order)]
