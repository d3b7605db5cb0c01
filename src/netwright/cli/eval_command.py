"""`netwright eval`."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netwright.cli.arguments import DATA, NETWORK, F, defined, option_json, option_weights, print_json, read_network
from netwright.errors import NetwrightError

if TYPE_CHECKING:
    from netwright.training.evaluating.evaluation import Asked, Cache
    from netwright.training.run import Run

FORMS = (".html", ".json")


def option_device(command: F) -> F:
    """--device D."""
    told = "auto (a GPU where there is one), cpu, cuda or cuda:1."
    return click.option("--device", default="auto", show_default=True, metavar="D", help=told)(command)


@click.command("eval")
@click.argument("run", type=NETWORK)
@click.argument("data", type=DATA)
@option_weights
@click.option("--crops", type=click.Choice(["1", "5", "10"]), default="1", help="Views of each picture; their mean counts. [1]")
@click.option("--skip-bad", is_flag=True, help="Leave pictures out that cannot be read; they are counted and named.")
@click.option("--batch", type=click.IntRange(1), default=256, show_default=True, help="Pictures at a time.")
@option_device
@click.option("--cache", metavar="DIR", help="Where decoded pictures are kept; off: nowhere.")
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), help="Write a report (.html) or the JSON (.json).")
@option_json
def command(
    run: str,
    data: str,
    weights: str | None,
    crops: str,
    skip_bad: bool,
    batch: int,
    device: str,
    cache: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """Evaluate RUN on DATA: its test (or val) part, or all of it where it has no parts.

    RUN is the folder of a finished run, or any NET together with --weights. DATA is what `netwright train` takes: a
    folder of class folders (with or without train/val/test), a folder or tar with a labels.csv, CIFAR's binary files,
    `digits`. Pictures are shown as the weights want them. Ten crops are the corners and the centre, also mirrored; five are
    not mirrored.

    A picture that cannot be read ends the evaluation, unless --skip-bad.

    \b
    Example: netwright eval photos-30M photos/
    Example: netwright eval photos-30M photos/ -o report.html
    Example: netwright eval resnet50 imagenet/ --weights timm/resnet50.a1_in1k --crops 10
    """
    if out is not None and out.suffix.lower() not in FORMS:
        raise NetwrightError(f"{out} is neither a report nor JSON: let it end with .html or .json")
    from netwright.files import writing

    with writing(out) if out is not None else contextlib.nullcontext() as target:  # a path that cannot be written is told first
        loaded = load_run(run, weights, device)
        from netwright.training.evaluating.evaluation import Asked

        kept: Cache = None if cache == "off" else Path(cache) if cache else "default"
        accuracy, page = _evaluated(loaded, data, Asked(int(crops), batch, skip_bad, kept), as_json, out is not None)
        if out is not None and target is not None:
            text = page if out.suffix.lower() == ".html" else json.dumps(accuracy, indent=1) + "\n"
            target.write_text(text, encoding="utf-8")
    if as_json:
        print_json(accuracy)
    else:
        _print(accuracy)


def _evaluated(run: Run, data: str, asked: Asked, quiet: bool, paged: bool) -> tuple[dict[str, Any], str]:
    """The figures, and the report where one is wanted."""
    from netwright.data import BadPictureError
    from netwright.progress import Progress
    from netwright.training.results import accuracy_of, evaluation_page
    from netwright.training.run import evaluated, named_after, opened_for

    source = opened_for(run, data)
    try:
        evaluation, pictures = evaluated(run, source, asked, Progress(quiet=quiet))
    except BadPictureError as error:
        raise BadPictureError(str(error) if asked.skip_bad else f"{error}; --skip-bad leaves such pictures out") from None
    accuracy = accuracy_of(evaluation, named_after(run, source).classes)
    return accuracy, evaluation_page(run, source, evaluation, pictures) if paged else ""


def _print(accuracy: dict[str, Any]) -> None:
    low, high = (100 * bound for bound in accuracy["interval_95"])
    over = accuracy["averaged_over"]
    right = f"{accuracy['correct']:,} of {accuracy['of']:,}; 95 % interval {low:.1f} to {high:.1f} %"
    views = "" if accuracy["crops"] == 1 else f"; {accuracy['crops']} crops of each picture"
    click.echo(f"top-1 {100 * accuracy['top1']:.2f} %  ({right}{views})")
    click.echo(f"top-5 {100 * accuracy['top5']:.2f} %")
    means = f"mean recall, classes with pictures: {over['balanced_accuracy']:,}"
    click.echo(f"balanced accuracy {100 * accuracy['balanced_accuracy']:.2f} %  ({means})")
    means = f"mean F1, classes with pictures or predictions: {over['macro_f1']:,}"
    click.echo(f"macro-F1 {100 * accuracy['macro_f1']:.2f} %  ({means})")
    click.echo(f"calibration error {100 * accuracy['calibration_error']:.2f} %  (confidence against accuracy, 15 bins)")
    shown = {name: share for name, share in accuracy["per_class"].items() if share is not None}
    for name, share in shown.items():
        click.echo(f"  {name:{max(map(len, shown))}}  {100 * share:.1f} %")
    absent = len(accuracy["per_class"]) - len(shown)
    if absent:
        click.echo(f"  of {absent:,} other {'classes' if absent > 1 else 'class'} the data has no pictures")
    bad = accuracy["left_out"]
    if bad:
        click.echo(f"left out: {len(bad):,} {'pictures' if len(bad) > 1 else 'picture'} that cannot be read")
    for one in bad:
        click.echo(f"  {one['picture']}: {one['reason']}")


def load_run(run: str, weights: str | None, device: str = "cpu") -> Run:
    """A trained network from a run's folder, or from a NET and a weights file, on a device."""
    run = defined(run) if weights is None else run
    if weights is None and not Path(run).is_dir():
        read_network(run)  # an unknown name is told as such
        raise NetwrightError(f"{run} has no weights: give the folder of a run, or --weights W")
    from netwright.training.machine import Machine, device_of
    from netwright.training.run import load, load_network

    place = device_of(Machine(device=device))
    loaded = load(run) if weights is None else load_network(read_network(run), weights)
    loaded.model.to(place)
    return loaded
