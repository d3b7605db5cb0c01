"""How many trials an hour two workers with one thread each finish, beside one: real trainings of small networks.

    python benchmarks/workers.py [--trials 12] [--rounds 5] [--epochs 2] [--out FILE]

Each run is a study of its own in a journal: `netwright search digits` with the same designs and seeds, whoever trains them. They
alternate. Time is counted from the first trial's beginning to the last one's end, so neither the start of Python nor the reading
of the pictures counts; medians are printed. The machine should do nothing else.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

from netwright.studies import read_study
from netwright.version import VERSION

SEARCH = ("search", "digits", "--max-macs", "1M", "--seed", "3")


def one_run(workers: int, trials: int, epochs: int) -> float:
    """Trials an hour."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "study"
        words = [sys.executable, "-m", "netwright", *SEARCH, "--trials", str(trials), "--epochs", str(epochs), "-o", str(out)]
        words += ["--workers", str(workers), "--threads", "1"]
        around = {**os.environ, "OMP_NUM_THREADS": "1", "NETWRIGHT_CACHE": str(Path(folder) / "pictures")}
        subprocess.run(words, env=around, check=True, capture_output=True)
        done = [trial for trial in read_study(str(out)) if trial.values is not None]
    assert len(done) == trials
    seconds = max(trial.finished for trial in done) - min(trial.finished - trial.seconds for trial in done)
    return 3600 * trials / seconds


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=12)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    rates: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(asked.rounds):
        for workers, made in rates.items():
            made.append(one_run(workers, asked.trials, asked.epochs))
            print(f"{workers} workers: {made[-1]:,.0f} trials an hour", file=sys.stderr, flush=True)
    ratios = [two / one for one, two in zip(rates[1], rates[2], strict=True)]
    lines = ["| workers | trials an hour, median | of the rounds |", "|---:|---:|---|"]
    for workers, made in rates.items():
        lines.append(f"| {workers} | {statistics.median(made):,.0f} | {', '.join(f'{one:,.0f}' for one in made)} |")
    lines += ["", f"Two over one: {statistics.median(ratios):.2f} (rounds: {', '.join(f'{one:.2f}' for one in ratios)})."]
    options = f"--trials {asked.trials} --rounds {asked.rounds} --epochs {asked.epochs}"
    machine = f"torch {torch.__version__}, netwright {VERSION}, Python {platform.python_version()}, {os.cpu_count()} cores"
    head = ["# Two workers beside one", "", f"    python benchmarks/workers.py {options}", ""]
    text = "\n".join([*head, *lines, "", f"{machine}, one thread for each worker.", ""])
    print(text)
    if asked.out is not None:
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
