"""What is in the files of pictures, remembered: an unchanged file is not read again."""

from __future__ import annotations

import contextlib
import hashlib
import time
import zipfile
import zlib
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netwright.data.listings import Step
from netwright.data.pictures import BadPictureError
from netwright.data.sources import Source
from netwright.errors import NetwrightError
from netwright.files import writing

Digests = NDArray[np.uint8]  # (n, 16)
SIZE = 16  # bytes
RACY = 2_000_000_000  # ns: a file changed so shortly before it was read may change again without a new time
CHANGED = 2  # column of the stamps: when the file or its entry was last changed, which programs cannot set


def digests(source: Source, names: Sequence[str], stamps: NDArray[np.int64], memory: Path, step: Step) -> tuple[Digests, int]:
    """The digest of each picture's file, zeros where it cannot be read; and how many had to be read.

    A file whose stamp (see `Contents.stamps`) is that of the last time is taken to be the same; `memory` is the file that
    remembers. What is wrong with that file only costs time.
    """
    now = time.time_ns()
    known, known_stamps, known_digests = _remembered(memory)
    found = np.zeros((len(names), SIZE), np.uint8)
    places = np.array([known.get(name, -1) for name in names], np.int64)
    old = places >= 0
    old[old] = (known_stamps[places[old]] == stamps[old]).all(1)
    found[old] = known_digests[places[old]]
    new = np.flatnonzero(~old)
    with ThreadPoolExecutor(source.threads()) as pool:
        for done, digest in enumerate(pool.map(lambda i: _digest(source, names[i]), new.tolist()), 1):
            found[new[done - 1]] = np.frombuffer(digest, np.uint8)
            step(done, len(new))
    if len(new):
        sure = (stamps[:, CHANGED] < now - RACY) & stamps.any(1)
        _remember(memory, [names[i] for i in np.flatnonzero(sure).tolist()], stamps[sure], found[sure])
    return found, len(new)


def _digest(source: Source, name: str) -> bytes:
    try:
        return hashlib.sha256(source.contents.content(name)).digest()[:SIZE]
    except BadPictureError:
        return bytes(SIZE)


def _remembered(memory: Path) -> tuple[dict[str, int], NDArray[np.int64], Digests]:
    try:
        with memory.open("rb") as file, np.load(file, allow_pickle=False) as kept:
            names = kept["names"].tobytes().decode().split("\n")
            stamps, found = kept["stamps"], kept["digests"]
        if stamps.shape == (len(names), 5) and found.shape == (len(names), SIZE):
            return {name: place for place, name in enumerate(names)}, stamps, found
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error):
        pass
    return {}, np.zeros((0, 5), np.int64), np.zeros((0, SIZE), np.uint8)


def _remember(memory: Path, names: list[str], stamps: NDArray[np.int64], found: Digests) -> None:
    text = np.frombuffer("\n".join(names).encode(), np.uint8)
    with contextlib.suppress(NetwrightError), writing(memory) as path, path.open("wb") as file:
        np.savez(file, names=text, stamps=stamps, digests=found)
