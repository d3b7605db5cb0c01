"""From the name of a data set to its source."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from netwright.data.cifar import open_cifar
from netwright.data.datasets import Dataset, open_dataset
from netwright.data.digits import open_digits
from netwright.data.folders import open_folders
from netwright.data.idx import open_idx
from netwright.data.npz import open_npz
from netwright.data.shards import open_shards
from netwright.data.sources import Source
from netwright.data.tables import TABLE, open_table
from netwright.data.trees import Folder, Tar, is_tar
from netwright.errors import NetwrightError

FORMS = f"a folder or .tar with one folder of pictures per class or a {TABLE}, tars of key.jpg and key.cls, IDX files, or an .npz"


def open_source(where: str | os.PathLike[str] | Dataset | Mapping[str, Dataset], group: str | None = None) -> Source:
    """The data set of a name (`digits`), of a folder, of a file, or a torch Dataset (see `open_dataset`).

    A folder (or tar) holds class folders, with or without train/val/test around them; or pictures and a `labels.csv`
    that says their classes (see `open_table`); or CIFAR's binary files; or IDX files; or tars as webdataset writes them
    (see `open_shards`). A file is a tar, one of IDX files, or an `.npz` (see `open_npz`).

    `group` names the column of `labels.csv`, or the field of the shards' `.json`, whose value pictures that belong
    together share: they never stand in two parts. Raises NetwrightError, which says what was found instead.
    """
    if not isinstance(where, (str, os.PathLike)):
        source = open_dataset(where)
    elif str(where) == "digits" and not Path(where).exists():
        source = open_digits()
    else:
        source = _open_path(Path(where), group)
    if group is not None and any(listing.groups is None for listing in source.splits.values()):
        raise NetwrightError(f"{source.name} has no column {group!r} to group by: groups stand in a {TABLE}, or in shards' .json")
    return source


def _open_path(path: Path, group: str | None) -> Source:
    try:
        if path.is_dir():
            folder = Folder(path)
            if folder.has(TABLE):
                return open_table(folder, group)
            return open_cifar(folder) or open_idx(path) or open_shards(path, group) or open_folders(folder)
        if path.suffix.lower() == ".npz" and path.is_file():
            return open_npz(path)
        if path.is_file() and is_tar(path):
            tar = Tar(path)
            if tar.has(TABLE):
                return open_table(tar, group)
            return open_cifar(tar) or open_shards(path, group, tar) or open_folders(tar)
        found = open_idx(path) if path.is_file() else None
    except OSError as error:
        raise NetwrightError(f"cannot read {error.filename or path}: {error.strerror or error}") from None
    if found is not None:
        return found
    if path.exists():
        raise NetwrightError(f"{path} is a file: expected {FORMS}" if path.is_file() else f"{path} is no file and no folder")
    raise NetwrightError(f"there is no folder {path}, and no built-in data set of that name (there is: digits)")
