"""Reading weights files: safetensors, and torch.save's without running anything in them."""

from __future__ import annotations

import json
import pickle
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from netwright.errors import NetwrightError

METADATA = "netwright"  # the key of our metadata in a safetensors file: one, as their order is not fixed
# where training scripts put weights; averaged ones, which are the better, come first
_BOXES = ("state_dict_ema", "model_ema", "ema", "state_dict", "model", "model_state", "net")
_PREFIXES = ("module.", "_orig_mod.", "model.", "net.", "backbone.")  # of data parallel, compiled and wrapped models
_AVERAGES = "n_averaged"  # torch's AveragedModel counts


@dataclass(frozen=True)
class Checkpoint:
    """The tensors of a file; `about` is what netwright wrote beside them, empty for files of others."""

    path: Path
    state: dict[str, Tensor]
    about: dict[str, Any]


def read_weights(path: Path) -> Checkpoint:
    """Tensors and metadata of a safetensors file, or of what torch.save wrote (only tensors: nothing in it is run).

    Weights inside of a training script's dictionary are found, and the prefixes of wrapped models taken off.
    Raises NetwrightError where the file cannot be read, or is a pickle that wants to run code.
    """
    if not path.is_file():
        raise NetwrightError(f"there is no weights file {path}")
    state, about = _read_safetensors(path) if path.suffix == ".safetensors" else (_read_pickle(path), {})
    state = {name: value for name, value in state.items() if name != _AVERAGES}
    while prefix := next((prefix for prefix in _PREFIXES if state and all(name.startswith(prefix) for name in state)), ""):
        state = {name.removeprefix(prefix): value for name, value in state.items()}
    return Checkpoint(path, state, about)


def _read_safetensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise NetwrightError(f"{path} is not a sound safetensors file ({error})") from None
    return state, _about(metadata.get(METADATA, "{}"))


def _about(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _read_pickle(path: Path) -> dict[str, Tensor]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other protocols than torch's: what matters is told below
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError:
        raise NetwrightError(
            f"{path} is broken, or a pickle that wants to run code, which netwright never does: save its state_dict() instead"
        ) from None
    except Exception as error:  # torch raises whatever it likes on broken files
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise NetwrightError(f"{path} is not a weights file that can be read ({reason.replace(str(path), 'file')})") from None
    for box in _BOXES:
        if isinstance(loaded, Mapping) and isinstance(loaded.get(box), Mapping):
            loaded = loaded[box]
    if not isinstance(loaded, Mapping) or not any(isinstance(value, Tensor) for value in loaded.values()):
        raise NetwrightError(f"{path} holds no weights: expected a dictionary of tensors, as state_dict() gives it")
    state = {str(name): value for name, value in loaded.items() if isinstance(value, Tensor)}
    odd = [name for name, value in state.items() if value.layout != torch.strided or value.is_quantized]
    if odd:
        raise NetwrightError(f"{path}: {odd[0]} is sparse or quantized, expected plain tensors")
    return state
