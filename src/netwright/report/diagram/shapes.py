"""Trees as shapes on paper: sizes and places of boxes, joints and lines within a column, in points."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from netwright.report.diagram.columns import Column, Columns, side
from netwright.report.diagram.text import LINE, SIZE, label_of, shortened, text_width, tooltip
from netwright.report.diagram.tree import Frame, Layered, Parallel, Series, Tree, Unit

Point = tuple[float, float]


class Shape(NamedTuple):
    """A rectangle or, for add and multiply, the square around a circle; x and y are those of the upper left corner.

    `share` is the part of the network's macs (0 to 1) that the shape stands for, `channels` and `side` (px) its map's.
    """

    kind: str  # layer, block, input, map, add, multiply, concat, frame, panel, swatch
    x: float
    y: float
    width: float
    height: float
    title: str = ""
    share: float = 0.0
    channels: int = 0
    side: float = 0.0
    rows: tuple[int, ...] = ()
    times: int = 1


class Text(NamedTuple):
    """A line of text; y is that of its base line."""

    x: float
    y: float
    text: str
    size: float = SIZE
    anchor: Literal["start", "middle", "end"] = "middle"
    bold: bool = False
    on: float = 0.0  # the share of macs of the shape that it is written on

    @property
    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right and bottom of the most room that the text takes."""
        width = text_width(self.text, self.size, self.bold)
        left = self.x - {"start": 0.0, "middle": width / 2, "end": width}[self.anchor]
        return left, self.y - 0.76 * self.size, left + width, self.y + 0.24 * self.size


class Line(NamedTuple):
    """A path through points: straight with rounded corners (wide ones for a shortcut), or a curve with four control points."""

    points: tuple[Point, ...]
    kind: Literal["flow", "arrow", "shortcut", "curve"] = "flow"


Mark = Shape | Text | Line


def placed(mark: Mark, dx: float, dy: float, scale: float = 1.0) -> Mark:
    """A mark scaled, then moved."""
    if isinstance(mark, Line):
        return mark._replace(points=tuple([(dx + scale * x, dy + scale * y) for x, y in mark.points]))
    moved = mark._replace(x=dx + scale * mark.x, y=dy + scale * mark.y)
    if isinstance(moved, Text):
        return moved._replace(size=scale * moved.size)
    return moved._replace(width=scale * moved.width, height=scale * moved.height)


@dataclass(frozen=True)
class Piece:
    """Marks around a vertical axis at x = 0 on which the flow enters at y = 0 and leaves at y = `height`."""

    left: float
    right: float
    height: float
    marks: tuple[Mark, ...]

    def at(self, dx: float, dy: float) -> list[Mark]:
        """The marks, moved."""
        return [placed(mark, dx, dy) for mark in self.marks]


GAP = 4.0  # between shapes of a chain
FORK = 5.0  # from where branches part to their first shapes
BESIDE = 4.0  # between branches
PAD = 3.0  # around what is in a frame
ARC = 7.0  # how far a shortcut swings out


def box_width(channels: int) -> float:
    """Proportional to the logarithm of the channels, plus a constant that leaves room for a few letters."""
    return 9.0 + 2.9 * math.log2(max(1, channels))


def box_height(pixels: float, stretch: float = 1.0) -> float:
    """Proportional to the logarithm of the resolution, plus the height of a line of text."""
    return 9.2 + 1.3 * stretch * math.log2(max(1.0, pixels))


