"""Dropout, drop-path, frozen blocks and recomputed blocks, against torch's own hooks and plain runs of the same network."""

from __future__ import annotations

import copy
import io
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, fx, nn

import netwright as nw
from netwright.blocks import Branches
from netwright.errors import DesignError, NetwrightError
from netwright.graph import trace
from netwright.graph.layers import Dropout
from netwright.training.engine.regularizing import (
    DropPath,
    FrozenNorm,
    drop_paths,
    freeze,
    recompute,
    residual_branches,
    with_dropout,
)

RESIDUAL = {  # side in px, and residual branches by the papers' tables
    "resnet18": (32, 8),
    "resnet50d": (32, 16),
    "seresnet18": (32, 8),
    "resnext50_32x4d": (32, 16),
    "resnet20_cifar": (16, 9),
    "wrn_16_4": (16, 6),
    "mobilenetv2_035": (32, 10),
    "efficientnet_b0": (32, 9),
    "semnasnet_100": (32, 9),
    "regnetx_002": (32, 13),
    "regnety_002": (32, 13),
    "repvgg_a0": (32, 17),
    "parnet_s": (32, 14),
}
WITHOUT = ["alexnet", "vgg11", "googlenet", "inception_v4", "plain20_cifar", "mobilenetv1_025", "squeezenet1_0"]


def small(name: str) -> fx.GraphModule:
    model = nw.build(name, RESIDUAL[name][0], classes=5, seed=0)
    generator = torch.Generator().manual_seed(2)
    for module in model.modules():  # some begin with zeros, which would hide what a branch does
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
    return model


def pictures(name: str, n: int = 4) -> Tensor:
    side = RESIDUAL[name][0]
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(1))


# ---------------------------------------------------------------- dropout


def test_dropout_is_a_field_of_designs_that_have_it() -> None:
    design = with_dropout(nw.network("efficientnet_b0"), 0.35)
    rates = [row.layer.rate for row in trace(design, 64).rows() if isinstance(row.layer, Dropout)]
    assert rates == [0.35]
    assert with_dropout(design, 0).fields()["dropout"] == 0
    for name in ("resnet50", "regnety_016", "repvgg_a0"):
        with pytest.raises(DesignError, match=r"has no dropout: .* regularize\.drop_path"):
            with_dropout(nw.network(name), 0.2)
    for rate in (-0.1, 1, 1.5):
        with pytest.raises(DesignError, match="expected"):
            with_dropout(nw.network("vgg16"), rate)


# ---------------------------------------------------------------- drop-path


@pytest.mark.parametrize("name", RESIDUAL)
def test_a_dropped_branch_leaves_the_shortcut(name: str) -> None:
    model, x = small(name), pictures(name)
    names, plain = list(model.state_dict()), copy.deepcopy(model).eval()(x)
    assert drop_paths(model, 0.6) == RESIDUAL[name][1]
    assert list(model.state_dict()) == names
    assert torch.equal(model.eval()(x), plain)

    seen = 0

    def watched(module: nn.Module, inputs: tuple[Tensor, ...], out: Tensor) -> None:
        nonlocal seen
        assert isinstance(module, DropPath)
        branch, shortcut = (value.clone() for value in inputs)
        for row in range(len(x)):
            kept = shortcut[row] + branch[row] / (1 - module.rate)
            dropped = torch.equal(out[row], shortcut[row])
            seen += dropped
            assert dropped or torch.allclose(out[row], kept, atol=1e-5, rtol=1e-4)

    sites = [module for module in model.modules() if isinstance(module, DropPath)]
    for site in sites:
        site.register_forward_hook(watched)
    model.train()
    torch.manual_seed(0)
    first = model(x)
    assert 0 < seen < len(x) * len(sites)
    torch.manual_seed(0)
    assert torch.equal(first, model(x))
    rates = [module.rate for module in model.modules() if isinstance(module, DropPath)]
    n = len(rates)
    assert sorted(rates) == pytest.approx([0.6 * (i + 1) / n for i in range(n)])


