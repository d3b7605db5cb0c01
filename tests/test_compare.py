"""Networks side by side: as a call and as a command."""

from __future__ import annotations

import csv
import io
import json
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

import netwright as nw
from netwright.cli import main
from netwright.errors import NetwrightError

Capture = pytest.CaptureFixture[str]


def test_each_row_is_what_cost_says() -> None:
    names = ("resnet50", "efficientnet_b2", "vgg16")
    found = nw.compare(*names, batch=16, precision="bf16", optimizer="adam")
    for name, row in zip(names, found.rows(), strict=True):
        table = nw.cost(nw.network(name), batch=16, precision="bf16", optimizer="adam")
        assert row["network"] == name
        assert row["image"] == list(table.image)
        assert [row[key] for key in ("params", "macs", "flops", "acts")] == [table.params, table.macs, table.flops, table.acts]
        assert (row["training_bytes"], row["inference_bytes"]) == (table.memory.training, table.memory.inference)
        assert row["largest_batch"] is None
    first, _, last = found.rows()
    for key in ("params", "macs", "acts", "training_bytes", "inference_bytes"):
        assert first[f"{key}_ratio"] == 1
        assert last[f"{key}_ratio"] == last[key] / first[key]


def test_designs_graphs_and_costs_stand_side_by_side() -> None:
    design = nw.network("resnet18", classes=10)
    made = nw.cost(nw.network("vgg11"), 64, name="mine", batch=4)
    found = nw.compare("resnet18", design, nw.trace(design, 32, 1), made, image=96, batch=2)
    assert [row["network"] for row in found.rows()] == ["resnet18", "resnet18", "network", "mine"]
    assert [row["image"] for row in found.rows()] == [[3, 96, 96], [3, 96, 96], [1, 32, 32], [3, 64, 64]]
    assert [row["batch"] for row in found.rows()] == [2, 2, 2, 4]
    assert found.costs[3] is made
    assert "bytes for" in str(found)  # they differ, so each row says it
    assert "32, 1 channels" in str(found)


def test_the_largest_batch_of_each() -> None:
    found = nw.compare("mobilenetv2_100", "resnet50", "vgg19", fit="2GB")
    small, middle, large = [row["largest_batch"] for row in found.rows()]
    assert small > 1
    assert middle == nw.cost(nw.network("resnet50")).largest_batch("2GB")
    assert large == 0 or nw.cost(nw.network("vgg19"), batch=large).memory.training <= 2e9
    assert [row["largest_batch"] for row in nw.compare("vgg19", fit="1GB").rows()] == [0]
    assert str(found).splitlines()[0].endswith("largest batch")


def test_a_network_without_weights_has_no_ratio_of_params() -> None:
    found = nw.compare(weightless, "resnet18", image=32)
    assert found.rows()[1]["params_ratio"] is None
    assert found.rows()[1]["inference_bytes_ratio"] > 1
    assert "-" in str(found)


def weightless(x: nw.FeatureMap) -> nw.FeatureMap:
    return x.relu().global_pool()


def test_forms_of_a_comparison() -> None:
    found = nw.compare("resnet18", "googlenet", fit="8GB", batch=32)
    lines = str(found).splitlines()
    assert max(map(len, lines)) <= 130
    assert lines[0].split()[:2] == ["network", "image"]
    assert "Bytes are for batch 32, fp32, momentum." in lines[-1]
    assert json.loads(json.dumps(found.to_json())) == {"limit_bytes": 8_000_000_000, "networks": found.rows()}
    rows = list(csv.DictReader(io.StringIO(found.to_csv())))
    assert [int(row["macs"]) for row in rows] == [row["macs"] for row in found.rows()]
    assert rows[0]["image"] == "3x224x224"
    page = ET.fromstring(f"<page>{found._repr_html_()}</page>")
    assert [row[0].text for row in page.findall("table/tbody/tr")] == ["resnet18", "googlenet"]
    assert len([line for line in found.to_markdown().splitlines() if line.startswith("|")]) == 4


def test_deployed_networks_are_not_trained() -> None:
    found = nw.compare("repvgg_a0", "resnet18", deploy=True)
    assert found.rows()[0]["params"] == 8_309_384
    assert re.search(r"\s-\s+-\s", str(found).splitlines()[2])
    with pytest.raises(NetwrightError, match="what is deployed is not trained"):
        nw.compare("repvgg_a0", deploy=True, fit="8GB")


@pytest.mark.parametrize(
    ("nets", "changes", "message"),
    [
        ((), {}, "nothing to compare"),
        (("resnt18",), {}, "unknown network 'resnt18'; did you mean resnet18"),
        (("resnet18",), {"precision": "half"}, "there is no precision 'half'"),
        (("resnet18",), {"optimizer": "newton"}, "there is no optimizer 'newton'"),
        (("resnet18",), {"batch": -1}, "batch is -1"),
        (("resnet18",), {"fit": "0GB"}, "'0GB' is not a number of bytes"),
        (("alexnet",), {"image": 20}, "the image is too small"),
    ],
)
def test_mistakes_are_refused(nets: tuple[str, ...], changes: dict[str, object], message: str) -> None:
    with pytest.raises(NetwrightError, match=re.escape(message)):
        nw.compare(*nets, **changes)  # type: ignore[arg-type]


# ---------------------------------------------------------------- the command


def test_compare_as_table_json_csv_and_file(tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "net.py").write_text("import netwright as nw\nsmall = nw.network('resnet18', width=16)\n")
    words = ["compare", "resnet18", f"{tmp_path / 'net.py'}:small", "--batch", "8", "--fit", "8GB"]
    assert main(words) == 0
    assert capsys.readouterr().out.splitlines()[2].split()[:2] == ["resnet18", "224"]
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["network"] for row in found["networks"]] == words[1:3]
    assert found["networks"][1]["params_ratio"] < 1
    assert main([*words, "-o", str(tmp_path / "made.csv")]) == 0
    rows = list(csv.DictReader((tmp_path / "made.csv").read_text().splitlines()))
    assert [int(row["largest_batch"]) for row in rows] == [row["largest_batch"] for row in found["networks"]]
    for name, start in (("made.md", "| network |"), ("made.html", "<!doctype html>"), ("made.txt", "network ")):
        assert main([*words, "-o", str(tmp_path / name)]) == 0
        assert (tmp_path / name).read_text().startswith(start)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("compare", "Missing argument 'NET...'"),
        ("compare resnet18 resnt50", "unknown network 'resnt50'; did you mean resnet50"),
        ("compare resnet18 --precision bf61", "there is no precision 'bf61'; did you mean bf16?"),
        ("compare resnet18 --optimizer adm", "there is no optimizer 'adm'; did you mean adam"),
        ("compare resnet18 --fit much", "'much' is not a number of bytes"),
        ("compare resnet18 --fit 8GB --deploy", "choose one of --fit and --deploy"),
        ("compare resnet18 --json --csv", "choose one of --json and --csv"),
        ("compare alexnet --image 20", "the image is too small"),
        ("compare resnet18 --imge 20", "no such option --imge; did you mean --image?"),
        ("compare nowhere.json", "cannot read nowhere.json"),
    ],
)
def test_a_mistake_with_compare_is_one_line_and_exit_code_2(line: str, message: str, capsys: Capture) -> None:
    assert main(line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert len(err.splitlines()) == 1
    assert message in err
