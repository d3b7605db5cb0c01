"""The lab's charts: losses over a plane as contour lines, what walks there, and maps; data in, Altair out."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import altair as alt
import contourpy
import numpy as np
from numpy.typing import NDArray

from netwright.report.charts.theme import (
    BLUE,
    FAINT,
    GREEN,
    INK,
    ORANGE,
    PAPER,
    QUIET,
    Chart,
    Colour,
    Rows,
    beside,
    csv_data,
    dashed,
    themed,
)

# Okabe and Ito 2008, without its yellow; each optimizer keeps its colour in every figure, and lines also differ in their dashes
COLOURS: dict[str, Colour] = {
    "sgd": INK,
    "momentum": BLUE,
    "nesterov": ORANGE,
    "adagrad": "#CC79A7",
    "rmsprop": GREEN,
    "adam": "#E69F00",
    "adamw": "#56B4E9",
    "nadam": "#A65E50",
    "lion": "#999933",
    "lamb": QUIET,
    "muon": "#3E9651",
    "newton": "#AA4499",
    "newtoncg": "#6B6BD6",
}
_CONTOUR = "#4A90C8"
SIDE = 380  # px, of a square panel
SEAM = 0.7  # px of a cell's own colour around it: else the ground shows between cells
Array = NDArray[np.float64]
Window = tuple[float, float, float, float]  # x from, x to, y from, y to


@dataclass(frozen=True)
class Path:
    """What an optimizer did: its label, its colour's name, its places, and (evaluations, loss above the lowest) on the way."""

    label: str
    name: str
    places: Sequence[tuple[float, float]]
    losses: Sequence[tuple[int, float]]
    diverged: bool = False


@dataclass(frozen=True)
class Plane:
    """Losses (above the lowest) over a window: `losses[row, column]` at `ys[row]`, `xs[column]`; marked minima; axis titles."""

    xs: Array
    ys: Array
    losses: Array
    minima: Sequence[tuple[float, float]]
    axes: tuple[str, str] = ("w1", "w2")

    @property
    def window(self) -> Window:
        return float(self.xs[0]), float(self.xs[-1]), float(self.ys[0]), float(self.ys[-1])

    @property
    def size(self) -> dict[str, int]:
        """Width and height in px at equal units per px."""
        x0, x1, y0, y1 = self.window
        return {"width": SIDE, "height": round(SIDE * (y1 - y0) / (x1 - x0))}

    def x(self) -> Any:
        return alt.X(
            "x:Q",
            title=self.axes[0],
            axis=alt.Axis(grid=False, tickCount=8),
            scale=alt.Scale(domain=self.window[:2], nice=False, zero=False),
        )

    def y(self) -> Any:
        return alt.Y(
            "y:Q",
            title=self.axes[1],
            axis=alt.Axis(grid=False, tickCount=6),
            scale=alt.Scale(domain=self.window[2:], nice=False, zero=False),
        )


def contour_lines(plane: Plane, count: int = 14) -> list[tuple[float, Array]]:
    """Contour lines (n, 2), each with its level as a share from the lowest loss (0) to the highest (1); denser near 0."""
    finite = plane.losses[np.isfinite(plane.losses)]
    low, high = float(finite.min()), float(finite.max())
    shares = (np.arange(1, count + 1) / (count + 1)) ** 2.2
    generator = contourpy.contour_generator(plane.xs, plane.ys, plane.losses)
    made: list[tuple[float, Array]] = []
    for share in shares.tolist():
        lines: Any = generator.lines(low + (high - low) * share)
        made += [(share, line) for line in lines]
    return made


def contours(plane: Plane, count: int = 14) -> Rows:
    """Contour lines as rows of `line`, `order`, `x`, `y`, `shade`: the lower the loss, the stronger the line."""
    rows: Rows = []
    for number, (share, line) in enumerate(contour_lines(plane, count)):
        told = {"line": number, "shade": round(1 - 0.8 * share**0.5, 3)}
        rows += [{**told, "order": i, "x": round(float(x), 5), "y": round(float(y), 5)} for i, (x, y) in enumerate(line)]
    return rows


def contour_layer(plane: Plane) -> Chart:
    """The contour lines."""
    lines = alt.Chart(csv_data(contours(plane))).mark_line(strokeWidth=1, color=_CONTOUR, clip=True)
    shade = alt.Opacity("shade:Q", scale=alt.Scale(domain=[0, 1], range=[0, 1]), legend=None)
    return lines.encode(x=plane.x(), y=plane.y(), detail="line:N", order="order:Q", opacity=shade)


def minima_layer(plane: Plane) -> Chart:
    """A small x at each minimum."""
    stars = [{"x": x, "y": y} for x, y in plane.minima]
    mark = alt.Chart(csv_data(stars)).mark_point(shape="cross", size=90, fill=INK, stroke=PAPER, angle=45, opacity=1, clip=True)
    return mark.encode(x=plane.x(), y=plane.y())


