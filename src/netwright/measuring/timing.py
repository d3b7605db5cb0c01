"""How long a call takes: warmed up, repeated, on a processor or a GPU."""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from netwright.errors import NetwrightError


@dataclass(frozen=True)
class Timing:
    """What repeated measurements of one thing say: the median and the 95th percentile in seconds, and how many there were.

    >>> Timing.of((0.2, 0.1, 0.4))
    Timing(median=0.2, p95=0.4, repeats=3)
    """

    median: float
    p95: float
    repeats: int

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Timing:
        """Of the seconds that `times` returns, at least one; p95 is the smallest of them that 95 % do not exceed."""
        if not seconds:
            raise NetwrightError("no repetition was measured: give at least one")
        ordered = sorted(seconds)
        return cls(statistics.median(ordered), ordered[math.ceil(0.95 * len(ordered)) - 1], len(ordered))


def times(
    call: Callable[[], object],
    *,
    warmup_seconds: float = 0.2,
    seconds: float = 1.0,
    least: int = 5,
    device: str | torch.device = "cpu",
) -> tuple[float, ...]:
    """Seconds that each repetition of `call` took.

    It is called without being measured for `warmup_seconds` (at least once, unless they are 0), then measured for
    `seconds`, and `least` times at least. On a GPU each repetition lasts until its last kernel has ended.
    """
    device = torch.device(device)
    end = time.perf_counter() + warmup_seconds
    if warmup_seconds > 0:
        once(call, device)
    while time.perf_counter() < end:
        once(call, device)
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < max(least, 1) or time.perf_counter() < end:
        taken.append(once(call, device))
    return tuple(taken)


def once(call: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call, until the device has nothing left to do."""
    finish(device)
    start = time.perf_counter()
    call()
    finish(device)
    return time.perf_counter() - start


def finish(device: torch.device) -> None:
    """Wait for what a GPU still has to do; a processor has done it when a call returns."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
