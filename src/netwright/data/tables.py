"""Pictures whose classes are written in a table: `labels.csv` beside them."""

from __future__ import annotations

import csv
import io
import posixpath
import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image

from netwright.data.contents import source_of_files
from netwright.data.sources import SPLITS, Listing, Source
from netwright.data.trees import Folder, Tar, Tree
from netwright.errors import NetwrightError, did_you_mean

TABLE = "labels.csv"
NAMES, INDICES = ("class", "label"), ("class_index", "index")  # columns that give a picture's class, the first one there


@dataclass(frozen=True)
class _Row:
    """A line of the table; all is `train` where the table has no column `split`."""

    line: int
    file: str
    label: str
    split: str
    group: str


def open_table(tree: Tree, group: str | None = None) -> Source:
    """The pictures that `labels.csv` lists, under a header row with the columns `file` and one of these:

    `class` or `label`, the name of the picture's class; or `class_index` or `index`, a whole number:
    the output of a network that stands for it. `split` (train, val or test) is kept where it is there;
    `group` is the column that tells which pictures belong together; other columns are ignored. A file is
    looked for relative to the folder; else below it, by its name without folders where that is the only
    such file; else in the one tar that lies in the folder.
    Files that are no pictures, by their endings, are ignored. Raises NetwrightError, naming file and line.
    """
    table = _Table(tree.path / TABLE, group.strip().lower() if group is not None else None)
    rows, indexed = table.rows(tree.read(TABLE))
    places = _Places(tree)
    endings = Image.registered_extensions()
    listed: dict[str, _Row] = {}
    ignored: dict[str, None] = {}  # in the table's order, each once
    for row in rows:
        if posixpath.splitext(row.file)[1].lower() not in ("", *endings):
            ignored[row.file] = None
            continue
        try:
            name = places.find(row.file)
        except NetwrightError as error:
            raise table.wrong(row.line, str(error)) from None
        before = listed.setdefault(name, row)
        if (before.label, before.split, before.group) != (row.label, row.split, row.group):
            raise table.wrong(row.line, f"{row.file!r} is {_told(row)}, but {_told(before)} in line {before.line}")
    if not listed:
        raise NetwrightError(f"{table.path} lists no pictures")
    classes = sorted({row.label for row in listed.values()}, key=int if indexed else str)
    splits = _splits(table, listed, classes)
    return source_of_files(tree.path, places, classes, splits, list(ignored), indexed)


def _told(row: _Row) -> str:
    return f"{row.label!r} for {row.split}" + (f" in group {row.group!r}" if row.group else "")


def _splits(table: _Table, listed: dict[str, _Row], classes: list[str]) -> dict[str, Listing]:
    """Sorted by name: the order of the table's rows means nothing."""
    label_of = {name: label for label, name in enumerate(classes)}
    names: dict[str, list[str]] = {}
    for name in sorted(listed):
        names.setdefault(listed[name].split, []).append(name)
    if len(names) == 1:
        names = {"all": sorted(listed)}
    elif "train" not in names:
        raise NetwrightError(f"{table.path} has {' and '.join(sorted(names))} pictures, but none whose split is train")
    splits = {}
    for split, mine in names.items():
        labels = np.array([label_of[listed[name].label] for name in mine], dtype=np.int64)
        groups = tuple(listed[name].group for name in mine) if table.group is not None else None
        splits[split] = Listing(tuple(mine), labels, groups)
    return splits


