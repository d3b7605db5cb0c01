"""Small trainings on real pictures, for claims that cannot be settled without: the same pictures and recipe for all designs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from torch import fx

from netwright.claims.claim import Terms
from netwright.data import open_source
from netwright.errors import DivergedError
from netwright.graph import Design, trace
from netwright.progress import Progress
from netwright.runtime.weights import open_weights
from netwright.studies.spending import some_of
from netwright.training.engine.batches import Task
from netwright.training.evaluating.evaluation import evaluate_model
from netwright.training.plan import Plan
from netwright.training.recipes.recipe import Augmentation, Loss, Optimizing, Recipe, Schedule
from netwright.training.train import Job, trained

DIGITS = "digits"  # embedded: what is trained on where no pictures are given
TINY = 120  # pictures of a run that only shows that it works


@dataclass(frozen=True)
class Learned:
    """What a training came to: accuracies on pictures it saw and on held-out ones; the model, None where it diverged."""

    seen: float
    held_out: float
    model: fx.GraphModule | None


@dataclass(frozen=True)
class Setting:
    """How designs are trained: the side of images in px, epochs, at most so many pictures, the rate; pictures as they are."""

    image: int
    epochs: int
    pictures: int
    rate: float = 0.1
    decay: float = 5e-4
    crop: str = "none"

    def recipe(self, tiny: bool) -> Recipe:
        """Nesterov's momentum, a cosine, no smoothing of labels."""
        return Recipe(
            epochs=1 if tiny else self.epochs,
            batch=32 if tiny else 64,
            optimizer=Optimizing(lr=self.rate, lr_batch=0, weight_decay=self.decay),
            schedule=Schedule(warmup_epochs=0.5),
            augment=Augmentation(crop=self.crop),  # type: ignore[arg-type]
            loss=Loss(label_smoothing=0.0),
        )


class Ground:
    """Pictures, read once, on which designs are trained and then measured."""

    def __init__(self, terms: Terms, setting: Setting) -> None:
        source = open_source(terms.data or DIGITS)
        plan = Plan.of(source, setting.image, terms.seed)
        self.job = Job(plan, setting.recipe(terms.tiny), cache=None, progress=Progress(quiet=True))
        self.tell = terms.progress.say
        most = TINY if terms.tiny else setting.pictures
        pictures = self.job.pictures(
            some_of(plan.data.train, most, terms.seed), plan.stored(self.job.recipe.augment), skip_bad=True
        )
        plan.check_classes(pictures)
        self.held_out = self.job.pictures(some_of(plan.data.test, most, terms.seed), plan.shown, skip_bad=True)
        self.shown = self.job.pictures(some_of(plan.data.train, most, terms.seed), plan.shown, skip_bad=True)
        self.task = Task(pictures, plan.normalize(pictures), setting.image, source.mirror, len(source.classes))

    @property
    def about(self) -> str:
        """The pictures and the recipe in words."""
        recipe, source = self.job.recipe, self.job.plan.source
        return (
            f"{len(self.task.train):,} pictures of {source.name.rstrip('/').rsplit('/', 1)[-1]} at {self.task.image} px, "
            f"{recipe.epochs} epochs, measured on {len(self.held_out):,} held-out ones"
        )

    def macs(self, design: Design) -> int:
        """For one image of these pictures."""
        return trace(self._fitted(design), self.task.image, self.job.plan.source.channels).macs

    def learn(self, design: Design, seed: int, weights: Path | None = None, name: str = "") -> Learned:
        """Train a design, from `weights` if given. One that diverges knows as much as chance."""
        made = self._fitted(design)
        plan = replace(self.job.plan, seed=seed, weights=open_weights(made, weights) if weights is not None else None)
        try:
            run, _ = trained(made, self.task, replace(self.job, plan=plan), None)
        except DivergedError:
            self.tell(f"{name or type(design).__name__}, seed {seed}: diverged")
            chance = 1 / self.task.classes
            return Learned(chance, chance, None)
        seen, held_out = [
            evaluate_model(run.model, pictures, self.task.normalize).accuracy for pictures in (self.shown, self.held_out)
        ]
        self.tell(f"{name or type(design).__name__}, seed {seed}: {100 * held_out:.1f} % ({100 * seen:.1f} % of those seen)")
        return Learned(seen, held_out, run.model)

    def _fitted(self, design: Design) -> Design:
        return self.job.plan.fitted(design)


def percentages(ground: Ground, designs: dict[str, Design], seeds: Sequence[int]) -> dict[str, dict[str, list[float]]]:
    """Each design trained with each seed: accuracies (%) on pictures it saw and on held-out ones, by the design's name."""
    found: dict[str, dict[str, list[float]]] = {name: {"seen": [], "held_out": []} for name in designs}
    for seed in seeds:
        for name, design in designs.items():
            learned = ground.learn(design, seed, name=name)
            found[name]["seen"].append(100 * learned.seen)
            found[name]["held_out"].append(100 * learned.held_out)
    return found


def seeds_of(terms: Terms, count: int) -> range:
    """Seeds of repeated trainings; a tiny run has two."""
    return range(terms.seed, terms.seed + (2 if terms.tiny else count))
