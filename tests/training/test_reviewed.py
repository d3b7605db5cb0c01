"""Faults that a careful reader found, each with the test that would have caught it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import netwright as nw
from netwright.data import Pictures, open_source
from netwright.errors import FailedError, NetwrightError
from netwright.progress import Progress
from netwright.training import Machine, Moment, Recipe, Session, fit
from netwright.training.engine import choosing
from netwright.training.engine.batches import Batch, Batches, Task, Where
from netwright.training.engine.checkpoints import Checkpoints
from netwright.training.engine.choosing import choose
from netwright.training.engine.processes import Processes
from netwright.training.engine.step import optimizer_of
from netwright.training.recipes.recipe import Augmentation, Loss, Optimizing, Resizing, Teacher
from netwright.training.teaching import teacher_of
from netwright.training.train import planned
from tests.conftest import make_photos
from tests.training import NET, digits_task, same_weights

CPU = torch.device("cpu")
HERE = Where(CPU, torch.contiguous_format)
ONE = Recipe(epochs=1, batch=32)


@pytest.fixture(scope="module")
def task() -> Task:
    return digits_task(200)


@pytest.mark.parametrize(("count", "world", "micro"), [(130, 2, 32), (7, 2, 2), (65, 3, 16)])
def test_all_processes_compute_as_many_parts(count: int, world: int, micro: int) -> None:
    """Shared norms meet at every part: one process more or less would wait forever."""
    parts = []
    for rank in range(world):
        process = Processes(rank, world)
        rows = process.rows(count)
        size = rows.stop - rows.start
        values = torch.zeros(size, 1), torch.zeros(size, dtype=torch.int64), torch.zeros(size), torch.zeros(size)
        parts.append(len(Batch(*values, process.largest(count)).parts(micro)))
    assert len(set(parts)) == 1


def test_the_kind_of_crop_stays_while_images_grow(task: Task) -> None:
    """Images of 64 px are cropped; the 48 px of the first epochs are not padded instead."""
    large = Task(task.train, task.normalize, 64, False, 10)
    assert Batches(large, Recipe(resize=Resizing(start=0.5)), 0, HERE).augment.crop == "resized"
    assert Batches(task, Recipe(), 0, HERE).augment.crop == "pad"


def test_mixed_pictures_weigh_as_both_of_their_classes(task: Task) -> None:
    """Shares of a mixed batch are the mixed weights of the classes: those of its targets."""
    recipe = Recipe(batch=32, loss=Loss(class_weights="balanced"), augment=Augmentation(mixup=1.0))
    few = np.flatnonzero((task.train.labels < 3) | (np.arange(len(task.train)) % 5 == 0))
    some = Pictures(task.train.pixels[few], task.train.labels[few], tuple(task.train.names[i] for i in few))
    made = Batches(Task(some, task.normalize, 8, False, 10), recipe, 0, HERE)
    assert made.weights is not None
    batch = next(iter(made.of(0)))
    expected = batch.targets @ made.weights
    torch.testing.assert_close(batch.share, expected / expected.sum())


def test_settings_that_an_optimizer_has_not_are_told() -> None:
    model = nw.build(NET, 8, channels=1, seed=0)
    for name, setting in [
        ("nesterov", {"eps": 1e-6}),
        ("sgd", {"beta2": 0.9}),
        ("lion", {"eps": 1e-6}),
        ("adagrad", {"momentum": 0.9}),
    ]:
        asked = ONE.replace(optimizer=Optimizing(name, lr=0.1, **setting))  # type: ignore[arg-type]
        with pytest.raises(NetwrightError, match=f"{name} has no {next(iter(setting))}: leave"):
            optimizer_of(model, asked)
    own = optimizer_of(model, ONE.replace(optimizer=Optimizing("adamw", beta2=0.99, eps=1e-6)))
    assert own.defaults["betas"] == (0.9, 0.99)
    assert own.defaults["eps"] == 1e-6
    with pytest.raises(NetwrightError, match=r"say with teacher\.run"):
        teacher_of(Teacher(weights="x.safetensors"), open_source("digits"), digits_task(20), CPU)


def test_a_rate_on_the_device_is_that_of_every_group() -> None:
    model = nw.build(NET, 8, channels=1, seed=0)
    made = optimizer_of(model, ONE.replace(optimizer=Optimizing(layer_decay=0.7)), torch.tensor(0.1))
    assert all(isinstance(group["lr"], torch.Tensor) for group in made.param_groups)
    assert len({id(group["lr"]) for group in made.param_groups}) == len(made.param_groups)


def test_auto_measures_in_smaller_parts_where_memory_does_not_suffice(task: Task, monkeypatch: pytest.MonkeyPatch) -> None:
    def time(self: choosing._Subject, pictures: int = 0) -> float:
        if self.stepper.micro_batch == 0 or self.stepper.micro_batch > 10:
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return 1.0

    monkeypatch.setattr(choosing._Subject, "time", time)
    model, said = nw.build(NET, 8, channels=1, seed=0), list[str]()
    machine, _ = choose(model, nw.trace(NET, 8, 1), task, ONE, Machine(precision="auto"), CPU, said.append)
    assert machine.micro_batch == 8
    assert said[0] == "memory does not suffice for 32 pictures: 16 are computed at a time"


def test_pictures_that_have_changed_end_a_resumed_training(task: Task, tmp_path: Path) -> None:
    class StopError(Exception):
        pass

    def stop(moment: Moment) -> None:
        if moment.done == 3:
            raise StopError

    with pytest.raises(StopError):
        fit(nw.build(NET, 8, channels=1, seed=0), task, ONE, Session(checkpoints=Checkpoints(tmp_path), every=0.0, watch=stop))
    pixels = np.asarray(task.train.pixels).copy()
    pixels[17, 3, 3] ^= 255
    other = Task(Pictures(pixels, task.train.labels, task.train.names), task.normalize, 8, False, 10, task.validation)
    with pytest.raises(NetwrightError, match="other pictures"):
        fit(nw.build(NET, 8, channels=1, seed=0), other, ONE, Session(checkpoints=Checkpoints(tmp_path)))


def test_a_disk_that_is_full_for_a_while_does_not_end_a_training(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, said, original = Checkpoints(tmp_path), list[str](), Checkpoints.save

    def save(self: Checkpoints, step: int, state: object) -> Path:
        if step in (2, 3):
            raise FailedError("cannot write x: No space left on device")
        return original(self, step, state)  # type: ignore[arg-type]

    monkeypatch.setattr(Checkpoints, "save", save)
    model, whole = (nw.build(NET, 8, channels=1, seed=0) for _ in range(2))
    fit(model, task, ONE, Session(checkpoints=kept, every=0.0, say=said.append))
    fit(whole, task, ONE)
    assert same_weights(model, whole)
    assert said == ["cannot write x: No space left on device; the training goes on without this checkpoint"] * 2


def test_the_size_of_a_cameras_pictures_is_not_that_of_the_images(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", each=3, side=300)
    source = open_source(photos)
    assert planned(nw.network("regnetx_002"), source, None, None, 0).image == 224
    assert planned(nw.network("regnetx_002"), source, None, 280, 0).image == 280
    assert planned(nw.network("inception_v3"), source, None, None, 0).image == 299


def test_what_leaves_bad_held_out_pictures_out_is_said(tmp_path: Path) -> None:
    photos = make_photos(tmp_path / "photos", each=5, side=24)
    for path in photos.rglob("*.jpg"):
        if path.parent.name == "red":
            path.write_bytes(b"nothing")
    with pytest.raises(NetwrightError, match=r"--skip-bad leaves such pictures out"):
        nw.train(NET.replace(classes=3), photos, image=24, recipe=ONE, strict=True, progress=Progress(quiet=True))
