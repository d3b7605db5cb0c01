"""A graph without its nesting: every layer in execution order, with what it reads and whether it works in place."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

from netwright.graph.layers import Activation, Add, Conv, Counts, Item, Layer, Linear, Norm, Shape

if TYPE_CHECKING:
    from netwright.graph.graph import Graph


class Row(NamedTuple):
    """One layer under its full name; `stage` and `block` are the outermost and innermost group around it.

    `inputs` are places of rows among those of the flat graph. An `inplace` layer writes its output over its input.
    """

    name: str
    stage: str
    block: str
    layer: Layer
    shape: Shape
    inputs: tuple[int, ...] = ()
    inplace: bool = False

    @property
    def counts(self) -> Counts:
        """Params, macs and acts of this layer for one image."""
        return self.layer.counts(self.shape) or (0, 0, 0)


class Flat(NamedTuple):
    """The layers in execution order, the graph's inputs first; `outputs` are places of rows."""

    rows: tuple[Row, ...]
    outputs: tuple[int, ...]


def flatten(graph: Graph) -> Flat:
    """The layers of a graph and of all blocks in it."""
    rows = [Row(node.name, "", "", node.layer, node.shape) for node in graph.nodes[: graph.inputs]]  # type: ignore[arg-type]
    outputs = _append(rows, graph, tuple(range(len(rows))), "", "", "")
    return Flat(tuple(rows), tuple(outputs))


def _append(rows: list[Row], graph: Graph, inputs: tuple[int, ...], prefix: str, stage: str, block: str) -> list[int]:
    """Append the layers of a graph that reads the rows `inputs`; returns the places of its outputs."""
    places: list[list[int]] = [[i] for i in inputs]  # of the maps that each node gives
    overwrites = graph.overwriting
    for i, (own, layer, sources, shape, label, _) in enumerate(graph.nodes[graph.inputs :], graph.inputs):
        name = prefix + own
        section = f"{block}.{label}" if block and label else label
        if isinstance(layer, Item):
            places.append([places[sources[0]][layer.index]])
            continue
        read = (places[sources[0]][0],) if len(sources) == 1 else tuple([places[j][0] for j in sources])
        if isinstance(layer, Layer):
            places.append([len(rows)])
            where = (name, stage or section or name, section or block or name)
            rows.append(Row(*where, layer, shape, read, i in overwrites))  # type: ignore[arg-type]
        else:
            places.append(_append(rows, layer, read, name + ".", stage or section or name, name))
    return [places[i][0] for i in graph.outputs]


# Layers whose backward pass does not need their own output: it may be overwritten.
_FORGETFUL = (Conv, Norm, Linear, Add)
_INPLACE = {"relu", "relu6", "silu"}


def overwriting(graph: Graph) -> frozenset[int]:
    """Places of the activations that may work in place: nobody else reads their input, and nobody's backward needs it."""
    readers = Counter(i for node in graph.nodes for i in node.inputs)
    readers.update(graph.outputs)
    return frozenset([
        i
        for i, node in enumerate(graph.nodes)
        if isinstance(node.layer, Activation)
        and node.layer.kind in _INPLACE
        and readers[node.inputs[0]] == 1
        and isinstance(graph.nodes[node.inputs[0]].layer, _FORGETFUL)
    ])  # fmt: skip
