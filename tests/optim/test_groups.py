"""Parameter groups: every parameter in one, biases and norms free of decay, rates that fall with the distance from the head."""

from __future__ import annotations

import itertools
import warnings
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

import netwright as nw
from netwright import optim
from netwright.errors import NetwrightError
from netwright.optim.groups import block_depths, graph_depths, layer_decay, no_decay
from netwright.optim.schedules import cosine, set_lr
from netwright.runtime.weights import graph_of

NAMES = nw.networks()
FAMILIES = ["alexnet", "vgg11_bn", "googlenet", "inception_v3", "inception_v4", "resnet18", "resnet50d", "seresnet18", "wrn_16_4"]
FAMILIES += ["mobilenetv1_025", "mobilenetv2_100", "efficientnet_b0", "mnasnet_a1", "regnety_004", "repvgg_a0", "parnet_s"]
FAMILIES += ["squeezenet1_1", "inception_resnet_v2", "resnext50_32x4d", "legacy_senet154", "resnet20_cifar", "zfnet"]


def members(groups: list[dict[str, Any]]) -> list[tuple[str, Tensor]]:
    return [pair for group in groups for pair in group["params"]]


def place_of(groups: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """The group of each parameter."""
    return {name: group for group in groups for name, _ in group["params"]}


def assert_each_once(model: nn.Module, groups: list[dict[str, Any]]) -> None:
    learned = {name: p for name, p in model.named_parameters() if p.requires_grad}
    found = members(groups)
    assert sorted(name for name, _ in found) == sorted(learned)
    assert all(learned[name] is p for name, p in found)
    assert all(group["params"] for group in groups)


# ---------------------------------------------------------------- both, over the zoo


@pytest.mark.parametrize("name", FAMILIES)
def test_every_parameter_of_a_network_is_in_one_group(name: str) -> None:
    """And what decays is exactly the weights of convolutions and linear layers, told here from the modules."""
    model = nw.build(name, device="meta")
    decayed = {f"{path}.weight" for path, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear)) and path}
    for groups in (no_decay(model, 0.02), layer_decay(model, 0.1, weight_decay=0.02)):
        assert_each_once(model, groups)
        assert {n for group in groups if group["weight_decay"] for n, _ in group["params"]} == decayed
        assert {group["weight_decay"] for group in groups} <= {0.0, 0.02}


@pytest.mark.parametrize("name", FAMILIES)
def test_rates_fall_from_the_head_by_blocks_that_cost_names(name: str) -> None:
    model = nw.build(name, device="meta")
    groups = layer_decay(model, 0.1, decay=0.5)
    printed = {line.name for line in nw.cost(nw.network(name), by="block").lines}
    named = {block for group in groups for block in group["name"].split(", ")}
    assert named <= printed
    # each printed block is one of those, or lies inside of one, or has nothing to learn
    learning = {line.name for line in nw.cost(nw.network(name), by="block").lines if line.params}
    assert all(any(block == own or block.startswith(f"{own}.") for own in named) for block in learning)
    scales = sorted({group["lr_scale"] for group in groups}, reverse=True)
    assert scales == [0.5**depth for depth in range(len(scales))]  # no depth is left out
    assert all(group["lr"] == pytest.approx(0.1 * group["lr_scale"]) for group in groups)
    place = place_of(groups)
    last = [n for n, m in model.named_modules() if isinstance(m, (nn.Conv2d, nn.Linear))][-1]
    assert place[f"{last}.weight"]["lr_scale"] == 1.0
    assert next(iter(place.values()))["lr_scale"] == scales[-1]


@pytest.mark.parametrize("name", NAMES)
def test_no_block_is_nearer_to_the_head_than_one_that_reads_it(name: str) -> None:
    """Over the layers of the graph: a reader is never farther from the output, and each block steps by one at least."""
    flat = nw.trace(nw.network(name)).flat()
    depths = graph_depths(flat)
    assert set(depths) == {row.name for row in flat.rows if row.counts[0]}
    reach: list[set[tuple[int, str]]] = []  # of the nearest learning layers before each row
    for row in flat.rows:
        before = set().union(*[reach[i] for i in row.inputs])
        if row.name in depths:
            depth, block = depths[row.name]
            for other_depth, other in before:
                assert other_depth >= depth, (other, block)
            reach.append({(depth, block)})
        else:
            reach.append(before)


def test_the_depths_of_resnet_18() -> None:
    groups = layer_decay(nw.build("resnet18", device="meta"), 1.0, decay=0.5)
    found = list(dict.fromkeys((group["name"], group["lr"]) for group in groups))
    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    assert found == [(name, 0.5 ** (9 - i)) for i, name in enumerate(["stem", *blocks, "head"])]


