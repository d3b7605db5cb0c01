"""The training loop: short, seeded, and able to go on after any epoch as if it had never stopped."""

from __future__ import annotations

import math
import time
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from netwright.data import Pictures
from netwright.errors import DivergedError
from netwright.graph import Design, trace
from netwright.graph.layers import Conv
from netwright.optim import SGD, no_decay
from netwright.training.augment import augment
from netwright.training.batches import Normalize, to_batch
from netwright.training.checkpoint import load_checkpoint, save_checkpoint
from netwright.training.evaluation import evaluate_model
from netwright.training.recipe import Recipe


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: training loss and accuracy on augmented pictures, validation accuracy if measured."""

    epoch: int
    loss: float
    accuracy: float
    validation: float | None
    seconds: float


AUXILIARY = 0.3  # weight of the loss of an auxiliary classifier (arXiv:1409.4842, Section 5)
Watch = Callable[[int, int, Epoch | None], None]  # batches done, of how many in all, and an epoch that ended


@dataclass(frozen=True)
class Task:
    """What `fit` needs beside the model: pictures to train on and to validate with, and how to show them."""

    train: Pictures
    normalize: Normalize
    image: int
    mirror: bool
    validation: Pictures | None = None
    layout: torch.memory_format = torch.contiguous_format


def fit(
    model: nn.Module,
    task: Task,
    recipe: Recipe,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    watch: Watch | None = None,
) -> list[Epoch]:
    """Train `model` in place; returns one entry per epoch.

    With a `checkpoint` path the state is written there after every epoch, and training goes on from
    what is found there; the result is the same as without the interruption. Raises DivergedError
    when the loss is no longer finite.
    """
    optimizer = _optimizer(model, recipe)
    history: list[Epoch] = []
    state = load_checkpoint(checkpoint) if checkpoint is not None else None
    if state is not None and not _fits(model, state["model"]):
        warnings.warn(f"{checkpoint} is of another network: this training starts again", stacklevel=2)
        state = None
    if state is not None:
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        history = [Epoch(**epoch) for epoch in state["history"]]
    with torch.random.fork_rng():
        for number in range(len(history), recipe.epochs):
            history.append(_epoch(model, optimizer, task, recipe, number, seed, watch))
            if checkpoint is not None:
                save_checkpoint(checkpoint, model, optimizer, [asdict(epoch) for epoch in history])
            if watch is not None:
                watch((number + 1) * _steps(task, recipe), recipe.epochs * _steps(task, recipe), history[-1])
    return history


def _fits(model: nn.Module, state: dict[str, torch.Tensor]) -> bool:
    shapes = {name: value.shape for name, value in model.state_dict().items()}
    return shapes == {name: value.shape for name, value in state.items()}


def _optimizer(model: nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    groups = no_decay(model, recipe.weight_decay)
    return SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=recipe.momentum > 0)


def training_layout(design: Design, image: int, channels: int) -> torch.memory_format:
    """Channels last, which trains 1.8 times faster on a CPU, but not where that is unsound.

    oneDNN 3.12 (in torch 2.13) writes past its buffers in the weight gradient of a strided 1x1
    convolution of fewer than 16 channels when it is channels last, on CPUs with AVX-512.
    """
    for row in trace(design, image, channels).rows():
        layer = row.layer
        if isinstance(layer, Conv) and layer.kernel == (1, 1) and layer.stride != (1, 1) and layer.inputs // layer.groups < 16:
            return torch.contiguous_format
    return torch.channels_last


def _steps(task: Task, recipe: Recipe) -> int:
    """Batches of an epoch; none has a single picture, from which no batch statistics could be taken."""
    return max(1, min(math.ceil(len(task.train) / recipe.batch), len(task.train) // 2))


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The learning rate at a point of training, in epochs: a linear warm-up, then half a cosine to zero."""
    peak = recipe.lr * recipe.batch / 128
    warmup = min(recipe.warmup_epochs, recipe.epochs / 4)
    if epoch < warmup:
        return peak * epoch / warmup
    return peak * 0.5 * (1 + math.cos(math.pi * (epoch - warmup) / (recipe.epochs - warmup)))


def _epoch(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    recipe: Recipe,
    number: int,
    seed: int,
    watch: Watch | None,
) -> Epoch:
    started = time.perf_counter()
    # all chance of an epoch comes from its number, so an epoch can be repeated or gone on from
    generator = torch.Generator().manual_seed(seed * 1_000_003 + number)
    torch.manual_seed(seed * 1_000_003 + number)
    steps = _steps(task, recipe)
    order = torch.randperm(len(task.train), generator=generator)
    model.train()
    loss_sum, hits = 0.0, 0
    for step, chosen in enumerate(order.tensor_split(steps)):
        for group in optimizer.param_groups:
            group["lr"] = learning_rate(recipe, number + (step + 0.5) / steps)  # of its middle: no step has rate 0
        loss, right = _step(model, optimizer, task, recipe, chosen, generator)
        if not math.isfinite(loss):
            raise DivergedError(f"training diverged in epoch {number + 1} (the loss is {loss}): try a lower learning rate")
        loss_sum, hits = loss_sum + loss * len(chosen), hits + right
        if watch is not None:
            watch(number * steps + step + 1, recipe.epochs * steps, None)
    measured = None if task.validation is None else evaluate_model(model, task.validation, task.normalize).accuracy
    count = len(task.train)
    return Epoch(number + 1, loss_sum / count, hits / count, measured, time.perf_counter() - started)


def _step(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    task: Task,
    recipe: Recipe,
    chosen: torch.Tensor,
    generator: torch.Generator,
) -> tuple[float, int]:
    device = next(model.parameters()).device
    batch = task.normalize(to_batch(task.train.pixels[chosen.numpy()]).to(device))
    batch = augment(batch, task.image, recipe.crop_area, task.mirror, generator)
    batch = batch.contiguous(memory_format=task.layout)
    labels = torch.from_numpy(task.train.labels[chosen.numpy()]).to(device)
    made = model(batch)
    logits, *auxiliary = made if isinstance(made, tuple) else (made,)
    loss = F.cross_entropy(logits, labels, label_smoothing=recipe.label_smoothing)
    for other in auxiliary:
        loss = loss + AUXILIARY * F.cross_entropy(other, labels, label_smoothing=recipe.label_smoothing)
    optimizer.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
    optimizer.step()
    return loss.item(), int((logits.argmax(1) == labels).sum())
