"""What a design space is called on: it asks for its choices one by one (define by run)."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from netwright.errors import DesignError
from netwright.spaces.domains import PLAIN, Choice, Domain, Whole, one_of, real, rising, whole

T = TypeVar("T")


class Pick:
    """Draws the choices of one design. `chosen` remembers them by name, `asked` what each could have been.

    A name asked for twice gives the same value again; with other bounds it is an error. Names with a number at the
    end (`width_1`, `width_2`) belong together: they can be fixed or shared under the name before it. `given` holds
    values that are not drawn. Only `random()` of the source is used, which Python keeps the same from version to version.

    >>> pick = Pick(random.Random(0), {"kernel": 5})
    >>> 12 <= pick.integer("depth", 12, 28) <= 28, pick.integer("kernel", 3, 7, step=2)
    (True, 5)
    """

    def __init__(self, source: random.Random, given: Mapping[str, Choice] | None = None) -> None:
        self._source = source
        self._given = given or {}
        self.chosen: dict[str, Choice] = {}
        self.asked: dict[str, Domain] = {}

    # ------------------------------------------------------------ what a space asks

    def integer(self, name: str, low: int, high: int, step: int = 1, *, log: bool = False) -> int:
        """A whole number from low, low + step, ... up to high: each as likely, or about uniform in the logarithm."""
        value: int = self._ask(name, whole(low, high, step, log))
        return value

    def real(self, name: str, low: float, high: float, *, log: bool = False, digits: int | None = None) -> float:
        """A number between low and high, uniform or uniform in its logarithm, rounded to `digits` after the point."""
        value: float = self._ask(name, real(low, high, log, digits))
        return value

    def choice(self, name: str, options: Sequence[T] | Mapping[str, T]) -> T:
        """One of the options, each as likely; a mapping's keys are the words that others are known by, else their text is."""
        if isinstance(options, Mapping):
            return options[self._ask(name, one_of(*options))]
        domain = one_of(*[option if type(option) in PLAIN else str(option) for option in options])
        value = self._ask(name, domain)
        return options[domain.place(value)]

    def rising(self, name: str, count: int, low: int, high: int, step: int = 1, *, log: bool = False) -> list[int]:
        """`count` whole numbers that do not fall, called name_1, name_2, ...: as independent draws that happen not to."""
        return self._ask_rising([f"{name}_{i + 1}" for i in range(count)], whole(low, high, step, log))

    # ------------------------------------------------------------ how it is answered

    def _ask(self, name: str, domain: Domain) -> Any:
        before = self.asked.get(name)
        if before is not None:
            if before == domain:
                return self.chosen[name]
            raise DesignError(f"asks for {name!r} twice with other bounds: {before}, then {domain}")
        value = self._held(name, domain)
        return self._keep(name, domain, self._draw(name, domain) if value is None else value)

    def _ask_rising(self, names: list[str], domain: Whole) -> list[int]:
        for name in names:
            if name in self.asked:
                raise DesignError(f"asks for {name!r} twice: once among values that do not fall")
        values = self._draw_rising(names, domain, self._held_rising(names, domain))
        return [self._keep(name, domain, value) for name, value in zip(names, values, strict=True)]

    def _held(self, name: str, domain: Domain) -> Any:
        """The value that is given for a name, None where there is none; raises DesignError for one that does not fit."""
        value = self._given.get(name)
        if value is not None and not domain.holds(value):
            raise DesignError(f"{name} is fixed to {value!r}, expected {domain}")
        return value

    def _held_rising(self, names: list[str], domain: Whole) -> tuple[int | None, ...]:
        return tuple([self._held(name, domain) for name in names])

    def _keep(self, name: str, domain: Domain, value: Any) -> Any:
        self.asked[name] = domain
        self.chosen[name] = value
        return value

    def _draw(self, name: str, domain: Domain) -> Any:
        """A value of the domain: what a sampler that is not blind does in its own way."""
        return domain.at(self._source.random())

    def _draw_rising(self, names: list[str], domain: Whole, held: tuple[int | None, ...]) -> list[int]:
        """Values that do not fall, those that are held among them."""
        return rising(domain, held, [self._source.random() for _ in names])


def stem_of(name: str) -> str:
    """The name before a number at its end: what numbered choices have in common.

    >>> stem_of("group_width_3"), stem_of("w_0"), stem_of("depth")
    ('group_width', 'w', 'depth')
    """
    head, _, number = name.rpartition("_")
    return head if head and number.isdecimal() else name


def told(chosen: Mapping[str, Choice]) -> str:
    """Choices on one line: depth=12, width_1=64, ..."""
    return ", ".join(f"{name}={value}" for name, value in chosen.items()) or "nothing was chosen"


class RefinedPick(Pick):
    """A pick whose choices are fixed or shared before another pick is asked; both remember what was chosen.

    A rule is for one name, or for all names with that stem (`stem_of`); a name's own rule goes first.
    """

    def __init__(self, inner: Pick, fixed: Mapping[str, Choice], shared: frozenset[str]) -> None:
        super().__init__(inner._source)
        self._inner, self._fixed, self._shared = inner, fixed, shared

    def _held(self, name: str, domain: Domain) -> Any:
        stem = stem_of(name)
        value = self._fixed.get(name, self._fixed.get(stem))
        if value is None and stem in self._shared:
            value = self._shared_value(name, stem, domain)
        if value is None:
            return self._inner._held(name, domain)
        if not domain.holds(value):
            raise DesignError(f"{name} is fixed to {value!r}, expected {domain}")
        return value

    def _held_rising(self, names: list[str], domain: Whole) -> tuple[int | None, ...]:
        if stem_of(names[0]) in self._shared:  # the others follow the first, whatever the inner pick was given for them
            return (self._held(names[0], domain),) * len(names)
        return super()._held_rising(names, domain)

    def _shared_value(self, name: str, stem: str, domain: Domain) -> Any:
        """What was fixed or chosen before for another name with that stem."""
        for other, value in self.chosen.items():
            if stem_of(other) == stem:
                if self.asked[other] != domain:
                    raise DesignError(f"{name} and {other} cannot share a value: {domain} is not {self.asked[other]}")
                return value
        return next((value for other, value in self._fixed.items() if stem_of(other) == stem), None)

    def _keep(self, name: str, domain: Domain, value: Any) -> Any:
        self._inner._keep(name, domain, value)
        return super()._keep(name, domain, value)

    def _draw(self, name: str, domain: Domain) -> Any:
        return self._inner._draw(name, domain)

    def _draw_rising(self, names: list[str], domain: Whole, held: tuple[int | None, ...]) -> list[int]:
        if stem_of(names[0]) in self._shared:
            drawn: int = self._inner._draw(names[0], domain) if held[0] is None else held[0]
            return [drawn] * len(names)
        return self._inner._draw_rising(names, domain, held)
