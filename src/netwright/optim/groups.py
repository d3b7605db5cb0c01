"""Parameter groups: no weight decay on biases and norms, and a learning rate that falls from the head to the stem."""

from __future__ import annotations

from typing import Any, TypeGuard

from torch import Tensor, fx, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from netwright.errors import NetwrightError
from netwright.graph import Flat
from netwright.graph.layers import Norm
from netwright.optim.schedules import not_below
from netwright.runtime.weights import graph_of, is_built

NORMS = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)  # the first is that of batch and instance norms
HOLDERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # only hold other modules, as a plain nn.Module does


def no_decay(model: nn.Module, weight_decay: float = 1e-4) -> list[dict[str, Any]]:
    """Two groups for any optimizer: what decays, and biases and norms, which do not (Jia et al. 2018; He et al. 2019).

    Free of decay are all parameters of norms (batch, instance, layer, group, RMS, and their subclasses), those whose name
    ends in bias, and those of at most one dimension, whatever they are in. A group has "params" as pairs of name and
    parameter, which torch's optimizers take, and "weight_decay". Frozen parameters are left out, shared ones stand once,
    and a group without parameters is left out. Raises NetwrightError for a model without parameters that learn.

    >>> [(len(group["params"]), group["weight_decay"]) for group in no_decay(nn.Sequential(nn.Linear(3, 4), nn.LayerNorm(4)))]
    [(1, 0.0001), (3, 0.0)]
    """
    not_below(0, {"weight_decay": weight_decay})
    learned = _learned(model)
    free = _free(model)
    made = [(weight_decay, [item for item in learned if item[0] not in free]), (0.0, [i for i in learned if i[0] in free])]
    return [{"params": params, "weight_decay": decay} for decay, params in made if params]


def layer_decay(model: nn.Module, lr: float, decay: float = 0.75, weight_decay: float = 1e-4) -> list[dict[str, Any]]:
    """Groups whose learning rate falls with the distance from the head: lr for the head, times `decay` for each block before it.

    From ELECTRA (Clark et al. 2020), taken to pictures by BEiT (Bao et al. 2022). Blocks of a network that `build` made are the
    outermost of those that `netwright cost --by block` prints (blocks.0.0.se belongs to blocks.0.0), and the distance is the
    number of blocks on the longest way from there to an output: parallel blocks (ParNet's streams) stand side by
    side, and auxiliary classifiers are heads. In any other module blocks come in the order of registration: holders (Sequential,
    ModuleList, ModuleDict, plain nn.Module) are opened, what else they hold is a block each, and a network of `build` in
    them has the blocks of its own; the module that does nothing but wrap another (DistributedDataParallel,
    torch.compile) is looked through. A norm that stands alone joins the block before it, parameters of the model itself
    (position embeddings) the first block, and what replaced a head is the head.

    Each group has "params" (pairs of name and parameter), "lr", "lr_scale" (the power of `decay`, which `set_lr` respects),
    "weight_decay" (0 for biases and norms, as in `no_decay`) and "name" (the blocks in it, the first ones first). Frozen
    parameters are left out, shared ones stand once, where they are first. Deviations: ELECTRA and BEiT count the
    layers of a transformer and put its last norm beside the head; ConvNeXt's recipe takes blocks of a stage in threes.
    Raises NetwrightError for numbers that cannot be.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 3), nn.Flatten(), nn.Linear(8, 10))
    >>> [(group["name"], group["lr"], group["weight_decay"]) for group in layer_decay(net, 0.4, decay=0.5)][::2]
    [('0, 1', 0.1, 0.0001), ('2', 0.2, 0.0001), ('4', 0.4, 0.0001)]
    """
    not_below(0, {"lr": lr, "decay": decay, "weight_decay": weight_decay})
    if decay > 1:
        raise NetwrightError(
            f"decay is {decay!r}: give a number from 0 to 1, the share of the lr that a block leaves to the one before"
        )
    learned, free, places = _learned(model), _free(model), block_depths(model)
    found: dict[tuple[int, bool], list[tuple[str, Tensor]]] = {}
    blocks: dict[int, dict[str, None]] = {}  # at each depth, in order
    for name, parameter in learned:
        depth, block = places[name]
        blocks.setdefault(depth, {})[block or type(model).__name__] = None
        found.setdefault((depth, name in free), []).append((name, parameter))
    groups = []
    for depth, is_free in sorted(found, key=lambda key: (-key[0], key[1])):
        scale = decay**depth
        own = {"lr": lr * scale, "lr_scale": scale, "weight_decay": 0.0 if is_free else weight_decay}
        groups.append({"params": found[depth, is_free], **own, "name": ", ".join(blocks[depth])})
    return groups


