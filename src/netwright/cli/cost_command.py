"""`netwright cost`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from netwright.cli.arguments import (
    NETWORK,
    option_channels,
    option_deploy,
    option_forms,
    option_image,
    option_profile,
    option_use,
    read_network,
    read_profile,
    show,
)
from netwright.costing import cost
from netwright.costing.table import GROUPINGS, By

if TYPE_CHECKING:
    from netwright.costing.memory import Precision


@click.command("cost")
@click.argument("net", type=NETWORK)
@option_image
@option_channels
@click.option("--by", type=click.Choice(GROUPINGS), default="layer", show_default=True, help="What a row is.")
@option_use
@option_deploy
@option_profile
@click.option("--fit", metavar="BYTES", help="The largest batch that trains within so much, such as 24GB.")
@click.option("--explain", metavar="LAYER", help="The formulas of a layer, block or stage, with its numbers.")
@option_forms
def command(
    net: str,
    image: int | None,
    channels: int,
    by: str,
    batch: int,
    precision: str,
    optimizer: str,
    deploy: bool,
    profile: str | None,
    fit: str | None,
    explain: str | None,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    as_html: bool,
    out: Path | None,
) -> None:
    """What NET costs: params, macs, flops (twice the macs) and acts of one image, exact; bytes of a batch.

    NET is a name of the zoo (netwright list), a design's JSON file, a run's folder, or file.py:name.

    \b
    Example: netwright cost resnet50 --image 224 --by stage
             netwright cost resnet50 --fit 24GB --precision bf16 --optimizer adam
             netwright cost resnet50 --explain layer2.0.conv2
    """
    if fit is not None and (explain is not None or deploy):
        raise click.UsageError(f"choose one of --fit and {'--deploy' if deploy else '--explain'}")
    made = cost(
        read_network(net),
        image,
        channels=channels,
        by=cast(By, by),
        name=net,
        batch=batch,
        precision=cast("Precision", precision),
        optimizer=optimizer,
        deploy=deploy,
        profile=read_profile(profile, precision),
    )
    shown = made.fit(fit) if fit is not None else made.explain(explain) if explain is not None else made
    show(shown, (as_json, as_csv, as_markdown, as_html), out)
