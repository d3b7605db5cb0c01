"""The Lab room's answers."""

from __future__ import annotations

from starlette.routing import Route

from netwright.web.exchange import Workbench


def routes(workbench: Workbench) -> list[Route]:
    """Below /api/lab."""
    return []
