"""Which precision, memory layout and compilation train a network fastest here: measured, not believed."""

from __future__ import annotations

import copy
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from netwright.errors import FailedError
from netwright.graph import Graph
from netwright.graph.layers import Conv
from netwright.training.engine.batches import Batch, Batches, Task, Where
from netwright.training.engine.processes import ALONE
from netwright.training.engine.rates import learning_rate
from netwright.training.engine.step import Stepper
from netwright.training.machine import Machine, lacks_memory, layout_of
from netwright.training.recipes.recipe import Recipe

ROUNDS = 5  # of one step each, in turns
SECONDS = 20.0  # after which no further round begins
FEW = 8  # pictures that show what is hopeless
HOPELESS = 2.0  # times the best
WORTH = 1.03  # a choice away from the default must be faster by this
COMPILING = 300.0  # seconds that a training must take for compilation to be tried

AUTO = "auto"
DEFAULTS = {"precision": "fp32", "compiled": "no"}


@dataclass(frozen=True)
class Choice:
    """A machine, and what a step took on it: seconds in the median, and of the first one."""

    machine: Machine
    seconds: float
    first: float

    def to_json(self) -> dict[str, Any]:
        """As plain values, for `work/machine.json`."""
        asked = {name: getattr(self.machine, name) for name in ("precision", "layout", "compiled")}
        return asked | {"seconds_per_step": self.seconds, "seconds_of_first_step": self.first}


def sound_layouts(graph: Graph) -> tuple[str, ...]:
    """The memory layouts that a network can be trained in on a CPU, the usual one first.

    Channels last trains 1.8 times faster there. But oneDNN 3.12 (in torch 2.13) writes past its buffers in the weight gradient
    of a strided 1x1 convolution of fewer than 16 channels when it is channels last, on CPUs with AVX-512.
    """
    for row in graph.rows():
        layer = row.layer
        if isinstance(layer, Conv) and layer.kernel == (1, 1) and layer.stride != (1, 1) and layer.inputs // layer.groups < 16:
            return ("contiguous",)
    return ("channels_last", "contiguous")


def settled(machine: Machine, graph: Graph, device: torch.device) -> Machine:
    """The machine without what is unsound for a network there."""
    layouts = sound_layouts(graph) if device.type == "cpu" else ("channels_last", "contiguous")
    return machine if machine.layout in (AUTO, *layouts) else machine.replace(layout=layouts[0])


def choose(
    model: nn.Module, graph: Graph, task: Task, recipe: Recipe, machine: Machine, device: torch.device, say: Callable[[str], None]
) -> tuple[Machine, list[Choice]]:
    """See `_chosen`; where memory does not suffice, it is measured in smaller parts of a batch, which are kept.

    Raises FailedError where it does not suffice for two pictures.
    """
    while True:
        try:
            return _chosen(model, graph, task, recipe, machine, device, say)
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
            smaller = math.ceil((machine.micro_batch or recipe.batch) / 2)
            if smaller < 2:
                raise FailedError("memory does not suffice for two pictures: take a smaller --image or network") from None
        say(f"memory does not suffice for {2 * smaller} pictures: {smaller} are computed at a time")
        machine = machine.replace(micro_batch=smaller)


def _chosen(
    model: nn.Module, graph: Graph, task: Task, recipe: Recipe, machine: Machine, device: torch.device, say: Callable[[str], None]
) -> tuple[Machine, list[Choice]]:
    """The fastest machine for this training that "auto" leaves open, and what was measured; the model is left as it was.

    Each trains a copy for a few steps on a real batch, in turns: memory layouts first, then precisions in the better one. The
    default (fp32, channels last, not compiled) stays unless another is 3 % faster. What takes twice as long on a few pictures
    (bf16 on a CPU that does not have it) is left out. Compilation is tried on the best where the training takes five minutes
    or more, and is taken where it saves more than it costs.
    """
    machine = settled(machine, graph, device)
    layouts = sound_layouts(graph) if device.type == "cpu" else ("channels_last", "contiguous")
    base = machine.replace(**{name: value for name, value in DEFAULTS.items() if getattr(machine, name) == AUTO})
    base = base.replace(layout=layouts[0]) if machine.layout == AUTO else base
    if base == machine:
        return machine, []
    batches = Batches(task, recipe, 0, Where(device, layout_of(base), ALONE))
    trial = _Trial(model, recipe, next(iter(batches.of(0))), device)
    best = trial.first(base)
    if machine.layout == AUTO:
        best = trial.against(best, [base.replace(layout=layout) for layout in layouts[1:]])
    if machine.precision == AUTO:
        best = trial.against(best, [best.machine.replace(precision="bf16")])
    left = best.seconds * batches.steps * recipe.epochs
    if machine.compiled == AUTO and left > COMPILING:
        best = trial.compiled(best, left)
    told = ", ".join(f"{_named(one.machine)} {1000 * one.seconds:.0f} ms" for one in trial.measured)
    say(f"measured per step: {told}; taken: {_named(best.machine)}")
    return best.machine, trial.measured


