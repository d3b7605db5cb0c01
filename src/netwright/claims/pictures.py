"""Real pictures for long claims: a few of each class, and trainings on them that are not repeated when a run goes on."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from netwright.claims.claim import Terms
from netwright.data import open_source
from netwright.data.listings import Listing
from netwright.data.sources import Source
from netwright.errors import NetwrightError
from netwright.preprocessing import whole

if TYPE_CHECKING:
    from netwright.graph import Design
    from netwright.training import Recipe

_TINY = 12  # pictures of a class in a tiny run


@dataclass(frozen=True)
class Small:
    """Pictures of a data set as an .npz with a training and a test part, all of `side` px."""

    path: Path
    classes: int
    channels: int
    side: int
    told: str


@contextlib.contextmanager
def working(terms: Terms) -> Iterator[Path]:
    """The folder to work in: that of the terms, which stays, or one that goes."""
    if terms.folder is not None:
        terms.folder.mkdir(parents=True, exist_ok=True)
        yield terms.folder
    else:
        with tempfile.TemporaryDirectory(prefix="netwright-claims-") as folder:
            yield Path(folder)


def small(terms: Terms, folder: Path, per_class: int, side: int, *, held_out: bool = True) -> Small:
    """Some of the terms' pictures (by default the embedded digits, at 8 px), the first of each class in their order.

    Without `held_out` only pictures to learn from are taken, and half of them stand in for held-out ones: to choose settings by.
    Raises NetwrightError for data that cannot be read, or has too few pictures.
    """
    source = open_source(terms.data or "digits")
    side = side if terms.data else source.image or side
    parts = source.split(0)
    per_class = _TINY if terms.tiny else per_class
    train = _first(parts.train.labels, len(source.classes), per_class)
    chosen = {"train": parts.train.take(np.concatenate(train)), "test": parts.test}
    if held_out:
        chosen["test"] = parts.test.take(np.concatenate(_first(parts.test.labels, len(source.classes), per_class)))
    else:
        halves = [np.concatenate([places[k::2] for places in train]) for k in (0, 1)]
        chosen = {"train": parts.train.take(halves[0]), "test": parts.train.take(halves[1])}
    for listing in chosen.values():
        if len(listing) < 4 * len(source.classes):
            raise NetwrightError(f"{source.name} has too few pictures: expected at least 8 of each class to learn from")
    path = folder / f"{'held-out' if held_out else 'choosing'}-{per_class}-{side}.npz"
    if not path.exists():
        _write(source, chosen, side, path)
    name, counts = Path(source.name).name, (len(chosen["train"]), len(chosen["test"]))
    told = f"{counts[0]:,} pictures of {name} to learn from and {counts[1]:,} others, at {side} px"
    return Small(path, len(source.classes), source.channels, side, told)


def _first(labels: Any, classes: int, count: int) -> list[Any]:
    """For each class the numbers of its first pictures."""
    return [np.flatnonzero(labels == label)[:count] for label in range(classes)]


def _write(source: Source, chosen: Mapping[str, Listing], side: int, path: Path) -> None:
    arrays: dict[str, Any] = {}
    for split, listing in chosen.items():
        pictures = source.read(listing, whole(side), None)
        arrays |= {f"{split}_images": np.asarray(pictures.pixels[:]), f"{split}_labels": pictures.labels}
    np.savez_compressed(path, classes=np.array(source.classes), **arrays)


@dataclass(frozen=True)
class Lesson:
    """A network to be trained, how, and with which seed."""

    design: Design
    recipe: Recipe
    seed: int


def accuracies(lessons: Mapping[str, Lesson], pictures: Small, out: Path, terms: Terms) -> dict[str, float]:
    """The held-out accuracy (a share) of each training, by its name; those that are in the folder `out` are not done again."""
    from netwright.progress import Progress
    from netwright.training.machine import Machine
    from netwright.training.seeds import train_each
    from netwright.training.train import train

    def training(name: str, lesson: Lesson) -> Any:
        recipe = lesson.recipe.replace(epochs=1) if terms.tiny else lesson.recipe

        def run(folder: Path) -> Any:
            terms.progress.say(f"training {name}")
            machine, quiet = Machine(precision="fp32"), Progress(quiet=True)
            return train(
                lesson.design, pictures.path, out=folder, recipe=recipe, machine=machine, seed=lesson.seed, progress=quiet
            )

        return run

    trainings = {name: training(name, lesson) for name, lesson in lessons.items()}
    made = train_each(trainings, out, {"claim": out.name, "tiny": terms.tiny, "pictures": pictures.told})
    return {run["name"]: run["top1"] for run in made["runs"]}
