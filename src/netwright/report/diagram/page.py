"""The page of a diagram: the most detailed arrangement that can be read on a printed A4 page, its title and legend."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from netwright.graph import Graph
from netwright.report.diagram.columns import Columns, columns_of
from netwright.report.diagram.legend import LEGEND, legend
from netwright.report.diagram.panels import BETWEEN, names_of
from netwright.report.diagram.ranks import EDGE, ROWS, Arranged, anchor, arranged_on, cell_height, row_width, sizes
from netwright.report.diagram.shapes import Line, Mark, Shape, Sizing, Text, placed
from netwright.report.diagram.text import LINE, shape_text, text_width, wrapped
from netwright.report.diagram.tree import By
from netwright.units import short_amount

PAGE = (841.89, 595.28)  # A4 landscape in points
MARGIN = 20.0
TITLE = 38.0  # height of the title and the line below it


@dataclass(frozen=True)
class Picture:
    """A finished page, in points: what is drawn, in order, and at which scale the columns are."""

    width: float
    height: float
    scale: float
    marks: tuple[Mark, ...]
    columns: Columns
    title: str
    told: str  # the same in words


def picture_of(graph: Graph, name: str, by: By | None = None) -> Picture:
    """The page of a graph: the finest detail that is legible on A4, or the one asked for on a page as large as it takes."""
    best: Arranged | None = None
    for detail, merged in _details(by):
        columns = columns_of(graph, detail, merged)
        found = [arranged_on(columns, Sizing(columns, rich, graph.macs), _room(1.0)) for rich in (True, False)]
        best = max([*found, *([best] if best else [])], key=lambda arranged: arranged.score)
        if best.scale >= 1:
            return _picture(graph, name, _stretched(best), 1.0)
    assert best is not None
    growth = 1.0
    while best.scale < 1:
        growth *= 1.1
        best = arranged_on(best.columns, best.sizing, _room(growth), (best.parts,))
    return _picture(graph, name, best, growth)


def _stretched(arranged: Arranged) -> Arranged:
    """Higher shapes, and so a stronger difference between resolutions, where the page has room for them."""
    sizing = arranged.sizing
    for stretch in (2.2, 1.8, 1.4):
        higher = Sizing(sizing.columns, sizing.rich, sizing.total_macs, stretch)
        again = arranged_on(arranged.columns, higher, arranged.room, (arranged.parts,))
        if again.scale >= 0.999 * arranged.scale and len(again.rows) == len(arranged.rows):
            return again
    return arranged


def _details(by: By | None) -> Iterator[tuple[By, bool]]:
    """(finest thing drawn, whether neighbouring stages are merged), the most detailed first."""
    if by is not None:
        yield from ((by, False), (by, True))
        return
    yield from (("layer", False), ("block", False), ("layer", True), ("block", True), ("stage", False), ("stage", True))


def _room(growth: float) -> tuple[float, float]:
    return PAGE[0] * growth - 2 * MARGIN, PAGE[1] * growth - 2 * MARGIN - TITLE - LEGEND


# ---------------------------------------------------------------- everything in its place


def _picture(graph: Graph, name: str, arranged: Arranged, growth: float) -> Picture:
    columns = arranged.columns
    width, height = PAGE[0] * growth, PAGE[1] * growth
    marks, bottom = _head(graph, name, width)
    body = _body(arranged)
    low = max((m.y + m.height for m in body if isinstance(m, Shape)), default=0.0) * arranged.scale
    spare = max(0.0, arranged.room[1] - low - max(0.0, bottom - MARGIN - TITLE))
    top = bottom + 0.4 * spare
    marks += [placed(mark, MARGIN, top, arranged.scale) for mark in body]
    marks += legend(MARGIN, height - MARGIN - LEGEND + 8, arranged.scale, arranged.sizing.stretch)
    title = f"Diagram of {name}"
    return Picture(width, height, arranged.scale, tuple(marks), columns, title, _told(graph, name, columns))


def _head(graph: Graph, name: str, width: float) -> tuple[list[Mark], float]:
    marks: list[Mark] = []
    y = MARGIN + 12.0
    size = 14.0 if text_width(name, 14.0, True) <= width - 2 * MARGIN else 9.0
    lines = wrapped(name, width - 2 * MARGIN, size, True)
    for line in lines[:3]:
        marks.append(Text(MARGIN, y, line, size, "start", True))
        y += size * LINE
    image = shape_text(graph.nodes[0].shape)  # type: ignore[arg-type]
    facts = (
        f"image {image} px;  {short_amount(graph.params)} params;  {short_amount(graph.macs)} macs for one image;  "
        f"{len(graph.flat().rows) - graph.inputs} layers"
    )
    marks.append(Text(MARGIN, y, facts, 9.0, "start"))
    return marks, max(MARGIN + TITLE, y + 10)


def _told(graph: Graph, name: str, columns: Columns) -> str:
    rows = columns.reading.flat.rows
    stages = "; ".join(
        f"{names_of(column)}: {shape_text(rows[column.last].shape)}, {short_amount(column.macs)} macs"
        for column in columns.columns[1:]
    )
    image = shape_text(graph.nodes[0].shape)  # type: ignore[arg-type]
    totals = f"{short_amount(graph.params)} params, {short_amount(graph.macs)} macs"
    return f"{name} for an image of {image} px: {totals}. Stages in order: {stages}."


def _body(arranged: Arranged) -> list[Mark]:
    """Panels and arrows at scale 1, from the upper left corner."""
    panels, ranks = arranged.panels, arranged.ranks
    widths, heights = sizes(panels, ranks)
    room = arranged.room[0] / arranged.scale
    several = len(arranged.rows) > 1
    corner: dict[int, tuple[float, float]] = {}
    bounds: dict[int, tuple[float, float]] = {}  # left and right of each rank
    gutters: list[float] = []
    y = 0.0
    spare = arranged.room[1] / arranged.scale - sum(max(heights[a:b]) for a, b in arranged.rows) - ROWS * (len(arranged.rows) - 1)
    between = ROWS + min(30.0, max(0.0, spare) / (len(arranged.rows) + 1))
    for first, end in arranged.rows:
        tall = max(heights[first:end])
        count = end - first
        own = row_width(widths, (first, end))
        loose = max(0.0, room - own - (2 * EDGE if several else 0.0))
        gap = BETWEEN + min(22.0, loose / max(1, count - 1) if count > 1 else 0.0)
        x = (room - own - (gap - BETWEEN) * (count - 1)) / 2
        stacked = any(len(ranks.stacks[rank]) > 1 for rank in range(first, end))
        for rank in range(first, end):
            at = y + (_offset(arranged, corner, rank, tall, y) if stacked else 0.0)
            for i in ranks.stacks[rank]:
                wide = panels[i].width if i < len(panels) else widths[rank]
                corner[i] = (x + (widths[rank] - wide) / 2, at)
                at += cell_height(panels, i) + BETWEEN
            bounds[rank] = (x, x + widths[rank])
            x += widths[rank] + gap
        gutters.append(y + tall + between / 2)
        y += tall + between
    marks: list[Mark] = [placed(mark, *corner[i]) for i, panel in enumerate(panels) for mark in panel.marks]
    return marks + _arrows(arranged, corner, bounds, gutters, room)


def _offset(arranged: Arranged, corner: dict[int, tuple[float, float]], rank: int, tall: float, y: float) -> float:
    """How far below the row's upper edge `y` a stack begins: so that arrows into it run level, where there is room."""
    panels, stack = arranged.panels, arranged.ranks.stacks[rank]
    free = tall - sizes(panels, arranged.ranks)[1][rank]
    at, wanted = 0.0, []
    for i in stack:
        levels = [
            corner[v][1] + anchor(panels, v, True)
            for v, w in arranged.ranks.lines
            if w == i and v in corner and corner[v][1] >= y
        ]
        wanted += [level - y - at - anchor(panels, i) for level in levels]
        at += cell_height(panels, i) + BETWEEN
    return min(max(0.0, sum(wanted) / len(wanted)), free) if wanted else free / 2


