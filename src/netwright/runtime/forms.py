"""Equal networks in other forms: branches merged or parted, and deeper networks that start from shallower ones."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping

import torch
from torch import Tensor, fx
from torch.nn import functional as F

from netwright.blocks import Bottleneck, Branches
from netwright.errors import NetwrightError
from netwright.graph import Design, Graph, trace
from netwright.graph import layers as L
from netwright.runtime.builder import build
from netwright.runtime.fitting import tensor_shapes
from netwright.runtime.weights import channels_of, design_of, refuse_deployed, remembered
from netwright.zoo import ParNet, RepVGG, ResNet

State = dict[str, Tensor]
Eps = Mapping[str, float]  # of each norm, by its name


@torch.no_grad()
def convert(model: fx.GraphModule, design: Design) -> fx.GraphModule:
    """A model that computes the same function as `model` in the form that `design` says.

    - RepVGG and ParNet with `deploy`: the branches beside each 3x3 are merged into it.
    - ResNeXt: `Bottleneck(groups, base)`, `Branches("concatenate", groups, base)` and
      `Branches("sum", groups, base)` into one another (arXiv:1611.05431, Fig. 3).

    Both are in evaluation mode: norms are taken with their running statistics where they are merged. Raises
    NetwrightError where neither form is known, or the designs differ in more than that.

    >>> model = build("repvgg_a0", seed=0)
    >>> deployed = convert(model, design_of(model).replace(deploy=True))
    >>> sum(p.numel() for p in deployed.parameters())
    8309384
    """
    refuse_deployed(model, "converted")
    old, state = design_of(model), model.state_dict()
    graph = trace(old)
    transform = _transform(old, design, eps_of(graph))
    if state.keys() != tensor_shapes(graph).keys():
        raise NetwrightError(f"only a whole network can be converted: this is a part of {type(old).__name__} (outputs)")
    like = next(model.parameters())
    converted = build(design, channels=channels_of(model), device="meta").to(like.dtype).to_empty(device=like.device)
    converted.load_state_dict(transform(state))
    remembered(model, converted, design)
    return converted.eval()


def _transform(old: Design, new: Design, eps: Eps) -> Callable[[State], State]:
    """What brings the tensors of one form into the other."""
    if isinstance(old, (RepVGG, ParNet)) and not old.deploy and new == old.replace(deploy=True):
        return lambda state: merged(state, eps)
    if isinstance(old, ResNet) and isinstance(new, ResNet) and new == old.replace(block=new.block):
        blocks = [block for block in (old.block, new.block) if isinstance(block, (Bottleneck, Branches))]
        grouped = Bottleneck(blocks[0].groups, blocks[0].base) if len(blocks) == 2 else None
        if grouped and all(block == grouped or block in _parted_forms(grouped) for block in blocks):
            return lambda state: _parted(_joined(state), new.block)
    raise NetwrightError(
        f"cannot convert {type(old).__name__} into this {type(new).__name__}: known are `deploy` of RepVGG and ParNet, "
        "and ResNeXt's blocks (Bottleneck and Branches of equal groups and base)"
    )


# ---------------------------------------------------------------- merging: RepVGG and ParNet


def eps_of(graph: Graph) -> dict[str, float]:
    """The eps of every norm of a graph, by its name."""
    return {row.name: row.layer.eps for row in graph.rows() if isinstance(row.layer, L.Norm)}


def merged(state: State, eps: Eps) -> State:
    """The tensors with the branches of RepVGG's and ParNet's blocks merged, wherever in a network these stand.

    Merged kernels and biases are float64, all others the given ones. `eps` is that of each norm.
    """
    return _merged_parnet(_merged_repvgg(state, eps), eps)


def norm_folded(state: State, kernel: Tensor, norm: str, eps: float) -> tuple[Tensor, Tensor]:
    """A kernel (or a linear layer's weight), without a bias, that does what the norm after it did too, and its bias; float64."""
    weight, bias, mean, variance = [
        state[f"{norm}.{part}"].double() for part in ("weight", "bias", "running_mean", "running_var")
    ]
    scale = weight / (variance + eps).sqrt()
    return kernel.double() * scale.reshape(-1, *[1] * (kernel.ndim - 1)), bias - mean * scale


def _folded(state: State, conv: str, norm: str, eps: Eps) -> tuple[Tensor, Tensor]:
    """Kernel and bias of a convolution with the norm after it."""
    return norm_folded(state, state[conv + ".weight"], norm, eps[norm])


def _identity(like: Tensor) -> Tensor:
    """The 3x3 kernel that gives each channel back."""
    kernel = torch.zeros_like(like)
    places = torch.arange(len(kernel), device=like.device)
    kernel[places, places % kernel.shape[1], 1, 1] = 1
    return kernel


def _without(state: State, blocks: list[str], *branches: str) -> State:
    """The tensors that are in none of these branches of the blocks."""
    gone = tuple([f"{block}{branch}." for block in blocks for branch in branches])
    return {name: value for name, value in state.items() if not name.startswith(gone)}


def _blocks(state: State, dense: str, *ones: str) -> list[str]:
    """Prefixes of the blocks that have a 3x3 convolution called `dense` and a 1x1 beside it, called as one of `ones`."""
    blocks = [name.removesuffix(dense) for name in state if f".{name}".endswith(f".{dense}") and state[name].shape[2:] == (3, 3)]
    return [block for block in blocks if any(block + one in state and state[block + one].shape[2:] == (1, 1) for one in ones)]


def _merged_repvgg(state: State, eps: Eps) -> State:
    blocks = _blocks(state, "conv_kxk.conv.weight", "conv_1x1.conv.weight")
    made = _without(state, blocks, "conv_kxk", "conv_1x1", "identity")
    for block in blocks:
        kernel, bias = _folded(state, block + "conv_kxk.conv", block + "conv_kxk.bn", eps)
        one, one_bias = _folded(state, block + "conv_1x1.conv", block + "conv_1x1.bn", eps)
        kernel, bias = kernel + F.pad(one, (1, 1, 1, 1)), bias + one_bias
        if (norm := block + "identity") + ".weight" in state:
            identity, identity_bias = norm_folded(state, _identity(kernel), norm, eps[norm])
            kernel, bias = kernel + identity, bias + identity_bias
        made |= {block + "reparam_conv.weight": kernel, block + "reparam_conv.bias": bias}
    return made


def _merged_parnet(state: State, eps: Eps) -> State:
    blocks = _blocks(state, "rbr_dense.conv.weight", "rbr_1x1.conv.weight", "rbr_1x1.1.conv.weight")
    made = _without(state, blocks, "rbr_dense", "rbr_1x1")
    for block in blocks:
        kernel, bias = _folded(state, block + "rbr_dense.conv", block + "rbr_dense.bn", eps)
        if block + "rbr_1x1.conv.weight" in state:
            one, one_bias = _folded(state, block + "rbr_1x1.conv", block + "rbr_1x1.bn", eps)
            one = F.pad(one, (1, 1, 1, 1))
        else:  # behind a 2x2 average pooling: a 2x2 kernel of quarters, on the lower right of the 3x3
            one, one_bias = _folded(state, block + "rbr_1x1.1.conv", block + "rbr_1x1.1.bn", eps)
            one = F.pad(one.expand(*one.shape[:2], 2, 2) / 4, (1, 0, 1, 0))
        made |= {block + "rbr_dense.weight": kernel + one, block + "rbr_dense.bias": bias + one_bias}
    return made


# ---------------------------------------------------------------- ResNeXt's three forms

_BRANCH = re.compile(r"branch\d+\.")
_GROUPED = re.compile(r"(layer\d+\.\d+\.)((?:conv|bn)[12]|conv3)\.(\w+)")


def _parted_forms(grouped: Bottleneck) -> tuple[Branches, Branches]:
    return Branches("sum", grouped.groups, grouped.base), Branches("concatenate", grouped.groups, grouped.base)


def _joined(state: State) -> State:
    """One tensor for each layer in place of one for each branch; of the last 1x1, branches hold slices of the inputs."""
    pieces: dict[str, list[Tensor]] = defaultdict(list)
    for name, value in state.items():
        pieces[_BRANCH.sub("", name)].append(value)
    return {
        name: values[0] if len(values) == 1 or values[0].ndim == 0 else torch.cat(values, 1 if ".conv3." in name else 0)
        for name, values in pieces.items()
    }


def _parted(state: State, block: Design) -> State:
    """The grouped tensors as the form of `block` has them."""
    if not isinstance(block, Branches):
        return state
    made: State = {}
    for name, value in state.items():
        match = _GROUPED.fullmatch(name)
        if not match or (match[2] == "conv3" and block.form == "concatenate"):
            made[name] = value
            continue
        pieces = value.chunk(block.groups, 1 if match[2] == "conv3" else 0) if value.ndim else [value] * block.groups
        made |= {f"{match[1]}branch{i}.{match[2]}.{match[3]}": piece for i, piece in enumerate(pieces)}
    return made


# ---------------------------------------------------------------- growing


@torch.no_grad()
def grow(model: fx.GraphModule, design: Design, seed: int | None = None) -> fx.GraphModule:
    """A deeper network that starts with the layers of a trained shallower one, as VGG's authors trained theirs.

    Within each stage (of the cost table) layers of one kind are matched in order, and taken over where
    their shapes agree; the others start afresh. The paper takes over the first four convolutions and the
    linear layers (arXiv:1409.1556, Section 3.1); here, as the notes tell it, all layers in common. Raises NetwrightError where
    none is.

    >>> shallow = build(nw.network("vgg11", hidden=64), seed=0)
    >>> deep = grow(shallow, nw.network("vgg13", hidden=64), seed=1)
    >>> torch.equal(deep.get_parameter("features.5.weight"), shallow.get_parameter("features.3.weight"))
    True
    """
    refuse_deployed(model, "grown")
    old = design_of(model)
    channels, device = channels_of(model), next(model.parameters()).device
    graphs = [trace(made, channels=channels) for made in (old, design)]
    state = model.state_dict()
    given: State = {}
    shapes = tensor_shapes(graphs[1])
    for shallow, deep in _pairs(*map(_weighted, graphs)):
        names = [name for name in shapes if name.rpartition(".")[0] == deep]
        taken = {name: state[shallow + name.removeprefix(deep)] for name in names if shallow + name.removeprefix(deep) in state}
        if len(taken) == len(names) and all(tuple(value.shape) == shapes[name] for name, value in taken.items()):
            given |= taken
    if not given:
        raise NetwrightError(f"no layer of {type(old).__name__} fits {type(design).__name__}: nothing to start from")
    grown = build(design, channels=channels, seed=seed, device=device)
    grown.load_state_dict(given, strict=False)
    remembered(model, grown, design)
    return grown


def _weighted(graph: Graph) -> dict[tuple[str, str], list[str]]:
    """Names of the layers with weights, by stage and kind."""
    found: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in graph.rows():
        if isinstance(row.layer, (L.Conv, L.Norm, L.Linear)):
            found[row.stage, row.layer.kind].append(row.name)
    return found


def _pairs(one: Mapping[tuple[str, str], list[str]], other: Mapping[tuple[str, str], list[str]]) -> Iterable[tuple[str, str]]:
    for key, names in one.items():
        yield from zip(names, other.get(key, []), strict=False)
