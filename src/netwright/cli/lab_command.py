"""`netwright lab`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from netwright.cli.arguments import option_json, option_seed, print_json
from netwright.errors import NetwrightError, did_you_mean

FIGURES = "1.1 to 1.8, newton, map, basins, slice"


@click.command("lab")
@click.option("--figure", metavar="NAME", help=f"A figure: {FIGURES}.")
@click.option("--landscape", metavar="NAME", help="sphere, canyon, rotated-canyon, saddle, basins, rosenbrock, least-squares.")
@click.option("--optimizer", default="sgd,momentum,adam", show_default=True, metavar="NAMES", help="With commas between.")
@click.option("--condition", type=float, metavar="C", help="Condition number (canyon, least-squares).")
@click.option("--rotate", type=float, metavar="DEGREES", help="Turn the landscape about the origin.")
@click.option("--start", metavar="X,Y", help="Where to start; by default the landscape's own place.")
@click.option("--noise", type=float, default=0.0, metavar="S", help="Deviation of Gaussian noise in every gradient.")
@click.option("--batch", type=int, metavar="N", help="Batch size (least-squares, of 128 examples).")
@click.option("--budget", type=int, default=100, show_default=True, metavar="N", help="Evaluations of gradients, for each.")
@click.option("--set", "settings", multiple=True, metavar="NAME.KEY=VALUE", help="A setting, such as adam.lr=0.1; repeatable.")
@click.option("--tune/--no-tune", default=True, help="Find lr (and momentum) on a grid first, where not set.  [default: tune]")
@click.option("--form", type=click.Choice(("torch", "notes")), default="torch", show_default=True, help="Whose formulas.")
@option_seed
@option_json
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), help="The file: .svg, .png, .html, .json, .csv.")
@click.pass_context
def command(
    context: click.Context,
    figure: str | None,
    landscape: str | None,
    optimizer: str,
    condition: float | None,
    rotate: float | None,
    start: str | None,
    noise: float,
    batch: int | None,
    budget: int,
    settings: tuple[str, ...],
    tune: bool,
    form: str,
    seed: int,
    as_json: bool,
    out: Path | None,
) -> None:
    """Watch optimizers on landscapes of two parameters: the classes that train networks, in float64, with equal budgets.

    Alone it opens the page (netwright ui) in the lab. With options it makes a figure of the lecture notes or of the lab
    (--figure), or a race of optimizers on a landscape (--landscape). The budget counts evaluations: a gradient is one, a
    Hessian of k variables is k. Without -o a race prints its table.

    \b
    Example: netwright lab --figure 1.5 -o adagrad.svg
    Example: netwright lab --landscape canyon --optimizer adam,nesterov --rotate 30 -o race.html
    """
    if figure is not None and landscape is not None:
        raise click.UsageError(f"say either --figure NAME ({FIGURES}) or --landscape NAME")
    if figure is None and landscape is None:
        _refuse_others(context, (), f"goes with --landscape NAME; alone, netwright lab opens the page (figures: {FIGURES})")
        _open_page()
        return
    if out is not None and as_json:
        raise click.UsageError("choose one of -o and --json (-o race.json writes the same)")
    if figure is not None:
        _refuse_others(context, _OF_A_FIGURE, "goes with --landscape: a figure's settings are its own, in its caption")
        made: Any = _figure(figure, seed, out, as_json)
    else:
        assert landscape is not None
        controls = {"condition": condition, "rotate": rotate, "batch": batch}
        race = {"budget": budget, "seed": seed, "noise": noise, "tune": tune, "start": _start(start)}
        made = _race(landscape, controls, _settings(optimizer, settings, form), race, out)
    if as_json:
        print_json(made.to_json())
    elif out is not None:
        click.echo(f"{made.save(out)}: {made.title}")
        click.echo(made.caption)
    else:
        click.echo(str(made))


_OF_A_FIGURE = ("figure", "seed", "as_json", "out")


def _refuse_others(context: click.Context, allowed: tuple[str, ...], why: str) -> None:
    """Refuse options that mean nothing here."""
    source = click.core.ParameterSource.DEFAULT
    for parameter in context.command.params:
        if parameter.name and parameter.name not in allowed and context.get_parameter_source(parameter.name) != source:
            raise click.UsageError(f"{parameter.opts[0]} {why}")


def _open_page() -> None:
    from netwright.web.server import serve

    serve(Path(), room="lab", say=click.echo)


def _figure(name: str, seed: int, out: Path | None, as_json: bool) -> Any:
    from netwright.lab import figures
    from netwright.lab.picture import check_path
    from netwright.progress import Progress

    if name in figures.FIGURES and out is None and not as_json:
        raise click.UsageError(f"say where to draw figure {name} with -o FILE (.svg, .png, .html, .json, .csv), or --json")
    if out is not None:
        check_path(out)
    if name in figures.FIGURES:
        Progress().say(f"computing figure {name}: {figures.FIGURES[name][0]}")
    return figures.figure(name, seed)


def _race(
    name: str, controls: dict[str, float | None], settings: dict[str, dict[str, Any]], race: dict[str, Any], out: Path | None
) -> Any:
    from netwright import lab
    from netwright.lab.picture import check_path
    from netwright.progress import Progress

    if out is not None:
        check_path(out)
    place = lab.landscape(name, {key: value for key, value in controls.items() if value is not None})
    made = lab.race(place, list(settings), settings=settings, progress=Progress(), **race)
    return made if out is None else lab.race_figure(made)


def _start(text: str | None) -> tuple[float, ...] | None:
    if text is None:
        return None
    try:
        return tuple(float(part) for part in text.split(","))
    except ValueError:
        raise NetwrightError(f"--start is {text!r}, expected X,Y such as -4,1.5") from None


def _settings(optimizers: str, texts: tuple[str, ...], form: str) -> dict[str, dict[str, Any]]:
    """optimizer -> settings, of `--optimizer`, `--set` and `--form`."""
    from netwright.lab.methods import Method, read_setting

    names = list(dict.fromkeys(name.strip() for name in optimizers.split(",") if name.strip()))
    if not names:
        raise NetwrightError("--optimizer names no optimizer")
    settings: dict[str, dict[str, Any]] = {
        name: {"form": form} if form != "torch" and Method(name).takes("form") else {} for name in names
    }
    for text in texts:
        key, equals, value = text.partition("=")
        name, dot, setting = key.partition(".")
        if not (equals and dot and setting and value):
            raise NetwrightError(f"--set {text!r}: expected NAME.KEY=VALUE such as adam.lr=0.1")
        if name not in settings:
            raise NetwrightError(f"--set {text}: {name} does not run{did_you_mean(name, names)} (running: {', '.join(names)})")
        settings[name][setting] = read_setting(value)
    return settings
