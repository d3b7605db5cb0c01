from __future__ import annotations

import csv
import io
import itertools
import json
import math
import re
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import netwright as nw
from netwright.cli import main
from netwright.costing import Cost
from netwright.costing.arithmetic import Formula
from netwright.costing.formats import WIDTH
from netwright.costing.table import GROUPINGS
from netwright.errors import NetwrightError
from netwright.graph import Design, FeatureMap
from netwright.graph.layers import Scale

Capture = pytest.CaptureFixture[str]
MIB = 2**20
PAGE = Path(__file__).parents[1] / "docs" / "cost.md"


@pytest.mark.parametrize("name", nw.networks())
def test_the_total_is_the_sum_of_the_lines_whatever_the_grouping(name: str) -> None:
    tables = [nw.cost(nw.network(name), by=by, batch=3, precision="bf16", optimizer="adam") for by in GROUPINGS]
    for table in tables:
        for column in ("params", "macs", "flops", "acts"):
            assert getattr(table, column) == sum(getattr(line, column) for line in table.lines) == getattr(tables[0], column)
        memory, lecture = table.memory, table.lecture
        assert sum(line.saved_bytes for line in table.lines) == memory.saved
        assert sum(line.weight_bytes for line in table.lines) == memory.weights == 2 * table.params
        assert sum(line.lecture_parameters for line in table.lines) == lecture.parameters == 4 * 4 * table.params
        image = 4 * 3 * math.prod(table.image)  # is on no line
        assert sum(line.lecture_activations for line in table.lines) + image == sum(lecture.activations)
        assert sum(line.share for line in table.lines) == pytest.approx(1)
        assert tables[0].lines[-1].field == table.lines[-1].field
    assert len(tables[0].lines) >= len(tables[1].lines) >= len(tables[2].lines) > 1
    assert tables[0].flops == 2 * tables[0].macs


def test_counts_are_for_one_image_and_bytes_for_the_batch() -> None:
    one, many = (nw.cost(nw.network("resnet18"), batch=batch) for batch in (1, 64))
    for first, other in zip(one.lines, many.lines, strict=True):
        assert (first.params, first.macs, first.acts, first.weight_bytes) == (
            other.params, other.macs, other.acts, other.weight_bytes)  # fmt: skip
        assert 64 * first.lecture_activations == other.lecture_activations
    each = nw.cost(nw.network("resnet18"), batch=2).memory.saved - one.memory.saved
    assert many.memory.saved == one.memory.saved + 63 * each


def test_vgg16_work_per_stage_is_not_constant() -> None:
    """The notes' claim fails: 1.94, 2.77, 4.62, 4.62 and 1.39 G macs."""
    lines = nw.cost(nw.network("vgg16"), by="stage").lines
    assert [round(line.macs / 1e9, 2) for line in lines[:5]] == [1.94, 2.77, 4.62, 4.62, 1.39]


def test_a_stage_has_an_effective_kernel_and_stride() -> None:
    """Three 3x3 and a 2x2/2 pooling: 1 + 3 x 2 + 1 = 8 at stride 2."""
    stage = nw.cost(nw.network("vgg16"), by="stage").lines[2]
    assert (stage.kernel, stage.stride) == ((8, 8), (2, 2))
    assert (stage.field, stage.jump) == ((16 + 7 * 4, 16 + 7 * 4), (8, 8))


# ---------------------------------------------------------------- what is costed


