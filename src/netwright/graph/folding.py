"""Networks as they are deployed: norms folded into the layers before them, what serves in training only left out (no torch)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import Any, NamedTuple

from netwright.graph.flat import Flat
from netwright.graph.graph import AUTOMATIC, FIELDS, SECTION, Graph, Tape, entries
from netwright.graph.layers import Conv, Dropout, Item, Layer, Linear, Norm, Pair
from netwright.graph.tracing import Body, trace
from netwright.graph.values import Design


class Fold(NamedTuple):
    """A norm that goes into the convolution (or linear layer) before it: their full names, and the norm's eps."""

    layer: str
    norm: str
    eps: float


def fold(graph: Graph) -> Graph:
    """The same network without the norms that can go into a layer's weights; those layers get a bias.

    A norm can go where it reads a convolution or linear layer, or one that took up a norm before, that nothing else
    reads and that is no output itself; it does not matter in which block or section either of them stands. All other norms
    stay: after a sum, a concatenation, a pooling or an activation, on the picture itself, and where a branch beside the
    norm reads the convolution. All other layers stay under their names, in their order; blocks that were one
    object and are folded alike are one object again. macs stay; params sink by the norm's channels, or by twice that where
    the layer had a bias already.

    >>> from netwright.zoo import network
    >>> graph = trace(network("resnet18"))
    >>> graph.params - fold(graph).params, graph.macs - fold(graph).macs
    (4800, 0)
    """
    flat = graph.flat()
    norms = _places(flat)
    return _rewritten(graph, frozenset(norms), frozenset(norms.values()))


def folds(graph: Graph) -> tuple[Fold, ...]:
    """What `fold` folds, in execution order."""
    flat = graph.flat()
    found = []
    for norm, place in _places(flat).items():
        layer = flat.rows[norm].layer
        assert isinstance(layer, Norm)
        found.append(Fold(flat.rows[place].name, flat.rows[norm].name, layer.eps))
    return tuple(found)


def _places(flat: Flat) -> dict[int, int]:
    """The place of each norm that can be folded, and of the layer that it goes into."""
    readers = Counter(place for row in flat.rows for place in row.inputs)
    readers.update(flat.outputs)
    found: dict[int, int] = {}
    for i, row in enumerate(flat.rows):
        if isinstance(row.layer, Norm) and readers[read := row.inputs[0]] == 1:
            source = found.get(read, read)
            if isinstance(flat.rows[source].layer, (Conv, Linear)):
                found[i] = source
    return found


def without_dropout(graph: Graph) -> Graph:
    """The same network without its dropout sites, which do nothing in inference."""
    sites = frozenset(i for i, row in enumerate(graph.flat().rows) if isinstance(row.layer, Dropout))
    return _rewritten(graph, sites, frozenset())


def inference(graph: Graph) -> Graph:
    """A graph as it is deployed: without dropout, its norms folded."""
    return fold(without_dropout(graph))


def deployed(design: Body) -> Body:
    """The form of a design for inference: `aux` False and `deploy` True wherever it, or a design in its fields, has these fields.

    `aux` adds outputs that serve in training only; with `deploy` a design computes the same by fewer layers (RepVGG and
    ParNet merge branches). All other designs, and functions, are given back as they are.

    >>> from netwright.zoo import network
    >>> deployed(network("repvgg_a0")) == network("repvgg_a0", deploy=True)
    True
    """
    if not isinstance(design, Design):
        return design
    fields = design.fields()
    changes = {name: value for name, value in (("aux", False), ("deploy", True)) if type(fields.get(name)) is bool}
    changes |= {name: made for name, value in fields.items() if (made := _inner(value)) is not value}
    return design.replace(**changes) if any(fields[name] != value for name, value in changes.items()) else design


def _inner(value: Any) -> Any:
    """A field's value with the designs in it deployed; the very same where there are none."""
    if isinstance(value, tuple):
        made = tuple([_inner(item) for item in value])
        return made if any(a is not b for a, b in zip(made, value, strict=True)) else value
    return deployed(value) if isinstance(value, Design) else value


