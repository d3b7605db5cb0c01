from __future__ import annotations

import csv
import io
import json
import subprocess
import sys

import pytest

import netwright as nw
from netwright.errors import NetwrightError


@pytest.mark.parametrize("name", nw.networks())
def test_the_total_is_the_sum_of_the_lines_whatever_the_grouping(name: str) -> None:
    tables = [nw.cost(nw.network(name), by=by) for by in ("layer", "block", "stage")]
    for table in tables:
        for column in ("params", "macs", "flops", "acts"):
            assert getattr(table, column) == sum(getattr(line, column) for line in table.lines) == getattr(tables[0], column)
    assert len(tables[0].lines) >= len(tables[1].lines) >= len(tables[2].lines) > 1
    assert tables[0].flops == 2 * tables[0].macs


def test_vgg16_work_per_stage_is_not_constant() -> None:
    """The notes' claim fails: 1.94, 2.77, 4.62, 4.62 and 1.39 G macs."""
    lines = nw.cost(nw.network("vgg16"), by="stage").lines
    assert [round(line.macs / 1e9, 2) for line in lines[:5]] == [1.94, 2.77, 4.62, 4.62, 1.39]


def test_the_table_can_be_read_by_people_and_programs() -> None:
    table = nw.cost(nw.network("resnet18"), by="stage", name="resnet18")
    assert str(table).splitlines()[0] == "resnet18 for one image of 3 x 224 x 224"
    assert str(table).splitlines()[-1].split() == [
        "total",
        "6",
        "rows",
        "11,689,512",
        "1,814,073,344",
        "3,628,146,688",
        "2,484,712",
    ]
    rows = list(csv.DictReader(io.StringIO(table.to_csv())))
    assert sum(int(row["macs"]) for row in rows) == table.macs
    assert json.loads(json.dumps(table.to_json()))["rows"][1]["name"] == "layer1"
    assert "<tfoot><tr><th>total</th>" in table._repr_html_()


def test_an_unknown_grouping_is_refused() -> None:
    with pytest.raises(NetwrightError, match="cannot group by 'colour'"):
        nw.cost(nw.network("resnet18"), by="colour")  # type: ignore[arg-type]


def test_costing_imports_no_torch() -> None:
    program = (
        "import sys; from netwright.cli import main; code = main(['cost', 'resnet50', '--json']); "
        "import netwright.spaces, netwright.graph; "
        "heavy = {'torch', 'numpy', 'rich', 'sklearn', 'altair', 'PIL'} & set(sys.modules); sys.exit(code or bool(heavy))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert (found["params"], found["macs"], found["acts"]) == (25_557_032, 4_089_184_256, 11_114_984)
