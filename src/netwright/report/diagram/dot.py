"""Diagrams as text for Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from netwright.report.diagram.columns import Column, Columns
from netwright.report.diagram.text import label_of, shape_text, tooltip
from netwright.report.diagram.tree import Frame, Layered, Parallel, Series, Tree, Unit


def to_dot(columns: Columns, name: str) -> str:
    """A digraph: a cluster for each column and each repeated block, a node for each shape, an edge for each map handed on."""
    total = sum(column.macs for column in columns.columns)
    lines = [
        f"digraph {_quoted(name)} {{",
        "  rankdir=TB; newrank=true; compound=true;",
        '  node [shape=box, fontname="Helvetica", fontsize=10, height=0.2, margin="0.08,0.03"];',
        '  edge [arrowsize=0.6]; graph [fontname="Helvetica", fontsize=11, style=rounded, color="#8a93a0"];',
    ]
    writer = _Writer(columns, total)
    for number, column in enumerate(columns.columns):
        lines += writer.column(number, column)
    lines += writer.edges()
    return "\n".join([*lines, "}"]) + "\n"


class _Writer:
    def __init__(self, columns: Columns, total_macs: int) -> None:
        self.columns, self.total_macs = columns, total_macs
        self.of: dict[int, str] = {}  # row -> the node that shows it
        self.frames = 0

    def column(self, number: int, column: Column) -> list[str]:
        """A cluster with the shapes of a column."""
        if not column.stages:
            return self.tree(column.tree, 1, "  ")
        times = f" x {column.times}" if column.times > 1 else ""
        shape = shape_text(self.columns.reading.flat.rows[column.last].shape)
        title = f"{column.stages[0]} to {column.stages[-1]}" if len(column.stages) > 1 else column.stages[0]
        label = f"{title}{times}\n{shape}"
        return [
            f"  subgraph cluster_{number} {{",
            f"    label={_quoted(label)};",
            *self.tree(column.tree, column.times, "    "),
            "  }",
        ]

    def tree(self, tree: Tree, times: int, indent: str) -> list[str]:
        """The shapes of a tree; a cluster around those that are repeated."""
        if isinstance(tree, Unit):
            return self.node(tree, times, indent)
        if isinstance(tree, Frame):
            inner = self.tree(tree.body, times * tree.times, indent + "  ")
            if tree.times == 1:
                return [line.removeprefix("  ") for line in inner]
            self.frames += 1
            head = f"{indent}subgraph cluster_x{self.frames} {{"
            return [head, f"{indent}  label={_quoted(f'x {tree.times}')};", *inner, f"{indent}}}"]
        parts = tree.items if isinstance(tree, Series) else tree.branches if isinstance(tree, Parallel) else _elements(tree)
        return [line for part in parts for line in self.tree(part, times, indent)]

    def node(self, unit: Unit, times: int, indent: str) -> list[str]:
        """The statement of one shape."""
        if unit.kind == "input" and unit.rows[0] >= self.columns.reading.first:
            return []  # a map of another column: its own shape is there
        name = f"n{unit.rows[0]}"
        self.of.update(dict.fromkeys(unit.rows, name))
        row = self.columns.row(unit)
        words = [unit.kind] if unit.kind in ("add", "multiply", "concat") else label_of(self.columns, unit, rich=False)
        label = "\n".join([*words, shape_text(row.shape)])
        title = tooltip(self.columns, unit, times, self.total_macs)
        return [f"{indent}{name} [label={_quoted(label)}, tooltip={_quoted(title)}];"]

    def edges(self) -> list[str]:
        """What reads what; copies of a collapsed block stand at their first one, and the way back into it is left out."""
        reading = self.columns.reading
        found: dict[str, None] = {}
        for place, row in enumerate(reading.flat.rows):
            target = reading.shown(place)
            for source in row.inputs:
                start, end = self.of[reading.shown(source)], self.of[target]
                if start != end and reading.shown(source) < target:
                    found[f"  {start} -> {end};"] = None
        return list(found)


def _elements(tree: Layered) -> tuple[Unit | Frame, ...]:
    return tree.elements


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", " ").replace("\0", " ")
    return f'"{escaped}"'
