"""The columns of a diagram: the stages of the cost table in execution order, and what flows between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from netwright.graph import Graph, Row, Shape
from netwright.graph.layers import Activation, AdaptivePool, Dropout, Flatten, Norm, Scale
from netwright.report.diagram.arrange import column_tree
from netwright.report.diagram.tree import By, Reading, Series, Unit


@dataclass(frozen=True)
class Column:
    """One column: `stages` are the names of the cost table's stages in it, `times` how many equal ones stand for it.

    `rows` are those of the first copy, `last` the row of the map that it hands on; `reads` are places of other columns.
    """

    stages: tuple[str, ...]
    times: int
    tree: Series
    rows: tuple[int, ...]
    last: int
    params: int
    macs: int
    reads: tuple[int, ...]
    outputs: tuple[int, ...] = ()  # which of the network's outputs leave here, counted from 1


@dataclass(frozen=True)
class Columns:
    """All columns, the image first, and the graph that they were read from."""

    columns: tuple[Column, ...]
    reading: Reading
    by: By
    copies: dict[int, list[int]]  # a row that is drawn -> all rows that it stands for

    def row(self, unit: Unit) -> Row:
        """The last row of a unit: its output shape is the unit's."""
        return self.reading.flat.rows[unit.rows[-1]]

    def counts(self, unit: Unit) -> tuple[int, int]:
        """Params and macs of all layers that a unit stands for, its equal copies included."""
        if unit.kind == "input":
            return 0, 0
        rows = [self.reading.flat.rows[copy] for r in unit.rows for copy in self.copies[r]]
        return sum(row.counts[0] for row in rows), sum(row.counts[1] for row in rows)


@dataclass
class _Span:
    """Stages that follow one another, as a half-open interval of rows."""

    first: int
    end: int
    stages: list[str]


def side(shape: Shape) -> float:
    """The resolution of a map in pixels: the geometric mean of height and width; 1 for a flat one."""
    return math.sqrt(shape[1] * shape[2]) if len(shape) == 3 else 1.0


def columns_of(graph: Graph, by: By = "layer", merged: bool = False) -> Columns:
    """The columns of a graph; `merged` puts neighbouring stages of one resolution into one column."""
    reading = Reading(graph)
    spans = _attached(reading, _joined(reading, _stages(reading), bare_only=True))
    if merged:
        spans = _joined(reading, spans, bare_only=False)
    runs = _runs(reading, spans)
    of = {r: i + 1 for i, run in enumerate(runs) for span in run for r in range(span.first, span.end)}
    of |= dict.fromkeys(range(reading.first), 0)
    image = tuple(range(reading.first))
    columns = [Column((), 1, Series((Unit(image, "input"),)), image, image[-1], 0, 0, ())]
    for i, run in enumerate(runs, 1):
        columns.append(_column(reading, run, of, i, by))
    copies: dict[int, list[int]] = {}
    for place in range(len(reading.flat.rows)):
        copies.setdefault(reading.shown(place), []).append(place)
    return Columns(tuple(columns), reading, by, copies)


def _column(reading: Reading, run: list[_Span], of: dict[int, int], number: int, by: By) -> Column:
    rows = range(run[0].first, run[0].end)
    everything = range(run[0].first, run[-1].end)
    if len(run) > 1:
        reading.collapse([range(span.first, span.end) for span in run])
    tree = column_tree(reading, rows, by)
    params, macs = (sum(reading.flat.rows[r].counts[k] for r in everything) for k in (0, 1))
    reads = {of[source] for r in everything for source in reading.flat.rows[r].inputs} - {number}
    leaving = [r for r in everything if any(reader not in everything for reader in reading.readers[r])]
    outputs = tuple([i for i, r in enumerate(reading.flat.outputs, 1) if r in everything])
    stages = tuple([stage for span in run for stage in span.stages])
    return Column(stages, len(run), tree, tuple(rows), leaving[-1], params, macs, tuple(sorted(reads)), outputs)


