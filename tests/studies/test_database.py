"""Our statements on PostgreSQL beside Optuna's own storage: what one writes the other reads, and both refuse the same."""

from __future__ import annotations

import math
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from threading import Thread

import optuna
import pytest
from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution
from optuna.exceptions import UpdateFinishedTrialError
from optuna.storages import RDBStorage
from optuna.study import StudyDirection
from optuna.trial import TrialState, create_trial
from sqlalchemy.exc import DBAPIError

from netwright.studies.database import _LOCK, SESSION, Database
from netwright.studies.ledger import join
from netwright.studies.samplers import sampler
from netwright.studies.storage import Patient
from tests.studies.running import begun, question

PARAMETERS = {
    "depth": IntDistribution(1, 16),
    "rate": FloatDistribution(1e-4, 1.0, log=True),
    "act": CategoricalDistribution(("relu", None, 3)),
}
CHOSEN = {"depth": 7, "rate": 0.1 + 0.2, "act": None}
ABOUT = {"design": '{"quoted": "\\u00fc\\n"}', "n": [1, 2.5, None]}


@pytest.fixture
def pair(database: str) -> Iterator[tuple[Database, RDBStorage]]:
    """The same database, ours and Optuna's."""
    url = database.replace("postgresql://", "postgresql+psycopg://")
    theirs = RDBStorage(url)
    yield Database(url), theirs
    theirs.engine.dispose()


def _study(storage: RDBStorage, name: str = "one", values: int = 1) -> int:
    return storage.create_new_study([StudyDirection.MAXIMIZE] * values, name)


def _template(**more: object) -> optuna.trial.FrozenTrial:
    return create_trial(state=TrialState.RUNNING, params=CHOSEN, distributions=PARAMETERS, user_attrs={"made": ABOUT, **more})


def test_optuna_reads_what_our_statements_wrote(pair: tuple[Database, RDBStorage]) -> None:
    ours, theirs = pair
    _study(ours, "another")
    study = _study(ours, values=2)
    before = datetime.now()
    made = [ours.create_new_trial(study, _template()) for _ in range(3)]
    ours.set_trial_user_attr(made[0], "beats", 1)
    ours.set_trial_user_attr(made[0], "beats", 2)
    for step, value in ((1, 0.25), (2, math.nan), (3, math.inf), (1, 1 / 3)):
        ours.set_trial_intermediate_value(made[0], step, value)
    ours.end_trial(made[0], TrialState.COMPLETE, {"result": {"accuracy": 1 / 3}}, (1 / 3, 2e300))
    ours.end_trial(made[1], TrialState.FAIL, {}, None)
    first, second, third = theirs.get_all_trials(study)
    assert [first.number, second.number, third.number] == [0, 1, 2]
    assert [trial.state for trial in (first, second, third)] == [TrialState.COMPLETE, TrialState.FAIL, TrialState.RUNNING]
    assert first.params == CHOSEN
    assert first.distributions == PARAMETERS
    assert first.user_attrs == {"made": ABOUT, "beats": 2, "result": {"accuracy": 1 / 3}}
    assert first.values == [1 / 3, 2e300]
    assert math.isnan(first.intermediate_values.pop(2))
    assert first.intermediate_values == {1: 1 / 3, 3: math.inf}
    for moment in (first.datetime_start, first.datetime_complete):
        assert moment is not None
        assert timedelta() <= moment - before < timedelta(minutes=5)  # local time, as Optuna gives it
    assert third.datetime_complete is None


def test_our_news_are_what_optuna_reads(pair: tuple[Database, RDBStorage]) -> None:
    ours, theirs = pair
    study, other = _study(theirs), _study(theirs, "other")
    done = theirs.create_new_trial(study, _template())
    theirs.create_new_trial(other, _template())
    running = theirs.create_new_trial(study, _template(beats=4))
    for step, value in ((1, 0.1), (12, math.nan), (2, -math.inf)):
        theirs.set_trial_intermediate_value(done, step, value)
    theirs.set_trial_user_attr(done, "result", {"seconds": 1.5})
    theirs.set_trial_state_values(done, TrialState.COMPLETE, [0.7])
    first, second = ours.news(study, -1, (), "made")
    oracle = theirs.get_all_trials(study)
    for made, expected in zip((first, second), oracle, strict=True):
        assert (made.number, made.state, made._trial_id) == (expected.number, expected.state, expected._trial_id)
        assert made.user_attrs == expected.user_attrs
        assert made.values == expected.values
        assert repr(made.intermediate_values) == repr(expected.intermediate_values)
        assert made.datetime_complete == expected.datetime_complete
    newest = theirs.create_new_trial(study, _template())
    assert [one._trial_id for one in ours.news(study, running, (), "made")] == [newest]
    watched, fresh = ours.news(study, running, [running], "made")
    assert watched.user_attrs == {"beats": 4}
    assert fresh.user_attrs == {"made": ABOUT}
    assert ours.news(study, newest, (), "made") == []


