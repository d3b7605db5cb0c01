"""Long actions: progress, results, failures, cancelling, and how many there may be."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from netwright.errors import NetwrightError
from netwright.web import jobs as module
from netwright.web.jobs import Job, Jobs
from tests.web.serving import Served


def ended(jobs: Jobs, identity: str) -> dict[str, Any]:
    for _ in range(6000):
        told = jobs.read(identity)
        if told["state"] != "running":
            return told
        time.sleep(0.01)
    raise AssertionError("it does not end")


class Held:
    """Work that goes on until it is let go, and can be cancelled on the way."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, job: Job) -> str:
        with job.bar("holding") as step:
            for i in range(100_000):
                step(i, 100_000, f"step {i}")
                self.begun.set()
                if self.go.wait(0.01):
                    return "let go"
        return "never"


def test_a_job_tells_its_progress_and_its_result() -> None:
    jobs, work = Jobs(), Held()
    told = jobs.start("a race", work)
    assert work.begun.wait(20)
    now = jobs.read(told["id"])
    assert (now["title"], now["state"], now["total"], now["result"]) == ("a race", "running", 100_000, None)
    assert now["word"].startswith("step ")
    work.go.set()
    assert ended(jobs, told["id"])["result"] == "let go"


def test_a_job_is_cancelled_at_its_next_word() -> None:
    jobs, work = Jobs(), Held()
    told = jobs.start("a race", work)
    assert work.begun.wait(20)
    jobs.cancel(told["id"])
    done = ended(jobs, told["id"])
    assert (done["state"], done["result"], done["error"]) == ("cancelled", None, "")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        (NetwrightError("say lr\nsmaller"), "say lr smaller"),
        (ValueError("no"), "failed: ValueError: no"),
        (MemoryError(), "failed: MemoryError:"),
    ],
)
def test_a_failure_is_one_line(raised: Exception, told: str) -> None:
    def work(job: Job) -> None:
        raise raised

    jobs = Jobs()
    done = ended(jobs, jobs.start("it", work)["id"])
    assert (done["state"], done["error"]) == ("failed", told)


def test_only_two_run_at_once_and_the_third_waits_for_its_turn() -> None:
    jobs, held, third = Jobs(), [Held(), Held()], Held()
    first, second = jobs.start("a race", held[0]), jobs.start("a map", held[1])
    assert all(work.begun.wait(20) for work in held)
    told = jobs.start("another", third)
    word = waited(lambda: str(jobs.read(told["id"])["word"]))
    assert word == "waits for a race and a map"
    assert not third.begun.is_set()
    held[1].go.set()
    assert third.begun.wait(20)
    assert [job.title for job in jobs.working] == ["a race", "another"]
    third.go.set()
    assert [ended(jobs, one["id"])["state"] for one in (second, told)] == ["done", "done"]
    jobs.cancel(first["id"])


class Deaf:
    """Work that hears of nothing until it is let go."""

    def __init__(self) -> None:
        self.begun, self.go = threading.Event(), threading.Event()

    def __call__(self, job: Job) -> str:
        self.begun.set()
        assert self.go.wait(60)
        return "too late"


def test_who_is_cancelled_makes_room_at_once_though_its_work_goes_on() -> None:
    jobs, deaf, next_one = Jobs(), [Deaf(), Deaf()], Held()
    given_up = [jobs.start("figure", work)["id"] for work in deaf]
    assert all(work.begun.wait(20) for work in deaf)
    for identity in given_up:
        assert jobs.cancel(identity)["state"] == "cancelled"
    told = jobs.start("a race", next_one)
    assert next_one.begun.wait(20)
    for work in deaf:
        work.go.set()
    next_one.go.set()
    assert ended(jobs, told["id"])["result"] == "let go"
    assert [(jobs.read(one)["state"], jobs.read(one)["result"]) for one in given_up] == [("cancelled", None)] * 2


def test_who_waits_can_be_cancelled_and_too_many_do_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_WAITING", 3)
    jobs, held, never = Jobs(), [Held(), Held()], Held()
    for work in held:
        jobs.start("a race", work)
    assert all(work.begun.wait(20) for work in held)
    waiting = jobs.start("a map", never)
    with pytest.raises(NetwrightError, match=r"3 long actions wait already: try again in a moment, or cancel one"):
        jobs.start("another", Held())
    assert jobs.cancel(waiting["id"])["state"] == "cancelled"
    held[0].go.set()
    waited(lambda: len(jobs.working) == 1)
    assert not never.begun.is_set()
    jobs.close()


def waited(look: Callable[[], Any]) -> Any:
    """What a look gives as soon as it is something."""
    for _ in range(6000):
        if found := look():
            return found
        time.sleep(0.01)
    raise AssertionError("it does not come")


def test_old_results_give_way() -> None:
    jobs = Jobs()
    first = jobs.start("0", lambda job: 0)["id"]
    ended(jobs, first)
    for i in range(module.MOST_KEPT):
        ended(jobs, jobs.start(str(i), lambda job: 0)["id"])
    with pytest.raises(NetwrightError, match="no longer known"):
        jobs.read(first)


def test_a_result_that_is_too_large_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_BYTES", 100)
    jobs = Jobs()
    done = ended(jobs, jobs.start("a map", lambda job: "x" * 200)["id"])
    assert done["state"] == "failed"
    assert "larger than 100 bytes" in done["error"]


def test_closing_stops_them() -> None:
    jobs, work = Jobs(), Held()
    told = jobs.start("the last race", work)
    assert work.begun.wait(20)
    jobs.close()
    assert jobs.read(told["id"])["state"] == "cancelled"
    assert not [thread for thread in threading.enumerate() if thread.name == "job the last race"]  # what it does has stopped, too


def test_closing_does_not_wait_for_ever() -> None:
    jobs, work = Jobs(), Deaf()
    told = jobs.start("figure", work)
    assert work.begun.wait(20)
    jobs.close(patience=0.05)
    assert jobs.read(told["id"])["state"] == "cancelled"
    work.go.set()


def test_over_the_network(served: Served) -> None:
    jobs, work = served.app.state.workbench.jobs, Held()
    told = jobs.start("a race", work)
    assert served.get(f"/jobs/{told['id']}")["state"] == "running"
    served.post(f"/jobs/{told['id']}/cancel", {})
    assert ended(jobs, told["id"])["state"] == "cancelled"
    assert served.get(f"/jobs/{told['id']}")["state"] == "cancelled"
    assert "no longer known" in served.get("/jobs/nothing")["refused"]


def test_numbers_that_are_not_finite_are_null(served: Served) -> None:
    jobs = served.app.state.workbench.jobs
    told = jobs.start("odd", lambda job: {"a": [math.nan, 1.5, (math.inf,)]})
    ended(jobs, told["id"])
    assert served.get(f"/jobs/{told['id']}")["result"] == {"a": [None, 1.5, [None]]}
