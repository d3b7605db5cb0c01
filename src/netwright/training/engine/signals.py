"""Ctrl-C and the like: noted, so that a training can end its step and save before it stops."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

WATCHED = [signal.SIGINT, signal.SIGTERM]  # a user, a scheduler


class Signals:
    """Within its `with` block the first signal is noted in `came`; a second one ends the process as usual."""

    def __init__(self) -> None:
        self.came: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Signals:
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in WATCHED}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        self.came = number
        for watched, handler in self._before.items():
            signal.signal(watched, handler)
