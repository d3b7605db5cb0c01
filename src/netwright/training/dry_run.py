"""What a training will take, before it is begun: steps, time (a few real steps are measured), memory, disk."""

from __future__ import annotations

import contextlib
import math
import os
import statistics
import time
from collections.abc import Callable, Generator, Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from netwright.costing.memory import Precision, memory_of
from netwright.costing.states import state_copies
from netwright.data import Listing, Pictures, Source
from netwright.data.memory import memory
from netwright.errors import NetwrightError
from netwright.graph import Design, trace
from netwright.preprocessing import Squeezed, View, whole
from netwright.progress import Progress
from netwright.runtime import build
from netwright.runtime.weights import open_weights
from netwright.training.engine.batches import Batch, Batches, Task, Where
from netwright.training.engine.checkpoints import KEPT
from netwright.training.engine.graphs import Graphs
from netwright.training.engine.loop import Session, Training
from netwright.training.engine.rates import learning_rate
from netwright.training.evaluating.evaluation import evaluate_model
from netwright.training.machine import Machine, configured, lacks_memory
from netwright.training.normalize import Normalize
from netwright.training.plan import Plan, open_for
from netwright.training.recipes.recipe import Recipe
from netwright.training.teaching import teacher_of
from netwright.training.train import Job, cache_of, fitted, machine_of, planned, regularized
from netwright.units import counted, short_bytes, short_seconds

LEAST, MOST = 3, 20  # steps that are measured
ENOUGH, PATIENCE = 3.0, 20.0  # seconds after which so many steps suffice, and after which one does
DECODED = 24  # pictures that are read to see how long it takes
READING = 3.0  # seconds for that
NOISE = 64  # different pictures of noise


@dataclass(frozen=True)
class Estimate:
    """What a training will take. Seconds are of training steps, of evaluation and of decoding all pictures once (None: not
    measured); `memory` are bytes that the network takes, on a GPU as measured; `disk` are bytes, the cache's among them.
    """

    epochs: int
    steps_per_epoch: int
    images: int
    batch: int
    pictures: dict[str, int]
    image: int
    device: str
    machine: Machine
    step_seconds: float | None
    training_seconds: float | None
    evaluation_seconds: float | None
    reading_seconds: float | None
    memory: int
    memory_there: int
    cache: int
    checkpoints: int
    weights: int
    note: str = ""

    @property
    def steps(self) -> int:
        """Of all epochs."""
        return self.epochs * self.steps_per_epoch

    @property
    def seconds(self) -> float | None:
        """Of the whole."""
        parts = (self.training_seconds, self.evaluation_seconds, self.reading_seconds)
        return None if self.training_seconds is None else sum(part or 0.0 for part in parts)

    @property
    def disk(self) -> int:
        """Bytes at the most: decoded pictures, checkpoints (one is being written while two are kept), weights."""
        return self.cache + self.checkpoints + self.weights

    def to_json(self) -> dict[str, Any]:
        """Plain values; seconds, bytes, pixels."""
        made = asdict(self) | {"machine": self.machine.fields()}
        return made | {"steps": self.steps, "seconds": self.seconds, "disk": self.disk}

    def __str__(self) -> str:
        parts = ", ".join(f"{count:,} for {name}" for name, count in self.pictures.items())
        shown = f"{counted(self.batch, 'image')} ({self.image} px)"
        lines = [
            f"steps:   {self.steps:,}: {counted(self.epochs, 'epoch')} of {self.steps_per_epoch:,} with {shown} each",
            f"         pictures: {parts}",
            f"time:    {self._time()}",
            f"memory:  about {short_bytes(self.memory)} for the network, of {short_bytes(self.memory_there)}",
            f"disk:    up to {short_bytes(self.disk)}: {self._disk()}",
        ]
        return "\n".join([*lines, *([self.note] if self.note else [])])

    def _disk(self) -> str:
        parts = {"decoded pictures": self.cache, "checkpoints": self.checkpoints, "weights": self.weights}
        return ", ".join(f"{short_bytes(size)} of {what}" for what, size in parts.items() if size)

    def _time(self) -> str:
        if self.seconds is None or self.step_seconds is None:
            return "not measured"
        chosen = f"{self.device}, {self.machine.precision}, {self.machine.layout}"
        told = f"about {short_seconds(self.seconds)}: {1000 * self.step_seconds:,.0f} ms for a step ({chosen})"
        for seconds, what in ((self.evaluation_seconds, "for evaluation"), (self.reading_seconds, "to decode the pictures once")):
            told += f", {short_seconds(seconds)} {what}" if seconds else ""
        return told


