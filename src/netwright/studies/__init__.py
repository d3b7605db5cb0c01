"""Search: from a budget to a trained network."""

from netwright.studies.designing import design
from netwright.studies.engines.ray_engine import RayCluster
from netwright.studies.goals import Goal
from netwright.studies.halving import Halving
from netwright.studies.limits import Limits
from netwright.studies.searching import join_study, search
from netwright.studies.study import Study, read_study

__all__ = ["Goal", "Halving", "Limits", "RayCluster", "Study", "design", "join_study", "read_study", "search"]
