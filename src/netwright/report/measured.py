"""What `netwright bench` measured, as a section of the page of networks."""

from __future__ import annotations

from collections.abc import Sequence

from netwright.measuring.bench_table import Bench, Measured
from netwright.report import charts
from netwright.report.charts import Rows
from netwright.report.html import figure, table
from netwright.units import counted

_HEAD = ("network", "runtime", "precision", "batch", "median ms", "p95 ms", "images/s", "times as fast as eager")


def measured(benches: Sequence[Bench]) -> str:
    """Predicted beside measured time, where the machine was calibrated when it was measured, and all that was measured."""
    rows = [_cells(bench, row) for bench in benches for row in bench.rows if row.measured]
    places = "; ".join(dict.fromkeys(f"{bench.device}, {counted(bench.threads, 'thread')}" for bench in benches))
    listed = table(_HEAD, rows, f"Milliseconds for a batch, as netwright bench measured them ({places}).", kind="pairs")
    return f"<h2>Measured</h2>{_predicted(benches)}{listed}"


def _predicted(benches: Sequence[Bench]) -> str:
    rows: Rows = [
        {"name": f"{bench.network}, batch {batch}", "predicted": predicted, "measured": eager.median_ms}
        for bench in benches
        for batch, predicted in (bench.predicted_ms or {}).items()
        if (eager := bench.row("eager", batch)) is not None
    ]
    if not rows:
        return ""
    ratios = [row["predicted"] / row["measured"] for row in rows]
    told = (
        f"Predicted against measured time of the eager model: from {min(ratios):.2f} to {max(ratios):.2f} times what was measured"
    )
    caption = f"{told}. On the dashed line they agree. Predictions are from a calibration that saw none of these networks."
    return figure(charts.predicted_against_measured(rows), told, caption, rows, "predicted")


def _cells(bench: Bench, row: Measured) -> list[str]:
    times = [(row.median_ms, 2), (row.p95_ms, 2), (row.images_per_second, 1), (bench.ratio(row), 2)]
    told = ["" if value is None else f"{value:,.{digits}f}" for value, digits in times]
    return [bench.network, row.runtime, row.precision, f"{row.batch:,}", *told]
