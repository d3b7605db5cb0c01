"""Training and evaluating a network on pictures."""

from netwright.training.engine.loop import Session, fit
from netwright.training.engine.moments import Epoch, Moment
from netwright.training.evaluating.evaluation import Evaluation, evaluate_model
from netwright.training.machine import Machine
from netwright.training.recipes.recipe import Recipe

__all__ = ["Epoch", "Evaluation", "Machine", "Moment", "Recipe", "Session", "evaluate_model", "fit"]
