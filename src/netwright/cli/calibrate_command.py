"""`netwright calibrate`."""

from __future__ import annotations

import contextlib
from pathlib import Path

import click

from netwright.cli.arguments import option_json, print_json
from netwright.costing.latency import EAGER, RUNTIMES


@click.command("calibrate")
@click.option("--threads", type=click.IntRange(1, 1024), metavar="N", help="Of the processor; by default as torch chooses.")
@click.option("--device", default="cpu", show_default=True, metavar="D", help="cpu or cuda.")
@click.option("--runtime", type=click.Choice(RUNTIMES), default=EAGER, show_default=True, help="What computes the layers.")
@click.option(
    "--seconds",
    type=click.FloatRange(0, 3600, min_open=True, max_open=True),
    default=120.0,
    show_default=True,
    help="To measure, about; three rounds at least, which take half a minute.",
)
@click.option("--name", metavar="NAME", help="What to call the profile; by default by processor, threads and runtime.")
@click.option("-o", "--out", metavar="FILE", type=click.Path(path_type=Path), help="Also write the profile (or the script) here.")
@click.option("--import", "bring", metavar="FILE", type=click.Path(path_type=Path), help="Keep a profile measured elsewhere.")
@click.option("--list", "listing", is_flag=True, help="The profiles that are kept.")
@click.option("--script", is_flag=True, help="Write a program that measures a device which has ONNX Runtime and NumPy only.")
@option_json
def command(
    threads: int | None,
    device: str,
    runtime: str,
    seconds: float,
    name: str | None,
    out: Path | None,
    bring: Path | None,
    listing: bool,
    script: bool,
    as_json: bool,
) -> None:
    """Measure this machine once; `netwright cost` then predicts milliseconds for it.

    \b
    Example: netwright calibrate                               this machine, two minutes: close other programs
             netwright calibrate --script -o measure.py        a program to run on another device ...
             netwright calibrate --import profile.json --name phone          ... whose result is brought back
    """
    if sum((bring is not None, listing, script)) > 1:
        raise click.UsageError("choose one of --import, --list and --script")
    if script:
        _write_script(out or Path("calibrate_device.py"))
    elif listing:
        _list(as_json)
    elif bring is not None:
        _bring(bring, name)
    else:
        _calibrate((threads, device, runtime, seconds, name), out, as_json)


def _calibrate(how: tuple[int | None, str, str, float, str | None], out: Path | None, as_json: bool) -> None:
    from netwright.costing.ceilings import ceilings
    from netwright.costing.profiles import check_name, save, to_json
    from netwright.files import write_json, writing
    from netwright.progress import Progress

    threads, device, runtime, seconds, name = how
    if name is not None:
        check_name(name)
    from netwright.measuring.calibrate import calibrate

    with contextlib.ExitStack() as stack:
        copy = None if out is None else stack.enter_context(writing(out))  # a path that cannot be written is told now
        profile = calibrate(
            threads=threads, device=device, runtime=runtime, seconds=seconds, name=name or "", progress=Progress()
        )
        kept = save(profile)
        if copy is not None:
            write_json(copy, to_json(profile))
    if as_json:
        print_json(to_json(profile))
    else:
        click.echo(f"{ceilings(profile)}\n\nkept as {profile.name} in {kept.parent}")


def _bring(file: Path, name: str | None) -> None:
    from netwright.costing.profiles import bring, check_name

    if name is not None:
        check_name(name)
    made = bring(file, name)
    click.echo(f"kept: {made}; use it with netwright cost NET --profile {made.name}")


def _list(as_json: bool) -> None:
    from netwright.costing.kept import folder, kept
    from netwright.costing.profiles import listed

    rows = listed()
    if as_json:
        print_json(rows)
    elif not kept():
        click.echo(f"no profiles in {folder()}: netwright calibrate makes one")
    else:
        for row in rows:
            click.echo(f"{row['name']}  {row['about']}")


def _write_script(path: Path) -> None:
    from netwright.measuring.onnx_probes import write_script

    write_script(path)
    click.echo(
        f"{path}: run it on the device with Python, ONNX Runtime and NumPy, then netwright calibrate --import profile.json"
    )
