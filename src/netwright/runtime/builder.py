"""The torch module of a graph: nested `fx.GraphModule`s with the checkpoint's names."""

from __future__ import annotations

import keyword
import operator
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn import functional as F

from netwright.errors import DesignError
from netwright.graph import Design, Graph, Node, trace
from netwright.graph import layers as L
from netwright.graph.layers import Pair
from netwright.runtime.initialize import initialize


def build(
    design: Design | Callable[..., Any],
    image: int | Pair | None = None,
    *,
    channels: int = 3,
    seed: int | None = None,
    device: str | torch.device = "cpu",
) -> fx.GraphModule:
    """An ordinary torch module that computes `design`, its weights freshly initialized.

    Takes float tensors of (batch, channels, height, width) and returns (batch, classes). A block is
    a child module and a layer a leaf, with the names of the family's public checkpoint, in
    execution order; `.code` of each is readable. `image` matters for nothing but the check that the
    design takes it. `seed` makes the weights a function of the design and the seed, and leaves the
    global generator alone; without it they are drawn from the global one. On the meta device
    nothing is allocated or drawn.

    >>> from netwright.zoo import network
    >>> model = build(network("resnet18", classes=10), seed=0)
    >>> model.get_parameter("layer1.0.conv1.weight").shape
    torch.Size([64, 64, 3, 3])
    """
    graph = trace(design, image, channels)
    name = "".join(c for c in getattr(type(design), "__name__", "") if c.isidentifier()) or "Network"
    model = _module(graph, name, {})
    device = torch.device(device)
    if device.type != "meta":
        model.to_empty(device=device)
        initialize(model, graph, seed)
    return model


def _module(graph: Graph, name: str, made: dict[int, fx.Graph]) -> fx.GraphModule:
    """One module per use of a block: bodies are shared, weights are not."""
    root = nn.Module()
    _add_parts(root, graph, made)
    if id(graph) not in made:
        made[id(graph)] = _program(graph)
    return fx.GraphModule(root, made[id(graph)], name)


def _add_parts(root: nn.Module, graph: Graph, made: dict[int, fx.Graph]) -> None:
    """Fill `root` with the child modules of a graph, in execution order."""
    readers = _readers(graph)
    for i, node in enumerate(graph.nodes):
        if isinstance(node.layer, Graph):
            _place(root, node.name, _module(node.layer, "Block", made))
        elif type(node.layer) in _MODULES:
            _place(root, node.name, _MODULES[type(node.layer)](node.layer, _may_overwrite(graph, i, readers)))


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


def subsample(x: Tensor, width: int, stride: int) -> Tensor:
    """Every `stride`-th pixel, then zero channels before and after up to `width`."""
    x = x[:, :, ::stride, ::stride]
    missing = width - x.shape[1]
    return F.pad(x, (0, 0, 0, 0, missing // 2, missing - missing // 2))


fx.wrap("subsample")


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


_FUNCTIONS: dict[type, Callable[[fx.Graph, Node, tuple[fx.Node, ...]], fx.Node]] = {
    L.Add: _sum,
    L.Multiply: _multiply,
    L.Concat: _concat,
    L.Item: _item,
    L.Subsample: _subsample,
}

# ---------------------------------------------------------------- the leaves


def _readers(graph: Graph) -> Counter[int]:
    readers = Counter(i for node in graph.nodes for i in node.inputs)
    readers.update(graph.outputs)
    return readers


# Layers whose backward pass does not need their own output: it may be overwritten.
_FORGETFUL = (L.Conv, L.Norm, L.Linear, L.Add)


def _may_overwrite(graph: Graph, i: int, readers: Counter[int]) -> bool:
    """Whether node i may work in place: nobody else reads its input, and nobody's backward needs it."""
    inputs = graph.nodes[i].inputs
    return len(inputs) == 1 and readers[inputs[0]] == 1 and isinstance(graph.nodes[inputs[0]].layer, _FORGETFUL)


def _conv(layer: Any, inplace: bool) -> nn.Module:
    return nn.Conv2d(
        layer.inputs,
        layer.outputs,
        layer.kernel,
        layer.stride,
        layer.padding,
        groups=layer.groups,
        bias=layer.bias,
        device="meta",
    )


def _norm(layer: Any, inplace: bool) -> nn.Module:
    return nn.BatchNorm2d(layer.channels, layer.eps, layer.momentum, device="meta")


def _linear(layer: Any, inplace: bool) -> nn.Module:
    return nn.Linear(layer.inputs, layer.outputs, layer.bias, device="meta")


def _activation(layer: Any, inplace: bool) -> nn.Module:
    return nn.Sigmoid() if layer.kind == "sigmoid" else {"relu": nn.ReLU, "silu": nn.SiLU}[layer.kind](inplace)


def _pool(layer: Any, inplace: bool) -> nn.Module:
    if layer.kind == "max_pool":
        return nn.MaxPool2d(layer.kernel, layer.stride, layer.padding, ceil_mode=layer.ceil)
    return nn.AvgPool2d(layer.kernel, layer.stride, layer.padding, layer.ceil, layer.count_pad)


_MODULES: dict[type, Callable[[Any, bool], nn.Module]] = {
    L.Conv: _conv,
    L.Norm: _norm,
    L.Linear: _linear,
    L.Activation: _activation,
    L.Pool: _pool,
    L.AdaptivePool: lambda layer, inplace: nn.AdaptiveAvgPool2d(layer.size),
    L.Flatten: lambda layer, inplace: nn.Flatten(),
    L.Dropout: lambda layer, inplace: nn.Dropout(layer.rate),
}
