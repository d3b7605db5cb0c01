"""What a training tells those who watch it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: loss and accuracy on augmented training pictures, validation accuracy if measured.

    `seconds` are those of training and validation; `lr` is that of its last step.
    """

    epoch: int
    loss: float
    accuracy: float
    validation: float | None
    seconds: float
    lr: float = 0.0


@dataclass(frozen=True)
class Moment:
    """How far a training is: `done` of `total` steps, in the epoch numbered from 1.

    `loss` is the mean of the epoch so far, `lr` the rate of the last step, `images_per_second` that of the last seconds
    (0 before there is one). `ended` is the epoch that this step completed.
    """

    done: int
    total: int
    epoch: int
    loss: float
    lr: float
    images_per_second: float
    ended: Epoch | None = None


Watch = Callable[[Moment], None]
