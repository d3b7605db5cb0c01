"""What each layer keeps for its backward pass, storage by storage, in words and with the arithmetic of its bytes."""

from __future__ import annotations

import math
from typing import NamedTuple

from netwright.costing.memory import FULL, NEW, RULES, Kept, number_bytes, uses
from netwright.graph import Flat, Row, Shape
from netwright.graph.layers import Activation, Conv, Dropout, Linear, LocalNorm, Norm, Pool, Scale


class Storage(NamedTuple):
    """A storage that a row keeps; `owner` is the place of the row it is charged to: the first that keeps it.

    `each` and `once` are the arithmetic of its bytes for each image and whatever the batch, '' for none.
    """

    what: str
    owner: int
    each: str
    once: str


def storages(flat: Flat, precision: str) -> tuple[tuple[Storage, ...], ...]:
    """Of each row, what `memory.saved_bytes` sums up."""
    narrow = number_bytes(precision)
    owners: dict[int, int] = {}
    result = []
    for place, (row, reads, out) in enumerate(uses(flat, narrow)):
        found: dict[tuple[int, int], Storage] = {}  # a map that is read twice is kept once
        for i, kept in enumerate(RULES[type(row.layer)](row, reads, out, narrow) if out.learns else ()):
            owner = place if kept.place == NEW else owners.setdefault(kept.place, place)
            shapes = [flat.rows[kept.place].shape] if kept.place != NEW else [row.shape, *[read.shape for read in reads]]
            arithmetic = _each(kept.per_image, shapes), _once(row, kept)
            found.setdefault((kept.place, i if kept.place == NEW else 0), Storage(_what(flat, row, kept), owner, *arithmetic))
        result.append(tuple(found.values()))
    return tuple(result)


def _each(count: int, shapes: list[Shape]) -> str:
    """Bytes for each image as those of a map of one of the shapes, where they are that."""
    for shape in shapes:
        width, rest = divmod(count, math.prod(shape))
        if not rest and width:
            return " x ".join(f"{size:,}" for size in (*shape, width))
    return f"{count:,}" if count else ""


def _once(row: Row, kept: Kept) -> str:
    if isinstance(row.layer, Norm) and kept.once:
        return f"2 x {row.layer.channels:,} x {FULL}"
    return f"{kept.once:,}" if kept.once else ""


def _what(flat: Flat, row: Row, kept: Kept) -> str:
    """A storage in words."""
    layer = row.layer
    if kept.place != NEW:
        return f"the map of {flat.rows[kept.place].name}" if flat.rows[kept.place].inputs else "the image"
    if isinstance(layer, (Conv, Linear)):
        if kept.once:
            return "a bf16 copy of the weights"
        return "a padded copy of the input" if isinstance(layer, Conv) and layer.padding == "same" else "a bf16 copy of the input"
    words: dict[type, str] = {
        Norm: "mean and deviation of each channel (fp32)",
        Activation: "a copy of the input",
        Pool: "where each maximum was (8 bytes)",
        Dropout: "the mask",
        LocalNorm: "its padded squares, the sum and its power (fp32)",
        Scale: "the factors",
    }
    return words[type(layer)]
