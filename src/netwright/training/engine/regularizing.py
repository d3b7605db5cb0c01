"""What is changed in a network for its training: dropout, drop-path, frozen blocks, blocks that are computed twice.

All of it edits a model that `build` made, whose weights keep their names; nothing of it shows in evaluation.
"""

from __future__ import annotations

import contextlib
import copy
import fnmatch
import operator
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.utils.checkpoint import checkpoint

from netwright.errors import DesignError, NetwrightError, did_you_mean
from netwright.graph import Design, Graph
from netwright.graph.flat import Flat
from netwright.graph.layers import Add, Conv, Linear
from netwright.runtime.weights import graph_of


def with_dropout(design: Design, rate: float) -> Design:
    """The design with another rate of dropout before its classifier; DesignError for one that has no place for it.

    >>> from netwright.zoo import network
    >>> with_dropout(network("mobilenetv2_100"), 0.4).fields()["dropout"]
    0.4
    """
    if "dropout" not in design.fields():
        raise DesignError(f"{type(design).__name__} has no dropout: leave regularize.dropout out, or take regularize.drop_path")
    if rate == 1:
        raise DesignError(f"dropout is {rate!r}, expected a number from 0 to below 1")
    return design.replace(dropout=float(rate))


# ---------------------------------------------------------------- drop-path


class DropPath(nn.Module):
    """shortcut + branch, where training leaves the branch out for a share `rate` of the pictures (Huang et al. 2016).

    What is kept is scaled by 1 / (1 - rate), so that evaluation needs no factor (the paper scales in evaluation instead).
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, branch: Tensor, shortcut: Tensor) -> Tensor:
        """Two maps of one shape -> their sum."""
        if not self.training or not self.rate:
            return shortcut + branch
        kept = branch.new_empty(len(branch), *[1] * (branch.ndim - 1)).bernoulli_(1 - self.rate).div_(1 - self.rate)
        return torch.addcmul(shortcut, branch, kept)

    def extra_repr(self) -> str:
        return f"rate={self.rate:.3g}"


def drop_paths(model: fx.GraphModule, rate: float) -> int:
    """Drop residual branches of a model, picture by picture, while it trains; returns the number of these branches.

    The last branch has the `rate`, the k-th of n has k / n of it (Huang et al. 2016, Eq. 4; timm begins with 0). A residual
    branch is what is added to a shortcut, which has at most one convolution of its own and fewer than the branch. Chance
    comes from the generator of the device. Raises NetwrightError for a network without residual branches.
    """
    graph = graph_of(model)
    sites = residual_branches(graph.flat())
    if not sites:
        raise NetwrightError(f"{type(model).__name__} has no residual branches to drop: set regularize.drop_path to 0")
    rates = {name: rate * (i + 1) / len(sites) for i, name in enumerate(sites)}
    programs: dict[Any, fx.Graph] = {}
    for path, module, block in _blocks(model, graph):
        here = {i: sites[path + node.name] for i, node in enumerate(block.nodes) if path + node.name in sites}
        if not here:
            continue
        names = {i: f"{block.nodes[i].name.replace('.', '_')}_path" for i in here}
        for i, name in names.items():
            module.add_submodule(name, DropPath(rates[path + block.nodes[i].name]))

        def with_drops(node: fx.Node, place: int, here: dict[int, int] = here, names: dict[int, str] = names) -> None:
            if place in here:
                if node.target is not operator.add:
                    raise NetwrightError(f"an addition became {node.target} after the network was built: drop paths before")
                branch, shortcut = node.args if here[place] == 0 else node.args[::-1]
                _become(node, "call_module", names[place], (branch, shortcut))

        _edit(module, tuple(here.items()), with_drops, programs)
    return len(sites)


def residual_branches(flat: Flat) -> dict[str, int]:
    """The additions of a branch to a shortcut, in order: the name of each and which of its two operands is the branch."""
    behind: list[int] = []  # of each row: itself and all that it is made from, a bit for each
    weighted = 0
    found = {}
    for place, row in enumerate(flat.rows):
        reads = 0
        for read in row.inputs:
            reads |= behind[read]
        behind.append(reads | 1 << place)
        if isinstance(row.layer, (Conv, Linear)):
            weighted |= 1 << place
        if isinstance(row.layer, Add):
            first, second = (behind[read] for read in row.inputs)
            own = (first & ~second & weighted).bit_count(), (second & ~first & weighted).bit_count()
            if min(own) <= 1 and own[0] != own[1]:
                found[row.name] = int(own[1] > own[0])
    return found


# ---------------------------------------------------------------- frozen blocks


class FrozenNorm(nn.BatchNorm2d):
    """A batch normalization that stays in evaluation mode: its statistics are those that it came with."""

    def train(self, mode: bool = True) -> FrozenNorm:
        """Nothing changes."""
        return super().train(False)


def freeze(model: fx.GraphModule, patterns: Sequence[str]) -> list[str]:
    """Keep parameters and norm statistics of blocks and layers as they are; returns the names of these parameters.

    `patterns` are names as the cost table has them (layer1, layer1.0, stem, bn1), which stand for all that is inside;
    `*` stands for anything. Raises NetwrightError for one that nothing is called.
    """
    around = _names_around(model)
    known = {name for names in around.values() for name in names}
    for pattern in patterns:
        if not any(fnmatch.fnmatchcase(name, pattern) for name in known):
            hint = did_you_mean(pattern, known) or ": see `netwright cost NET --by block` for the names of blocks"
            raise NetwrightError(f"nothing to freeze is called {pattern!r}{hint}")
    frozen = []
    for name, names in around.items():
        if any(fnmatch.fnmatchcase(one, pattern) for one in names for pattern in patterns):
            model.get_parameter(name).requires_grad_(False)
            frozen.append(name)
    held = {name.rpartition(".")[0] for name in frozen}
    for path, module in model.named_modules():
        if path in held and type(module) is nn.BatchNorm2d:
            module.__class__ = FrozenNorm
            module.train(False)
    return frozen


def _names_around(model: fx.GraphModule) -> dict[str, list[str]]:
    """For each parameter the names of what it is in: layer, blocks, sections."""
    sections: dict[str, set[str]] = {}
    for row in graph_of(model).rows():
        sections[row.name] = {row.stage, *_paths(row.block)}
    found = {}
    for name, _ in model.named_parameters():
        layer = name.rpartition(".")[0]
        found[name] = sorted({name, *_paths(layer), *sections.get(layer, ())})
    return found


def _paths(name: str) -> Iterator[str]:
    """a, a.b and a.b.c for a.b.c."""
    parts = name.split(".")
    return (".".join(parts[: i + 1]) for i in range(len(parts)))


# ---------------------------------------------------------------- blocks computed twice


def recompute(model: fx.GraphModule) -> int:
    """Keep only the inputs of blocks for the backward pass, which computes the blocks anew; returns their number.

    Less memory for a third more time (Chen et al. 2016); the numbers are the same to the bit. Statistics of norms are
    updated once, and dropout falls the same both times. A block is one that does more than call other blocks in a row: the
    residual blocks of a ResNet, not its stages. Raises NetwrightError for a network without blocks.
    """
    graph = graph_of(model)
    units: set[str] = set()
    for path, _, block in _blocks(model, graph):
        inside = any(path.startswith(unit) for unit in units)
        if path and not inside and not all(isinstance(node.layer, Graph) for node in block.nodes[block.inputs :]):
            units.add(path)
    if not units:
        raise NetwrightError(f"{type(model).__name__} has no blocks to compute anew: set checkpointing to false")
    for path, module, block in _blocks(model, graph):
        here = {i for i, node in enumerate(block.nodes) if f"{path}{node.name}." in units}

        def by_units(node: fx.Node, place: int, here: set[int] = here) -> None:
            if place in here:
                with node.graph.inserting_before(node):
                    unit = node.graph.get_attr(str(node.target))
                _become(node, "call_function", recomputed, (unit, *node.args))

        if here:
            _edit(module, tuple(here), by_units, {})
    return len(units)


def recomputed(block: nn.Module, *inputs: Tensor) -> Any:
    """`block(*inputs)`, computed again in the backward pass instead of kept for it."""
    if not (block.training and torch.is_grad_enabled()):
        return block(*inputs)
    if torch.compiler.is_compiling():  # which functionalizes statistics itself
        return checkpoint(block, *inputs, use_reentrant=False)
    random = any(isinstance(module, (nn.Dropout, DropPath)) for module in block.modules())
    contexts = lambda: (contextlib.nullcontext(), _statistics_kept(block))  # noqa: E731
    return checkpoint(block, *inputs, use_reentrant=False, preserve_rng_state=random, context_fn=contexts)


@contextlib.contextmanager
def _statistics_kept(block: nn.Module) -> Iterator[None]:
    """What is done to the block's buffers is forgotten: it was done the first time."""
    kept = [(module, module._buffers) for module in block.modules() if module._buffers]
    for module, buffers in kept:
        module._buffers = {name: value if value is None else value.clone() for name, value in buffers.items()}
    try:
        yield
    finally:
        for module, buffers in kept:
            module._buffers = buffers


