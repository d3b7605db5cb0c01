"""Docstrings as Markdown: examples as code, papers as links; and what griffe, which only reads, cannot see of our values."""

from __future__ import annotations

import re
from typing import Any

from griffe import Class, Decorator, ExprName, Extension, GriffeLoader, Module, Object

EXAMPLE = re.compile(r"^>>> .+(?:\n.+)*", re.MULTILINE)  # down to the next empty line
FLAG = re.compile(r" *# doctest: .*")
PAPER = re.compile(r"(?<!\[)arXiv:(\d{4}\.\d{4,5})")


def prose(text: str) -> str:
    """A docstring as Markdown."""
    fenced = EXAMPLE.sub(lambda found: f"\n```pycon\n{FLAG.sub('', found[0])}\n```", text)
    return PAPER.sub(r"[arXiv:\1](https://arxiv.org/abs/\1)", fenced)


class Docstrings(Extension):
    """Griffe's: docstrings as Markdown, and subclasses of `Value` as the dataclasses that they become."""

    def on_object(self, *, obj: Object, loader: GriffeLoader, **more: Any) -> None:
        if obj.docstring:
            obj.docstring.value = prose(obj.docstring.value)

    def on_package(self, *, pkg: Module, loader: GriffeLoader, **more: Any) -> None:
        _mark(pkg)


def _mark(place: Module | Class) -> None:
    for member in list(place.members.values()):
        if member.is_alias or not isinstance(member, Module | Class):
            continue
        if isinstance(member, Class) and any(base.path == "netwright.graph.values.Value" for base in member.mro()):
            member.decorators.append(Decorator(ExprName("dataclass", "dataclasses"), lineno=None, endlineno=None))
        _mark(member)
