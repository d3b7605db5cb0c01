"""What the optimizer tests run over: one list of optimizers with their settings, and the paths that this machine has.

Another optimizer is one line in MAIN (the contract and the oracle run over it), another setting one line in VARIANTS
(the oracle alone). A case whose settings torch's class of that name takes too is compared with torch as well.
"""

from __future__ import annotations

import functools
import importlib.util
import inspect
import os
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from netwright import optim

Shapes = Mapping[str, tuple[int, ...]]
INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
CUDA = torch.cuda.is_available()
SLOWLY = INTERPRETED and not CUDA  # the interpreter takes a second for what a GPU does in a microsecond
STEPS = 6 if SLOWLY else 50
LONG = 1500 if SLOWLY else 5000  # a full block of the kernels and a part of one, or several
SHAPES: Shapes = {"scalar": (), "one": (1,), "odd": (3, 5), "tall": (7, 2), "conv": (4, 3, 3, 3), "long": (LONG,)}
FEW: Shapes = {"weight": (3, 5), "bias": (3,), "scale": ()}


@dataclass(frozen=True)
class Case:
    """An optimizer with settings, and the tensors it keeps for each parameter besides the count of steps."""

    name: str
    settings: Mapping[str, Any]
    keeps: tuple[str, ...] = ()
    elementwise: bool = True

    def __str__(self) -> str:
        words = (k if v is True else f"{k}={v}" for k, v in self.settings.items() if k != "lr")
        return "-".join((self.name, *words)).replace(" ", "")

    @property
    def lr(self) -> float:
        return float(self.settings["lr"])

    def make(self, params: Any, place: Place | None = None, **more: Any) -> torch.optim.Optimizer:
        """The optimizer over `params`, on the path of `place`."""
        path = {"path": place.path} if place else {}
        return getattr(optim, self.name)(params, **{**self.settings, **path, **more})

    @property
    def twin(self) -> type[torch.optim.Optimizer] | None:
        """torch's class of the same rule, where it takes all these settings."""
        kind = getattr(torch.optim, self.name, None)
        if kind is None or not set(self.settings) <= set(inspect.signature(kind).parameters):
            return None
        return kind

    def state_keys(self, parameter: Tensor) -> set[str]:
        if self.name == "Muon" and parameter.ndim < 2:
            return {"step", "exp_avg", "exp_avg_sq"}
        return {"step", *self.keeps}


@dataclass(frozen=True)
class Place:
    """A path of the implementation and the device of the parameters."""

    path: str
    device: str = "cpu"

    @property
    def dtype(self) -> torch.dtype:
        """The widest precision that the path computes in itself: it would hand float64 on to another."""
        return torch.float32 if self.path == "triton" else torch.float64

    def __str__(self) -> str:
        return self.path if self.device == "cpu" else f"{self.path}-{self.device}"


