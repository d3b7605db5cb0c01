"""`netwright eval`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwright.cli.arguments import option_json, option_weights, print_json, read_network
from netwright.errors import NetwrightError

if TYPE_CHECKING:
    from netwright.training.run import Run


@click.command("eval")
@click.argument("run")
@click.argument("data")
@option_weights
@option_json
def command(run: str, data: str, weights: str | None, as_json: bool) -> None:
    """Evaluate RUN on DATA: its test (or val) part, or all of it where it has no parts.

    RUN is the folder of a finished run, or any NET together with --weights. DATA is a folder of class
    folders (with or without train/val/test), a folder or tar with a labels.csv, CIFAR's binary files, or
    `digits`. Pictures are shown as the weights want them.

    \b
    Example: netwright eval photos-30M photos/
    Example: netwright eval resnet50 imagenet/ --weights timm/resnet50.a1_in1k
    """
    loaded = load_run(run, weights)
    from netwright.data import open_source
    from netwright.progress import Progress
    from netwright.training.results import accuracy_of
    from netwright.training.run import evaluate, named_after

    source = open_source(data)
    evaluation = evaluate(loaded, source, Progress(quiet=as_json))
    accuracy = accuracy_of(evaluation, named_after(loaded, source).classes)
    if as_json:
        print_json(accuracy)
        return
    low, high = (100 * bound for bound in accuracy["interval_95"])
    right = f"{accuracy['correct']:,} of {accuracy['of']:,}; 95 % interval {low:.1f} to {high:.1f} %"
    click.echo(f"top-1 {100 * accuracy['top1']:.2f} %  ({right})")
    click.echo(f"top-5 {100 * accuracy['top5']:.2f} %")
    shown = {name: share for name, share in accuracy["per_class"].items() if share is not None}
    for name, share in shown.items():
        click.echo(f"  {name:{max(map(len, shown))}}  {100 * share:.1f} %")
    if len(shown) < len(loaded.classes):
        click.echo(f"  of {len(loaded.classes) - len(shown):,} other classes the data has no pictures")


def load_run(run: str, weights: str | None) -> Run:
    """A trained network from a run's folder, or from a NET and a weights file."""
    if weights is None and not Path(run).is_dir():
        read_network(run)  # an unknown name is told as such
        raise NetwrightError(f"{run} has no weights: give the folder of a run, or --weights W")
    from netwright.training.run import load, load_network

    return load(run) if weights is None else load_network(read_network(run), weights)