class Sizing:
    """How the shapes of one drawing are made: from which columns, with how many words, stretched to fill the page's height."""

    def __init__(self, columns: Columns, rich: bool, total_macs: int, stretch: float = 1.0) -> None:
        self.columns, self.rich, self.total_macs, self.stretch = columns, rich, total_macs, stretch
        self._items: dict[tuple[int, ...], list[Piece]] = {}

    def items(self, column: Column) -> list[Piece]:
        """The pieces of a column, from top to bottom."""
        if column.rows not in self._items:
            self._items[column.rows] = [self.piece(item, column.times) for item in column.tree.items]
        return self._items[column.rows]

    def piece(self, tree: Tree, times: int = 1) -> Piece:
        """The shapes of a tree whose frames around it repeat it `times` times."""
        if isinstance(tree, Unit):
            return self.joint(tree, times) if tree.kind in ("add", "multiply") else self.box(tree, times)
        if isinstance(tree, Frame):
            return framed(self.piece(tree.body, times * tree.times), tree)
        if isinstance(tree, Series):
            return chain([self.piece(item, times) for item in tree.items])
        if isinstance(tree, Parallel):
            return branched([self.piece(branch, times) for branch in tree.branches], tree.identity, tree.joint)
        return layered([self.piece(element, times) for element in tree.elements], tree)

    def shape(self, unit: Unit, times: int, kind: str) -> Shape:
        """The facts of a shape, without its size."""
        row = self.columns.row(unit)
        macs = self.columns.counts(unit)[1]
        share = macs / self.total_macs if self.total_macs else 0.0
        title = tooltip(self.columns, unit, times, self.total_macs)
        return Shape(kind, 0, 0, 0, 0, title, share, row.shape[0], side(row.shape), unit.rows, times)

    def joint(self, unit: Unit, times: int) -> Piece:
        """A circle for a sum or a product."""
        shape = self.shape(unit, times, unit.kind)._replace(x=-4.5, y=0, width=9, height=9)
        return Piece(4.5, 4.5, 9, (shape,))

    def box(self, unit: Unit, times: int) -> Piece:
        """A rectangle with its label in it, or to the right of it where it does not fit."""
        shape = self.shape(unit, times, unit.kind)
        if unit.kind == "input" and unit.rows[0] >= self.columns.reading.first:  # a map of another column
            return Piece(3, 3, 6, (shape._replace(kind="map", x=-3, y=0, width=6, height=6),))
        width, height = box_width(shape.channels), box_height(shape.side, self.stretch)
        if unit.kind == "concat":
            return Piece(width / 2, width / 2, 4, (shape._replace(x=-width / 2, y=0, width=width, height=4),))
        lines, inside = self._label(unit, width, height)
        widest = max([0.0, *[text_width(line) for line in lines]])
        tall = max(height, 0.0 if inside else SIZE * LINE * (len(lines) - 1) + SIZE)
        x, right = (0.0, width / 2) if inside else (width / 2 + 2.5, width / 2 + 3 + widest)
        shape = shape._replace(x=-width / 2, y=(tall - height) / 2, width=width, height=height)
        step = SIZE * (_TIGHT if inside else LINE)
        texts = []
        for i, line in enumerate(lines):
            y = tall / 2 + SIZE * 0.36 + step * (i - (len(lines) - 1) / 2)
            texts.append(Text(x, y, line, SIZE, "middle" if inside else "start", on=shape.share if inside else 0.0))
        return Piece(width / 2, right, tall, (shape, *texts, *_stubs(shape, tall)))

    def _label(self, unit: Unit, width: float, height: float) -> tuple[list[str], bool]:
        """The lines of a label, and whether they stand in the shape: in one line, in two, or shortened."""
        lines = label_of(self.columns, unit, self.rich)
        forms = [lines]
        if len(lines) == 1:
            forms.append([line.rstrip(",") for line in lines[0].rsplit(" ", 1)])
            short = shortened(lines[0])
            forms += [[short]] if short and not self.rich else []
        for form in forms:
            tall = SIZE * (_TIGHT * (len(form) - 1) + 0.95) + (1.5 if len(form) > 1 else 0.0)
            if max([0.0, *[text_width(line) for line in form]]) <= width - 1 and tall <= height:
                return form, True
        return forms[-1] if len(lines) == 1 and len(forms[-1]) == 1 else lines, False


_TIGHT = 1.0  # lines within a shape, in sizes


def _stubs(shape: Shape, height: float) -> list[Mark]:
    """Lines from the axis's ends to a shape that is lower than its label."""
    if shape.y <= 0:
        return []
    return [Line(((0.0, 0.0), (0.0, shape.y))), Line(((0.0, shape.y + shape.height), (0.0, height)))]


def chain(pieces: list[Piece], gap: float = GAP) -> Piece:
    """Pieces below one another, joined by lines."""
    marks: list[Mark] = []
    y = 0.0
    for i, piece in enumerate(pieces):
        if i:
            marks.append(Line(((0.0, y), (0.0, y + gap))))
            y += gap
        marks += piece.at(0.0, y)
        y += piece.height
    return Piece(max(p.left for p in pieces), max(p.right for p in pieces), y, tuple(marks))


