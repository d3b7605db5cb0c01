"""A small question and evaluations that take no time, for tests of studies; also `file.py:name` for worker processes."""

from __future__ import annotations

import hashlib
import json
import os
import time
from pathlib import Path

from netwright.graph import Design
from netwright.spaces import Pick, regnet_for
from netwright.studies import Goal, Limits
from netwright.studies.ground import plain
from netwright.studies.question import Question

SMALL = regnet_for(32, 10)


def small(pick: Pick) -> Design | None:
    return SMALL(pick)


def worth(design: Design, seed: int) -> float:
    """An accuracy that anyone can work out again."""
    text = f"{plain(design)} {seed}"
    return int(hashlib.sha256(text.encode()).hexdigest()[:6], 16) / 16**6


def at_once(design: Design, seed: int, report) -> float:
    report(1, worth(design, seed))
    return worth(design, seed)


def noted(design: Design, seed: int, report) -> float:
    """Takes a moment, and writes down that it was evaluated, in the file that NOTES names."""
    for epoch in (1, 2, 3):
        time.sleep(float(os.environ.get("MOMENT", "0.05")))
        report(epoch, worth(design, seed))
    with Path(os.environ["NOTES"]).open("a") as file:
        file.write(json.dumps([plain(design), seed]) + "\n")
    return worth(design, seed)


def failing(design: Design, seed: int, report) -> float:
    raise ValueError("no such luck")


def question(macs: str = "5M", **changes) -> Question:
    made = Question(SMALL, Limits.of(macs=macs), Goal(), "random", {"function": "at_once"}, 32)
    return Question(**{**{name: getattr(made, name) for name in made.__dataclass_fields__}, **changes})
