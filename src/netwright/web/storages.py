"""Studies that lie in no folder: those of the storages that the server was told of when it was started."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from netwright.errors import NetwrightError
from netwright.web.shelf import STUDY, Plain

if TYPE_CHECKING:
    from netwright.studies import Study
    from netwright.studies.ledger import Ledger

PATIENCE = 5.0  # seconds for which a storage may be away while a study is read
FRESH = 10.0  # seconds for which a list of names is good


@dataclass(frozen=True)
class Stored:
    """A study of a storage; `id` is what the browser calls it by, `place` the storage without its password."""

    id: str
    name: str
    place: str
    word: str = field(repr=False)

    def to_json(self) -> Plain:
        """A line of the listing."""
        return {"id": self.id, "kind": STUDY, "name": self.name, "state": "", "changed": None, "place": self.place}


class Storages:
    """The storages (databases, journals, studies' folders) of `words`: all of netwright's studies in them, or those of `names`.

    Raises NetwrightError for a storage that cannot be opened or has no such study.
    """

    def __init__(self, words: Sequence[str] = (), names: Sequence[str] = ()) -> None:
        self._names = frozenset(names)
        self._lock = threading.Lock()
        self._ledgers: dict[str, Ledger] = {}
        self._opened = {word: _opened(word) for word in dict.fromkeys(words)}
        self._found = {one.id: one for word in self._opened for one in self._listed(word)}
        self._looked = time.monotonic()
        missing = sorted(self._names - {one.name for one in self._found.values()})
        if missing:
            there = sorted(name for word in self._opened for name in _names_in(self._opened[word]))
            raise NetwrightError(f"no storage has a study {missing[0]!r}: there are {', '.join(there) or 'none'}")

    def listing(self) -> tuple[list[Stored], list[str]]:
        """The studies, and what is wrong with storages that cannot be asked now: of those the studies that were known."""
        problems = []
        with self._lock:
            if self._opened and time.monotonic() - self._looked >= FRESH:
                for word in self._opened:
                    try:
                        self._found |= {one.id: one for one in self._listed(word)}
                    except Exception as error:  # a database that is away
                        problems.append(f"{_shown(word)}: {type(error).__name__}")
                self._looked = time.monotonic()
            return list(self._found.values()), problems

    def find(self, identity: object) -> Stored | None:
        """The one of a listing's id; None where there is none."""
        return self._found.get(str(identity))

    def read(self, stored: Stored) -> tuple[str, str, Study]:
        """A study as it is now, before it a version, which changes with it, and its state. What has ended is read once."""
        from netwright.studies import Study
        from netwright.studies.question import Question

        with self._lock:
            ledger = self._ledger(stored)
            ledger.refresh()
            study = Study.of(ledger, Question.from_json(ledger.settings, run_files=False))
            state = "running" if ledger.running else "finished" if ledger.ended >= ledger.wanted else "stopped"
            reports = sum(len(trial.curve) for trial in study.trials)
            return f"{len(study.trials)}-{ledger.ended}-{reports}-{ledger.wanted}", state, study

    def _ledger(self, stored: Stored) -> Ledger:
        from netwright.studies.ledger import Ledger
        from netwright.studies.storage import Patient

        if stored.id not in self._ledgers:
            patient = Patient(stored.place, lambda line: None, PATIENCE)
            self._ledgers[stored.id] = Ledger(self._opened[stored.word], stored.name, patient)
        return self._ledgers[stored.id]

    def _listed(self, word: str) -> list[Stored]:
        found = [name for name in _names_in(self._opened[word]) if not self._names or name in self._names]
        return [Stored(hashlib.sha256(f"{word}\0{name}".encode()).hexdigest()[:20], name, _shown(word), word) for name in found]


def _opened(word: str) -> Any:
    from netwright.studies.storage import open_storage

    return open_storage(word)


def _shown(word: str) -> str:
    from netwright.studies.storage import shown

    return shown(word)


def _names_in(storage: Any) -> list[str]:
    """The names of the studies that netwright made."""
    from netwright.studies.ledger import SETTINGS

    return sorted(study.study_name for study in storage.get_all_studies() if SETTINGS in study.user_attrs)
