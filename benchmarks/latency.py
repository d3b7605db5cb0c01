"""Predicted against measured latency, over networks that the calibration never saw.

    python benchmarks/latency.py [--profile FILE] [--networks NAME ...] [--batches 1 8] [--seconds 200] [--threads 2] [--out FILE]

Calibrates first (two minutes) unless a profile is given. The networks then take turns, in rounds, in one process, each at its own
image size, as `build` makes them (eager torch, fp32, contiguous); medians of the rounds. Batches beyond the first are measured
for every third network.
"""

from __future__ import annotations

import argparse
import gc
import platform
import random
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

import netwright as nw
from netwright.costing.latency import Profile, predict
from netwright.costing.profiles import load
from netwright.graph import own_image, trace
from netwright.measuring.calibrate import calibrate
from netwright.measuring.timing import once
from netwright.progress import Progress

NETWORKS = [
    "alexnet", "vgg11", "vgg13_bn", "zfnet", "googlenet", "inception_v3", "resnet18", "resnet34c", "resnet50",
    "resnet50d", "resnet101", "resnext50_32x4d", "wide_resnet50_2", "seresnet18", "seresnet50", "seresnext50_32x4d",
    "legacy_seresnet34", "resnet20_cifar", "resnet56_cifar", "resnet110_cifar", "plain20_cifar", "wrn_16_4",
    "mobilenetv1_025", "mobilenetv1_100", "mobilenetv2_035", "mobilenetv2_100", "mobilenetv2_140", "efficientnet_b0",
    "efficientnet_b2", "efficientnet_b4", "mnasnet_a1", "regnetx_002", "regnetx_016", "regnetx_064", "regnety_002",
    "regnety_016", "regnety_040", "repvgg_a0", "repvgg_b1g4", "parnet_s", "squeezenet1_0", "squeezenet1_1",
]  # fmt: skip
LEAST_ROUNDS = 5


class Case(NamedTuple):
    """A network at a batch, ready to run, and what is predicted for it in milliseconds."""

    name: str
    image: int
    batch: int
    call: Callable[[], object]
    predicted: float


def cases(names: list[str], batches: list[int], profile: Profile) -> list[Case]:
    made = []
    for i, name in enumerate(names):
        design = nw.network(name)
        if design.fields().get("aux"):
            design = design.replace(aux=False)
        image, model = own_image(design), nw.build(design, seed=0).eval()
        rows = trace(design, image).flat().rows
        for batch in batches if i % 3 == 0 else batches[:1]:
            maps = torch.randn(batch, 3, image, image, generator=torch.Generator().manual_seed(0))
            made.append(Case(name, image, batch, lambda model=model, maps=maps: model(maps), sum(predict(rows, profile, batch))))  # type: ignore[misc]
    return made


def measure(chosen: list[Case], seconds: float) -> dict[Case, list[float]]:
    """Milliseconds of every round but the first, which makes kernels. A network runs twice in each; the second time counts."""
    taken: dict[Case, list[float]] = {case: [] for case in chosen}
    order, device = list(chosen), torch.device("cpu")
    started, rounds = time.perf_counter(), 0
    with torch.inference_mode(), Progress().bar("measuring") as step:
        while rounds < LEAST_ROUNDS + 1 or time.perf_counter() - started < seconds:
            random.Random(rounds).shuffle(order)
            for case in order:
                took = [once(case.call, device) for _ in range(2)][-1]
                if rounds:
                    taken[case].append(1e3 * took)
            rounds += 1
            step(
                round(100 * min(1.0, (time.perf_counter() - started) / seconds, rounds / (LEAST_ROUNDS + 1))),
                100,
                f"round {rounds}",
            )
            gc.collect()
    return taken


def table(taken: dict[Case, list[float]], profile: Profile) -> str:
    lines = [
        "| network | px | batch | predicted ms | measured ms | error | in the rounds |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for case, several in taken.items():
        middle = statistics.median(several)
        error = case.predicted / middle - 1
        spread = f"{min(several):.1f} to {max(several):.1f}"
        head = f"| {case.name} | {case.image} | {case.batch} "
        lines.append(f"{head}| {case.predicted:.1f} | {middle:.1f} | {100 * error:+.1f} % | {spread} |")
    lines.append("")
    for batch in sorted({case.batch for case in taken}):
        some = [(case.predicted, statistics.median(several)) for case, several in taken.items() if case.batch == batch]
        errors = sorted(abs(p / m - 1) for p, m in some)
        ranks = np.argsort(np.argsort(np.array(some), axis=0), axis=0)
        rank = float(np.asarray(np.corrcoef(ranks.T))[0, 1]) if len(some) > 1 else float("nan")
        most = errors[int(0.9 * (len(errors) - 1) + 0.5)]
        lines.append(
            f"Batch {batch}, {len(some)} networks: Spearman {rank:.3f}, absolute relative error median "
            f"{100 * statistics.median(errors):.1f} %, nine tenths within {100 * most:.1f} %.\n"
        )
    rounds = len(next(iter(taken.values())))
    lines.append(f"Medians of {rounds} rounds in random order. Profile: {profile}.")
    versions = ", ".join(f"{name} {version}" for name, version in profile.versions)
    lines.append(f"{versions}, Python {platform.python_version()}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, help="measured before (netwright calibrate -o FILE)")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=[1])
    parser.add_argument("--seconds", type=float, default=200.0, help="to measure the networks")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="also write the table here, with the command")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    profile = load(chosen.profile) if chosen.profile else calibrate(threads=chosen.threads, progress=Progress())
    text = table(measure(cases(chosen.networks, chosen.batches, profile), chosen.seconds), profile)
    print(text)
    if chosen.out:
        words = [f"--threads {chosen.threads}", "--batches " + " ".join(map(str, chosen.batches))]
        words += ["--profile FILE"] if chosen.profile else []
        words += ["--networks " + " ".join(chosen.networks)] if chosen.networks != NETWORKS else []
        chosen.out.write_text(
            f"# Predicted and measured latency\n\n    python benchmarks/latency.py {' '.join(words)}\n\n{text}\n"
        )


if __name__ == "__main__":
    main()
