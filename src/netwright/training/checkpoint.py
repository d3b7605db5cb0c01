"""The state of an unfinished training: written whole or not at all, with a checksum."""

from __future__ import annotations

import hashlib
import io
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from netwright.files import writing

_DIGEST = hashlib.sha256().digest_size


def save_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, history: list[dict[str, Any]]) -> None:
    """Write weights, buffers, optimizer state and the epochs so far."""
    state = io.BytesIO()
    torch.save({"model": model.state_dict(), "optimizer": optimizer.state_dict(), "history": history}, state)
    payload = state.getvalue()
    with writing(path) as temporary:
        temporary.write_bytes(hashlib.sha256(payload).digest() + payload)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote, or None where there is nothing, or nothing sound (with a warning)."""
    if not path.exists():
        return None
    content = path.read_bytes()
    payload = content[_DIGEST:]
    if hashlib.sha256(payload).digest() != content[:_DIGEST]:
        warnings.warn(f"{path} is damaged (its checksum is wrong): this training starts again", stacklevel=2)
        return None
    state: dict[str, Any] = torch.load(io.BytesIO(payload), map_location="cpu", weights_only=True)
    return state
