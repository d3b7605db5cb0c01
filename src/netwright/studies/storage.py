"""Where a study is kept: an Optuna storage opened from a word, and operations that outlast a database that is away."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
import math
import os
import time
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any, BinaryIO, TypeVar

import optuna
from optuna.storages import BaseStorage, JournalStorage, RDBStorage, get_storage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial

from netwright.errors import FailedError, NetwrightError
from netwright.studies.database import Database

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

T = TypeVar("T")
PATIENCE = 900.0  # seconds for which a storage may be away
JOURNAL = "journal.log"  # in a study's folder


def open_storage(word: str | os.PathLike[str], *, new: bool = False) -> BaseStorage:
    """The storage of a word: a database's address (`postgresql://user@host/name`), a journal file (.log), or a study's folder.

    A journal is for the processes of one machine, a database for several machines. Raises NetwrightError for what is not there,
    cannot be reached, or was written by another version. A journal is made only where it may be `new`.
    """
    text = os.fspath(word)
    return _database(text) if "://" in text else _journal(Path(text), new)


def is_database(word: str | os.PathLike[str]) -> bool:
    """Whether a word names a database, which other machines reach too."""
    return "://" in os.fspath(word)


def shown(word: str | os.PathLike[str]) -> str:
    """A storage's word without its password."""
    text = os.fspath(word)
    if "://" not in text:
        return text
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(text).render_as_string(hide_password=True)
    except (ArgumentError, ValueError):
        return text.partition("://")[0] + "://..."


def _database(url: str) -> BaseStorage:
    from sqlalchemy import exc

    place = shown(url)
    if url.startswith("sqlite"):
        raise NetwrightError("SQLite is not for several writers: give a folder, or postgresql://... for several machines")
    plain = url.replace("postgresql://", "postgresql+psycopg://", 1)
    try:
        with quiet():
            if plain.startswith("postgresql"):
                return Database(plain)
            return get_storage(RDBStorage(plain, engine_kwargs={"pool_pre_ping": True, "pool_size": 1, "max_overflow": 1}))
    except exc.NoSuchModuleError:
        raise NetwrightError(f"unknown kind of database in {place}: give postgresql://user@host/name, or a folder") from None
    except (exc.ArgumentError, ValueError) as error:
        raise NetwrightError(f"cannot open the storage {place}: {first_line(error)}") from None
    except ImportError as error:
        raise NetwrightError(f"the storage {place} needs a driver ({error}): pip install 'netwright[cluster]'") from None
    except RuntimeError as error:  # Optuna's word for tables of another version
        raise NetwrightError(f"the storage {place} was made by another version of Optuna: {first_line(error)}") from None
    except (exc.SQLAlchemyError, optuna.exceptions.StorageInternalError) as error:
        raise NetwrightError(f"cannot reach the storage {place}: {first_line(error)}") from None


