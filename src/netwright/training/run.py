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
from netwright.graph import Design, from_json, trace
from netwright.preprocessing import Preprocessing
from netwright.progress import Progress
from netwright.runtime import build
from netwright.runtime.export import export_onnx
from netwright.runtime.weights import open_weights, save_weights
from netwright.training.batches import Normalize, to_batch
from netwright.training.classes import matched, named, unnamed
from netwright.training.evaluation import Evaluation, evaluate_model


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one picture, best first, with their probabilities."""

    picture: str
    classes: tuple[tuple[str, float], ...]


@dataclass(frozen=True)
class Run:
    """A trained network, its classes, and how pictures must be shown to it.

    `classes` name the outputs; `result` is what `result.json` says, empty for a network without a run's folder.
    """

    design: Design
    model: fx.GraphModule = field(repr=False)
    classes: tuple[str, ...]
    channels: int
    preprocessing: Preprocessing
    trained_on: dict[str, Any] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    result: dict[str, Any] = field(default_factory=dict, repr=False)

    @property
    def image(self) -> int:
        """Side of the image that the network is shown, in pixels."""
        return self.preprocessing.image

    @property
    def normalize(self) -> Normalize:
        """The mean and deviation that pictures are brought to."""
        return Normalize(self.preprocessing.mean, self.preprocessing.std)

    @property
    def about(self) -> dict[str, Any]:
        """What goes with the weights: classes, channels, and how pictures are shown (px; mean and deviation on a 0..1 scale)."""
        return {"classes": list(self.classes), "channels": self.channels, **self.preprocessing.fields()}

    def predict(self, pictures: str | os.PathLike[str] | Sequence[str | os.PathLike[str]], top: int = 5) -> list[Prediction]:
        """The `top` most probable classes of each picture file.

        Raises BadPictureError, naming the file, where one cannot be read.
        """
        paths = [pictures] if isinstance(pictures, (str, os.PathLike)) else list(pictures)
        predictions = []
        for start in range(0, len(paths), 64):
            part = paths[start : start + 64]
            with unwarned():
                pixels = np.stack([read_picture(Path(p), self.preprocessing, self.channels) for p in part])
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
        save_weights(self.model, path, about=self.about | {"trained_on": self.trained_on})


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


def load_network(design: Design, weights: str | os.PathLike[str]) -> Run:
    """A design with trained weights: a file, a hub id or a torchvision name (see `build`).

    Classes and preprocessing are those that came with the weights, else what their source takes for granted.
    """
    opened = open_weights(design, weights)
    if opened.count is None:
        opened.fit(trace(opened.design))  # a file of another network is told as such
        raise NetwrightError(f"{weights} has no classifier: it gives features, no classes (use it to train from)")
    design, fields = opened.design, opened.design.fields()
    design = design.replace(classes=opened.count) if "classes" in fields else design
    design = design.replace(aux=False) if fields.get("aux") else design  # they serve in training only
    channels = int(opened.about.get("channels", 3))
    if channels not in (1, 3):
        raise NetwrightError(f"{weights} is for pictures of {channels} channels: netwright reads grey and colour ones")
    model = build(design, opened.preprocessing.image, channels=channels, weights=replace(opened, design=design), seed=0)
    classes = named(opened.classes, opened.count)
    shown = opened.preprocessing.of_channels(channels)
    return Run(design, model.eval(), classes, channels, shown, opened.about.get("trained_on", {}))


def export(run: Run | str | os.PathLike[str], path: str | os.PathLike[str]) -> float:
    """Write a run's network as ONNX; returns the largest difference of outputs, relative to the largest one.

    The batch is dynamic; classes, channels and preprocessing are the file's metadata. Raises FailedError, and
    leaves no file, where ONNX Runtime computes other outputs than the network.

    >>> nw.export("photos-30M", "photos.onnx")   # doctest: +SKIP
    """
    if Path(path).suffix != ".onnx":
        raise NetwrightError(f"{path} is no name for an ONNX file: let it end with .onnx")
    run = run if isinstance(run, Run) else load(run)
    noise = torch.rand(4, run.channels, run.image, run.image, generator=torch.Generator().manual_seed(0))
    return export_onnx(run.model, Path(path), run.normalize(noise).contiguous(), run.about)


def named_after(run: Run, source: Source) -> Run:
    """The run with the class names of a source, where its weights do not name theirs and there are as many."""
    if unnamed(run.classes) and not source.indexed and len(run.classes) == len(source.classes):
        return replace(run, classes=source.classes)
    return run


def evaluate(
    run: Run | str | os.PathLike[str], data: str | os.PathLike[str] | Source, progress: Progress | None = None
) -> Evaluation:
    """Evaluate a run on a data set: its test (or val) part, or all of it where it has no parts.

    On the pictures that the run was trained with, its own held-out part is used; where they have
    changed since, that part cannot be told, and this is an error. Classes are matched by name (see
    `matched`); one that the run does not know is an error that names it. Raises BadPictureError for a
    picture that cannot be read.
    """
    progress = progress or Progress(quiet=True)
    run = run if isinstance(run, Run) else load(run)
    source = data if isinstance(data, Source) else open_source(data)
    if source.channels != run.channels:
        raise NetwrightError(f"{source.name} has {source.channels} channels, the network takes {run.channels}")
    listing = _part(run, source)
    if named_after(run, source).classes != run.classes:
        progress.say("the weights do not name their classes: they are taken in the order of the data's")
    places = matched(named_after(run, source).classes, source)
    pictures = read_with_bar(source, listing, run.preprocessing, progress)
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


def read_with_bar(source: Source, listing: Listing, shown: Preprocessing, progress: Progress) -> Pictures:
    """Decode pictures under a progress bar."""
    with progress.bar(f"reading {len(listing):,} pictures") as step:
        return source.read(listing, shown, lambda done, total: step(done, total, ""))
