"""`netwright predict`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwright.cli.arguments import option_json, option_weights, print_json
from netwright.cli.eval_command import load_run
from netwright.errors import NetwrightError

if TYPE_CHECKING:
    from netwright.training.predicting import Prediction


@click.command("predict")
@click.argument("run")
@click.argument("pictures", nargs=-1, required=True)
@option_weights
@click.option("--top", type=click.IntRange(1), default=5, show_default=True, help="How many classes to name.")
@click.option("--runtime", metavar="R", help="eager (as it is, the default), folded, compiled or onnxruntime.")
@option_json
def command(run: str, pictures: tuple[str, ...], weights: str | None, top: int, runtime: str | None, as_json: bool) -> None:
    """The most probable classes of each of the PICTURES, best first.

    RUN is the folder of a finished run, any NET together with --weights, or an .onnx file that netwright exported (it
    runs in ONNX Runtime). Every runtime gives the same classes; see netwright bench for how fast they are.

    \b
    Example: netwright predict photos-30M cat.jpg
    Example: netwright predict squeezenet1_1 cat.jpg --weights IMAGENET1K_V1
    Example: netwright predict photos-30M.onnx cat.jpg dog.jpg
    """
    if Path(run).suffix == ".onnx":
        predictions = _of_file(Path(run), pictures, weights, top, runtime)
    else:
        predictions = load_run(run, weights).predict(pictures, top, runtime or "eager")
    if as_json:
        shown = [
            {"picture": p.picture, "classes": [{"class": name, "probability": share} for name, share in p.classes]}
            for p in predictions
        ]
        print_json(shown)
        return
    for prediction in predictions:
        best = ", ".join(f"{name} {100 * share:.1f} %" for name, share in prediction.classes)
        click.echo(f"{prediction.picture}: {best}")


def _of_file(path: Path, pictures: tuple[str, ...], weights: str | None, top: int, runtime: str | None) -> list[Prediction]:
    if weights is not None:
        raise NetwrightError(f"{path} has weights of its own: leave --weights out")
    from netwright.inference.onnx_files import open_onnx
    from netwright.inference.runtimes import check_runtime
    from netwright.training.predicting import file_call, predicted

    check_runtime(runtime or "onnxruntime")
    if runtime not in (None, "onnxruntime"):
        raise NetwrightError(f"{path} runs in onnxruntime only, not {runtime}: give the run's folder instead")
    network = open_onnx(path)
    return predicted(file_call(network), network, pictures, top)
