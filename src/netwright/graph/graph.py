"""A traced network or block, ready to be read: totals, rows, names."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Any, NamedTuple

from netwright.errors import DesignError
from netwright.graph.flat import Flat, Row, flatten, overwriting
from netwright.graph.layers import Counts, Item, Layer, Shape

# A tape is one flat list: name, layer, input, shape, counts of the first node, then of the second, ... An
# object for each node would read better, but then the garbage collector takes much of the time of a trace.
# The input is the place of the node that is read, or a tuple of places; the counts are None for nothing.
Tape = list[Any]
FIELDS = 5

# A tape's names carry one mark: "~relu" asks for a name of its own (relu, relu_1, ...), "#stage1"
# is a section, which groups the layers of a block but leaves their names as they are.
MARKS = AUTOMATIC, SECTION = "~", "#"


class Node(NamedTuple):
    """One layer or block of a graph; `inputs` are the places of the nodes that it reads.

    `section` is the label of the section around it, or ''.
    """

    name: str
    layer: Layer | Graph
    inputs: tuple[int, ...]
    shape: Shape | tuple[Shape, ...]  # several shapes for a block with several outputs
    section: str = ""
    automatic: bool = False  # the name was not given, but made from the kind


class Graph:
    """What a design wrote when it was called on a shape. Every block in it is a graph too.

    Holds only what its outputs reach. Immutable, and shared: equal blocks are one object. Counts are exact integers
    for one image, `shapes` those of the outputs for one image.

    >>> graph = nw.trace(nw.network("resnet18"), image=224)
    >>> graph.params, graph.macs, graph.shapes
    (11689512, 1814073344, ((1000,),))
    """

    __slots__ = ("_names", "_outputs", "_overwriting", "_read", "_tape", "inputs", "shapes", "totals")

    def __init__(self, tape: Tape, inputs: int, outputs: tuple[int, ...]) -> None:
        self._names, sectioned = resolve_names(tuple(tape[::FIELDS]))
        self._tape = tape
        self._outputs = outputs
        self._read: tuple[tuple[Node, ...], tuple[int, ...]] | None = None
        self._overwriting: frozenset[int] | None = None
        self.inputs = inputs
        self.shapes: tuple[Shape, ...] = tuple([tape[FIELDS * i + 3] for i in outputs])  # of the outputs
        params = macs = acts = 0
        for counts in tape[4::FIELDS]:
            if counts:
                params += counts[0]
                macs += counts[1]
                acts += counts[2]
        self.totals: Counts = (params, macs, acts)
        if sectioned:
            refuse_clashes(tuple(self._opened_names()))

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The layers and blocks in execution order, sections opened; the first ones are the inputs."""
        return self._reading()[0]

    @property
    def overwriting(self) -> frozenset[int]:
        """The places of the nodes that may write their output over their input (see `flat.overwriting`)."""
        if self._overwriting is None:
            self._overwriting = overwriting(self)
        return self._overwriting

    @property
    def outputs(self) -> tuple[int, ...]:
        """The places of the outputs among the nodes."""
        return self._reading()[1]

    def _reading(self) -> tuple[tuple[Node, ...], tuple[int, ...]]:
        if self._read is None:
            nodes: list[Node] = []
            place: list[int] = []  # of a written layer among the nodes
            opened: dict[int, list[int]] = {}  # places of the outputs of each section
            for i, (mark, layer, read, shape, _) in enumerate(entries(self._tape)):
                inputs = tuple([place[j] for j in read])
                if mark[0] == SECTION:
                    assert isinstance(layer, Graph)
                    opened[i] = _open_section(nodes, self._names[i], layer, inputs)
                    place.append(opened[i][0])
                elif type(layer) is Item and read[0] in opened:
                    place.append(opened[read[0]][layer.index])  # of a section with several outputs: no node of its own
                else:
                    place.append(len(nodes))
                    nodes.append(Node(self._names[i], layer, inputs, shape, "", mark[0] == AUTOMATIC))
            self._read = tuple(nodes), tuple([place[i] for i in self._outputs])
        return self._read

    def _opened_names(self) -> Iterator[str]:
        """Those of the nodes; but for the sections' own, none has to be made to know them."""
        for mark, layer, name in zip(self._tape[::FIELDS], self._tape[1::FIELDS], self._names, strict=True):
            if mark[0] == SECTION:
                if not isinstance(layer, Graph):
                    raise DesignError(f"{mark!r} is no name for a layer: write letters, digits and _ with dots between")
                yield from [_called_in(name, node) for node in layer.nodes[layer.inputs :]]
            elif type(layer) is not Item:
                yield name

    def tape(self) -> Tape:
        """What was written, as one flat list."""
        return list(self._tape)

    @property
    def params(self) -> int:
        """Learnable numbers."""
        return self.totals[0]

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return self.totals[1]

    @property
    def acts(self) -> int:
        """Outputs of convolutions and linear layers for one image."""
        return self.totals[2]

    @property
    def shape(self) -> Shape:
        """The shape of the first output."""
        return self.shapes[0]

    def flat(self) -> Flat:
        """The layers of all blocks in execution order, with what each reads; the first rows are the inputs."""
        return flatten(self)

    def rows(self) -> Iterator[Row]:
        """Every layer of every block in execution order, under its full name: layer1.0.conv1, ..."""
        yield from self.flat().rows[self.inputs :]


