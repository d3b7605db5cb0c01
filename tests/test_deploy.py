"""Deployed networks: fewer layers, the same function; and the ONNX files made of them, whose outputs were compared."""

from __future__ import annotations

import copy
import itertools
import json
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor, fx, nn

import netwright as nw
from netwright.blocks import Basic
from netwright.cli import main
from netwright.errors import FailedError, NetwrightError
from netwright.graph import Design, FeatureMap, Graph, concat, trace
from netwright.graph import layers as L
from netwright.graph.folding import deployed, deployed_graph, fold, folds, inference, without_dropout
from netwright.inference.export import export_onnx
from netwright.inference.onnx_files import open_onnx
from netwright.preprocessing import Preprocessing
from netwright.runtime.fitting import tensor_shapes
from netwright.runtime.weights import design_of, graph_of
from netwright.training.run import Run
from netwright.zoo import ParNet, RepVGG, ResNet
from tests.test_contracts import FAMILIES, side_of
from tests.test_forms import params_of, picture, randomized


def first(outputs: Any) -> Tensor:
    made: Tensor = outputs[0] if isinstance(outputs, tuple) else outputs
    return made


@torch.no_grad()
def difference(model: nn.Module, other: nn.Module, x: Tensor) -> float:
    """Of the first outputs, in parts of the largest."""
    expected = first(copy.deepcopy(model).eval()(x))
    return float((first(other(x)) - expected).abs().max() / expected.abs().max())


def norms_of(model: nn.Module) -> list[str]:
    return [name for name, module in model.named_modules() if isinstance(module, nn.BatchNorm2d)]


# ---------------------------------------------------------------- every family and every network


@pytest.mark.parametrize("family", FAMILIES)
def test_every_family_computes_the_same_when_deployed(family: str) -> None:
    """In float32 and, to the last digits, in float64; the model itself keeps every bit."""
    model = randomized(nw.build(FAMILIES[family], side_of(family), seed=0)).train()
    before = copy.deepcopy(model.state_dict())
    made = nw.deploy(model)
    assert model.training
    assert not made.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert not {v.data_ptr() for v in made.state_dict().values()} & {v.data_ptr() for v in model.state_dict().values()}
    x = torch.randn(2, 3, side_of(family), side_of(family) + 3, generator=torch.Generator().manual_seed(1))
    assert difference(model, made, x) < 1e-5
    if norms_of(model):
        double = copy.deepcopy(model).double()
        assert difference(double, nw.deploy(double), x.double()) < 1e-12
    assert set(made.state_dict()) == set(tensor_shapes(graph_of(made)))
    assert not any(isinstance(module, nn.Dropout) for module in made.modules())
    assert not [name for name in made.state_dict() if "aux" in name.lower()]


STAYING = {"wrn": "bn0 bn1 bn", "parnet": "rbr_identity b1 b2"}  # behind sums, or beside branches: last words of names


@pytest.mark.parametrize("name", nw.networks())
def test_every_network_loses_its_norms_and_nothing_else(name: str) -> None:
    """Counted on graphs alone: params sink by one per channel of each norm, macs not at all."""
    design = deployed(nw.network(name))
    plain = without_dropout(trace(design))
    graph = deployed_graph(nw.network(name))
    gone = {one.norm for one in folds(plain)}
    kept = [row for row in plain.rows() if row.name not in gone]
    assert [(row.name, row.shape) for row in graph.rows()] == [(row.name, row.shape) for row in kept]
    channels = {row.name: row.layer.channels for row in plain.rows() if isinstance(row.layer, L.Norm)}
    biased = {row.name for row in plain.rows() if isinstance(row.layer, L.Conv) and row.layer.bias}
    less = sum(channels[one.norm] * (2 if one.layer in biased else 1) for one in folds(plain))  # VGG's have a bias already
    assert (plain.params - graph.params, plain.macs, plain.acts) == (less, graph.macs, graph.acts)
    assert fold(graph).totals == inference(graph).totals == graph.totals
    last = {row.name.rpartition(".")[2] for row in graph.rows() if isinstance(row.layer, L.Norm)}
    assert last <= set(next((names.split() for start, names in STAYING.items() if name.startswith(start)), []))


