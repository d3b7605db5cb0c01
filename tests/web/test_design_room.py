"""The Design room's answers, held against the library's own: costs, faults by field, Python and commands that give the same."""

from __future__ import annotations

import json
import random
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import netwright as nw
from netwright.graph import tracing
from netwright.graph.describing import changed, described, read_form
from netwright.graph.values import plain_value
from netwright.report.diagram.draw import draw, to_svg
from netwright.scaling.rules import COMPOUND, Factors
from netwright.web import design_room
from netwright.web.design_room import compared, costed, form, listed, table
from tests.web.serving import Served

START = {"net": "resnet50"}


def same(a: nw.Design, b: nw.Design) -> bool:
    """Equal but for 1 and 1.0, which JSON does not tell apart."""
    return type(a) is type(b) and all(x == y for x, y in zip(a.fields().values(), b.fields().values(), strict=True))


def faults(asked: dict[str, Any]) -> dict[str, str]:
    return {one["at"]: one["told"] for one in costed(asked)["faults"]}


@pytest.mark.parametrize("name", ["resnet50", "efficientnet_b0", "regnetx_002", "googlenet", "repvgg_a1", "squeezenet1_1"])
def test_what_a_network_costs(name: str) -> None:
    told, made = (
        costed({"net": name, "batch": 8, "precision": "bf16", "optimizer": "adam"}),
        nw.cost(nw.network(name), batch=8, precision="bf16", optimizer="adam"),
    )
    row = told["cost"]
    assert told["name"] == name
    assert (row["params"], row["macs"], row["acts"]) == (made.params, made.macs, made.acts)
    assert (row["training_bytes"], row["inference_bytes"]) == (made.memory.training, made.memory.inference)
    assert (
        row["memory"]["parameters"] + row["memory"]["gradients"] + row["memory"]["state"] + row["memory"]["saved"]
        == row["training_bytes"]
    )
    assert row["memory"]["weights"] + row["memory"]["maps"] == row["inference_bytes"]
    assert row["milliseconds"] is None
    assert row == told["unscaled"]
    json.dumps(told)


def test_phi_is_compound_scaling_and_sliders_multiply_it() -> None:
    told, scaled = costed({"net": "efficientnet_b0", "phi": 1}), nw.scale("efficientnet_b0", phi=1)
    assert (told["cost"]["params"], told["cost"]["macs"], told["cost"]["image"][1]) == (
        scaled.cost.params,
        scaled.cost.macs,
        scaled.image,
    )
    both = costed({"net": "efficientnet_b0", "phi": 1, "width": 1.5, "depth": 0.7})
    design, image = COMPOUND.rounded(nw.network("efficientnet_b0"), 224, Factors(1.2 * 0.7, 1.1 * 1.5, 1.15))
    assert both["cost"]["macs"] == nw.cost(design, image).macs
    assert both["unscaled"]["macs"] == nw.cost(nw.network("efficientnet_b0")).macs


def test_fields_change_the_design() -> None:
    told = costed({"net": "resnet50", "changes": {"depths": [2, 2, 2, 2], "block": {"type": "Basic"}, "classes": 10}})
    assert told["name"] == "resnet50, changed"
    assert told["cost"]["params"] == nw.cost(nw.network("resnet18", classes=10)).params


@pytest.mark.parametrize(
    ("changes", "at"),
    [
        ({"depths": [3, 4, 0, 3]}, "design.depths"),
        ({"depths": "x"}, "design.depths"),
        ({"classes": 1.5}, "design.classes"),
        ({"classes": ""}, "design.classes"),
        ({"block": {"type": "Bottleneck", "groups": 0}}, "design.block.groups"),
        ({"block": {"type": "Bottleneck", "squeeze": {"type": "SqueezeExcite", "ratio": -1}}}, "design.block.squeeze.ratio"),
        ({"block": None}, "design.block"),
        ({"nothing": 1}, "design.nothing"),
    ],
)
def test_a_wrong_value_is_told_beside_its_field_in_the_librarys_words(changes: dict[str, Any], at: str) -> None:
    found = faults({"net": "resnet50", "changes": changes})
    assert list(found) == [at]
    words = {"type": "ResNet", **plain_value(nw.network("resnet50")), **changes}
    with pytest.raises(nw.DesignError) as error:
        nw.from_json(json.dumps({"schema": 1, **words}))
    assert found[at] == str(error.value)


