"""The course of a training on disk: whole lines, each step once after any interruption, and never a lost training."""

from __future__ import annotations

import csv
import errno
import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.errors import NetwrightError
from netwright.training.engine.moments import Epoch, Moment
from netwright.training.logs import COLUMNS, Log, all_of, on_bar

STEPS, EPOCHS = 5, 4


def moment(done: int, total: int = STEPS * EPOCHS) -> Moment:
    """What a training of 4 epochs of 5 steps tells at a step; figures follow from the step."""
    epoch = (done - 1) // STEPS + 1
    ended = Epoch(epoch, 1 / done, done / total, 0.5 if epoch % 2 else None, 1.5, 0.01 * done) if done % STEPS == 0 else None
    return Moment(done, total, epoch, 1 / done, 0.01 * done, 100.0, ended)


def tell(log: Log, first: int, last: int) -> None:
    for done in range(first, last + 1):
        log(moment(done))


def lines(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]


def rows(folder: Path) -> list[dict[str, str]]:
    with (folder / "log.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def steps_of(folder: Path, event: str = "step") -> list[int]:
    return [line["step"] for line in lines(folder) if line["event"] == event]


def test_every_step_and_epoch_is_written(tmp_path: Path) -> None:
    log = Log(tmp_path, every=0)
    tell(log, 1, 20)
    assert steps_of(tmp_path) == list(range(1, 21))
    assert steps_of(tmp_path, "epoch") == [5, 10, 15, 20]
    last = lines(tmp_path)[-1]
    assert {name: last[name] for name in ("epoch", "loss", "accuracy", "validation", "lr", "seconds")} == {
        "epoch": 4, "loss": 1 / 20, "accuracy": 1.0, "validation": None, "lr": 0.2, "seconds": 1.5,
    }  # fmt: skip
    table = rows(tmp_path)
    assert tuple(table[0]) == COLUMNS
    assert [row["epoch"] for row in table] == ["1", "2", "3", "4"]
    assert [row["validation"] for row in table] == ["0.5", "", "0.5", ""]
    assert [float(row["loss"]) for row in table] == [1 / 5, 1 / 10, 1 / 15, 1 / 20]


def test_steps_are_written_once_a_second_at_most_but_epochs_always(tmp_path: Path) -> None:
    log = Log(tmp_path, every=3600)
    tell(log, 1, 20)
    assert steps_of(tmp_path) == [1, 5, 10, 15, 20]
    assert steps_of(tmp_path, "epoch") == [5, 10, 15, 20]


@given(
    st.lists(st.tuples(st.integers(1, 20), st.integers(0, 19)), max_size=4),
    st.sampled_from(["whole", "torn", "half"]),
    st.booleans(),
)
@settings(deadline=None)
def test_after_any_interruptions_each_step_stands_once(
    tmp_path_factory: pytest.TempPathFactory, stops: list[tuple[int, int]], ending: str, anew: bool
) -> None:
    """Stopped at a step, then gone on from a checkpoint before it, by a new process or by the same."""
    folder = tmp_path_factory.mktemp("log")
    log, start = Log(folder, every=0), 0
    for stop, checkpoint in stops:
        for done in range(start + 1, stop + 1):
            log(moment(done))
        start = min(checkpoint, max(stop, start))
        if anew:
            _tear(folder, ending)
            log = Log(folder, every=0)
    for done in range(start + 1, 21):
        log(moment(done))
    seen = steps_of(folder)
    assert seen == sorted(set(seen))
    if not anew or ending == "whole":
        assert seen == list(range(1, 21))
        assert steps_of(folder, "epoch") == [5, 10, 15, 20]
        assert [row["step"] for row in rows(folder)] == ["5", "10", "15", "20"]
    assert set(range(start + 1, 21)) <= set(seen)


def _tear(folder: Path, ending: str) -> None:
    """What a kill in the middle of writing leaves."""
    for name in ("log.jsonl", "log.csv"):
        path = folder / name
        if path.exists() and ending == "torn":
            with path.open("ab") as file:
                file.write(b'{"event": "step", "st')
        elif path.exists() and ending == "half":
            os.truncate(path, path.stat().st_size // 2)


def test_foreign_lines_are_cut_off(tmp_path: Path) -> None:
    (tmp_path / "log.jsonl").write_bytes(b"\xff\xfe not ours\n[1, 2]\n")
    (tmp_path / "log.csv").write_bytes(b"\xff,\n")
    log = Log(tmp_path, every=0)
    tell(log, 3, 5)
    assert steps_of(tmp_path) == [3, 4, 5]
    assert [row["epoch"] for row in rows(tmp_path)] == ["1"]


def test_a_loss_that_is_no_number_is_still_json(tmp_path: Path) -> None:
    Log(tmp_path, every=0)(Moment(1, 2, 1, float("nan"), 0.1, float("inf")))
    assert lines(tmp_path)[0]["loss"] is None
    assert lines(tmp_path)[0]["images_per_second"] is None


def test_a_log_that_cannot_be_written_is_one_warning_and_the_training_goes_on(tmp_path: Path) -> None:
    blocked = tmp_path / "work"
    blocked.write_text("a file in the folder's place")
    log = Log(blocked, every=0)
    with pytest.warns(UserWarning, match="goes on without it") as told:
        tell(log, 1, 20)
    assert len(told) == 2  # one for each file


def test_a_disk_that_was_full_for_a_while_leaves_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half of a line is written, then the disk is full; later there is room again."""
    real = Path.open
    full = False

    class Full:
        def __init__(self, file: Any) -> None:
            self.file = file

        def __enter__(self) -> Full:
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()

        def __getattr__(self, name: str) -> Any:
            return getattr(self.file, name)

        def write(self, content: bytes) -> int:
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            raise OSError(errno.ENOSPC, "No space left on device")

    def open_path(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        file = real(path, mode, *rest, **more)
        return Full(file) if full and mode == "ab" else file

    monkeypatch.setattr(Path, "open", open_path)
    log = Log(tmp_path, every=0)
    tell(log, 1, 7)
    full = True
    with pytest.warns(UserWarning, match="No space left on device; the training goes on without it") as told:
        tell(log, 8, 12)
    assert len(told) == 2
    full = False
    tell(log, 13, 20)
    assert steps_of(tmp_path) == list(range(1, 21))
    assert [row["epoch"] for row in rows(tmp_path)] == ["1", "2", "3", "4"]


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs a limit on the size of files")
def test_a_limit_on_files_does_not_end_a_training(tmp_path: Path) -> None:
    """The kernel's own refusal, in a process whose files may have 2,000 bytes."""
    program = """
        import resource, signal, sys, warnings
        from pathlib import Path
        from tests.test_logs import moment
        from netwright.training.logs import Log
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000))
        warnings.showwarning = lambda message, *_: print("warning:", message)
        log = Log(Path(sys.argv[1]), every=0)
        for done in range(1, 101):
            log(moment(done, total=100))
        print("trained")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), str(tmp_path)],
        capture_output=True, text=True, check=True, cwd=Path(__file__).parents[1],
    )  # fmt: skip
    assert done.stdout.splitlines()[-1] == "trained"
    assert "File too large; the training goes on without it" in done.stdout
    assert steps_of(tmp_path) == list(range(1, len(steps_of(tmp_path)) + 1))
    assert len(steps_of(tmp_path)) > 5


def test_a_log_that_was_deleted_or_cut_by_somebody_goes_on(tmp_path: Path) -> None:
    log = Log(tmp_path, every=0)
    tell(log, 1, 3)
    (tmp_path / "log.jsonl").unlink()
    log(moment(4))
    assert steps_of(tmp_path) == [4]
    assert (tmp_path / "log.jsonl").read_bytes().count(b"\0") == 0


def test_tensorboard_reads_each_step_once(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = Log(tmp_path, tensorboard=True, every=0)
    tell(log, 1, 12)
    log._board.close()  # type: ignore[union-attr]
    log = Log(tmp_path, tensorboard=True, every=0)  # gone on from step 10
    tell(log, 11, 20)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    assert [event.step for event in events.Scalars("step/loss")] == list(range(1, 21))
    assert [event.value for event in events.Scalars("epoch/accuracy")] == pytest.approx([0.25, 0.5, 0.75, 1.0])
    assert [event.step for event in events.Scalars("epoch/validation")] == [5, 15]


def test_without_tensorboard_asking_for_it_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(NetwrightError, match=r"need the package tensorboard: pip install 'netwright\[log\]'"):
        Log(tmp_path, tensorboard=True)


def test_the_bar_shows_loss_rate_and_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[int, int, str]] = []
    watch = on_bar(lambda done, total, word: said.append((done, total, word)))
    now = 100.0
    monkeypatch.setattr("netwright.training.logs.time.monotonic", lambda: now)
    watch(moment(1))
    for done in (2, 3, 4):  # too soon to be shown
        watch(moment(done))
    watch(moment(5))
    now = 101.0
    watch(moment(6))
    assert [done for done, _, _ in said] == [1, 5, 6]
    assert said[0][2] == "epoch 1: loss 1.000, lr 0.01, 100 img/s"
    assert said[2] == (6, 20, "epoch 2: loss 0.167, lr 0.06, accuracy 50.0 %, 100 img/s")


def test_several_watches_are_told_in_turn() -> None:
    told: list[str] = []
    all_of(lambda m: told.append("a"), None, lambda m: told.append("b"))(moment(1))
    assert told == ["a", "b"]
