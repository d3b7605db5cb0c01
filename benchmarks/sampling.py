"""How long 500 designs under a budget take to draw, and how many draws: for each named space, on one core.

    python benchmarks/sampling.py [--designs 500] [--rounds 3] [--workers 1] [--out FILE] [SPACE ...]

The budget is that of the RegNet paper's populations, 360 to 400 M macs at 224 px. Each round is a fresh process with empty
memories of traces and another seed; rounds of the spaces alternate, so that a busy moment of the machine hits all alike.
Seconds are the processor's, without the start of Python (with several workers wall time, which counts them all); medians and
the worst round are printed.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from netwright.progress import Progress
from netwright.spaces import SPACES, space
from netwright.version import VERSION

LIMITS = ("360M", "400M")


def one_round(name: str, designs: int, seed: int, workers: int) -> dict[str, Any]:
    clock = time.process_time if workers == 1 else time.perf_counter
    started = clock()
    made = space(name).sample(designs, macs=LIMITS, image=224, seed=seed, workers=workers, progress=Progress(quiet=True))
    return {"seconds": clock() - started, **made.statistics()}


def table(rounds: dict[str, list[dict[str, Any]]], command: str) -> str:
    lines = [
        "| space | seconds, median | worst round | draws, median | within the budget | 95 % interval | draws per second |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    for name, made in rounds.items():
        seconds, draws = [one["seconds"] for one in made], [one["draws"] for one in made]
        low, high = made[0]["rate_95"]
        speed = sum(draws) / sum(seconds)
        lines.append(
            f"| {name} | {statistics.median(seconds):.1f} | {max(seconds):.1f} | {statistics.median(draws):,.0f} "
            f"| {100 * made[0]['rate']:.2f} % | {100 * low:.2f} to {100 * high:.2f} % | {speed:,.0f} |"
        )
    machine = f"Python {platform.python_version()}, netwright {VERSION}, {platform.system()} {platform.machine()}"
    return "\n".join(
        ["# Sampling under a budget", "", f"    {command}", "", *lines, "", f"Rates are those of the first round. {machine}.", ""]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("spaces", nargs="*", default=[name for name in SPACES if name != "vgg_resnet"], metavar="SPACE")
    parser.add_argument("--designs", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--workers", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--round", type=int, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.round is not None:
        print(json.dumps(one_round(asked.spaces[0], asked.designs, asked.round, asked.workers)))
        return
    rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in asked.spaces}
    for seed in range(asked.rounds):
        for name, made in rounds.items():
            words = [sys.executable, __file__, name, "--round", str(seed)]
            words += ["--designs", str(asked.designs), "--workers", str(asked.workers)]
            made.append(json.loads(subprocess.run(words, capture_output=True, text=True, check=True).stdout))
    options = f"--designs {asked.designs} --rounds {asked.rounds} --workers {asked.workers}"
    told = f"python benchmarks/sampling.py {options} {' '.join(asked.spaces)}"
    text = table(rounds, told)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
