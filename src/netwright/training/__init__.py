"""Training and evaluating a network on pictures."""

from netwright.training.evaluation import Evaluation, evaluate_model
from netwright.training.loop import Session, fit
from netwright.training.machine import Machine
from netwright.training.moments import Epoch, Moment
from netwright.training.recipe import Recipe

__all__ = ["Epoch", "Evaluation", "Machine", "Moment", "Recipe", "Session", "evaluate_model", "fit"]
