"""Going on is the same as not stopping: to the bit, after any step, with anything that has a state."""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

import netwright as nw
from netwright.errors import NetwrightError
from netwright.training import Epoch, Machine, Moment, Recipe, Session, fit
from netwright.training.engine.batches import Task
from netwright.training.engine.checkpoints import Checkpoints, State
from netwright.training.engine.regularizing import drop_paths
from netwright.training.recipes.recipe import Augmentation, Averaging, Loss, Optimizing, Regularization, Schedule
from tests.training import NET, digits_task, same_weights, timeless

Short = tuple[torch.nn.Module, list[Epoch]]
SHORT = Recipe(epochs=3, batch=32)
PARTS = {
    "plain": SHORT,
    "average": SHORT.replace(ema=Averaging(decay=0.9)),
    "adamw": SHORT.replace(optimizer=Optimizing("adamw", lr=1e-3, weight_decay=0.05, layer_decay=0.8)),
    "lamb": SHORT.replace(optimizer=Optimizing("lamb", lr=5e-3)),
    "muon": SHORT.replace(optimizer=Optimizing("muon", lr=5e-3)),
    "nadam": SHORT.replace(optimizer=Optimizing("nadam", lr=1e-3), loss=Loss("bce")),
    "mixed": SHORT.replace(augment=Augmentation(mixup=0.2, cutmix=1.0, policy="trivial", erasing=0.3, repeats=2)),
    "dropped": SHORT.replace(regularize=Regularization(drop_path=0.5), loss=Loss(class_weights="balanced")),
    "steps": SHORT.replace(schedule=Schedule("multistep", milestones=(1.0, 2.0)), augment=Augmentation(policy="rand")),
}


class StopError(Exception):
    """Stands for whatever ends a training."""


@pytest.fixture(scope="module")
def task() -> Task:
    return digits_task(300)


@pytest.fixture(scope="module")
def short(task: Task) -> Short:
    """What SHORT comes to, unbroken, and its curve."""
    return trained(task, SHORT)


def trained(task: Task, recipe: Recipe, **options: object) -> tuple[torch.nn.Module, list[Epoch]]:
    model = nw.build(NET, 8, channels=1, seed=0)
    if recipe.regularize.drop_path:
        drop_paths(model, recipe.regularize.drop_path)
    return model, fit(model, task, recipe, Session(**options))  # type: ignore[arg-type]


def stopping_at(step: int) -> object:
    def stop(moment: Moment) -> None:
        if moment.done == step:
            raise StopError

    return stop


@pytest.mark.parametrize("name", PARTS)
def test_going_on_is_the_same_as_not_stopping(task: Task, tmp_path: Path, name: str) -> None:
    recipe = PARTS[name]
    whole, curve = trained(task, recipe)
    kept = Checkpoints(tmp_path)
    for step in (4, 10, 11, 25):  # 10 steps in an epoch: in the middle, at the end, after the first, in the third
        with pytest.raises(StopError):
            trained(task, recipe, checkpoints=kept, every=0.0, watch=stopping_at(step))
    again, history = trained(task, recipe, checkpoints=kept, every=0.0)
    assert same_weights(whole, again)
    assert timeless(history) == timeless(curve)


@pytest.mark.parametrize("machine", [Machine(precision="bf16"), Machine(micro_batch=12), Machine(layout="contiguous")])
def test_also_on_other_machines(task: Task, tmp_path: Path, machine: Machine) -> None:
    whole, curve = trained(task, SHORT, machine=machine)
    with pytest.raises(StopError):
        trained(task, SHORT, machine=machine, checkpoints=Checkpoints(tmp_path), every=0.0, watch=stopping_at(17))
    again, history = trained(task, SHORT, machine=machine, checkpoints=Checkpoints(tmp_path))
    assert same_weights(whole, again)
    assert timeless(history) == timeless(curve)


