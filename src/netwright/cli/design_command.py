"""`netwright design`."""

from __future__ import annotations

from pathlib import Path

import click

from netwright.cli.arguments import option_image, option_json, option_out, option_seed


@click.command("design")
@click.argument("data")
@click.option("--max-macs", required=True, metavar="M", help="Budget for one image, such as 30M or 0.4GF.")
@option_out
@option_image
@click.option("--trials", type=click.IntRange(1), default=None, help="Designs to try.")
@click.option("--trial-epochs", type=click.IntRange(1), default=None, help="Epochs for each of them.")
@click.option("--epochs", type=click.IntRange(1), default=None, help="Epochs for the winner.")
@option_seed
@option_json
def command(
    data: str,
    max_macs: str,
    out: Path,
    image: int | None,
    trials: int | None,
    trial_epochs: int | None,
    epochs: int | None,
    seed: int,
    as_json: bool,
) -> None:
    """The main job: from DATA and a budget of multiply-adds to a trained and exported network in FOLDER.

    Samples designs under the budget, trains each briefly, trains the best on all pictures that are
    not held out, and measures it once on those that are. Run again, an interrupted run goes on.

    \b
    Example: netwright design photos/ --max-macs 30M --image 64 -o photos-30M
    """
    from netwright.cli.train_command import report_result
    from netwright.progress import Progress
    from netwright.studies import design
    from netwright.studies.designing import Effort

    chosen = {"trials": trials, "trial_epochs": trial_epochs, "epochs": epochs}
    effort = Effort().replace(**{name: value for name, value in chosen.items() if value is not None})
    run = design(data, macs=max_macs, out=out, image=image, effort=effort, seed=seed, progress=Progress())
    report_result(run.result, out, as_json)
