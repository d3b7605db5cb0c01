"""The gradients of a step: which there are, whether they can be used, and what they are multiplied by."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.optim.reference import working

if TYPE_CHECKING:
    from netwright.optim.base import FirstOrder

SKIP: Final = object()  # the step is left out


def name_of(group: dict[str, Any], index: int) -> str:
    """What a parameter is called in errors: its name, or its place and shape."""
    names = group.get("param_names")
    return str(names[index]) if names else f"parameter {index} (shape {tuple(group['params'][index].shape)})"


def of_group(group: dict[str, Any], indices: list[int] | None = None) -> list[tuple[Tensor, Tensor]]:
    """Parameters (all, or those of `indices`) that have a gradient, with it.

    Raises NetwrightError, which names the parameter, for sparse gradients.
    """
    found = []
    params = group["params"]
    chosen = enumerate(params) if indices is None or len(indices) == len(params) else ((i, params[i]) for i in indices)
    for index, p in chosen:
        g = p.grad
        if g is None:
            continue
        if g.layout is not torch.strided:  # complex ones there are none: torch refuses them beside real parameters
            way = "an embedding with sparse=True? torch.optim.SparseAdam moves those"
            raise NetwrightError(f"the gradient of {name_of(group, index)} is sparse, expected a dense, real one ({way})")
        found.append((p, g))
    return found


def scale(optimizer: FirstOrder, found: list[list[tuple[Tensor, Tensor]]]) -> Any:
    """What gradients are multiplied by: None (1), a number, a 0-dim tensor, or SKIP.

    The loss scale of a GradScaler (`optimizer.grad_scale`, `optimizer.found_inf`), then clipping by the global norm.
    Raises NetwrightError for non-finite gradients where the optimizer was made with `on_nonfinite="error"`.
    """
    settings = optimizer.settings
    overflowed = getattr(optimizer, "found_inf", None)
    if overflowed is not None and bool(overflowed):
        return SKIP
    factor: Any = None
    loss_scale = getattr(optimizer, "grad_scale", None)
    if loss_scale is not None:
        factor = 1 / loss_scale.to(torch.float64)
    if settings.on_nonfinite is None and settings.max_norm is None:
        return factor if factor is None or torch.compiler.is_compiling() else float(factor)
    norm = total_norm([g for items in found for _, g in items])
    if settings.on_nonfinite is not None and not math.isfinite(float(norm)) and (broken := _broken(optimizer)):
        if settings.on_nonfinite == "skip":
            return SKIP
        raise _error(broken)
    if settings.max_norm is not None:
        norm = norm if factor is None else norm * factor
        clip = (settings.max_norm / (norm + 1e-6)).clamp(max=1.0)
        factor = clip if factor is None else factor * clip
    return factor if factor is None or torch.compiler.is_compiling() or factor.device.type != "cpu" else float(factor)


def total_norm(grads: list[Tensor]) -> Tensor:
    """The L2 norm of all gradients as one vector, in float32 at least (`clip_grad_norm_` rounds it to a narrower type)."""
    norms = [torch.linalg.vector_norm(g, dtype=working(g.dtype)) for g in grads]
    norms = [norm.full_tensor() if hasattr(norm, "full_tensor") else norm for norm in norms]  # of sharded gradients
    total: Tensor = torch.linalg.vector_norm(torch.stack([norm.to(norms[0].device) for norm in norms]))
    return total


def check_finite(optimizer: FirstOrder) -> None:
    """Raise NetwrightError, which names the parameters, unless all gradients are finite."""
    overflowed = getattr(optimizer, "found_inf", None)
    if overflowed is not None and bool(overflowed):
        return  # a GradScaler's step that is left out anyway
    grads = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    if grads and not math.isfinite(float(total_norm(grads))) and (broken := _broken(optimizer)):
        raise _error(broken)


def _error(broken: str) -> NetwrightError:
    way = "lower the lr, clip with max_norm=, look for a division by zero in the loss; on_nonfinite='skip' leaves such steps out"
    return NetwrightError(f"the gradient of {broken} is not finite: nothing was changed ({way})")


def _broken(optimizer: FirstOrder) -> str:
    """The first parameters whose gradients are not finite, by name; "" where only their norm overflowed."""
    names = [
        name_of(group, index)
        for group in optimizer.param_groups
        for index, p in enumerate(group["params"])
        if p.grad is not None and not bool(torch.isfinite(p.grad).all())
    ]
    more = f" (and of {len(names) - 3} more)" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
