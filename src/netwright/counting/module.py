"""The cost of a torch module that netwright did not design, as a table like a design's."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NoReturn

from torch import nn

from netwright.costing.lecture import Lecture
from netwright.costing.memory import FULL, Memory, Precision, check_batch, number_bytes
from netwright.costing.states import state_copies
from netwright.costing.table import GROUPINGS, By, Cost, Line
from netwright.counting.measure import Measured, measure
from netwright.counting.watch import Shape, Step
from netwright.errors import NetwrightError
from netwright.graph.tracing import DEFAULT_IMAGE, own_image
from netwright.runtime.weights import channels_of, design_of
from netwright.units import parse_bytes, short_bytes


@dataclass(frozen=True)
class ModuleCost(Cost):
    """The cost of a torch module: as that of a design, but measured. It has no `graph`, and its lines no receptive fields.

    Counts are of evaluation mode, `saved` bytes of training mode. A line is a call of a module without children, or
    an operation outside of such modules, under the names that `named_modules` gives.
    """

    measured: Measured = field(kw_only=True, repr=False)
    saved: dict[str, int] = field(kw_only=True, repr=False)

    @property
    def image(self) -> Shape:
        """What the module was shown, without the batch: (channels, height, width)."""
        return self.measured.image

    @property
    def params(self) -> int:
        """Numbers of parameters, frozen ones and those of layers that do not run among them; shared ones once."""
        return sum(step.params for step in self.measured.steps)

    @property
    def macs(self) -> int:
        """Multiply-accumulates for one image."""
        return sum(step.macs for step in self.measured.steps)

    @property
    def flops(self) -> int:
        return 2 * self.macs

    @property
    def acts(self) -> int:
        """Outputs of convolutions and of products of matrices for one image."""
        return sum(step.acts for step in self.measured.steps)

    @cached_property
    def memory(self) -> Memory:
        """Bytes in training and in inference: parameters in their own type, gradients and state of those that learn."""
        return self._memory(self.batch, self.saved)

    def memory_at(self, batch: int) -> Memory:
        """The same at another batch, for which the module is run again."""
        check_batch(batch)
        return self._memory(batch, self.saved if batch == self.batch else self.measured.saved(batch))

    def _memory(self, batch: int, saved: dict[str, int]) -> Memory:
        parameters = list(self.measured.module.parameters())
        width = number_bytes(self.precision)
        learned = sum(p.numel() * p.element_size() for p in parameters if p.requires_grad)
        return Memory(
            batch=batch,
            precision=self.precision,
            optimizer=self.optimizer,
            parameters=sum(p.numel() * p.element_size() for p in parameters),
            gradients=learned,
            state=state_copies(self.optimizer) * learned,
            saved=sum(saved.values()),
            weights=sum(p.numel() * min(width, p.element_size()) for p in parameters),
            maps=batch * self.measured.live,
        )

    @cached_property
    def lecture(self) -> Lecture:
        """The lecture's estimate: the image, and twice what convolutions, products of matrices and poolings put out."""
        image = self.batch * math.prod(self.image) * FULL
        rows = [_lecture_bytes(step, self.batch) for step in self.measured.steps]
        return Lecture(self.batch, self.optimizer, (image, *rows), (2 + state_copies(self.optimizer)) * self.params * FULL)

    @property
    def times(self) -> None:
        """None: profiles are of designs' layers."""

    @cached_property
    def lines(self) -> tuple[Line, ...]:
        grouped: dict[str, list[Step]] = {}
        for step in self.measured.steps:
            grouped.setdefault(_group(step, self.by, self.measured), []).append(step)
        return tuple(self._line(name, steps) for name, steps in grouped.items())

    def _line(self, name: str, steps: Sequence[Step]) -> Line:
        params, macs = sum(step.params for step in steps), sum(step.macs for step in steps)
        return Line(
            name=name,
            kind=f"{len(steps)} layers" if len(steps) > 1 else steps[0].kind,
            shape=steps[-1].shape,
            params=params,
            macs=macs,
            acts=sum(step.acts for step in steps),
            share=macs / self.macs if self.macs else 0.0,
            field=None,
            jump=None,
            kernel=None,
            stride=None,
            weight_bytes=params * number_bytes(self.precision),
            saved_bytes=sum(self.saved.get(step.name, 0) for step in steps),
            lecture_activations=sum(_lecture_bytes(step, self.batch) for step in steps),
            lecture_parameters=(2 + state_copies(self.optimizer)) * params * FULL,
            milliseconds=None,
        )

    def largest_batch(self, limit: int | str) -> int:
        """The largest batch that trains within `limit` bytes, or an amount such as '24GB'.

        A batch of one may take another course than larger ones do: what an image takes is told from batches of 2 and 3.
        Raises NetwrightError where not even one image fits, saying how much that needs, and where an image takes nothing.
        """
        most = parse_bytes(limit)
        one, two, three = (self.memory_at(batch).training for batch in (1, 2, 3))
        if one > most:
            needs = f"training needs {short_bytes(one)} ({one:,} bytes) for a batch of 1"
            raise NetwrightError(f"{needs}: more than the limit of {short_bytes(most)}")
        if two > most:
            return 1
        if three <= two:
            raise NetwrightError("training keeps nothing for an image: every batch fits")
        return 2 + (most - two) // (three - two)  # what is kept grows by the same bytes with each image after the second

    def explain(self, name: str) -> NoReturn:
        """Raises NetwrightError: formulas are those of a design's layers."""
        raise NetwrightError("a torch module's cost is measured, not computed by formulas: explain the cost of a design")


