"""A page as what a reader does with it: blocks that are run, files that are written, and what is shown after them.

```sh                    typed into one shell, from the first block to the last
```python                typed into one Python session, as in a notebook
```text                  what the block before it prints, both streams; `...` stands for what varies: alone on a line for
                         any number of lines, else for any part of the line
```python title="a.py"   a file of that name, written before what comes next is run
<!-- needs: X = name -->  X of the shared data stands in the reader's folder under that name
<!-- not run: why -->    the next block is left out
<!-- exit: 2 -->         the next block ends with that code
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass

RUN = ("sh", "python")
TOKEN = re.compile(r"^<!-- ([a-z ]+): (.*?) -->$|^```(\w*)(?: title=\"([^\"]+)\")?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass
class Block:
    """A block that is run, or written to a file; `line` is where it stands on the page, from 1."""

    line: int
    language: str
    text: str
    title: str | None = None
    exit: int = 0
    shown: str | None = None


@dataclass(frozen=True)
class Page:
    """The blocks in order, and what must be at hand: pairs of what and under which name."""

    blocks: list[Block]
    needs: list[tuple[str, str]]


class PageError(Exception):
    """The page itself is wrong."""


def parse(text: str) -> Page:
    """Read a page; raises PageError where a block, or a comment for one, stands for nothing."""
    blocks: list[Block] = []
    needs: list[tuple[str, str]] = []
    said: dict[str, str] = {}
    last: Block | None = None
    for found in TOKEN.finditer(text):
        key, value, language, title, body = found.groups()
        line = text.count("\n", 0, found.start()) + 1
        if key == "needs":
            what, _, name = value.partition(" = ")
            needs.append((what, name or what))
        elif key in ("not run", "exit"):
            said[key] = value
        elif language == "text" and title is None:
            if last is None or last.shown is not None:
                raise PageError(f"line {line}: there is no block whose output this could be")
            last.shown = body
        elif "not run" in said:
            said, last = {}, None
        elif language in RUN or title is not None:
            block = Block(line, language, body, title, int(said.get("exit", "0")))
            blocks.append(block)
            said, last = {}, None if title else block
    if said:
        raise PageError(f"no block follows: {', '.join(said)}")
    return Page(blocks, needs)


def as_shown(shown: str, printed: str) -> str | None:
    """None where the printed text is what was shown, else where it first differs: the shown line, and what stands there."""
    expected, got = _lines(shown), _lines(printed)
    far = _furthest(expected, got)
    if far == (len(expected), len(got)):
        return None
    line, place = far
    wanted = expected[line] if line < len(expected) else "(nothing more)"
    there = "\n  ".join(got[place : place + 5]) or "(nothing more)"
    return f"shown:\n  {wanted}\nprinted:\n  {there}"


def _furthest(expected: list[str], got: list[str]) -> tuple[int, int]:
    """How many lines of both agree at most, from the start, over all that `...` may stand for."""
    places, best = {0}, (0, 0)
    for number, line in enumerate(expected, start=1):
        if line.strip() == "...":
            places = set(range(min(places), len(got) + 1))
        else:
            pattern = re.compile(".*".join(map(re.escape, line.split("..."))))
            places = {place + 1 for place in places if place < len(got) and pattern.fullmatch(got[place])}
        if not places:
            break
        best = (number, min(places))
    whole = best[0] == len(expected) and len(got) in places
    return (len(expected), len(got)) if whole else best


def _lines(text: str) -> list[str]:
    lines = [line.rstrip() for line in text.splitlines()]
    body = list(itertools.dropwhile(lambda line: not line, lines))
    return list(itertools.dropwhile(lambda line: not line, body[::-1]))[::-1]
