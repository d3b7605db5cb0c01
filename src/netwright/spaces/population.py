"""A population: designs of one space that were all trained alike, with their errors and costs; what statistics are made of."""

from __future__ import annotations

import math
import numbers
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from netwright.errors import NetwrightError, did_you_mean
from netwright.files import read_json, write_json

SCHEMA = 1  # of the JSON form; raised when an old file would be read wrongly
COMPLETE, STOPPED, FAILED = "complete", "stopped early", "failed"
STATUSES = (COMPLETE, STOPPED, FAILED)
COSTS = ("macs", "params", "acts")
_FIELDS = ("parameters", "error", *COSTS, "status")

Parameter = int | float | str | bool
Array = NDArray[np.float64]


@dataclass(frozen=True)
class Member:
    """One trained design: the choices that made it, its error, and its cost for one image.

    `error` is a share from 0 to 1 (of pictures that were taken for something else), None where there is none; a complete
    member has one. Raises NetwrightError, which names the field, for anything else.
    """

    parameters: Mapping[str, Parameter] = field(hash=False)
    error: float | None
    macs: int
    params: int
    acts: int
    status: str = COMPLETE

    def __post_init__(self) -> None:
        if self.status not in STATUSES:
            raise NetwrightError(
                f"status is {self.status!r}, expected {', '.join(STATUSES)}{did_you_mean(str(self.status), STATUSES)}"
            )
        if not isinstance(self.parameters, Mapping):
            raise NetwrightError(f"parameters are {self.parameters!r}, expected names and values")
        kept = {name: _parameter(name, value) for name, value in self.parameters.items()}
        object.__setattr__(self, "parameters", kept)
        object.__setattr__(self, "error", _error(self.error, self.status))
        for name in COSTS:
            object.__setattr__(self, name, _count(name, getattr(self, name)))

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {name: getattr(self, name) for name in _FIELDS}


def _parameter(name: Any, value: Any) -> Parameter:
    """A parameter as a plain value: NumPy's numbers do not go into JSON."""
    if not isinstance(name, str) or not name:
        raise NetwrightError(f"a parameter is called {name!r}: its name is a word")
    if isinstance(value, (bool, np.bool_)):
        return bool(value)
    if isinstance(value, str):
        return value
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real) and math.isfinite(value):
        return float(value)
    raise NetwrightError(f"parameter {name} is {value!r}, expected a finite number, a word, True or False")


def _error(value: Any, status: str) -> float | None:
    if value is None and status != COMPLETE:
        return None
    number = math.nan if isinstance(value, bool) or not isinstance(value, numbers.Real) else float(value)
    if not math.isfinite(number):
        raise NetwrightError(
            f"the error of a member is {value!r}, expected a share from 0 to 1; one without an error is {FAILED!r}"
        )
    if number > 1:
        raise NetwrightError(f"the error of a member is {number:g}: errors are shares from 0 to 1, so divide percentages by 100")
    if number < 0:
        raise NetwrightError(f"the error of a member is {number:g}, expected a share from 0 to 1")
    return number


def _count(name: str, value: Any) -> int:
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Integral) or value < 0:
        raise NetwrightError(f"{name} of a member are {value!r}, expected a whole number")
    return int(value)


