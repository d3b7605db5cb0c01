"""Parts of a graph: what some outputs need, and the maps inside of it as outputs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from netwright.errors import DesignError, did_you_mean
from netwright.graph.graph import AUTOMATIC, FIELDS, SECTION, Graph, Tape, entries
from netwright.graph.layers import Item


def reached(tape: Tape, inputs: int, outputs: tuple[int, ...]) -> tuple[Tape, int, tuple[int, ...]]:
    """Drop the layers that no output reads, within blocks of several outputs too."""
    count = len(tape) // FIELDS
    read = set(tape[2::FIELDS])
    for places in [places for places in read if type(places) is tuple]:
        read.remove(places)
        read.update(places)
    read.update(outputs, range(inputs))
    if len(read) == count:  # each is read by a later one or is an output: all are reached
        return tape, inputs, outputs
    written = list(entries(tape))
    kept = {*range(inputs), *outputs}
    for i in range(count - 1, -1, -1):
        if i in kept:
            kept.update(written[i][2])
    used: dict[int, list[int]] = {}  # outputs that are read, of each block with several
    for i in sorted(kept):
        layer = written[i][1]
        if type(layer) is Item:
            used.setdefault(written[i][2][0], []).append(layer.index)
    return _shortened(written, kept, used), inputs, _places(written, kept, used, outputs)


def _dropped(entry: Any, used: dict[int, list[int]]) -> bool:
    """Whether an item is the only one left of its block: then the block itself is the map."""
    return type(entry[1]) is Item and len(set(used[entry[2][0]])) == 1


def _places(written: list[Any], kept: set[int], used: dict[int, list[int]], old: tuple[int, ...]) -> tuple[int, ...]:
    """Where entries stand once those that are not kept are gone."""
    place: dict[int, int] = {}
    count = 0
    for i in sorted(kept):
        if _dropped(written[i], used):
            place[i] = place[written[i][2][0]]
        else:
            place[i], count = count, count + 1
    return tuple([place[i] for i in old])


def _shortened(written: list[Any], kept: set[int], used: dict[int, list[int]]) -> Tape:
    tape: Tape = []
    for i in sorted(kept):
        mark, layer, reads, shape, counts = written[i]
        if _dropped(written[i], used):
            continue
        if i in used:
            layer = only(layer, tuple(sorted(set(used[i]))))
            shape, counts = layer.shapes if len(layer.shapes) > 1 else layer.shape, layer.totals
        elif type(layer) is Item:
            layer = Item(sorted(set(used[reads[0]])).index(layer.index))
        tape += (mark, layer, _places(written, kept, used, reads), shape, counts)
    return tape


def select(graph: Graph, names: tuple[str, ...]) -> Graph:
    """The part of a graph that gives the maps of the named layers, blocks or sections, in that order.

    A name is a full one, as the cost table prints it. Raises DesignError, with the nearest ones, for
    a name that is not there.
    """
    own = len(graph.shapes)
    return only(_extended(graph, names), tuple(range(own, own + len(names))))


def only(graph: Graph, outputs: tuple[int, ...]) -> Graph:
    """The graph of some of the outputs, by their places among all; what they do not need is left out."""
    return Graph(*reached(graph.tape(), graph.inputs, tuple([graph._outputs[i] for i in outputs])))


def _extended(graph: Graph, names: Iterable[str]) -> Graph:
    """The graph with an output more for each of the names."""
    within: dict[int, list[str]] = {}  # names inside of each block
    located = [_locate(graph, name) for name in names]
    for place, rest in located:
        if rest and rest not in within.setdefault(place, []):
            within[place].append(rest)
    tape: Tape = []
    moved: list[int] = []  # where each entry of the old tape now is
    found: dict[tuple[int, str], int] = {}
    for i, (mark, layer, reads, shape, counts) in enumerate(entries(graph.tape())):
        place = len(tape) // FIELDS
        reads = tuple([moved[j] for j in reads])
        if i not in within:
            tape += (mark, layer, reads, shape, counts)
            moved.append(place)
            continue
        assert isinstance(layer, Graph)
        own, layer = len(layer.shapes), _extended(layer, within[i])
        tape += (mark, layer, reads, layer.shapes, layer.totals)
        for index, (rest, out) in enumerate(zip([""] * own + within[i], layer.shapes, strict=True)):
            if rest or own == 1:  # the other outputs have their items already
                found[i, rest] = len(tape) // FIELDS
                tape += (AUTOMATIC + "item", Item(index), (place,), out, None)
        moved.append(found.get((i, ""), place))
    extra = [found[where] if where[1] else moved[where[0]] for where in located]
    return Graph(tape, graph.inputs, (*[moved[i] for i in graph._outputs], *extra))


def _locate(graph: Graph, name: str) -> tuple[int, str]:
    """The place of the entry that has the name, and the rest of the name where it lies inside of that entry."""
    found = _find(graph, name, "any")
    if found is None:
        known = dict.fromkeys(part for row in graph.rows() for part in (row.name, row.block, row.stage))
        raise DesignError(f"there is no layer or block {name!r}{did_you_mean(name, known) or '; the cost table lists them'}")
    layer = graph.tape()[FIELDS * found[0] + 1]
    if not found[1] and isinstance(layer, Graph) and len(layer.shapes) > 1:
        raise DesignError(f"the block {name!r} gives {len(layer.shapes)} maps: name the layers that make them")
    return found


def _find(graph: Graph, name: str, wanted: str) -> tuple[int, str] | None:
    """As `_locate`; `wanted` is the kind of name: "given", "automatic", "section" or "any" of these."""
    tape = graph.tape()
    marks = {AUTOMATIC: "automatic", SECTION: "section"}
    kinds = [(i, marks.get(mark[0], "given")) for i, mark in enumerate(tape[::FIELDS])][graph.inputs :]
    for i, kind in kinds:
        if graph._names[i] == name and wanted in (kind, "any"):
            return i, ""
    for i, kind in kinds:
        layer = tape[FIELDS * i + 1]
        for rest, inside in _rests(graph._names[i], kind, name, wanted) if isinstance(layer, Graph) else ():
            if _find(layer, rest, inside) is not None:
                return i, rest
    return None


def _rests(own: str, kind: str, name: str, wanted: str) -> Iterator[tuple[str, str]]:
    """What a name can be called inside of a block or section, and which kind of name it then is."""
    if kind != "section":
        if name.startswith(own + ".") and wanted in ("given", "any"):
            yield name.removeprefix(own + "."), "any"
        return
    if wanted in ("given", "any"):  # the layers of a section have the names that they would have outside
        yield name, "given"
    for joint, inside in (("_", "automatic"), (".", "section")):  # but for these two kinds
        if name.startswith(own + joint) and wanted in (inside, "any"):
            yield name.removeprefix(own + joint), inside
