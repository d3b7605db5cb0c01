"""`netwright design`."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from netwright.cli.arguments import DATA, FILE, SPACE, is_run, option_image, option_json, option_out, option_seed, read_network

if TYPE_CHECKING:
    from netwright.graph import Design

_DEVICE = "Name or file of the profile that latency is predicted with; by default this machine's (netwright calibrate)."
_WEIGHTS = "Tune a network from weights as well: NET=WEIGHTS, such as squeezenet1_1=file.pth, or the folder of a run."
_MINUTES = "Spend so many minutes in all; the numbers of candidates and epochs follow from the measured speed."
_BASELINES = "Train two networks of the zoo of the same limits as long as the winner, outside the minutes, and compare."


@click.command("design")
@click.argument("data", type=DATA)
@click.option("--max-macs", metavar="M", help="At most so many macs for one image, such as 30M or 0.4GF.")
@click.option("--max-params", metavar="P", help="At most so many params, such as 2M.")
@click.option("--max-memory", metavar="BYTES", help="At most so much memory in training, in batches of 64, such as 2GB.")
@click.option("--max-inference-memory", metavar="BYTES", help="At most so much memory in inference, for one image.")
@click.option("--max-latency", metavar="MS", help="At most so long for one image, such as 5ms, as predicted.")
@click.option("--device", metavar="D", help=_DEVICE)
@click.option("--space", type=SPACE, metavar="S", help="Where designs come from: a name (netwright space) or file.py:name.")
@click.option("--minutes", type=click.FloatRange(0, min_open=True), metavar="T", help=_MINUTES)
@click.option("--baselines", is_flag=True, help=_BASELINES)
@click.option("--weights", type=FILE, metavar="W", help=_WEIGHTS)
@option_out
@option_image
@click.option("--trials", type=click.IntRange(1), default=None, help="Designs to try.")
@click.option("--trial-epochs", type=click.IntRange(1), default=None, help="Epochs for each of them.")
@click.option("--epochs", type=click.IntRange(1), default=None, help="Epochs for the winner.")
@option_seed
@option_json
def command(
    data: str,
    max_macs: str | None,
    max_params: str | None,
    max_memory: str | None,
    max_inference_memory: str | None,
    max_latency: str | None,
    device: str | None,
    space: str | None,
    minutes: float | None,
    baselines: bool,
    weights: str | None,
    out: Path,
    image: int | None,
    trials: int | None,
    trial_epochs: int | None,
    epochs: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """The main job: from DATA and limits to a trained and exported network in FOLDER.

    Samples designs within the limits, trains each briefly, trains the best on all pictures that are
    not held out, and measures it once on those that are. Run again, an interrupted run goes on.

    \b
    Example: netwright design photos/ --max-macs 30M --image 64 --minutes 10 -o photos-30M
    Example: netwright design photos/ --max-latency 5ms --max-params 1M --minutes 20 --baselines -o photos-5ms
    """
    started = time.monotonic()
    from netwright.cli.train_command import report_result
    from netwright.progress import Progress
    from netwright.studies import design
    from netwright.studies.asked import Effort
    from netwright.studies.telling import lines

    run = design(
        data,
        macs=max_macs,
        params=max_params,
        memory=max_memory,
        inference_memory=max_inference_memory,
        latency=max_latency,
        device=device,
        space=space,
        minutes=minutes,
        baselines=baselines,
        weights=None if weights is None else _pair(weights),
        out=out,
        image=image,
        effort=Effort(trials=trials, trial_epochs=trial_epochs, epochs=epochs),
        seed=seed,
        started=started,
        progress=Progress(),
    )
    report_result(run.result, out, as_json)
    for line in lines(run.result) if not as_json else ():
        click.echo(line)


def _pair(text: str) -> str | tuple[Design | str, str]:
    """NET=WEIGHTS, whose NET may be all that commands take for one; or the folder of a run, which is both."""
    if is_run(text):
        return read_network(text), str(Path(text) / "model.safetensors")
    net, equals, weights = text.partition("=")
    return (read_network(net), weights) if equals and net and weights else text
