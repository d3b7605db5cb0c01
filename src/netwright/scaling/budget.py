"""Limits on what a scaled network may cost, and how near a network comes to them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from netwright.costing import Cost, cost
from netwright.errors import NetwrightError
from netwright.graph import Design
from netwright.units import parse_amount, parse_bytes, parse_milliseconds, short_amount, short_bytes

if TYPE_CHECKING:
    from netwright.costing.latency import Profile
    from netwright.costing.memory import Precision

UNITS = {"macs": "", "params": "", "memory": "bytes", "inference_memory": "bytes", "latency": "ms"}


def shown(name: str, value: float) -> str:
    """1.80 G macs, 2.00 GB of memory, 5.3 ms of latency."""
    if UNITS[name] == "ms":
        return f"{value:,.4g} ms of latency"
    return f"{short_bytes(value)} of {name.replace('_', ' ')}" if UNITS[name] else f"{short_amount(value)} {name}"


@dataclass(frozen=True)
class Use:
    """What bytes and milliseconds are for."""

    channels: int = 3
    batch: int = 1
    precision: Precision = "fp32"
    optimizer: str = "momentum"
    profile: Profile | None = None

    def cost(self, design: Design, image: int | None, name: str = "") -> Cost:
        """What a design costs so used; without an image for its own."""
        return cost(
            design,
            image,
            channels=self.channels,
            name=name,
            batch=self.batch,
            precision=self.precision,
            optimizer=self.optimizer,
            profile=self.profile,
        )


class Limit(NamedTuple):
    """The most that a network may have of something: macs, params, bytes or milliseconds."""

    name: str
    most: float

    def __str__(self) -> str:
        return shown(self.name, self.most)

    def of(self, made: Cost) -> float:
        """How much of it a network has."""
        if self.name == "macs":
            return made.macs
        if self.name == "params":
            return made.params
        if self.name == "latency":
            assert made.milliseconds is not None
            return made.milliseconds
        return made.memory.training if self.name == "memory" else made.memory.inference


@dataclass(frozen=True)
class Budget:
    """Limits that all hold."""

    limits: tuple[Limit, ...]

    def load(self, made: Cost) -> float:
        """The largest share of a limit that a network takes: it is within the budget up to 1."""
        return max([limit.of(made) / limit.most for limit in self.limits])

    def __str__(self) -> str:
        return " and ".join(map(str, self.limits))


def read_limits(
    macs: int | str | None,
    params: int | str | None,
    memory: int | str | None,
    inference_memory: int | str | None,
    latency: float | str | None,
) -> tuple[Limit, ...]:
    """The limits that were given. Raises NetwrightError for an amount that cannot be."""
    given: list[Limit] = []
    for name, value in (("macs", macs), ("params", params)):
        given += [] if value is None else [Limit(name, parse_amount(value))]
    for name, value in (("memory", memory), ("inference_memory", inference_memory)):
        given += [] if value is None else [Limit(name, parse_bytes(value))]
    given += [] if latency is None else [Limit("latency", parse_milliseconds(latency))]
    return tuple(given)


def find_device(profile: Profile | str | None, precision: str) -> Profile:
    """The profile for a limit on latency: that of the name, or this machine's own.

    Raises NetwrightError where there is none, or none of the precision.
    """
    from netwright.costing.latency import find_profile

    found = find_profile(profile) if profile is None or isinstance(profile, str) else profile
    if found is None:
        raise NetwrightError("a limit on latency needs a calibrated device: run netwright calibrate, or name a profile")
    if found.precision != precision:
        raise NetwrightError(f"the profile {found.name} was measured in {found.precision}: it tells nothing of {precision}")
    return found


def relative(value: float, wanted: float) -> float:
    """How far a value lies above what was wanted, as a share of that; negative below."""
    return value / wanted - 1 if wanted and math.isfinite(wanted) else 0.0
