"""`search`: a space, limits and a goal in; a study of trained designs out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from netwright.costing import cost
from netwright.data import Source, open_source
from netwright.errors import NetwrightError
from netwright.files import Output, kept_or_temporary, read_json, write_json, write_text
from netwright.graph import DEFAULT_IMAGE, to_json
from netwright.progress import Progress, Step
from netwright.report.study_page import study_page
from netwright.scaling.budget import find_device
from netwright.spaces import regnet_for
from netwright.spaces.budgets import Limit as Span
from netwright.spaces.named import space as as_space
from netwright.spaces.triples import ScalingSpace
from netwright.studies.engines.local import Processes
from netwright.studies.engines.ray_engine import RayCluster, RayTasks
from netwright.studies.goals import Goal
from netwright.studies.halving import Halving
from netwright.studies.ledger import Ledger, begin, different, join
from netwright.studies.limits import Limits
from netwright.studies.near import possible
from netwright.studies.on_pictures import OnPictures, described, own_evaluator, planned, recipe_of
from netwright.studies.question import Question, digest
from netwright.studies.samplers import sampler as sampler_of
from netwright.studies.samplers.grid import Grid
from netwright.studies.storage import shown
from netwright.studies.study import Study
from netwright.studies.trials import COMPLETE
from netwright.studies.working import Evaluator, Worker
from netwright.training.evaluating.evaluation import Cache
from netwright.training.machine import Machine
from netwright.training.plan import Plan, open_for
from netwright.training.recipes.recipe import Recipe
from netwright.training.train import cache_of

SELDOM = 20  # times what a look takes, from one to the next
TRIALS = 32
EPOCHS = 10  # of a trial, as in the protocol of Radosavovic et al. 2020

Own = str | Evaluator  # a user's evaluation: file.py:name, or a function


def search(
    data: Any = None,
    *,
    space: Any = None,
    limits: Limits | None = None,
    macs: Span = None,
    params: Span = None,
    acts: Span = None,
    goal: Goal | None = None,
    sampler: str = "random",
    halving: Halving | None = None,
    trials: int | None = None,
    recipe: Recipe | None = None,
    evaluate: Own | None = None,
    image: int | Literal["own"] | None = None,
    group: str | None = None,
    seed: int = 0,
    workers: int = 1,
    threads: int | None = None,
    cluster: RayCluster | None = None,
    machine: Machine | None = None,
    out: str | os.PathLike[str] | None = None,
    storage: str | None = None,
    study: str | None = None,
    cache: str | os.PathLike[str] | None = "default",
    progress: Progress | None = None,
) -> Study:
    """Try designs of a space on pictures, within limits; returns the study, and writes its folder where `out` is given.

    `data` is what `train` takes. Each of `trials` designs (32; of the sampler "grid" all there are) is trained with `recipe` (10
    epochs) on 80 % of the training pictures and measured on the other 20 %; held-out pictures are not looked at. `space` is a
    name, `file.py:name`, a function or a space; without one it is a RegNet space for the image size. `macs`, `params` and `acts`
    are limits as for `spaces.sample`; `limits` holds others too (memory, latency) and takes their place. A design outside them
    never costs a trial. `evaluate` is a function (design, seed, report) -> accuracy (or `file.py:name`) in place of pictures.
    `image` is in px; "own": each design is trained at its own resolution, which the space may choose.

    The study is kept in a journal below `out`, or in `storage` (`postgresql://...`) under the name `study`. Run again with the
    same arguments it goes on; with more trials it goes on to those. `workers` are processes of this machine, or tasks of a Ray
    `cluster`. Raises NetwrightError for limits that no design meets, and for a study that was begun with other settings.

    >>> once = nw.Recipe(epochs=1)  # in earnest: trials=64, and the 10 epochs that it has by itself
    >>> study = nw.search("photos/", space="residual", macs="3M", trials=2, recipe=once, out="found")
    >>> study.best.macs <= 3_000_000
    True
    """
    how = Conduct(
        trials, workers, threads, cluster, machine or Machine(), out, storage, study, cache_of(cache), progress or Progress()
    )
    limits = _for_goal(limits or Limits.of(macs=macs, params=params, acts=acts), goal)
    own, wanted = evaluator_of(data, evaluate), as_space(space or "regnetx")
    side = check_image(None if image == "own" else image)
    if wanted.sized and side is not None:
        raise NetwrightError(f"{wanted.name} say their own resolution: leave out the image")
    size = None if image == "own" or wanted.sized else side or DEFAULT_IMAGE
    asked = Question(wanted, limits, goal or Goal(), sampler, {}, size, seed=seed, halving=halving)
    source = open_for(data, out, how.progress, group) if data is not None else None
    if source is not None:
        plan = planned(source, side or usual_image(source), seed, group)
        question = on_pictures(asked, plan, recipe or Recipe(epochs=EPOCHS), regnet=space is None)
    else:
        question = on_own(asked, evaluate, side)
    return conduct(question, source, own, how)


def check_image(image: Any) -> int | None:
    """An image in px, or None. Raises NetwrightError for anything else."""
    if image is not None and (type(image) is not int or image < 1):
        raise NetwrightError(f"image is {image!r}, expected a whole number of px")
    return image


@dataclass(frozen=True)
class Conduct:
    """How a study is carried out: how many trials (None: 32, or all of a grid), by whom, and where it is kept."""

    trials: int | None = None
    workers: int = 1
    threads: int | None = None
    cluster: RayCluster | None = None
    machine: Machine = field(default_factory=Machine)
    out: str | os.PathLike[str] | None = None
    storage: str | None = None
    study: str | None = None
    cache: Cache = "default"
    progress: Progress = field(default_factory=Progress)

    def __post_init__(self) -> None:
        for name, value in (("trials", self.trials), ("workers", self.workers)):
            if not (value is None and name == "trials") and (type(value) is not int or value < 1):
                raise NetwrightError(f"{name} is {value!r}, expected a whole number of at least 1")

    @property
    def name(self) -> str:
        """The study's name in its storage."""
        return self.study or (Path(self.out).resolve().name if self.out is not None else "search")

    def count(self, question: Question) -> int:
        """How many trials are wanted. Raises NetwrightError where the question cannot be asked: before anything is written."""
        chosen = sampler_of(question.sampler, question.ground, question.goal)
        if isinstance(chosen, Grid):
            chosen.check(self.trials or 1)
            return self.trials or len(chosen.members)
        possible(question.ground)
        return self.trials or TRIALS


