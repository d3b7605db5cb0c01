"""A trained network in its folder: load it, ask it about pictures, evaluate it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import fx

from netwright.data import Listing, Pictures, Source, open_source, read_picture
from netwright.data.pictures import unwarned
from netwright.errors import NetwrightError
from netwright.files import read_json
from netwright.graph import Design, from_json
from netwright.progress import Progress
from netwright.runtime import build
from netwright.runtime.weights import fill, read_weights, save_weights
from netwright.training.batches import Normalize, to_batch
from netwright.training.evaluation import Evaluation, evaluate_model


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one picture, best first, with their probabilities."""

    picture: str
    classes: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Run:
    """A trained network, its classes, and how pictures must be shown to it.

    `image` is the side in pixels; `result` is what `result.json` says, empty for a network without a
    run's folder.
    """

    design: Design
    model: fx.GraphModule = field(repr=False)
    classes: tuple[str, ...]
    image: int
    channels: int
    normalize: Normalize
    trained_on: dict[str, Any] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    result: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def about(self) -> dict[str, Any]:
        """What goes with the weights: classes, image size in pixels, channels, mean and deviation (0..1 scale)."""
        shown = {"image": self.image, "channels": self.channels, "mean": self.normalize.mean, "std": self.normalize.std}
        return {"classes": list(self.classes), **shown}

    def predict(self, pictures: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], top: int = 5) -> list[Prediction]:
        """The `top` most probable classes of each picture file.

        Raises BadPictureError, naming the file, where one cannot be read.
        """
        paths = [pictures] if isinstance(pictures, (str, os.PathLike)) else list(pictures)
        predictions = []
        for start in range(0, len(paths), 64):
            part = paths[start : start + 64]
            with unwarned():
                pixels = np.stack([read_picture(Path(p), self.image, self.channels) for p in part])
            names = tuple(map(str, part))
            shown = Pictures(pixels, np.zeros(len(part), np.int64), names)
            best = evaluate_model(self.model, shown, self.normalize).probabilities.topk(min(top, len(self.classes)), dim=1)
            for name, values, indices in zip(names, best.values.tolist(), best.indices.tolist(), strict=True):
                pairs = zip(indices, values, strict=True)
                predictions.append(Prediction(name, tuple((self.classes[i], value) for i, value in pairs)))
        return predictions

    def examples(self, pictures: Pictures, most: int = 16) -> torch.Tensor:
        """Some pictures as the model takes them: (n, channels, image, image), normalized."""
        return self.normalize(to_batch(pictures.pixels[:most])).contiguous()

    def save(self, path: Path) -> None:
        """Write the weights with everything that is needed to use them again."""
        save_weights(self.model, path, self.about | {"trained_on": self.trained_on})


def load(folder: str | os.PathLike[str]) -> Run:
    """The network of a finished run's folder.

    Raises NetwrightError where the folder holds none, or what it holds is broken.
    """
    path = Path(folder)
    if not (path / "result.json").exists():
        unfinished = (path / "work" / "command.json").exists()
        why = "the run in it is unfinished: run its command again" if unfinished else "it holds no finished run"
        raise NetwrightError(f"cannot load {path}: {why if path.is_dir() else 'there is no such folder'}")
    try:
        design = from_json((path / "design.json").read_text(encoding="utf-8"))
    except OSError as error:
        raise NetwrightError(f"cannot read {path / 'design.json'}: {error.strerror}") from None
    return replace(load_network(design, path / "model.safetensors"), folder=path, result=read_json(path / "result.json"))


def load_network(design: Design, weights: Path) -> Run:
    """A design with the weights of a file that netwright wrote."""
    state, about = read_weights(weights)
    if not {"classes", "image", "channels", "mean", "std"} <= about.keys():
        raise NetwrightError(f"{weights} does not say its classes and preprocessing: netwright did not write it")
    if "classes" in design.fields():
        design = design.replace(classes=len(about["classes"]))
    image, channels = int(about["image"]), int(about["channels"])
    model = build(design, image, channels=channels, seed=0)
    fill(model, state, weights)
    normalize = Normalize(tuple(about["mean"]), tuple(about["std"]))
    return Run(design, model.eval(), tuple(about["classes"]), image, channels, normalize, about.get("trained_on", {}))


def evaluate(
    run: Run | str | os.PathLike[str], data: str | os.PathLike[str] | Source, progress: Progress | None = None
) -> Evaluation:
    """Evaluate a run on a data set: its test (or val) part, or all of it where it has no parts.

    On the pictures that the run was trained with, its own held-out part is used; where they have
    changed since, that part cannot be told, and this is an error. Classes are matched
    by name; one that the run does not know is an error that names it. Raises BadPictureError for a
    picture that cannot be read.
    """
    run = run if isinstance(run, Run) else load(run)
    source = data if isinstance(data, Source) else open_source(data)
    if source.channels != run.channels:
        raise NetwrightError(f"{source.name} has {source.channels} channels, the network takes {run.channels}")
    listing = _part(run, source)
    unknown = [name for name in source.classes if name not in run.classes]
    if unknown:
        raise NetwrightError(f"{source.name} has a class {unknown[0]!r} that the network was not trained on")
    pictures = read_with_bar(source, listing, run.image, progress or Progress(quiet=True))
    places = np.array([run.classes.index(name) for name in source.classes])
    pictures = Pictures(pictures.pixels, places[pictures.labels], pictures.names)
    return evaluate_model(run.model, pictures, run.normalize)


def _part(run: Run, source: Source) -> Listing:
    if "all" not in source.splits or source.fingerprint == run.trained_on.get("fingerprint"):
        return source.split(run.trained_on.get("seed", 0)).test
    if source.name == run.trained_on.get("source"):
        raise NetwrightError(
            f"the pictures of {source.name} have changed since the network was trained on them: "
            "which of them it has not seen cannot be told; evaluate on a folder of other pictures"
        )
    return source.splits["all"]


def read_with_bar(source: Source, listing: Listing, image: int, progress: Progress) -> Pictures:
    """Decode pictures under a progress bar."""
    with progress.bar(f"reading {len(listing):,} pictures") as step:
        return source.read(listing, image, lambda done, total: step(done, total, ""))
