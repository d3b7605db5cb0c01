"""Receptive fields: published ones, and what a gradient reaches in networks drawn at random."""

from __future__ import annotations

from typing import Literal

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import netwright as nw
from netwright.costing.fields import Field, fields, kernel_of, spans
from netwright.graph import Design, FeatureMap, Graph
from netwright.graph.layers import AdaptivePool, Multiply


def before_the_pool(graph: Graph) -> Field:
    """The field of the map that the (global) adaptive pooling of the head reads."""
    flat = graph.flat()
    pool = max(i for i, row in enumerate(flat.rows) if isinstance(row.layer, AdaptivePool) and ".se." not in row.name)
    return fields(flat)[flat.rows[pool].inputs[0]]


# Araujo, Norris and Sim, "Computing Receptive Fields of Convolutional Neural Networks", distill.pub 2019, Table 1
PUBLISHED = {
    "alexnet": 195,
    "vgg16": 212,
    "mobilenetv1_100": 315,
    "inception_v3": 1311,
    "inception_v4": 2071,
    "inception_resnet_v2": 3039,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_fields(name: str) -> None:
    assert before_the_pool(nw.trace(nw.network(name))) == Field((PUBLISHED[name],) * 2, (32, 32))


class SlimStage(Design):
    """Bottlenecks as TensorFlow-Slim has them: the last one of a stage strides, not the first as in torchvision."""

    depth: int
    width: int
    stride: int

    def __call__(self, x: FeatureMap) -> FeatureMap:
        for i in range(self.depth):
            stride = self.stride if i == self.depth - 1 else 1
            y = x.conv(f"{i}.a", self.width, 1).conv(f"{i}.b", self.width, 3, stride).conv(f"{i}.c", 4 * self.width, 1)
            x = x.conv(f"{i}.shortcut", 4 * self.width, 1, stride, padding=0) + y
        return x


class SlimResNet(Design):
    depths: tuple[int, ...]

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("conv1", 8, 7, 2).max_pool(3, 2, padding=1)
        for i, depth in enumerate(self.depths):
            x = x.block(f"stage{i}", SlimStage(depth, 4, 2 if i < 3 else 1))
        return x.adaptive_pool(1)


@pytest.mark.parametrize(
    ("name", "depths", "published"),
    [("resnet50", (3, 4, 6, 3), 483), ("resnet101", (3, 4, 23, 3), 1027), ("resnet152", (3, 8, 36, 3), 1507)],
)
def test_published_fields_of_resnets_and_why_ours_are_smaller(name: str, depths: tuple[int, ...], published: int) -> None:
    """The published ones stride at the end of a stage. At its beginning, as torchvision has it, three units see
    neighbours twice as near while three others do so at the new jump: 2 x (4 - 8), 2 x (8 - 16), 2 x (16 - 32) in all."""
    assert before_the_pool(nw.trace(SlimResNet(depths))).size == (published, published)
    assert before_the_pool(nw.trace(nw.network(name))).size[0] == published - 2 * (4 + 8 + 16)


class InceptionV2(Design):
    """The longest path of Inception v2 (Ioffe and Szegedy 2015, Figure 5), the other branches beside it."""

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("conv1", 4, 7, 2).max_pool(3, 2, padding=1).conv("conv2", 4, 1).conv("conv3", 4, 3).max_pool(3, 2, padding=1)
        names = ("3a", "3b", "3c", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
        for name, stride in zip(names, (1, 1, 2, 1, 1, 1, 1, 2, 1, 1), strict=True):
            x = x.block(name, inception, stride)
        return x.adaptive_pool(1)


def inception(x: FeatureMap, stride: int) -> FeatureMap:
    double = x.conv("a", 4, 1).conv("b", 4, 3).conv("c", 4, 3, stride)
    return nw.concat(x.conv("d", 4, 1).conv("e", 4, 3, stride), double, x.max_pool(3, stride, padding=1))


def test_the_published_field_of_inception_v2() -> None:
    assert before_the_pool(nw.trace(InceptionV2())).size == (699, 699)


# ---------------------------------------------------------------- the gradient of one output


class Step(Design):
    """A layer of a random network. Its 'two' are branches whose windows have different centres."""

    kind: Literal["conv", "pool", "same", "subsample", "add", "multiply", "concat"]
    kernel: tuple[int, int]
    stride: tuple[int, int]
    padding: tuple[int, int]

    def __call__(self, x: FeatureMap) -> FeatureMap:
        if self.kind == "conv":
            return x.conv("conv", 2, self.kernel, self.stride, padding=self.padding).relu()
        if self.kind == "pool":
            padding = (min(self.padding[0], self.kernel[0] // 2), min(self.padding[1], self.kernel[1] // 2))
            return x.avg_pool(self.kernel, self.stride, padding=padding, ceil=True)
        if self.kind == "same":
            return x.conv("conv", 2, self.kernel, self.stride, padding="same", bias=True).shuffle(2)
        if self.kind == "subsample":
            return x.subsample(x.channels, self.stride[0])
        wide = x.conv("wide", 2, self.kernel, self.stride, padding="same")
        narrow = x.conv("narrow", 2, 1, self.stride, padding=0)
        if self.kind == "concat":
            return nw.concat(narrow, wide)
        return wide + narrow if self.kind == "add" else narrow * wide


class Steps(Design):
    steps: tuple[Step, ...]

    def __call__(self, x: FeatureMap) -> FeatureMap:
        for i, step in enumerate(self.steps):
            x = x.block(f"step{i}", step)
        return x


def pairs(least: int, most: int) -> st.SearchStrategy[tuple[int, int]]:
    return st.tuples(st.integers(least, most), st.integers(least, most))


KINDS = st.sampled_from(["conv", "pool", "same", "subsample", "add", "multiply", "concat"])
STEPS = st.lists(st.builds(Step, KINDS, pairs(1, 4), pairs(1, 2), pairs(0, 2)), min_size=1, max_size=4).map(tuple).map(Steps)


def reach(design: Design, side: int, at: tuple[int, int]) -> list[tuple[int, int]]:
    """The first pixel and the one after the last, along height and width, on which the output `at` depends."""
    model = nw.build(design, image=side, channels=2, seed=0).double()
    for parameter in model.parameters():
        torch.nn.init.constant_(parameter, 0.5)  # positive: no two paths cancel
    image = torch.ones(1, 2, side, side, dtype=torch.float64, requires_grad=True)
    model(image)[0, :, at[0], at[1]].sum().backward()
    assert image.grad is not None
    seen = image.grad[0].sum(0) != 0
    places = [seen.any(1 - axis).nonzero()[:, 0] for axis in (0, 1)]
    return [(int(found[0]), int(found[-1]) + 1) for found in places]


@settings(deadline=None, max_examples=60)
@given(STEPS)
def test_a_gradient_reaches_exactly_the_field(design: Design) -> None:
    side = 160  # fields here are at most 1 + 3 x (1 + 2 + 4 + 8) = 46 px wide
    graph = nw.trace(design, side, 2)
    height, width = spans(graph.flat())[-1]
    at = graph.shape[1] // 2, graph.shape[2] // 2
    found = reach(design, side, at)
    for (first, after), span, place in zip(found, (height, width), at, strict=True):
        assert (first, after) == (span.start + place * span.jump, span.start + place * span.jump + span.size)


class Pooled(Design):
    """Cells of a pooling that does not divide the map, then what follows."""

    cells: int
    flat: bool = False

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("conv", 2, 3, padding=0).adaptive_pool(self.cells)
        return x.flatten() if self.flat else x.conv("after", 2, 1)


@pytest.mark.parametrize(("side", "cells"), [(15, 6), (14, 4), (16, 7), (9, 7), (5, 7), (12, 1)])
def test_cells_of_an_adaptive_pooling(side: int, cells: int) -> None:
    """The largest cell's field, and nobody sees more than the whole map."""
    (size, _), jump = fields(nw.trace(Pooled(cells), side, 2).flat())[-1]
    seen = [reach(Pooled(cells), side, (i, i))[0] for i in range(cells)]
    assert max(after - first for first, after in seen) == size
    assert jump is not None
    assert jump[0] == (side - 2) / cells
    assert fields(nw.trace(Pooled(cells, flat=True), side, 2).flat())[-1] == Field((side, side), None)


def test_height_and_width_have_fields_of_their_own() -> None:
    flat = nw.trace(nw.network("inception_v3")).flat()
    seen = {row.name: field.size for row, field in zip(flat.rows, fields(flat), strict=True)}
    before = seen["Mixed_6b.branch7x7_1.conv"]
    wide = seen["Mixed_6b.branch7x7_2.conv"]
    assert (wide[0] - before[0], wide[1] - before[1]) == (0, 6 * 16)


@pytest.mark.parametrize("name", ["efficientnet_b0", "seresnet50", "regnety_004", "parnet_s"])
def test_a_gated_map_keeps_its_own_field(name: str) -> None:
    flat = nw.trace(nw.network(name)).flat()
    found = fields(flat)
    gated = [(i, row) for i, row in enumerate(flat.rows) if isinstance(row.layer, Multiply)]
    assert gated
    for i, row in gated:
        assert found[i] == found[row.inputs[0]]
        assert found[row.inputs[1]].size > found[i].size  # the gate has seen the whole map


@pytest.mark.parametrize("name", nw.networks())
def test_fields_never_shrink_but_behind_gates(name: str) -> None:
    flat = nw.trace(nw.network(name)).flat()
    found = fields(flat)
    for row, field in zip(flat.rows, found, strict=True):
        for i in row.inputs[:1]:
            assert all(mine >= before for mine, before in zip(field.size, found[i].size, strict=True)), row.name
        assert (field.jump is None) == (len(row.shape) == 1)


def test_the_effective_kernel_of_stacked_convolutions() -> None:
    """The notes: two 3x3 see as much as a 5x5, three as a 7x7 (Simonyan and Zisserman 2014, Section 2.3)."""
    flat = nw.trace(nw.network("vgg16")).flat()
    place = {row.name: i for i, row in enumerate(flat.rows)}
    assert kernel_of(flat, range(place["features.0"], place["features.2"] + 1)) == Field((5, 5), (1, 1))
    assert kernel_of(flat, range(place["features.10"], place["features.14"] + 1)) == Field((7, 7), (1, 1))
    assert kernel_of(flat, range(place["features.10"], place["features.16"] + 1)) == Field((8, 8), (2, 2))
