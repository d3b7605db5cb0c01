"""What `netwright design` makes of its limits and minutes, of weights and of baselines."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy.stats import binomtest

import netwright as nw
from netwright.cli import main
from netwright.data import Listing, open_source
from netwright.errors import NetwrightError
from netwright.files import Output
from netwright.graph import Design
from netwright.progress import Progress
from netwright.scaling.budget import Use
from netwright.spaces import compact_for
from netwright.studies import baselines
from netwright.studies.asked import Asked, Effort, recipe_for
from netwright.studies.ground import Ground
from netwright.studies.limits import Limits
from netwright.studies.near import near
from netwright.studies.spending import Clock, Pace, plan_search, plan_training, some_of
from netwright.training.plan import Plan
from netwright.training.recipes.recipe import Recipe
from tests.conftest import make_photos
from tests.test_latency import Law

TINY = Effort(trials=2, trial_epochs=1, epochs=2)
QUIET = Progress(quiet=True)
SPACE = """
from netwright.blocks import Basic
from netwright.zoo import CifarResNet
def plain(pick):
    return CifarResNet(depth=pick.integer("depth", 1, 2), width=pick.integer("width", 4, 12, step=4))
def broken(pick):
    raise RuntimeError("no idea")
def numbers(pick):
    return 3
"""


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("data") / "photos", each=20)


# ---------------------------------------------------------------- the clock


class Hands:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def test_what_was_spent_before_a_kill_counts(tmp_path: Path) -> None:
    hands = Hands()
    clock = Clock(2.0, now=hands)
    clock.read(tmp_path / "seconds.json")
    hands.at += 10
    assert not (tmp_path / "seconds.json").exists()  # nothing to lose yet
    clock.begin()
    clock.enter("search")
    hands.at += 30
    clock.keep()
    hands.at += 5  # lost: the process is killed
    again = Clock(2.0, now=hands)
    again.read(tmp_path / "seconds.json")
    hands.at += 1
    assert again.spent == 41
    assert again.left == 79
    again.enter("baselines")
    hands.at += 500
    again.enter("rest")
    assert again.left == 79  # they lie outside of the minutes
    assert again.to_json() == {
        "minutes": 2.0,
        "seconds": {"start": 11.0, "search": 30.0, "baselines": 500.0, "rest": 0.0, "total": 41.0},
    }


def test_a_clock_without_minutes_and_a_damaged_file(tmp_path: Path) -> None:
    hands = Hands()
    clock = Clock(None, started=hands.at - 3, now=hands)
    assert clock.left == math.inf
    for text in ("", "[1]", '{"search": "long"}', "null"):
        (tmp_path / "seconds.json").write_text(text)
        clock.read(tmp_path / "seconds.json")
    assert clock.spent == 3


@pytest.mark.parametrize("minutes", [0, -1, math.nan, math.inf, "ten", True])
def test_minutes_that_cannot_be(minutes: Any) -> None:
    with pytest.raises(NetwrightError, match="expected a number above 0"):
        nw.design("digits", macs="1M", minutes=minutes, progress=QUIET)


# ---------------------------------------------------------------- what there is time for

seconds = st.floats(0, 1e5)
paces = st.floats(1e-6, 1.0)
counts = st.integers(1, 100_000)


@given(seconds, paces, paces, counts, counts)
def test_a_search_fits_into_its_time(there: float, trained: float, evaluated: float, train: int, compared: int) -> None:
    pace = Pace(trained, evaluated)
    made = plan_search(there, pace, (train, compared))
    assert 1 <= made.trials <= 16
    assert 1 <= made.pictures <= train
    assert 1 <= made.compared <= compared
    # unless even the least (a candidate on 64 pictures) takes longer
    least = plan_search(0.0, pace, (train, compared))
    assert made.trials * made.seconds(pace) <= max(there * (1 + 1e-9), made.trials * least.seconds(pace)) + pace.evaluated


@given(st.floats(1, 1e5), st.floats(1e-6, 0.01), counts)
@example(1.0, 1 / 128, 13)
@example(1.0, 1 / 127, 70)
def test_a_training_fills_its_time(there: float, trained: float, pictures: int) -> None:
    made = plan_training(there, trained, pictures)
    takes = made.epochs * made.pictures * trained
    if there >= 64 * trained:
        assert takes <= there * (1 + 1e-6)
    if made.pictures > 64 and pictures >= 128:  # fewer are too few to be divided
        assert takes >= 0.9 * there - made.epochs * trained


@given(seconds, paces, counts, st.integers(1, 50), st.integers(1, 50))
def test_numbers_that_are_given_stand(there: float, trained: float, train: int, trials: int, epochs: int) -> None:
    pace = Pace(trained, trained)
    made = plan_search(there, pace, (train, train), trials, epochs)
    assert (made.trials, made.epochs, made.pictures) == (trials, epochs, train)
    assert plan_search(there, pace, (train, train), trials).trials == trials
    assert plan_search(there, pace, (train, train), None, epochs).epochs == epochs
    assert plan_training(there, trained, train, epochs) == (epochs, train)


def test_more_time_is_more_pictures_for_a_candidate() -> None:
    seen = []
    for there in (5, 20, 60, 200, 600, 2000):
        made = plan_search(there, Pace(0.002, 0.0005), (10_000, 2_500))
        seen.append((made.trials, made.epochs * made.pictures))
    assert seen == sorted(seen)
    assert seen[-1][0] == 16


@given(st.lists(st.integers(0, 6), min_size=1, max_size=200), st.integers(1, 200))
def test_some_pictures_are_of_all_classes(labels: list[int], count: int) -> None:
    listing = Listing(tuple(f"{i}" for i in range(len(labels))), np.array(labels, np.int64))
    some, more = some_of(listing, count, 1), some_of(listing, count + 1, 1)
    assert set(some.labels.tolist()) == set(labels)
    assert set(some.names) <= set(more.names)
    assert len(some) == min(len(labels), max(count, len(set(labels))))
    for label in set(labels):  # in proportion, to one or two pictures
        share = min(count, len(labels)) * labels.count(label) / len(labels)
        assert abs((some.labels == label).sum() - share) <= 2 or count < len(set(labels)) * 2


# ---------------------------------------------------------------- limits

LIMITS: list[dict[str, Any]] = [
    {"params": "60K"},
    {"memory": "12MB"},
    {"inference_memory": "400KB"},
    {"macs": "3M", "params": "100K", "inference_memory": "600KB"},
]


@pytest.mark.parametrize("limits", LIMITS, ids=lambda one: "-".join(one))
def test_every_limit_holds(limits: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    run = nw.design(photos, image=24, out=tmp_path / "run", effort=TINY, progress=QUIET, **limits)
    cost, train = nw.cost(run.design, 24), nw.cost(run.design, 24, batch=Recipe().batch, optimizer=Recipe().optimizer.name)
    has = {"macs": cost.macs, "params": cost.params, "memory": train.memory.training, "inference_memory": cost.memory.inference}
    told = {row["name"]: row for row in run.result["limits"]}
    assert set(told) == set(limits)
    for name, row in told.items():
        assert row["has"] == has[name] <= row["most"]
        assert row["batch"] == (64 if name == "memory" else 1)
        assert f"max_{name}" in run.result["budget"]
    assert max(row["has"] / row["most"] for row in told.values()) > 0.5
    assert "at most" in (tmp_path / "run" / "report.html").read_text()


def test_latency_is_a_limit(photos: Path, tmp_path: Path) -> None:
    toy = Law().profile(name="toy")
    run = nw.design(photos, image=24, latency="1.5ms", device=toy, out=tmp_path / "run", effort=TINY, progress=QUIET)
    (row,) = run.result["limits"]
    assert row["has"] == nw.cost(run.design, 24, profile=toy).milliseconds <= 1.5
    assert row["device"] == "toy"
    with pytest.raises(NetwrightError, match=r"has 0.0001 ms of latency at 24 px: the smallest has .* ms of latency"):
        nw.design(photos, image=24, latency=1e-4, device=toy, out=tmp_path / "other", effort=TINY, progress=QUIET)
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("limits", "problem"),
    [
        ({}, "needs a limit: give at least one of --max-macs"),
        ({"macs": 10}, "has at most 10 macs at 24 px: the smallest has [0-9,]+ macs; raise the limit or lower --image"),
        ({"params": "1K"}, "at most 1,000 params at 24 px: the smallest has [0-9,]+ params"),
        ({"memory": "100KB"}, "of memory at 24 px: the smallest has [0-9.]+ MB of memory"),
        ({"inference_memory": "1KB"}, "of inference memory at 24 px: the smallest has "),
        (
            {"macs": "1M", "params": "1K"},
            "1,000 params and at most 1,000,000 macs at 24 px: the smallest has [0-9,]+ params and [0-9,]+ macs",
        ),
        ({"macs": "nan"}, "'nan' is not an amount"),
        ({"memory": -5}, "-5' is not a number of bytes"),
        ({"latency": "5ms", "device": "no such"}, "no such"),
        ({"latency": "5ms"}, "needs a calibrated device"),
        ({"macs": "1M", "space": "regnetz"}, "unknown space 'regnetz'; did you mean"),
        ({"macs": "1M", "weights": "resnet18"}, "write NET=WEIGHTS"),
        ({"macs": "1M", "weights": "resnet18=nowhere.pth"}, "there is no weights file or folder nowhere.pth"),
        ({"macs": "1M", "weights": "resnet81=x.pth"}, "unknown network 'resnet81'"),
    ],
)
def test_bad_input_leaves_nothing(limits: dict[str, Any], problem: str, photos: Path, tmp_path: Path) -> None:
    with pytest.raises(NetwrightError, match=problem) as caught:
        nw.design(photos, image=24, out=tmp_path / "run", effort=TINY, progress=QUIET, **limits)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists()


def test_a_space_of_ones_own(photos: Path, tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(SPACE)
    run = nw.design(photos, macs="3M", space=f"{file}:plain", image=24, out=tmp_path / "run", effort=TINY, progress=QUIET)
    assert type(run.design).__name__ == "CifarResNet"
    assert run.result["search"]["space"] == f"{file}:plain"
    assert run.result["cost"]["macs"] <= 3_000_000
    for name, problem in (("broken", "RuntimeError: no idea"), ("numbers", "returned 3, expected a design or None")):
        with pytest.raises(NetwrightError, match=problem):
            nw.design(photos, macs="3M", space=f"{file}:{name}", image=24, out=tmp_path / name, effort=TINY, progress=QUIET)
        assert not (tmp_path / name).exists()


def test_families_with_stages_are_reported(photos: Path, tmp_path: Path) -> None:
    run = nw.design(photos, macs="40M", space="mbconv", image=32, out=tmp_path / "run", effort=TINY, progress=QUIET)
    search = run.result["search"]
    (found,) = [c["design"] for c in search["candidates"] if c["number"] == search["winner"]]
    assert nw.from_json(json.dumps({"schema": 1} | found)) == run.design


# ---------------------------------------------------------------- minutes


@pytest.mark.slow
def test_minutes_on_digits(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A real small run: what is said adds up, and a network comes of it. The clock itself is not judged."""
    words = ["design", "digits", "--max-macs", "300K", "--minutes", "0.3", "-o", str(tmp_path / "run"), "--json"]
    assert main(words) == 0
    result = json.loads(capsys.readouterr().out)
    time_told = result["time"]
    assert time_told["minutes"] == 0.3
    parts = {name: value for name, value in time_told["seconds"].items() if name != "total"}
    assert set(parts) == {"start", "search", "training", "measuring and files"}
    assert sum(parts.values()) == pytest.approx(time_told["seconds"]["total"], abs=0.1)
    planned = result["search"]["planned"]
    assert all(len(c["curve"]) == c["epochs"] for c in result["search"]["candidates"])
    assert len(result["search"]["candidates"]) + len(result["search"]["not_begun"]) == planned["trials"]
    assert len(result["curve"]) == result["trained"]["epochs"]
    assert result["curve"][-1]["lr"] < 0.1 * max(epoch["lr"] for epoch in result["curve"]) or result["trained"]["epochs"] < 3
    assert nw.load(tmp_path / "run").result == result


