"""`netwright train` as a user types it: recipes, seeds and folds, what a training will take, every mistake in one line."""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

import netwright as nw
from netwright.cli import main
from netwright.data import open_source
from netwright.errors import FailedError, NetwrightError
from netwright.training.dry_run import dry_run
from netwright.training.recipes.presets import PRESETS
from netwright.training.recipes.recipe import Averaging, Optimizing, Recipe, Resizing
from netwright.training.recipes.recipe_files import read_recipe, to_toml
from netwright.training.run import Run
from netwright.training.seeds import spread, told, train_each
from netwright.training.train import train
from tests.conftest import make_photos

Capture = pytest.CaptureFixture[str]
NET = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, stem_stride=1, classes=10, resolution=8)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("train")
    make_photos(root / "photos", each=10, side=16)
    make_photos(root / "broken", each=4, side=16)
    (root / "broken" / "green" / "02.jpg").write_bytes(b"\xff\xd8\xff no picture")
    (root / "net.json").write_text(nw.to_json(NET))
    (root / "bytes.toml").write_bytes(b"\xff\xfe")
    (root / "twice.toml").write_text("epochs = 1\nepochs = 2\n")
    (root / "typo.toml").write_text("[optimizer]\nlearning_rate = 1\n")
    return root


@pytest.fixture(autouse=True)
def _cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NETWRIGHT_CACHE", str(tmp_path_factory.getbasetemp() / "pictures"))


def words(line: str, place: Path) -> list[str]:
    return re.sub(r"\{(.*?)\}", lambda found: str(place / found[1]), line).split()


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


