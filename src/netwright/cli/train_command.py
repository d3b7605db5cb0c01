"""`netwright train`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netwright.cli.arguments import option_image, option_json, option_out, option_seed, option_weights, print_json, read_network


@click.command("train")
@click.argument("net")
@click.argument("data")
@option_out
@option_image
@click.option("--epochs", type=click.IntRange(1), default=40, show_default=True)
@click.option("--batch", type=click.IntRange(1), default=64, show_default=True, help="Pictures per step.")
@option_weights
@click.option("--lr", type=click.FloatRange(0, min_open=True), default=None, help="Peak learning rate for 128 pictures.")
@option_seed
@option_json
def command(
    net: str,
    data: str,
    out: Path,
    image: int | None,
    epochs: int,
    batch: int,
    weights: str | None,
    lr: float | None,
    seed: int,
    as_json: bool,
) -> None:
    """Train NET on DATA and write FOLDER; run again, an interrupted training goes on.

    DATA is a folder with one folder of pictures per class (with or without train/val/test around
    them), a folder or tar with a labels.csv, CIFAR's binary files, or `digits`. With --weights the training
    starts from them, with a fresh classifier where the classes are others; then --lr 0.02 or less suits.

    \b
    Example: netwright train resnet20_cifar photos/ --image 64 --epochs 30 -o run
    Example: netwright train resnet50 photos/ --weights timm/resnet50.a1_in1k --lr 0.01 --epochs 5 -o tuned
    """
    design = read_network(net)
    from netwright.progress import Progress
    from netwright.training import Recipe
    from netwright.training.train import train

    recipe = Recipe(epochs=epochs, batch=batch)
    recipe = recipe.replace(lr=lr) if lr else recipe
    run = train(design, data, out=out, weights=weights, image=image, recipe=recipe, seed=seed, progress=Progress())
    report_result(run.result, out, as_json)


def report_result(result: dict[str, Any], folder: Path, as_json: bool) -> None:
    """Say how a finished run went and where its files are."""
    if as_json:
        print_json(result)
        return
    accuracy, cost = result["accuracy"], result["cost"]
    low, high = (100 * bound for bound in accuracy["interval_95"])
    click.echo(
        f"{100 * accuracy['top1']:.1f} % of {accuracy['of']:,} held-out pictures right "
        f"(95 % interval {low:.1f} to {high:.1f} %), {cost['macs']:,} macs, {cost['params']:,} params"
    )
    click.echo(f"open {folder / 'report.html'}, or: netwright predict {folder} PICTURE")
