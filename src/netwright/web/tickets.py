"""Addresses of files that are good for a while: a frame of the page cannot send the token."""

from __future__ import annotations

import secrets
import threading
import time
from collections import OrderedDict
from pathlib import Path

GOOD_FOR = 600.0  # seconds
MOST = 64


class Tickets:
    """Which secret words stand for which files: the last few that were given out, for ten minutes each."""

    def __init__(self) -> None:
        self._given: OrderedDict[str, tuple[Path, float]] = OrderedDict()
        self._lock = threading.Lock()

    def issue(self, path: Path) -> str:
        """A new word for a file."""
        word = secrets.token_urlsafe(24)
        with self._lock:
            self._given[word] = (path, time.monotonic() + GOOD_FOR)
            while len(self._given) > MOST:
                self._given.popitem(last=False)
        return word

    def find(self, word: str) -> Path | None:
        """The file of a word; None for a word that was never given out, or long ago."""
        with self._lock:
            path, until = self._given.get(word, (None, 0.0))
        return path if path is not None and time.monotonic() < until and path.is_file() else None
