"""`netwright report`."""

from __future__ import annotations

from pathlib import Path

import click

from netwright.cli.arguments import option_json, print_json
from netwright.errors import NetwrightError


@click.command("report")
@click.argument("studies", nargs=-1, required=True, metavar="STUDY...")
@click.option("--study", "names", multiple=True, metavar="NAME", help="A study of the storages; again for more.")
@click.option("--by", type=click.Choice(["macs", "params", "acts"]), help="Even out this complexity before errors are compared.")
@click.option("-o", "--out", metavar="FILE", type=click.Path(dir_okay=False, path_type=Path), help="The page: an HTML file.")
@option_json
def command(studies: tuple[str, ...], names: tuple[str, ...], by: str | None, out: Path | None, as_json: bool) -> None:
    """The designs of studies as populations: error distributions with bands, tests with verdicts, trends of each parameter.

    STUDY is a study's folder, a population's JSON file, or a database (with --study NAME). Trials that were stopped early or
    failed are counted and enter no statistic.

    \b
    Example: netwright report study-a study-c --by macs -o spaces.html
    """
    from netwright.files import write_text
    from netwright.report.population_page import population_page
    from netwright.spaces.comparing import compare_populations
    from netwright.spaces.population import Population, check_names, read_population
    from netwright.studies import read_study

    populations: list[Population] = []
    for word in studies:
        if word.endswith(".json"):
            populations.append(read_population(word))
        else:
            populations += [read_study(word, name).population() for name in names or (None,)]
    check_names(populations)
    if out is not None:
        write_text(out, population_page(populations, by=by, title=" against ".join(one.name for one in populations)))
    compared = compare_populations(populations, by=by) if len(populations) > 1 else None
    if as_json:
        made = {"populations": [one.to_json() for one in populations]}
        print_json(made | ({"compared": compared.to_json()} if compared else {}))
        return
    if out is None and compared is None:
        raise NetwrightError("give more than one study to compare, or a page to write with -o")
    for population in populations:
        click.echo(f"{population.name}: {population.told()}, least error {100 * population.errors.min():.2f} %")
    click.echo("\n".join(row.told() for row in compared.rows) if compared else "", nl=compared is not None)
    if out is not None:
        click.echo(f"written to {out}")
