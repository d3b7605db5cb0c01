"""A trained network in its folder: load it, ask it about pictures, evaluate it."""

from __future__ import annotations

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import fx

from netwright.data import Listing, Pictures, Source, open_source, store
from netwright.errors import FailedError, NetwrightError
from netwright.files import read_json
from netwright.graph import Design, read_design, trace
from netwright.preprocessing import Preprocessing, View
from netwright.progress import Progress
from netwright.runtime import build
from netwright.runtime.weights import open_weights, save_weights
from netwright.training.classes import matched, named, unnamed
from netwright.training.evaluating.crops import Crops
from netwright.training.evaluating.evaluation import Asked, Cache, Evaluation, evaluate_model
from netwright.training.evaluating.predicting import Paths, Prediction, Tell, model_call, predicted
from netwright.training.normalize import Normalize, to_batch


@dataclass(frozen=True)
class Run:
    """A trained network, its classes, and how pictures must be shown to it.

    `classes` name the outputs; `result` is what `result.json` says, empty for a network without a run's folder. With it a
    notebook shows how good the network is, and its curves.

    >>> run = nw.load("photos-30M")
    >>> found = run.predict(["photos/red/00.jpg", "photos/blue/00.jpg"], top=3)
    >>> len(found), run.image
    (2, 24)
    """

    design: Design
    model: fx.GraphModule = field(repr=False)
    classes: tuple[str, ...]
    channels: int
    preprocessing: Preprocessing
    trained_on: dict[str, Any] = field(default_factory=dict, repr=False)
    folder: Path | None = None
    result: dict[str, Any] = field(default_factory=dict, repr=False)

    def _repr_html_(self) -> str | None:
        from netwright.report.pages import run_piece

        return run_piece(self.result) if "curve" in self.result else None

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

    def predict(
        self, pictures: Paths, top: int = 5, runtime: str = "eager", *, skip_bad: bool = False, tell: Tell | None = None
    ) -> list[Prediction]:
        """The `top` most probable classes of each picture, computed in one of the runtimes (see `open_runtime`).

        Pictures are files, or folders of them. Raises BadPictureError, naming the file, where one cannot be read (see
        `predicted` for `skip_bad` and `tell`), and what `model_call` raises.
        """
        call = model_call(self.model, runtime, (self.channels, self.image, self.image))
        return predicted(call, self, pictures, top, skip_bad=skip_bad, tell=tell)

    def examples(self, pictures: Pictures, most: int = 16) -> torch.Tensor:
        """Some pictures as the model takes them: (n, channels, image, image), normalized."""
        return self.normalize(to_batch(pictures.pixels[:most])).contiguous()

    def save(self, path: Path) -> None:
        """Write the weights with everything that is needed to use them again."""
        save_weights(self.model, path, about=self.about | {"trained_on": self.trained_on})


def load(folder: str | os.PathLike[str]) -> Run:
    """The network of a finished run's folder.

    Raises NetwrightError where the folder holds none, or what it holds is broken.

    >>> nw.load("photos-30M").classes
    ('blue', 'green', 'red')
    """
    path = Path(folder)
    if not (path / "result.json").exists():
        unfinished = (path / "work" / "command.json").exists()
        why = "the run in it is unfinished: run its command again" if unfinished else "it holds no finished run"
        raise NetwrightError(f"cannot load {path}: {why if path.is_dir() else 'there is no such folder'}")
    design = read_design(path / "design.json")
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


def named_after(run: Run, source: Source) -> Run:
    """The run with the class names of a source, where its weights do not name theirs and there are as many."""
    if unnamed(run.classes) and not source.indexed and len(run.classes) == len(source.classes):
        return replace(run, classes=source.classes)
    return run


