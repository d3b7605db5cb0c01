"""Class folders: one folder of pictures per class, with or without train/val/test around them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePosixPath

import numpy as np
from PIL import Image

from netwright.data.contents import source_of_files
from netwright.data.sources import SPLITS, Listing, Source
from netwright.data.trees import Folder, Tree
from netwright.errors import NetwrightError

EXPECTED = "expected one folder of pictures per class, or a labels.csv"


@dataclass
class _Found:
    classes: list[str]
    ignored: list[str] = field(default_factory=list)
    splits: dict[str, Listing] = field(default_factory=dict)


def open_folders(tree: Tree) -> Source:
    """The pictures below class folders; files that are no pictures, by their endings, are ignored."""
    inner = {name.lower(): name for name in tree.folders()}
    if "train" in inner and (len(inner.keys() & SPLITS.keys()) > 1 or tree.folders(inner["train"])):
        found = _Found(tree.folders(inner["train"]))
        folders = [(SPLITS[name], folder) for name, folder in inner.items() if name in SPLITS]
        if len(folders) == 1:
            folders = [("all", inner["train"])]
    else:
        found = _Found(tree.folders())
        folders = [("all", "")]
    if not found.classes:
        tars = tree.tars() if isinstance(tree, Folder) else []
        hint = f"; did you mean {tree.path / tars[0]}?" if tars else ""
        raise NetwrightError(f"{tree.path} has no class folders: {EXPECTED}{hint}")
    for split, folder in folders:
        if split in found.splits:
            raise NetwrightError(f"{tree.path} has two folders for {split} pictures: keep one")
        found.splits[split] = _list(tree, folder, found)
        if not len(found.splits[split]):
            raise NetwrightError(f"{tree.path / folder} has no pictures in its folders: {EXPECTED}")
    return source_of_files(tree.path, tree, found.classes, found.splits, found.ignored)


def _list(tree: Tree, folder: str, found: _Found) -> Listing:
    """The pictures below a folder of class folders; names are relative to the root, so that it may be moved."""
    names: list[str] = []
    labels: list[int] = []
    endings = Image.registered_extensions()
    for class_folder in tree.folders(folder):
        under = f"{folder}/{class_folder}" if folder else class_folder
        if class_folder not in found.classes:
            raise NetwrightError(f"{tree.path / under} is a class that the training pictures do not have")
        for name in tree.files(under):
            if PurePosixPath(name).suffix.lower() in endings:
                names.append(name)
                labels.append(found.classes.index(class_folder))
            else:
                found.ignored.append(name)
    return Listing(tuple(names), np.array(labels, dtype=np.int64))
