"""How fast a network runs here, in which runtime: measured side by side, after the outputs were compared."""

from __future__ import annotations

import contextlib
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import torch
from torch import Tensor

from netwright.costing.latency import find_profile, predict
from netwright.errors import FailedError, NetwrightError
from netwright.graph.layers import Pair
from netwright.inference.runtimes import (
    RUNTIMES,
    Call,
    Place,
    UnavailableError,
    check_runtime,
    compared,
    open_runtime,
    out_of_memory,
    session_call,
)
from netwright.measuring.bench_table import Bench, Measured
from netwright.measuring.subjects import Net, Subject, check_fits, graph_for, subject
from netwright.measuring.timing import Timing, finish, times
from netwright.progress import Progress

ROUNDS, LEAST_ROUNDS = 6, 3
MOST_THREADS = 1024
EAGER = "eager"


def bench(
    net: Net,
    image: int | Pair | None = None,
    *,
    batches: Sequence[int] = (1,),
    threads: int | None = None,
    runtimes: Sequence[str] = tuple(RUNTIMES),
    device: str = "cpu",
    precision: str = "fp32",
    weights: str | None = None,
    seconds: float = 2.0,
    name: str = "",
    progress: Progress | None = None,
) -> Bench:
    """Measure how long a network takes for a batch of images, in each of `runtimes` (see `open_runtime`).

    `net` is a network's name, a design, a run's folder, a torch module (with an image size) or an ONNX file, which runs
    in ONNX Runtime only. Each runtime must give the logits of the eager fp32 model before it is measured; one that does
    not, or cannot run here, is reported with the reason. The runtimes take turns, so that whatever else the machine
    does hits all alike: about `seconds` each for every batch size, in six rounds (three at least), each warmed up.
    What is timed begins with a contiguous float32 batch on the device and ends with logits there.

    `threads` is for torch and ONNX Runtime (None: torch's number); torch's is restored afterwards. In bf16 the eager
    model is measured in fp32 too: the ratios refer to that.

    Raises NetwrightError for what cannot be measured, FailedError where memory does not suffice or nothing could be
    measured.

    >>> made = nw.bench("resnet20_cifar", batches=(1, 4), runtimes=("eager", "folded"), seconds=0.05)
    >>> made.fastest(4).runtime in ("eager", "folded")
    True
    """
    place = Place.of(device, precision)
    _check(batches, threads, runtimes, seconds)
    measured = subject(net, image, weights, name)
    sizes = tuple(dict.fromkeys(batches))
    for images in sizes:
        check_fits(measured, images, place)
    with _threads(threads):
        plan = _plan(measured, runtimes, place, sizes, seconds)
        rows = _measure(plan, progress or Progress(quiet=True))
        threads = torch.get_num_threads()
    made = Bench(measured.name, measured.shape, str(place.device), threads, tuple(rows), _predicted(plan, threads))
    if not any(row.measured for row in rows):
        reasons = dict.fromkeys(f"{row.runtime}: {row.failure}" for row in rows)
        raise FailedError(f"nothing could be measured: {'; '.join(reasons)}")
    return made


def _predicted(plan: _Plan, threads: int) -> dict[int, float] | None:
    """Milliseconds of the eager model by batch size, where this machine was calibrated for this device and these threads."""
    device = plan.device.type
    graph, profile = graph_for(plan.subject), find_profile(device=device, threads=threads if device == "cpu" else None)
    if graph is None or profile is None:
        return None
    rows = graph.flat().rows
    return {images: sum(predict(rows, profile, images)) for images in plan.batches}


@dataclass(frozen=True)
class Contestant:
    """A runtime in a precision; `open` makes the callable that is measured."""

    runtime: str
    place: Place
    open: Callable[[], Call]


@dataclass(frozen=True)
class _Plan:
    """`reference` gives the logits that all are compared with; an ONNX file has none."""

    subject: Subject
    device: torch.device
    contestants: tuple[Contestant, ...]
    reference: Call | None
    batches: tuple[int, ...]
    seconds: float


def _check(batches: Sequence[int], threads: int | None, runtimes: Sequence[str], seconds: float) -> None:
    if not batches or any(type(batch) is not int or batch < 1 for batch in batches):
        raise NetwrightError(f"batches are {batches!r}, expected whole numbers of at least 1")
    if threads is not None and (type(threads) is not int or not 1 <= threads <= MOST_THREADS):
        raise NetwrightError(f"threads is {threads!r}, expected a whole number from 1 to {MOST_THREADS}")
    if isinstance(runtimes, str) or not runtimes:
        raise NetwrightError(f"runtimes are {runtimes!r}, expected some of {', '.join(RUNTIMES)}")
    for runtime in runtimes:
        check_runtime(runtime)
    if isinstance(seconds, bool) or not isinstance(seconds, (int, float)) or not 0 < seconds < 3600:
        raise NetwrightError(f"seconds is {seconds!r}, expected a positive number below 3600")