def test_resnet50_as_the_published_counts_have_it() -> None:
    """25,557,032 params with 26,560 channels of norms (both as timm counts them); macs as before."""
    graph = deployed_graph(nw.network("resnet50"), 224)
    assert (graph.params, graph.macs) == (25_557_032 - 26_560, 4_089_184_256)
    made = nw.deploy(nw.build("resnet50", device="meta"))
    assert params_of(made) == graph.params
    assert made.get_parameter("layer4.0.downsample.0.bias").shape == (2048,)
    assert made.get_parameter("layer4.0.downsample.0.bias").is_meta


def test_equal_blocks_stay_one_object() -> None:
    (stage,) = [node.layer for node in deployed_graph(nw.network("resnet50")).nodes if node.name == "layer3"]
    assert isinstance(stage, Graph)
    blocks = [node.layer for node in stage.nodes[1:]]
    assert len(blocks) == 6
    assert len({id(block) for block in blocks}) == 2


def test_stages_of_a_table_are_kept() -> None:
    """Sections too: VGG's stages are no blocks, their layers lie in one `features`."""
    for name in ("vgg11_bn", "inception_v3", "resnet18"):
        stages = [
            dict.fromkeys(row.stage for row in made.rows())
            for made in (trace(nw.network(name)), deployed_graph(nw.network(name)))
        ]
        assert list(stages[0]) == list(stages[1])


# ---------------------------------------------------------------- parts, channels, precisions


SLIM = {"resnet18": {}, "repvgg_a0": {"a": 0.25, "b": 0.5}, "parnet_s": {"widths": (24, 48, 96, 160)}}


@pytest.mark.parametrize("channels", [1, 4])
@pytest.mark.parametrize("name", SLIM)
def test_other_channels_and_no_classes(name: str, channels: int) -> None:
    model = randomized(nw.build(nw.network(name, **SLIM[name]), channels=channels, classes=0, seed=0))
    made = nw.deploy(model)
    assert difference(model, made, picture(64, 64, channels)) < 1e-5
    assert params_of(made) < params_of(model)


