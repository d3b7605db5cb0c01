"""Networks that compute one function in several forms, and what the papers' tables and formulas say of their parts."""

from __future__ import annotations

import copy
import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, fx, nn
from torch.nn import functional as F

import netwright as nw
from netwright.blocks import Bottleneck, Branches, NaiveInception, Plain
from netwright.errors import NetwrightError
from netwright.graph import Design, FeatureMap, trace
from netwright.graph import layers as L
from netwright.zoo import VGG, ParNet, RepVGG, ResNet, branch_width


def randomized(model: fx.GraphModule) -> fx.GraphModule:
    """A model in evaluation mode whose norms have seen something: statistics, scales and shifts of all kinds."""
    source = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.weight.data.uniform_(-1.5, 1.5, generator=source)
            module.bias.data.normal_(0, 0.3, generator=source)
            module.running_mean.normal_(0, 0.3, generator=source)
            module.running_var.uniform_(0.3, 2, generator=source)
    return model.eval()


def picture(height: int, width: int, channels: int = 3) -> Tensor:
    return torch.randn(2, channels, height, width, generator=torch.Generator().manual_seed(1))


@torch.no_grad()
def difference(one: nn.Module, other: nn.Module, x: Tensor) -> float:
    """Largest difference of the outputs, in parts of the largest output."""
    expected = one.eval()(x)
    return float((other.eval()(x) - expected).abs().max() / expected.abs().max())


