"""The cost of torch modules: against the designs of the zoo, torch's own counter of flops and its hooks on real tensors."""

from __future__ import annotations

import copy
import csv
import io
import json
import logging
import math
import random
import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode, flop_registry, register_flop_formula

import netwright as nw
from netwright.costing.fitting import fit
from netwright.costing.memory import memory_of, saved_bytes
from netwright.counting.measure import CostNote, measure
from netwright.counting.module import ModuleCost, cost_module
from netwright.errors import NetwrightError
from netwright.graph import trace

MEMBERS = (
    *("alexnet", "alexnet_2012", "vgg11_bn", "googlenet", "inception_v3", "inception_v4", "inception_resnet_v2", "resnet18"),
    *("resnext50_32x4d", "resnet20_cifar", "seresnet18", "wrn_16_4", "mobilenetv1_025", "mobilenetv2_035", "efficientnet_b0"),
    *("mnasnet_a1", "regnety_002", "repvgg_a0", "parnet_s", "squeezenet1_1"),
)
DEEP = {"inception_v4", "inception_resnet_v2"}  # of three equal parts each: one will do
LOCAL_NORM = {"alexnet_2012", "googlenet", "inception_v1"}


def design_named(name: str) -> nw.Design:
    return nw.network(name, depths=(1, 1, 1)) if name in DEEP else nw.network(name)


def totals(made: Any) -> tuple[int, int, int]:
    return made.params, made.macs, made.acts


# ---------------------------------------------------------------- what netwright builds


@pytest.mark.parametrize("name", MEMBERS)
def test_a_built_network_costs_what_its_design_does(name: str) -> None:
    """Totals, every layer by itself, what autograd keeps (also of one image, which norms may refuse) and live maps."""
    design = design_named(name)
    graph, model = trace(design), nw.build(design, device="meta")
    made = nw.cost(model)
    assert isinstance(made, ModuleCost)
    assert made.image == graph.nodes[0].shape
    assert totals(made) == graph.totals
    rows = {row.name: (str(row.layer), row.shape, *row.counts) for row in graph.rows() if any(row.counts)}
    lines = {x.name: (x.kind, x.shape, x.params, x.macs, x.acts) for x in made.lines if x.params or x.macs or x.acts}
    assert lines == rows
    expected = memory_of(graph)
    assert made.memory.saved == expected.saved == sum(line.saved_bytes for line in made.lines)
    if any("local_norm" in line.kind for line in made.lines):  # torch makes it of several maps of its own
        assert made.memory.maps >= expected.maps
    else:
        assert made.memory == expected
    kept = dict(zip([row.name for row in graph.flat().rows], saved_bytes(graph.flat()), strict=True))
    leaves = [line for line in made.lines if "." not in line.kind and line.params]
    assert {line.name: line.saved_bytes for line in leaves} == {line.name: kept[line.name] for line in leaves}


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "inception_resnet_v2", "squeezenet1_1"])
def test_memory_at_a_batch_in_bf16_is_the_designs(name: str) -> None:
    """Within 1 %: without values, torch says that norms under autocast keep their means in bfloat16."""
    design = design_named(name)
    made = nw.cost(nw.build(design, device="meta"), 128, batch=16, precision="bf16", optimizer="adam")
    expected = memory_of(trace(design, 128), 16, "bf16", "adam")
    assert made.memory.saved == pytest.approx(expected.saved, rel=0.01)
    assert (made.memory.state, made.memory.weights, made.memory.maps) == (expected.state, expected.weights, expected.maps)
    assert (made.memory.batch, made.memory.precision, made.memory.optimizer) == (16, "bf16", "adam")


@pytest.mark.slow
@pytest.mark.parametrize("part", range(10))
def test_every_name_of_the_zoo_counts_as_its_design(part: int) -> None:
    for name in nw.networks()[part::10]:
        design = nw.network(name)
        graph = trace(design)
        steps = measure(nw.build(design, device="meta"), graph.nodes[0].shape, narrow=False).steps
        found = tuple(sum(getattr(step, count) for step in steps) for count in ("params", "macs", "acts"))
        assert found == graph.totals, name


def test_stages_and_blocks_have_the_same_totals() -> None:
    model = nw.build("resnet18", device="meta")
    by_stage, by_block = nw.cost(model, 64, by="stage"), nw.cost(model, 64, by="block")
    for made in (by_stage, by_block):
        for count in ("params", "macs", "acts"):
            assert sum(getattr(line, count) for line in made.lines) == getattr(made, count)
        assert sum(line.saved_bytes for line in made.lines) == made.memory.saved
        assert sum(line.share for line in made.lines) == pytest.approx(1)
    ours = nw.cost(nw.network("resnet18"), 64, by="stage")
    stages = {line.name: (line.params, line.macs, line.saved_bytes) for line in by_stage.lines}
    for line in ours.lines[1:5]:  # what a design says of other layers, that they are the stem, no module knows
        assert stages[line.name] == (line.params, line.macs, line.saved_bytes)
    assert {"layer1.0", "layer1.1", "layer4.1"} <= {line.name for line in by_block.lines}
    assert "layer2.0.downsample" not in {line.name for line in by_block.lines}  # a Sequential is no block