def _arrows(
    arranged: Arranged,
    corner: dict[int, tuple[float, float]],
    bounds: dict[int, tuple[float, float]],
    gutters: list[float],
    room: float,
) -> list[Mark]:
    panels, ranks = arranged.panels, arranged.ranks
    rank_of = {i: rank for rank, stack in enumerate(ranks.stacks) for i in stack}
    row_of = {rank: row for row, (a, b) in enumerate(arranged.rows) for rank in range(a, b)}
    marks: list[Mark] = []
    turned = [0] * len(arranged.rows)
    for v, w in ranks.lines:
        x0, y0 = corner[v]
        y0 += anchor(panels, v, leaves=True)
        x0 += panels[v].width if v < len(panels) else 0.0
        x1, y1 = corner[w][0], corner[w][1] + anchor(panels, w)
        right, left = bounds[rank_of[v]][1], bounds[rank_of[w]][0]
        kind = "arrow" if w < len(panels) else "flow"
        row = row_of[rank_of[v]]
        if row == row_of[rank_of[w]]:
            middle = (right + left) / 2
            path = [(x0, y0), (middle, y0), (middle, y1), (x1, y1)]
        else:
            shift = 3.0 * turned[row]
            turned[row] += 1
            out, back, low = right + 6 + shift / 2, left - 8 - shift / 2, gutters[row] + shift
            path = [(x0, y0), (out, y0), (out, low), (back, low), (back, y1), (x1, y1)]
        if v >= len(panels):  # the line through the place itself
            path.insert(0, (bounds[rank_of[v]][0], y0))
        marks.append(Line(tuple(path), kind))  # type: ignore[arg-type]
    return marks
