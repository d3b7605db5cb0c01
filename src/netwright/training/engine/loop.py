"""The training loop: short, seeded, and able to go on after any step as if it had never stopped."""

from __future__ import annotations

import contextlib
import hashlib
import math
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from netwright.errors import DivergedError, FailedError, NetwrightError
from netwright.graph import to_json
from netwright.training.engine.batches import Batch, Batches, Task, Where, contents_of
from netwright.training.engine.checkpoints import Checkpoints, State, flattened, unflattened
from netwright.training.engine.graphs import Graphs
from netwright.training.engine.moments import Epoch, Moment, Watch
from netwright.training.engine.processes import ALONE, Processes
from netwright.training.engine.rates import learning_rate
from netwright.training.engine.signals import Signals
from netwright.training.engine.step import Stepper
from netwright.training.evaluating.evaluation import evaluate_model
from netwright.training.machine import Machine, lacks_memory, layout_of
from netwright.training.recipes.recipe import Recipe
from netwright.version import VERSION

LOOKS = {"cpu": 1, "cuda": 50}  # steps from one look at the loss to the next: on a GPU a look waits for it
SECONDS = 60.0  # from one checkpoint to the next
TOGETHER = 10  # steps from one question among several processes, whether to stop, to the next
WINDOW = 5.0  # seconds that the pictures per second are taken over


def _silent(line: str) -> None:
    """What a quiet training says."""


@dataclass(frozen=True)
class Session:
    """What is around a training: machine (its choices made), seed, processes, where it is kept, who watches.

    `every` are the seconds from one checkpoint to the next (0: after each step). `about` goes into the checkpoints (the
    class map, for one).
    """

    machine: Machine = field(default_factory=Machine)
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    seed: int = 0
    processes: Processes = ALONE
    checkpoints: Checkpoints | None = None
    every: float = SECONDS
    watch: Watch | None = None
    say: Callable[[str], None] = _silent
    teacher: nn.Module | None = None
    about: dict[str, Any] = field(default_factory=dict)


def fit(model: nn.Module, task: Task, recipe: Recipe, session: Session | None = None) -> list[Epoch]:
    """Train `model` in place, on the session's device; returns one entry per epoch.

    With `checkpoints` the state is written there from time to time and when the training is stopped, and it goes on from what
    is found there: on a CPU, and on a GPU with `deterministic`, with the same bits as without the interruption. Raises
    DivergedError where the loss is not finite, FailedError where memory does not suffice for two pictures, NetwrightError for
    checkpoints of something else, and KeyboardInterrupt after Ctrl-C, when all is saved.
    """
    return Training(model, task, recipe, session or Session()).run()


