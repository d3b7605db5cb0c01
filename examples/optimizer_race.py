"""Optimizers raced over several landscapes, each tuned first, as one figure: python optimizer_race.py race.svg.

The same classes train networks; here they move two numbers, with equal budgets of gradients.
"""

from __future__ import annotations

import sys

from netwright.lab import Canyon, Rosenbrock, race, race_figure

RACERS = ["sgd", "momentum", "nesterov", "adam"]

if __name__ == "__main__":
    out = sys.argv[1] if len(sys.argv) > 1 else "race.svg"
    canyon = race(Canyon(condition=50, rotate=30), RACERS, budget=60)
    print(canyon, end="\n\n")
    best = min(canyon.trajectories, key=lambda trajectory: trajectory.loss)
    print(f"{best.method.name} wins; its second step: {best.steps[1].formula}\n")
    print(race(Rosenbrock(), ["momentum", "adam"], budget=60), end="\n\n")
    print(race_figure(canyon).save(out))
