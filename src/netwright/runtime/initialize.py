"""Fresh weights, drawn as the family's paper says, from a generator of their own when a seed is given."""

from __future__ import annotations

import math
from collections.abc import Container

import torch
from torch import Tensor, nn

from netwright.graph import Graph
from netwright.graph import layers as L
from netwright.graph.initial import UNIFORM, Draw, Initial


@torch.no_grad()
def initialize(model: nn.Module, graph: Graph, initial: Initial, seed: int | None, given: Container[str] = ()) -> None:
    """Draw the weights of a built model in the order of its graph, but for those that are `given`.

    Norms start at scale 1 and shift 0. A layer's role chooses: "head" is the classifier, "bias-one" has biases
    of 1, "residual-last" is the norm whose scale an identity start sets to zero.
    """
    generator = None if seed is None else torch.Generator().manual_seed(seed)
    for row in graph.rows():
        layer = row.layer
        if row.name + ".weight" in given and not isinstance(layer, L.Norm):
            continue
        if isinstance(layer, L.Norm):
            norm = model.get_submodule(row.name)
            assert isinstance(norm, nn.BatchNorm2d)
            norm.reset_parameters()
            if initial.identity and layer.role == "residual-last":
                nn.init.zeros_(norm.weight)
        elif isinstance(layer, (L.Conv, L.Linear)):
            module = model.get_submodule(row.name)
            assert isinstance(module, (nn.Conv2d, nn.Linear))
            chosen = initial.head if layer.role == "head" else initial.conv if isinstance(layer, L.Conv) else initial.linear
            _draw(module.weight, chosen, layer, generator)
            if module.bias is None:
                continue
            if initial.bias is None:
                _draw(module.bias, UNIFORM, layer, generator)
            else:
                nn.init.constant_(module.bias, 1.0 if layer.role == "bias-one" else initial.bias)


def fan_of(layer: L.Conv | L.Linear, fan: str) -> int:
    """The number that the variance of a layer's weights is divided by."""
    if isinstance(layer, L.Linear):
        return {"": 1, "in": layer.inputs, "out": layer.outputs, "groups": layer.outputs}[fan]
    area = math.prod(layer.kernel)
    outputs = layer.outputs * area
    return {"": 1, "in": layer.inputs // layer.groups * area, "out": outputs, "groups": outputs // layer.groups}[fan]


def _draw(weight: Tensor, draw: Draw, layer: L.Conv | L.Linear, generator: torch.Generator | None) -> None:
    deviation = math.sqrt(draw.gain / fan_of(layer, draw.fan))
    if generator is not None and weight.device.type != "cpu":
        # drawn on the CPU, so that a seed gives the same weights on every device
        weight.copy_(_fill(torch.empty(weight.shape), draw.law, deviation, generator))
    else:
        _fill(weight, draw.law, deviation, generator)


def _fill(weight: Tensor, law: str, deviation: float, generator: torch.Generator | None) -> Tensor:
    if law == "uniform":
        edge = math.sqrt(3) * deviation
        return weight.uniform_(-edge, edge, generator=generator)
    if law == "truncated":  # by the inverse of the distribution function: six times faster than torch's drawing again
        edge = math.erf(math.sqrt(2))
        return weight.uniform_(-edge, edge, generator=generator).erfinv_().mul_(math.sqrt(2) * deviation)
    return weight.normal_(0, deviation, generator=generator)
