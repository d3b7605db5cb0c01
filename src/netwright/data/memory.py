"""How much memory there is, so that too much is refused before it is asked for."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from netwright.errors import NetwrightError

LIMITS = (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"))  # of a container


def memory() -> int:
    """Bytes of memory of this machine, or of its container; where that cannot be told, as if there were no limit."""
    if not hasattr(os, "sysconf"):
        return sys.maxsize
    return min(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"), *map(_limit, LIMITS))


def _limit(file: Path) -> int:
    try:
        return int(file.read_text())
    except (OSError, ValueError):  # there is none, or it is "max"
        return sys.maxsize


def refuse_more_than_memory(count: int, image: int, channels: int) -> None:
    """Raise NetwrightError where `count` decoded pictures would take more than four fifths of the memory."""
    need = count * image * image * channels
    if need > 0.8 * memory():
        told = f"{need / 1e9:.0f} GB, of {memory() / 1e9:.0f} GB"
        raise NetwrightError(f"the decoded pictures would take {told} of memory at {image} px: lower --image or take fewer")