def framed(body: Piece, frame: Frame) -> Piece:
    """A piece in a frame that says how often it is repeated."""
    label = f"x {frame.times}"
    top = PAD if frame.times == 1 else PAD + SIZE * 1.1
    left, right = body.left + PAD, body.right + PAD
    if frame.times > 1:
        right = max(right, text_width(label, SIZE, True) + 6)
    height = top + body.height + PAD
    marks: list[Mark] = [Shape("frame", -left, 0, left + right, height, times=frame.times)]
    if frame.times > 1:
        marks.append(Text(right - 3, SIZE * 1.05, label, SIZE, "end", True))
    marks += [Line(((0.0, 0.0), (0.0, top))), *body.at(0.0, top), Line(((0.0, top + body.height), (0.0, height)))]
    return Piece(left, right, height, tuple(marks))


def branched(branches: list[Piece], identity: bool, joint: str) -> Piece:
    """Branches side by side; the map itself passes on the right as an arc, or straight on beside a gate."""
    gate = joint == "multiply" and identity
    height = max(piece.height for piece in branches) + 2 * FORK
    starts = _spread(branches, gate, centred=joint in ("concat", "") and len(branches) > 1 - identity)
    marks: list[Mark] = []
    for x, piece in zip(starts, branches, strict=True):
        lead = (height - piece.height) / 2
        marks += [_elbow(0.0, 0.0, x, lead), *piece.at(x, lead), _elbow(x, lead + piece.height, 0.0, height)]
    left = max([0.0, *[piece.left - x for x, piece in zip(starts, branches, strict=True)]])
    right = max(piece.right + x for x, piece in zip(starts, branches, strict=True))
    if gate:
        marks.append(Line(((0.0, 0.0), (0.0, height))))
        left = max(left, 3.0)
    elif identity:
        out = right + ARC
        marks.append(Line(((0.0, 1.0), (out, 1.0), (out, height - 1.0), (0.0, height - 1.0)), "shortcut"))
        right = out
    return Piece(left, right, height, tuple(marks))


def _spread(branches: list[Piece], gate: bool, centred: bool) -> list[float]:
    """The axes of branches side by side: around the middle, or the first one straight on and the others to its right."""
    starts, x = [], 0.0
    for i, piece in enumerate(branches):
        x = x + (BESIDE + piece.left if i or gate else 0.0)
        starts.append(x)
        x += piece.right
    middle = (starts[0] + starts[-1]) / 2 if centred else 0.0
    return [start - middle for start in starts]


def _elbow(x0: float, y0: float, x1: float, y1: float) -> Line:
    """Down, across and down again; across near the end where branches meet."""
    if x0 == x1:
        return Line(((x0, y0), (x1, y1)))
    across = y0 + FORK / 2 if x0 == 0 else y1 - FORK / 2
    return Line(((x0, y0), (x0, across), (x1, across), (x1, y1)))


# ---------------------------------------------------------------- no branches: elements in layers


def layered(elements: list[Piece], tree: Layered) -> Piece:
    """Elements in rows, each below all that it reads; a line to a row further down passes between the elements."""
    slots, lines = _ranked(len(elements), tree)
    rows = max(rank for rank, _ in slots.values()) + 1
    narrow = Piece(3.0, 3.0, 0.0, ())
    pieces = {node: elements[node] if node < len(elements) else narrow for node in slots}
    x: dict[int, float] = {}
    y, tops = FORK + GAP, []
    left = right = 0.0
    for rank in range(rows):
        row = sorted((order, node) for node, (own, order) in slots.items() if own == rank)
        width = sum(pieces[n].left + pieces[n].right + BESIDE for _, n in row) - BESIDE
        at = -width / 2
        for _, node in row:
            x[node] = at + pieces[node].left
            at += pieces[node].left + pieces[node].right + BESIDE
        left, right = max(left, width / 2), max(right, width / 2)
        tops.append(y)
        y += max(pieces[n].height for _, n in row) + 2 * FORK
    height = y - FORK + GAP
    marks: list[Mark] = []
    for node, (rank, _) in slots.items():
        end = tops[rank + 1] - 2 * FORK if rank + 1 < rows else height - FORK - GAP
        marks += pieces[node].at(x[node], tops[rank])
        marks.append(Line(((x[node], tops[rank] + pieces[node].height), (x[node], end))))
    ends = {-1: (0.0, 0.0), -2: (0.0, height)}
    for v, w in lines:
        start = (
            ends[-1] if v < 0 else (x[v], (tops[slots[v][0] + 1] if slots[v][0] + 1 < rows else height + FORK - GAP) - 2 * FORK)
        )
        stop = ends[-2] if w < 0 else (x[w], tops[slots[w][0]])
        bend = (start[1] + stop[1]) / 2
        marks.append(Line((start, (start[0], bend), (stop[0], bend), stop), "curve"))
    return Piece(left, right, height, tuple(marks))


