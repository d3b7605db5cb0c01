"""Newton's method with the exact Hessian (notes 1.2), for few parameters."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.optim.second_order import Closure, Point, SecondOrder, move, whole, widest
from netwright.units import short_bytes


class Newton(SecondOrder):
    """theta = theta - lr (H + damping I)^-1 g: the step to the stationary point of the parabola through the loss (notes 1.2).

    H is the exact Hessian, k x k numbers for k parameters that learn: k products (a backward pass through the gradient
    each), O(k^2) memory and O(k^3) time to solve. On a quadratic loss one step with lr 1 ends at the stationary point;
    with k = 1 the step is -f'/f''. The linear system is solved by Cholesky's factors where H is positive definite, and by
    its eigenvectors where it is not.

    Plain Newton goes to the nearest stationary point, whatever it is: it converges to saddles and to maxima as readily
    as to minima, and a step may raise the loss. `damping` that exceeds the most negative curvature makes each step one of
    descent (Levenberg 1944); NewtonCG does without: it leaves along negative curvature.

    `step(closure)` needs a closure that computes the loss and returns it. It must NOT call backward, which would free the
    graph that second derivatives need; it is run once in a step, with gradients enabled, and `.grad` is neither read nor
    written. `lr` and `damping` may differ between groups: H is that of all parameters together, each row is damped by its
    group's and the step scaled by its group's lr. Frozen parameters, and those that the loss does not use, stay as
    they are. `evaluations` counts 1 for loss and gradient, and k for the Hessian.

    Raises NetwrightError above `max_parameters` parameters (with the memory that H would take), for a singular H,
    for a loss, gradient or Hessian that is not finite (naming the parameter; nothing is changed), and for options that
    cannot be.

    >>> theta = torch.tensor([3.0, -1.0], requires_grad=True)
    >>> optimizer = Newton([theta])
    >>> _ = optimizer.step(lambda: theta[0] ** 2 / 2 + 50 * theta[1] ** 2)
    >>> theta.tolist(), optimizer.evaluations
    ([0.0, 0.0], 3)
    """

    def __init__(self, params: Any, lr: float | Tensor = 1.0, *, damping: float = 0.0, max_parameters: int = 2000) -> None:
        super().__init__(params, {"lr": lr, "damping": damping, "max_parameters": max_parameters})

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        whole("max_parameters", group["max_parameters"])

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch. Raises NetwrightError where the Hessian would be too large, and for options that cannot be."""
        super().add_param_group(param_group)
        try:
            self._refuse_large()
        except NetwrightError:
            del self.param_groups[-1]
            raise

    def _refuse_large(self) -> None:
        learned = [parameter for _, parameter in self.named() if parameter.requires_grad]
        k, most = sum(parameter.numel() for parameter in learned), self._one("max_parameters")
        if k > most:
            memory = k * k * widest(learned).itemsize
            raise NetwrightError(
                f"the exact Hessian of {k:,} parameters takes {short_bytes(memory)} of memory, and time that grows with their"
                f" cube: Newton goes up to {most:,} (max_parameters); NewtonCG needs no Hessian"
            )

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Tensor:  # type: ignore[override]  # a closure is needed
        """One step; returns the loss before it. `closure` computes the loss, returns it, and does not call backward."""
        self._refuse_large()
        point = self._point(closure)
        direction = solved(self._hessian(point), point.gradient)
        move(point.parameters, -self._spread("lr", point) * direction)
        return point.loss

    def _hessian(self, point: Point) -> Tensor:
        """(k, k), damped, symmetric to the last bit."""
        k = point.gradient.numel()
        hessian = point.gradient.new_empty(k, k)
        unit = torch.zeros_like(point.gradient)
        for i in range(k):
            unit[i] = 1
            hessian[i] = point.product(unit)
            unit[i] = 0
        self._count(k)
        # in its columns: in a row, zeros times an infinite number of another parameter stand too
        point.refuse_nonfinite(hessian.isfinite().all(0), "the Hessian in the rows")
        hessian = (hessian + hessian.T) / 2
        hessian.diagonal().add_(self._spread("damping", point))
        return hessian


def solved(hessian: Tensor, gradient: Tensor) -> Tensor:
    """hessian^-1 gradient, for a symmetric matrix (k, k) and a vector (k,). Raises NetwrightError for a singular matrix.

    What counts as zero is relative to each row: badly scaled parameters are no reason to call a matrix singular.
    """
    small = 10 * max(len(gradient), 1) * torch.finfo(hessian.dtype).eps
    diagonal = hessian.diagonal()
    factor, failed = torch.linalg.cholesky_ex(hessian)
    if not failed and bool((factor.diagonal() ** 2 > small * diagonal).all()):
        found: Tensor = torch.cholesky_solve(gradient[:, None], factor)[:, 0]
        return found
    largest = hessian.abs().amax(0)
    scale = torch.where(largest > 0, largest, 1).rsqrt()
    values, vectors = torch.linalg.eigh(scale[:, None] * hessian * scale)
    flat = int((values.abs() <= small * values.abs().max()).sum())
    if flat:
        raise NetwrightError(
            f"the Hessian is singular: {flat} of {len(gradient)} directions have no curvature; give damping (damping=1e-3),"
            " which adds to all of them"
        )
    step: Tensor = scale * (vectors @ ((vectors.T @ (scale * gradient)) / values))
    return step