def _learned(model: nn.Module) -> list[tuple[str, Tensor]]:
    """The parameters that learn, under the name that they have first; raises NetwrightError where there are none."""
    if not isinstance(model, nn.Module):
        raise NetwrightError(f"{type(model).__name__} is not a torch module: give the model itself, not its parameters")
    learned: list[tuple[str, Tensor]] = [
        (name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad
    ]
    for name, parameter in learned:
        if is_lazy(parameter):
            raise NetwrightError(f"{name} has no shape yet: run the model once before its parameters are grouped")
    if not learned:
        raise NetwrightError(f"{type(model).__name__} has no parameters that learn: are all frozen?")
    return learned


def _free(model: nn.Module) -> set[str]:
    """Names of the parameters that are not to decay."""
    free = set()
    for path, module in model.named_modules():
        for name, parameter in module.named_parameters(path, recurse=False):
            if isinstance(module, NORMS) or name.endswith("bias") or is_lazy(parameter) or parameter.ndim <= 1:
                free.add(name)
    return free


# ---------------------------------------------------------------- how far from the head


def block_depths(model: nn.Module) -> dict[str, tuple[int, str]]:
    """For each parameter's name: how many blocks are between it and the output, and its block's name."""
    root, prefix = _unwrapped(model)
    places: dict[str, tuple[int, str]] = {}  # of modules
    first = _place(root, prefix, 0, places, True) - 1
    places.setdefault("", (max(first, 0), ""))
    found = {}
    for name, _ in model.named_parameters():
        around = name
        while around not in places:
            around = around.rpartition(".")[0]
        found[name] = places[around]
    return found


def _is_network(module: nn.Module) -> TypeGuard[fx.GraphModule]:
    """Whether `build` made it; what torch.compile wraps around one answers for it, but is none."""
    return isinstance(module, fx.GraphModule) and is_built(module)


def _unwrapped(model: nn.Module) -> tuple[nn.Module, str]:
    """The module inside of those that do nothing but wrap it, and its path."""
    prefix = ""
    while not _is_network(model) and not isinstance(model, HOLDERS):
        children = list(model.named_children())
        if len(children) != 1 or list(model.parameters(recurse=False)):
            break
        prefix = f"{prefix}.{children[0][0]}".lstrip(".")
        model = children[0][1]
    return model, prefix


def _place(module: nn.Module, path: str, after: int, places: dict[str, tuple[int, str]], opened: bool) -> int:
    """Put a module with `after` blocks behind it in its place, and what it holds; returns how many are behind its forerunner."""
    if not any(True for _ in module.parameters()):
        return after
    if _is_network(module):
        return _place_network(module, path, after, places)
    children = list(module.named_children())
    opened = opened or isinstance(module, HOLDERS) or type(module) is nn.Module
    if isinstance(module, NORMS) or not opened or not children:
        places[path] = after, path
        return after + (not isinstance(module, NORMS))
    last = after
    for name, child in reversed(children):
        last = _place(child, f"{path}.{name}".lstrip("."), last, places, False)
    places[path] = max(last - 1, after), path  # its own parameters stand at its beginning
    return last


def _place_network(model: fx.GraphModule, path: str, after: int, places: dict[str, tuple[int, str]]) -> int:
    """The same for a network that `build` made: its graph knows what is before what."""
    depths = graph_depths(graph_of(model).flat())
    prefix = f"{path}." if path else ""
    places[path] = after, path  # what the graph does not know is new: as near as the head
    for name, (depth, block) in sorted(depths.items(), key=lambda item: -item[1][0]):
        while name:  # what is put in the place of a block is as near as the nearest of what was there
            places[prefix + name] = after + depth, prefix + block
            name = name.rpartition(".")[0]
    return after + 1 + max((depth for depth, _ in depths.values()), default=-1)


def graph_depths(flat: Flat) -> dict[str, tuple[int, str]]:
    """For each layer's name: how many blocks are on the longest way from its own to an output, and its block's name.

    A block is the outermost of those that the rows name; blocks that hold norms only, or no parameters, are
    passed by.
    """
    named = {row.block for row in flat.rows}
    blocks = [_outermost(row.block, named) for row in flat.rows]
    counts = {block for block, row in zip(blocks, flat.rows, strict=True) if row.counts[0] and not isinstance(row.layer, Norm)}
    behind = [0] * len(flat.rows)
    of_block = dict.fromkeys(blocks, 0)
    for place in range(len(flat.rows) - 1, -1, -1):
        block = blocks[place]
        if block in counts:
            behind[place] = of_block[block] = max(of_block[block], behind[place])
        for read in flat.rows[place].inputs:
            step = block in counts and blocks[read] != block
            behind[read] = max(behind[read], behind[place] + step)
    return {
        row.name: (of_block[block] if block in counts else behind[place], block)
        for place, (row, block) in enumerate(zip(flat.rows, blocks, strict=True))
        if row.counts[0]
    }


def _outermost(block: str, named: set[str]) -> str:
    parts = block.split(".")
    around = (".".join(parts[: i + 1]) for i in range(len(parts)))
    return next((path for path in around if path in named), block)
