"""What is on pictures, in any runtime."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from netwright.data import read_picture
from netwright.data.pictures import unwarned
from netwright.errors import NetwrightError
from netwright.inference.onnx_files import OnnxNetwork
from netwright.inference.runtimes import Call, Place, UnavailableError, check_runtime, compared, open_runtime
from netwright.preprocessing import Preprocessing
from netwright.training.batches import Normalize, to_batch

BATCH = 64
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one picture, best first, with their probabilities."""

    picture: str
    classes: tuple[tuple[str, float], ...]


class Labelled(Protocol):
    """What says how pictures are shown to it, and what its outputs mean: a run, or an exported file."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def channels(self) -> int: ...
    @property
    def preprocessing(self) -> Preprocessing: ...


def predicted(call: Call, labelled: Labelled, pictures: Paths, top: int = 5) -> list[Prediction]:
    """The `top` most probable classes of each picture file, by the logits that `call` gives for normalized batches.

    Raises BadPictureError, naming the file, where one cannot be read.
    """
    shown, classes = labelled.preprocessing, labelled.classes
    normalize = Normalize(shown.mean, shown.std)
    paths = [pictures] if isinstance(pictures, (str, os.PathLike)) else list(pictures)
    predictions = []
    for start in range(0, len(paths), BATCH):
        part = paths[start : start + BATCH]
        with unwarned():
            pixels = np.stack([read_picture(Path(path), shown, labelled.channels) for path in part])
        shares = call(normalize(to_batch(pixels))).float().softmax(1).cpu()
        if shares.shape[1] != len(classes):
            raise NetwrightError(
                f"the network has {shares.shape[1]} outputs, but {len(classes)} classes are named: export it again"
            )
        best = shares.topk(min(top, len(classes)), dim=1)
        for path, values, indices in zip(part, best.values.tolist(), best.indices.tolist(), strict=True):
            pairs = zip(indices, values, strict=True)
            predictions.append(Prediction(str(path), tuple((classes[i], value) for i, value in pairs)))
    return predictions


def file_call(network: OnnxNetwork) -> Call:
    """What computes the logits of an exported file."""
    return lambda batch: torch.from_numpy(network(batch.contiguous().numpy()))


def model_call(model: nn.Module, runtime: str, shape: tuple[int, int, int]) -> Call:
    """What computes a model's logits in `runtime`, compared with the eager model's on the first batch.

    A runtime that cannot run the network here gives way to "folded" with a warning that says why. Raises NetwrightError
    for an unknown runtime, FailedError where the logits are others than the model's.
    """
    check_runtime(runtime)
    place = Place(next((parameter.device for parameter in model.parameters()), torch.device("cpu")))
    eager = open_runtime("eager", model, shape, place)
    return (
        eager if runtime == "eager" else _Compared(runtime, eager, partial(open_runtime, model=model, shape=shape, place=place))
    )


class _Compared:
    """A runtime that is opened for its first batch, where its logits are compared."""

    def __init__(self, runtime: str, eager: Call, opening: Callable[[str], Call]) -> None:
        self.runtime = runtime
        self.eager = eager
        self.opening = opening
        self.call: Call | None = None

    def __call__(self, batch: Tensor) -> Tensor:
        if self.call is not None:
            return self.call(batch)
        expected = self.eager(batch)
        try:
            call = self.opening(self.runtime)
            logits = call(batch)
        except UnavailableError as error:
            if self.runtime == "folded":
                raise
            warnings.warn(f"{self.runtime} cannot be used ({error}): predicting with folded instead", stacklevel=2)
            self.runtime = "folded"
            call = self.opening(self.runtime)
            logits = call(batch)
        compared(self.runtime, logits, expected, Place(expected.device))
        self.call = call
        return logits
