"""Fresh weights: one sound scheme, drawn from a generator of its own when a seed is given."""

from __future__ import annotations

import math

import torch
from torch import nn

from netwright.graph import Graph
from netwright.graph import layers as L


@torch.no_grad()
def initialize(model: nn.Module, graph: Graph, seed: int | None) -> None:
    """Draw the weights of a built model in the order of its graph.

    Convolutions: normal with variance 2 / (outputs per group x kernel area) (He et al. 2015, fan-out
    form); linear layers: normal with variance 2 / inputs before a ReLU and deviation 0.01 at the
    head; norms: scale 1, shift 0, but scale 0 for the last one of a residual branch, so that every
    block starts as its shortcut (Goyal et al. 2017, Section 5.1); biases 0.
    """
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    for row in graph.rows():
        layer = row.layer
        if not isinstance(layer, (L.Conv, L.Linear, L.Norm)):
            continue
        module = model.get_submodule(row.name)
        if isinstance(layer, L.Norm):
            assert isinstance(module, nn.BatchNorm2d)
            module.reset_parameters()
            if layer.role == "residual-last":
                nn.init.zeros_(module.weight)
            continue
        assert isinstance(module, (nn.Conv2d, nn.Linear))
        _normal(module.weight, _deviation(layer), generator)
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def _deviation(layer: L.Conv | L.Linear) -> float:
    if layer.role == "head":
        return 0.01
    if isinstance(layer, L.Linear):
        return math.sqrt(2 / layer.inputs)
    return math.sqrt(2 / (layer.outputs // layer.groups * math.prod(layer.kernel)))


def _normal(weight: torch.Tensor, deviation: float, generator: torch.Generator | None) -> None:
    if generator is None or weight.device.type == "cpu":
        weight.normal_(0, deviation, generator=generator)
    else:  # drawn on the CPU, so that a seed gives the same weights on every device
        weight.copy_(torch.empty(weight.shape).normal_(0, deviation, generator=generator))