def test_all_that_is_wrong_is_told_at_once() -> None:
    found = faults(
        {
            "net": "resnet50",
            "changes": {"classes": -1, "block": {"type": "Bottleneck", "base": 0}},
            "batch": 0,
            "precision": "fp8",
            "width": 99,
        }
    )
    assert set(found) == {"design.classes", "design.block.base", "batch", "precision", "width"}


@pytest.mark.parametrize(
    ("asked", "at", "told"),
    [
        ({"net": "inception_resnet_v2", "width": 1.5}, "scaling", "has no widths to scale"),
        ({"net": "resnet50", "changes": {"depths": [3, 4, 6], "width": [1, 2]}}, "design", "3 depths but 2 width"),
        ({"net": "vgg16", "changes": {"resolution": 8}}, "design", "too small|no pixels|features"),
        ({"net": "resnet5"}, "net", "did you mean"),
        ({}, "net|design", "choose|unknown"),
        ({"design": {"type": "os.system"}}, "design", "unknown design"),
        ({"design": {"type": "Recipe"}}, "net|design", "choose|unknown"),
        ({"net": "resnet50", "phi": 7, "width": 60, "resolution": 60}, "scaling", "more than 64 times"),
        ({"net": "resnet50", "changes": {"depths": [3, 4, 6, 10**9]}}, "design.depths.3", "up to 2,000"),
        ({"net": "efficientnet_b0", "changes": {"depth": 1e9}}, "design.depth", "up to 64"),
        ({"net": "efficientnet_b0", "changes": {"depth": 60}, "depth": 60}, "scaling", "up to"),
        ({"net": "resnet50", "changes": {"depths": [2000, 2000, 2000, 2000]}}, "design", "layers: the page shows up to"),
        (
            {"net": "resnext50_32x4d", "changes": {"block": {"type": "Branches", "groups": 10**8}}},
            "design.block.groups",
            "up to 2,000",
        ),
        ({"net": "resnet50", "changes": [1]}, "changes", "expected fields"),
        ({"net": "resnet50", "batch": True}, "batch", "expected"),
        ({"net": "resnet50", "width": float("nan")}, "width", "expected a number"),
    ],
)
def test_what_cannot_be_is_told_and_nothing_breaks(asked: dict[str, Any], at: str, told: str) -> None:
    found = faults(asked)
    assert len(found) == 1, found
    assert re.fullmatch(at, next(iter(found)))
    assert re.search(told, next(iter(found.values())))


def test_a_nest_of_designs_is_cut_off() -> None:
    design: Any = {"type": "Basic"}
    for _ in range(60):
        design = {"type": "ResNet", "block": design}
    assert "nested deeper" in next(iter(faults({"design": design}).values()))


def test_strange_questions_never_break_it() -> None:
    """Random trees of JSON in every place: each gets an answer or the library's error."""
    source = random.Random(0)
    words = ["type", "ResNet", "Bottleneck", "depths", "block", "net", "x", "", "\ud800", "<script>"]

    def tree(depth: int) -> Any:
        kind = source.randrange(8 if depth else 6)
        if kind == 6:
            return [tree(depth - 1) for _ in range(source.randrange(4))]
        if kind == 7:
            return {source.choice(words): tree(depth - 1) for _ in range(source.randrange(4))}
        return [None, True, source.randrange(-3, 300), source.uniform(-2, 2), source.choice(words), 10**400][kind]

    for _ in range(300):
        asked = {
            "net": source.choice(["resnet50", None]),
            "design": tree(3),
            "changes": tree(3),
            source.choice(["batch", "phi", "width", "precision"]): tree(1),
        }
        told = costed(asked)
        assert told["faults"] or told["cost"]