# ---------------------------------------------------------------- mistakes


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("train", "Missing argument 'NET'"),
        ("train {net.json}", "Missing argument 'DATA'"),
        ("train {net.json} {photos}", "Missing option '-o' / '--out'"),
        ("train {net.json} {photos} -o {new} --recipe cifr", "there is no recipe 'cifr'; did you mean cifar"),
        ("train {net.json} {photos} -o {new} --recipe {none.toml}", "none.toml: No such file or directory"),
        ("train {net.json} {photos} -o {new} --recipe {bytes.toml}", "bytes.toml is no UTF-8 text"),
        ("train {net.json} {photos} -o {new} --recipe {twice.toml}", "twice.toml is not TOML: "),
        ("train {net.json} {photos} -o {new} --recipe {typo.toml}", "typo.toml: there is no key 'optimizer.learning_rate'"),
        ("train {net.json} {photos} -o {new} --set lr=0.1", "there is no key 'lr'; did you mean optimizer.lr?"),
        ("train {net.json} {photos} -o {new} --set epochs", "'epochs' is no setting: write KEY=VALUE"),
        ("train {net.json} {photos} -o {new} --set epochs=ten", "epochs is 'ten', expected a whole number at least 1"),
        ("train {net.json} {photos} -o {new} --set epochs=2 --epochs 3", "epochs is given twice (2 and 3): give it once"),
        ("train {net.json} {photos} -o {new} --epochs 0", "Invalid value for '--epochs'"),
        ("train {net.json} {photos} -o {new} --lr 0", "Invalid value for '--lr'"),
        ("train {net.json} {photos} -o {new} --precision fp31", "Invalid value for '--precision'"),
        ("train {net.json} {photos} -o {new} --device gpu", "there is no device 'gpu': give auto, cpu, cuda or cuda:1"),
        ("train {net.json} {photos} -o {new} --device cuda:77", "there is no device cuda:77"),
        ("train {net.json} {photos} -o {new} --machine layuot=auto", "there is no key 'layuot'; did you mean layout?"),
        ("train {net.json} {photos} -o {new} --machine layout=sideways", "layout is 'sideways', expected one of 'auto'"),
        ("train {net.json} {photos} -o {new} --machine precision=bf16", "precision is given twice (fp32 and bf16)"),
        ("train {net.json} {photos} -o {new} --validation 1.5", "Invalid value for '--validation'"),
        ("train {net.json} {photos} -o {new} --group patient", "labels.csv"),
        ("train {net.json} {photos} -o {new} --seeds 1", "Invalid value for '--seeds'"),
        ("train {net.json} {photos} -o {new} --seeds 2 --folds 2", "choose one of --seeds and --folds"),
        ("train {net.json} {photos} -o {new} --folds 99", "fold-1: "),
        ("train {net.json} {photos} -o {new} --recpie quick", "no such option --recpie; did you mean --recipe"),
        ("train {net.json} {photos} -o {new} --set freeze=nothing", "nothing"),
        ("train {net.json} {photos} -o {new} --set teacher.run={nowhere}", "nowhere"),
        ("train {net.json} {broken} -o {new} --strict", "green/02.jpg"),
        ("train {net.json} {nowhere} --dry-run", "there is no folder"),
        ("train resnet51 {photos} --dry-run", "unknown network 'resnet51'"),
    ],
)  # fmt: skip
def test_a_mistake_is_one_line_and_exit_code_2(line: str, message: str, place: Path, capsys: Capture) -> None:
    before = sorted(place.rglob("*"))
    assert main(words(line, place)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    complaints = [said for said in err.splitlines() if said.startswith("netwright: ")]
    assert len(complaints) == 1
    assert complaints[0] == err.splitlines()[-1]
    assert message in complaints[0]
    assert "Traceback" not in err
    assert sorted(place.rglob("*")) == before


def test_tensorboard_is_asked_for_before_anything_is_read(place: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netwright.training.logs.importlib.util.find_spec", lambda name: None)
    assert main(words("train {net.json} {photos} -o {new} --tensorboard", place)) == 2
    assert "pip install 'netwright[log]'" in capsys.readouterr().err
    assert not (place / "new").exists()


# ---------------------------------------------------------------- recipes


def test_presets_are_listed_as_text_and_json(capsys: Capture) -> None:
    assert main(["train", "--recipes"]) == 0
    text = capsys.readouterr().out
    assert main(["train", "--recipes", "--json"]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [told["name"] for told in listed] == list(PRESETS)
    for preset in listed:
        assert preset["command"] in text
        assert preset["result"] in text


def test_a_printed_recipe_is_the_recipe_when_it_is_read_again(tmp_path: Path, capsys: Capture) -> None:
    assert main(["train", "--print-recipe", "--recipe", "a2", "--set", "optimizer.lr=0.01", "--epochs", "7"]) == 0
    path = tmp_path / "mine.toml"
    path.write_text(capsys.readouterr().out)
    a2 = PRESETS["a2"].recipe
    assert read_recipe(path) == a2.replace(epochs=7, optimizer=a2.optimizer.replace(lr=0.01))


@pytest.mark.parametrize("name", PRESETS)
def test_the_command_of_a_preset_is_one_that_the_program_takes(name: str, capsys: Capture) -> None:
    """But for the pictures, which are not here, and for weights, which are on the hub."""
    line = re.sub(r" --weights \S+", "", PRESETS[name].command).split()
    assert line[:2] == ["netwright", "train"]
    assert main(line[1:]) == 2
    assert re.search(r"there is no (folder|file)|no such|cannot read", capsys.readouterr().err)


def test_a_training_follows_its_recipe_and_leaves_its_logs(place: Path, tmp_path: Path, capsys: Capture) -> None:
    mine = tmp_path / "mine.toml"
    mine.write_text(to_toml(Recipe(epochs=9, batch=8, optimizer=Optimizing(name="adamw", lr=1e-3, lr_batch=0))))
    line = f"train {{net.json}} {{photos}} -o {tmp_path / 'run'} --recipe {mine} --epochs 2 --set ema.decay=0.9 --json"
    assert main(words(line, place)) == 0
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert re.search(r"training: 100 % after .*epoch 2: loss [\d.]+, lr [\d.e-]+, accuracy [\d.]+ %, [\d,]+ img/s", err)
    assert result["recipe"]["epochs"] == 2
    assert result["recipe"]["optimizer"]["name"] == "adamw"
    asked = read_recipe(mine).replace(epochs=2, ema=Averaging(decay=0.9))
    assert read_recipe(tmp_path / "run") == asked
    events = [json.loads(line) for line in (tmp_path / "run" / "work" / "log.jsonl").read_text().splitlines()]
    assert [event["epoch"] for event in events if event["event"] == "epoch"] == [1, 2]
    assert [event["loss"] for event in events if event["event"] == "epoch"] == [epoch["loss"] for epoch in result["curve"]]
    assert (tmp_path / "run" / "work" / "log.csv").read_text().count("\n") == 3
    again = f"train {{net.json}} {{photos}} -o {tmp_path / 'two'} --recipe {tmp_path / 'run'} --json"
    assert main(words(again, place)) == 0
    assert json.loads(capsys.readouterr().out)["accuracy"]["loss"] == result["accuracy"]["loss"]


def test_bad_pictures_are_left_out_with_a_count_and_their_names(place: Path, tmp_path: Path, capsys: Capture) -> None:
    shutil.copytree(place / "broken", tmp_path / "train")
    make_photos(tmp_path / "val", each=2, side=16)
    (tmp_path / "data").mkdir()
    (tmp_path / "train").rename(tmp_path / "data" / "train")
    (tmp_path / "val").rename(tmp_path / "data" / "val")
    line = f"train {{net.json}} {tmp_path / 'data'} -o {tmp_path / 'run'} --epochs 1 --batch 4"
    assert main(words(line, place)) == 0
    assert re.search(r"1 of 12 pictures .* left out: .*green/02.jpg", capsys.readouterr().err)


# ---------------------------------------------------------------- several trainings


@given(st.lists(st.floats(0, 1), min_size=2, max_size=8))
def test_mean_and_spread_are_those_of_numpy_and_scipy(values: list[float]) -> None:
    made = spread(values)
    assert made.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert made.deviation == pytest.approx(np.std(values, ddof=1), abs=1e-9)
    assert (made.least, made.most) == (min(values), max(values))
    error = scipy.stats.sem(values)
    if error > 1e-9:
        assert made.interval == pytest.approx(scipy.stats.t.interval(0.95, len(values) - 1, np.mean(values), error), abs=1e-9)


def test_one_training_has_no_spread() -> None:
    assert spread([0.5]).to_json() == {"mean": 0.5, "std": None, "interval_95": None, "min": 0.5, "max": 0.5}
    with pytest.raises(NetwrightError):
        spread([])


def test_seeds_are_trained_one_by_one_and_told_together(place: Path, tmp_path: Path, capsys: Capture) -> None:
    line = f"train {{net.json}} {{photos}} -o {tmp_path / 'five'} --epochs 1 --batch 8 --seeds 3 --seed 4"
    assert main(words(line + " --json", place)) == 0
    made = json.loads(capsys.readouterr().out)
    assert made == json.loads((tmp_path / "five" / "result.json").read_text())
    assert [(run["name"], run["seed"]) for run in made["runs"]] == [("seed-4", 4), ("seed-5", 5), ("seed-6", 6)]
    single = [json.loads((tmp_path / "five" / run["name"] / "result.json").read_text()) for run in made["runs"]]
    for figure in ("top1", "loss", "balanced_accuracy"):
        values = [result["accuracy"][figure] for result in single]
        assert made["accuracy"][figure]["mean"] == pytest.approx(np.mean(values))
        assert made["accuracy"][figure]["std"] == pytest.approx(np.std(values, ddof=1))
    assert len({result["accuracy"]["loss"] for result in single}) == 3
    assert len({result["data"]["seed"] for result in single}) == 3
    assert nw.load(tmp_path / "five" / "seed-5").classes == ("blue", "green", "red")
    assert main(words(line, place)) == 2
    assert "holds a finished run" in capsys.readouterr().err
    lines = told(made).splitlines()
    assert lines[0].startswith("seed-4: ")
    assert re.fullmatch(r"mean of 3: [\d.]+ %, standard deviation [\d.]+, 95 % interval of the mean .* %", lines[-1])


class Trainings:
    """Real trainings of two epochs; the one called `stops` ends with an error the first time."""

    def __init__(self, place: Path, stops: str, error: BaseException) -> None:
        self.place, self.stops, self.error = place, stops, error
        self.trained: list[str] = []

    def __call__(self, folder: Path) -> Run:
        self.trained.append(folder.name)
        if folder.name == self.stops:
            self.stops = ""
            raise self.error
        seed = int(folder.name.removeprefix("seed-"))
        return train(NET, self.place / "photos", out=folder, recipe=Recipe(epochs=1, batch=16), seed=seed, progress=nw_quiet())


def nw_quiet() -> Any:
    from netwright.progress import Progress

    return Progress(quiet=True)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), FailedError("the disk is full")])
