"""Augmentation of whole batches on any device: all chance is drawn first (`draw`), then pictures are made (`prepared`)."""

from netwright.training.engine.augment.draws import Drawn, Mixing, draw, stored
from netwright.training.engine.augment.preparing import Look, prepared

__all__ = ["Drawn", "Look", "Mixing", "draw", "prepared", "stored"]