@pytest.mark.parametrize(
    ("name", "outputs", "merged"),
    [
        ("resnet18", ("layer2", "layer4", "fc"), True),
        ("resnet18", ("layer1.0.conv1", "layer1.0.bn1"), True),  # a convolution that is asked for keeps its norm
        ("resnet18", ("layer1.0.bn1",), True),
        ("repvgg_a0", ("stages.1", "head.fc"), True),
        ("repvgg_a0", ("head.fc", "stages.1.0"), True),
        ("repvgg_a0", ("stages.1.0.conv_kxk.bn",), False),  # a layer that only the branches have
        ("parnet_s", ("streams.0.1.block.add",), False),  # the first of two sums with branches, the only one without
        ("parnet_s", ("streams.1",), True),
        ("googlenet with aux", ("aux1.fc2", "inception4a"), False),
        ("googlenet with aux", ("inception4a",), True),
    ],
)
@torch.no_grad()
def test_parts_give_the_same_maps(name: str, outputs: tuple[str, ...], merged: bool) -> None:
    design = FAMILIES.get(name) or nw.network(name, classes=10)
    model = randomized(nw.build(design, 64, outputs=outputs, seed=0))
    made = nw.deploy(model)
    x = picture(64, 64)
    for one, other in zip(*[y if isinstance(y, tuple) else (y,) for y in (model(x), made(x))], strict=True):
        assert float((one - other).abs().max() / one.abs().max()) < 1e-5
    assert (design_of(made) == deployed(design)) is merged
    assert difference(made, nw.deploy(made), x) == 0


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16, torch.float64])
def test_precisions_and_layouts_are_kept(dtype: torch.dtype) -> None:
    """Weights are folded in float64: what is left is the rounding to the model's own precision."""
    model = randomized(nw.build(nw.network("repvgg_a0", a=0.25, b=0.5), seed=0))
    wanted = nw.deploy(copy.deepcopy(model).double()).state_dict()
    lower = copy.deepcopy(model).to(dtype)
    exact = nw.deploy(copy.deepcopy(lower).double()).state_dict()
    for name, value in nw.deploy(lower).state_dict().items():
        assert value.dtype == dtype
        assert torch.equal(value, exact[name].to(dtype))
        assert value.shape == wanted[name].shape
    last = nw.deploy(model.to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    assert difference(model, last, picture(48, 48)) < 1e-5


def test_trained_statistics_are_what_is_folded() -> None:
    model = nw.build("mobilenetv2_035", classes=10, seed=0).train()
    optimizer = torch.optim.SGD(model.parameters(), 0.01)
    for _ in range(3):
        model(picture(48, 48) * 3 + 1).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()
    assert difference(model, nw.deploy(model), picture(48, 48)) < 1e-5


# ---------------------------------------------------------------- designs of all kinds

KINDS = ("conv", "biased", "norm", "relu", "pool", "dropout", "gate", "branch", "block", "section", "two", "linear", "again")
Steps = tuple[str, ...]


class Inner(Design):
    """The layers that words stand for; `form` tells what is given back."""

    steps: tuple[str, ...]

    def __call__(self, x: FeatureMap) -> FeatureMap:
        for i, step in enumerate(self.steps):
            x = written(x, step, i, Inner(self.steps[i + 1 :]))
        return x


def two_maps(x: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
    """A convolution and its norm, both given back: who reads them is for others to say."""
    y = x.conv("conv", 4, 3)
    return y.norm("bn", eps=0.1), y


def twice(x: FeatureMap, rest: Design) -> FeatureMap:
    return x.block("deep.0", rest).block("deep.1", rest)


def written(x: FeatureMap, step: str, i: int, rest: Inner) -> FeatureMap:
    if step in ("conv", "biased"):
        return x.conv(f"conv{i}", 4, 3, bias=step == "biased", groups=1 if x.channels % 2 else 2)
    if step == "norm":
        return x.norm(f"bn{i}", eps=10.0 ** -(1 + i % 5))
    if step == "relu":
        return x.relu()
    if step == "pool":
        return x.avg_pool(3, 1, padding=1)
    if step == "dropout":
        return x.dropout(0.5)
    if step == "gate":
        return x * x.adaptive_pool(1).conv(f"gate{i}", x.channels, 1).norm(f"gated{i}").sigmoid()
    if step == "branch":  # several readers, one of them a norm
        y = x.conv(f"stem{i}", 4, 1)
        return concat(y.norm(f"left{i}"), y.conv(f"right{i}", 4, 3).norm(f"right_bn{i}"), y)
    if step == "two":
        normed, plain = x.block(f"two{i}", two_maps)
        return normed + plain if i % 2 else normed
    if step == "linear":
        gate = x.adaptive_pool(1).flatten().linear(f"squeeze{i}", 3).relu().linear(f"expand{i}", x.channels)
        return x.layer(L.Norm(x.channels)) if gate.channels == x.channels else x
    if step == "again":
        return x.layer(L.Norm(x.channels, eps=0.01)).layer(L.Norm(x.channels))  # automatic names, in a row
    inner = Inner(rest.steps[:3])
    if step == "section":
        return x.section(f"part{i}", Inner(tuple(word for word in rest.steps[:2] if word in ("relu", "again", "dropout"))))
    return x.block(f"block{i}", inner).block(
        f"same{i}", twice, Inner(tuple(s for s in inner.steps if s in ("conv", "norm", "again")))
    )


class Random(Design):
    """Some layers, and a second output on the way."""

    steps: tuple[str, ...]
    at: int = 0

    def __call__(self, x: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
        y = x.block("first", Inner(self.steps[: self.at]))
        z = y.section("last", Sectioned(self.steps[self.at :]))
        return z, y


class Sectioned(Design):
    """A convolution that a norm before it has not seen, then the steps."""

    steps: tuple[str, ...]

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.norm("entry")
        for i, step in enumerate(self.steps):
            x = written(x, step, i + 100, Inner(self.steps[i + 1 :]))
        return x


def foldable(graph: Graph) -> set[str]:
    """By the definition, from the rows alone: a norm whose only source, through folded ones, is read by nothing else."""
    rows, outputs = graph.flat()
    read = [place for row in rows for place in row.inputs] + list(outputs)
    found: dict[int, str] = {}
    for i, row in enumerate(rows):
        place = row.inputs[0] if row.inputs else 0
        if (
            row.layer.kind == "norm"
            and read.count(place) == 1
            and (rows[place].layer.kind in ("conv", "linear") or place in found)
        ):
            found[i] = row.name
    return set(found.values())


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.sampled_from(KINDS), min_size=1, max_size=7).map(tuple), st.integers(0, 7))
def test_folding_keeps_any_function_and_drops_exactly_the_foldable_norms(steps: Steps, at: int) -> None:
    design = Random(steps, at)
    graph = trace(design, 8)
    folded = fold(graph)
    names = {one.norm for one in folds(graph)}
    assert names == foldable(graph)
    assert [row.name for row in folded.rows()] == [row.name for row in graph.rows() if row.name not in names]
    assert folded.macs == graph.macs
    assert not foldable(folded)
    assert fold(folded).totals == folded.totals
    assert folded.shapes == graph.shapes
    model = randomized(nw.build(design, 8, seed=0)).double()
    before = copy.deepcopy(model.state_dict())
    made = nw.deploy(model)
    assert set(norms_of(model)) - set(norms_of(made)) == {one.norm for one in folds(without_dropout(graph))}
    assert params_of(made) == deployed_graph(design, 8).params
    x = torch.randn(2, 3, 8, 8, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    with torch.no_grad():
        for one, other in zip(model(x), made(x), strict=True):
            torch.testing.assert_close(other, one, rtol=1e-9, atol=1e-9 * float(one.abs().max()))
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_convolution_with_a_bias_by_hand() -> None:
    """One pixel, one weight: (2 x + 1 - 3) / sqrt(4 + eps) * 5 + 7."""
    model = nw.build(Inner(("biased", "norm")), 1, channels=1, seed=0)
    state = {
        "conv0.weight": 2.0,
        "conv0.bias": 1.0,
        "bn1.weight": 5.0,
        "bn1.bias": 7.0,
        "bn1.running_mean": 3.0,
        "bn1.running_var": 4.0,
    }
    for name, value in state.items():
        model.state_dict()[name].fill_(value)
    model.eval()
    made = nw.deploy(model)
    scale = 5 / (4 + 0.01) ** 0.5
    assert made.get_parameter("conv0.weight")[0, 0, 1, 1].item() == pytest.approx(2 * scale)
    assert made.get_parameter("conv0.bias")[0].item() == pytest.approx((1 - 3) * scale + 7)
    assert list(made.state_dict()) == ["conv0.weight", "conv0.bias"]


class Wrapped(Design):
    """ParNet's and RepVGG's in a network of one's own."""

    body: RepVGG = RepVGG((1, 2), 0.25, 0.25, classes=0)
    others: tuple[ParNet, ...] = (ParNet((8, 12, 16, 20), (1, 1, 1), classes=0),)
    classes: int = 3

    def __call__(self, x: FeatureMap) -> FeatureMap:
        y = x.block("other.0", self.others[0])
        return x.block("body", self.body).linear("fc", self.classes) + y.linear("fc2", self.classes)


class Own(Design):
    """A form of its own for inference, whose weights nobody but its author can make."""

    deploy: bool = False

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("conv", 8, 3).norm("bn")
        return (x if self.deploy else x + x.conv("beside", 8, 1)).global_pool().linear("fc", 2)


def test_designs_in_fields_take_their_form_for_inference_too() -> None:
    model = randomized(nw.build(Wrapped(), seed=0))
    made = nw.deploy(model)
    assert difference(model, made, picture(65, 64)) < 1e-5
    form = design_of(made)
    assert isinstance(form, Wrapped)
    assert form.body.deploy
    assert form.others[0].deploy
    assert not [name for name in made.state_dict() if "conv_1x1" in name or "rbr_1x1" in name]


def test_a_form_whose_weights_are_not_known_is_left_alone() -> None:
    model = randomized(nw.build(Own(), seed=0))
    made = nw.deploy(model)
    assert difference(model, made, picture(20, 20)) < 1e-5
    assert design_of(made) == Own()
    assert norms_of(made) == []


def test_designs_without_another_form_are_given_back() -> None:
    for name in nw.networks():
        design = nw.network(name)
        same = not {"aux", "deploy"} & design.fields().keys()
        assert (deployed(design) is design) is (same or (design.fields().get("aux") is False))
        assert deployed(deployed(design)) == deployed(design)


# ---------------------------------------------------------------- what a deployed model remembers and refuses


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("weights") / "net.safetensors"
    about = {
        "classes": ["a", "b", "c"],
        "channels": 3,
        **Preprocessing(32, 40, "bilinear", (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)).fields(),
    }
    nw.save_weights(randomized(nw.build("regnety_002", classes=3, seed=0)), path, about=about)
    return path


def test_design_and_preprocessing_stay_with_it(weights: Path) -> None:
    model = nw.build("regnety_002", classes=3, weights=weights)
    made = nw.deploy(model)
    for twin in (made, copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made)), nw.deploy(made)):
        assert design_of(twin) == design_of(model)
        assert nw.preprocessing_of(twin) == nw.preprocessing_of(model) is not None
        assert graph_of(twin).totals == deployed_graph(design_of(model)).totals
        assert difference(made, twin, picture(32, 32)) == 0
        with pytest.raises(NetwrightError, match="a deployed network cannot be grown"):
            nw.grow(twin, design_of(model))
    assert type(made).__name__ == type(model).__name__