def test_what_is_around_everything_is_no_stage() -> None:
    made = nw.cost(nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.ReLU(), nn.Conv2d(4, 4, 3)))), 16, by="stage")
    assert [line.name for line in made.lines] == ["0.0", "0.1"]


def test_a_network_knows_its_own_image_and_channels() -> None:
    assert nw.cost(nw.build("resnet20_cifar", device="meta")).image == (3, 32, 32)
    assert nw.cost(nw.build("resnet18", channels=1, device="meta")).image == (1, 224, 224)
    assert nw.cost(nw.build("resnet18", channels=1, device="meta"), (64, 96)).image == (1, 64, 96)


# ---------------------------------------------------------------- other people's modules


class Functional(nn.Module):
    """No child; a stem of its own, and a product that belongs to nobody."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(8, 3, 3, 3))
        self.scale = nn.Parameter(torch.ones(8, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.conv2d(x, self.weight, stride=2, padding=1)) * self.scale
        flat = x.flatten(2)
        return (flat @ flat.transpose(1, 2)).mean(1)


class Mixed(nn.Module):
    """Children and functions side by side; one child is called twice, one is used but not called, one is never used."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.shared = nn.Conv2d(8, 8, 1)
        self.head = nn.Linear(8, 5)
        self.spare = nn.Linear(7, 7)
        self.position = nn.Parameter(torch.zeros(1, 8, 1, 1))

    def forward(self, x: Tensor) -> dict[str, Any]:
        x = F.relu(self.stem(x)) + self.position
        x = self.shared(self.shared(x)) + x
        pooled = F.max_pool2d(x, 2).mean((2, 3))
        return {"scores": F.linear(pooled, self.head.weight, self.head.bias), "maps": (x, [pooled])}


class Tokens(nn.Module):
    """A small vision transformer."""

    def __init__(self, dropout: float = 0.0) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 8, 8)
        layer = nn.TransformerEncoderLayer(16, 4, 32, dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.token = nn.Parameter(torch.zeros(1, 1, 16))

    def forward(self, x: Tensor) -> Tensor:
        x = self.patches(x).flatten(2).transpose(1, 2)
        y: Tensor = self.encoder(torch.cat((self.token.expand(len(x), -1, -1), x), 1))
        return y[:, 0]


class Recurrent(nn.Module):
    def __init__(self, kind: Callable[..., nn.RNNBase]) -> None:
        super().__init__()
        self.rows = kind(12, 5, 2, batch_first=True, bidirectional=True)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.rows(x)[0]
        return out


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 3), nn.Sigmoid())

    def forward(self, x: Tensor) -> Any:
        return checkpoint(self.inner, x, use_reentrant=False)


ODD: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(4, 6, 5, 2, dilation=3), nn.BatchNorm1d(6), nn.GELU(), nn.MaxPool1d(2)), (4, 64)),
    "conv3d": (lambda: nn.Sequential(nn.Conv3d(2, 6, (1, 3, 3), groups=2), nn.BatchNorm3d(6), nn.AvgPool3d(2)), (2, 4, 10, 12)),
    "transposed": (lambda: nn.ConvTranspose2d(6, 4, 3, 2, 1, 1, groups=2), (6, 9, 7)),
    "transposed 1d": (lambda: nn.ConvTranspose1d(3, 4, 4, 2), (3, 9)),
    "dilated": (lambda: nn.Sequential(nn.Conv2d(3, 6, 3, dilation=2), nn.Conv2d(6, 6, (1, 5), dilation=(1, 2))), (3, 20, 24)),
    "grouped": (lambda: nn.Sequential(nn.Conv2d(8, 16, 3, groups=4), nn.Conv2d(16, 16, 5, padding=2, groups=16)), (8, 12, 12)),
    "flat": (lambda: nn.Sequential(nn.Linear(10, 20, bias=False), nn.BatchNorm1d(20), nn.ReLU(), nn.Linear(20, 3)), (10,)),
    "bilinear upsampling": (lambda: nn.Sequential(nn.Upsample(scale_factor=2, mode="bilinear"), nn.Conv2d(3, 2, 1)), (3, 6, 6)),
    "other norms": (
        lambda: nn.Sequential(nn.Conv2d(3, 8, 3), nn.GroupNorm(2, 8), nn.InstanceNorm2d(8, affine=True), nn.Hardswish()),
        (3, 9, 9),
    ),
    "nested": (
        lambda: nn.Sequential(nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1)), nn.ReLU(inplace=True)), nn.Flatten()),
        (3, 5, 5),
    ),
    "weight norm": (lambda: nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3)), nn.ReLU()), (3, 8, 8)),
    "functional": (Functional, (3, 16, 16)),
    "mixed": (Mixed, (3, 12, 12)),
    "checkpointed": (Checkpointed, (3, 12, 12)),
    "tokens": (Tokens, (3, 32, 32)),
}


