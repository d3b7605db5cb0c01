"""Several processes train what one would: same batches, same sums of gradients, shared statistics where asked."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from netwright.training.engine.processes import Processes, SharedBatchNorm2d

PROGRAM = """
import sys, torch
import netwright as nw
from netwright.training import Recipe, Session
from netwright.training.engine.loop import Training
from netwright.training.engine.processes import joined, share_norms
from netwright.training.recipes.recipe import Augmentation, Averaging, Loss
from tests.training import NET, digits_task

class Plain(nw.Design):
    def __call__(self, x):
        x = x.conv("a", 32, 3, bias=True).relu("r1").conv("b", 64, 3, stride=2, bias=True).relu("r2")
        return x.conv("c", 64, 3, bias=True).relu("r3").global_pool().linear("fc", 10)

torch.set_num_threads(1)
task = digits_task(20 * 31 + 1)  # the last batches have fewer pictures
recipe = Recipe(epochs=1, batch=32, ema=Averaging(decay=0.9), augment=Augmentation(mixup=0.5, cutmix=1.0, erasing=0.2),
                loss=Loss(class_weights="balanced"))
made = {}
with joined(torch.device("cpu")) as processes:
    for kind, net in (("plain", Plain()), ("norms", NET)):
        model = nw.build(net, 8, channels=1, seed=processes.rank)  # all take the first one's weights
        if kind == "norms" and processes.world > 1:
            assert share_norms(model) > 3
        training = Training(model, task, recipe, Session(processes=processes))
        history = training.run()
        assert training.step == 20
        made[kind] = {"weights": model.state_dict(), "loss": history[0].loss, "accuracy": history[0].accuracy}
    if processes.first:
        torch.save(made, sys.argv[1])
"""


def started(words: list[str], environment: dict[str, str], folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run a command; once more where gloo's processes did not find each other, which happens on a busy machine."""
    for _ in range(2):
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, cwd=folder)
        if "connectFullMesh failed" not in done.stderr:
            break
    return done


def run_in(count: int, out: Path) -> dict[str, dict[str, Any]]:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    program = out.with_suffix(".py")
    program.write_text(PROGRAM)
    words = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    words = words if count > 1 else [sys.executable]
    done = started([*words, str(program), str(out)], environment)
    assert done.returncode == 0, done.stderr[-3000:]
    return torch.load(out, weights_only=True)  # type: ignore[no-any-return]


@pytest.mark.slow
def test_two_processes_give_the_weights_of_one(tmp_path: Path) -> None:
    """After 20 steps, within 1e-5: without batch norm, and with it under shared statistics.

    (Networks with max pooling part further: a step of theirs in two halves differs from a whole one as much.)
    """
    alone, together = (run_in(count, tmp_path / f"{count}.pt") for count in (1, 2))
    for kind, one in alone.items():
        two = together[kind]
        for name, value in one["weights"].items():
            rtol = 1e-4 if "running" in name else 0  # variances are sums of squares, and large
            torch.testing.assert_close(two["weights"][name], value, rtol=rtol, atol=1e-5, msg=f"{kind}: {name}")
        assert two["loss"] == pytest.approx(one["loss"], rel=1e-5)
        assert two["accuracy"] == pytest.approx(one["accuracy"], abs=0.005)


@given(st.integers(0, 200), st.integers(1, 9))
def test_rows_divide_a_batch_at_even_places(count: int, world: int) -> None:
    parts = [Processes(rank, world).rows(count) for rank in range(world)]
    assert [i for part in parts for i in range(count)[part]] == list(range(count))
    assert all(part.start % 2 == 0 or part.start == count for part in parts)
    sizes = [part.stop - part.start for part in parts]
    assert max(sizes) - min(sizes) <= 3


def test_shared_norm_of_one_process_is_torchs() -> None:
    """With a process group of one: values, gradients and running statistics of nn.BatchNorm2d."""
    import torch.distributed as dist

    store = dist.HashStore()
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    try:
        for momentum, affine in [(0.1, True), (None, True), (0.3, False)]:
            own, theirs = (kind(5, momentum=momentum, affine=affine) for kind in (SharedBatchNorm2d, nn.BatchNorm2d))
            for _ in range(3):
                x = torch.randn(6, 5, 4, 3, requires_grad=True)
                y = x.detach().clone().requires_grad_()
                weight = torch.randn(6, 5, 4, 3)
                (own(x) * weight).sum().backward()
                (theirs(y) * weight).sum().backward()
                torch.testing.assert_close(x.grad, y.grad, rtol=1e-4, atol=1e-5)
                torch.testing.assert_close(own(x), theirs(y), rtol=1e-5, atol=1e-5)
            for name, value in theirs.state_dict().items():
                torch.testing.assert_close(own.state_dict()[name], value)
            own.eval(), theirs.eval()
            torch.testing.assert_close(own(x), theirs(x))
    finally:
        dist.destroy_process_group()


RESTARTED = """
import os, sys, time
import netwright as nw
from netwright.training import Machine, Recipe
from tests.training import NET

def watch(moment):
    if moment.done == 30 and os.environ.get("TORCHELASTIC_RESTART_COUNT") == "0" and "broken" in sys.argv[1]:
        os.kill(os.getpid(), 9)

if (os.environ["TORCHELASTIC_RESTART_COUNT"], os.environ["RANK"]) == ("1", "0"):
    time.sleep(5)  # (the others must not meet the addresses of the first start)
machine = Machine(shared_norms=True)
nw.train(NET, "digits", out=sys.argv[1], recipe=Recipe(epochs=2), machine=machine, checkpoint_every=0.0, watch=watch)
"""


def torchrun(tmp_path: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(Path.cwd()), "OMP_NUM_THREADS": "1"}
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "--max-restarts", "1"]
    return started([*start, *words], environment, tmp_path)


@pytest.mark.slow
def test_a_process_that_is_killed_is_started_again_and_goes_on(tmp_path: Path) -> None:
    """torchrun starts both again; they go on from the last checkpoint, to the bits of an unbroken training."""
    program = tmp_path / "program.py"
    program.write_text(RESTARTED)
    weights = []
    for name in ("whole", "broken"):
        done = torchrun(tmp_path, str(program), str(tmp_path / name))
        assert done.returncode == 0, done.stderr[-3000:]
        assert ("going on with the run" in done.stderr) == (name == "broken")
        weights.append((tmp_path / name / "model.safetensors").read_bytes())
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_torchrun_with_the_command_writes_one_run(tmp_path: Path) -> None:
    words = ["-m", "netwright", "train", "resnet20_cifar", "digits", "--epochs", "1", "-o", "run"]
    done = torchrun(tmp_path, *words)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout.count("held-out pictures right") == 1
    assert done.stderr.count("training: 100 %") == 1
    assert (tmp_path / "run" / "result.json").exists()
