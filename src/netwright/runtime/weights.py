"""Weights in safetensors files, with what is needed to use them again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from netwright.errors import NetwrightError
from netwright.files import writing

_KEY = "netwright"


def save_weights(model: nn.Module, path: Path, about: Mapping[str, Any]) -> None:
    """Write parameters and buffers, and `about` (plain values) as the file's metadata, whole or not at all."""
    state = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    with writing(path) as temporary:
        save_file(state, temporary, metadata={_KEY: json.dumps(dict(about))})  # one key: their order is not fixed


def fill(model: nn.Module, state: Mapping[str, Tensor], path: Path) -> None:
    """Give a model the tensors read from `path`.

    Raises NetwrightError where they do not fit, naming a dozen tensors at most.
    """
    own = model.state_dict()
    missing = [name for name in own if name not in state]
    unexpected = [name for name in state if name not in own]
    misfits = [
        f"{name} is {tuple(state[name].shape)}, needs {tuple(own[name].shape)}"
        for name in own
        if name in state and state[name].shape != own[name].shape
    ]
    problems = [f"missing {name}" for name in missing] + [f"unexpected {name}" for name in unexpected] + misfits
    if problems:
        more = f", and {len(problems) - 12} more" if len(problems) > 12 else ""
        raise NetwrightError(f"{path} does not fit the network: {', '.join(problems[:12])}{more}")
    model.load_state_dict(state)


def read_weights(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and metadata of a safetensors file; raises NetwrightError where it cannot be read."""
    if not path.is_file():
        raise NetwrightError(f"there is no weights file {path}")
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
            metadata = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise NetwrightError(f"{path} is not a sound safetensors file ({error})") from None
    return state, _about(metadata.get(_KEY, "{}"))


def _about(text: str) -> dict[str, Any]:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}
