"""`train`: a network and pictures in, a run's folder out."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import fx, nn

from netwright.data import BadPictureError, Listing, Pictures, Source
from netwright.errors import NetwrightError
from netwright.files import Output, kept_or_temporary, read_json, write_json
from netwright.graph import DEFAULT_IMAGE, Design, own_image, to_json, trace
from netwright.preprocessing import View
from netwright.progress import Progress
from netwright.report.pages import Beside, run_page
from netwright.runtime import build
from netwright.runtime.fitting import WeightsNote
from netwright.runtime.weights import Weights, open_weights, remember
from netwright.training.engine.batches import Task
from netwright.training.engine.checkpoints import Checkpoints
from netwright.training.engine.choosing import choose
from netwright.training.engine.loop import SECONDS, Session, Training
from netwright.training.engine.moments import Watch
from netwright.training.engine.processes import ALONE, Processes, joined, local_device, share_norms
from netwright.training.engine.regularizing import drop_paths, freeze, recompute, with_dropout
from netwright.training.evaluating.evaluation import Cache, evaluate_model
from netwright.training.logs import Log, all_of, on_bar
from netwright.training.machine import Machine, configured, device_of, used
from netwright.training.plan import Plan, open_for
from netwright.training.recipes.recipe import Recipe
from netwright.training.reporting import schedule_of
from netwright.training.results import summary, worst_pictures, write_run
from netwright.training.run import Run, load, read_with_bar
from netwright.training.teaching import teacher_of


@dataclass(frozen=True)
class Job:
    """What the steps of a training share: the plan, the recipe, the machine, where pictures are cached, who is told."""

    plan: Plan
    recipe: Recipe
    machine: Machine = field(default_factory=Machine)
    cache: Cache = None
    skip_bad: bool = False
    tensorboard: bool = False
    every: float = SECONDS
    watch: Watch | None = None
    progress: Progress = field(default_factory=lambda: Progress(quiet=True))
    processes: Processes = ALONE

    @property
    def device(self) -> torch.device:
        """Where this process computes."""
        return device_of(self.machine, local_device())

    def pictures(self, listing: Listing, shown: View, skip_bad: bool) -> Pictures:
        """Decoded pictures, from the cache where they are there; those that cannot be read are said, or an error."""
        source, progress, workers = self.plan.source, self.progress, self.machine.workers or None
        try:
            made = read_with_bar(source, listing, shown, progress, skip_bad=skip_bad, cache=self.cache, workers=workers)
        except BadPictureError as error:
            raise BadPictureError(f"{error}; --skip-bad leaves such pictures out of the evaluation") from None
        if made.bad:
            first = "; ".join(f"{bad.name}: {bad.reason}" for bad in made.bad[:3]) + ("; ..." if len(made.bad) > 3 else "")
            progress.say(f"{len(made.bad):,} of {len(listing):,} pictures cannot be read and are left out: {first}")
        return made


def train(
    design: Design,
    data: Any,
    *,
    out: str | os.PathLike[str] | None = None,
    weights: str | os.PathLike[str] | None = None,
    image: int | None = None,
    recipe: Recipe | None = None,
    machine: Machine | None = None,
    seed: int = 0,
    validation: float = 0.0,
    fold: tuple[int, int] | None = None,
    group: str | None = None,
    cache: str | os.PathLike[str] | None = "default",
    strict: bool = False,
    skip_bad: bool = False,
    tensorboard: bool = False,
    checkpoint_every: float = SECONDS,
    watch: Watch | None = None,
    progress: Progress | None = None,
) -> Run:
    """Train a network; returns the run, and writes its folder where `out` is given.

    `data` is what `open_source` takes: a path, "digits", or a torch Dataset. The training starts from scratch, or from `weights`
    (a file, a hub id or a torchvision name: see `build`), which bring their mean and deviation and how pictures are shown in
    evaluation. The design's number of classes is set to the data's. The folder is refused when it holds anything else than an
    unfinished run of the same arguments, which then goes on, in the middle of an epoch if need be. Every epoch is measured on
    the validation part (`validation` sets a share of the training pictures apart for it) where there is one, else on the
    held-out part; nothing is chosen by it: the last epoch's weights are kept, or their average where the recipe has one.

    Pictures that cannot be read are left out of training with a count and their names (`strict`: an error), and an error in
    evaluation (`skip_bad`: left out, too). `fold` (i, k) trains the i-th part of a cross-validation; `group` is a column of
    labels.csv whose pictures are never divided. `cache` is a folder for decoded pictures, None for none. Checkpoints are written
    every `checkpoint_every` seconds. Raises NetwrightError for data, weights or a folder that do not serve, and DivergedError
    where the loss is no longer finite.

    >>> run = nw.train(nw.network("resnet20_cifar"), "photos/", recipe=nw.Recipe(epochs=1), out="run")
    >>> run.classes
    ('blue', 'green', 'red')
    """
    recipe, machine = recipe or Recipe(), machine or Machine()
    with joined(used(device_of(machine, local_device()))) as processes:
        progress = (progress or Progress()) if processes.first else Progress(quiet=True)
        if processes.world > 1 and out is None:
            raise NetwrightError("several processes train one network: say with out= (-o) where it is to be written")
        opened = open_weights(design, weights) if weights is not None else None
        design = opened.design if opened is not None else design
        source = open_for(data, out, progress, group)
        plan = planned(design, source, opened, image, seed, validation=validation, fold=fold)
        plan = replace(plan, group=group)
        job = Job(plan, recipe, machine, cache_of(cache), skip_bad, tensorboard, checkpoint_every, watch, progress, processes)
        design = fitted(design, plan, recipe)
        with kept_or_temporary(out) as folder:
            _train(Output(folder), design, job, strict)
            run = load(folder)
    return run if out is not None else replace(run, folder=None)


def cache_of(given: str | os.PathLike[str] | None) -> Cache:
    """Where decoded pictures are kept: "default", a folder, or nowhere (None)."""
    return "default" if given == "default" else Path(given) if given is not None else None


def planned(
    design: Design,
    source: Source,
    weights: Weights | None,
    image: int | None,
    seed: int,
    *,
    validation: float = 0.0,
    fold: tuple[int, int] | None = None,
) -> Plan:
    """The parts of the data, and the image size: as asked for, else of the weights, else the pictures' own, else the network's.

    The pictures' own is taken where all have one, and up to the network's own or 224 px: a camera's have thousands.
    """
    own = weights.preprocessing.image if weights is not None else own_image(design)
    most = max(own, DEFAULT_IMAGE)
    default = own if weights is not None or source.image is None else min(source.image, most)
    return replace(Plan.of(source, image or default, seed, validation, fold=fold), weights=weights)


def fitted(design: Design, plan: Plan, recipe: Recipe) -> Design:
    """The design for the data's classes, with the recipe's dropout; what does not fit is told before pictures are read."""
    design, rate = plan.fitted(design), recipe.regularize.dropout
    design = design if rate is None else with_dropout(design, rate)
    if plan.weights is not None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", WeightsNote)  # notes come when they are loaded
            replace(plan.weights, design=design).fit(trace(design, plan.image, plan.source.channels))
    return design


@contextlib.contextmanager
def _claimed(output: Output, arguments: dict[str, Any], job: Job) -> Iterator[None]:
    """The folder, held by the first of the processes; the others begin when it has it, and it ends when they have ended."""
    if not job.processes.first:
        job.processes.wait()
        yield
        job.processes.wait()
        return
    with output.claimed("train", arguments) as goes_on:
        if goes_on:
            job.progress.say(f"going on with the run in {output.folder}")
        job.processes.wait()
        yield
        job.processes.wait()


def _train(output: Output, design: Design, job: Job, strict: bool) -> None:
    plan, recipe = job.plan, job.recipe
    made_of = {"design": to_json(design, None), "recipe": to_json(recipe, None), "computed": job.machine.choices}
    arguments: dict[str, Any] = plan.arguments() | made_of
    with _claimed(output, arguments, job):
        if not job.processes.first:
            job.processes.wait()  # the first fills the cache
        pictures = job.pictures(plan.data.train, plan.stored(recipe.augment), skip_bad=not strict)
        plan.check_classes(pictures)
        held_out = job.pictures(plan.data.test, plan.shown, skip_bad=job.skip_bad)
        shown = held_out
        if plan.data.validation is not None:
            shown = job.pictures(plan.data.validation, plan.shown, skip_bad=job.skip_bad)
        if job.processes.first:
            job.processes.wait()
        task = Task(pictures, plan.normalize(pictures), plan.image, plan.source.mirror, len(plan.source.classes), shown)
        run, training = trained(design, task, job, output)
        if not job.processes.first:
            return
        evaluation = evaluate_model(run.model.to(job.device), held_out, run.normalize)
        run.model.cpu()
        on = "held-out pictures" if plan.data.validation is None else "validation pictures"
        left_out = {name: [bad.name for bad in part.bad] for name, part in (("train", pictures), ("test", held_out)) if part.bad}
        made = {"command": "train", "curve_measured_on": on, "left_out": left_out, "computed": training.machine.fields()}
        beside = Beside(worst_pictures(evaluation, held_out), schedule=schedule_of(recipe))
        page = partial(run_page, beside=beside)
        write_run(output, run, recipe, made | summary(run, plan, recipe, training.history, evaluation), page)


def trained(design: Design, task: Task, job: Job, output: Output | None, title: str = "training") -> tuple[Run, Training]:
    """Build and train one network; with an output folder it goes on from the checkpoints there."""
    plan, recipe = job.plan, job.recipe
    weights = replace(plan.weights, design=design) if plan.weights is not None else None
    model = build(design, plan.image, channels=plan.source.channels, weights=weights, seed=plan.seed)
    regularized(model, job)
    with configured(job.machine, job.device):
        session = _session(job, output, task)  # what is not there for it is told before anything is written
        machine = machine_of(model, design, task, job, output)
        with job.progress.bar(title) as step:
            watch = all_of(on_bar(step), session.watch) if job.processes.first else None
            training = Training(model, task, recipe, replace(session, machine=machine, watch=watch))
            training.run()
    return Run(*_finished(model, design, task, plan)), training


def regularized(model: fx.GraphModule, job: Job) -> None:
    """What the recipe does to the module that is trained; its weights keep their names."""
    if job.recipe.regularize.drop_path:
        drop_paths(model, job.recipe.regularize.drop_path)
    if job.recipe.checkpointing:
        recompute(model)
    if job.recipe.freeze:
        freeze(model, job.recipe.freeze)
    if job.machine.shared_norms and job.processes.world > 1:
        share_norms(model)


def machine_of(model: nn.Module, design: Design, task: Task, job: Job, output: Output | None) -> Machine:
    """The machine with its choices made: measured once, and kept beside the checkpoints."""
    kept = output.work / "machine.json" if output is not None else None
    if not job.processes.first:
        return Machine(**job.processes.told({}))
    before = read_json(kept) if kept is not None and kept.exists() else {}
    if before.get("asked") == job.machine.choices and before["device"] == job.device.type:
        return Machine(**job.processes.told(job.machine.fields() | before["chosen"]))
    graph = trace(design, task.image, job.plan.source.channels)
    machine, measured = choose(model, graph, task, job.recipe, job.machine, job.device, job.progress.say)
    if kept is not None:
        made = {"asked": job.machine.choices, "device": job.device.type, "chosen": machine.choices}
        write_json(kept, made | {"measured": [choice.to_json() for choice in measured]})
    return Machine(**job.processes.told(machine.fields()))


def _session(job: Job, output: Output | None, task: Task) -> Session:
    log = Log(output.work, tensorboard=job.tensorboard) if output is not None and job.processes.first else None
    return Session(
        job.machine,
        job.device,
        job.plan.seed,
        job.processes,
        Checkpoints(output.work / "checkpoints") if output is not None else None,
        job.every,
        watch=all_of(job.watch, log),
        say=job.progress.say,
        teacher=teacher_of(job.recipe.teacher, job.plan.source, task, job.device),
        about={"classes": list(job.plan.source.classes)},
    )


def _finished(model: nn.Module, design: Design, task: Task, plan: Plan) -> tuple[Any, ...]:
    """The trained network as it is used: a module of the plain design (no auxiliary classifiers) with the trained weights."""
    trained_with = {name: value.detach().cpu() for name, value in model.state_dict().items()}
    design = design.replace(aux=False) if design.fields().get("aux") else design  # they have served
    plain = build(design, plan.image, channels=plan.source.channels, seed=plan.seed).eval()
    plain.load_state_dict({name: trained_with[name] for name in plain.state_dict()})
    source, normalize = plan.source, task.normalize
    shown = plan.shown.replace(mean=normalize.mean, std=normalize.std)
    remember(plain, design, source.channels, shown, source.classes)
    return design, plain, source.classes, source.channels, shown, plan.trained_on
