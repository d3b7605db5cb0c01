"""The chart layer: every chart in both themes, units on the axes, colours that can be told apart, numbers as they were given."""

from __future__ import annotations

import functools
import itertools
import json
import math
import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import netwright as nw
from netwright.costing.ceilings import reached, roof
from netwright.errors import NetwrightError
from netwright.report import charts
from netwright.report.charts import lab
from netwright.report.charts.plain import dots_chart
from netwright.report.charts.theme import COLOURS, PALETTES
from netwright.report.diagram.text import text_width
from netwright.spaces.statistics import Errors, edf_band
from netwright.spaces.trends import best_intervals, trends
from tests.test_population_page import drawn, population

WALKS = [lab.Path(name, name, [(1.0, 1.0), (0.5, 0.2), (0.0, 0.1)], [(1, 2.0), (2, 0.4)]) for name in ("sgd", "adam", "lamb")]


def plane() -> lab.Plane:
    xs = ys = np.linspace(-1.0, 1.0, 9)
    return lab.Plane(xs, ys, xs[None, :] ** 2 + 2 * ys[:, None] ** 2, [(0.0, 0.0)])


def candidates(n: int = 9) -> charts.Rows:
    return [
        {"number": i, "macs": 1_000_000 * (1 + i % 5), "latency": 1 + i % 3, "accuracy": 50 + 7 * (i % 4) + i, "winner": i == 3}
        for i in range(n)
    ]


def cells() -> tuple[charts.Rows, list[str]]:
    order = ["a<b>", "b", "c"]
    made = [{"class": a, "taken for": b, "pictures": 3, "share": 1 / 3} for a in order for b in order]
    return made, order


def epochs() -> charts.Rows:
    on = ("training pictures, augmented", "validation pictures")
    return [{"epoch": e, "accuracy": 90 - 40 / e, "measured on": name} for e in (1, 2, 3) for name in on]


def layers() -> charts.Rows:
    kinds = ("conv", "pointwise", "linear")
    return [{"name": f"l{i}", "kind": kinds[i % 3], "macs": 10 ** (5 + i), "bytes": 1e6, "seconds": 1e-3} for i in range(4)]


def edfs() -> Any:
    errors = [Errors.of(population("A", 12)), Errors.of(population("B", 9, 1))]
    return charts.edf_chart(errors, [edf_band(errors[0]), None])


def all_trends() -> Any:
    one = population(n=20)
    return charts.trends_chart(one, trends(one), best_intervals(one))


def basins() -> Any:
    some = [{"x": -1, "x2": 0, "y": -1, "y2": 1, "end": "left"}, {"x": 0, "x2": 1, "y": -1, "y2": 1, "end": "right"}]
    return charts.basin_map(plane(), some, {"left": "#8fc1e3", "right": charts.FAINT}, "sgd", True)


def steps() -> Any:
    some = [{"lr": 0.1 * i, "momentum": 0.5, "steps": (3, None, None)[i], "diverged": i == 2} for i in range(3)]
    edges = [{"lr": 0.2, "momentum": 0.0}, {"lr": 0.3, "momentum": 1.0}]
    marks = [{"lr": 0.1, "momentum": 0.5, "label": "fastest"}]
    return charts.steps_map(some, edges, marks, (0.1, 0.5), "")


def newton() -> Any:
    curve = [{"x": x / 4, "y": (x / 4) ** 2} for x in range(-4, 5)]
    fits = [{**row, "step": 0} for row in curve]
    return charts.newton_chart(
        curve, fits, [{"x": 1.0, "y": 1.0, "step": "0"}, {"x": 0, "y": 0, "step": "1"}], (-1, 1, 0, 1), "x²"
    )


