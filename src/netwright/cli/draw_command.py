"""`netwright draw`."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import click

from netwright.cli.arguments import NETWORK, option_image, read_network


@click.command("draw")
@click.argument("net", type=NETWORK)
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), help="The file: .svg, .png, .pdf, .dot or .gv.")
@option_image
@click.option("--channels", type=click.IntRange(1), default=3, show_default=True, help="Of the image.")
@click.option("--by", type=click.Choice(("layer", "block", "stage")), help="The finest thing that has a shape of its own.")
@click.option("--dot", "as_dot", is_flag=True, help="Print text for Graphviz.")
def command(net: str, out: Path | None, image: int | None, channels: int, by: str | None, as_dot: bool) -> None:
    """Draw NET on an A4 page: stages as columns, equal blocks as one that says x N, branches, shortcuts, shares of macs.

    NET is a name of the zoo (netwright list), a design's JSON file, a run's folder, or file.py:name. Without --by
    layers are drawn where that stays legible on the page, else blocks, else stages.

    \b
    Example: netwright draw resnet50 -o resnet50.svg
    Example: netwright draw squeezenet1_1 --dot | dot -Tsvg > squeezenet.svg
    """
    from netwright.report.diagram.draw import check_path, draw
    from netwright.report.diagram.tree import By

    if out is None and not as_dot:
        raise click.UsageError("say where to draw with -o FILE (.svg, .png, .pdf, .dot), or print Graphviz text with --dot")
    if out is not None and as_dot:
        raise click.UsageError("choose one of -o and --dot (-o net.dot writes the same text)")
    if out is not None:
        check_path(out)
    drawing = draw(read_network(net), image, channels=channels, by=cast("By | None", by), name=net)
    if out is None:
        click.echo(drawing.dot, nl=False)
    else:
        click.echo(f"{drawing.save(out)}: {drawing.picture.told.split('. Stages')[0]}")
