"""What is on pictures, in any runtime."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from netwright.data import BadPictureError, read_picture
from netwright.data.pictures import Array, unwarned
from netwright.data.trees import Folder
from netwright.errors import FailedError, NetwrightError
from netwright.inference.onnx_files import OnnxNetwork
from netwright.inference.runtimes import Call, Place, UnavailableError, check_runtime, compared, open_runtime
from netwright.preprocessing import Preprocessing
from netwright.training.normalize import Normalize, to_batch

BATCH = 64
Paths = str | os.PathLike[str] | Sequence[str | os.PathLike[str]]


@dataclass(frozen=True)
class Prediction:
    """The most probable classes of one picture, best first, with their probabilities.

    Where the picture could not be read, there are none, and `bad` says why.
    """

    picture: str
    classes: tuple[tuple[str, float], ...]
    bad: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain values; "error" is there for a picture that could not be read."""
        classes = [{"class": name, "probability": share} for name, share in self.classes]
        return {"picture": self.picture, "classes": classes} | ({"error": self.bad} if self.bad else {})


class Labelled(Protocol):
    """What says how pictures are shown to it, and what its outputs mean: a run, or an exported file."""

    @property
    def classes(self) -> tuple[str, ...]: ...
    @property
    def channels(self) -> int: ...
    @property
    def preprocessing(self) -> Preprocessing: ...


Tell = Callable[[Prediction], None]


def found(pictures: Paths) -> list[Path]:
    """The files that are meant: files as they are, of folders all pictures in them at any depth (by their endings), sorted.

    Raises NetwrightError for a folder without pictures.
    """
    endings = Image.registered_extensions()
    files: list[Path] = []
    for path in map(Path, [pictures] if isinstance(pictures, (str, os.PathLike)) else pictures):
        if not path.is_dir():
            files.append(path)
            continue
        inside = [path / name for name in Folder(path).files() if Path(name).suffix.lower() in endings]
        if not inside:
            raise NetwrightError(f"{path} is a folder, not a picture, and there are no pictures in it")
        files += inside
    return files


def paths_of(content: bytes) -> list[str]:
    """The paths of a list, as it comes on standard input: one a line or, where it has any, between NUL bytes."""
    parts = content.split(b"\0") if b"\0" in content else [line.removesuffix(b"\r") for line in content.split(b"\n")]
    return [os.fsdecode(part) for part in parts if part]


def predicted(
    call: Call, labelled: Labelled, pictures: Paths, top: int = 5, *, skip_bad: bool = False, tell: Tell | None = None
) -> list[Prediction]:
    """The `top` most probable classes of each picture, by the logits that `call` gives for normalized batches.

    Pictures are files, or folders of them (see `found`); predictions come in their order, and `tell` is told each as soon
    as it is there. Raises BadPictureError, naming the file, where one cannot be read; with `skip_bad` its prediction has
    no classes, and a reason. Raises FailedError where the network's outputs are no numbers.
    """
    if top < 1:
        raise NetwrightError(f"top is {top}, expected at least 1")
    predictions: list[Prediction] = []
    with contextlib.closing(_decoded(found(pictures), labelled)) as batches, unwarned():
        for part in batches:
            for prediction in _batch(call, labelled, part, top, skip_bad):
                predictions.append(prediction)
                if tell is not None:
                    tell(prediction)
    return predictions


_Read = list[tuple[Path, Array | BadPictureError]]


def _decoded(paths: Sequence[Path], labelled: Labelled) -> Generator[_Read, None, None]:
    """Batches of pictures, decoded in threads; the next one while the network looks at the one before."""

    def read(path: Path) -> tuple[Path, Array | BadPictureError]:
        try:
            return path, read_picture(path, labelled.preprocessing, labelled.channels)
        except BadPictureError as error:
            return path, error

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        ahead: list[Future[tuple[Path, Array | BadPictureError]]] = []
        for start in range(0, len(paths) + BATCH, BATCH):
            now, ahead = ahead, [pool.submit(read, path) for path in paths[start : start + BATCH]]
            if now:
                yield [one.result() for one in now]


def _batch(call: Call, labelled: Labelled, part: _Read, top: int, skip_bad: bool) -> Iterator[Prediction]:
    """Predictions of pictures that were read, and of those that could not be."""
    good = [pixels for _, pixels in part if not isinstance(pixels, BadPictureError)]
    bad = [pixels for _, pixels in part if isinstance(pixels, BadPictureError)]
    if bad and not skip_bad:
        raise bad[0]
    best = iter(likeliest(call, labelled, np.stack(good), top) if good else ())
    for path, pixels in part:
        if isinstance(pixels, BadPictureError):
            yield Prediction(str(path), (), pixels.reason)
        else:
            yield Prediction(str(path), next(best))


def likeliest(call: Call, labelled: Labelled, pixels: Array, top: int) -> list[tuple[tuple[str, float], ...]]:
    """The `top` most probable classes of decoded pictures (n, image, image, channels), with their probabilities.

    Raises FailedError where the network's outputs are no numbers.
    """
    classes = labelled.classes
    shares = call(shown_to(labelled, pixels)).float().softmax(1).cpu()
    if shares.shape[1] != len(classes):
        raise NetwrightError(f"the network has {shares.shape[1]} outputs, but {len(classes)} classes are named: export it again")
    if not bool(shares.isfinite().all()):
        raise FailedError("the network's outputs are no numbers: its weights are broken, or not those of this network")
    values, places = shares.topk(min(top, len(classes)), dim=1)
    return [
        tuple((classes[i], value) for value, i in zip(*one, strict=True))
        for one in zip(values.tolist(), places.tolist(), strict=True)
    ]


def shown_to(labelled: Labelled, pixels: Array) -> Tensor:
    """Decoded pictures (n, image, image, channels) as the network takes them: (n, channels, image, image), normalized."""
    shown = labelled.preprocessing
    return Normalize(shown.mean, shown.std)(to_batch(pixels))


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
