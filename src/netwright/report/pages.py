"""The HTML report of a run: one file, no scripts, nothing fetched."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from netwright.costing import Cost
from netwright.costing.formats import to_html
from netwright.report import charts
from netwright.report.evaluating import Pixels, evaluation_sections
from netwright.units import short_amount, short_seconds

Result = dict[str, Any]
MOST_NAMES = 20  # of pictures that were left out

_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
.lead { font-size: 1.1rem; } .note { color: color-mix(in srgb, currentColor 70%, transparent); font-size: .9rem; }
figure { margin: 0; overflow-x: auto; } figure svg { max-width: 100%; height: auto; border-radius: 6px; }
.scroll { overflow-x: auto; } caption { text-align: left; padding: .3rem 0; font-size: .9rem; }
table { border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
td, th { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
td:first-child, th:first-child, .cost td:nth-child(-n+3), .cost th:nth-child(-n+3) { text-align: left; }
tr.winner { background: #d55e0030; font-weight: 600; } tfoot th { border-top: 2px solid; }
.words td, .words th, .pairs td:nth-child(2), .pairs th:nth-child(2) { text-align: left; }
ul.grid { display: flex; flex-wrap: wrap; gap: .9rem; padding: 0; }
.grid li { list-style: none; width: 8.5rem; font-size: .8rem; line-height: 1.25; }
.grid li { overflow-wrap: anywhere; break-inside: avoid; } .grid b, .grid span { display: block; }
.grid img { width: 8.5rem; height: 8.5rem; object-fit: contain; image-rendering: pixelated; background: #8882; }
.grid img[src*="jpeg"] { image-rendering: auto; } details summary { cursor: pointer; }
@media print { body { max-width: none; margin: 0; } h2 { break-after: avoid; } figure { break-inside: avoid; } }
"""


def run_page(result: Result, table: Cost, worst: Sequence[Pixels] = ()) -> str:
    """The report of `netwright train`: how good the network is, its learning curve, where it errs, its cost.

    `worst` are the pixels of the worst mistakes (see `evaluation_sections`).
    """
    sections = [verdict(result), curve(result), *evaluation_sections(result["accuracy"], worst)]
    return page(
        f"netwright train: {result['network']} on {short_name(result)}", [*sections, winner(result, table), details(result)]
    )


def eval_page(accuracy: dict[str, Any], facts: dict[str, str], worst: Sequence[Pixels] = ()) -> str:
    """The report of `netwright eval`: figures as `training.results.accuracy_of` gives them, and where they are from.

    `facts` (word -> what it is; "network" and "data" among them) end the page; `worst` as in `run_page`.
    """
    low, high = accuracy["interval_95"]
    lead = (
        f'<p class="lead"><strong>{100 * accuracy["top1"]:.1f} %</strong> of {accuracy["of"]:,} pictures right '
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %).</p>"
    )
    sections = [lead, *evaluation_sections(accuracy, worst), f"<h2>What was measured</h2>{_facts(facts)}"]
    return page(f"netwright eval: {facts['network']} on {_last(facts['data'])}", sections)


def short_name(result: Result) -> str:
    """What the pictures are called, without the folders above them."""
    return _last(result["data"]["source"])


def _last(path: str) -> str:
    return path.rstrip("/").rsplit("/", 1)[-1]


def page(title: str, sections: list[str]) -> str:
    """A whole page of pieces of HTML under its title."""
    body = "\n".join(sections)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}</style></head>\n'
        f"<body><main><h1>{escape(title)}</h1>\n{body}\n</main></body></html>\n"
    )


def verdict(result: Result) -> str:
    """How good the network is, with the interval, and what it costs."""
    accuracy, cost = result["accuracy"], result["cost"]
    low, high = accuracy["interval_95"]
    return (
        f'<p class="lead"><strong>{100 * accuracy["top1"]:.1f} %</strong> of {accuracy["of"]:,} held-out pictures right '
        f"(95 % interval {100 * low:.1f} to {100 * high:.1f} %), with {short_amount(cost['macs'])} macs and "
        f"{short_amount(cost['params'])} params at {cost['image']} px.</p>"
        '<p class="note">The held-out pictures served for no choice: not of the design, not of the epoch.</p>'
    )


def figure(svg: str, caption: str) -> str:
    """A chart over its caption."""
    return f'<figure>{svg}<figcaption class="note">{escape(caption)}</figcaption></figure>'


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
    label = f"Learning curve over {len(result['curve'])} epochs, ending at {held_out:.1f} % on held-out pictures"
    svg = charts.to_svg(charts.learning_curve(rows, held_out), label)
    caption = f"Trained for {len(result['curve'])} epochs in {short_seconds(result['training_seconds'])}."
    return f"<h2>Learning curve</h2>{figure(svg, caption)}"


def winner(result: Result, table: Cost) -> str:
    """What the network costs, block by block."""
    rows = [{"name": line.name, "macs": line.macs} for line in table.lines]
    svg = charts.to_svg(charts.cost_by_layer(rows), f"Macs of each of {len(rows)} blocks")
    where = figure(svg, "Where the multiply-accumulates are spent.")
    return f'<h2>What it costs</h2>{where}<div class="scroll">{to_html(table)}</div>'


def details(result: Result) -> str:
    """Pictures, recipe, machine, versions."""
    data, machine, versions = result["data"], result["machine"], result["versions"]
    pictures = ", ".join(f"{count:,} {name}" for name, count in data["pictures"].items())
    facts = {
        "pictures": f"{data['source']}: {pictures}",
        "classes": ", ".join(data["classes"]),
        "recipe": ", ".join(_leaves(result["recipe"])),
        "seed": data["seed"],
        "machine": f"{machine['system']} {machine['processor']}, {machine['threads']} threads",
        "versions": ", ".join(f"{name} {value}" for name, value in versions.items()),
        "finished": result["finished"],
    }
    if "computed" in result:
        facts["computed with"] = ", ".join(_leaves(result["computed"]))
    for part, names in result.get("left_out", {}).items():
        more = ", ..." if len(names) > MOST_NAMES else ""
        facts[f"{part}: left out"] = f"{len(names):,} that cannot be read: {', '.join(names[:MOST_NAMES])}{more}"
    if "onnx" in result:
        facts["model.onnx"] = (
            f"outputs differ from the model's by {result['onnx']['largest_difference']:.1e} of the largest logit"
        )
    return f"<h2>On which data and machine</h2>{_facts(facts)}"


def _leaves(table: dict[str, Any], under: str = "") -> list[str]:
    """The values of nested tables, by their dotted names."""
    lines: list[str] = []
    for name, value in table.items():
        lines += _leaves(value, f"{under}{name}.") if isinstance(value, dict) else [f"{under}{name} {value}"]
    return lines


def _facts(facts: dict[str, Any]) -> str:
    style = "white-space: normal; text-align: left; overflow-wrap: anywhere"
    lines = [f'<tr><td>{escape(name)}</td><td style="{style}">{escape(str(value))}</td></tr>' for name, value in facts.items()]
    return f"<table>{''.join(lines)}</table>"
