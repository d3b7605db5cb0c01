"""Search: from a budget to a trained network."""

from netwright.studies.designing import design

__all__ = ["design"]
