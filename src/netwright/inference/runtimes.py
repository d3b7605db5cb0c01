"""One network in several runtimes: as it is, deployed, compiled, in ONNX Runtime. All give the same logits."""

from __future__ import annotations

import contextlib
import copy
import io
import logging
import os
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor, fx, nn

from netwright.errors import FailedError, NetwrightError, did_you_mean
from netwright.inference.deploy import deploy
from netwright.inference.export import export_onnx
from netwright.inference.onnx_files import session_of
from netwright.runtime.weights import is_built

Call = Callable[[Tensor], Tensor]  # (n, channels, height, width) float32 -> logits (n, classes) float32
Precision = Literal["fp32", "bf16"]

RUNTIMES = {
    "eager": "the model as it is",
    "folded": "norms folded, branches merged (deploy), channels last",
    "compiled": "the folded model through torch.compile with its weights as constants",
    "onnxruntime": "the folded model in ONNX Runtime",
}
PRECISIONS: tuple[Precision, ...] = ("fp32", "bf16")
# The largest difference allowed from the eager fp32 model, of the largest logit. The first is rounding; compilers and
# ONNX Runtime may reorder sums and approximate exp. GPUs multiply in TF32 (10 bits), bf16 has 7.
TOLERANCES = {"eager": 1e-5, "folded": 1e-5, "compiled": 1e-4, "onnxruntime": 1e-4}
TOLERANCE_CUDA, TOLERANCE_BF16 = 1e-2, 0.2


class UnavailableError(FailedError):
    """A runtime cannot run this network here; the message says why."""


@dataclass(frozen=True)
class Place:
    """Where and in which precision a runtime computes."""

    device: torch.device = field(default_factory=lambda: torch.device("cpu"))
    precision: Precision = "fp32"

    @property
    def dtype(self) -> torch.dtype:
        """Of weights and feature maps."""
        return torch.bfloat16 if self.precision == "bf16" else torch.float32

    @classmethod
    def of(cls, device: str | torch.device = "cpu", precision: str = "fp32") -> Place:
        """From a user's words: cpu, cuda or cuda:1, and fp32 or bf16; raises NetwrightError for others, and where no GPU is."""
        known: dict[str, Precision] = {name: name for name in PRECISIONS}
        if precision not in known:
            raise NetwrightError(f"unknown precision {precision!r}: choose fp32 or bf16")
        try:
            chosen = torch.device(device)
        except (RuntimeError, TypeError):
            raise NetwrightError(f"unknown device {device!r}: choose cpu or cuda") from None
        if chosen.type not in ("cpu", "cuda"):
            raise NetwrightError(f"cannot compute on {chosen.type}: choose cpu or cuda")
        if chosen.type == "cuda" and not torch.cuda.is_available():
            raise NetwrightError(f"there is no GPU for device {str(device)!r} here, or torch was built without CUDA: choose cpu")
        if chosen.type == "cuda" and (chosen.index or 0) >= torch.cuda.device_count():
            raise NetwrightError(f"there is no {chosen}: this machine has {torch.cuda.device_count()} of them, from cuda:0 on")
        return cls(chosen, known[precision])


def check_runtime(name: str) -> None:
    """Raise NetwrightError unless there is a runtime of this name."""
    if name not in RUNTIMES:
        raise NetwrightError(f"unknown runtime {name!r}{did_you_mean(str(name), RUNTIMES) or ': choose ' + ', '.join(RUNTIMES)}")


def open_runtime(name: str, model: nn.Module, shape: tuple[int, int, int], place: Place | None = None) -> Call:
    """What computes the logits of `model` in the runtime `name` (see RUNTIMES); the model itself stays as it is.

    `shape` is an image's (channels, height, width); weights are copied, but for the eager runtime where it can use the
    model itself. The callable takes float32 batches of any size and gives float32
    logits on the place's device; `compiled` compiles for each new size of a batch when it sees it. Number of threads is
    torch's (`torch.get_num_threads`), as it is now. Modules that `build` did not make are folded by torch.fx.

    Raises NetwrightError for a name that is none, UnavailableError, here or at the first call, where this runtime cannot
    run the network.

    >>> from netwright.runtime import build
    >>> call = open_runtime("folded", build("resnet18", classes=5, seed=0), (3, 32, 32))
    >>> tuple(call(torch.zeros(2, 3, 32, 32)).shape)
    (2, 5)
    """
    check_runtime(name)
    return _OPENERS[name](model, shape, place or Place())


