"""The cost table: params, macs, flops and acts per layer, block or stage."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

from netwright.errors import NetwrightError
from netwright.graph import Design, Graph, Row, Shape, trace
from netwright.graph.layers import Pair

By = Literal["layer", "block", "stage"]
GROUPINGS: tuple[By, ...] = ("layer", "block", "stage")


@dataclass(frozen=True)
class Line:
    """One line of the table: a layer, or the sum of the layers of a block or stage; for one image."""

    name: str
    kind: str
    shape: Shape
    params: int
    macs: int
    acts: int

    @property
    def flops(self) -> int:
        """Exactly two for each multiply-accumulate."""
        return 2 * self.macs


@dataclass(frozen=True)
class Cost:
    """Totals and lines of a network for one image. Prints as a table, and shows as one in a notebook."""

    network: str
    image: Shape
    params: int
    macs: int
    acts: int
    lines: tuple[Line, ...]

    @property
    def flops(self) -> int:
        """Exactly two for each multiply-accumulate."""
        return 2 * self.macs

    def to_json(self) -> dict[str, Any]:
        """Totals and lines as plain values; units are in the keys' definitions (counts for one image)."""
        totals = {"network": self.network, "image": list(self.image), **_counts(self)}
        lines = [{"name": x.name, "kind": x.kind, "shape": list(x.shape), **_counts(x)} for x in self.lines]
        return totals | {"rows": lines}

    def to_csv(self) -> str:
        """The lines as CSV, with a header; the total is not among them."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(("name", "kind", "shape", *_COLUMNS))
        writer.writerows((x.name, x.kind, _shape(x.shape), *_counts(x).values()) for x in self.lines)
        return text.getvalue()

    def __str__(self) -> str:
        head = ("name", "kind", "output", "params", "macs", "flops", "acts")
        body = [(x.name, x.kind, _shape(x.shape), *_figures(x)) for x in self.lines]
        foot = ("total", f"{len(self.lines)} rows", "", *_figures(self))
        title = f"{self.network} for one image of {_shape(self.image)}"
        return f"{title}\n{_columns([head, *body, foot], left=3)}"

    def _repr_html_(self) -> str:
        return to_html(self)


_COLUMNS = ("params", "macs", "flops", "acts")


def _counts(of: Line | Cost) -> dict[str, int]:
    return {name: getattr(of, name) for name in _COLUMNS}


def _figures(of: Line | Cost) -> list[str]:
    return [f"{count:,}" for count in _counts(of).values()]


def _shape(shape: Shape) -> str:
    return " x ".join(map(str, shape))


def _columns(rows: list[tuple[str, ...]], left: int) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    cells = [[c.ljust(w) if i < left else c.rjust(w) for i, (c, w) in enumerate(zip(row, widths, strict=True))] for row in rows]
    lines = ["  ".join(row).rstrip() for row in cells]
    rule = "-" * max(map(len, lines))
    return "\n".join([lines[0], rule, *lines[1:-1], rule, lines[-1]])


def to_html(cost: Cost) -> str:
    """The table as HTML, for notebooks and reports."""
    from html import escape

    def row(tag: str, cells: Iterable[str]) -> str:
        return "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in cells) + "</tr>"

    head = row("th", ("name", "kind", "output", *_COLUMNS))
    body = "".join(row("td", (x.name, x.kind, _shape(x.shape), *_figures(x))) for x in cost.lines)
    foot = row("th", ("total", f"{len(cost.lines)} rows", "", *_figures(cost)))
    caption = f"{escape(cost.network)} for one image of {_shape(cost.image)}: counts"
    return (
        f'<table class="cost"><caption>{caption}</caption><thead>{head}</thead><tbody>{body}</tbody><tfoot>{foot}</tfoot></table>'
    )


def cost(
    design: Design | Callable[..., Any],
    image: int | Pair | None = None,
    *,
    channels: int = 3,
    by: By = "layer",
    name: str = "",
) -> Cost:
    """The cost of a design for one image of `image` pixels (one side, or height and width).

    `by` groups the lines by layer, block or stage; the totals are the same for each. Counts are
    exact integers: params without buffers, macs of convolutions and linear layers without biases,
    flops twice the macs, acts the outputs of those layers (the convention of torchvision and of
    RegNet's paper). Raises DesignError and VanishedError as `trace` does.

    >>> from netwright.zoo import network
    >>> cost(network("resnet50"), image=224).macs
    4089184256
    """
    if by not in GROUPINGS:
        raise NetwrightError(f"cannot group by {by!r}: choose one of {', '.join(GROUPINGS)}")
    graph = trace(design, image, channels)
    lines = [_line(row) for row in graph.rows()] if by == "layer" else _grouped(graph, by)
    image_shape = graph.nodes[0].shape
    called = name or getattr(type(design), "__name__", "network")
    return Cost(called, image_shape, *graph.totals, tuple(lines))  # type: ignore[arg-type]


def _line(row: Row) -> Line:
    return Line(row.name, str(row.layer), row.shape, *row.counts)


def _grouped(graph: Graph, by: By) -> list[Line]:
    groups: dict[str, list[Row]] = {}
    for row in graph.rows():
        groups.setdefault(row.stage if by == "stage" else row.block, []).append(row)
    lines = []
    for name, rows in groups.items():
        params, macs, acts = (sum(column) for column in zip(*[row.counts for row in rows], strict=True))
        lines.append(
            Line(name, f"{len(rows)} layers" if len(rows) > 1 else str(rows[0].layer), rows[-1].shape, params, macs, acts)
        )
    return lines
