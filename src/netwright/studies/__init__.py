"""Search: from a budget to a trained network."""

from netwright.studies.designing import design
from netwright.studies.engines.ray_engine import RayCluster
from netwright.studies.goals import Goal
from netwright.studies.grid_search import grid_search
from netwright.studies.halving import Halving
from netwright.studies.limits import Limits
from netwright.studies.ranking import Ranking
from netwright.studies.searching import join_study, search
from netwright.studies.study import Study, read_study

__all__ = [
    "Goal",
    "Halving",
    "Limits",
    "Ranking",
    "RayCluster",
    "Study",
    "design",
    "grid_search",
    "join_study",
    "read_study",
    "search",
]