def tiny(x: FeatureMap) -> FeatureMap:
    x = x.layer(Scale((2.0,))).conv("conv", 12, (1, 7), (1, 2), padding=(0, 3), groups=3, bias=True).local_norm(3).shuffle(3)
    y = x.max_pool(3, 2, ceil=True).conv("same", 12, 2, 2, padding="same").silu()
    y = y * y.adaptive_pool(1).conv("gate", 12, 1).sigmoid() + x.subsample(12, 4) if y.shape[1] == -(-x.shape[1] // 4) else y
    return y.adaptive_pool(2).dropout(0.3).flatten().linear("fc", 10, bias=False)


def test_a_graph_and_a_function_can_be_costed() -> None:
    design = nw.network("resnet18")
    graph = nw.trace(design, (96, 64), 1)
    table = nw.cost(graph)
    assert table.image == (1, 96, 64)
    assert table.lines == nw.cost(design, (96, 64), channels=1).lines
    assert str(table).splitlines()[0] == "network for one image of 1 x 96 x 64"
    assert str(nw.cost(tiny, 40)).splitlines()[0] == "tiny for one image of 3 x 40 x 40"
    with pytest.raises(NetwrightError, match="a graph is traced for one image already"):
        nw.cost(graph, 32)


@pytest.mark.parametrize("name", ["repvgg_a0", "parnet_s", "googlenet", "resnet50", "efficientnet_b0"])
def test_the_cost_as_deployed(name: str) -> None:
    changes = {"aux": True} if name == "googlenet" else {}
    trained = nw.network(name, **changes)
    table = nw.cost(trained, 224, deploy=True, name=name)
    model = nw.deploy(nw.build(trained, seed=0).eval())
    assert table.params == sum(p.numel() for p in model.parameters())
    assert not any(line.kind.startswith("dropout") for line in table.lines)
    assert table.memory.inference < nw.cost(trained, 224).memory.inference
    assert str(table).splitlines()[0] == f"{name}, as deployed for one image of 3 x 224 x 224"
    assert "training" not in str(table)
    if name == "resnet50":
        graph = nw.trace(trained, 224)
        assert nw.cost(graph, deploy=True).params == table.params
        assert table.macs == graph.macs


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"by": "colour"}, "cannot group by 'colour': choose one of layer, block, stage"),
        ({"by": "layers"}, "did you mean layer?"),
        ({"batch": 0}, "batch is 0, expected a whole number of at least 1"),
        ({"batch": True}, "batch is True, expected a whole number"),
        ({"batch": 2.0}, "batch is 2.0, expected a whole number"),
        ({"precision": "fp23"}, "no precision 'fp23'; did you mean fp32?"),
        ({"optimizer": "adamm"}, "no optimizer 'adamm'; did you mean adam"),
        ({"image": 0}, "image is 0, expected a whole number"),
    ],
)
def test_mistakes_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(NetwrightError, match=re.escape(message)):
        nw.cost(nw.network("resnet18"), **changes)  # type: ignore[arg-type]


