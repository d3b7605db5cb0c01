"""The report of a run, made again from its folder."""

from __future__ import annotations

import os
from typing import Any

from torch import nn

from netwright.costing import cost
from netwright.data.pictures import Array
from netwright.errors import NetwrightError
from netwright.report.charts import Rows
from netwright.report.design_page import design_page
from netwright.report.pages import Beside, run_page
from netwright.training.engine.rates import learning_rate
from netwright.training.engine.step import optimizer_of
from netwright.training.recipes.recipe import Recipe
from netwright.training.recipes.recipe_files import FILE, read_recipe
from netwright.training.run import Run, load, opened_for

PAGES = {"train": run_page, "design": design_page}
_POINTS = 200  # of a schedule


def schedule_of(recipe: Recipe) -> Rows:
    """The learning rate and the momentum (None without one) over a training: rows of `epoch`, `lr`, `momentum`.

    >>> [round(row["lr"], 3) for row in schedule_of(Recipe(epochs=10, batch=128))[::50]]
    [0.0, 0.198, 0.138, 0.044, 0.0]
    """
    group = optimizer_of(nn.Linear(1, 1), recipe).param_groups[0]
    momentum = group["betas"][0] if "betas" in group else group.get("momentum")
    epochs = [recipe.epochs * i / _POINTS for i in range(_POINTS + 1)]
    return [{"epoch": epoch, "lr": learning_rate(recipe, epoch), "momentum": momentum} for epoch in epochs]


def run_report(folder: str | os.PathLike[str]) -> str:
    """The HTML report of the folder of a finished `train` or `design`, with what is there today.

    The worst mistakes are shown where the pictures are still those that the network was measured on; else the page says why they
    are not. Raises NetwrightError where the folder holds no finished run.
    """
    run = load(folder)
    result = run.result
    page = PAGES.get(result.get("command", ""))
    if page is None or "accuracy" not in result:
        raise NetwrightError(f"{folder} holds no run of `netwright train` or `netwright design`: it has no report")
    recipe = read_recipe(os.path.join(folder, FILE))  # noqa: PTH118
    table = cost(run.design, run.image, channels=run.channels, by="block")
    worst, missing = _worst(run, result["accuracy"]["worst"])
    return page(result, table, Beside(worst, missing, schedule_of(recipe)))


def _worst(run: Run, mistakes: list[dict[str, Any]]) -> tuple[list[Array], str]:
    """The pixels of the worst mistakes, or why they are not there."""
    if not mistakes:
        return [], ""
    where = run.trained_on.get("source", "")
    try:
        source = opened_for(run, where)
        if source.fingerprint != run.trained_on.get("fingerprint"):
            return [], f"the pictures of {where} are not those of the training any more"
        return [source.picture(one["picture"], run.preprocessing) for one in mistakes], ""
    except NetwrightError as error:
        return [], f"the pictures cannot be read ({error})"
