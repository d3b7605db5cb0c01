"""The page of networks that are not trained: diagrams, what they cost, side by side."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from netwright.costing import Cost
from netwright.costing.ceilings import reached, roof
from netwright.costing.comparing import Comparison
from netwright.costing.formats import to_html
from netwright.measuring.bench_table import Bench
from netwright.report import charts
from netwright.report.charts import Roof, Rows
from netwright.report.html import diagram, figure, page, scrolling, table
from netwright.report.measured import measured
from netwright.units import short_amount, short_bytes

_COMPARED = ("macs", "params", "acts", "inference_memory", "latency")


def net_page(compared: Comparison | None, benches: Sequence[Bench] = ()) -> str:
    """One HTML file of networks: diagrams, macs of each block, memory, time where it is predicted, and as it was measured.

    The costs of `compared` are by block; those with a profile are also shown below the machine's roof.
    """
    costs = compared.costs if compared is not None else ()
    names = ", ".join(dict.fromkeys([*(cost.network for cost in costs), *(bench.network for bench in benches)]))
    sections = [_lead(costs), _beside(compared)] if compared is not None else []
    sections += [measured(benches)] if benches else []
    macs = max((line.macs for cost in costs for line in cost.lines), default=0)
    times = [line.milliseconds for cost in costs for line in cost.lines if line.milliseconds is not None]
    for number, cost in enumerate(costs):
        head = f"<h2>{escape(cost.network)}</h2>"
        sections += [
            head,
            diagram(cost.graph, cost.network, f"net{number}"),
            _layers(cost, number, macs, max(times, default=0.0)),
        ]
    return page(f"netwright: {names}", sections)


def _lead(costs: tuple[Cost, ...]) -> str:
    lines = [
        f"<strong>{escape(cost.network)}</strong>: {short_amount(cost.macs)} macs, {short_amount(cost.params)} params at "
        f"{cost.image[-1]} px"
        + (f", {cost.milliseconds:.2f} ms predicted for a batch of {cost.batch}" if cost.milliseconds is not None else "")
        for cost in costs
    ]
    return f'<p class="lead">{"<br>".join(lines)}</p>'


def _beside(compared: Comparison) -> str:
    if len(compared.costs) == 1:
        return _memory(compared)
    rows = [_counted(row) for row in compared.rows()]
    drawn = []
    for quantity in _COMPARED:
        if all(row[quantity] is not None for row in rows):
            name = quantity.replace("_", " ")
            told = "; ".join(f"{row['network']} {_short(quantity, row[quantity])}" for row in rows)
            mine = [{"network": row["network"], quantity: row[quantity]} for row in rows]
            chart = charts.costs_beside(mine, quantity)
            drawn.append(figure(chart, f"{name}: {told}", f"{name.capitalize()} of {len(rows)} networks.", mine, name))
    listed = scrolling(compared._repr_html_(), "Networks side by side")
    return f"<h2>Side by side</h2>{listed}{''.join(drawn)}{_memory(compared)}"


def _short(quantity: str, value: float) -> str:
    if quantity == "latency":
        return f"{value:.3g} ms"
    return short_bytes(value) if quantity.endswith("memory") else short_amount(value)


def _counted(row: dict[str, Any]) -> dict[str, Any]:
    return row | {"inference_memory": row["inference_bytes"], "latency": row["milliseconds"]}


def _memory(compared: Comparison) -> str:
    rows = []
    for cost in compared.costs:
        memory = cost.memory
        parts = (memory.training, memory.parameters, memory.gradients, memory.state, memory.saved, memory.inference)
        rows.append([cost.network, *map(short_bytes, parts)])
    first = compared.costs[0]
    head = ("network", "training", "weights", "gradients", "optimizer", "kept for backward", "inference")
    caption = (
        f"Bytes for a batch of {first.batch} in {first.precision} with {first.optimizer}; training is the sum of the next four."
    )
    return f"<h2>Memory</h2>{table(head, rows, caption)}"


def _layers(cost: Cost, number: int, macs: int, time: float) -> str:
    rows: Rows = [
        {"name": line.name, "macs": line.macs, "params": line.params, "acts": line.acts, "milliseconds": line.milliseconds or 0.0}
        for line in cost.lines
    ]
    top = max(rows, key=lambda row: row["macs"])
    told = f"Macs of the {cost.by}s of {cost.network}: most in {top['name']}, {short_amount(top['macs'])}"
    name = f"blocks-{number + 1}"
    parts = [figure(charts.cost_by_layer(rows, "macs", macs), told, f"{told}.", rows, name)]
    if cost.profile is not None:
        slow = max(rows, key=lambda row: row["milliseconds"])
        told = f"Predicted time of the {cost.by}s of {cost.network}: longest {slow['name']}, {slow['milliseconds']:.3f} ms"
        drawn = charts.cost_by_layer(rows, "milliseconds", time)
        parts += [figure(drawn, told, f"{told}, on {cost.profile}.", rows, f"times-{number + 1}"), _roofline(cost, number)]
    folded = scrolling(to_html(cost), f"What {cost.network} costs")
    return "".join(parts) + f"<details><summary>All {len(cost.lines)} rows of the cost table</summary>{folded}</details>"


def _roofline(cost: Cost, number: int) -> str:
    assert cost.profile is not None
    rows, best = reached(cost.flat.rows, cost.profile, cost.batch), Roof(*roof(cost.profile))
    total = sum(row["macs"] for row in rows) / max(sum(row["seconds"] for row in rows), 1e-12)
    told = (
        f"Roofline of {cost.network}: its layers are predicted to reach {total / 1e9:.1f} of the machine's "
        f"{best.macs / 1e9:.1f} 10⁹ macs per second"
    )
    caption = f"{told}. The line is the most that {best.bytes / 1e9:.1f} GB/s and the arithmetic allow, as calibrated."
    return figure(charts.roofline(rows, best), told, caption, rows, f"roofline-{number + 1}")
