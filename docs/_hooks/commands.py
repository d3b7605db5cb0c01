"""The command line's reference, read off the commands themselves."""

from __future__ import annotations

import inspect
import re
import textwrap
from html import escape

import click

from netwright.cli import COMMANDS, cli, main

FOLDER = "reference/cli"


def pages() -> dict[str, str]:
    """A page for each command; an index comes first."""
    context = click.Context(cli, info_name="netwright")
    made = {f"{FOLDER}/index.md": _index(context)}
    for name in COMMANDS:
        command = cli.get_command(context, name)
        assert command is not None
        made[f"{FOLDER}/{name}.md"] = _page(command, f"netwright {name}")
    return made


def _index(context: click.Context) -> str:
    lines = "\n".join(f"[`netwright {name}`]({name}.md)\n:   {told}\n" for name, told in COMMANDS.items())
    parts = [
        "# Command line",
        _told(cli),
        _options(cli, context),
        "## Commands",
        lines,
        "## Exit codes",
        inspect.getdoc(main) or "",
    ]
    return "\n\n".join(parts) + "\n"


def _page(command: click.Command, path: str) -> str:
    """A command, and below it those that it groups."""
    parts = [f"# {path}", _one(command, path)]
    if isinstance(command, click.Group):
        for name, inner in command.commands.items():
            parts += [f"## {path} {name}", _one(inner, f"{path} {name}")]
    return "\n\n".join(parts) + "\n"


def _one(command: click.Command, path: str) -> str:
    context = click.Context(command, info_name=path)
    usage = " ".join([path, *command.collect_usage_pieces(context)])
    return f"```text\n{usage}\n```\n\n{_told(command)}\n\n{_options(command, context)}"


def _told(command: click.Command) -> str:
    """The help text as Markdown: paragraphs that keep their lines are code."""
    paragraphs = inspect.cleandoc(command.help or "").split("\n\n")
    return "\n\n".join(map(_paragraph, paragraphs))


def _paragraph(text: str) -> str:
    if not text.startswith("\b"):
        return _plain(text)
    lines = text.removeprefix("\b\n")
    head, example, rest = lines.partition("Example: ")
    code = textwrap.dedent(f"{head}{' ' * len(example)}{rest}")
    return f"{'Example:' if example else ''}\n\n```text\n{code}\n```"


def _options(command: click.Command, context: click.Context) -> str:
    """Options with what --help says of them; arguments stand in the usage."""
    found = [parameter for parameter in command.get_params(context) if isinstance(parameter, click.Option)]
    records = [record for option in found if (record := option.get_help_record(context))]
    return "\n".join(f"`{names}`\n:   {_plain(told)}\n" for names, told in records)


def _plain(text: str) -> str:
    """Text whose signs mean nothing to Markdown, but for its code; options are code too."""
    parts = re.split(r"(`[^`]*`|(?<![\w-])--[a-z][\w-]*)", text)
    return "".join(f"`{part.strip('`')}`" if i % 2 else _escaped(part) for i, part in enumerate(parts))


def _escaped(text: str) -> str:
    return re.sub(r"([*_\[\]])", r"\\\1", escape(text, quote=False))
