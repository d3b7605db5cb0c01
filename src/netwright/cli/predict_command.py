"""`netwright predict`."""

from __future__ import annotations

import click

from netwright.cli.arguments import option_json, option_weights, print_json
from netwright.cli.eval_command import load_run


@click.command("predict")
@click.argument("run")
@click.argument("pictures", nargs=-1, required=True)
@option_weights
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name.")
@option_json
def command(run: str, pictures: tuple[str, ...], weights: str | None, top: int, as_json: bool) -> None:
    """The most probable classes of each of the PICTURES, best first.

    RUN is the folder of a finished run, or any NET together with --weights.

    \b
    Example: netwright predict photos-30M cat.jpg
    Example: netwright predict squeezenet1_1 cat.jpg --weights IMAGENET1K_V1
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