def test_costing_imports_no_torch() -> None:
    program = (
        "import sys; from netwright.cli import main; code = main(['cost', 'resnet50', '--json']); "
        "code = code or main(['compare', 'resnet18', 'vgg11', '--csv']); "
        "import netwright.spaces, netwright.graph; "
        "heavy = {'torch', 'numpy', 'rich', 'sklearn', 'altair', 'PIL'} & set(sys.modules); sys.exit(code or bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.partition("network,image")[0])
    assert (found["params"], found["macs"], found["acts"]) == (25_557_032, 4_089_184_256, 11_114_984)


# ---------------------------------------------------------------- forms


def test_the_table_can_be_read_by_people_and_programs() -> None:
    table = nw.cost(nw.network("resnet18"), by="stage", name="resnet18", batch=32)
    lines = str(table).splitlines()
    assert lines[0] == "resnet18 for one image of 3 x 224 x 224"
    total = next(line for line in lines if line.startswith("total"))
    saved = f"{table.memory.saved / 1e6:,.2f}"
    assert total.split() == ["total", "6", "rows", "11,689,512", "1,814,073,344", "3,628,146,688", "2,484,712", saved]
    assert lines[-3].startswith("training            batch 32, fp32, momentum  ")
    assert lines[-2].startswith("inference           batch 32, fp32            ")
    assert lines[-1].startswith("lecture's estimate  batch 32, fp32, momentum  ")


@pytest.mark.parametrize("by", GROUPINGS)
def test_the_text_of_every_network_fits_a_terminal(by: str) -> None:
    for name in nw.networks():
        table = nw.cost(nw.network(name), by=by, batch=256, name=name)  # type: ignore[arg-type]
        text = str(table)
        assert max(map(len, text.splitlines())) <= WIDTH == 130, name
        assert f"{table.flops:,}" in text


def test_all_forms_have_the_same_numbers() -> None:
    table = nw.cost(tiny, 40, name="<tiny|1>", batch=2, precision="bf16")
    plain = json.loads(json.dumps(table.to_json()))
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert len(plain["rows"]) == len(rows) == len(table.lines)
    for line, row, written in zip(table.lines, plain["rows"], rows, strict=True):
        for name in ("params", "macs", "flops", "acts", "weight_bytes", "saved_bytes", "lecture_activations"):
            assert getattr(line, name) == row[name] == int(written[name])
        assert list(line.field or ()) == row["field"]
        assert written["shape"] == " x ".join(map(str, row["shape"]))
    assert rows[1]["kernel"] == "1x7"
    assert plain["bytes"]["training"] == table.memory.training
    assert (plain["batch"], plain["precision"], plain["optimizer"]) == (2, "bf16", "momentum")
    page = ET.fromstring(f"<page>{table._repr_html_()}</page>")
    assert [row[0].text for row in page.findall("table/tbody/tr")] == [line.name for line in table.lines]
    assert page.findtext("table/caption") == "<tiny|1> for one image of 3 x 40 x 40"
    cells = [line.split(" | ") for line in table.to_markdown().splitlines() if line.startswith("|")]
    assert len(cells) == len(rows) + 3
    assert len({len(row) for row in cells}) == 1


# ---------------------------------------------------------------- explained


def work_out(formula: Formula) -> float:
    """What its printed arithmetic gives; read off the text, as a student would."""
    printed = str(formula).partition("   (")[0].removesuffix(f" {formula.unit}" if formula.unit else "")
    *_, numbers, value = ["", *printed.split(" = ")] if printed.count(" = ") == 1 else printed.split(" = ")
    plain, result = (re.sub(r"(?<=\d),(?=\d{3})", "", text).replace(" x ", " * ") for text in (numbers, value))
    if printed.count(" = ") == 1:  # a rule in words, then the number
        return float(result)
    assert set(re.findall(r"[a-z]+", plain)) <= {"floor", "ceil", "min", "max"}, plain
    found = float(eval(plain, {"__builtins__": {}}, {"floor": math.floor, "ceil": math.ceil, "min": min, "max": max}))
    assert found == pytest.approx(float(result), rel=0 if float(result).is_integer() else 1e-6, abs=1e-9), str(formula)
    return found


def check_explained(table: Cost, name: str) -> None:
    explained = table.explain(name)
    line = explained.line
    found = {formula.name: work_out(formula) for formula in explained.formulas}
    for column in ("params", "macs", "flops", "acts", "weight_bytes", "saved_bytes", "lecture_activations", "lecture_parameters"):
        assert found[column.replace("_", " ")] == getattr(line, column), (name, column)
    assert line.field is not None
    assert (found.get("field", found.get("field height")), found.get("field", found.get("field width"))) == line.field
    if not line.kind.endswith(" layers"):
        shape = [found[part] for part in ("features", "channels", "height", "width") if part in found]
        assert tuple(shape) == line.shape
        if line.jump is not None:
            jump = (found.get("jump", found.get("jump height")), found.get("jump", found.get("jump width")))
            assert jump == pytest.approx(line.jump)
    elif "kernel" in found:
        assert line.kernel == (found["kernel"], found["kernel"])
    assert str(explained).startswith(f"{name} of {table.network}: {line.kind}, gives ")


FAMILIES = ["alexnet_2012", "vgg11_bn", "inception_v1", "inception_v3", "resnet18", "resnet20_cifar", "seresnet50"]
FAMILIES += ["tf_efficientnet_b0", "mobilenetv2_100", "regnety_002", "repvgg_a0", "parnet_s", "squeezenet1_0"]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", [name for name in FAMILIES if nw.networks(name)])
def test_every_printed_formula_gives_the_tables_number(name: str, precision: str) -> None:
    for by in GROUPINGS:
        table = nw.cost(nw.network(name), by=by, batch=7, precision=precision, optimizer="adam", name=name)  # type: ignore[arg-type]
        for line in table.lines:
            check_explained(table, line.name)
            assert table.explain(line.name).line == line


@pytest.mark.parametrize("side", [40, 41, 44, 47])
def test_formulas_of_layers_that_are_rare(side: int) -> None:
    table = nw.cost(tiny, side, batch=2)
    for line in table.lines:
        check_explained(table, line.name)


class Overhanging(Design):
    """Pooling that rounds up, where the last window would begin beyond the map; cells of two sizes, then a window."""

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.max_pool(2, 3, padding=1, ceil=True).avg_pool(3, 2, ceil=True)
        return x.adaptive_pool((5, 1)).conv("conv", 4, (3, 1), padding=0).global_pool().linear("fc", 2)


@pytest.mark.parametrize("side", range(20, 32))
def test_formulas_of_poolings_that_round_up(side: int) -> None:
    table = nw.cost(Overhanging(), side)
    for line in table.lines:
        check_explained(table, line.name)


def test_an_explanation_says_where_a_map_is_counted() -> None:
    table = nw.cost(nw.network("resnet18"), name="resnet18", batch=32)
    text = str(table.explain("layer1.0.conv1"))
    assert "params               k_h x k_w x C / G x C' = 3 x 3 x 64 / 1 x 64 = 36,864   (no bias)" in text
    assert "reads maxpool (64 x 56 x 56)" in text
    assert table.explain("layer1.0.conv1").reads == ("maxpool (64 x 56 x 56)",)
    assert "reads the image (3 x 224 x 224)" in str(table.explain("conv1"))
    whole = table.explain("layer1")
    assert whole.line.params == sum(line.params for line in table.lines if line.name.startswith("layer1."))
    assert json.loads(json.dumps(whole.to_json()))["formulas"][0]["name"] == "params"
    assert len(list(csv.DictReader(io.StringIO(whole.to_csv())))) == len(whole.formulas)
    assert "| params |" in whole.to_markdown()
    assert ET.fromstring(whole._repr_html_()).text == str(whole)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("layer1.0.con1", "no layer, block or stage 'layer1.0.con1'; did you mean layer1.0.conv1"),
        ("", "the cost table lists them"),
    ],
)
def test_a_name_that_is_not_there_cannot_be_explained(name: str, message: str) -> None:
    with pytest.raises(NetwrightError, match=re.escape(message)):
        nw.cost(nw.network("resnet18")).explain(name)