def largest_difference(got: Tensor, expected: Tensor) -> float:
    """Of two batches of logits, relative to the largest expected one; infinite where a value is no number."""
    got, expected = got.cpu(), expected.cpu()
    if got.shape != expected.shape or not bool(got.isfinite().all()):
        return float("inf")
    return float((got - expected).abs().max() / expected.abs().max().clamp_min(1e-6))


def compared(name: str, got: Tensor, expected: Tensor, place: Place) -> float:
    """The largest difference of a runtime's logits from the eager model's; raises FailedError for more than is allowed."""
    allowed = max(
        TOLERANCES[name],
        TOLERANCE_CUDA if place.device.type == "cuda" else 0.0,
        TOLERANCE_BF16 if place.precision == "bf16" else 0.0,
    )
    difference = largest_difference(got, expected)
    if not difference <= allowed:
        raise FailedError(f"{name} gives other logits than the model: by {difference:.2g} of the largest, {allowed:g} is allowed")
    return difference


# ---------------------------------------------------------------- in torch


def _eager(model: nn.Module, shape: tuple[int, int, int], place: Place) -> Call:
    same = place.dtype == torch.float32 and all(p.dtype == place.dtype and p.device == place.device for p in model.parameters())
    if not same or any(module.training for module in model.modules()):
        model = _placed(copy.deepcopy(model).eval(), place)
    return _calling(model, place, torch.preserve_format)


def _folded(model: nn.Module, shape: tuple[int, int, int], place: Place) -> Call:
    return _calling(_channels_last(_deployed(model), place), place, torch.channels_last)


def _compiled(model: nn.Module, shape: tuple[int, int, int], place: Place) -> Call:
    try:
        plain = _deployed(model)
    except UnavailableError:  # torch.fx cannot follow it; the compiler can, and folds the norms itself
        plain = copy.deepcopy(model).eval()
    with _quiet():  # what it imports is deprecated in parts that are not used here
        made = torch.compile(_channels_last(plain, place), dynamic=False, options={"freezing": True})
    call, seen = _calling(made, place, torch.channels_last), set[torch.Size]()

    def compiling(batch: Tensor) -> Tensor:
        if batch.shape in seen:
            return call(batch)
        try:  # past the limit of sizes torch would quietly run the plain model
            with torch._dynamo.config.patch(recompile_limit=len(seen) + 8), _quiet():
                logits = call(batch)
        except Exception as error:  # of the compiler's making, of many kinds
            if out_of_memory(error):
                raise
            raise UnavailableError(f"the network cannot be compiled: {_why(error)}") from error
        seen.add(batch.shape)
        return logits

    return compiling


def _placed(model: nn.Module, place: Place) -> nn.Module:
    """In bf16 all but the batch norms, whose variances need more bits."""
    model = model.to(place.device, place.dtype)
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.float()
    return model


def _channels_last(model: nn.Module, place: Place) -> nn.Module:
    placed: nn.Module = _placed(model, place).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return placed


def _deployed(model: nn.Module) -> nn.Module:
    """A copy without norms behind convolutions."""
    if isinstance(model, fx.GraphModule) and is_built(model):
        try:
            return deploy(model)
        except NetwrightError:  # changed after it was built: then torch.fx knows what it is
            pass
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what it imports is deprecated in parts that are not used here
        from torch.fx.experimental.optimization import fuse
    try:
        folded: nn.Module = fuse(copy.deepcopy(model).eval())
    except Exception as error:  # torch.fx raises what the module does with its stand-ins
        raise UnavailableError(f"torch.fx cannot follow {type(model).__name__}: {_first_line(error)}") from error
    return folded


