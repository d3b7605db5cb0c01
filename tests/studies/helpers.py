"""A small question, for tests of studies; its space also as `file.py:name` for worker processes."""

from __future__ import annotations

from netwright.graph import Design
from netwright.spaces import Pick, regnet_for
from netwright.studies import Goal, Limits
from netwright.studies.question import Question

SMALL = regnet_for(32, 10)


def small(pick: Pick) -> Design | None:
    return SMALL(pick)


def question(macs: str = "5M", **changes) -> Question:
    made = Question(SMALL, Limits.of(macs=macs), Goal(), "random", {"function": "at_once"}, 32)
    return Question(**{**{name: getattr(made, name) for name in made.__dataclass_fields__}, **changes})
