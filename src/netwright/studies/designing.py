"""The main job: a budget and pictures in, a trained and exported network out."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace

from netwright.files import Output, kept_or_temporary
from netwright.graph import Count, Design, Value, to_json
from netwright.inference.export import export_onnx
from netwright.preprocessing import whole
from netwright.progress import Progress
from netwright.report.pages import design_page
from netwright.spaces import regnet_for
from netwright.spaces.sampling import candidates
from netwright.studies.search import Candidate, best, try_designs
from netwright.training.augment import stored_side
from netwright.training.batches import Normalize
from netwright.training.evaluation import evaluate_model
from netwright.training.loop import Task
from netwright.training.plan import Plan, open_for
from netwright.training.recipe import Recipe
from netwright.training.results import summary, write_run
from netwright.training.run import Run, load, read_with_bar
from netwright.training.train import trained
from netwright.units import parse_amount, short_amount

VALIDATION = 0.2  # share of the training pictures that candidates are compared on


class Effort(Value):
    """How much is tried: candidates, their epochs, and the epochs of the winner's training."""

    trials: Count = 8
    trial_epochs: Count = 6
    epochs: Count = 40


@dataclass(frozen=True)
class _Job:
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
    `result.json`; before, it is only checked that its files can be read. The folder then holds
    design.json, model.safetensors, model.onnx (compared with the model), result.json and report.html.
    A run that was interrupted goes on with the same arguments; anything else in the folder is refused.

    >>> run = nw.design("photos/", macs="30M", out="photos-30M")   # doctest: +SKIP
    """
    progress, effort = progress or Progress(), effort or Effort()
    plan = Plan.of(open_for(data, out, progress), image, seed, VALIDATION)
    with kept_or_temporary(out) as folder:
        _design(_Job(plan, parse_amount(macs), effort, Output(folder), progress))
        run = load(folder)
    return run if out is not None else replace(run, folder=None)


def _design(job: _Job) -> None:
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


def _search(job: _Job, designs: tuple[Design, ...]) -> list[Candidate]:
    plan, validation = job.plan, job.plan.data.validation
    assert validation is not None
    pictures = read_with_bar(plan.source, plan.data.train, whole(stored_side(plan.image)), job.progress)
    compared = read_with_bar(plan.source, validation, whole(plan.image), job.progress)
    task = Task(pictures, Normalize.of(pictures.pixels), plan.image, plan.source.mirror, compared)
    recipe = Recipe(epochs=job.effort.trial_epochs)
    return try_designs(designs, task, plan, recipe, job.output.work, job.progress)


def _finish(job: _Job, tried: list[Candidate], draws: int) -> None:
    """Train the winner on all but the held-out pictures, measure it on those, write everything."""
    plan, output, winner = job.plan, job.output, best(tried)
    recipe = Recipe(epochs=job.effort.epochs)
    together = plan.whole_training()
    pictures = read_with_bar(plan.source, together, whole(stored_side(plan.image)), job.progress)
    task = Task(pictures, Normalize.of(pictures.pixels), plan.image, plan.source.mirror)
    job.progress.say(f"training candidate {winner.number} on all {len(pictures):,} training pictures")
    run, curve = trained(winner.design, task, plan, recipe, output.work / "checkpoint.pt", job.progress)
    held_out = read_with_bar(plan.source, plan.data.test, whole(plan.image), job.progress)
    evaluation = evaluate_model(run.model, held_out, run.normalize)
    difference = export_onnx(run.model, output.folder / "model.onnx", run.examples(held_out), run.about)
    result = {
        "command": "design",
        "curve_measured_on": "",
        "budget": {"max_macs": job.macs, "image": plan.image},
        "search": {"draws": draws, "winner": winner.number, "candidates": [c.to_json() for c in tried]},
        **summary(run, plan, recipe, curve, evaluation),
        "onnx": {"largest_difference": difference},
    }
    write_run(output, run, result, design_page)
