"""Who works, and whether a worker still lives: its process is looked at on the same machine, its heartbeat elsewhere."""

from __future__ import annotations

import functools
import math
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from netwright.errors import FailedError

BEAT = 15.0  # seconds between two heartbeats of a trial
GRACE = 6  # heartbeats that may be missing


def new_worker() -> str:
    """A name for a worker: its host, that machine's start, its process, when that began, and a word of its own."""
    return "/".join([socket.gethostname(), _machine(), str(os.getpid()), _started(os.getpid()), uuid.uuid4().hex[:8]])


def is_gone(worker: str) -> bool:
    """Whether a worker was a process of this machine that has ended; of other machines nothing is known that way."""
    _, machine, process, started, _ = worker.split("/")
    return bool(machine) and machine == _machine() and _started(int(process)) != started


@functools.cache
def _machine() -> str:
    """This start of this machine and its space of process numbers; '' where that cannot be told."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()[:8]}-{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _started(process: int) -> str:
    """When a process began, in ticks; '' for one that is not there, or only as a zombie."""
    try:
        fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return ""
    return "" if fields[0] in "ZX" else fields[19]


class Watchman:
    """Notices trials whose heartbeat stands still, by its own clock: clocks of machines differ."""

    def __init__(self, beat: float = BEAT) -> None:
        self.grace = GRACE * beat
        self._seen: dict[int, tuple[int, float]] = {}

    def is_still(self, number: int, beats: int, back: float = -math.inf) -> bool:
        """Whether a running trial's count of heartbeats has not changed for the time of grace.

        The storage was last away at `back`, by the clock of `time.monotonic`: no heart can have beaten before.
        """
        before, since = self._seen.get(number, (-1, 0.0))
        if before != beats:
            self._seen[number] = (beats, time.monotonic())
            return False
        return time.monotonic() - max(since, back) > self.grace


class Heart:
    """Beats for a trial from a thread of its own as long as the trial runs.

    What the storage answers is no matter here: a storage that is away is waited for where the trial is worked on.
    """

    def __init__(self, beat: Callable[[int], Any], every: float) -> None:
        self._beat, self._every, self._ended = beat, every, threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> None:
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join()

    def _run(self) -> None:
        count = 0
        while not self._ended.wait(self._every):
            count += 1
            try:
                self._beat(count)
            except FailedError:
                return
            except Exception:
                continue
