"""`netwright ui`."""

from __future__ import annotations

from pathlib import Path

import click


def option_page(command: click.decorators.FC) -> click.decorators.FC:
    """--port, --browser and --root of the page."""
    path = click.Path(file_okay=False, path_type=Path)
    told = "Runs and studies are looked for below it."
    command = click.option("--root", type=path, default=".", show_default=True, metavar="FOLDER", help=told)(command)
    command = click.option("--browser/--no-browser", default=True, help="Open the browser.  [default: browser]")(command)
    return click.option("--port", type=click.IntRange(0, 65535), default=0, metavar="N", help="By default a free one.")(command)


@click.command("ui")
@option_page
@click.option("--storage", "words", multiple=True, metavar="URL", help="Show a database's studies too; again for more.")
@click.option("--study", "names", multiple=True, metavar="NAME", help="Of the storages only this study; again for more.")
def command(port: int, browser: bool, root: Path, words: tuple[str, ...], names: tuple[str, ...]) -> None:
    """The workbench: a page of this machine's own, to design, to watch optimizers and studies, to try trained networks.

    It answers on 127.0.0.1 only, and to those who have the token in the address that is printed. Ctrl-C ends it.

    \b
    Example: netwright ui --root runs/
             netwright ui --storage postgresql://me@host/studies --study photos
    """
    from netwright.web.server import serve
    from netwright.web.storages import Storages

    if names and not words:
        raise click.UsageError("--study is of a --storage; studies in folders are found below --root")
    serve(root, port=port, browser=browser, say=click.echo, storages=Storages(words, names))
