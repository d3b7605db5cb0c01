"""Every command line that README, pages and examples show is one that netwright takes: command, options, values."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from netwright.cli import COMMANDS, cli
from tests.docs.running import ROOT

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "examples").iterdir())]
VARIABLE = re.compile(r"\$(\{[^}]*\}|\([^)]*\)|\w+)")  # stands for any word
STARTS = re.compile(r"^(?: {4,}|\$ |# {3}|until |)(netwright (?:" + "|".join(COMMANDS) + r")(?: .*|$))")


def lines(text: str) -> list[str]:
    """What stands alone on a line as a command: lines that go on are joined, remarks and pipes cut off."""
    found = [STARTS.match(line) for line in re.sub(r" *\\\n *", " ", text).splitlines()]
    return [re.split(r" {2,}| [|>&#;]|; do", match[1])[0] for match in found if match]


def taken(line: str) -> None:
    """Raises click's error where the command does not take these words; nothing is run."""
    name, *words = shlex.split(VARIABLE.sub("1", line))[1:]
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    if {"--help", "--recipes", "--samplers"}.isdisjoint(words):
        command.make_context(name, words)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_that_are_shown_exist(path: Path) -> None:
    wrong = []
    for line in lines(path.read_text()):
        try:
            taken(line)
        except click.UsageError as error:
            wrong.append(f"{line}: {error.format_message()}")
    assert wrong == []


def test_commands_are_found_and_wrong_ones_refused() -> None:
    text = "    netwright cost a \\\n      --batch 3   # why\n$ netwright draw b -o c.svg | less\nuse netwright cost d\n"
    assert lines(text) == ["netwright cost a --batch 3", "netwright draw b -o c.svg"]
    taken("netwright cost a --batch $N")
    for line, says in (("netwright cost a --bach 3", "bach"), ("netwright cost a --batch x", "x"), ("netwright cost", "net")):
        with pytest.raises(click.UsageError, match=says):
            taken(line)