def test_a_finished_training_is_only_read(task: Task, tmp_path: Path) -> None:
    whole, curve = trained(task, SHORT, checkpoints=Checkpoints(tmp_path))
    seen: list[Moment] = []
    again, history = trained(task, SHORT, checkpoints=Checkpoints(tmp_path), watch=seen.append)
    assert not seen
    assert same_weights(whole, again)
    assert history == curve


@pytest.mark.parametrize("damage", ["empty", "half", "flipped", "other", "gone"])
def test_a_damaged_checkpoint_gives_way_to_the_one_before(task: Task, short: Short, tmp_path: Path, damage: str) -> None:
    with pytest.raises(StopError):
        trained(task, SHORT, checkpoints=Checkpoints(tmp_path), every=0.0, watch=stopping_at(20))
    newest, before = Checkpoints(tmp_path).files()
    sound = newest.read_bytes()
    middle = len(sound) // 2
    flipped = sound[:middle] + bytes([sound[middle] ^ 1]) + sound[middle + 1 :]
    newest.write_bytes({"half": sound[:middle], "flipped": flipped, "other": b"not a checkpoint"}.get(damage, b""))
    if damage == "gone":
        newest.unlink()
        again, _ = trained(task, SHORT, checkpoints=Checkpoints(tmp_path))
    else:
        with pytest.warns(UserWarning, match=rf"{newest.name} is damaged .*: going on from {before.name}"):
            again, _ = trained(task, SHORT, checkpoints=Checkpoints(tmp_path))
    assert same_weights(short[0], again)


def test_where_all_are_damaged_training_starts_again(task: Task, short: Short, tmp_path: Path) -> None:
    with pytest.raises(StopError):
        trained(task, SHORT, checkpoints=Checkpoints(tmp_path), every=0.0, watch=stopping_at(6))
    for path in Checkpoints(tmp_path).files():
        path.write_bytes(path.read_bytes()[:-1])
    with pytest.warns(UserWarning, match="is damaged") as told:
        again, _ = trained(task, SHORT, checkpoints=Checkpoints(tmp_path))
    assert "this training starts again" in str(told[-1].message)
    assert same_weights(short[0], again)


@pytest.mark.parametrize(
    ("recipe", "net", "told"),
    [
        (SHORT.replace(epochs=4), NET, "other recipe"),
        (SHORT, NET.replace(w_0=24), "other network"),
    ],
)
def test_checkpoints_of_another_training_are_refused(
    task: Task, tmp_path: Path, recipe: Recipe, net: nw.Design, told: str
) -> None:
    with pytest.raises(StopError):
        trained(task, SHORT, checkpoints=Checkpoints(tmp_path), every=0.0, watch=stopping_at(3))
    with pytest.raises(NetwrightError, match=told):
        fit(nw.build(net, 8, channels=1, seed=0), task, recipe, Session(checkpoints=Checkpoints(tmp_path)))


def test_two_checkpoints_are_kept_and_nothing_else(task: Task, tmp_path: Path) -> None:
    trained(task, SHORT, checkpoints=Checkpoints(tmp_path), every=0.0)
    assert sorted(p.name[:14] for p in tmp_path.iterdir()) == ["step-000000029", "step-000000030"]


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: what does not fit is refused by the system either way."""
    program = f"""
import resource, signal, torch
from pathlib import Path
from netwright.errors import FailedError
from netwright.training.engine.checkpoints import Checkpoints, State
kept = Checkpoints(Path({str(tmp_path)!r}))
kept.save(1, State({{"model.x": torch.arange(1000.0)}}, {{"step": 1}}))
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    kept.save(2, State({{"model.x": torch.zeros(1_000_000)}}, {{"step": 2}}))
except FailedError as error:
    print(error)
assert kept.newest().about == {{"step": 1}}
print(sorted(p.name[:14] for p in kept.folder.iterdir()))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "cannot write" in done.stdout
    assert "['step-000000001']" in done.stdout


