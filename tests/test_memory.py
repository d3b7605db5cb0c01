"""Bytes: what autograd keeps, found with its own hooks for every network; live maps; the lecture's figures by hand."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode

import netwright as nw
from netwright.costing.lecture import lecture_bytes, lecture_memory
from netwright.costing.memory import PRECISIONS, RULES, Memory, Precision, largest_batch, live_numbers, memory_of, saved_bytes
from netwright.costing.states import STATES, state_copies
from netwright.errors import NetwrightError, VanishedError
from netwright.graph import Design, FeatureMap, Flat, Size, concat, trace
from netwright.graph import layers as L
from netwright.graph.tracing import ACTIVATIONS
from tests.names import NAMES, QUICK

# ---------------------------------------------------------------- the oracle: torch's own hooks


def kept_by_torch(model: nn.Module, images: Tensor, precision: str) -> int:
    """The bytes of all storages that a forward pass keeps for the backward one, without parameters' and buffers'."""
    own = {value.untyped_storage()._cdata for value in (*model.parameters(), *model.buffers())}
    kept: dict[int, Tensor] = {}  # tensors, so that no storage is freed and its place taken by another one

    def pack(value: Tensor) -> Tensor:
        if value.untyped_storage()._cdata not in own:
            kept.setdefault(value.untyped_storage()._cdata, value)
        return value

    autocast = torch.autocast("cpu", torch.bfloat16, enabled=precision == "bf16")
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value), autocast:
        outputs = model(images)
    assert outputs is not None
    return sum(value.untyped_storage().nbytes() * _mended(value) for value in kept.values())


def _mended(value: Tensor) -> int:
    """A fake batch norm gives mean and deviation in bf16; the real one in fp32 (see the test of both below)."""
    fake = isinstance(value, torch._subclasses.FakeTensor)
    return 2 if fake and value.ndim == 1 and value.dtype == torch.bfloat16 else 1


def faked(model: nn.Module) -> nn.Module:
    """Within a FakeTensorMode: the module with parameters and buffers that have sizes and a device, but no numbers."""
    for module in model.modules():
        for name, parameter in module._parameters.items():
            if parameter is not None:
                module._parameters[name] = nn.Parameter(torch.empty(parameter.shape))
        for name, buffer in module._buffers.items():
            if buffer is not None:
                module._buffers[name] = torch.empty(buffer.shape, dtype=buffer.dtype)
    return model


@pytest.fixture(params=PRECISIONS)
def precision(request: pytest.FixtureRequest) -> Precision:
    return request.param  # type: ignore[no-any-return]


@pytest.mark.parametrize("name", NAMES)
def test_saved_bytes_of_every_network_are_what_autograd_keeps(name: str) -> None:
    """To the byte, at the network's own image size; sizes alone, for nothing is computed."""
    graph = trace(nw.network(name))
    model = nw.build(name, device="meta").train()
    with FakeTensorMode():
        model = faked(model)
        images = torch.empty(2, *graph.nodes[0].shape)
        for precision in PRECISIONS:
            assert sum(saved_bytes(graph.flat(), 2, precision)) == kept_by_torch(model, images, precision), precision


def test_the_quick_names_are_names() -> None:
    assert set(nw.networks()) >= QUICK


FEW = (1, 1, 1, 1)
SMALL: dict[str, tuple[Design, tuple[int, int]]] = {  # with an odd image size each
    name: (nw.network(name, classes=10), (67, 75))
    for name in ("alexnet_2012", "zfnet", "squeezenet1_1", "mobilenetv2_035", "efficientnet_b0", "regnety_002", "seresnet18")
} | {
    "vgg": (nw.network("vgg11_bn", widths=(8, 16, 16, 16, 16), classes=10), (37, 41)),
    "googlenet, aux and transformed": (nw.network("googlenet", aux=True, transform_input=True, classes=10), (65, 71)),
    "inception_v1, aux": (nw.network("inception_v1", aux=True, classes=10), (127, 131)),
    "efficientnet, same padding": (nw.network("efficientnet_b0", same=True, eps=1e-3, classes=10), (63, 75)),
    "resnet cifar": (nw.network("resnet20_cifar"), (31, 33)),
    "senet154": (nw.network("senet154", depths=FEW, classes=10), (49, 51)),
    "parnet": (nw.network("parnet_s", classes=10), (65, 63)),
    "parnet deployed": (nw.network("parnet_s", deploy=True, classes=10), (65, 63)),
    "repvgg": (nw.network("repvgg_a0", classes=10), (45, 39)),
    "inception_resnet_v2": (nw.network("inception_resnet_v2", depths=(1, 1, 1), classes=10), (97, 83)),
}


