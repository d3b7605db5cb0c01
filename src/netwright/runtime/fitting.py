"""A file's tensors for a graph: names, shapes, classifiers of other classes, first convolutions of other channels."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor

from netwright.errors import NetwrightError
from netwright.graph import Design, Graph, trace
from netwright.graph import layers as L
from netwright.runtime.checkpoints import Checkpoint
from netwright.runtime.naming import Naming, recognised

_COUNTER = "num_batches_tracked"


class WeightsNote(UserWarning):
    """What was left out of, or made anew for, weights that were loaded."""


def tensor_shapes(graph: Graph) -> dict[str, tuple[int, ...]]:
    """Name and shape of every parameter and buffer of the module that is built from a graph, in execution order."""
    shapes: dict[str, tuple[int, ...]] = {}
    for row in graph.rows():
        layer = row.layer
        if isinstance(layer, L.Conv):
            shapes[row.name + ".weight"] = (layer.outputs, layer.inputs // layer.groups, *layer.kernel)
        elif isinstance(layer, L.Linear):
            shapes[row.name + ".weight"] = (layer.outputs, layer.inputs)
        elif isinstance(layer, L.Norm):
            shapes |= {f"{row.name}.{part}": (layer.channels,) for part in ("weight", "bias", "running_mean", "running_var")}
            shapes[f"{row.name}.{_COUNTER}"] = ()
        if isinstance(layer, (L.Conv, L.Linear)) and layer.bias:
            shapes[row.name + ".bias"] = (layer.outputs,)
    return shapes


def _classifiers(graph: Graph) -> set[str]:
    """Tensors of the layers whose role is "head", and of a fully connected layer at the end, which needs none."""
    nodes = graph.nodes
    names = {row.name for row in graph.rows() if isinstance(row.layer, (L.Conv, L.Linear)) and row.layer.role == "head"}
    names |= {nodes[end].name for end in graph.outputs if isinstance(nodes[end].layer, L.Linear)}
    return {f"{name}.{part}" for name in names for part in ("weight", "bias")}


def classes_of(design: Design, graph: Graph, checkpoint: Checkpoint) -> int | None:
    """How many classes a file's classifier tells apart; None where it has none."""
    names = recognised(design, tensor_shapes(graph), checkpoint.state)
    found = [checkpoint.state.get(names.of(name)) for name in tensor_shapes(graph) if name in _classifiers(graph)]
    return next((int(value.shape[0]) for value in reversed(found) if value is not None and value.ndim), None)


@dataclass(frozen=True)
class Fitted:
    """A file's tensors under our names and in our shapes; `fresh` are classifiers that it cannot give."""

    source: str
    state: dict[str, Tensor]
    fresh: tuple[str, ...]


def fitted(design: Design, graph: Graph, checkpoint: Checkpoint) -> Fitted:
    """What a checkpoint gives to the module of `graph`, which is traced from the design or a part of that.

    The source is recognised by the names. A classifier of other classes, and one that the file lacks,
    starts afresh, told by a WeightsNote; so do auxiliary ones, which are left out with a note where the
    graph has none. A first convolution for another number of channels is folded: summed for grey pictures
    (which is what a grey picture in all channels gives), else its channels are dealt out in turn. Raises
    NetwrightError where tensors are missing, unexpected or of another shape, naming a dozen at most.
    """
    whole, channels = everything(design), int(graph.nodes[0].shape[0])  # type: ignore[arg-type]
    ours, known, theirs = tensor_shapes(graph), tensor_shapes(trace(whole, channels=channels)), checkpoint.state
    names = recognised(design, known, theirs)
    found = {name: _in_our_shape(names, name, shape, theirs) for name, shape in ours.items() if names.of(name) in theirs}
    _fold_first(found, ours, graph)
    heads, auxiliary = _classifiers(graph), _auxiliary(whole, channels)
    absent = {name for name in heads | auxiliary if name in ours and name not in found}
    fresh = tuple(name for name in ours if name in absent or (name in heads and _other_classes(found[name], ours[name])))
    given = {name: found.pop(name) for name in fresh if name in found}
    _refuse_misfits(found, ours, {names.of(name) for name in known}, fresh, checkpoint)
    for name in fresh:
        if name.endswith(".weight") and name in heads:
            has = f"is for {len(given[name])} classes, not {ours[name][0]}" if name in given else "is not in it"
            _note(f"{checkpoint.path.name}: the classifier {name.removesuffix('.weight')} {has}: it starts afresh")
    dropped = [name for name in auxiliary if name not in ours and names.of(name) in theirs]
    if dropped and heads:  # who asks for a part of the network, or for its features, knows
        told = f"{len(dropped)} tensors of auxiliary classifiers are left out: they serve in training only"
        _note(f"{checkpoint.path.name}: {told}")
    return Fitted(names.source, found, fresh)