def flops_of(module: nn.Module, shape: tuple[int, ...]) -> int:
    """As torch counts them on real tensors, attention not fused: its counter passes over the fused kernel of a CPU."""
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.enable_grad():
        copy.deepcopy(module).eval()(torch.zeros(1, *shape))
    return int(counter.get_total_flops())


def kept_by(module: nn.Module, shape: tuple[int, ...], image: Callable[..., Tensor] = torch.randn) -> int:
    """Bytes that autograd keeps of a real training pass, each storage once, parameters and buffers left out."""
    module = copy.deepcopy(module).train()
    own = {t.untyped_storage().data_ptr() for t in (*module.parameters(), *module.buffers())}
    found: dict[int, Tensor] = {}

    def pack(tensor: Tensor) -> Tensor:
        address = tensor.untyped_storage().data_ptr()
        if address not in own:
            found[address] = tensor
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda t: t):
        output = module(image(shape))
    del output
    return sum(tensor.untyped_storage().nbytes() for tensor in found.values())


@pytest.mark.parametrize("kind", ODD)
def test_odd_modules_cost_what_torch_says(kind: str) -> None:
    make, shape = ODD[kind]
    module = make()
    made = nw.cost(module, shape[1:], channels=shape[0], batch=3)
    assert made.image == shape
    assert 2 * made.macs == made.flops == flops_of(module, shape)
    assert made.params == sum(p.numel() for p in module.parameters())
    assert made.memory.saved == kept_by(module, (3, *shape))
    assert made.memory.training == 3 * 4 * made.params + made.memory.saved
    names = [line.name for line in made.lines]
    assert len(set(names)) == len(names)
    for count in ("params", "macs", "acts"):
        assert sum(getattr(line, count) for line in made.lines) == getattr(made, count)


@settings(deadline=None, max_examples=60)
@given(
    sides=st.lists(st.integers(7, 12), min_size=1, max_size=3),
    kernel=st.integers(1, 3),
    stride=st.integers(1, 2),
    dilation=st.integers(1, 3),
    groups=st.sampled_from([1, 2, 4]),
    transposed=st.booleans(),
    bias=st.booleans(),
)
def test_any_convolution_costs_what_torch_says(
    sides: list[int], kernel: int, stride: int, dilation: int, groups: int, transposed: bool, bias: bool
) -> None:
    kind = getattr(nn, f"Conv{'Transpose' if transposed else ''}{len(sides)}d")
    module = kind(4, 8, kernel, stride, dilation=dilation, groups=groups, bias=bias)
    image = torch.zeros(1, 4, *sides)
    with FlopCounterMode(display=False) as counter:
        output = module(image)
    made = nw.cost(module, tuple(sides), channels=4)
    (line,) = made.lines
    assert (made.flops, made.acts, line.shape) == (counter.get_total_flops(), output.numel(), tuple(output.shape[1:]))
    assert made.params == sum(p.numel() for p in module.parameters())
    assert made.memory.saved == 4 * image.numel()


@pytest.mark.parametrize(("kind", "gates"), [(nn.LSTM, 4), (nn.GRU, 3), (nn.RNN, 1)])
def test_recurrent_layers_are_counted_by_their_products(kind: Callable[..., nn.RNNBase], gates: int) -> None:
    """A row of 9 steps: in each direction, gates x width times the input and times the state; both layers read all steps."""
    made = nw.cost(Recurrent(kind), (12,), channels=9)
    steps, directions, width = 9, 2, 5
    assert made.macs == sum(steps * directions * gates * width * (given + width) for given in (12, directions * width))
    assert [(line.name, line.kind) for line in made.lines] == [("rows", kind.__name__)]
    assert made.lines[0].shape == (9, 10)


