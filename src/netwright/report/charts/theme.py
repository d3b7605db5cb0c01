"""One look for all charts: colours that colour-blind eyes tell apart, and two themes as plain Vega-Lite configurations.

A chart names what depends on the theme (`INK`, `PAPER`, `QUIET`, `FAINT`) and is otherwise the same; a theme says what these are.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any, Literal

import altair as alt

Rows = list[dict[str, Any]]
Chart = Any  # Altair's methods are typed too loosely to say more
Colour = Any  # a word that CSS knows, or one that the theme knows
Theme = Literal["light", "dark"]

WIDTH, HEIGHT = 520, 260  # px
BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito 2008: told apart by colour-blind eyes
INK, PAPER, QUIET, FAINT = (alt.ExprRef(name) for name in ("ink", "paper", "quiet", "grid"))
# Okabe and Ito's without its yellow; what stands for their black changes with the theme
COLOURS: tuple[Colour, ...] = (BLUE, ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", INK, "#AA4499")
DASHES = ([1, 0], [7, 2], [2, 2], [8, 2, 2, 2], [4, 4], [10, 3], [1, 0], [5, 2])
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down", "triangle-right", "triangle-left")
FONT = "sans-serif"


def config(ink: str, paper: str, quiet: str, grid: str) -> dict[str, Any]:
    """A theme: colours of text and marks, of the ground, of what stands back, and of grid lines."""
    named = {"ink": ink, "paper": paper, "quiet": quiet, "grid": grid}
    words = {"labelColor": ink, "titleColor": ink, "labelFontSize": 11, "titleFontSize": 12, "titleFontWeight": 500}
    return {
        "params": [{"name": name, "value": colour} for name, colour in named.items()],
        "background": paper,
        "font": FONT,
        "axis": words | {"gridColor": grid, "domainColor": quiet, "tickColor": quiet},
        "legend": words | {"symbolStrokeColor": quiet, "columnPadding": 26, "rowPadding": 4},  # browsers have wider letters
        "header": words,
        "title": {"color": ink, "subtitleColor": quiet, "fontSize": 13, "subtitleFontSize": 11},
        "view": {"stroke": grid},
        "text": {"color": ink, "fontSize": 11},
        "rule": {"color": quiet},
        "line": {"strokeCap": "round"},
    }


PALETTES: dict[Theme, dict[str, str]] = {
    "light": {"ink": "#222222", "paper": "#ffffff", "quiet": "#5f6670", "grid": "#e2e5e9"},
    "dark": {"ink": "#e8eaed", "paper": "#16181d", "quiet": "#a3a9b2", "grid": "#353a42"},
}
LIGHT, DARK = config(**PALETTES["light"]), config(**PALETTES["dark"])
THEMES: dict[Theme, dict[str, Any]] = {"light": LIGHT, "dark": DARK}


def themed(chart: Chart, theme: Theme | dict[str, Any] = "light") -> Chart:
    """The chart in a theme: "light", "dark", or a configuration made by `config`.

    >>> from netwright.report import charts
    >>> made = charts.schedule([{"epoch": 0.0, "lr": 0.1}, {"epoch": 1.0, "lr": 0.0}])
    >>> made.to_dict()["config"]["background"], charts.themed(made, "dark").to_dict()["config"]["background"]
    ('#ffffff', '#16181d')
    """
    made = chart.copy(deep=False)
    made.config = THEMES[theme] if isinstance(theme, str) else theme
    return made


def bare(chart: Chart) -> Chart:
    """The chart without a theme, as a part of another one."""
    made = chart.copy(deep=False)
    made.config = alt.Undefined
    return made


def spec(chart: Chart) -> dict[str, Any]:
    """The specification as JSON, without a theme: whoever draws it gives one of `THEMES` as the configuration."""
    plain: dict[str, Any] = bare(chart).to_dict()
    return {key: value for key, value in plain.items() if key != "config"}  # Altair's own


def csv_data(rows: Rows) -> Any:
    """Rows as inline CSV: Altair checks and copies every single value of a list, which takes seconds for a contour map."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["x", "y"], lineterminator="\n", extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    first = rows[0] if rows else {}
    kinds = {name: "string" if isinstance(value, str) else "number" for name, value in first.items() if value is not None}
    form = alt.CsvDataFormat(type="csv", parse=kinds or None)
    return alt.Data(values=text.getvalue(), format=form)  # type: ignore[no-untyped-call]


def values(rows: Rows) -> Any:
    """Rows as they are, for few of them and names of any kind."""
    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


def beside(*charts: Chart) -> Chart:
    """Charts in a row, each with its own scales."""
    return _together(alt.hconcat(*map(bare, charts), spacing=40))


def below(*charts: Chart) -> Chart:
    """Charts in a column, each with its own scales."""
    return _together(alt.vconcat(*map(bare, charts), spacing=36))


def _together(chart: Chart) -> Chart:
    return themed(chart.resolve_scale(color="independent", strokeDash="independent", shape="independent"))


def coloured(labels: Sequence[str]) -> alt.Scale:
    """A colour for each label, in turn."""
    return alt.Scale(domain=list(labels), range=[COLOURS[i % len(COLOURS)] for i in range(len(labels))])


def dashed(labels: Sequence[str]) -> alt.Scale:
    """Dashes for each label: lines are told apart without colour, too."""
    return alt.Scale(domain=list(labels), range=[list(DASHES[i % len(DASHES)]) for i in range(len(labels))])


def shaped(labels: Sequence[str]) -> alt.Scale:
    """A shape for each label."""
    return alt.Scale(domain=list(labels), range=[SHAPES[i % len(SHAPES)] for i in range(len(labels))])


# ---------------------------------------------------------------- units

_COUNTS = ((1e9, "billions"), (1e6, "millions"), (1e3, "thousands"))
_BYTES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))
# what a cost is called, and the names of its multiples
QUANTITIES: dict[str, tuple[str, tuple[tuple[float, str], ...]]] = {
    "macs": ("macs for one image", _COUNTS),
    "flops": ("flops for one image", _COUNTS),
    "params": ("params", _COUNTS),
    "acts": ("acts for one image", _COUNTS),
    "milliseconds": ("predicted time", ((1.0, "ms"),)),
    "latency": ("predicted latency for one image", ((1.0, "ms"),)),
    "memory": ("memory in training", _BYTES),
    "inference_memory": ("memory in inference", _BYTES),
    "saved_bytes": ("kept for the backward pass", _BYTES),
}


def in_unit(quantity: str, largest: float) -> tuple[float, str]:
    """What numbers of a quantity (counts, bytes, milliseconds) are divided by to be short, and their axis's title.

    >>> in_unit("macs", 30_000_000)
    (1000000.0, 'macs for one image (millions)')
    """
    told, units = QUANTITIES.get(quantity, (quantity, ()))
    for divisor, unit in units:
        if largest >= divisor or (divisor == 1.0):
            return divisor, f"{told} ({unit})"
    return 1.0, f"{told} (bytes)" if units is _BYTES else told
