"""The Studies room's answers, held against what the library reads; folders that are hostile, torn, or lead elsewhere."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import netwright as nw
from netwright.files import read_json
from netwright.graph.values import plain_value
from netwright.report.diagram.draw import draw
from netwright.studies.asked import Effort
from netwright.web import shelf as module
from netwright.web.shelf import RUN, STUDY, Shelf
from netwright.web.tickets import Tickets
from tests.web.kept import HOSTILE, QUIET, PageTiny
from tests.web.serving import Served, serving

OWN = """
from pathlib import Path
from netwright.spaces import regnet_for

Path(__file__).with_suffix(".ran").touch()
small = regnet_for(32, 10)


def space(pick):
    return small(pick)


def evaluate(design, seed, report):
    return 0.5
"""


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Served]:
    with serving(root) as made:
        yield made


def named(served: Served, name: str) -> dict[str, Any]:
    return next(item for item in served.get("/studies/list")["items"] if item["name"] == name)


def test_what_is_below_the_root_is_listed(served: Served, root: Path) -> None:
    told = served.get("/studies/list")
    assert told["root"] == str(root)
    assert {(item["kind"], item["name"], item["state"]) for item in told["items"]} == {
        (STUDY, f"sub/{HOSTILE}", "finished"),
        (RUN, "run", "finished"),
    }
    assert all(str(root) not in item["id"] and "/" not in item["id"] for item in told["items"])


def test_a_study_is_what_the_library_reads(served: Served, root: Path) -> None:
    item = named(served, f"sub/{HOSTILE}")
    told, study = served.get(f"/studies/study/{item['id']}"), nw.read_study(str(root / "sub" / HOSTILE), run_files=False)
    assert told["counts"] == study.counts
    assert [row["number"] for row in told["trials"]] == [trial.number for trial in study]
    assert {row["number"] for row in told["trials"] if row["front"]} == {trial.number for trial in study.front}
    assert [row["accuracy"] for row in told["trials"]] == [trial.accuracy for trial in study]
    assert any(HOSTILE in row["reason"] for row in told["trials"])
    assert set(told["charts"]) == {"front", "errors", "curves"}
    rows = told["charts"]["front"]["spec"]
    assert str(study.best.number) in json.dumps(rows)
    same = served.get(f"/studies/study/{item['id']}?seen={told['version']}")
    assert same == {"version": told["version"], "same": True}


def test_a_trial_has_its_design_and_cost(served: Served, root: Path) -> None:
    item, study = named(served, f"sub/{HOSTILE}"), nw.read_study(str(root / "sub" / HOSTILE), run_files=False)
    trial = study.best
    told = served.get(f"/studies/study/{item['id']}/trials/{trial.number}")
    assert sum(stage["macs"] for stage in told["stages"]) == trial.macs
    assert sum(stage["params"] for stage in told["stages"]) == trial.params
    assert nw.from_json(json.dumps(told["link"])) == trial.design
    assert told["svg"] == draw(trial.design, 32, name=f"trial {trial.number}").svg
    assert told["python"] == repr(trial.design)
    for wrong in ("999", "x", "-1"):
        assert "no" in served.get(f"/studies/study/{item['id']}/trials/{wrong}")["refused"]


def test_a_run_is_what_its_files_say(served: Served, root: Path) -> None:
    told, result = served.get(f"/studies/run/{named(served, 'run')['id']}"), read_json(root / "run" / "result.json")
    assert [event["epoch"] for event in told["epochs"]] == [1, 2, 3]
    assert told["epochs"][-1]["loss"] == pytest.approx(result["curve"][-1]["loss"])
    assert told["result"]["accuracy"]["top1"] == result["accuracy"]["top1"]
    assert told["design"] == plain_value(PageTiny())
    assert told["report"]
    assert set(told["charts"]) == {"accuracy", "loss", "rate"}


@pytest.mark.slow
def test_what_a_design_command_tried_is_shown(tmp_path: Path) -> None:
    effort = Effort(trials=2, trial_epochs=1, epochs=1)
    nw.design("digits", macs="300K", out=tmp_path / "root" / "design", effort=effort, progress=QUIET)
    result = read_json(tmp_path / "root" / "design" / "result.json")["search"]
    with serving(tmp_path / "root") as served:
        told = served.get(f"/studies/run/{named(served, 'design')['id']}")
    tried = [(one["number"], one["macs"], one["params"], one["validation_accuracy"]) for one in result["candidates"]]
    assert [tuple(one.values()) for one in told["candidates"]] == tried
    assert "candidates" in told["charts"]


def test_a_report_is_shown_by_an_address_that_ends_and_reaches_nothing(served: Served, root: Path) -> None:
    address = served.post(f"/studies/report/{named(served, 'run')['id']}", {})["address"]
    answer = served.ask("GET", address)
    assert answer.body == (root / "run" / "report.html").read_bytes()
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "sandbox allow-downloads" in policy
    assert "script-src" not in policy
    assert "allow-scripts" not in policy
    assert served.ask("GET", "/report/anything").status == 404
    assert served.ask("GET", "/report/..%2f..%2fetc%2fpasswd").status == 404


def test_tickets_end_and_are_few(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "report.html"
    file.write_text("x")
    tickets = Tickets()
    first = tickets.issue(file)
    assert tickets.find(first) == file
    for _ in range(64):
        last = tickets.issue(file)
    assert tickets.find(first) is None
    assert tickets.find(last) == file
    later = SimpleNamespace(monotonic=lambda: time.monotonic() + 601)  # the module's own clock: all others wait for the real one
    monkeypatch.setattr("netwright.web.tickets.time", later)
    assert tickets.find(last) is None


def test_what_is_not_there_is_told(served: Served) -> None:
    for path in ("study/x", "run/x", "study/x/trials/1", f"study/{named(served, 'run')['id']}"):
        assert served.get(f"/studies/{path}")["refused"]
    assert served.get("/studies/study/..%2f..") == {"error": "there is nothing at this address"}
    assert served.post("/studies/report/x", {})["refused"]
    assert served.post("/studies/report/x", {"id": ["x"]})["refused"]


# ---------------------------------------------------------------- folders


def test_hidden_folders_links_and_depths_are_left_out(tmp_path: Path, root: Path) -> None:
    for name in (".hidden", "a", "a/b/c/d/e/f", "a/b/c/d"):
        shutil.copytree(root / "run", tmp_path / name / "run")
    (tmp_path / "linked").symlink_to(root / "run")
    (tmp_path / "round").symlink_to(tmp_path)
    found = {item.name for item in Shelf(tmp_path).listing()}
    assert found == {"a/run", "a/b/c/d/run"}


def test_a_file_that_leads_out_of_its_folder_is_not_followed(tmp_path: Path, root: Path) -> None:
    shutil.copytree(root / "run", tmp_path / "run")
    secret = tmp_path / "secret"
    secret.write_text("secret")
    (tmp_path / "run" / "report.html").unlink()
    (tmp_path / "run" / "report.html").symlink_to(secret)
    found = Shelf(tmp_path).listing()[0]
    assert found.file("report.html") is None
    assert found.file("..", "secret") is None
    with serving(tmp_path) as served:
        assert "no report" in served.post(f"/studies/report/{found.id}", {})["refused"]


@pytest.mark.parametrize("what", ["empty", "torn", "list", "deep", "other", "null"])
def test_torn_and_foreign_files_break_nothing(tmp_path: Path, root: Path, what: str) -> None:
    made = {
        "empty": "",
        "torn": '{"accuracy": {"top1"',
        "list": "[1]",
        "deep": "[" * 100_000,
        "other": '{"accuracy": {"top1": "x"}, "data": 3}',
        "null": "null",
    }
    for name in ("run", "sub"):
        shutil.copytree(root / name, tmp_path / name)
    for name in ("result.json", "design.json", "work/command.json", "work/log.jsonl", "work/journal.log"):
        for folder in (tmp_path / "run", tmp_path / "sub" / HOSTILE):
            if (folder / name).exists():
                (folder / name).write_text(made[what])
    (tmp_path / "run" / "work" / "candidates").mkdir(exist_ok=True)
    (tmp_path / "run" / "work" / "candidates" / "000.json").write_text(made[what])
    with serving(tmp_path) as served:
        for item in served.get("/studies/list")["items"]:
            told = served.get(f"/studies/{item['kind']}/{item['id']}")
            assert "\n" not in told.get("refused", "")
            assert ("refused" in told) == (item["kind"] == STUDY)


def test_a_study_whose_space_is_a_file_is_read_without_running_it(tmp_path: Path) -> None:
    file = tmp_path / "own.py"
    file.write_text(OWN)
    own = {"space": f"{file}:space", "evaluate": f"{file}:evaluate"}
    nw.search(**own, macs="5M", image=32, trials=2, out=tmp_path / "root" / "study", progress=QUIET)  # type: ignore[arg-type]
    file.with_suffix(".ran").unlink()
    with serving(tmp_path / "root") as served:
        item = served.get("/studies/list")["items"][0]
        told = served.get(f"/studies/study/{item['id']}")
        assert told["counts"]["complete"] == 2
        assert told["asked"]["space"] == f"{file}:space"
    assert not file.with_suffix(".ran").exists()


def test_reading_a_study_writes_nothing(root: Path, served: Served) -> None:
    folder = root / "sub" / HOSTILE

    def stamps() -> dict[str, int]:
        return {str(path): path.stat().st_mtime_ns for path in folder.rglob("*")}

    before = stamps()
    served.get(f"/studies/study/{named(served, f'sub/{HOSTILE}')['id']}")
    assert stamps() == before


def test_what_runs_is_known_by_its_lock_without_touching_it(tmp_path: Path, root: Path) -> None:
    shutil.copytree(root / "run", tmp_path / "run")
    (tmp_path / "run" / "result.json").unlink()
    for path in (tmp_path / "run").rglob("*"):
        os.utime(path, (1, 1))
    found = Shelf(tmp_path).listing()[0]
    assert found.state == "stopped"
    with (tmp_path / "run" / "work" / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        os.utime(tmp_path / "run" / "work" / "lock", (1, 1))
        assert found.state == "running"


def test_a_folder_with_very_many_folders_is_looked_at_for_a_while_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_LOOKED_AT", 10)
    for i in range(30):
        (tmp_path / f"{i:02d}").mkdir()
    assert Shelf(tmp_path).listing() == []
