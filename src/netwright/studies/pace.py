"""How fast a network trains and is evaluated here: a few steps on pictures of noise, none of which has to be read."""

from __future__ import annotations

import statistics
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from netwright.data import Pictures
from netwright.graph import Design, trace
from netwright.inference.export import export_onnx
from netwright.report import charts
from netwright.runtime import build
from netwright.studies.spending import Pace
from netwright.training.dry_run import noise, steps
from netwright.training.engine.batches import Task
from netwright.training.engine.loop import Session, Training
from netwright.training.evaluating.evaluation import evaluate_model
from netwright.training.machine import configured
from netwright.training.normalize import Normalize
from netwright.training.train import Job, machine_of, regularized
from netwright.zoo import network

MOST, DIFFERENT = 1_000, 8  # steps that are measured, and how many batches they go through
SMALL = 32  # px of the network that is written for practice
FEW = 256  # pictures that are evaluated, at most


def measured(design: Design, job: Job, seconds: float = 1.5) -> Pace:
    """The pace of a network with the job's recipe, measured for about so many seconds; the weights are forgotten."""
    plan, recipe = job.plan, job.recipe
    source, side, channels = plan.source, plan.image, plan.source.channels
    count = min(len(plan.data.train), DIFFERENT * recipe.batch)
    few = noise(plan.data.train.take(np.arange(count)), plan.stored(recipe.augment), channels)
    gray = Normalize((0.5,) * channels, (0.25,) * channels)
    task = Task(few, gray, side, source.mirror, len(source.classes))
    model = build(design, side, channels=channels, seed=plan.seed)
    regularized(model, job)
    with configured(job.machine, job.device), torch.random.fork_rng([job.device] if job.device.type == "cuda" else []):
        machine = machine_of(model, design, task, job, None)
        training = Training(model, task, recipe, Session(machine, job.device, plan.seed))
        trained = statistics.fmean(steps(training, job, seconds, most=MOST)) * training.steps / count
        shown = noise(plan.data.test, plan.shown, channels)
        some = min(len(shown), FEW)
        asked = Pictures(shown.pixels[:some], shown.labels[:some], shown.names[:some])
        evaluate_model(model, asked, gray)
        begun = time.perf_counter()
        evaluate_model(model, asked, gray)
    return Pace(trained, (time.perf_counter() - begun) / some)


def files_seconds() -> float:
    """Seconds for each layer of a small network that is written as ONNX, and a chart; what these load is loaded then, too."""
    design = network("resnet20_cifar", depth=1)
    model = build(design, SMALL, seed=0).eval()
    begun = 0.0
    for _ in range(2):  # the first time loads what it needs
        begun = time.perf_counter()
        with tempfile.TemporaryDirectory(prefix="netwright-") as folder:
            export_onnx(model, Path(folder) / "small.onnx", torch.zeros(4, 3, SMALL, SMALL), {})
        charts.to_svg(charts.cost_by_layer([{"name": "one", "macs": 1.0}]), "a rehearsal")
    return (time.perf_counter() - begun) / len(trace(design, SMALL).flat().rows)
