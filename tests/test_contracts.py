"""What every network keeps: one small member of each family as a torch module, and every name of the zoo as a design."""

from __future__ import annotations

import copy
import functools
import pickle
import re
from collections.abc import Iterable

import pytest
import torch
from torch import Tensor, fx, nn

import netwright as nw
from netwright.errors import DesignError, VanishedError
from netwright.graph import Design, FeatureMap, from_json, smallest_image, to_json, trace
from netwright.graph import layers as L
from netwright.runtime.fitting import tensor_shapes
from netwright.zoo import ParNet

FEW = (1, 1, 1, 1)
FAMILIES: dict[str, Design] = {
    name: nw.network(name, classes=10)
    for name in (
        *("alexnet", "alexnet_2012", "zfnet", "googlenet", "inception_v1", "inception_v3", "resnet18d", "seresnet18"),
        *("legacy_seresnet18", "resnet20_cifar", "plain20_cifar", "wrn_16_4", "mobilenetv1_025", "mobilenetv2_035"),
        *("efficientnet_b0", "mnasnet_a1", "regnety_002", "regnet_x_400mf", "repvgg_a0", "parnet_s", "squeezenet1_1"),
    )
} | {
    "vgg11_bn": nw.network("vgg11_bn", widths=(16, 32, 32, 32, 32), classes=10),
    "googlenet with aux": nw.network("googlenet", aux=True, classes=10),
    "inception_v4": nw.network("inception_v4", depths=(1, 1, 1), classes=10),
    "inception_resnet_v2": nw.network("inception_resnet_v2", depths=(1, 1, 1), classes=10),
    "resnext50": nw.network("resnext50_32x4d", depths=FEW, classes=10),
    "senet154": nw.network("senet154", depths=FEW, classes=10),
    "efficientnet with same padding": nw.network("efficientnet_b0", same=True, eps=1e-3, classes=10),
    "repvgg_a0 deployed": nw.network("repvgg_a0", deploy=True, classes=10),
    "repvgg with groups": nw.network("repvgg_b1g4", depths=(2, 2, 2, 1), a=0.5, b=0.5, classes=10),
    "parnet_s deployed": nw.network("parnet_s", deploy=True, classes=10),
}


@functools.cache
def side_of(family: str) -> int:
    """A small image that the family takes, with pixels left on its last map."""
    return max(40, (smallest_image(FAMILIES[family]) or 0) + 8)


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def model(family: str) -> fx.GraphModule:
    """In evaluation mode; what would change it works on a copy."""
    return nw.build(FAMILIES[family], side_of(family), seed=0).eval()


@pytest.fixture(scope="module")
def hollow(family: str) -> fx.GraphModule:
    """Without weights, on the meta device: it tells shapes alone."""
    return nw.build(FAMILIES[family], device="meta").eval()


def pictures(family: str, more: tuple[int, int] = (0, 0)) -> Tensor:
    """Two of them, square or a few pixels `more` high and wide."""
    side = side_of(family)
    return torch.randn(2, 3, side + more[0], side + more[1], generator=torch.Generator().manual_seed(1))


