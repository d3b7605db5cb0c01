"""How good a model is on pictures it was not trained on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor, nn

from netwright.data import BadPicture, Pictures
from netwright.data.pictures import Array
from netwright.errors import NetwrightError
from netwright.inference.onnx_files import OnnxNetwork
from netwright.progress import Step
from netwright.spaces.sampling import wilson
from netwright.training.evaluating.crops import Crops
from netwright.training.machine import lacks_memory
from netwright.training.normalize import Normalize, to_batch

Cache = Path | Literal["default"] | None
BINS = 15  # of the calibration error, as in Guo et al. 2017


@dataclass(frozen=True)
class Asked:
    """How to evaluate: views of each picture (1, 5 or 10, see `Crops`), pictures at a time, and whether bad ones are left out.

    Bad pictures are those that cannot be read. The batch changes speed and memory, not what comes out. `cache` is where
    decoded pictures are kept (see `store`), None for nowhere.
    """

    crops: int = 1
    batch: int = 256
    skip_bad: bool = False
    cache: Cache = "default"


@dataclass(frozen=True)
class ClassScore:
    """One class among the predictions: its pictures, how often it was predicted, and how often rightly."""

    pictures: int
    predicted: int
    correct: int

    @property
    def recall(self) -> float | None:
        """Share of its pictures that were recognized; None where it has none."""
        return self.correct / self.pictures if self.pictures else None

    @property
    def precision(self) -> float | None:
        """Share of its predictions that were right; None where it was never predicted."""
        return self.correct / self.predicted if self.predicted else None

    @property
    def f1(self) -> float | None:
        """The harmonic mean of precision and recall; None for a class that neither occurs nor was predicted."""
        both = self.pictures + self.predicted
        return 2 * self.correct / both if both else None


@dataclass(frozen=True)
class Bin:
    """Pictures whose most probable class has a probability above `low` and at most `high`.

    `confidence` is the mean of these probabilities, `accuracy` the share of right ones; both 0 without pictures.
    """

    low: float
    high: float
    pictures: int
    confidence: float
    accuracy: float


@dataclass(frozen=True)
class Mistake:
    """A picture taken for another class: its place, the class it has, the one it was taken for, and their probabilities."""

    index: int
    label: int
    predicted: int
    probability: float
    probability_of_label: float


@dataclass(frozen=True)
class Evaluation:
    """Predictions on n pictures: `probabilities` (n, classes) and `labels` (n,), with what follows from them.

    `names` are those of the pictures, where they have any; `crops` is how many views of each picture the probabilities
    are the mean of; `bad` are pictures that could not be read and were left out.
    """

    probabilities: Tensor
    labels: Tensor
    names: Sequence[str] = field(default=(), repr=False)
    crops: int = 1
    bad: tuple[BadPicture, ...] = ()

    @cached_property
    def predicted(self) -> Tensor:
        """The most probable class of each picture: (n,)."""
        return self.probabilities.argmax(1)

    @property
    def correct(self) -> int:
        """Pictures whose most probable class is the right one."""
        return int((self.predicted == self.labels).sum())

    @property
    def accuracy(self) -> float:
        """Share of pictures whose most probable class is the right one (top-1)."""
        return self.correct / len(self.labels)

    @property
    def top5(self) -> float:
        """Share of pictures whose class is among the five most probable."""
        most = min(5, self.probabilities.shape[1])
        best = self.probabilities.topk(most, dim=1).indices
        return float((best == self.labels[:, None]).any(1).double().mean())

    @property
    def interval(self) -> tuple[float, float]:
        """95 % confidence interval of the accuracy (Wilson 1927)."""
        return wilson(self.accuracy, len(self.labels))

    @property
    def loss(self) -> float:
        """Mean cross entropy in nats."""
        right = self.probabilities[torch.arange(len(self.labels)), self.labels]
        return float(-right.clamp_min(1e-12).log().mean())

    @cached_property
    def by_class(self) -> list[ClassScore]:
        """Counts of each class, in the order of the outputs; with them precision, recall and F1."""
        classes = self.probabilities.shape[1]
        hits = self.labels[self.predicted == self.labels]
        counts = [torch.bincount(which, minlength=classes).tolist() for which in (self.labels, self.predicted, hits)]
        return [ClassScore(*three) for three in zip(*counts, strict=True)]

    def per_class(self) -> list[float | None]:
        """Accuracy on the pictures of each class (recall); None where there is none."""
        return [score.recall for score in self.by_class]

    @property
    def balanced_accuracy(self) -> float:
        """Mean recall of the classes that have pictures (as scikit-learn's `balanced_accuracy_score`)."""
        return _mean([score.recall for score in self.by_class])

    @property
    def macro_f1(self) -> float:
        """Mean F1 of the classes that have pictures or were predicted (scikit-learn's `f1_score`, average "macro").

        A class that has pictures and was never predicted, or the other way round, counts as 0.
        """
        return _mean([score.f1 for score in self.by_class])

    @property
    def confusion(self) -> Tensor:
        """(classes, classes) int64: pictures of the row's class that were taken for the column's."""
        classes = self.probabilities.shape[1]
        places = self.labels * classes + self.predicted
        return torch.bincount(places, minlength=classes * classes).reshape(classes, classes)

    def confused(self) -> list[tuple[int, int, int]]:
        """The cells of `confusion` that are not 0: (class, taken for, pictures), class by class."""
        classes = self.probabilities.shape[1]
        places, counts = np.unique((self.labels * classes + self.predicted).numpy(), return_counts=True)
        return [(*divmod(place, classes), count) for place, count in zip(places.tolist(), counts.tolist(), strict=True)]

    def calibration(self, bins: int = BINS) -> list[Bin]:
        """How sure the model is and how often right, in `bins` equally wide bins: a reliability diagram's bars.

        Their limits are those of Guo et al. 2017: a probability that is exactly a limit belongs to the lower bin.
        """
        sure = self.probabilities.max(1).values.double().numpy()
        right = (self.predicted == self.labels).numpy()
        limits = np.linspace(0, 1, bins + 1)
        places = np.digitize(sure, limits[1:-1], right=True)
        made = []
        for i in range(bins):
            mine = places == i
            count = int(mine.sum())
            means = (float(sure[mine].mean()), float(right[mine].mean())) if count else (0.0, 0.0)
            made.append(Bin(float(limits[i]), float(limits[i + 1]), count, *means))
        return made

    @property
    def calibration_error(self) -> float:
        """Expected calibration error: the mean of |accuracy - confidence| over 15 bins, by their pictures (Guo et al. 2017)."""
        gaps = [one.pictures * abs(one.accuracy - one.confidence) for one in self.calibration()]
        return sum(gaps) / len(self.labels)

    def worst(self, most: int = 24) -> list[Mistake]:
        """The surest mistakes, the surest first."""
        wrong = (self.predicted != self.labels).nonzero()[:, 0]
        sure = self.probabilities[wrong, self.predicted[wrong]]
        order = wrong[sure.argsort(descending=True, stable=True)[:most]].tolist()
        return [self._mistake(index) for index in order]

    def _mistake(self, index: int) -> Mistake:
        label, guess = int(self.labels[index]), int(self.predicted[index])
        shares = self.probabilities[index]
        return Mistake(index, label, guess, float(shares[guess]), float(shares[label]))


def _mean(values: Sequence[float | None]) -> float:
    known = [value for value in values if value is not None]
    return sum(known) / len(known)


@torch.no_grad()
def evaluate_model(
    model: nn.Module,
    pictures: Pictures,
    normalize: Normalize,
    batch: int = 256,
    crops: Crops | None = None,
    step: Step | None = None,
) -> Evaluation:
    """Run a model in evaluation mode over all pictures, in order, `batch` at a time, on the device where it is.

    With `crops`, the probabilities are the mean of those of several views; the pictures then have the side `crops.side`.
    `step` is told how many are done, of how many. Where memory does not suffice, a batch is taken in halves. Raises
    NetwrightError where there are no pictures.
    """
    first = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    parts, started = [], time.monotonic()

    def shares(pixels: Array) -> Tensor:
        whole = to_batch(pixels).to(first.device)
        views = crops.views(whole) if crops else [whole]
        each = [_logits(model, normalize(view).to(first.dtype)).float().softmax(1) for view in views]
        return each[0] if len(each) == 1 else torch.stack(each).mean(0)

    with _evaluating(model):
        for pixels in _slices(pictures, batch):
            parts.append(_in_halves(shares, pixels))
            if step is not None:
                _tell(step, min(len(parts) * batch, len(pictures)), len(pictures), started)
    return _evaluation(parts, pictures, crops.count if crops else 1)


def evaluate_onnx(network: OnnxNetwork, pictures: Pictures, batch: int = 64) -> Evaluation:
    """Run an ONNX file over all pictures, in order; they are normalized as it wants them.

    Raises NetwrightError for pictures of another size or number of channels than the file's, and for none.
    """
    shown = network.preprocessing
    wanted = (shown.image, shown.image, network.channels)
    if pictures.pixels.shape[1:] != wanted:
        raise NetwrightError(f"the pictures are {pictures.pixels.shape[1:]}, {network.path} takes {wanted}")
    normalize = Normalize(shown.mean, shown.std)
    parts = []
    for pixels in _slices(pictures, batch):
        x = normalize(to_batch(pixels)).contiguous()
        parts.append(torch.from_numpy(network(x.numpy())).softmax(1))
    return _evaluation(parts, pictures, 1)


def _slices(pictures: Pictures, batch: int) -> Iterator[Array]:
    """The pixels, `batch` pictures at a time; copied where they lie in a file that cannot be written to, which torch warns of."""
    if batch < 1:
        raise NetwrightError(f"batch is {batch}, expected at least 1")
    for start in range(0, len(pictures), batch):
        yield np.require(pictures.pixels[start : start + batch], requirements="W")


def _in_halves(shares: Callable[[Array], Tensor], pixels: Array) -> Tensor:
    """The shares of some pictures; where memory does not suffice for all at once, of halves of them."""
    try:
        return shares(pixels)
    except RuntimeError as error:
        if len(pixels) == 1 or not lacks_memory(error):
            raise
    half = len(pixels) // 2
    return torch.cat([_in_halves(shares, part) for part in (pixels[:half], pixels[half:])])


def _evaluation(parts: list[Tensor], pictures: Pictures, crops: int) -> Evaluation:
    if not parts:
        raise NetwrightError("there are no pictures to evaluate on")
    labels = torch.from_numpy(np.array(pictures.labels, dtype=np.int64))
    return Evaluation(torch.cat(parts).cpu(), labels, pictures.names, crops, pictures.bad)


def _logits(model: nn.Module, x: Tensor) -> Tensor:
    made = model(x)
    logits: Tensor = made[0] if isinstance(made, tuple) else made  # auxiliary classifiers serve in training only
    return logits


def _tell(step: Step, done: int, total: int, started: float) -> None:
    step(done, total, f"{done / max(time.monotonic() - started, 1e-6):,.0f} images/s")


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; afterwards each of its modules is in the mode that it was in."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training