def dry_run(
    design: Design,
    data: Any,
    *,
    weights: str | os.PathLike[str] | None = None,
    image: int | None = None,
    recipe: Recipe | None = None,
    machine: Machine | None = None,
    seed: int = 0,
    validation: float = 0.0,
    fold: tuple[int, int] | None = None,
    group: str | None = None,
    cache: str | os.PathLike[str] | None = "default",
    progress: Progress | None = None,
) -> Estimate:
    """What `train` with these arguments will take, in this process alone; nothing is written.

    Steps, pictures and disk follow from the arguments. Memory is `costing`'s prediction (on a GPU as measured), and time
    comes of a few steps of the real network on noise of the real sizes, and of reading a few of the pictures. Raises what
    `train` raises for what cannot be trained.
    """
    recipe, progress = recipe or Recipe(), progress or Progress(quiet=True)
    opened = open_weights(design, weights) if weights is not None else None
    design = opened.design if opened is not None else design
    plan = planned(design, open_for(data, None, progress, group), opened, image, seed, validation=validation, fold=fold)
    design = fitted(design, plan, recipe)
    job = Job(plan, recipe, machine or Machine(), cache_of(cache), progress=progress)
    with configured(job.machine, job.device), progress.bar("measuring a few steps") as step, _own_chance(job):
        return _Measured(design, job, lambda done: step(done, MOST, "")).estimate()


@contextlib.contextmanager
def _own_chance(job: Job) -> Iterator[None]:
    with torch.random.fork_rng([job.device] if job.device.type == "cuda" else []):
        yield


class _Noise:
    """Pixels of as many pictures as there are, none of which is read."""

    def __init__(self, count: int, side: int, channels: int) -> None:
        self.shape = (count, side, side, channels)
        self._block = np.random.default_rng(0).integers(0, 256, (min(count, NOISE), side, side, channels), np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, places: Any) -> Any:
        return self._block[np.arange(len(self))[places] % len(self._block)]


def noise(listing: Listing, shown: View, channels: int) -> Pictures:
    """As many pictures of noise as are listed, with their labels; what is squeezed was as wide as photographs are."""
    pixels: Any = _Noise(len(listing), shown.image, channels)
    aspects = np.full(len(listing), 4 / 3, np.float32) if isinstance(shown, Squeezed) else None
    return Pictures(pixels, listing.labels, listing.names, aspects=aspects)


