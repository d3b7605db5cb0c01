"""The main job: limits and pictures in, a trained and exported network out."""

from __future__ import annotations

import math
import os
import time
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from netwright.errors import NetwrightError
from netwright.files import Output, kept_or_temporary
from netwright.graph import Design, to_json
from netwright.inference.export import export_onnx
from netwright.preprocessing import whole
from netwright.progress import Progress
from netwright.report.design_page import design_page
from netwright.report.pages import Beside
from netwright.scaling.budget import UNITS, Use
from netwright.spaces import compact_for
from netwright.spaces import space as as_space
from netwright.studies.asked import Asked, Effort
from netwright.studies.baselines import Winner, compared
from netwright.studies.finishing import Ending, Wanted, train_for
from netwright.studies.ground import Ground
from netwright.studies.limits import Limits
from netwright.studies.near import Drawn, near
from netwright.studies.on_pictures import VALIDATION
from netwright.studies.pace import measured
from netwright.studies.pretrained import Start, better, opened
from netwright.studies.question import file_of
from netwright.studies.spending import DRAWING, SEARCH, TRIALS, Clock, Pace
from netwright.studies.trying import Searched, drawn_before, middle, search
from netwright.training.plan import Plan, open_for
from netwright.training.recipes.recipe import Recipe
from netwright.training.reporting import schedule_of
from netwright.training.results import summary, worst_pictures, write_run
from netwright.training.run import Run, load

if TYPE_CHECKING:
    from netwright.costing.latency import Profile

__all__ = ["Effort", "design"]


def design(
    data: str | os.PathLike[str],
    *,
    macs: str | int | None = None,
    params: str | int | None = None,
    memory: str | int | None = None,
    inference_memory: str | int | None = None,
    latency: str | float | None = None,
    device: Profile | str | None = None,
    space: Any = None,
    minutes: float | None = None,
    baselines: bool = False,
    weights: str | tuple[Design | str, str | os.PathLike[str]] | None = None,
    out: str | os.PathLike[str] | None = None,
    image: int | None = None,
    effort: Effort | None = None,
    seed: int = 0,
    started: float | None = None,
    progress: Progress | None = None,
) -> Run:
    """Find a network within the limits, train it, export it; returns the trained run.

    At least one limit is needed; all that are given hold. `macs` and `params` are counts for one image ("30M"), `memory`
    bytes in training ("2GB") with the recipe's batch of 64 and its optimizer, `inference_memory` bytes for one image, `latency`
    milliseconds for one image ("5ms") as predicted with the profile of a `device` (this machine's by default); all in fp32.
    `space` is where designs come from: a name (`regnetx`), `file.py:name`, a function `space(pick) -> design`; by default
    residual networks and RegNets for small budgets and pictures.

    Designs near the tightest limit are sampled, each is trained briefly on a part of the training pictures and compared on the
    rest of them; the winner is trained on all of them. The held-out part (`test`, else `val`, else a fifth set apart at the
    start) is measured after that, once, for the figures in `result.json`; before, it is only checked that its files can be read.
    Training pictures that cannot be read are left out and named. The folder `out` then holds design.json,
    model.safetensors, model.onnx (compared with the model), result.json and report.html.

    `minutes` are spent in all, about half of them on the search: the numbers of candidates, pictures and epochs follow from
    the speed that is measured; numbers in `effort` stand. `started` is the `time.monotonic()` that they count from (now).
    `baselines` trains two networks of the zoo as long as the winner, outside the minutes, and measures them on the same
    pictures. `weights` ("squeezenet1_1=weights.pth", or a pair of design and weights) are tuned as long as the winner is trained;
    both then learn from the training part alone, and the validation part chooses between them.

    A run that was interrupted goes on with the same arguments; anything else in the folder is refused. Raises
    NetwrightError where no design is within the limits, with the cost of the smallest.

    >>> from netwright.studies.asked import Effort
    >>> once = Effort(trials=1, trial_epochs=1, epochs=1)  # in earnest: minutes=10
    >>> run = nw.design("photos/", macs="3M", effort=once, out="photos-3M")
    >>> nw.cost(run.design, run.image).macs <= 3_000_000
    True
    """
    clock = Clock(minutes, started)
    progress, effort = progress or Progress(), effort or Effort()
    source = open_for(data, out, progress)
    use = Use(source.channels)
    limits = Limits.of(
        macs=None if macs is None else (None, macs),
        params=None if params is None else (None, params),
        memory=memory,
        inference_memory=inference_memory,
        latency=latency,
        device=device,
        use=use,
        training=replace(use, batch=Recipe().batch, optimizer=Recipe().optimizer.name),
    )
    if not limits.most:
        told = "--max-macs, --max-params, --max-memory, --max-inference-memory and --max-latency"
        raise NetwrightError(f"a design needs a limit: give at least one of {told}")
    plan = Plan.of(source, image, seed, VALIDATION)
    with kept_or_temporary(out) as folder:
        asked = Asked(plan, limits, effort, clock, Output(folder), progress)
        _design(_Whole(asked, space, opened(asked, weights) if weights is not None else None, baselines))
        run = load(folder)
    return run if out is not None else replace(run, folder=None)


