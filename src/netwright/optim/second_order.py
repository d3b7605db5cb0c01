"""What Newton and NewtonCG share: the loss with its gradient at a point, and products of its Hessian with vectors."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.optim.checks import check_keys, check_params
from netwright.optim.gradients import name_of
from netwright.optim.loading import matched_group

Closure = Callable[[], Tensor]


class Point:
    """The loss and its gradient at one place, with the graph from which second derivatives are taken.

    `parameters` are those that the loss uses, `names` theirs; `gradient` is one vector of all their numbers, in their
    order and in the widest of their types (at least float32). `loss` is detached.
    """

    def __init__(self, loss: Tensor, names: list[str], parameters: list[Tensor], gradient: Tensor) -> None:
        self.loss = loss
        self.names = names
        self.parameters = parameters
        self.gradient = gradient.detach()
        self._graph = gradient

    def product(self, vector: Tensor) -> Tensor:
        """The Hessian times a vector, in O(k) memory: the gradient of <gradient, vector> (Pearlmutter 1994)."""
        if not self._graph.requires_grad:  # a linear loss
            return torch.zeros_like(vector)
        try:
            rows = torch.autograd.grad(self._graph, self.parameters, vector, retain_graph=True, materialize_grads=True)
        except RuntimeError as error:
            raise _second_derivatives(error) from error
        return flattened(rows, vector.dtype)

    def refuse_nonfinite(self, finite: Tensor, what: str) -> None:
        """Raise NetwrightError for the first parameter with a False in `finite` (k,); `what` of it is not finite."""
        if not finite.all():
            parts = split(finite, self.parameters)
            name = next(name for name, part in zip(self.names, parts, strict=True) if not part.all())
            raise NetwrightError(f"{what} of {name} is not finite (the loss is {float(self.loss):g}): nothing was changed")


class SecondOrder(torch.optim.Optimizer):
    """An optimizer whose `step` takes a closure that returns the loss, and takes the derivatives itself."""

    def __init__(self, params: Any, defaults: dict[str, Any]) -> None:
        super().__init__(check_params(params), {**defaults, "evaluations": 0})

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """As in torch. Raises NetwrightError for options that this optimizer has not, and for numbers that cannot be."""
        kind = type(self).__name__
        if not isinstance(param_group, dict) or "params" not in param_group:
            raise NetwrightError(f"{kind}: a parameter group is a dictionary with 'params', not {param_group!r}"[:200])
        if param_group.get("weight_decay"):
            raise NetwrightError(f"{kind} has no weight_decay: add the decay to the loss that the closure returns")
        check_keys(param_group, {"params", "param_names", *self.defaults}, kind)
        try:
            super().add_param_group(param_group)
        except (ValueError, TypeError) as error:
            raise NetwrightError(f"{kind}: {error}") from error
        try:
            self._check(self.param_groups[-1])
            for name, parameter in self.named():
                if not parameter.is_floating_point():
                    raise NetwrightError(f"{name} is {parameter.dtype}: {kind} moves real, floating-point parameters only")
        except NetwrightError:
            del self.param_groups[-1]
            raise

    def _check(self, group: dict[str, Any]) -> None:
        for key, least in (("lr", 0.0), ("damping", 0.0)):
            number(key, group[key], least)

    @property
    def evaluations(self) -> int:
        """Gradients, Hessian-vector products and losses computed so far; the first group keeps the count."""
        count: int = self.param_groups[0]["evaluations"]
        return count

    def _count(self, more: int) -> None:
        self.param_groups[0]["evaluations"] += more

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Settings and count of `state_dict()`; raises NetwrightError, which names the parameter, for one that does not fit."""
        groups = state_dict.get("param_groups") if isinstance(state_dict, dict) else None
        if not isinstance(groups, list) or state_dict.get("state") != {}:
            raise NetwrightError(f"this is no state of {type(self).__name__}, which keeps nothing for its parameters")
        if len(groups) != len(self.param_groups):
            raise NetwrightError(f"the state has {len(groups)} parameter groups, the optimizer {len(self.param_groups)}")
        for group in groups:
            # torch adds an option of its own to the defaults, with the first state that it loads
            if missing := [key for key in ("params", *self.defaults) if key not in group and key != "differentiable"]:
                raise NetwrightError(f"this is no state of {type(self).__name__}: it has no {missing[0]}")
            self._check(group)
        matched = [matched_group(i, mine, theirs) for i, (mine, theirs) in enumerate(zip(self.param_groups, groups, strict=True))]
        super().load_state_dict({**state_dict, "param_groups": matched})

    def iterates(self) -> list[list[Tensor]]:
        """A copy of each parameter, group by group."""
        return [[parameter.detach().clone() for parameter in group["params"]] for group in self.param_groups]

    def named(self) -> list[tuple[str, Tensor]]:
        """The parameters of all groups; one without a name is called by its place."""
        return [
            (name_of(group, index), parameter) for group in self.param_groups for index, parameter in enumerate(group["params"])
        ]

    def _one(self, key: str) -> Any:
        """An option of the whole step, which may not differ between groups."""
        values = [group[key] for group in self.param_groups]
        if any(value != values[0] for value in values):
            raise NetwrightError(f"{key} differs between the groups, but {self._whole(key)}: give one {key} for all")
        return values[0]

    def _whole(self, key: str) -> str:
        return f"a step of {type(self).__name__} is one for all parameters"

    def _spread(self, key: str, point: Point) -> Tensor | float:
        """A group's option for each number of the gradient; one number where the groups agree."""
        values = [float(group[key]) for group in self.param_groups]
        if len(set(values)) == 1:
            return values[0]
        of = {parameter: value for group, value in zip(self.param_groups, values, strict=True) for parameter in group["params"]}
        return torch.cat([point.gradient.new_full((parameter.numel(),), of[parameter]) for parameter in point.parameters])

    def _loss(self, closure: Closure) -> Tensor:
        """What the closure returns; counted as one evaluation."""
        with torch.enable_grad():
            loss = closure()
        self._count(1)
        if not isinstance(loss, Tensor) or loss.numel() != 1 or loss.is_complex():
            what = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else type(loss).__name__
            raise NetwrightError(
                f"the closure of {type(self).__name__} must return the loss, one real number as a tensor, not {what}"
            )
        return loss

    def _point(self, closure: Closure | None) -> Point:
        """Loss and gradient at the parameters; raises NetwrightError where one of them is not finite."""
        if closure is None:
            raise NetwrightError(
                f"{type(self).__name__} needs a closure that returns the loss: optimizer.step(lambda: criterion(model(x), y))"
            )
        learned = [(name, parameter) for name, parameter in self.named() if parameter.requires_grad]
        if not learned:
            raise NetwrightError(f"{type(self).__name__} has nothing to learn: all its parameters are frozen")
        loss = self._loss(closure)
        if not loss.requires_grad:
            raise NetwrightError("the loss that the closure returned has no graph: compute it with torch, from the parameters")
        with torch.enable_grad():
            try:
                found = torch.autograd.grad(loss.sum(), [p for _, p in learned], create_graph=True, allow_unused=True)
            except RuntimeError as error:
                raise _second_derivatives(error) from error
            used = [(name, p, g) for (name, p), g in zip(learned, found, strict=True) if g is not None]
            self._refuse_unfit(used)
            gradient = flattened([g for _, _, g in used], widest([p for _, p, _ in used]))
        point = Point(loss.detach(), [name for name, _, _ in used], [p for _, p, _ in used], gradient)
        point.refuse_nonfinite(point.gradient.isfinite(), "the gradient")
        if not math.isfinite(point.loss):
            raise NetwrightError(f"the loss is {float(point.loss):g}: nothing was changed")
        return point

    def _refuse_unfit(self, used: list[tuple[str, Tensor, Tensor]]) -> None:
        if not used:
            raise NetwrightError(f"the loss uses none of the parameters of {type(self).__name__}: is it of the same model?")
        for name, parameter, gradient in used:
            if gradient.layout is not torch.strided:
                raise NetwrightError(f"{name} has a sparse gradient, which has no second derivatives: use sparse=False")
            if parameter.device != used[0][1].device:
                raise NetwrightError(
                    f"{name} is on {parameter.device}, but {used[0][0]} on {used[0][1].device}:"
                    f" {type(self).__name__} takes parameters of one device"
                )


