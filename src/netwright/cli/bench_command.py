"""`netwright bench`."""

from __future__ import annotations

from pathlib import Path

import click

from netwright.cli.arguments import NETWORK, defined, is_run, option_image, option_json, option_weights, print_json, read_network
from netwright.errors import NetwrightError


@click.command("bench")
@click.argument("net", type=NETWORK)
@option_image
@click.option("--batch", default="1", show_default=True, metavar="N,...", help="Images at a time; several with commas: 1,4,16.")
@click.option("--threads", type=click.IntRange(1, 1024), metavar="N", help="Of the processor; all that torch takes by default.")
@click.option("--runtime", metavar="R,...", help="Only these of eager, folded, compiled, onnxruntime.")
@click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu or cuda.")
@click.option("--precision", default="fp32", show_default=True, metavar="P", help="fp32 or bf16.")
@option_weights
@click.option(
    "--seconds", type=click.FloatRange(0, 3600, min_open=True, max_open=True), default=2.0, show_default=True, help="For each."
)
@option_json
def command(
    net: str,
    image: int | None,
    batch: str,
    threads: int | None,
    runtime: str | None,
    device: str,
    precision: str,
    weights: str | None,
    seconds: float,
    as_json: bool,
) -> None:
    """Measure how fast NET runs here in each runtime: as it is (eager), folded, compiled, in ONNX Runtime.

    NET is a name of the zoo (netwright list), a design's JSON file, a run's folder, file.py:name, or an .onnx file. The
    runtimes take turns; each must give the eager model's outputs before it is timed.

    \b
    Example: netwright bench resnet50 --batch 1,16 --threads 2
    Example: netwright bench photos-30M --runtime eager,onnxruntime --json
    """
    batches, net = _numbers(batch), defined(net)
    taken = Path(net) if Path(net).suffix == ".onnx" or is_run(net) else read_network(net)
    from netwright.inference.runtimes import RUNTIMES
    from netwright.measuring.bench import bench
    from netwright.progress import Progress

    made = bench(
        taken,
        image,
        batches=batches,
        threads=threads,
        runtimes=tuple(RUNTIMES) if runtime is None else tuple(word.strip() for word in runtime.split(",")),
        device=device,
        precision=precision,
        weights=weights,
        seconds=seconds,
        name=net,
        progress=Progress(quiet=as_json),
    )
    if as_json:
        print_json(made.to_json())
    else:
        click.echo(str(made))


def _numbers(text: str) -> tuple[int, ...]:
    """Batch sizes of `1,4,16`."""
    try:
        return tuple(int(word) for word in text.split(","))
    except ValueError:
        raise NetwrightError(f"--batch is {text!r}, expected whole numbers of at least 1 such as 1,4,16") from None
