"""Diagrams: nothing overlaps, nothing is missing, and what is drawn is what the graph says."""

from __future__ import annotations

import errno
import itertools
import os
import random
import re
import xml.etree.ElementTree as ET
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netwright as nw
from netwright.cli import main
from netwright.graph import Count, Design, FeatureMap, Size
from netwright.graph.layers import Input
from netwright.report.diagram.draw import DETAILS, Drawing, draw
from netwright.report.diagram.legend import SHADES, ink
from netwright.report.diagram.shapes import Shape, Text
from netwright.report.diagram.text import rounded_shares, text_width, wrapped
from netwright.report.diagram.tree import Frame, Layered, Parallel, Series, Tree, units
from tests.names import NAMES

A4 = (841.89, 595.28)
SOLID = ("layer", "block", "input", "map", "add", "multiply", "concat")
NS = "{http://www.w3.org/2000/svg}"


# ---------------------------------------------------------------- what every drawing must be


def corners(mark: Shape | Text) -> tuple[float, float, float, float]:
    return mark.box if isinstance(mark, Text) else (mark.x, mark.y, mark.x + mark.width, mark.y + mark.height)


def apart(a: tuple[float, ...], b: tuple[float, ...], slack: float = 0.05) -> bool:
    return a[2] <= b[0] + slack or b[2] <= a[0] + slack or a[3] <= b[1] + slack or b[3] <= a[1] + slack


def inside(a: tuple[float, ...], b: tuple[float, ...], slack: float = 0.05) -> bool:
    return a[0] >= b[0] - slack and a[1] >= b[1] - slack and a[2] <= b[2] + slack and a[3] <= b[3] + slack


def check_geometry(drawing: Drawing) -> None:
    picture = drawing.picture
    page = (0.0, 0.0, picture.width, picture.height)
    texts = [mark for mark in picture.marks if isinstance(mark, Text)]
    shapes = [mark for mark in picture.marks if isinstance(mark, Shape)]
    solid = [shape for shape in shapes if shape.kind in (*SOLID, "swatch")]
    holders = [shape for shape in shapes if shape.kind in ("frame", "panel")]
    for mark in (*texts, *shapes):
        assert inside(corners(mark), page), f"{mark} is off the page"
    for one, other in itertools.combinations(texts, 2):
        assert apart(one.box, other.box), f"{one.text!r} overlaps {other.text!r}"
    for text in texts:
        assert text.size >= 6.999
        for shape in solid:
            assert apart(text.box, corners(shape)) or inside(text.box, corners(shape), 1.0), f"{text.text!r} is cut by {shape}"
        for shape in holders:
            assert apart(text.box, corners(shape)) or inside(text.box, corners(shape), 0.5), f"{text.text!r} is cut by {shape}"
    touching = [pair for pair in itertools.combinations(solid, 2) if not apart(corners(pair[0]), corners(pair[1]))]
    assert touching == []
    for one, other in itertools.combinations(holders, 2):
        a, b = corners(one), corners(other)
        assert apart(a, b) or inside(a, b) or inside(b, a)
        assert apart(a, b) or {one.kind, other.kind} != {"panel"}
    for shape in solid:
        for holder in holders:
            assert apart(corners(shape), corners(holder)) or inside(corners(shape), corners(holder))
    for line in picture.marks:
        for x, y in () if isinstance(line, (Shape, Text)) else line.points:
            assert 0 <= x <= picture.width
            assert 0 <= y <= picture.height


def check_facts(drawing: Drawing) -> None:
    """Every layer stands under exactly one shape; macs, stages and sizes are those of the cost table."""
    graph, columns = drawing.graph, drawing.picture.columns
    rows = graph.flat().rows
    shapes = [mark for mark in drawing.picture.marks if isinstance(mark, Shape) and mark.kind in SOLID and mark.title]
    drawn = [shape for shape in shapes if shape.kind not in ("map", "input")]
    under = Counter(copy for shape in drawn for place in shape.rows for copy in columns.copies[place])
    assert under == Counter(place for place, row in enumerate(rows) if not isinstance(row.layer, Input))
    if graph.macs:
        assert sum(shape.share for shape in drawn) == pytest.approx(1)
        told = [float(found[1]) for mark in drawing.picture.marks if isinstance(mark, Text)
                if (found := re.fullmatch(r"([\d.]+) % of macs", mark.text))]  # fmt: skip
        assert sum(told) == pytest.approx(100, abs=1e-6)
    stages = [stage for column in columns.columns for stage in column.stages]
    assert sorted(stages) == sorted({row.stage for row in rows if row.stage})
    for shape in drawn:
        last = rows[shape.rows[-1]]
        assert shape.channels == last.shape[0]
    boxes = [shape for shape in shapes if shape.kind in ("layer", "block", "input")]
    for one, other in itertools.combinations(boxes, 2):
        if one.channels <= other.channels:
            assert one.width <= other.width + 1e-6
        if one.side <= other.side:
            assert one.height <= other.height + 1e-6


