"""Learning from a teacher: what it is shown, in whose classes it answers, what is refused."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional as F

import netwright as nw
from netwright.data import open_source
from netwright.errors import NetwrightError
from netwright.training import Recipe
from netwright.training.engine.batches import Task
from netwright.training.normalize import Normalize
from netwright.training.recipes.recipe import Teacher
from netwright.training.teaching import teacher_of
from tests.training import NET, digits_task


@pytest.fixture(scope="module")
def taught(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("teacher") / "run"
    nw.train(NET, "digits", out=folder, recipe=Recipe(epochs=6))
    return folder


@pytest.mark.slow
def test_a_teacher_sees_what_it_was_trained_with(taught: Path) -> None:
    """The student's batch has another mean and deviation: the same pictures, normalized both ways, get the same answers."""
    task = digits_task(50)
    other = Task(task.train, Normalize((0.1,), (0.7,)), 8, False, 10)
    tutor = teacher_of(Teacher(run=str(taught)), open_source("digits"), other, torch.device("cpu"))
    assert tutor is not None
    pictures = torch.from_numpy(np.asarray(task.train.pixels[:20])).permute(0, 3, 1, 2).float() / 255
    run = nw.load(taught)
    with torch.no_grad():
        torch.testing.assert_close(tutor(other.normalize(pictures)), run.model(run.normalize(pictures)), rtol=1e-4, atol=1e-4)
        large = F.interpolate(pictures, (16, 16), mode="bicubic")
        assert tutor(other.normalize(large)).shape == (20, 10)


def test_no_teacher_is_asked_where_the_recipe_names_none() -> None:
    task = digits_task(20)
    assert teacher_of(Teacher(), open_source("digits"), task, torch.device("cpu")) is None


@pytest.mark.parametrize("kind", ["soft", "hard"])
@pytest.mark.slow
def test_a_student_learns_from_its_teacher_alone(taught: Path, tmp_path: Path, kind: str) -> None:
    """With weight 1 labels count for nothing: what it knows it has from the teacher."""
    small = NET.replace(w_0=8, group_width=8)
    recipe = Recipe(epochs=6, teacher=Teacher(run=str(taught), kind=kind, weight=1.0))  # type: ignore[arg-type]
    student = nw.train(small, "digits", recipe=recipe)
    teacher = nw.load(taught)
    pictures = digits_task(300)
    x = teacher.normalize(torch.from_numpy(np.asarray(pictures.train.pixels)).permute(0, 3, 1, 2).float() / 255)
    with torch.no_grad():
        agree = (student.model(x).argmax(1) == teacher.model(x).argmax(1)).float().mean()
    assert agree > 0.6


def test_teachers_that_cannot_be_are_refused(taught: Path, tmp_path: Path) -> None:
    task, source = digits_task(20), open_source("digits")
    with pytest.raises(NetwrightError, match="cannot load"):
        teacher_of(Teacher(run=str(tmp_path / "none")), source, task, torch.device("cpu"))
    with pytest.raises(NetwrightError, match="resnet51"):
        teacher_of(Teacher(run="resnet51", weights="x.pth"), source, task, torch.device("cpu"))
