"""ONNX files in eight bits: weights and feature maps as integers, their ranges measured on pictures."""

from __future__ import annotations

import contextlib
import io
import logging
import tempfile
import warnings
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from netwright.errors import FailedError, NetwrightError
from netwright.files import writing
from netwright.inference.onnx_files import INPUT, OUTPUT, annotate, session_of

Batch = NDArray[np.float32]
TOLERANCE = 1e-3  # between batches of one picture and of many: the integers are the same


class _Batches:
    """What ONNX Runtime's calibration asks for batches: `get_next`, None when there are no more."""

    def __init__(self, batches: Iterable[Batch]) -> None:
        self._batches = iter(batches)

    def get_next(self) -> dict[str, Batch] | None:
        batch = next(self._batches, None)
        return None if batch is None else {INPUT: batch}


def quantize_onnx(source: Path, target: Path, batches: Iterable[Batch], about: Mapping[str, Any]) -> None:
    """Write the float network of the file `source` in eight bits (static quantization, QDQ format).

    Weights are signed and symmetric with a scale for each channel; feature maps are unsigned, from the least to the largest
    value that the normalized pictures of `batches` show. Weights take seven of the eight bits: processors without VNNI add
    two products in sixteen bits, which eight would overflow. The metadata are those of `source` and `about`.

    Raises NetwrightError where there are no batches, FailedError where ONNX Runtime cannot quantize the network, or
    computes no numbers with it or others in another batch; no file is left then.
    """
    first, batches = _peeked(batches)
    with tempfile.TemporaryDirectory(prefix="netwright-") as folder, writing(target) as temporary:
        prepared, made = Path(folder) / "prepared.onnx", Path(folder) / "made.onnx"
        try:
            with _silence():
                _quantize(source, prepared, made, batches)
        except Exception as error:  # ONNX Runtime's tools raise whatever they like
            raise FailedError(
                f"{source} cannot be quantized: {(str(error).splitlines() or [type(error).__name__])[0]}"
            ) from error
        proto = onnx.load(made)
        annotate(proto, {**{prop.key: prop.value for prop in onnx.load(source).metadata_props}, **about})
        onnx.save(proto, temporary)
        _check(temporary, first, target)


def _peeked(batches: Iterable[Batch]) -> tuple[Batch, Iterator[Batch]]:
    """The first batch, and all of them."""
    rest = iter(batches)
    first = next(rest, None)
    if first is None or not len(first):
        raise NetwrightError("there are no pictures to measure ranges on: eight bits need some")

    def again() -> Iterator[Batch]:
        yield first
        yield from rest

    return first, again()


def _quantize(source: Path, prepared: Path, made: Path, batches: Iterable[Batch]) -> None:
    from onnxruntime.quantization import CalibrationMethod, QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    quant_pre_process(source, prepared, skip_symbolic_shape=True)
    quantize_static(
        prepared,
        made,
        _Batches(batches),
        quant_format=QuantFormat.QDQ,
        per_channel=True,
        reduce_range=True,
        activation_type=QuantType.QUInt8,
        weight_type=QuantType.QInt8,
        # entropy gives the same ranges, percentiles take longer and lose a little (docs/deploy.md)
        calibrate_method=CalibrationMethod.MinMax,
    )


def _check(path: Path, batch: Batch, target: Path) -> None:
    """Raise FailedError unless every picture of a batch gives numbers, and the same ones alone."""
    session = session_of(path)
    batch = batch[:3]
    (together,) = session.run([OUTPUT], {INPUT: batch})
    for i in range(len(batch)):
        (alone,) = session.run([OUTPUT], {INPUT: batch[i : i + 1]})
        apart = np.abs(together[i] - alone[0]).max() / max(float(np.abs(together).max()), 1e-6)
        if not apart <= TOLERANCE:
            raise FailedError(f"the quantized network differs by {apart:.2g} between batches: {target} was not written")


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """ONNX Runtime's tools print, and advise what is done already."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
