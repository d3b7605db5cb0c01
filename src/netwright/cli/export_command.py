"""`netwright export`."""

from __future__ import annotations

from pathlib import Path

import click

from netwright.cli.arguments import option_json, option_weights, print_json
from netwright.cli.eval_command import load_run


@click.command("export")
@click.argument("run")
@option_weights
@click.option("-o", "--out", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The ONNX file to write.")
@option_json
def command(run: str, weights: str | None, out: Path, as_json: bool) -> None:
    """Write the network of RUN as an ONNX file, its outputs compared; classes and preprocessing are in its metadata.

    RUN is the folder of a finished run, or any NET together with --weights.

    \b
    Example: netwright export photos-30M -o photos.onnx
    Example: netwright export squeezenet1_1 --weights IMAGENET1K_V1 -o squeezenet.onnx
    """
    loaded = load_run(run, weights)
    from netwright.training.run import export

    difference = export(loaded, out)
    if as_json:
        print_json({"file": str(out), "largest_difference": difference})
    else:
        click.echo(f"{out}: outputs differ from the network's by {difference:.1g} of the largest at most")