@dataclass(frozen=True)
class Found:
    """What the search gave: the space, what was drawn from it, what was tried."""

    space: str
    drawn: Drawn
    searched: Searched

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        searched = self.searched
        return {
            "space": self.space,
            "draws": self.drawn.draws,
            "planned": searched.planned._asdict(),
            "winner": searched.best.number,
            "not_begun": searched.left,
            "candidates": [candidate.to_json() for candidate in searched.tried],
        }


@dataclass(frozen=True)
class _Whole:
    """A design command with all its options."""

    asked: Asked
    space: Any
    start: Start | None
    baselines: bool

    @property
    def arguments(self) -> dict[str, Any]:
        """What a folder must agree on when it is gone on with."""
        asked = self.asked
        made = asked.plan.arguments() | {f"max_{name}": most for name, most in asked.limits.to_json().items()}
        made |= {f"max_{name}": int(most) for name, most in asked.limits.most.items() if UNITS[name] != "ms"}
        made |= {"device": asked.limits.use.profile.name} if asked.limits.use.profile is not None else {}
        if self.space is not None:
            own = as_space(self.space)
            made |= {"space": own.name} | ({"space_file": digest} if (digest := file_of(own)) else {})
        made |= {"minutes": asked.clock.minutes} if asked.timed else {}
        made |= {"baselines": True} if self.baselines else {}
        made |= {"weights": self.start.told} if self.start is not None else {}
        return made | {"effort": to_json(asked.effort, None)}

    def ground(self) -> Ground:
        """Where candidates come from."""
        plan = self.asked.plan
        classes = len(plan.source.classes)
        own = compact_for(plan.image, classes) if self.space is None else as_space(self.space).at(plan.image, classes)
        return Ground(own, self.asked.limits, plan.image, plan.source.channels, plan.seed)


def _design(job: _Whole) -> None:
    asked = job.asked
    plan, progress, clock = asked.plan, asked.progress, asked.clock
    ground = job.ground()
    drawn = _drawn(asked, ground)
    with asked.output.claimed("design", job.arguments) as goes_on:
        clock.read(asked.output.work / "seconds.json")
        if goes_on:
            progress.say(f"going on with the run in {asked.output.folder}")
            clock.begin()
        progress.say(f"{len(drawn.designs)} designs of {asked.limits} at {plan.image} px ({drawn.draws:,} drawn)")
        # a broken picture should show now, not after the search: decoded as dots, and forgotten
        begun = time.monotonic()
        plan.source.read(plan.data.test, whole(1), None)
        ending = Ending.rehearsed(time.monotonic() - begun) if asked.timed else Ending(0.0, 0.0)
        if not asked.timed:
            searched = search(asked, drawn, None, math.inf)
        else:
            some = middle(asked, drawn.designs)
            pace = measured(some, asked.job(Recipe()))
            until = clock.spent + _for_search(job, clock.left - ending.seconds(asked, some, pace), pace)
            searched = search(asked, drawn, pace, until)
        _finish(job, Found(ground.space.name, drawn, searched), ending)