MADE: dict[str, Callable[[], Any]] = {
    "cost_by_layer": lambda: charts.cost_by_layer([{"name": f"l{i}", "macs": i * 10**7} for i in range(5)]),
    "times": lambda: charts.cost_by_layer([{"name": "a", "milliseconds": 0.5}], "milliseconds", 2.0),
    "costs_beside": lambda: charts.costs_beside([{"network": n, "params": 5_000_000} for n in "ab"], "params"),
    "accuracy_against": lambda: charts.accuracy_against(candidates(), "macs", 4_000_000),
    "accuracy_latency": lambda: charts.accuracy_against(candidates(60), "latency"),
    "edf": edfs,
    "errors": lambda: charts.error_against_macs([population("A", 7), population("B", 5, 1)]),
    "trends": all_trends,
    "learning_curve": lambda: charts.learning_curve(epochs(), 80.0),
    "loss_curve": lambda: charts.loss_curve([{"epoch": e, "loss": 1 / e} for e in (1, 2)]),
    "trial_curves": lambda: charts.trial_curves(
        [{"trial": t, "epoch": e, "accuracy": 9.0 * e} for t in (1, 2) for e in (1, 2)], "1"
    ),
    "schedule": lambda: charts.schedule([{"epoch": e, "lr": 0.1 * e, "momentum": 0.9} for e in (0, 1, 2)]),
    "race": lambda: charts.race_chart(plane(), WALKS),
    "arrows": lambda: charts.arrows_chart(plane(), [lab.Arrow("step", (0, 0), (0.5, 0.5), charts.INK)]),
    "curves": lambda: charts.curves_chart([{"x": 0, "y": 1, "label": "a"}], "steps", "loss", {"a": charts.BLUE}),
    "basins": basins,
    "steps": steps,
    "newton": newton,
    "roofline": lambda: charts.roofline(layers(), charts.Roof(1e11, 1e10)),
    "predicted": lambda: charts.predicted_against_measured([{"name": "a", "predicted": 2.0, "measured": 1.8}]),
    "confusion": lambda: charts.confusion_matrix(*cells()),
    "reliability": lambda: charts.reliability(
        [{"low": 50 * i, "high": 50 * (i + 1), "pictures": 3, "confidence": 50 * i + 9, "accuracy": 50 * i + 5} for i in (0, 1)]
    ),
}


CHARTS = {name: functools.cache(make) for name, make in MADE.items()}  # charts are made once, and only read


@pytest.mark.parametrize("name", CHARTS)
def test_every_chart_is_drawn_in_both_themes(name: str) -> None:
    made = CHARTS[name]()
    pictures = {theme: charts.to_svg(made, name, theme) for theme in charts.THEMES}
    for theme, svg in pictures.items():
        root = ElementTree.fromstring(svg)
        assert root.attrib["role"] == "img"
        assert root.attrib["aria-label"] == name
        other = PALETTES["dark" if theme == "light" else "light"]
        assert PALETTES[theme]["ink"] in svg
        assert f'"{PALETTES[theme]["paper"]}"' in svg
        assert not [colour for colour in other.values() if colour in svg]
    shape = [re.sub(r"#[0-9a-f]{6}", "", svg) for svg in pictures.values()]
    assert shape[0] == shape[1]  # one specification: the themes differ in colours alone


@pytest.mark.parametrize("value", [2.298, 8.4, 0.0, -3.0])
def test_an_axis_with_one_value_has_numbers_that_are_true(value: float) -> None:
    svg = charts.to_svg(charts.loss_curve([{"epoch": 1, "loss": value}]), "loss")
    texts = [text.replace("\u2212", "-") for text in re.findall(r">([\d.\u2212]+)</text>", svg)]
    ticks = [float(text) for text in texts]
    assert min(ticks[1:]) < value < max(ticks[1:])  # the first is the epoch's


def _ends(element: ElementTree.Element, x: float = 0.0) -> Iterator[tuple[float, str]]:
    """Where texts begin whose end is fixed, if their letters are as wide as letters become."""
    moved = re.match(r"translate\((-?[\d.]+)", element.get("transform", ""))
    x += float(moved[1]) if moved else 0.0
    if element.get("text-anchor") == "end" and "rotate" not in element.get("transform", ""):
        yield x - text_width(element.text or "", 11), element.text or ""
    for inner in element:
        yield from _ends(inner, x)


@pytest.mark.parametrize("label", ["short", "residual: 56 less 20 layers", "shallow, 24 px: width 16 less 8 of the first"])
def test_long_labels_have_room_in_any_font(label: str) -> None:
    svg = ElementTree.fromstring(charts.to_svg(dots_chart([{"label": label, "x": x} for x in (1.0, 2.0)], "points"), "dots"))
    left, _, width, height = map(float, svg.attrib["viewBox"].split())
    assert (svg.attrib["width"], svg.attrib["height"]) == (f"{width:.0f}", f"{height:.0f}")
    begins = {text: x for x, text in _ends(svg)}
    assert begins[label] > left - 1