def _journal(path: Path, new: bool) -> BaseStorage:
    places = [path] if path.suffix == ".log" else [path / JOURNAL, path / "work" / JOURNAL]
    file = next((place for place in places if place.is_file()), places[0])
    if not file.parent.is_dir():
        raise NetwrightError(f"cannot open the storage {path}: there is no folder {file.parent}")
    if not new and not file.is_file():
        raise NetwrightError(
            f"cannot open the storage {path}: it holds no study ({JOURNAL}); a database is named as postgresql://..."
        )
    try:
        return JournalFile(Journal(file))
    except OSError as error:
        raise NetwrightError(f"cannot open the storage {file}: {error.strerror or error}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise NetwrightError(f"{file} is no journal of a study, or of another version: {first_line(error)}") from None


def first_line(error: BaseException) -> str:
    """What an error says, on one line; databases explain themselves in many."""
    inner = getattr(error, "orig", None) or (error.__cause__ and getattr(error.__cause__, "orig", None)) or error
    lines = [line.strip() for line in str(inner).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Optuna's and Alembic's notes on what they open are not for our users."""
    loggers = [logging.getLogger(name) for name in ("optuna", "alembic")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.setLevel(level)


class Journal(JournalFileBackend):
    """Optuna's journal file, which outlasts kills and full disks.

    A line that was torn by a power cut or a full disk is cut off before the next is written (Optuna would write on behind it, and
    the file could never be read again), and its lock is the kernel's, which a killed process does not keep.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        super().__init__(str(file), _lock_of(file))

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        lines = "".join([json.dumps(log, separators=(",", ":")) + "\n" for log in logs])
        self._lock.acquire()
        try:
            with self.file.open("rb+") as file:
                _cut_torn_line(file)
                file.write(lines.encode())
                file.flush()
                os.fsync(file.fileno())
        finally:
            self._lock.release()


class JournalFile(JournalStorage):
    """Optuna's journal, of which only what is new is looked at: its own reading goes through all trials every time."""

    def __init__(self, journal: Journal) -> None:
        super().__init__(journal)
        self._first = _lock_of(journal.file.with_name(f"{journal.file.name}.first"))

    def settle(self, study_id: int, key: str, value: Any) -> None:
        """Set an attribute of a study that has none of the name: of several at once the first."""
        self._set(study_id, key, value, lambda there: key not in there)

    def raise_to(self, study_id: int, key: str, value: int) -> None:
        """Set an attribute of a study to a number, unless it is a larger one."""
        self._set(study_id, key, value, lambda there: there.get(key, -math.inf) < value)

    def _set(self, study: int, key: str, value: Any, allowed: Callable[[dict[str, Any]], bool]) -> None:
        self._first.acquire()
        try:
            if allowed(self.get_study_user_attrs(study)):
                self.set_study_user_attr(study, key, value)
        finally:
            self._first.release()

    def news(self, study_id: int, after: int, watched: Collection[int], known: str) -> list[FrozenTrial]:
        """Trials that began after the one whose identity is `after`, and the `watched` ones, by number (see `Database.news`)."""
        with self._thread_lock:
            self._sync_with_backend()
            there, trials = self._replay_result._study_id_to_trial_ids[study_id], self._replay_result._trials
            return [trials[identity] for identity in sorted([*watched, *there[bisect_right(there, after) :]])]


def _lock_of(file: Path) -> JournalFileOpenLock:
    return _Lock(file) if fcntl is not None else JournalFileOpenLock(str(file))


def _cut_torn_line(file: BinaryIO) -> None:
    """Leave a file at the end of its last whole line."""
    size = end = file.seek(0, os.SEEK_END)
    while end:
        start = max(0, end - (1 << 16))
        file.seek(start)
        place = file.read(end - start).rfind(b"\n")
        if place >= 0:
            end = start + place + 1
            break
        end = start
    if end < size:
        file.truncate(end)
    file.seek(end)


class _Lock(JournalFileOpenLock):
    """A lock that ends with its process."""

    def __init__(self, file: Path) -> None:
        self._path, self._held = file.with_name(f"{file.name}.lock"), -1

    def acquire(self) -> bool:
        handle = os.open(self._path, os.O_CREAT | os.O_RDWR, 0o666)
        fcntl.flock(handle, fcntl.LOCK_EX)
        self._held = handle
        return True

    def release(self) -> None:
        os.close(self._held)
        self._held = -1


# ---------------------------------------------------------------- patience


def is_away(error: BaseException) -> bool:
    """Whether an error means that the storage cannot be reached now, or that its disk is full, and may be well later."""
    from sqlalchemy import exc

    if isinstance(error, OSError):
        return True
    cause = error.__cause__ if isinstance(error, optuna.exceptions.StorageInternalError) else error
    if isinstance(cause, exc.DBAPIError):
        return cause.connection_invalidated or isinstance(cause, (exc.OperationalError, exc.InterfaceError, exc.InternalError))
    return isinstance(cause, (exc.TimeoutError, exc.PendingRollbackError, exc.ResourceClosedError))


class Patient:
    """Calls operations on a storage again while it is away, for up to `patience` seconds; `say` hears when that begins and ends.

    An operation may have been done although its answer was lost, so it must be one that can be done twice.
    """

    def __init__(self, place: str, say: Callable[[str], None], patience: float = PATIENCE) -> None:
        self.place, self.say, self.patience = place, say, patience
        self.back = -math.inf  # when the storage was last seen to come back, or to be away

    def __call__(self, operation: Callable[..., T], *arguments: Any) -> T:
        started, pause, told = time.monotonic(), 0.1, False
        while True:
            try:
                made = operation(*arguments)
            except Exception as error:
                if not is_away(error):
                    raise
                waited = time.monotonic() - started
                if waited > self.patience:
                    line = f"the storage {self.place} has been away for {waited:.0f} s: {first_line(error)}; start again to go on"
                    raise FailedError(line) from None
                if not told:
                    self.say(f"the storage {self.place} is away ({first_line(error)}): waiting for it")
                    told = True
                self.back = time.monotonic()
                time.sleep(pause)
                pause = min(2 * pause, 5.0)
            else:
                if told:
                    self.say(f"the storage is back after {time.monotonic() - started:.0f} s")
                return made


@functools.cache
def versions() -> dict[str, str]:
    """What a trial was made with."""
    import platform

    import torch

    from netwright.version import VERSION

    return {
        "netwright": VERSION,
        "torch": str(torch.__version__),
        "optuna": optuna.__version__,
        "python": platform.python_version(),
    }