@contextlib.contextmanager
def _threads(threads: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    try:
        if threads is not None:
            torch.set_num_threads(threads)
        yield
    finally:
        torch.set_num_threads(before)


def _plan(measured: Subject, runtimes: Sequence[str], place: Place, batches: tuple[int, ...], seconds: float) -> _Plan:
    """Runtimes in the order asked for; before those in bf16 the eager model in fp32."""
    if measured.file is not None:
        if place != Place() or set(runtimes) not in (set(RUNTIMES), {"onnxruntime"}):
            raise NetwrightError(f"{measured.file} runs in onnxruntime only, in fp32 on the CPU")
        one = Contestant("onnxruntime", place, partial(session_call, measured.file))
        return _Plan(measured, place.device, (one,), None, batches, seconds)
    assert measured.model is not None
    plain = Place(place.device)
    reference = open_runtime(EAGER, measured.model, measured.shape, plain)
    wanted = [(runtime, place) for runtime in dict.fromkeys(runtimes)]
    contestants = []
    for runtime, where in wanted if place == plain else [(EAGER, plain), *wanted]:
        same = (runtime, where) == (EAGER, plain)
        opening = partial(open_runtime, runtime, measured.model, measured.shape, where)
        contestants.append(Contestant(runtime, where, (lambda: reference) if same else opening))
    return _Plan(measured, place.device, tuple(contestants), reference, batches, seconds)


# ---------------------------------------------------------------- measuring


def _measure(plan: _Plan, progress: Progress) -> list[Measured]:
    """A row for each batch size and contestant."""
    rows: list[Measured] = []
    entrants = _Entrants(plan)
    each = len(plan.contestants) + ROUNDS
    with progress.bar(f"measuring {plan.subject.name}") as step:
        for number, images in enumerate(plan.batches):

            def say(done: int, word: str, before: int = number * each, images: int = images) -> None:
                step(before + done, len(plan.batches) * each, f"batch of {images:,}: {word}")

            with _refused_memory(images):
                batch = plan.subject.batch(images).to(plan.device)
                ready = entrants.set_up(batch, say)
                taken = _in_turns({one: partial(entrants.opened[one], batch) for one in ready}, plan, say)
            rows += [_row(one, images, taken.get(one), ready.get(one), entrants.failed.get(one, "")) for one in plan.contestants]
        step(len(plan.batches) * each, len(plan.batches) * each, "")
    return rows


class _Entrants:
    """What is opened once for all batch sizes, and what failed, with the reason."""

    def __init__(self, plan: _Plan) -> None:
        self.plan = plan
        self.opened: dict[Contestant, Call] = {}
        self.failed: dict[Contestant, str] = {}
        self.never: set[Contestant] = set()  # those that no other batch size will help

    def set_up(self, batch: Tensor, say: Callable[[int, str], None]) -> dict[Contestant, tuple[float, float | None]]:
        """Seconds of setting up and difference from the reference, of all that run at this batch size."""
        expected = self.plan.reference(batch) if self.plan.reference else None
        ready = {}
        for i, one in enumerate(self.plan.contestants):
            if one in self.never:
                continue
            say(i, f"setting up {one.runtime}")
            self.failed.pop(one, None)
            try:
                ready[one] = self._first(one, batch, expected)
            except NetwrightError as error:
                self.failed[one] = str(error)
                if isinstance(error, UnavailableError) or one not in self.opened:
                    self.never.add(one)
        return ready

    def _first(self, one: Contestant, batch: Tensor, expected: Tensor | None) -> tuple[float, float | None]:
        started = time.perf_counter()
        if one not in self.opened:
            self.opened[one] = one.open()
        logits = self.opened[one](batch)
        finish(self.plan.device)
        taken = time.perf_counter() - started
        return taken, None if expected is None else compared(one.runtime, logits, expected, one.place)


def _in_turns(
    calls: dict[Contestant, Callable[[], Tensor]], plan: _Plan, say: Callable[[int, str], None]
) -> dict[Contestant, list[float]]:
    """Seconds of each repetition; stops early, after three rounds, where single calls take long."""
    taken: dict[Contestant, list[float]] = defaultdict(list)
    part, started = plan.seconds / ROUNDS, time.perf_counter()
    for number in range(ROUNDS):
        if number >= LEAST_ROUNDS and time.perf_counter() - started > 2 * plan.seconds * len(calls):
            break
        say(len(plan.contestants) + number, f"round {number + 1}")
        for one, call in calls.items():
            taken[one] += times(call, warmup_seconds=part / 5, seconds=part, least=1, device=plan.device)
    return taken


def _row(
    one: Contestant, images: int, taken: list[float] | None, ready: tuple[float, float | None] | None, failure: str
) -> Measured:
    made = Measured(one.runtime, one.place.precision, images, failure=failure)
    if not taken or not ready:
        return made
    timing, (seconds, difference) = Timing.of(taken), ready
    return replace(
        made,
        median_ms=1e3 * timing.median,
        p95_ms=1e3 * timing.p95,
        repeats=timing.repeats,
        setup_seconds=seconds,
        difference=difference,
    )


@contextlib.contextmanager
def _refused_memory(images: int) -> Iterator[None]:
    try:
        yield
    except NetwrightError:
        raise
    except Exception as error:
        if out_of_memory(error):
            raise FailedError(f"there is too little memory for a batch of {images:,} images: choose a smaller --batch") from error
        raise
