"""One step of a training: forward, loss, backward, optimizer, average."""

from __future__ import annotations

import contextlib
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from netwright.errors import NetwrightError
from netwright.optim import FirstOrder, layer_decay, named, no_decay, set_lr
from netwright.training.engine.batches import Batch, Where
from netwright.training.engine.chance import seed_of
from netwright.training.engine.distilling import distilled
from netwright.training.engine.ema import Average
from netwright.training.engine.losses import per_picture
from netwright.training.machine import Machine
from netwright.training.recipes.recipe import Optimizing, Recipe

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
    if isinstance(lr, Tensor):
        groups = [{**group, "lr": lr.new_tensor(group["lr"])} if "lr" in group else group for group in groups]
    options: dict[str, Any] = dict(fixed) | _own_numbers(kind, asked)
    if asked.clip_norm and on_gpu:
        options["max_norm"] = asked.clip_norm
    return kind(groups, lr=peak if lr is None else lr, **options)  # type: ignore[call-arg]


def _own_numbers(kind: type[FirstOrder], asked: Optimizing) -> dict[str, Any]:
    """Momentum, second beta and eps under the names that an optimizer has for them; raises NetwrightError for one it has not."""
    known = kind([nn.Parameter(torch.zeros(1))]).defaults  # type: ignore[call-arg]
    first, second = known.get("betas", (None, None))
    lacking = {
        "momentum": asked.momentum is not None and "momentum" not in known and first is None,
        "beta2": asked.beta2 is not None and second is None,
        "eps": asked.eps is not None and "eps" not in known,
    }
    for name, lacks in lacking.items():
        if lacks:
            raise NetwrightError(f"{asked.name} has no {name}: leave optimizer.{name} out")
    made: dict[str, Any] = {} if asked.eps is None else {"eps": asked.eps}
    if first is not None and (asked.momentum is not None or asked.beta2 is not None):
        betas = (asked.momentum, asked.beta2)
        return made | {"betas": tuple(own if given is None else given for own, given in zip((first, second), betas, strict=True))}
    return made | ({"momentum": asked.momentum} if asked.momentum is not None else {})


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
            called = DistributedDataParallel(self.model, device_ids=devices, forward_sync_buffers=False)
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

    def _autocast(self) -> torch.autocast:
        return torch.autocast(self.where.device.type, self.type, enabled=self.type != torch.float32)

    def _gradients(self, part: Batch) -> None:
        world = self.where.processes.world
        with self._autocast():
            made = self.called(part.x)
        logits, *auxiliary = made if isinstance(made, tuple) else (made,)
        losses = self._losses(logits.float(), [other.float() for other in auxiliary], part)
        loss = (losses * part.share).sum()
        # of processes the mean of gradients is taken: their sum is wanted
        self.scaler.scale(loss * world).backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            hits = (logits.argmax(1) == part.labels).sum()
            seen = torch.full_like(self.sums[2], len(part.x))  # made on the device: a graph cannot take it from the host
            self.sums += torch.stack([losses.detach().double().sum(), hits.double(), seen])

    def _losses(self, logits: Tensor, auxiliary: list[Tensor], part: Batch) -> Tensor:
        loss, teacher = self.recipe.loss, self.recipe.teacher
        losses = per_picture(logits, part.targets, loss)
        for other in auxiliary:
            losses = losses + loss.auxiliary * per_picture(other, part.targets, loss)
        if self.teacher is None:
            return losses
        with torch.no_grad(), self._autocast():
            said = self.teacher(part.x).float()
        return (1 - teacher.weight) * losses + teacher.weight * distilled(logits, said, teacher)