def test_candidates_are_trained_for_as_long(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A design that computes twice as fast sees twice as many pictures; numbers of epochs that are given are the same for all."""
    from netwright.studies import trying

    def by_macs(design: Design, *_: object) -> Pace:
        return Pace(nw.trace(design, 24).macs * 1e-9, 0.0)

    monkeypatch.setattr(trying, "measured", by_macs)
    monkeypatch.setattr(trying.Search, "seconds", lambda planned, pace: 0.5)
    effort = Effort(trials=4, epochs=1)
    run = nw.design(photos, macs="2M", image=24, minutes=5, out=tmp_path / "run", effort=effort, progress=QUIET)
    tried = run.result["search"]["candidates"]
    assert len({c["macs"] for c in tried}) == len(tried) > 1
    for c in tried:
        assert len(c["curve"]) == c["epochs"]
        assert c["epochs"] * c["pictures"] == pytest.approx(0.5 / (c["macs"] * 1e-9), rel=0.15)
    assert "equally long" in (tmp_path / "run" / "report.html").read_text()
    effort = Effort(trials=2, trial_epochs=2, epochs=1)
    run = nw.design(photos, macs="2M", image=24, minutes=5, out=tmp_path / "other", effort=effort, progress=QUIET)
    assert {(c["epochs"], c["pictures"]) for c in run.result["search"]["candidates"]} == {(2, 39)}


def test_pictures_that_are_seen_a_few_times_are_not_cropped() -> None:
    assert {recipe_for(epochs).augment.crop for epochs in range(1, 5)} == {"none"}
    assert recipe_for(5) == Recipe(epochs=5)


def test_every_second_candidate_may_be_smaller() -> None:
    ground = Ground(compact_for(32, 10), Limits.of(macs=(None, "8M")), 32, 3, 0)
    near_limits, mixed = near(ground, 8), near(ground, 8, smaller=True)
    assert all(ground.limits.load(design, 32) >= 0.6 for design in near_limits.designs)
    assert [ground.limits.load(design, 32) >= 0.6 for design in mixed.designs] == [True, False] * 4
    assert all(ground.limits.load(design, 32) >= 0.2 for design in mixed.designs)
    assert mixed.designs[::2] == near_limits.designs[:4]


def test_a_candidate_past_the_end_is_not_begun(photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from netwright.studies import trying

    monkeypatch.setattr(trying, "measured", lambda *_: Pace(1e6, 1e6))
    monkeypatch.setattr(trying.Search, "seconds", lambda planned, pace: 1e6)
    run = nw.design(photos, macs="1M", image=24, minutes=0.2, out=tmp_path / "run", effort=Effort(epochs=1), progress=QUIET)
    found = run.result["search"]
    assert [c["number"] for c in found["candidates"]] == [1]
    assert found["not_begun"] == list(range(2, found["planned"]["trials"] + 1))
    assert run.result["trained"]["epochs"] == 1
    page = (tmp_path / "run" / "report.html").read_text()
    assert "12.0 s were asked for" in page


@pytest.mark.slow
def test_killed_and_gone_on_with(tmp_path: Path) -> None:
    """kill -9 in the search and in the training: what was decided stands, and finished candidates are not tried again."""
    out = tmp_path / "run"
    words = [sys.executable, "-m", "netwright", "design", "digits", "--max-macs", "300K", "--minutes", "0.3", "-o", str(out)]
    decided: dict[str, str] = {}
    for awaited in ("work/candidates/001.json", "work/decided.json"):
        process = subprocess.Popen(words, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
        while not (out / awaited).exists() and process.poll() is None:
            time.sleep(0.05)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        for name, text in decided.items():
            assert (out / name).read_text() == text
        names = ["work/search.json", *(f"work/candidates/{p.name}" for p in (out / "work/candidates").glob("[0-9]*.json"))]
        decided = {name: (out / name).read_text() for name in [*names, "work/decided.json"] if (out / name).exists()}
    assert "work/decided.json" in decided
    subprocess.run(words, check=True, capture_output=True)
    for name, text in decided.items():
        assert (out / name).read_text() == text
    result = json.loads((out / "result.json").read_text())
    assert result["trained"] == json.loads(decided["work/decided.json"])
    assert result["search"]["planned"] == json.loads(decided["work/search.json"])["planned"]
    other = subprocess.run([*words, "--baselines"], check=False, capture_output=True, text=True)
    assert other.returncode == 2
    assert "holds a run made with other arguments (baselines None, now True)" in other.stderr


# ---------------------------------------------------------------- baselines


@given(st.integers(0, 400), st.integers(0, 400))
def test_mcnemar_is_the_binomial_test(first: int, second: int) -> None:
    expected = binomtest(first, first + second, 0.5).pvalue if first + second else 1.0
    assert baselines.mcnemar(first, second) == pytest.approx(expected, rel=1e-9)


def asked(data: Any, image: int | None, limits: Limits, out: Path) -> Asked:
    plan = Plan.of(open_source(data), image, 0, 0.2)
    return Asked(plan, limits, Effort(), Clock(None), Output(out), QUIET)


@pytest.mark.parametrize(
    ("image", "limits"),
    [(24, {"macs": (None, "5M")}), (32, {"params": (None, "500K")}), (64, {"macs": (None, "30M"), "inference_memory": "10MB"})],
)
def test_baselines_are_two_families_within_the_limits(image: int, limits: dict[str, Any], photos: Path, tmp_path: Path) -> None:
    found = baselines.chosen(asked(photos, image, Limits.of(use=Use(3), **limits), tmp_path))
    assert len(found) == 2
    assert len({type(one.design) for one in found}) == 2
    for one in found:
        made = nw.cost(one.design, image)
        has = {"macs": made.macs, "params": made.params, "inference_memory": made.memory.inference}
        most = {"macs": 5e6 if image == 24 else 30e6, "params": 5e5, "inference_memory": 1e7}
        shares = [has[name] / most[name] for name in limits]
        assert max(shares) == pytest.approx(one.load)
        assert 0.3 < max(shares) <= 1
        assert one.design.fields()["classes"] == 3


def test_limits_that_no_network_of_the_zoo_meets(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(NetwrightError, match="no network of the zoo has at most 9,000 macs at 24 px: leave out --baselines"):
        baselines.chosen(asked(photos, 24, Limits.of(macs=(None, "9K")), tmp_path))


def test_baselines_are_trained_and_tested(photos: Path, tmp_path: Path) -> None:
    run = nw.design(photos, macs="2M", image=24, out=tmp_path / "run", baselines=True, effort=TINY, progress=QUIET)
    first, *others = run.result["baselines"]["rows"]
    assert first["name"] == "design"
    assert first["top1"] == run.result["accuracy"]["top1"]
    assert len(others) == 2
    source = open_source(photos)
    for row in others:
        (folder,) = [
            path for path in (tmp_path / "run" / "work" / "baselines").iterdir() if json_of(path)["row"]["name"] == row["name"]
        ]
        assert row["macs"] <= 2_000_000
        assert row["of"] == first["of"] == len(source.split(0, 0.2).test)
        low, high = row["interval_95"]
        assert low <= row["top1"] <= high
        assert row["correct"] - first["correct"] == row["only_this_right"] - row["only_design_right"]
        assert row["p"] == pytest.approx(baselines.mcnemar(row["only_design_right"], row["only_this_right"]))
        assert row["better"] in ("undecided", "design", row["name"])
        assert (row["better"] == "undecided") == (row["p"] > 0.05)
        design = nw.from_json((folder / "design.json").read_text())
        again = nw.build(design, 24, weights=folder / "model.safetensors")
        assert again is not None
        assert json_of(folder)["right"].count("1") == row["correct"]
    assert "Beside networks of the zoo" in (tmp_path / "run" / "report.html").read_text()


def json_of(folder: Path) -> dict[str, Any]:
    value: dict[str, Any] = json.loads((folder / "result.json").read_text())
    return value


# ---------------------------------------------------------------- weights


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small network that knows the photos well."""
    out = tmp_path_factory.mktemp("weights") / "run"
    nw.train(nw.network("resnet20_cifar", depth=1, width=8), photos, image=24, recipe=Recipe(epochs=20), out=out, progress=QUIET)
    return out


def small() -> Design:
    return nw.network("resnet20_cifar", depth=1, width=8)


def digits_in_halves(folder: Path) -> tuple[Path, Path]:
    """Two data sets without a common picture."""
    from sklearn.datasets import load_digits

    pixels, labels = (load_digits().images * 15.9).astype("uint8"), load_digits().target
    files = folder / "first.npz", folder / "second.npz"
    for place, file in enumerate(files):
        np.savez(file, images=pixels[place::2], labels=labels[place::2])
    return files


def test_weights_that_know_the_pictures_are_refused(photos: Path, trained: Path, tmp_path: Path) -> None:
    weights = (small(), trained / "model.safetensors")
    with pytest.raises(NetwrightError, match=r"were trained on .*photos: .*give weights from other pictures"):
        nw.design(photos, macs="2M", image=24, weights=weights, out=tmp_path / "run", effort=TINY, progress=QUIET)


def test_weights_are_tuned_and_validation_chooses(tmp_path: Path) -> None:
    design, (known, new) = small().replace(classes=10), digits_in_halves(tmp_path)
    nw.train(design, known, recipe=Recipe(epochs=8), out=tmp_path / "known", progress=QUIET)
    weights = (design, tmp_path / "known" / "model.safetensors")
    effort = TINY.replace(epochs=1)
    run = nw.design(new, macs="2M", weights=weights, out=tmp_path / "run", effort=effort, progress=QUIET)
    told = run.result["weights"]
    scratch, tuned = told["rows"]
    assert scratch["start"] == "from scratch"
    wins = tuned["validation_accuracy"] > scratch["validation_accuracy"]
    assert told["chosen"] == (tuned["start"] if wins else "from scratch")
    assert wins, told  # one epoch from scratch is no match
    assert run.design == design
    assert "model.safetensors (" in run.result["data"]["started_from"]
    assert run.result["accuracy"]["top1"] == nw.evaluate(run, new).accuracy
    assert scratch["of"] == tuned["of"] == run.result["data"]["pictures"]["validation"]
    assert "From weights, or from scratch" in (tmp_path / "run" / "report.html").read_text()


def test_a_runs_folder_names_network_and_weights(
    photos: Path, trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    others = make_photos(tmp_path / "others", each=16)
    words = ["design", str(others), "--max-macs", "2M", "--image", "24", "--trials", "1", "--trial-epochs", "1", "--epochs", "1"]
    assert main([*words, "--weights", str(trained), "-o", str(tmp_path / "run"), "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["weights"]["rows"]) == 2


def test_weights_beyond_the_limits(trained: Path, tmp_path: Path) -> None:
    photos, weights = make_photos(tmp_path / "others", each=16), (small(), trained / "model.safetensors")
    with pytest.raises(NetwrightError, match=r"has .* macs at 24 px, and at most 400,000 macs is asked for: raise the limit"):
        nw.design(photos, macs="400K", image=24, weights=weights, out=tmp_path / "run", effort=TINY, progress=QUIET)
    assert not (tmp_path / "run").exists()