def test_its_weights_are_for_deployed_models_only(weights: Path, tmp_path: Path) -> None:
    made = nw.deploy(nw.build("regnety_002", classes=3, weights=weights))
    file = tmp_path / "deployed.safetensors"
    nw.save_weights(made, file)
    with pytest.raises(NetwrightError, match="deployed network, whose norms are folded"):
        nw.build("regnety_002", classes=3, weights=file)
    with pytest.raises(NetwrightError, match="cannot be saved under timm's names"):
        nw.save_weights(made, tmp_path / "timm.safetensors", naming="timm")
    from safetensors.torch import load_file

    other = nw.deploy(nw.build("regnety_002", classes=3, device="meta"))
    other.load_state_dict(load_file(file), assign=True)
    saved = other.state_dict()
    assert all(torch.equal(value, saved[name]) for name, value in made.state_dict().items())
    assert difference(made, other, picture(32, 32)) < 1e-5  # not 0: where weights lie in memory may choose another kernel


def test_a_merged_network_without_norms_loads_as_ever(tmp_path: Path) -> None:
    design = RepVGG((1, 1), 0.25, 0.25, classes=3)
    made = nw.deploy(randomized(nw.build(design, seed=0)))
    nw.save_weights(made, tmp_path / "net.safetensors")
    again = nw.build(design.replace(deploy=True), weights=tmp_path / "net.safetensors").eval()
    assert difference(made, again, picture(32, 32)) == 0


