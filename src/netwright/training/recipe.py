"""How a network is trained: one frozen value."""

from __future__ import annotations

from typing import Annotated

from netwright.graph import Count, Fraction, Positive, Size, Value
from netwright.graph.values import AtLeast


class Recipe(Value):
    """SGD with Nesterov momentum, one warm-up and a cosine decay to zero, label smoothing, light augmentation.

    `lr` is per batch of 128 pictures and is scaled with the batch; norms and biases are not decayed.
    Training crops cover at least `crop_area` of the picture; below 32 pixels they shift it by up to
    an eighth instead.
    """

    epochs: Count = 40
    batch: Count = 64
    lr: Positive = 0.2
    momentum: Fraction = 0.9
    weight_decay: Annotated[float, AtLeast(0)] = 5e-4
    warmup_epochs: Size = 2
    label_smoothing: Fraction = 0.1
    crop_area: Fraction = 0.35
    clip_norm: Positive = 5.0
