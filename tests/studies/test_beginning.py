"""One name of a study, begun by two processes at once: with other settings one of them wins, and the other is told."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from netwright.studies.ledger import begin, join
from netwright.studies.storage import open_storage
from tests.studies.running import ROOT, begun, question

ROUNDS = 6


def check_one_wins(storage: str, folder: Path) -> None:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    words = [sys.executable, "-m", "tests.studies.beginner", storage, str(folder)]
    both = [
        subprocess.Popen(
            [*words, str(seed), str(ROUNDS)], stdout=subprocess.PIPE, text=True, cwd=ROOT, env={**os.environ, "PYTHONPATH": path}
        )
        for seed in (1, 2)
    ]
    told = [process.communicate()[0].splitlines() for process in both]
    assert [process.returncode for process in both] == [0, 0]
    assert [len(lines) for lines in told] == [ROUNDS, ROUNDS]
    for number, lines in enumerate(zip(*told, strict=True)):
        assert lines.count("begun") == 1, lines
        winner = 1 + lines.index("begun")
        ledger = join(storage, f"study{number}", lambda line: None)
        assert (ledger.settings["seed"], ledger.wanted) == (winner, 10 * winner)
        assert f"has other settings (seed {winner}, now {3 - winner})" in lines[2 - winner]


@pytest.mark.slow
def test_in_a_journal_one_of_two_wins(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "there").mkdir()
    check_one_wins(str(tmp_path / "folder"), tmp_path / "there")


@pytest.mark.slow
def test_in_a_database_one_of_two_wins(database: str, tmp_path: Path) -> None:
    check_one_wins(database, tmp_path)


def check_attributes(storage: str) -> None:
    """The first of several values stays, and numbers only grow, whichever of two views writes."""
    begun(storage, "one", 5)
    mine, other = open_storage(storage), open_storage(storage)
    study = mine.get_study_id_from_name("one")
    for view, value in ((mine, "first"), (other, "second"), (mine, "third")):
        view.settle(study, "word", value)
        assert view.get_study_user_attrs(study)["word"] == "first"
    for view, value, there in ((mine, 9, 9), (other, 7, 9), (other, 100, 100), (mine, 20, 100)):
        view.raise_to(study, "number", value)
        assert view.get_study_user_attrs(study)["number"] == there


def test_first_values_stay_and_numbers_grow_in_a_journal(tmp_path: Path) -> None:
    check_attributes(str(tmp_path))


def test_first_values_stay_and_numbers_grow_in_a_database(database: str) -> None:
    check_attributes(database)


def test_one_that_was_killed_before_it_said_how_many_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A kill between a study's settings and its number of trials leaves one that can be begun again."""
    from netwright.studies import ledger

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(ledger, "_raise", killed)
        with pytest.raises(KeyboardInterrupt):
            begun(str(tmp_path), "one", 5)
    assert join(str(tmp_path), "one", print).wanted == 0
    asked = question()
    assert begin(str(tmp_path), "one", asked.to_json(), 5, asked.goal.directions, print).wanted == 5
