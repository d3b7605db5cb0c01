"""The cost of timm's and torchvision's own modules against the designs of the same names."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

import netwright as nw
from netwright.graph import trace
from tests.compat.oracles import timm, torchvision
from tests.test_memory import kept_by_torch

TIMM = (
    *("resnet18", "resnet50", "resnext50_32x4d", "wide_resnet50_2", "seresnet50", "resnet18d", "vgg16_bn", "inception_v4"),
    *("inception_resnet_v2", "mobilenetv2_100", "efficientnet_b0", "regnetx_002", "regnety_004", "repvgg_a0", "semnasnet_100"),
)


@pytest.mark.parametrize("name", TIMM)
def test_timms_modules_cost_what_the_designs_do(name: str) -> None:
    graph = trace(nw.network(name))
    made = nw.cost(timm.create_model(name), graph.nodes[0].shape[1:])
    assert (made.params, made.macs, made.acts) == graph.totals


@pytest.mark.parametrize("name", ["alexnet", "googlenet", "squeezenet1_1", "mobilenet_v2", "resnet50"])
def test_torchvisions_modules_cost_what_the_designs_do(name: str) -> None:
    module = torchvision.models.get_model(name, **({"aux_logits": False, "init_weights": False} if name == "googlenet" else {}))
    graph = trace(nw.network(name))
    made = nw.cost(module, graph.nodes[0].shape[1:])
    assert (made.params, made.macs, made.acts) == graph.totals


@pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "convnext_atto", "swin_tiny_patch4_window7_224", "mixer_s16_224"])
def test_networks_that_are_not_in_the_zoo(name: str) -> None:
    """Their parameters all belong to some row, and what they train with is what a real pass keeps."""
    model = timm.create_model(name)
    size = model.default_cfg["input_size"]
    made = nw.cost(model, size[-1], batch=2)
    assert made.params == sum(p.numel() for p in model.parameters())
    assert not [line for line in made.lines if "not run" in line.kind]
    assert made.memory.saved == kept_by_torch(model.train(), torch.zeros(2, *size), "fp32")
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):  # it passes over a CPU's fused attention
        model.eval()(torch.zeros(1, *size))
    assert made.flops == counter.get_total_flops()
