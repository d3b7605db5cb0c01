"""The chart layer: one specification, drawn as SVG without a browser or a network."""

from __future__ import annotations

import csv
import io
import re
from typing import Any

import altair as alt
import vl_convert

BLUE, ORANGE, GREEN = "#0072B2", "#D55E00", "#009E73"  # Okabe and Ito 2008: told apart by colour-blind eyes
WIDTH, HEIGHT = 520, 260

Rows = list[dict[str, Any]]
Chart = Any  # Altair's methods are typed too loosely to say more


def _data(rows: Rows) -> Any:
    return alt.Data(values=rows)  # type: ignore[no-untyped-call]


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


def accuracy_against_macs(candidates: Rows, budget: float | None) -> Chart:
    """Validation accuracy (%) of the candidates over their macs; the budget, if any, is a line, the winner stands out.

    Each row has `number`, `macs` (millions), `accuracy` (%) and `winner`.
    """
    x = alt.X("macs:Q", title="macs for one image (millions)", scale=alt.Scale(domainMin=0))
    y = alt.Y("accuracy:Q", title="validation accuracy (%)", scale=alt.Scale(zero=False, nice=True))
    points = alt.Chart(_data(candidates)).encode(x=x, y=y)
    colour = alt.condition("datum.winner", alt.value(ORANGE), alt.value(BLUE))
    dots = points.mark_circle(size=110, opacity=1).encode(color=colour)
    labels = points.mark_text(dy=-12, fontSize=11).encode(text="number:N")
    if budget is None:
        return alt.layer(dots, labels).properties(width=WIDTH, height=HEIGHT)
    line = alt.Chart(_data([{"macs": budget / 1e6}])).mark_rule(strokeDash=[5, 4], color="#555").encode(x="macs:Q")
    return alt.layer(line, dots, labels).properties(width=WIDTH, height=HEIGHT)


def learning_curve(epochs: Rows, held_out: float) -> Chart:
    """Accuracy (%) after each epoch, and the held-out accuracy (%) at the end as a diamond.

    Each row has `epoch`, `accuracy` (%) and `measured on`.
    """
    order = ["training pictures, augmented", "validation pictures", "held-out pictures"]
    shown = {row["measured on"] for row in epochs} | {order[2]}
    colours = [(name, colour) for name, colour in zip(order, (BLUE, GREEN, ORANGE), strict=True) if name in shown]
    scale = alt.Scale(domain=[name for name, _ in colours], range=[colour for _, colour in colours])
    colour = alt.Color("measured on:N", scale=scale, legend=alt.Legend(orient="bottom", title=None, labelLimit=300))
    x = alt.X("epoch:Q", title="epoch", axis=alt.Axis(tickMinStep=1))
    y = alt.Y("accuracy:Q", title="accuracy (%)", scale=alt.Scale(zero=False, nice=True))
    lines = alt.Chart(_data(epochs)).mark_line(point=len(epochs) < 30).encode(x=x, y=y, color=colour)
    last = max(row["epoch"] for row in epochs)
    end = [{"epoch": last, "accuracy": held_out, "measured on": order[2]}]
    diamond = alt.Chart(_data(end)).mark_point(shape="diamond", size=140, filled=True).encode(x=x, y=y, color=colour)
    return alt.layer(lines, diamond).properties(width=WIDTH, height=HEIGHT)


def cost_by_block(rows: Rows) -> Chart:
    """Share of the macs (%) of each block, in execution order. Each row has `block`, `macs` (millions)."""
    order = [row["block"] for row in rows]
    return (
        alt.Chart(_data(rows))
        .mark_bar(color=BLUE)
        .encode(
            x=alt.X("macs:Q", title="macs for one image (millions)"),
            y=alt.Y("block:N", title=None, sort=order),
        )
        .properties(width=WIDTH, height=alt.Step(16))
    )


