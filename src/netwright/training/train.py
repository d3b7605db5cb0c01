"""`train`: a network and pictures in, a run's folder out."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

import netwright
from netwright.costing import cost
from netwright.data import Data, Listing, Pictures, Source, open_source
from netwright.errors import NetwrightError
from netwright.files import Output, write_json, write_text
from netwright.graph import Design, to_json, trace
from netwright.progress import Progress, Step
from netwright.runtime import build
from netwright.training.augment import stored_side
from netwright.training.batches import Normalize
from netwright.training.evaluation import Evaluation, evaluate_model
from netwright.training.loop import Epoch, Task, Watch, fit
from netwright.training.recipe import Recipe
from netwright.training.run import Run, load, read_with_bar

DEFAULT_IMAGE = 224


@dataclass(frozen=True)
class Plan:
    """What both `train` and `design` settle first: the source, its parts, the image size and the seed."""

    source: Source
    data: Data
    image: int
    seed: int

    @classmethod
    def of(cls, data: str | os.PathLike[str], image: int | None, seed: int, validation: float = 0.0) -> Plan:
        """Open the data; the image size is the one asked for, else the pictures' own, else 224."""
        source = open_source(data)
        return cls(source, source.split(seed, validation), image or source.image or DEFAULT_IMAGE, seed)

    def whole_training(self) -> Listing:
        """All pictures but the held-out ones."""
        parts = [part for part in (self.data.train, self.data.validation) if part is not None]
        names = tuple(name for part in parts for name in part.names)
        return Listing(names, np.concatenate([part.labels for part in parts]))

    def arguments(self) -> dict[str, Any]:
        """What a folder made from this plan must agree on when it is gone on with."""
        pictures = f"{sum(map(len, self.source.splits.values()))} ({self.source.fingerprint})"
        return {"data": self.source.name, "pictures": pictures, "image": self.image, "seed": self.seed}

    def described(self) -> dict[str, Any]:
        """What `result.json` says of the data."""
        parts = {"train": self.data.train, "validation": self.data.validation, "test": self.data.test}
        return {
            "source": self.source.name,
            "fingerprint": self.source.fingerprint,
            "seed": self.seed,
            "classes": list(self.source.classes),
            "pictures": {name: len(part) for name, part in parts.items() if part is not None},
            "ignored_files": list(self.source.ignored),
        }


def train(
    design: Design,
    data: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str],
    image: int | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Run:
    """Train a network from scratch and write a run's folder; returns the run.

    The design's number of classes is set to the data's. The folder is refused when it holds anything
    else than an unfinished run of the same arguments, which then goes on. Every epoch is measured on
    the validation part where the data has one, else on the held-out part; nothing is chosen by it:
    the last epoch's weights are kept.
    """
    progress = progress or Progress()
    plan = Plan.of(data, image, seed)
    design = fitted(design, plan)
    recipe = recipe or Recipe()
    output = Output(Path(out))
    arguments = plan.arguments() | {"design": to_json(design, None), "recipe": to_json(recipe, None)}
    with output.claimed("train", arguments) as goes_on:
        if goes_on:
            progress.say(f"going on with the run in {output.folder}")
        pictures = read_with_bar(plan.source, plan.data.train, stored_side(plan.image), progress)
        held_out = read_with_bar(plan.source, plan.data.test, plan.image, progress)
        shown = held_out
        if plan.data.validation is not None:
            shown = read_with_bar(plan.source, plan.data.validation, plan.image, progress)
        task = Task(pictures, Normalize.of(pictures.pixels), plan.image, plan.source.mirror, shown)
        run, curve = trained(design, task, plan, recipe, output.work / "checkpoint.pt", progress)
        evaluation = evaluate_model(run.model, held_out, run.normalize)
        result = {"command": "train", **summary(run, plan, recipe, curve, evaluation)}
        finish(output, run, result)
    return load(output.folder)


def fitted(design: Design, plan: Plan) -> Design:
    """The design with the data's number of classes; checks that it takes the image."""
    if "classes" in design.fields():
        design = design.replace(classes=len(plan.source.classes))
    trace(design, plan.image, plan.source.channels)
    return design


def trained(
    design: Design, task: Task, plan: Plan, recipe: Recipe, checkpoint: Path | None, progress: Progress, title: str = "training"
) -> tuple[Run, list[Epoch]]:
    """Build and train one network; it goes on from a checkpoint where there is one."""
    model = build(design, plan.image, channels=plan.source.channels, seed=plan.seed)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # 1.8 times faster on CPUs
    with progress.bar(title) as step:
        curve = fit(model, task, recipe, seed=plan.seed, checkpoint=checkpoint, watch=watching(step))
    model.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    source = plan.source
    return Run(design, model, source.classes, plan.image, source.channels, task.normalize), curve


def watching(step: Step) -> Watch:
    """Turn what `fit` tells into steps of a progress bar."""

    def watch(done: int, total: int, epoch: Epoch | None) -> None:
        word = ""
        if epoch is not None:
            word = f"epoch {epoch.epoch}: loss {epoch.loss:.2f}"
            if epoch.validation is not None:
                word += f", accuracy {100 * epoch.validation:.1f} %"
        step(done, total, word)

    return watch


def accuracy_of(evaluation: Evaluation, classes: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy figures as plain values."""
    return {
        "top1": evaluation.accuracy,
        "top5": evaluation.top5,
        "correct": evaluation.correct,
        "of": len(evaluation.labels),
        "interval_95": list(evaluation.interval),
        "loss": evaluation.loss,
        "per_class": dict(zip(classes, evaluation.per_class(), strict=True)),
    }


def summary(run: Run, plan: Plan, recipe: Recipe, curve: list[Epoch], evaluation: Evaluation) -> dict[str, Any]:
    """What every `result.json` says: data, cost, recipe, curve, held-out accuracy, versions."""
    made = cost(run.design, run.image, channels=run.channels)
    counts = {"params": made.params, "macs": made.macs, "flops": made.flops, "acts": made.acts}
    return {
        "network": type(run.design).__name__,
        "data": plan.described(),
        "cost": {"image": run.image, "channels": run.channels, **counts},
        "recipe": recipe.fields(),
        "accuracy": accuracy_of(evaluation, run.classes),
        "curve": [asdict(epoch) for epoch in curve],
        "training_seconds": round(sum(epoch.seconds for epoch in curve), 2),
        "versions": {"netwright": netwright.__version__, "torch": torch.__version__, "python": platform.python_version()},
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads(), "system": platform.system()},
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def finish(output: Output, run: Run, result: dict[str, Any]) -> None:
    """Write the results; `result.json` comes last and marks the folder as finished."""
    from netwright.report.pages import run_page

    write_text(output.folder / "design.json", to_json(run.design) + "\n")
    run.save(output.folder / "model.safetensors")
    table = cost(run.design, run.image, channels=run.channels, by="block")
    write_text(output.folder / "report.html", run_page(result, table))
    write_json(output.result, result)


def check_pictures(pictures: Pictures) -> None:
    """Refuse a training set that batch statistics cannot be taken from."""
    if len(pictures) < 2:
        raise NetwrightError("one picture is too few to train on")
