"""`netwright report`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netwright.cli.arguments import NETWORK, option_image, option_json, option_profile, print_json, read_network, read_profile
from netwright.errors import NetwrightError

if TYPE_CHECKING:
    from netwright.measuring.bench_table import Bench
    from netwright.spaces.population import Population

RUN, STUDY, NET, FIGURES, BENCH = "run", "study", "net", "figures", "bench"


@click.command("report")
@click.argument("subjects", type=NETWORK, nargs=-1, required=True, metavar="RUN|STUDY|NET|BENCH...")
@click.option("--study", "names", multiple=True, metavar="NAME", help="A study of the storages; again for more.")
@click.option("--by", type=click.Choice(["macs", "params", "acts"]), help="Even out this complexity before errors are compared.")
@option_image
@click.option(
    "--batch", type=click.IntRange(1), default=1, show_default=True, help="Images at a time, for a NET's bytes and time."
)
@option_profile
@click.option("-o", "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="The page: an HTML file.")
@option_json
def command(
    subjects: tuple[str, ...],
    names: tuple[str, ...],
    by: str | None,
    image: int | None,
    batch: int,
    profile: str | None,
    out: Path | None,
    as_json: bool,
) -> None:
    """One HTML page to send on: of a run, of a study, of studies side by side, or of networks.

    RUN is the folder of a finished `train` or `design`, or the JSON of `eval`: what was asked and decided, how good the network
    is, where it errs. STUDY is a study's folder, a population's JSON file, or a database (with --study NAME): what was tried, the
    front, error distributions; several are compared with tests and verdicts. NET is what `netwright cost` takes: diagrams and
    costs, side by side; BENCH the JSON of `netwright bench`: what was measured, beside what was predicted. The page is one file
    without scripts that fetches nothing; every figure's numbers are in it as CSV.

    \b
    Example: netwright report photos-30M -o photos.html
    Example: netwright report study-a study-c --by macs -o spaces.html
    Example: netwright report resnet50 regnety_040 bench.json -o networks.html
    """
    kinds = [STUDY if names else kind_of(word) for word in subjects]
    kinds = [NET if kind == RUN and len(subjects) > 1 else kind for kind in kinds]
    if STUDY in kinds and set(kinds) != {STUDY}:
        other = subjects[next(i for i, kind in enumerate(kinds) if kind != STUDY)]
        raise NetwrightError(f"{other} is no study: report studies and networks on pages of their own")
    if FIGURES in kinds and len(subjects) > 1:
        raise NetwrightError("report one evaluation at a time")
    if kinds[0] == STUDY:
        _studies(subjects, names, by, out, as_json)
        return
    if out is None and not as_json:
        raise NetwrightError("say where the page is to be written with -o FILE")
    if NET in kinds or BENCH in kinds:
        files = [word for word, kind in zip(subjects, kinds, strict=True) if kind == BENCH]
        page, plain = _networks([word for word in subjects if word not in files], files, image, batch, profile)
    else:
        page, plain = (_run if kinds[0] == RUN else _figures)(subjects[0], out is not None)
    if out is not None:
        _write(out, page, as_json)
    if as_json:
        print_json(plain)


def kind_of(word: str) -> str:
    """What a word of the command line names; what is none of the others is taken for a network."""
    if "://" in word:
        return STUDY
    if word.endswith(".json"):
        return _kind_of_json(word)
    if not os.path.isdir(word):  # noqa: PTH112 (a name of any length may be asked about)
        return STUDY if os.path.exists(word) and not word.endswith(".py") and ":" not in word else NET  # noqa: PTH110
    result = Path(word) / "result.json"
    if result.exists():
        told = _read(result)
        return STUDY if "trials" in told else RUN
    return STUDY if (Path(word) / "work").is_dir() or not (Path(word) / "design.json").exists() else NET


def _kind_of_json(word: str) -> str:
    told = _read(Path(word))
    if "confusion" in told and "top1" in told:
        return FIGURES
    if "fastest" in told and "threads" in told:
        return BENCH
    return STUDY if "members" in told else NET


def _read(path: Path) -> dict[str, Any]:
    from netwright.files import read_json

    told = read_json(path)
    return told if isinstance(told, dict) else {}


def _write(out: Path, page: str, as_json: bool) -> None:
    from netwright.files import write_text

    write_text(out, page)
    click.echo(f"written to {out}", err=as_json)  # JSON stands alone


def _run(word: str, paged: bool) -> tuple[str, Any]:
    from netwright.training.reporting import run_report

    return run_report(word) if paged else "", _read(Path(word) / "result.json")


def _figures(word: str, paged: bool) -> tuple[str, Any]:
    """An evaluation's JSON, as `netwright eval` wrote it."""
    from netwright.report.pages import eval_page

    told = _read(Path(word))
    about = {"network": "a network", "data": word, "figures": f"read from {word}"}
    return eval_page(told, about, missing="a file of figures has no pictures") if paged else "", told


def _networks(words: list[str], files: list[str], image: int | None, batch: int, profile: str | None) -> tuple[str, Any]:
    from netwright.costing import cost
    from netwright.costing.comparing import compare
    from netwright.report.net_page import net_page

    benches = [_bench(file) for file in files]
    found = read_profile(profile, "fp32") if words else None
    made = [cost(read_network(word), image, name=word, batch=batch, by="block", profile=found) for word in words]
    compared = compare(*made) if made else None
    plain = compared.to_json() if compared is not None else {}
    return net_page(compared, benches), plain | ({"measured": [one.to_json() for one in benches]} if benches else {})


def _bench(word: str) -> Bench:
    """What `netwright bench --json` wrote."""
    from netwright.measuring.bench_table import Bench

    try:
        return Bench.from_json(_read(Path(word)))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        line = f"{word} is no measurement of netwright bench --json ({type(error).__name__}: {error})"
        raise NetwrightError(line) from None


def _studies(words: tuple[str, ...], names: tuple[str, ...], by: str | None, out: Path | None, as_json: bool) -> None:
    from netwright.report.population_page import population_page
    from netwright.spaces.comparing import compare_populations
    from netwright.spaces.population import check_names

    populations, pages = _read_studies(words, names)
    check_names(populations)
    compared = compare_populations(populations, by=by) if len(populations) > 1 else None
    if out is not None:
        several = len(populations) > 1 or not pages
        title = " against ".join(one.name for one in populations)
        _write(out, population_page(populations, by=by, title=title) if several else pages[0](), as_json)
    if as_json:
        made = {"populations": [one.to_json() for one in populations]}
        print_json(made | ({"compared": compared.to_json()} if compared else {}))
        return
    if out is None and compared is None:
        raise NetwrightError("give more than one study to compare, or a page to write with -o")
    for population in populations:
        click.echo(f"{population.name}: {population.told()}, least error {100 * population.errors.min():.2f} %")
    click.echo("\n".join(row.told() for row in compared.rows) if compared else "", nl=compared is not None)


def _read_studies(words: tuple[str, ...], names: tuple[str, ...]) -> tuple[list[Population], list[Any]]:
    """The populations, and for each study what makes its own page."""
    from functools import partial

    from netwright.spaces.population import read_population
    from netwright.studies import read_study
    from netwright.studies.searching import report

    populations, pages = [], []
    for word in words:
        if word.endswith(".json"):
            populations.append(read_population(word))
            continue
        for name in names or (None,):
            study = read_study(word, name)
            populations.append(study.population())
            pages.append(partial(report, study))
    return populations, pages
