"""Where files lie: in a folder, or in a tar that is read in place. Nothing is ever unpacked to disk."""

from __future__ import annotations

import gzip
import io
import os
import posixpath
import tarfile
import zlib
from pathlib import Path
from typing import BinaryIO, Protocol

from netwright.data.memory import memory
from netwright.errors import NetwrightError

ENDINGS = (".tar", ".tar.gz", ".tgz")
CHUNK = 1 << 20


class Tree(Protocol):
    """Files by names that are relative to `path` and use forward slashes; hidden ones (`.name`) are not there.

    `top` is what a list made one folder further up would write before the names.
    """

    @property
    def path(self) -> Path: ...

    @property
    def top(self) -> str: ...

    def folders(self, under: str = "") -> list[str]:
        """The names of the folders in a folder, sorted."""

    def files(self, under: str = "") -> list[str]:
        """All files below a folder at any depth, sorted, folder by folder; with what only looks like a file (a pipe, a
        link to nowhere), so that reading it says what is wrong."""

    def has(self, name: str) -> bool:
        """Whether there is such a file."""

    def file(self, name: str) -> Path | BinaryIO:
        """A file as `read_picture` takes it."""

    def place(self, name: str) -> tuple[str, int]:
        """The path of the file on disk that a file lies in, and at which byte."""

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        """A file, or `size` bytes of it from `start` on; raises NetwrightError where it cannot be read."""


class Folder:
    """A folder on disk."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.top = f"{path.resolve().name}/"

    def folders(self, under: str = "") -> list[str]:
        return sorted(p.name for p in (self.path / under).iterdir() if p.is_dir() and not p.name.startswith("."))

    def files(self, under: str = "") -> list[str]:
        found = []
        start = len(os.path.join(self.path, ""))  # noqa: PTH118
        for folder, inner, names in os.walk(os.path.join(self.path, under), onerror=_refuse):  # noqa: PTH118
            inner[:] = [name for name in inner if not name.startswith(".")]
            before = os.path.join(folder, "")[start:].replace(os.sep, "/")  # noqa: PTH118
            found += [before + name for name in names if not name.startswith(".")]
        return _sorted(found)

    def has(self, name: str) -> bool:
        return (self.path / name).is_file()

    def file(self, name: str) -> Path:
        return self.path / name

    def place(self, name: str) -> tuple[str, int]:
        return f"{self.path}/{name}", 0

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        try:
            with (self.path / name).open("rb") as file:
                file.seek(start)
                return file.read(-1 if size is None else size)
        except OSError as error:
            raise NetwrightError(f"cannot read {self.path / name}: {error.strerror or error}") from None

    def tars(self) -> list[str]:
        """The names of the tars in it."""
        return sorted(p.name for p in self.path.iterdir() if p.is_file() and is_tar(p) and not p.name.startswith("."))


class Tar:
    """A tar, read through an index; one that is compressed is kept unpacked in memory.

    A folder that holds everything else is left out of the names. Links to files in it are followed
    where they are hard ones; everything else that is no plain file is not there.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            with path.open("rb") as file:
                compressed = file.read(2) == b"\x1f\x8b"
            self._unpacked = _unpack(path) if compressed else None
            with path.open("rb") if self._unpacked is None else io.BytesIO(self._unpacked) as file:
                index = _index(path, file)
        except OSError as error:
            raise NetwrightError(f"cannot read {path}: {error.strerror or error}") from None
        first = {name.partition("/")[::2] for name in index}
        tops = {top for top, _ in first}
        self.top = f"{tops.pop()}/" if len(tops) == 1 and all(rest for _, rest in first) else ""
        self._index = {name.removeprefix(self.top): place for name, place in index.items()}

    def folders(self, under: str = "") -> list[str]:
        parts = [name.removeprefix(_within(under)).split("/") for name in self._index if name.startswith(_within(under))]
        return sorted({first for first, *rest in parts if rest})

    def files(self, under: str = "") -> list[str]:
        return _sorted([name for name in self._index if name.startswith(_within(under))])

    def has(self, name: str) -> bool:
        return name in self._index

    def file(self, name: str) -> BinaryIO:
        return _Member(self.read(name), str(self.path / name))

    def place(self, name: str) -> tuple[str, int]:
        return str(self.path), self._index[name][0]

    def read(self, name: str, start: int = 0, size: int | None = None) -> bytes:
        first, whole = self._index[name]
        start, size = first + start, whole - start if size is None else min(size, whole - start)
        if self._unpacked is not None:
            return self._unpacked[start : start + size]
        try:
            with self.path.open("rb") as file:  # opened for each: readers are threads
                file.seek(start)
                return file.read(size)
        except OSError as error:
            raise NetwrightError(f"cannot read {self.path}: {error.strerror or error}") from None


class _Member(io.BytesIO):
    """A file of a tar, which can tell its name."""

    def __init__(self, content: bytes, name: str) -> None:
        super().__init__(content)
        self.name = name


def _refuse(error: OSError) -> None:
    raise NetwrightError(f"cannot read {error.filename}: {error.strerror or error}")


def is_tar(path: Path) -> bool:
    """Whether a file is called like a tar that can be read."""
    return path.name.lower().endswith(ENDINGS)


def _index(path: Path, file: BinaryIO) -> dict[str, tuple[int, int]]:
    """Where each file starts and how many bytes it has; of two of a name the later one counts, as when unpacked."""
    places: dict[str, tuple[int, int]] = {}
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            for member in tar:
                if member.islnk() and member.linkname in places:
                    places[member.name] = places[member.linkname]
                elif member.isreg() and not member.issparse():
                    places[member.name] = (member.offset_data, member.size)
            file.seek(tar.offset)
            # tarfile takes a header that is cut off or damaged for the end; the real end is a block of zeros
            whole = file.read(tarfile.BLOCKSIZE) == bytes(tarfile.BLOCKSIZE)
    except OSError:
        raise
    except Exception as error:  # tarfile lets through what damaged numbers and names raise
        raise NetwrightError(f"{path} is not a tar that can be read ({error}): copy it again") from None
    if not whole:
        raise NetwrightError(f"{path} is cut off or damaged after {len(places):,} files: copy it again")
    names = {name: posixpath.normpath(name.lstrip("/")) for name in places}
    return {names[name]: place for name, place in places.items() if not _hidden(names[name])}


def _unpack(path: Path) -> bytes:
    parts, size, most = [], 0, memory() // 2
    try:
        with gzip.open(path) as file:
            while part := file.read(CHUNK):
                parts.append(part)
                size += len(part)
                if size > most:
                    raise NetwrightError(f"{path} unpacks to more than {most / 1e9:.0f} GB, half of the memory: unpack it")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise NetwrightError(f"{path} is cut off or damaged ({error}): copy it again") from None
    return b"".join(parts)


def _within(under: str) -> str:
    return f"{under}/" if under else ""


def _hidden(name: str) -> bool:
    return any(part.startswith(".") for part in name.split("/"))


def _sorted(names: list[str]) -> list[str]:
    return sorted(names, key=lambda name: name.split("/"))
