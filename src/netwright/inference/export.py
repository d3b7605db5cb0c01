"""ONNX files of deployed networks, whose outputs were compared with those of the network that they were made from."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import onnx
import torch
from torch import Tensor, fx, nn

from netwright.errors import FailedError, NetwrightError
from netwright.files import writing
from netwright.inference.deploy import deploy
from netwright.inference.onnx_files import INPUT, OUTPUT, annotate, session_of
from netwright.runtime.weights import design_of, is_built

TOLERANCE = 1e-4  # of the largest logit; fp32 kernels of two runtimes differ by less (2e-6 for the zoo)


def export_onnx(model: nn.Module, path: Path, examples: Tensor, about: Mapping[str, Any]) -> float:
    """Write `model`, deployed, as ONNX with a dynamic batch; returns the largest difference found, relative to the largest logit.

    `examples` is a normalized (n, channels, height, width) float batch, n at least 2. ONNX Runtime must give the outputs
    of the model as it was given (in evaluation mode) for it, for its first picture and its first two, and for three of
    noise; else FailedError is raised and no file is left. `about` (plain values) becomes the file's metadata, with what
    netwright adds (see `annotate`). The model stays as it is. Raises NetwrightError for a model that, deployed, gives
    several outputs, and what `writing` raises.
    """
    made = deploy(model) if isinstance(model, fx.GraphModule) and is_built(model) else copy.deepcopy(model).eval()
    _refuse_several(made.cpu(), examples[:2].cpu())
    network = {"network": type(design_of(model)).__name__} if is_built(model) else {}
    with writing(path) as temporary:
        with _silence():
            program = torch.onnx.export(
                made,
                (examples[:2].cpu(),),
                dynamo=True,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes=({0: torch.export.Dim("batch", min=1, max=1 << 16)},),
                verbose=False,
            )
        assert program is not None
        proto = program.model_proto
        annotate(proto, {**network, "precision": "float32", **about})
        onnx.save(proto, temporary)
        difference = _compare(model, temporary, examples)
        if not difference <= TOLERANCE:
            raise FailedError(f"the exported network differs from the trained one by {difference:.2g}: {path} was not written")
    return difference


@torch.no_grad()
def _refuse_several(made: nn.Module, examples: Tensor) -> None:
    outputs = made(examples)
    if isinstance(outputs, (tuple, list)) and len(outputs) > 1:
        raise NetwrightError(
            f"the network gives {len(outputs)} outputs, an ONNX file holds one: "
            "build it with outputs=(name,), or let its design give back one"
        )


@torch.no_grad()
def _compare(model: nn.Module, path: Path, examples: Tensor) -> float:
    session = session_of(path)
    noise = torch.randn(3, *examples.shape[1:], generator=torch.Generator().manual_seed(0))
    device = next((p.device for p in model.parameters()), torch.device("cpu"))
    worst = 0.0
    with _evaluating(model):
        for batch in (examples, examples[:1], examples[:2], noise):
            made = model(batch.to(device))
            expected = made[0] if isinstance(made, tuple) else made  # auxiliary classifiers serve in training only
            (got,) = session.run([OUTPUT], {INPUT: batch.cpu().contiguous().numpy()})
            apart = (expected.float().cpu() - torch.from_numpy(got)).abs().max() / expected.abs().max().clamp_min(1e-6)
            if not apart <= worst:  # also what is no number
                worst = float(apart)
    return worst


@contextlib.contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    """The model in evaluation mode; afterwards each module is as it was."""
    modes = {module: module.training for module in model.modules()}
    model.eval()
    try:
        yield
    finally:
        for module, training in modes.items():
            module.training = training


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