@pytest.mark.parametrize("name", SMALL)
def test_real_tensors_fake_ones_and_the_graph_agree(name: str) -> None:
    """The proof that nothing is lost by not computing: the same networks with and without numbers."""
    design, size = SMALL[name]
    flat = trace(design, size).flat()
    model = nw.build(design, size, seed=0).train()
    images = torch.randn(2, 3, *size)
    real = [kept_by_torch(model, images, precision) for precision in PRECISIONS]
    hollow = nw.build(design, size, device="meta").train()
    with FakeTensorMode():
        model, images = faked(hollow), torch.empty(2, 3, *size)
        assert [kept_by_torch(model, images, precision) for precision in PRECISIONS] == real
    assert [sum(saved_bytes(flat, 2, precision)) for precision in PRECISIONS] == real


# ---------------------------------------------------------------- every kind of layer, alone and in any order


def flat_head(x: FeatureMap) -> FeatureMap:
    """The first linear layer's input has no gradient."""
    return x.flatten().linear("a", 5).relu().linear("b", 6, bias=False).silu().dropout(0.5).linear("c", 2).sigmoid()


def gates(x: FeatureMap) -> tuple[FeatureMap, ...]:
    y = x.conv("conv", x.channels, 1)
    return y * y.adaptive_pool(1).sigmoid(), x * y.adaptive_pool(1), y * x, y * y, x * x.adaptive_pool(1)


def untouched(x: FeatureMap) -> tuple[FeatureMap, ...]:
    """Nothing learns, nothing is kept."""
    y = x.relu().silu().sigmoid().local_norm(3).max_pool(2, 1).avg_pool(2, 1).adaptive_pool(3).dropout(0.5)
    return y.subsample(9, 2), x * x.adaptive_pool(1)


def one_map_for_many(x: FeatureMap) -> tuple[FeatureMap, ...]:
    """A map of fp32 under autocast: a convolution's output (bf16) and the image (fp32) give a sum in fp32."""
    y = x.conv("conv", x.channels, 1) + x
    z = y.norm("norm").activation("relu6")
    return (
        *gates_of(y),
        z.conv("one", 2, 3),
        z.conv("two", 3, 3, 2),
        y.conv("three", 4, (1, 5), padding="same"),
        y.local_norm(2),
    )


def gates_of(x: FeatureMap) -> tuple[FeatureMap, ...]:
    return x.silu(), x.sigmoid(), x * x, x.max_pool(2, 2), x.avg_pool(3, 1), x.adaptive_pool((2, 1)), x.dropout(0.3), x.dropout(0)


def moved(x: FeatureMap) -> tuple[FeatureMap, ...]:
    """Shuffles that move something or nothing, subsampling with and without zeros."""
    y = x.conv("conv", 6, 3, padding=0).sigmoid()
    shuffled = [y.layer(L.Shuffle(groups)).sigmoid() for groups in (1, 2, 3, 6)]
    return (*shuffled, y.subsample(6, 1).sigmoid(), y.subsample(9, 2).silu(), concat(y, y, y).flatten().sigmoid())


def scaled(x: FeatureMap) -> FeatureMap:
    y = x.layer(L.Scale((0.5,))).conv("conv", 3, 1).layer(L.Scale((0.5,))).layer(L.Scale((0.5, 1.0, 2.0), (0.0, 1.0, 2.0)))
    return y.layer(L.Scale((0.5,), (1.0, 2.0, 3.0))).layer(L.Scale((1.5,), (2.0,))).norm("norm")


ALONE = [flat_head, gates, untouched, one_map_for_many, moved, scaled]


@pytest.mark.parametrize("design", ALONE, ids=lambda f: f.__name__)
@pytest.mark.parametrize("batch", [2, 3])
def test_layers_alone(design: Any, batch: int, precision: Precision) -> None:
    model = nw.build(design, (9, 12), seed=0).train()
    kept = kept_by_torch(model, torch.randn(batch, 3, 9, 12), precision)
    assert sum(saved_bytes(trace(design, (9, 12)).flat(), batch, precision)) == kept
    assert kept > 0 or design is untouched