def check_svg(drawing: Drawing) -> None:
    root = ET.fromstring(drawing.svg)
    assert root.get("role") == "img"
    assert [child.tag for child in root][:2] == [NS + "title", NS + "desc"]
    assert all(child.text for child in list(root)[:2])
    assert not re.search(r"<script|@import|<image|https?://(?!www\.w3\.org/2000/svg)", drawing.svg)
    written = Counter(element.text for element in root.iter(NS + "text"))
    assert written == Counter(mark.text for mark in drawing.picture.marks if isinstance(mark, Text))


def parse_dot(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Nodes with their labels, and edges; fails for anything that Graphviz would not take."""
    string = r'"(?:[^"\\\n]|\\.)*"'
    assert re.match(rf"digraph {string} \{{\n", text)
    bare = re.sub(string, "''", text)
    assert bare.count("{") == bare.count("}")
    nodes: dict[str, str] = {}
    edges = []
    for line in text.splitlines()[1:-1]:
        line = line.strip()
        if found := re.fullmatch(rf"(n\d+) \[label=({string}), tooltip={string}\];", line):
            assert found[1] not in nodes
            nodes[found[1]] = found[2]
        elif found := re.fullmatch(r"(n\d+) -> (n\d+);", line):
            edges.append((found[1], found[2]))
        else:
            known = rf"subgraph cluster_\w+ \{{|label={string};|\}}|(\w+=\w+; ?)+|(node|edge) \[.*\];( graph \[.*\];)?"
            assert re.fullmatch(known, line), line
    assert text.endswith("}\n")
    return nodes, edges


def check_dot(drawing: Drawing) -> None:
    nodes, edges = parse_dot(drawing.dot)
    columns = drawing.picture.columns
    shown = [unit for column in columns.columns for unit, _ in units(column.tree) if unit.kind != "input"]
    assert len(nodes) == len(shown) + drawing.graph.inputs
    assert {end for edge in edges for end in edge} <= set(nodes)
    reached = {f"n{i}" for i in range(drawing.graph.inputs)}
    following: dict[str, list[str]] = {}
    for start, end in edges:
        following.setdefault(start, []).append(end)
    waiting = list(reached)
    while waiting:
        fresh = [end for end in following.get(waiting.pop(), []) if end not in reached]
        reached.update(fresh)
        waiting += fresh
    assert reached == set(nodes)


def check(drawing: Drawing) -> None:
    check_geometry(drawing)
    check_facts(drawing)
    check_svg(drawing)
    check_dot(drawing)


@pytest.mark.parametrize("name", NAMES)
def test_every_network_is_drawn_on_one_page(name: str) -> None:
    drawing = draw(name)
    check(drawing)
    assert (drawing.picture.width, drawing.picture.height) == A4
    assert drawing.picture.columns.by == "layer"


# ---------------------------------------------------------------- repeats


def frames(tree: Tree) -> list[Frame]:
    if isinstance(tree, Frame):
        return [tree]
    parts = tree.items if isinstance(tree, Series) else tree.branches if isinstance(tree, Parallel) else ()
    return [frame for part in parts for frame in frames(part)]


def blocks(drawing: Drawing) -> dict[str, int]:
    """How many blocks the frames of each stage stand for."""
    found = {}
    for column in drawing.picture.columns.columns:
        for stage in column.stages:
            found[stage] = sum(frame.times for frame in frames(column.tree))
    return found


@pytest.mark.parametrize("name", ["resnet50", "resnet152", "seresnext101_32x4d", "senet154", "resnet18d"])
def test_repeats_of_a_resnet_add_up_to_its_depths(name: str) -> None:
    depths = nw.network(name).fields()["depths"]
    found = blocks(draw(name))
    assert [found[f"layer{i}"] for i in (1, 2, 3, 4)] == list(depths)


@pytest.mark.parametrize("name", ["regnetx_032", "regnety_016", "regnetx_004"])
def test_repeats_of_a_regnet_add_up_to_its_depths(name: str) -> None:
    found = blocks(draw(name))
    for i, (depth, _, _) in enumerate(nw.network(name).stages()):  # type: ignore[attr-defined]
        assert found[f"s{i + 1}"] == (depth if depth > 1 else 0)  # a single block fills its column: no frame


def test_a_block_that_strides_differs_from_the_rest() -> None:
    drawing = draw("resnet50")
    told = [mark.text for mark in drawing.picture.marks if isinstance(mark, Text) and re.fullmatch(r"x \d+", mark.text)]
    assert told == ["x 2", "x 3", "x 5", "x 2"]  # 3, 4, 6 and 3 blocks, the first of each by itself


def test_blocks_that_take_turns_are_repeated_together() -> None:
    column = draw("repvgg_b1g4").picture.columns.columns[4]
    assert column.stages == ("stages.2",)
    assert [(frame.times, sum(unit.kind == "add" for unit, _ in units(frame.body))) for frame in frames(column.tree)] == [
        (1, 1),
        (7, 2),  # with and without groups, in turns
        (1, 1),
    ]


def test_equal_stages_are_one_column() -> None:
    drawing = draw("inception_v4")
    repeated = {column.stages[0]: column.times for column in drawing.picture.columns.columns if column.times > 1}
    assert repeated == {"features.6": 4, "features.11": 7, "features.19": 3}
    macs = nw.cost(nw.network("inception_v4"), by="stage")
    for column in drawing.picture.columns.columns:
        assert column.macs == sum(line.macs for line in macs.lines if line.name in column.stages)


def test_branches_shortcuts_and_gates() -> None:
    module = draw("googlenet").picture.columns.columns[2].tree
    assert isinstance(module.items[0], Parallel)
    assert [len(branch.items) for branch in module.items[0].branches] == [1, 2, 2, 2]
    assert (module.items[0].joint, module.items[0].identity) == ("concat", False)
    first, second = frames(draw("resnet50").picture.columns.columns[2].tree)
    assert [(p.joint, p.identity, len(p.branches)) for p in (first.body.items[0], second.body.items[0])] == [  # type: ignore[union-attr]
        ("add", False, 2),
        ("add", True, 1),
    ]
    kinds = Counter(mark.kind for mark in draw("resnet50").picture.marks if not isinstance(mark, Text))
    assert kinds["shortcut"] == 4 + 1  # one in each stage, and one in the legend
    gated = draw("efficientnet_b0").picture.columns.columns[2].tree.items[1]
    assert isinstance(gated, Parallel)
    assert (gated.joint, gated.identity, len(gated.branches[0].items)) == ("multiply", True, 3)


def test_streams_stand_above_each_other() -> None:
    drawing = draw("parnet_s")
    panels = {mark.title.split(":")[0].split(",")[0]: mark for mark in drawing.picture.marks
              if isinstance(mark, Shape) and mark.kind == "panel"}  # fmt: skip
    assert panels["streams.0"].y < panels["inits.1.block"].y
    one, other = panels["streams.0"], panels["inits.1.block"]
    assert one.x < other.x + other.width
    assert other.x < one.x + one.width
    assert panels["streams.1"].y < panels["inits.2.block"].y


# ---------------------------------------------------------------- designs of users


class Alone(Design):
    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.conv("only", 8, 3)


class Nothing(Design):
    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.global_pool()


class Dense(Design):
    """Every layer reads all before it, written as one concatenation: no order of branches."""

    depth: Count = 6
    at_once: bool = True

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.block("dense", dense, self.depth, self.at_once).global_pool().linear("fc", 10)


def dense(x: FeatureMap, depth: int, at_once: bool) -> FeatureMap:
    maps = [x]
    for i in range(depth):
        read = nw.concat(*maps) if at_once and len(maps) > 1 else maps[-1]
        made = read.norm(f"bn{i}").relu().conv(f"conv{i}", 12, 3)
        maps = [*maps, made] if at_once else [*maps, nw.concat(maps[-1], made)]
    return nw.concat(*maps) if at_once else maps[-1]


class Heads(Design):
    """Several outputs, one of them from the middle of a stage."""

    def __call__(self, x: FeatureMap) -> tuple[FeatureMap, ...]:
        x = x.conv("stem", 16, 3, 2)
        x, middle = x.block("body", two_maps)
        side = middle.global_pool().linear("side", 5)
        return x.global_pool().linear("main", 10), side, middle


def two_maps(x: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
    middle = x.conv("a", 16, 3).relu()
    return middle.conv("b", 32, 3, 2), middle


class Turns(Design):
    """A section inside a section: the layers of two stages take turns."""

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.section("outer", outer).global_pool().linear("fc", 3)


def outer(x: FeatureMap) -> FeatureMap:
    x = x.conv("one", 8, 3).section("inner", inner)
    return x.conv("two", 8, 3)


def inner(x: FeatureMap) -> FeatureMap:
    return x.conv("between", 16, 3).relu()


class Flat(Design):
    """No block and no section: a residual network of bare layers, deeper than a page has columns."""

    depth: Count = 40
    width: Count = 8

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("stem", self.width, 3)
        for i in range(self.depth):
            stride = 2 if i % 10 == 9 else 1
            y = x.conv(f"a{i}", self.width, 3, stride).norm(f"n{i}").relu()
            x = y if stride > 1 else x + y.conv(f"b{i}", self.width + 0, 1)
        return x.global_pool().linear("fc", 10)


class Wide(Design):
    """Equal branches beside each other, and different ones."""

    branches: Count = 40
    equal: bool = True

    def __call__(self, x: FeatureMap) -> FeatureMap:
        made = [x.conv(f"b{i}", 8 if self.equal else 8 + i, 3).relu() for i in range(self.branches)]
        return nw.concat(*made).global_pool().linear("fc", 10) if len(made) > 1 else made[0]


class Many(Design):
    """Many different stages."""

    stages: Count = 90

    def __call__(self, x: FeatureMap) -> FeatureMap:
        for i in range(self.stages):
            x = x.block(f"a_rather_long_name_for_a_stage_{i}", basic, 8 + i)
        return x


def basic(x: FeatureMap, width: int) -> FeatureMap:
    y = x.conv("conv1", width, 3).relu().conv("conv2", width, 3)
    return (y + x.conv("short", width, 1)).relu()


class Nested(Design):
    """Groups of groups of blocks."""

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("stem", 16, 3)
        for i in range(2):
            x = x.block(f"part{i}", part)
        return x


def part(x: FeatureMap) -> FeatureMap:
    return x.repeat(["g0", "g1", "g2"], group).block("last", basic, 16)


def group(x: FeatureMap) -> FeatureMap:
    return x.repeat(["0", "1", "2", "3"], basic, 16)


class Skips(Design):
    """Long shortcuts over many stages, from each to the end."""

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("stem", 16, 3)
        maps = [x]
        for i in range(7):
            maps.append(maps[-1].block(f"stage{i}", basic, 16 + i))
        return nw.concat(*maps).global_pool().linear("fc", 4)


@pytest.mark.parametrize(
    "design",
    [
        Alone(),
        Nothing(),
        Dense(),
        Dense(14),
        Dense(8, False),
        Heads(),
        Turns(),
        Flat(),
        Flat(3, 1),
        Wide(),
        Wide(40, False),
        Wide(2, False),
        Many(30),
        Nested(),
        Skips(),
        nw.network("googlenet", aux=True),
        nw.network("inception_v3", aux=True, transform_input=True),
        nw.network("parnet_l", deploy=True),
        nw.network("repvgg_b3", deploy=True),
    ],
    ids=lambda design: f"{type(design).__name__}{''.join(map(str, list(design.fields().values())[:2]))}"[:30],
)
@pytest.mark.parametrize("by", [None, *DETAILS])
def test_designs_of_users(design: Design, by: str | None) -> None:
    image = None if "classes" in design.fields() else 32
    check(draw(design, image, by=by, name="mine"))  # type: ignore[arg-type]


@pytest.mark.slow
def test_more_stages_than_a_page_has_room_for() -> None:
    check(draw(Many(60), 32))
    large = draw(Many(60), 32, by="layer")
    check(large)
    assert large.picture.width > A4[0]  # it grows, its text does not shrink
    assert large.picture.width / large.picture.height == pytest.approx(A4[0] / A4[1])


def test_equal_branches_are_one() -> None:
    drawing = draw(Wide(), 32)
    (frame,) = frames(drawing.picture.columns.columns[1].tree)
    assert (frame.times, frame.beside) == (40, True)
    assert "x 40" in [mark.text for mark in drawing.picture.marks if isinstance(mark, Text)]


def test_what_is_no_branch_is_drawn_in_layers() -> None:
    (column, *_) = draw(Dense(), 32).picture.columns.columns[1:]
    assert any(isinstance(item, (Layered, Parallel)) for item in column.tree.items)


def test_outputs_are_marked() -> None:
    told = [mark.text for mark in draw(Heads(), 32).picture.marks if isinstance(mark, Text)]
    assert [f"output {i}" in told for i in (1, 2, 3)] == [True] * 3
    assert not any("output" in mark.text for mark in draw("resnet18").picture.marks if isinstance(mark, Text))


class Random(Design):
    """Layers, joints, blocks and sections as a generator of chance has them."""

    seed: Size
    steps: Count

    def __call__(self, x: FeatureMap) -> FeatureMap | tuple[FeatureMap, ...]:
        chance = random.Random(self.seed)
        maps = [x.conv("first", 8, 3)]
        for i in range(self.steps):
            maps.append(step(maps, i, chance))
        return maps[-1] if self.seed % 3 else (maps[-1], maps[len(maps) // 2])


def step(maps: list[FeatureMap], i: int, chance: random.Random) -> FeatureMap:
    x = maps[-1] if chance.random() < 0.7 else chance.choice(maps)
    fitting = [m for m in maps if m.shape == x.shape]
    kind = chance.randrange(9)
    if kind == 0 and x.shape[1] > 4:
        return x.max_pool(2, 2)
    if kind == 1:
        return x + chance.choice(fitting)
    if kind == 2:
        return nw.concat(x, *chance.sample(fitting, min(2, len(fitting))))
    if kind == 3:
        return x * x.adaptive_pool(1).conv(f"gate{i}", x.channels, 1).sigmoid()
    if kind == 4:
        return x.repeat([f"rep{i}.{j}" for j in range(chance.randint(1, 4))], basic, x.channels)
    if kind == 5:
        return x.section(f"sec{i}", inner_step, chance.choice([4, 8, 300]), chance.randrange(1000))
    if kind == 6:
        return x.norm(f"n{i}").relu()
    return x.conv(f"c{i}", chance.choice([1, 8, 16, 500]), chance.choice([1, 3]))


def inner_step(x: FeatureMap, width: int, seed: int) -> FeatureMap:
    x = x.block(f"b{seed}", basic, width)
    return x.block(f"c{seed}", basic, width).relu()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.integers(0, 10**6), st.integers(1, 25))
def test_random_designs(seed: int, steps: int) -> None:
    check(draw(Random(seed, steps), 32, name="chance"))


# ---------------------------------------------------------------- text, colours, files


def test_names_are_escaped_and_wrapped() -> None:
    name = '<b>&"quoted"\'\x07\\ ' + "x" * 300
    drawing = draw(nw.network("resnet18"), name=name)
    check(drawing)
    assert drawing.name == name.replace("\x07", "?")
    assert "".join(ET.fromstring(drawing.svg).itertext()).count('<b>&"quoted"') > 1
    nw.draw(Alone(), 32)


def test_the_same_bytes_twice() -> None:
    one, other = (draw("efficientnet_b0") for _ in range(2))
    assert one.svg == other.svg
    assert one.dot == other.dot
    assert one._repr_svg_() == one.svg


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_colours_are_told_apart_in_grey_and_text_on_them_is_readable() -> None:
    """WCAG 2: contrast of at least 4.5 for text; the luminance of the scale falls with every step."""
    values = [luminance(colour) for _, colour in SHADES]
    assert values == sorted(values, reverse=True)
    assert all((one + 0.05) / (other + 0.05) > 1.14 for one, other in itertools.pairwise(values))
    for bound, colour in SHADES:
        light, dark = sorted((luminance(colour), luminance(ink(bound))), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, colour


def test_rounded_shares_add_up() -> None:
    assert rounded_shares([1, 1, 1]) == [33.4, 33.3, 33.3]
    assert rounded_shares([0, 0]) == [0.0, 0.0]
    assert sum(rounded_shares([7, 11, 13, 17, 1, 0])) == pytest.approx(100)


@given(st.text("ab_.z ,", max_size=60), st.floats(12, 80))
def test_wrapped_lines_fit_and_lose_nothing(text: str, width: float) -> None:
    lines = wrapped(text, width)
    assert all(text_width(line) <= width for line in lines)
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize(
    ("suffix", "start"),
    [
        (".svg", b"<svg"),
        (".SVG", b"<svg"),
        (".dot", b"digraph"),
        (".gv", b"digraph"),
        (".png", b"\x89PNG"),
        (".pdf", b"%PDF"),
    ],
)
def test_files(tmp_path: Path, suffix: str, start: bytes) -> None:
    path = tmp_path / "new" / f"net{suffix}"
    drawing = nw.draw(nw.network("resnet18"), 64, path=path)
    assert path.read_bytes().startswith(start)
    assert drawing.name == "resnet18"
    if suffix == ".png":
        from PIL import Image

        with Image.open(path) as picture:
            assert picture.size[0] / picture.size[1] == pytest.approx(297 / 210, abs=0.01)
            assert len(picture.convert("L").getcolors(256) or []) > 10
    assert [p.name for p in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize(
    ("number", "code"),
    [(errno.ENOSPC, 1), (errno.EIO, 1), (errno.EMFILE, 1), (errno.EFBIG, 1), (errno.EACCES, 2), (errno.EROFS, 2)],
)
def test_what_another_path_would_mend_is_told_from_failures(
    number: int, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """As of every file that netwright writes: 2 for the path's fault, 1 for the disk's or the system's."""

    def refused(self: Path, data: bytes) -> int:
        raise OSError(number, os.strerror(number))

    path = tmp_path / "net.svg"
    path.write_text("before")
    monkeypatch.setattr(Path, "write_bytes", refused)
    assert main(["draw", "resnet18", "-o", str(path)]) == code
    assert capsys.readouterr().err == f"netwright: cannot write {path}: {os.strerror(number)}\n"
    assert path.read_text() == "before"
    assert list(tmp_path.iterdir()) == [path]


def test_python_mistakes(tmp_path: Path) -> None:
    with pytest.raises(nw.NetwrightError, match=r"its name must end in one of \.svg"):
        nw.draw("resnet18", path=tmp_path / "net.jpg")
    with pytest.raises(nw.NetwrightError, match="cannot draw by 'colour': choose one of layer, block, stage"):
        nw.draw("resnet18", by="colour")  # type: ignore[arg-type]
    with pytest.raises(nw.NetwrightError, match="unknown network 'resnet51'"):
        nw.draw("resnet51")
    with pytest.raises(nw.DesignError, match="channels is 0"):
        nw.draw("resnet18", channels=0)
    assert list(tmp_path.iterdir()) == []


def test_the_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.svg"
    assert main(["draw", "resnet18", "-o", str(path), "--image", "64", "--channels", "1", "--by", "stage"]) == 0
    assert "resnet18 for an image of 1 x 64 x 64 px" in capsys.readouterr().out
    assert path.read_text() == draw("resnet18", 64, channels=1, by="stage").svg
    assert main(["draw", "resnet18", "--dot"]) == 0
    parse_dot(capsys.readouterr().out)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("resnet18", "say where to draw with -o FILE"),
        ("resnet18 --dot -o {new}.dot", "choose one of -o and --dot"),
        ("resnet18 -o {new}.jpg", "its name must end in one of .svg, .dot, .gv, .png, .pdf"),
        ("resnet18 -o {new}", "its name must end in one of"),
        ("resnet18 -o {file}/net.svg", "cannot write"),
        ("resnet18 -o {folder}.svg", "it is a folder"),
        ("resnet51 -o {new}.svg", "unknown network 'resnet51'"),
        ("alexnet --image 20 -o {new}.svg", "the smallest image it takes is 63 px"),
        ("resnet18 --image 0 -o {new}.svg", "Invalid value for '--image'"),
        ("resnet18 --channels 0 -o {new}.svg", "Invalid value for '--channels'"),
        ("resnet18 --by colour -o {new}.svg", "Invalid value for '--by'"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(
    words: str, message: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("here")
    (tmp_path / "folder.svg").mkdir()
    before = sorted(tmp_path.rglob("*"))
    line = re.sub(r"\{(\w+)\}", lambda found: str(tmp_path / found[1]), words)
    assert main(["draw", *line.split()]) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith("netwright: ")
    assert err.count("\n") == 1
    assert message in err
    assert sorted(tmp_path.rglob("*")) == before
