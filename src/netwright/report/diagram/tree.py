"""What a diagram shows, before it has sizes: the layers of a column as chains, branches and repeated blocks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from netwright.graph import Flat, Graph, Layer
from netwright.graph.layers import Dropout, Item

By = Literal["layer", "block", "stage"]
JOINTS = ("add", "multiply", "concat")


@dataclass(frozen=True)
class Unit:
    """One shape: a layer with the norm and activation after it, a joint of several maps, or a block in one piece.

    `rows` are places in the flat graph; of a collapsed block those of its first copy.
    """

    rows: tuple[int, ...]
    kind: str = "layer"  # layer, block, input, or one of JOINTS


@dataclass(frozen=True)
class Frame:
    """Something that stands for `times` equal ones, one after the other, or side by side as branches."""

    body: Series
    times: int = 1
    beside: bool = False


@dataclass(frozen=True)
class Parallel:
    """Branches that begin at one map and end at one joint, of the kind `joint`; `identity`: the map itself goes there too."""

    branches: tuple[Series, ...]
    identity: bool
    joint: str


@dataclass(frozen=True)
class Layered:
    """Elements whose connections are no branches: `edges` join their places.

    `entries` read the map before, `exits` are read after.
    """

    elements: tuple[Unit | Frame, ...]
    edges: tuple[tuple[int, int], ...]
    entries: tuple[int, ...]
    exits: tuple[int, ...]


@dataclass(frozen=True)
class Series:
    """One after the other, from top to bottom."""

    items: tuple[Unit | Frame | Parallel | Layered, ...]


Tree = Unit | Frame | Parallel | Layered | Series


def units(tree: Tree, times: int = 1) -> Iterator[tuple[Unit, int]]:
    """The shapes of a tree in order, each with how often its frames repeat it."""
    if isinstance(tree, Unit):
        yield tree, times
    elif isinstance(tree, Frame):
        yield from units(tree.body, times * tree.times)
    else:
        parts = tree.items if isinstance(tree, Series) else tree.branches if isinstance(tree, Parallel) else tree.elements
        for part in parts:
            yield from units(part, times)


def paths_of(graph: Graph, around: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """For each row of the flat graph after its inputs: the names of the blocks around it, the outermost first."""
    for node in graph.nodes[graph.inputs :]:
        if isinstance(node.layer, Graph):
            yield from paths_of(node.layer, (*around, node.name))
        elif not isinstance(node.layer, Item):
            yield around


class Reading:
    """A graph as trees are made from it: who reads whom, and which rows stand for which others."""

    def __init__(self, graph: Graph) -> None:
        self.flat: Flat = graph.flat()
        self.first = graph.inputs
        self.paths: list[tuple[str, ...]] = [()] * graph.inputs + list(paths_of(graph))
        self.readers: list[list[int]] = [[] for _ in self.flat.rows]
        for place, row in enumerate(self.flat.rows):
            for source in dict.fromkeys(row.inputs):
                self.readers[source].append(place)
        for place in self.flat.outputs:
            self.readers[place].append(len(self.flat.rows))  # the world outside
        self.stands: dict[int, int] = {}  # a row of a collapsed copy -> the same row of the copy before it

    def layer(self, place: int) -> Layer:
        """The layer of a row."""
        return self.flat.rows[place].layer

    def shown(self, place: int) -> int:
        """The row that is drawn for a row: itself, or that of the first of equal copies."""
        while place in self.stands:
            place = self.stands[place]
        return place

    def signature(self, rows: Sequence[int]) -> tuple[object, ...]:
        """Equal for rows that compute the same: layers, shapes and connections among them."""
        own = {place: i for i, place in enumerate(rows)}
        outer: dict[int, int] = {}
        return tuple([
            (
                "dropout" if isinstance(self.layer(r), Dropout) else self.layer(r),  # rates may rise with the depth
                self.flat.rows[r].shape,
                tuple([own[j] if j in own else -1 - outer.setdefault(j, len(outer)) for j in self.flat.rows[r].inputs]),
            )
            for r in rows
        ])  # fmt: skip

    def collapse(self, copies: Sequence[Sequence[int]]) -> None:
        """Let the first of equal copies stand for all."""
        for copy in copies[1:]:
            self.stands.update(zip(copy, copies[0], strict=True))


# ---------------------------------------------------------------- groups of rows and their repeats