class _Measured:
    """A training on noise."""

    def __init__(self, design: Design, job: Job, tell: Callable[[int], None]) -> None:
        self.job, self.tell = job, tell
        plan, recipe = job.plan, job.recipe
        source, data = plan.source, plan.data
        stored, side, channels = plan.stored(recipe.augment), plan.image, source.channels
        normalize = Normalize((0.5,) * channels, (0.25,) * channels)
        shown = noise(data.test if data.validation is None else data.validation, plan.shown, channels)
        classes = len(source.classes)
        self.task = Task(noise(data.train, stored, channels), normalize, side, source.mirror, classes, shown)
        self.model = build(design, side, channels=channels, seed=plan.seed)
        self.graph = trace(design, side, channels)
        self.design = design
        regularized(self.model, job)

    def estimate(self) -> Estimate:
        """All of it; without times where memory does not suffice."""
        job, plan, recipe = self.job, self.job.plan, self.job.recipe
        parts = {"training": plan.data.train, "validation": plan.data.validation, "the held-out part": plan.data.test}
        state = sum(value.nbytes for value in self.model.state_dict().values())
        made = Estimate(
            recipe.epochs,
            *_counted(plan, recipe),
            recipe.batch,
            {name: len(part) for name, part in parts.items() if part is not None},
            plan.image,
            str(job.device),
            job.machine,
            None,
            None,
            None,
            _reading(job),
            self._memory(job.machine),
            _memory_there(job.device),
            _cached(job),
            (KEPT + 1) * (state + self._moving()),
            state,
        )
        told = f"memory does not suffice: set --machine micro_batch={max(2, recipe.batch // 4)}, or a smaller --batch or --image"
        if made.memory > made.memory_there and not recipe.checkpointing:
            return replace(made, note=told)
        try:
            return self._timed(made)
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
            return replace(made, note=told)

    def _timed(self, made: Estimate) -> Estimate:
        job, recipe = self.job, self.job.recipe
        machine = machine_of(self.model, self.design, self.task, job, None)
        teacher = teacher_of(recipe.teacher, job.plan.source, self.task, job.device)
        training = Training(self.model, self.task, recipe, Session(machine, job.device, job.plan.seed, teacher=teacher))
        sizes = {training.batches.image_at(epoch): epoch for epoch in range(recipe.epochs)}
        times = {
            side: statistics.median(steps(training, job, ENOUGH, sizes[side], tell=self.tell))
            for side in sorted({min(sizes), max(sizes)})
        }
        sides = [training.batches.image_at(epoch) for epoch in range(recipe.epochs)]
        # what a step takes grows with the pixels of its images
        per_epoch = np.interp(np.square(sides), np.square(list(times)), list(times.values()))
        measured = self._memory(machine)
        if job.device.type == "cuda":
            measured = torch.cuda.max_memory_allocated(job.device)
        return replace(
            made,
            machine=machine,
            step_seconds=times[max(times)],
            training_seconds=float(per_epoch.sum()) * training.steps,
            evaluation_seconds=self._evaluation(),
            memory=measured,
        )

    def _evaluation(self) -> float:
        """Seconds to measure after every epoch, and at the end."""
        shown, data = self.task.validation, self.job.plan.data
        assert shown is not None
        some = min(len(shown), 32 if self.job.device.type == "cpu" else 512)
        few = Pictures(shown.pixels[:some], shown.labels[:some], shown.names[:some])
        evaluate_model(self.model, few, self.task.normalize)
        begun = time.perf_counter()
        evaluate_model(self.model, few, self.task.normalize)
        each = (time.perf_counter() - begun) / some
        return each * (self.job.recipe.epochs * len(shown) + len(data.test))

    def _moving(self) -> int:
        """Bytes of what moves the weights: optimizer and average."""
        learning = sum(p.numel() for p in self.model.parameters() if p.requires_grad)
        average = sum(4 * v.numel() for v in self.model.state_dict().values() if v.is_floating_point())
        return 4 * learning * state_copies(self.job.recipe.optimizer.name) + (average if self.job.recipe.ema.decay else 0)

    def _memory(self, machine: Machine) -> int:
        """Bytes of the network in training, as `costing` predicts them, and of its average."""
        recipe = self.job.recipe
        per_epoch, images = _counted(self.job.plan, recipe)
        step = math.ceil(images / recipe.epochs / per_epoch)  # batches of an epoch are as even as can be
        at_once = min(machine.micro_batch or step, step)
        precision: Precision = "fp32" if machine.precision in ("fp32", "auto") else "bf16"
        predicted = memory_of(self.graph, at_once, precision, recipe.optimizer.name)
        return predicted.training + (predicted.parameters if recipe.ema.decay else 0)