class Wild(Design):
    """One layer for each of the numbers, read from any of the maps that are there; every map that nobody reads is put out."""

    numbers: tuple[Size, ...]

    def __call__(self, x: FeatureMap) -> tuple[FeatureMap, ...]:
        maps, unread = [x], {0}
        for i, number in enumerate(self.numbers):
            source = random.Random(number)
            place = source.randrange(max(0, len(maps) - 3), len(maps))
            try:
                maps.append(self.step(maps[place], maps, source, f"layer{i}"))
            except VanishedError:
                continue
            unread -= {place}
            unread.add(len(maps) - 1)
        return tuple(maps[i] for i in unread)

    def step(self, x: FeatureMap, maps: list[FeatureMap], source: random.Random, name: str) -> FeatureMap:
        if len(x.shape) == 1:
            return self.flat_step(x, source, name)
        other = source.choice([y for y in maps if y.shape == x.shape])
        kernel, stride, padding = (
            source.choice([1, 2, 3, (1, 3), (3, 2), 5]),
            source.choice([1, 1, 2, 3, (2, 1)]),
            source.choice(PADS),
        )
        groups = source.choice([g for g in (1, 1, 2, 3, x.channels) if x.channels % g == 0])
        width, coin = groups * source.randint(1, 4), source.random() < 0.5
        each = (0.5,) * x.channels
        steps: dict[str, Callable[[], FeatureMap]] = {
            "conv": lambda: x.conv(name, width, kernel, stride, padding=padding, groups=groups, bias=coin),
            "norm": lambda: x.norm(name),
            "activation": lambda: x.activation(source.choice(sorted(ACTIVATIONS))),
            "max_pool": lambda: x.max_pool(kernel, stride, ceil=coin),
            "avg_pool": lambda: x.avg_pool(kernel, stride, count_pad=coin, divisor=source.choice([None, 3])),
            "adaptive_pool": lambda: x.adaptive_pool(source.choice([1, 2, (1, 3), (4, 2)])),
            "dropout": lambda: x.dropout(source.choice([0, 0.3])),
            "local_norm": lambda: x.local_norm(source.randint(1, 5)),
            "shuffle": lambda: x.layer(L.Shuffle(groups)),
            "subsample": lambda: x.subsample(x.channels + source.randint(0, 3), source.randint(1, 3)),
            "scale": lambda: x.layer(L.Scale(source.choice([(2.0,), each]), source.choice([(0.0,), (1.0,), each]))),
            "gate": lambda: x * x.adaptive_pool(1).conv(name, x.channels, 1, bias=True).sigmoid(),
            "flatten": lambda: x.adaptive_pool(2).flatten(),
            "add": lambda: x + other,
            "multiply": lambda: x * other,
            "concat": lambda: concat(x, other),
        }
        return source.choice([*steps.values(), steps["conv"], steps["activation"]])()

    def flat_step(self, x: FeatureMap, source: random.Random, name: str) -> FeatureMap:
        kind = source.choice(["linear", "linear", "activation", "dropout", "flatten"])
        if kind == "linear":
            return x.linear(name, source.randint(1, 9), bias=source.random() < 0.5)
        if kind == "activation":
            return x.activation(source.choice(sorted(ACTIVATIONS)))
        return x.dropout(0.4) if kind == "dropout" else x.flatten()


PADS: list[Any] = [None, 0, 1, "same", (1, 0)]
wild = st.builds(lambda numbers: Wild(numbers=tuple(numbers)), st.lists(st.integers(0, 10**6), min_size=1, max_size=14))


@settings(deadline=None, max_examples=150)
@given(wild, st.integers(5, 13), st.integers(5, 13), st.sampled_from(PRECISIONS))
def test_any_network_keeps_what_its_graph_says(design: Wild, height: int, width: int, precision: Precision) -> None:
    model = nw.build(design, (height, width), seed=0).train()
    kept = kept_by_torch(model, torch.randn(2, 3, height, width), precision)
    assert sum(saved_bytes(trace(design, (height, width)).flat(), 2, precision)) == kept


