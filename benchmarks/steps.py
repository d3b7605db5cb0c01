"""Training on pictures that lie in memory: netwright beside timm's loop, eager and compiled; and many small networks in a row.

    PYTHONPATH=.venv/peers python benchmarks/steps.py [NETWORK@PX@BATCH ...] [--compiled] [--rounds R] [--out FILE]
    python benchmarks/steps.py --population 12 [--images 250000] [--out FILE]

Meant for a GPU, where nothing but the steps should count; it runs anywhere. The peer: timm.create_model, torch.optim.SGD
(Nesterov), one batch of noise that lies on the device, no augmentation; on a GPU bf16 and channels last. With --compiled
also under torch.compile.
Netwright: its loop as `train` runs it, with batches drawn and augmented (crop and flip) from uint8 pictures of noise; precision,
layout and whole-step CUDA graphs as `--precision auto` chooses. They take turns; images per second are medians of the rounds,
"before the first step" is what building, choosing and compiling took, once. `--population N` draws N RegNets of 5 to 10 M macs
at 32 px and trains each on so many images, one after the other: images over all seconds, set-up included.
`make compat` puts timm and torchvision into `.venv/peers`.
"""

from __future__ import annotations

import argparse
import platform
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

import netwright as nw
from netwright.costing.profiles import describe_processor
from netwright.data import Pictures
from netwright.graph import trace
from netwright.training import Machine, Recipe, Session
from netwright.training.engine.batches import Task
from netwright.training.engine.choosing import choose, settled
from netwright.training.engine.loop import Training
from netwright.training.engine.moments import Moment
from netwright.training.machine import configured, device_of, used
from netwright.training.normalize import Normalize
from netwright.training.recipes.recipe import Optimizing

SMALL = ("regnetx_002@32@512", "resnet18@32@512")
LARGE = tuple(f"{name}@224@256" for name in ("resnet50", "mobilenetv2_100", "efficientnet_b0", "regnety_016", "seresnet50"))
CLASSES = 10
MACHINE = Machine(precision="auto", layout="auto", compiled="no", deterministic=False)


@dataclass
class Subject:
    """One way to train: images per second of each round, and what it took before the first step."""

    name: str
    setup: float
    rates: list[float] = field(default_factory=list)


def task_of(image: int, count: int) -> Task:
    """Pictures of noise."""
    pixels = np.random.default_rng(0).integers(0, 256, (count, image, image, 3), np.uint8)
    pictures = Pictures(pixels, np.arange(count) % CLASSES, tuple(map(str, range(count))))
    return Task(pictures, Normalize((0.5,) * 3, (0.25,) * 3), image, True, CLASSES)


def recipe_of(batch: int, epochs: int) -> Recipe:
    return nw.Recipe(epochs=epochs, batch=batch, optimizer=Optimizing(lr=1e-4))


@dataclass(frozen=True)
class Measure:
    """A network, its image in px, its batch; steps of a round; where."""

    name: str
    image: int
    batch: int
    steps: int
    device: torch.device

    def ours(self, rounds: int, between: Callable[[], None]) -> Subject:
        """Netwright's loop: an epoch is a round, the first one warms up; `between` them the others have their turn."""
        begun = time.perf_counter()
        task, recipe = task_of(self.image, self.steps * self.batch), recipe_of(self.batch, rounds + 1)
        design = nw.network(self.name, classes=CLASSES)
        model = nw.build(design, self.image, seed=0)
        machine, _ = choose(model, trace(design, self.image), task, recipe, MACHINE, self.device, print)

        def watch(moment: Moment) -> None:
            if moment.ended is not None:
                between()

        training = Training(model, task, recipe, Session(machine, self.device, 0, watch=watch))
        setup = time.perf_counter() - begun
        rates = [len(task.train) / epoch.seconds for epoch in training.run()]
        return Subject(f"netwright ({machine.precision}, {machine.layout})", setup, rates[1:])

    def theirs(self, compiled: bool) -> tuple[Subject, Callable[[], None]]:
        """A plain loop around timm's network, and what runs a round of it."""
        from peers import timm

        begun, on_gpu = time.perf_counter(), self.device.type == "cuda"
        layout = torch.channels_last if on_gpu else torch.contiguous_format
        model: Any = timm.create_model(self.name, num_classes=CLASSES).to(device=self.device, memory_format=layout).train()
        optimizer = torch.optim.SGD(model.parameters(), lr=1e-4, momentum=0.9, nesterov=True, weight_decay=5e-4)
        called = torch.compile(model) if compiled else model
        x = torch.randn(self.batch, 3, self.image, self.image, device=self.device).contiguous(memory_format=layout)
        y = torch.arange(self.batch, device=self.device) % CLASSES

        def step() -> None:
            with torch.autocast(self.device.type, torch.bfloat16, enabled=on_gpu):
                loss = torch.nn.functional.cross_entropy(called(x), y)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()

        def run() -> None:
            begun = time.perf_counter()
            for _ in range(self.steps):
                step()
            finish(self.device)
            subject.rates.append(self.steps * self.batch / (time.perf_counter() - begun))

        step()
        finish(self.device)
        subject = Subject("timm, torch.compile" if compiled else "timm, eager", time.perf_counter() - begun)
        return subject, run