def colours(paths: Sequence[Path], legend: bool = True) -> tuple[Any, Any]:
    """Colour and dashes of the paths, with a legend below."""
    labels = list(dict.fromkeys(path.label for path in paths))
    names = {path.label: path.name for path in paths}
    shown = alt.Legend(orient="bottom", title=None, labelLimit=400, symbolStrokeWidth=2.5, symbolSize=400, columns=4)
    colour = alt.Scale(domain=labels, range=[COLOURS.get(names[label], INK) for label in labels])
    return (
        alt.Color("label:N", scale=colour, legend=shown if legend else None),
        alt.StrokeDash("label:N", scale=dashed(labels), legend=shown if legend else None),
    )


def paths_chart(plane: Plane, paths: Sequence[Path], title: str = "") -> Chart:
    """Trajectories over contour lines, at equal units; a cross (x) is a minimum, the circle the start, diamonds the ends."""
    colour, dash = colours(paths, legend=False)
    rows = [
        {"path": number, "label": path.label, "order": i, "x": x, "y": y}
        for number, path in enumerate(paths)
        for i, (x, y) in enumerate(_shown(path, plane.window))
    ]
    base = alt.Chart(csv_data(rows)).encode(x=plane.x(), y=plane.y())
    lines = base.mark_line(strokeWidth=1.8, clip=True).encode(detail="path:N", order="order:Q", color=colour, strokeDash=dash)
    dots = base.mark_circle(size=16, clip=True, opacity=0.9).encode(color=colour)
    ends = [{"label": path.label, "x": path.places[-1][0], "y": path.places[-1][1]} for path in paths if not path.diverged]
    end = alt.Chart(csv_data(ends)).mark_point(
        shape="diamond", size=90, filled=True, stroke=PAPER, strokeWidth=1, opacity=1, clip=True
    )
    layers = [contour_layer(plane), lines, dots, end.encode(x=plane.x(), y=plane.y(), color=colour)]
    starts = [{"x": x, "y": y} for x, y in dict.fromkeys(path.places[0] for path in paths)]
    start = alt.Chart(csv_data(starts)).mark_point(size=110, color=INK, strokeWidth=2, fill=PAPER, opacity=1, clip=True)
    layers += [start.encode(x=plane.x(), y=plane.y()), minima_layer(plane)]
    return themed(alt.layer(*layers).properties(title=title, **plane.size))


def _shown(path: Path, window: Window) -> list[tuple[float, float]]:
    """A path's places; far ones are brought near the frame (in their direction), where numbers stay drawable."""
    x0, x1, y0, y1 = window
    far = 20 * max(x1 - x0, y1 - y0)
    places = []
    for x, y in path.places:
        if not (math.isfinite(x) and math.isfinite(y)):
            break
        shrink = min(1.0, far / max(abs(x), abs(y), 1e-300))
        places.append((x * shrink, y * shrink))
    return places


def losses_chart(paths: Sequence[Path], title: str = "", height: int = 260, floor: float = 1e-12) -> Chart:
    """Loss above the lowest minimum over evaluations, on a log scale; below `floor` it is drawn at the floor."""
    colour, dash = colours(paths)
    first = max((path.losses[0][1] for path in paths), default=1.0)
    top, floor = 3 * max(first, 10 * floor), max(floor, 1e-12 * first)
    rows: Rows = []
    for number, path in enumerate(paths):
        for evaluations, loss in path.losses:
            value = top * 100 if not math.isfinite(loss) else min(max(loss, floor), top * 100)
            rows.append({"path": number, "label": path.label, "evaluations": evaluations, "loss": value})
    low = max(floor, 0.5 * min(row["loss"] for row in rows))
    y = alt.Y(
        "loss:Q",
        title="loss above the lowest minimum",
        scale=alt.Scale(type="log", domain=[low, top], nice=False),
        axis=alt.Axis(format=".0e", tickCount=6, grid=False),
    )
    x = alt.X("evaluations:Q", title="evaluations", scale=alt.Scale(nice=False))
    lines = alt.Chart(csv_data(rows)).mark_line(strokeWidth=1.8, clip=True)
    made = lines.encode(x=x, y=y, detail="path:N", color=colour, strokeDash=dash)
    return themed(made.properties(title=title, width=SIDE, height=height))


def race_chart(plane: Plane, paths: Sequence[Path], title: str = "") -> Chart:
    """Trajectories, and beside them their losses."""
    height = min(max(plane.size["height"], 200), 380)
    return beside(paths_chart(plane, paths, title), losses_chart(paths, height=height))


