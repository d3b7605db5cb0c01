"""The recipes of the design command: what suits few epochs on a user's own pictures."""

from __future__ import annotations

from netwright.training.plan import Plan
from netwright.training.recipes.recipe import Recipe


def recipe_for(plan: Plan, epochs: int, timed: bool) -> Recipe:
    """How candidates and the winner are trained for so many epochs: netwright's own recipe."""
    return Recipe(epochs=epochs)
