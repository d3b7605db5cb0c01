"""Finite spaces: every way to answer a space's questions, in order."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from netwright.errors import NetwrightError
from netwright.spaces.base import Space
from netwright.spaces.domains import Domain, Options, Real, Whole
from netwright.spaces.pick import Pick

T = TypeVar("T")
MOST = 10_000  # answers to a space's questions that are tried one by one


class _Walk(Pick):
    """Takes the values of a path, by their places, and the first one wherever that ends."""

    def __init__(self, path: list[int]) -> None:
        super().__init__(random.Random(0))
        self._path = path
        self.places: list[tuple[int, int]] = []  # what was taken, and of how many
        self.endless = ""

    def _draw(self, name: str, domain: Domain) -> Any:
        if isinstance(domain, Real):
            self.endless = self.endless or f"{name} ({domain})"
            return domain.low
        return self._take(list(domain.values) if isinstance(domain, Options) else _whole(domain, domain.low, domain.high))

    def _draw_rising(self, names: list[str], domain: Whole, held: tuple[int | None, ...]) -> list[int]:
        made: list[int] = []
        for place, given in enumerate(held):
            low = made[-1] if made else domain.low
            high = min((value for value in held[place:] if value is not None), default=domain.high)
            made.append(self._take(_whole(domain, low, high)) if given is None else given)
        return made

    def _take(self, values: list[Any]) -> Any:
        asked = len(self.places)
        place = self._path[asked] if asked < len(self._path) else 0
        self.places.append((place, len(values)))
        return values[place]

    def next(self) -> list[int] | None:
        """The path after this one, None after the last."""
        path = list(self.places)
        while path and path[-1][0] + 1 == path[-1][1]:
            path.pop()
        return [place for place, _ in path[:-1]] + [path[-1][0] + 1] if path else None


def _whole(domain: Whole, low: int, high: int) -> list[int]:
    return list(range(low, high + 1, domain.step))


def answered(judge: Callable[[Pick], T]) -> Iterator[tuple[T, _Walk]]:
    """What `judge`, which calls a space, makes of every way to answer its questions: the last question's answer changes first."""
    path: list[int] | None = []
    while path is not None:
        pick = _Walk(path)
        yield judge(pick), pick
        path = pick.next()


def check_finite(space: Space) -> None:
    """Raise NetwrightError for a space that asks for a real number, or whose questions have more than 10,000 answers."""
    start = "the sampler grid tries every design of a finite space"
    for count, (_, pick) in enumerate(answered(space), 1):
        if pick.endless:
            raise NetwrightError(f"{start}: {space.name} asks for a real number, {pick.endless}; fix it, or take random")
        if count > MOST:
            raise NetwrightError(f"{start}: {space.name} has more than {MOST:,} ways to choose; fix some choices, or take random")


def every(space: Space, judge: Callable[[Pick], T | None]) -> Iterator[T]:
    """What `judge`, which calls the space, gives for each way to choose in a finite space, in order; None is left out.

    Raises NetwrightError as `check_finite` does.
    """
    check_finite(space)
    return (made for made, _ in answered(judge) if made is not None)