@pytest.mark.parametrize("name", nw.networks()[::7])
def test_every_network_has_a_form_that_gives_it_back(name: str) -> None:
    told = form({"net": name})
    design = nw.network(name)
    assert told["design"] == plain_value(design)
    known = {field["name"] for field in told["types"][told["design"]["type"]]}
    assert known == set(design.fields())
    through = json.loads(json.dumps(told["design"]))
    value, wrong = read_form(through)
    assert not wrong
    assert value is not None
    assert same(value, design)


def test_a_form_says_what_annotations_say() -> None:
    fields = {field["name"]: field for field in described(type(nw.network("wide_resnet50_2")))}
    assert fields["depths"]["form"] == {"kind": "several", "of": {"kind": "whole", "least": 1}, "length": None}
    assert fields["block"]["form"] == {"kind": "value", "types": ["Basic", "Bottleneck", "Branches", "Plain"]}
    assert [one["kind"] for one in fields["width"]["form"]["of"]] == ["whole", "several"]
    dropout = next(field for field in described(type(nw.network("alexnet"))) if field["name"] == "dropout")
    assert dropout == {"name": "dropout", "form": {"kind": "number", "least": 0, "most": 1}, "default": 0.5}


def test_numbers_are_read_as_their_field_wants_them() -> None:
    value, wrong = changed(nw.network("efficientnet_b0"), {"width": 2, "classes": 10})
    assert not wrong
    assert value == nw.network("efficientnet_b0", width=2.0, classes=10)