def _ranked(count: int, tree: Layered) -> tuple[dict[int, tuple[int, int]], list[tuple[int, int]]]:
    """(row, order in it) of elements and of the bends of long lines (numbered from `count` on), and the short lines.

    In a line -1 stands for the start and -2 for the end.
    """
    rank = [0] * count
    for v, w in sorted(tree.edges):
        rank[w] = max(rank[w], rank[v] + 1)
    last = max(rank)
    wanted = [(-1, w) for w in tree.entries] + list(tree.edges) + [(v, -2) for v in tree.exits]
    rows: list[list[int]] = [[v for v in range(count) if rank[v] == own] for own in range(last + 1)]
    lines: list[tuple[int, int]] = []
    bends: dict[tuple[int, int], int] = {}  # one bend in a row serves all lines of one source
    number = count
    for v, w in wanted:
        at = v
        for own in range((rank[v] if v >= 0 else -1) + 1, rank[w] if w >= 0 else last + 1):
            if (v, own) not in bends:
                bends[v, own] = number
                rows[own].append(number)
                lines.append((at, number))
                number += 1
            at = bends[v, own]
        lines.append((at, w))
    return _ordered(rows, lines), lines


def _ordered(rows: list[list[int]], lines: list[tuple[int, int]]) -> dict[int, tuple[int, int]]:
    """Orders in each row with few crossings: every node near the middle of its neighbours, down and up a few times."""
    place: dict[int, float] = {}
    for row in rows:
        place |= {node: i - (len(row) - 1) / 2 for i, node in enumerate(row)}
    near: dict[int, dict[str, list[int]]] = {node: {"up": [], "down": []} for node in place}
    for v, w in lines:
        if v in place and w in place:
            near[v]["down"].append(w)
            near[w]["up"].append(v)
    sweeps: list[tuple[str, Callable[[list[list[int]]], list[list[int]]]]] = [("up", list), ("down", lambda r: r[::-1])] * 3
    for direction, turned in sweeps:
        for row in turned(rows):
            middle = {n: sum(place[m] for m in near[n][direction]) / max(1, len(near[n][direction])) for n in row}
            row.sort(key=lambda n: (middle[n] if near[n][direction] else place[n], place[n]))
            place |= {node: i - (len(row) - 1) / 2 for i, node in enumerate(row)}
    return {node: (rank, i) for rank, row in enumerate(rows) for i, node in enumerate(row)}


def split(pieces: list[Piece], most: float) -> Piece:
    """A chain that is broken into columns of at most the height `most`, where it can; the line goes up from each to the next."""
    total = sum(piece.height for piece in pieces) + GAP * (len(pieces) - 1)
    if total <= most or len(pieces) == 1:
        return chain(pieces)
    parts = [chain(part) for part in _evenly(pieces, max(2, math.ceil(total / most)))]
    marks: list[Mark] = []
    x, height = parts[0].left, max(part.height for part in parts)
    lane, top = 9.0, 4.0
    for i, part in enumerate(parts):
        marks += part.at(x, top)
        if i + 1 < len(parts):
            after = x + part.right + lane + parts[i + 1].left
            bend = x + part.right + lane / 2
            low = top + part.height + 4
            marks.append(Line(((x, low - 4), (x, low), (bend, low), (bend, 0.0), (after, 0.0), (after, top)), "arrow"))
            x = after
    first, last = parts[0].left, x + parts[-1].right
    marks = [placed(mark, -first, 0.0) for mark in marks]
    return Piece(first, last - first, height + top + 4, tuple(marks))


def _evenly(pieces: list[Piece], count: int) -> list[list[Piece]]:
    """The pieces in `count` runs whose highest is as low as can be."""
    heights = [piece.height + GAP for piece in pieces]
    low, high = max(heights), sum(heights)
    for _ in range(30):
        middle = (low + high) / 2
        low, high = (low, middle) if _fills(heights, middle) <= count else (middle, high)
    runs: list[list[Piece]] = [[]]
    room = high
    for piece, height in zip(pieces, heights, strict=True):
        if height > room + 1e-6 and runs[-1]:
            runs.append([])
            room = high
        runs[-1].append(piece)
        room -= height
    return runs


def _fills(heights: list[float], most: float) -> int:
    count, room = 1, most
    for height in heights:
        if height > room + 1e-6:
            count, room = count + 1, most
        room -= height
    return count
