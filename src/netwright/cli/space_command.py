"""`netwright space`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwright.cli.arguments import SPACE, option_channels, option_image, option_json, option_seed, print_json
from netwright.errors import NetwrightError

if TYPE_CHECKING:
    from netwright.spaces import Sample, Space


@click.command("space")
@click.argument("name", type=SPACE, required=False)
@option_image
@option_channels
@click.option("--classes", type=click.IntRange(1), metavar="N", help="Of the classifier, where the space leaves that open.")
@click.option("--fix", "fixed", multiple=True, metavar="NAME=VALUE", help="Fix a choice, such as depth=16; again for more.")
@click.option("--share", "shared", multiple=True, metavar="NAME", help="One value for NAME_1, NAME_2, ...; again for more.")
@click.option("--sample", "n", type=click.IntRange(1), metavar="N", help="Draw N different networks within the limits.")
@click.option("--max-macs", metavar="M", help="At most so many macs for one image, such as 400M or 0.4GF.")
@click.option("--min-macs", metavar="M", help="At least so many.")
@click.option("--max-params", metavar="P", help="At most so many params, such as 5M.")
@click.option("--min-params", metavar="P", help="At least so many.")
@click.option("--max-acts", metavar="A", help="At most so many acts (outputs of convolutions and linear layers).")
@click.option("--min-acts", metavar="A", help="At least so many.")
@click.option("--draws", type=click.IntRange(1), default=200, show_default=True, help="That test the space.")
@click.option(
    "--workers", type=click.IntRange(1), default=1, show_default=True, help="Processes; they change nothing but the time."
)
@option_seed
@option_json
@click.option("-o", "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="Write the designs as JSON.")
def command(
    name: str | None,
    image: int | None,
    channels: int,
    classes: int | None,
    fixed: tuple[str, ...],
    shared: tuple[str, ...],
    n: int | None,
    draws: int,
    workers: int,
    seed: int,
    as_json: bool,
    out: Path | None,
    max_macs: str | None,
    min_macs: str | None,
    max_params: str | None,
    min_params: str | None,
    max_acts: str | None,
    min_acts: str | None,
) -> None:
    """Test a design space, describe its choices, and draw networks from it under a budget.

    NAME is a named space (without one they are listed), or file.py:name for a function space(pick) -> design of your own.

    \b
    Example: netwright space regnetx --sample 500 --min-macs 360M --max-macs 400M -o designs.json
             netwright space mine.py:narrow --image 32 --fix depth=12 --share width
    """
    from netwright.progress import Progress
    from netwright.spaces import check_space

    if name is None:
        _list(as_json)
        return
    space = _read(name, image, classes, fixed, shared)
    limits = {"macs": (min_macs, max_macs), "params": (min_params, max_params), "acts": (min_acts, max_acts)}
    if n is None and (out is not None or any(limit != (None, None) for limit in limits.values())):
        raise click.UsageError("limits and -o are for a sample: give --sample N too")
    report = check_space(space, draws, image=image, channels=channels, seed=seed)
    if not report.ok:
        if as_json:
            print_json(report.to_json())
        raise NetwrightError("; ".join(report.problems))
    if n is None:
        print_json(report.to_json()) if as_json else click.echo(str(report))
        return
    drawn = space.sample(
        n,
        macs=limits["macs"],
        params=limits["params"],
        acts=limits["acts"],
        image=image,
        channels=channels,
        seed=seed,
        workers=workers,
        progress=Progress(),
    )
    made = {"space": space.name, "image": image, "channels": channels, "seed": seed, "limits": limits, **drawn.to_json()}
    if out is not None:
        from netwright.files import write_json

        write_json(out, made)
    if as_json:
        print_json(made)
    elif out is not None:
        click.echo(f"{drawn}\nwritten to {out}")
    else:
        click.echo(_table(drawn))


def _list(as_json: bool) -> None:
    from netwright.spaces.named import ABOUT

    if as_json:
        print_json([{"name": name, "about": about} for name, about in ABOUT.items()])
        return
    wide = max(map(len, ABOUT))
    for name, about in ABOUT.items():
        click.echo(f"{name:{wide}}  {about}")


def _read(name: str, image: int | None, classes: int | None, fixed: tuple[str, ...], shared: tuple[str, ...]) -> Space:
    """The space that the words mean."""
    from netwright.spaces import space as space_of

    space = space_of(name)
    if image is not None or classes is not None:
        space = space.at(image, classes)
    if fixed:
        space = space.fixed(**dict(map(_rule, fixed)))
    return space.shared(*shared) if shared else space


def _rule(text: str) -> tuple[str, int | float | str | bool]:
    name, equals, value = text.partition("=")
    if not (name and equals and value):
        raise click.UsageError(f"--fix {text}: write NAME=VALUE, such as depth=16")
    if value.lower() in ("true", "false"):
        return name, value.lower() == "true"
    for kind in (int, float):
        try:
            return name, kind(value)
        except ValueError:
            continue
    return name, value


def _table(drawn: Sample) -> str:
    lines = [f"{'params':>14}  {'macs':>16}  {'acts':>12}  choices"]
    for cost, chosen in zip(drawn.costs, drawn.chosen, strict=True):
        params, macs, acts = cost
        lines.append(f"{params:>14,}  {macs:>16,}  {acts:>12,}  {' '.join(f'{key}={value}' for key, value in chosen.items())}")
    return "\n".join([*lines, "", str(drawn)])
