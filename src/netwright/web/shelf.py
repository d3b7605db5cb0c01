"""The runs and studies below a folder: found, named by what a browser may know, read without running anything of theirs."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError
from netwright.files import read_json

Plain = dict[str, Any]
DEPTH = 5  # folders below the root
MOST_LOOKED_AT = 20_000  # folders
MOST_FOUND = 500
FRESH = 2.0  # seconds for which a listing is good
RECENT = 30.0  # seconds after its last change for which it counts as running, whatever is known of its lock
STUDY, RUN = "study", "run"


@dataclass(frozen=True)
class Found:
    """A run's or study's folder; `id` is what the browser calls it by, `name` its path below the root."""

    id: str
    kind: str
    name: str
    folder: Path = field(repr=False)

    def file(self, *parts: str) -> Path | None:
        """A file in it, None where it is not there; one that leads out of the folder is not followed."""
        path = self.folder.joinpath(*parts)
        inside = path.is_file() and path.resolve().is_relative_to(self.folder.resolve())
        return path if inside else None

    @property
    def finished(self) -> bool:
        """Whether its command came to its end."""
        return self.file("result.json") is not None

    @property
    def state(self) -> str:
        """finished, running or stopped."""
        if self.finished:
            return "finished"
        lock = self.file("work", "lock")
        held = lock is not None and _held(lock)
        return "running" if held or time.time() - self.changed < RECENT else "stopped"

    @property
    def changed(self) -> float:
        """When any of its telling files last changed, in seconds since 1970."""
        telling = (("result.json",), ("work", "journal.log"), ("journal.log",), ("work", "log.jsonl"), ("work", "command.json"))
        times = [path.stat().st_mtime for parts in telling if (path := self.file(*parts)) is not None]
        return max(times, default=self.folder.stat().st_mtime)

    @property
    def journal(self) -> Path | None:
        """A study's journal; None where it is kept in a database."""
        return self.file("work", "journal.log") or self.file("journal.log")

    @property
    def command(self) -> str:
        """Which command makes it: search, design, train, train each; '' where that is not kept."""
        path = self.file("work", "command.json")
        try:
            made = read_json(path) if path is not None else {}
        except NetwrightError:  # torn, or no one's
            return ""
        return str(made.get("command", "")) if isinstance(made, dict) else ""

    def to_json(self) -> Plain:
        """A line of the listing."""
        return {"id": self.id, "kind": self.kind, "name": self.name, "state": self.state, "changed": self.changed}


class Shelf:
    """What is below a root; looked for again when a listing is asked for and the last one is older than two seconds."""

    def __init__(self, root: Path) -> None:
        self.root = root
        home = Path.home()
        self.told = f"~/{root.relative_to(home).as_posix()}" if home in root.parents else str(root)
        self._found: dict[str, Found] = {}
        self._looked = -FRESH
        self._lock = threading.Lock()

    def listing(self) -> list[Found]:
        """All of them, the last changed first."""
        with self._lock:
            if time.monotonic() - self._looked >= FRESH:
                self._found = {one.id: one for one in _search(self.root)}
                self._looked = time.monotonic()
            return sorted(self._found.values(), key=lambda one: -one.changed)

    def find(self, identity: str) -> Found:
        """The one of a listing's id. Raises NetwrightError where it is not there, or no more."""
        if identity not in self._found:
            self.listing()
        found = self._found.get(identity)
        if found is None or not found.folder.is_dir():
            raise NetwrightError("this run or study is no longer there: look at the list again")
        return found


def _search(root: Path) -> Iterator[Found]:
    """Breadth first, hidden folders and links left out; what is below a run or a study is its own affair."""
    waiting, looked, found = [(root, 0)], 0, 0
    while waiting and looked < MOST_LOOKED_AT and found < MOST_FOUND:
        folder, depth = waiting.pop(0)
        looked += 1
        kind = _kind(folder)
        if kind:
            found += 1
            yield _found(root, folder, kind)
        if kind and not _several(folder):
            continue
        if depth < DEPTH:
            waiting += [(inner, depth + 1) for inner in _folders(folder) if not (kind and inner.name == "work")]


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted([Path(e.path) for e in entries if not e.name.startswith(".") and e.is_dir(follow_symlinks=False)])
    except OSError:  # not ours to read
        return []


def _found(root: Path, folder: Path, kind: str) -> Found:
    name = "." if folder == root else folder.relative_to(root).as_posix()
    shown = name.encode("utf-8", "backslashreplace").decode()  # a file's name need not be text
    return Found(hashlib.sha256(os.fsencode(name)).hexdigest()[:20], kind, shown, folder)


def _kind(folder: Path) -> str:
    """study, run, or '' for another folder."""
    has = folder.joinpath
    if has("journal.log").is_file() or has("work", "journal.log").is_file():
        return STUDY
    command = has("work", "command.json")
    if command.is_file():
        return STUDY if Found("", "", "", folder).command == "search" else RUN
    return RUN if has("result.json").is_file() and has("design.json").is_file() else ""


def _several(folder: Path) -> bool:
    """Whether it holds several runs: those of several seeds."""
    return Found("", "", "", folder).command == "train each"


def _held(lock: Path) -> bool:
    """Whether a process of this machine holds the lock, asked without touching it (Linux tells)."""
    try:
        locks = Path("/proc/locks").read_text(encoding="ascii")
        place = f":{lock.stat().st_ino}"
    except (OSError, ValueError):
        return False
    return any(word.endswith(place) for line in locks.splitlines() if " FLOCK " in line for word in line.split())
