"""`netwright predict`."""

from __future__ import annotations

from pathlib import Path

import click

from netwright.cli.arguments import option_json, print_json
from netwright.cli.eval_command import load_run


@click.command("predict")
@click.argument("run")
@click.argument("pictures", nargs=-1, required=True)
@click.option("--weights", type=click.Path(path_type=Path), metavar="F", help="A safetensors file that netwright wrote.")
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name.")
@option_json
def command(run: str, pictures: tuple[str, ...], weights: Path | None, top: int, as_json: bool) -> None:
    """The most probable classes of each of the PICTURES, best first.

    RUN is the folder of a finished run, or any NET together with --weights.

    \b
    Example: netwright predict photos-30M cat.jpg
    """
    predictions = load_run(run, weights).predict(pictures, top)
    if as_json:
        shown = [
            {"picture": p.picture, "classes": [{"class": name, "probability": share} for name, share in p.classes]}
            for p in predictions
        ]
        print_json(shown)
        return
    for prediction in predictions:
        best = ", ".join(f"{name} {100 * share:.1f} %" for name, share in prediction.classes)
        click.echo(f"{prediction.picture}: {best}")
