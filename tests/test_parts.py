"""`outputs=`: maps from inside of a network, against those that forward hooks catch in the whole one."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, fx

import netwright as nw
from netwright.blocks import Basic, Bottleneck, SqueezeExcite
from netwright.costing.table import GROUPINGS
from netwright.errors import DesignError
from netwright.graph import Count, Design, FeatureMap, concat, trace
from netwright.zoo import RegNet, ResNet

Maps = tuple[Tensor, ...]


def picture(side: int = 64) -> Tensor:
    return torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(3))


@torch.no_grad()
def maps_of(model: fx.GraphModule, x: Tensor) -> Maps:
    """What a model in evaluation mode returns, always as a tuple."""
    made = model.eval()(x)
    return made if isinstance(made, tuple) else (made,)


@torch.no_grad()
def caught(model: fx.GraphModule, names: Iterable[str], x: Tensor) -> Maps:
    """What the submodules of these names put out; copied at once, as an activation may overwrite it."""
    seen: dict[str, Tensor] = {}
    hooks = [
        model.get_submodule(name).register_forward_hook(lambda _m, _i, out, name=name: seen.update({name: out.clone()}))
        for name in set(names)
    ]
    model.eval()(x)
    for hook in hooks:
        hook.remove()
    return tuple(seen[name] for name in names)


def part_of(full: fx.GraphModule, design: Design, names: tuple[str, ...], side: int = 64) -> fx.GraphModule:
    """The part of a design that gives these maps, with the weights of the whole model."""
    part = nw.build(design, side, outputs=names, seed=1)
    state = full.state_dict()
    part.load_state_dict({name: state[name] for name in part.state_dict()})
    return part


def randomized(model: fx.GraphModule) -> fx.GraphModule:
    """A model whose norms are no longer those of an identity start: else branches would not be seen."""
    source = torch.Generator().manual_seed(5)
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.weight.data.uniform_(0.5, 1.5, generator=source)
            module.bias.data.normal_(0, 0.2, generator=source)
            module.running_mean.normal_(0, 0.2, generator=source)  # type: ignore[union-attr]
            module.running_var.uniform_(0.5, 1.5, generator=source)  # type: ignore[union-attr]
    return model


def params_of(model: torch.nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


RESNET, REGNETY, SQUEEZENET = (nw.network(name, classes=10) for name in ("resnet18", "regnety_002", "squeezenet1_1"))
VGG = nw.network("vgg11_bn", widths=(8, 16, 16, 16, 16), classes=10)


@functools.cache
def whole(design: Design) -> fx.GraphModule:
    """The whole network of a design; made once, as it is only ever asked."""
    return randomized(nw.build(design, 64, seed=0))


@pytest.fixture
def resnet() -> fx.GraphModule:
    return whole(RESNET)


# ---------------------------------------------------------------- which names there are

NAMED = [
    (RESNET, ("layer2",)),  # a block
    (RESNET, ("layer1", "layer2", "layer3", "layer4")),
    (RESNET, ("layer4", "layer2", "layer3")),  # in the order that was asked for
    (RESNET, ("layer3.0.conv2",)),  # a layer inside of nested blocks
    (RESNET, ("layer3.0.bn2", "layer3.0.downsample.1", "layer3.0")),
    (RESNET, ("bn1", "stem_relu", "conv1")),  # maps that the whole model overwrites, an automatic name with its section's label
    (RESNET, ("layer2", "layer2.0.relu", "layer2.1.relu_1", "layer2")),  # automatic names; one name twice
    (RESNET, ("layer1.0.bn1", "layer1.1.bn1", "layer1.1.conv1")),  # equal blocks are traced once, but asked for one by one
    (RESNET, ("avgpool", "fc")),
    (REGNETY, ("s2", "s3.b1.se", "s3.b1.se.sigmoid", "s3.b2.conv2.conv", "stem.bn")),
    (REGNETY, ("head", "s4", "head.fc")),
    (VGG, ("features.16",)),  # VGG's layers stand in sections, whose names they do not carry
    (VGG, ("features.2", "features.7", "avgpool", "classifier.4")),
    (SQUEEZENET, ("features.5", "features.3.squeeze_activation", "features.12", "classifier.3")),
]


@pytest.mark.parametrize(("design", "names"), NAMED, ids=[",".join(names) for _, names in NAMED])
def test_maps_are_those_that_hooks_catch(design: Design, names: tuple[str, ...]) -> None:
    full = whole(design)
    part = part_of(full, design, names)
    x = picture()
    expected, got = caught(full, names, x), maps_of(part, x)
    assert len(got) == len(names)
    torch.testing.assert_close(got, expected)
    assert trace(design, 64, outputs=names).shapes == tuple(tuple(value.shape[1:]) for value in expected)


LABELS = [
    (RESNET, "stem", "maxpool"),
    (RESNET, "head", "fc"),
    (VGG, "stage1", "features.3"),
    (VGG, "stage3", "features.14"),
    (VGG, "classifier", "classifier.6"),
    (SQUEEZENET, "classifier", "classifier_flatten"),
    (nw.network("mobilenetv2_035", classes=10), "neck", "neck_relu6"),
]


@pytest.mark.parametrize(("design", "label", "layer"), LABELS, ids=[f"{label}-{layer}" for _, label, layer in LABELS])
def test_a_sections_label_means_the_map_of_its_last_layer(design: Design, label: str, layer: str) -> None:
    (got,) = maps_of(part_of(whole(design), design, (label,)), picture())
    torch.testing.assert_close(got, *caught(whole(design), [layer], picture()))


def test_every_name_of_the_cost_table_can_be_asked_for() -> None:
    """Each gives the shape that the table prints: of layers, blocks and stages (whose label a smaller group may share)."""
    others = nw.network("googlenet"), nw.network("parnet_s"), nw.network("inception_resnet_v2", depths=(1, 1, 1))
    for design in (RESNET, VGG, *others):
        shapes = {line.name: line.shape for by in GROUPINGS for line in nw.cost(design, by=by).lines}
        for name, shape in shapes.items():
            assert trace(design, outputs=(name,)).shapes == (shape,), name


def test_the_sum_of_a_residual_block_before_its_relu(resnet: fx.GraphModule) -> None:
    """A layer that is no module: its map is worked out from those that are."""
    x = picture()
    last, shortcut, block = caught(resnet, ["layer2.0.bn2", "layer2.0.downsample.1", "layer2.0"], x)
    got = maps_of(part_of(resnet, RESNET, ("layer2.0.add", "layer2.0")), x)
    torch.testing.assert_close(got[0], last + shortcut)
    torch.testing.assert_close(got[1], block)


def test_one_name_gives_the_map_itself_and_more_a_tuple() -> None:
    one, two = (nw.build(RESNET, outputs=names, seed=0) for names in (("layer1",), ("layer1", "layer1")))
    assert isinstance(one(picture()), Tensor)
    made = two(picture())
    assert isinstance(made, tuple)
    assert torch.equal(made[0], made[1])
    assert params_of(two) == params_of(one)


def test_a_seed_gives_a_part_that_begins_the_network_the_weights_of_the_whole() -> None:
    full, part = nw.build(RESNET, seed=4), nw.build(RESNET, outputs=("layer2", "layer3"), seed=4)
    state = full.state_dict()
    assert [name for name in state if not name.startswith(("layer4", "fc"))] == list(part.state_dict())
    assert all(torch.equal(value, state[name]) for name, value in part.state_dict().items())


def test_a_part_is_trained_like_any_module(resnet: fx.GraphModule) -> None:
    """Maps that are asked for are not overwritten by what reads them: backward goes through both."""
    part = part_of(resnet, RESNET, ("layer1.0.bn1", "layer1.0.add", "layer1", "bn1")).train()
    sum(value.square().mean() for value in part(picture())).backward()
    assert [name for name, p in part.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


# ---------------------------------------------------------------- only what is needed


def test_only_what_is_needed_is_built_and_counted() -> None:
    """Through layer2, by hand: 7x7 stem; four 3x3 of 64; one 3x3 64 -> 128, three of 128, a 1x1; norms 2 per channel."""
    stem = 3 * 49 * 64 + 2 * 64
    layer1 = 4 * (9 * 64 * 64 + 2 * 64)
    layer2 = 9 * 64 * 128 + 3 * 9 * 128 * 128 + 64 * 128 + 5 * 2 * 128
    graph = trace(RESNET, 224, outputs=("layer2",))
    assert graph.params == stem + layer1 + layer2 == 683_072
    assert graph.macs == 112**2 * 3 * 49 * 64 + 56**2 * 4 * 9 * 64 * 64 + 28**2 * (layer2 - 5 * 2 * 128)
    assert graph.shapes == ((128, 28, 28),)
    model = nw.build(RESNET, outputs=("layer2",), device="meta")
    assert params_of(model) == graph.params
    assert [name for name, _ in model.named_children()] == ["conv1", "bn1", "stem_relu", "maxpool", "layer1", "layer2"]


def test_a_branch_alone_needs_no_other_branch() -> None:
    design = nw.network("googlenet")
    graph = trace(design, outputs=("inception3a.branch3.0",))
    assert {row.name.split(".")[1] for row in graph.rows() if row.name.startswith("inception3a")} == {"branch3"}
    before = trace(design, outputs=("maxpool2",)).params
    assert graph.params == before + 192 * 16 + 2 * 16
    assert params_of(nw.build(design, outputs=("inception3a.branch3.0",), device="meta")) == graph.params


def test_auxiliary_classifiers_are_dropped_where_nobody_asks_for_their_scores() -> None:
    plain, design = nw.network("googlenet", classes=10), nw.network("googlenet", classes=10, aux=True)
    assert trace(design, outputs=("head",)).totals == trace(plain).totals
    assert trace(design, outputs=("fc",)).totals == trace(plain).totals
    tops = {name.partition(".")[0] for name in nw.build(design, outputs=("inception4c", "aux1"), device="meta").state_dict()}
    assert {"aux1", "inception4c"} <= tops
    assert tops.isdisjoint({"aux2", "inception4d", "inception5b", "fc"})
    full = nw.build(design, 64, seed=0).eval()
    names = ("aux1", "fc", "aux2", "aux2.fc1")
    got = maps_of(part_of(full, design, names), picture())
    classes, second, first = full(picture())
    torch.testing.assert_close(got, (first, classes, second, *caught(full, ["aux2.fc1"], picture())))


# ---------------------------------------------------------------- blocks with several outputs


def halves(x: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
    common = x.conv("common", 4, 1)
    return common.conv("left", 5, 3), common.conv("right", 6, 3).norm("right_bn")


def left_only(x: FeatureMap) -> FeatureMap:
    left, _right = x.block("halves", halves)
    return left.relu()


def right_only(x: FeatureMap) -> FeatureMap:
    _left, right = x.block("halves", halves)
    return right.relu()


LEFT, RIGHT, COMMON = 9 * 4 * 5, 9 * 4 * 6 + 2 * 6, 3 * 4


@pytest.mark.parametrize(("net", "params", "layer"), [(left_only, LEFT, "left"), (right_only, RIGHT, "right_bn")])
def test_what_nobody_reads_of_a_blocks_outputs_is_neither_counted_nor_built(net: object, params: int, layer: str) -> None:
    graph = trace(net, 8)  # type: ignore[arg-type]
    assert graph.params == COMMON + params
    model = nw.build(net, 8, seed=0)  # type: ignore[arg-type]
    assert params_of(model) == COMMON + params
    torch.testing.assert_close(maps_of(model, picture(8))[0], caught(model, [f"halves.{layer}"], picture(8))[0].relu())


def thirds(x: FeatureMap) -> tuple[FeatureMap, FeatureMap, FeatureMap]:
    return x.conv("a", 2, 1), x.conv("b", 3, 1), x.conv("c", 4, 1)


def reordered(x: FeatureMap) -> tuple[FeatureMap, FeatureMap, FeatureMap]:
    a, b, c = x.block("thirds", thirds)
    return c, b, a


def some_of_nested(x: FeatureMap) -> FeatureMap:
    c, _b, a = x.block("outer", reordered)
    return concat(c, a, c)


def test_unread_outputs_are_dropped_at_any_depth_and_the_others_keep_their_places() -> None:
    model = nw.build(some_of_nested, 8, seed=0)
    assert list(model.state_dict()) == ["outer.thirds.a.weight", "outer.thirds.c.weight"]
    assert trace(some_of_nested, 8).totals == (3 * 6, 64 * 3 * 6, 64 * 6)
    a, c = caught(model, ["outer.thirds.a", "outer.thirds.c"], picture(8))
    torch.testing.assert_close(maps_of(model, picture(8))[0], torch.cat([c, a, c], 1))


def handed_on(x: FeatureMap) -> tuple[FeatureMap, FeatureMap, FeatureMap]:
    y = x.conv("a", 2, 1)
    return x, y, y


def reads_the_handed_on(x: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
    same, _first, second = x.block("b", handed_on)
    return second.relu(), same.relu()


def only_the_handed_on(x: FeatureMap) -> FeatureMap:
    same, _first, _second = x.block("b", handed_on)
    return same.relu()


def test_a_block_may_hand_its_input_on() -> None:
    model = nw.build(reads_the_handed_on, 8, seed=0)
    x = picture(8)
    expected = torch.nn.functional.conv2d(x, model.get_parameter("b.a.weight")).relu()
    got = maps_of(model, x)
    torch.testing.assert_close(got[0], expected)
    torch.testing.assert_close(got[1], x.relu())
    assert trace(only_the_handed_on, 8).totals == (0, 0, 0)
    torch.testing.assert_close(maps_of(nw.build(only_the_handed_on, 8), x)[0], x.relu())


def uses_both(x: FeatureMap) -> FeatureMap:
    left, right = x.block("halves", halves)
    return concat(left, right).conv("fuse", 3, 1)


@pytest.mark.parametrize(
    ("names", "params"),
    [
        (("halves.left",), COMMON + LEFT),
        (("halves.right",), COMMON + RIGHT - 12),
        (("halves.right_bn", "halves.common"), COMMON + RIGHT),
        (("halves.common", "fuse"), COMMON + LEFT + RIGHT + 33),
        (("halves.right", "halves.left", "fuse"), COMMON + LEFT + RIGHT + 33),
    ],
)
def test_layers_inside_of_a_block_with_several_outputs(names: tuple[str, ...], params: int) -> None:
    full = randomized(nw.build(uses_both, 8, seed=0))
    part = nw.build(uses_both, 8, outputs=names, seed=1)
    assert params_of(part) == trace(uses_both, 8, outputs=names).params == params
    part.load_state_dict({name: full.state_dict()[name] for name in part.state_dict()})
    torch.testing.assert_close(maps_of(part, picture(8)), caught(full, names, picture(8)))


def test_a_block_with_several_outputs_is_not_taken_for_one_of_its_layers() -> None:
    """Its name means no single map: whatever is made of it, the other names must not change it."""
    with pytest.raises(DesignError, match="halves"):
        trace(uses_both, 8, outputs=("halves", "halves.left"))


# ---------------------------------------------------------------- wrong names


@pytest.mark.parametrize(
    ("design", "name", "near"),
    [
        (RESNET, "layer5", "layer4"),
        (RESNET, "layer1.7", "layer1.1"),
        (RESNET, "layer1.0.conv3", "layer1.0.conv2"),
        (RESNET, "stem_rel", "stem_relu"),
        (VGG, "feature.16", "features.16"),
        (VGG, "stage6", "stage5"),
        (RESNET, "", None),
        (RESNET, "input", None),
        (RESNET, "layer1.", "layer1"),
        (RESNET, "colour", None),
        (left_only, "halves.right_bn", "halves.left"),  # it was written, but nobody reads it
    ],
)
def test_an_unknown_name_is_an_error_with_the_nearest_ones(design: Design, name: str, near: str | None) -> None:
    with pytest.raises(DesignError, match=re.escape(f"there is no layer or block {name!r}; ")) as error:
        trace(design, 64, outputs=(name,))
    text = str(error.value)
    assert "\n" not in text
    if near:
        assert near in re.split(", | or ", text.partition("did you mean ")[2].rstrip("?"))


def part(x: FeatureMap, name: str) -> FeatureMap:
    return x.conv(name, 4, 1).relu()


def alike(x: FeatureMap) -> FeatureMap:
    return x.section("s", part, "a").section("t", part, "b").conv("c", 5, 1).relu()


def test_an_automatic_name_is_not_taken_for_one_inside_of_a_section() -> None:
    """The table says s_relu, t_relu and relu: `relu` is the last one."""
    assert [row.name for row in trace(alike, 8).rows()] == ["a", "s_relu", "b", "t_relu", "c", "relu"]
    assert trace(alike, 8, outputs=("relu", "t_relu")).shapes == ((5, 8, 8), (4, 8, 8))
    assert trace(alike, 8, outputs=("relu",)).params == 12 + 16 + 20


@pytest.mark.parametrize("name", ["relu", "stem_conv1"])
def test_what_the_table_does_not_print_is_no_name(name: str) -> None:
    """Its first ReLU is stem_relu, and its first convolution has the checkpoint's name, conv1."""
    with pytest.raises(DesignError, match=f"there is no layer or block '{name}'"):
        trace(RESNET, 64, outputs=(name,))


