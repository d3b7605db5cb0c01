"""`netwright train`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from netwright.cli.arguments import (
    DATA,
    NETWORK,
    F,
    option_image,
    option_json,
    option_seed,
    option_weights,
    print_json,
    read_network,
)
from netwright.cli.recipes import KEY, option_recipe, recipe_of
from netwright.errors import NetwrightError
from netwright.graph import Value

if TYPE_CHECKING:
    from netwright.training.machine import Machine
    from netwright.training.recipes.recipe import Recipe

T = TypeVar("T")


def option_data(command: F) -> F:
    """How the pictures are divided and read."""
    share = click.FloatRange(0, 1, min_open=True, max_open=True)
    options = [
        click.option("--validation", type=share, metavar="SHARE", help="Share of the training pictures to validate with."),
        click.option("--group", metavar="COLUMN", help="Column of labels.csv: pictures of one group are never divided."),
        click.option("--cache", metavar="DIR", help="Where decoded pictures are kept; off: nowhere."),
        click.option("--strict", is_flag=True, help="Stop at a picture that cannot be read, instead of leaving it out."),
        click.option("--skip-bad", is_flag=True, help="Leave such pictures out of the evaluation, too."),
    ]
    return _with(options, command)


def option_machine(command: F) -> F:
    """--device, --precision, --workers and --machine."""
    precisions = click.Choice(["auto", "fp32", "bf16", "fp16"])
    told = "auto: measure precision, layout and compilation for a few steps first, and take the fastest."
    other = "Other settings of the machine: layout, compiled, graph, micro_batch, deterministic, shared_norms."
    options = [
        click.option("--device", default="auto", show_default=True, metavar="D", help="auto, cpu, cuda or cuda:1."),
        click.option("--precision", type=precisions, default="fp32", show_default=True, help=told),
        click.option("--workers", type=click.IntRange(0, 1024), metavar="N", help="Threads that read pictures."),
        click.option("--machine", "machine_settings", multiple=True, metavar=KEY, help=other),
    ]
    return _with(options, command)


def option_many(command: F) -> F:
    """--seeds and --folds."""
    several = click.IntRange(2, 1000)
    options = [
        click.option("--seeds", type=several, metavar="N", help="Train with N seeds, from --seed on; report mean and spread."),
        click.option("--folds", type=several, metavar="K", help="Cross-validation: train K times, each part held out once."),
    ]
    return _with(options, command)


def _with(options: list[Any], command: T) -> T:
    for option in reversed(options):
        command = option(command)
    return command


@click.command("train")
@click.argument("net", type=NETWORK, required=False, metavar="NET")
@click.argument("data", type=DATA, required=False, metavar="DATA")
@click.option("-o", "--out", metavar="FOLDER", type=click.Path(path_type=Path), help="Output folder.")
@option_recipe
@click.option("--recipes", is_flag=True, help="List the presets, with source, command, cost and result.")
@click.option("--print-recipe", is_flag=True, help="Print the recipe as TOML, to be changed and given to --recipe.")
@option_image
@option_weights
@option_data
@option_machine
@option_many
@option_seed
@click.option("--dry-run", is_flag=True, help="Say what the training will take (steps, time, memory, disk), and stop.")
@click.option("--tensorboard", is_flag=True, help="Write TensorBoard's files as well (needs the extra `log`).")
@option_json
def command(
    net: str | None,
    data: str | None,
    out: Path | None,
    recipe: str | None,
    settings: tuple[str, ...],
    epochs: int | None,
    batch: int | None,
    lr: float | None,
    recipes: bool,
    print_recipe: bool,
    image: int | None,
    weights: str | None,
    validation: float | None,
    group: str | None,
    cache: str | None,
    strict: bool,
    skip_bad: bool,
    device: str,
    precision: str,
    workers: int | None,
    machine_settings: tuple[str, ...],
    seeds: int | None,
    folds: int | None,
    seed: int,
    dry_run: bool,
    tensorboard: bool,
    as_json: bool,
) -> None:
    """Train NET on DATA and write FOLDER; run again, an interrupted training goes on where it stood.

    DATA is a folder with one folder of pictures per class (with or without train/val/test around
    them), a folder or tar with a labels.csv, tars in webdataset naming, CIFAR's or MNIST's files, an .npz, or `digits`.
    Without --recipe the training is netwright's own: 40 epochs of SGD. With --weights it starts from them, with a fresh
    classifier where the classes are others; then --recipe finetune suits.

    \b
    Example: netwright train resnet20_cifar photos/ --image 64 --epochs 30 -o run
    Example: netwright train resnet50 photos/ --weights timm/resnet50.a1_in1k --recipe finetune -o tuned
    Example: netwright train regnetx_002 photos/ --recipe quick --set augment.policy=trivial --dry-run
    """
    if recipes:
        return _list_presets(as_json)
    made = recipe_of(recipe, settings, {"epochs": epochs, "batch": batch, "optimizer.lr": lr})
    if print_recipe:
        return _print_recipe(made)
    net, data = _given("net", net), _given("data", data)
    asked: dict[str, Any] = {"weights": weights, "image": image, "recipe": made, "group": group}
    asked |= {"machine": _machine(device, precision, workers, machine_settings), "validation": validation or 0.0}
    asked |= {"cache": None if cache == "off" else cache or "default", "seed": seed}
    if seeds is not None and folds is not None:
        raise click.UsageError("choose one of --seeds and --folds")
    if dry_run:
        return _estimate(net, data, asked | {"fold": (1, folds) if folds else None}, seeds or folds or 1, as_json)
    folder = _given("out", out)
    asked |= {"strict": strict, "skip_bad": skip_bad, "tensorboard": tensorboard}
    if seeds is not None or folds is not None:
        return _several(net, data, folder, asked, seeds, folds, as_json)
    from netwright.progress import Progress
    from netwright.training.train import train

    run = train(read_network(net), data, out=folder, progress=Progress(), **asked)
    if int(os.environ.get("RANK", "0")) == 0:  # of several processes the first one talks
        report_result(run.result, folder, as_json)
    return None


def _given(name: str, value: T | None) -> T:
    """A value that only some uses of the command can do without."""
    if value is None:
        context = click.get_current_context()
        parameter = next(one for one in context.command.params if one.name == name)
        raise click.MissingParameter(ctx=context, param=parameter)
    return value


def _machine(device: str, precision: str, workers: int | None, settings: tuple[str, ...]) -> Machine:
    """With a precision of "auto", layout and compilation are measured as well, where they are not set."""
    from netwright.training.machine import Machine
    from netwright.training.recipes.recipe_files import changed

    asked = [f"device={device}", f"precision={precision}", *([f"workers={workers}"] if workers is not None else [])]
    made = changed(Machine(), [*asked, *settings])
    named = {setting.partition("=")[0].strip() for setting in settings}
    if precision == "auto":
        made = made.replace(**{name: "auto" for name in ("layout", "compiled") if name not in named})
    return made


def _list_presets(as_json: bool) -> None:
    from netwright.training.recipes.presets import presets_json, presets_text

    if as_json:
        print_json(presets_json())
    else:
        click.echo(presets_text())


def _print_recipe(recipe: Recipe) -> None:
    from netwright.training.recipes.recipe_files import to_toml

    click.echo(to_toml(recipe), nl=False)


def _estimate(net: str, data: str, asked: dict[str, Any], times: int, as_json: bool) -> None:
    from netwright.progress import Progress
    from netwright.training.dry_run import dry_run

    estimate = dry_run(read_network(net), data, progress=Progress(), **asked)
    if as_json:
        print_json(estimate.to_json() | {"trainings": times})
        return
    click.echo(str(estimate))
    if times > 1:
        click.echo(f"{times} trainings: each of them takes this time, and the disk for its own folder")


def _several(net: str, data: str, out: Path, asked: dict[str, Any], seeds: int | None, folds: int | None, as_json: bool) -> None:
    """Train with several seeds, or on several folds."""
    from netwright.graph import to_json
    from netwright.progress import Progress
    from netwright.training.seeds import Training, told, train_each
    from netwright.training.train import train

    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise NetwrightError("several processes train one network at a time: give each seed a torchrun of its own (--seed)")
    design, progress, first = read_network(net), Progress(), asked["seed"]
    parts: dict[str, dict[str, Any]] = (
        {f"seed-{seed}": {"seed": seed} for seed in range(first, first + (seeds or 0))}
        if seeds is not None
        else {f"fold-{i}": {"fold": (i, folds)} for i in range(1, (folds or 0) + 1)}
    )

    def training(part: dict[str, Any]) -> Training:
        return lambda folder: train(design, data, out=folder, progress=progress, **asked | part)

    common = {name: to_json(value, None) if isinstance(value, Value) else value for name, value in asked.items()}
    arguments = {"design": to_json(design, None), "data": str(Path(data).resolve()) if Path(data).exists() else data} | common
    made = train_each({name: training(part) for name, part in parts.items()}, out, arguments)
    if as_json:
        print_json(made)
    else:
        click.echo(told(made))
        click.echo(f"each has its report: {out / next(iter(parts)) / 'report.html'}, ...")


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
