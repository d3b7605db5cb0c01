"""What a finished design command says on a terminal."""

from __future__ import annotations

from typing import Any

from netwright.scaling.budget import shown
from netwright.units import short_seconds


def lines(result: dict[str, Any]) -> list[str]:
    """Limits, time, weights and baselines of a result, a line for each."""
    told = []
    for limit in result["limits"]:
        use = "one image" if limit["batch"] == 1 else f"batches of {limit['batch']}"
        has, most = shown(limit["name"], limit["has"]), shown(limit["name"], limit["most"])
        told.append(f"limit: {has} of at most {most} ({use})")
    time = result["time"]
    if time["minutes"] is not None:
        seconds = {part: value for part, value in time["seconds"].items() if part not in ("total", "baselines")}
        parts = ", ".join(f"{part} {short_seconds(value)}" for part, value in seconds.items())
        asked, total = short_seconds(60 * time["minutes"]), short_seconds(time["seconds"]["total"])
        told.append(f"time: {total} of {asked} ({parts})")
    if "weights" in result:
        shares = ", ".join(f"{row['start']} {100 * row['validation_accuracy']:.1f} %" for row in result["weights"]["rows"])
        told.append(f"weights: on validation pictures {shares}; chosen: {result['weights']['chosen']}")
    for row in result["baselines"]["rows"][1:] if "baselines" in result else ():
        low, high = (100 * end for end in row["interval_95"])
        share = f"{100 * row['top1']:.1f} % (95 % interval {low:.1f} to {high:.1f} %)"
        told.append(f"baseline {row['name']}: {share}, {row['macs']:,} macs, {row['seconds']:.0f} s; better: {row['better']}")
    return told
