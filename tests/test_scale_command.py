"""`netwright scale` as a user types it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

import netwright as nw
from netwright.cli import main
from netwright.graph import from_json

Capture = pytest.CaptureFixture[str]
PAGE = Path(__file__).parents[1] / "docs" / "scale.md"


def test_the_page_shows_what_is_printed(capsys: Capture) -> None:
    text = PAGE.read_text()
    blocks = re.findall(r"```console\n\$ netwright ([^\n]*)\n(.*?)```", text, re.DOTALL)
    assert blocks
    for words, shown in blocks:
        assert main(words.split()) == 0
        assert capsys.readouterr().out == shown, words
    (example,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(compile(example, "scale.md", "exec", dont_inherit=True), {"__name__": "__main__"})
    assert "30.0 M macs" in capsys.readouterr().out


def test_table_json_and_file(tmp_path: Path, capsys: Capture) -> None:
    out = tmp_path / "made" / "wide.json"
    words = ["scale", "regnety_040", "--rule", "fast", "--factor", "4"]
    assert main([*words, "-o", str(out)]) == 0
    told = capsys.readouterr().out
    assert "regnety_040 scaled         240  68.1 M" in told
    assert "width x 1.741" in told
    assert told.splitlines()[-1] == f"{out}: the scaled design"
    assert main([*words, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["image"] == 240
    assert found["scaled"]["macs"] == 15_608_224_768
    assert from_json(found["design"]) == from_json(out.read_text())
    assert main(["cost", str(out), "--json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert (again["image"], again["macs"]) == ([3, 240, 240], 15_608_224_768)
    assert main(["scale", str(out), "--phi", "-1", "--rule", "fast"]) == 0


@pytest.mark.parametrize(
    "limit", ["--max-macs 500M", "--max-params 5M", "--max-memory 400MB --batch 4", "--max-inference-memory 40MB"]
)
def test_limits(limit: str, capsys: Capture) -> None:
    assert main(["scale", "resnet18", *limit.split(), "--image", "96", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    (aim,) = found["aims"]
    assert 0.8 * aim["wanted"] < aim["reached"] <= aim["wanted"]
    assert found["gap"] == aim["gap"] == aim["reached"] / aim["wanted"] - 1
    key = {"memory": "training_bytes", "inference_memory": "inference_bytes"}.get(aim["name"], aim["name"])
    assert found["scaled"][key] == aim["reached"]
    assert found["original"]["image"] == [3, 96, 96]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("scale", "Missing argument 'NET'"),
        ("scale resnet18", "scale to one of phi, factor and a budget"),
        ("scale resnet18 --phi 1 --factor 2", "not phi and factor"),
        ("scale resnet18 --phi much", "Invalid value for '--phi'"),
        ("scale resnet18 --phi nan", "phi is nan"),
        ("scale resnet18 --factor -2", "factor is -2.0"),
        ("scale resnet18 --phi 1 --rule wide", "there is no scaling rule 'wide'; did you mean width"),
        ("scale resnet18 --max-macs 0", "'0' is not an amount"),
        ("scale resnet18 --max-macs 10", "the smallest network, at"),
        ("scale resnet18 --max-memory 1kB", "of memory; raise the budget"),
        ("scale resnet18 --max-latency 5ms", "netwright calibrate"),
        ("scale resnet18 --max-latency 5ms --device phone", "there is no profile 'phone'"),
        ("scale resnet18 --max-latency never", "'never' is not a time"),
        ("scale alexnet --phi 1", "AlexNet has no widths and depths to scale"),
        ("scale inception_v4 --factor 2", "InceptionV4 has no widths to scale"),
        ("scale resnet81 --phi 1", "unknown network 'resnet81'"),
        ("scale resnet18 --phi 1 -o out.txt", "give a name that ends with .json"),
        ("scale resnet18 --phi 1 -o /proc/none/out.json", "cannot write /proc/none"),
        ("scale resnet18 --phi 1 --max-mac 3", "no such option --max-mac; did you mean --max-macs?"),
    ],
)
def test_mistakes_end_with_2_and_one_line(line: str, message: str, capsys: Capture) -> None:
    assert main(line.split()) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert message in told.err
    assert told.err.count("\n") == 1


def test_a_limit_on_a_brought_device(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Capture) -> None:
    from netwright.costing.profiles import save
    from tests.test_latency import OTHER, Law

    monkeypatch.setenv("NETWRIGHT_PROFILES", str(tmp_path))
    save(Law().profile(name="phone", machine=OTHER, brought=True))
    assert main(["scale", "resnet18", "--max-latency", "10ms", "--device", "phone"]) == 0
    told = capsys.readouterr().out
    assert "10 ms of latency: the network has 9." in told
    assert main(["scale", "resnet18", "--max-latency", "10ms", "--device", "phone", "--precision", "bf16"]) == 2
    assert "was measured in fp32" in capsys.readouterr().err


def test_a_scaled_network_is_as_cheap_to_ask_for_as_a_cost() -> None:
    """Nothing of it imports torch (see the house's rules); at the top level it is a name like the others."""
    assert nw.scale is nw.scaling.scale
    assert "scale" in nw.__all__