def entries(tape: Tape) -> Iterator[tuple[str, Layer | Graph, tuple[int, ...], Any, Counts | None]]:
    """What a tape holds, one after the other: mark, layer, the places that it reads, shape and counts."""
    for i in range(0, len(tape), FIELDS):
        mark, layer, read, shape, counts = tape[i : i + FIELDS]
        yield mark, layer, read if type(read) is tuple else (read,), shape, counts


def _open_section(nodes: list[Node], label: str, section: Graph, inputs: tuple[int, ...]) -> list[int]:
    """Append the nodes of a section; returns the places of its outputs."""
    place = [*inputs, *range(len(nodes), len(nodes) + len(section.nodes) - section.inputs)]
    for node in section.nodes[section.inputs :]:
        around = f"{label}.{node.section}" if node.section else label
        moved = tuple([place[i] for i in node.inputs])
        nodes.append(node._replace(name=_called_in(label, node), inputs=moved, section=around))
    return [place[i] for i in section.outputs]


def _called_in(label: str, node: Node) -> str:
    """The name of a section's node outside of it."""
    return f"{label}_{node.name}" if node.automatic else node.name


_NAME = re.compile(r"[A-Za-z0-9_]+(\.[A-Za-z0-9_]+)*")


@lru_cache(maxsize=1 << 12)
def resolve_names(marked: tuple[str, ...]) -> tuple[tuple[str, ...], bool]:
    """Plain names for a tape's marked ones, and whether there are sections among them.

    Automatic names avoid the given ones and are numbered in order. Raises DesignError when two layers
    would share a name, or one would lie inside another.
    """
    marks = [name[:1] for name in marked]
    given = tuple([name for name, mark in zip(marked, marks, strict=True) if mark not in MARKS])
    refuse_clashes(given)
    taken = {*given, *[outer for name in given if "." in name for outer in _outer_names(name)]}
    resolved = list(marked)
    for i, mark in enumerate(marks):
        if mark in MARKS:
            name = stem = marked[i][1:]
            number = 0
            while name in taken:
                number += 1
                name = f"{stem}_{number}"
            taken.add(name)
            resolved[i] = name
    return tuple(resolved), SECTION in marks


@lru_cache(maxsize=1 << 12)
def refuse_clashes(given: tuple[str, ...]) -> None:
    """Raise DesignError when two layers share a name, one lies inside another, or a name is none."""
    taken: set[str] = set()
    for name in given:
        if not _NAME.fullmatch(name):
            raise DesignError(f"{name!r} is no name for a layer: write letters, digits and _ with dots between")
        if name in taken:
            raise DesignError("two layers have this name", name)
        taken.add(name)
    for name in given:
        for outer in _outer_names(name) if "." in name else ():
            if outer in taken:
                raise DesignError(f"this name lies inside the layer {outer!r}", name)


def _outer_names(name: str) -> Iterator[str]:
    """Of the blocks around what is called so: a.b and a for a.b.c."""
    while "." in name:
        name = name.rpartition(".")[0]
        yield name
