"""`train`: a network and pictures in, a run's folder out."""

from __future__ import annotations

import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from netwright.files import Output, kept_or_temporary
from netwright.graph import Design, own_image, to_json, trace
from netwright.preprocessing import whole
from netwright.progress import Progress, Step
from netwright.report.pages import run_page
from netwright.runtime import build
from netwright.runtime.fitting import WeightsNote
from netwright.runtime.weights import open_weights, remember
from netwright.training.augment import stored_side
from netwright.training.evaluation import evaluate_model
from netwright.training.loop import Epoch, Task, Watch, fit, training_layout
from netwright.training.plan import Plan, open_for
from netwright.training.recipe import Recipe
from netwright.training.results import summary, write_run
from netwright.training.run import Run, load, read_with_bar


def train(
    design: Design,
    data: str | os.PathLike[str],
    *,
    out: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    image: int | None = None,
    recipe: Recipe | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Run:
    """Train a network; returns the run, and writes its folder where `out` is given.

    From scratch, or from `weights` (a file, a hub id or a torchvision name: see `build`), whose mean and
    deviation the pictures are then brought to. The design's number of classes is set to the data's. The
    folder is refused when it holds anything else than an unfinished run of the same arguments, which then
    goes on. Every epoch is measured on the validation part where the data has one, else on the held-out
    part; nothing is chosen by it: the last epoch's weights are kept.
    """
    progress, recipe = progress or Progress(), recipe or Recipe()
    opened = open_weights(design, weights) if weights is not None else None
    design = opened.design if opened is not None else design
    default = opened.preprocessing.image if opened is not None else own_image(design)
    plan = replace(Plan.of(open_for(data, out, progress), image, seed, default=default), weights=opened)
    design = plan.fitted(design)
    if opened is not None:  # what does not fit is told before the pictures are read; notes come when they are loaded
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeightsNote)
            replace(opened, design=design).fit(trace(design, plan.image, plan.source.channels))
    with kept_or_temporary(out) as folder:
        _train(Output(folder), design, plan, recipe, progress)
        run = load(folder)
    return run if out is not None else replace(run, folder=None)


def _train(output: Output, design: Design, plan: Plan, recipe: Recipe, progress: Progress) -> None:
    arguments: dict[str, Any] = plan.arguments() | {"design": to_json(design, None), "recipe": to_json(recipe, None)}
    with output.claimed("train", arguments) as goes_on:
        if goes_on:
            progress.say(f"going on with the run in {output.folder}")
        pictures = read_with_bar(plan.source, plan.data.train, whole(stored_side(plan.image)), progress)
        held_out = read_with_bar(plan.source, plan.data.test, whole(plan.image), progress)
        shown = held_out
        if plan.data.validation is not None:
            shown = read_with_bar(plan.source, plan.data.validation, whole(plan.image), progress)
        task = Task(pictures, plan.normalize(pictures), plan.image, plan.source.mirror, shown)
        run, curve = trained(design, task, plan, recipe, output.work / "checkpoint.pt", progress)
        evaluation = evaluate_model(run.model, held_out, run.normalize)
        on = "held-out pictures" if plan.data.validation is None else "validation pictures"
        result = {"command": "train", "curve_measured_on": on, **summary(run, plan, recipe, curve, evaluation)}
        write_run(output, run, result, run_page)


def trained(
    design: Design, task: Task, plan: Plan, recipe: Recipe, checkpoint: Path | None, progress: Progress, title: str = "training"
) -> tuple[Run, list[Epoch]]:
    """Build and train one network; it goes on from a checkpoint where there is one."""
    weights = replace(plan.weights, design=design) if plan.weights is not None else None
    model = build(design, plan.image, channels=plan.source.channels, weights=weights, seed=plan.seed)
    task = replace(task, layout=training_layout(design, task.image, plan.source.channels))
    model.to(memory_format=task.layout)  # type: ignore[call-overload]
    with progress.bar(title) as step:
        curve = fit(model, task, recipe, seed=plan.seed, checkpoint=checkpoint, watch=watching(step))
    model.to(memory_format=torch.contiguous_format).eval()  # type: ignore[call-overload]
    if design.fields().get("aux"):  # they have served
        design, trained_with = design.replace(aux=False), model.state_dict()
        model = build(design, plan.image, channels=plan.source.channels, seed=plan.seed).eval()
        model.load_state_dict({name: trained_with[name] for name in model.state_dict()})
    source = plan.source
    shown = whole(plan.image).replace(mean=task.normalize.mean, std=task.normalize.std)
    remember(model, design, source.channels, shown, source.classes)
    return Run(design, model, source.classes, source.channels, shown, plan.trained_on), curve


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