def test_a_checkpoint_is_what_was_saved(tmp_path: Path) -> None:
    tensors = {"model.a": torch.randn(3, 4), "model.b": torch.tensor(3), "optimizer.0.x": torch.zeros(2, dtype=torch.bfloat16)}
    Checkpoints(tmp_path).save(7, State(tensors, {"step": 7}))
    state = Checkpoints(tmp_path).newest()
    assert state is not None
    assert state.about == {"step": 7}
    assert all(torch.equal(state.tensors[name], value) for name, value in tensors.items())
    assert list(state.part("model")) == ["a", "b"]


def test_a_foreign_file_under_our_name_is_no_checkpoint(tmp_path: Path) -> None:
    content = b"something else"
    path = tmp_path / f"step-000000001-{hashlib.sha256(content).hexdigest()[:16]}.safetensors"
    path.write_bytes(content)
    with pytest.raises(NetwrightError, match="is no checkpoint of netwright"):
        Checkpoints(tmp_path).newest()


# ---------------------------------------------------------------- signals and kills, as commands

PROGRAM = """
import sys
import netwright as nw
from netwright.training import Recipe
from tests.training import NET
nw.train(NET, "digits", out=sys.argv[1], recipe=Recipe(epochs=int(sys.argv[2]), batch=64), checkpoint_every=float(sys.argv[3]))
"""


def started(folder: Path, epochs: int = 4, every: float = 0.05) -> subprocess.Popen[str]:
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    words = [sys.executable, "-c", PROGRAM, str(folder), str(epochs), str(every)]
    return subprocess.Popen(words, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def ended(folder: Path) -> None:
    process = started(folder)
    _, problem = process.communicate(timeout=300)
    assert process.returncode == 0, problem


def weights_of(folder: Path) -> str:
    return hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def until_begun(folder: Path, process: subprocess.Popen[str]) -> None:
    while not list((folder / "work" / "checkpoints").glob("step-*")) and process.poll() is None:
        time.sleep(0.02)


def killed_and_gone_on_with(folder: Path, kills: int, seed: int) -> int:
    """Kill a training at random moments, `kills` times, and let it end; returns how many kills met a running process."""
    source = np.random.default_rng(seed)
    met = 0
    for _ in range(kills):
        process = started(folder)
        if source.random() < 0.8:  # else while it starts, reads, fills the cache
            until_begun(folder, process)
        time.sleep(source.uniform(0, 1.2))
        met += process.poll() is None
        process.kill()
        process.communicate()
        if (folder / "result.json").exists():
            break
    if not (folder / "result.json").exists():
        ended(folder)
    return met


@pytest.fixture(scope="module")
def unbroken(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The weights of a training that nothing stopped."""
    folder = tmp_path_factory.mktemp("unbroken") / "whole"
    ended(folder)
    return weights_of(folder)


@pytest.mark.slow
def test_a_killed_training_ends_with_the_weights_of_an_unbroken_one(unbroken: str, tmp_path: Path) -> None:
    """Three kills here, twenty in `make soak`."""
    kills = 20 if os.environ.get("NETWRIGHT_SOAK") else 3
    met = 0
    for i in range(0, kills, 3):
        met += killed_and_gone_on_with(tmp_path / f"broken-{i}", min(3, kills - i), seed=i)
        assert weights_of(tmp_path / f"broken-{i}") == unbroken
        shutil.rmtree(tmp_path / f"broken-{i}")
    assert met >= kills // 2


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_training_saves_first(unbroken: str, tmp_path: Path, number: int) -> None:
    process = started(tmp_path / "stopped", every=3600.0)
    log = tmp_path / "stopped" / "work" / "log.jsonl"
    while not log.exists() and process.poll() is None:
        time.sleep(0.02)
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode != 0
    assert len(list((tmp_path / "stopped" / "work" / "checkpoints").glob("step-*"))) == 1
    process = started(tmp_path / "stopped", every=3600.0)
    process.communicate(timeout=300)
    assert process.returncode == 0
    assert weights_of(tmp_path / "stopped") == unbroken
