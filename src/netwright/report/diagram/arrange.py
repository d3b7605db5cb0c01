"""The tree of a column: its layers put together as chains, branches and repeated blocks."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from netwright.graph.layers import Activation, AdaptivePool, Add, Conv, Dropout, Flatten, Linear, Norm, Pool, Scale
from netwright.report.diagram.tree import JOINTS, By, Frame, Layered, Parallel, Reading, Series, Unit, units

_MINOR = (Norm, Activation, Dropout, Flatten, Scale)  # drawn as a part of the layer they follow, or that follows them
_MAIN = (Conv, Linear, Pool, AdaptivePool)
_LEAST_SAVED = 10  # layers outside of blocks are drawn one by one unless collapsing them saves so many
_LONGEST_PERIOD = 4  # of blocks that take turns, such as RepVGG's with and without groups
_LEAST_BRANCHES = 3  # equal branches side by side are drawn one by one below this


@dataclass(frozen=True)
class _Group:
    """Rows of one block (or a single row outside of any), `trunk` where all flow passes through them."""

    rows: tuple[int, ...]
    trunk: bool
    whole: bool  # more than one shape: worth a frame


def column_tree(reading: Reading, rows: Sequence[int], by: By = "layer") -> Series:
    """The tree of a column that has these rows, in execution order; `by` is the finest thing with a shape of its own."""
    depth = 0
    while len({reading.paths[r][: depth + 1] for r in rows}) == 1 and all(len(reading.paths[r]) > depth for r in rows):
        depth += 1
    heavy = {reading.paths[r][:1] for r in rows if len(reading.paths[r]) > 0 and depth == 0}
    if len(heavy) == 1 and any(len(reading.paths[r]) > 1 for r in rows):  # one block, and layers around it
        depth = 1
    before = dict(reading.stands)
    tree = scope_tree(reading, tuple(rows), depth, outermost=True)
    if by == "layer" or len(list(units(tree))) == 1:
        return tree
    plain = all(isinstance(item, (Unit, Frame)) for item in tree.items)
    if by == "stage" or not plain:
        reading.stands = before  # nothing in it is drawn once for several
        return Series((Unit(tuple(rows), "block"),))
    return Series(tuple([_in_one_piece(item) for item in tree.items if isinstance(item, (Unit, Frame))]))


def _in_one_piece(item: Unit | Frame) -> Unit | Frame:
    if isinstance(item, Unit):
        return item
    rows = tuple([r for unit, _ in units(item.body) for r in unit.rows])
    return replace(item, body=Series((Unit(rows, "block"),)))


def scope_tree(reading: Reading, rows: tuple[int, ...], depth: int, outermost: bool = False) -> Series:
    """The tree of rows whose blocks at `depth` may be framed; inside of a frame only repeated ones are."""
    groups = _groups(reading, rows, depth)
    elements: list[tuple[Unit | Frame, tuple[int, ...]]] = []
    loose: list[int] = []
    framed = outermost and sum(group.trunk and group.whole for group in groups) > 1
    i = 0
    while i < len(groups):
        period, times = _repeat(reading, groups, i)
        chunk = tuple([r for group in groups[i : i + period] for r in group.rows])
        if times > 1:
            copies = [[r for group in groups[i + k * period : i + (k + 1) * period] for r in group.rows] for k in range(times)]
            reading.collapse(copies)
            body = scope_tree(reading, chunk, depth + 1 if period == 1 else depth)
            elements.append((Frame(body, times), tuple([r for copy in copies for r in copy])))
        elif framed and groups[i].trunk and groups[i].whole:
            elements.append((Frame(scope_tree(reading, chunk, depth + 1)), chunk))
        else:
            loose += chunk
        i += period * times
    elements += [(unit, unit.rows) for unit in fused(reading, loose)]
    return _series(reading, sorted(elements, key=lambda element: max(element[1])), set(rows))


def _groups(reading: Reading, rows: tuple[int, ...], depth: int) -> list[_Group]:
    found: list[list[int]] = []
    for r in rows:
        path = reading.paths[r][: depth + 1]
        if found and len(path) > depth and reading.paths[found[-1][0]][: depth + 1] == path:
            found[-1].append(r)
        else:
            found.append([r])
    inside = set(rows)
    sources = {s for r in rows for s in reading.flat.rows[r].inputs if s not in inside}
    reach = max((v for s in sources for v in reading.readers[s] if v in inside), default=-1)
    groups = []
    for group in found:
        last = group[-1]
        whole = len(group) > 1 and len(fused(reading, group)) > 1
        groups.append(_Group(tuple(group), reach <= last, whole))
        reach = max([reach, *[v for r in group for v in reading.readers[r]]])
    return groups


def _repeat(reading: Reading, groups: list[_Group], start: int) -> tuple[int, int]:
    """The (period, times) of the longest repetition that starts here; (1, 1) where nothing is repeated."""
    best, covered = (1, 1), 0
    for period in range(1, _LONGEST_PERIOD + 1):
        first = groups[start : start + period]
        if len(first) < period or not all(group.trunk for group in first):
            break
        pattern = [reading.signature(group.rows) for group in first]
        times = 1
        while _matches(reading, groups[start + times * period : start + (times + 1) * period], pattern):
            times += 1
        saved = sum(len(group.rows) for group in first) * (times - 1)
        enough = any(group.whole for group in first) or saved >= _LEAST_SAVED
        if times > 1 and enough and saved + len(first) > covered + period:
            best, covered = (period, times), saved + len(first)
    return best


def _matches(reading: Reading, groups: list[_Group], pattern: list[tuple[object, ...]]) -> bool:
    return (
        len(groups) == len(pattern)
        and all(group.trunk for group in groups)
        and all(reading.signature(group.rows) == expected for group, expected in zip(groups, pattern, strict=True))
    )


# ---------------------------------------------------------------- layers that share a shape


def fused(reading: Reading, rows: Iterable[int]) -> list[Unit]:
    """Rows as shapes: a norm or activation joins the layer before it, else the one after it; sums of sums are one sum."""
    of: dict[int, list[int]] = {}
    for r in rows:
        own = _before(reading, of, r)
        own.append(r)
        of[r] = own
    for r in sorted(of, reverse=True):  # what found no layer before it goes to the one after it
        own, (reader, *others) = of[r], reading.readers[r] or [-1]
        alone = all(isinstance(reading.layer(place), _MINOR) for place in own)
        if own[-1] == r and alone and not others and reader in of and isinstance(reading.layer(reader), _MAIN):
            after = of[reader]
            after[:0] = own
            of.update(dict.fromkeys(own, after))
    distinct = {id(own): own for own in of.values()}
    return [Unit(tuple(own), _kind(reading, own)) for own in distinct.values()]


def _before(reading: Reading, of: dict[int, list[int]], r: int) -> list[int]:
    layer, inputs = reading.layer(r), reading.flat.rows[r].inputs
    for source in inputs:
        if source in of and len(reading.readers[source]) == 1 and of[source][-1] == source:
            if isinstance(layer, _MINOR) and len(inputs) == 1:
                return of[source]
            if isinstance(layer, Add) and all(isinstance(reading.layer(place), Add) for place in of[source]):
                return of[source]
    return []


def _kind(reading: Reading, own: list[int]) -> str:
    joints = [reading.layer(r).kind for r in own if reading.layer(r).kind in JOINTS]
    return joints[0] if joints else "layer"


# ---------------------------------------------------------------- chains and branches

_START, _END = -1, -2
Edges = dict[int, set[int]]  # element -> the elements (or _END) that read it


def _series(reading: Reading, elements: list[tuple[Unit | Frame, tuple[int, ...]]], inside: set[int]) -> Series:
    of = {r: i for i, (_, rows) in enumerate(elements) for r in rows}
    edges: Edges = {i: set() for i in (_START, *range(len(elements)))}
    outer: dict[int, set[int]] = {}
    for r, i in of.items():
        for source in reading.flat.rows[r].inputs:
            if source not in of:
                outer.setdefault(source, set()).add(i)
            elif of[source] != i:
                edges[of[source]].add(i)
        if any(reader not in inside for reader in reading.readers[r]):
            edges[i].add(_END)
    parts: list[Unit | Frame] = [element for element, _ in elements]
    first: list[int] = []
    for source, targets in sorted(outer.items()):
        if len(outer) == 1:
            edges[_START] = targets
        else:  # maps from several places: each gets a mark of its own
            edges[len(parts)] = set(targets)
            edges[_START].add(len(parts))
            first.append(len(parts))
            parts.append(Unit((source,), "input"))
    return Series(tuple(_decomposed(reading, parts, [*first, *range(len(elements))], edges, _START, _END)))


def _decomposed(
    reading: Reading, parts: list[Unit | Frame], order: list[int], edges: Edges, start: int, end: int
) -> list[Unit | Frame | Parallel | Layered]:
    """Cut where all flow passes through one element; what lies between two cuts is branches, or no order at all."""
    place = {start: -1, **{v: i for i, v in enumerate(order)}, end: len(order)}
    cuts = [start]
    reach = max((place[v] for v in edges[start] if v in place and v != end), default=0)  # an identity is a branch of its own
    for i, v in enumerate(order):
        if reach <= i:
            cuts.append(v)
        reach = max([reach, *[place[w] for w in edges[v] if w in place]])
    items: list[Unit | Frame | Parallel | Layered] = []
    for cut, following in zip(cuts, [*cuts[1:], end], strict=True):
        if cut != start:
            items.append(parts[cut])
        between = order[place[cut] + 1 : place[following]]
        if between:
            items.append(_between(reading, parts, between, edges, cut, following))
    return items


def _between(
    reading: Reading, parts: list[Unit | Frame], between: list[int], edges: Edges, start: int, end: int
) -> Parallel | Layered:
    joined = _components(between, edges)
    identity = end in edges[start]
    edges = edges | {start: edges[start] - {end}}
    target = parts[end] if end >= 0 else None
    joint = target.kind if isinstance(target, Unit) and target.kind in JOINTS else ""
    if len(joined) == 1 and not identity:
        number = {v: i for i, v in enumerate(between)}
        inner = [(number[v], number[w]) for v in between for w in sorted(edges[v]) if w in number]
        entries = [number[w] for w in sorted(edges[start]) if w in number]
        exits = [number[v] for v in between if end in edges[v]]
        return Layered(tuple([parts[v] for v in between]), tuple(inner), tuple(entries), tuple(exits))
    branches = _collapsed(reading, parts, joined, edges, start, end)
    if joint != "concat":  # the longest branch goes straight on
        branches = sorted(branches, key=lambda branch: _weight(reading, branch))
    return Parallel(tuple(branches), identity, joint)


def _weight(reading: Reading, branch: Series) -> tuple[int, int]:
    """Less for what deserves the straight way: more shapes with macs, then more macs."""
    macs = [sum(reading.flat.rows[r].counts[1] for r in unit.rows) for unit, _ in units(branch)]
    return -sum(count > 0 for count in macs), -sum(macs)


def _collapsed(
    reading: Reading, parts: list[Unit | Frame], joined: list[list[int]], edges: Edges, start: int, end: int
) -> list[Series]:
    """The branches; several equal ones as one that says how many."""
    rows = [sorted(r for v in branch for unit, _ in units(parts[v]) for r in unit.rows) for branch in joined]
    kinds = [reading.signature(own) for own in rows]
    branches: list[Series] = []
    i = 0
    while i < len(joined):
        same = 1
        while i + same < len(joined) and kinds[i + same] == kinds[i]:
            same += 1
        simple = all(isinstance(parts[v], Unit) and parts[v].kind != "input" for v in joined[i])  # type: ignore[union-attr]
        same = same if same >= _LEAST_BRANCHES and simple else 1
        branch = Series(tuple(_decomposed(reading, parts, joined[i], edges, start, end)))
        if same > 1:
            reading.collapse(rows[i : i + same])
            branch = Series((Frame(branch, same, beside=True),))
        branches.append(branch)
        i += same
    return branches


def _components(nodes: list[int], edges: Edges) -> list[list[int]]:
    """Nodes that hang together, in the order of their first node."""
    label = {v: v for v in nodes}

    def root(v: int) -> int:
        while label[v] != v:
            label[v] = label[label[v]]
            v = label[v]
        return v

    for v in nodes:
        for w in edges[v]:
            if w in label:
                label[root(w)] = root(v)
    found: dict[int, list[int]] = {}
    for v in nodes:
        found.setdefault(root(v), []).append(v)
    return list(found.values())
