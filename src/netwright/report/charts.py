"""The chart layer: one specification, drawn as SVG without a browser or a network."""

from __future__ import annotations

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


def accuracy_against_macs(candidates: Rows, budget: int) -> Chart:
    """Validation accuracy (%) of the candidates over their macs; the budget is a line, the winner stands out.

    Each row has `number`, `macs` (millions), `accuracy` (%) and `winner`.
    """
    x = alt.X("macs:Q", title="macs for one image (millions)", scale=alt.Scale(domainMin=0))
    y = alt.Y("accuracy:Q", title="validation accuracy (%)", scale=alt.Scale(zero=False, nice=True))
    points = alt.Chart(_data(candidates)).encode(x=x, y=y)
    colour = alt.condition("datum.winner", alt.value(ORANGE), alt.value(BLUE))
    dots = points.mark_circle(size=110, opacity=1).encode(color=colour)
    labels = points.mark_text(dy=-12, fontSize=11).encode(text="number:N")
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


def to_svg(chart: Chart, label: str) -> str:
    """The chart as inline SVG with a text alternative."""
    styled = chart.configure(font="sans-serif", background="white").configure_axis(labelFontSize=11, titleFontSize=12)
    svg: str = vl_convert.vegalite_to_svg(styled.to_json())
    escaped = label.replace("&", "&amp;").replace('"', "&quot;").replace("<", "&lt;")
    return re.sub(r"<svg ", f'<svg role="img" aria-label="{escaped}" ', svg, count=1)
