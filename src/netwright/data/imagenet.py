"""The 1,000 classes of ImageNet (ILSVRC 2012), in the order of every published network's outputs."""

from __future__ import annotations

import csv
import functools
from importlib import resources


def imagenet_classes() -> tuple[str, ...]:
    """Short English names; torchvision's, but alike ones are told apart ("crane (bird)", "crane (machine)")."""
    return _columns()[1]


def imagenet_wnids() -> tuple[str, ...]:
    """WordNet's numbers ("n01440764"), as the folders of ImageNet's pictures are called; sorted."""
    return _columns()[0]


@functools.cache
def _columns() -> tuple[tuple[str, ...], tuple[str, ...]]:
    text = resources.files("netwright.data").joinpath("imagenet_classes.csv").read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    return tuple(row["wnid"] for row in rows), tuple(row["name"] for row in rows)
