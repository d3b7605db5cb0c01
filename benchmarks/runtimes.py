"""Images per second of netwright's runtimes and of timm's eager models, in turns in one process, on random pictures.

    PYTHONPATH=.venv/peers python benchmarks/runtimes.py [--networks resnet50 ...] [--batches 1 16] [--out FILE]

The same network with fresh weights, once made by timm and run as it is (with the layout of its making, and channels last
beside it), once made by netwright in each of its runtimes, which were compared with netwright's eager model before. What
is timed begins with a contiguous fp32 batch and ends with logits. The runtimes take turns; each is warmed up in each round.
`make compat` puts timm and torchvision into `.venv/peers`. OMP_WAIT_POLICY (unset: threads spin while they wait) holds for
all alike; the table says what it was.
--measured FILE collects the rows of several processes, one network each.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import statistics
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from importlib.metadata import version
from pathlib import Path

import torch
from peers import timm

import netwright as nw
from netwright.costing.profiles import describe_processor
from netwright.errors import NetwrightError
from netwright.inference.runtimes import RUNTIMES, Call, Place, compared, open_runtime
from netwright.measuring.timing import Timing, times

NETWORKS = ("resnet50", "mobilenetv2_100", "efficientnet_b0", "regnety_016")
PEER, PEER_LAST = "timm eager", "timm eager, channels last"
Row = dict[str, dict[str, float]]  # runtime -> median_ms, p95_ms, repeats, setup_seconds


def contestants(network: str) -> dict[str, Callable[[], Call]]:
    """What opens each of them."""
    torch.manual_seed(0)
    models: list[torch.nn.Module] = [timm.create_model(network).eval() for _ in range(2)]
    peer, last = models
    last.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    ours = nw.build(network, seed=0).eval()
    made: dict[str, Callable[[], Call]] = {
        PEER: lambda: peer,
        PEER_LAST: lambda: lambda batch: last(batch.to(memory_format=torch.channels_last)),
    }
    return made | {name: partial(open_runtime, name, ours, (3, 224, 224)) for name in RUNTIMES}


def measure(network: str, batches: list[int], seconds: float, rounds: int) -> dict[int, Row]:
    """By batch size, in milliseconds for a batch."""
    opened: dict[str, Call] = {}
    found: dict[int, Row] = {}
    opening = contestants(network)
    for images in batches:
        batch = torch.randn(images, 3, 224, 224, generator=torch.Generator().manual_seed(0))
        taken: dict[str, list[float]] = defaultdict(list)
        setup: dict[str, float] = {}
        expected = opening["eager"]()(batch)
        for name, opens in opening.items():
            started = time.perf_counter()
            try:
                opened[name] = opened.get(name) or opens()
                logits = opened[name](batch)
                setup[name] = time.perf_counter() - started
                if name in RUNTIMES:
                    compared(name, logits, expected, Place())
            except NetwrightError as error:
                print(f"{network}, batch of {images}: {name} is left out: {error}", flush=True)
                setup.pop(name, None)
        for _ in range(rounds):
            for name in setup:
                part = seconds / rounds
                taken[name] += times(partial(opened[name], batch), warmup_seconds=part / 4, seconds=part, least=2)
        found[images] = {name: row(taken[name], setup[name]) for name in setup}
        print(f"{network}, batch of {images}: " + ", ".join(f"{n} {r['median_ms']:.1f} ms" for n, r in found[images].items()))
    return found


def row(taken: list[float], setup: float) -> dict[str, float]:
    timing = Timing.of(taken)
    return {
        "median_ms": 1e3 * timing.median,
        "p95_ms": 1e3 * timing.p95,
        "repeats": timing.repeats,
        "setup_seconds": setup,
    }


def table(found: dict[str, dict[int, Row]], told: str) -> str:
    """Images per second of all, the best of ours and how many times the peer's that is."""
    names = [PEER, PEER_LAST, *RUNTIMES]
    head = ["network", "batch", *names, "best of ours", "x timm eager", "x timm channels last", "p95, best (ms)", "repeats"]
    lines = ["| " + " | ".join(head) + " |", "|---|" + "---:|" * (len(names) + 1) + "---|---:|---:|---:|---:|"]
    ratios: list[float] = []
    last_ratios: list[float] = []
    for network, batches in found.items():
        for images, rows in batches.items():
            best = min((name for name in rows if name in RUNTIMES), key=lambda name: rows[name]["median_ms"])
            ratios.append(rows[PEER]["median_ms"] / rows[best]["median_ms"])
            last_ratios.append(rows[PEER_LAST]["median_ms"] / rows[best]["median_ms"])
            speeds = [f"{1e3 * images / rows[name]['median_ms']:,.1f}" if name in rows else "-" for name in names]
            cells = [network, str(images), *speeds, best, f"**{ratios[-1]:.2f}**", f"{last_ratios[-1]:.2f}"]
            cells += [f"{rows[best]['p95_ms']:.1f}", f"{min(int(r['repeats']) for r in rows.values())}"]
            lines.append("| " + " | ".join(cells) + " |")
    mean, last_mean = (math.exp(statistics.fmean(map(math.log, values))) for values in (ratios, last_ratios))
    beside = f"(of timm in channels last: {min(last_ratios):.2f} and {last_mean:.2f})"
    lines += ["", f"Least ratio {min(ratios):.2f}, geometric mean {mean:.2f} {beside}.", told]
    return "\n".join(lines)


def conditions(threads: int, seconds: float, rounds: int) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("torch", "onnxruntime", "timm"))
    policy = os.environ.get("OMP_WAIT_POLICY") or "unset"
    return (
        f"Images per second by the median of all repetitions (the fewest at the right): {seconds:g} s or more for each, in "
        f"{rounds} rounds; 224 px, fp32, {threads} threads, OMP_WAIT_POLICY {policy}. netwright {nw.__version__}, {packages}, "
        f"Python {platform.python_version()}; {describe_processor()}, {os.cpu_count()} cores, {platform.system()}."
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--networks", nargs="+", default=list(NETWORKS))
    parser.add_argument("--batches", nargs="+", type=int, default=[1, 16])
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seconds", type=float, default=6.0, help="for each runtime and batch size")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--measured", type=Path, help="a JSON file of what is measured: rows of other networks in it are kept")
    parser.add_argument("--out", type=Path, help="write the table here, with the command")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    found: dict[str, dict[int, Row]] = {}
    if chosen.measured and chosen.measured.exists():
        kept = json.loads(chosen.measured.read_text())
        found = {name: {int(images): rows for images, rows in batches.items()} for name, batches in kept.items()}
    with torch.inference_mode():
        for network in chosen.networks:
            found[network] = measure(network, chosen.batches, chosen.seconds, chosen.rounds)
    if chosen.measured:
        chosen.measured.write_text(json.dumps(found, indent=1))
    text = table(found, conditions(chosen.threads, chosen.seconds, chosen.rounds))
    print(text)
    if chosen.out:
        policy = os.environ.get("OMP_WAIT_POLICY")
        words = f"{f'OMP_WAIT_POLICY={policy} ' if policy else ''}PYTHONPATH=.venv/peers python benchmarks/runtimes.py"
        options = f"--threads {chosen.threads} --seconds {chosen.seconds:g} --rounds {chosen.rounds}"
        command = f"{words} --networks {' '.join(found)} --batches {' '.join(map(str, chosen.batches))} {options}"
        chosen.out.write_text(f"# Runtimes\n\n    {command}\n\n{text}\n")


if __name__ == "__main__":
    main()
