"""One step of each optimizer beside torch's modes, in turns, on the parameters of real networks.

    python benchmarks/optimizers.py [--params resnet50 efficientnet_b0 268M] [--device cuda] [--rounds 15] [--out FILE]

Every optimizer runs in our `path="auto"` and in each mode that torch.optim has for it (loop, foreach, fused), with random
gradients, in another order in each round; medians over the rounds. On a GPU a round is 20 steps between two events, with
the host's work in them; the copy bandwidth, which the last column is a share of, is measured in the same run. `268M` is 16
matrices of 4096 x 4096. Bytes: what a step must read and write (facts: parameter, gradient and state in, parameter and
state out). The state's bytes beyond the parameters are measured, too.
"""

from __future__ import annotations

import argparse
import platform
import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

import netwright as nw
from netwright import optim
from netwright.costing.states import STATES

NAMES = ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "lion")
MODES: dict[str, dict[str, Any]] = {"loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
STEPS = 20  # of a round on a GPU


@dataclass(frozen=True)
class Contestant:
    """An optimizer over parameters of its own; `seconds` holds one number a round."""

    label: str
    optimizer: torch.optim.Optimizer
    seconds: list[float]


def shapes_of(name: str) -> list[tuple[int, ...]]:
    """The parameters' shapes of a network of the zoo, or 16 large matrices."""
    if name == "268M":
        return [(4096, 4096)] * 16
    return [tuple(p.shape) for p in nw.build(nw.network(name)).parameters()]


def parameters(shapes: list[tuple[int, ...]], device: str) -> list[nn.Parameter]:
    """Random parameters, with gradients a hundred times smaller."""
    source = torch.Generator(device).manual_seed(0)
    made = [nn.Parameter(torch.randn(shape, generator=source, device=device)) for shape in shapes]
    for p in made:
        p.grad = torch.randn(p.shape, generator=source, device=device) * 0.01
    return made


def contestants(name: str, shapes: list[tuple[int, ...]], device: str) -> list[Contestant]:
    """Ours, and torch's modes: those that exist on the device. All move the same parameters, each with a state of its own:
    where memory lies makes more of a difference than one kernel to the next.
    """
    kind: Any
    kind, fixed = optim.named(name)
    params = parameters(shapes, device)
    made = [Contestant("netwright", kind(params, lr=1e-3, **fixed), [])]
    theirs = getattr(torch.optim, kind.__name__, None)
    if theirs is None:
        return made
    for label, mode in MODES.items():
        try:
            made.append(Contestant(label, theirs(params, lr=1e-3, **fixed, **mode), []))
        except (TypeError, RuntimeError):
            continue  # torch has no such kernel
    return made


def timed(step: Callable[[], Any], device: str) -> float:
    """Seconds of a step."""
    if device == "cpu":
        start = time.perf_counter()
        step()
        return time.perf_counter() - start
    before, after = (torch.cuda.Event(enable_timing=True) for _ in range(2))  # type: ignore[no-untyped-call]
    torch.cuda.synchronize()
    before.record()
    for _ in range(STEPS):
        step()
    after.record()
    torch.cuda.synchronize()
    return float(before.elapsed_time(after)) / 1e3 / STEPS


def copy_bandwidth(device: str) -> float:
    """Bytes per second of a copy, read and written, of 1 GiB (256 MiB on a CPU); the best of 10."""
    source = torch.zeros((1 << 30 if device != "cpu" else 1 << 28) // 4, device=device)
    target = torch.empty_like(source)
    taken = [timed(lambda: target.copy_(source), device) for _ in range(10)]
    return 2 * source.numel() * 4 / min(taken)


def state_bytes(optimizer: torch.optim.Optimizer) -> int:
    """Bytes of all tensors in the state, each memory once."""
    held: dict[int, int] = {}
    for state in optimizer.state.values():
        for value in state.values():
            if isinstance(value, Tensor):
                held[value.untyped_storage().data_ptr()] = value.untyped_storage().nbytes()
    return sum(held.values())


def measure(params: str, device: str, rounds: int, bandwidth: float) -> list[str]:
    """The rows of one set of parameters."""
    shapes = shapes_of(params)
    count = sum(torch.Size(shape).numel() for shape in shapes)
    rows = []
    for name in NAMES:
        field = contestants(name, shapes, device)
        source = random.Random(0)
        for _ in range(rounds + 2):
            for one in source.sample(field, len(field)):
                one.seconds.append(timed(one.optimizer.step, device))
        found = {one.label: statistics.median(one.seconds[2:]) for one in field}  # the first two warm up
        ours, peers = found["netwright"], {label: s for label, s in found.items() if label != "netwright"}
        cells = [f"{peers[label] / ours:.2f}" if label in peers else "-" for label in MODES]
        best = f"{min(peers.values()) / ours:.2f}" if peers else "-"
        needed = (3 + 2 * STATES[name]) * 4 * count
        share = f"{needed / ours / bandwidth:.0%}"
        beyond = state_bytes(field[0].optimizer) / 4 / count
        milliseconds = f"{ours * 1e3:.3f}" if device != "cpu" else "-"
        rows.append(f"| {params} | {name} | {milliseconds} | {' | '.join(cells)} | {best} | {share} | {beyond:.3f} |")
        print(rows[-1], flush=True)
    return rows


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--params", nargs="+", default=["efficientnet_b0", "resnet50", "268M"])
    options.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    options.add_argument("--rounds", type=int, default=15)
    options.add_argument("--threads", type=int, default=torch.get_num_threads())
    options.add_argument("--out", type=Path)
    chosen = options.parse_args()
    torch.set_num_threads(chosen.threads)
    bandwidth = copy_bandwidth(chosen.device)
    where = torch.cuda.get_device_name() if chosen.device != "cpu" else f"{platform.processor() or platform.machine()}, CPU"
    words = f"--params {' '.join(chosen.params)} --device {chosen.device} --rounds {chosen.rounds} --threads {chosen.threads}"
    lines = [
        f"`python benchmarks/optimizers.py {words}`",
        "",
        f"{where}, {chosen.threads} threads, copy bandwidth {bandwidth / 1e9:,.0f} GB/s, torch {torch.__version__}.",
        f"Times of torch's modes over ours (above 1: ours is faster), medians of {chosen.rounds} rounds.",
        "Share: of copy bandwidth. State: numbers of fp32 for each parameter.",
        "",
        "| parameters | optimizer | ours, ms | loop | foreach | fused | best mode | share | state |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    print("\n".join(lines), flush=True)
    for params in chosen.params:
        lines += measure(params, chosen.device, chosen.rounds, bandwidth)
    if chosen.out:
        chosen.out.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
