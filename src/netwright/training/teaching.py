"""A trained network as the teacher of another."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from netwright.data import Source
from netwright.errors import NetwrightError
from netwright.training.classes import matched
from netwright.training.engine.batches import Task
from netwright.training.recipes.recipe import Teacher
from netwright.training.run import Run, load, load_network, named_after
from netwright.zoo import network


class Tutor(nn.Module):
    """What a teacher says of a student's batch: shown at the teacher's size and normalization, in the student's classes."""

    scale: Tensor
    shift: Tensor
    places: Tensor

    def __init__(self, run: Run, places: Tensor, task: Task) -> None:
        super().__init__()
        self.model, self.image = run.model.eval().requires_grad_(False), run.image
        theirs, ours = run.normalize, task.normalize
        scale = [ours.std[i] / theirs.std[i] for i in range(len(ours.std))]
        shift = [(ours.mean[i] - theirs.mean[i]) / theirs.std[i] for i in range(len(ours.mean))]
        self.register_buffer("scale", torch.tensor(scale)[:, None, None])
        self.register_buffer("shift", torch.tensor(shift)[:, None, None])
        self.register_buffer("places", places)

    def forward(self, x: Tensor) -> Tensor:
        """(n, channels, side, side) as the student sees it -> (n, classes) logits."""
        x = x * self.scale + self.shift
        if x.shape[-1] != self.image:
            x = F.interpolate(x, (self.image, self.image), mode="bicubic", antialias=x.shape[-1] > self.image)
        logits: Tensor = self.model(x)
        return logits[:, self.places]


def teacher_of(teacher: Teacher, source: Source, task: Task, device: torch.device) -> Tutor | None:
    """The teacher that a recipe names, for the classes of a source; None where it names none.

    Raises NetwrightError for a run that cannot be loaded, for other channels, and for classes that it does not know.
    """
    if not teacher.run:
        if teacher.weights:
            raise NetwrightError(f"teacher.weights is {teacher.weights!r}: say with teacher.run of which network they are")
        return None
    run = load_network(network(teacher.run), teacher.weights) if teacher.weights else load(Path(teacher.run))
    if run.channels != source.channels:
        raise NetwrightError(f"the teacher {teacher.run} takes {run.channels} channels, {source.name} has {source.channels}")
    places = torch.from_numpy(matched(named_after(run, source).classes, source))
    return Tutor(run, places, task).to(device).eval()