def everything(design: Design) -> Design:
    """The design with all that its family may have: classes, and auxiliary classifiers."""
    fields = design.fields()
    if fields.get("classes") == 0:
        design = design.replace(classes=1000)
    return design.replace(aux=True) if fields.get("aux") is False else design


def _auxiliary(whole: Design, channels: int) -> set[str]:
    """Tensors of auxiliary classifiers: what a design has only with `aux`."""
    if "aux" not in whole.fields():
        return set()
    with_aux, without = [tensor_shapes(trace(made, channels=channels)) for made in (whole, whole.replace(aux=False))]
    return with_aux.keys() - without.keys()


def _note(text: str) -> None:
    warnings.warn(text, WeightsNote, stacklevel=5)  # the call of build


def _in_our_shape(names: Naming, name: str, shape: tuple[int, ...], theirs: Mapping[str, Tensor]) -> Tensor:
    value = theirs[names.of(name)]
    other = (names.shapes or {}).get(name)
    return value.reshape(shape) if other is not None and tuple(value.shape) == other else value


def _other_classes(value: Tensor, shape: tuple[int, ...]) -> bool:
    return len(value.shape) == len(shape) and value.shape[0] != shape[0] and tuple(value.shape[1:]) == shape[1:]


def _fold_first(found: dict[str, Tensor], ours: Mapping[str, tuple[int, ...]], graph: Graph) -> None:
    """Fold convolutions on the picture itself (RepVGG has two) to our number of channels."""
    wanted = graph.nodes[0].shape[0]
    given = 3
    for row in graph.rows():
        name = row.name + ".weight"
        if not isinstance(row.layer, L.Conv) or row.layer.inputs != wanted or name not in found:
            continue
        value, shape = found[name], ours[name]
        if value.ndim == 4 and value.shape[1] == given != shape[1] and value.shape[0] == shape[0]:
            turns = -(-wanted // given)
            found[name] = value.sum(1, keepdim=True) if wanted == 1 else value.tile(1, turns, 1, 1)[:, :wanted] * (given / wanted)


def _refuse_misfits(
    found: Mapping[str, Tensor],
    ours: Mapping[str, tuple[int, ...]],
    known: set[str],
    fresh: tuple[str, ...],
    checkpoint: Checkpoint,
) -> None:
    problems = [f"missing {name}" for name in ours if name not in found and name not in fresh and not name.endswith(_COUNTER)]
    problems += [f"unexpected {name}" for name in checkpoint.state if name not in known and not name.endswith(_COUNTER)]
    for name, value in found.items():
        if tuple(value.shape) != ours[name]:
            problems.append(f"{name} is {tuple(value.shape)}, needs {ours[name]}")
        elif not value.is_floating_point() and not name.endswith(_COUNTER):
            problems.append(f"{name} holds {str(value.dtype).removeprefix('torch.')}, needs floating point numbers")
        elif value.is_floating_point() and not value.isfinite().all():
            problems.append(f"{name} holds values that are no numbers")
    if problems:
        more = f", and {len(problems) - 12} more" if len(problems) > 12 else ""
        more += "" if found else "; it has no tensor of this network: give the one that it was trained as"
        raise NetwrightError(f"{checkpoint.path} does not fit the network: {', '.join(problems[:12])}{more}")
