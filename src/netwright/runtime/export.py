"""ONNX files whose outputs were compared with the model's."""

from __future__ import annotations

import contextlib
import io
import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import torch
from torch import Tensor, nn

from netwright.errors import FailedError
from netwright.files import writing

TOLERANCE = 1e-3  # of the largest logit; fp32 kernels of two runtimes differ by less


def export_onnx(model: nn.Module, path: Path, examples: Tensor, about: Mapping[str, Any]) -> float:
    """Write `model` as ONNX with a dynamic batch; returns the largest difference found, relative to the largest logit.

    `examples` is a normalized (n, channels, height, width) float batch, n at least 2; ONNX Runtime must
    give the same outputs for it, for its first picture alone and for noise, else FailedError is
    raised and no file is left. `about` (plain values) becomes the file's metadata.
    """
    model = model.cpu().eval()
    with writing(path) as temporary:
        with _silence():
            program = torch.onnx.export(
                model,
                (examples[:2],),
                dynamo=True,
                input_names=["image"],
                output_names=["logits"],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=1 << 16)},),
                verbose=False,
            )
        assert program is not None
        proto = program.model_proto
        for key, value in about.items():
            proto.metadata_props.add(key=key, value=value if isinstance(value, str) else json.dumps(value))
        onnx.save(proto, temporary)
        difference = _compare(model, temporary, examples)
        if not difference <= TOLERANCE:
            raise FailedError(f"the exported network differs from the trained one by {difference:.2g}: {path} was not written")
    return difference


@torch.no_grad()
def _compare(model: nn.Module, path: Path, examples: Tensor) -> float:
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    noise = torch.randn(3, *examples.shape[1:], generator=torch.Generator().manual_seed(0))
    worst = 0.0
    for batch in (examples, examples[:1], noise):
        expected = model(batch).numpy()
        (got,) = session.run(None, {"image": batch.contiguous().numpy()})
        scale = max(float(np.abs(expected).max()), 1e-6)
        worst = max(worst, float(np.abs(expected - got).max()) / scale)
    return worst


@contextlib.contextmanager
def _silence() -> Iterator[None]:
    """The exporter talks of its own future; what matters is compared afterwards."""
    levels = {name: logging.getLogger(name).level for name in ("onnxscript", "onnx_ir", "torch.onnx")}
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        for name in levels:
            logging.getLogger(name).setLevel(logging.ERROR)
        try:
            yield
        finally:
            for name, level in levels.items():
                logging.getLogger(name).setLevel(level)
