"""The torch module of a graph: nested `fx.GraphModule`s with the checkpoint's names."""

from __future__ import annotations

import functools
import keyword
import operator
import os
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn

from netwright.errors import DesignError
from netwright.graph import Design, Graph, Node, trace
from netwright.graph import layers as L
from netwright.graph.flat import overwriting
from netwright.graph.initial import Initial
from netwright.graph.layers import Pair
from netwright.runtime.initialize import initialize
from netwright.runtime.modules import Network, SameConv2d, rescale, shuffle, subsample
from netwright.runtime.weights import Weights, open_weights, remember, remember_graph
from netwright.zoo import network


def build(
    design: str | Design | Callable[..., Any],
    image: int | Pair | None = None,
    *,
    channels: int = 3,
    classes: int | None = None,
    weights: str | os.PathLike[str] | Weights | None = None,
    outputs: str | Sequence[str] = (),
    seed: int | None = None,
    device: str | torch.device = "cpu",
) -> fx.GraphModule:
    """An ordinary torch module that computes `design` (or the network of that name in the zoo).

    Takes float tensors of (batch, channels, height, width) and returns (batch, classes). A block is
    a child module and a layer a leaf, with the names of the family's public checkpoint, in execution
    order (parts of one container, such as `streams.0` and `streams.1`, stand together); `.code` of each
    is readable. `image` matters for nothing but the check that the design takes it. `classes` replaces the
    design's; for 0 the model returns the pooled features.

    `weights` is a file (.safetensors, .pth), a hub id (timm/resnet50.a1_in1k) or a torchvision name
    (IMAGENET1K_V1); whose names a file has is found out. A classifier for another number of classes starts
    afresh and a WeightsNote says so; `preprocessing_of(model)` tells how pictures are to be shown. Without
    weights they are drawn as the family's paper says: a function of the design and `seed`, which leaves the
    global generator alone, or from the global one without a seed. On the meta device nothing is allocated.

    `outputs` names blocks or layers (as the cost table does): the model returns their maps, in that order,
    as a tuple (one name: the map itself), and holds only what they need.

    Raises DesignError for a design that the image does not suit, and for classes or weights of what is no design;
    NetwrightError for weights that lead nowhere or do not fit.

    >>> model = build("resnet18", outputs=("layer2", "layer4"), seed=0)
    >>> [tuple(map.shape) for map in model(torch.zeros(1, 3, 64, 64))]
    [(1, 128, 8, 8), (1, 512, 2, 2)]
    """
    design = network(design) if isinstance(design, str) else design
    if classes is not None:
        if not isinstance(design, Design):
            raise DesignError("classes are a field of a design: a function has none")
        design = design.replace(classes=classes)
    if weights is not None:
        if not isinstance(design, Design):
            raise DesignError("weights are loaded into a design, not into a function: wrap it in a Design")
        weights = weights if isinstance(weights, Weights) else open_weights(design, weights)
        design = weights.design
    outputs = (outputs,) if isinstance(outputs, str) else tuple(outputs)
    graph = trace(design, image, channels, outputs)
    model = assembled(graph, "".join(c for c in getattr(type(design), "__name__", "") if c.isidentifier()) or "Network")
    if isinstance(design, Design):
        remember(model, design, channels, *weights.carried_by(design, channels) if weights is not None else ())
        remember_graph(model, graph, outputs)
    given = weights.fit(graph).state if weights is not None else {}
    device = torch.device(device)
    if device.type != "meta":
        model.to_empty(device=device)
        initialize(model, graph, getattr(design, "initial", Initial()), seed, given)
        model.load_state_dict(given, strict=False)
    return model


def assembled(graph: Graph, name: str) -> fx.GraphModule:
    """The module of a graph, its class called `name`, on the meta device: nothing is allocated."""
    programs: dict[Any, fx.Graph] = {}
    model = _module(graph, name, programs, Network)
    for program in programs.values():
        del program.python_code  # what its owner changes from now on is written anew
    return model


def _module(graph: Graph, name: str, made: dict[Any, fx.Graph], kind: type[fx.GraphModule] = fx.GraphModule) -> fx.GraphModule:
    """One module per use of a block: programs are shared, also by blocks that differ in their sizes only, weights are not."""
    root = nn.Module()
    _add_leaves(root, graph)
    said = [(node.name, node.inputs, node.layer if type(node.layer) in _FUNCTIONS else None) for node in graph.nodes]
    key = (graph.inputs, graph.outputs, *said)
    if key not in made:
        made[key] = program = _program(graph)
        program.python_code = functools.cache(program.python_code)  # type: ignore[assignment, method-assign]  # once for all uses
    module = kind(root, made[key], name)
    for node in graph.nodes:  # after it: a GraphModule compiles the children that it is given once more
        if isinstance(node.layer, Graph):
            module.set_submodule(node.name, _module(node.layer, "Block", made), strict=True)
    return module


def _add_leaves(root: nn.Module, graph: Graph) -> None:
    """Fill `root` with the layers of a graph, in execution order, and with places for its blocks."""
    overwrites = overwriting(graph)
    for i, node in enumerate(graph.nodes):
        if isinstance(node.layer, Graph):
            _place(root, node.name, nn.Module())
        elif type(node.layer) in _MODULES:
            _place(root, node.name, _MODULES[type(node.layer)](node.layer, i in overwrites))


