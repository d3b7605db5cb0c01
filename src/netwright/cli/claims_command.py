"""`netwright claims`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from netwright.cli.arguments import FILE, option_json, option_seed, print_json
from netwright.errors import FailedError, NetwrightError

if TYPE_CHECKING:
    from netwright.claims import Claim, Result, Terms

_BOOK = Path("docs/claims")


@click.group("claims")
def command() -> None:
    """Every statement of the lecture notes as an experiment whose verdict is computed.

    \b
    Example: netwright claims list 'o*'
    Example: netwright claims run a16-grouped-convolution -o claims
    Example: netwright claims run --exact --quick --json
    """


def option_kinds(function: Any) -> Any:
    """--exact, --quick, --long."""
    for kind, told in (("long", "Minutes, on real pictures."), ("quick", "Seconds each."), ("exact", "Arithmetic.")):
        function = click.option(f"--{kind}", is_flag=True, help=told)(function)
    return function


@command.command("list")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@option_kinds
@click.option("-o", "--out", metavar="FOLDER", default=_BOOK, type=click.Path(path_type=Path), help="Where results were stored.")
@option_json
def list_claims(names: tuple[str, ...], exact: bool, quick: bool, long: bool, out: Path, as_json: bool) -> None:
    """The claims, with the verdict of the stored result where there is one (default: docs/claims).

    NAME is a claim's name, its id, or a pattern.

    \b
    Example: netwright claims list 'a*' --long
    """
    from netwright.claims import CLAIMS, find_claims
    from netwright.claims.book import read_entries

    chosen = find_claims(CLAIMS, names, _kinds(exact, quick, long))
    stored = {entry["name"]: entry for entry in read_entries(chosen, out)}
    if as_json:
        print_json([_listed(claim, stored.get(claim.name), out) for claim in chosen])
        return
    wide = max(len(claim.name) for claim in chosen)
    for claim in chosen:
        verdict = stored[claim.name]["verdict"] if claim.name in stored else "-"
        click.echo(f"{claim.name:{wide}}  {claim.kind:5}  {verdict:9}  {claim.statement}")


@command.command("run")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@option_kinds
@click.option("--data", type=FILE, metavar="DATA", help="The pictures of long claims: all that `netwright data info` reads.")
@click.option("--tiny", is_flag=True, help="Long claims in a minute or less, to see that they work: the result says nothing.")
@click.option("--work", metavar="FOLDER", type=click.Path(path_type=Path), help="Where long claims work, so that they can go on.")
@option_seed
@option_json
@click.option("-o", "--out", metavar="FOLDER", type=click.Path(path_type=Path), help="Store results, figures and pages here.")
def run_claims(
    names: tuple[str, ...],
    exact: bool,
    quick: bool,
    long: bool,
    data: str | None,
    tiny: bool,
    work: Path | None,
    seed: int,
    as_json: bool,
    out: Path | None,
) -> None:
    """Run claims: those named (a name, an id such as a16, a pattern such as 'o*'), those of a kind, or both at once.

    The exit code is 0 when all of them ran, whatever the verdicts, and 1 when an experiment crashed. With -o FOLDER the
    index is written to FOLDER.md.

    \b
    Example: netwright claims run o16 --data imagenette/ -o docs/claims
    """
    from netwright.claims import CLAIMS, Terms, find_claims
    from netwright.claims.book import write_index
    from netwright.progress import Progress

    kinds = _kinds(exact, quick, long)
    if not names and not kinds:
        raise click.UsageError("say which: names, --exact, --quick or --long (see netwright claims list)")
    if out is not None and out.exists() and not out.is_dir():
        raise NetwrightError(f"cannot write into {out}: it is not a folder")
    chosen = find_claims(CLAIMS, names, kinds)
    made, crashed = _run_all(chosen, Terms(seed, data, work, tiny, Progress()), out, as_json)
    if as_json:
        print_json(made)
    if out is not None:
        click.echo(f"index: {write_index(CLAIMS, out)}", err=True)
    if crashed:
        raise FailedError(f"{len(crashed)} of {len(chosen)} crashed: {'; '.join(crashed)}")


def _run_all(chosen: list[Claim], terms: Terms, out: Path | None, quiet: bool) -> tuple[list[dict[str, Any]], list[str]]:
    """Results as JSON, and what crashed with its error."""
    from netwright.claims import run_claim
    from netwright.claims.book import store

    made, crashed = [], []
    with terms.progress.bar("claims") as step:
        for number, claim in enumerate(chosen):
            step(number, len(chosen), claim.name)
            try:
                result = run_claim(claim, terms)
            except NetwrightError:
                raise
            except Exception as error:
                crashed.append(f"{claim.name} ({type(error).__name__}: {error})")
                continue
            figure = store(result, out) if out is not None else None
            made.append(result.to_json(str(figure) if figure else None))
            if not quiet:
                click.echo(_told(result))
        step(len(chosen), len(chosen), "")
    return made, crashed


def _told(result: Result) -> str:
    verdict = result.verdict
    return f"{result.claim.name}: {verdict.word} ({result.seconds:.1f} s)\n  {verdict.why}"


def _kinds(exact: bool, quick: bool, long: bool) -> list[str]:
    return [kind for kind, wanted in (("exact", exact), ("quick", quick), ("long", long)) if wanted]


def _listed(claim: Claim, entry: dict[str, Any] | None, folder: Path) -> dict[str, Any]:
    entry = entry or {}
    figure = entry.get("figure")
    return {
        "name": claim.name,
        "kind": claim.kind,
        "statement": claim.statement,
        "verdict": entry.get("verdict"),
        "evidence": entry.get("evidence", {}),
        "figure": str(folder / figure) if figure else None,
        "seconds": entry.get("seconds"),
    }