@dataclass(frozen=True)
class _Table:
    """A csv file of pictures; `group` is the column to group by."""

    path: Path
    group: str | None = None

    def wrong(self, line: int, problem: str) -> NetwrightError:
        """An error that names the line."""
        return NetwrightError(f"{self.path}, line {line}: {problem}")

    def rows(self, content: bytes) -> tuple[list[_Row], bool]:
        """The rows, and whether their labels are indices."""
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise self.wrong(content[: error.start].count(b"\n") + 1, "this is no UTF-8 text: save the table as UTF-8") from None
        reader = csv.reader(io.StringIO(text, newline=""), strict=True)
        try:
            header = [cell.strip().lower() for cell in next(reader, [])]
            label = self._label(header)
            lines = ((reader.line_num, [cell.strip() for cell in cells]) for cells in reader)
            rows = [self._row(line, cells, header, label) for line, cells in lines if any(cells)]
        except csv.Error as error:
            raise self.wrong(reader.line_num, f"this is no csv ({error})") from None
        return rows, label in INDICES

    def _label(self, header: list[str]) -> str:
        """The column that gives the classes."""
        if not any(header):
            raise NetwrightError(f"{self.path} is empty: expected a header row with the columns file and class")
        label = next((name for name in (*NAMES, *INDICES) if name in header), "")
        if "file" not in header or not label:
            expected = f"file and one of {', '.join((*NAMES, *INDICES))}"
            found = ", ".join(header)[:200]
            raise self.wrong(1, f"expected a header row with the columns {expected}, separated by commas, found {found!r}")
        if self.group is not None and self.group not in header:
            raise NetwrightError(f"{self.path} has no column {self.group!r}{did_you_mean(self.group, header)}")
        return label

    def _row(self, line: int, cells: list[str], header: list[str], label: str) -> _Row:
        if len(cells) != len(header):
            raise self.wrong(line, f"expected {len(header)} columns as in the header, found {len(cells)}")
        values = dict(zip(header, cells, strict=True))
        for name in ("file", label, *([self.group] if self.group is not None else [])):
            if not values[name]:
                raise self.wrong(line, f"the column {name} is empty")
        value, split = values[label], values.get("split", "train").lower()
        if label in INDICES:
            if not re.fullmatch("[0-9]{1,9}", value):
                raise self.wrong(line, f"{label} is {value[:40]!r}, expected a whole number from 0")
            value = str(int(value))
        if split not in SPLITS:
            raise self.wrong(line, f"split is {split!r}, expected train, val or test")
        group = values[self.group] if self.group is not None else ""
        return _Row(line, values["file"], value, SPLITS[split], group)


class _Places:
    """Finds the files of a table: in its tree, else in the one tar that lies there."""

    def __init__(self, tree: Tree) -> None:
        self._own = _Place(tree, "")
        self._tars = tree.tars() if isinstance(tree, Folder) else []
        self._tar: _Place | None = None  # opened when a file is not found without it

    def find(self, file: str) -> str:
        """The name of a file, for `file`; a file of the tar is called `that.tar/name`."""
        name = posixpath.normpath(file.replace("\\", "/"))
        found = self._own.find(name)
        if not found and len(self._tars) == 1:
            self._tar = self._tar or _Place(Tar(self._own.tree.path / self._tars[0]), f"{self._tars[0]}/")
            found = self._tar.find(name)
        if len(found) > 1:
            raise NetwrightError(f"{file!r} can be {found[0]} or {found[1]}: write its folder, too")
        if not found:
            where = f"below {self._own.tree.path}" + (f" or in {self._tars[0]}" if self._tar else "")
            raise NetwrightError(f"there is no file {file!r} {where}")
        return found[0]

    def file(self, name: str) -> Path | BinaryIO:
        """A found file as `read_picture` takes it."""
        place = self._of(name)
        return place.tree.file(name.removeprefix(place.prefix))

    def place(self, name: str) -> tuple[str, int]:
        """Where a found file lies on disk."""
        place = self._of(name)
        return place.tree.place(name.removeprefix(place.prefix))

    def _of(self, name: str) -> _Place:
        return self._tar if self._tar and name.startswith(self._tar.prefix) else self._own


class _Place:
    """A tree whose files are known by their full and by their base names."""

    def __init__(self, tree: Tree, prefix: str) -> None:
        self.tree, self.prefix = tree, prefix
        self._names = set(tree.files())
        self._by_base = defaultdict(list)
        for name in sorted(self._names):
            self._by_base[posixpath.basename(name)].append(name)

    def find(self, file: str) -> list[str]:
        """The files that may be meant: one, none, or several of the same base name."""
        whole = [name for name in (file, file.removeprefix(self.tree.top)) if name in self._names][:1]
        return [self.prefix + name for name in whole or self._by_base.get(posixpath.basename(file), [])]
