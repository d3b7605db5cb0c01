"""What `train` and `design` settle first: the pictures, their parts, the image size and the seed."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from netwright.data import Data, Listing, Pictures, Source, open_source
from netwright.data.listings import joined
from netwright.errors import NetwrightError
from netwright.graph import DEFAULT_IMAGE, Design, trace
from netwright.preprocessing import Preprocessing, View, whole
from netwright.progress import Progress
from netwright.runtime.weights import Weights
from netwright.training.engine.augment import stored
from netwright.training.normalize import Normalize
from netwright.training.recipes.recipe import Augmentation


@dataclass(frozen=True)
class Plan:
    """A source of pictures, its parts, the image size in pixels, the seed of all chance, and weights to start from."""

    source: Source
    data: Data
    image: int
    seed: int
    weights: Weights | None = None
    validation: float = 0.0
    fold: tuple[int, int] | None = None
    group: str | None = None

    @classmethod
    def of(
        cls,
        source: Source,
        image: int | None,
        seed: int,
        validation: float = 0.0,
        *,
        default: int = DEFAULT_IMAGE,
        fold: tuple[int, int] | None = None,
    ) -> Plan:
        """The image size is the one asked for, else the pictures' own, else the default; parts are as in `Source.split`."""
        data = source.split(seed, validation, fold=fold)
        return cls(source, data, image or source.image or default, seed, validation=validation, fold=fold)

    @property
    def shown(self) -> Preprocessing:
        """How pictures are shown when the network is evaluated: as the weights that it starts from want it, else whole.

        The mean and deviation are those of the weights, else still unknown.
        """
        if self.weights is None:
            return whole(self.image)
        return self.weights.preprocessing.of_channels(self.source.channels).at(self.image)

    def stored(self, augment: Augmentation) -> View:
        """How training pictures are kept."""
        return stored(augment, self.image, self.source.image)

    def check_classes(self, pictures: Pictures) -> None:
        """Raise NetwrightError for a class that is left without a picture to train on."""
        left = np.bincount(pictures.labels, minlength=len(self.source.classes))
        for label in sorted(set(self.data.train.labels.tolist())):
            if not left[label]:
                raise NetwrightError(
                    f"none of the pictures of class {self.source.classes[label]!r} can be read ({pictures.bad[0].name}: "
                    f"{pictures.bad[0].reason}): `netwright data verify` names all of them"
                )

    def whole_training(self) -> Listing:
        """All pictures but the held-out ones."""
        return joined([part for part in (self.data.train, self.data.validation) if part is not None])

    def arguments(self) -> dict[str, Any]:
        """What a folder made from this plan must agree on when it is gone on with."""
        pictures = f"{sum(map(len, self.source.splits.values()))} ({self.source.fingerprint})"
        made = {"data": self.source.name, "pictures": pictures, "image": self.image, "seed": self.seed}
        made |= {"validation": self.validation} if self.validation else {}
        made |= {"fold": list(self.fold)} if self.fold is not None else {}
        return made | ({"weights": self.weights.digest} if self.weights is not None else {})

    @property
    def trained_on(self) -> dict[str, Any]:
        """What tells later which pictures a network was trained on."""
        told: dict[str, Any] = {"source": self.source.name, "fingerprint": self.source.fingerprint, "seed": self.seed}
        told |= {"fold": list(self.fold)} if self.fold is not None else {}
        return told | ({"group": self.group} if self.group is not None else {})

    def normalize(self, pictures: Pictures) -> Normalize:
        """The mean and deviation that the weights were trained with, else those of the training pictures."""
        return Normalize.of(pictures.pixels) if self.weights is None else Normalize(self.shown.mean, self.shown.std)

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


def open_for(data: Any, out: str | os.PathLike[str] | None, progress: Progress, group: str | None = None) -> Source:
    """Open a data set for a run that writes to `out`; says which files are no pictures."""
    source = data if isinstance(data, Source) else open_source(data, group)
    if out is not None and Path(source.name) in Path(out).resolve().parents:
        raise NetwrightError(f"{out} lies inside the pictures' folder, and would be taken for a class: choose another with -o")
    if source.ignored:
        shown = ", ".join(source.ignored[:3]) + (", ..." if len(source.ignored) > 3 else "")
        progress.say(f"{len(source.ignored):,} files are no pictures and are left out: {shown}")
    return source