def all_of(outputs: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return outputs if isinstance(outputs, tuple) else (outputs,)


# ---------------------------------------------------------------- an ordinary torch module


def test_every_parameter_gets_a_finite_gradient(family: str, model: fx.GraphModule) -> None:
    """In training mode; behind a norm of scale zero (an identity start) it is zero, but there."""
    trained = copy.deepcopy(model).train()
    outputs = all_of(trained(pictures(family)))
    assert [tuple(y.shape) for y in outputs] == [(2, 10)] * (3 if "aux" in family else 1)
    sum(y.square().sum() for y in outputs).backward()
    assert [name for name, p in trained.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []
    assert any(p.grad is not None and p.grad.any() for p in trained.parameters())


@torch.no_grad()
def test_state_dicts_copies_and_pickles_compute_the_same(family: str, model: fx.GraphModule) -> None:
    x = pictures(family)
    expected = all_of(model(x))
    assert all(y.isfinite().all() for y in expected)
    other = nw.build(FAMILIES[family], device="meta").to_empty(device="cpu").eval()
    other.load_state_dict(model.state_dict(), strict=True)
    for twin in (other, copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert all(torch.equal(a, b) for a, b in zip(all_of(twin(x)), expected, strict=True))
        assert not {p.data_ptr() for p in twin.parameters()} & {p.data_ptr() for p in model.parameters()}


@pytest.mark.slow
def test_export_keeps_the_outputs(family: str, model: fx.GraphModule) -> None:
    x = pictures(family)
    exported = torch.export.export(model, (x,)).module()
    with torch.no_grad():
        torch.testing.assert_close(all_of(exported(x)), all_of(model(x)), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_channels_last_gives_the_same(family: str, model: fx.GraphModule) -> None:
    """For rectangular pictures. Forward only: oneDNN 3.12's backward is broken in this layout (docs/architecture.md)."""
    x = pictures(family, more=(3, 10))
    last = copy.deepcopy(model).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for got, expected in zip(all_of(last(x.to(memory_format=torch.channels_last))), all_of(model(x)), strict=True):
        assert float((got - expected).abs().max()) <= 1e-4 * float(expected.abs().max())


@torch.no_grad()
def test_bfloat16_autocast_stays_near(family: str, model: fx.GraphModule) -> None:
    """bfloat16 keeps 8 bits: a tenth of the largest score is far more than rounding adds up to, and less than a mistake."""
    x = pictures(family)[:1]
    expected = all_of(model(x))
    with torch.autocast("cpu", torch.bfloat16):
        outputs = all_of(model(x))
    for got, exact in zip(outputs, expected, strict=True):
        assert got.isfinite().all()
        assert float((got.float() - exact).abs().max()) <= 0.1 * float(exact.abs().max())


def test_shapes_of_odd_and_rectangular_images_are_torchs(family: str, hollow: fx.GraphModule) -> None:
    """Of every layer, as torch finds them on the meta device."""
    seen: dict[str, tuple[int, ...]] = {}
    for name, leaf in hollow.named_modules():
        if not list(leaf.children()):
            leaf.register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: tuple(out.shape[1:])}))
    side = side_of(family) // 2 * 2
    for image in ((side + 3, side + 14), (side + 11, side + 1)):
        graph = trace(FAMILIES[family], image)
        outputs = all_of(hollow(torch.empty(2, 3, *image, device="meta")))
        assert tuple(tuple(y.shape[1:]) for y in outputs) == graph.shapes == ((10,),) * len(outputs)
        assert seen == {row.name: row.shape for row in graph.rows() if row.name in seen}


def test_the_code_of_every_block_is_plain_python(model: fx.GraphModule) -> None:
    """It names no file of the machine that it was made on."""
    for module in model.modules():
        if isinstance(module, fx.GraphModule):
            assert not re.search(r"[\\/]|\.py\b", module.code), module.code
            compile(module.code, "block", "exec")


def test_the_smallest_image_is_the_smallest_that_torch_takes(family: str, hollow: fx.GraphModule) -> None:
    least = smallest_image(FAMILIES[family])
    assert least is not None
    hollow(torch.empty(2, 3, least, least, device="meta"))
    if least > 1:
        with pytest.raises(RuntimeError):
            hollow(torch.empty(2, 3, least - 1, least - 1, device="meta"))


@pytest.mark.parametrize(("name", "scores"), [("inception_v1", 3), ("inception_v3", 2)])
def test_auxiliary_classifiers_are_trained_too(name: str, scores: int) -> None:
    """Those of the paper's GoogLeNet and of Inception v3 want an image of nearly its own size; so one of each, alone."""
    design = nw.network(name, aux=True, classes=10)
    least = smallest_image(design)
    assert least is not None
    model = nw.build(design, least, seed=0)
    outputs = model(torch.randn(2, 3, least, least))
    assert [tuple(y.shape) for y in outputs] == [(2, 10)] * scores
    sum(y.square().sum() for y in outputs).backward()
    assert [key for key, p in model.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


# ---------------------------------------------------------------- every name of the zoo


def as_modules_hold(names: Iterable[str]) -> list[str]:
    """Names in the order of nested modules: what one of them holds stands together, where its first stands."""
    held: dict[str, list[str]] = {}
    for name in names:
        first, _, rest = name.partition(".")
        held.setdefault(first, []).append(rest)
    return [
        f"{first}.{rest}" if rest else first
        for first, inner in held.items()
        for rest in (as_modules_hold(inner) if inner[0] else inner)
    ]


@pytest.mark.parametrize("name", nw.networks())
def test_every_name_is_a_design_that_keeps_its_word(name: str) -> None:
    """The same after a trip through JSON; traced, and built on the meta device with its parameters in the graph's order.

    The rows and the module also agree on what works in place.
    """
    design = nw.network(name)
    read = from_json(to_json(design))
    assert read == design
    assert hash(read) == hash(design)
    assert trace(read) is trace(design)
    model = nw.build(design, device="meta")
    state = model.state_dict()
    shapes = tensor_shapes(trace(design))
    assert as_modules_hold(shapes) == list(state)
    assert list(shapes) == list(state) or isinstance(design, ParNet)  # whose streams are written in turn with what joins them
    assert shapes == {key: tuple(value.shape) for key, value in state.items()}
    assert all(value.is_meta for value in state.values())
    inplace = {row.name: row.inplace for row in trace(design).rows() if isinstance(row.layer, L.Activation)}
    built = {key: getattr(module, "inplace", False) for key, module in model.named_modules() if key in inplace}
    assert built == inplace
    assert any(built.values())


@pytest.mark.parametrize("name", nw.networks())
def test_an_image_one_pixel_smaller_than_the_smallest_vanishes(name: str) -> None:
    design = nw.network(name)
    least = smallest_image(design)
    assert least is not None
    assert trace(design, least).params == trace(design).params
    if least > 1:
        with pytest.raises(VanishedError, match=f"the smallest image it takes is {least} px") as error:
            trace(design, least - 1)
        assert error.value.path in {row.name for row in trace(design).rows()}


# ---------------------------------------------------------------- designs that are wrong


def groups_of(x: FeatureMap) -> FeatureMap:
    return x.conv("grouped", 12, 3, groups=4)


def unlike(x: FeatureMap) -> FeatureMap:
    return x + x.conv("conv", x.channels, 3, 2)


def gate_of_other_channels(x: FeatureMap) -> FeatureMap:
    return x * x.adaptive_pool(1).conv("gate", x.channels + 1, 1).sigmoid()


def gate_of_other_pixels(x: FeatureMap) -> FeatureMap:
    return x * x.adaptive_pool(2).conv("gate", x.channels, 1).sigmoid()


def flat_gate(x: FeatureMap) -> FeatureMap:
    return x * x.global_pool().linear("gate", x.channels).sigmoid()


def shuffled(x: FeatureMap) -> FeatureMap:
    return x.shuffle(4, name="mixed")


def shuffled_unnamed(x: FeatureMap) -> FeatureMap:
    return x.shuffle(5)


def shuffled_flat(x: FeatureMap) -> FeatureMap:
    return x.global_pool().shuffle(2, name="flat")


def two_factors(x: FeatureMap) -> FeatureMap:
    return x.layer(L.Scale((0.5, 2.0)), "scaled")


def two_shifts(x: FeatureMap) -> FeatureMap:
    return x.layer(L.Scale((1.0,), (0.0, 1.0)), "shifted")


def narrowed(x: FeatureMap) -> FeatureMap:
    return x.subsample(x.channels - 1, 2, name="short")


def nested(x: FeatureMap, body: str) -> FeatureMap:
    made: FeatureMap = x.conv("stem", 6, 3).block("0", WRONG[body][0])
    return made


class Nested(Design):
    """A wrong block, two blocks deep."""

    body: str

    def __call__(self, x: FeatureMap) -> FeatureMap:
        made: FeatureMap = x.relu().block("layer1", nested, self.body)
        return made


WRONG = {
    "groups": (groups_of, "layer1.0.grouped", "4 groups do not divide 6 -> 12 channels"),
    "add": (unlike, "layer1.0", "cannot add maps of (6, 9, 9) and (6, 5, 5)"),
    "gate's channels": (gate_of_other_channels, "layer1.0", "cannot scale a map of (6, 9, 9) by a gate of (7, 1, 1)"),
    "gate's pixels": (gate_of_other_pixels, "layer1.0", "cannot scale a map of (6, 9, 9) by a gate of (6, 2, 2)"),
    "flat gate": (flat_gate, "layer1.0", "cannot scale a map of (6, 9, 9) by a gate of (6,)"),
    "shuffle": (shuffled, "layer1.0.mixed", "4 groups do not divide the channels of a map of (6, 9, 9)"),
    "unnamed shuffle": (shuffled_unnamed, "layer1.0.shuffle", "5 groups do not divide the channels of a map of (6, 9, 9)"),
    "flat shuffle": (shuffled_flat, "layer1.0.flat", "2 groups do not divide the channels of a map of (6,)"),
    "factors": (two_factors, "layer1.0.scaled", "2 factors and 1 shifts for 6 channels"),
    "shifts": (two_shifts, "layer1.0.shifted", "1 factors and 2 shifts for 6 channels"),
    "subsample": (narrowed, "layer1.0.short", "cannot pad a map of shape (6, 9, 9) with zeros to 5 channels"),
}


@pytest.mark.parametrize("wrong", WRONG)
def test_an_error_names_the_layer_by_its_full_path(wrong: str) -> None:
    _, path, problem = WRONG[wrong]
    for _ in range(2):  # an error is not remembered as a result
        with pytest.raises(DesignError) as error:
            nw.build(Nested(wrong), 9)
        assert (error.value.path, error.value.problem) == (path, problem)
        assert str(error.value) == f"{path}: {problem}"


def unread_branches(x: FeatureMap) -> FeatureMap:
    x.block("dead", groups_that_fit, 32).global_pool().linear("scores", 100)
    return x.block("live", groups_that_fit, 4)


def groups_that_fit(x: FeatureMap, width: int) -> FeatureMap:
    x.conv("unread", 64, 5)
    return x.conv("read", width, 3, bias=True)


def test_layers_that_nothing_reads_are_dropped_and_not_counted() -> None:
    graph = trace(unread_branches, 9)
    assert [row.name for row in graph.rows()] == ["live.read"]
    assert graph.totals == (4 * 27 + 4, 81 * 4 * 27, 81 * 4)
    assert {name: tuple(p.shape) for name, p in nw.build(unread_branches, 9).named_parameters()} == {
        "live.read.weight": (4, 3, 3, 3),
        "live.read.bias": (4,),
    }


@pytest.mark.parametrize(
    ("name", "changes", "message"),
    [
        ("inception_v3", {"aux": True, "classes": 0}, "InceptionV3: an auxiliary classifier (aux) needs classes"),
        ("googlenet", {"aux": True, "classes": 0}, "GoogLeNet: auxiliary classifiers (aux) need classes"),
        ("wrn_28_10", {"depth": 27}, "WideResNet: depth is 27, expected 6 n + 4: 10, 16, 22, 28, 34, 40, ..."),
        ("wrn_28_10", {"depth": 4}, "WideResNet: depth is 4, expected 6 n + 4: 10, 16, 22, 28, 34, 40, ..."),
        ("vgg11", {"depths": (1, 1, 2)}, "VGG: 3 depths but 5 widths, expected one of each per stage"),
        ("resnet18", {"classes": -1}, "ResNet: classes is -1, expected a whole number at least 0"),
        ("squeezenet1_1", {"version": "2.0"}, "SqueezeNet: version is '2.0', expected one of '1.0', '1.1'"),
        ("parnet_s", {"activation": "relu6"}, "ParNet: activation is 'relu6', expected one of 'silu', 'relu'"),
        ("repvgg_a0", {"depth": (1,)}, "RepVGG has no field 'depth'; did you mean depths"),
    ],
)
def test_a_contradiction_is_told_when_a_design_is_made(name: str, changes: dict[str, object], message: str) -> None:
    with pytest.raises(DesignError, match=re.escape(message)):
        nw.network(name, **changes)


@pytest.mark.parametrize(
    ("design", "path"),
    [
        (nw.network("alexnet_2012", groups=5), "conv2"),
        (nw.network("repvgg_a0", a=0.05, groups=7), "stages.0.1.conv_kxk.conv"),
    ],
)
def test_a_network_of_the_zoo_names_its_layer_too(design: Design, path: str) -> None:
    with pytest.raises(DesignError, match="groups do not divide") as error:
        trace(design)
    assert error.value.path == path


def test_modules_are_of_torch_alone(model: fx.GraphModule) -> None:
    """Leaves are torch.nn's, but for the convolution that torch does not have."""
    leaves = [module for module in model.modules() if not list(module.children())]
    assert {type(leaf).__module__.partition(".")[0] for leaf in leaves} <= {"torch", "netwright"}
    assert {type(leaf).__name__ for leaf in leaves if type(leaf).__module__.startswith("netwright")} <= {"SameConv2d"}
    assert all(isinstance(leaf, nn.Module) for leaf in leaves)