# eps so large that its place shows; rates so large that 50 steps go somewhere
MOMENTS = ("exp_avg", "exp_avg_sq")
MAIN = [
    Case("SGD", {"lr": 0.05}),
    Case("SGD", {"lr": 0.05, "momentum": 0.9, "weight_decay": 0.01}, ("momentum_buffer",)),
    Case("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True}, ("momentum_buffer",)),
    Case("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "form": "notes"}, ("momentum_buffer",)),
    Case("Adagrad", {"lr": 0.1, "weight_decay": 0.01}, ("sum",)),
    Case("RMSprop", {"lr": 0.01, "weight_decay": 0.01}, ("square_avg",)),
    Case("RMSprop", {"lr": 0.01, "momentum": 0.9, "centered": True}, ("square_avg", "grad_avg", "momentum_buffer")),
    Case("Adam", {"lr": 0.01, "weight_decay": 0.01}, MOMENTS),
    Case("Adam", {"lr": 0.01, "amsgrad": True}, (*MOMENTS, "max_exp_avg_sq")),
    Case("AdamW", {"lr": 0.01, "weight_decay": 0.1}, MOMENTS),
    Case("AdamW", {"lr": 0.01, "weight_decay": 0.01, "form": "notes", "eps": 0.05}, MOMENTS),
    Case("NAdam", {"lr": 0.01, "weight_decay": 0.01}, (*MOMENTS, "mu_product")),
    Case("Lion", {"lr": 0.003, "weight_decay": 0.1}, ("exp_avg",)),
    Case("LAMB", {"lr": 0.01, "weight_decay": 0.1}, MOMENTS, elementwise=False),
    Case("Muon", {"lr": 0.02, "weight_decay": 0.1}, ("momentum_buffer",), elementwise=False),
]
DECAYS = ("lr", "schedule", "constant")
VARIANTS = [
    Case("SGD", {"lr": 0.05, "maximize": True, "weight_decay": 0.1}),
    Case("SGD", {"lr": 0.05, "form": "notes"}),
    Case("SGD", {"lr": 0.05, "momentum": 0.5, "dampening": 0.3}),
    Case("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "weight_decay": 0.1}),
    Case("SGD", {"lr": 0.05, "momentum": 0.9, "nesterov": True, "maximize": True}),
    Case("SGD", {"lr": 0.05, "momentum": 0.9, "form": "notes"}),
    Case("SGD", {"lr": 0.05, "momentum": 0.5, "dampening": 0.3, "form": "notes"}),
    Case("SGD", {"lr": 0.05, "momentum": 0.9, "form": "notes", "weight_decay": 0.1, "maximize": True}),
    Case("SGD", {"lr": 0.05, "momentum": 0.9, "form": "notes", "nesterov": True, "weight_decay": 0.1}),
    Case("Adagrad", {"lr": 0.1}),
    Case("Adagrad", {"lr": 0.1, "form": "notes", "eps": 0.05}),
    Case("Adagrad", {"lr": 0.1, "eps": 0.05, "eps_mode": "inside"}),
    Case("Adagrad", {"lr": 0.1, "lr_decay": 0.1, "initial_accumulator_value": 0.3, "maximize": True}),
    Case("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 0.05, "maximize": True}),
    Case("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 0.05, "form": "notes"}),
    Case("RMSprop", {"lr": 0.01, "alpha": 0.9, "eps": 0.05, "eps_mode": "inside"}),
    Case("RMSprop", {"lr": 0.01, "centered": True}),
    Case("RMSprop", {"lr": 0.01, "centered": True, "eps": 0.05, "eps_mode": "inside"}),
    Case("RMSprop", {"lr": 0.01, "momentum": 0.9, "weight_decay": 0.1}),
    Case("RMSprop", {"lr": 0.01, "momentum": 0.9, "form": "notes"}),
    Case("Adam", {"lr": 0.01}),
    Case("Adam", {"lr": 0.01, "form": "notes", "eps": 0.05}),
    Case("Adam", {"lr": 0.01, "form": "notes", "eps": 0.05, "amsgrad": True, "weight_decay": 0.1}),
    Case("Adam", {"lr": 0.01, "form": "notes", "eps": 0.05, "eps_mode": "outside"}),
    Case("Adam", {"lr": 0.01, "eps": 0.05, "eps_mode": "inside"}),
    Case("Adam", {"lr": 0.01, "eps": 0.05, "amsgrad": True, "maximize": True}),
    Case("Adam", {"lr": 0.01, "betas": (0.0, 0.5)}),
    Case("AdamW", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 0.05, "amsgrad": True, "maximize": True}),
    *(Case("AdamW", {"lr": 0.01, "weight_decay": 0.02, "decay": decay}) for decay in DECAYS),
    Case("AdamW", {"lr": 0.01, "weight_decay": 0.02, "decay": "lr", "form": "notes", "eps": 0.05}),
    Case("NAdam", {"lr": 0.01, "momentum_decay": 0.1, "maximize": True}),
    Case("NAdam", {"lr": 0.01, "weight_decay": 0.1, "decoupled_weight_decay": True}),
    Case("NAdam", {"lr": 0.01, "form": "notes", "eps": 0.05}),
    *(Case("NAdam", {"lr": 0.01, "weight_decay": 0.02, "decoupled_weight_decay": True, "decay": decay}) for decay in DECAYS),
    Case("Lion", {"lr": 0.003, "betas": (0.5, 0.9), "maximize": True}),
    *(Case("Lion", {"lr": 0.003, "weight_decay": 0.02, "decay": decay}) for decay in DECAYS),
    Case("LAMB", {"lr": 0.01, "weight_decay": 0.0}, elementwise=False),
    Case("LAMB", {"lr": 0.01, "betas": (0.8, 0.9), "eps": 0.05, "maximize": True}, elementwise=False),
    Case("LAMB", {"lr": 0.01, "eps": 0.05, "eps_mode": "inside"}, elementwise=False),
    *(Case("LAMB", {"lr": 0.01, "weight_decay": 0.02, "decay": decay}, elementwise=False) for decay in DECAYS),
    Case("Muon", {"lr": 0.02, "nesterov": False, "weight_decay": 0.0}, elementwise=False),
    Case("Muon", {"lr": 0.02, "adjust_lr_fn": "match_rms_adamw"}, elementwise=False),
    Case("Muon", {"lr": 0.02, "momentum": 0.5, "ns_steps": 3, "maximize": True}, elementwise=False),
    *(Case("Muon", {"lr": 0.02, "weight_decay": 0.02, "decay": decay}, elementwise=False) for decay in DECAYS),
]
CASES = MAIN + VARIANTS
TWINS = [case for case in CASES if case.twin]
ELEMENTWISE = [case for case in MAIN if case.elementwise]


def no_triton() -> str:
    """Why Triton's kernels cannot run on the CPU here, or ''."""
    if importlib.util.find_spec("triton") is None:
        return "triton is not installed"
    return "" if INTERPRETED else "triton on the CPU needs TRITON_INTERPRET=1 (test_triton_without_a_gpu sets it)"


HERE = [Place("reference"), Place("fast")]
HERE += [Place("triton")] if not no_triton() else []
HERE += [Place(path, "cuda") for path in ("reference", "fast", "triton")] if CUDA else []


def over(cases: Sequence[Case]) -> Any:
    """Parametrize a test over cases."""
    return pytest.mark.parametrize("case", cases, ids=str)


everywhere = pytest.mark.parametrize("place", HERE, ids=str)


def source(*words: object) -> np.random.Generator:
    """A stream of random numbers that depends on the words alone."""
    return np.random.default_rng(zlib.crc32(repr(words).encode()))


def values(shapes: Shapes, *words: object) -> dict[str, np.ndarray]:
    """One array of float64 per name, exact in bf16, so that every precision starts from the same numbers."""
    return {name: _numbers(shape, *words, name) for name, shape in shapes.items()}


@functools.cache
def _numbers(shape: tuple[int, ...], *words: object) -> np.ndarray:
    numbers = torch.tensor(source(*words).standard_normal(shape)).to(torch.bfloat16).double().numpy()
    numbers.flags.writeable = False
    return numbers


def parameters(
    shapes: Shapes = FEW, dtype: torch.dtype = torch.float64, device: str = "cpu", seed: object = 0
) -> dict[str, torch.nn.Parameter]:
    return {
        name: torch.nn.Parameter(torch.tensor(a, dtype=dtype, device=device)) for name, a in values(shapes, "start", seed).items()
    }


def give(params: Mapping[str, Tensor], t: int, scale: float = 1.0) -> None:
    """The gradients of step t, always the same ones."""
    for name, a in values({name: tuple(p.shape) for name, p in params.items()}, "gradient", t).items():
        params[name].grad = torch.tensor(scale * a, dtype=params[name].dtype, device=params[name].device)


def walk(
    optimizer: torch.optim.Optimizer,
    params: Mapping[str, Tensor],
    steps: Iterable[int] = range(3),
    before: Callable[[int], object] = lambda t: None,
) -> None:
    """Steps with the gradients of `give`."""
    for t in steps:
        before(t)
        give(params, t)
        optimizer.step()


def set_lr(optimizer: torch.optim.Optimizer, lr: Any) -> None:
    """In every group: Muon makes a group of its own for what has no matrix."""
    for group in optimizer.param_groups:
        group["lr"] = lr


def narrowed(wide: Tensor, dtype: torch.dtype, case: Case, place: Place) -> Tensor:
    """Rounded to the nearest; but Triton's interpreter cuts fp32 off where its compiler rounds to bf16.

    Rules that are not elementwise have no kernel, but for what Muon gives to AdamW.
    """
    kernel = case.elementwise or (case.name == "Muon" and wide.ndim < 2)
    if place == Place("triton") and kernel and dtype is torch.bfloat16:
        return (wide.float().view(torch.int32) & -(1 << 16)).view(torch.float32).to(dtype)
    return wide.to(dtype)


@contextmanager
def in_full_precision() -> Iterator[None]:
    """torch's Muon iterates in bf16, whose rounding hides the rule: here it does so in the precision of the gradient."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Tensor, "bfloat16", Tensor.clone)
        yield


def copies(params: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: p.detach().clone() for name, p in params.items()}


def close(left: Mapping[str, Tensor], right: Mapping[str, Tensor], tolerance: float = 1e-12) -> None:
    """Within the tolerance, or a few dozen units of fp32 for what is narrower than float64."""
    assert set(left) == set(right)
    for name, a in left.items():
        allowed = tolerance if a.dtype is torch.float64 else max(tolerance, 5e-6)
        torch.testing.assert_close(a, right[name], rtol=allowed, atol=allowed, msg=lambda text, name=name: f"{name}: {text}")


def same(left: Any, right: Any) -> bool:
    """Whether two nests of dicts, lists and tensors are equal bit for bit (NaN equals NaN), dtypes included."""
    if isinstance(left, Tensor) and isinstance(right, Tensor):
        if left.dtype != right.dtype or left.shape != right.shape:
            return False
        return (
            left.detach().contiguous().cpu().numpy(force=True).tobytes()
            == right.detach().contiguous().cpu().numpy(force=True).tobytes()
            if left.dtype != torch.bfloat16
            else same(left.view(torch.int16), right.view(torch.int16))
        )
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return list(left) == list(right) and all(same(left[k], right[k]) for k in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(same(a, b) for a, b in zip(left, right, strict=True))
    return type(left) is type(right) and bool(left == right)
