"""Plain charts, as the claims book draws them: bars, curves, intervals, dots."""

from __future__ import annotations

import altair as alt

from netwright.report.charts.theme import BLUE, HEIGHT, QUIET, WIDTH, Chart, Rows, coloured, csv_data, dashed, themed


def bars_chart(rows: Rows, y_title: str, x_title: str | None = None) -> Chart:
    """Bars in the order of the rows: each has `x` (a word), `y`, and optionally `label`, which gives groups their colours."""
    x = alt.X("x:N", title=x_title, sort=[str(row["x"]) for row in rows], axis=alt.Axis(labelAngle=0, labelLimit=160))
    y = alt.Y("y:Q", title=y_title)
    chart = alt.Chart(csv_data([{**row, "x": str(row["x"])} for row in rows]))
    if "label" not in rows[0]:
        return themed(chart.mark_bar(color=BLUE).encode(x=x, y=y).properties(width=WIDTH, height=HEIGHT))
    labels = list(dict.fromkeys(row["label"] for row in rows))
    groups = alt.XOffset("label:N", sort=labels)
    made = chart.mark_bar().encode(x=x, y=y, color=_colour(labels), xOffset=groups)
    return themed(made.properties(width=WIDTH, height=HEIGHT))


def lines_chart(rows: Rows, x_title: str, y_title: str, *, log: bool = False, log_y: bool = False) -> Chart:
    """Curves with a dot at each row of `x`, `y`, `label`; `log` is of both axes, `log_y` of one."""
    labels = list(dict.fromkeys(row["label"] for row in rows))
    across, upwards = (alt.Scale(type="log" if one else "linear") for one in (log, log or log_y))
    base = alt.Chart(csv_data(rows)).mark_line(point=True, strokeWidth=2)
    dash = alt.StrokeDash("label:N", scale=dashed(labels), legend=None)
    x, y = alt.X("x:Q", title=x_title, scale=across), alt.Y("y:Q", title=y_title, scale=upwards)
    return themed(base.encode(x=x, y=y, color=_colour(labels), strokeDash=dash).properties(width=WIDTH, height=HEIGHT))


def intervals_chart(rows: Rows, x_title: str, *, at: float | None = None) -> Chart:
    """Values with their intervals, one below the other: rows of `label`, `x`, `low`, `high`; a dashed line stands `at`."""
    y = alt.Y("label:N", title=None, sort=[row["label"] for row in rows], axis=alt.Axis(labelLimit=320))
    x = alt.X("low:Q", title=x_title, scale=alt.Scale(zero=False))
    base = alt.Chart(csv_data(rows))
    lines = base.mark_rule(strokeWidth=2.5, color=BLUE).encode(x=x, x2="high:Q", y=y)
    dots = base.mark_circle(size=90, color=BLUE, opacity=1).encode(x="x:Q", y=y)
    layers = [lines, dots]
    if at is not None:
        rule = alt.Chart(csv_data([{"low": at}])).mark_rule(strokeDash=[5, 4], color=QUIET)
        layers.insert(0, rule.encode(x=x))
    return themed(alt.layer(*layers).properties(width=WIDTH, height=max(60, 34 * len(rows))))


def dots_chart(rows: Rows, x_title: str) -> Chart:
    """Single values, one line of dots for each label: rows of `label`, `x`."""
    order = list(dict.fromkeys(row["label"] for row in rows))
    y = alt.Y("label:N", title=None, sort=order, axis=alt.Axis(labelLimit=320))
    dots = alt.Chart(csv_data(rows)).mark_circle(size=80, color=BLUE, opacity=0.7)
    x = alt.X("x:Q", title=x_title, scale=alt.Scale(zero=False))
    return themed(dots.encode(x=x, y=y).properties(width=WIDTH, height=max(80, 40 * len(order))))


def _colour(labels: list[str]) -> alt.Color:
    return alt.Color("label:N", scale=coloured(labels), legend=alt.Legend(orient="bottom", title=None, labelLimit=400, columns=3))
