"""`netwright export`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netwright.cli.arguments import NETWORK, option_json, option_weights, print_json
from netwright.cli.eval_command import load_run
from netwright.errors import NetwrightError

if TYPE_CHECKING:
    from netwright.training.exporting import Quantized


@click.command("export")
@click.argument("run", type=NETWORK)
@option_weights
@click.option("-o", "--out", required=True, metavar="FILE", type=click.Path(path_type=Path), help="The ONNX file to write.")
@click.option("--int8", is_flag=True, help="Weights and feature maps in eight bits; the accuracy before and after is measured.")
@click.option("--data", metavar="DATA", help="Pictures for --int8: of one part ranges are measured, on another the accuracy.")
@click.option("--pictures", type=click.IntRange(1), metavar="N", help="How many training pictures ranges are measured on (256).")
@option_json
def command(run: str, weights: str | None, out: Path, int8: bool, data: str | None, pictures: int | None, as_json: bool) -> None:
    """Write the network of RUN as an ONNX file, its outputs compared; classes and preprocessing are in its metadata.

    RUN is the folder of a finished run, or any NET together with --weights. DATA is what `eval` takes.

    \b
    Example: netwright export photos-30M -o photos.onnx
    Example: netwright export squeezenet1_1 --weights IMAGENET1K_V1 -o squeezenet.onnx
    Example: netwright export photos-30M -o photos-int8.onnx --int8 --data photos/
    """
    if int8 and data is None:
        raise NetwrightError(
            "--int8 needs pictures to measure ranges and accuracy on: give --data, such as what RUN was trained on"
        )
    if not int8 and (data is not None or pictures is not None):
        raise NetwrightError(f"{'--data' if data is not None else '--pictures'} serves --int8: give that too, or leave it out")
    loaded = load_run(run, weights)
    from netwright.progress import Progress
    from netwright.training.exporting import PICTURES, export, export_int8

    if data is not None:
        made = export_int8(loaded, out, data, pictures=pictures or PICTURES, progress=Progress(quiet=as_json))
        _report(made, as_json)
        return
    difference = export(loaded, out)
    if as_json:
        print_json({"file": str(out), "precision": "float32", "largest_difference": difference})
    else:
        click.echo(f"{out}: outputs differ from the network's by {difference:.1g} of the largest at most")


def _report(made: Quantized, as_json: bool) -> None:
    if as_json:
        sizes = {"bytes_float32": made.bytes_before, "bytes_int8": made.bytes_after}
        told: dict[str, Any] = {"file": str(made.file), "precision": "int8", "largest_difference": made.largest_difference}
        print_json({**told, **made.accuracies, **sizes})
        return
    before, after, of = made.before, made.after, len(made.after.labels)
    click.echo(
        f"{made.file}: top-1 {100 * after.accuracy:.2f} % in eight bits ({after.correct:,} of {of:,} held-out pictures), "
        f"{100 * before.accuracy:.2f} % before ({before.correct:,}); {made.bytes_after:,} bytes, {made.bytes_before:,} before"
    )