# ---------------------------------------------------------------- editing programs


def _blocks(model: fx.GraphModule, graph: Graph, path: str = "") -> Iterator[tuple[str, fx.GraphModule, Graph]]:
    """A model and the blocks in it, each after what it is in: the path with a dot at its end, the module, its graph."""
    yield path, model, graph
    for node in graph.nodes:
        if isinstance(node.layer, Graph):
            inside = model.get_submodule(node.name)
            assert isinstance(inside, fx.GraphModule)
            yield from _blocks(inside, node.layer, f"{path}{node.name}.")


def _edit(module: fx.GraphModule, what: Any, change: Callable[[fx.Node, int], None], programs: dict[Any, fx.Graph]) -> None:
    """Call `change` with each node of a module's program and its place among the nodes of the graph.

    Equal blocks share their program: what is edited is a copy, which those with the same edits share again.
    """
    key = module.graph, what
    if key not in programs:
        program = copy.deepcopy(module.graph)
        places = [node for node in program.nodes if node.op != "get_attr"]  # none of the graph's own: see `recompute`
        for place, node in enumerate(places):
            change(node, place)
        programs[key] = program
    module.graph = programs[key]


def _become(node: fx.Node, op: str, target: Any, args: tuple[Any, ...]) -> None:
    """Put another call in the place of a node."""
    with node.graph.inserting_before(node):
        node.replace_all_uses_with(node.graph.create_node(op, target, args))
    node.graph.erase_node(node)