@pytest.mark.parametrize("name", CHARTS)
def test_a_page_says_the_colours_of_an_inline_chart(name: str) -> None:
    svg = charts.inline(CHARTS[name](), 'a "label" & <b>')
    root = ElementTree.fromstring(svg)
    assert root.attrib["aria-label"] == 'a "label" & <b>'
    assert "var(--chart-ink, #222222)" in svg
    assert "#01020" not in svg  # no stand-in is left
    for colour in [*PALETTES["light"].values(), *PALETTES["dark"].values()]:
        assert f'"{colour}"' not in svg
    names = set(re.findall(r"var\((--chart-\w+)", svg))
    assert names <= set(re.findall(r"--chart-\w+(?=:)", charts.STYLE))


def test_inline_charts_of_one_page_share_no_names() -> None:
    first, second = (charts.inline(charts.race_chart(plane(), WALKS[:n]), str(n)) for n in (1, 2))
    ids = [re.findall(r' id="([^"]+)"', svg) for svg in (first, second)]
    assert ids[0]
    assert not set(ids[0]) & set(ids[1])
    for svg, mine in ((first, ids[0]), (second, ids[1])):
        assert set(re.findall(r"url\(#([^)]+)\)", svg)) == set(mine)


# ---------------------------------------------------------------- axes

WITHOUT_UNIT = re.compile(
    r"epoch|learning rate|momentum|lr|w\d|x|f\(x\)|evaluations|steps|loss|loss above the lowest minimum|macs per byte moved"
    r"|share of designs with a lower error|depth|width|activation|rare"
)