def confusion_matrix(cells: Rows, order: list[str]) -> Chart:
    """Shares of each class's pictures by what they were taken for; right ones are blue, wrong ones orange.

    Each row has `class`, `taken for`, `pictures` and `share` (of the class's pictures, 0 to 1); `order` are the
    classes of both axes. Cells without pictures need no row. Up to 16 classes have their counts written in.
    """
    side = max(16, min(40, 480 // len(order)))
    angle = 0 if max(map(len, order)) < 3 else -60
    x = alt.X("taken for:N", sort=order, title="taken for", scale=alt.Scale(domain=order), axis=alt.Axis(labelAngle=angle))
    y = alt.Y("class:N", sort=order, title="class", scale=alt.Scale(domain=order))
    layers = []
    for right, colour in ((True, BLUE), (False, ORANGE)):
        mine = [row for row in cells if (row["class"] == row["taken for"]) == right]
        scale = alt.Scale(domain=[0, 1], range=["#ffffff", colour], interpolate="lab")
        shade = alt.Color("share:Q", scale=scale, legend=None)
        layers.append(alt.Chart(_data(mine)).mark_rect().encode(x=x, y=y, color=shade))
    if len(order) <= 16:
        ink = alt.condition("datum.share > 0.6", alt.value("white"), alt.value("#222"))
        text = alt.Chart(_data(cells)).mark_text(fontSize=10).encode(x=x, y=y, text=alt.Text("pictures:Q", format=","), color=ink)
        layers.append(text)
    size = side * len(order)
    return alt.layer(*layers).resolve_scale(color="independent").properties(width=size, height=size)


def reliability(bins: Rows) -> Chart:
    """Accuracy over confidence, as bars that should end on the dashed diagonal; below, how many pictures were how sure.

    Each row has `low`, `high` (%), `pictures`, `confidence` and `accuracy` (%); bins without pictures are not drawn.
    """
    rows = [row | {"share": 100 * row["pictures"] / sum(one["pictures"] for one in bins)} for row in bins if row["pictures"]]
    scale = alt.Scale(domain=[0, 100], nice=False)
    x = alt.X("low:Q", title="probability of the most probable class (%)", scale=scale)
    bars = alt.Chart(_data(rows)).mark_bar(color=BLUE, opacity=0.85, binSpacing=1)
    right = bars.encode(x=x, x2="high:Q", y=alt.Y("accuracy:Q", title="right (%)", scale=scale), y2=alt.datum(0))
    ends = alt.Chart(_data([{"low": 0, "accuracy": 0}, {"low": 100, "accuracy": 100}]))
    diagonal = ends.mark_line(strokeDash=[5, 4], color="#555").encode(x=x, y="accuracy:Q")
    dots = alt.Chart(_data(rows)).mark_circle(color=ORANGE, size=55, opacity=1)
    means = dots.encode(x=alt.X("confidence:Q", scale=scale), y="accuracy:Q")
    upper = alt.layer(right, diagonal, means).properties(width=WIDTH, height=HEIGHT)
    count = alt.Chart(_data(rows)).mark_bar(color="#777", binSpacing=1)
    share = alt.Y("share:Q", title="pictures (%)", scale=alt.Scale(domainMin=0))
    lower = count.encode(x=x, x2="high:Q", y=share, y2=alt.datum(0)).properties(width=WIDTH, height=70)
    return alt.vconcat(upper, lower)


def to_svg(chart: Chart, label: str) -> str:
    """The chart as inline SVG with a text alternative."""
    styled = chart.configure(font="sans-serif", background="white").configure_axis(labelFontSize=11, titleFontSize=12)
    svg: str = vl_convert.vegalite_to_svg(styled.to_json())
    escaped = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{escaped}" ', svg, count=1)


def to_png(svg: str) -> bytes:
    """The picture at two px for one."""
    drawn: bytes = vl_convert.svg_to_png(svg, scale=2.0)
    return drawn
