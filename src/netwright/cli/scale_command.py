"""`netwright scale`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, cast

import click

from netwright.cli.arguments import (
    FILE,
    NETWORK,
    option_channels,
    option_image,
    option_json,
    option_use,
    print_json,
    read_network,
)

if TYPE_CHECKING:
    from netwright.costing.memory import Precision

_DEVICE = "Name or file of the profile that latency is predicted with; by default this machine's (netwright calibrate)."
_RULE = "compound, fast, depth, width or resolution; or the folder of a grid search (netwright search --scale)."
_OUT = "Write the scaled design as JSON (.json), which other commands take as NET."


@click.command("scale")
@click.argument("net", type=NETWORK)
@click.option("--rule", type=FILE, default="compound", show_default=True, metavar="R", help=_RULE)
@click.option("--phi", type=float, metavar="PHI", help="So many steps of the rule; 0 is NET, negative ones shrink it.")
@click.option("--factor", type=float, metavar="S", help="So many times the macs, as the rule's paper counts them.")
@click.option("--max-macs", metavar="M", help="At most so many macs, such as 1.8G.")
@click.option("--max-params", metavar="P", help="At most so many params, such as 25M.")
@click.option("--max-memory", metavar="BYTES", help="At most so much memory in training, such as 8GB.")
@click.option("--max-inference-memory", metavar="BYTES", help="At most so much memory in inference.")
@click.option("--max-latency", metavar="MS", help="At most so long for the batch, such as 5ms, as predicted.")
@click.option("--device", metavar="D", help=_DEVICE)
@option_image
@option_channels
@option_use
@click.option("-o", "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help=_OUT)
@option_json
def command(
    net: str,
    rule: str,
    phi: float | None,
    factor: float | None,
    max_macs: str | None,
    max_params: str | None,
    max_memory: str | None,
    max_inference_memory: str | None,
    max_latency: str | None,
    device: str | None,
    image: int | None,
    channels: int,
    batch: int,
    precision: str,
    optimizer: str,
    out: Path | None,
    as_json: bool,
) -> None:
    """A larger or smaller NET of the same family: by a phi or a factor, or the largest within a budget.

    NET is a name of the zoo (netwright list), a design's JSON file, a run's folder, or file.py:name. Several limits hold
    together. Prints what both networks cost, and how near the rounding comes to what was asked.

    \b
    Example: netwright scale efficientnet_b0 --phi 3
             netwright scale regnety_040 --rule fast --factor 4 -o regnety_160.json
             netwright scale efficientnet_b0 --rule grid/ --max-macs 1.8G
             netwright scale resnet50 --max-memory 8GB --batch 64 --max-latency 20ms --device phone
    """
    from netwright.files import write_text
    from netwright.graph import to_json
    from netwright.scaling.scaled import scale

    if out is not None and out.suffix != ".json":
        raise click.UsageError(f"-o {out}: give a name that ends with .json, so that other commands read it as a design")
    made = scale(
        read_network(net),
        phi=phi,
        factor=factor,
        macs=max_macs,
        params=max_params,
        memory=max_memory,
        inference_memory=max_inference_memory,
        latency=max_latency,
        rule=rule,
        image=image,
        channels=channels,
        batch=batch,
        precision=cast("Precision", precision),
        optimizer=optimizer,
        profile=device,
    )
    if out is not None:
        write_text(out, to_json(made.design) + "\n")
    if as_json:
        print_json(made.to_json())
    else:
        click.echo(f"{made}\n\n{out}: the scaled design" if out is not None else made)
