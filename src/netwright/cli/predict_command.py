"""`netwright predict`."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwright.cli.arguments import FILE, NETWORK, option_json, option_weights, print_json
from netwright.cli.eval_command import load_run, option_device
from netwright.errors import FailedError, NetwrightError
from netwright.progress import Step

if TYPE_CHECKING:
    from netwright.training.evaluating.predicting import Prediction, Tell

BARRED = 256  # pictures from which on a bar is worth its lines


@click.command("predict")
@click.argument("run", type=NETWORK)
@click.argument("pictures", type=FILE, nargs=-1, required=True)
@option_weights
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name.")
@click.option("--runtime", metavar="R", help="eager (as it is, the default), folded, compiled or onnxruntime.")
@option_device
@click.option("--skip-bad", is_flag=True, help="Name pictures that cannot be read, and go on; the exit code is then 1.")
@click.option("--jsonl", "as_lines", is_flag=True, help="Print a line of JSON for each picture, as soon as it is there.")
@option_json
def command(
    run: str,
    pictures: tuple[str, ...],
    weights: str | None,
    top: int,
    runtime: str | None,
    device: str,
    skip_bad: bool,
    as_lines: bool,
    as_json: bool,
) -> None:
    """The most probable classes of each of the PICTURES, best first.

    RUN is the folder of a finished run, any NET together with --weights, or an .onnx file that netwright exported (it
    runs in ONNX Runtime). PICTURES are files, folders (all pictures in them, by their endings, at any depth) or - for a
    list of paths on standard input, one a line or with NUL bytes between them. Every runtime gives the same classes; see
    netwright bench for how fast they are.

    A picture that cannot be read ends the command, unless --skip-bad.

    \b
    Example: netwright predict photos-30M cat.jpg
    Example: netwright predict photos-30M holiday/ --skip-bad --jsonl > holiday.jsonl
    Example: find . -name "*.jpg" -print0 | netwright predict photos-30M -
    Example: netwright predict squeezenet1_1 cat.jpg --weights IMAGENET1K_V1
    Example: netwright predict photos-30M.onnx cat.jpg dog.jpg
    """
    if as_json and as_lines:
        raise click.UsageError("choose one of --json and --jsonl")
    from netwright.data import BadPictureError
    from netwright.progress import Progress
    from netwright.training.evaluating.predicting import found

    predict = _predictor(run, weights, top, runtime, device)
    files = found(_named(pictures))
    # on a terminal the bar would stand in between the lines
    quiet = as_json or len(files) < BARRED or sys.stdout.isatty()
    with Progress(quiet).bar(f"predicting {len(files):,} pictures") as step:
        shown = _Shown(step, len(files), "" if as_json else "lines" if as_lines else "text")
        try:
            predictions = predict(files, skip_bad, shown)
        except BadPictureError as error:
            raise BadPictureError(f"{error}; --skip-bad goes on without it") from None
    if as_json:
        print_json([prediction.to_json() for prediction in predictions])
    if shown.bad:
        raise FailedError(f"{shown.bad:,} of {len(files):,} pictures cannot be read")


Predict = Callable[["list[Path]", bool, "Tell"], "list[Prediction]"]  # files, whether bad ones are skipped, what is told


def _predictor(run: str, weights: str | None, top: int, runtime: str | None, device: str) -> Predict:
    """What predicts with a run, or with an exported file."""
    if Path(run).suffix == ".onnx":
        return _of_file(Path(run), weights, top, runtime)
    loaded = load_run(run, weights, device)
    return lambda files, skip_bad, tell: loaded.predict(files, top, runtime or "eager", skip_bad=skip_bad, tell=tell)


def _of_file(path: Path, weights: str | None, top: int, runtime: str | None) -> Predict:
    if weights is not None:
        raise NetwrightError(f"{path} has weights of its own: leave --weights out")
    from netwright.inference.onnx_files import open_onnx
    from netwright.inference.runtimes import check_runtime
    from netwright.training.evaluating.predicting import file_call, predicted

    check_runtime(runtime or "onnxruntime")
    if runtime not in (None, "onnxruntime"):
        raise NetwrightError(f"{path} runs in onnxruntime only, not {runtime}: give the run's folder instead")
    network = open_onnx(path)
    call = file_call(network)
    return lambda files, skip_bad, tell: predicted(call, network, files, top, skip_bad=skip_bad, tell=tell)


def _named(words: tuple[str, ...]) -> list[str]:
    """The paths that were given; those on standard input in the place of the first -."""
    from netwright.training.evaluating.predicting import paths_of

    paths: list[str] = []
    for i, word in enumerate(words):
        if word != "-":
            paths.append(word)
        elif "-" not in words[:i]:
            listed = paths_of(sys.stdin.buffer.read())
            if not listed:
                raise NetwrightError("there are no paths on standard input: expected one a line, or with NUL bytes between them")
            paths += listed
    return paths


class _Shown:
    """Prints each prediction as it comes, and names bad pictures on standard error."""

    def __init__(self, step: Step, total: int, form: str) -> None:
        self.step, self.total, self.form = step, total, form
        self.done = self.bad = 0
        self.started = time.monotonic()

    def __call__(self, prediction: Prediction) -> None:
        self.done += 1
        if prediction.bad:
            self.bad += 1
            click.echo(f"netwright: left out: {_printable(prediction.picture)}: {prediction.bad}", err=True)
        if self.form == "lines":
            click.echo(json.dumps(prediction.to_json()))
        elif self.form == "text" and not prediction.bad:
            best = ", ".join(f"{name} {100 * share:.1f} %" for name, share in prediction.classes)
            click.echo(f"{_printable(prediction.picture)}: {best}")
        self.step(self.done, self.total, f"{self.done / max(time.monotonic() - self.started, 1e-6):,.0f} images/s")


def _printable(name: str) -> str:
    """A file's name on one line, whatever bytes it has."""
    return name if name.isprintable() else repr(name)[1:-1]