def _named(machine: Machine) -> str:
    return f"{machine.precision} {machine.layout}" + (" compiled" if machine.compiled == "yes" else "")


class _Subject:
    """A copy of the model on a machine, and the times of its steps."""

    def __init__(self, model: nn.Module, recipe: Recipe, machine: Machine, batch: Batch, device: torch.device) -> None:
        layout = layout_of(machine)
        mine = copy.deepcopy(model).to(device=device, memory_format=layout)  # type: ignore[call-overload]
        mine.train()
        self.machine, self.device, self.seconds = machine, device, list[float]()
        self.batch = replace(batch, x=batch.x.contiguous(memory_format=layout))
        self.stepper = Stepper(mine, recipe, machine.replace(graph="no"), Where(device, layout, ALONE))
        self.rate = learning_rate(recipe, 0.5)

    def time(self, pictures: int = 0) -> float:
        """Seconds of a step, on some of the pictures or on all."""
        batch = self.batch.parts(pictures)[0]
        begun = time.perf_counter()
        with torch.random.fork_rng([]):
            self.stepper(batch, self.rate, len(self.seconds), 0)
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        return time.perf_counter() - begun

    def step(self) -> None:
        """One more step, timed."""
        self.seconds.append(self.time())


class _Trial:
    """Machines that take turns; `measured` is what each took."""

    def __init__(self, model: nn.Module, recipe: Recipe, batch: Batch, device: torch.device) -> None:
        self.model, self.recipe, self.batch, self.device = model, recipe, batch, device
        self.measured: list[Choice] = []
        self.begun = time.perf_counter()

    def subject(self, machine: Machine) -> _Subject:
        """A copy of the model on a machine."""
        return _Subject(self.model, self.recipe, machine, self.batch, self.device)

    def first(self, machine: Machine) -> Choice:
        """The one that others must beat."""
        subject = self.subject(machine)
        first = subject.time()
        subject.step()
        self.measured.append(Choice(machine, subject.seconds[0], first))
        return self.measured[0]

    def against(self, best: Choice, others: list[Machine]) -> Choice:
        """The best, or one of the others where it is clearly faster; measured anew, side by side."""
        champion = self.subject(best.machine)
        champion.time()
        for machine in others:
            rival = self.subject(machine)
            few = [min(one.time(FEW) for _ in range(2)) for one in (champion, rival)]
            if few[1] > HOPELESS * few[0]:
                self.measured.append(Choice(machine, best.seconds * few[1] / few[0], few[1]))
                continue
            first = rival.time()
            for _ in range(ROUNDS):
                champion.step()
                rival.step()
                if time.perf_counter() - self.begun > SECONDS:
                    break
            told = Choice(machine, statistics.median(rival.seconds), first)
            self.measured.append(told)
            if told.seconds * WORTH < statistics.median(champion.seconds):
                best, champion = told, rival
        return best

    def compiled(self, best: Choice, left: float) -> Choice:
        """The best, compiled, where that saves more of the seconds left than it costs; else, or where it fails, as it is."""
        subject = self.subject(best.machine.replace(compiled="yes"))
        try:
            first = subject.time()
        except Exception:  # no compiler, an operation it does not know: torch raises many kinds
            return best
        for _ in range(ROUNDS):
            subject.step()
        told = Choice(subject.machine, statistics.median(subject.seconds), first)
        self.measured.append(told)
        return told if left * (1 - told.seconds / best.seconds) > first else best
