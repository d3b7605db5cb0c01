"""The learning rate of a recipe at any point of a training."""

from __future__ import annotations

from netwright.optim import schedules
from netwright.training.recipes.recipe import Recipe


def learning_rate(recipe: Recipe, epoch: float) -> float:
    """The rate at a point of training, in epochs from 0: a linear warm-up from 0, then the recipe's schedule.

    >>> recipe = Recipe(epochs=10, batch=128)
    >>> [round(learning_rate(recipe, epoch), 3) for epoch in (1, 2, 6, 10)]
    [0.1, 0.2, 0.1, 0.0]
    """
    plan, peak = recipe.schedule, recipe.optimizer.peak(recipe.batch)
    warm = min(plan.warmup_epochs, recipe.epochs / 4)
    return schedules.warmup(epoch, warm, lambda at: _after(recipe, peak, at, warm)) if warm else _after(recipe, peak, epoch, 0)


def _after(recipe: Recipe, peak: float, epoch: float, warm: float) -> float:
    """The rate after the warm-up: curves take the epochs that are left, milestones count from the beginning."""
    plan, left = recipe.schedule, recipe.epochs - warm
    if plan.kind == "cosine":
        return schedules.cosine(epoch - warm, left, peak, plan.final * peak)
    if plan.kind == "linear":
        return schedules.linear(epoch - warm, left, peak, plan.final * peak)
    if plan.kind == "multistep":
        return schedules.multistep(epoch, plan.milestones, peak, plan.factor)
    if plan.kind == "steps":
        return schedules.steps_down(epoch, plan.every, peak, plan.factor)
    return peak
