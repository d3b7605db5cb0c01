"""Panels: the columns of a diagram with their headings."""

from __future__ import annotations

from dataclasses import dataclass

from netwright.report.diagram.columns import Column, Columns
from netwright.report.diagram.shapes import Line, Mark, Shape, Sizing, Text, placed, split
from netwright.report.diagram.text import LINE, SIZE, rounded_shares, shape_text, text_width, wrapped
from netwright.units import short_amount

BETWEEN = 14.0  # columns, where the arrows are
INSIDE = 4.0  # from a panel's border to what is in it


@dataclass(frozen=True)
class Panel:
    """A column with its heading, or a few below one another, before they have a place.

    `enter` and `leave` are how far below its upper edge arrows end and begin.
    """

    width: float
    height: float
    marks: tuple[Mark, ...]
    enter: float
    leave: float


def panels_of(columns: Columns, sizing: Sizing, most: float) -> list[Panel]:
    """The columns as panels whose contents are broken into parts of at most `most` points of height."""
    shares = [0.0, *rounded_shares([column.macs for column in columns.columns[1:]])]
    return [_panel(columns, column, sizing, share, most) for column, share in zip(columns.columns, shares, strict=True)]


def _panel(columns: Columns, column: Column, sizing: Sizing, share: float, most: float) -> Panel:
    body = split(sizing.items(column), most)
    facts = _facts(columns, column, sizing, share)
    width = max([body.left + body.right, *[text_width(line) for line in facts]])
    width = max(width, min(58.0, text_width(max(names_of(column).split(), key=len), bold=True)))
    name = _heading(column, width)
    width += 2 * INSIDE
    texts: list[Mark] = []
    y = INSIDE + 0.8 * SIZE
    for i, line in enumerate([*name, *facts]):
        texts.append(Text(width / 2, y, line, SIZE, "middle", i < len(name)))
        y += SIZE * LINE
    top = y - 0.2 * SIZE + 2
    height = top + body.height + INSIDE
    axis = (width - body.left - body.right) / 2 + body.left
    frame = Shape("panel", 0, 0, width, height, _said(columns, column, share), times=column.times)
    return Panel(width, height, (frame, *texts, *body.at(axis, top)), INSIDE + SIZE * 0.5, INSIDE + SIZE * 0.5)


def below_one_another(panels: list[Panel]) -> Panel:
    """Panels of a chain as one, with an arrow from each to the next."""
    width = max(panel.width for panel in panels)
    marks: list[Mark] = []
    y = leave = 0.0
    for i, panel in enumerate(panels):
        if i:
            marks.append(Line(((width / 2, y), (width / 2, y + BETWEEN)), "arrow"))
            y += BETWEEN
        frame, *inner = panel.marks
        marks.append(placed(frame._replace(width=width), 0.0, y))  # type: ignore[call-arg]
        marks += [placed(mark, (width - panel.width) / 2, y) for mark in inner]
        leave, y = y + panel.leave, y + panel.height
    return Panel(width, y, tuple(marks), panels[0].enter, leave)


def names_of(column: Column) -> str:
    """The names of all stages of a column."""
    if not column.stages:
        return "image"
    if column.times > 1:
        return f"{column.stages[0]}{' to ' if len(column.stages) > 2 else ', '}{column.stages[-1]}, x {column.times}"
    return ", ".join(column.stages)


def _heading(column: Column, width: float) -> list[str]:
    """The names of a column's stages in at most four lines; where there are more, the first and the last one."""
    lines = wrapped(names_of(column), width, bold=True)
    if len(lines) <= 4 or len(column.stages) < 3 or column.times > 1:
        return lines
    return wrapped(f"{column.stages[0]} to {column.stages[-1]} ({len(column.stages)} stages)", width, bold=True)


def _facts(columns: Columns, column: Column, sizing: Sizing, share: float) -> list[str]:
    shape = shape_text(columns.reading.flat.rows[column.last].shape)
    if not column.stages:
        return [shape]
    lines = [shape]
    if sizing.total_macs:
        lines.append(f"{share:.1f} % of macs")
    if len(columns.reading.flat.outputs) > 1:
        lines += [f"output {number}" for number in column.outputs]
    return lines


def _said(columns: Columns, column: Column, share: float) -> str:
    shape = shape_text(columns.reading.flat.rows[column.last].shape)
    if not column.stages:
        return f"the image: {shape}"
    return (
        f"{', '.join(column.stages)}: output {shape}; {short_amount(column.params)} params, "
        f"{short_amount(column.macs)} macs, {share:.1f} % of the network's macs"
    )
