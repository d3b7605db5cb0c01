"""A run's charts: learning curve, loss and learning rate as its log has them, and what a design command tried."""

from __future__ import annotations

from netwright.report import charts
from netwright.units import counted
from netwright.web.exchange import Plain
from netwright.web.shown import shown

_FIGURES = {"accuracy": "training pictures, augmented", "validation": "validation pictures"}


def charts_of(told: Plain) -> Plain:
    """The charts of a run as `run_of` tells of it; what it has not reached has none."""
    made: Plain = {}
    epochs, result = told["epochs"], told["result"] or {}
    held_out = 100 * result["accuracy"]["top1"] if "accuracy" in result else None
    rows = [
        {"epoch": event["epoch"], "accuracy": 100 * event[figure], "measured on": name}
        for event in epochs
        for figure, name in _FIGURES.items()
        if type(event.get(figure)) in (int, float)
    ]
    if rows:
        made["accuracy"] = shown(charts.learning_curve(rows, held_out), f"Accuracy over {counted(len(epochs), 'epoch')}")
    losses = _rows(epochs, "loss")
    if losses:
        made["loss"] = shown(charts.loss_curve(losses), f"Training loss over {counted(len(losses), 'epoch')}")
    rates = _rows(epochs, "lr")
    if len(rates) > 1:
        made["rate"] = shown(charts.schedule(rates), f"Learning rate over {counted(len(rates), 'epoch')}")
    if told["candidates"]:
        made["candidates"] = _candidates(told["candidates"], result.get("winner"))
    return made


def _rows(epochs: list[Plain], name: str) -> list[Plain]:
    return [{"epoch": event["epoch"], name: event[name]} for event in epochs if type(event.get(name)) in (int, float)]


def _candidates(tried: list[Plain], winner: object) -> Plain:
    rows = [one | {"accuracy": 100 * one["accuracy"], "winner": one["number"] == winner} for one in tried]
    return shown(charts.accuracy_against(rows, "macs"), f"Accuracy against macs of {counted(len(rows), 'candidate')}")
