"""A trained network -> the same function in fewer layers: norms folded, branches merged, what serves in training only gone."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, fx

from netwright.errors import NetwrightError
from netwright.graph import Design, Graph
from netwright.graph.folding import Fold, fold, folds, without_dropout
from netwright.graph.parts import only
from netwright.runtime.builder import assembled
from netwright.runtime.fitting import tensor_shapes
from netwright.runtime.forms import State, eps_of, merged, norm_folded
from netwright.runtime.weights import deployed_form, design_of, graph_of, is_deployed, remembered


@torch.no_grad()
def deploy(model: fx.GraphModule) -> fx.GraphModule:
    """A model for inference that computes the same as `model` (which stays as it is) in evaluation mode.

    Norms right behind a convolution or linear layer are folded into its weights, by their running statistics (see
    `fold`); the branches of RepVGG's and ParNet's blocks are merged; dropout and auxiliary classifiers are left out: of
    several outputs for training only the first remains. Layers keep the names of the checkpoint, and get biases. The
    weights are computed in float64 and have the dtype and device of the model's. Of a deployed model it gives a copy.

    What is asked for with `outputs` must exist afterwards: for an output inside of a block whose branches would be merged
    all blocks keep their branches. Raises NetwrightError for a model that `build` did not make, or whose layers were changed
    since.

    >>> from netwright.runtime import build
    >>> deployed = deploy(build("resnet18", seed=0))
    >>> sum(p.numel() for p in deployed.parameters())
    11684712
    """
    graph = graph_of(model)
    state = {name: value.detach() for name, value in model.state_dict().items()}
    _refuse_others(model, graph, state)
    if is_deployed(model):
        return copy.deepcopy(model).eval()
    dtype = next((value.dtype for value in state.values() if value.is_floating_point()), torch.float32)
    form, graph, state = _in_form(model, graph, state)
    for one in folds(graph):
        _fold(state, one)
    folded = fold(graph)
    made = assembled(folded, type(model).__name__)
    made.load_state_dict({name: _own(state[name], dtype) for name in tensor_shapes(folded)}, assign=True)
    remembered(model, made, form, deployed=True)
    return made.eval()


def _in_form(model: fx.GraphModule, graph: Graph, state: State) -> tuple[Design, Graph, State]:
    """The form for inference, its graph without dropout, and its tensors; merged kernels are float64."""
    form = deployed_form(model)
    if form != design_of(model):
        other = graph_of(model, form)
        serving = only(graph, tuple(range(len(other.shapes))))  # without auxiliary classifiers, whose outputs come last
        made = merged({name: state[name] for name in tensor_shapes(serving)}, eps_of(serving))
        if tensor_shapes(other) == {name: tuple(value.shape) for name, value in made.items()}:
            return form, without_dropout(other), made
    # also where a design has a form of its own whose weights nobody here can make
    return design_of(model), without_dropout(graph), dict(state)


def _fold(state: State, one: Fold) -> None:
    """Bring a norm into the weight and the bias (float64) of the layer before it."""
    bias = state.get(one.layer + ".bias")
    weight, shift = norm_folded(state, state[one.layer + ".weight"], one.norm, one.eps)
    if bias is not None:
        shift = norm_folded(state, bias, one.norm, one.eps)[0] + shift
    state |= {one.layer + ".weight": weight, one.layer + ".bias": shift}


def _own(value: Tensor, dtype: torch.dtype) -> Tensor:
    """A tensor's copy, in the model's precision where it was computed anew."""
    return value.to(dtype, copy=True) if value.dtype == torch.float64 else value.clone()


def _refuse_others(model: fx.GraphModule, graph: Graph, state: State) -> None:
    ours, theirs = tensor_shapes(graph), {name: tuple(value.shape) for name, value in state.items()}
    for name in [*ours, *theirs]:
        if ours.get(name) != theirs.get(name):
            told = f"{name} is {theirs.get(name, 'missing')}, the design has {ours.get(name, 'none')}"
            raise NetwrightError(
                f"the layers of this {type(model).__name__} were changed after it was built ({told}): deploy it before"
            )
