"""What `train` and `design` settle first: the pictures, their parts, the image size and the seed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netwright.data import Data, Listing, Pictures, Source, open_source
from netwright.errors import NetwrightError
from netwright.graph import DEFAULT_IMAGE, Design, trace
from netwright.progress import Progress
from netwright.runtime.weights import Weights
from netwright.training.batches import Normalize


@dataclass(frozen=True)
class Plan:
    """A source of pictures, its parts, the image size in pixels, the seed of all chance, and weights to start from."""

    source: Source
    data: Data
    image: int
    seed: int
    weights: Weights | None = None

    @classmethod
    def of(cls, source: Source, image: int | None, seed: int, validation: float = 0.0, default: int = DEFAULT_IMAGE) -> Plan:
        """The image size is the one asked for, else the pictures' own, else the default."""
        return cls(source, source.split(seed, validation), image or source.image or default, seed)

    def whole_training(self) -> Listing:
        """All pictures but the held-out ones."""
        parts = [part for part in (self.data.train, self.data.validation) if part is not None]
        names = tuple(name for part in parts for name in part.names)
        return Listing(names, np.concatenate([part.labels for part in parts]))

    def arguments(self) -> dict[str, Any]:
        """What a folder made from this plan must agree on when it is gone on with."""
        pictures = f"{sum(map(len, self.source.splits.values()))} ({self.source.fingerprint})"
        made = {"data": self.source.name, "pictures": pictures, "image": self.image, "seed": self.seed}
        return made | ({"weights": self.weights.digest} if self.weights is not None else {})

    @property
    def trained_on(self) -> dict[str, Any]:
        """What tells later which pictures a network was trained on."""
        return {"source": self.source.name, "fingerprint": self.source.fingerprint, "seed": self.seed}

    def normalize(self, pictures: Pictures) -> Normalize:
        """The mean and deviation that the weights were trained with, else those of the training pictures."""
        if self.weights is None:
            return Normalize.of(pictures.pixels)
        shown = self.weights.preprocessing.of_channels(self.source.channels)
        return Normalize(shown.mean, shown.std)

    def described(self) -> dict[str, Any]:
        """What `result.json` says of the data."""
        parts = {"train": self.data.train, "validation": self.data.validation, "test": self.data.test}
        return {
            **self.trained_on,
            "classes": list(self.source.classes),
            "pictures": {name: len(part) for name, part in parts.items() if part is not None},
            "ignored_files": list(self.source.ignored),
            **({"started_from": self.weights.digest} if self.weights is not None else {}),
        }

    def fitted(self, design: Design) -> Design:
        """The design with the data's number of classes; raises DesignError where it cannot take the pictures."""
        if "classes" in design.fields():
            design = design.replace(classes=len(self.source.classes))
        trace(design, self.image, self.source.channels)
        return design


def open_for(data: str | os.PathLike[str], out: str | os.PathLike[str] | None, progress: Progress) -> Source:
    """Open a data set for a run that writes to `out`; says which files are no pictures."""
    source = open_source(data)
    if out is not None and Path(source.name) in Path(out).resolve().parents:
        raise NetwrightError(f"{out} lies inside the pictures' folder, and would be taken for a class: choose another with -o")
    if source.ignored:
        shown = ", ".join(source.ignored[:3]) + (", ..." if len(source.ignored) > 3 else "")
        progress.say(f"{len(source.ignored):,} files are no pictures and are left out: {shown}")
    return source
