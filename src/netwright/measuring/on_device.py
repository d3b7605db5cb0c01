"""Measures tiny ONNX models; needs ONNX Runtime and NumPy only, as `calibrate --script` copies this file as it is."""

from __future__ import annotations

import argparse
import base64
import datetime
import json
import os
import platform
import random
import statistics
import sys
import tempfile
import time
import zlib

import numpy as np
import onnxruntime

TYPE_CHECKING = False  # a constant of its own: a script needs no typing
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    Layer = dict[str, Any]
    Step = Callable[[int, int, str], None]

PASSES = 2  # over all layers: what disturbs the machine for a second hits one of them
MOST_RUNS = 200
LEAST_RUNS = 3
NOT_COUNTED = ("ReorderInput", "ReorderOutput", "Shape")  # what stands around a single layer, but not within a network


def unpack(packed: str) -> list[Layer]:
    """The layers that a script carries: each its work, the shapes of its inputs with the batch, and its model."""
    layers: list[Layer] = json.loads(zlib.decompress(base64.b85decode(packed)))
    for layer in layers:
        layer["model"] = base64.b64decode(layer["model"])
    return layers


def kernel_seconds(path: str) -> float:
    """Seconds of a layer in the profile that ONNX Runtime wrote: the medians of its nodes, without what stands around it."""
    with open(path, encoding="utf-8") as file:  # noqa: PTH123
        events = json.load(file)
    taken: dict[str, list[float]] = {}  # by node
    for event in events:
        kernel = event.get("cat") == "Node" and event["name"].endswith("_kernel_time")
        if kernel and event["args"].get("op_name") not in NOT_COUNTED:
            taken.setdefault(event["name"], []).append(event["dur"])
    # a microsecond is the clock's step: a kernel that takes less still takes something
    return sum(max(statistics.mean(sorted(t)[: (len(t) + 1) // 2]), 0.5) for t in taken.values()) * 1e-6


def measure(layer: Layer, threads: int, seconds: float, folder: str) -> float | None:
    """Seconds that a layer takes, measured for about so long; None where ONNX Runtime cannot run it."""
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    options.intra_op_num_threads = threads
    options.enable_profiling = True
    options.profile_file_prefix = os.path.join(folder, "layer")  # noqa: PTH118
    try:
        session = onnxruntime.InferenceSession(layer["model"], options, providers=["CPUExecutionProvider"])
        given = {x.name: np.full(shape, 0.5, np.float32) for x, shape in zip(session.get_inputs(), layer["inputs"])}  # noqa: B905
        session.run(None, given)
        end = time.perf_counter() + seconds
        runs = 0
        while runs < LEAST_RUNS or (runs < MOST_RUNS and time.perf_counter() < end):
            session.run(None, given)
            runs += 1
        path = session.end_profiling()
    except Exception:  # of ONNX Runtime's making: an older one may not know a layer
        return None
    taken = kernel_seconds(path)
    os.remove(path)  # noqa: PTH107
    return taken or None


def measure_all(layers: Sequence[Layer], threads: int, seconds: float, step: Step) -> list[float | None]:
    """Seconds of each layer, or None; `step` is told how many are done, of how many."""
    order = list(range(len(layers))) * PASSES
    random.Random(0).shuffle(order)
    taken: list[list[float]] = [[] for _ in layers]
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        for done, i in enumerate(order):
            left = seconds - (time.perf_counter() - started)
            took = measure(layers[i], threads, max(left, 0) / (len(order) - done) * 0.6, folder)
            if took is not None:
                taken[i].append(took)
            step(done + 1, len(order), "")
    return [min(several) if several else None for several in taken]


def samples_of(layers: Sequence[Layer], seconds: Sequence[float | None]) -> list[Layer]:
    """The measured layers, as a profile has them."""
    both = zip(layers, seconds)  # noqa: B905
    return [dict(layer["work"], seconds=taken) for layer, taken in both if taken is not None]


def main(packed: str, about: Layer, describe: Callable[[], str]) -> int:
    """What a script does: measure, and write a profile to bring back."""
    parser = argparse.ArgumentParser(
        description="Measure this device for netwright; bring the file back with calibrate --import."
    )
    parser.add_argument("-o", "--out", default="profile.json", help="the profile to write (profile.json)")
    parser.add_argument("--name", default="", help="what to call the device")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1, help="of ONNX Runtime (as many as there are cores)")
    parser.add_argument("--seconds", type=float, default=120.0, help="how long to measure, about (120)")
    chosen = parser.parse_args()
    if chosen.threads < 1 or not 0 < chosen.seconds < 3600:
        parser.error("--threads must be at least 1, --seconds positive and below 3600")

    def show(done: int, total: int, word: str) -> None:
        if sys.stderr.isatty() or done % 100 == 0 or done == total:
            print(f"\rmeasuring: {100 * done // total} %", end="" if done < total else "\n", file=sys.stderr, flush=True)

    try:
        with open(chosen.out + ".part", "w", encoding="utf-8"):  # noqa: PTH123 (better now than after two minutes)
            pass
    except OSError as error:
        parser.error(f"cannot write {chosen.out}: {error.strerror}")
    layers = unpack(packed)
    samples = samples_of(layers, measure_all(layers, chosen.threads, chosen.seconds, show))
    machine = {"processor": describe(), "cores": os.cpu_count() or 1, "system": platform.system() + " " + platform.machine()}
    made = dict(about, name=chosen.name or platform.node() or "device", machine=machine, threads=chosen.threads)
    made.update(date=datetime.date.today().isoformat(), samples=samples, chains=[])
    made["versions"] = dict(made["versions"], onnxruntime=onnxruntime.__version__, python=platform.python_version())
    try:
        with open(chosen.out + ".part", "w", encoding="utf-8") as file:  # noqa: PTH123
            json.dump(made, file, indent=1)
        os.replace(chosen.out + ".part", chosen.out)  # noqa: PTH105
    except OSError as error:
        print(f"cannot write {chosen.out}: {error.strerror}", file=sys.stderr)
        return 1
    print(f"{chosen.out}: {len(samples)} layers measured; bring it back with: netwright calibrate --import {chosen.out}")
    return 0
