"""`search` and its command: real trainings, workers that are killed, what users do wrong, and the pages."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

import netwright as nw
from netwright.cli import main
from netwright.errors import NetwrightError
from netwright.graph import read_design
from netwright.progress import Progress
from netwright.spaces import Pick
from netwright.studies import Goal, Limits, read_study
from netwright.studies.question import Question
from netwright.studies.trials import COMPLETE
from netwright.training.recipes.recipe import Recipe
from tests.conftest import make_photos
from tests.studies import evaluators
from tests.studies.evaluators import at_once, evaluations, worth
from tests.studies.helpers import question
from tests.test_latency import Law

QUIET = Progress(quiet=True)
HELPERS = Path(__file__).with_name("helpers.py")
OWN = ["--evaluate", f"{evaluators.__file__}:noted", "--space", f"{HELPERS}:small", "--image", "32", "--max-macs", "5M"]
Capture = pytest.CaptureFixture[str]


def check_study(study: nw.Study, wanted: int) -> None:
    """Every slot once, and every value that of its design and seed."""
    assert sorted(trial.slot for trial in study.complete) == list(range(wanted))
    assert all(trial.accuracy == worth(trial.design, trial.seed) for trial in study.complete)


# ---------------------------------------------------------------- real trainings


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_photos(tmp_path_factory.mktemp("data") / "photos", each=20)


@pytest.fixture(scope="module")
def trained(photos: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[nw.Study, Path]:
    out = tmp_path_factory.mktemp("out") / "study"
    return nw.search(photos, macs="1M", image=24, trials=3, recipe=Recipe(epochs=2), out=out, progress=QUIET), out


def test_designs_are_trained_within_the_limits_and_everything_is_written(trained: tuple[nw.Study, Path]) -> None:
    study, out = trained
    assert len(study.complete) == 3
    assert {"design.json", "report.html", "result.json", "work"} == {path.name for path in out.iterdir()}
    assert read_design(out / "design.json") == study.best.design
    for trial in study:
        assert nw.cost(trial.design, 24).macs == trial.macs <= 1_000_000
        assert list(trial.curve) == [1, 2]
        assert trial.accuracy == trial.curve[2]
        assert trial.design.classes == 3
    written = json.loads((out / "result.json").read_text())
    assert [one["accuracy"] for one in written["trials"]] == [trial.accuracy for trial in study]
    assert written["question"]["evaluation"]["pictures"].startswith("60 ")
    again = read_study(str(out))
    assert [trial.accuracy for trial in again] == [trial.accuracy for trial in study]
    assert again.question == study.question


def test_a_trials_accuracy_is_that_of_training_it_again(photos: Path, trained: tuple[nw.Study, Path]) -> None:
    from netwright.studies.searching import evaluator
    from netwright.training.machine import Machine

    study, _ = trained
    evaluate = evaluator(study.question, None, Machine(), None, QUIET)
    trial = study[1]
    assert evaluate(trial.design, trial.seed, lambda epoch, accuracy: None) == trial.accuracy


def test_other_pictures_are_refused(photos: Path, trained: tuple[nw.Study, Path], tmp_path: Path) -> None:
    other = make_photos(tmp_path / "others", each=12)
    with pytest.raises(NetwrightError, match="holds other pictures"):
        nw.join_study(str(trained[1]), data=other, progress=QUIET)


def test_the_page_of_a_study_says_what_was_found(trained: tuple[nw.Study, Path]) -> None:
    study, out = trained
    page = (out / "report.html").read_text()
    assert f"{100 * study.best.accuracy:.1f} %" in page
    assert "at most 1,000,000 macs at 24 px" in page
    assert "http" not in page.replace("http://www.w3.org", "").replace("http-equiv", "")


# ---------------------------------------------------------------- goals


def test_a_reward_weighs_accuracy_and_cost() -> None:
    study = nw.search(
        space=question().space,
        macs="5M",
        goal=Goal(kind="reward", measure="macs", target=1e6),
        evaluate=at_once,
        image=32,
        trials=8,
        progress=QUIET,
    )
    for trial in study:
        assert trial.value == pytest.approx(trial.accuracy * (trial.macs / 1e6) ** -0.07)
    assert study.best.value == max(trial.value for trial in study)


@pytest.mark.parametrize("measure", ["params", "inference_memory"])
def test_a_front_holds_what_nothing_betters(measure: str) -> None:
    goal = Goal(kind="pareto", measure=measure)
    study = nw.search(space=question().space, goal=goal, evaluate=at_once, image=32, trials=15, progress=QUIET)
    points = {trial.number: trial.values for trial in study.complete}

    def bettered(one: tuple[float, ...]) -> bool:
        return any(a >= one[0] and c <= one[1] and (a, c) != one for a, c in points.values())

    assert {trial.number for trial in study.front} == {number for number, one in points.items() if not bettered(one)}
    cost = nw.cost(study.best.design, 32)
    assert study.best.values[1] == (cost.params if measure == "params" else cost.memory.inference)


def test_limits_on_memory_hold_for_every_design() -> None:
    study = nw.search(
        space=question().space, limits=Limits.of(inference_memory="1MB"), evaluate=at_once, image=32, trials=6, progress=QUIET
    )
    assert all(nw.cost(trial.design, 32).memory.inference <= 1_000_000 for trial in study)


# ---------------------------------------------------------------- workers that die


def processes_of(study: Path) -> list[int]:
    """The workers of a study that run now."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                words = (entry / "cmdline").read_bytes()
            except OSError:
                continue
            if b"--join" in words and str(study).encode() in words:
                found.append(int(entry.name))
    return found


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
def test_killed_workers_are_started_again_and_no_trial_is_lost_or_doubled(tmp_path: Path) -> None:
    notes, out, chance = tmp_path / "notes", tmp_path / "study", random.Random(1)
    environment = os.environ | {"NOTED": str(notes), "NOTED_SECONDS": "0.6"}
    words = [sys.executable, "-m", "netwright", "search", *OWN, "--trials", "24", "--workers", "2", "-o", str(out)]
    search = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    kills = 0
    while search.poll() is None and kills < 4:
        time.sleep(chance.uniform(2, 5))
        running = processes_of(out)
        if running and notes.exists():
            os.kill(chance.choice(running), signal.SIGKILL)
            kills += 1
    assert search.wait(120) == 0
    assert kills >= 2
    check_study(read_study(str(out)), 24)
    assert len(evaluations(notes)) >= 24


