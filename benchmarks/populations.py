"""The design-space study of the RegNet paper in small: populations of AnyNetX A, C, E and RegNetX under one budget, on CIFAR-10.

    python benchmarks/populations.py DATA [--designs 30] [--workers 2] [--folder FOLDER] [--out FILE]

DATA are CIFAR-10's pictures in any form that netwright reads. Everything is stated in advance: the first 1,000 training pictures
of each class (8,000 to train on, 2,000 to compare on), 32 px, 2 to 4 M macs, 2 epochs of SGD with momentum 0.9 (batch 64, cosine
from 0.1, weight decay 5e-5, no label smoothing, shifts and mirrors), one seed for the draws and one for each training. Three
comparisons are named in advance: A with C, C with E, E with RegNetX. Errors are shares of the 2,000 pictures; a verdict is
that of `compare_populations` with complexities evened out by macs. A run that was stopped goes on; a page is in FOLDER.
"""

from __future__ import annotations

import argparse
import platform
from pathlib import Path
from typing import Any

import numpy as np
import torch

from netwright.data import Source, open_source
from netwright.files import write_text
from netwright.preprocessing import whole
from netwright.progress import Progress
from netwright.report.population_page import population_page
from netwright.spaces.comparing import Comparisons, compare_populations, mean_interval
from netwright.spaces.population import Population
from netwright.spaces.statistics import Errors, summary
from netwright.studies import search
from netwright.training.recipes.recipe import Augmentation, Loss, Optimizing, Recipe, Schedule
from netwright.version import VERSION

SPACES = ("anynetx_a", "anynetx_c", "anynetx_e", "regnetx")
PAIRS = [("anynetx_a", "anynetx_c"), ("anynetx_c", "anynetx_e"), ("anynetx_e", "regnetx")]
LIMITS = ("2M", "4M")
PER_CLASS = 1000
RECIPE = Recipe(
    epochs=2,
    batch=64,
    optimizer=Optimizing(name="momentum", lr=0.1, lr_batch=0, weight_decay=5e-5, clip_norm=0.0),
    schedule=Schedule(kind="cosine", warmup_epochs=0.0),
    augment=Augmentation(crop="pad"),
    loss=Loss(label_smoothing=0.0),
)


def subset(source: Source, file: Path) -> None:
    """The first pictures of each class as an .npz."""
    train = source.splits["train"]
    chosen = np.sort(np.concatenate([np.flatnonzero(train.labels == label)[:PER_CLASS] for label in range(len(source.classes))]))
    arrays: dict[str, Any] = {}
    for split, places in (("train", chosen), ("test", np.arange(len(source.splits["test"])))):
        pictures = source.read(source.splits[split].take(places), whole(32), None)
        pixels = np.asarray(pictures.pixels[:])
        arrays |= {f"{split}_images": pixels, f"{split}_labels": pictures.labels}
    np.savez_compressed(file, classes=np.array(source.classes), **arrays)


def report(made: list[Population], compared: Comparisons, seconds: float, command: str) -> str:
    lines = ["| space | n | min % | mean % | 95 % interval | stopped early | failed |", "|---|---:|---:|---:|---:|---:|---:|"]
    for one in made:
        figures, interval = summary(Errors.of(one)), mean_interval(Errors.of(one))
        low, high = interval if interval else (figures.mean, figures.mean)
        bounds = f"{100 * low:.1f} to {100 * high:.1f}"
        counts = f"{one.counts['stopped early']} | {one.counts['failed']}"
        lines.append(f"| {one.name} | {figures.n} | {100 * figures.least:.1f} | {100 * figures.mean:.1f} | {bounds} | {counts} |")
    verdicts = [f"- {row.told()}; KS {row.ks:.2f} (p {row.ks_p_holm:.3f})" for row in compared.rows]
    versions = f"Python {platform.python_version()}, torch {torch.__version__}, netwright {VERSION}"
    machine = f"{platform.system()} {platform.machine()}, {torch.get_num_threads()} cores"
    how = f"Errors on 2,000 validation pictures. {compared.told()}. {seconds:.0f} s of one thread a network on average."
    return "\n".join(
        [
            "# Design spaces on CIFAR-10",
            "",
            f"    {command}",
            "",
            *lines,
            "",
            *verdicts,
            "",
            how,
            "",
            f"{versions}; {machine}.",
            "",
        ]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data")
    parser.add_argument("--designs", type=int, default=30)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--folder", type=Path, default=Path("populations"))
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    pictures = given.folder / "cifar10-small.npz"
    if not pictures.exists():
        subset(open_source(given.data), pictures)
    made, seconds = [], 0.0
    for name in SPACES:
        progress = Progress()
        progress.say(name)
        study = search(
            pictures,
            space=name,
            macs=LIMITS,
            trials=given.designs,
            recipe=RECIPE,
            workers=given.workers,
            storage=str(given.folder / "studies.log"),
            study=name,
            progress=progress,
        )
        made.append(study.population())
        seconds += sum(trial.seconds for trial in study) / len(study) / len(SPACES)
    compared = compare_populations(made, pairs=PAIRS, by="macs")
    write_text(given.folder / "spaces.html", population_page(made, pairs=PAIRS, by="macs"))
    text = report(made, compared, seconds, f"python benchmarks/populations.py DATA --designs {given.designs}")
    print(text)
    if given.out is not None:
        write_text(given.out, text)


if __name__ == "__main__":
    main()
