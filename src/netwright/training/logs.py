"""What is kept of a training's course: log.jsonl and log.csv always, TensorBoard where asked; and the word on the bar."""

from __future__ import annotations

import contextlib
import csv
import importlib.util
import io
import json
import math
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError
from netwright.progress import Step
from netwright.training.engine.moments import Epoch, Moment, Watch

EVERY = 1.0  # seconds from one logged step to the next, at least
SHOWN = 0.1  # seconds from one look of the bar to the next, at least
WAITING = 10_000  # lines that wait for a full disk; older ones are given up
COLUMNS = ("step", "epoch", "loss", "accuracy", "validation", "lr", "seconds", "images_per_second", "time")


def all_of(*watches: Watch | None) -> Watch:
    """A watch that tells several, in their order; None among them is left out."""
    told = [watch for watch in watches if watch is not None]

    def watch(moment: Moment) -> None:
        for one in told:
            one(moment)

    return watch


def on_bar(step: Step) -> Watch:
    """Turn moments into steps of a progress bar: epoch, loss, learning rate, images per second, time left."""
    shown, accuracy = -math.inf, ""

    def watch(moment: Moment) -> None:
        nonlocal shown, accuracy
        if moment.ended is not None and moment.ended.validation is not None:
            accuracy = f", accuracy {100 * moment.ended.validation:.1f} %"
        now = time.monotonic()
        if moment.ended is None and moment.done < moment.total and now - shown < SHOWN:
            return
        shown = now
        pace = f", {moment.images_per_second:,.0f} img/s" if moment.images_per_second else ""
        word = f"epoch {moment.epoch}: loss {moment.loss:.3f}, lr {moment.lr:.3g}{accuracy}{pace}"
        step(moment.done, moment.total, word)

    return watch


class Log:
    """Writes the course of a training into a folder; to be called with its moments (see `Watch`).

    `log.jsonl` has a line for each event: `{"event": "step", ...}` at most once a second, `{"event": "epoch", ...}`
    for each; `log.csv` has a row for each epoch. A training that goes on from a checkpoint does some steps again: what
    the files say of those is cut off when the first of them comes, so that none stands there twice. A disk that is full
    is told once; lines wait in memory until there is room. With `tensorboard`, event files below `tensorboard/` as well;
    raises NetwrightError where that package is missing.
    """

    def __init__(self, folder: Path, tensorboard: bool = False, every: float = EVERY) -> None:
        self.every = every
        self._lines, self._rows = _Appended(folder / "log.jsonl"), _Appended(folder / "log.csv")
        self._board = _Board(folder / "tensorboard") if tensorboard else None
        self._last, self._written = math.inf, -math.inf  # the step that was told last, and when one was written

    def __call__(self, moment: Moment) -> None:
        """Write what there is to write of a moment."""
        if moment.done <= self._last:
            self._begin(moment)
        now = time.monotonic()
        if moment.ended is not None or moment.done == moment.total or now - self._written >= self.every:
            self._written = now
            self._step(moment)
        if moment.ended is not None:
            self._epoch(moment, moment.ended)
        self._last = moment.done

    def _begin(self, moment: Moment) -> None:
        """The first moment, or one that is not after the last: what the files say of its step and later ones goes."""
        self._lines.cut(lambda line: _step_of_json(line) < moment.done)
        self._rows.cut(lambda line: _step_of_row(line) < moment.done)
        if self._rows.empty:
            self._rows.add(_row(COLUMNS))
        if self._board is not None:
            self._board.begin(moment.done)

    def _step(self, moment: Moment) -> None:
        rates = {"loss": moment.loss, "lr": moment.lr, "images_per_second": moment.images_per_second}
        self._line("step", {"step": moment.done, "of": moment.total, "epoch": moment.epoch} | rates)
        if self._board is not None:
            self._board.add(moment.done, {f"step/{name}": value for name, value in rates.items()}, flush=False)

    def _epoch(self, moment: Moment, ended: Epoch) -> None:
        figures = {name: getattr(ended, name) for name in ("loss", "accuracy", "validation", "lr", "seconds")}
        told = {"step": moment.done, "epoch": ended.epoch} | figures
        self._line("epoch", told)
        values = told | {"images_per_second": moment.images_per_second, "time": _now()}
        self._rows.add(_row([_finite(values[name]) for name in COLUMNS]))
        if self._board is not None:
            self._board.add(moment.done, {f"epoch/{name}": value for name, value in figures.items() if value is not None}, True)
            if moment.done == moment.total:
                self._board.close()

    def _line(self, event: str, told: dict[str, Any]) -> None:
        plain = {name: _finite(value) for name, value in told.items()}
        self._lines.add(json.dumps({"event": event} | plain | {"time": _now()}) + "\n")


