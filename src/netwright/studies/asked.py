"""What the steps of one design command share: pictures, limits, effort, the clock, the folder."""

from __future__ import annotations

from dataclasses import dataclass, field

from netwright.data import Listing, Pictures
from netwright.files import Output
from netwright.graph import Count, Value
from netwright.progress import Progress
from netwright.studies.limits import Limits
from netwright.studies.spending import Clock
from netwright.training.engine.batches import Task
from netwright.training.engine.moments import Watch
from netwright.training.plan import Plan
from netwright.training.recipes.recipe import Recipe
from netwright.training.train import Job

FEW = 5  # epochs below which no crops are taken


class Effort(Value):
    """How much is tried: candidates, their epochs, and the epochs of the winner's training.

    None is 8, 6 and 40, or what the minutes allow where these are given; a number stands, whatever it takes.
    """

    trials: Count | None = None
    trial_epochs: Count | None = None
    epochs: Count | None = None


def recipe_for(epochs: int) -> Recipe:
    """What a design command trains with for so many epochs.

    Pictures that are seen less than five times are not shifted or cropped: what crops teach takes longer than that
    (benchmarks/results/designing.md).
    """
    recipe = Recipe(epochs=epochs)
    return recipe if epochs >= FEW else recipe.replace(augment=recipe.augment.replace(crop="none"))


@dataclass(frozen=True)
class Asked:
    """A design command: what was asked for, and where it is done."""

    plan: Plan
    limits: Limits
    effort: Effort
    clock: Clock
    output: Output
    progress: Progress = field(repr=False)

    @property
    def timed(self) -> bool:
        """Whether minutes are to be spent."""
        return self.clock.minutes is not None

    def job(self, recipe: Recipe, plan: Plan | None = None, watch: Watch | None = None) -> Job:
        """A training of this command's pictures, or of another plan's."""
        return Job(plan or self.plan, recipe, cache="default", progress=self.progress, watch=watch or self.clock.watch)

    def task(self, job: Job, listing: Listing, compared: Listing | None = None) -> Task:
        """Pictures to train on, and with `compared` others to measure after each epoch."""
        plan = job.plan
        pictures = job.pictures(listing, plan.stored(job.recipe.augment), skip_bad=True)
        plan.check_classes(pictures)
        shown = None if compared is None else job.pictures(compared, plan.shown, skip_bad=False)
        classes = len(plan.source.classes)
        return Task(pictures, plan.normalize(pictures), plan.image, plan.source.mirror, classes, shown)

    def shown(self, listing: Listing, plan: Plan | None = None) -> Pictures:
        """Pictures as a network is shown them in evaluation; one that cannot be read is an error."""
        job = self.job(Recipe(), plan)
        return job.pictures(listing, job.plan.shown, skip_bad=False)
