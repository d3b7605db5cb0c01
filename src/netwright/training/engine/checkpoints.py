"""The state of an unfinished training: whole files that carry their checksum in their name."""

from __future__ import annotations

import hashlib
import json
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from netwright.errors import NetwrightError
from netwright.files import writing

KEPT = 2  # of the newest ones: where the last is damaged, the one before serves
DIGITS = 16  # of the SHA-256 in a file's name
_NAME = re.compile(r"step-(\d+)-([0-9a-f]{16})\.safetensors")


@dataclass(frozen=True)
class State:
    """Tensors by name (`model.…`, `average.…`, `optimizer.…`), and plain values: the step, curve, recipe, versions."""

    tensors: dict[str, Tensor]
    about: dict[str, Any]

    def part(self, name: str) -> dict[str, Tensor]:
        """The tensors below a name, without it."""
        return {key.removeprefix(f"{name}."): value for key, value in self.tensors.items() if key.startswith(f"{name}.")}


class Checkpoints:
    """A folder of checkpoints: `step-000120-<start of the SHA-256>.safetensors`, the two newest of them.

    A file is written under another name, flushed to the disk and then renamed, so that a kill leaves the ones before. What
    is damaged all the same (the disk, a copy) is noticed by the checksum, told, and the one before is taken.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def save(self, step: int, state: State) -> Path:
        """Write a state; older files than the two newest go. Raises FailedError where the disk is full."""
        # copied: some share their memory, which the format does not have
        tensors = {name: value.detach().to("cpu", copy=True).contiguous() for name, value in state.tensors.items()}
        content = save(tensors, {"netwright": json.dumps(state.about)})
        path = self.folder / f"step-{step:09d}-{hashlib.sha256(content).hexdigest()[:DIGITS]}.safetensors"
        with writing(path) as temporary:
            temporary.write_bytes(content)
        for old in self.files()[KEPT:]:
            old.unlink(missing_ok=True)
        return path

    def files(self) -> list[Path]:
        """All of them, the newest first."""
        return sorted((p for p in self.folder.glob("step-*.safetensors") if _NAME.fullmatch(p.name)), reverse=True)

    def newest(self) -> State | None:
        """The newest sound state; None where there is none. What is damaged is told by a warning."""
        files = self.files()
        for i, path in enumerate(files):
            problem = _damage(path)
            if not problem:
                return _read(path)
            then = f"going on from {files[i + 1].name}" if i + 1 < len(files) else "this training starts again"
            warnings.warn(f"{path} is damaged ({problem}): {then}", stacklevel=2)
        return None


def _damage(path: Path) -> str:
    """What is wrong with a file, or nothing."""
    told = _NAME.fullmatch(path.name)
    assert told is not None
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        return error.strerror or str(error)
    if not digest.startswith(told[2]):
        return "its checksum is wrong"
    return ""


def _read(path: Path) -> State:
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["netwright"])
            return State({name: file.get_tensor(name) for name in file.keys()}, about)  # noqa: SIM118  # a method of its own
    except (SafetensorError, KeyError, ValueError) as error:  # sound, but not ours
        raise NetwrightError(f"{path} is no checkpoint of netwright ({error}): move it away") from None


def flattened(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimizer's state as tensors: `<number of the parameter>.<name>`. Settings are the recipe's, and not in it."""
    state: dict[Any, dict[str, Any]] = optimizer.state_dict()["state"]
    return {f"{i}.{name}": torch.as_tensor(value) for i, kept in state.items() for name, value in kept.items()}


def unflattened(tensors: dict[str, Tensor], optimizer: torch.optim.Optimizer) -> dict[str, Any]:
    """The inverse of `flattened`, for `load_state_dict`, with the settings that the optimizer has."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in tensors.items():
        number, _, name = key.partition(".")
        state.setdefault(int(number), {})[name] = value
    return {"state": state, "param_groups": optimizer.state_dict()["param_groups"]}