@dataclass(frozen=True)
class Arrow:
    """A vector in a plane: what it is, where from, where to, and its colour."""

    label: str
    tail: tuple[float, float]
    head: tuple[float, float]
    colour: Colour


def arrows_chart(plane: Plane, arrows: Sequence[Arrow], title: str = "", dots: Rows | None = None) -> Chart:
    """Vectors over contour lines; `dots` are rows of `x`, `y`, `text`."""
    rows, heads = [], []
    for number, arrow in enumerate(arrows):
        for order, (x, y) in enumerate((arrow.tail, arrow.head)):
            rows.append({"number": number, "order": order, "x": x, "y": y, "label": arrow.label})
        dx, dy = arrow.head[0] - arrow.tail[0], arrow.head[1] - arrow.tail[1]
        angle = 90 - math.degrees(math.atan2(dy, dx))
        heads.append({"x": arrow.head[0], "y": arrow.head[1], "angle": angle, "label": arrow.label})
    labels = list(dict.fromkeys(arrow.label for arrow in arrows))
    colour_of = {arrow.label: arrow.colour for arrow in arrows}
    scale = alt.Scale(domain=labels, range=[colour_of[label] for label in labels])
    legend = alt.Legend(orient="bottom", title=None, labelLimit=500, columns=1, symbolType="stroke", symbolStrokeWidth=3)
    base = alt.Chart(csv_data(rows)).mark_line(strokeWidth=2.6, clip=True)
    colour = alt.Color("label:N", scale=scale, legend=legend)
    lines = base.encode(x=plane.x(), y=plane.y(), detail="number:N", order="order:Q", color=colour)
    tips = alt.Chart(csv_data(heads)).mark_point(shape="triangle", filled=True, size=130, opacity=1, clip=True)
    turned = alt.Angle("angle:Q", scale=alt.Scale(domain=[0, 360], range=[0, 360]))
    tips = tips.encode(x=plane.x(), y=plane.y(), angle=turned, color=alt.Color("label:N", scale=scale, legend=None))
    layers = [contour_layer(plane), lines, tips, minima_layer(plane)]
    if dots:
        spot = alt.Chart(csv_data(dots)).encode(x=plane.x(), y=plane.y())
        layers.append(spot.mark_circle(size=70, color=INK, opacity=1, clip=True))
        layers.append(spot.mark_text(dx=-9, align="right", fontSize=13, color=INK).encode(text="text:N"))
    return themed(alt.layer(*layers).resolve_scale(color="independent").properties(title=title, **plane.size))


def curves_chart(rows: Rows, x_title: str, y_title: str, colour_by: dict[str, Colour], title: str = "") -> Chart:
    """Plain curves: rows of `x`, `y`, `label`; `colour_by` is label -> colour, in the legend's order."""
    scale = alt.Scale(domain=list(colour_by), range=list(colour_by.values()))
    legend = alt.Legend(orient="bottom", title=None, labelLimit=400, columns=2)
    chart = alt.Chart(csv_data(rows)).mark_line(strokeWidth=2.2, clip=True)
    made = chart.encode(
        x=alt.X("x:Q", title=x_title, scale=alt.Scale(nice=False)),
        y=alt.Y("y:Q", title=y_title),
        color=alt.Color("label:N", scale=scale, legend=legend),
    )
    return themed(made.properties(title=title, width=SIDE, height=260))


def newton_chart(curve: Rows, parabolas: Rows, points: Rows, domain: Sequence[float], title: str) -> Chart:
    """A function of one variable, its fitted parabolas and the points of Newton's method on it.

    Rows of `x`, `y`; parabolas have `step` too, points `step`. `domain` is (x from, x to, y from, y to).
    """
    x = alt.X("x:Q", title="x", scale=alt.Scale(domain=list(domain[:2]), nice=False), axis=alt.Axis(grid=False))
    y = alt.Y("y:Q", title="f(x)", scale=alt.Scale(domain=list(domain[2:]), nice=False), axis=alt.Axis(grid=False))
    steps = sorted({row["step"] for row in parabolas})
    range_ = [(ORANGE, GREEN, "#CC79A7", "#E69F00", "#56B4E9", QUIET)[i % 6] for i in range(len(steps))]
    told = alt.Legend(orient="bottom", title="parabola fitted at step", symbolType="stroke", symbolStrokeWidth=2.5)
    colour = alt.Color("step:O", scale=alt.Scale(domain=steps, range=range_), legend=told)
    line = alt.Chart(csv_data(curve)).mark_line(color=COLOURS["momentum"], strokeWidth=2.4, clip=True).encode(x=x, y=y)
    fits = alt.Chart(csv_data(parabolas)).mark_line(strokeDash=[5, 3], strokeWidth=1.7, clip=True).encode(x=x, y=y, color=colour)
    spots = alt.Chart(csv_data(points)).encode(x=x, y=y)
    dots = spots.mark_circle(size=60, color=INK, opacity=1, clip=True)
    above, below_ = (alt.Chart(csv_data(points[i::2])).mark_text(dy=dy, fontSize=12, color=INK) for i, dy in ((0, -11), (1, 14)))
    names = [part.encode(x=x, y=y, text="step:N") for part in (above, below_)]
    return themed(alt.layer(line, fits, dots, *names).properties(title=title, width=330, height=280))


