"""The page of one study: what was asked, what was found, how errors lie over its designs, what went wrong."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from netwright.report.evaluating import table
from netwright.report.pages import page
from netwright.report.population_page import population_sections
from netwright.scaling.budget import UNITS
from netwright.spaces.population import Population
from netwright.units import short_amount, short_bytes, short_seconds

Plain = dict[str, Any]
SHOWN = 20  # trials in the tables


def study_page(study: Plain, population: Population, asked: Sequence[tuple[str, str]], ranked: str = "") -> str:
    """One HTML file, without scripts, of a study as plain values (see `Study.to_json`) and as a population.

    `asked` are words and what they are, for the table of what the study was asked; `ranked` is a section that takes the place
    of the table of the best designs.
    """
    sections = [_found(study), ranked or _best(study)]
    sections += population_sections([population]) if population.complete else []
    sections += [_asked(asked), _failures(study)]
    return page(f"netwright search: {study['study']}", [section for section in sections if section])


def _found(study: Plain) -> str:
    front = [trial for trial in study["trials"] if trial["number"] in study["front"]]
    if not front:
        return '<p class="lead">No trial is complete yet.</p>'
    best = max(front, key=lambda trial: trial["accuracy"])
    counts = ", ".join(f"{count:,} {status}" for status, count in study["counts"].items() if count)
    spent = short_seconds(sum(trial["seconds"] for trial in study["trials"]))
    return (
        f'<p class="lead"><strong>{100 * best["accuracy"]:.1f} %</strong> of the validation pictures right: trial '
        f"{best['number']}, {short_amount(best['macs'])} macs, {short_amount(best['params'])} params.</p>"
        f"<p>Trials: {escape(counts)}; {spent} of computing.</p>"
    )


def _best(study: Plain) -> str:
    """The front where there is one, else the most accurate trials."""
    several = len(study["front"]) > 1
    done = [trial for trial in study["trials"] if trial["accuracy"] is not None and trial["values"] is not None]
    chosen = [trial for trial in done if trial["number"] in study["front"]] if several else done
    # what was measured or limited besides: acts, bytes, milliseconds
    more = list(dict.fromkeys(name for trial in chosen for name in trial["costs"] if name not in ("macs", "params")))
    rows = [_row(trial, more) for trial in sorted(chosen, key=lambda trial: -trial["values"][0])[:SHOWN]]
    head = ("trial", "accuracy", "macs", "params", *[name.replace("_", " ") for name in more], "choices", "trained for", "on")
    caption = (
        "The front: no other trial is better in one thing without being worse in another." if several else "The best trials."
    )
    return f"<h2>{'Front' if several else 'Best designs'}</h2>{table(head, rows, caption, kind='words')}" if rows else ""


def _row(trial: Plain, more: Sequence[str]) -> list[str]:
    choices = " ".join(f"{name}={value}" for name, value in trial["chosen"].items())
    counts = [short_amount(trial["macs"]), short_amount(trial["params"])]
    counts += [_amount(name, trial["costs"][name]) if name in trial["costs"] else "" for name in more]
    accuracy = f"{100 * trial['accuracy']:.1f} %"
    return [str(trial["number"]), accuracy, *counts, choices, short_seconds(trial["seconds"]), trial["host"]]


def _amount(name: str, value: float) -> str:
    """With its unit, where it has one."""
    unit = UNITS.get(name, "")
    return f"{value:,.4g} ms" if unit == "ms" else short_bytes(value) if unit else short_amount(value)


def _asked(asked: Sequence[tuple[str, str]]) -> str:
    return f"<h2>What was asked</h2>{table(('', ''), [list(row) for row in asked], '', kind='words')}"


def _failures(study: Plain) -> str:
    rows = [[str(trial["number"]), trial["reason"]] for trial in study["trials"] if trial["status"] == "failed"]
    if not rows:
        return ""
    caption = f"{len(rows):,} trials failed" + (f"; the first {SHOWN}" if len(rows) > SHOWN else "")
    return f"<h2>Failures</h2>{table(('trial', 'reason'), rows[:SHOWN], caption, kind='words')}"
