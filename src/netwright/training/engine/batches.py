"""The batches of a training: which pictures stand in which, prepared on the device, ahead of time."""

from __future__ import annotations

import hashlib
import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from netwright.data import Pictures
from netwright.data.listings import Pixels
from netwright.data.stored import Stored
from netwright.training.engine.ahead import ahead, held
from netwright.training.engine.augment import Drawn, Look, draw, prepared
from netwright.training.engine.chance import generator
from netwright.training.engine.losses import weights
from netwright.training.engine.processes import ALONE, Processes
from netwright.training.normalize import Normalize
from netwright.training.recipes.recipe import Recipe

THREADS = 4  # at most, that make batches on a CPU
PART = 0.25  # of a GPU's free memory that the training pictures may take there


@dataclass(frozen=True)
class Task:
    """What is learned from: pictures to train on and to validate with, how to show them, the number of classes.

    `mirror` tells whether a mirrored picture keeps its class.
    """

    train: Pictures
    normalize: Normalize
    image: int
    mirror: bool
    classes: int
    validation: Pictures | None = None


@dataclass(frozen=True)
class Batch:
    """A process's part of a batch: `x` (n, channels, image, image), `targets` (n,) or (n, classes), `labels` (n,).

    `share` (n,) is what each picture weighs in the loss; over all processes the shares add up to 1. `largest` is the number
    of pictures of the process that has most.
    """

    x: Tensor
    targets: Tensor
    labels: Tensor
    share: Tensor
    largest: int = 0

    def parts(self, most: int) -> list[Batch]:
        """In parts of at most `most` pictures (0: whole), as even as can be; in all processes as many as in the largest."""
        count = math.ceil(max(self.largest, len(self.x)) / most) if most else 1
        if count <= 1:
            return [self]
        pieces = (value.tensor_split(count) for value in (self.x, self.targets, self.labels, self.share))
        return [Batch(*piece) for piece in zip(*pieces, strict=True)]


@dataclass(frozen=True)
class Where:
    """On which device batches are made, in which memory layout, and for which process."""

    device: torch.device
    layout: torch.memory_format
    processes: Processes = ALONE