def number(key: str, value: Any, least: float = 0.0) -> None:
    """Raise NetwrightError unless `value` is a finite number (a tensor of one, too) of at least `least`."""
    single = isinstance(value, (int, float)) or (isinstance(value, Tensor) and value.numel() == 1 and not value.is_complex())
    if not single or isinstance(value, bool) or not math.isfinite(value) or value < least:
        raise NetwrightError(f"{key} is {value!r}: give a finite number of at least {least:g}")


def whole(key: str, value: Any) -> None:
    """Raise NetwrightError unless `value` is an integer of at least 1."""
    if type(value) is not int or value < 1:
        raise NetwrightError(f"{key} is {value!r}: give a whole number of at least 1")


def widest(tensors: Iterable[Tensor]) -> torch.dtype:
    """The type that holds the numbers of all tensors, at least float32."""
    dtype = torch.float32
    for tensor in tensors:
        dtype = torch.promote_types(dtype, tensor.dtype)
    return dtype


def flattened(tensors: Iterable[Tensor], dtype: torch.dtype) -> Tensor:
    """One vector of the numbers of all tensors."""
    return torch.cat([tensor.reshape(-1).to(dtype) for tensor in tensors])


def split(vector: Tensor, like: list[Tensor]) -> list[Tensor]:
    """The parts of a vector in the shapes of `like`."""
    parts = vector.split_with_sizes([tensor.numel() for tensor in like])
    return [part.view(tensor.shape) for part, tensor in zip(parts, like, strict=True)]


def dot(one: Tensor, other: Tensor) -> float:
    """The inner product of two vectors, summed in pairs: BLAS's loses three digits of float32 over ten million numbers."""
    return float((one * other).sum())


@torch.no_grad()
def move(parameters: list[Tensor], step: Tensor) -> None:
    """Add a step (one vector) to the parameters, each in its own type."""
    for parameter, part in zip(parameters, split(step, parameters), strict=True):
        parameter.add_(part)


def _second_derivatives(error: RuntimeError) -> Exception:
    """What to tell of an error of autograd: that the graph is gone, that an operation cannot be derived twice, or itself."""
    text = str(error)
    if "backward through the graph a second time" in text:
        return NetwrightError("the closure called backward, which frees the loss's graph: it must return the loss and no more")
    if "not implemented" in text and "derivative" in text:
        return NetwrightError(f"an operation of the loss has no second derivative: {text.splitlines()[0]}")
    return error