def steps(
    training: Training,
    job: Job,
    enough: float = ENOUGH,
    epoch: int = 0,
    *,
    most: int = MOST,
    tell: Callable[[int], None] | None = None,
) -> list[float]:
    """Seconds of some steps in an epoch, the making of their batches included; the first, which take longer, are left out.

    At least 3 and at most `most` are measured, for about `enough` seconds. Where steps take long, one does.
    """
    advance = Graphs(training.stepper, job.progress.say) if training.stepper.graphed else training.stepper
    warm = 5 if training.stepper.graphed else 1
    rate = 1e-3 * learning_rate(job.recipe, 0.5)  # noise must not make it diverge
    seconds: list[float] = []
    begun = last = time.perf_counter()
    training.model.train()
    with contextlib.closing(_endless(training.batches, epoch)) as batches:
        for number, batch in enumerate(batches):
            advance(batch, rate, number, job.plan.seed)
            if job.device.type == "cuda":
                torch.cuda.synchronize(job.device)
            last, seconds = time.perf_counter(), [*seconds, time.perf_counter() - last]
            measured = seconds[warm:]
            if tell is not None:
                tell(min(len(measured), most))
            over = last - begun
            if len(measured) >= most or (len(measured) >= LEAST and over > enough) or (measured and over > PATIENCE):
                return measured
    raise AssertionError("batches have no end")


def _endless(batches: Batches, epoch: int) -> Generator[Batch]:
    while True:
        yield from batches.of(epoch)


def _counted(plan: Plan, recipe: Recipe) -> tuple[int, int]:
    """Steps of an epoch, and the images shown in all of them."""
    task = Task(noise(plan.data.train, whole(1), 1), Normalize((0.5,), (0.5,)), 1, False, len(plan.source.classes))
    batches = Batches(task, recipe, 0, Where(torch.device("cpu"), torch.contiguous_format))
    return batches.steps, recipe.epochs * batches.different * recipe.augment.repeats


def _memory_there(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.get_device_properties(device).total_memory
    return memory()


def _listed(job: Job) -> list[tuple[Listing, View]]:
    """The parts that have to be decoded, and how they are shown."""
    plan, data = job.plan, job.plan.data
    parts: list[tuple[Listing, View]] = [(data.train, plan.stored(job.recipe.augment)), (data.test, plan.shown)]
    parts += [(data.validation, plan.shown)] if data.validation is not None else []
    return [(part, shown) for part, shown in parts if plan.source.contents.ready(part.names[:1], shown) is None]


def _cached(job: Job) -> int:
    """Bytes of the decoded pictures on disk, with 8 for the checksum of each, and 8 for the aspect of one that is squeezed."""
    if job.cache is None or job.plan.source.contents.stamps(()) is None:  # only files are kept there
        return 0
    channels = job.plan.source.channels
    return sum(len(part) * (shown.image**2 * channels + 8 + 8 * isinstance(shown, Squeezed)) for part, shown in _listed(job))


def _reading(job: Job) -> float | None:
    """Seconds to decode all pictures once, from those of a few; None where none could be read."""
    seconds, threads = 0.0, job.plan.source.threads(job.machine.workers or None)
    for part, shown in _listed(job):
        each = _decoding(job.plan.source, part, shown)
        if each is None:
            return None
        seconds += each * len(part) / threads
    return seconds


def _decoding(source: Source, part: Listing, shown: View) -> float | None:
    begun, times = time.perf_counter(), list[float]()
    for place in np.linspace(0, len(part) - 1, min(DECODED, len(part))).astype(int):
        if time.perf_counter() - begun > READING:
            break
        started = time.perf_counter()
        with contextlib.suppress(NetwrightError):  # a bad picture is the training's to tell
            source.picture(part.names[place], shown)
            times.append(time.perf_counter() - started)
    return statistics.fmean(times) if times else None
