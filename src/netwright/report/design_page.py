"""The report of `netwright design`: what was asked, how the time was spent, what was tried, who won."""

from __future__ import annotations

from html import escape
from typing import Any

from netwright.costing import Cost
from netwright.report import charts
from netwright.report.evaluating import evaluation_sections
from netwright.report.html import figure, page, table
from netwright.report.pages import Beside, Result, curve, details, network, schedule, short_name, verdict
from netwright.scaling.budget import shown
from netwright.spaces.sampling import wilson
from netwright.units import counted, short_seconds

WIDEST = 40  # characters of a field that is shown in the table of candidates


def design_page(result: Result, costs: Cost, beside: Beside) -> str:
    """The report of `netwright design`: what was asked, what was tried, why this one won, how good it is."""
    sections = [verdict(result), f"<p>{escape(_asked(result))}</p>", _limits(result), _candidates(result), _time(result)]
    sections += [_weights(result), _baselines(result), curve(result), schedule(beside.schedule)]
    sections += evaluation_sections(result["accuracy"], beside.worst, beside.missing)
    return page(f"netwright design: {short_name(result)}", [*sections, network(result, costs), details(result)])


def _asked(result: Result) -> str:
    search, trained = result["search"], result["trained"]
    limits = " and ".join(f"at most {shown(limit['name'], limit['most'])}" for limit in result["limits"])
    planned = search["planned"]
    first = (
        f"Asked: the most accurate network of {limits} at {result['budget']['image']} px. "
        f"{len(search['candidates'])} designs of the space {search['space']} within that ({search['draws']:,} drawn) were "
        f"trained {_briefly(result)} and compared on {planned['compared']:,} validation pictures; "
        f"candidate {search['winner']} won and was trained for {counted(trained['epochs'], 'epoch')} on "
        f"{trained['pictures']:,} of the {_training(result):,} pictures that are not held out."
    )
    left = search["not_begun"]
    return first + (f" For candidates {', '.join(map(str, left))} there was no time." if left else "")


def _briefly(result: Result) -> str:
    """How long candidates were trained: the same number of epochs, or the same time."""
    tried = result["search"]["candidates"]
    if len({(row["epochs"], row["pictures"]) for row in tried}) == 1:
        return f"for {counted(tried[0]['epochs'], 'epoch')} on {counted(tried[0]['pictures'], 'picture')}"
    seen = [row["epochs"] * row["pictures"] for row in tried]
    mean = sum(row["seconds"] for row in tried) / len(tried)
    return f"for equally long (about {short_seconds(mean)}; they saw from {min(seen):,} to {max(seen):,} pictures)"


def _training(result: Result) -> int:
    pictures = result["data"]["pictures"]
    return int(pictures["train"]) + int(pictures.get("validation", 0))


def _limits(result: Result) -> str:
    rows = []
    for limit in result["limits"]:
        counted = limit["unit"] == ""
        most, has = (
            f"{limit[key]:,.0f}" if counted else shown(limit["name"], limit[key]).split(" of ")[0] for key in ("most", "has")
        )
        told = ["one image" if limit["batch"] == 1 else f"batches of {limit['batch']}"]
        told += [str(limit[key]) for key in ("precision", "optimizer", "device") if key in limit]
        name = limit["name"].replace("_", " ")
        name = "memory in training" if limit["name"] == "memory" else name
        rows.append([name, most, has, f"{100 * limit['has'] / limit['most']:.1f}", ", ".join(told)])
    return "<h2>Limits</h2>" + table(
        ["limit", "at most", "the network", "% of it", "for"], rows, "The limits, and what the network has."
    )


def _time(result: Result) -> str:
    time = result["time"]
    seconds = dict(time["seconds"])
    total = seconds.pop("total")
    seconds.pop("baselines", None)
    rows = [[part, short_seconds(value), f"{100 * value / total:.0f}" if total else ""] for part, value in seconds.items()]
    rows.append(["together", short_seconds(total), ""])
    asked = "" if time["minutes"] is None else f" {short_seconds(60 * time['minutes'])} were asked for."
    return f"<h2>How the time was spent</h2>{table(('for', 'time', '%'), rows, f'Wall time up to this report.{asked}')}"


