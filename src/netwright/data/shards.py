"""Tars as webdataset writes them: `key.jpg` beside `key.cls` (or .json, .txt); one tar or a folder of shards."""

from __future__ import annotations

import json
import posixpath
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from netwright.data.arrays import CLASSES, class_names
from netwright.data.contents import source_of_files
from netwright.data.sources import SPLITS, Listing, Source
from netwright.data.trees import ENDINGS, Folder, Tar, Tree
from netwright.errors import NetwrightError

LABELS = ("cls", "json", "txt")  # members that tell the class, the first one there
FIELDS = ("cls", "label", "class", "class_name", "class_index", "target")  # of a .json


def is_shard(tree: Tree) -> bool:
    """Whether a tar holds labelled pictures as webdataset writes them, not class folders with notes beside the pictures."""
    samples = _samples(tree)
    found = {label for members in samples.values() if _picture(members) for label in LABELS if label in members}
    return "cls" in found or (bool(found) and not tree.folders())


def open_shards(path: Path, group: str | None = None, tar: Tar | None = None) -> Source | None:
    """The pictures of a tar, or of the tars in a folder and in its folders `train`, `val` and `test`; None for others.

    A tar's split is told by a word in its name (`train-0000.tar`) or by its folder. Members of one key, which is the name
    up to the first dot, belong together: a picture, and its class in `.cls` or `.txt` or in a field of `.json` (`cls`,
    `label`, `class`, ...), as a name or as a whole number: the output of a network that stands for it, or the line of
    `classes.txt` that names it. `group` is a field of `.json`. `tar` is what is opened already.
    Raises NetwrightError, which names tar and key.
    """
    root = Folder(path) if path.is_dir() else None
    names = _tars(root) if root is not None else [path.name]
    if not names or not is_shard(first := tar or Tar(_at(path, names[0]))):
        return None
    shards = _Shards(path, {name: first if name == names[0] else Tar(_at(path, name)) for name in names})
    splits = _split_of(path, names)
    listed: dict[str, list[_Sample]] = {}
    ignored: list[str] = []
    for name in names:
        samples, left = shards.read(name, group)
        listed.setdefault(splits[name], []).extend(samples)
        ignored += left
    return _source(shards, listed, ignored, group)


@dataclass(frozen=True)
class _Sample:
    name: str
    label: str
    group: str


def _source(shards: _Shards, listed: dict[str, list[_Sample]], ignored: list[str], group: str | None) -> Source:
    if len(listed) == 1:
        listed = {"all": next(iter(listed.values()))}
    elif "train" not in listed:
        raise NetwrightError(f"{shards.path} has {' and '.join(sorted(listed))} tars, but none whose name says train")
    known = sorted({sample.label for samples in listed.values() for sample in samples})
    numbers = all(re.fullmatch("[0-9]{1,9}", label) for label in known)
    classes = sorted(known, key=int) if numbers else known
    names = shards.class_names() if numbers else None
    if names is not None:
        unknown = [label for label in classes if int(label) >= len(names)]
        if unknown:
            raise NetwrightError(f"{shards.path} has a class {unknown[0]}, but only {len(names)} are named")
        classes = [str(i) for i in range(len(names))]
    place = {label: i for i, label in enumerate(classes)}
    splits = {}
    for split, samples in listed.items():
        labels = np.array([place[str(int(sample.label)) if numbers else sample.label] for sample in samples], np.int64)
        groups = tuple(sample.group for sample in samples) if group is not None else None
        splits[split] = Listing(tuple(sample.name for sample in samples), labels, groups)
    return source_of_files(shards.path, shards, names or classes, splits, ignored, numbers and names is None)