def test_every_kind_of_layer_has_a_rule_and_is_drawn() -> None:
    kinds = {kind for kind in vars(L).values() if isinstance(kind, type) and issubclass(kind, L.Layer)}
    assert set(RULES) == kinds - {L.Layer, L.Item}  # items are gone when a graph is flat
    source, drawn = random.Random(0), set()
    for _ in range(300):
        design = Wild(numbers=tuple(source.randrange(10**6) for _ in range(10)))
        drawn |= {type(row.layer) for row in trace(design, 13).flat().rows}
    assert drawn == set(RULES)


def unit(x: FeatureMap) -> FeatureMap:
    return x.conv("conv", 5, 3).norm("norm").relu("relu").max_pool(2, 2, name="pool").flatten("flat").linear("fc", 7)


def test_each_storage_is_charged_to_the_first_row_that_keeps_it() -> None:
    """By hand, for 3 images of 8 px: five channels of 64 pixels, then of 16."""
    flat = trace(unit, 8).flat()
    kept = dict(zip([row.name for row in flat.rows], saved_bytes(flat, 3), strict=True))
    image, wide, small = 3 * 3 * 64 * 4, 3 * 5 * 64 * 4, 3 * 5 * 16 * 4
    expected = {"input": 0, "conv": image, "norm": wide + 2 * 5 * 4, "relu": wide, "pool": 2 * small, "flat": 0, "fc": small}
    assert kept == expected
    casts = {"conv": image // 2 + 2 * 5 * 27, "norm": wide // 2 + 40, "relu": wide // 2, "pool": 2 * small, "fc": small // 2}
    casts["fc"] += 2 * 7 * 5 * 16  # its weights in bf16
    kept = dict(zip([row.name for row in flat.rows], saved_bytes(flat, 3, "bf16"), strict=True))
    assert kept == expected | casts


# ---------------------------------------------------------------- inference


def storages(flat: Flat) -> list[int]:
    """The row in whose storage each row's output lies in evaluation mode."""
    found: list[int] = []
    for i, row in enumerate(flat.rows):
        renames = row.inplace or isinstance(row.layer, (L.Flatten, L.Dropout))
        if isinstance(row.layer, L.Shuffle):
            renames = row.layer.groups == 1 or row.layer.groups == row.shape[0]
        found.append(found[row.inputs[0]] if renames else i)
    return found


def live_by_brute_force(flat: Flat) -> list[int]:
    """Every storage asked at every row whether it is there and somebody wants it: now, later, or after the end."""
    where = storages(flat)
    images = [i for i, row in enumerate(flat.rows) if isinstance(row.layer, L.Input)]
    result = []
    for now in range(len(flat.rows)):
        alive = {where[now], *(where[j] for later in flat.rows[now:] for j in later.inputs)} | {where[j] for j in flat.outputs}
        alive |= {i for i in images if i >= now}
        there = {place for place in alive if place <= now or place in images}
        result.append(sum(torch.Size(flat.rows[place].shape).numel() for place in there))
    return result


@pytest.mark.parametrize("name", SMALL)
def test_live_maps_of_networks(name: str) -> None:
    flat = trace(*SMALL[name]).flat()
    assert list(live_numbers(flat)) == live_by_brute_force(flat)


@settings(deadline=None)
@given(wild)
def test_live_maps_of_any_network(design: Wild) -> None:
    flat = trace(design, (9, 11)).flat()
    assert list(live_numbers(flat)) == live_by_brute_force(flat)


def test_what_shares_a_storage_in_inference_does_so_in_torch() -> None:
    """The premise of both: seen by the addresses of the outputs of modules."""
    design, size = SMALL["vgg"]
    flat = trace(design, size).flat()
    model = nw.build(design, size, seed=0).eval()
    kept: dict[str, Tensor] = {"input": torch.randn(2, 3, *size)}  # held, so that no address is used twice
    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda m, args, out, name=name: kept.update({name: out}))
    with torch.no_grad():
        model(kept["input"])
    addresses = [kept[row.name].data_ptr() for row in flat.rows]
    where = storages(flat)
    assert [addresses.index(address) for address in addresses] == [where.index(place) for place in where]
    assert len(set(where)) < len(where)


def test_the_largest_sum_of_resnet50_by_hand() -> None:
    """In layer1: a norm reads and writes 256 x 56 x 56 while the block's other branch, as large, waits."""
    graph = trace(nw.network("resnet50"), 224)
    assert max(live_numbers(graph.flat())) == 3 * 256 * 56 * 56
    memory = memory_of(graph, 32, "bf16")
    assert (memory.maps, memory.weights) == (32 * 2 * 3 * 256 * 56 * 56, 2 * 25_557_032)
    assert memory.inference == memory.maps + memory.weights


