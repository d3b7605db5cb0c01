"""Measuring a machine once: synthetic layers, as cold and as warm as they are in a network."""

from __future__ import annotations

import contextlib
import datetime
import random
import statistics
import time
from collections.abc import Callable, Iterator, Sequence

import torch
from torch import Tensor, fx, nn

from netwright.costing.latency import EAGER, ONNXRUNTIME, RUNTIMES, ChainSample, Profile, Sample
from netwright.costing.profiles import default_name, this_machine
from netwright.errors import NetwrightError, did_you_mean
from netwright.graph import layers as L
from netwright.graph.graph import Graph, Tape
from netwright.inference.runtimes import Place
from netwright.measuring.chains import Chain, chains
from netwright.measuring.probes import Padding, Probe, probes
from netwright.measuring.timing import finish, once
from netwright.progress import Progress, Step
from netwright.runtime.builder import _module, build
from netwright.version import VERSION

SECONDS = 120.0
LEAST_ROUNDS = 3
_SWEEPS = 4  # of a round: what disturbs the machine for a second then hits layers of all sizes
_POOL = 1 << 26  # values that all weights are cut out of (256 MiB): more than caches hold
_QUEUED = 8  # calls of a layer on a GPU, which runs behind the program as it does in a network
_MOST_THREADS = 1024

Call = Callable[..., object]


def calibrate(
    *,
    threads: int | None = None,
    device: str = "cpu",
    runtime: str = EAGER,
    seconds: float = SECONDS,
    name: str = "",
    progress: Progress | None = None,
) -> Profile:
    """Measure this machine: about 500 synthetic layers of all kinds, for about `seconds`; none is taken from a network.

    `threads` is torch's number unless given. With `runtime` "onnxruntime" layers are measured in ONNX Runtime, on the
    CPU. Close other programs meanwhile. The profile is returned, not kept; `cost(..., profile=)` predicts with it.

    Raises NetwrightError for a device or runtime that is not there and for numbers that cannot be.

    >>> profile = nw.calibrate(seconds=60)   # doctest: +SKIP
    >>> nw.cost(nw.network("resnet50"), profile=profile).milliseconds   # doctest: +SKIP
    80.3
    """
    place = Place.of(device)
    _check(threads, runtime, seconds, place)
    quiet = progress or Progress(quiet=True)
    with _threads(threads), quiet.bar("calibrating") as step:
        used = torch.get_num_threads()
        if runtime == ONNXRUNTIME:
            from netwright.measuring.onnx_probes import measure_onnx

            samples, versions = measure_onnx(used, seconds, step)
            beside: tuple[ChainSample, ...] = ()
        else:
            samples, beside = _measured(probes(), chains(), seconds, place.device, step)
            versions = (("netwright", VERSION), ("torch", torch.__version__))
    machine = this_machine()
    called = name or default_name(machine, runtime, device, used)
    date = datetime.date.today().isoformat()
    return Profile(called, machine, runtime, device, place.precision, used, date, versions, samples, beside)


def _check(threads: int | None, runtime: str, seconds: float, place: Place) -> None:
    if runtime not in RUNTIMES:
        raise NetwrightError(
            f"unknown runtime {runtime!r}{did_you_mean(str(runtime), RUNTIMES) or ': choose eager or onnxruntime'}"
        )
    if runtime == ONNXRUNTIME and place.device.type != "cpu":
        raise NetwrightError("ONNX Runtime is measured on the CPU only: choose --device cpu")
    if threads is not None and (type(threads) is not int or not 1 <= threads <= _MOST_THREADS):
        raise NetwrightError(f"threads is {threads!r}, expected a whole number from 1 to {_MOST_THREADS}")
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


# ---------------------------------------------------------------- eager torch


Measured = tuple[tuple[Sample, ...], tuple[ChainSample, ...]]


