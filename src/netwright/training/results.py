"""What a finished run says and leaves behind."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import torch

from netwright.costing import Cost, cost
from netwright.files import Output, write_json, write_text
from netwright.graph import to_json
from netwright.training.evaluation import Evaluation
from netwright.training.loop import Epoch
from netwright.training.plan import Plan
from netwright.training.recipe import Recipe
from netwright.training.run import Run
from netwright.version import VERSION


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
        "versions": {"netwright": VERSION, "torch": torch.__version__, "python": platform.python_version()},
        "machine": {"processor": platform.machine(), "threads": torch.get_num_threads(), "system": platform.system()},
        "finished": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


def write_run(output: Output, run: Run, result: dict[str, Any], page: Callable[[dict[str, Any], Cost], str]) -> None:
    """Write design, weights, report (made by `page`) and result; `result.json` comes last and marks the folder as finished."""
    write_text(output.folder / "design.json", to_json(run.design) + "\n")
    run.save(output.folder / "model.safetensors")
    table = cost(run.design, run.image, channels=run.channels, by="block")
    write_text(output.folder / "report.html", page(result, table))
    write_json(output.result, result)