def test_what_cannot_be_deployed_is_told() -> None:
    with pytest.raises(NetwrightError, match="was not made by netwright's build"):
        nw.deploy(fx.symbolic_trace(nn.Sequential(nn.Conv2d(3, 4, 1))))
    model = nw.build("resnet18", classes=10, seed=0)
    model.fc = nn.Linear(512, 7)
    with pytest.raises(NetwrightError, match=r"layers of this ResNet were changed after it was built \(fc.weight is \(7, 512\)"):
        nw.deploy(model)
    with pytest.raises(NetwrightError, match="cannot be converted"):
        nw.convert(nw.deploy(nw.build("repvgg_a0", device="meta")), nw.network("repvgg_a0", deploy=True))


@pytest.mark.slow
@pytest.mark.parametrize("name", ["mobilenetv2_035", "repvgg_a0", "parnet_s"])
def test_it_can_be_exported_and_compiled(name: str) -> None:
    made = nw.deploy(randomized(nw.build(name, classes=10, seed=0)))
    x = picture(64, 64)
    with torch.no_grad():
        exported = torch.export.export(made, (x,)).module()
        torch.testing.assert_close(exported(x), made(x), rtol=1e-4, atol=1e-4)
        compiled = torch.compile(made, backend="aot_eager")
        torch.testing.assert_close(compiled(x), made(x), rtol=1e-4, atol=1e-4)


