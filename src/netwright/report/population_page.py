"""One page that shows populations side by side: their error distributions, tests with verdicts, and trends."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from netwright.errors import NetwrightError
from netwright.report.charts import (
    Rows,
    edf_chart,
    error_against_macs,
    inline,
    labels,
    told_fixed,
    trend_panels,
)
from netwright.report.html import download, figure, page, table
from netwright.spaces.comparing import UNDECIDED, Comparisons, compare_populations, mean_interval, told_p
from netwright.spaces.population import Population, check_names
from netwright.spaces.statistics import LEVEL, Errors, edf, edf_band, summary
from netwright.spaces.trends import best_intervals, trends
from netwright.units import counted

Interval = tuple[float, float] | None


def population_page(
    populations: Sequence[Population],
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    by: str | None = None,
    bins: int = 10,
    seed: int = 0,
    title: str = "Design spaces",
) -> str:
    """Populations side by side as one HTML file, without scripts: EDFs with bands, table, tests, error against macs, trends.

    `pairs`, `by`, `bins` and `seed` are those of `compare_populations`: with `by` complexities are evened out in the EDFs, the
    table and the tests; trends are of the designs as they are. A population without a complete member is listed and left out of
    all else. Raises NetwrightError where none has any, and what `compare_populations` raises.
    """
    return page(title, population_sections(populations, pairs=pairs, by=by, bins=bins, seed=seed))


def population_sections(
    populations: Sequence[Population],
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    by: str | None = None,
    bins: int = 10,
    seed: int = 0,
) -> list[str]:
    """The pieces of `population_page`. Raises NetwrightError where no population has a complete member."""
    if not populations:
        raise NetwrightError("there is no population to show: give at least one")
    some = [population for population in populations if population.complete]
    if not some:
        told = "; ".join(f"{population.name}: {population.told()}" for population in populations)
        raise NetwrightError(f"no population has a complete member ({told}): train more designs")
    check_names(some)
    compared = compare_populations(some, pairs=pairs, by=by, bins=bins, seed=seed) if len(some) > 1 else None
    normal = compared.normalization if compared else None
    errors = normal.errors if normal else tuple(Errors.of(population) for population in some)
    sections = [_lead(compared, some), _edfs(errors, compared, seed), _table(populations, errors, seed)]
    sections += [_tests(compared), _costs(some), _trends(some, seed), _notes(populations, compared)]
    return [section for section in sections if section]


def _percent(error: float) -> str:
    return f"{100 * error:.2f}"


def _points(value: float) -> str:
    return f"{100 * value:+.2f}"


def _interval(interval: Interval, sign: bool = False) -> str:
    if interval is None:
        return "-"
    low, high = ((_points if sign else _percent)(end) for end in interval)
    return f"{low} to {high}"


def _lead(compared: Comparisons | None, populations: Sequence[Population]) -> str:
    if compared is None:
        made = summary(Errors.of(populations[0]))
        told = f"{counted(made.n, 'design')} of {made.name}: errors from {_percent(made.least)} %, mean {_percent(made.mean)} %."
        return f'<p class="lead">{escape(told)}</p>'
    rows = "".join(f"<li>{escape(row.told())}.</li>" for row in compared.rows if row.verdict != UNDECIDED)
    undecided = sum(row.verdict == UNDECIDED for row in compared.rows)
    rest = f"<li>{undecided} of {len(compared.rows)} comparisons undecided.</li>" if undecided else ""
    return f"<ul>{rows}{rest}</ul>"


def _edfs(errors: Sequence[Errors], compared: Comparisons | None, seed: int) -> str:
    bands = [edf_band(one, seed=seed) if len(one.values) > 1 else None for one in errors]
    label = "Error distributions: " + "; ".join(f"{one.name} {summary(one).legend()}" for one in errors)
    caption = (
        "A curve further left and higher is a better space: more of its designs have a lower error. Bands hold each point "
        f"of a curve with {100 * LEVEL:g} % ({bands[0].times if bands[0] else 0:,} bootstrap resamples)."
    )
    if compared and compared.normalization:
        caption += f" Weighted for equal complexity: {compared.normalization.told()}."
    rows: Rows = [
        {"space": one.name, "error": error, "share": share}
        for one in errors
        for steps in (edf(one),)
        for error, share in zip(steps.errors.tolist(), steps.shares.tolist(), strict=True)
    ]
    drawn = figure(edf_chart(errors, bands), label, caption, rows, "error-distributions")
    return f"<h2>Error distributions</h2>{drawn}"


def _table(populations: Sequence[Population], errors: Sequence[Errors], seed: int) -> str:
    named = {one.name: one for one in errors}
    rows = []
    for population in populations:
        counts = population.counts
        if population.name in named:
            one = named[population.name]
            made = summary(one)
            interval = _interval(mean_interval(one, seed=seed))
            figures = [f"{made.n:,}", _percent(made.least), _percent(made.mean), interval, _percent(made.median)]
        else:
            figures = ["0", "-", "-", "-", "-"]
        rows.append([population.name, *figures, f"{counts['stopped early']:,}", f"{counts['failed']:,}"])
    head = ("space", "n", "min %", "mean %", "95 % interval", "median %", "stopped early", "failed")
    caption = "Errors of the n designs that were trained to the end; those stopped early and failed are in no statistic."
    return table(head, rows, caption)


def _tests(compared: Comparisons | None) -> str:
    if compared is None:
        return ""
    rows = [
        [
            row.first,
            row.second,
            row.verdict,
            _points(row.difference),
            _interval(row.interval, sign=True),
            told_p(row.p_holm),
            f"{_points(row.best_difference)} ({_interval(row.best_interval, sign=True)})",
            f"{100 * row.area:.2f}",
            f"{100 * row.ahead:.0f} %",
            f"{row.ks:.2f}",
            told_p(row.ks_p_holm),
        ]
        for row in compared.rows
    ]
    head = ("space", "against", "verdict", "mean", "95 % interval", "p", "best of some", "area", "ahead", "KS", "KS p")
    draws = ", ".join(dict.fromkeys(f"{row.draws:,}" for row in compared.rows))
    caption = (
        "Differences in points of error, the first space less the second: below 0 the first is better. The difference of the "
        "means is the signed area between the EDFs, and the verdict rests on its p. 'best of some': expected lowest error of "
        f"{draws} draws (a minimum falls with n; this does not). 'area' is without sign, 'ahead' the share of it in which the "
        "first space's EDF is higher. KS: whether the distributions differ at all."
    )
    how = f'<p class="note">{escape(compared.told())}.</p>'
    return f"<h2>Comparisons</h2>{table(head, rows, caption, kind='pairs')}{how}"


def _costs(populations: Sequence[Population]) -> str:
    rows: Rows = [
        {"space": one.name, "macs": member.macs, "params": member.params, "acts": member.acts, "error": member.error}
        for one in populations
        for member in one.complete
    ]
    label = f"Error against macs of {', '.join(labels([p.name for p in populations]))}: {counted(len(rows), 'design')}"
    caption = "Each mark is a design that was trained to the end."
    return f"<h2>Error against cost</h2>{figure(error_against_macs(populations), label, caption, rows, 'errors')}"


def _trends(populations: Sequence[Population], seed: int) -> str:
    errors = [float(end) for population in populations for end in (population.errors.min(), population.errors.max())]
    parts = [_trend(population, (min(errors), max(errors)), seed) for population in populations]
    caption = (
        "Error (%) over each parameter. Dots are designs; the orange line runs through medians of neighbours, bars are the "
        "medians' 95 % intervals. Green: where the best design of a quarter of them lies in 95 % of 10,000 draws (of words: "
        "the stronger, the more often). p after Holm's correction over the parameters."
    )
    note = f'<p class="note">{escape(caption)}</p>'
    return f"<h2>Trends</h2>{note}{''.join(parts)}" if any(parts) else ""


def _trend(population: Population, domain: tuple[float, float], seed: int) -> str:
    if not population.parameters:
        return ""
    having, found, best = population.complete, trends(population), best_intervals(population, seed=seed)
    fixed = told_fixed(found)
    same = f'<p class="note">The same in all designs: {escape(fixed)}.</p>' if fixed else ""
    panels = trend_panels(population, found, best, domain)
    # one picture each: they wrap on a narrow page
    drawn = "".join(inline(panel, f"Error over {name}: best {best[name].told()}") for name, panel in panels.items())
    rows = [[name, best[name].told(), f"{found[name].n:,}"] for name in panels]
    listed = table(("parameter", "best designs", "n"), rows, "Likely best values (2.5 to 97.5 %).", kind="words")
    folded = f"<details><summary>Best values as a table</summary>{listed}</details>"
    listing: Rows = [{**{name: member.parameters.get(name) for name in panels}, "error": member.error} for member in having]
    numbers = f'<p class="note">{download(listing, f"trends-{population.name}")}</p>'
    shown = f'<figure class="panels">{drawn}</figure>{numbers}{folded}' if panels else ""
    return f"<h3>{escape(population.name)}</h3>{shown}{same}"


def _notes(populations: Sequence[Population], compared: Comparisons | None) -> str:
    said = {population.name: population.about for population in populations if population.about}
    if not said:
        return ""
    lines = "".join(f"<li>{escape(name)}: {escape(about)}</li>" for name, about in said.items())
    alike = len({population.about for population in populations}) == 1
    warning = "" if alike else "<p><strong>They were not all trained alike: differences may be of the training.</strong></p>"
    return f"<h2>How they were trained</h2>{warning}<ul>{lines}</ul>"
