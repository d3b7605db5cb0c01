"""What a finished run says and leaves behind."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from netwright.costing import Cost, cost
from netwright.costing.profiles import describe_processor
from netwright.data import Pictures, Source
from netwright.data.pictures import Array
from netwright.files import Output, write_json, write_text
from netwright.graph import to_json
from netwright.report.pages import eval_page
from netwright.training.engine.moments import Epoch
from netwright.training.evaluating.evaluation import Evaluation, Mistake
from netwright.training.plan import Plan
from netwright.training.recipes.recipe import Recipe
from netwright.training.recipes.recipe_files import FILE as RECIPE
from netwright.training.recipes.recipe_files import plain, to_toml
from netwright.training.run import Run, named_after
from netwright.version import VERSION


def accuracy_of(evaluation: Evaluation, classes: tuple[str, ...]) -> dict[str, Any]:
    """Accuracy figures as plain values.

    "confusion" has, for each class with pictures, how many of them were taken for which class (only those above 0);
    "averaged_over" says how many classes the two means are of; "left_out" names pictures that could not be read.
    """
    scores = evaluation.by_class
    return {
        "top1": evaluation.accuracy,
        "top5": evaluation.top5,
        "correct": evaluation.correct,
        "of": len(evaluation.labels),
        "interval_95": list(evaluation.interval),
        "balanced_accuracy": evaluation.balanced_accuracy,
        "macro_f1": evaluation.macro_f1,
        "averaged_over": {
            "balanced_accuracy": sum(score.recall is not None for score in scores),
            "macro_f1": sum(score.f1 is not None for score in scores),
        },
        "loss": evaluation.loss,
        "calibration_error": evaluation.calibration_error,
        "calibration": [asdict(one) for one in evaluation.calibration()],
        "crops": evaluation.crops,
        "per_class": dict(zip(classes, evaluation.per_class(), strict=True)),
        "by_class": {
            name: {"pictures": score.pictures, "recall": score.recall, "precision": score.precision, "f1": score.f1}
            for name, score in zip(classes, scores, strict=True)
            if score.f1 is not None
        },
        "confusion": _confusion(evaluation, classes),
        "worst": [_mistake(evaluation, one, classes) for one in evaluation.worst()],
        "left_out": [{"picture": one.name, "reason": one.reason} for one in evaluation.bad],
    }


def _confusion(evaluation: Evaluation, classes: tuple[str, ...]) -> dict[str, dict[str, int]]:
    made: dict[str, dict[str, int]] = {}
    for label, guess, count in evaluation.confused():
        made.setdefault(classes[label], {})[classes[guess]] = count
    return made


def _mistake(evaluation: Evaluation, one: Mistake, classes: tuple[str, ...]) -> dict[str, Any]:
    name = evaluation.names[one.index] if len(evaluation.names) else str(one.index)
    said = {"picture": name, "class": classes[one.label], "predicted": classes[one.predicted]}
    return said | {"probability": one.probability, "probability_of_class": one.probability_of_label}


def worst_pictures(evaluation: Evaluation, pictures: Pictures) -> list[Array]:
    """The pixels of the worst mistakes, in the order of `accuracy_of`'s "worst": (side, side, channels) uint8 each."""
    return [pictures.pixels[one.index : one.index + 1][0] for one in evaluation.worst()]


def evaluation_page(run: Run, source: Source, evaluation: Evaluation, pictures: Pictures) -> str:
    """The report of an evaluation that `evaluated` made."""
    named, shown = named_after(run, source), run.preprocessing
    mean, std = (", ".join(f"{value:.6g}" for value in values) for values in (shown.mean, shown.std))
    side = pictures.pixels.shape[1] if evaluation.crops > 1 else shown.resize
    views = "the central" if evaluation.crops == 1 else f"{evaluation.crops} crops of"
    facts = {
        "network": type(run.design).__name__,
        "run": str(run.folder or "none: a design and its weights"),
        "data": source.name,
        "pictures": f"shorter side to {side} px ({shown.filter}), {views} {shown.image} px; mean {mean}, deviation {std}",
        "versions": f"netwright {VERSION}, torch {torch.__version__}, python {platform.python_version()}",
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }
    return eval_page(accuracy_of(evaluation, named.classes), facts, worst_pictures(evaluation, pictures))


def summary(run: Run, plan: Plan, recipe: Recipe, curve: list[Epoch], evaluation: Evaluation) -> dict[str, Any]:
    """What every `result.json` says: data, cost, recipe, curve, held-out accuracy, versions."""
    made = cost(run.design, run.image, channels=run.channels)
    counts = {"params": made.params, "macs": made.macs, "flops": made.flops, "acts": made.acts}
    return {
        "network": type(run.design).__name__,
        "data": plan.described(),
        "cost": {"image": run.image, "channels": run.channels, **counts},
        "recipe": plain(recipe),
        "accuracy": accuracy_of(evaluation, run.classes),
        "curve": [asdict(epoch) for epoch in curve],
        "training_seconds": round(sum(epoch.seconds for epoch in curve), 2),
        "versions": {"netwright": VERSION, "torch": torch.__version__, "python": platform.python_version()},
        "machine": {"processor": describe_processor(), "threads": torch.get_num_threads(), "system": platform.system()},
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def write_run(
    output: Output, run: Run, recipe: Recipe, result: dict[str, Any], page: Callable[[dict[str, Any], Cost], str]
) -> None:
    """Write design, weights, report (made by `page`) and result; `result.json` comes last and marks the folder as finished."""
    write_text(output.folder / "design.json", to_json(run.design) + "\n")
    write_text(output.folder / RECIPE, to_toml(recipe))
    run.save(output.folder / "model.safetensors")
    table = cost(run.design, run.image, channels=run.channels, by="block")
    write_text(output.folder / "report.html", page(result, table))
    write_json(output.result, result)