def test_squeeze_and_excitation_belongs_to_its_block_and_branches_to_theirs() -> None:
    place = place_of(layer_decay(nw.build("efficientnet_b0", device="meta"), 1.0))
    assert place["blocks.2.1.se.conv_reduce.weight"] is place["blocks.2.1.conv_dw.weight"]
    inception = place_of(layer_decay(nw.build("googlenet", device="meta"), 1.0))
    branches = {group["name"] for name, group in inception.items() if name.startswith("inception4b.")}
    assert branches == {"inception4b"}


def test_parallel_streams_stand_side_by_side() -> None:
    """ParNet's: each is as far from the head as its own way is long."""
    place = place_of(layer_decay(nw.build("parnet_s", device="meta"), 1.0, decay=0.5))
    last = [max(n for n in place if n.startswith(f"streams.{i}.") and n.endswith("weight")) for i in range(3)]
    scales = [place[name]["lr_scale"] for name in last]
    assert scales == sorted(scales)
    assert len(set(scales)) == 3
    assert place[last[2]]["lr_scale"] == place[next(n for n in place if n.startswith("downsamples_2.1.2."))]["lr_scale"]


def test_auxiliary_classifiers_are_heads() -> None:
    design = nw.network("googlenet").replace(aux=True)
    model = nw.build(design, device="meta")
    place = place_of(layer_decay(model, 1.0, decay=0.5))
    assert any(name.startswith("aux1") for name in place)
    assert {group["lr_scale"] for name, group in place.items() if name.startswith(("aux1.fc2", "aux2.fc2", "fc"))} == {1.0}
    assert place["inception4a.branch1.conv.weight"]["lr_scale"] < 0.1


# ---------------------------------------------------------------- models that were changed, wrapped, cut


def test_a_new_head_learns_at_full_rate_and_frozen_parts_are_left_out() -> None:
    model = nw.build("resnet18", seed=0)
    model.fc = nn.Sequential(nn.Linear(512, 32), nn.LayerNorm(32), nn.Linear(32, 5))
    model.adapter = nn.Linear(3, 3)
    model.conv1.requires_grad_(False)
    groups = layer_decay(model, 0.1)
    assert_each_once(model, groups)
    place = place_of(groups)
    assert "conv1.weight" not in place
    assert {place[n]["lr"] for n in ("fc.0.weight", "fc.2.weight", "fc.1.weight", "adapter.weight")} == {0.1}
    assert place["fc.1.weight"]["weight_decay"] == 0.0
    model.layer4 = nn.Conv2d(256, 512, 1)
    assert place_of(layer_decay(model, 1.0, decay=0.5))["layer4.weight"]["lr"] == 0.5


def test_a_network_in_a_wrapper_keeps_its_blocks() -> None:
    network = nw.build("resnet18", classes=0, seed=0)
    model = nn.Sequential(network, nn.Linear(512, 10))
    groups = layer_decay(model, 1.0, decay=0.5)
    assert_each_once(model, groups)
    place = place_of(groups)
    assert (place["1.weight"]["lr"], place["0.layer4.1.conv2.weight"]["lr"]) == (1.0, 0.5)
    assert place["0.conv1.weight"]["lr"] == 0.5**9
    assert place["0.conv1.weight"]["name"] == "0.stem"

    class Wrapper(nn.Module):
        def __init__(self, module: nn.Module) -> None:
            super().__init__()
            self.module = module

    whole = nw.build("resnet18", seed=0)
    alone = place_of(layer_decay(whole, 1.0))
    wrapped = place_of(layer_decay(Wrapper(Wrapper(whole)), 1.0))
    assert {f"module.module.{name}": group["lr"] for name, group in alone.items()} == {n: g["lr"] for n, g in wrapped.items()}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # torch's own, of torch.jit
        compiled = torch.compile(whole)
    assert isinstance(compiled, nn.Module)
    there = place_of(layer_decay(compiled, 1.0))
    assert {f"_orig_mod.{name}": group["lr"] for name, group in alone.items()} == {n: g["lr"] for n, g in there.items()}


@pytest.mark.parametrize("options", [{"classes": 7}, {"classes": 0}, {"outputs": ("layer2.1", "layer3")}, {"channels": 1}])
def test_parts_of_a_network(options: dict[str, Any]) -> None:
    model = nw.build("resnet18", device="meta", **options)
    groups = layer_decay(model, 1.0, decay=0.5)
    assert_each_once(model, groups)
    assert max(group["lr_scale"] for group in groups) == 1.0