# ---------------------------------------------------------------- the largest batch


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("name", ["vgg16", "mobilenetv2_100", "resnet20_cifar"])
def test_the_largest_batch_fits_and_the_next_does_not(name: str, precision: str) -> None:
    table = nw.cost(nw.network(name), precision=precision, optimizer="adam", name=name)  # type: ignore[arg-type]
    fit = table.fit("16GiB")
    assert fit.limit == 16 * 2**30
    assert fit.needs <= fit.limit < fit.next_needs
    assert fit.needs == nw.cost(nw.network(name), batch=fit.batch, precision=precision, optimizer="adam").memory.training  # type: ignore[arg-type]
    assert json.loads(json.dumps(fit.to_json()))["batch"] == fit.batch == table.largest_batch(16 * 2**30)
    for limit, message in (
        ("1MB", "for a batch of 1: more than the limit of 1.00 MB"),
        ("lots", "'lots' is not a number of bytes"),
    ):
        with pytest.raises(NetwrightError, match=message):
            table.fit(limit)


# ---------------------------------------------------------------- the lecture's figures, worked out by hand

BATCH = 128
LECTURE = {"alexnet_2012": {"groups": 1}, "vgg16": {}, "inception_v1": {}}


def lectured(name: str, by: str = "stage") -> Cost:
    return nw.cost(nw.network(name, **LECTURE[name]), 224, batch=BATCH, optimizer="adam", by=by)  # type: ignore[arg-type]


def activations(*maps: int) -> int:
    """Bytes of maps and of their gradients for the batch, in fp32."""
    return 2 * BATCH * 4 * sum(maps)


