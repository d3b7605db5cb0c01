"""What a study costs beside its trainings: trials that do nothing, by several workers, in PostgreSQL and in a journal file.

    python benchmarks/studies.py [--trials 10000] [--workers 4] [--storage postgresql://...] [--large 100000] [--kinds KIND ...]

Workers are processes of this machine; each takes a trial, draws a design (RegNetX up to 300 M macs at 32 px), evaluates nothing
and stores the end, until all trials are done. They begin together, when all have opened the study. Overhead is the wall time of a
worker for one trial: seconds x workers / trials. Without --storage a PostgreSQL server is started from Debian's programs.

Then the study in PostgreSQL is made large by copies of its trials, up to --large, and after that 1,000 trials are left running as
if by workers elsewhere: how long a worker that joins reads, and what a trial costs there.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import platform
import resource
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import optuna
import psycopg

from netwright.graph import Design
from netwright.spaces.named import space
from netwright.studies.goals import Goal
from netwright.studies.ledger import WANTED, begin, join
from netwright.studies.limits import Limits
from netwright.studies.question import Question
from netwright.studies.samplers import sampler
from netwright.studies.working import Report, Worker
from netwright.version import VERSION

QUESTION = Question(space("regnetx").at(32, 10), Limits.of(macs="300M"), Goal(), "random", {"function": "nothing"}, 32)
MORE = 800  # trials in the large study
RUNNING = 1000


def nothing(design: Design, seed: int, report: Report) -> float:
    return 0.5


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def work(storage: str, name: str) -> None:
    """A worker: opens the study, waits for the word to begin, works, tells the seconds of its first reading."""
    started = time.perf_counter()
    ledger = join(storage, name, say)
    ledger.trials()
    seconds = time.perf_counter() - started
    print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3]), flush=True)
    sys.stdin.readline()
    chosen = sampler("random", QUESTION.ground, QUESTION.goal)
    alone = Worker(ledger, QUESTION.ground, QUESTION.goal, chosen, nothing)
    alone.until = lambda: ledger.ended + ledger.running >= ledger.wanted  # those that others run never end here
    alone.run()


def together(storage: str, name: str, workers: int) -> tuple[float, list[float]]:
    """Let workers do what is left of a study: when they began; seconds of the first reading and memory after it (MB)."""
    words = [sys.executable, __file__, "--work", storage, name]
    pipe = subprocess.PIPE
    with contextlib.ExitStack() as stack:
        running = [stack.enter_context(subprocess.Popen(words, stdin=pipe, stdout=pipe, text=True)) for _ in range(workers)]
        read = []
        for one in running:
            assert one.stdout is not None
            read.append(json.loads(one.stdout.readline()))
        began = time.time()
        for one in running:
            assert one.stdin is not None
            one.stdin.write("\n")
            one.stdin.flush()
        for one in running:
            if one.wait():
                raise SystemExit("a worker failed")
    return began, [statistics.median(column) for column in zip(*read, strict=True)]


def one_study(storage: str, trials: int, workers: int) -> dict[str, Any]:
    """Milliseconds of a worker for one trial: over all, the first and the last thousand."""
    begin(storage, "many", QUESTION.to_json(), trials, QUESTION.goal.directions, say)
    began, _ = together(storage, "many", workers)
    study = sorted(trial.finished for trial in join(storage, "many", say).trials() if trial.values)
    assert len(study) == trials, "each trial once"
    part = min(1000, trials // 2)
    spans = (study[-1] - began, trials), (study[part - 1] - began, part), (study[-1] - study[-part - 1], part)
    spans_ms = [1000 * workers * seconds / count for seconds, count in spans]
    say(f"ms of a worker for a trial: {spans_ms}")
    return {"spans": spans_ms, "trials_per_second": trials / spans[0][0]}


COPY = """
WITH source AS (
  SELECT trial_id, number FROM trials WHERE study_id = %(study)s AND state = 'COMPLETE' ORDER BY number LIMIT %(count)s
), made AS (
  INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
  SELECT %(first)s + row_number() OVER (ORDER BY number) - 1, %(study)s, %(state)s, now(), CASE WHEN %(ended)s THEN now() END
  FROM source
  RETURNING trial_id, number
), pairs AS (
  SELECT made.trial_id, made.number, source.trial_id AS old
  FROM made JOIN
    (SELECT trial_id, %(first)s + row_number() OVER (ORDER BY number) - 1 AS number FROM source) source USING (number)
), attributes AS (
  INSERT INTO trial_user_attributes (trial_id, key, value_json)
  SELECT pairs.trial_id, key,
    CASE WHEN key = 'trial' THEN jsonb_set(
      jsonb_set(value_json::jsonb, '{slot}', to_jsonb(pairs.number)), '{worker}', to_jsonb('elsewhere//1/1/' || pairs.number)
    )::text ELSE value_json END
  FROM pairs JOIN trial_user_attributes a ON a.trial_id = pairs.old WHERE key = 'trial' OR %(ended)s
), parameters AS (
  INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
  SELECT pairs.trial_id, param_name, param_value, distribution_json FROM pairs JOIN trial_params a ON a.trial_id = pairs.old
)
INSERT INTO trial_values (trial_id, objective, value, value_type)
SELECT pairs.trial_id, objective, value, value_type FROM pairs JOIN trial_values a ON a.trial_id = pairs.old WHERE %(ended)s
"""


def copies(storage: str, count: int, state: str) -> None:
    """Copy trials of the study: each takes the next number and, as its slot, the same."""
    with psycopg.connect(storage) as connection:
        found = connection.execute("SELECT study_id, max(number) + 1 FROM trials GROUP BY study_id").fetchone()
        assert found is not None
        study, first = found
        wanted = {"study": study, "wanted": str(first + count + MORE)}
        connection.execute(
            "UPDATE study_user_attributes SET value_json = %(wanted)s WHERE study_id = %(study)s AND key = '" + WANTED + "'",
            wanted,
        )
        while count > 0:
            given = {"study": study, "first": first, "count": count, "state": state, "ended": state == "COMPLETE"}
            copied = connection.execute(COPY, given).rowcount  # of values: running trials have none
            count -= copied if state == "COMPLETE" else count
            found = connection.execute("SELECT max(number) + 1 FROM trials").fetchone()
            assert found is not None
            first = found[0]
    with psycopg.connect(storage, autocommit=True) as connection:
        connection.execute("ANALYZE")


def large(storage: str, workers: int) -> tuple[str, ...]:
    """A row: what is in the study, the first reading, a worker's memory, milliseconds for a trial, the size of the database."""
    with psycopg.connect(storage) as connection:
        states: dict[str, int] = dict(connection.execute("SELECT state::text, count(*) FROM trials GROUP BY 1").fetchall())
        size = connection.execute("SELECT pg_database_size(current_database())").fetchone()
    assert size is not None
    began, (reading, memory) = together(storage, "many", workers)
    ends = sorted(trial.finished for trial in join(storage, "many", say).trials() if trial.values and trial.finished >= began)
    say(f"large: {states}, first reading {reading:.1f} s, {memory:.0f} MB")
    made = f"{1000 * workers * (ends[-1] - began) / len(ends):.1f} ({len(ends):,} trials)"
    return (
        f"{states.get('COMPLETE', 0):,}",
        f"{states.get('RUNNING', 0):,}",
        f"{reading:.1f}",
        f"{memory:.0f}",
        made,
        f"{size[0] / 1e6:.0f}",
    )


