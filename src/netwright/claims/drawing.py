"""Drawings for claims whose rows are a chart's as they stand; the charts are loaded when something is drawn."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from netwright.claims.claim import Evidence

Draw = Callable[[Evidence], Any]


def bars(y_title: str, x_title: str | None = None) -> Draw:
    """Bars: see `report.charts.plain.bars_chart`."""

    def draw(found: Evidence) -> Any:
        from netwright.report.charts.plain import bars_chart

        return bars_chart(_rows(found), y_title, x_title)

    return draw


def lines(x_title: str, y_title: str, *, log: bool = False, log_y: bool = False) -> Draw:
    """Curves: see `report.charts.plain.lines_chart`."""

    def draw(found: Evidence) -> Any:
        from netwright.report.charts.plain import lines_chart

        return lines_chart(_rows(found), x_title, y_title, log=log, log_y=log_y)

    return draw


def intervals(x_title: str, at: float) -> Draw:
    """Intervals beside a line: see `report.charts.plain.intervals_chart`."""

    def draw(found: Evidence) -> Any:
        from netwright.report.charts.plain import intervals_chart

        return intervals_chart(_rows(found), x_title, at=at)

    return draw


def _rows(found: Evidence) -> list[dict[str, Any]]:
    return [dict(row) for row in found.rows]
