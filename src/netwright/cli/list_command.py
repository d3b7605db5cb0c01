"""`netwright list`."""

from __future__ import annotations

import click

from netwright.cli.arguments import NETWORK, option_json, print_json
from netwright.errors import NetwrightError
from netwright.graph import own_image, trace
from netwright.units import parse_amount
from netwright.zoo import network, networks


@click.command("list")
@click.argument("pattern", type=NETWORK, default="*")
@click.option("--max-macs", metavar="M", help="Only networks of at most so many macs, such as 1.8G.")
@click.option("--max-params", metavar="P", help="Only networks of at most so many params, such as 25M.")
@option_json
def command(pattern: str, max_macs: str | None, max_params: str | None, as_json: bool) -> None:
    """The networks of the zoo whose name matches PATTERN, with params and macs at their own resolution.

    \b
    Example: netwright list 'resnet*' --max-macs 4.1G
    """
    macs = parse_amount(max_macs) if max_macs else None
    params = parse_amount(max_params) if max_params else None
    rows = []
    for name in networks(pattern):
        design = network(name)
        graph = trace(design)
        if (macs is None or graph.macs <= macs) and (params is None or graph.params <= params):
            image = own_image(design)
            rows.append({"name": name, "image": image, "params": graph.params, "macs": graph.macs, "acts": graph.acts})
    if as_json:
        print_json(rows)
        return
    if not rows:
        raise NetwrightError(f"no network matches {pattern!r} within the limits; `netwright list` shows all")
    width = max(len(str(row["name"])) for row in rows)
    click.echo(f"{'name':{width}}  image (px)        params             macs         acts")
    for row in rows:
        click.echo(f"{row['name']:{width}}  {row['image']:>10}  {row['params']:>12,}  {row['macs']:>14,}  {row['acts']:>11,}")
