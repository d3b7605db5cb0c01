"""The long trainings: of the winner, of networks that start from weights, of baselines. What is decided for one is kept."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from netwright.data import Listing, Pictures
from netwright.files import Output, read_json, write_json
from netwright.graph import Design, trace
from netwright.studies.asked import Asked, recipe_for
from netwright.studies.pace import files_seconds, measured
from netwright.studies.spending import Pace, Training, plan_training, some_of
from netwright.training.engine.moments import Epoch, Moment, Watch
from netwright.training.evaluating.evaluation import Evaluation, evaluate_model
from netwright.training.logs import all_of
from netwright.training.plan import Plan
from netwright.training.recipes.recipe import Recipe
from netwright.training.run import Run
from netwright.training.train import trained
from netwright.units import counted, short_seconds

SURE = 0.97  # share of the time left that is planned with: a machine is not always as fast
LATE = 0.05  # of the minutes: what ends later than that is said


@dataclass(frozen=True)
class Ending:
    """What is left to do after the training: seconds to read held-out pictures, and to write the files for each layer."""

    reading: float
    files: float

    @classmethod
    def rehearsed(cls, reading: float) -> Ending:
        """From writing the files of a small network."""
        return cls(reading, files_seconds())

    def seconds(self, asked: Asked, design: Design, pace: Pace) -> float:
        """What it will take for a network."""
        rows = len(trace(design, asked.plan.image, asked.plan.source.channels).flat().rows)
        return self.reading + self.files * rows + len(asked.plan.data.test) * pace.evaluated

    def left(self, asked: Asked, design: Design, pace: Pace | None) -> float:
        """Seconds for the long training of a network; infinite where nobody counts."""
        return math.inf if pace is None else SURE * (asked.clock.left - self.seconds(asked, design, pace))


@dataclass(frozen=True)
class Wanted:
    """A long training: the design, the pictures, and the seconds that it may take.

    `epochs` are given where they were asked for; `trained` are seconds for a picture where they are known. `recipe` (but for its
    epochs) takes the place of the one for so many epochs.
    """

    design: Design
    listing: Listing
    seconds: float
    epochs: int | None = None
    trained: float | None = None
    recipe: Recipe | None = None
    plan: Plan | None = None
    title: str = "training"
    measuring: float = 3.0  # seconds


@dataclass(frozen=True)
class Final:
    """What came of it."""

    run: Run = field(repr=False)
    plan: Plan
    recipe: Recipe
    decided: Training
    history: list[Epoch]

    @property
    def seconds(self) -> float:
        """Of its steps."""
        return sum(epoch.seconds for epoch in self.history)

    def measured(self, asked: Asked, listing: Listing) -> tuple[Evaluation, Pictures]:
        """On pictures that it was not trained on."""
        shown = asked.shown(listing, self.plan)
        device = asked.job(self.recipe).device
        evaluation = evaluate_model(self.run.model.to(device), shown, self.run.normalize)
        self.run.model.cpu()
        return evaluation, shown


def train_for(asked: Asked, wanted: Wanted, output: Output) -> Final:
    """Train for so many seconds; one that was interrupted goes on with what was decided when it began."""
    plan = wanted.plan or asked.plan
    kept = output.work / "decided.json"
    if kept.exists():
        decided = Training(**read_json(kept))
    else:
        decided = _decided(asked, wanted, plan)
        write_json(kept, decided._asdict())
    recipe = recipe_for(decided.epochs) if wanted.recipe is None else wanted.recipe.replace(epochs=decided.epochs)
    watch = all_of(asked.clock.watch, _late(asked)) if output is asked.output else asked.clock.watch
    job = asked.job(recipe, plan, watch)
    task = asked.task(job, some_of(wanted.listing, decided.pictures, plan.seed))
    part = "" if decided.pictures >= len(wanted.listing) else f" of {len(wanted.listing):,}: there is no time for all"
    asked.progress.say(f"{wanted.title}: {counted(decided.epochs, 'epoch')} on {len(task.train):,} training pictures{part}")
    run, training = trained(wanted.design, task, job, output, wanted.title)
    return Final(run, plan, recipe, decided, training.history)


def _decided(asked: Asked, wanted: Wanted, plan: Plan) -> Training:
    count = len(wanted.listing)
    if wanted.epochs is not None:
        return plan_training(wanted.seconds, 1.0, count, wanted.epochs)
    begun = asked.clock.spent
    each = wanted.trained or measured(wanted.design, asked.job(wanted.recipe or Recipe(), plan), wanted.measuring).trained
    return plan_training(wanted.seconds - (asked.clock.spent - begun), each, count)


def _late(asked: Asked) -> Watch:
    """Says once where a training will end long after the minutes: its epochs are not changed, as its schedule is not."""
    said = False
    first: tuple[float, int] | None = None

    def watch(moment: Moment) -> None:
        nonlocal said, first
        at = asked.clock.spent
        begun, before = first = first or (at, moment.done)
        done = moment.done - before
        if said or asked.clock.minutes is None or done < 0.2 * moment.total:
            return
        late = at + (at - begun) / done * (moment.total - moment.done) - asked.clock.seconds
        if late > LATE * asked.clock.seconds:
            said = True
            asked.progress.say(f"slower than it was measured: training will end about {short_seconds(late)} after the minutes")

    return watch
