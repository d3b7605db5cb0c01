"""The Studies room's answers: what runs and has run below the server's folder, studies with trials, runs with curves."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from starlette.routing import Route

from netwright.errors import NetwrightError
from netwright.web.exchange import Plain, Workbench, asking, message_of, reading
from netwright.web.refusals import told
from netwright.web.runs import run_of
from netwright.web.shelf import RUN, STUDY, Found, Shelf
from netwright.web.storages import Storages, Stored
from netwright.web.tickets import Tickets

if TYPE_CHECKING:
    from netwright.studies import Study


def routes(workbench: Workbench, storages: Storages) -> list[Route]:
    """Below /api/studies."""
    room = _Room(Shelf(workbench.root), storages, workbench.tickets)
    return [
        reading("/list", room.listing),
        reading("/study/{id}", told(room.study)),
        reading("/study/{id}/trials/{number}", told(room.trial)),
        reading("/run/{id}", told(room.run)),
        asking("/report/{id}", told(room.report)),
    ]


@dataclass(frozen=True)
class _Room:
    shelf: Shelf
    storages: Storages
    tickets: Tickets
    one_at_a_time: threading.Lock = field(default_factory=threading.Lock)  # pages that ask at once would all read one journal

    def listing(self, asked: Plain) -> Plain:
        stored, problems = self.storages.listing()
        items = [*[one.to_json() for one in stored], *[found.to_json() for found in self.shelf.listing()]]
        return {"root": self.shelf.told, "items": items, "problems": problems}

    def study(self, asked: Plain) -> Plain:
        """All of a study; only that nothing is new where `seen` is the version that the page has."""
        stored = self.storages.find(asked["id"])
        if stored is not None:
            return self._stored(stored, asked)
        found = self._find(asked, STUDY)
        version = _version(found)
        if asked.get("seen") == version:
            return {"version": version, "same": True}
        about = found.to_json() | {"version": version, "same": False, "report": found.file("report.html") is not None}
        if found.journal is None:
            return about | {"told": "its trials are in a database: start netwright ui with its --storage", "trials": []}
        from netwright.web.study_view import viewed

        return about | viewed(self._study(found.journal, version))

    def _stored(self, stored: Stored, asked: Plain) -> Plain:
        from netwright.web.study_view import viewed

        version, state, study = self.storages.read(stored)
        if asked.get("seen") == version:
            return {"version": version, "same": True}
        about = stored.to_json() | {"state": state, "version": version, "same": False, "report": False}
        return about | viewed(study)

    def trial(self, asked: Plain) -> Plain:
        """A trial of a study with its design and what that costs."""
        from netwright.web.study_view import trial_of

        if not asked["number"].isdecimal():
            raise NetwrightError("there is no such trial")
        stored = self.storages.find(asked["id"])
        if stored is not None:
            return trial_of(self.storages.read(stored)[2], int(asked["number"]))
        found = self._find(asked, STUDY)
        if found.journal is None:
            raise NetwrightError("there is no such trial")
        return trial_of(self._study(found.journal, _version(found)), int(asked["number"]))

    def run(self, asked: Plain) -> Plain:
        found = self._find(asked, RUN)
        version = _version(found)
        if asked.get("seen") == version:
            return {"version": version, "same": True}
        from netwright.web.run_view import charts_of

        told = run_of(found)
        return found.to_json() | {"version": version, "same": False} | told | {"charts": charts_of(told)}

    def report(self, asked: Plain) -> Plain:
        """An address that shows a report for ten minutes: a frame cannot send the token."""
        path = self.shelf.find(str(asked["id"])).file("report.html")
        if path is None:
            raise NetwrightError("there is no report yet: it is written when the run is finished")
        return {"address": f"/report/{self.tickets.issue(path)}"}

    def _study(self, journal: Path, version: str) -> Study:
        with self.one_at_a_time:
            try:
                return _read_study(journal, version)
            except NetwrightError:
                raise
            except Exception as error:  # a journal is a file that anybody may have written
                raise NetwrightError(f"this study cannot be read: {message_of(error)}") from error

    def _find(self, asked: Plain, kind: str) -> Found:
        found = self.shelf.find(asked["id"])
        if found.kind != kind:
            raise NetwrightError(f"{found.name} is no {kind}")
        return found


def _version(found: Found) -> str:
    """Changes whenever what is shown of it may have changed."""
    files = [found.journal, found.file("work", "log.jsonl"), found.file("result.json"), found.file("report.html")]
    stamps = [f"{path.stat().st_mtime_ns}.{path.stat().st_size}" if path is not None else "" for path in files]
    candidates = found.folder / "work" / "candidates"
    return "-".join([found.state, *stamps, str(candidates.stat().st_mtime_ns) if candidates.is_dir() else ""])


@lru_cache(maxsize=4)
def _read_study(journal: Path, version: str) -> Study:
    from netwright.studies import read_study

    return read_study(str(journal), run_files=False)
