"""A study as the page shows it: its trials as a table, the front, the distribution of its errors, its curves."""

from __future__ import annotations

import json
from typing import Any

from netwright.costing import cost
from netwright.errors import NetwrightError
from netwright.report import charts
from netwright.report.diagram.draw import draw
from netwright.spaces.statistics import Errors, edf_band
from netwright.studies import Study
from netwright.studies.study import plain_trial
from netwright.studies.trials import Trial
from netwright.units import counted
from netwright.web.exchange import Plain
from netwright.web.shown import shown

MOST_TRIALS = 2_000  # in the table: the last ones
MOST_DOTS = 2_000  # of a chart
MOST_CURVES = 60  # the best ones: more only hide each other


def viewed(study: Study) -> Plain:
    """What the page shows of a study."""
    front = {trial.number for trial in study.front}
    trials = [_row(trial, trial.number in front) for trial in study.trials[-MOST_TRIALS:]]
    question = study.question
    told = {
        "goal": str(study.goal),
        "space": question.space.name,
        "limits": f"{question.limits} at {question.image} px",
        "sampler": question.sampler,
        "evaluated": study.told(),
    }
    facts = {"study": study.name, "wanted": study.wanted, "counts": study.counts, "asked": told}
    facts |= {"seconds": sum(trial.seconds for trial in study.trials), "of": len(study.trials), "measure": _measure(study)}
    return facts | {"trials": trials, "charts": _charts(study, front)}


def _row(trial: Trial, on_front: bool) -> Plain:
    told = {
        "number": trial.number,
        "status": trial.status,
        "accuracy": trial.accuracy,
        "macs": trial.macs,
        "params": trial.params,
    }
    told |= {"seconds": trial.seconds, "host": trial.host, "reason": trial.reason, "front": on_front, "costs": dict(trial.costs)}
    return told | {"chosen": " ".join(f"{name}={value}" for name, value in trial.chosen.items())}


def _measure(study: Study) -> str:
    """What accuracy is held against: the goal's cost, macs where it has none."""
    return study.goal.measured or "macs"


def _charts(study: Study, front: set[int]) -> Plain:
    complete = study.complete[-MOST_DOTS:]
    if not complete:
        return {}
    made = {"front": _front(study, front)}
    population = study.population()
    if len(population.complete) > 1:
        label = f"Error distribution of {counted(len(population.complete), 'design')}"
        errors = Errors.of(population)
        made["errors"] = shown(charts.edf_chart([errors], [edf_band(errors)]), label)
    rows = [
        {"trial": trial.number, "epoch": epoch, "accuracy": 100 * accuracy}
        for trial in sorted(complete, key=lambda one: -(one.accuracy or 0))[:MOST_CURVES]
        for epoch, accuracy in trial.curve.items()
    ]
    if any(row["epoch"] != rows[0]["epoch"] for row in rows):
        made["curves"] = shown(
            charts.trial_curves(rows, str(study.best.number)),
            f"Learning curves of {counted(min(len(complete), MOST_CURVES), 'trial')}",
        )
    return made


def _front(study: Study, front: set[int]) -> Plain:
    measure = _measure(study)
    rows = [
        {
            "number": trial.number,
            "accuracy": 100 * (trial.accuracy or 0),
            measure: _cost_of(trial, measure),
            "winner": trial.number in front,
        }
        for trial in study.complete[-MOST_DOTS:]
    ]
    label = f"Accuracy against {measure} of {counted(len(rows), 'trial')}; {len(front)} of them on the front"
    return shown(charts.accuracy_against(rows, measure), label)


def _cost_of(trial: Trial, measure: str) -> float:
    counts = {"macs": trial.macs, "params": trial.params, "acts": trial.acts}
    return counts[measure] if measure in counts else trial.costs[measure]


def trial_of(study: Study, number: int) -> Plain:
    """A trial with its design, what that costs by stage, and its diagram; `problem` says why there is none of these."""
    trial = next((one for one in (*study.trials, *study.lost) if one.number == number), None)
    if trial is None:
        raise NetwrightError(f"there is no trial {number} in this study")
    told = plain_trial(trial) | {"finished": trial.finished, "on_front": any(one.number == number for one in study.front)}
    if trial.curve:
        rows = [{"epoch": e, "accuracy": 100 * a, "measured on": "validation pictures"} for e, a in trial.curve.items()]
        told["chart"] = shown(charts.learning_curve(rows), f"Learning curve of trial {number}")
    try:
        return told | _costed(trial, study)
    except NetwrightError as error:  # a class of the user's own file, which this server does not run
        return told | {"problem": str(error)}


def _costed(trial: Trial, study: Study) -> Plain:
    design, question = trial.design, study.question
    made = cost(design, question.image, channels=question.channels, by="stage", name=f"trial {trial.number}")
    stages: list[Any] = [
        {"name": line.name, "shape": line.shape, "params": line.params, "macs": line.macs, "share": line.share}
        for line in made.lines
    ]
    drawing = draw(design, question.image, channels=question.channels, name=f"trial {trial.number}")
    link = json.loads(trial.plain_design)
    return {"python": repr(design), "stages": stages, "svg": drawing.svg, "link": link, "training_bytes": made.memory.training}
