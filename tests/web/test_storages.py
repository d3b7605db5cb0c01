"""Studies of storages that the server was told of: shown like those of folders, and read anew as they go on."""

from __future__ import annotations

from pathlib import Path

import pytest

import netwright as nw
from netwright.cli import main
from netwright.errors import NetwrightError
from netwright.web.storages import Storages
from tests.studies.conftest import database, server  # noqa: F401 - fixtures
from tests.studies.evaluators import at_once
from tests.studies.helpers import SMALL
from tests.web.kept import HOSTILE, QUIET
from tests.web.serving import serving


def searched(storage: str, study: str, trials: int = 3) -> nw.Study:
    return nw.search(
        space=SMALL, macs="5M", evaluate=at_once, image=32, trials=trials, storage=storage, study=study, progress=QUIET
    )


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A storage of two studies."""
    file = str(tmp_path_factory.mktemp("kept") / "two.log")
    for name in ("first", HOSTILE):
        searched(file, name)
    return file


def test_a_storage_s_studies_are_listed_and_shown(journal: str, tmp_path: Path) -> None:
    study = nw.read_study(journal, HOSTILE)
    with serving(tmp_path, storages=Storages([journal])) as served:
        told = served.get("/studies/list")
        assert [(item["name"], item["place"]) for item in told["items"]] == [(HOSTILE, journal), ("first", journal)]
        identity = told["items"][0]["id"]
        shown = served.get(f"/studies/study/{identity}")
        assert (shown["state"], shown["counts"]["complete"], shown["wanted"]) == ("finished", 3, 3)
        assert [trial["accuracy"] for trial in shown["trials"]] == [trial.accuracy for trial in study]
        assert served.get(f"/studies/study/{identity}?seen={shown['version']}") == {"version": shown["version"], "same": True}
        best = served.get(f"/studies/study/{identity}/trials/{study.best.number}")
        assert best["python"] == repr(study.best.design)
        for wrong in ("x", "99"):
            assert "no" in served.get(f"/studies/study/{identity}/trials/{wrong}")["refused"]
        assert "refused" in served.post(f"/studies/report/{identity}", {})
        assert "refused" in served.get(f"/studies/run/{identity}")


def test_only_what_is_named_is_shown(journal: str) -> None:
    assert [one.name for one in Storages([journal], ["first"]).listing()[0]] == ["first"]
    with pytest.raises(NetwrightError, match=r"no storage has a study 'third': there are .*first"):
        Storages([journal], ["third"])


def test_it_goes_on(tmp_path: Path) -> None:
    file = str(tmp_path / "one.log")
    searched(file, "growing", trials=2)
    storages = Storages([file])
    (stored,), _ = storages.listing()
    before, state, study = storages.read(stored)
    assert (state, len(study)) == ("finished", 2)
    searched(file, "growing", trials=4)
    after, _, study = storages.read(stored)
    assert len(study) == 4
    assert after != before


def test_a_storage_that_goes_away_is_told_and_its_studies_stay(journal: str, monkeypatch: pytest.MonkeyPatch) -> None:
    storages = Storages([journal])

    def away(storage: object) -> list[str]:
        raise OSError("no route")

    monkeypatch.setattr("netwright.web.storages._names_in", away)
    monkeypatch.setattr("netwright.web.storages.FRESH", 0.0)
    found, problems = storages.listing()
    assert len(found) == 2
    assert problems == [f"{journal}: OSError"]


@pytest.mark.slow
def test_a_database_s_password_stays_here(database: str, tmp_path: Path) -> None:  # noqa: F811
    searched(database, "photos")
    word = database.replace("postgres@", "postgres:secret@")
    with serving(tmp_path, storages=Storages([word], ["photos"])) as served:
        answer = served.ask("GET", "/api/studies/list", headers=served.authorized)
        assert b"secret" not in answer.body
        (item,) = answer.json["items"]
        assert item["place"] == word.replace("secret", "***")
        assert served.get(f"/studies/study/{item['id']}")["counts"]["complete"] == 3


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("--study photos", "--study is of a --storage"),
        ("--storage nowhere.log", "it holds no study"),
        ("--storage sqlite:///x.db", "SQLite is not for several writers"),
    ],
)
def test_mistakes_are_one_line(
    words: str, told: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["ui", "--no-browser", *words.split()]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