Write = Callable[[Output, Study], None]


def conduct(question: Question, source: Source | None, own: Evaluator | None, how: Conduct, write: Write | None = None) -> Study:
    """Have a question's trials made; `write` makes the folder's files in the end, where there is a folder."""
    trials, name, progress = how.count(question), how.name, how.progress
    kept = {"storage": shown(how.storage) if how.storage else None, "study": name}
    with kept_or_temporary(how.out) as folder, claimed(Output(folder), kept, question, trials) as output:
        word = how.storage or str(output.work)
        ledger = begin(word, name, question.to_json(), trials, question.goal.directions, progress.say)
        with progress.bar("searching") as step:
            look = Look(ledger, question.goal, step)
            if how.cluster is not None:
                RayTasks(how.cluster, word, name, how.workers, how.machine.device, progress.say).run(ledger, look)
            elif how.workers > 1:
                _processes(word, how, output).run(ledger, look)
            else:
                made = own or evaluator(question, source, how.machine, how.cache, progress)
                worker(ledger, question, made, progress, look).run()
        found = Study.of(ledger, question)
        if how.out is not None:
            (write or write_study)(output, found)
    return found


def evaluator_of(data: Any, evaluate: Own | None) -> Evaluator | None:
    """A user's own evaluation, None where there are pictures. Raises NetwrightError unless there is just one of the two."""
    if data is not None and evaluate is not None:
        raise NetwrightError("give pictures to train on, or an evaluation of your own, not both")
    if data is None and evaluate is None:
        raise NetwrightError("give pictures to train on, or an evaluation of your own")
    return own_evaluator(evaluate) if isinstance(evaluate, str) else evaluate


