"""Where on a picture a network sees a class: Grad-CAM on its last feature map, and occlusion, which needs no map at all."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, fx

from netwright.errors import NetwrightError
from netwright.graph import Graph
from netwright.graph import layers as L
from netwright.graph.parts import select
from netwright.inference.runtimes import Call
from netwright.runtime.builder import assembled
from netwright.runtime.weights import graph_of

Heat = NDArray[np.float64]
Step = Callable[[int, int], None]  # done, of how many
BATCH = 32  # occluded pictures at a time
_PATCHES, _OVERLAP = 5, 3  # a patch is a fifth of the picture, and moves by a third of itself
_SHRINKING = (L.Input, L.Pool, L.AdaptivePool, L.Dropout)


def last_map(graph: Graph) -> str:
    """The name of the last layer that gives a map of several pixels, pools apart: what Grad-CAM looks at.

    In a network with global pooling it is what is pooled; in AlexNet and VGG, whose classifiers read a grid, the last activation
    before the pools (conv5_3 of VGG-16, as in the paper). Raises NetwrightError where there is none.
    """
    for row in reversed(graph.flat().rows):
        if len(row.shape) == 3 and row.shape[1] * row.shape[2] > 1 and not isinstance(row.layer, _SHRINKING):
            return row.name
    raise NetwrightError("the network has no map of several pixels: Grad-CAM has nothing to look at; take occlusion")


def grad_cam(model: fx.GraphModule, image: Tensor, place: int) -> Heat:
    """The last map's channels, weighted by how much each raises the logit of class `place`; what lowers it is 0.

    `image` is (channels, height, width), normalized; the result has the height and width of the map (see `last_map`), in units of
    the logit. ReLU(sum_k a_k A_k), a_k the mean of d logit / d A_k (Selvaraju et al. 2017, equations 1 and 2). The model stays
    as it is: its weights are read by a second program. Raises NetwrightError for a model that `build` did not make, for one
    without a map, and for a class that is not there.
    """
    graph = graph_of(model)
    flat = graph.flat()
    watched = assembled(select(graph, (last_map(graph), flat.rows[flat.outputs[0]].name)), "Watched")
    watched.load_state_dict(model.state_dict(), strict=False, assign=True)
    seen, logits = watched.eval()(image[None].requires_grad_())
    _check(place, logits)
    (slope,) = torch.autograd.grad(logits[0, place], seen)
    heat = (slope.mean((2, 3), keepdim=True) * seen).sum(1)[0].relu()
    return np.asarray(heat.detach().double().cpu().numpy())


@torch.no_grad()
def occlusion(call: Call, image: Tensor, place: int, step: Step | None = None) -> Heat:
    """By how much the probability of class `place` falls where a patch is covered: (height, width), -1 to 1.

    `call` gives the logits of a normalized batch, `image` is (channels, height, width). A square patch of the mean colour, a
    fifth of the shorter side wide, moves in thirds of itself; a pixel has the mean over the patches that cover it (Zeiler and
    Fergus 2014, with overlapping patches). Negative where covering helps. `step` is told how many of the patches are done,
    and ends the work by what it raises. Raises NetwrightError for a class that is not there.
    """
    height, width = image.shape[1:]
    side = max(1, round(min(height, width) / _PATCHES))
    corners = [(top, left) for top in places(height, side) for left in places(width, side)]
    whole = call(image[None])
    _check(place, whole)
    known = float(whole.softmax(1)[0, place])
    fallen, covered = np.zeros((height, width)), np.zeros((height, width))
    for first in range(0, len(corners), BATCH):
        part = corners[first : first + BATCH]
        batch = image.repeat(len(part), 1, 1, 1)
        for one, (top, left) in zip(batch, part, strict=True):
            one[:, top : top + side, left : left + side] = 0
        for (top, left), share in zip(part, call(batch).softmax(1)[:, place].tolist(), strict=True):
            fallen[top : top + side, left : left + side] += known - share
            covered[top : top + side, left : left + side] += 1
        if step is not None:
            step(first + len(part), len(corners))
    return np.asarray(fallen / covered)


def places(length: int, side: int) -> list[int]:
    """Where patches of `side` pixels begin along a length: in thirds of themselves, the last one at the end.

    >>> places(10, 3)
    [0, 1, 2, 3, 4, 5, 6, 7]
    >>> places(20, 9)
    [0, 3, 6, 9, 11]
    """
    last = length - side
    starts = list(range(0, last + 1, max(1, side // _OVERLAP)))
    return starts if starts[-1] == last else [*starts, last]


def _check(place: int, logits: Tensor) -> None:
    if not 0 <= place < logits.shape[1]:
        raise NetwrightError(f"there is no class {place}: the network has {logits.shape[1]}, numbered from 0")
