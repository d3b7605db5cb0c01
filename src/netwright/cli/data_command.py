"""`netwright data`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from netwright.cli.arguments import DATA, F, option_json, print_json
from netwright.errors import FailedError

if TYPE_CHECKING:
    from netwright.data import Source


@click.group("data")
def command() -> None:
    """What is in a data set, and what is wrong with it.

    DATA is a folder with one folder of pictures per class (with or without train/val/test around them), a folder or tar
    with a labels.csv, tars of key.jpg and key.cls, CIFAR's or IDX files, an .npz, or `digits`.

    \b
    Example: netwright data verify photos/
    """


def _option_group(command: F) -> F:
    told = "Column of labels.csv (or field of the tars' .json): pictures of one value never stand in two parts."
    return click.option("--group", metavar="COLUMN", help=told)(command)


@command.command("info")
@click.argument("data", type=DATA)
@_option_group
@option_json
def info_command(data: str, group: str | None, as_json: bool) -> None:
    """Counts per class and split, sizes, formats; reads the pictures' headers.

    \b
    Example: netwright data info photos/
    """
    from netwright.data import info, open_source
    from netwright.progress import Progress

    source = open_source(data, group)
    with Progress(quiet=as_json).bar(_title("looking at", source)) as step:
        found = info(source, lambda done, total: step(done, total, ""))
    print_json(found.to_json()) if as_json else click.echo(str(found))


@command.command("verify")
@click.argument("data", type=DATA)
@_option_group
@option_json
def verify_command(data: str, group: str | None, as_json: bool) -> None:
    """Decode every picture: bad ones by name, duplicates, leaks between splits, near-empty classes.

    The exit code is 1 where pictures cannot be read, or pictures or groups stand in several splits.

    \b
    Example: netwright data verify photos/ --json
    """
    from netwright.data import open_source, verify
    from netwright.progress import Progress

    source = open_source(data, group)
    with Progress(quiet=as_json).bar(_title("decoding", source)) as step:
        found = verify(source, lambda done, total: step(done, total, ""))
    print_json(found.to_json()) if as_json else click.echo(str(found))
    if not found.good:
        raise FailedError(f"{data} has {len(found.bad):,} bad pictures and {len(found.leaks) + len(found.shared_groups):,} leaks")


def _title(doing: str, source: Source) -> str:
    return f"{doing} {sum(map(len, source.splits.values())):,} pictures"
