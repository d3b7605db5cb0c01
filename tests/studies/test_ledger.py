"""Studies in their storage: every slot is used up once, whatever happens to workers and storages."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from optuna.exceptions import StorageInternalError
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from netwright.errors import FailedError, NetwrightError
from netwright.studies import Limits, records
from netwright.studies import ledger as ledgers
from netwright.studies.ground import plain
from netwright.studies.ledger import Ledger, TakenAway, begin, join
from netwright.studies.liveness import Heart, Watchman, is_gone, new_worker
from netwright.studies.samplers import sampler
from netwright.studies.storage import JOURNAL, Patient, open_storage, shown
from netwright.studies.study import Study
from netwright.studies.trials import COMPLETE, FAILED, LOST, RUNNING, STOPPED
from netwright.studies.working import Worker
from tests.studies.evaluators import at_once, failing, worth
from tests.studies.helpers import SMALL, question

SILENT = lambda line: None  # noqa: E731


def started(folder: Path, wanted: int = 5, **changes) -> Ledger:
    asked = question(**changes)
    return begin(str(folder), "study", asked.to_json(), wanted, asked.goal.directions, SILENT)


def propose(slot, trials):
    return question().ground.random(slot, {trial.plain_design for trial in trials})


def worker(ledger: Ledger, evaluate=at_once, **more) -> Worker:
    asked = question()
    return Worker(ledger, asked.ground, asked.goal, sampler("random", asked.ground, asked.goal), evaluate, **more)


def check_each_slot_once(ledger: Ledger, wanted: int) -> None:
    done = [trial for trial in ledger.trials() if trial.status == COMPLETE]
    assert sorted(trial.slot for trial in done) == list(range(wanted))
    assert all(trial.value == worth(trial.design, trial.seed) for trial in done)


def test_a_worker_fills_every_slot_with_a_design_within_the_limits(tmp_path: Path) -> None:
    ledger = started(tmp_path, 6)
    assert worker(ledger).run() == 6
    check_each_slot_once(ledger, 6)
    assert all(trial.macs <= 5_000_000 for trial in ledger.trials())
    assert len({trial.plain_design for trial in ledger.trials()}) == 6
    for trial in join(str(tmp_path), None, SILENT).trials():  # as another process reads it
        assert trial.values == (worth(trial.design, trial.seed),)
        assert trial.curve == {1: worth(trial.design, trial.seed)}
        assert trial.versions["torch"]
        assert trial.host
        assert trial.finished > 0
        assert question().ground.random(trial.slot).design == trial.design


def test_optuna_sees_parameters_and_values(tmp_path: Path) -> None:
    import optuna

    worker(started(tmp_path, 3)).run()
    study = optuna.load_study(study_name="study", storage=open_storage(tmp_path))
    assert len(study.trials) == 3
    assert all(set(trial.params) >= {"depth", "w_0", "w_a", "w_m"} for trial in study.trials)
    assert study.best_value == max(trial.value for trial in study.trials)


@given(st.lists(st.integers(0, 5), min_size=5, max_size=30), st.integers(1, 4))
@settings(max_examples=25, deadline=None)
def test_any_order_of_deaths_and_ends_uses_each_slot_up_once(tmp_path_factory, steps: list[int], wanted: int) -> None:
    """Two workers that claim, end or die, in any order; of at most four deaths, since five on one slot end it."""
    folder = tmp_path_factory.mktemp("study")
    workers, held, deaths = [started(folder, wanted), started(folder, wanted)], [None, None], 0
    for step in steps:
        place, what = step % 2, ("claim", "finish", "die")[step // 2]
        mine, trial = workers[place], held[place]
        if what == "claim" and trial is None:
            held[place] = mine.claim(propose)
        elif what == "finish" and trial is not None:
            mine.finish(trial, [worth(trial.design, trial.seed)], 0.5, {}, 0.0)
            held[place] = None
        elif what == "die" and trial is not None and deaths < 4:
            dead_trial(mine, trial)
            workers[place], held[place], deaths = started(folder, wanted), None, deaths + 1
    for mine, trial in zip(workers, held, strict=True):
        if trial is not None:
            mine.release(trial)
    last = started(folder, wanted)
    worker(last).run()
    check_each_slot_once(last, wanted)


def dead_trial(ledger: Ledger, trial) -> None:
    """Leave a trial behind as a killed worker does: its attributes name a process that is gone."""
    identity = ledger._identities[trial.number]
    about = ledger.storage.get_trial_user_attrs(identity)[records.MADE]
    host, machine, _, _, word = about["worker"].split("/")
    ledger.storage.set_trial_user_attr(identity, records.MADE, about | {"worker": "/".join([host, machine, "1", "0", word])})


def test_many_threads_begin_no_slot_twice(tmp_path: Path) -> None:
    started(tmp_path, 40)
    ledgers_ = [join(str(tmp_path), None, SILENT) for _ in range(4)]
    threads = [threading.Thread(target=worker(one).run) for one in ledgers_]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    check_each_slot_once(ledgers_[0], 40)
    withdrawn = [trial for trial in ledgers_[0].trials() if trial.status == LOST]
    assert all(not trial.reason for trial in withdrawn)


def test_a_dead_workers_trial_is_tried_again_as_it_was(tmp_path: Path) -> None:
    first = started(tmp_path, 2)
    lost = first.claim(propose)
    dead_trial(first, lost)
    second = started(tmp_path, 2)
    worker(second).run()
    again = next(trial for trial in second.trials() if trial.slot == lost.slot and trial.status == COMPLETE)
    assert (again.design, again.seed, again.chosen) == (lost.design, lost.seed, lost.chosen)
    assert "ended" in second.trials()[lost.number].reason
    check_each_slot_once(second, 2)


def test_a_design_that_kills_its_workers_has_failed_in_the_end(tmp_path: Path) -> None:
    for _ in range(ledgers.DEATHS):
        one = started(tmp_path, 1)
        dead_trial(one, one.claim(propose))
    last = started(tmp_path, 1)
    assert last.claim(propose) is None
    (failed,) = [trial for trial in last.trials() if trial.status == FAILED]
    assert failed.reason == "5 workers died over it"
    with pytest.raises(FailedError, match="5 workers died over it"):
        Study.of(last, question()).best  # noqa: B018


def test_a_worker_that_was_given_up_does_not_store_its_result(tmp_path: Path) -> None:
    slept = started(tmp_path, 1)
    trial = slept.claim(propose)
    other = started(tmp_path, 1)
    other.trials()
    other._lose(trial.number, "nothing was heard")
    worker(other).run()
    with pytest.raises(TakenAway):
        slept.report(trial, 1, 0.5)
    with pytest.raises(TakenAway):
        slept.finish(trial, [0.9], 0.9, {}, 1.0)
    check_each_slot_once(other, 1)


def test_a_result_whose_answer_was_lost_is_kept(tmp_path: Path) -> None:
    ledger = started(tmp_path, 1)
    trial = ledger.claim(propose)
    ledger.storage.set_trial_user_attr(ledger._identities[trial.number], records.ENDING, {"accuracy": 0.7})
    ledger.storage.set_trial_state_values(ledger._identities[trial.number], TrialState.COMPLETE, [0.7])
    ledger.finish(trial, [0.7], 0.7, {}, 0.0)  # done again: it is there already
    assert ledger.trials()[0].status == COMPLETE
    assert ledger.trials()[0].accuracy == 0.7


def test_interrupted_by_hand_gives_the_slot_back(tmp_path: Path) -> None:
    def stopped(design, seed, report):
        raise KeyboardInterrupt

    ledger = started(tmp_path, 2)
    with pytest.raises(KeyboardInterrupt):
        worker(ledger, stopped).run()
    assert [trial.status for trial in ledger.trials()] == [LOST]
    worker(started(tmp_path, 2)).run()
    check_each_slot_once(join(str(tmp_path), None, SILENT), 2)


def test_failures_are_kept_with_their_reason_and_end_a_worker_that_meets_nothing_else(tmp_path: Path) -> None:
    ledger = started(tmp_path, 20)
    with pytest.raises(NetwrightError, match="5 trials in a row failed alike: ValueError: no such luck"):
        worker(ledger, failing).run()
    assert {trial.reason for trial in ledger.trials()} == {"ValueError: no such luck"}
    assert {trial.status for trial in ledger.trials()} == {FAILED}


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.5, float("inf")])
def test_an_evaluation_that_is_no_accuracy_is_a_failure(tmp_path: Path, value: float) -> None:
    ledger = started(tmp_path, 1)
    worker(ledger, lambda design, seed, report: value).run()
    assert ledger.trials()[0].status == FAILED
    assert "expected an accuracy" in ledger.trials()[0].reason


def test_what_is_stopped_early_is_in_no_statistic(tmp_path: Path) -> None:
    class Half:
        def stops(self, epoch, accuracy, trials, mine=None):
            return accuracy < 0.5

    ledger = started(tmp_path, 12)
    worker(ledger, halving=Half()).run()
    study = Study.of(ledger, question())
    stopped = [trial for trial in study if trial.status == STOPPED]
    assert stopped
    assert len(stopped) + len(study.complete) == 12
    assert all(trial.accuracy < 0.5 and trial.values is None for trial in stopped)
    people = study.population()
    assert people.counts == {"complete": len(study.complete), "stopped early": len(stopped), "failed": 0}
    assert set(people.errors) == {1 - trial.accuracy for trial in study.complete}


# ---------------------------------------------------------------- settings


def test_other_settings_are_refused_with_the_differences(tmp_path: Path) -> None:
    started(tmp_path)
    with pytest.raises(NetwrightError, match=r"has other settings \(limits .*5000000.*, now .*4000000.*; seed 0, now 3\)"):
        started(tmp_path, macs="4M", seed=3)


def test_more_trials_may_be_asked_for_later_and_fewer_change_nothing(tmp_path: Path) -> None:
    worker(started(tmp_path, 2)).run()
    worker(started(tmp_path, 4)).run()
    assert started(tmp_path, 3).wanted == 4
    check_each_slot_once(join(str(tmp_path), None, SILENT), 4)


def test_a_newer_study_and_one_of_another_program_are_told(tmp_path: Path) -> None:
    ledger = started(tmp_path)
    ledger.storage.set_study_user_attr(ledger.study, ledgers.SETTINGS, ledger.settings | {"schema": 99})
    with pytest.raises(NetwrightError, match=r"another version of netwright .schema 99"):
        join(str(tmp_path), "study", SILENT)
    import optuna

    optuna.create_study(study_name="foreign", storage=ledger.storage).optimize(lambda trial: 1.0, n_trials=1)
    with pytest.raises(NetwrightError, match="not made by netwright"):
        join(str(tmp_path), "foreign", SILENT)
    with pytest.raises(NetwrightError, match=r"which study of .* foreign, study"):
        join(str(tmp_path), None, SILENT)
    with pytest.raises(NetwrightError, match=r"no study 'studdy' .*did you mean study"):
        join(str(tmp_path), "studdy", SILENT)


# ---------------------------------------------------------------- the journal


@pytest.mark.parametrize("torn", [b'{"op_code": 4, "wor', b"\0" * 5000, b'{"op_code"' + b"x" * 200_000])
def test_a_torn_line_at_the_end_of_a_journal_is_cut_off(tmp_path: Path, torn: bytes) -> None:
    worker(started(tmp_path, 2)).run()
    with (tmp_path / JOURNAL).open("ab") as file:
        file.write(torn)
    worker(started(tmp_path, 4)).run()
    check_each_slot_once(join(str(tmp_path), None, SILENT), 4)
    lines = (tmp_path / JOURNAL).read_text().splitlines()
    assert all(json.loads(line) for line in lines)


def test_what_is_no_journal_is_told(tmp_path: Path) -> None:
    (tmp_path / "other.log").write_text("hello\nworld\n")
    with pytest.raises(NetwrightError, match="no journal of a study"):
        open_storage(tmp_path / "other.log")
    with pytest.raises(NetwrightError, match="there is no folder"):
        open_storage(tmp_path / "nowhere" / "x.log")
    with pytest.raises(NetwrightError, match="holds no study"):
        open_storage(tmp_path)
    with pytest.raises(NetwrightError, match="SQLite is not for several writers"):
        open_storage("sqlite:///x.db")
    with pytest.raises(NetwrightError, match="unknown kind of database"):
        open_storage("nosuch://host/name")


def test_a_password_is_not_shown() -> None:
    assert "secret" not in shown("postgresql://me:secret@host/name")
    with pytest.raises(NetwrightError) as caught:
        open_storage("postgresql://me:secret@127.0.0.1:1/name")
    assert "secret" not in str(caught.value)


# ---------------------------------------------------------------- patience, heartbeats


def away() -> StorageInternalError:
    error = StorageInternalError("an exception is raised during the commit")
    error.__cause__ = OperationalError("select", {}, Exception("server closed the connection unexpectedly"))
    return error


def test_a_storage_that_is_away_is_waited_for() -> None:
    said: list[str] = []
    errors = [away(), OSError(28, "No space left on device"), away()]

    def operation(value: int) -> int:
        if errors:
            raise errors.pop()
        return value + 1

    assert Patient("db", said.append)(operation, 1) == 2
    assert len(said) == 2
    assert "is away (server closed the connection unexpectedly)" in said[0]
    assert "is back" in said[1]


def test_a_storage_that_stays_away_is_given_up() -> None:
    def operation() -> None:
        raise away()

    with pytest.raises(FailedError, match=r"has been away for .* start again to go on"):
        Patient("db", SILENT, patience=0.2)(operation)


def test_another_fault_is_not_waited_for() -> None:
    def operation() -> None:
        raise KeyError("fault")

    with pytest.raises(KeyError):
        Patient("db", SILENT)(operation)


def test_the_living_and_the_dead() -> None:
    me = new_worker()
    assert not is_gone(me)
    host, machine, process, _, word = me.split("/")
    assert is_gone("/".join([host, machine, process, "1", word]))  # the number was given to another process
    assert is_gone("/".join([host, machine, "4194300", "1", word]))
    assert not is_gone("/".join([host, "another machine", "4194300", "1", word]))


def test_a_heartbeat_that_stands_still_is_noticed_by_the_observers_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    monkeypatch.setattr("netwright.studies.liveness.time.monotonic", lambda: now)
    watchman = Watchman(beat=10.0)
    assert not watchman.is_still(3, 0)
    now = 59.0
    assert not watchman.is_still(3, 0)
    assert not watchman.is_still(3, 1)
    now = 118.0
    assert not watchman.is_still(3, 1)
    now = 120.0
    assert watchman.is_still(3, 1)


def test_a_heart_beats_until_its_trial_ends() -> None:
    beats: list[int] = []
    again = threading.Event()

    def beat(count: int) -> None:
        beats.append(count)
        if count == 2:
            raise away()
        if count == 4:
            again.set()

    with Heart(beat, 0.01):
        assert again.wait(5)
    count = len(beats)
    assert beats == list(range(1, count + 1))
    again.wait(0.05)
    assert len(beats) == count


def test_a_trial_of_another_machine_is_lost_when_its_heart_stops(tmp_path: Path) -> None:
    first = started(tmp_path, 1, beat=0.01)
    trial = first.claim(propose)
    identity = first._identities[trial.number]
    about = first.storage.get_trial_user_attrs(identity)[records.MADE]
    first.storage.set_trial_user_attr(identity, records.MADE, about | {"worker": "far/away-pid:[1]/7/7/word"})
    second = started(tmp_path, 1, beat=0.01)
    worker(second).run()
    assert "nothing was heard of far" in second.trials()[0].reason
    check_each_slot_once(second, 1)
    assert plain(second.trials()[0].design) == plain(second.trials()[1].design)


def test_running_trials_are_told_apart(tmp_path: Path) -> None:
    ledger = started(tmp_path, 3)
    trial = ledger.claim(propose)
    assert trial.status == RUNNING
    assert (ledger.running, ledger.ended) == (1, 0)
    study = Study.of(ledger, question())
    assert study.counts[RUNNING] == 1
    assert not study.complete


# ---------------------------------------------------------------- what a review found


def test_a_storage_that_stays_away_in_a_trial_is_no_failure_of_its_design(tmp_path: Path) -> None:
    ledger = started(tmp_path, 1)

    def stays_away(trial, epoch, accuracy):
        raise FailedError("the storage has been away for 901 s")

    ledger.report = stays_away
    with pytest.raises(FailedError, match="901 s"):
        worker(ledger).run()
    assert [trial.status for trial in ledger.trials()] == [RUNNING]
    ledger.release(ledger.trials()[0])
    again = started(tmp_path, 1)
    worker(again).run()
    check_each_slot_once(again, 1)


def test_failures_with_others_between_do_not_end_a_worker(tmp_path: Path) -> None:
    count = 0

    class AllButSomeStop:
        def stops(self, epoch, accuracy, trials, mine=None):
            return True

    def sometimes(design, seed, report):
        nonlocal count
        count += 1
        if count % 2:
            raise ValueError("no such luck")
        report(1, 0.5)
        return 0.5

    ledger = started(tmp_path, 14)
    worker(ledger, sometimes, halving=AllButSomeStop()).run()
    assert [trial.status for trial in ledger.trials()].count(FAILED) == 7
    assert [trial.status for trial in ledger.trials()].count(STOPPED) == 7


def test_an_outage_is_no_death_of_others() -> None:
    watchman = Watchman(beat=0.0)
    assert not watchman.is_still(1, 0)
    assert watchman.is_still(1, 0)
    assert not watchman.is_still(1, 0, back=float("inf"))


def test_every_slot_of_a_space_that_seldom_fits_gets_a_design() -> None:
    """One design in some hundreds keeps to the limit: no slot may say that there is none."""
    from netwright.studies.near import possible

    limits = Limits.of(inference_memory="600KB")
    ground = question(limits=limits).ground
    possible(ground)
    for slot in range(4):
        made = ground.random(slot)
        assert limits.cost(made.design, 32).memory.inference <= 600_000


def test_a_space_without_further_designs_gives_known_ones() -> None:
    ground = question(space=SMALL.replace(depth=(5, 5), w_0=(16, 16), w_a=(20, 20), w_m=(2.0, 2.0), stem_stride=(2,))).ground

    class All:
        def __contains__(self, design: str) -> bool:
            return True

    assert ground.random(99, All()).design.depth == 5
