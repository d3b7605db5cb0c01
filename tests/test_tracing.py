from __future__ import annotations

import functools

import pytest
import torch
from hypothesis import assume, given
from hypothesis import strategies as st
from torch import nn

import netwright as nw
from netwright.errors import DesignError, VanishedError
from netwright.graph import Count, Design, FeatureMap, concat, smallest_image, trace
from netwright.graph import layers as L

calls: list[tuple[object, ...]] = []


def counted(x: FeatureMap, width: int) -> FeatureMap:
    calls.append((x.shape, width))
    return x.conv("conv", width, 3).norm("bn").relu()


def net_of_equal_blocks(x: FeatureMap) -> FeatureMap:
    x = x.block("first", counted, 8)
    return x.repeat(["a", "b", "c"], counted, 8)


def test_equal_blocks_are_traced_once() -> None:
    calls.clear()
    graph = trace(net_of_equal_blocks, 16)
    assert calls == [((3, 16, 16), 8), ((8, 16, 16), 8)]
    assert [node.name for node in graph.nodes] == ["input", "first", "a", "b", "c"]
    assert graph.nodes[2].layer is graph.nodes[4].layer
    assert trace(net_of_equal_blocks, 16) is graph


def changing(x: FeatureMap) -> FeatureMap:
    return x.repeat(["a", "b"], counted, 8)


def test_a_repeated_block_must_keep_the_shape() -> None:
    with pytest.raises(DesignError, match=r"a: cannot be repeated: it turns \(3, 9, 9\) into \(8, 9, 9\)"):
        trace(changing, 9)


def kernel_of(x: FeatureMap, kernel: int) -> FeatureMap:
    return x.conv("conv", 4, kernel)


def one_then_true(x: FeatureMap) -> FeatureMap:
    return x.block("one", kernel_of, 1).block("true", kernel_of, True)


def float_width(x: FeatureMap) -> FeatureMap:
    return x.block("whole", counted, 8).block("float", counted, 8.0)


@pytest.mark.parametrize(("net", "path"), [(one_then_true, "true.conv"), (float_width, "float.conv")])
def test_one_is_not_true_even_when_remembered(net: object, path: str) -> None:
    with pytest.raises(DesignError) as caught:
        trace(net, 8)  # type: ignore[arg-type]
    assert caught.value.path == path


def tuple_argument(x: FeatureMap) -> FeatureMap:
    return x.block("b", counted, (8, 8))


def list_argument(x: FeatureMap) -> FeatureMap:
    return x.block("b", counted, [8])


def lambda_body(x: FeatureMap) -> FeatureMap:
    return x.block("b", lambda y: y)


def partial_body(x: FeatureMap) -> FeatureMap:
    return x.block("b", functools.partial(counted, width=8))


@pytest.mark.parametrize("net", [tuple_argument, list_argument, lambda_body, partial_body])
def test_what_cannot_be_remembered_is_refused(net: object) -> None:
    with pytest.raises(DesignError):
        trace(net, 8)  # type: ignore[arg-type]


def test_a_type_error_of_the_body_is_its_own() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        trace(broken, 8)


def broken(x: FeatureMap) -> FeatureMap:
    return x.block("b", breaks)


def breaks(x: FeatureMap) -> FeatureMap:
    return x + 1  # type: ignore[operator]


def same_name(x: FeatureMap) -> FeatureMap:
    return x.conv("a", 4, 1).conv("a", 4, 1)


def name_inside(x: FeatureMap) -> FeatureMap:
    return x.conv("a", 4, 1).conv("a.b", 4, 1)


def name_empty(x: FeatureMap) -> FeatureMap:
    return x.conv("", 4, 1)


def name_odd(x: FeatureMap) -> FeatureMap:
    return x.conv("a b", 4, 1)


def part(x: FeatureMap, name: str) -> FeatureMap:
    return x.conv(name, 4, 1).relu()


def same_name_in_sections(x: FeatureMap) -> FeatureMap:
    return x.section("s", part, "a").section("t", part, "a")


@pytest.mark.parametrize("net", [same_name, name_inside, name_empty, name_odd, same_name_in_sections])
def test_bad_names_are_refused(net: object) -> None:
    with pytest.raises(DesignError):
        trace(net, 8)  # type: ignore[arg-type]


def two_sections(x: FeatureMap) -> FeatureMap:
    return x.section("s", part, "a").section("t", part, "b").relu()