def evaluate(
    run: Run | str | os.PathLike[str],
    data: str | os.PathLike[str] | Source,
    progress: Progress | None = None,
    *,
    crops: int = 1,
    batch: int = 256,
    skip_bad: bool = False,
    cache: Cache = "default",
) -> Evaluation:
    """Evaluate a run on a data set: its test (or val) part, or all of it where it has no parts.

    On the pictures that the run was trained with, its own held-out part is used; where they have
    changed since, that part cannot be told, and this is an error. Classes are matched by name (see
    `matched`); one that the run does not know is an error that names it. `crops` are the views of each picture (1, 5 or
    10, see `Crops`), `batch` the pictures at a time, which changes speed and memory, not the figures. Raises
    BadPictureError for a picture that cannot be read; with `skip_bad` it is left out, and named in the evaluation's
    `bad`. `cache` is where decoded pictures are kept (see `store`), None for nowhere. Raises FailedError where the
    network's outputs are no numbers.

    >>> 0 <= nw.evaluate("photos-30M", "photos/", crops=10).accuracy <= 1
    True
    """
    run = run if isinstance(run, Run) else load(run)
    source = opened_for(run, data)
    return evaluated(run, source, Asked(crops, batch, skip_bad, cache), progress or Progress(quiet=True))[0]


def evaluated(run: Run, source: Source, asked: Asked, progress: Progress) -> tuple[Evaluation, Pictures]:
    """What `evaluate` gives, and the pictures that it was measured on; their labels are places among the outputs."""
    crops = Crops.of(run.preprocessing, asked.crops if source.mirror else min(asked.crops, 5))
    if asked.crops == 10 and not source.mirror:
        progress.say(f"a mirrored picture of {source.name} is of no class: five crops, none of them mirrored")
    listing, places = held_out_part(run, source), places_of(run, source, progress)
    shown = crops.read(run.preprocessing) if crops else run.preprocessing
    pictures = read_with_bar(source, listing, shown, progress, skip_bad=asked.skip_bad, cache=asked.cache)
    pictures = replace(pictures, labels=places[pictures.labels])
    with progress.bar(f"evaluating on {len(pictures):,} pictures") as step:
        evaluation = evaluate_model(run.model, pictures, run.normalize, asked.batch, crops, step)
    wrong = int((~evaluation.probabilities.isfinite().all(1)).sum())
    if wrong:
        raise FailedError(f"the outputs for {wrong:,} of {len(pictures):,} pictures are no numbers: the weights are broken")
    return evaluation, pictures


def places_of(run: Run, source: Source, progress: Progress) -> NDArray[np.int64]:
    """The output that stands for each class of a source (see `matched`); its pictures must have the channels of the run's."""
    if source.channels != run.channels:
        raise NetwrightError(f"{source.name} has {source.channels} channels, the network takes {run.channels}")
    if named_after(run, source).classes != run.classes:
        progress.say("the weights do not name their classes: they are taken in the order of the data's")
    return matched(named_after(run, source).classes, source)


def labelled(run: Run, source: Source, listing: Listing, places: NDArray[np.int64], progress: Progress) -> Pictures:
    """Pictures of a source as the run sees them; their labels are places among its outputs."""
    pictures = read_with_bar(source, listing, run.preprocessing, progress)
    return replace(pictures, labels=places[pictures.labels])


def opened_for(run: Run, data: Any) -> Source:
    """A data set, with the groups that the run was trained with where it is the run's own."""
    source = data if isinstance(data, Source) else open_source(data)
    group = run.trained_on.get("group")
    return open_source(data, group) if group and data is not source and source.name == run.trained_on.get("source") else source


def held_out_part(run: Run, source: Source) -> Listing:
    """The pictures of a source that a run is evaluated on (see `evaluate`)."""
    if source.fingerprint == run.trained_on.get("fingerprint"):
        fold = run.trained_on.get("fold")
        return source.split(run.trained_on.get("seed", 0), fold=None if fold is None else (fold[0], fold[1])).test
    if "all" not in source.splits:
        return source.split(0).test
    if source.name == run.trained_on.get("source"):
        raise NetwrightError(
            f"the pictures of {source.name} have changed since the network was trained on them: "
            "which of them it has not seen cannot be told; evaluate on a folder of other pictures"
        )
    return source.splits["all"]


def read_with_bar(
    source: Source,
    listing: Listing,
    shown: View,
    progress: Progress,
    *,
    skip_bad: bool = False,
    cache: Cache = "default",
    workers: int | None = None,
) -> Pictures:
    """Decode pictures under a progress bar (see `store`)."""

    def told(done: int, total: int) -> None:
        step(done, total, "")

    with progress.bar(f"reading {len(listing):,} pictures") as step:
        return store(source, listing, shown, cache=cache, skip_bad=skip_bad, workers=workers, step=told)
