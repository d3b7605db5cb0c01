"""Training and evaluating a network on pictures."""

from netwright.training.evaluation import Evaluation, evaluate_model
from netwright.training.loop import Epoch, fit
from netwright.training.recipe import Recipe

__all__ = ["Epoch", "Evaluation", "Recipe", "evaluate_model", "fit"]
