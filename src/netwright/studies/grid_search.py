"""`grid_search`: which alpha, beta and gamma scale a network best on one's own pictures."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from netwright.errors import NetwrightError
from netwright.files import Output, write_json, write_text
from netwright.graph import Design, to_json
from netwright.progress import Progress
from netwright.spaces.triples import scalings
from netwright.studies.engines.ray_engine import RayCluster
from netwright.studies.goals import Goal
from netwright.studies.halving import Halving
from netwright.studies.limits import Limits
from netwright.studies.on_pictures import planned
from netwright.studies.question import Question
from netwright.studies.ranking import Ranking
from netwright.studies.searching import (
    EPOCHS,
    Conduct,
    Own,
    check_image,
    conduct,
    evaluator_of,
    on_own,
    on_pictures,
    report,
    usual_image,
)
from netwright.studies.study import Study
from netwright.training.machine import Machine
from netwright.training.plan import Plan, open_for
from netwright.training.recipes.recipe import Recipe
from netwright.training.train import cache_of
from netwright.zoo import network


def grid_search(
    net: str | Design,
    data: Any = None,
    *,
    step: float = 0.05,
    tolerance: float = 0.1,
    image: int | None = None,
    limits: Limits | None = None,
    recipe: Recipe | None = None,
    evaluate: Own | None = None,
    pictures: int | None = None,
    halving: Halving | None = None,
    group: str | None = None,
    seed: int = 0,
    workers: int = 1,
    threads: int | None = None,
    cluster: RayCluster | None = None,
    machine: Machine | None = None,
    out: str | os.PathLike[str] | None = None,
    storage: str | None = None,
    study: str | None = None,
    cache: str | os.PathLike[str] | None = "default",
    progress: Progress | None = None,
) -> Ranking:
    """Train a network scaled by every alpha, beta, gamma of a grid to double the macs, and rank them (arXiv:1905.11946, 3.3).

    `step` and `tolerance` say which triples (see `nw.scaling.candidates`), `image` (px) is the unscaled network's: by default the
    pictures' own, at most 224. It is a study as `search` makes them, and what is not said here is as there: each network is
    one trial, trained with `recipe` (10 epochs) at its own resolution on 80 % of the training pictures and measured on the other
    20 %; run again with the same arguments it goes on. `evaluate` is a function (design, seed, report) -> accuracy in place of a
    training, and `pictures` on how many it measures.

    The folder `out` has the best network (design.json), the best rule (rule.json, which `nw.scale` and `netwright scale --rule`
    take by the folder's name), a report, and everything in result.json.

    Raises NetwrightError for a grid without a triple and an image too small to scale, DesignError for a family that does not
    scale.

    >>> def accuracy(design, seed, report):  # in place of pictures: the wider, the better
    ...     return nw.cost(design).params / 1e8
    >>> found = nw.grid_search("efficientnet_b0", evaluate=accuracy, image=64, step=0.5, tolerance=0.3)
    >>> nw.scale("efficientnet_b0", phi=1, rule=found.rule).factors.width
    1.5
    """
    how = Conduct(
        None, workers, threads, cluster, machine or Machine(), out, storage, study, cache_of(cache), progress or Progress()
    )
    own, image = evaluator_of(data, evaluate), check_image(image)
    if pictures is not None and (type(pictures) is not int or pictures < 1):
        raise NetwrightError(f"pictures is {pictures!r}, expected a whole number of at least 1")
    design = network(net) if isinstance(net, str) else net
    source = open_for(data, out, how.progress, group) if data is not None else None
    plan = planned(source, image or usual_image(source), seed, group) if source is not None else None
    if source is not None and isinstance(design, Design) and "classes" in design.fields():
        design = design.replace(classes=len(source.classes))
    space = scalings(
        design,
        step=step,
        tolerance=tolerance,
        image=image if plan is None else plan.image,
        channels=3 if source is None else source.channels,
        progress=how.progress,
    )
    question = Question(space, limits or Limits(), Goal(), "grid", {}, None, seed=seed, halving=halving)
    if plan is None:
        question = on_own(question, evaluate, None)
    else:
        question, pictures = on_pictures(question, plan, recipe or Recipe(epochs=EPOCHS)), _compared(plan)
    return Ranking(conduct(question, source, own, how, _Written(pictures)), pictures)


def _compared(plan: Plan) -> int:
    """How many pictures networks are compared on."""
    assert plan.data.validation is not None
    return len(plan.data.validation)


@dataclass(frozen=True)
class _Written:
    """Writes a grid search's folder: result.json last, as for every study."""

    pictures: int | None

    def __call__(self, output: Output, study: Study) -> None:
        ranking = Ranking(study, self.pictures)
        write_text(output.folder / "design.json", to_json(study.best.design) + "\n")
        write_text(output.folder / "rule.json", to_json(ranking.rule) + "\n")
        write_text(output.folder / "report.html", report(study, ranking.section()))
        write_json(output.result, study.to_json() | {"grid": ranking.to_json()})
