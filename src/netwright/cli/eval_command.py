"""`netwright eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwright.cli.arguments import option_json, print_json, read_network
from netwright.errors import NetwrightError

if TYPE_CHECKING:
    from netwright.training.run import Run


@click.command("eval")
@click.argument("run")
@click.argument("data")
@click.option("--weights", type=click.Path(path_type=Path), metavar="F", help="A safetensors file that netwright wrote.")
@option_json
def command(run: str, data: str, weights: Path | None, as_json: bool) -> None:
    """Evaluate RUN on DATA: its test (or val) part, or all of it where it has no parts.

    RUN is the folder of a finished run, or any NET together with --weights.

    \b
    Example: netwright eval photos-30M photos/
    """
    loaded = load_run(run, weights)
    from netwright.progress import Progress
    from netwright.training.results import accuracy_of
    from netwright.training.run import evaluate

    evaluation = evaluate(loaded, data, Progress(quiet=as_json))
    accuracy = accuracy_of(evaluation, loaded.classes)
    if as_json:
        print_json(accuracy)
        return
    low, high = (100 * bound for bound in accuracy["interval_95"])
    right = f"{accuracy['correct']:,} of {accuracy['of']:,}; 95 % interval {low:.1f} to {high:.1f} %"
    click.echo(f"top-1 {100 * accuracy['top1']:.2f} %  ({right})")
    click.echo(f"top-5 {100 * accuracy['top5']:.2f} %")
    width = max(map(len, accuracy["per_class"]))
    for name, share in accuracy["per_class"].items():
        click.echo(f"  {name:{width}}  {'none shown' if share is None else f'{100 * share:.1f} %'}")


def load_run(run: str, weights: Path | None) -> Run:
    """A trained network from a run's folder, or from a NET and a weights file."""
    if weights is None and not Path(run).is_dir():
        read_network(run)  # an unknown name is told as such
        raise NetwrightError(f"{run} has no weights: give the folder of a run, or --weights F")
    from netwright.training.run import load, load_network

    return load(run) if weights is None else load_network(read_network(run), weights)
