"""`netwright compare`."""

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
from netwright.costing.comparing import compare

if TYPE_CHECKING:
    from netwright.costing.memory import Precision


@click.command("compare")
@click.argument("nets", type=NETWORK, metavar="NET...", nargs=-1, required=True)
@option_image
@option_channels
@option_use
@option_deploy
@option_profile
@click.option("--fit", metavar="BYTES", help="Add the largest batch that trains within so much, such as 24GB.")
@option_forms
def command(
    nets: tuple[str, ...],
    image: int | None,
    channels: int,
    batch: int,
    precision: str,
    optimizer: str,
    deploy: bool,
    profile: str | None,
    fit: str | None,
    as_json: bool,
    as_csv: bool,
    as_markdown: bool,
    as_html: bool,
    out: Path | None,
) -> None:
    """What several networks cost, side by side, and as multiples of the first.

    NET is a name of the zoo (netwright list), a design's JSON file, a run's folder, or file.py:name.
    Without --image, each is costed at its own resolution.

    \b
    Example: netwright compare resnet50 regnety_040 efficientnet_b2 --batch 64 --fit 24GB
    """
    if fit is not None and deploy:
        raise click.UsageError("choose one of --fit and --deploy")
    made = [
        cost(
            read_network(net),
            image,
            channels=channels,
            name=net,
            batch=batch,
            precision=cast("Precision", precision),
            optimizer=optimizer,
            deploy=deploy,
            profile=read_profile(profile, precision),
        )
        for net in nets
    ]
    show(compare(*made, fit=fit), (as_json, as_csv, as_markdown, as_html), out)
