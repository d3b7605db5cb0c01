"""Charts of what was tried: accuracy against cost, with the front."""

from __future__ import annotations

from typing import Any

import altair as alt

from netwright.report.charts.theme import (
    BLUE,
    HEIGHT,
    ORANGE,
    QUIET,
    WIDTH,
    Chart,
    Rows,
    in_unit,
    themed,
    values,
)

_FEW = 40  # designs that have their number beside them


def front(rows: Rows, quantity: str) -> Rows:
    """The rows that no other betters in `accuracy` without having more of the quantity, the cheapest first.

    >>> front([{"accuracy": 80, "macs": 2}, {"accuracy": 70, "macs": 1}, {"accuracy": 75, "macs": 3}], "macs")
    [{'accuracy': 70, 'macs': 1}, {'accuracy': 80, 'macs': 2}]
    """
    best: Rows = []
    for row in sorted(rows, key=lambda one: (one[quantity], -one["accuracy"])):
        if not best or row["accuracy"] > best[-1]["accuracy"]:
            best.append(row)
    return best


def accuracy_against(
    rows: Rows, quantity: str = "macs", limit: float | None = None, of: str = "validation accuracy (%)"
) -> Chart:
    """Accuracy (%) of designs over a cost, with the Pareto front; the limit, if any, is a dashed line, winners stand out.

    Each row has `number`, `accuracy` (%), the quantity as a count, in bytes or milliseconds (see `QUANTITIES`), and `winner`
    where one was chosen.
    """
    largest = max([row[quantity] for row in rows] + ([limit] if limit else []), default=1)
    divisor, title = in_unit(quantity, largest)
    shown = [{**row, "cost": row[quantity] / divisor, "winner": bool(row.get("winner"))} for row in rows]
    least = min((row["cost"] for row in shown), default=0.0)
    ends = alt.Scale(domainMin=0) if least < largest / divisor / 3 else alt.Scale(zero=False, nice=True, padding=12)
    x = alt.X("cost:Q", title=title, scale=ends, axis=alt.Axis(tickCount=8))
    y = alt.Y("accuracy:Q", title=of, scale=alt.Scale(zero=False, nice=True))
    base = alt.Chart(values(shown)).encode(x=x, y=y)
    told: list[Any] = ["number:N", alt.Tooltip("cost:Q", title=title), alt.Tooltip("accuracy:Q", title=of, format=".2f")]
    few = len(shown) <= _FEW
    dots = base.mark_circle(size=110 if few else 45, opacity=1 if few else 0.6, color=BLUE).encode(tooltip=told)
    best = alt.Chart(values([row for row in shown if row["winner"]])).encode(x=x, y=y, tooltip=told)
    layers = [dots, best.mark_circle(size=120, opacity=1, color=ORANGE)]
    edge = front(shown, "cost")
    if len(edge) > 1:
        steps = alt.Chart(values(edge)).mark_line(interpolate="step-after", color=QUIET, strokeWidth=1.5)
        layers.insert(0, steps.encode(x=x, y=y))
    if few:
        layers.append(base.mark_text(dy=-12).encode(text="number:N"))
    if limit is not None:
        line = alt.Chart(values([{"cost": limit / divisor}])).mark_rule(strokeDash=[5, 4])
        layers.insert(0, line.encode(x=alt.X("cost:Q", title=title)))
    return themed(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT))