class _Appended:
    """A text file that grows by whole lines."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._waiting: list[bytes] = []
        self._failed = False
        self._size = 0  # bytes of whole lines
        self.empty = True

    def cut(self, stays: Callable[[bytes], bool]) -> None:
        """Cut the file off at the first line that does not stay, or that is not whole. This needs no room on the disk."""
        self._waiting = [line for line in self._waiting if stays(line)]
        self._size, self.empty = 0, True
        try:
            for line in self.path.read_bytes().splitlines(keepends=True) if self.path.exists() else []:
                if not line.endswith(b"\n") or not stays(line):
                    break
                self._size += len(line)
            if self.path.exists():
                os.truncate(self.path, self._size)
            self.empty = not self._size
        except OSError as error:
            self._warn(error)

    def add(self, line: str) -> None:
        """Append a line; where the disk is full it waits for the next one."""
        self._waiting = [*self._waiting, line.encode()][-WAITING:]
        self.empty = False
        content = b"".join(self._waiting)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("ab") as file:
                self._size = min(self._size, os.fstat(file.fileno()).st_size)
                file.truncate(self._size)  # of what a full disk took half of
                file.write(content)
        except OSError as error:
            with contextlib.suppress(OSError):
                os.truncate(self.path, self._size)
            self._warn(error)
            return
        self._size += len(content)
        self._waiting, self._failed = [], False

    def _warn(self, error: OSError) -> None:
        if not self._failed:
            self._failed = True
            warnings.warn(f"cannot write {self.path}: {error.strerror or error}; the training goes on without it", stacklevel=2)


class _Board:
    """TensorBoard's event files."""

    def __init__(self, folder: Path) -> None:
        if importlib.util.find_spec("tensorboard") is None:
            raise NetwrightError("TensorBoard's files need the package tensorboard: pip install 'netwright[log]'")
        self.folder = folder
        self._writer: Any = None

    def begin(self, step: int) -> None:
        """Open a file; what older files say of this step and later ones is no longer shown."""
        from torch.utils.tensorboard import SummaryWriter

        with self._guarded():
            if self._writer is not None:
                self._writer.close()
            self._writer = SummaryWriter(str(self.folder), purge_step=step, flush_secs=10)

    def add(self, step: int, values: dict[str, float], flush: bool) -> None:
        """Write numbers of a step."""
        if self._writer is None:
            return
        with self._guarded():
            for name, value in values.items():
                self._writer.add_scalar(name, value, step)
            if flush:
                self._writer.flush()

    def close(self) -> None:
        """Finish the file."""
        if self._writer is not None:
            with self._guarded():
                self._writer.close()
        self._writer = None

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        """A disk that fails ends these files, not the training."""
        try:
            yield
        except OSError as error:
            self._writer = None
            warnings.warn(f"cannot write {self.folder}: {error.strerror or error}; the training goes on without it", stacklevel=4)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _finite(value: Any) -> Any:
    """JSON has no NaN."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _row(values: Iterable[Any]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(values)
    return text.getvalue()


def _step_of_json(line: bytes) -> float:
    try:
        return int(json.loads(line)["step"])
    except (ValueError, KeyError, TypeError):
        return math.inf  # not ours, or torn: it does not stay


def _step_of_row(line: bytes) -> float:
    first = line.split(b",")[0].strip()
    if first == COLUMNS[0].encode():
        return -1
    return int(first) if first.isdigit() else math.inf
