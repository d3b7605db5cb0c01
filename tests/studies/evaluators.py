"""Evaluations without a training, also as `file.py:name` for worker processes: design and seed say their value."""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path

from netwright.graph import Design
from netwright.studies.ground import plain

EPOCHS = 3  # of `noted`
Report = Callable[[int, float], None]


def worth(design: Design | str, seed: int) -> float:
    """An accuracy that anyone can work out again, of a design (or its JSON) and a seed."""
    text = design if isinstance(design, str) else plain(design)
    return int(hashlib.sha256(f"{seed} {text}".encode()).hexdigest()[:12], 16) / 16**12


def at_once(design: Design, seed: int, report: Report) -> float:
    report(1, worth(design, seed))
    return worth(design, seed)


def noted(design: Design, seed: int, report: Report) -> float:
    """Takes $NOTED_SECONDS, reports three times, and writes down in the file $NOTED that it came to its end, and where."""
    for epoch in range(1, EPOCHS + 1):
        time.sleep(float(os.environ.get("NOTED_SECONDS", "0.05")) / EPOCHS)
        report(epoch, worth(design, seed))
    with Path(os.environ["NOTED"]).open("a") as file:
        file.write(json.dumps([plain(design), seed, os.getpid()]) + "\n")
    return worth(design, seed)


def evaluations(notes: Path) -> list[tuple[str, int]]:
    """What `noted` wrote down: designs as JSON, and seeds."""
    return [(design, seed) for design, seed, _ in map(json.loads, notes.read_text().splitlines())]


def processes(notes: Path) -> set[int]:
    """In which processes `noted` came to its end."""
    return {process for *_, process in map(json.loads, notes.read_text().splitlines())}


def failing(design: Design, seed: int, report: Report) -> float:
    raise ValueError("no such luck")