def _place(root: nn.Module, name: str, module: nn.Module) -> None:
    *path, last = name.split(".")
    for part in path:
        if part not in root._modules:
            _add(root, part, nn.Module(), name)
        root = root.get_submodule(part)
    _add(root, last, module, name)


def _add(root: nn.Module, part: str, module: nn.Module, name: str) -> None:
    if hasattr(fx.GraphModule, part) or hasattr(root, part) or keyword.iskeyword(part) or part in ("graph", "meta"):
        raise DesignError(f"{part!r} is a word of Python or of torch's own modules: choose another name", name)
    root.add_module(part, module)


# ---------------------------------------------------------------- the program: what is called, in which order


def _program(graph: Graph) -> fx.Graph:
    code = fx.Graph()
    values = [code.placeholder(name) for name in ("x", "y", "z", *map("x{}".format, range(graph.inputs)))[: graph.inputs]]
    for node in graph.nodes[graph.inputs :]:
        args = tuple(values[i] for i in node.inputs)
        if isinstance(node.layer, Graph) or type(node.layer) in _MODULES:
            values.append(code.call_module(node.name, args))
        else:
            values.append(_FUNCTIONS[type(node.layer)](code, node, args))
    results = [values[i] for i in graph.outputs]
    code.output(results[0] if len(results) == 1 else tuple(results))
    return code


def _sum(code: fx.Graph, node: Node, args: tuple[fx.Node, ...]) -> fx.Node:
    return code.call_function(operator.add, args)


def _multiply(code: fx.Graph, node: Node, args: tuple[fx.Node, ...]) -> fx.Node:
    return code.call_function(operator.mul, args)


def _concat(code: fx.Graph, node: Node, args: tuple[fx.Node, ...]) -> fx.Node:
    return code.call_function(torch.cat, (list(args), 1))


def _item(code: fx.Graph, node: Node, args: tuple[fx.Node, ...]) -> fx.Node:
    assert isinstance(node.layer, L.Item)
    return code.call_function(operator.getitem, (args[0], node.layer.index))


def _subsample(code: fx.Graph, node: Node, args: tuple[fx.Node, ...]) -> fx.Node:
    assert isinstance(node.layer, L.Subsample)
    return code.call_function(subsample, (args[0], node.layer.outputs, node.layer.stride))


def _scale(code: fx.Graph, node: Node, args: tuple[fx.Node, ...]) -> fx.Node:
    assert isinstance(node.layer, L.Scale)
    if len(node.layer.factor) == 1 and node.layer.shift == (0.0,):
        return code.call_function(operator.mul, (args[0], node.layer.factor[0]))
    return code.call_function(rescale, (args[0], node.layer.factor, node.layer.shift))


def _shuffle(code: fx.Graph, node: Node, args: tuple[fx.Node, ...]) -> fx.Node:
    assert isinstance(node.layer, L.Shuffle)
    return code.call_function(shuffle, (args[0], node.layer.groups))


_FUNCTIONS: dict[type, Callable[[fx.Graph, Node, tuple[fx.Node, ...]], fx.Node]] = {
    L.Add: _sum,
    L.Multiply: _multiply,
    L.Concat: _concat,
    L.Item: _item,
    L.Subsample: _subsample,
    L.Scale: _scale,
    L.Shuffle: _shuffle,
}

# ---------------------------------------------------------------- the leaves


def _conv(layer: Any, inplace: bool) -> nn.Module:
    kind, padding = (SameConv2d, 0) if layer.padding == "same" else (nn.Conv2d, layer.padding)
    sizes = (layer.inputs, layer.outputs, layer.kernel, layer.stride, padding)
    return kind(*sizes, groups=layer.groups, bias=layer.bias, device="meta")


def _norm(layer: Any, inplace: bool) -> nn.Module:
    return nn.BatchNorm2d(layer.channels, layer.eps, layer.momentum, device="meta")


def _linear(layer: Any, inplace: bool) -> nn.Module:
    return nn.Linear(layer.inputs, layer.outputs, layer.bias, device="meta")


def _activation(layer: Any, inplace: bool) -> nn.Module:
    return nn.Sigmoid() if layer.kind == "sigmoid" else {"relu": nn.ReLU, "relu6": nn.ReLU6, "silu": nn.SiLU}[layer.kind](inplace)


def _pool(layer: Any, inplace: bool) -> nn.Module:
    if layer.kind == "max_pool":
        return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil)
    return nn.AvgPool2d(layer.kernel, layer.stride, layer.padding, layer.ceil, layer.count_pad, layer.divisor)


_MODULES: dict[type, Callable[[Any, bool], nn.Module]] = {
    L.Conv: _conv,
    L.Norm: _norm,
    L.Linear: _linear,
    L.Activation: _activation,
    L.Pool: _pool,
    L.AdaptivePool: lambda layer, inplace: nn.AdaptiveAvgPool2d(layer.size),
    L.Flatten: lambda layer, inplace: nn.Flatten(),
    L.Dropout: lambda layer, inplace: nn.Dropout(layer.rate),
    L.LocalNorm: lambda layer, inplace: nn.LocalResponseNorm(layer.size, layer.alpha, layer.beta, layer.k),
}
