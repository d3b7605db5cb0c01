"""Every network of the zoo against numbers read off the reference implementations, and against torch itself."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

import netwright as nw
from netwright.errors import NetwrightError
from netwright.graph import trace

EXACT = list(csv.DictReader((Path(__file__).parent / "golden" / "exact.csv").read_text().splitlines()))


@pytest.mark.parametrize("row", EXACT, ids=[" ".join(list(row.values())[:3]) for row in EXACT])
def test_params_macs_and_acts_are_exact(row: dict[str, str]) -> None:
    design = nw.network(row["network"])
    graph = trace(design.replace(deploy=True) if row["form"] == "deploy" else design, int(row["image"]))
    assert graph.totals == (int(row["params"]), int(row["macs"]), int(row["acts"]))


@pytest.mark.parametrize("name", nw.networks())
def test_every_layer_agrees_with_torch(name: str) -> None:
    """Shapes, params, macs and acts of what was built, counted by torch on the meta device."""
    design = nw.network(name)
    image = 75 if "inception" in name or name == "googlenet" else 32 if name.endswith("_cifar") or name.startswith("wrn") else 96
    graph = trace(design, image)
    model = nw.build(design, image, device="meta").eval()
    seen: dict[str, tuple[int, ...]] = {}
    for path, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda _m, _i, out, path=path: seen.update({path: tuple(out.shape[1:])}))
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, image, image, device="meta"))
    shapes = {row.name: row.shape for row in graph.rows() if row.name in seen}
    assert seen.keys() == shapes.keys()
    assert seen == shapes
    assert counter.get_total_flops() == 2 * graph.macs
    assert sum(p.numel() for p in model.parameters()) == graph.params
    weighted = [path for path, module in model.named_modules() if isinstance(module, (nn.Conv2d, nn.Linear))]
    assert sum(torch.Size(seen[path]).numel() for path in weighted) == graph.acts


def test_registry() -> None:
    assert nw.networks("resnet1?") == ["resnet18"]
    assert "vgg16_bn" in nw.networks("VGG")
    with pytest.raises(NetwrightError, match="unknown network 'resnet51'; did you mean resnet50"):
        nw.network("resnet51")


def test_regnet_stages_are_the_papers() -> None:
    """Stage depths, widths and group widths of two rows of Figure 15, one with a group wider than its stage."""
    assert nw.zoo.RegNet(13, 24, 36.44, 2.49, 8).stages() == [(1, 24, 8), (1, 56, 8), (4, 152, 8), (7, 368, 8)]
    assert nw.zoo.RegNet(23, 80, 49.56, 2.88, 120).stages() == [(2, 80, 80), (5, 240, 120), (15, 720, 120), (1, 1920, 120)]


def test_parameters_do_not_depend_on_the_image() -> None:
    for name in ("alexnet", "vgg11", "googlenet", "resnet18", "regnety_002", "inception_v3", "parnet_s", "efficientnet_b0"):
        design = nw.network(name)
        assert trace(design, 96).params == trace(design, (224, 160)).params


def test_names_are_the_checkpoints() -> None:
    names = set(nw.build(nw.network("resnet50"), device="meta").state_dict())
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.conv1.weight",
        "layer3.5.bn3.bias",
        "layer2.0.downsample.0.weight",
        "fc.bias",
    } <= names
    names = set(nw.build(nw.network("regnety_004"), device="meta").state_dict())
    assert {
        "stem.conv.weight",
        "s1.b1.conv1.conv.weight",
        "s4.b2.se.fc1.bias",
        "s2.b1.downsample.bn.weight",
        "head.fc.weight",
    } <= names
    names = set(nw.build(nw.network("vgg16_bn"), device="meta").state_dict())
    assert {"features.0.weight", "features.1.running_mean", "features.41.weight", "classifier.6.bias"} <= names
    names = set(nw.build(nw.network("googlenet"), device="meta").state_dict())
    assert {"conv2.conv.weight", "inception4c.branch2.0.conv.weight", "inception5b.branch4.1.bn.bias"} <= names


def test_a_cifar_network_of_any_number_of_stages() -> None:
    """One number for all stages, or one for each, says the same; the stem may stride, and four stages halve three times."""
    plain, told = nw.zoo.CifarResNet(2, width=16), nw.zoo.CifarResNet((2, 2, 2), width=(16, 32, 64))
    assert nw.trace(plain, 32).totals == nw.trace(told, 32).totals
    other = nw.zoo.CifarResNet((1, 2, 1, 3), width=8, stem_stride=2)
    shapes = {row.name: row.shape for row in nw.trace(other, 64).flat().rows}
    assert shapes["conv1"] == (8, 32, 32)
    assert shapes["layer4.2.conv2"] == (64, 4, 4)
    assert nw.from_json(nw.to_json(other)) == other
    assert nw.build(other, 64)(torch.zeros(2, 3, 64, 64)).shape == (2, 10)
    with pytest.raises(NetwrightError, match="2 depth but 3 width, expected one of each per stage"):
        nw.zoo.CifarResNet((1, 1), width=(8, 16, 32))
