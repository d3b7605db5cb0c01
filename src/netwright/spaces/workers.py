"""Draws made by several processes: each takes ranges of numbers, and they come back in order."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from collections.abc import Generator, Iterator
from typing import Any

from netwright.errors import FailedError, NetwrightError
from netwright.spaces.drawing import Job, Range, draw_range


def in_order(job: Job, workers: int, size: int) -> Generator[Range, None, None]:
    """Ranges of `size` draws without end, the first numbers first, whichever process made them.

    Raises NetwrightError where the space cannot be sent to another process, and whatever a draw raises.
    """
    if workers == 1:
        start = 0
        while True:
            yield draw_range(job, start, start + size)
            start += size
    with contextlib.ExitStack() as stack:
        processes = [stack.enter_context(_started(job)) for _ in range(workers)]
        for place, process in enumerate(processes):
            _send(process, (place * size, (place + 1) * size))
        turn = 0
        while True:
            process = processes[turn % workers]
            made = _received(process)
            _send(process, ((turn + workers) * size, (turn + workers + 1) * size))
            yield made
            turn += 1


@contextlib.contextmanager
def _started(job: Job) -> Iterator[subprocess.Popen[bytes]]:
    try:
        sent = pickle.dumps(job)
    except (pickle.PicklingError, AttributeError, TypeError) as error:
        raise NetwrightError(f"{_alone(job)} ({error})") from None
    if getattr(getattr(job.space, "function", None), "__module__", "") == "__main__" and not getattr(job.space, "file", ""):
        raise NetwrightError(_alone(job))
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path or os.curdir for path in sys.path)}
    words = [sys.executable, "-c", "from netwright.spaces.workers import work; work()"]
    pipe = subprocess.PIPE
    process = subprocess.Popen(words, stdin=pipe, stdout=pipe, env=environment)
    try:
        assert process.stdin is not None
        process.stdin.write(sent)
        yield process
    finally:
        process.kill()
        process.communicate()


def _alone(job: Job) -> str:
    name = job.space.name
    return f"the space {name} cannot be sent to another process: give workers=1, put it in a module, or name it as file.py:name"


def _send(process: subprocess.Popen[bytes], what: Any) -> None:
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError):  # it ended: what it has to say, if anything, is read next
        pickle.dump(what, process.stdin)
        process.stdin.flush()


def _received(process: subprocess.Popen[bytes]) -> Range:
    assert process.stdout is not None
    try:
        made = pickle.load(process.stdout)
    except (EOFError, pickle.UnpicklingError):
        code = process.wait()
        raise FailedError(f"a process that draws designs ended with code {code}: try workers=1") from None
    if isinstance(made, Range):
        return made
    raise made


def work() -> None:
    """What another process does: reads a job, then ranges, and answers each until its input ends."""
    answers = sys.stdout.buffer
    sys.stdout = sys.stderr  # what a user's space prints is no answer
    try:
        job: Job = pickle.load(sys.stdin.buffer)
        while True:
            start, stop = pickle.load(sys.stdin.buffer)
            pickle.dump(draw_range(job, start, stop), answers)
            answers.flush()
    except EOFError:
        return
    except NetwrightError as error:
        pickle.dump(error, answers)
        answers.flush()
