"""Charts of a training and of what came of it: curves, the schedule, the confusion matrix, calibration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import altair as alt

from netwright.report.charts.theme import (
    BLUE,
    GREEN,
    HEIGHT,
    ORANGE,
    QUIET,
    WIDTH,
    Chart,
    Rows,
    below,
    csv_data,
    themed,
    values,
)

_HELD_OUT = "held-out pictures"
_MEASURED = {"training pictures, augmented": BLUE, "validation pictures": GREEN, _HELD_OUT: ORANGE}
_FEW = 30  # points of a line that are marked


def _epochs(rows: Rows) -> alt.X:
    """The axis of the epochs: ticks at whole ones."""
    span = max((row["epoch"] for row in rows), default=1) - min((row["epoch"] for row in rows), default=0)
    axis = alt.Axis(tickCount=min(10, max(1, round(span))), tickMinStep=1, format="d")
    return alt.X("epoch:Q", title="epoch", axis=axis, scale=alt.Scale(nice=False))


def _across(found: Sequence[float]) -> alt.Scale:
    """From the least to the most; a single value gets room to both sides, so that its axis has numbers that are true."""
    if not found or max(found) > min(found):
        return alt.Scale(zero=False, nice=True)
    room = 0.1 * abs(found[0]) or 1.0
    return alt.Scale(domain=[found[0] - room, found[0] + room])


def learning_curve(epochs: Rows, held_out: float | None = None) -> Chart:
    """Accuracy (%) after each epoch, and the held-out accuracy (%) at the end, where it was measured, as a diamond.

    Each row has `epoch`, `accuracy` (%) and `measured on`: "training pictures, augmented", "validation pictures" or "held-out
    pictures".
    """
    last = max((row["epoch"] for row in epochs), default=0)
    end = [] if held_out is None else [{"epoch": last, "accuracy": held_out, "measured on": _HELD_OUT}]
    shown = [name for name in _MEASURED if name in {row["measured on"] for row in [*epochs, *end]}]
    scale = alt.Scale(domain=shown, range=[_MEASURED[name] for name in shown])
    colour = alt.Color("measured on:N", scale=scale, legend=alt.Legend(orient="bottom", title=None, labelLimit=300))
    y = alt.Y("accuracy:Q", title="accuracy (%)", scale=_across([row["accuracy"] for row in [*epochs, *end]]))
    told: list[Any] = ["measured on:N", "epoch:Q", alt.Tooltip("accuracy:Q", title="accuracy (%)", format=".2f")]
    base = alt.Chart(values(epochs)).encode(x=_epochs(epochs), y=y, color=colour, tooltip=told)
    layers = [base.mark_line(point=len(epochs) < _FEW)]
    if end:
        diamond = alt.Chart(values(end)).mark_point(shape="diamond", size=140, filled=True, opacity=1)
        layers.append(diamond.encode(x=_epochs(epochs), y=y, color=colour, tooltip=told))
    return themed(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT))


def loss_curve(epochs: Rows) -> Chart:
    """The training loss (nats) of each epoch: rows of `epoch`, `loss`."""
    y = alt.Y("loss:Q", title="training loss (nats)", scale=_across([row["loss"] for row in epochs]))
    line = alt.Chart(values(epochs)).mark_line(point=len(epochs) < _FEW, color=BLUE)
    return themed(line.encode(x=_epochs(epochs), y=y, tooltip=["epoch:Q", "loss:Q"]).properties(width=WIDTH, height=HEIGHT))


def trial_curves(epochs: Rows, chosen: str = "") -> Chart:
    """Accuracy (%) of several trainings over their epochs: rows of `trial`, `epoch`, `accuracy`; the `chosen` one stands out."""
    y = alt.Y("accuracy:Q", title="validation accuracy (%)", scale=_across([row["accuracy"] for row in epochs]))
    told: list[Any] = ["trial:N", "epoch:Q", alt.Tooltip("accuracy:Q", title="accuracy (%)", format=".2f")]

    def lines(rows: Rows) -> Chart:
        return alt.Chart(csv_data(rows)).encode(x=_epochs(epochs), y=y, detail="trial:N", tooltip=told)

    rest = [row | {"trial": str(row["trial"])} for row in epochs]
    mine = [row for row in rest if row["trial"] == chosen]
    layers = [lines([row for row in rest if row["trial"] != chosen]).mark_line(color=BLUE, opacity=0.35, strokeWidth=1.2)]
    layers += [lines(mine).mark_line(color=ORANGE, strokeWidth=2.6, point=alt.OverlayMarkDef(color=ORANGE))] if mine else []
    return themed(alt.layer(*layers).properties(width=WIDTH, height=HEIGHT))


def schedule(rows: Rows) -> Chart:
    """The learning rate over the epochs, and below it the momentum where the rows have one: `epoch`, `lr`, `momentum`."""
    base = alt.Chart(csv_data(rows)).mark_line(color=BLUE, strokeWidth=2)
    rate = base.encode(x=_epochs(rows), y=alt.Y("lr:Q", title="learning rate", axis=alt.Axis(format="~g")))
    if rows[0].get("momentum") is None:
        return themed(rate.properties(width=WIDTH, height=160))
    y = alt.Y("momentum:Q", title="momentum", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(tickCount=4))
    momentum = base.encode(x=_epochs(rows), y=y).properties(width=WIDTH, height=80)
    return below(rate.properties(width=WIDTH, height=160), momentum)


def confusion_matrix(cells: Rows, order: list[str]) -> Chart:
    """Shares of each class's pictures by what they were taken for; right ones are blue, wrong ones orange.

    Each row has `class`, `taken for`, `pictures` and `share` (of the class's pictures, 0 to 1); `order` are the
    classes of both axes. Cells without pictures need no row. Up to 16 classes have their counts written in.
    """
    side = max(16, min(40, 480 // len(order)))
    angle = 0 if max(map(len, order)) < 3 else -60
    x = alt.X("taken for:N", sort=order, title="taken for", scale=alt.Scale(domain=order), axis=alt.Axis(labelAngle=angle))
    y = alt.Y("class:N", sort=order, title="class", scale=alt.Scale(domain=order))
    told: list[Any] = ["class:N", "taken for:N", alt.Tooltip("pictures:Q", format=","), alt.Tooltip("share:Q", format=".1%")]
    shade = alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0, 1]), legend=None)  # over either ground
    layers = []
    for right, colour in ((True, BLUE), (False, ORANGE)):
        mine = [row for row in cells if (row["class"] == row["taken for"]) == right]
        layers.append(alt.Chart(values(mine)).mark_rect(color=colour).encode(x=x, y=y, opacity=shade, tooltip=told))
    if len(order) <= 16:
        for full in (True, False):
            mine = [row for row in cells if (row["share"] > 0.6) == full]
            ink: Any = "white" if full else alt.Undefined
            text = alt.Chart(values(mine)).mark_text(fontSize=10, color=ink)
            layers.append(text.encode(x=x, y=y, text=alt.Text("pictures:Q", format=",")))
    size = side * len(order)
    return themed(alt.layer(*layers).properties(width=size, height=size))


def reliability(bins: Rows) -> Chart:
    """Accuracy over confidence, as bars that should end on the dashed diagonal; below, how many pictures were how sure.

    Each row has `low`, `high` (%), `pictures`, `confidence` and `accuracy` (%); bins without pictures are not drawn.
    """
    rows = [row | {"share": 100 * row["pictures"] / sum(one["pictures"] for one in bins)} for row in bins if row["pictures"]]
    scale = alt.Scale(domain=[0, 100], nice=False)
    x = alt.X("low:Q", title="probability of the most probable class (%)", scale=scale)
    bars = alt.Chart(values(rows)).mark_bar(color=BLUE, opacity=0.85, binSpacing=1)
    right = bars.encode(x=x, x2="high:Q", y=alt.Y("accuracy:Q", title="right (%)", scale=scale), y2=alt.datum(0))
    ends = alt.Chart(values([{"low": 0, "accuracy": 0}, {"low": 100, "accuracy": 100}]))
    diagonal = ends.mark_line(strokeDash=[5, 4], color=QUIET).encode(x=x, y="accuracy:Q")
    dots = alt.Chart(values(rows)).mark_circle(color=ORANGE, size=55, opacity=1)
    means = dots.encode(x=alt.X("confidence:Q", scale=scale), y="accuracy:Q")
    upper = alt.layer(right, diagonal, means).properties(width=WIDTH, height=HEIGHT)
    count = alt.Chart(values(rows)).mark_bar(color=QUIET, binSpacing=1)
    share = alt.Y("share:Q", title="pictures (%)", scale=alt.Scale(domainMin=0))
    lower = count.encode(x=x, x2="high:Q", y=share, y2=alt.datum(0)).properties(width=WIDTH, height=70)
    return themed(alt.vconcat(upper, lower))
