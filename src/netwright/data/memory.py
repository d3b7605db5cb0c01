"""How much memory there is, so that too much is refused before it is asked for."""

from __future__ import annotations

import os
import sys

from netwright.errors import NetwrightError


def memory() -> int:
    """Bytes of memory of this machine; where that cannot be told, as if there were no limit."""
    if not hasattr(os, "sysconf"):
        return sys.maxsize
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def refuse_more_than_memory(count: int, image: int, channels: int) -> None:
    """Raise NetwrightError where `count` decoded pictures would take more than four fifths of the memory."""
    need = count * image * image * channels
    if need > 0.8 * memory():
        told = f"{need / 1e9:.0f} GB, of {memory() / 1e9:.0f} GB"
        raise NetwrightError(f"the decoded pictures would take {told} of memory at {image} px: lower --image or take fewer")