def usual_image(source: Source) -> int:
    """The pictures' own size (px), where all have one, but at most 224."""
    return min(source.image or DEFAULT_IMAGE, DEFAULT_IMAGE)


def _for_goal(limits: Limits, goal: Goal | None) -> Limits:
    """The limits with a device, where the goal is one of latency. Raises NetwrightError where none is calibrated."""
    if goal is None or goal.measured != "latency" or limits.use.profile is not None:
        return limits
    return replace(limits, use=replace(limits.use, profile=find_device(None, limits.use.precision)))


def on_pictures(asked: Question, plan: Plan, recipe: Recipe, *, regnet: bool = False) -> Question:
    """The question for pictures: their size and classes, and how designs are trained on them; `regnet` for the usual space."""
    source, classes = plan.source, len(plan.source.classes)
    image = plan.image if asked.image is not None else None
    made = regnet_for(plan.image, classes) if regnet else asked.space.at(image, classes)
    use = replace(asked.limits.use, channels=source.channels)
    training = replace(use, batch=recipe.batch, optimizer=recipe.optimizer.name)
    limits = replace(asked.limits, use=use, training=asked.limits.training or training)
    evaluation = described(plan, recipe)
    return replace(asked, space=made, limits=limits, evaluation=evaluation, image=image, channels=source.channels)


def on_own(asked: Question, evaluate: Own | None, image: int | None) -> Question:
    """The question for a user's own evaluation."""
    made: dict[str, str] = {}
    if isinstance(evaluate, str):
        file, _, name = evaluate.rpartition(":")
        word = f"{Path(file).resolve()}:{name}"  # workers may start elsewhere
        made["sha256"] = digest(Path(file))
    else:
        word = getattr(evaluate, "__qualname__", type(evaluate).__name__)
    space = asked.space.at(image, None) if image is not None else asked.space
    return replace(asked, space=space, evaluation={"function": word, **made})


def evaluator(question: Question, source: Source | None, machine: Machine, cache: Cache, progress: Progress) -> Evaluator:
    """How a study's designs are evaluated, on this machine. Raises NetwrightError where its pictures are others here."""
    evaluation = question.evaluation
    if "function" in evaluation:
        own = own_evaluator(evaluation["function"])
        file = Path(evaluation["function"].rpartition(":")[0])
        if evaluation.get("sha256", "") not in ("", digest(file)):
            raise NetwrightError(f"{file} has changed since the study was made: it tells another accuracy; start another study")
        return own
    if source is None:
        source = open_source(evaluation["data"], evaluation["group"])
    recipe = recipe_of(evaluation)
    # what networks are scaled from is the size of some of them; of other spaces nothing is known before their designs come
    side = question.space.image if isinstance(question.space, ScalingSpace) else question.image
    plan = planned(source, side or usual_image(source), question.seed, evaluation["group"])
    here = described(plan, recipe)["pictures"]
    if here != evaluation["pictures"]:
        raise NetwrightError(
            f"{source.name} holds other pictures ({here}) than the study was made with ({evaluation['pictures']})"
        )
    return OnPictures(plan, recipe, machine, cache, progress, own=question.image is None)


def worker(ledger: Ledger, question: Question, evaluate: Evaluator, progress: Progress, look: Callable[[], None]) -> Worker:
    """A worker of this process."""
    chosen = sampler_of(question.sampler, question.ground, question.goal)
    halving = question.halving
    assert halving is None or isinstance(halving, Halving)
    epochs = recipe_of(question.evaluation).epochs if "recipe" in question.evaluation else 0
    return Worker(ledger, question.ground, question.goal, chosen, evaluate, halving, epochs, say=progress.say, ended=look)


