"""Evaluations without a training, for workers in processes of their own: their value follows from the design and the seed."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from pathlib import Path

from netwright.graph import Design, to_json


def worth(design: str, seed: int) -> float:
    """The value of a design (as JSON) and a seed."""
    return int(hashlib.sha256(f"{seed} {design}".encode()).hexdigest()[:12], 16) / 16**12


def nothing(design: Design, seed: int, report: Callable[[int, float], None]) -> float:
    return worth(to_json(design, None), seed)


def noted(design: Design, seed: int, report: Callable[[int, float], None]) -> float:
    """Takes $NOTED_SECONDS, reports once, and writes a line to the file $NOTED before it gives its value."""
    plain = to_json(design, None)
    value = worth(plain, seed)
    report(1, value / 2)
    time.sleep(float(os.environ.get("NOTED_SECONDS", "0.05")))
    with Path(os.environ["NOTED"]).open("a") as file:
        file.write(f"{seed} {os.getpid()} {value!r} {plain}\n")
    return value