def _stages(reading: Reading) -> list[_Span]:
    """One span for each stage; where the layers of two stages take turns, one for both."""
    spans: list[_Span] = []
    at: dict[str, int] = {}
    for place, row in enumerate(reading.flat.rows[reading.first :], reading.first):
        where = at.get(row.stage)
        if where is None:
            at[row.stage] = len(spans)
            spans.append(_Span(place, place + 1, [row.stage]))
            continue
        for later in spans[where + 1 :]:
            spans[where].stages += later.stages
        del spans[where + 1 :]
        spans[where].end = place + 1
        at.update(dict.fromkeys(spans[where].stages, where))
    return spans


_LIGHT = (Norm, Activation, Dropout, Flatten, Scale)


def _attached(reading: Reading, spans: list[_Span]) -> list[_Span]:
    """Stages of single layers without macs go to the stage that they follow, or to the one that follows them."""
    kept: list[_Span] = []
    forward: _Span | None = None  # what waits for the next span
    for i, span in enumerate(spans):
        if forward is not None:
            span = _Span(forward.first, span.end, forward.stages + span.stages)
            forward = None
        if i + 1 == len(spans) or not _light(reading, span):
            if kept and _light(reading, span):
                kept[-1] = _Span(kept[-1].first, span.end, kept[-1].stages + span.stages)
            else:
                kept.append(span)
        elif kept and _follows(reading, kept[-1], span):
            kept[-1] = _Span(kept[-1].first, span.end, kept[-1].stages + span.stages)
        else:
            forward = span
    return kept


def _light(reading: Reading, span: _Span) -> bool:
    rows = reading.flat.rows[span.first : span.end]
    single = all(rows[i].stage != rows[i + 1].stage for i in range(len(rows) - 1))
    return single and not any(row.counts[1] for row in rows)


def _follows(reading: Reading, before: _Span, span: _Span) -> bool:
    """Whether a span only goes on with what the span before it made; pooling to one pixel begins something new."""
    inside = range(before.first, span.end)
    rows = [reading.flat.rows[r] for r in range(span.first, span.end)]
    sources = {source for row in rows for source in row.inputs}
    heads = any(isinstance(row.layer, (AdaptivePool, Flatten)) for row in rows)
    own = all(reader in inside for source in sources if source in inside for reader in reading.readers[source])
    return not heads and own and all(source in inside for source in sources)


def _joined(reading: Reading, spans: list[_Span], bare_only: bool) -> list[_Span]:
    """Neighbours of one output resolution as one span; with `bare_only` only layers that stand in no block or section."""
    kept: list[_Span] = []
    for span in spans:
        if (
            kept
            and _alike(reading, kept[-1], span)
            and not (bare_only and not (_bare(reading, kept[-1]) and _bare(reading, span)))
        ):
            kept[-1] = _Span(kept[-1].first, span.end, kept[-1].stages + span.stages)
        else:
            kept.append(span)
    return kept


def _alike(reading: Reading, before: _Span, span: _Span) -> bool:
    return side(reading.flat.rows[before.end - 1].shape) == side(reading.flat.rows[span.end - 1].shape)


def _bare(reading: Reading, span: _Span) -> bool:
    return all(reading.flat.rows[r].stage == reading.flat.rows[r].name for r in range(span.first, span.end))


def _runs(reading: Reading, spans: list[_Span]) -> list[list[_Span]]:
    """Spans in a row that compute the same, each reading nothing but the one before it."""
    runs: list[list[_Span]] = []
    signature: tuple[object, ...] = ()
    for i, span in enumerate(spans):
        own = reading.signature(range(span.first, span.end))
        if runs and own == signature and _only_reads(reading, spans[i - 1], span):
            runs[-1].append(span)
        else:
            runs.append([span])
        signature = own
    return runs


def _only_reads(reading: Reading, before: _Span, span: _Span) -> bool:
    """Whether a span reads the span before it, and nothing else does."""
    rows, inside = range(before.first, before.end), range(before.first, span.end)
    sources = {source for r in range(span.first, span.end) for source in reading.flat.rows[r].inputs}
    read_elsewhere = any(reader not in inside for r in rows for reader in reading.readers[r])
    return not read_elsewhere and all(source in inside for source in sources)
