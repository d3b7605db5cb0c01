"""Each network of the zoo that timm or torchvision has too: weights of theirs in ours and of ours in theirs, names, counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, fx, nn
from torch.func import functional_call
from torch.utils.flop_counter import FlopCounterMode

import netwright as nw
from netwright.graph import own_image, smallest_image, trace
from netwright.runtime import save_weights
from netwright.runtime.fitting import WeightsNote
from netwright.runtime.naming import naming
from netwright.runtime.weights import design_of
from tests.compat.oracles import timm, torchvision

MAKE: dict[str, Callable[..., nn.Module]] = {"timm": timm.create_model, "torchvision": torchvision.models.get_model}
NAMES = {"timm": set(timm.list_models()), "torchvision": set(torchvision.models.list_models())}
ALIASES = {"mnasnet_a1": "semnasnet_100"}
PEERS = [(library, name) for name in nw.networks() for library in MAKE if ALIASES.get(name, name) in NAMES[library]]
SAME = 1e-5  # largest difference of logits, as a part of the largest logit


def made(library: str, name: str, **options: Any) -> nn.Module:
    """The peer's network, in which every tensor matters: drawn at random, with norms that fit what comes to them."""
    if library == "torchvision" and name in ("googlenet", "inception_v3"):
        options = {"aux_logits": False, "init_weights": False} | options
    torch.manual_seed(0)
    model = MAKE[library](ALIASES.get(name, name), **options)
    randomize(model, (2, 3, 299, 299) if options.get("aux_logits") else (4, 3, 96, 96))
    return model.eval()


@torch.no_grad()
def randomize(model: nn.Module, shape: tuple[int, ...]) -> None:
    for module in model.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            module.weight.normal_(0, (2 / module.weight[0].numel()) ** 0.5)
        elif isinstance(module, nn.BatchNorm2d):
            module.weight.uniform_(0.5, 1.5)
            module.momentum = 1.0  # one batch settles the statistics
        if getattr(module, "bias", None) is not None:
            module.bias.normal_(0, 0.1)
    if any(isinstance(module, nn.BatchNorm2d) for module in model.modules()):
        model.train()(torch.randn(shape))


def saved(model: nn.Module, path: Path) -> Path:
    if path.suffix == ".pth":
        torch.save(model.state_dict(), path)
    else:
        save_file(model.state_dict(), path)
    return path


def sizes(library: str, name: str) -> list[tuple[int, int]]:
    """An even square and an odd rectangle."""
    if library == "timm" and name.startswith("vgg"):
        return [(224, 224)]  # its head is a 7x7 convolution without padding
    side = max(64, smallest_image(nw.network(name)) or 0)
    return [(side + 32, side + 32), (side + 33, side + 11)]


@torch.no_grad()
def agree(ours: nn.Module, theirs: nn.Module, size: tuple[int, int]) -> None:
    pictures = torch.randn(2, 3, *size)
    for mine, other in zip(outputs(ours, pictures), outputs(theirs, pictures), strict=True):
        largest = other.abs().max()
        assert (other[0] - other[1]).abs().max() > 0.01 * largest, "these weights hardly look at the picture"
        assert (mine - other).abs().max() <= SAME * largest


def outputs(model: nn.Module, pictures: Tensor) -> list[Tensor]:
    result = model(pictures)
    return [result] if isinstance(result, Tensor) else [value for value in result if value is not None]


@dataclass
class Pair:
    library: str
    name: str
    theirs: nn.Module
    ours: fx.GraphModule


@pytest.fixture(scope="module", params=PEERS, ids="-".join)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """The peer's network, and ours with its weights."""
    library, name = request.param
    theirs = made(library, name)
    path = saved(theirs, tmp_path_factory.mktemp("peer") / {"timm": "model.safetensors", "torchvision": "model.pth"}[library])
    ours = nw.build(name, weights=path).eval()
    path.unlink()
    return Pair(library, name, theirs, ours)


def test_logits_are_the_peers(pair: Pair) -> None:
    for size in sizes(pair.library, pair.name):
        agree(pair.ours, pair.theirs, size)


