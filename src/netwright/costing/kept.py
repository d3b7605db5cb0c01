"""Where the profiles of machines are kept. Asked by every `netwright cost`, so that it loads nothing else."""

from __future__ import annotations

import os
from pathlib import Path

VARIABLE = "NETWRIGHT_PROFILES"


def folder() -> Path:
    """Where profiles are kept: $NETWRIGHT_PROFILES, or netwright/profiles in the user's cache."""
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "netwright" / "profiles"


def kept() -> list[Path]:
    """The files of the profiles that are kept, by name."""
    return sorted(folder().glob("[!.]*.json"))