# ---------------------------------------------------------------- ONNX

SHOWN = Preprocessing(24, 27, "lanczos", (0.1, 0.2, 0.3), (0.5, 0.6, 0.7), "nearest")
SMALL = ResNet((1,), Basic(), width=8, classes=4)  # the exporter takes seconds for larger ones


@pytest.fixture(scope="module")
def run() -> Run:
    return Run(SMALL, randomized(nw.build(SMALL, 24, seed=0)), ("cat", "dog", "1", "true"), 3, SHOWN)


@pytest.fixture(scope="module")
def written_file(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("onnx") / "net.onnx"
    assert nw.export(run, path) < 1e-4
    return path


def test_a_file_is_deployed_and_says_everything(run: Run, written_file: Path) -> None:
    """Read back without netwright: no norm in it, the batch free, all that is needed to show it a picture."""
    proto = onnx.load(written_file)
    onnx.checker.check_model(proto)
    assert {node.op_type for node in proto.graph.node} & {"BatchNormalization", "Dropout"} == set()
    said = {prop.key: prop.value for prop in proto.metadata_props}
    assert {key: json.loads(said[key]) for key in ("classes", "channels", "image", "resize", "mean", "std")} == {
        "classes": ["cat", "dog", "1", "true"],
        "channels": 3,
        "image": 24,
        "resize": 27,
        "mean": [0.1, 0.2, 0.3],
        "std": [0.5, 0.6, 0.7],
    }
    words = ("filter", "rounding", "precision", "network", "netwright")
    assert [said[key] for key in words] == ["lanczos", "nearest", "float32", "ResNet", nw.__version__]
    session = onnxruntime.InferenceSession(str(written_file), providers=["CPUExecutionProvider"])
    for n in (1, 2, 5):
        x = torch.randn(n, 3, 24, 24, generator=torch.Generator().manual_seed(n))
        with torch.no_grad():
            expected = run.model(x).numpy()
        (got,) = session.run(None, {"image": x.numpy()})
        assert np.abs(got - expected).max() < 1e-4 * np.abs(expected).max()


def test_a_file_is_opened_with_what_it_says(run: Run, written_file: Path) -> None:
    network = open_onnx(written_file, threads=1)
    assert (network.classes, network.channels, network.preprocessing) == (run.classes, 3, SHOWN)
    about = json.loads(json.dumps(run.about))
    assert network.about == about | {"precision": "float32", "network": "ResNet", "netwright": nw.__version__}
    x = torch.randn(3, 3, 24, 24)
    with torch.no_grad():
        np.testing.assert_allclose(network(x.numpy()), run.model(x).numpy(), rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", ["googlenet with aux", "repvgg_a0", "parnet_s", "efficientnet with same padding"])
@pytest.mark.slow
def test_families_are_exported_from_their_form_for_training(family: str, tmp_path: Path) -> None:
    side = side_of(family)
    model = randomized(nw.build(FAMILIES[family], side, seed=0)).train()
    assert export_onnx(model, tmp_path / "net.onnx", torch.randn(4, 3, side, side), {}) < 1e-4
    assert model.training


class Several(Design):
    """A classifier that gives back the map before it too, which is no matter of training alone."""

    def __call__(self, x: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
        y = x.conv("conv", 8, 3).norm("bn").relu()
        return y.global_pool().linear("fc", 4), y.conv("map", 4, 3)


def test_one_output_is_exported_and_several_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = randomized(nw.build(Several(), 24, seed=0))
    nw.save_weights(whole, tmp_path / "w.safetensors")
    chosen = nw.build(Several(), 24, weights=tmp_path / "w.safetensors", outputs=("fc",))  # the way out that is told
    x = torch.randn(3, 3, 24, 24, generator=torch.Generator().manual_seed(1))
    assert export_onnx(chosen, tmp_path / "one.onnx", x, {}) <= 1e-5
    (output,) = onnx.load(tmp_path / "one.onnx").graph.output
    assert output.name == "logits"
    monkeypatch.setattr("torch.onnx.export", None)  # refused before it is called
    for model in (whole, nw.deploy(whole), Pair()):
        with pytest.raises(NetwrightError, match=r"gives 2 outputs, an ONNX file holds one: build it with outputs=\(name,\)"):
            export_onnx(model, tmp_path / "new" / "two.onnx", x, {})
    assert not (tmp_path / "new").exists()


class Pair(nn.Module):
    """A module that netwright did not build."""

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def shifted(module: nn.Module, args: object, made: Tensor) -> Tensor:
    return made + 0.01 * made.abs().max()


def spoiled(model: fx.GraphModule, how: str) -> fx.GraphModule:
    """A model that no longer computes what its design and its weights say."""
    model = copy.deepcopy(model)
    if how == "hook":
        model.get_submodule("fc").register_forward_hook(shifted)
    elif how == "program":
        call = next(node for node in model.graph.nodes if node.op == "output")
        with model.graph.inserting_before(call):
            call.args = (model.graph.call_function(torch.relu, (call.args[0],)),)
        model.recompile()
    elif how == "layer":
        model.get_submodule("layer1.0.bn2").eps = 3.0
    else:
        model.get_parameter("fc.weight").data[0, 0] = float("nan")
    return model


@pytest.mark.parametrize("how", ["hook", "program", "layer", "weights that are no numbers"])
def test_a_file_with_other_outputs_is_refused(run: Run, how: str, tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    path.write_text("before")
    with pytest.raises(FailedError, match="differs from the trained one by"):
        export_onnx(spoiled(run.model, how), path, torch.randn(3, 3, 24, 24), run.about)
    assert path.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def broken(file: Path, folder: Path, how: str) -> Path:
    path, whole = folder / "broken.onnx", file.read_bytes()
    if how == "truncated":
        path.write_bytes(whole[: len(whole) // 2])
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "noise":
        path.write_bytes(bytes(itertools.islice(itertools.cycle(range(255, 0, -7)), 5000)))
    elif how == "folder":
        path.mkdir()
    elif how not in ("missing",):
        proto = onnx.load(file)
        for prop in list(proto.metadata_props):
            if prop.key == how:
                proto.metadata_props.remove(prop)
            elif prop.key == how.removeprefix("wrong "):
                prop.value = "[1"
        onnx.save(proto, path)
    return path


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ("truncated", "is not an ONNX file that can be run"),
        ("empty", "it is empty"),
        ("noise", "is not an ONNX file that can be run"),
        ("folder", "is a folder, not an ONNX file"),
        ("missing", "is not there"),
        ("netwright", "not one that netwright wrote"),
        ("mean", "does not say how pictures are shown"),
        ("classes", "does not say how pictures are shown"),
        ("wrong std", "does not say how pictures are shown"),
        ("wrong image", "does not say how pictures are shown"),
        ("wrong classes", "does not say how pictures are shown"),
    ],
)
def test_broken_files_are_told_in_one_line(written_file: Path, tmp_path: Path, how: str, told: str) -> None:
    path = broken(written_file, tmp_path, how)
    with pytest.raises(NetwrightError, match=told) as error:
        open_onnx(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)
    with pytest.raises(NetwrightError, match="threads is 0"):
        open_onnx(written_file, threads=0)


def test_the_command_writes_it_whole_or_not_at_all(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.json").write_text(nw.to_json(SMALL))
    nw.save_weights(nw.build(SMALL, seed=0), tmp_path / "w.safetensors", about={"classes": list("abcd"), **SHOWN.fields()})
    words = ["export", str(tmp_path / "net.json"), "--weights", str(tmp_path / "w.safetensors"), "-o"]
    assert main([*words, str(tmp_path / "net.onnx"), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["precision"] == "float32"
    assert told["largest_difference"] <= 1e-5
    assert open_onnx(tmp_path / "net.onnx").classes == tuple("abcd")
    (tmp_path / "file").write_text("")
    assert main([*words, str(tmp_path / "file" / "net.onnx")]) == 2
    assert main([*words, str(tmp_path / "net.pth")]) == 2
    lines = capsys.readouterr().err.strip().splitlines()
    assert [line.split(":")[1].split()[0] for line in lines] == ["cannot", str(tmp_path / "net.pth")]
