"""The lecture's estimate of memory: activations twice, parameters three or four times, at batch 128 in fp32.

Its tables have a row for the image (73.5 MB at batch 128), for each convolution, linear layer and pooling, and for each
Inception module as a whole; MB are 2^20 bytes. docs/memory.md says where the estimate errs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from netwright.costing.memory import FULL, check_batch
from netwright.costing.states import state_copies
from netwright.graph import Flat, Graph, Row
from netwright.graph import layers as L


@dataclass(frozen=True)
class Lecture:
    """The lecture's two columns for a batch in fp32, in bytes: `activations` of each row, and all `parameters`."""

    batch: int
    optimizer: str
    activations: tuple[int, ...]
    parameters: int


def lecture_memory(graph: Graph, batch: int = 128, optimizer: str = "adam") -> Lecture:
    """The lecture's estimate: activations, and 2 + optimizer state copies of the parameters (momentum 3, Adam 4).

    >>> from netwright.graph import trace
    >>> from netwright.zoo import network
    >>> sum(lecture_memory(trace(network("vgg16"))).activations) / 2**30 > 14
    True
    """
    return Lecture(batch, optimizer, lecture_bytes(graph.flat(), batch), (2 + state_copies(optimizer)) * graph.params * FULL)


def lecture_bytes(flat: Flat, batch: int = 128) -> tuple[int, ...]:
    """The lecture's bytes of activations of each row, in fp32.

    The image counts once; what a layer of the tables puts out twice, as values and as their gradients. Such a layer
    is a convolution, a linear layer or a pooling; a block that ends in a concatenation (an Inception module) is one
    layer, and what its branches put out is not counted by itself. A pooling that leaves the map's size as it is (it
    stands there for images of other sizes) is none.
    """
    check_batch(batch)
    ends = {prefix: i for i, row in enumerate(flat.rows) for prefix in _around(row.name)}
    modules = {prefix: i for prefix, i in ends.items() if isinstance(flat.rows[i].layer, L.Concat)}
    result = []
    for i, row in enumerate(flat.rows):
        ending = [prefix for prefix in _around(row.name) if prefix in modules]
        if isinstance(row.layer, L.Input):
            copies = 1
        elif ending:
            copies = 2 if all(modules[prefix] == i for prefix in ending) else 0
        else:
            copies = 2 if _is_in_the_tables(row, flat.rows[row.inputs[0]].shape) else 0
        result.append(copies * batch * math.prod(row.shape) * FULL)
    return tuple(result)


def _around(name: str) -> list[str]:
    """The blocks around a row, the outermost first: a.b.c is in a and a.b."""
    parts = name.split(".")
    return [".".join(parts[:i]) for i in range(1, len(parts))]


def _is_in_the_tables(row: Row, given: L.Shape) -> bool:
    if isinstance(row.layer, L.AdaptivePool):
        return row.shape != given
    return isinstance(row.layer, (L.Conv, L.Linear, L.Pool))