class Batches:
    """All batches of a training; those of an epoch follow from the seed and the epoch's number alone."""

    def __init__(self, task: Task, recipe: Recipe, seed: int, where: Where) -> None:
        self.task, self.recipe, self.seed, self.where = task, recipe, seed, where
        self.augment = recipe.augment.replace(crop=recipe.augment.cropped(task.image))  # the same kind while images grow
        self.look: dict[int, Look] = {}  # by the side of the images
        # none has a single picture, from which no batch statistics could be taken
        most = max(1, len(task.train) // 2)
        self.steps = max(1, min(math.ceil(len(task.train) / recipe.batch), most))
        repeats = recipe.augment.repeats  # of a picture in its batch: an epoch keeps its number of steps, and shows fewer
        self.different = len(task.train) if repeats == 1 else min(len(task.train), self.steps * (recipe.batch // repeats))
        self.weights = weights(torch.from_numpy(task.train.labels), task.classes, recipe.loss)
        self._resident, self._reading = _on_device(task.train.pixels, where.device), threading.Lock()

    def image_at(self, epoch: int) -> int:
        """The side of the images in an epoch (from 0), in px: see `Resizing`."""
        grow, epochs = self.recipe.resize, self.recipe.epochs
        if grow.start >= 1:
            return self.task.image
        share = min(1.0, epoch / max(grow.until * epochs, 1e-9))
        side = self.task.image * (grow.start + (1 - grow.start) * share)
        return min(self.task.image, max(grow.multiple, round(side / grow.multiple) * grow.multiple))

    def order(self, epoch: int) -> list[Tensor]:
        """The numbers of the pictures of each batch of an epoch."""
        order = torch.randperm(len(self.task.train), generator=generator(self.seed, "order", epoch))
        chosen = order[: self.different].tensor_split(self.steps)
        return [part.repeat(self.recipe.augment.repeats) for part in chosen]

    def of(self, epoch: int, start: int = 0) -> Iterator[Batch]:
        """The batches of an epoch from the one numbered `start` on, made ahead by threads.

        On a CPU the memory of `x` serves again for a batch that is asked for later: copy what is to outlive the next.
        """
        jobs = [(step, chosen) for step, chosen in enumerate(self.order(epoch)) if step >= start]
        image, resident = self.image_at(epoch), self._resident is not None
        if self.where.device.type == "cuda":
            fetched = map(self._fetch, jobs) if resident else ahead(jobs, self._fetch, 1)
            for (step, chosen), pixels in zip(jobs, fetched, strict=True):
                yield self._prepared(epoch, step, chosen, pixels, image)
            return
        threads = min(THREADS, torch.get_num_threads())
        memory = self._memory(image, threads)

        def made(job: tuple[int, Tensor]) -> Batch:
            return self._prepared(epoch, *job, self._fetch(job), image, memory[job[0] % len(memory)])

        yield from ahead(jobs, made, threads)

    def _memory(self, image: int, threads: int) -> list[Tensor]:
        """As many batches' as are being made, waiting and used at a time."""
        most = self.where.processes.largest(math.ceil(self.different / self.steps) * self.recipe.augment.repeats)
        channels = self.task.train.pixels.shape[3]
        return [torch.empty(most, image, image, channels) for _ in range(held(threads) + 1)]

    def _mine(self, chosen: Tensor) -> Tensor:
        return chosen[self.where.processes.rows(len(chosen))]

    def _fetch(self, job: tuple[int, Tensor]) -> Tensor:
        mine = self._mine(job[1])
        if self._resident is not None:
            return self._resident[mine.pin_memory().to(self.where.device, non_blocking=True)]
        with self._reading:  # one at a time: a Dataset may not bear more
            pixels = torch.from_numpy(np.ascontiguousarray(self.task.train.pixels[mine.numpy()]))
        return pixels.pin_memory() if self.where.device.type == "cuda" else pixels

    def _prepared(self, epoch: int, step: int, chosen: Tensor, pixels: Tensor, image: int, memory: Tensor | None = None) -> Batch:
        augment, device, processes = self.augment, self.where.device, self.where.processes
        pixels = pixels.to(device, non_blocking=True)
        chance, sides = generator(self.seed, "augment", epoch, step), (pixels.shape[1], image)
        aspects = torch.from_numpy(self.task.train.aspects)[chosen] if self.task.train.aspects is not None else None
        drawn: Drawn = draw(augment, len(chosen), sides, self.task.mirror, chance, aspects)
        every = torch.from_numpy(self.task.train.labels)[chosen]
        rows = processes.rows(len(chosen))
        labels = every[rows].to(device, non_blocking=True)
        out = memory[: len(pixels)] if memory is not None else None
        x, targets = prepared(pixels, labels, drawn.rows(rows), self._look(image), out)
        weighed = _mixed(self.weights[every], drawn) if self.weights is not None else torch.ones(len(every))
        share = (weighed[rows] / weighed.sum()).to(device, non_blocking=True)
        return Batch(x, targets, labels, share, processes.largest(len(chosen)))

    def _look(self, image: int) -> Look:
        if image not in self.look:  # made once: a copy to a GPU waits for it
            normalize, device = self.task.normalize, self.where.device
            mean, std = (torch.tensor(values, device=device) for values in (normalize.mean, normalize.std))
            self.look[image] = Look(image, self.task.classes, mean, std, self.where.layout)
        return self.look[image]


def _mixed(weights: Tensor, drawn: Drawn) -> Tensor:
    """What pictures weigh when they are mixed with their neighbours: (n,) weights of their classes, mixed alike."""
    if drawn.mixing is None:
        return weights
    partner = torch.arange(len(weights)) ^ 1
    partner = partner.clamp(max=len(weights) - 1)  # a last odd one stays as it is
    return drawn.mixing.share * weights + (1 - drawn.mixing.share) * weights[partner]


def contents_of(pictures: Pictures) -> str:
    """What tells pictures from others of the same names: a digest of their labels and pixels, or of the cache that holds them."""
    digest = hashlib.sha256(pictures.labels.tobytes())
    if pictures.aspects is not None and (pictures.aspects != 1).any():
        digest.update(pictures.aspects.tobytes())
    pixels = pictures.pixels
    if isinstance(pixels, Stored):
        digest.update(pixels.contents.encode())
    elif isinstance(pixels, np.ndarray):
        for start in range(0, len(pixels), 4096):
            digest.update(np.ascontiguousarray(pixels[start : start + 4096]).tobytes())
    return digest.hexdigest()[:16]


def _on_device(pixels: Pixels, device: torch.device) -> Tensor | None:
    """All pictures in a GPU's memory, where they take no more than a part of it."""
    if device.type != "cuda":
        return None
    free, _ = torch.cuda.mem_get_info(device)
    if math.prod(pixels.shape) > PART * free:
        return None
    return torch.cat([torch.from_numpy(np.array(pixels[i : i + 4096])).to(device) for i in range(0, len(pixels), 4096)])
