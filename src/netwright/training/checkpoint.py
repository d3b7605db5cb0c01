"""The state of an unfinished training, written whole or not at all."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import torch
from torch import nn

from netwright.files import writing


def save_checkpoint(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, history: list[dict[str, Any]]) -> None:
    """Write weights, buffers, optimizer state and the epochs so far."""
    state = {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "history": history}
    with writing(path) as temporary:
        torch.save(state, temporary)


def load_checkpoint(path: Path) -> dict[str, Any] | None:
    """What `save_checkpoint` wrote, or None where there is nothing, or nothing sound (with a warning)."""
    if not path.exists():
        return None
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
        return state if {"model", "optimizer", "history"} <= state.keys() else None
    except Exception as error:
        warnings.warn(f"{path} is damaged ({type(error).__name__}): this training starts again", stacklevel=2)
        return None
