"""How well each sampler searches, on tables instead of trainings, and how long a proposal takes.

    python benchmarks/samplers.py [--seeds 10] [--trials 150] [--out FILE] [SAMPLER ...]

The tables are those of `netwright.studies.table`: 96,000 designs, another table for each seed. "Best" is the best
accuracy found, "regret" what it lacks to the table's best, "late" the mean of the last third. Differences are to random search
on the same table, with the 95 % interval of their mean (Student's t). The front's area is that dominated by (accuracy, ln
macs), from 0.75 and 5 M macs. The milliseconds are the processor's: medians of 15 proposals after 1,000 random trials, one of
them new each time, and the time for the first, which reads them all.
"""

from __future__ import annotations

import argparse
import math
import platform
import statistics
import time
from pathlib import Path

import optuna
import torch

from netwright.studies.goals import Goal
from netwright.studies.samplers import FRONTS, SAMPLERS, sampler
from netwright.studies.table import Study, Table, ended, ground, hypervolume, interval, trial_of
from netwright.version import VERSION

HISTORY, TIMED = 1000, 15
FRONT = Goal(kind="pareto")


def search(name: str, seeds: int, trials: int) -> list[tuple[float, float, float]]:
    """For each seed the best accuracy, what it lacks, and the mean of the last third."""
    found = []
    for seed in range(seeds):
        table = Table(seed)
        values = Study(table, Goal()).run(sampler(name, ground(seed), Goal()), trials).values
        found.append((max(values), table.best - max(values), statistics.mean(values[-(trials // 3) :])))
    return found


def areas(name: str, seeds: int, trials: int) -> list[float]:
    """For each seed the area that the front dominates."""
    found = []
    for seed in range(seeds):
        made = Study(Table(seed), FRONT).run(sampler(name, ground(seed), FRONT), trials)
        points = [(trial.values[0], math.log(trial.values[1])) for trial in made.trials if trial.values]
        found.append(hypervolume(points, (0.75, math.log(5e6))))
    return found


def speed(name: str) -> tuple[float, float]:
    """Milliseconds of a proposal after many trials, and of the first one there."""
    table, blind = Table(0), sampler("random", ground(0), Goal())
    trials = Study(table, Goal()).run(blind, HISTORY).trials
    one, seconds = sampler(name, ground(0), Goal()), []
    for slot in range(HISTORY, HISTORY + TIMED + 1):
        started = time.process_time()
        made = one.propose(slot, trials)
        seconds.append(time.process_time() - started)
        trials.append(ended(trial_of(made, slot, slot), (table.accuracy(made.chosen),)))
    return 1000 * statistics.median(seconds[1:]), 1000 * seconds[0]


def told(values: list[float], others: list[float]) -> str:
    """The mean difference with its interval."""
    differences = [mine - other for mine, other in zip(values, others, strict=True)]
    low, high = interval(differences)
    return f"{statistics.mean(differences):+.4f} ({low:+.4f} to {high:+.4f})"


def tables(names: list[str], seeds: int, trials: int) -> list[str]:
    """The lines of both tables."""
    found = {name: search(name, seeds, trials) for name in dict.fromkeys(["random", *names])}
    lines = [
        "| sampler | best | regret | best, over random's | late | late, over random's | ms | ms, first |",
        "|---|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for name, runs in found.items():
        best, regret, late = ([run[i] for run in runs] for i in range(3))
        over = [told([run[i] for run in runs], [run[i] for run in found["random"]]) if name != "random" else "" for i in (0, 2)]
        means = [f"{statistics.mean(values):.4f}" for values in (best, regret, late)]
        usual, first = speed(name)
        lines.append(f"| {name} | {means[0]} | {means[1]} | {over[0]} | {means[2]} | {over[1]} | {usual:.1f} | {first:,.0f} |")
    if "nsga2" not in names:
        return lines
    fronts = {name: areas(name, seeds, trials) for name in FRONTS}
    lines += ["", "| sampler for a front | area | over random's |", "|---|---:|---:|"]
    for name, values in fronts.items():
        over_random = "" if name == "random" else told(values, fronts["random"])
        lines.append(f"| {name} | {statistics.mean(values):.4f} | {over_random} |")
    return lines


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("samplers", nargs="*", default=list(SAMPLERS), metavar="SAMPLER")
    parser.add_argument("--seeds", type=int, default=10)
    parser.add_argument("--trials", type=int, default=150)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args()
    torch.set_num_threads(1)
    lines = tables(asked.samplers, asked.seeds, asked.trials)
    command = f"python benchmarks/samplers.py --seeds {asked.seeds} --trials {asked.trials} {' '.join(asked.samplers)}"
    versions = f"Python {platform.python_version()}, netwright {VERSION}, Optuna {optuna.__version__}, torch {torch.__version__}"
    machine = f"{versions}, {platform.system()} {platform.machine()}."
    text = "\n".join(["# Samplers on tables", "", f"    {command}", "", *lines, "", machine, ""])
    print(text)
    if asked.out is not None:
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