def _candidates(result: Result) -> str:
    search = result["search"]
    rows = [
        {
            "number": c["number"],
            "macs": c["macs"],
            "accuracy": 100 * c["validation_accuracy"],
            "winner": c["number"] == search["winner"],
        }
        for c in search["candidates"]
    ]
    best = max(rows, key=lambda row: bool(row["winner"]))
    label = (
        f"Validation accuracy against macs of {len(rows)} candidates; candidate {best['number']} won with "
        f"{best['accuracy']:.1f} % at {best['macs']:,} macs"
    )
    budget = result["budget"].get("max_macs")
    line = ", the dashed line is the budget" if budget is not None else ""
    caption = f"Each dot is a candidate after its brief training; the winner is orange{line}."
    drawn = figure(charts.accuracy_against(rows, "macs", budget), label, caption, rows, "candidates")
    return f"<h2>What was tried</h2><p>{escape(_why(search))}</p>{drawn}{_candidate_table(search)}"


def _why(search: Result) -> str:
    """Why the winner won, and how sure that is."""
    ordered = sorted(search["candidates"], key=lambda c: -c["validation_accuracy"])
    if len(ordered) < 2:
        return "There was one candidate to choose from."
    best = next(c for c in ordered if c["number"] == search["winner"])
    second = next(c for c in ordered if c["number"] != search["winner"])
    share, pictures = best["validation_accuracy"], search["planned"]["compared"]
    low, high = wilson(share, pictures)
    gap = 100 * (share - second["validation_accuracy"])
    close = "so the choice between them is within chance" if second["validation_accuracy"] > low else "beyond its interval"
    return (
        f"Candidate {best['number']} won by validation accuracy: {100 * share:.1f} % (95 % interval {100 * low:.1f} to "
        f"{100 * high:.1f} %), {gap:.1f} points before candidate {second['number']}, {close}."
    )


def _candidate_table(search: Result) -> str:
    ordered = sorted(search["candidates"], key=lambda c: -c["validation_accuracy"])
    designs = [c["design"] for c in ordered]
    names = dict.fromkeys(name for design in designs for name in design)
    fields = [name for name in names if _telling([design.get(name, "") for design in designs])]
    rows = []
    for c in ordered:
        figures = [f"{c['macs']:,}", f"{c['params']:,}", f"{c['acts']:,}", f"{c['seconds']:.0f}"]
        values = [str(c["design"].get(name, "")) for name in fields]
        rows.append([str(c["number"]), f"{100 * c['validation_accuracy']:.1f}", *figures, *values])
    head = ["#", "validation %", "macs", "params", "acts", "seconds", *fields]
    marked = [c["number"] == search["winner"] for c in ordered]
    return table(head, rows, "Candidates, best first; counts for one image.", marked=marked)


def _telling(values: list[Any]) -> bool:
    """Whether a field tells candidates apart, and is short enough to be shown."""
    return (len(values) == 1 or any(value != values[0] for value in values)) and max(len(str(v)) for v in values) <= WIDEST


def _weights(result: Result) -> str:
    if "weights" not in result:
        return ""
    told = result["weights"]
    rows, marked = [], []
    for row in told["rows"]:
        low, high = row["interval_95"]
        share = [f"{100 * row['validation_accuracy']:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"]
        rows.append([row["start"], *share, f"{row['macs']:,}", f"{row['params']:,}", str(row["epochs"]), f"{row['seconds']:.0f}"])
        marked.append(row["start"] == told["chosen"])
    head = ["start", "validation %", "95 % interval", "macs", "params", "epochs", "seconds"]
    caption = "Both learned from the training part alone, for the same time; validation pictures chose."
    return f"<h2>From weights, or from scratch</h2>{table(head, rows, caption, marked=marked)}"


def _baselines(result: Result) -> str:
    if "baselines" not in result:
        return ""
    rows = []
    for row in result["baselines"]["rows"]:
        low, high = row["interval_95"]
        test = (
            [f"{row['only_design_right']} : {row['only_this_right']}", f"{row['p']:.2g}", row["better"]]
            if "p" in row
            else [""] * 3
        )
        share = [f"{100 * row['top1']:.1f}", f"{100 * low:.1f} to {100 * high:.1f}"]
        counts = [f"{row['macs']:,}", f"{row['params']:,}", str(row["epochs"]), f"{row['seconds']:.0f}"]
        rows.append([row["name"], *share, *counts, *test])
    head = ["network", "held-out %", "95 % interval", "macs", "params", "epochs", "seconds", "only one right", "p", "better"]
    caption = (
        "Networks of the zoo within the same limits, trained by the same recipe for the same time. Only one right: pictures that "
        "just the design, or just the baseline gets right; p: McNemar's exact test of these (above 0.05: undecided)."
    )
    return f"<h2>Beside networks of the zoo</h2>{table(head, rows, caption, marked=[True])}"
