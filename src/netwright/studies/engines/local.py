"""Workers as processes of this machine: each joins the study like one on any other machine, and is started again if it dies."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from netwright.errors import FailedError
from netwright.studies.ledger import Ledger

LOOK = 0.5  # seconds between two looks at the processes
RESTARTS = 20  # of all workers of a study together
ENDING = 10.0  # seconds for a worker to give back its trial
MISTAKE = 2  # the exit code of a user's mistake: another start makes it again


def leashed() -> None:
    """From now on this process is told to end (SIGTERM) as soon as its standard input closes: with whoever started it."""

    def watch() -> None:
        with contextlib.suppress(OSError):
            while os.read(0, 1024):
                pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=watch, daemon=True).start()


def _let_go(process: subprocess.Popen[bytes] | None) -> None:
    """Close the pipe of a process that has ended."""
    if process is not None and process.stdin is not None:
        process.stdin.close()


@dataclass
class Processes:
    """`count` processes that run `netwright search` with `words`, each with `threads` threads; what they say goes to `folder`."""

    words: tuple[str, ...]
    count: int
    threads: int
    folder: Path
    say: Callable[[str], None]

    def run(self, ledger: Ledger, look: Callable[[], None]) -> None:
        """Start them and wait for their end; `look` is called all the while. Raises FailedError where they keep failing."""
        with self._started() as processes:
            restarts = 0
            while any(process is not None for process in processes):
                time.sleep(LOOK)
                look()
                for place, process in enumerate(processes):
                    code = process.poll() if process is not None else None
                    if code is None:
                        continue
                    _let_go(process)
                    processes[place] = None
                    if code:
                        restarts += 1
                        self._answer(place, code, restarts)
                        ledger.refresh()  # a storage that is away is waited for here: a worker would not be able to open it
                        processes[place] = self._start(place)
        look()

    @contextlib.contextmanager
    def _started(self) -> Iterator[list[subprocess.Popen[bytes] | None]]:
        processes: list[subprocess.Popen[bytes] | None] = []
        try:
            processes += [self._start(place) for place in range(self.count)]
            yield processes
        finally:
            running = [process for process in processes if process is not None and process.poll() is None]
            for process in running:
                process.send_signal(signal.SIGTERM)
            for process in running:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(ENDING)
                process.kill()
                process.wait()
            for ended in processes:
                _let_go(ended)

    def _start(self, place: int) -> subprocess.Popen[bytes]:
        self.folder.mkdir(parents=True, exist_ok=True)
        words = [sys.executable, "-m", "netwright", "search", *self.words, "--threads", str(self.threads), "--leashed"]
        path = os.pathsep.join(path or os.curdir for path in sys.path)
        environment = {**os.environ, "OMP_NUM_THREADS": str(self.threads), "PYTHONPATH": path}
        with self._log(place).open("ab") as log:
            # a session of their own: Ctrl-C is for this process, which tells them. The pipe closes when this process ends,
            # however it does: leashed workers see it
            return subprocess.Popen(words, stdin=subprocess.PIPE, stdout=log, stderr=log, env=environment, start_new_session=True)

    def _log(self, place: int) -> Path:
        return self.folder / f"worker-{place + 1}.log"

    def _answer(self, place: int, code: int, restarts: int) -> None:
        """Say that a worker ended with a code that is none of success. Raises FailedError where it would again."""
        lines = self._log(place).read_text(encoding="utf-8", errors="replace").splitlines()
        last = next((line for line in reversed(lines) if line.strip()), "it said nothing").strip()
        if code == MISTAKE or restarts > RESTARTS:
            raise FailedError(f"worker {place + 1} ended with code {code}: {last} (its words are in {self._log(place)})")
        how = f"was killed (signal {-code})" if code < 0 else f"ended with code {code} ({last})"
        self.say(f"worker {place + 1} {how}: it is started again")