def test_after_an_interruption_finished_trainings_are_kept(place: Path, tmp_path: Path, error: BaseException) -> None:
    trainings = Trainings(place, "seed-1", error)
    asked = dict.fromkeys(["seed-0", "seed-1"], trainings)
    with pytest.raises(type(error), match="seed-1: the disk is full" if isinstance(error, FailedError) else None):
        train_each(asked, tmp_path / "out", {"epochs": 2})
    before = contents(tmp_path / "out" / "seed-0")
    with pytest.raises(NetwrightError, match="holds a run made with other arguments"):
        train_each(asked, tmp_path / "out", {"epochs": 3})
    made = train_each(asked, tmp_path / "out", {"epochs": 2})
    assert trainings.trained == ["seed-0", "seed-1", "seed-1"]
    assert contents(tmp_path / "out" / "seed-0") == before
    assert [run["name"] for run in made["runs"]] == ["seed-0", "seed-1"]


def test_pictures_that_change_between_trainings_are_noticed(place: Path, tmp_path: Path) -> None:
    shutil.copytree(place / "photos", tmp_path / "photos")
    trainings = Trainings(tmp_path, "seed-1", KeyboardInterrupt())
    asked = dict.fromkeys(["seed-0", "seed-1"], trainings)
    with pytest.raises(KeyboardInterrupt):
        train_each(asked, tmp_path / "out", {})
    (tmp_path / "photos" / "red" / "00.jpg").rename(tmp_path / "photos" / "red" / "new.jpg")
    with pytest.raises(NetwrightError, match="the pictures have changed between seed-0 and seed-1"):
        train_each(asked, tmp_path / "out", {})


