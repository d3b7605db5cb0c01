"""Storages that are not there, of another version, or hold other studies: one line that says what is wrong, and exit code 2."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.study import StudyDirection

from netwright.cli import main
from netwright.studies.ledger import begin, join
from netwright.studies.storage import is_database, shown
from tests.studies import evaluators
from tests.studies.postgres import LOCKED, PASSWORD, Server
from tests.studies.running import begun, question

Told = Callable[..., str]
SEARCH = ("search", "--space", "regnetx", "--image", "32", "--evaluate", f"{evaluators.__file__}:at_once", "--trials", "3")


@pytest.fixture
def told(capsys: pytest.CaptureFixture[str]) -> Told:
    """The one line of a command that ends with exit code 2."""

    def run(*words: str) -> str:
        capsys.readouterr()
        assert main(list(words)) == 2
        lines = capsys.readouterr().err.splitlines()
        assert len(lines) == 1, lines
        return lines[0]

    return run


def test_a_database_that_cannot_be_reached(server: Server, told: Told) -> None:
    where = server.url("nothing")
    for words in (("search", "--join", where, "--study", "one"), (*SEARCH, "--storage", where)):
        line = told(*words)
        assert f"cannot reach the storage {where}: " in line
        assert 'database "nothing" does not exist' in line
    assert "Connection refused" in told("search", "--join", "postgresql://me@127.0.0.1:9/studies", "--study", "one")


def test_a_wrong_password_is_told_and_not_shown(server: Server, told: Told) -> None:
    line = told("search", "--join", server.url(user=f"{LOCKED}:wrongest"), "--study", "one")
    assert "password authentication failed" in line
    assert "wrongest" not in line
    assert f"{LOCKED}:***@" in line


def test_a_right_password_opens(server: Server, database: str) -> None:
    server.do(f"GRANT ALL ON SCHEMA public TO {LOCKED}", database.rpartition("/")[2])
    mine = database.replace("postgres@", f"{LOCKED}:{PASSWORD}@")
    assert begun(mine, "one", 3).wanted == 3
    assert PASSWORD not in shown(mine)


@pytest.mark.parametrize(
    "word", ["oracle://me@host/x", "postgresql://me@host:port/x", "postgresql+asyncpg://me@host/x", "://", "sqlite:///x"]
)
def test_words_that_name_no_storage(word: str, told: Told, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_database(word)
    told("search", "--join", word, "--study", "one")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_is_not_there_or_holds_no_study(told: Told, tmp_path: Path) -> None:
    assert f"there is no folder {tmp_path / 'nowhere'}" in told("search", "--join", str(tmp_path / "nowhere"))
    assert "holds no study" in told("search", "--join", str(tmp_path))
    (tmp_path / "journal.log").write_text("no journal\n")
    told("search", "--join", str(tmp_path))


def test_tables_of_another_version_of_optuna(server: Server, database: str, told: Told) -> None:
    begun(database, "one", 3)
    server.do("UPDATE alembic_version SET version_num = 'v9.0.0'", database.rpartition("/")[2])
    for words in (("search", "--join", database, "--study", "one"), (*SEARCH, "--storage", database, "--study", "one")):
        assert f"the storage {database} was made by another version of Optuna" in told(*words)


def test_a_study_of_another_version(server: Server, database: str, told: Told) -> None:
    begun(database, "one", 3)
    newer = """UPDATE study_user_attributes SET value_json = replace(value_json, '"schema": 1', '"schema": 99')"""
    server.do(newer, database.rpartition("/")[2])
    assert "of another version of netwright (schema 99, this one reads 1)" in told("search", "--join", database, "--study", "one")


def test_an_unknown_study_is_answered_with_those_there_are(database: str, told: Told) -> None:
    begun(database, "photos", 3)
    begun(database, "flowers", 3)
    assert "; did you mean flowers?" in told("search", "--join", database, "--study", "flower")
    assert "there is no study 'x'" in told("search", "--join", database, "--study", "x")
    assert re.search("there are flowers, photos", told("search", "--join", database, "--study", "x"))
    assert re.search("flowers, photos: name one with --study", told("search", "--join", database))


def test_a_study_that_optuna_made_is_left_alone(database: str, told: Told) -> None:
    theirs = RDBStorage(database.replace("postgresql://", "postgresql+psycopg://"))
    study = theirs.create_new_study([StudyDirection.MAXIMIZE], "theirs")
    theirs.create_new_trial(study)
    for words in (("search", "--join", database, "--study", "theirs"), (*SEARCH, "--storage", database, "--study", "theirs")):
        assert "was not made by netwright" in told(*words)
    assert len(theirs.get_all_trials(study)) == 1
    assert optuna.load_study(study_name="theirs", storage=theirs).user_attrs == {}
    theirs.engine.dispose()


def test_a_name_in_use_with_other_settings_lists_the_differences(database: str, told: Told) -> None:
    begun(database, "one", 3)
    line = told(*SEARCH, "--storage", database, "--study", "one", "--seed", "5", "--max-macs", "20M")
    assert "has other settings" in line
    assert "seed 0, now 5" in line
    assert "20000000" in line.replace(",", "")
    asked = question()
    ledger = begin(database, "one", asked.to_json(), 2, asked.goal.directions, print)
    assert ledger.wanted == 3  # the same settings go on, and never with fewer trials
    assert begin(database, "one", asked.to_json(), 7, asked.goal.directions, print).wanted == 7
    ledger.refresh()
    assert ledger.wanted == join(database, None, print).wanted == 7