# ---------------------------------------------------------------- the sum, and the batch that fits


@pytest.mark.parametrize("optimizer", STATES)
def test_training_bytes_count_each_number_once(optimizer: str, precision: Precision) -> None:
    graph = trace(nw.network("resnet18"), 64)
    memory = memory_of(graph, 5, precision, optimizer)
    params = 4 * 11_689_512
    assert (memory.parameters, memory.gradients, memory.state) == (params, params, STATES[optimizer] * params)
    assert memory.saved == sum(saved_bytes(graph.flat(), 5, precision))
    assert memory.training == (2 + STATES[optimizer]) * params + memory.saved
    assert memory.weights == (params if precision == "fp32" else params // 2)
    assert (memory.batch, memory.precision, memory.optimizer) == (5, precision, optimizer)


OPTIMIZERS: dict[str, Any] = {
    "sgd": torch.optim.SGD,
    "momentum": lambda params: torch.optim.SGD(params, momentum=0.9),
    "nesterov": lambda params: torch.optim.SGD(params, momentum=0.9, nesterov=True),
    "adagrad": torch.optim.Adagrad,
    "rmsprop": torch.optim.RMSprop,
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "nadam": torch.optim.NAdam,
    "muon": getattr(torch.optim, "Muon", None),
}


@pytest.mark.parametrize("optimizer", [name for name, made in OPTIMIZERS.items() if made is not None])
def test_states_are_those_of_torchs_optimizers(optimizer: str) -> None:
    parameter = nn.Parameter(torch.ones(6, 7))
    parameter.grad = torch.ones(6, 7)
    made = OPTIMIZERS[optimizer]([parameter])
    made.step()
    state = made.state.get(parameter, {}).values()
    assert sum(value.numel() for value in state if isinstance(value, Tensor) and value.ndim) == 42 * state_copies(optimizer)


def test_the_other_optimizers_keep_what_their_papers_say() -> None:
    """Lion one mean of gradients (arXiv:2302.06675, Alg. 2); LAMB Adam's two (arXiv:1904.00962, Alg. 2)."""
    assert set(STATES) - set(OPTIMIZERS) == {"lion", "lamb"}
    assert (state_copies("lion"), state_copies("lamb")) == (1, 2)


@pytest.mark.parametrize("name", ["resnet18", "efficientnet_b0", "inception_v1", "vgg11", "parnet_s"])
@pytest.mark.parametrize("limit", [3 * 10**9, 24 * 10**9, 80 * 2**30 + 1])
def test_the_largest_batch_fits_and_the_next_one_does_not(name: str, limit: int, precision: Precision) -> None:
    graph = trace(nw.network(name))
    batch = largest_batch(graph, limit, precision, "adam")
    assert memory_of(graph, batch, precision, "adam").training <= limit < memory_of(graph, batch + 1, precision, "adam").training


@settings(deadline=None)
@given(wild, st.integers(1, 10**8), st.sampled_from(PRECISIONS))
def test_the_largest_batch_of_any_network(design: Wild, limit: int, precision: Precision) -> None:
    graph = trace(design, 9)
    one, two = [memory_of(graph, batch, precision).training for batch in (1, 2)]
    if one > limit:
        with pytest.raises(NetwrightError, match=f"needs .* \\({one:,} bytes\\) for a batch of 1"):
            largest_batch(graph, limit, precision)
    elif one == two:
        with pytest.raises(NetwrightError, match="every batch fits"):
            largest_batch(graph, limit, precision)
    else:
        batch = largest_batch(graph, limit, precision)
        assert memory_of(graph, batch, precision).training <= limit < memory_of(graph, batch + 1, precision).training


def test_a_limit_is_reached_to_the_byte() -> None:
    graph = trace(nw.network("resnet18"), 64)
    needed = memory_of(graph, 7).training
    assert largest_batch(graph, needed) == 7
    assert largest_batch(graph, needed - 1) == 6
    with pytest.raises(NetwrightError, match=r"^training needs 1\d\d MB \(1[\d,]+ bytes\) for a batch of 1: more than the limit"):
        largest_batch(graph, memory_of(graph, 1).training - 1)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda g: memory_of(g, 0), "batch is 0, expected a whole number of at least 1"),
        (lambda g: memory_of(g, -3), "batch is -3"),
        (lambda g: memory_of(g, 2.0), r"batch is 2\.0"),
        (lambda g: memory_of(g, True), "batch is True"),
        (lambda g: memory_of(g, 1, "fp16"), r"no precision 'fp16'; did you mean .*fp32.*\? \(known: fp32, bf16\)"),
        (lambda g: memory_of(g, 1, None), r"no precision None"),
        (lambda g: memory_of(g, 1, ["bf16"]), r"no precision \['bf16'\]"),
        (lambda g: memory_of(g, 1, "fp32", "admw"), r"no optimizer 'admw'; did you mean .*adamw.*\? \(known: sgd, momentum"),
        (lambda g: memory_of(g, 1, "fp32", None), r"no optimizer None \(known"),
        (lambda g: memory_of(g, 1, "fp32", ["adam"]), "no optimizer"),
        (lambda g: saved_bytes(g.flat(), 0), "batch is 0"),
        (lambda g: largest_batch(g, 0), "the limit is 0"),
        (lambda g: largest_batch(g, 1e9), "the limit is 1000000000.0"),
        (lambda g: largest_batch(g, 10**9, "int8"), "no precision 'int8'"),
        (lambda g: largest_batch(g, 10**9, "fp32", "adma"), "no optimizer 'adma'"),
        (lambda g: lecture_memory(g, 0), "batch is 0"),
        (lambda g: lecture_memory(g, 1, "x"), "no optimizer 'x'"),
    ],
)
def test_mistakes_are_told_in_one_line(call: Any, problem: str) -> None:
    with pytest.raises(NetwrightError, match=problem) as raised:
        call(trace(nw.network("resnet20_cifar")))
    assert "\n" not in str(raised.value)


