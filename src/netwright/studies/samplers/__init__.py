"""Samplers: which design is tried next. Each reads what has been tried and proposes one within the limits."""

from __future__ import annotations

from netwright.errors import NetwrightError, did_you_mean
from netwright.studies.goals import Goal
from netwright.studies.ground import Ground
from netwright.studies.samplers.base import Sampler

SAMPLERS = {
    "random": "random designs within the limits: the default, and hard to beat by much in short studies",
    "evolution": "regularized evolution: the best of the young has a child that differs in one choice",
    "local": "local search: the neighbours of the best design, until none is better; then from a random one",
    "grid": "every design of a finite space once, in order: as many trials as it has designs",
    "tpe": "tree-structured Parzen estimator: what sets the good trials apart, by Optuna",
    "nsga2": "NSGA-II: generations of parents and children, by Optuna; made for a front of accuracy and a cost",
    "controller": "an LSTM that writes designs choice by choice and learns by REINFORCE, as Zoph & Le's",
}
FRONTS = ("random", "grid", "nsga2")  # these can be after two values


def sampler(name: str, ground: Ground, goal: Goal) -> Sampler:
    """The sampler of that name, with its defaults.

    Raises NetwrightError for an unknown name, and for a front with a sampler that is after one value.
    """
    if name not in SAMPLERS:
        hint = did_you_mean(name, SAMPLERS) or f"; there are {', '.join(SAMPLERS)}"
        raise NetwrightError(f"unknown sampler {name!r}{hint}")
    if goal.kind == "pareto" and name not in FRONTS:
        raise NetwrightError(
            f"the sampler {name} cannot search for a front of {goal}: take {', '.join(FRONTS[:-1])} or {FRONTS[-1]}"
        )
    if name == "tpe":  # imported when wanted: Optuna and torch take their time
        from netwright.studies.samplers.tpe import TPE

        return TPE(ground, goal)
    if name == "nsga2":
        from netwright.studies.samplers.nsga2 import NSGA2

        return NSGA2(ground, goal)
    if name == "controller":
        from netwright.studies.samplers.controller import Controller

        return Controller(ground)
    if name == "grid":
        from netwright.studies.samplers.grid import Grid

        return Grid(ground)
    if name == "evolution":
        from netwright.studies.samplers.evolution import Evolution

        return Evolution(ground)
    if name == "local":
        from netwright.studies.samplers.local import Local

        return Local(ground)
    from netwright.studies.samplers.blind import Random

    return Random(ground)


__all__ = ["FRONTS", "SAMPLERS", "Sampler", "sampler"]