def test_sections_group_but_do_not_name() -> None:
    rows = list(trace(two_sections, 8).rows())
    assert [(row.name, row.stage) for row in rows] == [("a", "s"), ("s_relu", "s"), ("b", "t"), ("t_relu", "t"), ("relu", "relu")]
    model = nw.build(two_sections, 8, seed=0)
    assert [name for name, _ in model.named_children()] == ["a", "s_relu", "b", "t_relu", "relu"]


def unread(x: FeatureMap) -> FeatureMap:
    x.conv("dead", 64, 3).norm("dead_bn")
    return x.conv("live", 4, 3)


def test_what_no_output_reads_is_neither_counted_nor_built() -> None:
    graph = trace(unread, 8)
    assert [row.name for row in graph.rows()] == ["live"]
    assert graph.totals == (4 * 27, 4 * 27 * 64, 4 * 64)
    assert list(nw.build(unread, 8, device="meta").state_dict()) == ["live.weight"]


def split(x: FeatureMap) -> tuple[FeatureMap, FeatureMap]:
    return x.conv("left", 4, 1), x.conv("right", 6, 1)


def merge(x: FeatureMap, y: FeatureMap, width: int) -> FeatureMap:
    return concat(x, y).conv("fuse", width, 1)


def streams(x: FeatureMap) -> FeatureMap:
    left, right = x.block("split", split)
    return left.block("merge", merge, 5, maps=(right,)).global_pool().linear("fc", 2)


def test_blocks_of_several_maps() -> None:
    graph = trace(streams, 8)
    assert graph.params == 12 + 18 + 50 + 12
    model = nw.build(streams, 8, seed=0)
    assert model(torch.randn(2, 3, 8, 8)).shape == (2, 2)
    assert [name for name, _ in model.named_parameters()] == [
        "split.left.weight", "split.right.weight", "merge.fuse.weight", "fc.weight", "fc.bias",
    ]  # fmt: skip


def adds_unlike(x: FeatureMap) -> FeatureMap:
    return x.block("layer1", adds_inside)


def adds_inside(x: FeatureMap) -> FeatureMap:
    return x + x.conv("conv", 5, 1)


def joins_outside(x: FeatureMap) -> FeatureMap:
    return x.block("a", stolen, 1).block("b", stolen, 2)


outside: list[FeatureMap] = []


def stolen(x: FeatureMap, turn: int) -> FeatureMap:
    outside.append(x)
    return x.relu() if turn == 1 else x + outside[0]


def bad_groups(x: FeatureMap) -> FeatureMap:
    return x.block("stage", x_groups)


def x_groups(x: FeatureMap) -> FeatureMap:
    return x.conv("grouped", 8, 3, groups=2)


def needs_flat(x: FeatureMap) -> FeatureMap:
    return x.linear("fc", 10)


def wrong_return(x: FeatureMap) -> int:
    return 3


def asks_value(x: FeatureMap) -> FeatureMap:
    return x if x else x.relu()


@pytest.mark.parametrize(
    ("net", "message"),
    [
        (adds_unlike, r"layer1: cannot add maps of \(3, 8, 8\) and \(5, 8, 8\)"),
        (bad_groups, "stage.grouped: 2 groups do not divide 3 -> 8 channels"),
        (needs_flat, "fc: needs a flat map"),
        (wrong_return, "wrong_return returned 3"),
        (asks_value, "neither true nor false"),
    ],
)
def test_errors_name_the_layer_by_its_full_path(net: object, message: str) -> None:
    with pytest.raises(DesignError, match=message):
        trace(net, 8)  # type: ignore[arg-type]


def test_maps_of_different_blocks_do_not_join() -> None:
    with pytest.raises(DesignError, match="b: joins maps of different blocks"):
        trace(joins_outside, 8)


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "vgg16", "resnet50", "regnetx_002", "resnet20_cifar"])
def test_the_smallest_image_is_just_large_enough(name: str) -> None:
    design = nw.network(name)
    least = smallest_image(design)
    assert least is not None
    model = nw.build(design, least, device="meta").eval()
    model(torch.empty(1, 3, least, least, device="meta"))
    if least > 1:
        with pytest.raises(VanishedError, match=f"too small.*; the smallest image it takes is {least} px"):
            trace(design, least - 1)
        with pytest.raises(RuntimeError):
            model(torch.empty(1, 3, least - 1, least - 1, device="meta"))