def test_a_large_study_is_read_page_by_page(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = question("nothing")
    ledger = begun(database, "one", 9, "nothing")
    for _ in range(7):
        trial = ledger.claim(sampler("random", asked.ground, asked.goal).propose)
        assert trial is not None
        ledger.finish(trial, [0.5], 0.5, {}, 0.0)
    monkeypatch.setattr("netwright.studies.database.PAGE", 3)
    monkeypatch.setattr("netwright.studies.ledger.PAGE", 3)
    fresh = join(database, "one", print)
    assert [trial.slot for trial in fresh.trials()] == list(range(7))
    assert fresh.trials() == ledger.trials()


def test_what_has_ended_is_not_written_to(pair: tuple[Database, RDBStorage]) -> None:
    ours, theirs = pair
    trial = ours.create_new_trial(_study(ours), _template())
    with pytest.raises(ValueError, match="finite"):
        ours.end_trial(trial, TrialState.COMPLETE, {"result": 1}, (math.nan,))
    ours.end_trial(trial, TrialState.COMPLETE, {"result": 1}, (0.5,))
    for again in (
        lambda: ours.end_trial(trial, TrialState.FAIL, {"result": 2}, None),
        lambda: ours.set_trial_user_attr(trial, "result", 3),
        lambda: ours.set_trial_intermediate_value(trial, 1, 0.1),
    ):
        with pytest.raises(UpdateFinishedTrialError):
            again()
    read = theirs.get_trial(trial)
    assert (read.state, read.values, read.user_attrs["result"]) == (TrialState.COMPLETE, [0.5], 1)
    assert read.intermediate_values == {}


def test_parameters_of_one_name_are_comparable(pair: tuple[Database, RDBStorage]) -> None:
    ours, theirs = pair
    study = _study(theirs)
    theirs.create_new_trial(study, _template())
    other = create_trial(state=TrialState.RUNNING, params={"act": 3}, distributions={"act": CategoricalDistribution((3, 4))})
    with pytest.raises(ValueError, match="dynamic value space"):
        ours.create_new_trial(study, other)
    assert len(theirs.get_all_trials(study)) == 1
    ours.create_new_trial(_study(theirs, "other"), other)
    with pytest.raises(KeyError):
        ours.create_new_trial(study + 100, _template())


def test_numbers_are_given_once_however_many_begin_together(pair: tuple[Database, RDBStorage], database: str) -> None:
    study = _study(pair[1])
    url = database.replace("postgresql://", "postgresql+psycopg://")

    def begin() -> None:
        storage = Database(url)
        for _ in range(25):
            storage.create_new_trial(study, _template())

    threads = [Thread(target=begin) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    trials = pair[1].get_all_trials(study)
    assert [trial.number for trial in trials] == list(range(100))
    assert sorted(trials, key=lambda trial: trial._trial_id) == trials


def test_moments_are_stored_in_universal_time(pair: tuple[Database, RDBStorage]) -> None:
    ours, theirs = pair
    study, started = _study(ours), datetime(2026, 7, 1, 12, 30, 1, 250, tzinfo=UTC)
    made = _template()
    made.datetime_start = started.astimezone().replace(tzinfo=None)
    one, two = ours.create_new_trial(study, made), theirs.create_new_trial(study, made)
    assert theirs.get_trial(one).datetime_start == theirs.get_trial(two).datetime_start == made.datetime_start


def test_several_may_open_an_empty_database_at_once(database: str) -> None:
    """Each would make the tables."""
    url, made = database.replace("postgresql://", "postgresql+psycopg://"), []

    def begin() -> None:
        made.append(Database(url))

    threads = [Thread(target=begin) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(made) == 6


def test_one_that_froze_with_a_lock_is_thrown_out_and_others_go_on(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker stopped between two statements of an operation holds its study's row: here for half a second."""
    monkeypatch.setitem(SESSION, "idle_in_transaction_session_timeout", "500ms")
    begun(database, "locked", 3)
    url = database.replace("postgresql://", "postgresql+psycopg://")
    frozen, other = Database(url), Database(url)
    study = other.get_study_id_from_name("locked")
    connection = frozen.engine.connect()
    connection.exec_driver_sql(_LOCK, {"study": study})
    other.create_new_trial(study, create_trial(state=TrialState.RUNNING))  # waits until the server ends the other's transaction
    with pytest.raises(DBAPIError):
        connection.exec_driver_sql("SELECT 1")
    connection.invalidate()
    connection.close()


def test_a_lock_is_not_waited_for_without_end(database: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits too long is a storage that is away: it is said, and tried again."""
    monkeypatch.setitem(SESSION, "lock_timeout", "200ms")
    begun(database, "locked", 3)
    url = database.replace("postgresql://", "postgresql+psycopg://")
    holder, other = Database(url), Database(url)
    study, told = other.get_study_id_from_name("locked"), []
    connection = holder.engine.connect()
    connection.exec_driver_sql(_LOCK, {"study": study})

    def say(line: str) -> None:
        told.append(line)
        if connection.in_transaction():
            connection.rollback()

    Patient("here", say)(other.create_new_trial, study, create_trial(state=TrialState.RUNNING))
    connection.close()
    assert "is away (canceling statement due to lock timeout)" in told[0]
    assert "is back" in told[1]


def test_every_connection_has_the_session_that_the_page_tells_of(database: str) -> None:
    url = database.replace("postgresql://", "postgresql+psycopg://")
    opened = Database(url)
    with opened.engine.connect() as first, opened.engine.connect() as second:
        for connection in (first, second):
            for name, value in SESSION.items():
                # the server shows its own unit: 45s, 45000 ms or 15 s
                shown = connection.exec_driver_sql(f"SELECT setting, unit FROM pg_settings WHERE name = '{name}'").one()
                seconds = float(shown[0]) / (1000 if shown[1] == "ms" else 1)
                assert f"{seconds:g}s" == (value if value.endswith("s") else f"{value}s"), name
