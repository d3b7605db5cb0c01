"""Settings to begin with where nothing was tuned: sized by the landscape, so that something can be seen."""

from __future__ import annotations

from typing import Any

import torch

from netwright.lab.landscapes import Landscape
from netwright.lab.methods import Method

_OF_CURVATURE = {"sgd": 1.8, "momentum": 1.0, "nesterov": 1.0}  # lr times the largest curvature; beyond 2 SGD diverges
_OF_REACH = {"adagrad": 0.1}  # lr as a share of the landscape's reach, for methods whose steps are about lr long
_SHARE = 0.025


def starting(landscape: Landscape, name: str) -> dict[str, Any]:
    """An optimizer's lr to begin with: a rule of thumb, no result of tuning.

    1 for second-order methods. For gradient descent of the largest curvature L among start and minima: 1.8 / L without momentum,
    which shows its oscillation, 1 / L with it. For methods that scale their gradients a share of the landscape's reach.

    >>> from netwright.lab import Canyon
    >>> starting(Canyon(condition=30), "sgd"), starting(Canyon(), "newton")
    ({'lr': 0.06}, {'lr': 1.0})
    """
    if Method(name).second_order:
        return {"lr": 1.0}
    if name in _OF_CURVATURE:
        return {"lr": _short(_OF_CURVATURE[name] / largest_curvature(landscape))}
    return {"lr": _short(_OF_REACH.get(name, _SHARE) * landscape.reach)}


def largest_curvature(landscape: Landscape) -> float:
    """The largest absolute eigenvalue of the Hessian among the usual start and the minima."""
    places = torch.tensor([landscape.start, *landscape.minima], dtype=torch.float64)
    hessians = [torch.autograd.functional.hessian(landscape, place) for place in places]  # type: ignore[no-untyped-call]
    return max(float(torch.linalg.eigvalsh(one).abs().max()) for one in hessians)


def _short(value: float) -> float:
    return float(f"{value:.2g}")
