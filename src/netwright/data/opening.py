"""From the name of a data set to its source."""

from __future__ import annotations

import os
from pathlib import Path

from netwright.data.cifar import open_cifar
from netwright.data.digits import open_digits
from netwright.data.folders import open_folders
from netwright.data.sources import Source
from netwright.data.tables import TABLE, open_table
from netwright.data.trees import Folder, Tar, Tree, is_tar
from netwright.errors import NetwrightError


def open_source(where: str | os.PathLike[str]) -> Source:
    """The data set of a name (`digits`), of a folder or of a tar.

    A folder (or tar) holds class folders, with or without train/val/test around them; or pictures
    and a `labels.csv` that says their classes (see `open_table`); or CIFAR's binary files.
    Raises NetwrightError, which says what was found instead.
    """
    path = Path(where)
    if str(where) == "digits" and not path.exists():
        return open_digits()
    tree = _tree(path)
    return open_table(tree) if tree.has(TABLE) else open_cifar(tree) or open_folders(tree)


def _tree(path: Path) -> Tree:
    if not path.exists():
        raise NetwrightError(f"there is no folder {path}, and no built-in data set of that name (there is: digits)")
    if path.is_dir():
        return Folder(path)
    if is_tar(path):
        return Tar(path)
    raise NetwrightError(f"{path} is a file: expected a folder or a .tar, with one folder of pictures per class or a {TABLE}")