def test_attention_counts_the_same_fused_or_not() -> None:
    """In queries x keys x width for the scores and as much for their sums; its acts are the scores and the sums."""
    with sdpa_kernel(SDPBackend.MATH):
        plain = nw.cost(Tokens(), 32)
    fused = nw.cost(Tokens(), 32)
    assert (plain.macs, plain.acts) == (fused.macs, fused.acts)
    tokens, width, heads = 17, 16, 4
    (attention,) = [line for line in fused.lines if line.name == "encoder.layers.0.self_attn.attention"]
    assert attention.macs == 2 * tokens * tokens * width
    assert attention.acts == heads * tokens * tokens + tokens * width
    assert [line.kind for line in fused.lines if line.name == "encoder.layers.1.self_attn.out_proj"] == ["linear"]


def test_a_module_attends_in_evaluation_mode_too() -> None:
    """Where torch would take a fast path that is one single operation."""
    module = Tokens().eval().requires_grad_(False)
    assert nw.cost(module, 32).macs == nw.cost(Tokens(), 32).macs
    assert torch.backends.mha.get_fastpath_enabled()


def test_rows_are_calls_and_functions_under_their_modules_names() -> None:
    lines = {line.name: line for line in nw.cost(Mixed(), 12).lines}
    assert [(name, line.kind) for name, line in lines.items()] == [
        ("stem", "conv 3x3"),
        ("relu", "relu"),
        ("add", "add"),
        ("shared", "conv 1x1"),
        ("shared (call 2)", "conv 1x1"),
        ("add_1", "add"),
        ("max_pool", "max_pool 2x2/2"),
        ("mean", "mean"),
        ("head", "linear"),
        ("spare", "Linear, not run"),
    ]
    assert lines["add"].params == 8
    assert (lines["shared"].params, lines["shared (call 2)"].params) == (72, 0)
    assert lines["shared"].macs == lines["shared (call 2)"].macs == 64 * 144
    assert (lines["head"].params, lines["head"].macs, lines["head"].shape) == (45, 40, (5,))
    assert (lines["spare"].params, lines["spare"].macs, lines["spare"].saved_bytes) == (56, 0, 0)
    assert {(line.field, line.kernel, line.milliseconds) for line in lines.values()} == {(None, None, None)}


