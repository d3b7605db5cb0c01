"""Workers and a database killed with -9: there are as many trials as were asked for, each once, with its own value."""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from netwright.studies.database import Database
from netwright.studies.ledger import Ledger, join
from netwright.studies.samplers import sampler
from netwright.studies.storage import Patient
from netwright.studies.working import Worker
from tests.studies import evaluators
from tests.studies.postgres import Server
from tests.studies.running import begun, check, question, worker

TRIALS = 150
KILLS = ["worker"] * 4 + ["both"] * 2 + ["database"] * 4


class _Workers:
    """Two workers that are started again when they end before the study does."""

    def __init__(self, start: Callable[[], subprocess.Popen[bytes]]) -> None:
        self._start = start
        self.running = [start(), start()]
        self.done = 0

    def look(self) -> None:
        for process in list(self.running):
            if process.poll() is not None:
                self.running.remove(process)
                if process.returncode == 0:
                    self.done += 1
                else:
                    self.running.append(self._start())

    def kill(self, count: int) -> None:
        for process in self.running[:count]:
            process.kill()
            process.wait()

    def stop(self) -> None:
        self.kill(len(self.running))


@pytest.mark.slow
def test_kills_of_workers_and_of_the_database_lose_and_double_nothing(server: Server, database: str, tmp_path: Path) -> None:
    """A worker four times, both twice, the whole database four times, at random moments while trials come and go."""
    chance, notes, log = random.Random(8), tmp_path / "notes", tmp_path / "log"
    notes.touch()
    begun(database, "killed", TRIALS)
    workers = _Workers(lambda: worker(database, "killed", notes, log))
    kills = chance.sample(KILLS, len(KILLS))
    try:
        until, seen = time.monotonic() + 240, 0
        while workers.running:
            assert time.monotonic() < until, log.read_text()[-3000:]
            time.sleep(0.01)
            workers.look()
            evaluated = notes.read_text().count("\n")
            if not kills or evaluated - seen < 2 + chance.randrange(8):
                continue
            time.sleep(chance.random() / 10)
            what, seen = kills.pop(), evaluated
            if what == "database":
                server.kill()
                time.sleep(chance.random())
                server.start()
            else:
                workers.kill(1 if what == "worker" else 2)
    finally:
        workers.stop()
    assert not kills, "the study was over before all the kills"
    assert workers.done == 2, log.read_text()[-3000:]
    study = check(database, "killed", TRIALS, notes)
    extra = notes.read_text().count("\n") - TRIALS
    assert 0 <= extra <= 2 * len(KILLS)  # evaluated, and killed before that was stored
    theirs = RDBStorage(database.replace("postgresql://", "postgresql+psycopg://"))
    frozen = theirs.get_all_trials(theirs.get_study_id_from_name("killed"))
    theirs.engine.dispose()
    assert sum(trial.state == TrialState.COMPLETE for trial in frozen) == TRIALS
    assert [trial.number for trial in frozen] == list(range(len(study) + len(study.lost)))


class _Flaky(Database):
    """A database whose connection breaks now and then: before an operation was done, or after, when only its answer is lost."""

    chance = random.Random(5)

    def _maybe(self, operation: Callable[..., Any], *arguments: Any) -> Any:
        broken = self.chance.random()
        if broken < 0.15:
            raise OperationalError("broken", None, ConnectionError("before"))
        made = operation(*arguments)
        if broken > 0.7:
            raise OperationalError("broken", None, ConnectionError("after"))
        return made

    def create_new_trial(self, *arguments: Any) -> int:
        made: int = self._maybe(super().create_new_trial, *arguments)
        return made

    def end_trial(self, *arguments: Any) -> None:
        self._maybe(super().end_trial, *arguments)

    def set_trial_intermediate_value(self, *arguments: Any) -> None:
        self._maybe(super().set_trial_intermediate_value, *arguments)


def test_answers_that_are_lost_do_not_double_trials(database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three workers in turns, on connections that break: an operation that was done is done again, and must not show."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("NOTED", str(tmp_path / "notes"))
    begun(database, "flaky", 40)
    asked, url = question(), database.replace("postgresql://", "postgresql+psycopg://")
    told: list[str] = []
    workers = []
    for _ in range(3):
        ledger = Ledger(_Flaky(url), "flaky", Patient("here", told.append))
        workers.append(Worker(ledger, asked.ground, asked.goal, sampler("random", asked.ground, asked.goal), evaluators.noted))
    while sum(_one_trial(each) for each in workers):
        pass
    assert any("away" in line for line in told)
    study = check(database, "flaky", 40, tmp_path / "notes")
    assert study.lost, "no answer to the beginning of a trial was lost: another seed"
    assert join(database, "flaky", told.append).claim(workers[0].sampler.propose) is None


def _one_trial(worker: Worker) -> bool:
    """Let a worker do one trial; whether there was one."""
    begun = len(worker.ledger.trials())
    turns = iter((False, True))
    worker.until = lambda: next(turns)
    worker.run()
    return len(worker.ledger.trials()) > begun
