"""`netwright search`."""

from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import click

from netwright.cli.arguments import DATA, SPACE, option_json, option_seed, print_json, read_network
from netwright.cli.limits import limits_of, option_limits
from netwright.cli.recipes import option_recipe, recipe_of

if TYPE_CHECKING:
    from netwright.studies import Goal, Ranking, Study
    from netwright.studies.engines.ray_engine import RayCluster

_GOALS = ("accuracy", "reward", "pareto")
_MEASURES = ("macs", "params", "acts", "memory", "inference_memory", "latency")


def _side(context: click.Context, option: click.Parameter, value: str | None) -> Any:
    """A number of pixels, or the word own."""
    if value is None or value == "own":
        return value
    convert: Callable[..., int] = click.IntRange(1, 4096).convert
    return convert(value, option, context)


@click.command("search")
@click.argument("data", type=DATA, required=False, metavar="DATA")
@click.option("--space", type=SPACE, metavar="S", help="A name, or file.py:name; by default a RegNet space for the image size.")
@click.option("--scale", metavar="NET", help="Scale NET by every alpha, beta, gamma of a grid, each once, and rank them.")
@click.option("--step", type=float, default=0.05, show_default=True, metavar="S", help="Of the grid of --scale: 1, 1 + S, ...")
@click.option(
    "--tolerance", type=float, default=0.1, show_default=True, metavar="T", help="How far alpha beta^2 gamma^2 may be from 2."
)
@option_limits
@click.option("--goal", "kind", type=click.Choice(_GOALS), default="accuracy", show_default=True, help="What is maximized.")
@click.option(
    "--measure", type=click.Choice(_MEASURES), default="macs", show_default=True, help="The cost of a reward or a front."
)
@click.option("--target", metavar="T", help="The cost that a reward aims at, such as 20M or 5ms.")
@click.option("--sampler", default="random", show_default=True, metavar="NAME", help="Who proposes designs.")
@click.option("--samplers", is_flag=True, help="List the samplers.")
@click.option(
    "--halving", type=click.IntRange(2), metavar="F", help="Successive halving: 1 of F trials goes on from rung to rung."
)
@click.option("--trials", type=click.IntRange(1), help="Designs to try in all: 32, or with the sampler grid all there are.")
@option_recipe
@click.option("--evaluate", metavar="FILE.PY:NAME", help="A function (design, seed, report) -> accuracy, in place of a training.")
@click.option("--image", callback=_side, metavar="N|own", help="Side of the image in pixels; own: each design's resolution.")
@click.option("--group", metavar="COLUMN", help="Column of labels.csv: pictures of one group are never divided.")
@option_seed
@click.option(
    "--workers", type=click.IntRange(1, 10_000), default=1, show_default=True, help="Processes of this machine, or Ray's tasks."
)
@click.option(
    "--threads", type=click.IntRange(1, 1024), metavar="N", help="Threads of each worker; by default all there are (Ray: 1)."
)
@click.option("--engine", type=click.Choice(("local", "ray")), default="local", show_default=True, help="Where the workers run.")
@click.option("--address", default="auto", show_default=True, metavar="HOST:PORT", help="The Ray cluster.")
@click.option(
    "--gpus-per-worker", "gpus", type=float, default=0.0, show_default=True, metavar="G", help="Ray: 0.25 is a quarter of one."
)
@click.option("--device", default="auto", show_default=True, metavar="D", help="auto, cpu, cuda or cuda:1.")
@click.option("--storage", metavar="URL", help="postgresql://user@host/name, where several machines take part.")
@click.option("--study", metavar="NAME", help="Its name in the storage; by default the folder's.")
@click.option("--join", metavar="STORAGE", help="Work on a study that is there: a database, or the study's folder.")
@click.option("--leashed", is_flag=True, hidden=True, help="End when standard input closes: with the process that started it.")
@click.option("-o", "--out", metavar="FOLDER", type=click.Path(path_type=Path), help="Output folder.")
@option_json
def command(
    data: str | None,
    space: str | None,
    scale: str | None,
    step: float,
    tolerance: float,
    kind: str,
    measure: str,
    target: str | None,
    sampler: str,
    samplers: bool,
    halving: int | None,
    trials: int | None,
    recipe: str | None,
    settings: tuple[str, ...],
    epochs: int | None,
    batch: int | None,
    lr: float | None,
    evaluate: str | None,
    image: int | Literal["own"] | None,
    group: str | None,
    seed: int,
    workers: int,
    threads: int | None,
    engine: str,
    address: str,
    gpus: float,
    device: str,
    storage: str | None,
    study: str | None,
    join: str | None,
    leashed: bool,
    out: Path | None,
    as_json: bool,
) -> None:
    """Try designs of a space on DATA, within limits: each is trained briefly and measured on a validation part.

    The study is kept in FOLDER, or in a database; run again, it goes on. With --join a worker takes part in a study that is
    there, from any machine that reaches its storage. FOLDER has the best design, all trials (result.json) and a report.
    With --scale it has rule.json, too, which netwright scale takes: --rule FOLDER.

    \b
    Example: netwright search photos/ --max-macs 50M --trials 64 --workers 2 -o study
             netwright search photos/ --scale efficientnet_b0 --workers 2 -o grid
             netwright search --join postgresql://me@host/studies --study photos /data/photos
             netwright search photos/ --storage postgresql://me@host/studies --engine ray --workers 16 -o study
    """
    if samplers:
        return _list_samplers(as_json)
    _begin(threads, leashed)
    from netwright.progress import Progress
    from netwright.studies import Halving, grid_search, search
    from netwright.training.machine import Machine

    if join is not None:
        _only_joining()
        return _show(_join(join, study, data, device), None, as_json)
    if data is None and evaluate is None:
        raise click.UsageError("give DATA to train on, or --evaluate FILE.PY:NAME")
    if out is None and storage is None:
        raise click.UsageError("give a FOLDER for the study with -o, or a --storage")
    common: dict[str, Any] = {
        "limits": limits_of(click.get_current_context()),
        "halving": Halving(factor=halving) if halving is not None else None,
        "recipe": recipe_of(recipe, settings, {"epochs": epochs, "batch": batch, "optimizer.lr": lr}, 10),
        "evaluate": evaluate,
        "image": image,
        "group": group,
        "seed": seed,
        "workers": workers,
        "threads": threads,
        "cluster": _cluster(engine, address, threads, gpus),
        "machine": Machine(device=device),
        "out": out,
        "storage": storage,
        "study": study,
        "progress": Progress(),
    }
    if scale is not None:
        _refuse(("space", "kind", "measure", "target", "sampler", "trials"), "is not for --scale, which tries every triple once")
        return _show(grid_search(read_network(scale), data, step=step, tolerance=tolerance, **common), out, as_json)
    _refuse(("step", "tolerance"), "is for --scale NET")
    goal = _goal(kind, measure, target)
    return _show(search(data, space=space, goal=goal, sampler=sampler, trials=trials, **common), out, as_json)


