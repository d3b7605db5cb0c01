"""The cost table as text, JSON, CSV, Markdown and HTML; tables of these forms for others too."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from netwright.graph import Shape
from netwright.units import short_bytes

if TYPE_CHECKING:
    from netwright.costing.table import Cost, Line

WIDTH = 130  # characters of a terminal that a text table may take

MB = 10**6
MIB = 2**20

Cells = Sequence[str]


class Column(NamedTuple):
    """A column of the table for people: its header, a line's cell, the total's, and the unit."""

    head: str
    cell: Callable[[Line], str]
    total: Callable[[Cost], str]
    unit: str = ""


def shape_text(shape: Shape, between: str = " x ") -> str:
    """64 x 56 x 56."""
    return between.join(map(str, shape))


def pair_text(pair: tuple[float, float] | None) -> str:
    """One number where both are the same, 1x7 where not, a dash for none."""
    if pair is None:
        return "-"
    return "x".join(f"{value:.6g}" for value in (pair if pair[0] != pair[1] else pair[:1]))


def _count(name: str) -> Column:
    return Column(name, lambda line: f"{getattr(line, name):,}", lambda cost: f"{getattr(cost, name):,}")


_NAME = Column("name", lambda line: line.name, lambda cost: "total")
_KIND = Column("kind", lambda line: line.kind, lambda cost: f"{len(cost.lines)} rows")
_OUTPUT = Column("output", lambda line: shape_text(line.shape, "x"), lambda cost: "")
_FIELD = Column("field", lambda line: pair_text(line.field), lambda cost: "", "px")
_KERNEL = Column("kernel", lambda line: pair_text(line.kernel), lambda cost: "")
_STRIDE = Column("stride", lambda line: pair_text(line.stride), lambda cost: "")
_PARAMS, _MACS, _FLOPS, _ACTS = (_count(name) for name in ("params", "macs", "flops", "acts"))
_SAVED = Column("saved", lambda line: f"{line.saved_bytes / MB:,.2f}", lambda cost: f"{cost.memory.saved / MB:,.2f}", "MB")
_TIME = Column("time", lambda line: f"{line.milliseconds or 0:,.3f}", lambda cost: f"{cost.milliseconds or 0:,.3f}", "ms")
_LEFT = 3  # columns of words


def columns(cost: Cost) -> list[Column]:
    """What people are shown: groups have an effective kernel; nobody trains what is deployed."""
    seen = any(line.field is not None for line in cost.lines)
    shown = [_NAME, _KIND, _OUTPUT, *([_FIELD] if seen else [])]
    shown += [_KERNEL, _STRIDE] if seen and cost.by != "layer" else []
    shown += [_PARAMS, _MACS, _FLOPS, _ACTS]
    shown += [] if cost.deploy else [_SAVED]
    return shown + ([_TIME] if cost.times is not None else [])


def _cells(cost: Cost, shown: list[Column]) -> tuple[list[str], list[list[str]], list[str]]:
    head = [f"{column.head} ({column.unit})" if column.unit else column.head for column in shown]
    return head, [[column.cell(line) for column in shown] for line in cost.lines], [column.total(cost) for column in shown]


def title(cost: Cost) -> str:
    """What was costed, and for what the numbers are."""
    form = ", as deployed" if cost.deploy else ""
    return f"{cost.network}{form} for one image of {shape_text(cost.image)}"


def notes(cost: Cost) -> list[str]:
    """What the columns are, where their names do not say it."""
    shown = columns(cost)
    told = ["field: px of the image that one output sees"] if _FIELD in shown else []
    told += [f"saved: kept for backward at {_use(cost)} (MB = 10^6 bytes)"] if _SAVED in shown else []
    lines = ["; ".join(told)] if told else []
    lines += ["kernel, stride: of the group as one layer"] if _KERNEL in shown else []
    return lines + ([f"time: predicted for batch {cost.batch} on {cost.profile}"] if _TIME in shown else [])


def _use(cost: Cost) -> str:
    return f"batch {cost.batch}, {cost.precision}"


def totals(cost: Cost) -> list[tuple[str, str, str]]:
    """The bytes below the table: of what, at which batch, precision and optimizer, and how much with its parts."""
    memory, lecture = cost.memory, cost.lecture
    activations = sum(lecture.activations)
    training = {"weights": memory.parameters, "gradients": memory.gradients, "optimizer": memory.state, "saved": memory.saved}
    inference = {"weights": memory.weights, "live maps": memory.maps}
    taught = f"activations {activations / MIB:,.1f} + parameters {lecture.parameters / MIB:,.1f}"
    rows = [("inference", _use(cost), f"{short_bytes(memory.inference)} = {_parts(inference)}")]
    if cost.deploy:
        return rows
    optimizer = f"{_use(cost)}, {cost.optimizer}"
    estimate = f"{(activations + lecture.parameters) / MIB:,.1f} MiB = {taught}"
    return [
        ("training", optimizer, f"{short_bytes(memory.training)} = {_parts(training)}"),
        *rows,
        ("lecture's estimate", f"batch {cost.batch}, fp32, {cost.optimizer}", estimate),
    ]


def _parts(parts: dict[str, int]) -> str:
    return " + ".join(f"{name} {short_bytes(count)}" for name, count in parts.items())


# ---------------------------------------------------------------- the forms of a cost


def to_text(cost: Cost) -> str:
    """The table for a terminal; where it would be too wide, flops are left to the total: they are exactly twice the macs."""
    shown, more = columns(cost), []
    table = _text(cost, shown)
    if max(map(len, table.splitlines())) > WIDTH:
        table = _text(cost, [column for column in shown if column is not _FLOPS])
        more = [f"flops: {cost.flops:,} (exactly 2 x macs)"]
    rows = totals(cost)
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    below = [f"{name:{widths[0]}}  {use:{widths[1]}}  {told}" for name, use, told in rows]
    return "\n".join([title(cost), *notes(cost), "", table, *more, "", *below])


def _text(cost: Cost, shown: list[Column]) -> str:
    _, body, foot = _cells(cost, shown)
    return text_table([column.head for column in shown], body, foot, left=_LEFT, units=[column.unit for column in shown])


def to_json(cost: Cost) -> dict[str, Any]:
    """Totals and rows as plain values: counts for one image, bytes and milliseconds for the batch, fields in pixels."""
    use = {"batch": cost.batch, "precision": cost.precision, "optimizer": cost.optimizer, "deploy": cost.deploy}
    head = {"network": cost.network, "image": list(cost.image), "by": cost.by, **use}
    memory, lecture = cost.memory, cost.lecture
    taught = {"activations": sum(lecture.activations), "parameters": lecture.parameters}
    parts = {name: getattr(memory, name) for name in ("parameters", "gradients", "state", "saved", "weights", "maps")}
    bytes_are = {"training": memory.training, "inference": memory.inference, **parts, "lecture": taught}
    time = {"milliseconds": cost.milliseconds, "profile": None if cost.profile is None else str(cost.profile)}
    return head | _counts(cost) | {"bytes": bytes_are, **time, "rows": [_row(line) for line in cost.lines]}


def _counts(of: Line | Cost) -> dict[str, int]:
    return {name: getattr(of, name) for name in ("params", "macs", "flops", "acts")}


_PLACE = ("field", "jump", "kernel", "stride")
_BYTES = ("weight_bytes", "saved_bytes", "lecture_activations", "lecture_parameters")


def _row(line: Line) -> dict[str, Any]:
    values = {name: getattr(line, name) for name in ("share", *_PLACE, *_BYTES, "milliseconds")}
    plain = {name: list(value) if isinstance(value, tuple) else value for name, value in values.items()}
    return {"name": line.name, "kind": line.kind, "shape": list(line.shape), **_counts(line), **plain}


def to_csv(cost: Cost) -> str:
    """The lines with a header, the total not among them; pairs (height, width) are written as 3x5.

    Where time is predicted, a last column says from which profile.
    """
    rows = [_row(line) for line in cost.lines]
    for row in rows:
        row["shape"] = shape_text(row["shape"])
        for name in _PLACE:
            row[name] = "" if row[name] is None else "x".join(f"{value:.10g}" for value in row[name])
        if cost.profile is not None:
            row["profile"] = str(cost.profile)
    return csv_table(rows)


def to_markdown(cost: Cost) -> str:
    """The table, what its units are and the totals below it."""
    table = markdown_table(*_cells(cost, columns(cost)), left=_LEFT)
    below = [f"- {name}, {use}: {told}" for name, use, told in totals(cost)]
    return "\n".join([f"**{title(cost)}**", "", table, "", *notes(cost), "", *below, ""])


def to_html(cost: Cost) -> str:
    """The table, for notebooks and reports."""
    told = [f"{name}, {use}: {told}" for name, use, told in totals(cost)]
    return html_table(title(cost), *_cells(cost, columns(cost)), notes=[*notes(cost), *told])


# ---------------------------------------------------------------- tables


def text_table(head: Cells, body: Sequence[Cells], foot: Cells = (), left: int = 1, units: Cells = ()) -> str:
    """Aligned columns, the first `left` ones to the left; a rule below the head and its units, and above the foot."""
    heads, feet = [head, *([units] if any(units) else [])], [foot] if foot else []
    rows = [*heads, *body, *feet]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))] for row in rows]
    lines = ["  ".join(row).rstrip() for row in cells]
    rule = "-" * max(map(len, lines))
    lines.insert(len(heads), rule)
    return "\n".join([*lines[:-1], rule, lines[-1]] if foot else lines)


def markdown_table(head: Cells, body: Sequence[Cells], foot: Cells = (), left: int = 1) -> str:
    """A pipe table; the foot is its last row, in bold."""
    marks = ["---" if i < left else "---:" for i in range(len(head))]
    last = [f"**{cell}**" if cell else "" for cell in foot]
    rows = [head, marks, *body, *([last] if foot else [])]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows)


def html_table(caption: str, head: Cells, body: Sequence[Cells], foot: Cells = (), notes: Cells = ()) -> str:
    """A table of the class `cost` with a caption, and notes below it."""
    from html import escape

    def row(tag: str, cells: Cells) -> str:
        tags = [tag if cell else "td" for cell in cells]  # a header without words heads nothing
        return "<tr>" + "".join(f"<{one}>{escape(cell)}</{one}>" for one, cell in zip(tags, cells, strict=True)) + "</tr>"

    parts = [f"<caption>{escape(caption)}</caption>", f"<thead>{row('th', head)}</thead>"]
    parts.append(f"<tbody>{''.join(row('td', cells) for cells in body)}</tbody>")
    parts += [f"<tfoot>{row('th', foot)}</tfoot>"] if foot else []
    below = "".join(f'<p class="note">{escape(note)}</p>' for note in notes)
    return f'<table class="cost">{"".join(parts)}</table>{below}'


def html_page(title: str, body: str) -> str:
    """A whole page around a table."""
    from html import escape

    style = (
        "body{font:16px/1.5 system-ui,sans-serif;margin:2rem}table{border-collapse:collapse;font-variant-numeric:tabular-nums}"
        "td,th{padding:.1rem .6rem;text-align:right;border-bottom:1px solid #8885}td:nth-child(-n+3){text-align:left}"
        "caption{text-align:left;font-weight:600}"
    )
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{style}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def csv_table(rows: Sequence[dict[str, Any]]) -> str:
    """Rows as CSV, under the names of the first."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else [], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
