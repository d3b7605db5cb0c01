"""What a user's type checker sees of the installed package: built as a wheel, with its types, checked strictly."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow  # a wheel, and mypy with nothing cached
ROOT = Path(__file__).parents[1]

PROGRAM = """
from pathlib import Path

import netwright as nw


class Tiny(nw.Design):
    width: int = 16

    def __call__(self, x: nw.FeatureMap) -> nw.FeatureMap:
        x = x.conv("stem", self.width, 3, stride=2).norm("bn").relu()
        return x.global_pool().linear("fc", 10)


def smallest(designs: list[nw.Design]) -> nw.Design:
    return min(designs, key=lambda design: nw.cost(design, image=64).macs)


def main(photos: Path) -> float:
    net = smallest([Tiny(width=24), nw.network("resnet18", classes=10)])
    reveal_type(nw.cost(net).macs)
    reveal_type(nw.build(net, seed=0))
    optimizer = nw.optim.AdamW(nw.build(net).parameters(), lr=1e-3)
    reveal_type(optimizer)
    study = nw.search(photos, space="regnetx", macs="50M", trials=64)
    reveal_type(study.best.accuracy)
    reveal_type(nw.spaces.regnetx.sample(5, macs=("360M", "400M"))[0])
    run = nw.design(photos, macs="30M", minutes=10)
    reveal_type(run.predict(photos / "cat.jpg"))
    return nw.evaluate(run, photos).accuracy
"""
WRONG = """
import netwright as nw

nw.cost(nw.network("resnet50")).macs.lower()
nw.design("photos/", macs="30M", minuets=10)
"""


def installed(root: Path) -> Path:
    """An interpreter that has netwright from a wheel, and everything else from here."""
    source = root / "source"
    shutil.copytree(ROOT / "src", source / "src", ignore=shutil.ignore_patterns("*.egg-info", "__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source)
    command = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(root), str(source)]
    subprocess.run(command, check=True, capture_output=True, timeout=600)
    venv.create(root / "venv", with_pip=False)
    site = next((root / "venv").glob("lib/python*/site-packages"))
    with zipfile.ZipFile(next(root.glob("*.whl"))) as wheel:
        wheel.extractall(site)
    (site / "others.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return root / "venv" / "bin" / "python"


def test_a_users_program_is_checked_strictly(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    (tmp_path / "wrong.py").write_text(WRONG)
    python = installed(tmp_path)
    command = [sys.executable, "-m", "mypy", "--strict", "--no-incremental", "--python-executable", str(python)]
    done = subprocess.run(
        [*command, "program.py", "wrong.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=600
    )
    revealed = re.findall(r'^program.py:\d+: note: Revealed type is "(.*)"$', done.stdout, re.MULTILINE)
    short = [re.sub(r"\b[a-z_]+(\.[a-z_]+)*\.(?=[A-Z])|builtins\.", "", one) for one in revealed]
    assert short == ["int", "GraphModule", "AdamW", "float | None", "Design", "list[Prediction]"]
    errors = re.findall(r"^(\w+\.py:\d+): error: .*\[([\w-]+)\]$", done.stdout, re.MULTILINE)
    assert errors == [("wrong.py:4", "attr-defined"), ("wrong.py:5", "call-arg")], done.stdout
