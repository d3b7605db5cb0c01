"""The HTML reports of a training and of an evaluation, and the pieces that they share with that of a design."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from netwright.costing import Cost
from netwright.costing.formats import to_html
from netwright.report import charts
from netwright.report.charts import Rows
from netwright.report.evaluating import Pixels, evaluation_sections
from netwright.report.html import diagram, facts, figure, notebook, page, scrolling
from netwright.units import counted, short_amount, short_seconds

Result = dict[str, Any]
MOST_NAMES = 20  # of pictures that were left out


@dataclass(frozen=True)
class Beside:
    """What a report shows beside a run's result.

    `worst` are the pixels of the worst mistakes (see `evaluation_sections`), `missing` says why they are not there; `schedule`
    are rows of `epoch`, `lr` and `momentum` (None where the optimizer has none).
    """

    worst: Sequence[Pixels] = ()
    missing: str = ""
    schedule: Rows | None = None


def run_page(result: Result, table: Cost, beside: Beside) -> str:
    """The report of `netwright train`: how good the network is, its course, where it errs, its cost."""
    sections = [verdict(result), _asked(result), _decided(result), curve(result), schedule(beside.schedule)]
    sections += evaluation_sections(result["accuracy"], beside.worst, beside.missing)
    title = f"netwright train: {result['network']} on {short_name(result)}"
    return page(title, [*sections, network(result, table), details(result)])


def run_piece(result: Result) -> str:
    """What a notebook shows of a run: how good the network is, and its course."""
    return notebook([verdict(result), curve(result)])


def eval_page(accuracy: dict[str, Any], told: dict[str, str], worst: Sequence[Pixels] = (), missing: str = "") -> str:
    """The report of `netwright eval`: figures as `training.results.accuracy_of` gives them, and where they are from.

    `told` (word -> what it is; "network" and "data" among them) ends the page; `worst` and `missing` as in `Beside`.
    """
    lead = (
        f'<p class="lead"><strong>{100 * accuracy["top1"]:.1f} %</strong> of {counted(accuracy["of"], "picture")} right '
        f"({_interval(accuracy)}).</p>"
    )
    sections = [lead, *evaluation_sections(accuracy, worst, missing)]
    sections.append(f"<h2>What was measured</h2>{facts(told, 'Network, pictures, versions.')}")
    return page(f"netwright eval: {told['network']} on {_last(told['data'])}", sections)


def short_name(result: Result) -> str:
    """What the pictures are called, without the folders above them."""
    return _last(result["data"]["source"])


def _last(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def _interval(accuracy: dict[str, Any]) -> str:
    low, high = accuracy["interval_95"]
    return f"95 % interval {100 * low:.1f} to {100 * high:.1f} %"


def verdict(result: Result) -> str:
    """How good the network is, with the interval, and what it costs."""
    accuracy, cost = result["accuracy"], result["cost"]
    return (
        f'<p class="lead"><strong>{100 * accuracy["top1"]:.1f} %</strong> of {accuracy["of"]:,} held-out pictures right '
        f"({_interval(accuracy)}), with {short_amount(cost['macs'])} macs and "
        f"{short_amount(cost['params'])} params at {cost['image']} px.</p>"
        '<p class="note">The held-out pictures served for no choice: not of the design, not of the epoch. The interval is that '
        "of so many pictures; another seed trains another network, and would differ too.</p>"
    )


def _asked(result: Result) -> str:
    data, recipe, pictures = result["data"], result["recipe"], result["data"]["pictures"]
    optimizer = recipe["optimizer"]
    start = "from scratch" if "started_from" not in data else "from trained weights"
    there, epochs = counted(pictures["train"], "picture"), counted(recipe["epochs"], "epoch")
    told = (
        f"Asked: train {result['network']} {start} on {there} of {len(data['classes']):,} classes "
        f"({short_name(result)}) at {result['cost']['image']} px for {epochs} of {optimizer['name']} with a "
        f"peak learning rate of {optimizer['lr']:g} for {optimizer['lr_batch'] or recipe['batch']} pictures, batch "
        f"{recipe['batch']:,}, seed {data['seed']}."
    )
    return f"<p>{escape(told)}</p>"


def _decided(result: Result) -> str:
    """What the command chose by itself, and why."""
    average = result["recipe"].get("ema", {}).get("decay", 0)
    on, pictures = result["curve_measured_on"], result["data"]["pictures"]
    kept = "the moving average of all steps" if average else "the last epoch's"
    rows = [
        ("weights", f"{kept}: no epoch is chosen by its accuracy, so the held-out figure is not a best of several"),
        ("held-out part", f"{counted(pictures.get('test', result['accuracy']['of']), 'picture')} that no step has seen"),
        ("curve", f"each epoch was measured on {on}, to be looked at only" if on else "measured on training pictures alone"),
    ]
    made = result.get("computed", {})
    if made:
        told = f"{made['precision']}, {str(made['layout']).replace('_', ' ')}" + (
            ", compiled" if made["compiled"] == "yes" else ""
        )
        rows.append(("computed in", f"{told}; what was left to 'auto' was measured before the first step"))
    return f"<h2>What was decided</h2>{facts(rows, 'Choices, and why.')}"


def curve(result: Result) -> str:
    """The learning curve."""
    rows = []
    for epoch in result["curve"]:
        measured = {"training pictures, augmented": epoch["accuracy"], result["curve_measured_on"]: epoch["validation"]}
        rows += [
            {"epoch": epoch["epoch"], "accuracy": 100 * value, "measured on": name}
            for name, value in measured.items()
            if value is not None
        ]
    held_out = 100 * result["accuracy"]["top1"]
    label = f"Learning curve over {counted(len(result['curve']), 'epoch')}, ending at {held_out:.1f} % on held-out pictures"
    caption = f"Trained for {counted(len(result['curve']), 'epoch')} in {short_seconds(result['training_seconds'])}."
    drawn = figure(charts.learning_curve(rows, held_out), label, caption, result["curve"], "learning-curve")
    losses = [{"epoch": epoch["epoch"], "loss": epoch["loss"]} for epoch in result["curve"]]
    first, last = losses[0]["loss"], losses[-1]["loss"]
    told = f"Training loss from {first:.3f} to {last:.3f} nats"
    return f"<h2>Learning curve</h2>{drawn}{figure(charts.loss_curve(losses), told, f'{told}.', losses, 'loss')}"


def schedule(rows: Rows | None) -> str:
    """The learning rate and the momentum over the epochs."""
    if not rows:
        return ""
    peak = max(row["lr"] for row in rows)
    label = f"Learning rate over the epochs: up to {peak:.3g}, at the end {rows[-1]['lr']:.3g}"
    drawn = figure(charts.schedule(rows), label, "As the recipe's schedule gives them.", rows, "schedule")
    return f"<h2>Schedule</h2>{drawn}"


def network(result: Result, table: Cost) -> str:
    """The network's diagram, and what it costs, block by block."""
    return f"<h2>The network</h2>{diagram(table.graph, result['network'])}<h2>What it costs</h2>{cost_section(table)}"