def test_memory_is_a_frozen_value() -> None:
    memory = memory_of(trace(nw.network("resnet20_cifar")))
    assert memory == memory_of(trace(nw.network("resnet20_cifar")))
    assert isinstance(memory, Memory)
    with pytest.raises(AttributeError):
        memory.batch = 2  # type: ignore[misc]


# ---------------------------------------------------------------- the lecture's figures, worked out by hand

MB = 2**20


def lecture_lines(name: str, **fields: int) -> dict[str, int]:
    flat = trace(nw.network(name, **fields)).flat()
    return dict(zip([row.name for row in flat.rows], lecture_bytes(flat), strict=True))


def test_the_lectures_alexnet() -> None:
    lines = lecture_lines("alexnet_2012", groups=1)
    assert lines["input"] == 128 * 150_528 * 4 == 73.5 * MB
    assert lines["conv1"] == 2 * 128 * 4 * 55 * 55 * 96
    assert round(lines["conv1"] / MB, 1) == 283.6
    convolutions = (55 * 55 * 96, 27 * 27 * 256, 13 * 13 * 384, 13 * 13 * 384, 13 * 13 * 256)
    poolings = (27 * 27 * 96, 13 * 13 * 256, 6 * 6 * 256)
    assert sum(lines.values()) == 128 * 4 * (150_528 + 2 * (sum(convolutions) + sum(poolings) + 4096 + 4096 + 1000))
    memory = lecture_memory(trace(nw.network("alexnet_2012", groups=1)))
    assert memory.activations == tuple(lines.values())
    params = 34_944 + 614_656 + 885_120 + 1_327_488 + 884_992 + 37_752_832 + 16_781_312 + 4_097_000
    assert memory.parameters == 4 * 4 * params
    assert lecture_memory(trace(nw.network("alexnet_2012", groups=1)), optimizer="momentum").parameters == 3 * 4 * params
    assert memory.parameters > sum(memory.activations)  # as the notes' recap has it, with Adam


