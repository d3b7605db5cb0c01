"""How long work shows itself: a bar on a terminal, plain lines elsewhere, nothing when quiet."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from netwright.units import short_seconds

Step = Callable[[int, int, str], None]  # done, of how many, and a word on how it goes


class Progress:
    """Says what is going on, on standard error. A quiet one says nothing."""

    def __init__(self, quiet: bool = False) -> None:
        self.quiet = quiet

    def say(self, line: str) -> None:
        """One line."""
        if not self.quiet:
            print(line, file=sys.stderr, flush=True)

    @contextlib.contextmanager
    def bar(self, title: str) -> Iterator[Step]:
        """A piece of work: call what is yielded with how much is done; a bar or lines come of it."""
        if self.quiet:
            yield _nothing
        elif sys.stderr.isatty():
            with _rich_bar(title) as step:
                yield step
        else:
            yield _Lines(title).step


def _nothing(done: int, total: int, word: str = "") -> None:
    """What a quiet bar does."""


@contextlib.contextmanager
def _rich_bar(title: str) -> Iterator[Step]:
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.fields[word]}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None, word="")

        def step(done: int, total: int, word: str = "") -> None:
            bar.update(task, completed=done, total=total)
            if word:
                bar.update(task, word=word)

        yield step


class _Lines:
    """A line at every tenth of the way, but no more than one in two seconds."""

    def __init__(self, title: str) -> None:
        self.title = title
        self.started = self.last = time.monotonic()
        self.tenth = 0

    def step(self, done: int, total: int, word: str = "") -> None:
        now = time.monotonic()
        tenth = 10 * done // max(total, 1)
        if tenth == self.tenth or (now - self.last < 2 and done < total):
            return
        self.tenth, self.last = tenth, now
        tail = f", {word}" if word else ""
        line = f"{self.title}: {100 * done // max(total, 1)} % after {short_seconds(now - self.started)}{tail}"
        print(line, file=sys.stderr, flush=True)
