"""Predicted against measured latency, over networks that the calibration never saw.

    python benchmarks/latency.py [--profile FILE] [--networks NAME ...] [--batches 1 8] [--rounds 10] [--threads 2] [--out FILE]

The networks take turns, in rounds, in one process, each at its own image size, as `build` makes them (eager torch, fp32,
contiguous); medians of the rounds. Batches beyond the first are measured for every third network. Unless a profile is given,
the machine is calibrated for a part of the two minutes before each other round, and the medians of these parts are the
profile: the speed of a machine that others share drifts by a third within minutes, which is not what is tested here.
"""

from __future__ import annotations

import argparse
import gc
import platform
import random
import statistics
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch

import netwright as nw
from netwright.costing.latency import ChainSample, Profile, Sample, predict
from netwright.costing.profiles import load
from netwright.graph import Row, own_image, trace
from netwright.measuring.calibrate import SECONDS, calibrate
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
PARTS = 5  # of a calibration


Measured = TypeVar("Measured", Sample, ChainSample)


class Case(NamedTuple):
    """A network at a batch, ready to run, with the rows of its graph."""

    name: str
    image: int
    batch: int
    call: Callable[[], object]
    rows: tuple[Row, ...]


def cases(names: list[str], batches: list[int]) -> list[Case]:
    made = []
    for i, name in enumerate(names):
        design = nw.network(name)
        if design.fields().get("aux"):
            design = design.replace(aux=False)
        image, model = own_image(design), nw.build(design, seed=0).eval()
        rows = trace(design, image).flat().rows
        for batch in batches if i % 3 == 0 else batches[:1]:
            maps = torch.randn(batch, 3, image, image, generator=torch.Generator().manual_seed(0))
            made.append(Case(name, image, batch, lambda model=model, maps=maps: model(maps), rows))  # type: ignore[misc]
    return made


def measure(chosen: list[Case], rounds: int, between: Callable[[int], None]) -> list[list[float]]:
    """Milliseconds of every round for each case, after one that makes kernels. Of two runs in a round the second counts."""
    taken: list[list[float]] = [[] for _ in chosen]
    order, device = list(range(len(chosen))), torch.device("cpu")
    with torch.inference_mode(), Progress().bar("measuring") as step:
        for number in range(rounds + 1):
            between(number)
            random.Random(number).shuffle(order)
            for i in order:
                took = [once(chosen[i].call, device) for _ in range(2)][-1]
                if number:
                    taken[i].append(1e3 * took)
            step(number + 1, rounds + 1, f"round {number}")
            gc.collect()
    return taken


def _middle(several: tuple[Measured, ...]) -> Measured:
    return several[0]._replace(seconds=statistics.median(one.seconds for one in several))


def merged(profiles: list[Profile]) -> Profile:
    """The medians of several calibrations, which measure the same layers."""
    samples = zip(*[profile.samples for profile in profiles], strict=True)
    chains = zip(*[profile.chains for profile in profiles], strict=True)
    return replace(profiles[0], samples=tuple(map(_middle, samples)), chains=tuple(map(_middle, chains)))


def table(chosen: list[Case], taken: list[list[float]], profile: Profile, calibrated: str) -> str:
    predicted = [sum(predict(case.rows, profile, case.batch)) for case in chosen]
    lines = [
        "| network | px | batch | predicted ms | measured ms | error | in the rounds |",
        "|---|---:|---:|---:|---:|---:|---|",
    ]
    for case, milliseconds, several in zip(chosen, predicted, taken, strict=True):
        middle = statistics.median(several)
        error = milliseconds / middle - 1
        spread = f"{min(several):.1f} to {max(several):.1f}"
        head = f"| {case.name} | {case.image} | {case.batch} "
        lines.append(f"{head}| {milliseconds:.1f} | {middle:.1f} | {100 * error:+.1f} % | {spread} |")
    lines.append("")
    for batch in sorted({case.batch for case in chosen}):
        some = [(p, statistics.median(m)) for case, p, m in zip(chosen, predicted, taken, strict=True) if case.batch == batch]
        errors = sorted(abs(p / m - 1) for p, m in some)
        ranks = np.argsort(np.argsort(np.array(some), axis=0), axis=0)
        rank = float(np.asarray(np.corrcoef(ranks.T))[0, 1]) if len(some) > 1 else float("nan")
        most = errors[int(0.9 * (len(errors) - 1) + 0.5)]
        lines.append(
            f"Batch {batch}, {len(some)} networks: Spearman {rank:.3f}, absolute relative error median "
            f"{100 * statistics.median(errors):.1f} %, nine tenths within {100 * most:.1f} %.\n"
        )
    lines.append(f"Medians of {len(taken[0])} rounds in random order; {calibrated}. Profile: {profile}.")
    versions = ", ".join(f"{name} {version}" for name, version in profile.versions)
    lines.append(f"{versions}, Python {platform.python_version()}.")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", type=Path, help="measured before (netwright calibrate -o FILE)")
    parser.add_argument("--networks", nargs="+", default=NETWORKS)
    parser.add_argument("--batches", nargs="+", type=int, default=[1])
    parser.add_argument("--rounds", type=int, default=10, help="of the networks")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--out", type=Path, help="also write the table here, with the command")
    chosen = parser.parse_args()
    torch.set_num_threads(chosen.threads)
    profiles = [load(chosen.profile)] if chosen.profile else []

    def between(number: int) -> None:
        if not chosen.profile and number % 2:
            profiles.append(calibrate(threads=chosen.threads, seconds=SECONDS / PARTS))

    subjects = cases(chosen.networks, chosen.batches)
    taken = measure(subjects, chosen.rounds, between)
    how = "calibrated before" if chosen.profile else f"calibrated in {len(profiles)} parts between the rounds"
    text = table(subjects, taken, merged(profiles), how)
    print(text)
    if chosen.out:
        words = [f"--threads {chosen.threads}", "--batches " + " ".join(map(str, chosen.batches))]
        words += [f"--rounds {chosen.rounds}"] if chosen.rounds != 10 else []
        words += ["--profile FILE"] if chosen.profile else []
        words += ["--networks " + " ".join(chosen.networks)] if chosen.networks != NETWORKS else []
        chosen.out.write_text(
            f"# Predicted and measured latency\n\n    python benchmarks/latency.py {' '.join(words)}\n\n{text}\n"
        )


if __name__ == "__main__":
    main()
