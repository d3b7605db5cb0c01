"""Starting from weights as well: a network that others trained is tuned as long as the winner, and validation chooses."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from typing import Any

from netwright.errors import NetwrightError
from netwright.files import Output
from netwright.graph import Design, trace
from netwright.runtime.weights import open_weights
from netwright.scaling.budget import shown
from netwright.studies.asked import Asked
from netwright.studies.finishing import Final, Wanted, train_for
from netwright.training.plan import Plan
from netwright.training.recipes.presets import FINETUNE
from netwright.training.recipes.recipe import Recipe
from netwright.training.train import fitted
from netwright.zoo import name_of, network

Given = str | tuple[Design | str, str | os.PathLike[str]]


@dataclass(frozen=True)
class Start:
    """A network with weights to start from, for the pictures of a design command."""

    name: str
    design: Design
    plan: Plan

    @property
    def told(self) -> str:
        """What tells it from others."""
        assert self.plan.weights is not None
        return f"{self.name}={self.plan.weights.digest}"


def opened(asked: Asked, given: Given) -> Start:
    """Read weights: "NET=WEIGHTS", or the pair of a design (or a name of the zoo) and what `build` takes for weights.

    Raises NetwrightError for what cannot be read, and for a network that exceeds a limit, with its cost.
    """
    net, weights = _pair(given)
    design = network(net) if isinstance(net, str) else net
    name = net if isinstance(net, str) else name_of(net) or type(net).__name__
    found = open_weights(design, weights)
    source = asked.plan.source
    if found.about.get("trained_on", {}).get("fingerprint") == source.fingerprint:
        raise NetwrightError(
            f"the weights of {name} were trained on {source.name}: they know the pictures that would choose between them and a "
            "start from scratch; give weights from other pictures"
        )
    plan = replace(asked.plan, weights=found)
    design = fitted(found.design, plan, Recipe())
    has = asked.limits.costs(design, plan.image)
    over = [key for key, most in asked.limits.most.items() if has[key] > most]
    over += [] if over else _outside(asked, design)
    if over:
        costs = " and ".join(shown(key, has[key]) for key in over)
        raise NetwrightError(
            f"{name} has {costs} at {plan.image} px, and {asked.limits} is asked for: raise the limit, lower --image, "
            "or start from a smaller network"
        )
    return Start(name, design, plan)


def _outside(asked: Asked, design: Design) -> list[str]:
    """Counts below their least."""
    missed = asked.limits.counts.misses(trace(design, asked.plan.image, asked.plan.source.channels).totals)
    return [missed.split()[0]] if missed else []


def _pair(given: Given) -> tuple[Design | str, str | os.PathLike[str]]:
    if isinstance(given, str):
        net, equals, weights = given.partition("=")
        if not (equals and net and weights):
            raise NetwrightError(f"{given!r} names no weights: write NET=WEIGHTS, such as squeezenet1_1=squeezenet1_1.pth")
        return net, weights
    return given


def better(asked: Asked, own: Final, start: Start) -> tuple[Final, dict[str, Any]]:
    """Tune the network as long as the winner was trained; the one that is better on validation pictures, and both figures.

    Of equals it is the winner of the search. Both were trained on the training part alone.
    """
    asked.clock.enter("weights")
    validation = asked.plan.data.validation
    assert validation is not None
    wanted = Wanted(
        start.design,
        asked.plan.data.train,
        own.seconds,
        recipe=FINETUNE.recipe,
        plan=start.plan,
        title=f"tuning {start.name}",
    )
    tuned = train_for(asked, wanted, Output(asked.output.work / "weights"))
    finals = {"from scratch": own, start.name: tuned}
    rows: list[dict[str, Any]] = []
    for name, final in finals.items():
        evaluation, _ = final.measured(asked, validation)
        rows.append(
            {
                "start": name,
                "validation_accuracy": evaluation.accuracy,
                "interval_95": list(evaluation.interval),
                "of": len(evaluation.labels),
                "seconds": round(final.seconds, 2),
                "epochs": final.decided.epochs,
                "macs": asked.limits.cost(final.run.design, asked.plan.image).macs,
                "params": asked.limits.cost(final.run.design, asked.plan.image).params,
            }
        )
    chosen = start.name if rows[1]["validation_accuracy"] > rows[0]["validation_accuracy"] else "from scratch"
    asked.progress.say(
        ", ".join(f"{row['start']}: {100 * row['validation_accuracy']:.1f} %" for row in rows)
        + f" of {len(validation):,} validation pictures: {chosen} is chosen"
    )
    return finals[chosen], {"chosen": chosen, "weights": start.told, "compared_on": "validation pictures", "rows": rows}
