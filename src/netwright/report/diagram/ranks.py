"""Which panels of a diagram stand beside, below and above each other, and at which scale they fill the page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netwright.report.diagram.columns import Columns
from netwright.report.diagram.panels import BETWEEN, Panel, below_one_another, panels_of
from netwright.report.diagram.shapes import Sizing

MOST_SCALE = 1.75  # of a small network, so that its text does not shout
ROWS = 16.0  # between rows of columns
EDGE = 9.0  # left and right of several rows, where the line from one to the next passes
PASS = 7.0  # height of the place where a long line passes


@dataclass(frozen=True)
class Ranks:
    """Stacks of panels from left to right; a place with a number beyond the columns is where a long line passes."""

    stacks: tuple[tuple[int, ...], ...]
    lines: tuple[tuple[int, int], ...]  # each between neighbouring stacks


Cells = tuple[tuple[int, ...], ...]  # places of columns that stand below one another


def _cells(columns: Columns, fold: int) -> Cells:
    """The columns one by one; beside parallel streams, up to `fold` of a chain below one another."""
    single: Cells = tuple([(i,) for i in range(len(columns.columns))])
    stacks = _ranks(columns, single).stacks
    if fold == 1 or all(len(stack) == 1 for stack in stacks):
        return single
    alone = {stack[0] for stack in stacks if len(stack) == 1}
    cells: list[list[int]] = []
    for (i,) in single:
        before = cells[-1] if cells else []
        if before and before[-1] in alone and i in alone and columns.columns[i].reads == (before[-1],) and len(before) < fold:
            before.append(i)
        else:
            cells.append([i])
    return tuple([tuple(cell) for cell in cells])


def _ranks(columns: Columns, cells: Cells) -> Ranks:
    of = {i: number for number, cell in enumerate(cells) for i in cell}
    reads = [sorted({of[j] for i in cell for j in columns.columns[i].reads} - {number}) for number, cell in enumerate(cells)]
    rank = [0] * len(cells)
    for i, sources in enumerate(reads):
        rank[i] = max([rank[j] + 1 for j in sources], default=0)
    stacks: list[list[int]] = [[i for i in range(len(cells)) if rank[i] == own] for own in range(max(rank) + 1)]
    lines: list[tuple[int, int]] = []
    bends: dict[tuple[int, int], int] = {}
    for i, sources in enumerate(reads):
        for j in sources:
            at = j
            for own in range(rank[j] + 1, rank[i]):
                if (j, own) not in bends:
                    bends[j, own] = len(cells) + len(bends)
                    stacks[own].append(bends[j, own])
                    lines.append((at, bends[j, own]))
                at = bends[j, own]
            lines.append((at, i))
    return Ranks(tuple(_sorted_stacks(stacks, lines, len(cells))), tuple(lines))


def _sorted_stacks(stacks: list[list[int]], lines: list[tuple[int, int]], count: int) -> list[tuple[int, ...]]:
    """Each stack by the mean place of what it reads; of equals, what was written last stands highest, long lines lowest."""
    place: dict[int, float] = {}
    ordered = []
    for stack in stacks:
        before = {i: [place[j] for j, k in lines if k == i] for i in stack}
        stack = sorted(stack, key=lambda i: (sum(before[i]) / max(1, len(before[i])), i >= count, -i if i < count else i))
        place |= {i: number - (len(stack) - 1) / 2 for number, i in enumerate(stack)}
        ordered.append(tuple(stack))
    return ordered


# ---------------------------------------------------------------- rows of the page


@dataclass(frozen=True)
class Arranged:
    """Panels in stacks, the stacks in rows (half-open intervals of them), in a room of a width and a height in points."""

    columns: Columns
    sizing: Sizing
    panels: list[Panel]
    ranks: Ranks
    rows: list[tuple[int, int]]  # half-open intervals of ranks
    scale: float
    room: tuple[float, float]
    parts: float  # into how many parts the tallest column is broken

    @property
    def score(self) -> float:
        """How well it reads: large text, up to a point, in few rows, columns in one part, with output widths."""
        if self.scale < 1:
            return self.scale - 1
        words = 1.08 if self.sizing.rich else 1.0
        return min(self.scale, 1.4) * 0.9 ** (len(self.rows) - 1) * math.pow(0.95, self.parts - 1) * words


_PARTS = (1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 6.0, 8.0, 12.0)


def arranged_on(columns: Columns, sizing: Sizing, room: tuple[float, float], choices: tuple[float, ...] = _PARTS) -> Arranged:
    """The best arrangement: contents broken into parts or not, chains below one another or not, in one row or several."""
    folds = dict.fromkeys(_cells(columns, fold) for fold in (1, 2, 3, 4))
    tallest = max(panel.height for panel in panels_of(columns, sizing, math.inf))
    found: list[Arranged] = []
    for parts in choices:
        single = panels_of(columns, sizing, tallest / parts)
        for cells in folds:
            ranks = _ranks(columns, cells)
            panels = [below_one_another([single[i] for i in cell]) for cell in cells]
            widths, heights = sizes(panels, ranks)
            for count in range(1, min(len(widths), 12) + 1):
                rows = _rows(widths, ranks, count)
                scale = _scale(widths, heights, rows, room)
                found.append(Arranged(columns, sizing, panels, ranks, rows, scale, room, parts))
    return max(found, key=lambda arranged: arranged.score)


def sizes(panels: list[Panel], ranks: Ranks) -> tuple[list[float], list[float]]:
    """Widths and heights of the stacks."""
    widths = [max(panels[i].width if i < len(panels) else 0.0 for i in stack) for stack in ranks.stacks]
    heights = [sum(cell_height(panels, i) for i in stack) + BETWEEN * (len(stack) - 1) for stack in ranks.stacks]
    return widths, heights


def cell_height(panels: list[Panel], i: int) -> float:
    """The height of a panel, or of the place where a long line passes."""
    return panels[i].height if i < len(panels) else PASS


def _rows(widths: list[float], ranks: Ranks, count: int) -> list[tuple[int, int]]:
    """The ranks in `count` rows, the widest as narrow as can be; a break that cuts several lines counts as wider."""
    place = {i: rank for rank, stack in enumerate(ranks.stacks) for i in stack}
    cut = [sum(place[v] == rank for v, _ in ranks.lines) for rank in range(len(widths))]
    total = [0.0]
    for width in widths:
        total.append(total[-1] + width + BETWEEN)
    size = len(widths)
    best: list[list[tuple[float, int]]] = [[(0.0 if end == 0 else math.inf, 0) for end in range(size + 1)]]
    for _ in range(count):
        row = [(math.inf, 0)]
        for end in range(1, size + 1):
            penalty = 1 + 0.15 * max(0, cut[end - 1] - 1) * (end < size)
            row.append(min((max(best[-1][start][0], (total[end] - total[start]) * penalty), start) for start in range(end)))
        best.append(row)
    rows, end = [], size
    for level in range(count, 0, -1):
        start = best[level][end][1]
        rows.append((start, end))
        end = start
    return rows[::-1]


def row_width(widths: list[float], row: tuple[int, int]) -> float:
    """The width of a row of stacks, the least space between them included."""
    return sum(widths[row[0] : row[1]]) + BETWEEN * (row[1] - row[0] - 1)


def _scale(widths: list[float], heights: list[float], rows: list[tuple[int, int]], room: tuple[float, float]) -> float:
    across = max(row_width(widths, row) for row in rows) + (2 * EDGE if len(rows) > 1 else 0.0)
    down = sum(max(heights[a:b]) for a, b in rows) + ROWS * (len(rows) - 1)
    return min(MOST_SCALE, room[0] / across, room[1] / down)


def anchor(panels: list[Panel], i: int, leaves: bool = False) -> float:
    """How far below the upper edge of a panel (or of a long line's place) arrows end, or begin."""
    if i >= len(panels):
        return PASS / 2
    return panels[i].leave if leaves else panels[i].enter