@pytest.mark.parametrize("outputs", ["layer1", ("layer1", 3), (None,)])
def test_outputs_that_are_no_tuple_of_names_are_told(outputs: object) -> None:
    """A word in place of a tuple is a slip that everybody makes once: it must not be read letter by letter."""
    with pytest.raises(DesignError, match=r"outputs is .*expected a tuple of names"):
        trace(RESNET, 64, outputs=outputs)  # type: ignore[arg-type]


# ---------------------------------------------------------------- any names of any network


class Random(Design):
    """A small network of two kinds, with a head or without."""

    kind: str
    depth: Count
    width: Count
    classes: int

    def __call__(self, x: FeatureMap) -> FeatureMap:
        made: FeatureMap = x.block("net", self.made())
        return made

    def made(self) -> Design:
        """The network without this wrapper."""
        if self.kind == "regnet":
            numbers = {"depth": 4 + self.depth, "w_0": 8 * self.width, "w_a": 9.5, "w_m": 2.0, "group_width": 8}
            return RegNet(**numbers, squeeze=0.25, stem=8, classes=self.classes)  # type: ignore[arg-type]
        block = Basic("average", SqueezeExcite(multiple=1)) if self.kind == "basic" else Bottleneck(2, 32)
        return ResNet((self.depth, 1, 2), block, width=8 * self.width, classes=self.classes)


