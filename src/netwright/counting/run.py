"""One run of a copy of a torch module, on tensors that hold nothing: the module itself is not touched."""

from __future__ import annotations

import copy
import logging
import random
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch._subclasses import fake_tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.overrides import TorchFunctionMode

from netwright.counting.watch import Watch

Shape = tuple[int, ...]


class BeyondFakesError(Exception):
    """What a module does depends on the values of its tensors: it must be run on real ones."""


class Setting(NamedTuple):
    """How a module is run: in `training` mode or not, `kept` if autograd is on and what it keeps is noted, `narrow`
    for bfloat16 by autocast, and `real` on real tensors."""

    training: bool = False
    kept: bool = False
    narrow: bool = False
    real: bool = False


def run(module: nn.Module, shape: Shape, setting: Setting = Setting()) -> Watch:  # noqa: B008 (a tuple)
    """What a copy of `module` does with an input of zeros of `shape` (the batch first), on a CPU.

    On fake tensors nothing is computed and nothing allocated; a real run takes copies of the weights. Raises
    BeyondFakesError where only a real run can tell, and what the module raises.
    """
    fakes = FakeTensorMode(allow_non_fake_inputs=True)
    with _undisturbed():
        made = twin(module, _real if setting.real else partial(_fake, fakes)).train(setting.training)
        with ExitStack() as stack:
            if not setting.real:
                stack.enter_context(fakes)
            image = torch.zeros(shape, dtype=_floating_of(module), device="cpu")
            watch = Watch(made, shape[0])
            watch.hold(image)
            stack.enter_context(torch.set_grad_enabled(setting.kept))
            stack.enter_context(torch.autocast("cpu", torch.bfloat16, enabled=setting.narrow))
            if setting.kept:
                stack.enter_context(torch.autograd.graph.saved_tensors_hooks(watch.pack, lambda tensor: tensor))
            try:
                with watch:
                    output = made(image)
            except Exception as error:
                if not setting.real and _is_beyond_fakes(error):
                    raise BeyondFakesError(str(error)) from error
                raise
            watch.finish(made, output)
    return watch


def _floating_of(module: nn.Module) -> torch.dtype:
    """The type of the module's weights: its input has the same."""
    for tensor in (*module.parameters(), *module.buffers()):
        if tensor.is_floating_point():
            return tensor.dtype
    return torch.float32


_VALUES_ASKED_FOR = (
    fake_tensor.DataDependentOutputException,
    fake_tensor.DynamicOutputShapeException,
    fake_tensor.UnsupportedFakeTensorException,
    fake_tensor.UnsupportedOperatorException,
    fake_tensor.MetadataMismatchError,
    NotImplementedError,
)
_WORDS_OF_FAKES = (
    *("faketensor", "fake tensor", "no fake impl"),
    *("data pointer", "tensor subclass", "meta tensor", "data-dependent"),
)


def _is_beyond_fakes(error: Exception) -> bool:
    """Whether a run failed for want of values: torch has exceptions for it, and messages where there is only a RuntimeError."""
    said = str(error).lower()
    return isinstance(error, _VALUES_ASKED_FOR) or any(word in said for word in _WORDS_OF_FAKES)


# ---------------------------------------------------------------- the copy


def twin(module: nn.Module, of: Callable[[Tensor], Tensor]) -> nn.Module:
    """A copy of a module and of everything that it holds, with other tensors in the place of its own.

    Not by `copy.deepcopy`: what cannot be copied (a lock, an open file) is shared, and so are programs of fx,
    which are slow to copy.
    """
    memo: dict[int, Any] = {}
    for tensor in (*module.parameters(), *module.buffers()):
        memo[id(tensor)] = _like(tensor, of)
    for part in module.modules():
        memo[id(part)] = object.__new__(type(part))
        graph = vars(part).get("_graph")
        if isinstance(graph, torch.fx.Graph):
            memo[id(graph)] = graph
    with _Copying(of):
        for part in module.modules():
            for name, value in vars(part).items():
                memo[id(part)].__dict__[name] = _copied(value, memo)
    made: nn.Module = memo[id(module)]
    return made


def _copied(value: Any, memo: dict[int, Any]) -> Any:
    try:
        return copy.deepcopy(value, memo)
    except Exception:  # whatever it is that refuses: better shared than not costed at all
        return value


class _Copying(TorchFunctionMode):
    """Tensors that a module holds in lists and the like are replaced too when they are copied."""

    def __init__(self, of: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._of = of

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in (Tensor.__deepcopy__, nn.Parameter.__deepcopy__):
            tensor, memo = args
            if id(tensor) not in memo:
                with torch._C.DisableTorchFunction():
                    memo[id(tensor)] = _like(tensor, self._of)
            return memo[id(tensor)]
        return func(*args, **(kwargs or {}))


def _like(tensor: Tensor, of: Callable[[Tensor], Tensor]) -> Tensor:
    with torch.no_grad():
        made = of(tensor)
    if isinstance(tensor, nn.Parameter):
        return nn.Parameter(made, tensor.requires_grad)
    return made.requires_grad_(tensor.requires_grad)


def _fake(fakes: FakeTensorMode, tensor: Tensor) -> Tensor:
    with fakes:
        return torch.empty_strided(tensor.size(), tensor.stride(), dtype=tensor.dtype, device="cpu")


def _real(tensor: Tensor) -> Tensor:
    if tensor.is_meta:
        return torch.zeros(tensor.shape, dtype=tensor.dtype, device="cpu")
    return tensor.detach().to("cpu", copy=True)


# ---------------------------------------------------------------- the surroundings


class _Quiet(logging.Filter):
    """Drops a logger's errors; what somebody asked for at lower levels is logged as ever."""

    def filter(self, record: logging.LogRecord) -> bool:
        return record.levelno < logging.ERROR


@contextmanager
def _undisturbed() -> Iterator[None]:
    """The same run whatever the surroundings, and the same surroundings afterwards: generators of random numbers, modes.

    Without the fused kernels of recurrent and attention layers, that hide which products they make. Torch logs a traceback
    of what fails on fake tensors: that is kept quiet, as the same is raised.
    """
    python = random.getstate()
    numpy = sys.modules.get("numpy")
    drawn = numpy.random.get_state() if numpy else None
    fast, fused = torch.backends.mha.get_fastpath_enabled(), torch._C._get_mkldnn_enabled()
    log, quiet = logging.getLogger(fake_tensor.__name__), _Quiet()
    log.addFilter(quiet)
    torch.backends.mha.set_fastpath_enabled(False)
    torch._C._set_mkldnn_enabled(False)
    try:
        with torch.inference_mode(False), torch.random.fork_rng(devices=[]):
            yield
    finally:
        log.removeFilter(quiet)
        torch.backends.mha.set_fastpath_enabled(fast)
        torch._C._set_mkldnn_enabled(fused)
        random.setstate(python)
        if numpy and drawn is not None:
            numpy.random.set_state(drawn)
