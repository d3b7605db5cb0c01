"""Truncated Newton: the Newton direction by conjugate gradients, from products of the Hessian with vectors."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.optim.second_order import Closure, Point, SecondOrder, dot, move, number, whole

ARMIJO = 1e-4  # the share of the decrease promised by the slope that a step must bring (Nocedal & Wright, section 3.1)
HALVINGS = 40  # of a step before it is given up


class NewtonCG(SecondOrder):
    """theta = theta + t lr z, where z solves (H + damping I) z = -g about (Nocedal & Wright 2006, algorithm 7.1).

    z comes from conjugate gradients with Hessian-vector products, so memory is O(k) for k parameters. They end when the
    residual is at most min(tolerance, sqrt(|g|)) |g| (the steps then converge superlinearly near a minimum),
    after `max_iterations` products (k by default), or at a direction of negative curvature: then with what was found
    before it, or with -g where it was the first. So every z goes downhill, and away from saddles, unlike Newton's; only
    where the gradient has no part at all along the negative curvature (exactly on the ridge that leads to a saddle)
    does it end there. The lr is the length that is tried first, t = 1, 1/2, 1/4, ... until the loss has fallen by
    1e-4 of what the slope promises (Armijo); where not even the shortest does, which happens at the precision of the loss,
    the parameters stay. Without `line_search` t is 1, as is wise for a loss that differs from call to call.

    `step(closure)` needs a closure that computes the loss and returns it. It must NOT call backward, which would free the
    graph that second derivatives need; it is run with gradients enabled, once for loss and gradient and once for each
    length tried, on the same data, and `.grad` is neither read nor written. `damping` may differ between groups; `lr` may
    without a line search. Frozen parameters, and those that the loss does not use, stay as they are. `evaluations` counts
    1 for loss and gradient, 1 for each Hessian-vector product and 1 for each loss of the line search.

    Deviations from the book: the damping, a bound for the products, and a line search that lets a loss rise by its own
    rounding. Raises NetwrightError for a loss, gradient or product that is not finite (naming the parameter; nothing
    is changed), and for options that cannot be.

    >>> theta = torch.tensor([3.0, 1e-3], requires_grad=True)
    >>> optimizer = NewtonCG([theta])
    >>> saddle = lambda: theta[0] ** 2 - theta[1] ** 2
    >>> for _ in range(12):
    ...     loss = optimizer.step(saddle)
    >>> bool(loss < -100)
    True
    """

    def __init__(
        self,
        params: Any,
        lr: float | Tensor = 1.0,
        *,
        damping: float = 0.0,
        max_iterations: int | None = None,
        tolerance: float = 0.5,
        line_search: bool = True,
    ) -> None:
        options = {"max_iterations": max_iterations, "tolerance": tolerance, "line_search": line_search}
        super().__init__(params, {"lr": lr, "damping": damping, **options})

    def _check(self, group: dict[str, Any]) -> None:
        super()._check(group)
        number("tolerance", group["tolerance"])
        if group["tolerance"] >= 1:
            raise NetwrightError(f"tolerance is {group['tolerance']!r}: give a number from 0 up to 1, the share of |g| left over")
        if group["max_iterations"] is not None:
            whole("max_iterations", group["max_iterations"])

    @torch.no_grad()
    def step(self, closure: Closure | None = None) -> Tensor:  # type: ignore[override]  # a closure is needed
        """One step; returns the loss before it. `closure` computes the loss, returns it, and does not call backward."""
        searching = self._one("line_search")
        lr = float(self._one("lr")) if searching else 0.0
        point = self._point(closure)
        assert closure is not None
        direction = self._direction(point)
        if searching:  # which takes the loss at other places
            self._search(closure, point, lr * direction)
        else:
            move(point.parameters, self._spread("lr", point) * direction)
        return point.loss

    def _whole(self, key: str) -> str:
        return "the line search finds one length for all parameters" if key == "lr" else super()._whole(key)

    def _direction(self, point: Point) -> Tensor:
        """z of algorithm 7.1, in its names: r is the residual, d the direction of conjugate gradients."""
        g, damping = point.gradient, self._spread("damping", point)
        most = self._one("max_iterations") or g.numel()
        length = float(torch.linalg.vector_norm(g))
        enough = min(self._one("tolerance"), math.sqrt(length)) * length
        z, r = torch.zeros_like(g), g.clone()
        d, squares, steepest = -r, dot(r, r), 0.0
        for j in range(most):
            if squares == 0 or math.sqrt(squares) <= enough:
                break
            hd = self._product(point, d) + damping * d
            curvature, size = dot(d, hd), dot(d, d)
            if size == 0 or curvature <= steepest * size * torch.finfo(g.dtype).eps:  # negative, or nothing but rounding
                return -g if j == 0 else z
            steepest = max(steepest, curvature / size)
            alpha = squares / curvature
            z.add_(d, alpha=alpha)
            r.add_(hd, alpha=alpha)
            before, squares = squares, dot(r, r)
            d = d * (squares / before) - r
        return z

    def _product(self, point: Point, vector: Tensor) -> Tensor:
        product = point.product(vector)
        self._count(1)
        point.refuse_nonfinite(product.isfinite(), "the Hessian in the rows")
        return product

    def _search(self, closure: Closure, point: Point, step: Tensor) -> None:
        """Go along `step`, as far as the loss falls; the parameters are put back where it does not, or the closure fails."""
        slope, loss = dot(point.gradient, step), float(point.loss)
        if slope == 0:
            return
        rounding = 2 * torch.finfo(point.loss.dtype).eps * abs(loss)
        start = [parameter.clone() for parameter in point.parameters]
        found, share = False, 1.0
        try:
            for _ in range(HALVINGS):
                move(point.parameters, share * step)
                found = float(self._loss(closure)) <= loss + ARMIJO * share * slope + rounding
                if found:
                    return
                _put_back(point.parameters, start)
                share /= 2
        finally:
            if not found:
                _put_back(point.parameters, start)


def _put_back(parameters: list[Tensor], start: list[Tensor]) -> None:
    for parameter, value in zip(parameters, start, strict=True):
        parameter.copy_(value)