def in_the_middle(out: Path) -> int:
    """How many trials run and have reported."""
    try:
        return sum(trial.status == "running" and bool(trial.curve) for trial in read_study(str(out)))
    except NetwrightError:  # it is not begun
        return 0


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="looks for processes in /proc")
def test_workers_end_with_the_command_that_started_them_and_give_back_their_trials(tmp_path: Path) -> None:
    notes, out = tmp_path / "notes", tmp_path / "study"
    environment = os.environ | {"NOTED": str(notes), "NOTED_SECONDS": "3"}
    words = [sys.executable, "-m", "netwright", "search", *OWN, "--trials", "50", "--workers", "2", "-o", str(out)]
    search = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    try:
        while in_the_middle(out) < 2:
            assert search.poll() is None
            time.sleep(0.05)
    finally:
        search.kill()
        search.wait()
    until = time.monotonic() + 60
    while processes_of(out):
        assert time.monotonic() < until, f"{processes_of(out)} are still at work"
        time.sleep(0.05)
    study = read_study(str(out))
    assert study.counts["running"] == 0
    assert all(trial.reason == "" for trial in study.lost)  # given back, not found dead
    assert len(study.complete) < 50


def test_a_worker_ends_only_with_its_input_where_it_is_told_so(tmp_path: Path) -> None:
    """Those that join by hand may have no input at all, as under SLURM or nohup."""
    made = ["search", "--evaluate", f"{evaluators.__file__}:at_once", "--image", "32", "--trials", "1", "-o", str(tmp_path / "x")]
    assert main(made) == 0
    words = [sys.executable, "-m", "netwright", "search", "--join", str(tmp_path / "x")]
    assert subprocess.run(words, stdin=subprocess.DEVNULL, capture_output=True).returncode == 0
    assert "leashed" not in subprocess.run([*words[:4], "--help"], capture_output=True, text=True).stdout


@pytest.mark.slow
def test_a_killed_search_goes_on_with_the_same_command(tmp_path: Path) -> None:
    notes, out = tmp_path / "notes", tmp_path / "study"
    environment = os.environ | {"NOTED": str(notes), "NOTED_SECONDS": "0.3"}
    words = [sys.executable, "-m", "netwright", "search", *OWN, "--trials", "10", "-o", str(out)]
    search = subprocess.Popen(words, env=environment, stderr=subprocess.DEVNULL)
    while not notes.exists() or len(evaluations(notes)) < 3:
        assert search.poll() is None
        time.sleep(0.05)
    search.kill()
    search.wait()
    subprocess.run(words, env=environment, check=True, capture_output=True)
    study = read_study(str(out))
    check_study(study, 10)
    assert len(study.lost) <= 1
    assert len(evaluations(notes)) <= 11


