"""The page and the charts of populations: what they draw is what the statistics say; nothing fetched, nothing unescaped."""

from __future__ import annotations

import csv
import io
import itertools
import re
from html import escape
from typing import Any

import numpy as np
import pytest

from netwright.errors import NetwrightError
from netwright.report.charts import (
    MOST_DOTS,
    edf_chart,
    error_against_macs,
    labels,
    short_name,
    to_png,
    to_svg,
    trend_panels,
    trends_chart,
)
from netwright.report.population_page import population_page
from netwright.spaces.comparing import compare_populations
from netwright.spaces.population import Member, Population
from netwright.spaces.statistics import Errors, edf, edf_band
from netwright.spaces.trends import best_intervals, trends


def population(name: str = "A", n: int = 30, seed: int = 0, shift: float = 0.0, about: str = "") -> Population:
    source = np.random.default_rng(seed)
    members = []
    for number in range(n):
        parameters = {
            "depth": int(source.integers(12, 29)),
            "width": float(np.exp(source.uniform(2, 6))),
            "activation": ["relu", "silu"][int(source.integers(2))],
            "stem": 32,
        }
        if number % 4 == 0:
            parameters["rare"] = True
        error = 0.3 + shift + 0.05 * float(source.gamma(2, 0.4))
        members.append(Member(parameters, error, int(source.integers(360e6, 400e6)), 10, 10))
    return Population(name, tuple(members), about)


def drawn(chart: Any) -> list[list[dict[str, Any]]]:
    """The rows of every layer of a chart."""
    plain = chart.to_dict()
    found = []

    def visit(part: Any) -> None:
        if isinstance(part, dict):
            values = part.get("values")
            if isinstance(values, str):
                found.append(list(csv.DictReader(io.StringIO(values))))
            for value in part.values():
                visit(value)
        elif isinstance(part, list):
            for value in part:
                visit(value)

    visit(plain)
    return found


def test_the_edf_drawn_is_the_edf() -> None:
    errors = [Errors.of(population("A", 20)), Errors.of(population("B", 9, 1))]
    chart = edf_chart(errors, [edf_band(errors[0]), None])
    lines = next(rows for rows in drawn(chart) if "share" in rows[0])
    for one, label in zip(errors, ("A: 20 | ", "B: 9 | "), strict=True):
        mine = [row for row in lines if row["label"].startswith(label)]
        for row, after in itertools.pairwise(mine):  # a step holds until the next
            middle = (float(row["error"]) + float(after["error"])) / 200
            assert float(row["share"]) == pytest.approx(float(np.mean(one.values < middle)))
        assert float(mine[-1]["share"]) == 1
    bands = [rows for rows in drawn(chart) if "low" in rows[0]]
    assert len(bands) == 1
    assert [float(row["low"]) for row in bands[0][1:-1]] == pytest.approx(edf_band(errors[0]).low.tolist())


def test_one_legend_names_every_population() -> None:
    errors = [Errors.of(population(name, 12, i)) for i, name in enumerate(("A", "B", "C"))]
    svg = to_svg(edf_chart(errors, [edf_band(one) for one in errors]), "x")
    for one in errors:
        label = f"{one.name}: 12 | {100 * one.values.min():.1f} | {100 * one.values.mean():.1f}"
        assert len(re.findall(f">{re.escape(label)}<", svg)) == 1


def test_every_design_is_a_mark_over_its_macs() -> None:
    people = [population("A", 7), population("B", 5, 1)]
    rows = drawn(error_against_macs(people))[0]
    assert [(row["label"], float(row["macs"]) * 1e6, float(row["error"])) for row in rows] == [
        (one.name, pytest.approx(member.macs), pytest.approx(100 * (member.error or 0)))
        for one in people
        for member in one.complete
    ]


def test_a_panel_for_each_parameter_that_varies() -> None:
    one = population(n=40)
    found, best = trends(one), best_intervals(one)
    panels = trend_panels(one, found, best)
    assert list(panels) == ["depth", "width", "activation"]
    rows = drawn(panels["depth"])
    assert [(int(row["x"]), float(row["error"])) for row in max(rows, key=len)] == [
        (member.parameters["depth"], pytest.approx(100 * (member.error or 0))) for member in one.complete
    ]
    medians = next(part for part in rows if len(part) == len(found["depth"].groups))
    assert [float(row["error"]) for row in medians] == pytest.approx([100 * g.quartiles[1] for g in found["depth"].groups])
    whole = trends_chart(one, found, best)
    assert whole is not None
    assert to_png(to_svg(whole, "x"))[:4] == b"\x89PNG"


def test_no_panel_holds_more_dots_than_can_be_seen() -> None:
    one = population(n=MOST_DOTS + 50)
    panel = trend_panels(one, trends(one), best_intervals(one))["depth"]
    assert max(map(len, drawn(panel))) == MOST_DOTS