def cost_section(table: Cost) -> str:
    """Macs block by block, and the table of the costs."""
    rows: Rows = [{"name": line.name, "macs": line.macs, "params": line.params, "acts": line.acts} for line in table.lines]
    most = max(rows, key=lambda row: row["macs"])
    label = f"Macs of {len(rows)} blocks; most are in {most['name']}: {short_amount(most['macs'])} of {short_amount(table.macs)}"
    where = figure(charts.cost_by_layer(rows), label, "Where the multiply-accumulates are spent.", rows, f"{table.by}s")
    return f"{where}{scrolling(to_html(table), 'What it costs')}"


def details(result: Result) -> str:
    """Pictures, recipe, machine, versions."""
    data, machine, versions = result["data"], result["machine"], result["versions"]
    pictures = ", ".join(f"{count:,} {name}" for name, count in data["pictures"].items())
    told = {
        "pictures": f"{data['source']}: {pictures}",
        "classes": ", ".join(data["classes"]),
        "recipe": ", ".join(_leaves(result["recipe"])),
        "seed": data["seed"],
        "machine": f"{machine['system']} {machine['processor']}, {machine['threads']} threads",
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()),
        "finished": result["finished"],
    }
    if "computed" in result:
        told["computed with"] = ", ".join(_leaves(result["computed"]))
    for part, names in result.get("left_out", {}).items():
        more = ", ..." if len(names) > MOST_NAMES else ""
        told[f"{part}: left out"] = f"{len(names):,} that cannot be read: {', '.join(names[:MOST_NAMES])}{more}"
    if "onnx" in result:
        told["model.onnx"] = f"outputs differ from the model's by {result['onnx']['largest_difference']:.1e} of the largest logit"
    return f"<h2>On which data and machine</h2>{facts(told, 'Where the figures are from.')}"


def _leaves(table: dict[str, Any], under: str = "") -> list[str]:
    """The values of nested tables, by their dotted names."""
    lines: list[str] = []
    for name, value in table.items():
        lines += _leaves(value, f"{under}{name}.") if isinstance(value, dict) else [f"{under}{name} {value}"]
    return lines
