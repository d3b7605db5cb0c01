"""The main job: a budget and pictures in, a trained and exported network out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from functools import partial

from netwright.files import Output, kept_or_temporary
from netwright.graph import Count, Design, Value, to_json
from netwright.inference.export import export_onnx
from netwright.preprocessing import whole
from netwright.progress import Progress
from netwright.report.pages import design_page
from netwright.spaces import regnet_for
from netwright.spaces.sampling import candidates
from netwright.studies.search import Candidate, best, try_designs
from netwright.training.engine.batches import Task
from netwright.training.evaluating.evaluation import evaluate_model
from netwright.training.normalize import Normalize
from netwright.training.plan import Plan, open_for
from netwright.training.recipes.recipe import Recipe
from netwright.training.results import summary, worst_pictures, write_run
from netwright.training.run import Run, load
from netwright.training.train import Job, trained
from netwright.units import parse_amount, short_amount

VALIDATION = 0.2  # share of the training pictures that candidates are compared on


class Effort(Value):
    """How much is tried: candidates, their epochs, and the epochs of the winner's training."""

    trials: Count = 8
    trial_epochs: Count = 6
    epochs: Count = 40


@dataclass(frozen=True)
class _Design:
    """What the steps of one design command share."""

    plan: Plan
    macs: int
    effort: Effort
    output: Output
    progress: Progress = field(repr=False)


def design(
    data: str | os.PathLike[str],
    *,
    macs: str | int,
    out: str | os.PathLike[str] | None = None,
    image: int | None = None,
    effort: Effort | None = None,
    seed: int = 0,
    progress: Progress | None = None,
) -> Run:
    """Find a network of at most `macs` for one image, train it, export it; returns the trained run.

    The folder is written where `out` is given.

    Designs are sampled under the budget, each is trained briefly on a part of the training pictures
    and compared on the rest of them; the winner is trained on all of them. The held-out part (`test`,
    else `val`, else a fifth set apart at the start) is measured after that, once, for the figures in
    `result.json`; before, it is only checked that its files can be read.
    Training pictures that cannot be read are left out and named. The folder then holds
    design.json, model.safetensors, model.onnx (compared with the model), result.json and report.html.
    A run that was interrupted goes on with the same arguments; anything else in the folder is refused.

    >>> run = nw.design("photos/", macs="30M", out="photos-30M")   # doctest: +SKIP
    """
    progress, effort = progress or Progress(), effort or Effort()
    plan = Plan.of(open_for(data, out, progress), image, seed, VALIDATION)
    with kept_or_temporary(out) as folder:
        _design(_Design(plan, parse_amount(macs), effort, Output(folder), progress))
        run = load(folder)
    return run if out is not None else replace(run, folder=None)


def _design(job: _Design) -> None:
    plan, effort, progress = job.plan, job.effort, job.progress
    space = regnet_for(plan.image, len(plan.source.classes))
    drawn = candidates(space, effort.trials, job.macs, image=plan.image, channels=plan.source.channels, seed=plan.seed)
    arguments = plan.arguments() | {"max_macs": job.macs, "effort": to_json(effort, None)}
    with job.output.claimed("design", arguments) as goes_on:
        if goes_on:
            progress.say(f"going on with the run in {job.output.folder}")
        progress.say(
            f"{len(drawn.designs)} designs of at most {short_amount(job.macs)} macs at {plan.image} px ({drawn.draws:,} drawn)"
        )
        # a broken picture should show now, not after the search: decoded as dots, and forgotten
        plan.source.read(plan.data.test, whole(1), None)
        tried = _search(job, drawn.designs)
        _finish(job, tried, drawn.draws)


def _search(job: _Design, designs: tuple[Design, ...]) -> list[Candidate]:
    plan, validation, recipe = job.plan, job.plan.data.validation, Recipe(epochs=job.effort.trial_epochs)
    assert validation is not None
    training = Job(plan, recipe, cache="default", progress=job.progress)
    pictures = training.pictures(plan.data.train, plan.stored(recipe.augment), skip_bad=True)
    plan.check_classes(pictures)
    compared = training.pictures(validation, plan.shown, skip_bad=False)
    task = Task(pictures, Normalize.of(pictures.pixels), plan.image, plan.source.mirror, len(plan.source.classes), compared)
    return try_designs(designs, task, training, job.output.work)


def _finish(job: _Design, tried: list[Candidate], draws: int) -> None:
    """Train the winner on all but the held-out pictures, measure it on those, write everything."""
    plan, output, winner = job.plan, job.output, best(tried)
    recipe = Recipe(epochs=job.effort.epochs)
    together = plan.whole_training()
    final = Job(plan, recipe, cache="default", progress=job.progress)
    pictures = final.pictures(together, plan.stored(recipe.augment), skip_bad=True)
    task = Task(pictures, Normalize.of(pictures.pixels), plan.image, plan.source.mirror, len(plan.source.classes))
    job.progress.say(f"training candidate {winner.number} on all {len(pictures):,} training pictures")
    run, training = trained(winner.design, task, final, output)
    held_out = final.pictures(plan.data.test, plan.shown, skip_bad=False)
    evaluation = evaluate_model(run.model, held_out, run.normalize)
    difference = export_onnx(run.model, output.folder / "model.onnx", run.examples(held_out), run.about)
    result = {
        "command": "design",
        "curve_measured_on": "",
        "budget": {"max_macs": job.macs, "image": plan.image},
        "search": {"draws": draws, "winner": winner.number, "candidates": [c.to_json() for c in tried]},
        **summary(run, plan, recipe, training.history, evaluation),
        "onnx": {"largest_difference": difference},
    }
    write_run(output, run, recipe, result, partial(design_page, worst=worst_pictures(evaluation, held_out)))