def _lecture_bytes(step: Step, batch: int) -> int:
    return 2 * batch * math.prod(step.shape) * FULL if step.macs or "pool" in step.kind else 0


def _group(step: Step, by: By, measured: Measured) -> str:
    """The name of a step's line: a stage is the outermost module around it, a block the innermost that does more than hold."""
    parts = step.parent.split(".") if step.parent else []
    around = [".".join(parts[: i + 1]) for i in range(len(parts))]
    if by == "layer" or not around[measured.outer :]:
        return step.name
    if by == "stage":
        return around[measured.outer]
    blocks = [path for path in around[measured.outer :] if path not in measured.holders]
    return blocks[-1] if blocks else around[-1]


def cost_module(
    module: nn.Module,
    image: int | tuple[int, ...] | None = None,
    *,
    channels: int | None = None,
    by: By = "layer",
    name: str = "",
    batch: int = 1,
    precision: Precision = "fp32",
    optimizer: str = "momentum",
) -> ModuleCost:
    """The cost of a torch module for an image, found by running a copy of it on tensors that hold nothing.

    The module is not changed, on whatever device it is, and nothing is computed or allocated; it need not be an image
    classifier. `image` is the side of a square or a tuple of sides: (length,) for a 1-d convolution, (depth, height,
    width) for a 3-d one, () for flat features; by default a netwright model's own, else 224 px. `channels` are 3 by
    default, or a netwright model's own: the input is (batch, channels, *image) zeros in the type of the weights.

    Macs are half the flops of `torch.utils.flop_counter` in evaluation mode; fused attention, which it leaves out on a CPU,
    counts as its two products. What autograd keeps is noted in training mode at `batch`, with autocast for bf16. Hooks
    run as they do in any call. A module whose course depends on values of its tensors is run on real zeros in small
    batches; a CostNote (a warning) says so. Operations outside of aten (custom ones, torchvision's) have rows without macs
    and acts, and a CostNote names them. Raises NetwrightError for a module that cannot be run on such an input.

    >>> import torch
    >>> cost_module(torch.nn.Conv2d(3, 8, 3), image=32).macs
    194400
    """
    if not isinstance(module, nn.Module):
        raise NetwrightError(f"{type(module).__name__} is not a torch module: give an instance of torch.nn.Module")
    if by not in GROUPINGS:
        raise NetwrightError(f"cannot group by {by!r}: choose one of {', '.join(GROUPINGS)}")
    check_batch(batch)
    state_copies(optimizer)
    narrow = number_bytes(precision) < FULL
    measured = measure(module, _shape(module, image, channels), narrow)
    called = name or type(module).__name__
    return ModuleCost(
        called,
        None,  # type: ignore[arg-type]  # nobody asks a module's cost for a graph
        by,
        batch,
        precision,
        optimizer,
        measured=measured,
        saved=measured.saved(batch),
    )


def _shape(module: nn.Module, image: int | tuple[int, ...] | None, channels: int | None) -> Shape:
    """(channels, *sides) of the input; raises NetwrightError for what is no size."""
    try:
        design, own = own_image(design_of(module)), channels_of(module)  # type: ignore[arg-type]
    except NetwrightError:  # not made by `build`
        design, own = DEFAULT_IMAGE, 3
    image = design if image is None else image
    sides = (image, image) if isinstance(image, int) else image
    shape = (own if channels is None else channels, *sides) if isinstance(sides, (tuple, list)) else ()
    if not shape or any(type(size) is not int or size < 1 for size in shape):
        raise NetwrightError(
            f"image {image!r} and channels {shape[:1] or channels!r} are no size: give whole numbers of at least 1"
        )
    return shape
