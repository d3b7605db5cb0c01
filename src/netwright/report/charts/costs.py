"""Charts of what networks cost: layer by layer, on a machine's roof, predicted beside measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

import altair as alt

from netwright.report.charts.theme import (
    BLUE,
    HEIGHT,
    INK,
    ORANGE,
    QUIET,
    WIDTH,
    Chart,
    Rows,
    coloured,
    csv_data,
    in_unit,
    shaped,
    themed,
    values,
)

_TALL = 60  # rows above which bars are thin


def cost_by_layer(rows: Rows, quantity: str = "macs", most: float | None = None) -> Chart:
    """A quantity of each layer, block or stage, from the first at the top to the last.

    Each row has `name` and the quantity, in the units of `Line` of the cost table (counts, bytes, milliseconds); rows of
    nothing are left out. `most` is where the axis ends, for charts that stand beside each other.
    """
    some = [row for row in rows if row[quantity]]
    divisor, title = in_unit(quantity, most or max((row[quantity] for row in some), default=1))
    shown = [{"name": row["name"], "value": row[quantity] / divisor} for row in some]
    scale = alt.Scale() if most is None else alt.Scale(domain=[0, most / divisor])
    names = alt.Axis(labelLimit=190, labelFontSize=11 if len(some) <= _TALL else 9)
    y = alt.Y("name:N", title=None, sort=[row["name"] for row in shown], axis=names)
    return themed(
        alt.Chart(values(shown))
        .mark_bar(color=BLUE)
        .encode(x=alt.X("value:Q", title=title, scale=scale), y=y, tooltip=["name:N", alt.Tooltip("value:Q", title=title)])
        .properties(width=WIDTH, height=alt.Step(16 if len(some) <= _TALL else 11))
    )


def _powers() -> alt.Axis:
    """An axis of logarithms: few ticks, no fine grid."""
    return alt.Axis(format="~g", grid=False, labelOverlap=True)


@dataclass(frozen=True)
class Roof:
    """What a machine reaches at best: multiply-accumulates and bytes, each per second."""

    macs: float
    bytes: float


def roofline(rows: Rows, roof: Roof) -> Chart:
    """What layers reach, below what the machine could: macs per second over macs per byte, both logarithmic.

    Each row has `name`, `kind`, `macs`, `bytes` and `seconds`. Left of the bend memory limits, right of it arithmetic.
    """
    shown = [
        {
            "name": row["name"],
            "kind": row["kind"],
            "intensity": row["macs"] / row["bytes"],
            "reached": row["macs"] / row["seconds"] / 1e9,
            "share": row["macs"] / row["seconds"] / min(roof.macs, roof.bytes * row["macs"] / row["bytes"]),
        }
        for row in rows
        if row["macs"] and row["bytes"] and row["seconds"]
    ]
    bend = roof.macs / roof.bytes
    low = min([row["intensity"] for row in shown] + [bend / 10]) / 1.5
    high = max([row["intensity"] for row in shown] + [bend * 10]) * 1.5
    floor = min([row["reached"] for row in shown] + [roof.macs / 1e11]) / 1.5
    x = alt.X(
        "intensity:Q", title="macs per byte moved", scale=alt.Scale(type="log", domain=[low, high], nice=False), axis=_powers()
    )
    top = alt.Scale(type="log", domain=[floor, 2 * roof.macs / 1e9], nice=False)
    y = alt.Y("reached:Q", title="reached (10⁹ macs per second)", scale=top, axis=_powers())
    ends = [
        {"intensity": at, "reached": max(floor, min(roof.macs, roof.bytes * at) / 1e9)}
        for at in (low, *([bend] if low < bend < high else []), high)
    ]
    line = alt.Chart(values(ends)).mark_line(color=INK, strokeWidth=2, clip=True).encode(x=x, y=y)
    kinds = list(dict.fromkeys(row["kind"] for row in shown))
    legend = alt.Legend(orient="bottom", title=None, columns=5, symbolStrokeWidth=0)
    dots = alt.Chart(csv_data(shown)).mark_point(filled=True, size=60, opacity=0.75, clip=True)
    layers = dots.encode(
        x=x,
        y=y,
        color=alt.Color("kind:N", scale=coloured(kinds), legend=legend),
        shape=alt.Shape("kind:N", scale=shaped(kinds), legend=legend),
        tooltip=["name:N", "kind:N", alt.Tooltip("share:Q", title="of the roof", format=".0%")],
    )
    return themed(alt.layer(line, layers).properties(width=WIDTH, height=HEIGHT + 40))


def predicted_against_measured(rows: Rows) -> Chart:
    """Predicted over measured milliseconds, both logarithmic: rows of `name`, `predicted`, `measured`; on the line they agree."""
    both = [row[side] for row in rows for side in ("predicted", "measured")]
    low, high = (min(both) / 1.3, max(both) * 1.3) if both else (0.1, 10.0)
    scale = alt.Scale(type="log", domain=[low, high], nice=False)
    x = alt.X("measured:Q", title="measured (ms)", scale=scale, axis=_powers())
    y = alt.Y("predicted:Q", title="predicted (ms)", scale=scale, axis=_powers())
    ends = [{"measured": low, "predicted": low}, {"measured": high, "predicted": high}]
    line = alt.Chart(values(ends)).mark_line(strokeDash=[5, 4], color=QUIET).encode(x=x, y=y)
    told = [
        "name:N",
        alt.Tooltip("predicted:Q", title="predicted (ms)", format=".3~f"),
        alt.Tooltip("measured:Q", title="measured (ms)", format=".3~f"),
    ]
    dots = alt.Chart(values(rows)).mark_circle(size=70, color=BLUE, opacity=0.8).encode(x=x, y=y, tooltip=told)
    layers = [line, dots]
    if len(rows) <= 12:
        layers.append(dots.mark_text(dx=8, align="left", fontSize=10).encode(text="name:N"))
    return themed(alt.layer(*layers).properties(width=360, height=360))


def costs_beside(rows: Rows, quantity: str = "macs") -> Chart:
    """A quantity of several networks: rows of `network` and the quantity."""
    some = [row for row in rows if row[quantity]]
    largest = max((row[quantity] for row in some), default=1)
    divisor, title = in_unit(quantity, largest)
    shown = [{"network": row["network"], "value": row[quantity] / divisor} for row in some]
    y = alt.Y("network:N", title=None, sort=[row["network"] for row in shown], axis=alt.Axis(labelLimit=190))
    base = alt.Chart(values(shown)).encode(x=alt.X("value:Q", title=title, axis=alt.Axis(tickCount=6)), y=y)
    digits = max(0, 2 - math.floor(math.log10(max(largest / divisor, 1e-9))))
    text = base.mark_text(align="left", dx=4).encode(text=alt.Text("value:Q", format=f",.{digits}f"))
    return themed(alt.layer(base.mark_bar(color=ORANGE), text).properties(width=WIDTH, height=alt.Step(24)))
