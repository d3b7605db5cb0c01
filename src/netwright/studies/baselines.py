"""Networks of the zoo beside the winner: of the same limits, trained as long, measured on the same pictures."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Any

import torch
from scipy.special import bdtr

from netwright.data import Listing
from netwright.errors import DesignError, NetwrightError
from netwright.files import Output, read_json, write_json, write_text
from netwright.graph import Design, own_image, to_json, trace
from netwright.scaling.rules import find_rule
from netwright.scaling.solving import crossing
from netwright.studies.asked import Asked
from netwright.studies.finishing import Final, Wanted, train_for
from netwright.training.evaluating.evaluation import Evaluation
from netwright.zoo import network, networks

CLOSE = 0.8  # of the tightest limit: a network that takes less is scaled to it
LEVEL = 0.05
MEASURED = 8.0  # seconds, so that a baseline trains as long as the winner: its epochs follow from its pace


@dataclass(frozen=True)
class Baseline:
    """A network of the zoo within the limits: its name, how it was scaled ('' for as it stands), and its share of them."""

    name: str
    design: Design
    load: float

    @property
    def family(self) -> str:
        """The kind of network."""
        return type(self.design).__name__


@dataclass(frozen=True)
class Winner:
    """What baselines are held against: the network, the pictures that it learned from, and its figures on held-out ones."""

    final: Final
    listing: Listing
    evaluation: Evaluation


def compared(asked: Asked, winner: Winner) -> dict[str, Any]:
    """Train two baselines as long as the winner (outside the minutes), and test each against it on the held-out pictures.

    The test is McNemar's exact one over the pictures that just one of the two gets right.
    """
    asked.clock.enter("baselines")
    right = winner.evaluation.predicted == winner.evaluation.labels
    rows = [_row("design", winner.final, winner.evaluation, asked)]
    for baseline in chosen(asked):
        row, theirs = _measured(asked, winner, baseline)
        only = int((right & ~theirs).sum()), int((theirs & ~right).sum())
        p = mcnemar(*only)
        ahead = "undecided" if p > LEVEL else "design" if only[0] > only[1] else row["name"]
        rows.append(row | {"only_design_right": only[0], "only_this_right": only[1], "p": p, "better": ahead})
        asked.progress.say(f"{row['name']}: {100 * row['top1']:.1f} % of the held-out pictures, better: {ahead} (p = {p:.2g})")
    return {"test": "McNemar's exact test over the same held-out pictures", "level": LEVEL, "rows": rows}


def mcnemar(first: int, second: int) -> float:
    """The two-sided p-value that two networks err alike; so many pictures only the first, or only the second, gets right.

    >>> mcnemar(5, 5), mcnemar(10, 0)
    (1.0, 0.001953125)
    """
    return min(1.0, 2 * float(bdtr(min(first, second), first + second, 0.5))) if first + second else 1.0


def _row(name: str, final: Final, evaluation: Evaluation, asked: Asked) -> dict[str, Any]:
    cost = asked.limits.cost(final.run.design, asked.plan.image)
    return {
        "name": name,
        "macs": cost.macs,
        "params": cost.params,
        "epochs": final.decided.epochs,
        "pictures": final.decided.pictures,
        "seconds": round(final.seconds, 2),
        "top1": evaluation.accuracy,
        "correct": evaluation.correct,
        "of": len(evaluation.labels),
        "interval_95": list(evaluation.interval),
    }


def _measured(asked: Asked, winner: Winner, baseline: Baseline) -> tuple[dict[str, Any], torch.Tensor]:
    """A baseline's figures, and which of the held-out pictures it gets right; those of a run before are read back."""
    folder = asked.output.work / "baselines" / re.sub(r"[^\w.-]+", "_", baseline.name)
    kept, plain = folder / "result.json", to_json(baseline.design, None)
    if kept.exists():
        value = read_json(kept)
        return value["row"], torch.tensor([mark == "1" for mark in value["right"]])
    wanted = Wanted(baseline.design, winner.listing, winner.final.seconds, title=f"training {baseline.name}", measuring=MEASURED)
    final = train_for(asked, wanted, Output(folder))
    evaluation, _ = final.measured(asked, asked.plan.data.test)
    row = _row(baseline.name, final, evaluation, asked) | {"family": baseline.family, "share_of_limit": round(baseline.load, 4)}
    right = evaluation.predicted == evaluation.labels
    write_text(folder / "design.json", plain + "\n")
    final.run.save(folder / "model.safetensors")
    write_json(kept, {"row": row, "right": "".join("1" if one else "0" for one in right.tolist())})
    return row, right