@dataclass
class _Shards:
    """Tars by their names; a picture is called `that.tar/member`, or `member` where there is one tar only."""

    path: Path
    tars: dict[str, Tar]
    _one: Tar | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self._one = None if self.path.is_dir() else next(iter(self.tars.values()))

    def file(self, name: str) -> BinaryIO:
        """A member as `read_picture` takes it."""
        tar, member = self._find(name)
        return tar.file(member)

    def place(self, name: str) -> tuple[str, int]:
        """Where a member lies on disk."""
        tar, member = self._find(name)
        return tar.place(member)

    def _find(self, name: str) -> tuple[Tar, str]:
        if self._one is not None:
            return self._one, name
        start = min(at + len(ending) for ending in ENDINGS if (at := name.lower().find(f"{ending}/")) >= 0)
        return self.tars[name[:start]], name[start + 1 :]

    def class_names(self) -> list[str] | None:
        """What `classes.txt` beside or in a tar says."""
        trees: list[Tree] = [Folder(self.path if self._one is None else self.path.parent), *self.tars.values()]
        for tree in trees:
            for name in CLASSES:
                if tree.has(name):
                    return class_names(tree.read(name), tree.path / name)
        return None

    def read(self, name: str, group: str | None) -> tuple[list[_Sample], list[str]]:
        """The samples of a tar, and the members that belong to no picture."""
        tar, prefix = self.tars[name], "" if self._one is not None else f"{name}/"
        found, ignored = [], []
        for key, members in _samples(tar).items():
            picture = _picture(members)
            if picture is None:
                ignored += [prefix + member for member in members.values() if member not in CLASSES]
                continue
            label = next((what for what in LABELS if what in members), None)
            if label is None:
                raise NetwrightError(f"{tar.path}: {key} has no class: expected {key}.cls, .json or .txt beside the picture")
            about = _json(tar, members) if "json" in members and (label == "json" or group is not None) else {}
            text = _label(tar, members["json"], about) if label == "json" else _text(tar, members[label])
            if group is not None and group not in about:
                raise NetwrightError(f"{tar.path}: {key} has no .json with a field {group!r} to group by")
            found.append(_Sample(prefix + picture, text, str(about[group]) if group is not None else ""))
        return found, ignored


def _samples(tree: Tree) -> dict[str, dict[str, str]]:
    """Key -> ending -> member, in the order of the keys."""
    samples: dict[str, dict[str, str]] = {}
    for name in tree.files():
        folder, base = posixpath.split(name)
        stem, _, ending = base.partition(".")
        samples.setdefault(posixpath.join(folder, stem), {})[ending.lower()] = name
    return samples


def _picture(members: dict[str, str]) -> str | None:
    endings = Image.registered_extensions()
    return next((name for ending, name in members.items() if f".{ending.rpartition('.')[2]}" in endings), None)


def _text(tar: Tar, member: str) -> str:
    text = tar.read(member).decode("utf-8", errors="replace").strip()
    if not text or "\n" in text:
        raise NetwrightError(f"{tar.path}: {member} is expected to hold a class, a number or a name on one line")
    return text


def _json(tar: Tar, members: dict[str, str]) -> dict[str, Any]:
    try:
        about = json.loads(tar.read(members["json"]))
    except (ValueError, RecursionError) as error:
        raise NetwrightError(f"{tar.path}: {members['json']} is not JSON: {error}") from None
    return about if isinstance(about, dict) else {"cls": about}


def _label(tar: Tar, member: str, about: dict[str, Any]) -> str:
    for name in FIELDS:
        if isinstance(about.get(name), (int, str)) and str(about[name]).strip():
            return str(about[name]).strip()
    raise NetwrightError(f"{tar.path}: {member} tells no class: expected one of the fields {', '.join(FIELDS)}")


def _tars(root: Folder) -> list[str]:
    inner = [folder for folder in root.folders() if folder.lower() in SPLITS]
    return root.tars() + [f"{folder}/{name}" for folder in inner for name in Folder(root.path / folder).tars()]


def _at(path: Path, name: str) -> Path:
    return path / name if path.is_dir() else path


def _split_of(path: Path, names: list[str]) -> dict[str, str]:
    """The split that each tar's name says; all of them `all` where none says one."""
    found = {}
    for name in names:
        words = [word for word in re.split(r"[^a-z]+", name.lower()) if word in SPLITS]
        found[name] = SPLITS[words[-1]] if words else "all"
    silent = [name for name, split in found.items() if split == "all"]
    if silent and len(silent) < len(names):
        raise NetwrightError(f"{path / silent[0]} has neither train, val nor test in its name, other tars there have")
    return found