def axes(part: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The channels x and y of a specification, wherever they are."""
    if isinstance(part, list):
        for one in part:
            yield from axes(one)
    elif isinstance(part, dict):
        for name, channel in part.get("encoding", {}).items():
            if name in ("x", "y") and "field" in channel:
                yield name, channel
        for one in part.values():
            yield from axes(one)


@pytest.mark.parametrize("name", CHARTS)
def test_every_axis_of_numbers_says_what_it_is_and_in_which_unit(name: str) -> None:
    found = list(axes(charts.spec(CHARTS[name]())))
    assert {side for side, _ in found} == {"x", "y"}
    titles = {side: {c.get("title") for s, c in found if s == side and c["type"] == "quantitative"} - {None} for side in "xy"}
    assert any(titles.values()) or name == "confusion"  # of classes alone
    for channel in (c for _, c in found if c["type"] == "quantitative"):
        title = channel.get("title")
        # a layer over another takes its axis
        assert title is not None or name in ("reliability",), channel
        assert title is None or re.search(r"\([^)]+\)$", title) or WITHOUT_UNIT.fullmatch(title), title


@pytest.mark.parametrize(
    ("quantity", "largest", "expected"),
    [
        ("macs", 4_089_184_256, (1e9, "macs for one image (billions)")),
        ("macs", 300_000, (1e3, "macs for one image (thousands)")),
        ("params", 12, (1.0, "params")),
        ("latency", 0.4, (1.0, "predicted latency for one image (ms)")),
        ("memory", 2_000_000, (1e6, "memory in training (MB)")),
        ("memory", 12, (1.0, "memory in training (bytes)")),
    ],
)
def test_units_fit_the_numbers(quantity: str, largest: float, expected: tuple[float, str]) -> None:
    assert charts.in_unit(quantity, largest) == expected


# ---------------------------------------------------------------- colours


def luminance(colour: str) -> float:
    """Relative luminance (WCAG 2.2)."""
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts]
    return sum(weight * p for weight, p in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("theme", charts.THEMES)
def test_words_and_marks_stand_out_from_their_ground(theme: charts.Theme) -> None:
    palette = PALETTES[theme]
    assert contrast(palette["ink"], palette["paper"]) >= 7
    assert contrast(palette["quiet"], palette["paper"]) >= 4.5
    for colour in [*COLOURS, *lab.COLOURS.values()]:
        if isinstance(colour, str):
            assert contrast(colour, palette["paper"]) >= 2, colour


def test_every_optimizer_has_a_colour_of_its_own() -> None:
    plain = [str(colour) for colour in lab.COLOURS.values()]
    assert len(set(plain)) == len(plain)
    assert set(nw.optim.OPTIMIZERS) <= set(lab.COLOURS) | {"nesterov"}


# ---------------------------------------------------------------- what is drawn


def test_the_front_is_what_nobody_betters() -> None:
    source = np.random.default_rng(2)
    rows = [{"accuracy": int(a), "macs": int(m)} for a, m in source.integers(0, 12, (60, 2))]

    def bettered(row: dict[str, Any]) -> bool:
        return any(other["accuracy"] >= row["accuracy"] and other["macs"] <= row["macs"] and other != row for other in rows)

    expected = {(row["macs"], row["accuracy"]) for row in rows if not bettered(row)}
    made = charts.front(rows, "macs")
    assert [(row["macs"], row["accuracy"]) for row in made] == sorted(expected)


def test_what_a_layer_costs_is_as_long_as_its_bar() -> None:
    cost = nw.cost("resnet18" and nw.network("resnet18"), image=64, by="block")
    rows = [{"name": line.name, "macs": line.macs} for line in cost.lines]
    made = charts.spec(charts.cost_by_layer(rows))
    shown = {row["name"]: row["value"] for row in made["data"]["values"]}
    assert shown == {line.name: pytest.approx(line.macs / 1e6) for line in cost.lines if line.macs}
    assert made["encoding"]["y"]["sort"] == [line.name for line in cost.lines if line.macs]


def test_a_machine_that_keeps_to_a_roof_is_drawn_on_it() -> None:
    from tests.test_latency import Law

    law = Law(overhead=0.0, macs=5e10, moved=1e10)
    profile = law.profile()
    macs, moved = roof(profile)
    assert macs == pytest.approx(5e10, rel=0.05)
    assert moved == pytest.approx(1e10, rel=0.05)
    cost = nw.cost(nw.network("resnet18"), image=64, profile=profile)
    rows = reached(cost.flat.rows, profile)
    assert sum(row["macs"] for row in rows) == cost.macs
    by_name = {line.name: line.milliseconds for line in cost.lines}
    assert [row["seconds"] for row in rows] == pytest.approx([by_name[row["name"]] / 1e3 for row in rows])
    points = next(part for part in drawn(charts.roofline(rows, charts.Roof(5e10, 1e10))) if "intensity" in part[0])
    for row, point in zip(rows, points, strict=True):
        assert float(point["intensity"]) == pytest.approx(row["macs"] / row["bytes"])
        assert float(point["reached"]) == pytest.approx(row["macs"] / row["seconds"] / 1e9)
    assert np.median([float(point["share"]) for point in points]) == pytest.approx(1, abs=0.1)


def test_a_roof_bends_where_memory_no_longer_limits() -> None:
    made = charts.spec(charts.roofline(layers(), charts.Roof(1e11, 2e10)))
    ends = made["layer"][0]["data"]["values"]
    assert ends[1] == {"intensity": pytest.approx(5), "reached": pytest.approx(100)}
    assert ends[0]["reached"] == pytest.approx(20 * ends[0]["intensity"])
    assert ends[2]["reached"] == pytest.approx(100)


# ---------------------------------------------------------------- who shows them


def test_a_specification_is_json_without_a_theme() -> None:
    made = charts.schedule([{"epoch": e, "lr": 0.1} for e in (0, 1)])
    plain = json.loads(json.dumps(charts.spec(made)))
    assert "config" not in plain
    assert json.loads(json.dumps(charts.THEMES)) == charts.THEMES
    names = [{param["name"] for param in theme["params"]} for theme in charts.THEMES.values()]
    assert names[0] == names[1]
    for theme, chart in (("dark", charts.themed(made, "dark")), ("light", made)):  # the chart is as it was
        config = chart.to_dict()["config"]
        assert {key: value for key, value in config.items() if key != "view"} == {
            key: value for key, value in charts.THEMES[theme].items() if key != "view"
        }


def test_a_notebook_shows_a_chart() -> None:
    bundle = charts.loss_curve([{"epoch": e, "loss": 1 / e} for e in (1, 2)])._repr_mimebundle_()
    assert any("loss" in str(value) for value in itertools.chain(bundle.values() if isinstance(bundle, dict) else bundle))


def test_files_are_written_whole_or_refused(tmp_path: Path) -> None:
    made = CHARTS["loss_curve"]()
    assert charts.save(made, tmp_path / "a.png", "loss", "dark").read_bytes()[:4] == b"\x89PNG"
    assert PALETTES["dark"]["paper"] in charts.save(made, tmp_path / "a.svg", "loss", "dark").read_text()
    with pytest.raises(NetwrightError, match=r"end it with \.svg or \.png"):
        charts.save(made, tmp_path / "a.gif")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.png", "a.svg"]


def test_numbers_that_are_none_are_drawn_as_nothing() -> None:
    made = charts.cost_by_layer([{"name": "a", "macs": 0}])
    assert charts.spec(made)["data"]["values"] == []
    assert "<svg" in charts.to_svg(made, "nothing")
    assert math.isclose(charts.in_unit("macs", 0)[0], 1)
