"""The page of one study: what was asked, what was found, how errors lie over its designs, what went wrong."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from typing import Any

from netwright.costing import Cost
from netwright.report import charts
from netwright.report.charts import Rows
from netwright.report.html import diagram, facts, figure, notebook, page, table
from netwright.report.pages import cost_section
from netwright.report.population_page import population_sections
from netwright.scaling.budget import UNITS
from netwright.spaces.population import Population
from netwright.units import counted, short_amount, short_bytes, short_seconds

Plain = dict[str, Any]
SHOWN = 20  # trials in the tables
MOST_CURVES = 100  # more hide each other


def study_page(
    study: Plain, population: Population, asked: Sequence[tuple[str, str]], best: Cost | None = None, ranked: str = ""
) -> str:
    """One HTML file, without scripts, of a study as plain values (see `Study.to_json`) and as a population.

    `asked` are words and what they are, for the table of what the study was asked; `best` is the cost of the best design,
    by block; `ranked` is a section that takes the place of the table of the best designs.
    """
    sections = [_found(study), f"<h2>What was asked</h2>{facts(asked, 'The question of the study.')}"]
    sections += [_tried(study), ranked or _best(study), _curves(study)]
    if best is not None:
        number = _front(study)[0]["number"]
        sections += [f"<h2>The best design: trial {number}</h2>{diagram(best.graph, f'trial {number}')}{cost_section(best)}"]
    sections += population_sections([population]) if population.complete else []
    return page(f"netwright search: {study['study']}", [*sections, _machines(study), _failures(study)])


def study_piece(study: Plain) -> str:
    """What a notebook shows of a study: how far it has come, accuracy against cost, learning curves."""
    return notebook([_found(study), _tried(study), _curves(study)])


def _front(study: Plain) -> list[Plain]:
    """The trials of the front, the most accurate first."""
    front = [trial for trial in study["trials"] if trial["number"] in study["front"]]
    return sorted(front, key=lambda trial: -trial["accuracy"])


def _found(study: Plain) -> str:
    front = _front(study)
    if not front:
        return '<p class="lead">No trial is complete yet.</p>'
    best = front[0]
    counts = ", ".join(f"{count:,} {status}" for status, count in study["counts"].items() if count)
    spent = short_seconds(sum(trial["seconds"] for trial in study["trials"]))
    return (
        f'<p class="lead"><strong>{100 * best["accuracy"]:.1f} %</strong> of the validation pictures right: trial '
        f"{best['number']}, {short_amount(best['macs'])} macs, {short_amount(best['params'])} params.</p>"
        f"<p>Trials: {escape(counts)}; {spent} of computing.</p>"
        '<p class="note">Each accuracy was measured once. That of the best of many is too high: chance chose it, too. '
        "<code>netwright train</code> this design to know what it is worth.</p>"
    )


def _complete(study: Plain) -> list[Plain]:
    return [trial for trial in study["trials"] if trial["status"] == "complete" and trial["accuracy"] is not None]


def _tried(study: Plain) -> str:
    """Accuracy of all complete trials over macs, and over the cost that the goal measures."""
    done = _complete(study)
    if not done:
        return ""
    measured = study["question"]["goal"].get("measure", "") if study["question"]["goal"].get("kind") != "accuracy" else ""
    best, drawn = _front(study)[0], []
    for quantity in dict.fromkeys(("macs", measured or "params")):
        if any(quantity not in trial and quantity not in trial["costs"] for trial in done):
            continue
        rows: Rows = [
            {
                "number": trial["number"],
                quantity: trial.get(quantity, trial["costs"].get(quantity)),
                "accuracy": 100 * trial["accuracy"],
                "winner": trial["number"] == best["number"],
            }
            for trial in done
        ]
        told = quantity.replace("_", " ")
        top = f"the best, {best['number']}, has {100 * best['accuracy']:.1f} %"
        label = f"Accuracy against {told} of {counted(len(rows), 'trial')}; {top}"
        caption = f"Complete trials; the line is the front of accuracy and {told}, the best trial is orange."
        drawn.append(figure(charts.accuracy_against(rows, quantity), label, caption, rows, f"trials-{told}"))
    return f"<h2>What was tried</h2>{''.join(drawn)}"


def _curves(study: Plain) -> str:
    """The trials' accuracies over their epochs, of those that told them."""
    having = [trial for trial in study["trials"] if len(trial["curve"]) > 1]
    told = having[-MOST_CURVES:]
    front = _front(study)
    told += [trial for trial in front[:1] if trial not in told and len(trial["curve"]) > 1]
    rows: Rows = [
        {"trial": trial["number"], "epoch": int(epoch), "accuracy": 100 * accuracy}
        for trial in told
        for epoch, accuracy in trial["curve"].items()
    ]
    if not rows:
        return ""
    best = str(front[0]["number"]) if front else ""
    label = f"Accuracy over the epochs of {counted(len(told), 'trial')}" + (f"; the best is trial {best}" if best else "")
    which = f" Of {counted(len(having), 'trial')} these are the last." if len(having) > MOST_CURVES else ""
    caption = (f"{label}, in orange." if best else f"{label}.") + which
    return f"<h2>Learning curves</h2>{figure(charts.trial_curves(rows, best), label, caption, rows, 'curves')}"


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


def _machines(study: Plain) -> str:
    """Which machines tried how many trials, for how long, with which versions."""
    ended = [trial for trial in study["trials"] if trial["host"]]
    counts = Counter(trial["host"] for trial in ended)
    rows = []
    for host, count in counts.items():
        mine = [trial for trial in ended if trial["host"] == host]
        versions = dict.fromkeys(", ".join(f"{name} {value}" for name, value in trial["versions"].items()) for trial in mine)
        rows.append(
            [host, f"{count:,}", short_seconds(sum(trial["seconds"] for trial in mine)), "; ".join(filter(None, versions))]
        )
    if not rows:
        return ""
    made = table(("machine", "trials", "time", "versions"), rows, "Where the trials ran.", kind="words")
    return f"<h2>On which machines</h2>{made}"


def _failures(study: Plain) -> str:
    rows = [[str(trial["number"]), trial["reason"]] for trial in study["trials"] if trial["status"] == "failed"]
    if not rows:
        return ""
    caption = f"{counted(len(rows), 'trial')} failed" + (f"; the first {SHOWN}" if len(rows) > SHOWN else "")
    return f"<h2>Failures</h2>{table(('trial', 'reason'), rows[:SHOWN], caption, kind='words')}"
