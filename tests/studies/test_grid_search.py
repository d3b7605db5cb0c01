"""The grid search for alpha, beta, gamma, the sampler that tries a finite space, and designs that carry their resolution."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import netwright as nw
from netwright.cli import main
from netwright.data import open_source
from netwright.errors import DesignError, NetwrightError
from netwright.files import run_file
from netwright.graph import Value
from netwright.progress import Progress
from netwright.scaling import candidates
from netwright.scaling.rules import find_rule
from netwright.spaces import Pick, scalings
from netwright.spaces.finite import every
from netwright.studies import Goal, Limits
from netwright.studies.on_pictures import OnPictures, planned
from netwright.studies.question import Question
from netwright.studies.ranking import BEHIND, BEST, UNDECIDED, UNKNOWN, Ranking, difference
from netwright.training.machine import Machine
from netwright.training.recipes.recipe import Recipe
from tests.conftest import make_photos

QUIET = Progress(quiet=True)
ROOT = Path(__file__).parents[2]
NETS = Path(__file__).with_name("scalable.py")
Capture = pytest.CaptureFixture[str]


class Plain(nw.Design):
    """Wide and deep enough that rounding to layers and multiples of 8 is finer than the grids here."""

    width: int = 160
    depth: int = 20
    resolution: int = 64

    def __call__(self, x):
        x = x.conv("stem", self.width, 3, stride=2)
        for i in range(self.depth):
            x = x.conv(f"conv{i}", self.width, 3).relu()
        return x.global_pool().linear("fc", 10)

    def resized(self, by):
        return self.replace(width=by.width(self.width), depth=by.depth(self.depth))


class Unsized(nw.Design):
    width: int = 8

    def __call__(self, x):
        return x.conv("stem", self.width, 3).global_pool().linear("fc", 10)


# ---------------------------------------------------------------- finite spaces


def branching(pick: Pick) -> Plain | None:
    """Choices of all kinds; what is asked for second depends on the first, and some answers are no members."""
    depth = pick.choice("depth", (1, 3))
    widths = pick.rising("width", 2, 8, 32, 8) if depth == 3 else [pick.integer("width", 8, 24, 8)]
    return None if sum(widths) == 48 else Plain(sum(widths), depth, pick.choice("side", {"small": 16, "large": 24}))


def test_every_member_of_a_finite_space_is_met_once_in_order() -> None:
    rising = [(a, b) for a in (8, 16, 24, 32) for b in (8, 16, 24, 32) if a <= b]
    sums = [(1, w) for w in (8, 16, 24)] + [(3, a + b) for a, b in rising if a + b != 48]
    wanted = [Plain(width, depth, side) for depth, width in sums for side in (16, 24)]
    assert list(every(nw.spaces.space(branching), branching)) == wanted


def test_fixed_and_shared_choices_are_not_walked_over() -> None:
    space = nw.spaces.space(branching).fixed(depth=3, side="small").shared("width")
    assert [design.width for design in every(space, space) if design is not None] == [16, 32, 64]


def worth(design: Plain, seed: int, report: object) -> float:
    return design.width / 100


def test_the_grid_sampler_tries_each_design_once() -> None:
    study = nw.search(space=branching, sampler="grid", evaluate=worth, image=32, progress=QUIET)
    different = set(every(nw.spaces.space(branching).at(32), nw.spaces.space(branching).at(32)))  # three pairs add up to 40
    assert len(study) == study.wanted == len(different) < 24
    assert {trial.design for trial in study.complete} == different
    assert study.best.design.width == 64
    part = nw.search(space=branching, sampler="grid", trials=4, evaluate=worth, image=32, progress=QUIET)
    assert len(part) == 4


def test_limits_hold_for_a_grid() -> None:
    study = nw.search(space=branching, sampler="grid", params="5K", evaluate=worth, image=32, progress=QUIET)
    within = {d for d in every(nw.spaces.space(branching).at(32), branching) if nw.cost(d.replace(resolution=32)).params <= 5000}
    assert {trial.design.width for trial in study} == {design.width for design in within}
    assert 0 < len(study) < 10


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ({"space": "regnetx"}, r"regnetx asks for a real number, \w+ \(.*\); fix it, or take random$"),
        ({"space": "anynetx_a"}, "anynetx_a has more than 10,000 ways to choose; fix some choices"),
        ({"space": branching, "trials": 30}, "branching has 9 designs within the limits, .* 30 trials are too many"),
        ({"space": branching, "params": 10}, "no design of branching has at most 10 params at 32 px: widen the limits"),
    ],
    ids=["real", "large", "trials", "none"],
)
def test_what_the_grid_sampler_refuses(how: dict, message: str) -> None:
    with pytest.raises(NetwrightError, match=message) as caught:
        nw.search(**how, sampler="grid", evaluate=worth, image=32, progress=QUIET)
    assert "\n" not in str(caught.value)


# ---------------------------------------------------------------- the space of scalings


def test_the_space_has_the_candidates_and_outlives_json() -> None:
    net, found = Plain(40, 3, 32), candidates(Plain(40, 3, 32), step=0.2, progress=QUIET)
    space = scalings(net, step=0.2, progress=QUIET)
    made = list(every(space, space))
    assert made == [one.scaled.design for one in found]
    assert [design.resolution for design in made] == [one.scaled.image for one in found]
    asked = Question(space, Limits(), Goal(), "grid", {"function": "worth"}, None)
    assert Question.from_json(json.loads(json.dumps(asked.to_json()))) == asked
    zoo = scalings("resnet20_cifar", step=0.4, image=24, channels=1, progress=QUIET).at(classes=3)
    assert all(design.classes == 3 and 24 <= design.resolution <= 36 for design in every(zoo, zoo))


def test_a_network_of_a_users_file_is_found_by_other_processes(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(NETS.read_text())
    net = run_file(file).Small()
    plain = Question(scalings(net, step=0.4, progress=QUIET), Limits(), Goal(), "grid", {}, None).to_json()
    kind = plain["space"]["space"]["net"]["type"]
    del Value.registry[kind]  # as in a process that has not seen the file
    again = Question.from_json(plain)
    assert type(again.space.net).__name__ == "Small"
    file.write_text(NETS.read_text() + "\n# changed\n")
    with pytest.raises(NetwrightError, match=r"mine.py has changed since the study was made: the network is another one"):
        Question.from_json(plain)
    file.unlink()
    with pytest.raises(NetwrightError, match=r"there is no file .*mine.py, which defines the network"):
        Question.from_json(plain)
    here = Question(scalings(Plain(8, 1, 16), step=0.4, progress=QUIET), Limits(), Goal(), "grid", {}, None).to_json()
    kind = here["space"]["space"]["net"]["type"]
    kept = Value.registry.pop(kind)
    try:
        with pytest.raises(NetwrightError, match=r"and only there: name the network as file.py:name"):
            Question.from_json(here)
    finally:
        Value.registry[kind] = kept


# ---------------------------------------------------------------- a known maximum


PEAK = (1.27, 1.13, 1.09)  # multiples of depth, width and resolution; 1.27 x 1.13^2 x 1.09^2 = 1.93


def peaked(design: Plain, seed: int, report: object) -> float:
    """Falls off from the peak to all sides, in the multiples that the design really has."""
    has = (design.depth / 20, design.width / 160, design.resolution / 64)
    return math.exp(-sum(4 * math.log(a / b) ** 2 for a, b in zip(has, PEAK, strict=True)))


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Ranking, Path]:
    out = tmp_path_factory.mktemp("out") / "grid"
    return nw.grid_search(Plain(), evaluate=peaked, pictures=2000, step=0.1, out=out, progress=QUIET), out


def test_a_known_maximum_is_found_as_exactly_as_the_grid_allows(found: tuple[Ranking, Path]) -> None:
    """Claim: with alpha beta^2 gamma^2 = 2 a grid search over few networks finds the best balance."""
    ranking, out = found
    triples = {(row.alpha, row.beta, row.gamma): row for row in ranking.rows}
    assert set(triples) == {(c.alpha, c.beta, c.gamma) for c in candidates(Plain(), step=0.1, progress=QUIET)}
    assert len(ranking.study) == len(triples) == ranking.study.wanted
    best = ranking.rows[0]
    assert best.verdict == BEST
    assert all(abs(value - wanted) <= 0.1 for value, wanted in zip((best.alpha, best.beta, best.gamma), PEAK, strict=True))
    assert ranking.rule == find_rule(str(out)) == nw.scaling.compound(best.alpha, best.beta, best.gamma)
    assert nw.scale(Plain(), phi=2, rule=str(out)).factors.depth == pytest.approx(best.alpha**2)
    written = json.loads((out / "result.json").read_text())["grid"]
    assert [one["accuracy"] for one in written["triples"]] == sorted((row.accuracy for row in ranking.rows), reverse=True)
    assert (written["verdict"], written["pictures"]) == (ranking.verdict, 2000)
    page = (out / "report.html").read_text()
    assert ranking.told() in page
    assert "each at its own resolution" in page


def test_the_best_is_told_apart_only_where_pictures_allow_it(found: tuple[Ranking, Path]) -> None:
    many, few, unknown = (Ranking(found[0].study, pictures) for pictures in (10_000_000, 20, None))
    assert many.verdict == BEHIND
    assert "better than all" in many.told()
    assert few.verdict == UNDECIDED
    assert f"undecided: not told apart from {sum(r.verdict == UNDECIDED for r in few.rows)} of" in few.told()
    assert (unknown.verdict, unknown.rows[0].interval) == (UNKNOWN, None)
    assert "not known on how many pictures" in unknown.told()


@pytest.mark.parametrize(
    ("counts", "n", "interval"),
    [
        ((9, 3), 10, (0.1705, 0.8090)),
        ((6, 2), 7, (0.0582, 0.8062)),
        ((10, 0), 10, (0.6075, 1.0)),
        ((0, 0), 10, (-0.2775, 0.2775)),
    ],
)
def test_intervals_of_differences_are_newcombes(counts: tuple[int, int], n: int, interval: tuple[float, float]) -> None:
    """Newcombe 1998 (Statistics in Medicine 17:873), Table II, method 10."""
    first, second = counts
    assert difference(first / n, second / n, n, 1.959964) == pytest.approx(interval, abs=6e-5)


# ---------------------------------------------------------------- real trainings


def test_designs_are_trained_at_their_own_resolution(tmp_path: Path) -> None:
    """An evaluation at each design's own resolution gives what one at just that image gives."""
    small = run_file(NETS).Small
    source = open_source(str(make_photos(tmp_path / "photos")), None)
    recipe = Recipe(epochs=1, batch=16)
    own = OnPictures(planned(source, 16, 0), recipe, Machine(), None, QUIET, own=True)
    for side in (20, 12, 20):
        alone = OnPictures(planned(source, side, 0), recipe, Machine(), None, QUIET)
        design = small(classes=3, resolution=side)
        assert own(design, 5, lambda *_: None) == alone(design, 5, lambda *_: None)
        assert alone.job.plan.image == side