# ---------------------------------------------------------------- which networks


def chosen(asked: Asked, count: int = 2) -> list[Baseline]:
    """The baselines: a network of the zoo made for pictures of about this size, and the largest of another family that fits.

    Of each family counts the network that takes most of the tightest limit as it stands. Where that is less than 80 %, the
    family's network whose cost is nearest to the limits is scaled to them in its width. The first baseline is of the
    family whose networks are made for pictures nearest in size (of equals the one that takes most); the others are those
    of the other families that take most as they stand, then scaled ones.
    """
    found = [made for family in _families().values() if (made := _of_family(asked, family)) is not None]
    if not found:
        raise NetwrightError(f"no network of the zoo has {asked.limits} at {asked.plan.image} px: leave out --baselines")
    image = asked.plan.image

    def distance(one: Baseline) -> float:
        # a scaled network was made for the size of what it was scaled from
        return round(abs(math.log(own_image(network(one.name.split()[0])) / image)), 2)

    first = min(found, key=lambda one: (distance(one), -one.load))
    others = sorted((one for one in found if one is not first), key=lambda one: (" " in one.name, -one.load))
    return [first, *others][:count]


def _families() -> dict[type, list[str]]:
    families: dict[type, list[str]] = {}
    for name in networks():
        families.setdefault(type(network(name)), []).append(name)
    return families


def _of_family(asked: Asked, names: list[str]) -> Baseline | None:
    """A family's network within the limits, as large as they allow; None where none can be."""
    loads: dict[str, float] = {}
    for name in names:
        load = _load(asked, network(name))
        if load < math.inf:
            loads[name] = load
    within = {name: load for name, load in loads.items() if load <= 1}
    best = max(within, key=lambda name: within[name], default=None)
    if best is not None and within[best] >= CLOSE:
        return Baseline(best, _fitted(asked, network(best)), within[best])
    scaled = _scaled(asked, min(loads, key=lambda name: abs(math.log(loads[name])))) if loads else None
    if scaled is None or (best is not None and within[best] >= scaled.load):
        return Baseline(best, _fitted(asked, network(best)), within[best]) if best is not None else None
    return scaled


def _fitted(asked: Asked, design: Design) -> Design:
    """For the classes of the pictures, without auxiliary classifiers: these would train other networks than the winner's."""
    changes: dict[str, Any] = {"classes": len(asked.plan.source.classes), "aux": False}
    return design.replace(**{name: value for name, value in changes.items() if name in design.fields()})


def _load(asked: Asked, design: Design) -> float:
    """The share of the tightest limit; infinite for a network that does not take the image."""
    try:
        made, image = _fitted(asked, design), asked.plan.image
        trace(made, image, asked.plan.source.channels)
        return asked.limits.load(made, image)
    except DesignError:
        return math.inf


def _scaled(asked: Asked, name: str) -> Baseline | None:
    """A network scaled in its width to the limits, from below; None where its family does not scale or stays above."""
    rule, design, image = find_rule("width"), network(name), asked.plan.image

    def at(phi: float) -> Design:
        return rule.at(design, image, phi)[0]

    try:
        low, high = -rule.most, rule.most
        if _load(asked, at(low)) > 1 or _load(asked, at(high)) <= 1:
            return None
        phi, _ = crossing(low, high, lambda middle: _load(asked, at(middle)) <= 1)
    except DesignError:
        return None
    made = _fitted(asked, at(phi))
    return Baseline(f"{name} x {rule.factors(phi).width:.2f} in width", made, asked.limits.load(made, image))
