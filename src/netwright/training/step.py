"""One step of a training: forward, loss, backward, optimizer, average."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from netwright.optim import FirstOrder, layer_decay, named, no_decay, set_lr
from netwright.training.batches import Batch, Where
from netwright.training.chance import seed_of
from netwright.training.distilling import distilled
from netwright.training.ema import Average
from netwright.training.losses import per_picture
from netwright.training.machine import Machine
from netwright.training.recipe import Recipe

TYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}


def optimizer_of(model: nn.Module, recipe: Recipe, lr: float | Tensor | None = None, on_gpu: bool = False) -> FirstOrder:
    """The recipe's optimizer for what learns in a model; on a GPU it clips the gradients, too.

    `lr` as a tensor lets captured graphs follow it.
    """
    asked = recipe.optimizer
    kind, fixed = named(asked.name)
    peak = asked.peak(recipe.batch)
    groups = (
        layer_decay(model, peak, asked.layer_decay, asked.weight_decay)
        if asked.layer_decay < 1
        else no_decay(model, asked.weight_decay)
    )
    options: dict[str, Any] = dict(fixed)
    if asked.momentum is not None or asked.beta2 is not None:
        options |= _moments(kind, asked.momentum, asked.beta2)
    if asked.eps is not None:
        options["eps"] = asked.eps
    if asked.clip_norm and on_gpu:
        options["max_norm"] = asked.clip_norm
    return kind(groups, lr=peak if lr is None else lr, **options)  # type: ignore[call-arg]


def _moments(kind: type[FirstOrder], momentum: float | None, beta2: float | None) -> dict[str, Any]:
    """Momentum and second beta under the names that an optimizer has for them."""
    known = kind([nn.Parameter(torch.zeros(1))]).defaults  # type: ignore[call-arg]
    if "betas" in known:
        first, second = known["betas"]
        return {"betas": (first if momentum is None else momentum, second if beta2 is None else beta2)}
    return {"momentum": momentum} if momentum is not None else {}


class Stepper:
    """A model with all that moves it. `machine` is one whose choices are made (no "auto").

    `sums` gathers, on the device, the loss times pictures, the hits and the pictures of this process since it was
    last zeroed: nothing waits for the device in a step.
    """

    def __init__(
        self, model: nn.Module, recipe: Recipe, machine: Machine, where: Where, teacher: nn.Module | None = None
    ) -> None:
        self.model, self.recipe, self.where, self.teacher = model, recipe, where, teacher
        self.micro_batch = machine.micro_batch
        self.type = TYPES[machine.precision]
        device = where.device
        alone = where.processes.world == 1 and machine.precision != "fp16"  # a scaler's and others' news wait for the host
        self.graphed = device.type == "cuda" and machine.graph != "no" and alone
        rate = torch.tensor(recipe.optimizer.peak(recipe.batch), device=device) if self.graphed else None
        self.optimizer = optimizer_of(model, recipe, rate, device.type == "cuda")
        self.average = Average(model, recipe.ema.decay) if recipe.ema.decay else None
        self.moved = torch.zeros((), device=device)  # how far the average moves in the step
        self.scaler = torch.amp.GradScaler(device.type, enabled=machine.precision == "fp16")
        self.sums = torch.zeros(3, dtype=torch.float64, device=device)
        self.called: Any = self._wrapped(machine)

    def _wrapped(self, machine: Machine) -> Any:
        called: Any = self.model
        if self.where.processes.world > 1:
            devices = [self.where.device] if self.where.device.type == "cuda" else None
            called = DistributedDataParallel(self.model, device_ids=devices, broadcast_buffers=False)
        return torch.compile(called) if machine.compiled == "yes" else called

    def __call__(self, batch: Batch, lr: float, number: int, seed: int) -> None:
        """The step `number` (from 0), on this process's part of a batch; `seed` is the training's."""
        self.prepare(lr, number, seed)
        self.compute(batch)

    def prepare(self, lr: float, number: int, seed: int) -> None:
        """What follows from the number of the step: rate, pace of the average, chance of dropout and drop-path."""
        set_lr(self.optimizer, lr)
        if self.average is not None:
            self.moved.fill_(self.average.share_at(number + 1))
        own = seed_of(seed, "step", number, self.where.processes.rank)
        torch.default_generator.manual_seed(own)  # torch.manual_seed also asks for every other kind of device, each time
        if self.where.device.type == "cuda":
            torch.cuda.manual_seed(own)

    def compute(self, batch: Batch) -> None:
        """All that is done with a batch: what a captured graph repeats."""
        self.differentiate(batch)
        self.move()

    def differentiate(self, batch: Batch) -> None:
        """The gradients of a batch, part by part. Captured graphs have them in one place from step to step."""
        self.optimizer.zero_grad(set_to_none=not self.graphed)
        parts = batch.parts(self.micro_batch)
        for part in parts[:-1]:
            with self._alone():
                self._gradients(part)
        self._gradients(parts[-1])

    def move(self) -> None:
        """Optimizer and average."""
        if self.recipe.optimizer.clip_norm and self.where.device.type == "cpu":  # torch's kernels take gradients as they are
            self.scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.optimizer.clip_norm)
        if self.scaler.is_enabled():
            self.scaler.step(self.optimizer)
            self.scaler.update()
        else:
            self.optimizer.step()
        if self.average is not None:
            self.average.update(self.model, self.moved)

    def _alone(self) -> contextlib.AbstractContextManager[None]:
        """Gradients of all but the last part are not yet exchanged between processes."""
        wrapped = isinstance(self.called, DistributedDataParallel)
        return self.called.no_sync() if wrapped else contextlib.nullcontext()

    def _gradients(self, part: Batch) -> None:
        world = self.where.processes.world
        with torch.autocast(self.where.device.type, self.type, enabled=self.type != torch.float32):
            made = self.called(part.x)
        logits, *auxiliary = made if isinstance(made, tuple) else (made,)
        losses = self._losses(logits.float(), [other.float() for other in auxiliary], part)
        loss = (losses * part.share).sum()
        # of processes the mean of gradients is taken: their sum is wanted
        self.scaler.scale(loss * world).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            hits = (logits.argmax(1) == part.labels).sum()
            self.sums += torch.stack([losses.detach().double().sum(), hits.double(), hits.new_tensor(len(part.x)).double()])

    def _losses(self, logits: Tensor, auxiliary: list[Tensor], part: Batch) -> Tensor:
        loss, teacher = self.recipe.loss, self.recipe.teacher
        losses = per_picture(logits, part.targets, loss)
        for other in auxiliary:
            losses = losses + loss.auxiliary * per_picture(other, part.targets, loss)
        if self.teacher is None:
            return losses
        with torch.no_grad():
            said = self.teacher(part.x).float()
        return (1 - teacher.weight) * losses + teacher.weight * distilled(logits, said, teacher)
