"""How designs are evaluated: each is trained on one part of the training pictures and measured on another."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from netwright.data import Source
from netwright.errors import NetwrightError
from netwright.files import run_file
from netwright.graph import Design, own_image, to_json
from netwright.graph.values import value_from_json
from netwright.progress import Progress
from netwright.studies.working import Evaluator, Report
from netwright.training.engine.batches import Task
from netwright.training.engine.moments import Moment
from netwright.training.evaluating.evaluation import Cache
from netwright.training.machine import Machine
from netwright.training.normalize import Normalize
from netwright.training.plan import Plan
from netwright.training.recipes.recipe import Recipe
from netwright.training.train import Job, trained

VALIDATION = 0.2  # share of the training pictures that designs are compared on
KEPT = 2  # image sizes whose decoded pictures stay in memory, where designs are for several


class OnPictures:
    """Trains a design with a recipe on 80 % of the training pictures; its worth is the accuracy on the other 20 %.

    All designs are shown the plan's image, or each its `own` resolution. Held-out pictures are not looked at. Pictures are read
    when it is made, and those of other resolutions when a design of such a one comes.
    """

    def __init__(
        self, plan: Plan, recipe: Recipe, machine: Machine, cache: Cache, progress: Progress, *, own: bool = False
    ) -> None:
        if plan.data.validation is None:
            raise NetwrightError("designs are compared on a validation part: there is none")
        self.job = Job(plan, recipe, machine, cache=cache, progress=progress)
        self.own = own
        self._tasks = {plan.image: self._read(plan)}

    def _read(self, plan: Plan) -> Task:
        job, compared = replace(self.job, plan=plan), plan.data.validation
        assert compared is not None
        pictures = job.pictures(plan.data.train, plan.stored(job.recipe.augment), skip_bad=True)
        plan.check_classes(pictures)
        shown = job.pictures(compared, plan.shown, skip_bad=True)
        normalize, classes = Normalize.of(pictures.pixels), len(plan.source.classes)
        return Task(pictures, normalize, plan.image, plan.source.mirror, classes, shown)

    def task(self, plan: Plan) -> Task:
        """The pictures at the plan's image; those of the last few sizes are kept."""
        if plan.image not in self._tasks:
            for image in list(self._tasks)[: 1 - KEPT]:
                del self._tasks[image]
            self._tasks[plan.image] = self._read(plan)
        return self._tasks[plan.image]

    def __call__(self, design: Design, seed: int, report: Report) -> float:
        last = math.nan

        def watch(moment: Moment) -> None:
            nonlocal last
            if moment.ended is not None and moment.ended.validation is not None:
                last = moment.ended.validation
                report(moment.ended.epoch, last)

        image = own_image(design) if self.own else self.job.plan.image
        plan = replace(self.job.plan, seed=seed, image=image)
        trained(design, self.task(plan), replace(self.job, plan=plan, watch=watch, progress=Progress(quiet=True)), None)
        return last


def described(plan: Plan, recipe: Recipe) -> dict[str, Any]:
    """How designs are evaluated, in plain values: what a study's workers must agree on."""
    made = {name: value for name, value in plan.arguments().items() if name not in ("image", "seed")}
    return {**made, "group": plan.group, "recipe": to_json(recipe, None)}


def planned(source: Source, image: int, seed: int, group: str | None = None) -> Plan:
    """The parts of the pictures for a study."""
    return replace(Plan.of(source, image, seed, VALIDATION), group=group)


def recipe_of(evaluation: Mapping[str, Any]) -> Recipe:
    """The recipe that designs are trained with."""
    recipe = value_from_json(evaluation["recipe"])
    assert isinstance(recipe, Recipe)
    return recipe


def own_evaluator(word: str) -> Evaluator:
    """A user's own: `file.py:name`, a function (design, seed, report) -> accuracy. Raises NetwrightError where there is none."""
    from pathlib import Path

    file, colon, name = word.rpartition(":")
    if not (colon and file.endswith(".py")):
        raise NetwrightError(f"{word!r} is no evaluation: write file.py:name of a function (design, seed, report) -> accuracy")
    found = getattr(run_file(Path(file)), name, None)
    if not callable(found):
        raise NetwrightError(f"{name!r} in {file} is no function (design, seed, report) -> accuracy")
    evaluator: Evaluator = found
    return evaluator