def join_study(
    storage: str,
    study: str | None = None,
    *,
    data: Any = None,
    machine: Machine | None = None,
    cache: str | os.PathLike[str] | None = "default",
    progress: Progress | None = None,
) -> Study:
    """Work on a study that is there, until it has all its trials; returns it. `storage` is a database, or the study's folder.

    `data` is where the same pictures are on this machine, where that differs. Raises NetwrightError for a study that is
    not there, pictures that are others, a space whose file is not here.

    >>> nw.join_study("study").counts["running"]
    0
    """
    progress = progress or Progress()
    ledger = join(storage, study, progress.say)
    question = Question.from_json(ledger.settings)
    source = open_source(data, question.evaluation.get("group")) if data is not None else None
    made = evaluator(question, source, machine or Machine(), cache_of(cache), progress)
    with progress.bar("searching") as step:
        worker(ledger, question, made, progress, Look(ledger, question.goal, step)).run()
    return Study.of(ledger, question)


def _share(workers: int) -> int:
    """Threads of each worker where all processors that this process may use are shared."""
    here = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, here // workers)


def _processes(word: str, how: Conduct, output: Output) -> Processes:
    words = ("--join", word, "--study", how.name, "--device", how.machine.device)
    return Processes(words, how.workers, how.threads or _share(how.workers), output.work, how.progress.say)


class Look:
    """Shows on a bar how far a study is, and the best trial so far; in large studies it looks seldom."""

    def __init__(self, ledger: Ledger, goal: Goal, step: Step) -> None:
        self.ledger, self.goal, self.step = ledger, goal, step
        self._next = 0.0

    def __call__(self) -> None:
        started = time.monotonic()
        if started < self._next:
            return
        trials = self.ledger.trials()
        reached = max([trial.accuracy or 0.0 for trial in trials if trial.status == COMPLETE], default=0.0)
        ended, wanted = self.ledger.ended, self.ledger.wanted
        self.step(
            ended, wanted, f"{ended:,} of {wanted:,} trials, {self.ledger.running} running, best accuracy {100 * reached:.1f} %"
        )
        self._next = started + SELDOM * (time.monotonic() - started)


@contextmanager
def claimed(output: Output, arguments: dict[str, Any], question: Question, trials: int) -> Iterator[Output]:
    """The study's folder, held by this process. A finished study is opened again where more trials are wanted."""
    before = read_json(output.result) if output.result.exists() else {}
    begun = read_json(output.work / "command.json")["arguments"] if before else None
    if before.get("wanted", trials) < trials and begun == arguments and not different(before["question"], question.to_json()):
        output.result.unlink()
    with output.claimed("search", arguments):
        yield output


def write_study(output: Output, study: Study) -> None:
    """The best design, the report and, last, all trials as result.json. Raises FailedError where no trial is complete."""
    write_text(output.folder / "design.json", to_json(study.best.design) + "\n")
    write_text(output.folder / "report.html", report(study))
    write_json(output.result, study.to_json())


def report(study: Study, ranked: str = "") -> str:
    """The page of a study; `ranked` is a section in place of its best designs."""
    question, recipe = study.question, study.question.evaluation.get("recipe")
    asked = [
        ("goal", str(study.goal)),
        ("space", question.space.name),
        ("limits", f"{question.limits} {question.ground.at}"),
        ("sampler", question.sampler),
        ("stopped early", str(question.halving) if question.halving is not None else "none"),
        ("evaluated", study.told()),
        ("recipe", recipe or "of the user's own evaluation"),
        ("seed", str(question.seed)),
    ]
    front = study.front
    best = cost(front[0].design, question.image, channels=question.channels, by="block") if front else None
    return study_page(study.to_json(), study.population(), asked, best, ranked)
