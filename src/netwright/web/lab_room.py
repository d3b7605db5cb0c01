"""The Lab room's answers; torch and the lab are loaded when the first is asked for."""

from __future__ import annotations

from types import ModuleType

from starlette.routing import Route

from netwright.web.exchange import Workbench, asking, reading
from netwright.web.refusals import told


def routes(workbench: Workbench) -> list[Route]:
    """Below /api/lab."""
    return [
        reading("/about", lambda question: _answers().about()),
        asking("/scene", told(lambda question: _answers().scene(question))),
        asking("/tracks", told(lambda question: _answers().walked(workbench, question))),
        asking("/tune", told(lambda question: _answers().tuning(workbench, question))),
        asking("/export", told(lambda question: _answers().exported(workbench, question))),
        asking("/figure", told(lambda question: _answers().drawn(workbench, question))),
    ]


def _answers() -> ModuleType:
    from netwright.web import lab_answers

    return lab_answers