ASKED = [
    {"net": "resnet50"},
    {"net": "resnet50", "resolution": 1.2},
    {"net": "resnet50", "width": 1.3, "batch": 4, "precision": "bf16", "optimizer": "adam"},
    {"net": "efficientnet_b0", "phi": 1},
    {"net": "regnetx_002", "width": 1.5},
    {"net": "resnet50", "changes": {"block": {"type": "Bottleneck", "squeeze": {"type": "SqueezeExcite"}}}},
    {"design": plain_value(nw.network("mobilenet_v2", classes=7))},
]


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: str(asked)[:50])
def test_the_python_makes_the_same_design(asked: dict[str, Any]) -> None:
    told = costed(asked)
    value: dict[str, Any] = {}
    exec(told["python"].replace("print(", "made = ("), value)
    made = value["made"]
    row = told["cost"]
    assert (made.params, made.macs, list(made.image), made.memory.training) == (
        row["params"],
        row["macs"],
        row["image"],
        row["training_bytes"],
    )


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: str(asked)[:50])
def test_the_command_costs_the_same(asked: dict[str, Any], tmp_path: Path) -> None:
    told = costed(asked)
    script = f'netwright() {{ {shlex.quote(sys.executable)} -m netwright "$@"; }}\n{told["command"]} --json\n'
    done = subprocess.run(["bash", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    made = json.loads(done.stdout)
    made = made.get("scaled", made)
    totals = made.get("totals", made)
    assert (totals["params"], totals["macs"]) == (told["cost"]["params"], told["cost"]["macs"])


def test_the_table_has_a_line_for_each_layer_and_the_diagram_names_their_places() -> None:
    told, made = table({"net": "resnet50"}), nw.cost(nw.network("resnet50"))
    assert [(line["name"], line["params"], line["macs"]) for line in told["lines"]] == [
        (line.name, line.params, line.macs) for line in made.lines
    ]
    assert all(made.flat.rows[place].name == line["name"] for line in told["lines"] for place in line["rows"])
    boxes = [set(map(int, rows.split())) for rows in re.findall(r'data-rows="([\d ]+)"', told["svg"])]
    places = [place for line in told["lines"] for place in line["rows"]]
    assert set().union(*boxes) >= set(places)  # whatever is pointed at is marked somewhere
    assert sum(len(box) for box in boxes) <= len(places) + 2  # and in one place only; the image is no layer


@pytest.mark.parametrize("by", ["block", "stage"])
def test_groups_of_layers_cover_them_all(by: str) -> None:
    told = table({"net": "googlenet", "by": by})
    assert sorted(place for line in told["lines"] for place in line["rows"]) == list(
        range(1, len(nw.cost(nw.network("googlenet")).flat.rows))
    )


def test_a_diagram_is_linked_only_where_it_is_asked_for() -> None:
    drawing = draw("resnet18")
    linked = to_svg(drawing.picture, linked=True)
    assert "data-rows" not in drawing.svg
    assert re.sub(r'<g data-rows="[\d ]+">(.*)</g>', r"\1", linked) == drawing.svg


def test_side_by_side() -> None:
    rows = compared({"networks": [{"net": "resnet50"}, {"net": "resnet50", "width": 1.5}, {"net": "vgg16"}]})["rows"]
    expected = nw.compare("resnet50", "vgg16").rows()
    assert [rows[0]["macs"], rows[2]["macs"]] == [row["macs"] for row in expected]
    assert rows[2]["macs_ratio"] == expected[1]["macs_ratio"]
    for wrong in ({"networks": []}, {"networks": [START] * 5}, {"networks": "x"}, {"networks": [3]}, {}):
        with pytest.raises(nw.NetwrightError, match="compare one to 4"):
            compared(wrong)
    assert "did you mean" in compared({"networks": [{"net": "resnet5"}]})["faults"][0]["told"]


def test_the_list_is_the_zoo() -> None:
    rows = {row["name"]: row for row in listed()}
    assert list(rows) == nw.networks()
    assert (rows["resnet50"]["params"], rows["resnet50"]["macs"], rows["resnet50"]["image"]) == (25_557_032, 4_089_184_256, 224)


def test_what_is_remembered_does_not_follow_the_questions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(design_room, "MOST_REMEMBERED", 100)
    for i in range(30):  # 16 blocks each, none of them seen before
        told = costed(START | {"width": 0.5 + i / 40, "depth": 0.75})
        assert told["cost"]["params"] == nw.cost(read_form(told["design"])[0]).params
        assert tracing._trace.cache_info().currsize <= 100 + 2 * 17
        assert tracing.make_conv.cache_info().currsize <= 100 + 2 * 54


def test_latency_is_told_once_the_machine_is_calibrated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netwright.costing.latency import find_profile
    from netwright.costing.profiles import save
    from tests.test_latency import Law

    monkeypatch.setenv("NETWRIGHT_PROFILES", str(tmp_path))
    assert costed(START)["cost"]["milliseconds"] is None
    save(Law().profile())
    profile = find_profile()
    assert profile is not None
    told = costed(START)["cost"]
    assert told["milliseconds"] == pytest.approx(nw.cost(nw.network("resnet50"), profile=profile).milliseconds)
    assert told["profile"] == str(profile)
    assert costed(START | {"precision": "bf16"})["cost"]["milliseconds"] is None


def loaded(code: str) -> set[str]:
    """What a fresh Python has loaded after some code."""
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; {code}; print(*sys.modules, file=sys.stderr)"],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return {name.split(".")[0] if not name.startswith("netwright.") else name for name in done.stderr.split()}


def test_the_room_needs_no_torch() -> None:
    names = loaded("from netwright.web import app, design_room; design_room.costed({'net': 'resnet50'})")
    assert "netwright.web.designs" in names
    assert names.isdisjoint({"torch", "altair", "vl_convert", "optuna"})


def test_cost_does_not_load_the_page() -> None:
    names = loaded("from netwright.cli import main; main(['cost', 'resnet50'])")
    assert "netwright.costing.table" in names
    assert names.isdisjoint({"netwright.web", "starlette", "uvicorn", "torch"})


def test_over_the_network(served: Served) -> None:
    assert served.post("/design/cost", START)["cost"]["macs"] == 4_089_184_256
    assert served.post("/design/table", START | {"by": "stage"})["lines"][0]["name"] == "stem"
    assert "cannot group" in served.post("/design/table", START | {"by": "x"})["error"]
    assert served.get("/design/choices")["profile"] is None
    assert len(served.get("/design/networks")["networks"]) == len(nw.networks())
