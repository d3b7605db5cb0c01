"""On what and how a training is computed: what changes its speed, not (but for rounding) what is learned."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import Any, Literal

import torch

from netwright.errors import NetwrightError
from netwright.graph import Size, Value


class Machine(Value):
    """Device, precision, memory layout and compilation.

    `device` is "auto" (a GPU where there is one), "cpu", "cuda" or "cuda:1". `precision` "bf16" and "fp16" are torch's mixed
    precision (weights stay fp32). "auto" is measured for a few steps before the first one, kept in the run's work folder and
    not measured again when the run goes on. `micro_batch` is the number of pictures that are computed at once (0: the whole
    batch); smaller ones add their gradients up, but batch norms then see fewer pictures. `workers` are threads that decode
    pictures (0: as many as there are processors). `deterministic` picks algorithms that give the same bits every time.
    `shared_norms` lets batch norms take the statistics of all processes' pictures.
    """

    device: str = "auto"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    layout: Literal["auto", "contiguous", "channels_last"] = "channels_last"
    compiled: Literal["auto", "yes", "no"] = "no"
    graph: Literal["auto", "yes", "no"] = "auto"
    micro_batch: Size = 0
    workers: Size = 0
    deterministic: bool = True
    shared_norms: bool = False

    @property
    def choices(self) -> dict[str, Any]:
        """What changes the last bits of what is learned; a training goes on with the same."""
        others = ("device", "graph", "workers", "deterministic")
        return {name: value for name, value in self.fields().items() if name not in others}


LAYOUTS = {"contiguous": torch.contiguous_format, "channels_last": torch.channels_last}


def layout_of(machine: Machine) -> torch.memory_format:
    """The memory layout of a machine whose choices are made."""
    return LAYOUTS[machine.layout]


def device_of(machine: Machine, process: int = 0) -> torch.device:
    """The device that is meant; of several processes on one machine each takes the GPU of its number.

    Raises NetwrightError for a device that is not here.
    """
    name = machine.device
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise NetwrightError(f"there is no device {name!r}: give auto, cpu, cuda or cuda:1") from None
    if device.type not in ("cpu", "cuda"):
        raise NetwrightError(f"training on {name!r} is not supported: give auto, cpu, cuda or cuda:1")
    if device.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        device = torch.device("cuda", process if device.index is None else device.index)
        if device.index >= count:
            raise NetwrightError(f"there is no device {device}: this machine has {count} GPUs that torch can use")
    return device


def used(device: torch.device) -> torch.device:
    """The device, made the current one: graphs, generators and NCCL look there. Algorithms of cuBLAS become repeatable."""
    if device.type == "cuda":
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read at its first call
        torch.cuda.set_device(device)
    return device


def lacks_memory(error: RuntimeError) -> bool:
    """Whether torch ran out of memory; on a CPU, and from cuDNN and cuBLAS, it says so in words only."""
    words = ("not enough memory", "can't allocate memory", "STATUS_ALLOC_FAILED")
    return isinstance(error, torch.OutOfMemoryError) or any(word in str(error) for word in words)


@contextlib.contextmanager
def configured(machine: Machine, device: torch.device) -> Iterator[None]:
    """torch's switches for a machine: on a GPU algorithms that give the same bits every time, or any.

    cuDNN's benchmark mode stays off: it measures for 4 to 30 s at the first step of each network.
    """
    if device.type != "cuda":
        yield
        return
    before = torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark
    torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = machine.deterministic, False
    strict, warns = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(machine.deterministic or strict, warn_only=True)
    try:
        yield
    finally:
        torch.backends.cudnn.deterministic, torch.backends.cudnn.benchmark = before
        torch.use_deterministic_algorithms(strict, warn_only=warns)