def test_the_lectures_vgg() -> None:
    """Ten layers to 28 px: 13 GB; the whole: more than 14 GB (of 1000 MB)."""
    lines = lecture_lines("vgg16")
    stages = [(224, 64, 2), (112, 128, 2), (56, 256, 3), (28, 512, 3), (14, 512, 3)]
    values = [depth * width * side**2 + width * (side // 2) ** 2 for side, width, depth in stages]
    assert lines["features.0"] == 3136 * MB
    ten = sum(list(lines.values())[1 : [*lines].index("features.16") + 1])
    assert ten == 2 * 128 * 4 * sum(values[:3])
    assert round(ten / MB / 1000) == 13
    total = sum(lines.values())
    assert total == 73.5 * MB + 2 * 128 * 4 * (sum(values) + 4096 + 4096 + 1000)
    assert 14 < total / MB / 1000 < 15
    assert lines["avgpool"] == 0  # 7 px to 7 px: there for other images


def test_the_lectures_inception() -> None:
    """Five layers to 28 px: 2 GB; the whole: 3.3 GB (of 1000 MB). A module is one layer."""
    lines = lecture_lines("inception_v1")
    stem = 112**2 * 64 + 56**2 * (64 + 64 + 192) + 28**2 * 192
    modules = 28**2 * (256 + 480) + 14**2 * (480 + 512 + 512 + 512 + 528 + 832) + 7**2 * (832 + 832 + 1024)
    down = sum(list(lines.values())[: [*lines].index("maxpool2") + 1])
    assert down == 128 * 4 * (150_528 + 2 * stem)
    assert round(down / MB / 1000) == 2
    total = sum(lines.values())
    assert total == 128 * 4 * (150_528 + 2 * (stem + modules + 1024 + 1000))
    assert round(total / MB / 1000, 1) == 3.3
    assert lines["inception3a.branch1.conv"] == 0


def nested(x: FeatureMap) -> FeatureMap:
    return concat(x.block("inner", twins).conv("after", 4, 1), x.conv("beside", 2, 1))


def twins(x: FeatureMap) -> FeatureMap:
    return concat(x.conv("a", 3, 1), x.conv("b", 5, 1))


def nested_twice(x: FeatureMap) -> FeatureMap:
    x = x.block("outer", nested)
    return concat(x.conv("side", 1, 1), x.block("single", twins)).conv("last", 2, 1)


def test_modules_within_modules_are_one_layer() -> None:
    flat = trace(nested_twice, 4).flat()
    lines = dict(zip([row.name for row in flat.rows], lecture_bytes(flat, 1), strict=True))
    counted = {name: count // (2 * 4 * 16) for name, count in lines.items() if count and name != "input"}
    assert counted == {"outer.concat": 6, "side": 1, "single.concat": 8, "last": 2}


# ---------------------------------------------------------------- the page

PAGE = Path(__file__).parents[1] / "docs" / "memory.md"


def test_the_pages_table_of_the_estimate_is_fresh() -> None:
    text = PAGE.read_text()
    names = ["alexnet_2012", "vgg16", "vgg16_bn", "inception_v1", "googlenet", "resnet50", "efficientnet_b0"]
    assert re.findall(r"^\| `(\w+)` \| [\d,]+ \|", text, re.MULTILINE) == names
    for name in names:
        graph = trace(nw.network(name))
        estimate, kept = sum(lecture_memory(graph).activations), sum(saved_bytes(graph.flat(), 128))
        assert f"| `{name}` | {estimate / MB:,.0f} | {kept / MB:,.0f} | {kept / estimate:.2f} |\n" in text


def test_the_pages_lecture_figures_are_fresh() -> None:
    text = PAGE.read_text()
    alexnet, vgg, inception = lecture_lines("alexnet_2012", groups=1), lecture_lines("vgg16"), lecture_lines("inception_v1")
    stem, ten = [*inception].index("maxpool2") + 1, [*vgg].index("features.16") + 1
    figures = {
        "AlexNet (`alexnet_2012` with `groups=1`), image": f"{alexnet['input'] / MB} MB",
        "AlexNet, conv1": f"{alexnet['conv1'] / MB:.1f} MB",
        "VGG-16 to 28 px": f"{sum(list(vgg.values())[1:ten]) / MB:,.0f} MB",
        "VGG-16, the whole": f"{sum(vgg.values()) / MB:,.0f} MB",
        "GoogLeNet (`inception_v1`) to 28 px": f"{sum(list(inception.values())[:stem]) / MB:,.0f} MB",
        "GoogLeNet, the whole": f"{sum(inception.values()) / MB:,.0f} MB",
    }
    for name, figure in figures.items():
        assert f"| {name} | {figure} |" in text
    graph = trace(nw.network("alexnet_2012", groups=1))
    of_image = sum(lecture_memory(graph, 1).activations)
    last = [lecture_memory(graph, 1, optimizer).parameters // of_image for optimizer in ("momentum", "adam")]
    assert f"up to batch {last[0]} with momentum and {last[1]}\nwith Adam" in text