def test_what_is_limited_is_measured_and_shown(tmp_path: Path) -> None:
    """Latency as the law of the profile says it, and memory, for each of the trials and on the page."""
    profile = Law().profile()
    limits = Limits.of(latency="50ms", inference_memory="2MB", device=profile)
    out = tmp_path / "study"
    study = nw.search(space=question().space, limits=limits, evaluate=at_once, image=32, trials=3, out=out, progress=QUIET)
    for trial in study:
        cost = nw.cost(trial.design, 32, profile=profile)
        assert trial.costs == {"latency": cost.milliseconds, "inference_memory": cost.memory.inference}
    page = (out / "report.html").read_text()
    assert '<th scope="col">inference memory</th><th scope="col">latency</th>' in page.replace("\n", "")
    assert f"<td>{study.best.costs['latency']:,.4g} ms</td>" in page


# ---------------------------------------------------------------- the command


def own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("NOTED", str(tmp_path / "notes"))
    monkeypatch.setenv("NOTED_SECONDS", "0")


def test_the_command_goes_on_to_more_trials_and_joins(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    own(monkeypatch, tmp_path)
    out = tmp_path / "study"
    assert main(["search", *OWN, "--trials", "4", "-o", str(out)]) == 0
    assert "4 trials wanted, 4 complete" in capsys.readouterr().out
    assert main(["search", *OWN, "--trials", "4", "-o", str(out)]) == 2
    assert "holds a finished run" in capsys.readouterr().err
    assert main(["search", *OWN, "--trials", "6", "-o", str(out), "--json"]) == 0
    made = json.loads(capsys.readouterr().out)
    assert made["counts"]["complete"] == made["wanted"] == 6
    assert main(["search", "--join", str(out)]) == 0
    assert "6 trials wanted, 6 complete" in capsys.readouterr().out
    assert main(["search", *OWN, "--seed", "1", "--trials", "9", "-o", str(out)]) == 2
    assert (out / "result.json").exists()
    assert main(["search", "--samplers"]) == 0
    assert "random" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["search"], "give DATA to train on"),
        (["search", "digits"], "-o"),
        (["search", *OWN, "--max-macs", "10", "-o", "x"], "the smallest found has"),
        (["search", *OWN, "--max-inference-memory", "10K", "-o", "x"], "the smallest has"),
        (["search", *OWN, "--sampler", "evolutoin", "-o", "x"], "did you mean evolution"),
        (["search", *OWN, "--space", "regnetz", "-o", "x"], "did you mean regnety, regnetx"),
        (["search", *OWN, "--goal", "reward", "-o", "x"], "needs a target"),
        (["search", *OWN, "--evaluate", f"{HELPERS}:nothing", "-o", "x"], "is no function"),
        (["search", *OWN, "--evaluate", "worth", "-o", "x"], "write file.py:name"),
        (["search", "--join", "nowhere"], "there is no folder nowhere"),
        (["search", "--join", "postgresql://me:secret@127.0.0.1:1/studies", "--study", "x"], "cannot reach the storage"),
        (["search", "no/such/folder", "-o", "x"], "no/such/folder"),
    ],
)
def test_mistakes_are_told_in_one_line(
    words: list[str], told: str, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(monkeypatch, tmp_path)
    monkeypatch.chdir(tmp_path)
    assert main(words) == 2
    error = capsys.readouterr().err
    assert told in error
    assert len(error.strip().splitlines()) == 1
    assert "secret" not in error
    assert not (tmp_path / "x").exists()


def test_a_space_that_raises_is_told_with_its_file_and_choices(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "mine.py"
    file.write_text(
        "def space(pick):\n    pick.integer('depth', 1, 3)\n    raise ValueError('oh no')\ndef other(pick):\n    return 3\n"
    )
    words = ["search", "--evaluate", f"{evaluators.__file__}:at_once", "--image", "32", "-o", str(tmp_path / "x")]
    assert main([*words, "--space", f"{file}:space"]) == 2
    assert "(line 3) fails: ValueError: oh no (choices: depth=" in capsys.readouterr().err
    assert main([*words, "--space", f"{file}:other"]) == 2
    assert "returned 3, expected a design or None" in capsys.readouterr().err


# ---------------------------------------------------------------- questions


def test_a_question_survives_the_storage() -> None:
    space = nw.spaces.anynetx_a.at(32, 10).fixed(depth=3).shared("width")
    asked = Question(
        space, Limits.of(macs=("1M", "5M"), memory="1GB"), Goal(kind="pareto", measure="acts"), "random", {"function": "f"}, 32
    )
    assert Question.from_json(json.loads(json.dumps(asked.to_json()))) == asked


def test_a_users_space_is_shared_by_its_file(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text("from netwright.spaces import regnet_for\ndef space(pick):\n    return regnet_for(32, 10)(pick)\n")
    plain = question(space=nw.spaces.space(f"{file}:space").at(32, 7)).to_json()
    again = Question.from_json(plain).space
    assert again(Pick(random.Random(1))).classes == 7
    file.write_text(file.read_text() + "\n# another one\n")
    with pytest.raises(NetwrightError, match=r"has changed since the study was made"):
        Question.from_json(plain)
    of_program = question(space=nw.spaces.space(lambda pick: None)).to_json()
    with pytest.raises(NetwrightError, match=r"name a space as file.py:name"):
        Question.from_json(of_program)


# ---------------------------------------------------------------- comparing studies


def test_studies_are_compared_as_populations(tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    own(monkeypatch, tmp_path)
    folders = [tmp_path / "a", tmp_path / "b"]
    for seed, folder in enumerate(folders):
        assert main(["search", *OWN, "--trials", "6", "--seed", str(seed), "-o", str(folder)]) == 0
    capsys.readouterr()
    page = tmp_path / "page.html"
    assert main(["report", *map(str, folders), "-o", str(page)]) == 0
    told = capsys.readouterr().out
    assert "a: 6 complete" in told
    assert "undecided" in told or "better" in told or "worse" in told
    assert "a against b" in page.read_text()
    assert main(["report", str(folders[0]), "--json"]) == 0
    (people,) = json.loads(capsys.readouterr().out)["populations"]
    complete = [trial for trial in read_study(str(folders[0])) if trial.status == COMPLETE]
    assert [member["error"] for member in people["members"]] == [1 - trial.accuracy for trial in complete]
    assert main(["report", str(folders[0])]) == 2
    assert "give more than one study" in capsys.readouterr().err


def test_halving_ends_poor_trials_early_and_keeps_them_out_of_statistics(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(monkeypatch, tmp_path)
    words = ["search", *OWN, "--trials", "20", "--halving", "2", "-o", str(tmp_path / "study"), "--json"]
    assert main(words) == 0
    made = json.loads(capsys.readouterr().out)
    stopped = [trial for trial in made["trials"] if trial["status"] == "stopped early"]
    complete = [trial for trial in made["trials"] if trial["status"] == "complete"]
    assert stopped
    assert len(stopped) + len(complete) == 20
    assert len(evaluations(tmp_path / "notes")) == len(complete)  # the others did not come to their end
    assert all(len(trial["curve"]) < 3 and trial["values"] is None for trial in stopped)
    people = read_study(str(tmp_path / "study")).population()
    assert len(people.errors) == len(complete)
    assert people.counts["stopped early"] == len(stopped)


def test_pictures_and_an_own_evaluation_exclude_each_other(photos: Path, capsys: Capture, tmp_path: Path) -> None:
    assert main(["search", str(photos), *OWN, "-o", str(tmp_path / "x")]) == 2
    assert "not both" in capsys.readouterr().err


def test_a_goal_on_latency_needs_a_calibrated_device(capsys: Capture, tmp_path: Path) -> None:
    assert main(["search", *OWN, "--goal", "reward", "--measure", "latency", "--target", "5ms", "-o", str(tmp_path / "x")]) == 2
    assert "run netwright calibrate" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()


def test_an_evaluation_that_changed_is_another_study(tmp_path: Path, capsys: Capture) -> None:
    file = tmp_path / "mine.py"
    file.write_text("def worth(design, seed, report):\n    return 0.5\n")
    words = ["search", "--evaluate", f"{file}:worth", "--image", "32", "--max-macs", "5M"]
    assert main([*words, "--trials", "2", "-o", str(tmp_path / "study")]) == 0
    file.write_text("def worth(design, seed, report):\n    return 0.6\n")
    assert main(["search", "--join", str(tmp_path / "study")]) == 2
    assert "has changed since the study was made" in capsys.readouterr().err
    assert main([*words, "--trials", "4", "-o", str(tmp_path / "study")]) == 2
    assert (tmp_path / "study" / "result.json").exists()


def test_a_refusal_leaves_the_result_and_shows_no_password(
    tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(monkeypatch, tmp_path)
    out = tmp_path / "study"
    assert main(["search", *OWN, "--trials", "2", "-o", str(out)]) == 0
    assert main(["search", *OWN, "--trials", "4", "--storage", "postgresql://me:secret@127.0.0.1:1/x", "-o", str(out)]) == 2
    assert (out / "result.json").exists()
    assert "secret" not in capsys.readouterr().err
    assert main(["search", "--join", str(out), "--trials", "9"]) == 2
    assert "--trials is for a new study" in capsys.readouterr().err


def test_what_memory_is_counted_for_survives_the_storage() -> None:
    from netwright.scaling.budget import Use

    asked = question(
        limits=Limits(
            Limits.of(memory="100MB").counts, Limits.of(memory="100MB").more, Use(batch=2), Use(batch=64, optimizer="adam")
        )
    )
    assert Question.from_json(asked.to_json()) == asked