@contextlib.contextmanager
def served(storage: str | None) -> Iterator[str]:
    """The address of an empty database."""
    if storage is not None:
        yield storage
        return
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from tests.studies.postgres import serving

    with serving() as server:
        server.do("CREATE DATABASE studies")
        yield server.url("studies")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=10_000)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--storage")
    parser.add_argument("--large", type=int, default=100_000)
    parser.add_argument("--kinds", nargs="+", choices=("postgresql", "journal"), default=("postgresql", "journal"))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--work", nargs=2, help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.work:
        return work(*asked.work)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # the server is stopped
    small, big, about = [], [], "no database"
    if "postgresql" in asked.kinds:
        with served(asked.storage) as storage:
            small.append(("PostgreSQL", one_study(storage, asked.trials, asked.workers)))
            with psycopg.connect(storage) as connection:
                about = f"PostgreSQL {connection.info.server_version // 10_000}"
            if asked.large:
                copies(storage, asked.large - asked.trials, "COMPLETE")
                big.append(large(storage, asked.workers))
                copies(storage, RUNNING, "RUNNING")
                big.append(large(storage, asked.workers))
    if "journal" in asked.kinds:
        with tempfile.TemporaryDirectory() as folder:
            small.append(("journal file", one_study(folder, asked.trials, asked.workers)))
    text = table(small, big, about, asked)
    print(text)
    if asked.out is not None:
        asked.out.write_text(text)
    return None


def table(small: list[tuple[str, dict[str, Any]]], big: list[tuple[str, ...]], about: str, asked: argparse.Namespace) -> str:
    lines = [
        (
            f"| {asked.trials:,} trials, {asked.workers} workers | ms of a worker for a trial "
            "| first thousand | last thousand | last / first | trials/s |"
        ),
        "|---|---:|---:|---:|---:|---:|",
    ]
    for name, made in small:
        whole, first, last = made["spans"]
        lines.append(
            f"| {name} | {whole:.1f} | {first:.1f} | {last:.1f} | {last / first:.2f} | {made['trials_per_second']:.0f} |"
        )
    if big:
        lines += [
            "",
            "| trials that have ended | that run | first reading, s | worker, MB | ms of a worker for a trial | database, MB |",
            "|---:|---:|---:|---:|---:|---:|",
        ]
        lines += [f"| {' | '.join(row)} |" for row in big]
    options = f"--trials {asked.trials} --workers {asked.workers} --large {asked.large} --kinds {' '.join(asked.kinds)}"
    versions = f"{about}, psycopg {psycopg.__version__}, optuna {optuna.__version__}, netwright {VERSION}"
    machine = f"{versions}, Python {platform.python_version()}"
    told = f"{machine}, {platform.system()} {platform.machine()}, 2 cores that the database shares with the workers"
    return "\n".join(
        [
            "# Studies: what a trial costs beside its training",
            "",
            f"    python benchmarks/studies.py {options}",
            "",
            *lines,
            "",
            f"{told}.",
            "",
        ]
    )


if __name__ == "__main__":
    main()
