"""Files that are whole or not there, and output folders that are never overwritten."""

from __future__ import annotations

import contextlib
import errno
import importlib.util
import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from netwright.errors import FailedError, NetwrightError

try:
    import fcntl
except ImportError:  # Windows: two runs in one folder are then the user's to avoid
    fcntl = None  # type: ignore[assignment]


FILES = "netwright_file_"  # starts the names of users' files as modules: never those of installed ones
_PATHS_FAULT = {  # what another path would mend
    errno.EACCES,
    errno.EEXIST,
    errno.EINVAL,
    errno.EISDIR,
    errno.ELOOP,
    errno.ENAMETOOLONG,
    errno.ENOENT,
    errno.ENOTDIR,
    errno.EPERM,
    errno.EROFS,
}


@contextlib.contextmanager
def writing(path: Path) -> Iterator[Path]:
    """A temporary path beside `path`, moved there when the block ends well; a kill leaves the old file or none.

    Raises NetwrightError for a path that cannot be written (no such folder, no permission), and FailedError where
    the disk fails or is full.
    """
    temporary = None
    try:
        _make_folder(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
        os.close(handle)
        temporary = Path(name)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.chmod(0o666 & ~_umask())
        temporary.replace(path)
    except OSError as error:
        kind = NetwrightError if error.errno in _PATHS_FAULT else FailedError
        raise kind(f"cannot write {path}: {error.strerror or error}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:  # a file stands in its place
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(folder)) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: Path, text: str) -> None:
    """Write a text file whole or not at all."""
    with writing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path) -> Any:
    """The value of a JSON file; raises NetwrightError where it cannot be read."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise NetwrightError(f"cannot read {path}: {error.strerror or error}") from None
    except (ValueError, RecursionError) as error:
        raise NetwrightError(f"{path} is not JSON: {error}") from None


def run_file(path: Path) -> ModuleType:
    """The module of a user's Python file: what `file.py:name` names is in it.

    Raises NetwrightError where there is no such file or it does not run.
    """
    if not path.is_file():
        raise NetwrightError(f"there is no file {path}")
    name_inside = f"{FILES}{path.stem}"
    spec = importlib.util.spec_from_file_location(name_inside, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name_inside] = module  # annotations of the designs in it are looked up there
    try:
        spec.loader.exec_module(module)
    except NetwrightError:
        raise
    except (Exception, SystemExit) as error:
        raise NetwrightError(f"{path} does not run: {type(error).__name__}: {error}") from error
    return module


@contextlib.contextmanager
def kept_or_temporary(out: str | os.PathLike[str] | None) -> Iterator[Path]:
    """The folder asked for, or one that is gone afterwards."""
    if out is not None:
        yield Path(out)
        return
    with tempfile.TemporaryDirectory(prefix="netwright-") as folder:
        yield Path(folder) / "run"


class Output:
    """An output folder: results at the top, everything of the way there below `work/`.

    `result.json` is written last and marks the run as finished.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.work = folder / "work"
        self.result = folder / "result.json"
        self._command = self.work / "command.json"

    @contextlib.contextmanager
    def claimed(self, command: str, arguments: dict[str, Any]) -> Iterator[bool]:
        """Hold the folder for one command; tells whether an unfinished run of the same arguments goes on.

        Raises NetwrightError where anything of value would be overwritten: a finished run, one made
        with other arguments (the differences are listed), foreign files, or a run still in progress.
        """
        made_by = {"command": command, "arguments": arguments}
        self._refuse(made_by)
        try:
            self.work.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise NetwrightError(f"cannot make the folder {self.work}: {error.strerror}") from None
        with self._lock():
            self._refuse(made_by)
            for torn in self.folder.rglob(".*.part"):  # of a run that was killed while it wrote
                torn.unlink()
            goes_on = self._begun()
            if not goes_on:
                write_json(self._command, made_by)
            try:
                yield goes_on
            finally:
                if not self._begun() and not self.result.exists():  # nothing came of it: leave nothing
                    self._remove()

    def _begun(self) -> bool:
        """Whether there is work to lose or to go on with."""
        return any(p.name not in ("command.json", "lock") for p in self.work.glob("[!.]*"))

    def _remove(self) -> None:
        self._command.unlink(missing_ok=True)
        (self.work / "lock").unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.work.rmdir()
            self.folder.rmdir()

    def _refuse(self, made_by: dict[str, Any]) -> None:
        if self.folder.exists() and not self.folder.is_dir():
            raise NetwrightError(f"{self.folder} is a file: choose another output folder with -o")
        if not self._command.exists():
            strange = sorted(p.name for p in self.folder.glob("*") if p != self.work)
            if strange or self._begun():
                what = strange[0] if strange else "work"
                raise NetwrightError(f"{self.folder} holds other files ({what}): choose another output folder with -o")
            return
        if not self._begun() and not self.result.exists():
            return
        before = read_json(self._command)
        differences = _differences(before, made_by)
        if differences:
            raise NetwrightError(
                f"{self.folder} holds a run made with other arguments ({'; '.join(differences)}): "
                "choose another output folder with -o"
            )
        if self.result.exists():
            raise NetwrightError(f"{self.folder} holds a finished run: choose another output folder with -o")

    @contextlib.contextmanager
    def _lock(self) -> Iterator[None]:
        with (self.work / "lock").open("w") as file:
            if fcntl is not None:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except OSError:
                    raise NetwrightError(f"another process is at work in {self.folder}") from None
            yield


def _differences(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    if before.get("command") != now["command"]:
        return [f"command {before.get('command')}, now {now['command']}"]
    old, new = before["arguments"], now["arguments"]
    return [f"{name} {old.get(name)}, now {new.get(name)}" for name in {**old, **new} if old.get(name) != new.get(name)]