def finish(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def compared(measure: Measure, rounds: int, compiled: bool) -> list[str]:
    """A network's table, as lines of Markdown."""
    others = [measure.theirs(kind) for kind in ((False, True) if compiled else (False,))]

    def between() -> None:
        for _, run in others:
            run()

    mine = measure.ours(rounds, between)
    what = f"{measure.name} at {measure.image} px, batch {measure.batch}"
    lines = [f"| {what} | images/s | before the first step, s | netwright over it |", "|---|---:|---:|---:|"]
    lines.append(f"| {mine.name} | {statistics.median(mine.rates):,.0f} | {mine.setup:.1f} | |")
    for other, _ in others:
        ratios = [own / one for own, one in zip(mine.rates, other.rates, strict=False)]  # they have one round more
        spread = f"{statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        lines.append(f"| {other.name} | {statistics.median(other.rates):,.0f} | {other.setup:.1f} | {spread} |")
    return [*lines, ""]


def population(count: int, images: int, device: torch.device) -> list[str]:
    """Small RegNets, one after the other."""
    task = task_of(32, 32 * 512)
    recipe = recipe_of(512, max(1, round(images / len(task.train))))
    each, rates = recipe.epochs * len(task.train), list[float]()
    machine = MACHINE.replace(precision="bf16" if device.type == "cuda" else "fp32", layout="channels_last")
    for design in nw.spaces.regnetx.at(32, CLASSES).sample(count, macs=("5M", "10M"), image=32, seed=0):
        begun = time.perf_counter()
        model = nw.build(design, 32, seed=0)
        Training(model, task, recipe, Session(settled(machine, trace(design, 32), device), device, 0)).run()
        rates.append(each / (time.perf_counter() - begun))
    spread = f"{min(rates):,.0f}, {statistics.median(rates):,.0f}, {max(rates):,.0f}"
    lines = [f"| RegNets of 5 to 10 M macs at 32 px, {each:,} images each | images/s |", "|---|---:|"]
    lines.append(f"| {count} one after the other, set-up included | {statistics.harmonic_mean(rates):,.0f} |")
    return [*lines, f"| least, median, most of them | {spread} |", ""]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("networks", nargs="*", metavar="NETWORK@PX@BATCH", help=f"by default {' '.join(SMALL + LARGE)}")
    parser.add_argument("--compiled", action="store_true")
    parser.add_argument("--population", type=int, default=0)
    parser.add_argument("--images", type=int, default=250_000)
    parser.add_argument("--steps", type=int, default=0, help="of a round; by default 64, above 64 px 16")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    device = used(device_of(MACHINE))
    lines: list[str] = []
    with configured(MACHINE, device):
        if options.population:
            lines += population(options.population, options.images, device)
        for what in options.networks or ((SMALL + LARGE) if not options.population else ()):
            name, image, batch = what.split("@")[0], *map(int, what.split("@")[1:])
            steps = options.steps or (64 if image <= 64 else 16)
            lines += compared(Measure(name, image, batch, steps, device), options.rounds, options.compiled)
            print("\n".join(lines[-6:]), flush=True)
    lines += [f"`{command(options)}`; {where(device)}; torch {torch.__version__}, Python {platform.python_version()}.", ""]
    print("\n".join(lines))
    if options.out:
        with options.out.open("a", encoding="utf-8") as file:
            file.write("\n".join(lines) + "\n")


def command(options: argparse.Namespace) -> str:
    words = [*options.networks, *(["--compiled"] if options.compiled else [])]
    words += [f"--population {options.population} --images {options.images}"] if options.population else []
    return " ".join(["python benchmarks/steps.py", *words, f"--steps {options.steps} --rounds {options.rounds}"])


def where(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name()
    return f"{describe_processor()}, {torch.get_num_threads()} threads"


if __name__ == "__main__":
    main()