def test_deployed_networks_and_functions() -> None:
    deployed = nw.deploy(nw.build("repvgg_a0", seed=0))
    assert_each_once(deployed, layer_decay(deployed, 1.0))
    assert len({group["lr"] for group in layer_decay(deployed, 1.0)}) == len(
        {g["lr"] for g in layer_decay(nw.build("repvgg_a0", device="meta"), 1.0)}
    )


# ---------------------------------------------------------------- any torch module


class Block(nn.Module):
    """A transformer's block, as others write it."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm1, self.attn = nn.LayerNorm(width), nn.MultiheadAttention(width, 2)
        self.norm2, self.mlp = nn.RMSNorm(width), nn.Sequential(nn.Linear(width, width), nn.GELU(), nn.Linear(width, width))
        self.gamma = nn.Parameter(torch.ones(width))
        self.scale = nn.Parameter(torch.tensor(1.0))


class Transformer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cls_token, self.pos_embed = nn.Parameter(torch.zeros(1, 1, 8)), nn.Parameter(torch.zeros(1, 5, 8))
        self.patch_embed = nn.Conv2d(3, 8, 4)
        self.blocks = nn.Sequential(*[Block(8) for _ in range(3)])
        self.norm = nn.LayerNorm(8)
        self.dropout = nn.Dropout()
        self.head = nn.Linear(8, 4)


def test_a_transformer() -> None:
    model = Transformer()
    groups = layer_decay(model, 1.0, decay=0.5, weight_decay=0.05)
    assert_each_once(model, groups)
    place = place_of(groups)
    rates = {name: group["lr"] for name, group in place.items()}
    assert (rates["head.weight"], rates["norm.weight"], rates["blocks.2.mlp.0.weight"]) == (1.0, 0.5, 0.5)
    assert (rates["blocks.0.gamma"], rates["blocks.1.attn.in_proj_weight"]) == (0.125, 0.25)
    assert {rates["patch_embed.weight"], rates["cls_token"], rates["pos_embed"]} == {0.0625}
    free = {name for name, group in place.items() if not group["weight_decay"]}
    assert {"blocks.0.gamma", "blocks.0.scale", "blocks.0.norm2.weight", "blocks.1.attn.in_proj_bias", "head.bias"} <= free
    assert not {"cls_token", "blocks.1.attn.in_proj_weight", "blocks.1.mlp.0.weight", "patch_embed.weight"} & free


class Own(nn.BatchNorm2d):
    pass


@pytest.mark.parametrize(
    "norm",
    [
        nn.BatchNorm1d(8),
        nn.BatchNorm2d(8),
        nn.BatchNorm3d(8),
        nn.SyncBatchNorm(8),
        nn.InstanceNorm2d(8, affine=True),
        nn.LayerNorm((8, 4, 4)),
        nn.GroupNorm(2, 8),
        nn.RMSNorm((8, 4)),
        Own(8),
    ],
    ids=lambda norm: type(norm).__name__,
)
def test_every_kind_of_norm_is_free_whatever_its_shape(norm: nn.Module) -> None:
    model = nn.Sequential(nn.Conv2d(3, 8, 3), norm, nn.Conv2d(8, 8, 3))
    decayed, free = no_decay(model, 0.3)
    assert [name for name, _ in decayed["params"]] == ["0.weight", "2.weight"]
    assert {name for name, _ in free["params"]} >= {"0.bias", "2.bias", "1.weight"}
    place = place_of(layer_decay(model, 1.0, decay=0.5))
    assert place["1.weight"]["lr"] == place["0.bias"]["lr"] == 0.5  # it joins the block before it


@given(st.lists(st.sampled_from(["conv", "norm", "relu", "holder", "list"]), min_size=1, max_size=12))
def test_any_sequence_is_parted_once_with_one_step_for_each_block(kinds: list[str]) -> None:
    def make(kind: str) -> nn.Module:
        pair = [nn.Conv2d(2, 2, 1), nn.BatchNorm2d(2), nn.Conv2d(2, 2, 1)]
        return {
            "conv": pair[0],
            "norm": pair[1],
            "relu": nn.ReLU(),
            "holder": nn.Sequential(*pair),
            "list": nn.ModuleList([nn.Sequential(*pair), nn.ReLU()]),
        }[kind]

    model = nn.Sequential(*[make(kind) for kind in kinds])
    if not list(model.parameters()):
        with pytest.raises(NetwrightError, match="no parameters that learn"):
            layer_decay(model, 1.0)
        return
    groups = layer_decay(model, 1.0, decay=0.5)
    assert_each_once(model, groups)
    assert_each_once(model, no_decay(model))
    place = place_of(groups)
    convs = [name for name in place if place[name]["weight_decay"]]
    convs = [name for name, _ in model.named_parameters() if name in convs]
    assert [place[name]["lr"] for name in convs] == [0.5**depth for depth in reversed(range(len(convs)))]
    lrs = [place[name]["lr"] for name, _ in model.named_parameters()]
    assert lrs == sorted(lrs)


def test_shared_parameters_stand_once() -> None:
    one, two = nn.Linear(4, 4), nn.Linear(4, 4)
    two.weight = one.weight
    model = nn.Sequential(one, two, one)
    for groups in (no_decay(model), layer_decay(model, 1.0)):
        assert_each_once(model, groups)
        assert sorted(name for name, _ in members(groups)) == ["0.bias", "0.weight", "1.bias"]


def test_a_single_layer_is_its_own_head() -> None:
    groups = layer_decay(nn.Linear(3, 2), 0.3)
    assert [(group["lr"], group["name"]) for group in groups] == [(0.3, "Linear"), (0.3, "Linear")]
    assert [len(group["params"]) for group in no_decay(nn.Linear(3, 2, bias=False))] == [1]


def test_block_depths_name_what_they_count() -> None:
    model = nw.build("resnet20_cifar", device="meta")
    depths = block_depths(model)
    assert set(depths) == {name for name, _ in model.named_parameters()}
    assert graph_depths(graph_of(model).flat())["layer2.0.conv1"] == depths["layer2.0.conv1.weight"]


# ---------------------------------------------------------------- in optimizers


@pytest.mark.parametrize("kind", [torch.optim.SGD, torch.optim.AdamW, optim.SGD, optim.AdamW, optim.Lion])
def test_groups_train_and_their_rates_follow_a_schedule(kind: Any) -> None:
    model = nw.build("resnet20_cifar", seed=0)
    groups = layer_decay(model, 0.01, decay=0.5, weight_decay=0.1)
    names = place_of(groups)  # before torch takes the pairs apart
    optimizer = kind(groups, lr=0.01)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    model(torch.randn(4, 3, 32, 32)).square().mean().backward()
    optimizer.step()
    still = [name for name, p in model.named_parameters() if p.grad is not None and p.grad.any() and torch.equal(before[name], p)]
    assert still == []
    assert [name for group in optimizer.param_groups for name in group["param_names"]] == list(names)
    set_lr(optimizer, cosine(5, 10, 0.02))
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(0.01 * group["lr_scale"])
    again = kind(layer_decay(model, 0.01, decay=0.5, weight_decay=0.1), lr=0.01)
    again.load_state_dict(optimizer.state_dict())
    assert [group["lr"] for group in again.param_groups] == [group["lr"] for group in optimizer.param_groups]


def test_decay_of_groups_is_decay_of_the_rule() -> None:
    """With gradients of zero SGD shrinks what decays by 1 - lr * decay, and leaves the rest."""
    model = nw.build("resnet20_cifar", seed=0)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    for p in model.parameters():
        p.grad = torch.zeros_like(p)
    torch.optim.SGD(no_decay(model, 0.5), lr=0.1).step()
    for name, p in model.named_parameters():
        factor = 0.95 if p.ndim > 1 else 1.0
        assert torch.allclose(p, before[name] * factor, rtol=1e-6)


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize("argument", ["lr", "decay", "weight_decay"])
@pytest.mark.parametrize("bad", [-0.1, float("nan"), float("inf"), "much", None, True], ids=str)
def test_bad_numbers(argument: str, bad: Any) -> None:
    with pytest.raises(NetwrightError, match=f"^{argument} is "):
        layer_decay(nn.Linear(2, 2), **{"lr": 0.1} | {argument: bad})
    if argument == "weight_decay":
        with pytest.raises(NetwrightError, match=r"^weight_decay is "):
            no_decay(nn.Linear(2, 2), bad)


def test_other_faults() -> None:
    frozen = nn.Linear(2, 2).requires_grad_(False)
    lazy = nn.Sequential(nn.LazyLinear(2))
    for make, ((model, words), *_) in itertools.product(
        (no_decay, lambda model: layer_decay(model, 0.1)),
        [
            [(nn.ReLU(), "ReLU has no parameters that learn")],
            [(frozen, "all frozen")],
            [(nn.Linear(2, 2).parameters(), "generator is not a torch module")],
            [(lazy, "0.weight has no shape yet")],
        ],
    ):
        with pytest.raises(NetwrightError, match=words):
            make(model)  # type: ignore[operator]
    with pytest.raises(NetwrightError, match=r"decay is 1\.5: give a number from 0 to 1"):
        layer_decay(nn.Linear(2, 2), 0.1, decay=1.5)
