"""What "auto" measures and decides, and what is never taken."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

import netwright as nw
from netwright.errors import NetwrightError
from netwright.training import Machine, Recipe
from netwright.training.engine import choosing
from netwright.training.engine.batches import Task
from netwright.training.engine.choosing import Choice, choose, settled
from netwright.training.machine import device_of
from tests.training import NET, digits_task

CPU = torch.device("cpu")
UNSOUND = nw.zoo.RegNet(depth=5, w_0=8, w_a=12.02, w_m=2.92, group_width=16, stem=24, classes=10, resolution=8)


@pytest.fixture(scope="module")
def task() -> Task:
    return digits_task(200)


def chosen(task: Task, net: nw.Design, machine: Machine, said: list[str] | None = None) -> tuple[Machine, list[Choice]]:
    model = nw.build(net, 8, channels=1, seed=0)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random = torch.get_rng_state()
    made = choose(model, nw.trace(net, 8, 1), task, Recipe(epochs=2), machine, CPU, (said if said is not None else []).append)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(random, torch.get_rng_state())
    return made


def test_without_auto_nothing_is_measured(task: Task) -> None:
    machine = Machine(precision="bf16", layout="contiguous")
    assert chosen(task, NET, machine) == (machine, [])


def test_auto_measures_every_choice_and_takes_the_fastest(task: Task) -> None:
    said: list[str] = []
    machine, measured = chosen(task, NET, Machine(precision="auto", layout="auto", compiled="auto"), said)
    assert "auto" not in machine.choices.values()
    assert {(one.machine.precision, one.machine.layout) for one in measured} >= {
        ("fp32", "channels_last"),
        ("fp32", "contiguous"),
    }
    assert any(one.machine.precision == "bf16" for one in measured)
    assert all(one.machine.compiled == "no" for one in measured)  # a training of a second: it could not pay
    assert "taken: " in said[0]


@pytest.mark.parametrize("times", [{"contiguous": 0.5}, {"contiguous": 1.5}, {"bf16": 0.4}, {"bf16": 0.99}])
def test_the_default_stays_unless_another_is_clearly_faster(
    task: Task, monkeypatch: pytest.MonkeyPatch, times: dict[str, float]
) -> None:
    """With times that are given: which choice is the fastest here is the machine's business."""

    def time(self: choosing._Subject, pictures: int = 0) -> float:
        factors = (times.get(self.machine.layout, 1.0), times.get(self.machine.precision, 1.0))
        return factors[0] * factors[1]

    monkeypatch.setattr(choosing._Subject, "time", time)
    machine, _ = chosen(task, NET, Machine(precision="auto", layout="auto"))
    assert machine.layout == ("contiguous" if times.get("contiguous", 1) < 0.9 else "channels_last")
    assert machine.precision == ("bf16" if times.get("bf16", 1) < 0.9 else "fp32")


def test_what_is_unsound_is_not_even_measured(task: Task) -> None:
    assert settled(Machine(), nw.trace(UNSOUND, 8, 1), CPU).layout == "contiguous"
    assert settled(Machine(), nw.trace(UNSOUND, 8, 1), torch.device("cuda")).layout == "channels_last"
    machine, measured = chosen(task, UNSOUND, Machine(precision="auto", layout="auto"))
    assert machine.layout == "contiguous"
    assert {one.machine.layout for one in measured} == {"contiguous"}


def test_the_decision_is_kept_in_the_run(tmp_path: Path) -> None:
    recipe, machine = Recipe(epochs=1), Machine(precision="auto", layout="auto")
    run = nw.train(NET, "digits", out=tmp_path / "run", recipe=recipe, machine=machine)
    kept = json.loads((tmp_path / "run" / "work" / "machine.json").read_text())
    assert kept["asked"]["precision"] == "auto"
    assert kept["chosen"]["precision"] in ("fp32", "bf16")
    assert len(kept["measured"]) >= 2
    assert run.result["computed"]["precision"] == kept["chosen"]["precision"]


@pytest.mark.parametrize("device", ["gpu", "cuda:7", "mps", "cpu:", "meta"])
def test_a_device_that_is_not_here_is_told(device: str) -> None:
    if device.startswith("cuda") and torch.cuda.device_count() > 7:
        pytest.skip("this machine has eight GPUs")
    with pytest.raises(NetwrightError, match=r"no device|not supported"):
        device_of(Machine(device=device))