def _begin(threads: int | None, leashed: bool) -> None:
    signal.signal(signal.SIGTERM, _stopped)
    if leashed:
        from netwright.studies.engines import local

        local.leashed()
    if threads is not None:
        import torch

        torch.set_num_threads(threads)


def _only_joining() -> None:
    """Refuse options that say what a study is: that is settled where it was made."""
    allowed = ("data", "study", "join", "threads", "device", "leashed", "as_json")
    every = [one.name or "" for one in click.get_current_context().command.params]
    told = "is for a new study: --join takes DATA, --study, --threads and --device"
    _refuse([name for name in every if name not in allowed], told)


def _refuse(names: Sequence[str], told: str) -> None:
    """Refuse options that were given."""
    context, typed = click.get_current_context(), click.core.ParameterSource.COMMANDLINE
    for one in context.command.params:
        if one.name in names and context.get_parameter_source(one.name) == typed:
            raise click.UsageError(f"{one.opts[-1]} {told}")


def _join(storage: str, study: str | None, data: str | None, device: str) -> Study:
    from netwright.progress import Progress
    from netwright.studies import join_study
    from netwright.training.machine import Machine

    return join_study(storage, study, data=data, machine=Machine(device=device), progress=Progress())


def _cluster(engine: str, address: str, threads: int | None, gpus: float) -> RayCluster | None:
    from netwright.studies.engines.ray_engine import RayCluster

    if engine == "ray":
        return RayCluster(address=address, cpus=threads or 1, gpus=gpus)
    if gpus or address != "auto":
        raise click.UsageError("--address and --gpus-per-worker are for --engine ray")
    return None


def _stopped(*_: object) -> None:
    """A worker that is told to end gives back its trial."""
    raise SystemExit(143)


def _goal(kind: str, measure: str, target: str | None) -> Goal:
    from netwright.studies import Goal
    from netwright.units import parse_amount, parse_bytes, parse_milliseconds

    read = {"latency": parse_milliseconds, "memory": parse_bytes, "inference_memory": parse_bytes}.get(measure, parse_amount)
    return Goal(kind=kind, measure=measure, target=float(read(target)) if target is not None else 0.0)  # type: ignore[arg-type]


def _list_samplers(as_json: bool) -> None:
    from netwright.studies.samplers import SAMPLERS

    if as_json:
        return print_json([{"name": name, "about": about} for name, about in SAMPLERS.items()])
    wide = max(map(len, SAMPLERS))
    return click.echo("\n".join(f"{name:{wide}}  {about}" for name, about in SAMPLERS.items()))


def _show(made: Study | Ranking, out: Path | None, as_json: bool) -> None:
    from netwright.studies import Study

    if as_json:
        return print_json(made.to_json())
    click.echo(str(made))
    if out is not None and not isinstance(made, Study):
        click.echo(f"open {out / 'report.html'}; the best triple: netwright scale NET --rule {out} --phi 3")
    elif out is not None:
        click.echo(f"open {out / 'report.html'}; the best design: netwright train {out} DATA -o RUN")
    return None
