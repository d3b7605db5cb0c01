"""The flat graph against the module that is built: order, shapes, what is read, what works in place."""

from __future__ import annotations

import pytest
import torch

import netwright as nw
from netwright.graph import Design, FeatureMap, concat
from netwright.graph import layers as L


@pytest.mark.parametrize("name", nw.networks())
def test_every_row_reads_what_its_layer_takes(name: str) -> None:
    rows, outputs = nw.trace(nw.network(name)).flat()
    for i, row in enumerate(rows):
        shapes = [rows[j].shape for j in row.inputs]
        assert all(j < i for j in row.inputs)
        if isinstance(row.layer, L.Input):
            assert (i, shapes) == (0, [])
        elif isinstance(row.layer, L.Concat):
            assert row.shape == (sum(shape[0] for shape in shapes), *shapes[0][1:])
        else:
            assert row.layer.out(shapes[0]) == row.shape
            assert len(shapes) == (2 if isinstance(row.layer, (L.Add, L.Multiply)) else 1)
    assert {j for row in rows for j in row.inputs} | set(outputs) == set(range(len(rows)))  # nothing is unread


class Crossing(Design):
    """Two blocks of two maps each, the second with its maps swapped, and a section around a block."""

    def __call__(self, x: FeatureMap) -> FeatureMap:
        a, b = x.block("first", fork)
        a, b = b.block("second", swap, maps=(a,))
        return concat(a, b).section("tail", tail)


def fork(x: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
    y = x.conv("conv", 4, 3).norm("bn").relu()
    return y.conv("left", 6, 1), y.max_pool(3, 2, padding=1)


def swap(x: FeatureMap, y: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
    return y.avg_pool(2, 2), x.relu()


def tail(x: FeatureMap) -> FeatureMap:
    return x.block("inner", inner).global_pool()


def inner(x: FeatureMap) -> FeatureMap:
    return (x + x.conv("conv", x.channels, 1)).relu()


def test_blocks_with_several_maps_by_hand() -> None:
    rows, outputs = nw.trace(Crossing(), 8).flat()
    told = [(row.name, row.block, row.inputs, row.inplace) for row in rows]
    assert told == [
        ("input", "", (), False),
        ("first.conv", "first", (0,), False),
        ("first.bn", "first", (1,), False),
        ("first.relu", "first", (2,), True),
        ("first.left", "first", (3,), False),
        ("first.max_pool", "first", (3,), False),
        ("second.avg_pool", "second", (4,), False),
        ("second.relu", "second", (5,), False),  # what it reads comes from outside of its block
        ("concat", "concat", (6, 7), False),
        ("inner.conv", "inner", (8,), False),
        ("inner.add", "inner", (8, 9), False),
        ("inner.relu", "inner", (10,), True),
        ("tail_adaptive_pool", "tail", (11,), False),
        ("tail_flatten", "tail", (12,), False),
    ]
    assert outputs == (13,)


def test_the_order_is_that_of_execution() -> None:
    model = nw.build(Crossing(), 8, seed=0).eval()
    called: list[str] = []
    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: called.append(name))
    model(torch.zeros(1, 3, 8, 8))
    assert called == [row.name for row in nw.trace(Crossing(), 8).rows() if row.layer.kind not in ("add", "concat")]