def test_the_peer_loads_what_we_write(pair: Pair, tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    save_weights(pair.ours, path, pair.library)
    state = load_file(path)
    path.unlink()
    assert dict.fromkeys(state, True) == {name: state[name].equal(value) for name, value in pair.theirs.state_dict().items()}
    pair.theirs.load_state_dict(state)


def test_tensors_stand_in_the_peers_order(pair: Pair) -> None:
    names = naming(design_of(pair.ours), pair.library)
    ours, theirs = [names.of(name) for name in pair.ours.state_dict()], list(pair.theirs.state_dict())
    if pair.library == "torchvision" and pair.name.startswith("regnet"):  # where shortcuts stand before the blocks' layers
        ours, theirs = sorted(ours), sorted(theirs)
    assert ours == theirs


def test_counts_are_what_torch_counts_in_the_peer(pair: Pair) -> None:
    design = nw.network(pair.name)
    acts: list[int] = []

    def count(module: nn.Module, inputs: Any, output: Tensor) -> None:
        acts.append(output.numel())

    hooks = [m.register_forward_hook(count) for m in pair.theirs.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    tensors = {name: value.to("meta") for name, value in pair.theirs.state_dict().items()}
    image = own_image(design)
    with FlopCounterMode(display=False) as counter:
        functional_call(pair.theirs, tensors, torch.empty(1, 3, image, image, device="meta"))
    for hook in hooks:
        hook.remove()
    params = sum(value.numel() for value in pair.theirs.parameters())
    assert trace(design).totals == (params, counter.get_total_flops() / 2, sum(acts))


# ---------------------------------------------------------------- what one name covers in several forms

AUXILIARY = pytest.mark.parametrize(
    ("library", "name"), [("torchvision", "googlenet"), ("torchvision", "inception_v3"), ("timm", "inception_v3")]
)


@AUXILIARY
def test_auxiliary_heads_are_the_peers(library: str, name: str, tmp_path: Path) -> None:
    theirs = made(library, name, aux_logits=True)
    theirs.training = True  # all heads speak; norms and dropout below stay as they are
    path = saved(theirs, tmp_path / "model.safetensors")
    ours = nw.build(nw.network(name, aux=True), weights=path).eval()
    agree(ours, theirs, (299, 310))
    save_weights(ours, tmp_path / "ours.safetensors", library)
    state = load_file(tmp_path / "ours.safetensors")
    assert all(state[name].equal(value) for name, value in theirs.state_dict().items())
    theirs.load_state_dict(state)


@AUXILIARY
def test_auxiliary_heads_are_left_out_aloud(library: str, name: str, tmp_path: Path) -> None:
    theirs = made(library, name, aux_logits=True)
    path = saved(theirs, tmp_path / "model.safetensors")
    with pytest.warns(WeightsNote, match="tensors of auxiliary classifiers are left out"):
        ours = nw.build(name, weights=path).eval()
    theirs.load_state_dict(ours.state_dict(), strict=False)
    theirs.aux_logits = False  # timm's answers with both heads otherwise
    agree(ours, theirs, (128, 117))


@pytest.mark.parametrize("name", ["googlenet", "inception_v3"])
def test_transform_input_is_torchvisions(name: str, tmp_path: Path) -> None:
    theirs = made("torchvision", name, transform_input=True)
    path = saved(theirs, tmp_path / "model.pth")
    agree(nw.build(nw.network(name, transform_input=True), weights=path).eval(), theirs, (128, 117))


def test_tensorflows_efficientnet_is_known_by_its_name(tmp_path: Path) -> None:
    """It pads as TensorFlow does, which the names of its tensors do not tell."""
    torch.manual_seed(0)
    theirs = timm.create_model("tf_efficientnet_b0")
    randomize(theirs, (4, 3, 96, 96))
    (tmp_path / "tf_efficientnet_b0.ns_jft_in1k").mkdir()
    path = saved(theirs.eval(), tmp_path / "tf_efficientnet_b0.ns_jft_in1k" / "model.safetensors")
    ours = nw.build("efficientnet_b0", weights=path).eval()
    for size in ((64, 64), (96, 128), (97, 75)):
        agree(ours, theirs, size)
