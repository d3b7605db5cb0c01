"""Charts for the page: the library's specifications, with a text alternative."""

from __future__ import annotations

from netwright.report import charts
from netwright.web.exchange import Plain


def shown(chart: charts.Chart, label: str) -> Plain:
    """A chart as the page draws it, in its own theme."""
    return {"spec": charts.spec(chart), "label": label}
