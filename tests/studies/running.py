"""A study on a storage, worker processes that join it, and what must be true of it in the end."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

from netwright.spaces.named import space
from netwright.studies.goals import Goal
from netwright.studies.ledger import Ledger, begin
from netwright.studies.limits import Limits
from netwright.studies.question import Question
from netwright.studies.study import Study, read_study
from netwright.studies.trials import LOST
from tests.studies import evaluators
from tests.studies.evaluators import EPOCHS, evaluations, worth

ROOT = Path(__file__).parents[2]


def question(function: str = "noted", seed: int = 0, image: int = 32) -> Question:
    """RegNetX networks of up to 300 M macs, evaluated by a function of `evaluators.py`."""
    evaluation = {"function": f"{evaluators.__file__}:{function}"}
    return Question(space("regnetx").at(image, 10), Limits.of(macs="300M"), Goal(), "random", evaluation, image, seed=seed)


def begun(storage: str, name: str, trials: int, function: str = "noted", seed: int = 0) -> Ledger:
    asked = question(function, seed)
    return begin(storage, name, asked.to_json(), trials, asked.goal.directions, lambda line: None)


def environment(notes: Path, seconds: float = 0.05) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "NOTED": str(notes), "NOTED_SECONDS": str(seconds), "OMP_NUM_THREADS": "1"}


def worker(storage: str, name: str, notes: Path, log: Path, seconds: float = 0.05) -> subprocess.Popen[bytes]:
    """`netwright search --join`, as a process."""
    words = [sys.executable, "-m", "netwright", "search", "--join", storage, "--study", name, "--threads", "1"]
    with log.open("ab") as file:
        return subprocess.Popen(
            words, stdout=file, stderr=file, stdin=subprocess.DEVNULL, env=environment(notes, seconds), cwd=ROOT
        )


def check(storage: str, name: str, trials: int, notes: Path) -> Study:
    """Every slot was used up by one complete trial, and every value is what the evaluation of that design gave."""
    study = read_study(storage, name)
    assert {status: count for status, count in study.counts.items() if count and status != LOST} == {"complete": trials}
    assert sorted(trial.slot for trial in study) == list(range(trials))
    evaluated = Counter(evaluations(notes))
    for trial in study:
        assert trial.value == trial.accuracy == worth(trial.plain_design, trial.seed)
        assert trial.curve == dict.fromkeys(range(1, EPOCHS + 1), trial.value)
        assert evaluated[trial.plain_design, trial.seed] >= 1
    designs = defaultdict(set)
    for trial in [*study, *[lost for lost in study.lost if lost.reason]]:
        designs[trial.slot].add((trial.plain_design, trial.seed))
    assert all(len(tried) == 1 for tried in designs.values()), "a trial whose worker died is tried again as it was"
    assert len({trial.plain_design for trial in study}) == trials
    return study