def steps_map(cells: Rows, edges: Rows, marks: Rows, size: tuple[float, float], title: str) -> Chart:
    """Steps to epsilon over lr and momentum: rows of `lr`, `momentum`, `steps` (None: not reached), `diverged`.

    `edges` is the limit of stability (`lr`, `momentum`), `marks` are rows of `lr`, `momentum`, `label`; `size` that of a cell.
    """
    for row in cells:
        row |= {"lr2": row["lr"] + size[0], "momentum2": row["momentum"] + size[1]}
    x = alt.X("lr:Q", title="lr", scale=alt.Scale(nice=False, zero=True), axis=alt.Axis(grid=False))
    y = alt.Y("momentum:Q", title="momentum", scale=alt.Scale(nice=False, domain=[0, 1]), axis=alt.Axis(grid=False))
    legend = alt.Legend(title="steps to epsilon", format="d", symbolType="square")
    viridis = alt.Scale(type="log", scheme="viridis", reverse=True, nice=False)

    def cell(rows: Rows) -> Any:
        return alt.Chart(csv_data(rows)).mark_rect(clip=True, strokeWidth=SEAM).encode(x=x, y=y, x2="lr2:Q", y2="momentum2:Q")

    done = cell([row for row in cells if row["steps"] is not None]).encode(
        color=alt.Color("steps:Q", scale=viridis, legend=legend), stroke=alt.Stroke("steps:Q", scale=viridis, legend=None)
    )
    kinds: dict[str, Colour] = {"diverges": FAINT, "not within the budget": "#9aa0a8"}
    rest = [{**row, "kind": "diverges" if row["diverged"] else "not within the budget"} for row in cells if row["steps"] is None]
    scale = alt.Scale(domain=list(kinds), range=list(kinds.values()))
    kind = alt.Legend(title=None, labelLimit=300, symbolType="square", symbolStrokeColor="#888888", symbolStrokeWidth=0.5)
    same = alt.Stroke("kind:N", scale=scale, legend=None)
    other = cell(rest).encode(color=alt.Color("kind:N", scale=scale, legend=kind), stroke=same)
    line = alt.Chart(csv_data(edges)).mark_line(color=ORANGE, strokeDash=[5, 3], clip=True).encode(x=x, y=y, order="momentum:Q")
    spot = alt.Chart(csv_data(marks)).encode(x=x, y=y)
    shape = alt.Shape("label:N", scale=alt.Scale(range=["cross", "circle"]), legend=alt.Legend(title=None, labelLimit=400))
    points = spot.mark_point(size=190, filled=True, fill=ORANGE, stroke=PAPER, strokeWidth=1.5, opacity=1).encode(shape=shape)
    made = alt.layer(other, done, line, points).resolve_scale(color="independent")
    return themed(made.properties(title=title, width=460, height=360))


def basin_map(plane: Plane, cells: Rows, ends: dict[str, Colour], title: str, legend: bool) -> Chart:
    """From which start to which minimum: rows of `x`, `y` (centres), `x2`, `y2`, `end`; `ends` is end -> colour."""
    scale = alt.Scale(domain=list(ends), range=list(ends.values()))
    told = alt.Legend(orient="bottom", title="ends in", labelLimit=300, symbolType="square") if legend else None
    chart = (
        alt.Chart(csv_data(cells)).mark_rect(clip=True, strokeWidth=SEAM).encode(x=plane.x(), y=plane.y(), x2="x2:Q", y2="y2:Q")
    )
    same = alt.Stroke("end:N", scale=scale, legend=None)
    rects = chart.encode(color=alt.Color("end:N", scale=scale, legend=told), stroke=same)
    size = {name: round(px * 0.68) for name, px in plane.size.items()}
    layers = alt.layer(rects, contour_layer(plane), minima_layer(plane)).resolve_scale(color="independent")
    return themed(layers.properties(title=title, **size))


def with_caption(chart: Chart, title: str, caption: str) -> Chart:
    """The chart under its title and its caption, which is broken into lines."""
    lines = textwrap.wrap(caption, 125)  # browsers have wider letters
    told = alt.TitleParams(title, subtitle=lines, anchor="start", fontSize=15, subtitleFontSize=11.5, offset=16)
    return chart.properties(title=told, padding=14)