@pytest.mark.parametrize("image", [0, -1, True, 2.5, "224", (224,), (0, 3)])
def test_a_bad_image_size_is_refused(image: object) -> None:
    with pytest.raises(DesignError, match="image is"):
        trace(nw.network("resnet18"), image)  # type: ignore[arg-type]


sizes = st.integers(1, 40)
small = st.integers(1, 5)


@given(sizes, sizes, small, small, small, small, st.integers(0, 3), st.integers(0, 3))
def test_convolution_shapes_are_torchs(h: int, w: int, kh: int, kw: int, sh: int, sw: int, ph: int, pw: int) -> None:
    layer = L.Conv(1, 1, (kh, kw), (sh, sw), (ph, pw))
    module = nn.Conv2d(1, 1, (kh, kw), (sh, sw), (ph, pw), device="meta")
    agrees(layer, module, (1, h, w))


@given(sizes, sizes, small, small, st.integers(0, 2), st.booleans(), st.booleans())
def test_pooling_shapes_are_torchs(h: int, w: int, kernel: int, stride: int, padding: int, ceil: bool, average: bool) -> None:
    assume(2 * padding <= kernel)
    layer = L.Pool("avg_pool" if average else "max_pool", (kernel, kernel), (stride, stride), (padding, padding), ceil)
    module = (nn.AvgPool2d if average else nn.MaxPool2d)(kernel, stride, padding, ceil_mode=ceil)
    agrees(layer, module, (1, h, w))


def agrees(layer: L.Layer, module: nn.Module, shape: tuple[int, ...]) -> None:
    try:
        expected = tuple(module(torch.empty(1, *shape, device="meta")).shape[1:])
    except RuntimeError:
        with pytest.raises(VanishedError):
            layer.out(shape)
    else:
        assert layer.out(shape) == expected


class Wide(Design):
    """A design with a parameter count that is easy to write down."""

    width: Count = 4

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.conv("conv", self.width, (1, 7), (1, 2), padding=(0, 3), bias=True).global_pool().linear("fc", 3)


@given(st.integers(1, 64), st.integers(1, 30), st.integers(1, 30), st.integers(1, 4))
def test_counts_by_hand(width: int, height: int, wide: int, channels: int) -> None:
    graph = trace(Wide(width), (height, wide), channels)
    area = height * ((wide - 1) // 2 + 1)
    assert graph.params == width * (7 * channels + 1) + 3 * width + 3
    assert graph.macs == area * width * 7 * channels + 3 * width
    assert graph.acts == area * width + 3


class Flagged(Design):
    """A design whose field takes 1 and True, which must not be taken for one another."""

    flag: bool | int = 1

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.conv("conv", 4 if self.flag is True else 8, 1)


def test_one_is_not_true_inside_a_design() -> None:
    assert trace(Flagged(True), 8).params == 12
    assert trace(Flagged(1), 8).params == 24
    assert Flagged(True) != Flagged(1)
    assert len({Flagged(True), Flagged(1)}) == 2


def nothing_repeated(x: FeatureMap) -> FeatureMap:
    x.conv("a", 8, 1)
    return x.repeat([], counted, 8)


def split_repeated(x: FeatureMap) -> FeatureMap:
    return x.repeat(["a", "b"], split)


def section_beside_its_automatic_name(x: FeatureMap) -> FeatureMap:
    return x.section("s", part, "a").conv("s_relu", 3, 1)


def pool_of_nothing(x: FeatureMap) -> FeatureMap:
    return x.max_pool(0, 1)


def pool_without_stride(x: FeatureMap) -> FeatureMap:
    return x.max_pool(3, 0)


def odd_bias(x: FeatureMap) -> FeatureMap:
    return x.conv("c", 4, 1, bias=2)  # type: ignore[arg-type]


def marked_name(x: FeatureMap) -> FeatureMap:
    return x.conv("#c", 4, 1)


def much_dropout(x: FeatureMap) -> FeatureMap:
    return x.dropout(5)


@pytest.mark.parametrize(
    "net",
    [
        split_repeated,
        section_beside_its_automatic_name,
        pool_of_nothing,
        pool_without_stride,
        odd_bias,
        marked_name,
        much_dropout,
    ],
)
def test_layers_check_what_they_are_given(net: object) -> None:
    with pytest.raises(DesignError):
        trace(net, 8)  # type: ignore[arg-type]


def test_nothing_repeated_is_the_map_itself() -> None:
    assert trace(nothing_repeated, 8).totals == (0, 0, 0)