@pytest.mark.parametrize(
    ("module", "kind"),
    [
        (nn.Conv2d(4, 4, 3, 2, groups=4), "conv 3x3/2 g4"),
        (nn.Conv2d(4, 4, (1, 7), dilation=2), "conv 1x7 d2"),
        (nn.ConvTranspose2d(4, 4, 2, 2), "conv_transposed 2x2/2"),
        (nn.ReLU6(), "relu6"),
        (nn.SiLU(inplace=True), "silu"),
        (nn.Hardtanh(), "hardtanh"),
        (nn.MaxPool2d(3, 2), "max_pool 3x3/2"),
        (nn.AvgPool2d(2), "avg_pool 2x2/2"),
        (nn.AdaptiveAvgPool2d(1), "adaptive_pool 1x1"),
        (nn.AdaptiveAvgPool2d((2, 3)), "adaptive_pool 2x3"),
        (nn.BatchNorm2d(4), "norm"),
        (nn.GroupNorm(2, 4), "group_norm"),
        (nn.LocalResponseNorm(2), "local_norm"),
        (nn.Dropout2d(0.25), "dropout 0.25"),
        (nn.Flatten(), "flatten"),
        (nn.Softmax(1), "softmax"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_kinds_are_named_as_in_designs(module: nn.Module, kind: str) -> None:
    (line,) = nw.cost(module, 16, channels=4).lines
    assert line.kind == kind


def test_parameters_that_modules_share_count_once() -> None:
    first, second = nn.Linear(6, 6), nn.Linear(6, 6)
    second.weight = first.weight
    made = nw.cost(nn.Sequential(first, second), (), channels=6)
    assert (made.params, made.macs) == (36 + 6 + 6, 72)


def test_frozen_parameters_have_no_gradient_and_keep_less() -> None:
    """A frozen stem keeps nothing: no gradient flows through it."""
    stem, head = nn.Conv2d(3, 8, 3), nn.Conv2d(8, 2, 1)
    stem.requires_grad_(False)
    made = nw.cost(nn.Sequential(stem, nn.ReLU(), head), 10, batch=4, optimizer="adam")
    assert made.params == 224 + 18
    assert made.memory.parameters == 4 * 242
    assert (made.memory.gradients, made.memory.state) == (4 * 18, 8 * 18)
    assert made.memory.saved == 4 * 4 * 8 * 64


def test_a_single_image_that_norms_refuse_keeps_its_share() -> None:
    """Of flat features, BatchNorm1d takes no batch of one in training: what is kept follows from larger ones."""
    module = nn.Sequential(nn.Linear(10, 20), nn.BatchNorm1d(20), nn.ReLU())
    made = nw.cost(module, (), channels=10)
    assert made.memory.saved == 4 * (10 + 20 + 20) + 4 * 2 * 20  # the input and the norm's, the relu's output; mean and deviation
    assert made.memory_at(5).saved == kept_by(module, (5, 10))


def test_training_mode_only_matters_for_what_is_kept() -> None:
    class Auxiliary(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.aux = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 9, 3)

        def forward(self, x: Tensor) -> tuple[Tensor, ...]:
            x = self.stem(x)
            return (x, torch.sigmoid(self.aux(x))) if self.training else (x,)

    module = Auxiliary()
    assert nw.cost(module, 12) == nw.cost(module, 12)
    for mode in (True, False):
        made = nw.cost(module.train(mode), 12, batch=2)
        assert (made.params, made.macs) == (112 + 333, 100 * 4 * 27)
        assert made.memory.saved == kept_by(module, (2, 3, 12, 12))


def test_the_type_and_the_place_of_the_weights_do_not_matter() -> None:
    design = nw.network("resnet18")
    expected = nw.cost(design, 64)
    for model in (nw.build(design), nw.build(design, device="meta"), nw.build(design, device="meta").double()):
        made = nw.cost(model, 64)
        assert totals(made) == totals(expected)
    half = nw.cost(nw.build(design, device="meta").half(), 64)
    assert totals(half) == totals(expected)
    assert half.memory.parameters == 2 * half.params
    assert half.memory.maps == nw.cost(design, 64, precision="bf16").memory.maps


@pytest.mark.parametrize(
    "around", [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", torch.bfloat16), torch.enable_grad]
)
def test_the_surroundings_do_not_matter(around: Callable[[], Any]) -> None:
    module = Mixed()
    expected = nw.cost(module, 12, batch=2)
    with around():
        made = nw.cost(module, 12, batch=2)
    assert (made.lines, made.memory) == (expected.lines, expected.memory)


def test_inference_mode_inside_of_a_module_hides_nothing() -> None:
    class Inference(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Flatten(), nn.Linear(400, 2))

        def forward(self, x: Tensor) -> Any:
            with torch.inference_mode():
                return self.body(x)

    made = nw.cost(Inference(), 12)
    assert (made.macs, made.memory.saved) == (100 * 4 * 27 + 800, 0)


# ---------------------------------------------------------------- operations outside of aten


@torch.library.custom_op("netwright_tests::clone", mutates_args=())  # named as one that is silent in aten
def foreign(x: Tensor, weight: Tensor) -> Tensor:
    return F.conv2d(x, weight)


@foreign.register_fake
def _(x: Tensor, weight: Tensor) -> Tensor:
    return x.new_empty(x.shape[0], weight.shape[0], x.shape[2] - 2, x.shape[3] - 2)


@torch.library.custom_op("netwright_tests::on_values", mutates_args=())  # knows nothing of fake tensors
def on_values(x: Tensor) -> Tensor:
    return x * 2


@torch.library.custom_op("netwright_tests::into", mutates_args=("out",))
def into(x: Tensor, out: Tensor) -> None:
    out.copy_(x)


class Foreign(nn.Module):
    """A layer that is one custom operation, the same as a function, and a convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.stem = ForeignLayer(), nn.Conv2d(4, 4, 1)

    def forward(self, x: Tensor) -> Any:
        x = self.stem(self.layer(x))
        return torch.ops.netwright_tests.clone(x, torch.zeros(4, 4, 3, 3))


class ForeignLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(4, 3, 3, 3))

    def forward(self, x: Tensor) -> Any:
        return torch.ops.netwright_tests.clone(x, self.weight)


def test_operations_outside_of_aten_are_rows_and_named_as_not_counted() -> None:
    with pytest.warns(CostNote, match="Foreign uses operations outside of aten.* not counted: netwright_tests::clone;") as notes:
        made = nw.cost(Foreign(), 12)
    assert len(notes) == 1
    assert notes[0].filename == __file__
    assert [(line.name, line.kind, line.shape, line.macs, line.acts) for line in made.lines] == [
        ("layer", "clone", (4, 10, 10), 0, 0),
        ("stem", "conv 1x1", (4, 10, 10), 1600, 400),
        ("clone", "clone", (4, 8, 8), 0, 0),
    ]
    assert (made.macs, made.acts, made.lines[0].params) == (1600, 400, 108)


def test_an_operation_outside_of_aten_counts_with_a_formula_of_flops() -> None:
    packet = torch.ops.netwright_tests.clone

    def flops(x: Any, weight: Any, out_shape: Any = None, **kwargs: Any) -> int:
        return int(2 * math.prod(out_shape) * math.prod(weight[1:]))

    register_flop_formula(packet)(flops)
    try:
        made = nw.cost(ForeignLayer(), 12)
    finally:
        del flop_registry[packet]
    assert [(line.kind, line.macs, line.acts) for line in made.lines] == [("clone", 400 * 27, 400)]


def test_operations_outside_of_aten_that_need_values_or_write_in_place() -> None:
    class Both(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            into(on_values(x), out := torch.empty_like(x))
            return out

    with pytest.warns(CostNote) as notes:
        made = nw.cost(Both(), 12)
    said = [str(note.message) for note in notes if "outside of aten" in str(note.message)]
    assert len(said) == 1
    assert "netwright_tests::on_values, netwright_tests::into;" in said[0]
    assert [line.kind for line in made.lines] == ["on_values"]


# ---------------------------------------------------------------- the module stays as it is


class Restless(nn.Module):
    """Changes itself, and draws random numbers from everywhere, whenever it is called."""

    def __init__(self, fails: bool = False) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5))
        self.register_buffer("seen", torch.zeros(3))
        self.calls: list[int] = []
        self.last: Tensor | None = None
        self.lock = threading.Lock()
        self.table = [torch.arange(4.0)]
        self.fails = fails

    def forward(self, x: Tensor) -> Tensor:
        with self.lock:
            self.calls.append(len(self.calls))
        self.seen += 1
        self.body[0].weight.data.mul_(2)
        x = self.body(x) + torch.randn(4, 1, 1) * random.random() * np.random.rand() + self.table[0][:, None, None]
        self.table[0].zero_()
        self.last = x
        self.body.eval()
        if self.fails:
            raise ValueError("restless")
        return x


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_the_module_is_bitwise_as_before(fails: bool, training: bool) -> None:
    module = Restless(fails).train(training)
    module.body[0].bias.requires_grad_(False)
    calls: list[object] = []
    module.body[0].register_forward_hook(lambda *args: None)
    module.register_forward_pre_hook(lambda *args: calls.append(0))
    state = {name: value.clone() for name, value in module.state_dict(keep_vars=False).items()}
    identities = {name: id(value) for name, value in module.state_dict(keep_vars=True).items()}
    versions = {name: value._version for name, value in module.state_dict(keep_vars=True).items()}
    hooks = [(dict(part._forward_hooks), dict(part._forward_pre_hooks), part.training) for part in module.modules()]
    drawn = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()  # type: ignore[union-attr]
    if fails:
        with pytest.raises(NetwrightError, match="Restless does not run on an input of 1 x 3 x 12 x 12: restless; give image="):
            nw.cost(module, 12)
    else:
        assert nw.cost(module, 12).macs == 100 * 4 * 27
        assert calls
    assert all(torch.equal(value, state[name]) for name, value in module.state_dict().items())
    assert {name: id(value) for name, value in module.state_dict(keep_vars=True).items()} == identities
    assert {name: value._version for name, value in module.state_dict(keep_vars=True).items()} == versions
    assert [(dict(p._forward_hooks), dict(p._forward_pre_hooks), p.training) for p in module.modules()] == hooks
    assert [p.requires_grad for p in module.parameters()] == [True, False, True, True]
    assert all(p.grad is None for p in module.parameters())
    assert (module.calls, module.last, module.table[0].tolist()) == ([], None, [0, 1, 2, 3])
    assert torch.equal(torch.get_rng_state(), drawn[0])
    assert random.getstate() == drawn[1]
    assert (np.random.get_state()[1] == drawn[2]).all()  # type: ignore[index]
    assert type(torch.zeros(2) + 1) is Tensor
    assert torch.backends.mkldnn.is_available() == torch._C._get_mkldnn_enabled()


def test_a_module_can_be_used_and_costed_after_it_was_used() -> None:
    """Old-style weight norm leaves a tensor with a history on the module, which `copy.deepcopy` refuses."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        module = nn.Sequential(nn.utils.weight_norm(nn.Conv2d(3, 4, 3)), nn.ReLU())
    module(torch.zeros(1, 3, 8, 8)).sum().backward()
    with pytest.raises(RuntimeError):
        copy.deepcopy(module)
    made = nw.cost(module, 8)
    assert (made.params, made.macs) == (4 * 27 + 4 + 4, 36 * 4 * 27)
    assert all(p.grad is not None for p in module.parameters())


def test_nothing_is_computed_or_allocated() -> None:
    """A linear layer of 4 TB."""
    module = nn.Sequential(nn.Flatten(), nn.Linear(10**6, 10**6, device="meta"))
    made = nw.cost(module, (10**6,), channels=1, batch=10**6)
    assert (made.macs, made.memory.saved) == (10**12, 4 * 10**12)


# ---------------------------------------------------------------- values, and mistakes


class Branching(nn.Module):
    """Takes the cheap way for a dark picture."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4)
        self.costly, self.cheap = nn.Conv2d(4, 32, 3), nn.Conv2d(4, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x))
        chosen = self.costly if x.abs().max().item() > 1 else self.cheap
        y: Tensor = chosen(x)
        return y


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_a_module_that_asks_for_values_is_run_on_zeros(device: str) -> None:
    module = Branching().to(device)
    with pytest.warns(CostNote, match="Branching asks for values of its tensors .*: its cost is that of a run on zeros"):
        made = nw.cost(module, 12, batch=50)
    assert made.macs == 100 * 4 * 27 + 100 * 4 * 2
    assert made.params == sum(p.numel() for p in module.parameters())
    assert [line.kind for line in made.lines if line.name == "costly"] == ["Conv2d, not run"]
    if device == "cpu":
        assert made.memory.saved == kept_by(module, (50, 3, 12, 12), torch.zeros)
    assert module.norm.num_batches_tracked.device.type == device


def test_values_asked_for_in_training_only() -> None:
    class Late(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor) -> Tensor:
            x = torch.sigmoid(self.stem(x))
            return x * 2 if self.training and x.mean().item() > 2 else x

    module = Late()
    with pytest.warns(CostNote, match="Late asks for values"):
        made = nw.cost(module, 12, batch=7)
    assert made.memory.saved == kept_by(module, (7, 3, 12, 12))


def test_a_module_that_trains_otherwise_keeps_what_it_keeps_in_evaluation_mode() -> None:
    class Targets(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 3)

        def forward(self, x: Tensor, targets: Tensor | None = None) -> Tensor:
            if self.training and targets is None:
                raise ValueError("targets are needed in training")
            return torch.sigmoid(self.stem(x))

    with pytest.warns(CostNote, match="those of evaluation mode: Targets does not run in training mode .* targets are needed"):
        made = nw.cost(Targets(), 12, batch=2)
    assert made.memory.saved == 4 * 2 * (3 * 144 + 4 * 100)


class TwoInputs(nn.Module):
    def forward(self, x: Tensor, mask: Tensor) -> Tensor:
        return x * mask


@pytest.mark.parametrize(
    ("make", "arguments", "says"),
    [
        (
            lambda: nn.Conv2d(1, 4, 3),
            {},
            r"does not run on an input of 1 x 3 x 224 x 224: .*channels.*; give image=",
        ),
        (lambda: nn.Conv2d(3, 4, 9), {"image": 4}, "does not run on an input of 1 x 3 x 4 x 4: .*Kernel size"),
        (TwoInputs, {}, "TwoInputs does not run .*missing 1 required positional argument: 'mask'.*wrap it in a module"),
        (lambda: nn.Embedding(10, 4), {"image": (7,)}, "Embedding does not run on an input of 1 x 3 x 7"),
        (nn.Module, {}, "Module does not run"),
        (lambda: nn.LazyConv2d(4, 3), {}, "lazy parameters"),
        (nn.ReLU, {"image": 0}, "image 0 .*no size: give whole numbers of at least 1"),
        (nn.ReLU, {"image": -5}, "image -5"),
        (nn.ReLU, {"image": (3, 2.5)}, r"image \(3, 2.5\)"),
        (nn.ReLU, {"image": "big"}, "image 'big'"),
        (nn.ReLU, {"image": True}, "image True"),
        (nn.ReLU, {"image": 8, "channels": 0}, "no size"),
        (nn.ReLU, {"batch": 0}, "batch is 0, expected a whole number of at least 1"),
        (nn.ReLU, {"batch": 1.5}, "batch is 1.5"),
        (nn.ReLU, {"precision": "fp64"}, "no precision 'fp64'"),
        (nn.ReLU, {"optimizer": "adamm"}, "no optimizer 'adamm'; did you mean adam"),
        (nn.ReLU, {"by": "colour"}, "cannot group by 'colour'"),
        (nn.ReLU, {"deploy": True}, "the deployed form of a torch module"),
    ],
)
def test_mistakes_are_told_in_one_line(make: Callable[[], nn.Module], arguments: dict[str, Any], says: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch's, of lazy modules
        module = make()
    with pytest.raises(NetwrightError, match=says) as told:
        nw.cost(module, **arguments)
    assert "\n" not in str(told.value)


def test_torch_logs_nothing_of_a_wrong_shape(capfd: pytest.CaptureFixture[str]) -> None:
    """In a program of its own too: pytest may hold torch's handlers."""
    log = logging.getLogger("torch._subclasses.fake_tensor")
    before = list(log.filters), log.level, log.disabled
    with pytest.raises(NetwrightError, match="does not run on an input of 1 x 3 x 8 x 8"):
        nw.cost(nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), 8)
    assert (list(log.filters), log.level, log.disabled) == before
    program = (
        "import netwright as nw\nfrom torch import nn\n"
        "try:\n    nw.cost(nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), 8)\nexcept nw.NetwrightError as error:\n    print(error)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
    out, err = capfd.readouterr()
    assert err == ""
    assert out.startswith("Sequential does not run")
    assert len(out.splitlines()) == 1


def test_what_is_no_module() -> None:
    with pytest.raises(NetwrightError, match=r"Mixed is a class of torch modules: cost an instance, Mixed\(...\)"):
        nw.cost(Mixed)
    with pytest.raises(NetwrightError, match="int is not a torch module"):
        cost_module(3)  # type: ignore[arg-type]
    with pytest.raises(NetwrightError, match="measured, not computed by formulas"):
        nw.cost(Mixed(), 12).explain("stem")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        scripted = torch.jit.script(nn.Conv2d(3, 4, 3))
    with pytest.raises(NetwrightError, match="is scripted, which hides its layers"):
        nw.cost(scripted)


# ---------------------------------------------------------------- side by side, and in words


def test_modules_and_designs_side_by_side() -> None:
    model = nw.build("resnet18", device="meta")
    rows = nw.compare("resnet18", model, Mixed(), nw.cost(model, 64), image=64, fit="1GB").rows()
    assert [row["network"] for row in rows] == ["resnet18", "ResNet", "Mixed", "ResNet"]
    for key in ("params", "macs", "acts", "training_bytes", "inference_bytes", "largest_batch"):
        assert rows[0][key] == rows[1][key] == rows[3][key]
    assert rows[1]["macs_ratio"] == 1
    assert rows[2]["largest_batch"] == 1 + math.floor((10**9 - rows[2]["training_bytes"]) / _growth(Mixed()))


def _growth(module: nn.Module) -> int:
    return kept_by(module, (4, 3, 64, 64)) - kept_by(module, (3, 3, 64, 64))


class Alone(nn.Module):
    """Keeps `times` maps of a batch of one, and `others` maps of each image of a larger one."""

    def __init__(self, times: int, others: int) -> None:
        super().__init__()
        self.stem, self.times, self.others = nn.Conv2d(3, 4, 3), times, others

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for _ in range(self.times if len(x) == 1 else self.others):
            x = torch.sigmoid(x)
        return x


@pytest.mark.parametrize(("times", "others"), [(1, 9), (9, 1), (30, 1), (3, 3)])
@pytest.mark.parametrize("room", [0, 1, 100_000, 10**7])
def test_the_largest_batch_of_a_module_that_goes_another_way_for_one_image(times: int, others: int, room: int) -> None:
    made = nw.cost(Alone(times, others), 32)
    limit = made.memory_at(1).training + room
    found = fit(made, limit)
    assert found.batch >= 1
    assert found.needs == made.memory_at(found.batch).training <= limit
    assert found.next_needs == made.memory_at(found.batch + 1).training
    assert found.next_needs > limit
    with pytest.raises(NetwrightError, match="for a batch of 1: more than the limit"):
        fit(made, made.memory_at(1).training - 1)


def test_no_batch_is_the_largest_of_a_module_that_keeps_no_more_for_more_images() -> None:
    class Sparing(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(x[: max(5 - len(x), 1)].detach().requires_grad_())

    made = nw.cost(Sparing(), 32)
    assert [made.memory_at(batch).training for batch in (1, 2, 3)] == [12288, 12288 * 2, 12288 * 2]
    assert fit(made, 12288).batch == 1
    with pytest.raises(NetwrightError, match="training keeps nothing for an image: every batch fits"):
        fit(made, 10**6)


@pytest.mark.parametrize("by", ["layer", "block", "stage"])
def test_the_table_has_all_forms(by: Any) -> None:
    made = nw.cost(Tokens(), 32, by=by, name="mine")
    assert str(made).splitlines()[0] == "mine for one image of 3 x 32 x 32"
    rows = list(csv.DictReader(io.StringIO(made.to_csv())))
    assert sum(int(row["macs"]) for row in rows) == made.macs
    read = json.loads(json.dumps(made.to_json()))
    assert read["bytes"]["training"] == made.memory.training
    assert read["rows"][0]["field"] is None
    assert "<table" in made._repr_html_()
    assert "mine for one image" in made.to_markdown()


def test_a_design_is_costed_without_torch() -> None:
    program = (
        "import sys, netwright as nw; nw.cost(nw.network('resnet18')); nw.compare('resnet18'); sys.exit('torch' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