class Training:
    """A training and where it stands: `step` steps done, `history` of the epochs done."""

    def __init__(self, model: nn.Module, task: Task, recipe: Recipe, session: Session) -> None:
        self.model, self.task, self.recipe, self.session = model, task, recipe, session
        where = Where(session.device, layout_of(session.machine), session.processes)
        model.to(device=session.device, memory_format=where.layout)  # type: ignore[call-overload]
        self.batches = Batches(task, recipe, session.seed, where)
        self.stepper = Stepper(model, recipe, session.machine, where, session.teacher)
        self.steps = self.batches.steps
        self.total = self.steps * recipe.epochs
        self.step, self.seconds = 0, 0.0
        self.history: list[Epoch] = []
        self.saved = time.monotonic()
        self.pace = _Pace(0)
        self.contents = contents_of(task.train) if session.checkpoints is not None else ""
        self.proven: set[Any] = set()  # sizes of batches that memory has sufficed for

    @property
    def machine(self) -> Machine:
        """The session's, with the parts of a batch that memory sufficed for."""
        return self.session.machine.replace(micro_batch=self.stepper.micro_batch)

    def run(self) -> list[Epoch]:
        """From where it stands to the end."""
        devices = [self.session.device] if self.session.device.type == "cuda" else []
        with torch.random.fork_rng(devices), Signals() as signals:
            self.restore()
            advance = Graphs(self.stepper, self.session.say) if self.stepper.graphed else self.stepper
            while self.step < self.total:
                self._epoch(advance, signals)
        if signals.came is not None:  # after the last step: what follows would take no notice
            raise KeyboardInterrupt
        if self.stepper.average is not None:
            self.stepper.average.copy_to(self.model)
        return self.history

    def _epoch(self, advance: Callable[[Batch, float, int, int], None], signals: Signals) -> None:
        """The rest of an epoch."""
        number, start = divmod(self.step, self.steps)
        begun = time.perf_counter() - self.seconds
        self.pace = _Pace(self.step * self.recipe.batch)
        self.model.train()
        for batch in self.batches.of(number, start):
            # of its middle: no step has rate 0
            rate = learning_rate(self.recipe, (self.step + 0.5) / self.steps)
            self._advance(advance, batch, rate)
            self.step += 1
            self.seconds = time.perf_counter() - begun
            self._look(rate)
            if self.step % self.steps:  # the last step's state is saved with the epoch's figures
                self._keep(signals)
        self._end(number, rate, begun)
        self._keep(signals)

    def _advance(self, advance: Callable[[Batch, float, int, int], None], batch: Batch, rate: float) -> None:
        """A step; where memory does not suffice it is done again in smaller parts, from the same state."""
        sizes = (batch.x.shape, self.stepper.micro_batch)
        changed = [self.stepper.sums, *([] if sizes in self.proven else self.model.buffers())]
        buffers = [(buffer, buffer.clone()) for buffer in changed]
        while True:
            try:
                advance(batch, rate, self.step, self.session.seed)
                break
            except RuntimeError as error:
                if not lacks_memory(error) or self.session.processes.world > 1:
                    raise
                problem = str(error).splitlines()[0]
            self._shrink(len(batch.x), problem)
            for buffer, before in buffers:
                buffer.copy_(before)
        self.proven.add((batch.x.shape, self.stepper.micro_batch))

    def _shrink(self, pictures: int, problem: str) -> None:
        """Half as many pictures at a time from now on; said, and recorded in `machine`."""
        at_a_time = min(self.stepper.micro_batch or pictures, pictures)
        smaller = math.ceil(at_a_time / 2)
        if smaller < 2:
            raise FailedError(f"memory does not suffice for two pictures ({problem}): take a smaller --image or network")
        self.model.zero_grad(set_to_none=not self.stepper.graphed)
        if self.session.device.type == "cuda":
            torch.cuda.empty_cache()
        self.stepper.micro_batch = smaller
        self.session.say(
            f"memory does not suffice for {at_a_time} pictures: {smaller} are computed at a time from now on, their "
            "gradients added up (norms take the statistics of fewer pictures)"
        )

    def _look(self, rate: float) -> None:
        """Now and then: is the loss a number? And tell those who watch."""
        if self.step % LOOKS[self.session.device.type] and self.step % self.steps:
            return
        loss, _, seen = self.stepper.sums.tolist()
        if not math.isfinite(loss):
            raise self._diverged(loss)
        if self.session.watch is not None and self.step % self.steps:
            pace = self.pace.at(self.step * self.recipe.batch)
            self.session.watch(Moment(self.step, self.total, self._number, loss / max(seen, 1), rate, pace))

    @property
    def _number(self) -> int:
        """The epoch, from 1, that the last step belongs to."""
        return (self.step - 1) // self.steps + 1

    def _diverged(self, loss: float) -> DivergedError:
        kept = self.session.checkpoints.files() if self.session.checkpoints is not None else []
        last = f"; the last good checkpoint is {kept[0]}" if kept else ""
        problem = f"training diverged in epoch {self._number} (the loss is {loss})"
        return DivergedError(f"{problem}: try a lower learning rate{last}")

    def _end(self, number: int, rate: float, begun: float) -> None:
        """Measure what the epoch gave."""
        loss, hits, seen = self.session.processes.total(self.stepper.sums.clone()).tolist()
        if not math.isfinite(loss):
            raise self._diverged(loss)
        pace = self.pace.at(self.step * self.recipe.batch)
        measured = self._measured()
        self.seconds = 0.0
        ended = Epoch(number + 1, loss / seen, hits / seen, measured, time.perf_counter() - begun, rate)
        self.history.append(ended)
        self.stepper.sums.zero_()
        if self.session.watch is not None:
            self.session.watch(Moment(self.step, self.total, number + 1, ended.loss, rate, pace, ended))

    def _measured(self) -> float | None:
        """Accuracy on the validation pictures, of the average where there is one; measured by the first process."""
        if self.task.validation is None:
            return None
        if not self.session.processes.first:
            return self.session.processes.told(0.0)
        average = self.stepper.average
        with average.in_place_of(self.model) if average is not None else contextlib.nullcontext():
            accuracy = evaluate_model(self.model, self.task.validation, self.task.normalize).accuracy
        return self.session.processes.told(accuracy)

    # ------------------------------------------------------------ going on

    def _keep(self, signals: Signals) -> None:
        """Save when it is time, at the end, and when the training is to stop."""
        due = time.monotonic() - self.saved >= self.session.every
        stopping, due = self._agreed(signals.came is not None, due)
        if self.session.checkpoints is not None and (stopping or due or self.step == self.total):
            self._try_to_save(self.session.checkpoints, needed=stopping or self.step == self.total)
        if stopping:
            raise KeyboardInterrupt

    def _agreed(self, stopping: bool, due: bool) -> tuple[bool, bool]:
        """One answer for all processes, found every so many steps: whether one is to stop, whether the first one is to save."""
        processes = self.session.processes
        if processes.world == 1:
            return stopping, due
        if self.step % TOGETHER and self.step % self.steps:
            return False, False
        asked = torch.tensor([stopping, due and processes.first], dtype=torch.float32, device=self.session.device)
        stop, save = processes.total(asked).tolist()
        return stop > 0, save > 0

    def _try_to_save(self, checkpoints: Checkpoints, needed: bool) -> None:
        """A disk that is full for a while does not end a training: the checkpoint before stays, the next is tried in time."""
        try:
            self._save(checkpoints)
        except DivergedError:
            raise
        except FailedError as error:
            if needed:
                raise
            self.saved = time.monotonic()
            self.session.say(f"{error}; the training goes on without this checkpoint")

    def _save(self, checkpoints: Checkpoints) -> None:
        parts = {"model": self.model.state_dict(), "optimizer": flattened(self.stepper.optimizer)}
        if self.stepper.average is not None:
            parts["average"] = self.stepper.average.values
        tensors = {f"{part}.{name}": value for part, values in parts.items() for name, value in values.items()}
        if not all(bool(value.isfinite().all()) for value in tensors.values() if value.is_floating_point()):
            raise self._diverged(math.nan)  # no such state is kept: the checkpoint before stays the last
        tensors["sums"] = self.session.processes.total(self.stepper.sums.clone())
        made = {"step": self.step, "seconds": self.seconds, "history": [asdict(epoch) for epoch in self.history]}
        state = {"scaler": self.stepper.scaler.state_dict(), "micro_batch": self.stepper.micro_batch}
        if self.session.processes.first:
            checkpoints.save(self.step, State(tensors, self._made_with() | made | state | {"about": self.session.about}))
        self.saved = time.monotonic()

    def _made_with(self) -> dict[str, Any]:
        """What a checkpoint must agree on with the training that goes on from it."""
        shapes = {name: list(value.shape) for name, value in self.model.state_dict().items()}
        network = hashlib.sha256(repr(sorted(shapes.items())).encode()).hexdigest()
        given = {"network": network, "recipe": to_json(self.recipe, None), "pictures": self.contents}
        return given | {"seed": self.session.seed, "versions": {"netwright": VERSION, "torch": torch.__version__}}

    def restore(self) -> None:
        """Go on from the newest sound checkpoint, where there is one; the first process reads it and tells the others."""
        processes, problem = self.session.processes, None
        if processes.first:
            try:
                state = self.session.checkpoints.newest() if self.session.checkpoints is not None else None
                stands = self._read(state) if state is not None else None
            except NetwrightError as error:
                problem, stands = error, None
        told, failed = processes.told((stands, problem is not None) if processes.first else (None, False))
        if failed:
            raise problem or NetwrightError("the first process could not read the checkpoints")
        processes.agree(self.model)
        if told is None:
            return
        self._share_state(processes)
        self.stepper.scaler.load_state_dict(told["scaler"])
        self.step, self.seconds = told["step"], told["seconds"]
        self.history = [Epoch(**epoch) for epoch in told["history"]]
        self.stepper.micro_batch = told["micro_batch"]

    def _read(self, state: State) -> dict[str, Any]:
        """Take a checkpoint's tensors; returns the rest of it. Raises NetwrightError where it is of another training."""
        made, here = state.about, self._made_with()
        other = [name for name in ("network", "recipe", "pictures", "seed") if made.get(name) != here[name]]
        if other:
            assert self.session.checkpoints is not None
            told = f"the checkpoints in {self.session.checkpoints.folder} are of another training (other {', '.join(other)})"
            raise NetwrightError(f"{told}: choose another folder, or remove them")
        self.model.load_state_dict(state.part("model"))
        self.stepper.optimizer.load_state_dict(unflattened(state.part("optimizer"), self.stepper.optimizer))
        for name, value in state.part("average").items():
            assert self.stepper.average is not None
            self.stepper.average.values[name].copy_(value)
        self.stepper.sums.copy_(state.tensors["sums"])
        return made

    def _share_state(self, processes: Processes) -> None:
        """Give the first one's optimizer and average to the others."""
        if processes.world == 1:
            return
        kept = {name: value.cpu() for name, value in flattened(self.stepper.optimizer).items()}
        kept = processes.told(kept)
        averages = processes.told({n: v.cpu() for n, v in self.stepper.average.values.items()} if self.stepper.average else {})
        if not processes.first:
            self.stepper.optimizer.load_state_dict(unflattened(kept, self.stepper.optimizer))
            for name, value in averages.items():
                assert self.stepper.average is not None
                self.stepper.average.values[name].copy_(value)


class _Pace:
    """Pictures per second over the last seconds of an epoch that begins when so many have been seen."""

    def __init__(self, pictures: int) -> None:
        self.marks = deque([(time.perf_counter(), pictures)])

    def at(self, pictures: int) -> float:
        """When so many pictures have been seen in all."""
        now = time.perf_counter()
        self.marks.append((now, pictures))
        while len(self.marks) > 2 and now - self.marks[1][0] > WINDOW:
            self.marks.popleft()
        since, before = self.marks[0]
        return (pictures - before) / (now - since) if now > since else 0.0
