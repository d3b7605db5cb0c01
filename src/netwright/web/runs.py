"""A run as the page shows it: how its training goes, what came of it, what was tried on the way."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError
from netwright.files import read_json
from netwright.graph import read_design
from netwright.graph.values import plain_value
from netwright.web.shelf import Found, Plain

MOST_LOG = 8_000_000  # bytes of a log that are read: its end
MOST_RESULT = 50_000_000
MOST_CANDIDATES = 1_000


def run_of(found: Found) -> Plain:
    """How a run stands: `epochs` and the last `step` of its log, its `candidates`, and of a finished one its `result`."""
    events = list(_events(found.file("work", "log.jsonl")))
    epochs = list(
        {event["epoch"]: event for event in events if event.get("event") == "epoch" and _numbers(event, "epoch")}.values()
    )
    steps = [event for event in events if event.get("event") == "step" and _numbers(event, "step", "of", "epoch", "loss")]
    told: Plain = {"command": found.command, "epochs": epochs, "step": steps[-1] if steps else None}
    told |= {"candidates": _candidates(found), "result": _result(found), "design": _design(found)}
    return told | {"report": found.file("report.html") is not None}


def _events(path: Path | None) -> Iterator[Plain]:
    if path is None:
        return
    with path.open("rb") as file:
        file.seek(0, 2)
        file.seek(max(0, file.tell() - MOST_LOG))
        for line in file.read(MOST_LOG).splitlines():
            try:
                event = json.loads(line)
            except (ValueError, RecursionError):  # torn: the rest of it is on its way
                continue
            if isinstance(event, dict):
                yield event


def _numbers(event: Plain, *names: str) -> bool:
    return all(type(event.get(name)) in (int, float) for name in names)


def _candidates(found: Found) -> list[Plain]:
    """What `netwright design` tried: number, macs, params and accuracy of each, and which won."""
    folder = found.folder / "work" / "candidates"
    tried = []
    for path in sorted(folder.glob("[0-9]*.json"))[:MOST_CANDIDATES] if folder.is_dir() else []:
        inside = found.file("work", "candidates", path.name)
        plain = _plain(inside) if inside is not None else {}
        curve = plain.get("curve")
        last = curve[-1] if isinstance(curve, list) and curve and isinstance(curve[-1], dict) else {}
        if path.stem.isdigit() and _numbers(plain, "macs", "params") and _numbers(last, "validation"):
            costs = {name: plain[name] for name in ("macs", "params")}
            tried.append({"number": int(path.stem), **costs, "accuracy": last["validation"]})
    return tried


def _result(found: Found) -> Plain | None:
    """The figures of `result.json`; None where the run is not finished, or the file says something else."""
    path = found.file("result.json")
    plain = _plain(path) if path is not None else {}
    accuracy, cost = plain.get("accuracy"), plain.get("cost")
    if not isinstance(accuracy, dict) or not _numbers(accuracy, "top1", "of"):
        return _spread(plain)
    kept = {name: accuracy.get(name) for name in ("top1", "top5", "correct", "of", "interval_95", "macro_f1", "loss")}
    data, search = [part if isinstance(part := plain.get(name), dict) else {} for name in ("data", "search")]
    told = {"accuracy": kept, "cost": cost if isinstance(cost, dict) else None, "winner": search.get("winner")}
    words = {name: plain.get(name) for name in ("network", "finished", "training_seconds", "machine", "versions")}
    return told | words | {"data": {name: data.get(name) for name in ("source", "pictures", "seed")}}


def _spread(plain: Plain) -> Plain | None:
    """What trainings with several seeds came to together."""
    accuracy = plain.get("accuracy")
    top = accuracy.get("top1") if isinstance(accuracy, dict) else None
    return {"spread": top} if isinstance(top, dict) and _numbers(top, "mean") else None


def _design(found: Found) -> Plain | None:
    path = found.file("design.json")
    if path is None:
        return None
    try:
        plain: Plain = plain_value(read_design(path))
        return plain
    except NetwrightError:  # of a class that only the user's own file defines
        return None


def _plain(path: Path) -> Plain:
    if path.stat().st_size > MOST_RESULT:
        return {}
    return _read(path, path.stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _read(path: Path, changed: int) -> Plain:
    try:
        plain: Any = read_json(path)
    except NetwrightError:
        return {}
    return plain if isinstance(plain, dict) else {}