def test_the_lectures_alexnet() -> None:
    table = lectured("alexnet_2012", "layer")
    lines = {line.name: line for line in table.lines}
    assert table.lecture.activations[0] == BATCH * 150_528 * 4 == 73.5 * MIB
    conv1 = lines["conv1"]
    assert conv1.shape == (96, (224 - 11 + 2 * 2) // 4 + 1, 55)
    assert conv1.params == (11 * 11 * 3 + 1) * 96 == 34_944
    assert BATCH * conv1.flops == 128 * 55 * 55 * 96 * 11 * 11 * 3 * 2 == 26_986_291_200
    assert conv1.lecture_activations == activations(55 * 55 * 96)
    assert round(conv1.lecture_activations / MIB, 1) == 283.6
    assert conv1.lecture_parameters == 4 * 34_944 * 4
    assert lines["pool5"].shape == (256, 6, 6)
    assert lines["classifier.1"].params == (9216 + 1) * 4096
    linear = (9216 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 1000
    convs = 34_944 + (25 * 96 + 1) * 256 + (9 * 256 + 1) * 384 + (9 * 384 + 1) * 384 + (9 * 384 + 1) * 256
    assert table.params == linear + convs == 62_378_344
    poolings = 27 * 27 * 96 + 13 * 13 * 256 + 6 * 6 * 256
    outputs = 55 * 55 * 96 + 27 * 27 * 256 + 13 * 13 * (384 + 384 + 256) + 4096 + 4096 + 1000
    assert sum(table.lecture.activations) == BATCH * 150_528 * 4 + activations(outputs, poolings)
    assert table.lecture.parameters > sum(table.lecture.activations)  # the notes' third point, with Adam


def test_the_lectures_vgg16() -> None:
    table = lectured("vgg16")
    stages = {line.name: line for line in table.lines}
    first = [stages[f"stage{i}"] for i in (1, 2, 3)]
    macs = 224**2 * 9 * (3 * 64 + 64 * 64) + 112**2 * 9 * (64 * 128 + 128 * 128) + 56**2 * 9 * (128 * 256 + 2 * 256 * 256)
    assert BATCH * sum(stage.flops for stage in first) == BATCH * 2 * macs
    assert round(BATCH * 2 * macs / 1e12, 1) == 2.4
    weights = 9 * (3 * 64 + 64 * 64 + 64 * 128 + 128 * 128 + 128 * 256 + 2 * 256 * 256)
    assert sum(stage.params for stage in first) == weights + 2 * 64 + 2 * 128 + 3 * 256 == 1_735_488
    maps = 2 * 64 * 224**2 + 64 * 112**2 + 2 * 128 * 112**2 + 128 * 56**2 + 3 * 256 * 56**2 + 256 * 28**2
    assert sum(stage.lecture_activations for stage in first) == activations(maps)
    assert round(activations(maps) / MIB) == 13_132
    head = stages["classifier"]
    assert head.params == (25_088 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 1000 == 123_642_856
    assert BATCH * head.flops == BATCH * 2 * (25_088 * 4096 + 4096 * 4096 + 4096 * 1000) == 31_650_217_984
    rest = 3 * 512 * 28**2 + 512 * 14**2 + 3 * 512 * 14**2 + 512 * 7**2 + 4096 + 4096 + 1000
    assert sum(table.lecture.activations) == 73.5 * MIB + activations(maps, rest) > 14e9


def test_the_lectures_googlenet() -> None:
    table = lectured("inception_v1")
    stages = {line.name: line for line in table.lines}
    stem, head = stages["stem"], stages["head"]
    macs = 112**2 * 49 * 3 * 64 + 56**2 * 64 * 64 + 56**2 * 9 * 64 * 192
    assert BATCH * stem.flops == BATCH * 2 * macs == 122_284_933_120
    assert stem.params == (49 * 3 + 1) * 64 + (64 + 1) * 64 + (9 * 64 + 1) * 192 == 124_416
    maps = 64 * 112**2 + 64 * 56**2 + 64 * 56**2 + 192 * 56**2 + 192 * 28**2
    assert stem.lecture_activations == activations(maps) == 1911 * MIB
    assert head.params == (1024 + 1) * 1000
    assert BATCH * head.flops == BATCH * 2 * 1024 * 1000 == 262_144_000 < 270e6
    assert table.params == 6_998_552
    assert 390e9 < BATCH * table.flops < 410e9  # "390 Mflops" in the notes
    assert round(sum(table.lecture.activations) / MIB) == 3325  # "3.3 GB"


# ---------------------------------------------------------------- the page about it


def page_rows(head: str) -> list[list[str]]:
    """The rows of the page's table that begins with `head`."""
    lines = PAGE.read_text().splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith(f"| {head} |"))
    rows = []
    for line in lines[start + 2 :]:
        if not line.startswith("|"):
            break
        rows.append([cell.strip() for cell in line.strip("|").split("|")])
    return rows


def exact_figures() -> dict[str, str]:
    """What the page's table of the lecture's figures must say."""
    alex, vgg, google = (lectured(name) for name in LECTURE)
    conv1 = lectured("alexnet_2012", "layer").lines[0]
    conv1_1, conv1_2 = [line for line in lectured("vgg16", "layer").lines if line.kind.startswith("conv")][:2]
    first = vgg.lines[:3]
    stages = [f"{BATCH * line.flops / 1e9:,.0f}" for line in vgg.lines[:5]]
    stem, head, vgg_head = google.lines[0], google.lines[-1], vgg.lines[-1]
    return {
        "AlexNet: the image": f"{alex.lecture.activations[0] / MIB:,.1f} MiB",
        "AlexNet: conv1, params": f"{conv1.params:,}",
        "AlexNet: conv1, flops": f"{BATCH * conv1.flops / 1e9:,.2f} GFLOP",
        "AlexNet: conv1, activations": f"{conv1.lecture_activations / MIB:,.1f} MiB",
        "AlexNet: memory for parameters (Adam)": f"{alex.lecture.parameters / MIB:,.1f} MiB",
        "AlexNet: memory for activations": f"{sum(alex.lecture.activations) / MIB:,.1f} MiB",
        "VGG-16: the first convolution's activations": f"{conv1_1.lecture_activations / MIB:,.0f} MiB",
        "VGG-16: a convolution, such as conv1_2": (
            f"{BATCH * conv1_2.flops / 1e9:,.1f} GFLOP, {conv1_2.flops / 1e9:,.1f} for one image"
        ),
        "VGG-16: the five stages": f"{', '.join(stages)} GFLOP",
        "VGG-16: all activations": f"{sum(vgg.lecture.activations) / MIB:,.0f} MiB",
        "VGG-16: ten layers to 28 px, flops": f"{BATCH * sum(line.flops for line in first) / 1e12:,.2f} TFLOP",
        "VGG-16: ten layers to 28 px, params": f"{sum(line.params for line in first):,}",
        "VGG-16: ten layers to 28 px, activations": f"{sum(line.lecture_activations for line in first) / MIB:,.0f} MiB",
        "VGG-16: classifier": f"{vgg_head.params:,} params, {BATCH * vgg_head.flops / 1e9:,.1f} GFLOP",
        "GoogLeNet: stem, flops": f"{BATCH * stem.flops / 1e9:,.1f} GFLOP",
        "GoogLeNet: stem, params": f"{stem.params:,}",
        "GoogLeNet: stem, activations": f"{stem.lecture_activations / MIB:,.0f} MiB",
        "GoogLeNet: classifier": f"{head.params:,} params, {BATCH * head.flops / 1e6:,.1f} MFLOP",
        "GoogLeNet: all params": f"{google.params:,}",
        "GoogLeNet: all flops": f"{BATCH * google.flops / 1e9:,.1f} GFLOP",
        "GoogLeNet: all activations": f"{sum(google.lecture.activations) / MIB:,.0f} MiB",
    }


def test_the_pages_figures_of_the_lecture_are_right() -> None:
    assert {row[0]: row[2] for row in page_rows("figure")} == exact_figures()
    notes = PAGE.parents[2] / "shared" / "notes" / "cnn_architectures.txt"
    if notes.exists():  # what the page says that they print is there
        text = re.sub(r"[^a-z0-9.]+", " ", re.sub(r"<[^>]*>|&[a-z]+;", " ", notes.read_text().lower()))
        for name, printed, _, _ in page_rows("figure"):
            for number in re.findall(r"\d[\d.]*", printed.replace(",", "")):
                assert number in text, (name, number)


def test_the_pages_other_numbers_are_right() -> None:
    text = "".join([page.read_text() for page in (PAGE, PAGE.parent / "concepts" / "units.md")])
    assert f"for {nw.cost(nw.network('resnet50')).macs / 1e9:.2f} G here" in text
    assert f"`googlenet` has {nw.cost(nw.network('googlenet')).params:,}" in text


def test_the_pages_fields_are_right() -> None:
    for name, published, ours, _ in page_rows("network"):
        lines = nw.cost(nw.network(name.strip("`"))).lines
        before = next(a for a, b in itertools.pairwise(lines) if "adaptive_pool" in b.kind and len(a.shape) == 3)
        assert ours == f"{before.field[0]}", name  # type: ignore[index]
        assert published.isdigit()


def test_the_pages_commands_print_what_it_shows(capsys: Capture) -> None:
    blocks = re.findall(r"```console\n\$ netwright ([^\n]*)\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert len(blocks) >= 4
    for words, shown in blocks:
        assert main(words.split()) == 0
        assert capsys.readouterr().out == shown, words


# ---------------------------------------------------------------- the command


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("cost resnet18 --precision fp23", "there is no precision 'fp23'; did you mean fp32?"),
        ("cost resnet18 --optimizer adm", "there is no optimizer 'adm'; did you mean adam"),
        ("cost resnet18 --batch 0", "Invalid value for '--batch'"),
        ("cost resnet18 --batch many", "Invalid value for '--batch'"),
        ("cost resnet18 --explain layer9", "there is no layer, block or stage 'layer9'; did you mean layer"),
        ("cost resnet18 --fit 24MB", "training needs 162 MB"),
        ("cost resnet18 --fit lots", "'lots' is not a number of bytes"),
        ("cost resnet18 --fit -3GB", "'-3GB' is not a number of bytes"),
        ("cost resnet18 --fit 24GB --deploy", "choose one of --fit and --deploy"),
        ("cost resnet18 --fit 24GB --explain conv1", "choose one of --fit and --explain"),
        ("cost resnet18 --markdown --html", "choose one of --markdown and --html"),
        ("cost resnet18 --json --csv --html", "choose one of --json, --csv and --html"),
        ("cost resnet18 --profile nowhere", "nowhere"),
        ("cost resnet18 --channels 0", "Invalid value for '--channels'"),
    ],
)
def test_a_mistake_with_cost_is_one_line_and_exit_code_2(line: str, message: str, capsys: Capture) -> None:
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err


def test_cost_in_every_form_on_the_screen_and_in_a_file(tmp_path: Path, capsys: Capture) -> None:
    words = ["cost", "resnet18", "--image", "64", "--by", "block", "--batch", "8"]
    table = nw.cost(nw.network("resnet18"), 64, by="block", batch=8, name="resnet18")
    forms = {"": (".txt", f"{table}\n"), "--json": (".json", json.dumps(table.to_json(), indent=1) + "\n")}
    forms |= {"--csv": (".csv", table.to_csv()), "--markdown": (".md", table.to_markdown())}
    for option, (suffix, text) in forms.items():
        asked = [option] if option else []
        assert main([*words, *asked]) == 0
        assert capsys.readouterr().out == text
        assert main([*words, "-o", str(tmp_path / f"cost{suffix}")]) == 0
        assert main([*words, *asked, "-o", str(tmp_path / "cost.any")]) == 0
        assert capsys.readouterr().out == ""
        assert (tmp_path / f"cost{suffix}").read_text() == (tmp_path / "cost.any").read_text() == text
    assert main([*words, "-o", str(tmp_path / "cost.html")]) == 0
    page = (tmp_path / "cost.html").read_text()
    assert page.startswith("<!doctype html>")
    assert table._repr_html_() in page


def test_a_file_that_cannot_be_written(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    assert main(["cost", "resnet18", "-o", str(tmp_path / "file" / "cost.csv")]) == 2
    assert "cannot write" in capsys.readouterr().err
    assert main(["cost", "resnet18", "-o", str(tmp_path)]) == 2
    assert "is a directory" in capsys.readouterr().err


def test_cost_explains_and_fits(capsys: Capture) -> None:
    assert main(["cost", "resnet18", "--explain", "fc", "--batch", "4"]) == 0
    assert "C x C' + C' = 512 x 1,000 + 1,000 = 513,000" in capsys.readouterr().out
    assert main(["cost", "resnet18", "--explain", "layer1", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["name"] == "layer1"
    assert main(["cost", "resnet18", "--fit", "8GB", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["training_bytes"] <= 8e9 < found["next_training_bytes"]
    assert main(["cost", "resnet18", "--fit", "8GB"]) == 0
    out = capsys.readouterr().out
    assert f"{found['batch']:,}" in out
    assert f"{found['next_training_bytes']:,} bytes" in out
    assert main(["cost", "repvgg_a0", "--deploy", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["params"] == 8_309_384