kinds, numbers, classes = st.sampled_from(("regnet", "basic", "bottleneck")), st.integers(1, 2), st.sampled_from((0, 5))
designs = st.builds(Random, kinds, numbers, numbers, classes)


@settings(deadline=None, max_examples=20, derandomize=True)
@given(designs, st.booleans(), st.data())
def test_any_names_of_any_network_give_the_maps_that_hooks_catch(design: Random, wrapped: bool, data: st.DataObject) -> None:
    net = design if wrapped else design.made()
    full = randomized(nw.build(net, 32, seed=0))
    known = [name for name, module in full.named_modules() if name and type(module) is not torch.nn.Module]
    names = tuple(data.draw(st.lists(st.sampled_from(known), min_size=1, max_size=4)))
    part = part_of(full, net, names, 32)
    torch.testing.assert_close(maps_of(part, picture(32)), caught(full, names, picture(32)))
    assert params_of(part) == trace(net, 32, outputs=names).params <= params_of(full)


# ---------------------------------------------------------------- features instead of classes

FEATURES = [
    ("resnet18", 512),
    ("resnet50", 2048),
    ("resnet20_cifar", 64),
    ("wrn_16_4", 256),
    ("alexnet", 4096),
    ("vgg11", 4096),
    ("squeezenet1_0", 512),
    ("squeezenet1_1", 512),
    ("efficientnet_b0", 1280),
    ("mobilenetv1_025", 256),
    ("mobilenetv2_100", 1280),
    ("regnety_002", 368),
    ("repvgg_a0", 1280),
    ("parnet_s", 1280),
    ("googlenet", 1024),
    ("inception_v3", 2048),
    ("inception_v4", 1536),
    ("legacy_seresnet18", 512),
]


@pytest.mark.parametrize(("name", "features"), FEATURES)
def test_no_classes_give_the_pooled_features(name: str, features: int) -> None:
    """The head is gone, with its params: classes x (features + bias)."""
    design = nw.network(name, classes=0)
    graph = trace(design)
    assert graph.shapes == ((features,),)
    assert trace(nw.network(name, classes=7)).params - graph.params == 7 * (features + 1)
    assert tuple(nw.build(design, 80, device="meta").eval()(torch.empty(2, 3, 80, 80, device="meta")).shape) == (2, features)


def test_features_are_the_mean_of_the_last_map(resnet: fx.GraphModule) -> None:
    design = RESNET.replace(classes=0)
    model = part_of(resnet, design, ("layer4", "head"))
    last, features = maps_of(model, picture())
    torch.testing.assert_close(features, last.mean((2, 3)))
    headless = nw.build(design, 64, seed=1)
    headless.load_state_dict({name: value for name, value in resnet.state_dict().items() if not name.startswith("fc")})
    torch.testing.assert_close(maps_of(headless, picture())[0], features)
