"""`netwright cost`."""

from __future__ import annotations

from typing import cast

import click

from netwright.cli.arguments import option_image, option_json, print_json, read_network
from netwright.costing import cost
from netwright.costing.table import GROUPINGS, By


@click.command("cost")
@click.argument("net")
@option_image
@click.option("--channels", type=click.IntRange(1), default=3, show_default=True, help="Of the image.")
@click.option("--by", type=click.Choice(GROUPINGS), default="layer", show_default=True, help="What a row is.")
@option_json
@click.option("--csv", "as_csv", is_flag=True, help="Print the rows as CSV.")
def command(net: str, image: int | None, channels: int, by: str, as_json: bool, as_csv: bool) -> None:
    """What NET costs for one image: params, macs, flops (twice the macs) and acts, exact.

    NET is a name of the zoo (netwright list), a design's JSON file, a run's folder, or file.py:name.

    \b
    Example: netwright cost resnet50 --image 224 --by stage
    """
    if as_json and as_csv:
        raise click.UsageError("choose one of --json and --csv")
    made = cost(read_network(net), image, channels=channels, by=cast(By, by), name=net)
    if as_json:
        print_json(made.to_json())
    else:
        click.echo(made.to_csv() if as_csv else str(made), nl=not as_csv)