def _measured(chosen: Sequence[Probe], linked: Sequence[Chain], seconds: float, device: torch.device, step: Step) -> Measured:
    """Medians over rounds, each of which measures every layer once, and every chain.

    Rounds go from large maps to small ones, as networks do. A layer is called twice with other weights each time and the second
    call counts: code is warm, its input lies where the layer before left it, and weights come from memory.
    """
    chance = random.Random(0)
    taken: list[list[float]] = [[] for _ in range(len(chosen) + len(linked))]
    pool = _Pool(device)
    with torch.inference_mode():
        calls = [(_call(probe, pool), _call(probe, pool)) for probe in chosen]
        models = [_network(chain, device) for chain in linked]
        started, rounds = time.perf_counter(), 0
        while rounds < LEAST_ROUNDS or time.perf_counter() - started < seconds:
            for i in _order(chosen, chance):
                taken[i].append([_timed(chosen[i], call, device) for call in calls[i]][-1])
            for i, model in enumerate(models, len(chosen)):
                taken[i].append([once(model, device) for _ in range(2)][-1])
            rounds += 1
            share = min((time.perf_counter() - started) / seconds, rounds / LEAST_ROUNDS, 1.0)
            step(round(1000 * share), 1000, f"round {rounds}")
        step(1000, 1000, f"{rounds} rounds")
    middle = [statistics.median(times[1:]) for times in taken]  # the first round makes kernels
    samples = [Sample(probe.work, took) for probe, took in zip(chosen, middle, strict=False)]
    beside = [ChainSample(chain.works, took) for chain, took in zip(linked, middle[len(chosen) :], strict=True)]
    return tuple(samples), tuple(beside)


def _network(chain: Chain, device: torch.device) -> Callable[[], object]:
    """What runs a chain once."""
    model = build(chain.design, seed=0, device=device).eval()
    batch = torch.full((chain.batch, 3, *chain.image), 0.5, device=device)
    return lambda: model(batch)


def _order(chosen: Sequence[Probe], chance: random.Random) -> list[int]:
    sizes = [max(probe.work.read, probe.work.written) * 2 ** chance.uniform(-1, 1) for probe in chosen]
    falling = sorted(range(len(chosen)), key=lambda i: -sizes[i])
    return [i for sweep in range(_SWEEPS) for i in falling[sweep::_SWEEPS]]


def _timed(probe: Probe, call: Call, device: torch.device) -> float:
    """Seconds of a call whose input has just been written."""
    maps = [torch.full((probe.batch, *shape), 0.5, device=device) for shape in probe.inputs]
    if device.type == "cpu":
        return once(lambda: call(*maps), device)
    finish(device)
    return once(lambda: [call(*maps) for _ in range(_QUEUED)][-1], device) / _QUEUED


class _Pool:
    """One long row of numbers; weights are parts of it, so that each is read from memory and not from a cache."""

    def __init__(self, device: torch.device) -> None:
        self._values = torch.rand(_POOL, device=device) * 0.1 + 0.01
        self._next = 0

    def part(self, shape: Sequence[int]) -> Tensor:
        """The next values, in this shape; from the beginning again where too few are left."""
        count = torch.Size(shape).numel()
        if self._next + count > len(self._values):
            self._next = 0
        made = self._values[self._next : self._next + count].view(*shape)
        self._next += -(-count // 64) * 64
        return made


def _call(probe: Probe, pool: _Pool) -> Call:
    """What `build` would have a network call for this layer, with weights out of the pool."""
    if isinstance(probe.layer, Padding):
        return lambda x: nn.functional.pad(x, (0, 1, 0, 1))
    count = len(probe.inputs)
    tape: Tape = [field for shape in probe.inputs for field in ("~input", L.Input(), (), shape, None)]
    tape += ["layer", probe.layer, tuple(range(count)), probe.out, probe.layer.counts(probe.out)]
    program = _module(Graph(tape, count, (count,)), "Layer", {}, fx.GraphModule)
    (node,) = (node for node in program.graph.nodes if node.op.startswith("call"))
    if node.op == "call_module":
        leaf = program.get_submodule(str(node.target)).eval()
        if probe.inplace:
            leaf.inplace = True  # type: ignore[assignment]
        _fill(leaf, pool)
        return leaf
    function = node.target
    assert callable(function)
    if isinstance(node.args[0], (list, tuple)):
        return lambda *maps: function(list(maps), *node.args[1:])
    return lambda *maps: function(*maps, *node.args[count:])


def _fill(leaf: nn.Module, pool: _Pool) -> None:
    for name, weight in list(leaf.named_parameters()):
        setattr(leaf, name, nn.Parameter(pool.part(weight.shape), requires_grad=False))
    for name, value in list(leaf.named_buffers()):
        leaf.register_buffer(name, pool.part(value.shape) if value.is_floating_point() else torch.zeros((), dtype=value.dtype))