@dataclass(frozen=True)
class Population:
    """Trained designs of one space under one name, in the order they were drawn.

    Only complete members enter any statistic: the error of one that was stopped early is not comparable with theirs, and
    one that failed has none. Populations are worth comparing when they were trained alike; `about` says how, in one line.

    >>> people = Population("toy", [Member({"depth": 12}, 0.3, 10, 10, 10), Member({"depth": 20}, None, 20, 10, 10, "failed")])
    >>> people.told()
    '1 complete; in no statistic: 1 failed'
    """

    name: str
    members: tuple[Member, ...]
    about: str = ""

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise NetwrightError(f"a population is called {self.name!r}: give it a name")
        object.__setattr__(self, "members", tuple(self.members))
        for number, member in enumerate(self.members, 1):
            if not isinstance(member, Member):
                raise NetwrightError(f"population {self.name!r}: its member {number} is {member!r}, expected a Member")

    @property
    def complete(self) -> tuple[Member, ...]:
        """The members that were trained to the end."""
        return tuple(member for member in self.members if member.status == COMPLETE)

    @property
    def errors(self) -> Array:
        """Errors of the complete members, (n,)."""
        return np.array([member.error for member in self.complete], dtype=np.float64)

    def costs(self, name: str) -> Array:
        """macs, params or acts of the complete members, (n,). Raises NetwrightError for another word."""
        if name not in COSTS:
            raise NetwrightError(f"unknown complexity {name!r}: it is one of {', '.join(COSTS)}{did_you_mean(name, COSTS)}")
        return np.array([getattr(member, name) for member in self.complete], dtype=np.float64)

    @property
    def counts(self) -> dict[str, int]:
        """How many members there are of each status."""
        found = Counter(member.status for member in self.members)
        return {status: found[status] for status in STATUSES}

    @property
    def parameters(self) -> tuple[str, ...]:
        """Names of the parameters that any complete member has, in the order they were first met."""
        return tuple(dict.fromkeys(name for member in self.complete for name in member.parameters))

    def told(self) -> str:
        """'497 complete; in no statistic: 2 stopped early, 1 failed'."""
        counts = self.counts
        rest = ", ".join(f"{counts[status]:,} {status}" for status in (STOPPED, FAILED) if counts[status])
        return f"{counts[COMPLETE]:,} complete" + (f"; in no statistic: {rest}" if rest else "")

    def to_json(self) -> dict[str, Any]:
        """As plain values, with a schema version."""
        members = [member.to_json() for member in self.members]
        return {"schema": SCHEMA, "population": self.name, "about": self.about, "members": members}

    @classmethod
    def from_json(cls, plain: Any) -> Self:
        """The population that `to_json` gave. Raises NetwrightError, which says what is wrong with which member."""
        if not isinstance(plain, dict) or not isinstance(plain.get("members"), list):
            raise NetwrightError("not a population: expected an object with 'schema', 'population' and 'members'")
        schema = plain.get("schema")
        if type(schema) is not int or not 1 <= schema <= SCHEMA:
            raise NetwrightError(f"a population of schema {schema!r}; this version of netwright reads up to {SCHEMA}")
        name = plain.get("population", "")
        members = [_member(number, one, name) for number, one in enumerate(plain["members"], 1)]
        return cls(name, tuple(members), str(plain.get("about", "")))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, whole or not at all. Raises NetwrightError for a path that cannot be written."""
        write_json(Path(path), self.to_json())


def _member(number: int, plain: Any, population: str) -> Member:
    where = f"population {population!r}, member {number}"
    if not isinstance(plain, dict):
        raise NetwrightError(f"{where}: expected an object")
    strange, absent = set(plain) - set(_FIELDS), set(_FIELDS[:-1]) - set(plain)
    if strange:
        word = min(strange)
        raise NetwrightError(f"{where}: unknown field {word!r}{did_you_mean(word, _FIELDS)}")
    if absent:
        raise NetwrightError(f"{where}: {min(absent)} is missing")
    try:
        return Member(**plain)
    except NetwrightError as error:
        raise NetwrightError(f"{where}: {error}") from None


def read_population(path: str | os.PathLike[str]) -> Population:
    """The population of a JSON file. Raises NetwrightError, which names the file, where it cannot be read or holds none."""
    plain = read_json(Path(path))
    try:
        return Population.from_json(plain)
    except NetwrightError as error:
        raise NetwrightError(f"{path}: {error}") from None


def check_names(populations: Sequence[Population]) -> None:
    """Raise NetwrightError unless there are populations, all of different names, with a complete member each."""
    if not populations:
        raise NetwrightError("there is no population: give at least one")
    name, times = Counter(population.name for population in populations).most_common(1)[0]
    if times > 1:
        raise NetwrightError(f"{times} populations are called {name!r}: give them different names")
    for population in populations:
        check_any(population)


def check_any(population: Population) -> None:
    """Raise NetwrightError for a population without a complete member."""
    if not population.complete:
        raise NetwrightError(f"population {population.name!r} has no complete member ({population.told()}): train more designs")