def params_of(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


# ---------------------------------------------------------------- merged branches: RepVGG and ParNet

MERGED: dict[str, Design] = {
    "repvgg_a0": nw.network("repvgg_a0", classes=10),
    "repvgg with groups": RepVGG((2, 3, 2, 1), 0.5, 0.5, groups=4, classes=10),
    "parnet_s": nw.network("parnet_s", classes=10),
    "parnet with relu": ParNet((16, 24, 32, 40), (2, 1, 1), activation="relu", classes=10),
}


@pytest.fixture(scope="module", params=MERGED)
def pair(request: pytest.FixtureRequest) -> tuple[fx.GraphModule, fx.GraphModule]:
    """A model as it is trained, and as it is deployed."""
    design = MERGED[request.param]
    model = randomized(nw.build(design, seed=0))
    return model, nw.convert(model, design.replace(deploy=True))


@pytest.mark.parametrize("size", [(64, 64), (65, 65), (47, 82), (33, 50)], ids=lambda size: "x".join(map(str, size)))
def test_merged_branches_give_the_same(pair: tuple[fx.GraphModule, fx.GraphModule], size: tuple[int, int]) -> None:
    """Also on odd and rectangular maps, whose windows hang over the edge."""
    model, merged = pair
    assert difference(model, merged, picture(*size)) < 1e-5
    assert not merged.training


def test_merging_leaves_the_model_as_it_was_and_no_norm_beside_a_convolution(pair: tuple[fx.GraphModule, fx.GraphModule]) -> None:
    model, merged = pair
    before = {name: value.clone() for name, value in model.state_dict().items()}
    design = merged.meta["netwright"]["design"]
    nw.convert(model, design)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    norms = [name for name, module in merged.named_modules() if isinstance(module, nn.BatchNorm2d)]
    assert norms == (
        [] if isinstance(design, RepVGG) else [name for name in norms if "rbr_identity" in name or name[-3:] in (".b1", ".b2")]
    )
    assert params_of(merged) == trace(design).params < params_of(model)


def test_grey_pictures_have_forms_too() -> None:
    design = RepVGG((1, 2, 1), 0.25, 0.25, classes=10)
    model = randomized(nw.build(design, channels=1, seed=0))
    assert difference(model, nw.convert(model, design.replace(deploy=True)), picture(32, 40, channels=1)) < 1e-5


GOLDEN = [  # at 224 px: params, macs, acts; timm 1.0.31's repvgg_* before and after its reparameterization
    ("repvgg_a0", False, 9_108_968, 1_512_581_120, 3_588_584),
    ("repvgg_a0", True, 8_309_384, 1_361_451_008, 1_794_792),
    ("repvgg_b0", True, 14_339_048, 3_057_600_512, 3_074_280),
    ("repvgg_b3", True, 110_960_872, 26_208_882_688, 7_552_488),
]


@pytest.mark.parametrize(("name", "deploy", "params", "macs", "acts"), GOLDEN)
def test_counts_of_both_forms_are_exact(name: str, deploy: bool, params: int, macs: int, acts: int) -> None:
    assert trace(nw.network(name, deploy=deploy), 224).totals == (params, macs, acts)


def test_merging_by_hand() -> None:
    """One RepVGG block of two channels against equations worked out for one pixel: 3x3 + 1x1 + identity, each normed."""
    design = RepVGG((2,), 1.0, 2 / 64, classes=0)
    model = randomized(nw.build(design, 16, seed=0))
    merged = nw.convert(model, design.replace(deploy=True))
    state = {name: value.double() for name, value in model.state_dict().items()}

    def scale_and_shift(norm: str) -> tuple[Tensor, Tensor]:
        scale = state[f"{norm}.weight"] / (state[f"{norm}.running_var"] + 1e-5).sqrt()
        return scale, state[f"{norm}.bias"] - state[f"{norm}.running_mean"] * scale

    block = "stages.0.1."
    three, one, same = (scale_and_shift(block + norm) for norm in ("conv_kxk.bn", "conv_1x1.bn", "identity"))
    kernel = merged.get_parameter(block + "reparam_conv.weight")
    assert kernel.shape == (2, 2, 3, 3)
    for i, j in itertools.product(range(2), range(2)):
        dense = state[block + "conv_kxk.conv.weight"][i, j] * three[0][i]
        centre = dense[1, 1] + state[block + "conv_1x1.conv.weight"][i, j, 0, 0] * one[0][i] + (same[0][i] if i == j else 0)
        assert kernel[i, j, 1, 1].item() == pytest.approx(centre.item(), abs=1e-6)
        assert kernel[i, j, 0, 2].item() == pytest.approx(dense[0, 2].item(), abs=1e-6)
    bias = three[1] + one[1] + same[1]
    torch.testing.assert_close(merged.get_parameter(block + "reparam_conv.bias").double(), bias, rtol=0, atol=1e-6)


def test_the_activation_of_parnet_is_a_field() -> None:
    """The paper's SiLU unless asked: the released configuration yields ReLU."""
    kinds = {}
    for design in (nw.network("parnet_s"), nw.network("parnet_s", activation="relu")):
        kinds[design] = {row.layer.kind for row in trace(design).rows() if isinstance(row.layer, L.Activation)} - {"sigmoid"}
    assert list(kinds.values()) == [{"silu"}, {"relu"}]
    assert len({trace(design).totals for design in kinds}) == 1


# ---------------------------------------------------------------- ResNeXt's three forms

FORMS: tuple[Any, ...] = (Branches("sum", 4, 8), Branches("concatenate", 4, 8), Bottleneck(4, 8))


def resnext(block: Any) -> ResNet:
    return ResNet((2, 1), block, width=64, classes=5)


@pytest.mark.parametrize(
    ("one", "other"), list(itertools.permutations(FORMS, 2)), ids=lambda form: getattr(form, "form", "grouped")
)
def test_resnexts_forms_compute_the_same(one: Any, other: Any) -> None:
    """In all six directions, and back without a bit of difference."""
    model = randomized(nw.build(resnext(one), seed=0))
    converted = nw.convert(model, resnext(other))
    assert difference(model, converted, picture(48, 37)) < 1e-5
    assert params_of(model) == params_of(converted)
    back = nw.convert(converted, resnext(one)).state_dict()
    assert list(back) == list(model.state_dict())
    assert all(torch.equal(value, back[name]) for name, value in model.state_dict().items())


def test_resnexts_forms_cost_the_same_but_for_the_maps_between() -> None:
    """Fig. 3a keeps one map more for every branch and adds them; params and macs are those of Fig. 3c."""
    (summed, joined, grouped) = (trace(resnext(form), 64) for form in FORMS)
    assert summed.totals[:2] == joined.totals[:2] == grouped.totals[:2]
    assert joined.acts == grouped.acts
    expansions = 2 * 256 * 16 * 16 + 512 * 8 * 8  # outputs of the last 1x1: two blocks of the first stage, one of the second
    assert summed.acts - grouped.acts == 3 * expansions


def test_resnext50_in_all_forms_has_the_counts_of_the_published_one() -> None:
    """Its form with grouped convolutions is held against torch's own counter in test_zoo."""
    published = trace(nw.network("resnext50_32x4d"), 224)
    assert published.params == 25_028_904
    for form in ("sum", "concatenate"):
        graph = trace(nw.network("resnext50_32x4d", block=Branches(form, 32, 4)), 224)
        assert graph.totals[:2] == published.totals[:2]


@pytest.mark.parametrize(("groups", "width"), [(1, 64), (2, 40), (4, 24), (8, 14), (32, 4)])
def test_published_widths_of_branches(groups: int, width: int) -> None:
    """Table 2 of the paper (cardinality C and bottleneck width d of conv2), about 70 thousand params each."""
    exact = branch_width(groups)
    assert round(exact) == width
    assert 256 * groups * exact * 2 + 9 * groups * exact**2 == pytest.approx(256 * 64 * 2 + 9 * 64 * 64)
    assert 256 * groups * width + 9 * groups * width**2 + groups * width * 256 == pytest.approx(69_632, rel=0.03)


REFUSED: list[tuple[Design, Design]] = [
    (MERGED["repvgg_a0"], MERGED["repvgg_a0"]),  # nothing to do
    (MERGED["repvgg_a0"].replace(deploy=True), MERGED["repvgg_a0"]),  # branches cannot be told apart again
    (MERGED["repvgg_a0"], MERGED["repvgg_a0"].replace(deploy=True, classes=11)),
    (MERGED["repvgg_a0"], MERGED["parnet_s"].replace(deploy=True)),
    (MERGED["parnet with relu"], MERGED["parnet with relu"].replace(deploy=True, activation="silu")),
    (resnext(FORMS[0]), resnext(Bottleneck(8, 4))),
    (resnext(FORMS[0]), resnext(Branches("concatenate", 4, 4))),
    (resnext(FORMS[0]), resnext(Bottleneck(4, 8, shortcut="average"))),
    (resnext(FORMS[2]), resnext(FORMS[0]).replace(depths=(2, 2))),
    (resnext(Plain()), resnext(FORMS[0])),
    (resnext(FORMS[2]), nw.network("alexnet")),
]


@pytest.mark.parametrize(("old", "new"), REFUSED)
def test_what_is_not_the_same_function_is_refused_in_one_line(old: Design, new: Design) -> None:
    model = nw.build(old, device="meta")
    with pytest.raises(
        NetwrightError, match=f"cannot convert {type(old).__name__} into this {type(new).__name__}: known are"
    ) as error:
        nw.convert(model, new)
    assert "\n" not in str(error.value)


def test_a_module_of_another_maker_is_refused() -> None:
    for change in (nw.convert, nw.grow):
        with pytest.raises(NetwrightError, match="Sequential was not made by netwright's build"):
            change(nn.Sequential(nn.Conv2d(3, 4, 1)), MERGED["repvgg_a0"])  # type: ignore[arg-type]


def test_a_part_of_a_network_is_not_converted() -> None:
    """It carries the whole design, but not all of its weights: this is told, not torch's list of missing keys."""
    design = MERGED["repvgg with groups"]
    part = nw.build(design, outputs=("stages.0",), device="meta")
    with pytest.raises(NetwrightError, match="convert"):
        nw.convert(part, design.replace(deploy=True))


# ---------------------------------------------------------------- growing

DEPTHS = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def vgg(layers: int, classes: int = 10, batch_norm: bool = False) -> VGG:
    """As deep as the paper's, but narrow."""
    return VGG(DEPTHS[layers], (4, 4, 8, 8, 2), batch_norm=batch_norm, classes=classes)


def places(layers: int) -> list[tuple[int, int, str]]:
    """Stage, place in it, and name of each convolution, by Table 1: each has a ReLU, and a stage ends with a pooling."""
    found, number = [], 0
    for stage, depth in enumerate(DEPTHS[layers]):
        found += [(stage, i, f"features.{number + 2 * i}") for i in range(depth)]
        number += 2 * depth + 1
    return found


def test_vgg_grows_from_11_to_13_to_16_to_19() -> None:
    model = nw.build(vgg(11), seed=0)
    for shallow, deep in itertools.pairwise(DEPTHS):
        grown = nw.grow(model, vgg(deep), seed=deep)
        old = {(stage, i): name for stage, i, name in places(shallow)}
        fresh = nw.build(vgg(deep), seed=deep)
        for stage, i, name in places(deep):
            weight = grown.get_parameter(name + ".weight")
            if (stage, i) in old:
                assert torch.equal(weight, model.get_parameter(old[stage, i] + ".weight")), name
                assert torch.equal(grown.get_parameter(name + ".bias"), model.get_parameter(old[stage, i] + ".bias"))
            else:
                assert torch.equal(weight, fresh.get_parameter(name + ".weight")), name  # as a seed draws it
                assert not any(torch.equal(weight, p) for p in model.parameters()), name
        for name in ("classifier.0", "classifier.3", "classifier.6"):
            assert torch.equal(grown.get_parameter(name + ".weight"), model.get_parameter(name + ".weight"))
        model = grown
    assert len(places(19)) == 16
    assert model(picture(32, 32)).shape == (2, 10)


def test_growing_for_other_classes_leaves_the_head_fresh() -> None:
    model = nw.build(vgg(11), seed=0)
    grown = nw.grow(model, vgg(13, classes=7), seed=3)
    assert torch.equal(grown.get_parameter("classifier.3.weight"), model.get_parameter("classifier.3.weight"))
    fresh = nw.build(vgg(13, classes=7), seed=3)
    assert torch.equal(grown.get_parameter("classifier.6.weight"), fresh.get_parameter("classifier.6.weight"))
    assert grown.get_parameter("classifier.6.weight").shape == (7, 4096)


def test_norms_grow_with_their_convolutions() -> None:
    model = randomized(nw.build(vgg(11, batch_norm=True), seed=0))
    grown = nw.grow(model, vgg(13, batch_norm=True), seed=1).state_dict()
    state = model.state_dict()
    for old, new in ((0, 0), (1, 1), (4, 7), (5, 8)):  # conv, norm and ReLU in a row, a pooling after each stage
        for name in (name for name in state if name.startswith(f"features.{old}.")):
            assert torch.equal(grown[name.replace(f"features.{old}.", f"features.{new}.")], state[name]), name
    assert torch.equal(grown["features.4.running_mean"], torch.zeros(4))


def test_nothing_in_common_is_told() -> None:
    model = nw.build(nw.network("resnet20_cifar"), seed=0)
    with pytest.raises(NetwrightError, match="no layer of CifarResNet fits SqueezeNet: nothing to start from"):
        nw.grow(model, nw.network("squeezenet1_1"))


# ---------------------------------------------------------------- Inception: the naive module, auxiliary classifiers


def naive_twice(x: FeatureMap) -> FeatureMap:
    x = x.block("a", NaiveInception(64, 128, 32))
    return x.block("b", NaiveInception(128, 192, 96))


def test_the_naive_module_keeps_the_pooled_input_and_so_always_widens() -> None:
    """Szegedy et al. 2014, Fig. 2a, with the widths of 3a and 3b: 28 px, 192 channels, by hand."""
    graph = trace(naive_twice, 28, channels=192)
    first, second = 192 + 64 + 128 + 32, 192 + 64 + 128 + 32 + 128 + 192 + 96
    assert (first, second) == (416, 832)
    assert trace(naive_twice, 28, channels=192, outputs=("a", "b")).shapes == ((first, 28, 28), (second, 28, 28))
    weights = 192 * (64 + 9 * 128 + 25 * 32) + 416 * (128 + 9 * 192 + 25 * 96)
    assert graph.macs == 28 * 28 * weights
    assert graph.params == weights + 64 + 128 + 32 + 128 + 192 + 96
    model = nw.build(naive_twice, 28, channels=192, seed=0)
    x = picture(9, 9, channels=192)
    with torch.no_grad():
        made = model.get_submodule("a")(x)
    assert torch.equal(made[:, -192:], F.max_pool2d(x, 3, 1, 1))
    branch = model.get_submodule("a.branch3.conv")
    assert isinstance(branch, nn.Conv2d)
    torch.testing.assert_close(made[:, 192:224], F.conv2d(x, branch.weight, branch.bias, padding=2).relu())


@pytest.mark.parametrize(
    ("name", "params", "plain"), [("googlenet", 13_004_888, 6_624_904), ("inception_v3", 27_161_264, 23_834_568)]
)
def test_params_with_auxiliary_classifiers(name: str, params: int, plain: int) -> None:
    """torchvision 0.28's networks with and without aux_logits."""
    assert trace(nw.network(name, aux=True)).params == params
    assert trace(nw.network(name)).params == plain


def test_auxiliary_scores_come_after_the_scores_the_nearer_ones_first() -> None:
    """torchvision's GoogLeNetOutputs are (logits, aux_logits2, aux_logits1)."""
    model = nw.build(nw.network("googlenet", aux=True, classes=4), seed=0).eval()
    with torch.no_grad():
        for bias, name in ((100.0, "fc"), (200.0, "aux2.fc2"), (300.0, "aux1.fc2")):
            model.get_parameter(name + ".bias").fill_(bias)
        means = [float(scores.mean()) for scores in model(picture(64, 64))]
    assert means == pytest.approx([100, 200, 300], abs=50)
    graph = trace(nw.network("inception_v3", aux=True, classes=4))
    assert [graph.nodes[place].name for place in graph.outputs] == ["fc", "AuxLogits"]


# ---------------------------------------------------------------- the tables of the papers


def strides(design: Design, block: str) -> list[int]:
    """The stride of each 3x3 or larger convolution of a block."""
    return [
        row.layer.stride[0]
        for row in trace(design).rows()
        if row.name.startswith(block + ".") and isinstance(row.layer, L.Conv) and row.layer.kernel != (1, 1)
    ]


MOBILENET_V2 = [  # Table 2 (2.1 of the notes): input px and channels, expansion t, channels c, repeats n, stride s
    ("blocks.0", 112, 32, 1, 16, 1, 1),
    ("blocks.1", 112, 16, 6, 24, 2, 2),
    ("blocks.2", 56, 24, 6, 32, 3, 2),
    ("blocks.3", 28, 32, 6, 64, 4, 2),
    ("blocks.4", 14, 64, 6, 96, 3, 1),
    ("blocks.5", 14, 96, 6, 160, 3, 2),
    ("blocks.6", 7, 160, 6, 320, 1, 1),
]


@pytest.mark.parametrize("row", MOBILENET_V2, ids=lambda row: row[0])
def test_mobilenet_v2_reads_like_its_table(row: tuple[str, int, int, int, int, int, int]) -> None:
    name, size, inputs, expansion, width, repeats, stride = row
    design = nw.network("mobilenet_v2")
    shapes = {line.name: line.shape for line in nw.cost(design, 224, by="stage").lines}
    before = list(shapes)[list(shapes).index(name) - 1]
    assert shapes[before] == (inputs, size, size)
    assert shapes[name] == (width, size // stride, size // stride)
    assert strides(design, name) == [stride] + [1] * (repeats - 1)
    rows = [r for r in trace(design).rows() if r.name.startswith(name + ".")]
    expanded = [r.layer.outputs for r in rows if isinstance(r.layer, L.Conv) and r.layer.groups > 1]
    assert expanded == [expansion * inputs] + [expansion * width] * (repeats - 1)
    assert sum(r.layer.kind == "add" for r in rows) == repeats - 1


def test_mobilenet_v2_begins_and_ends_like_its_table() -> None:
    """224 px, conv2d 32/2; 7 px, conv2d 1x1 to 1280; average pooling; k classes."""
    lines = nw.cost(nw.network("mobilenet_v2"), 224, by="layer").lines
    shapes = {line.name: (line.kind, line.shape) for line in lines}
    assert shapes["conv_stem"] == ("conv 3x3/2", (32, 112, 112))
    assert shapes["conv_head"] == ("conv 1x1", (1280, 7, 7))
    assert shapes["global_pool"] == ("adaptive_pool 1x1", (1280, 1, 1))
    assert shapes["classifier"] == ("linear", (1000,))
    assert sum(line.params for line in lines) == 3_504_872  # the paper says 3.4 M


EFFICIENTNET_B0 = [  # Table 1: stage, operator (expansion and kernel of MBConv), input px, channels, layers
    ("blocks.0", 1, 3, 112, 16, 1),
    ("blocks.1", 6, 3, 112, 24, 2),
    ("blocks.2", 6, 5, 56, 40, 2),
    ("blocks.3", 6, 3, 28, 80, 3),
    ("blocks.4", 6, 5, 14, 112, 3),
    ("blocks.5", 6, 5, 14, 192, 4),
    ("blocks.6", 6, 3, 7, 320, 1),
]


@pytest.mark.parametrize("row", EFFICIENTNET_B0, ids=lambda row: row[0])
def test_efficientnet_b0_reads_like_its_table(row: tuple[str, int, int, int, int, int]) -> None:
    name, expansion, kernel, size, width, layers = row
    design = nw.network("efficientnet_b0")
    shapes = {line.name: line.shape for line in nw.cost(design, 224, by="stage").lines}
    before = list(shapes)[list(shapes).index(name) - 1]
    inputs = shapes[before][0]
    assert shapes[before][1:] == (size, size)
    assert shapes[name][0] == width
    rows = [r for r in trace(design, 224).rows() if r.name.startswith(name + ".")]
    filters = [r.layer for r in rows if isinstance(r.layer, L.Conv) and r.layer.groups > 1]
    assert [f.kernel for f in filters] == [(kernel, kernel)] * layers
    assert [f.outputs for f in filters] == [expansion * inputs] + [expansion * width] * (layers - 1)
    gates = [r.layer.outputs for r in rows if r.name.endswith("se.conv_reduce") and isinstance(r.layer, L.Conv)]
    assert gates == [inputs // 4] + [width // 4] * (layers - 1)  # a quarter of the block's input


def test_efficientnet_b0_begins_and_ends_like_its_table() -> None:
    shapes = {line.name: (line.kind, line.shape) for line in nw.cost(nw.network("efficientnet_b0"), 224).lines}
    assert shapes["conv_stem"] == ("conv 3x3/2", (32, 112, 112))
    assert shapes["conv_head"] == ("conv 1x1", (1280, 7, 7))


# ---------------------------------------------------------------- AlexNet of 2012


def test_alexnet_of_2012_by_hand() -> None:
    """conv1: 96 filters of 11x11x3 and a bias each at stride 4, 55 px; 9,216 features into the first linear layer."""
    lines = {line.name: line for line in nw.cost(nw.network("alexnet_2012"), 224).lines}
    assert lines["conv1"].params == 96 * (11 * 11 * 3 + 1) == 34_944
    assert lines["conv1"].shape == (96, 55, 55)
    assert lines["conv1"].flops == 2 * 55 * 55 * 96 * 363
    assert lines["pool5"].shape == (256, 6, 6)
    assert lines["classifier.1"].params == 9216 * 4096 + 4096
    whole = {line.name: line for line in nw.cost(nw.network("alexnet_2012", groups=1), 224).lines}
    for name, width, inputs, kernel in (("conv2", 256, 96, 5), ("conv4", 384, 384, 3), ("conv5", 256, 384, 3)):
        assert lines[name].params == width * (inputs // 2 * kernel**2 + 1)
        assert whole[name].params == width * (inputs * kernel**2 + 1)
        assert lines[name].shape == whole[name].shape
    assert lines["conv3"].params == whole["conv3"].params == 384 * (256 * 9 + 1)
    assert sum(line.params for line in lines.values()) == 60_965_224


def local_norm(x: np.ndarray, k: float, n: int, alpha: float, beta: float) -> np.ndarray:
    """Krizhevsky et al. 2012, Section 3.3: b_i = a_i / (k + alpha sum over |j - i| <= n / 2 of a_j^2)^beta, (channels, ...)."""
    channels = len(x)
    made = np.empty_like(x)
    for i in range(channels):
        low, high = max(0, i - n // 2), min(channels - 1, i + n // 2)
        made[i] = x[i] / (k + alpha * (x[low : high + 1] ** 2).sum(0)) ** beta
    return made


@pytest.mark.parametrize(
    ("name", "layer"), [("alexnet_2012", "norm1"), ("alexnet_2012", "norm2"), ("zfnet", "norm1"), ("zfnet", "norm2")]
)
def test_local_norms_are_the_papers_with_alpha_on_the_sum(name: str, layer: str) -> None:
    module = nw.build(nw.network(name, classes=0), outputs=(layer,), seed=0).get_submodule(layer)
    x = 40 * torch.randn(1, 12, 4, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = local_norm(x[0].numpy(), k=2.0, n=5, alpha=1e-4, beta=0.75)
    np.testing.assert_allclose(module(x)[0].numpy(), expected, rtol=1e-12)


# ---------------------------------------------------------------- functions that torch does not have

sizes = st.integers(1, 9)


@given(st.integers(1, 4), st.integers(1, 4), sizes, sizes)
def test_a_shuffle_deals_channels_out_to_groups_in_turn(groups: int, each: int, height: int, width: int) -> None:
    """Group g's k-th channel comes to place k x groups + g, as ShuffleNet's Fig. 1 draws it."""
    x = np.random.default_rng(0).normal(size=(2, groups * each, height, width)).astype(np.float32)
    expected = np.empty_like(x)
    for g in range(groups):
        for k in range(each):
            expected[:, k * groups + g] = x[:, g * each + k]
    model = nw.build(Shuffled(groups), (height, width), channels=groups * each)
    np.testing.assert_array_equal(model(torch.from_numpy(x)).numpy(), expected)


class Shuffled(Design):
    groups: int

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.shuffle(self.groups)


@given(st.integers(1, 4), st.integers(0, 5), st.integers(1, 3), sizes, sizes)
def test_option_a_takes_every_stride_th_pixel_and_pads_channels(
    channels: int, more: int, stride: int, height: int, width: int
) -> None:
    x = np.random.default_rng(0).normal(size=(2, channels, height, width)).astype(np.float32)
    rows, columns = range(0, height, stride), range(0, width, stride)
    expected = np.zeros((2, channels + more, len(rows), len(columns)), np.float32)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            expected[:, more // 2 : more // 2 + channels, i, j] = x[:, :, row, column]
    design = Subsampled(channels + more, stride)
    assert trace(design, (height, width), channels).shape == expected.shape[1:]
    np.testing.assert_array_equal(nw.build(design, (height, width), channels=channels)(torch.from_numpy(x)).numpy(), expected)


class Subsampled(Design):
    width: int
    stride: int

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.subsample(self.width, self.stride)


def same_convolution(x: np.ndarray, kernel: np.ndarray, stride: int) -> np.ndarray:
    """TensorFlow's SAME: out = ceil(in / stride); of the padding, the smaller half goes to the top and the left."""
    (_, height, width), (outputs, _, tall, wide) = x.shape, kernel.shape
    out = (-(-height // stride), -(-width // stride))
    down = max((out[0] - 1) * stride + tall - height, 0)
    across = max((out[1] - 1) * stride + wide - width, 0)
    padded = np.pad(x, ((0, 0), (down // 2, down - down // 2), (across // 2, across - across // 2)))
    made = np.empty((outputs, *out))
    for i in range(out[0]):
        for j in range(out[1]):
            window = padded[:, i * stride : i * stride + tall, j * stride : j * stride + wide]
            made[:, i, j] = (kernel * window).sum((1, 2, 3))
    return made


class Same(Design):
    kernel: int
    stride: int

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.conv("conv", 2, self.kernel, self.stride, padding="same")


@given(sizes, sizes, st.integers(1, 5), st.integers(1, 3))
def test_same_padding_is_tensorflows(height: int, width: int, kernel: int, stride: int) -> None:
    model = nw.build(Same(kernel, stride), (height, width), seed=0).double()
    x = np.random.default_rng(0).normal(size=(3, height, width))
    expected = same_convolution(x, model.get_parameter("conv.weight").detach().numpy(), stride)
    assert trace(Same(kernel, stride), (height, width)).shape == expected.shape
    with torch.no_grad():
        np.testing.assert_allclose(model(torch.from_numpy(x)[None])[0].numpy(), expected, atol=1e-12)


@pytest.mark.parametrize(
    ("size", "kernel", "stride", "first"),
    [
        (5, 3, 1, 1),
        (5, 3, 2, 1),
        (6, 3, 2, 0),
        (224, 3, 2, 0),
        (112, 5, 2, 1),
        (7, 5, 2, 2),
        (6, 2, 1, 0),
        (4, 2, 3, 0),
        (5, 1, 2, 0),
    ],
)
def test_same_padding_puts_the_odd_pixel_last(size: int, kernel: int, stride: int, first: int) -> None:
    """`first` zeros before the picture, from TensorFlow's formula by hand: the first output of a one at a corner tells."""
    model = nw.build(Same(kernel, stride), size, channels=1, seed=0)
    weight = model.get_parameter("conv.weight")
    x = torch.zeros(1, 1, size, size)
    x[..., 0, 0] = 1
    with torch.no_grad():
        torch.testing.assert_close(model(x)[0, :, 0, 0], weight[:, 0, first, first])


def test_a_same_convolution_can_be_copied_and_cast() -> None:
    model = nw.build(Same(3, 2), 7, seed=0)
    x = picture(7, 8)
    torch.testing.assert_close(copy.deepcopy(model).double()(x.double()).float(), model(x))