def form_for(design: Body, image: int | Pair | None = None, channels: int = 3, outputs: tuple[str, ...] = ()) -> Body:
    """The deployed form of a design, or the design itself where `outputs` name layers that only it is sure to have.

    Merged branches are other layers, and layers without weights are counted through in their names. So a block,
    a section or a layer with weights must be meant, and both forms must have it.
    """
    form = deployed(design)
    if form == design or not outputs:
        return form
    for body in (design, form):
        rows = trace(body, image, channels).flat().rows
        known = {part for row in rows if row.block for part in (row.stage, row.block) if part != row.name}
        known |= {row.name for row in rows if isinstance(row.layer, (Conv, Linear, Norm))}
        if not known.issuperset(outputs):
            return design
    return form


def deployed_graph(design: Body, image: int | Pair | None = None, channels: int = 3, outputs: tuple[str, ...] = ()) -> Graph:
    """The graph of a design as it is deployed: its form for inference, without dropout, its norms folded.

    Arguments and errors are those of `trace`.

    >>> from netwright.zoo import network
    >>> deployed_graph(network("repvgg_a0")).totals
    (8309384, 1361451008, 1794792)
    """
    return inference(trace(form_for(design, image, channels, outputs), image, channels, outputs))


# ---------------------------------------------------------------- writing a graph anew


def _rewritten(graph: Graph, dropped: frozenset[int], biased: frozenset[int]) -> Graph:
    """The graph without the layers at the places `dropped` (of its flat rows), whose readers read what they read.

    The layers at the places `biased` get a bias.
    """
    return _Rewriting().graph(graph, dropped, biased) if dropped or biased else graph


class _Rewriting:
    """One pass over a graph; blocks that are one object and change alike are written once."""

    def __init__(self) -> None:
        self._made: dict[tuple[Graph, frozenset[int], frozenset[int]], Graph] = {}
        self._sizes: dict[Graph, int] = {}

    def graph(self, graph: Graph, dropped: frozenset[int], biased: frozenset[int]) -> Graph:
        """Places count the layers of the graph and of all blocks in it, its inputs first."""
        if not dropped and not biased:
            return graph
        key = (graph, dropped, biased)
        if key not in self._made:
            self._made[key] = self._write(*key)
        return self._made[key]

    def _write(self, graph: Graph, dropped: frozenset[int], biased: frozenset[int]) -> Graph:
        tape: Tape = []
        moved: list[int] = []  # where each entry of the old tape now is
        place = 0  # among the flat rows
        for name, (mark, layer, reads, shape, counts) in zip(graph._names, entries(graph.tape()), strict=True):
            here, place = place, place + self._size(layer)
            reads = tuple([moved[i] for i in reads])
            if here in dropped and isinstance(layer, Layer) and type(layer) is not Item:
                moved.append(reads[0])
                continue
            if isinstance(layer, Graph):
                layer = self.graph(layer, *[_within(places, here, place, layer.inputs) for places in (dropped, biased)])
                counts = layer.totals
            elif here in biased and isinstance(layer, (Conv, Linear)):
                layer = replace(layer, bias=True)
                counts = layer.counts(shape)
            moved.append(len(tape) // FIELDS)
            # an automatic name is kept as it is, whatever is dropped before it
            tape += (mark[0] + name if mark[0] in (AUTOMATIC, SECTION) else mark, layer, reads, shape, counts)
        return Graph(tape, graph.inputs, tuple([moved[i] for i in graph._outputs]))

    def _size(self, layer: Layer | Graph) -> int:
        """How many flat rows an entry of a tape gives."""
        if not isinstance(layer, Graph):
            return 0 if type(layer) is Item else 1
        if layer not in self._sizes:
            self._sizes[layer] = sum(map(self._size, layer.tape()[1::FIELDS])) - layer.inputs
        return self._sizes[layer]


def _within(places: frozenset[int], start: int, stop: int, inputs: int) -> frozenset[int]:
    """The places from `start` to before `stop`, as the block that begins there counts them: after its inputs."""
    return frozenset([place - start + inputs for place in places if start <= place < stop])
