"""Predicted time: what a machine was measured to need for layers, and what a network's layers will take on it. No torch."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from netwright.costing.workload import Work, work_of
from netwright.errors import NetwrightError
from netwright.graph.flat import Row
from netwright.graph.layers import Activation, Add, Conv, Linear, Norm, Pool

if TYPE_CHECKING:
    from netwright.costing.latency_fit import Fitted

EAGER, ONNXRUNTIME = "eager", "onnxruntime"
RUNTIMES = (EAGER, ONNXRUNTIME)


class Sample(NamedTuple):
    """A synthetic layer, and the median of the seconds that it took."""

    work: Work
    seconds: float


class ChainSample(NamedTuple):
    """The calls of a short synthetic network, and the median of the seconds that all of it took."""

    works: tuple[Work, ...]
    seconds: float


@dataclass(frozen=True)
class Machine:
    """What decides whether a measurement holds for a machine."""

    processor: str
    cores: int
    system: str

    def __str__(self) -> str:
        return f"{self.processor}, {self.cores} cores, {self.system}"


@dataclass(frozen=True)
class Profile:
    """A machine as `calibrate` measured it: seconds of synthetic layers and short chains of them, and how they were measured.

    `device` is cpu or cuda, `date` an ISO date; `versions` are names and versions of the runtime's parts. `brought` marks
    a profile that was imported for another device: it is used wherever it is named.
    """

    name: str
    machine: Machine
    runtime: str
    device: str
    precision: str
    threads: int
    date: str
    versions: tuple[tuple[str, str], ...]
    samples: tuple[Sample, ...]
    chains: tuple[ChainSample, ...] = ()
    brought: bool = False

    def __str__(self) -> str:
        how = f"{self.threads} thread{'s' if self.threads != 1 else ''}" if self.device == "cpu" else self.device
        return f"{self.name} ({self.machine}; {self.runtime}, {how}, {self.precision}; measured {self.date})"

    @property
    def kinds(self) -> tuple[str, ...]:
        """The kinds of layers that were measured."""
        return tuple(sorted({sample.work.kind for sample in self.samples}))


def find_profile(name: str | None = None, *, device: str = "cpu", threads: int | None = None) -> Profile | None:
    """The profile of a name or a file; without one this machine's own, or None where it was never calibrated.

    Its own is the newest for eager torch on the `device`, with so many `threads`, or with any number of them.

    Raises NetwrightError for a name or file that is not there or is damaged, and for a profile that was measured on
    another machine, unless it was brought in under a name.
    """
    from netwright.costing.profiles import find

    return find(name, device, threads)


def predict(rows: Sequence[Row], profile: Profile, batch: int = 1) -> tuple[float, ...]:
    """Milliseconds that each row of a graph (`Graph.flat().rows`) takes for a batch; their sum is the network's.

    Rows that only rename values (inputs, views, dropout) take none, and in ONNX Runtime neither do norms, activations
    and sums that it computes within the convolution before them. Raises NetwrightError for a batch that cannot be.

    >>> from netwright.graph import trace
    >>> from netwright.zoo import network
    >>> rows = trace(network("resnet18")).flat().rows
    >>> profile = find_profile()
    >>> profile is None or sum(predict(rows, profile, batch=8)) > 0  # of a calibrated machine
    True
    """
    if type(batch) is not int or batch < 1:
        raise NetwrightError(f"batch is {batch!r}, expected a whole number of at least 1")
    fitted = _fitted(profile)
    works = works_of(rows, batch, absorbed(rows) if profile.runtime == ONNXRUNTIME else frozenset())
    seconds = fitted.seconds([work for several in works for work in several])
    place, made = 0, []
    for several in works:
        made.append(1e3 * math.fsum(seconds[place : place + len(several)]))
        place += len(several)
    return tuple(made)


def works_of(rows: Sequence[Row], batch: int, without: frozenset[int] = frozenset()) -> list[tuple[Work, ...]]:
    """The calls of each row of a graph; none for the rows `without`."""
    works: list[tuple[Work, ...]] = []
    for i, row in enumerate(rows):
        given = [rows[j].shape for j in row.inputs]
        works.append(() if i in without else work_of(row.layer, given, row.shape, batch, row.inplace))
    return works


@lru_cache(maxsize=8)
def _fitted(profile: Profile) -> Fitted:
    from netwright.costing.latency_fit import Fitted

    return Fitted.to(profile.samples, profile.chains)


_CLAMPED = {"relu", "relu6", "sigmoid"}  # the activations that ONNX Runtime computes within a convolution
_BLOCKED = (Conv, Pool)  # layers that leave a map in the layout of ONNX Runtime's convolutions


def absorbed(rows: Sequence[Row]) -> frozenset[int]:
    """Places of the rows that ONNX Runtime computes within a convolution (or linear layer) before them.

    Norms are folded; of activations and sums each convolution takes one, the sum first. The other map of a sum
    must have the convolutions' layout.
    """
    readers = Counter(j for row in rows for j in row.inputs)
    source: dict[int, int] = {}  # of an absorbed row: the layer that computes it
    activated: set[int] = set()
    summed: set[int] = set()
    for i, row in enumerate(rows):
        sources = [source.get(j, j) for j in row.inputs]
        for j, into in zip(row.inputs, sources, strict=True):
            layer = rows[into].layer
            if readers[j] != 1 or into in activated or not isinstance(layer, (Conv, Linear)):
                continue
            if isinstance(row.layer, Norm) and into not in summed:
                source[i] = into
            elif isinstance(row.layer, Activation) and row.layer.kind in _CLAMPED and isinstance(layer, Conv):
                source[i] = into
                activated.add(into)
            elif isinstance(row.layer, Add) and into not in summed and all(isinstance(rows[k].layer, _BLOCKED) for k in sources):
                source[i] = into
                summed.add(into)
            else:
                continue
            break
    return frozenset(source)
