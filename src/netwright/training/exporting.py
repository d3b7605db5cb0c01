"""A run's network as an ONNX file: in float, or in eight bits with what they cost in accuracy."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from netwright.data import Data, Pictures, Source
from netwright.errors import NetwrightError
from netwright.files import writing
from netwright.inference.export import export_onnx
from netwright.inference.onnx_files import open_onnx, rewrite
from netwright.inference.quantize import quantize_onnx
from netwright.progress import Progress
from netwright.training.evaluating.evaluation import Evaluation, evaluate_onnx
from netwright.training.normalize import to_batch
from netwright.training.run import Run, held_out_part, labelled, load, opened_for, places_of, read_with_bar

PICTURES = 256  # that ranges are measured on: with more of them the accuracy stays the same
BATCH = 16


def export(run: Run | str | os.PathLike[str], path: str | os.PathLike[str]) -> float:
    """Write a run's network, deployed, as ONNX; returns the largest difference of outputs, relative to the largest one.

    The batch is dynamic; classes, channels and preprocessing are the file's metadata. Raises FailedError, and
    leaves no file, where ONNX Runtime computes other outputs than the network as it was trained.

    >>> nw.export("photos-30M", "photos.onnx") < 1e-4
    True
    """
    path = _onnx_name(path)
    run = run if isinstance(run, Run) else load(run)
    noise = torch.rand(4, run.channels, run.image, run.image, generator=torch.Generator().manual_seed(0))
    return export_onnx(run.model, path, run.normalize(noise).contiguous(), run.about)


@dataclass(frozen=True)
class Quantized:
    """What eight bits cost: accuracy of the float network (`before`) and of the integers (`after`) on held-out pictures.

    Ranges were measured on `calibrated_on` training pictures; `largest_difference` is that of the float file (see `export`).
    """

    file: Path
    before: Evaluation
    after: Evaluation
    calibrated_on: int
    bytes_before: int
    bytes_after: int
    largest_difference: float

    @property
    def accuracies(self) -> dict[str, Any]:
        """Both accuracies (top-1), and how many pictures they were measured on: as in the file's metadata."""
        told = {"accuracy_float32": self.before.accuracy, "accuracy_int8": self.after.accuracy}
        return told | {"accuracy_of": len(self.after.labels), "calibrated_on": self.calibrated_on}


def export_int8(
    run: Run | str | os.PathLike[str],
    path: str | os.PathLike[str],
    data: str | os.PathLike[str] | Source,
    *,
    pictures: int = PICTURES,
    progress: Progress | None = None,
) -> Quantized:
    """Write a run's network as ONNX in eight bits (see `quantize_onnx`), and measure what that costs.

    The ranges of feature maps are measured on up to `pictures` of the data's training part, the accuracy before and after
    on its held-out part: `test`, else `val`; of undivided data a fifth, which for the data of the run is the one that it
    was not trained on. The metadata say "precision": "int8" and both accuracies. Raises NetwrightError for data whose
    classes or channels are not the network's and, before any work, for a path that cannot be written, and what `export`
    and `quantize_onnx` raise; no file is left then.

    >>> made = nw.export_int8("photos-30M", "photos-int8.onnx", "photos/")
    >>> abs(made.after.accuracy - made.before.accuracy) <= 1
    True
    """
    path, progress = _onnx_name(path), progress or Progress(quiet=True)
    if pictures < 1:
        raise NetwrightError(f"pictures is {pictures}, expected at least 1 to measure ranges on")
    run = run if isinstance(run, Run) else load(run)
    source = opened_for(run, data)
    with writing(path) as target, tempfile.TemporaryDirectory(prefix="netwright-") as folder:
        parts, places = _parts(run, source), places_of(run, source, progress)
        shown = _some(run, parts, pictures, progress)
        held_out = labelled(run, source, parts.test, places, progress)
        whole, small = Path(folder) / "float.onnx", Path(folder) / "int8.onnx"
        difference = export(run, whole)
        progress.say(f"measuring ranges on {len(shown):,} training pictures")
        quantize_onnx(whole, small, _batches(run, shown), {"precision": "int8"})
        progress.say(f"measuring the accuracy of both on {len(held_out):,} held-out pictures")
        before, after = [evaluate_onnx(open_onnx(file), held_out) for file in (whole, small)]
        sizes = [file.stat().st_size for file in (whole, small)]
        made = Quantized(path, before, after, len(shown), sizes[0], sizes[1], difference)
        rewrite(small, target, made.accuracies)
    return made


def _onnx_name(path: str | os.PathLike[str]) -> Path:
    if Path(path).suffix != ".onnx":
        raise NetwrightError(f"{path} is no name for an ONNX file: let it end with .onnx")
    return Path(path)


def _parts(run: Run, source: Source) -> Data:
    """Training and held-out part: those of the run where it was trained on the source."""
    held_out_part(run, source)  # refuses a source that has changed since the run was trained on it
    trained_on = source.fingerprint == run.trained_on.get("fingerprint")
    return source.split(run.trained_on.get("seed", 0) if trained_on else 0)


def _some(run: Run, parts: Data, most: int, progress: Progress) -> Pictures:
    """Training pictures drawn by chance (always the same ones), as the network sees them."""
    count = len(parts.train)
    drawn = np.random.default_rng(0).choice(count, min(most, count), replace=False)
    return read_with_bar(parts.source, parts.train.take(drawn), run.preprocessing, progress)


def _batches(run: Run, pictures: Pictures) -> Iterator[NDArray[np.float32]]:
    for start in range(0, len(pictures), BATCH):
        yield run.normalize(to_batch(pictures.pixels[start : start + BATCH])).contiguous().numpy()