def _drawn(asked: Asked, ground: Ground) -> Drawn:
    """The designs that may be tried; where minutes are given, drawing takes at most a tenth of them, however rare designs are."""
    if not asked.timed:
        return near(ground, asked.effort.trials or 8)
    n, before = asked.effort.trials or TRIALS[1], drawn_before(asked.output)
    if before is not None:
        return near(ground, n, before, smaller=True)
    end = DRAWING * asked.clock.seconds
    return near(ground, n, until=lambda: asked.clock.spent > end, smaller=True)


def _for_search(job: _Whole, seconds: float, pace: Pace) -> float:
    """How many of the seconds that start and end leave are the search's: half, a third where weights are tuned as well.

    Epochs that are given for the long training leave it what they do not take, but a tenth at least.
    """
    asked, long = job.asked, 1 if job.start is None else 2
    share = SEARCH if job.start is None else 1 / 3
    if asked.effort.epochs is not None:
        taken = long * asked.effort.epochs * len(asked.plan.whole_training()) * pace.trained
        share = max(0.1, 1 - taken / max(seconds, 1e-9))
    return share * max(seconds, 0.0)


def _finish(job: _Whole, found: Found, ending: Ending) -> None:
    """Train the winner on all but the held-out pictures, measure it on those, write everything."""
    asked, winner, start = job.asked, found.searched.best, job.start
    asked.clock.enter("training")
    plan = asked.plan
    listing = plan.whole_training() if start is None else plan.data.train
    seconds = ending.left(asked, winner.design, found.searched.pace) / (1 if start is None else 2)
    epochs = asked.effort.epochs if asked.timed else asked.effort.epochs or 40
    title = f"training candidate {winner.number}"
    final = train_for(asked, Wanted(winner.design, listing, seconds, epochs, found.searched.trained, title=title), asked.output)
    told: dict[str, Any] = {}
    if start is not None:
        final, told["weights"] = better(asked, final, start)
    asked.clock.enter("measuring and files")
    evaluation, held_out = final.measured(asked, plan.data.test)
    run, output = final.run, asked.output
    difference = export_onnx(run.model, output.folder / "model.onnx", run.examples(held_out), run.about)
    told["time"] = asked.clock.to_json()
    if job.baselines:
        told["baselines"] = compared(asked, Winner(final, listing, evaluation))
    result = {
        "command": "design",
        "curve_measured_on": "",
        "budget": {f"max_{name}": most for name, most in asked.limits.most.items()} | {"image": plan.image},
        "limits": _limits(asked, run.design),
        "search": found.to_json(),
        "trained": final.decided._asdict(),
        **told,
        **summary(run, final.plan, final.recipe, final.history, evaluation),
        "onnx": {"largest_difference": difference},
    }
    beside = Beside(worst_pictures(evaluation, held_out), schedule=schedule_of(final.recipe))
    write_run(output, run, final.recipe, result, partial(design_page, beside=beside))


def _limits(asked: Asked, design: Design) -> list[dict[str, Any]]:
    """Each limit with what the network has, and what it is meant for: pictures at a time, precision, device."""
    has, limits = asked.limits.costs(design, asked.plan.image), asked.limits
    rows = []
    for name, most in limits.most.items():
        use = limits.training if name == "memory" and limits.training is not None else limits.use
        told: dict[str, Any] = {"name": name, "most": most, "has": has[name], "unit": UNITS[name], "batch": use.batch}
        told |= {"precision": use.precision} if UNITS[name] else {}
        told |= {"optimizer": use.optimizer} if name == "memory" else {}
        told |= {"device": use.profile.name} if name == "latency" and use.profile is not None else {}
        rows.append(told)
    return rows