@pytest.mark.parametrize("name", ["resnet18", "resnet20_cifar", "mobilenetv2_035", "efficientnet_b0", "regnety_002"])
def test_the_shortcut_is_what_comes_in(name: str) -> None:
    """Where a block keeps its shape, its input is added as it is."""
    model = small(name)
    drop_paths(model, 0.2)
    entered: dict[nn.Module, Tensor] = {}
    checked = 0

    def entering(block: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        entered[block] = inputs[0].clone()

    def adding(block: nn.Module) -> Callable[..., None]:
        def check(site: nn.Module, inputs: tuple[Tensor, ...]) -> None:
            nonlocal checked
            if entered[block].shape == inputs[1].shape:
                checked += torch.equal(entered[block], inputs[1])
                assert not torch.equal(entered[block], inputs[0])

        return check

    for block in model.modules():
        for site in block.children():
            if isinstance(site, DropPath):
                block.register_forward_pre_hook(entering)
                site.register_forward_pre_hook(adding(block))
    model.train()(pictures(name))
    strided = {"resnet18": 3, "resnet20_cifar": 2, "regnety_002": 4}.get(name, 0)
    assert checked == RESIDUAL[name][1] - strided


def test_every_name_of_the_zoo_has_branches_or_none() -> None:
    """A plain chain has none; of the others no two branches are one, and none has less to learn than its shortcut."""
    without = {name.split("_")[0] for name in WITHOUT} | {"vgg", "inception", "zfnet", "plain56", "squeezenet1", "mobilenetv1"}
    for name in nw.networks():
        flat = trace(nw.network(name)).flat()
        found = residual_branches(flat)
        chain = any(name.startswith(word) for word in without) and not name.startswith("inception_resnet")
        assert (not found) == chain, name


@pytest.mark.slow
def test_scaled_branches_are_dropped_too() -> None:
    model = nw.build("inception_resnet_v2", 75, classes=3, seed=0)
    assert drop_paths(model, 0.3) == 40
    assert torch.isfinite(model.train()(torch.randn(2, 3, 75, 75))).all()


def test_branches_that_are_added_up_are_one() -> None:
    """The 32 branches of Xie et al. 2016, Fig. 3a are summed before the shortcut is."""
    design = nw.network("resnext50_32x4d")
    apart = design.replace(block=Branches(groups=4))
    assert len(residual_branches(trace(apart, 64).flat())) == 16


@pytest.mark.parametrize("name", WITHOUT)
def test_networks_without_branches_say_so(name: str) -> None:
    with pytest.raises(NetwrightError, match=r"has no residual branches to drop: set regularize\.drop_path to 0"):
        drop_paths(nw.build(name, seed=0, device="meta"), 0.1)


def test_blocks_keep_programs_of_their_own() -> None:
    """Editing one model leaves another of the same design, and a copy, as they were."""
    first, second = small("resnet18"), small("resnet18")
    before = second.get_submodule("layer1.0").code  # type: ignore[attr-defined]
    drop_paths(first, 0.5)
    assert second.get_submodule("layer1.0").code == before  # type: ignore[attr-defined]
    assert first.get_submodule("layer1.0").code != before  # type: ignore[attr-defined]
    kept = io.BytesIO()
    torch.save(first, kept)
    kept.seek(0)
    again = torch.load(kept, weights_only=False).train()
    torch.manual_seed(3)
    wanted = first.train()(pictures("resnet18"))
    for other in (again, copy.deepcopy(small("resnet18"))):
        torch.manual_seed(3)
        assert torch.equal(other.train()(pictures("resnet18")), wanted) == (other is again)


def test_the_mean_over_chance_is_the_whole() -> None:
    torch.manual_seed(0)
    branch, shortcut = torch.rand(4000, 3, 1, 1), torch.rand(4000, 3, 1, 1)
    out = DropPath(0.25).train()(branch, shortcut)
    assert (out - shortcut).mean() == pytest.approx(float(branch.mean()), rel=0.05)
    assert ((out == shortcut).all(1).sum() / 4000) == pytest.approx(0.25, abs=0.03)
    assert DropPath(0.0).train()(branch, shortcut).equal(branch + shortcut)


# ---------------------------------------------------------------- frozen


def test_frozen_blocks_keep_weights_and_statistics() -> None:
    model = small("resnet18")
    names = freeze(model, ["stem", "layer1", "layer2.0.bn*", "fc.bias"])
    assert "conv1.weight" in names
    assert "bn1.bias" in names
    assert "layer1.1.conv2.weight" in names
    assert "layer2.0.bn1.weight" in names
    assert "layer2.0.conv1.weight" not in names
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    model.eval()
    model.train()
    nn.functional.cross_entropy(model(pictures("resnet18")), torch.arange(4)).backward()
    optimizer.step()
    after = model.state_dict()
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert changed.isdisjoint(names)
    assert not {name for name in changed if name.startswith(("bn1.", "layer1.", "layer2.0.bn1."))}
    assert {"layer2.0.conv1.weight", "layer2.1.bn1.running_mean", "fc.weight"} <= changed
    assert list(after) == list(before)
    assert isinstance(model.get_submodule("bn1"), FrozenNorm)
    assert isinstance(copy.deepcopy(model).train().get_submodule("layer1.0.bn1"), FrozenNorm)


def test_what_is_to_be_frozen_must_exist() -> None:
    model = small("resnet18")
    with pytest.raises(NetwrightError, match=r"'layr1'; did you mean layer1"):
        freeze(model, ["layr1"])
    with pytest.raises(NetwrightError, match=r"nothing to freeze is called 'zzz'.*--by block"):
        freeze(model, ["layer1", "zzz"])
    assert all(p.requires_grad for p in model.parameters())  # nothing was done by halves
    assert freeze(model, []) == []
    assert len(freeze(model, ["*"])) == len(list(model.parameters()))


# ---------------------------------------------------------------- computed twice


def step(model: fx.GraphModule, x: Tensor) -> tuple[dict[str, Tensor], dict[str, Tensor], int]:
    """Gradients and buffers after one pass, and the bytes that were kept for the backward pass."""
    kept: dict[int, int] = {}

    def pack(value: Tensor) -> Tensor:
        kept[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
        return value

    torch.manual_seed(5)
    model.train()
    with torch.autograd.graph.saved_tensors_hooks(pack, lambda value: value):
        made = model(x)
    logits = made[0] if isinstance(made, tuple) else made
    nn.functional.cross_entropy(logits, torch.arange(len(x)) % 5).backward()
    grads = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}
    return grads, {name: value.clone() for name, value in model.named_buffers()}, sum(kept.values())


@pytest.mark.parametrize("name", ["resnet18", "wrn_16_4", "mobilenetv2_035", "efficientnet_b0", "regnety_002", "parnet_s"])
def test_computing_blocks_anew_changes_no_bit(name: str) -> None:
    x = pictures(name, 8)
    plain, lean = small(name), small(name)
    for model in (plain, lean):
        drop_paths(model, 0.3)
    assert recompute(lean) > 0
    assert list(plain.state_dict()) == list(lean.state_dict())
    wanted, made = step(plain, x), step(lean, x)
    for theirs, ours in zip(wanted[:2], made[:2], strict=True):
        assert theirs.keys() == ours.keys()
        assert [key for key in theirs if not torch.equal(theirs[key], ours[key])] == []
    assert made[2] < 0.7 * wanted[2]
    with torch.no_grad():
        assert torch.equal(plain.eval()(x), lean.eval()(x))
    assert all(module.track_running_stats for module in lean.modules() if isinstance(module, nn.BatchNorm2d))


def test_the_order_of_changes_does_not_matter() -> None:
    x = pictures("resnet18")
    first, second = small("resnet18"), small("resnet18")
    drop_paths(first, 0.3)
    recompute(first)
    recompute(second)
    drop_paths(second, 0.3)
    for model in (first, second):
        freeze(model, ["layer1"])
    for theirs, ours in zip(step(first, x)[:2], step(second, x)[:2], strict=True):
        assert all(torch.equal(theirs[key], ours[key]) for key in theirs)


def test_blocks_are_the_residual_ones() -> None:
    assert recompute(nw.build("resnet50", seed=0, device="meta")) == 16
    assert recompute(nw.build("mobilenetv2_100", seed=0, device="meta")) == 17  # Table 2
    with pytest.raises(NetwrightError, match="has no blocks to compute anew"):
        recompute(nw.build("alexnet", seed=0, device="meta"))