def test_nothing_varies() -> None:
    one = Population("A", tuple(Member({"stem": 32}, 0.3, 5, 5, 5) for _ in range(4)))
    assert trends_chart(one, trends(one), best_intervals(one)) is None
    page = population_page([one])
    assert "The same in all designs: stem 32." in page


@pytest.mark.parametrize("name", ["a" * 200, "x & <b>", 'it\'s \\ "odd"', "π | 5"])
def test_odd_words_are_drawn(name: str) -> None:
    people = [
        Population(name, tuple(Member({name: f"{name} {i % 3}", "n": i}, 0.3 + i / 100, 10 + i, 5, 5) for i in range(9))),
        population("B", 9),
    ]
    page = population_page(people)
    assert page.count("<svg") == 2 + 2 + 3
    assert "<b>" not in page
    assert "<script" not in page


def test_names_that_are_shortened_still_differ() -> None:
    long = "a space with a very long name " * 4
    made = labels([long + "1", long + "2" + long, long + "3" + long])
    assert len(set(made)) == 3
    assert all(len(label) < 50 for label in made)
    assert short_name("short") == "short"


def test_the_page_says_what_the_statistics_say() -> None:
    people = [population("low", 40, 0), population("high", 40, 1, 0.1), population("level", 40, 2, 0.1)]
    page = population_page(people, by="macs", bins=4)
    compared = compare_populations(people, by="macs", bins=4)
    assert escape(compared.rows[0].told()) in page
    assert "low is better than high" in page
    assert "1 of 3 comparisons undecided" in page
    assert escape(compared.told()) in page
    for row in compared.rows:
        assert f"<td>{row.first}</td><td>{row.second}</td><td>{row.verdict}</td><td>{100 * row.difference:+.2f}</td>" in page
    assert compared.normalization is not None
    for one in compared.normalization.errors:
        made = edf(one)
        assert f"<td>{one.name}</td><td>40</td><td>{100 * made.errors[0]:.2f}</td><td>{100 * one.mean:.2f}</td>" in page
    assert "http" not in re.sub(r'xmlns(:xlink)?="[^"]*"|http-equiv', "", page)


def test_those_that_do_not_count_are_counted() -> None:
    some = Population(
        "A", (*population(n=10).members, Member({}, 0.1, 1, 1, 1, "stopped early"), Member({}, None, 1, 1, 1, "failed"))
    )
    none = Population("nobody", (Member({}, None, 1, 1, 1, "failed"),) * 3)
    page = population_page([some, none])
    assert "<td>nobody</td><td>0</td><td>-</td><td>-</td><td>-</td><td>-</td><td>0</td><td>3</td>" in page
    assert re.search(r"<td>A</td><td>10</td>.*?<td>1</td><td>1</td></tr>", page)
    with pytest.raises(NetwrightError, match="nobody: 0 complete; in no statistic: 3 failed"):
        population_page([none])
    with pytest.raises(NetwrightError, match="at least one"):
        population_page([])
    with pytest.raises(NetwrightError, match="2 populations are called 'A'"):
        population_page([some, some])


def test_populations_that_were_trained_apart_are_pointed_out() -> None:
    alike = [population(name, 6, about="5 epochs") for name in "AB"]
    assert "not all trained alike" not in population_page(alike)
    apart = [population("A", 6, about="5 epochs"), population("B", 6, about="9 epochs")]
    assert "not all trained alike" in population_page(apart)


@pytest.mark.parametrize("n", [1, 2, 5])
def test_few_designs_make_a_page(n: int) -> None:
    page = population_page([population("A", n), population("B", n, 1)])
    assert "undecided" in page
    assert "nan" not in page.lower().replace("nant", "")


def test_equal_errors_make_a_page() -> None:
    people = [
        Population(name, tuple(Member({"x": i, "w": str(i % 2)}, error, 5, 5, 5) for i in range(12)))
        for name, error in (("A", 0.4), ("B", 0.4), ("zero", 0.0), ("one", 1.0))
    ]
    page = population_page(people)
    assert "no test" in page
    assert "A against B is undecided" not in page  # told as a number of comparisons
    assert "zero" in page


def test_the_page_is_the_same_twice() -> None:
    people = [population("A", 12), population("B", 12, 1)]
    pages = [re.sub(r"clip\d+", "clip", population_page(people)) for _ in range(2)]  # Vega numbers its clips on and on
    assert pages[0] == pages[1]


def test_pictures_of_one_page_share_no_names() -> None:
    page = population_page([population("A", 12), population("B", 12, 1)])
    made = re.findall(r'\bid="([^"]+)"', page)
    assert len(made) == len(set(made))
