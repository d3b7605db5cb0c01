"""IDX files, as MNIST, Fashion-MNIST and EMNIST come: pictures and labels, packed with gzip or not."""

from __future__ import annotations

import gzip
import math
import re
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from netwright.data.arrays import Part, as_labels, as_pictures, named_classes, source_of_arrays
from netwright.data.memory import memory
from netwright.data.sources import Source
from netwright.errors import NetwrightError

FILE = re.compile(r"(?P<set>.*?)(?P<split>train|t10k|test)-(?P<what>images|labels)[-.]idx(?P<dimensions>[1-4])-ubyte(\.gz)?")
SPLITS = {"train": "train", "t10k": "test", "test": "test"}
CHUNK = 1 << 24


def open_idx(path: Path) -> Source | None:
    """The data set of IDX files in a folder, or that of one of them; None where there are none.

    Grey pictures; classes are named by `classes.txt` beside the files, else by their numbers. Raises NetwrightError
    for files that are missing, damaged, or do not fit together.
    """
    folder = path if path.is_dir() else path.parent
    sets: dict[str, dict[tuple[str, str], Path]] = {}
    for file in sorted(folder.iterdir(), reverse=True):  # what is not packed comes later and counts
        match = FILE.fullmatch(file.name)
        if match and file.is_file():
            sets.setdefault(match["set"], {})[SPLITS[match["split"]], match["what"]] = file
    asked = FILE.fullmatch(path.name) if path.is_file() else None
    if asked:
        sets = {asked["set"]: sets[asked["set"]]}
    if not sets or (path.is_file() and not asked):
        return None
    if len(sets) > 1:
        raise NetwrightError(f"{path} holds {len(sets)} data sets ({', '.join(sorted(sets))}): give a file of one of them")
    files = next(iter(sets.values()))
    for split, what in files:
        other = "labels" if what == "images" else "images"
        if (split, other) not in files:
            raise NetwrightError(f"{files[split, what]} is there, but not the file with its {other}")
    parts = {split: _part(files[split, "images"], files[split, "labels"]) for split in dict.fromkeys(s for s, _ in files)}
    return source_of_arrays(path, {split: parts[split] for split in ("train", "test") if split in parts}, named_classes(folder))


def _part(images: Path, labels: Path) -> Part:
    pixels = as_pictures(_array(images), str(images))
    return Part(pixels, as_labels(_array(labels), len(pixels), f"the labels in {labels}"))


def _array(path: Path) -> NDArray[np.uint8]:
    """The array of an IDX file: two zero bytes, a type, a number of dimensions, their sizes, then the values."""
    packed = path.suffix == ".gz"
    try:
        content = _unpacked(path) if packed else np.memmap(path, np.uint8, "r")
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise NetwrightError(f"{path} is cut off or damaged ({error}): copy it again") from None
    except (OSError, ValueError) as error:  # ValueError: an empty file cannot be mapped
        raise NetwrightError(f"cannot read {path}: {getattr(error, 'strerror', None) or error}") from None
    start = content[:4].tobytes()
    if len(start) < 4 or start[:2] != b"\0\0" or start[2] != 8 or not 1 <= start[3] <= 4:
        raise NetwrightError(f"{path} is no IDX file of bytes: it starts with {start.hex() or 'nothing'}")
    sizes = np.frombuffer(content[4 : 4 + 4 * start[3]].tobytes(), ">u4").tolist()
    need = 4 + 4 * start[3] + math.prod(sizes)
    if len(sizes) != start[3] or len(content) != need:
        told = f"{len(content):,} bytes, expected {need:,} for {' x '.join(map(str, sizes))}"
        raise NetwrightError(f"{path} is cut off or damaged ({told}): copy it again")
    return np.asarray(content[4 + 4 * start[3] :]).reshape(sizes)


def _unpacked(path: Path) -> NDArray[np.uint8]:
    content, most = bytearray(), memory() // 2
    with gzip.open(path) as file:
        while part := file.read(CHUNK):
            content += part
            if len(content) > most:
                raise NetwrightError(f"{path} unpacks to more than {most / 1e9:.0f} GB, half of the memory")
    return np.frombuffer(bytes(content), np.uint8)
