"""Several trainings of one kind (seeds, folds), and what they say together: mean and spread."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from netwright.errors import FailedError, NetwrightError
from netwright.files import Output, read_json, write_json
from netwright.training.run import Run

Training = Callable[[Path], Run]  # trains into a folder; goes on with what is unfinished there
SHOWN = ("top1", "top5", "balanced_accuracy", "macro_f1", "calibration_error", "loss")  # of `accuracy`, those that are there
LEVEL = 0.95


@dataclass(frozen=True)
class Spread:
    """The mean of some numbers, their sample standard deviation, and the 95 % interval of the mean (Student's t).

    Deviation and interval are None for a single number.
    """

    mean: float
    deviation: float | None
    interval: tuple[float, float] | None
    least: float
    most: float

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        interval = None if self.interval is None else list(self.interval)
        return {"mean": self.mean, "std": self.deviation, "interval_95": interval, "min": self.least, "max": self.most}


def spread(values: list[float]) -> Spread:
    """Mean and spread of at least one number.

    >>> made = spread([0.9, 0.92, 0.94])
    >>> round(made.mean, 3), round(made.deviation, 3), [round(end, 3) for end in made.interval]
    (0.92, 0.02, [0.87, 0.97])
    """
    n = len(values)
    if not n:
        raise NetwrightError("there is nothing to take the mean of")
    mean = math.fsum(values) / n
    if n == 1:
        return Spread(mean, None, None, mean, mean)
    from scipy.special import stdtrit  # slow to load

    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    reach = float(stdtrit(n - 1, (1 + LEVEL) / 2)) * deviation / math.sqrt(n)
    return Spread(mean, deviation, (mean - reach, mean + reach), min(values), max(values))


def train_each(trainings: Mapping[str, Training], out: Path, arguments: dict[str, Any]) -> dict[str, Any]:
    """Train each into the folder of its name in `out`, one after the other; returns (and writes) what they say together.

    `arguments` are what all have in common. Run again, finished trainings are kept and an unfinished one goes on. Raises
    NetwrightError where `out` holds something else, as `Output.claimed` does, and what the trainings raise, with
    the name of the one.
    """
    output = Output(out)
    with output.claimed("train each", arguments | {"trainings": list(trainings)}):
        results = {name: _finished(output, name, training) for name, training in trainings.items()}
        made = _together(results)
        write_json(output.result, made)
    return made


def _finished(output: Output, name: str, training: Training) -> dict[str, Any]:
    """The result of a training, of before or of now."""
    folder = output.folder / name
    if not (folder / "result.json").exists():
        try:
            training(folder)
        except NetwrightError as error:
            kind = FailedError if isinstance(error, FailedError) else NetwrightError
            raise kind(f"{name}: {error}") from error
        finally:
            if folder.exists():  # from now on there is something to lose: other arguments are refused
                write_json(output.work / "begun.json", {"last": name})
    result: dict[str, Any] = read_json(folder / "result.json")
    return result


def _together(results: dict[str, dict[str, Any]]) -> dict[str, Any]:
    prints = {name: result["data"]["fingerprint"] for name, result in results.items()}
    first = next(iter(prints))
    for name, fingerprint in prints.items():
        if fingerprint != prints[first]:
            raise NetwrightError(f"the pictures have changed between {first} and {name}: train anew, into another folder (-o)")
    accuracies = [result["accuracy"] for result in results.values()]
    figures = [figure for figure in SHOWN if all(figure in accuracy for accuracy in accuracies)]
    runs = [
        {"name": name, "seed": result["data"]["seed"], "training_seconds": result["training_seconds"]}
        | {figure: result["accuracy"][figure] for figure in figures}
        for name, result in results.items()
    ]
    told = {figure: spread([accuracy[figure] for accuracy in accuracies]).to_json() for figure in figures}
    seconds = spread([float(result["training_seconds"]) for result in results.values()]).to_json()
    return {"command": "train each", "accuracy": told, "training_seconds": seconds, "runs": runs}


def told(made: dict[str, Any]) -> str:
    """What `train_each` found, in lines."""
    lines = [f"{run['name']}: {100 * run['top1']:.2f} % after {run['training_seconds']:,.1f} s" for run in made["runs"]]
    top = made["accuracy"]["top1"]
    line = f"mean of {len(lines)}: {100 * top['mean']:.2f} %"
    if top["std"] is not None:
        low, high = (100 * end for end in top["interval_95"])
        line += f", standard deviation {100 * top['std']:.2f}, 95 % interval of the mean {low:.2f} to {high:.2f} %"
    return "\n".join([*lines, line])
