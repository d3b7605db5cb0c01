"""Long actions: each in a thread of its own, with progress that the page polls, and a way to stop it."""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from netwright.errors import NetwrightError
from netwright.progress import Progress, Step
from netwright.web.exchange import Plain, dumped, message_of

RUNNING, DONE, FAILED, CANCELLED = "running", "done", "failed", "cancelled"
MOST_AT_ONCE = 2  # the machine is the user's: more would only make each slower
MOST_WAITING = 8  # with those that work, and those that were cancelled and have not heard of it yet
MOST_KEPT = 16
MOST_BYTES = 16_000_000  # of one result as JSON


class Cancelled(Exception):  # noqa: N818 - it is no error
    """Raised inside of a job's work, at its next word of progress, after someone stopped it."""


class Job(Progress):
    """One long action, and the progress that its work reports to it (it is the `Progress` that the library takes)."""

    def __init__(self, title: str) -> None:
        super().__init__(quiet=True)
        self.id = secrets.token_urlsafe(12)
        self.title = title
        self.state = RUNNING
        self.done, self.total, self.word = 0, 0, ""
        self.result: Any = None
        self.error = ""
        self.cancelled = threading.Event()

    def say(self, line: str) -> None:
        self.check()
        self.word = line

    @contextlib.contextmanager
    def bar(self, title: str) -> Iterator[Step]:
        self.word = title
        yield self.step

    def step(self, done: int, total: int, word: str = "") -> None:
        """How much of the work is done; raises Cancelled where it is to stop."""
        self.check()
        self.done, self.total = done, total
        self.word = word or self.word

    def check(self) -> None:
        """Raises Cancelled where the work is to stop; for work without steps."""
        if self.cancelled.is_set():
            raise Cancelled

    def to_json(self) -> Plain:
        """Where it stands, as the page reads it; with the result once it is done."""
        told = {"id": self.id, "title": self.title, "state": self.state, "error": self.error}
        return told | {"done": self.done, "total": self.total, "word": self.word, "result": self.result}


class Jobs:
    """The long actions of a server: few at once (`working`), the others wait for their turn, few kept."""

    def __init__(self) -> None:
        self._jobs: dict[str, Job] = {}
        self.working: list[Job] = []
        self._threads: dict[str, threading.Thread] = {}  # of jobs by their ids
        self._turn = threading.Condition()

    def start(self, title: str, work: Callable[[Job], Any]) -> Plain:
        """Begin `work(job)`, which gives plain values, or let it wait for its turn; answers how the job stands.

        Raises NetwrightError where too many wait already.
        """
        job = Job(title)
        with self._turn:
            if len(self._threads) >= MOST_WAITING:
                raise NetwrightError(f"{MOST_WAITING} long actions wait already: try again in a moment, or cancel one")
            for old in [key for key, other in self._jobs.items() if other.state != RUNNING][: len(self._jobs) + 1 - MOST_KEPT]:
                del self._jobs[old]
            self._jobs[job.id] = job
            thread = threading.Thread(target=self._run, args=(job, work), name=f"job {title}", daemon=True)
            self._threads[job.id] = thread
        thread.start()
        return job.to_json()

    def read(self, identity: str) -> Plain:
        """How a job stands. Raises NetwrightError for one that is not there (any more)."""
        return self._find(identity).to_json()

    def cancel(self, identity: str) -> Plain:
        """Give up a job: the next one has its turn at once, its own work stops at its next word of progress."""
        job = self._find(identity)
        self._give_up(job)
        return job.to_json()

    def close(self, patience: float = 5.0) -> None:
        """Give up all, and wait so many seconds for their work to stop: a process that ends in the midst of it may crash."""
        for job in list(self._jobs.values()):
            self._give_up(job)
        until = time.monotonic() + patience
        for thread in list(self._threads.values()):
            thread.join(max(0.0, until - time.monotonic()))

    def _find(self, identity: str) -> Job:
        job = self._jobs.get(identity)
        if job is None:
            raise NetwrightError("this action is no longer known to the server: start it again")
        return job

    def _give_up(self, job: Job) -> None:
        job.cancelled.set()
        self._end(job, CANCELLED)

    def _end(self, job: Job, state: str, result: Any = None, error: str = "") -> None:
        """Only the first end of a job counts."""
        with self._turn:
            if job.state == RUNNING:
                job.result, job.error, job.state = result, error, state
            if job in self.working:
                self.working.remove(job)
            self._turn.notify_all()

    def _run(self, job: Job, work: Callable[[Job], Any]) -> None:
        try:
            self._wait_for_turn(job)
            result = work(job)
            if len(dumped(result)) > MOST_BYTES:
                raise NetwrightError(f"the result of {job.title} is larger than {MOST_BYTES:,} bytes: ask for less")
            self._end(job, DONE, result)
        except Cancelled:
            self._end(job, CANCELLED)
        except Exception as error:  # told on the page: there is nobody else to tell
            self._end(job, FAILED, error=message_of(error))
        finally:
            with self._turn:
                del self._threads[job.id]

    def _wait_for_turn(self, job: Job) -> None:
        with self._turn:
            while len(self.working) >= MOST_AT_ONCE:
                job.say(f"waits for {' and '.join(other.title for other in self.working)}")
                self._turn.wait()
            job.check()
            self.working.append(job)
            job.word = ""
