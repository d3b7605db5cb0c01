"""How a network is trained: one frozen value, made of the parts that a recipe file has as tables."""

from __future__ import annotations

from typing import Annotated, Literal

from netwright.costing.states import state_copies
from netwright.errors import DesignError
from netwright.graph import Count, Fraction, Positive, Size, Value
from netwright.graph.values import AtLeast

NotNegative = Annotated[float, AtLeast(0)]
Share = Annotated[float, AtLeast(1e-6, 1)]
Chosen = float | None


class Optimizing(Value):
    """The optimizer, by its name in `nw.optim` ("nesterov", "adamw", "lamb", ...), and its numbers.

    `lr` is the peak for `lr_batch` pictures in a step and grows with the batch in proportion; with `lr_batch` 0 it is
    taken as it is. `momentum` is SGD's or the first beta; None leaves the optimizer's own, as for `beta2` and `eps`.
    Norms and biases are not decayed. `layer_decay` below 1 gives blocks further from the head less (see
    `optim.layer_decay`). `clip_norm` 0 leaves gradients as they are.
    """

    name: str = "nesterov"
    lr: Positive = 0.2
    lr_batch: Size = 128
    momentum: Chosen = None
    beta2: Chosen = None
    eps: Chosen = None
    weight_decay: NotNegative = 5e-4
    layer_decay: Share = 1.0
    clip_norm: NotNegative = 5.0

    def check(self) -> None:
        state_copies(self.name)  # an unknown name is told with the nearest ones

    def peak(self, batch: int) -> float:
        """The highest learning rate, for `batch` pictures in a step."""
        return self.lr * batch / self.lr_batch if self.lr_batch else self.lr


class Schedule(Value):
    """The learning rate over the epochs: a linear warm-up, then one of `optim.schedules` down to `final` times the peak.

    "multistep" multiplies by `factor` at each of the `milestones`, "steps" every `every` epochs (both in epochs).
    The warm-up takes a quarter of the epochs at most.
    """

    kind: Literal["cosine", "linear", "multistep", "steps", "constant"] = "cosine"
    warmup_epochs: NotNegative = 2.0
    final: Fraction = 0.0
    milestones: tuple[Positive, ...] = ()
    every: Positive = 30.0
    factor: Fraction = 0.1


class Augmentation(Value):
    """What is done to training pictures, drawn anew in every epoch.

    `crop`: "resized" cuts a random part of `area_least` to 1 of the picture's area, with sides from `aspect_least` to its
    inverse, and resizes it (Szegedy et al. 2015); "shift" cuts a square out whose side is 224 / 256 of the picture's shorter
    one (the notes' "resize 256, crop 224"); "pad" shifts the central square by up to an eighth, zeros outside; "none" shows
    that square; "auto" is "pad" below 64 px, else "resized". `flip` mirrors half of the pictures; "auto" leaves it out where
    a mirrored picture may be of another class: classes called by numbers may be digits. `policy` "trivial" is TrivialAugment
    Wide (Müller & Hutter 2021), "rand" is RandAugment (Cubuk et al. 2020) with `operations` of `magnitude` (0 to 10).
    `erasing` is the chance of a blanked box (Zhong et al. 2020). `mixup` and `cutmix` are the alphas of their beta
    distributions (0: off); with both, a batch takes either with equal chance. `repeats` shows a picture that many times in a
    batch, each augmented anew (repeated augmentation, Hoffer et al. 2020); an epoch keeps its number of steps.
    """

    crop: Literal["auto", "resized", "shift", "pad", "none"] = "auto"
    area_least: Share = 0.35
    aspect_least: Share = 0.75
    flip: Literal["auto", "yes", "no"] = "auto"
    policy: Literal["none", "trivial", "rand"] = "none"
    magnitude: Annotated[float, AtLeast(0, 10)] = 7.0
    operations: Count = 2
    erasing: Fraction = 0.0
    mixup: NotNegative = 0.0
    cutmix: NotNegative = 0.0
    mix_chance: Fraction = 1.0
    repeats: Count = 1

    def cropped(self, image: int) -> str:
        """The kind of crop at an image size, "auto" resolved."""
        return self.crop if self.crop != "auto" else "pad" if image < 64 else "resized"


class Loss(Value):
    """Cross entropy ("ce") or, each class for itself, the mean of binary cross entropies ("bce", Wightman et al. 2021).

    `class_weights` "balanced" weighs pictures by the inverse of how often their class occurs. `auxiliary` is the weight of an
    auxiliary classifier's loss (Szegedy et al. 2015, Section 5).
    """

    kind: Literal["ce", "bce"] = "ce"
    label_smoothing: Fraction = 0.1
    class_weights: Literal["none", "balanced"] = "none"
    auxiliary: NotNegative = 0.3


class Regularization(Value):
    """Dropout before the classifier (None: the design's own) and drop-path.

    `drop_path` is the rate of the last residual branch; earlier ones have less, in proportion to their place (Huang et al. 2016).
    """

    dropout: Fraction | None = None
    drop_path: Annotated[float, AtLeast(0, 0.95)] = 0.0


class Averaging(Value):
    """An exponential moving average of weights and buffers, which is what is evaluated and kept. `decay` 0: none.

    The average starts fast: its decay is at most (1 + step) / (10 + step).
    """

    decay: Annotated[float, AtLeast(0, 0.999999)] = 0.0


class Resizing(Value):
    """Progressive resizing: images grow from `start` times the size to all of it over the first `until` of the epochs.

    Sizes are multiples of `multiple` px. `start` 1: all epochs at one size.
    """

    start: Share = 1.0
    until: Share = 0.8
    multiple: Count = 8


class Teacher(Value):
    """Distillation from a trained network: `run` is its folder, or a NET of the zoo whose weights are `weights`.

    "soft" adds the divergence from the teacher's probabilities at `temperature`, times its square (Hinton et al. 2015); "hard"
    takes the teacher's decision for a second label (Touvron et al. 2021). Its weight in the loss is `weight`; the labels' is
    the rest.
    """

    run: str = ""
    weights: str = ""
    kind: Literal["soft", "hard"] = "soft"
    weight: Fraction = 0.5
    temperature: Positive = 1.0


class Recipe(Value):
    """All that decides what is learned, beside network, pictures and seed; equal recipes give equal weights.

    `batch` counts pictures per step over all processes. `freeze` names blocks (as the cost table does; `*` stands for anything)
    that keep their weights and norm statistics. `checkpointing` computes blocks anew in the backward pass to save memory.

    >>> Recipe(epochs=10).replace(optimizer=Optimizing(name="adamw", lr=1e-3))   # doctest: +ELLIPSIS
    Recipe(epochs=10, ...
    """

    epochs: Count = 40
    batch: Count = 64
    optimizer: Optimizing = Optimizing()
    schedule: Schedule = Schedule()
    augment: Augmentation = Augmentation()
    loss: Loss = Loss()
    regularize: Regularization = Regularization()
    ema: Averaging = Averaging()
    resize: Resizing = Resizing()
    teacher: Teacher = Teacher()
    freeze: tuple[str, ...] = ()
    checkpointing: bool = False

    def check(self) -> None:
        if self.batch % self.augment.repeats:
            raise DesignError(f"Recipe: batch is {self.batch}, expected a multiple of the {self.augment.repeats} repeats")