def test_a_mistake_leaves_no_folder(tmp_path: Path) -> None:
    def mistaken(folder: Path) -> Run:
        raise NetwrightError("no such pictures")

    with pytest.raises(NetwrightError, match="seed-0: no such pictures"):
        train_each({"seed-0": mistaken}, tmp_path / "out", {})
    assert list(tmp_path.iterdir()) == []


def test_folds_hold_out_every_picture_once(place: Path, tmp_path: Path, capsys: Capture) -> None:
    line = f"train {{net.json}} {{photos}} -o {tmp_path / 'cross'} --epochs 1 --batch 16 --folds 3"
    assert main(words(line, place)) == 0
    assert "mean of 3: " in capsys.readouterr().out
    made = json.loads((tmp_path / "cross" / "result.json").read_text())
    assert [run["name"] for run in made["runs"]] == ["fold-1", "fold-2", "fold-3"]
    counts = [json.loads((tmp_path / "cross" / run["name"] / "result.json").read_text()) for run in made["runs"]]
    assert sum(result["accuracy"]["of"] for result in counts) == 30
    assert {result["data"]["pictures"]["train"] for result in counts} == {20}


def test_several_processes_are_told_to_take_a_torchrun_for_each_seed(
    place: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert main(words("train {net.json} {photos} -o {new} --seeds 2", place)) == 2
    assert "give each seed a torchrun of its own" in capsys.readouterr().err


# ---------------------------------------------------------------- what a training will take


@pytest.mark.parametrize(
    ("recipe", "data"),
    [
        (Recipe(epochs=3, batch=64), "digits"),
        (Recipe(epochs=2, batch=7, ema=Averaging(decay=0.99)), "photos"),
        (Recipe(epochs=4, batch=1000, resize=Resizing(start=0.5)), "photos"),
        (Recipe(epochs=1, batch=6, optimizer=Optimizing(name="adamw", lr=1e-3), augment=PRESETS["a2"].recipe.augment), "photos"),
    ],
    ids=["digits", "ema", "one-batch", "repeats"],
)  # fmt: skip
def test_a_dry_run_is_like_the_run(place: Path, tmp_path: Path, recipe: Recipe, data: str) -> None:
    where = "digits" if data == "digits" else str(place / data)
    before = contents(place)
    estimate = dry_run(NET, where, image=16, recipe=recipe, cache=tmp_path / "cache")
    assert contents(place) == before
    assert not (tmp_path / "cache").exists()
    run = train(NET, where, out=tmp_path / "run", image=16, recipe=recipe, cache=tmp_path / "cache", progress=nw_quiet())
    last = [json.loads(line) for line in (tmp_path / "run" / "work" / "log.jsonl").read_text().splitlines()][-1]
    assert estimate.steps == last["step"]
    assert estimate.pictures == {
        {"train": "training", "test": "the held-out part"}[name]: count for name, count in run.result["data"]["pictures"].items()
    }
    checkpoint = max(path.stat().st_size for path in (tmp_path / "run" / "work" / "checkpoints").iterdir())
    assert estimate.checkpoints / 3 == pytest.approx(checkpoint, rel=0.2)
    assert estimate.weights == pytest.approx((tmp_path / "run" / "model.safetensors").stat().st_size, rel=0.1)
    cached = sum(path.stat().st_blocks * 512 for path in (tmp_path / "cache").rglob("*")) if (tmp_path / "cache").exists() else 0
    assert estimate.cache <= cached + 4096 or not estimate.cache
    assert cached <= estimate.cache + 72 * 1024  # blocks that folders and small files take
    whole = sum(path.stat().st_size for path in (tmp_path / "run").rglob("*.safetensors"))
    assert whole <= 1.1 * (estimate.disk - estimate.cache)
    assert estimate.images == pytest.approx(recipe.epochs * run.result["data"]["pictures"]["train"], rel=0.35)
    assert estimate.seconds is not None
    assert 0 < estimate.seconds < math.inf


def test_a_dry_run_is_told_in_lines_and_as_json(place: Path, capsys: Capture) -> None:
    line = "train {net.json} {photos} --epochs 2 --batch 8 --validation 0.2 --dry-run"
    assert main(words(line, place)) == 0
    text = capsys.readouterr().out
    assert [said.partition(":")[0].strip() for said in text.splitlines()] == ["steps", "pictures", "time", "memory", "disk"]
    assert "for validation" in text
    assert main(words(line + " --seeds 3 --json", place)) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["trainings"] == 3
    assert made["steps"] == made["epochs"] * made["steps_per_epoch"]
    assert made["seconds"] >= made["training_seconds"] > 0
    assert made["disk"] == made["cache"] + made["checkpoints"] + made["weights"]
    assert not (place / "new").exists()


def test_a_dry_run_leaves_chance_as_it_was(place: Path) -> None:
    import torch

    torch.manual_seed(1)
    before = torch.get_rng_state()
    dry_run(NET, place / "photos", recipe=Recipe(epochs=1, batch=8))
    assert torch.equal(torch.get_rng_state(), before)


def test_a_batch_that_does_not_fit_is_said_and_not_tried(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("netwright.training.dry_run.memory", lambda: 1000)
    estimate = dry_run(NET, place / "photos", recipe=Recipe(epochs=1, batch=8))
    assert estimate.seconds is None
    assert "memory does not suffice: set --machine micro_batch=2" in str(estimate)
    assert estimate.steps == len(open_source(place / "photos").split(0).train.names) // 8


@pytest.mark.slow
def test_memory_is_about_what_a_process_takes(tmp_path: Path) -> None:
    """The peak of a process that trains (before it saves), less that of one that has a small batch."""
    photos = make_photos(tmp_path / "photos", each=90, side=64)
    program = """
        import re, sys
        import netwright as nw
        from netwright.progress import Progress
        batch = int(sys.argv[2])
        recipe, peaks = nw.Recipe(epochs=1, batch=batch), []
        # (ru_maxrss would begin with what the parent held)
        most = lambda: 1024 * int(re.search(r"VmHWM:\\s*(\\d+)", open("/proc/self/status").read())[1])
        watch = lambda moment: peaks.append(most())
        net, quiet = nw.network("resnet18"), Progress(quiet=True)
        nw.train(net, sys.argv[1], image=64, recipe=recipe, cache=None, watch=watch, progress=quiet)
        print(peaks[-1])
    """
    peaks = {}
    for batch in (8, 108):  # of 216 pictures
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(program), str(photos), str(batch)],
            capture_output=True, text=True, check=True,
            env={**os.environ, "OMP_NUM_THREADS": "2", "MALLOC_MMAP_THRESHOLD_": "65536"},  # what is freed goes back
        )  # fmt: skip
        peaks[batch] = int(done.stdout)
    told = {batch: dry_run(nw.network("resnet18"), photos, image=64, recipe=Recipe(epochs=1, batch=batch)) for batch in peaks}
    ratio = (peaks[108] - peaks[8]) / (told[108].memory - told[8].memory)
    assert 0.5 < ratio < 2  # convolutions' scratch memory is each processor's own
