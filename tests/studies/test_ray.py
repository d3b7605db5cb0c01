"""Workers on a Ray cluster of two nodes, one of which is killed; and what is refused before any worker is placed."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from netwright.errors import DesignError, NetwrightError
from netwright.studies.engines.ray_engine import RayCluster, shareable
from tests.studies import evaluators
from tests.studies.postgres import children
from tests.studies.running import ROOT, check, environment

TRIALS = 16


@pytest.mark.slow
def test_a_study_outlives_a_node(database: str, tmp_path: Path) -> None:
    """Two nodes of one processor, 16 trials, and one node killed with all its processes while both work."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'netwright[cluster]'")
    notes, log = tmp_path / "notes", tmp_path / "log"
    notes.touch()
    words = [sys.executable, "-m", "tests.studies.ray_cluster"]
    around = environment(notes, seconds=0.7)
    pipe = subprocess.PIPE
    with log.open("ab") as file, subprocess.Popen(words, stdin=pipe, stdout=pipe, stderr=file, env=around, cwd=ROOT) as cluster:
        assert cluster.stdout is not None
        told = json.loads(cluster.stdout.readline() or "null")
        assert told, log.read_text()[-3000:]
        search = [sys.executable, "-m", "netwright", "search", "--space", "regnetx", "--max-macs", "300M", "--image", "32"]
        search += ["--evaluate", f"{evaluators.__file__}:noted", "--trials", str(TRIALS), "--storage", database, "--study", "ray"]
        search += ["--engine", "ray", "--address", told["address"], "--workers", "2", "-o", str(tmp_path / "out")]
        with subprocess.Popen(search, stdout=file, stderr=file, env=around, cwd=ROOT) as running:
            try:
                _wait(lambda: len(evaluators.processes(notes)) == 2 and notes.read_text().count("\n") >= 4, running, log)
                gone = _kill(told["second"]) & evaluators.processes(notes)
                assert running.wait(120) == 0, log.read_text()[-3000:]
            finally:
                running.kill()
                cluster.kill() if running.returncode else cluster.communicate()
    assert len(gone) == 1, "the node that was killed had a worker that had done trials"
    study = check(database, "ray", TRIALS, notes)
    assert json.loads((tmp_path / "out" / "result.json").read_text())["counts"]["complete"] == len(study)


def _wait(until: object, running: subprocess.Popen[bytes], log: Path) -> None:
    last = time.monotonic() + 90
    while not until():  # type: ignore[operator]
        assert running.poll() is None, log.read_text()[-3000:]
        assert time.monotonic() < last, log.read_text()[-3000:]
        time.sleep(0.05)


def _kill(processes: list[int]) -> set[int]:
    """Kill -9 processes and those that they started; returns all."""
    found = {*processes, *[child for process in processes for child in children(process)]}
    for process in found:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process, signal.SIGKILL)
    return found


def test_a_storage_must_be_one_that_all_machines_reach(tmp_path: Path) -> None:
    assert shareable("postgresql://me@host/studies", {"10.0.0.1", "10.0.0.2"}) == "postgresql://me@host/studies"
    assert shareable(str(tmp_path), {"127.0.0.1"}) == str(tmp_path.resolve())
    with pytest.raises(NetwrightError, match=r"a file of this machine.*has 2: give --storage postgresql://"):
        shareable(str(tmp_path), {"10.0.0.1", "10.0.0.2"})
    for here in ("postgresql://me:secret@localhost/studies", "postgresql:///studies", "postgresql://me@127.0.0.1:5432/x"):
        with pytest.raises(NetwrightError, match="is another one: give the host's name") as told:
            shareable(here, {"10.0.0.1", "10.0.0.2"})
        assert "secret" not in str(told.value)


@pytest.mark.parametrize(
    "fields", [{"gpus": 1.5}, {"gpus": -0.5}, {"gpus": float("nan")}, {"cpus": 0}, {"cpus": 0.5}, {"address": 3}]
)
def test_shares_that_ray_cannot_give_are_refused(fields: dict[str, object]) -> None:
    with pytest.raises(DesignError):
        RayCluster(**fields)  # type: ignore[arg-type]
    assert RayCluster(gpus=0.25).gpus == 0.25


SEARCH = ["search", "--image", "32", "--space", "regnetx", "--evaluate", f"{evaluators.__file__}:at_once", "--trials", "2"]


def _told(words: list[str], tmp_path: Path, **more: str) -> str:
    """What a command says when it ends with code 2: one line."""
    around = {**environment(tmp_path / "notes"), **more}
    done = subprocess.run([sys.executable, "-m", "netwright", *words], capture_output=True, text=True, env=around, cwd=tmp_path)
    lines = [line for line in done.stderr.splitlines() if line.strip()]
    assert (done.returncode, len(lines)) == (2, 1), done.stderr
    return lines[0]


@pytest.mark.slow
def test_a_cluster_that_is_not_there_is_told_in_one_line(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="Ray is not installed: pip install 'netwright[cluster]'")
    line = _told(
        [*SEARCH, "--engine", "ray", "--address", "127.0.0.1:9", "-o", "out"],
        tmp_path,
    )
    assert "no Ray cluster at '127.0.0.1:9'" in line
    assert "ray start --head" in line


@pytest.mark.slow
def test_without_ray_the_package_is_named(tmp_path: Path) -> None:
    (tmp_path / "ray.py").write_text("raise ImportError('hidden')\n")
    path = os.pathsep.join([str(tmp_path), str(ROOT / "src"), str(ROOT)])
    line = _told([*SEARCH, "--engine", "ray", "-o", "out"], tmp_path, PYTHONPATH=path)
    assert "pip install 'netwright[cluster]'" in line