def finished(folder: Path) -> int:
    try:
        return nw.read_study(str(folder)).counts["complete"]
    except NetwrightError:
        return 0


@pytest.mark.slow
def test_a_killed_grid_search_goes_on_and_has_each_candidate_once(tmp_path: Path, capsys: Capture) -> None:
    photos, out = make_photos(tmp_path / "photos", each=20), tmp_path / "grid"
    words = ["search", str(photos), "--scale", f"{NETS}:Small", "--step", "0.2", "--epochs", "2", "--batch", "16", "-o", str(out)]
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    process = subprocess.Popen(
        [sys.executable, "-m", "netwright", *words, "--threads", "1"],
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while process.poll() is None and not finished(out):
            time.sleep(0.05)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    before = finished(out)
    assert main(words) == 0
    told = capsys.readouterr().out
    small = run_file(NETS).Small
    wanted = candidates(small(classes=3), step=0.2, image=24, progress=QUIET)
    result = json.loads((out / "result.json").read_text())
    assert 1 <= before < len(wanted), "the kill came too late"
    assert result["counts"]["complete"] == result["wanted"] == len(wanted)
    tried = [json.dumps(trial["design"], sort_keys=True) for trial in result["trials"]]
    assert sorted(tried) == sorted(json.dumps(json.loads(nw.to_json(c.scaled.design)), sort_keys=True) for c in wanted)
    assert {row["image"] for row in result["grid"]["triples"]} == {made.scaled.image for made in wanted}
    assert result["grid"]["pictures"] == 9  # of each class a fifth of the 16 that are not held out
    assert "95 %" in told
    assert main(["scale", f"{NETS}:Small", "--rule", str(out), "--phi", "2", "--json"]) == 0
    rule = json.loads(capsys.readouterr().out)["rule"]
    best = result["grid"]["triples"][0]
    assert (rule["depth"], rule["width"], rule["resolution"]) == (best["alpha"], best["beta"], best["gamma"])
    assert main(words) == 2  # it is finished


# ---------------------------------------------------------------- what users do wrong


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("photos --scale resnet51", "unknown network 'resnet51'"),
        ("photos --scale resnet18 --space regnetx", "--space is not for --scale"),
        ("photos --scale resnet18 --sampler tpe", "--sampler is not for --scale"),
        ("photos --scale resnet18 --trials 4", "--trials is not for --scale"),
        ("photos --step 0.1", "--step is for --scale NET"),
        ("photos --scale resnet18 --image own", "image is 'own'"),
        ("photos --scale resnet18 --step 0.001", "a finer grid than 0.01"),
        ("photos --scale resnet18 --step 0.9 --tolerance 0.05", "take a finer step"),
        ("photos --scale alexnet --image 64", "AlexNet"),
        ("--scale resnet18", "give DATA to train on"),
        ("photos --image 0", "0 is not in the range"),
    ],
)
def test_bad_input_is_one_line(
    words: str, message: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_photos(tmp_path / "photos", each=3)
    monkeypatch.chdir(tmp_path)
    assert main(["search", *words.split(), "-o", "grid"]) == 2
    told = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in told
    assert not (tmp_path / "grid").exists()


def test_what_grid_search_and_rules_refuse(tmp_path: Path) -> None:
    with pytest.raises(DesignError, match=r"Unsized carries no image size: .* give it a field resolution"):
        nw.grid_search(Unsized(), evaluate=worth)
    with pytest.raises(NetwrightError, match="pictures is 0, expected a whole number"):
        nw.grid_search(Plain(), evaluate=worth, pictures=0)
    with pytest.raises(NetwrightError, match="give pictures to train on, or an evaluation"):
        nw.grid_search(Plain())
    with pytest.raises(NetwrightError, match="scalings of Plain say their own resolution: leave out the image"):
        nw.search(space=scalings(Plain(8, 1, 16), step=0.4, progress=QUIET), evaluate=worth, image=32)
    with pytest.raises(NetwrightError, match=r"cannot read the rule .*rule.json.*finished grid search"):
        find_rule(str(tmp_path))
    (tmp_path / "net.json").write_text(nw.to_json(nw.network("resnet18")))
    with pytest.raises(NetwrightError, match=r"net.json holds no scaling rule: it holds a ResNet"):
        find_rule(str(tmp_path / "net.json"))
    (tmp_path / "rule.json").write_text("{")
    with pytest.raises(NetwrightError, match="holds no scaling rule"):
        find_rule(str(tmp_path))
