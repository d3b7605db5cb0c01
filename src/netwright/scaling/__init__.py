"""Scaling a network: to a phi, to a factor, or to a budget. Imports no torch."""

from netwright.scaling.candidates import Candidate, candidates
from netwright.scaling.rules import COMPOUND, FAST, RULES, Rule, compound, fast
from netwright.scaling.scaled import Aim, Scaled, scale

__all__ = ["COMPOUND", "FAST", "RULES", "Aim", "Candidate", "Rule", "Scaled", "candidates", "compound", "fast", "scale"]