def _calling(model: Callable[..., Any], place: Place, layout: torch.memory_format) -> Call:
    def call(batch: Tensor) -> Tensor:
        with torch.inference_mode():
            return logits_of(model(batch.to(place.device, place.dtype, memory_format=layout))).float()

    return call


def logits_of(made: Any) -> Tensor:
    """Of what a module returns: auxiliary classifiers, which follow the logits, serve in training only."""
    made = made[0] if isinstance(made, (tuple, list)) and made else made
    if not isinstance(made, Tensor) or made.ndim < 2:
        raise NetwrightError(f"the module returns {type(made).__name__}, expected a tensor of (batch, classes)")
    return made


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Compilers and exporters print pages where they fail; the reason is told in one line instead."""
    disabled = logging.root.manager.disable
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        logging.disable(logging.CRITICAL)
        try:
            yield
        finally:
            logging.disable(disabled)


def _chain(error: BaseException) -> Iterator[BaseException]:
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


def _why(error: Exception) -> str:
    """What went wrong when torch compiled, in one line."""
    errors = list(_chain(error))
    if any(type(e).__name__ in ("InvalidCxxCompiler", "CppCompileError") for e in errors) or "CppCompileError" in str(error):
        named = f" ({os.environ['CXX']}, as CXX says)" if os.environ.get("CXX") else ""
        return f"there is no working C++ compiler{named}; install g++, or name one in CXX"
    return _first_line(error)


def _first_line(error: BaseException) -> str:
    """Of what began it: the first error of the chain that says anything."""
    first = next((e for e in reversed(list(_chain(error))) if str(e).strip()), error)
    line = next(iter(str(first).strip().splitlines()), "")
    return f"{type(first).__name__}{': ' if line else ''}{line[:200]}"


# ---------------------------------------------------------------- ONNX Runtime


def _onnxruntime(model: nn.Module, shape: tuple[int, int, int], place: Place) -> Call:
    if place != Place():
        what = "in bf16" if place.precision == "bf16" else "on a GPU"
        raise UnavailableError(f"ONNX Runtime does not compute {what} here")
    noise = torch.randn(2, *shape, generator=torch.Generator().manual_seed(0))
    with tempfile.TemporaryDirectory(prefix="netwright-") as folder:
        path = Path(folder) / "model.onnx"
        try:
            with _quiet():
                export_onnx(model, path, noise, {})
        except NetwrightError:
            raise
        except Exception as error:  # of the exporter's making, of many kinds
            raise UnavailableError(f"{type(model).__name__} cannot be exported to ONNX: {_first_line(error)}") from error
        return session_call(path)


def session_call(path: Path) -> Call:
    """What computes the single output of any ONNX file with a single input, in torch's number of threads."""
    session = session_of(path, torch.get_num_threads())
    given, made = session.get_inputs(), session.get_outputs()
    if len(given) != 1 or not made:
        raise NetwrightError(f"{path} has {len(given)} inputs: expected one, a batch of images")

    size = given[0].shape[0] if given[0].shape else None

    def call(batch: Tensor) -> Tensor:
        if isinstance(size, int) and size != len(batch):
            raise NetwrightError(f"{path} takes batches of {size} only, not of {len(batch)}")
        try:
            logits = session.run([made[0].name], {given[0].name: batch.contiguous().numpy()})[0]
        except Exception as error:  # ONNX Runtime's own, of many kinds
            if out_of_memory(error):
                raise
            raise UnavailableError(f"ONNX Runtime cannot run {path.name}: {_first_line(error)}") from error
        return torch.from_numpy(logits)

    return call


def out_of_memory(error: Exception) -> bool:
    """Whether it says that memory was refused; torch and ONNX Runtime have words of their own for it."""
    words = ("can't allocate", "cannot allocate", "failed to allocate", "bad_alloc", "bad allocation", "out of memory")
    return isinstance(error, (MemoryError, torch.OutOfMemoryError)) or any(word in str(error).lower() for word in words)


_OPENERS: dict[str, Callable[[nn.Module, tuple[int, int, int], Place], Call]] = {
    "eager": _eager,
    "folded": _folded,
    "compiled": _compiled,
    "onnxruntime": _onnxruntime,
}
