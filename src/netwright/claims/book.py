"""The book: results as JSON and figures in a folder, a page for each claim, and their index beside the folder."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from netwright.claims.claim import WORDS, Claim, Evidence
from netwright.claims.running import Result
from netwright.errors import NetwrightError
from netwright.files import read_json, write_text

Entry = dict[str, Any]  # a result's JSON
_INTRO = """# The claims book

Every checkable statement of the lecture notes as an experiment. The verdict is computed from what the run found: `holds`;
`fails`; `corrected`, where the statement as said is false and the run shows the right figure; `undecided`, where the evidence
allows both. `exact` claims are arithmetic, `quick` ones train something small in seconds; both run in the tests. `long` ones
take minutes on real pictures, in small; their stored results say how and where they were run.

    netwright claims list                          what there is
    netwright claims run a16                       one claim, by its id or name
    netwright claims run --exact --quick -o claims      all that take seconds, with figures and pages
    netwright claims run o16 --data FOLDER --json       a long one, on pictures

This page and those below `claims/` are generated: `netwright claims run --exact --quick -o docs/claims`.
"""


def store(result: Result, folder: Path) -> Path | None:
    """Write a result into a folder: `NAME.json`, `NAME.md` and, if the claim has one, the figure `NAME.svg`, which is returned.

    A result of another claim is left alone. Raises NetwrightError for a folder that cannot be written.
    """
    name, figure = result.claim.name, None
    if result.claim.draw is not None:
        figure = folder / f"{name}.svg"
        write_text(figure, draw(result))
    entry = {**result.to_json(figure.name if figure else None), "rows": [dict(row) for row in result.evidence.rows]}
    write_text(folder / f"{name}.json", _compact(entry))
    write_text(folder / f"{name}.md", page(entry))
    return figure


def _compact(entry: Entry) -> str:
    """JSON with a line for each key and each row."""
    rows = ",\n  ".join(map(json.dumps, entry["rows"]))
    lines = [f'"{key}": {json.dumps(value)}' for key, value in entry.items() if key != "rows"]
    return "{\n " + ",\n ".join([*lines, f'"rows": [{rows}]']) + "\n}\n"


def write_index(claims: Sequence[Claim], folder: Path) -> Path:
    """Write the index of the results in a folder beside it: `claims/` gets `claims.md`."""
    path = folder.parent / f"{folder.name}.md"
    write_text(path, index(read_entries(claims, folder), claims, folder.name))
    return path


def read_entries(claims: Iterable[Claim], folder: Path) -> list[Entry]:
    """The stored results, in the order of the claims. Raises NetwrightError for a file that holds none."""
    found = []
    for claim in claims:
        path = folder / f"{claim.name}.json"
        if path.exists():
            entry = read_json(path)
            if not isinstance(entry, dict) or entry.get("name") != claim.name or not isinstance(entry.get("evidence"), dict):
                raise NetwrightError(f"{path} holds no result of {claim.name}: run it again with -o {folder}")
            found.append(entry)
    return found


def result_of(entry: Entry, claim: Claim) -> Result:
    """The result that was stored; its verdict is made anew from the evidence."""
    evidence = Evidence(entry["evidence"], entry["rows"], entry["about"])
    return Result(claim, evidence, entry["seconds"], entry["ran"])


def draw(result: Result) -> str:
    """The figure as SVG; a comment at its end tells which evidence it is of."""
    from netwright.report.charts import to_svg

    assert result.claim.draw is not None
    chart = result.claim.draw(result.evidence)
    svg = to_svg(chart, f"{result.claim.number}: {result.verdict.word}. {result.verdict.why}")
    return f"{svg}\n<!-- evidence {digest(result.evidence)} -->\n"


def digest(evidence: Evidence) -> str:
    """A short digest of the rows that a figure is drawn of."""
    text = json.dumps([dict(row) for row in evidence.rows], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def title(name: str) -> str:
    """`A16: grouped convolution`."""
    number, _, words = name.partition("-")
    return f"{number.upper()}: {words.replace('-', ' ')}"


def page(entry: Entry) -> str:
    """The page of one claim, Markdown."""
    ran = entry["ran"]
    tiny = "A tiny run, to see that the experiment works: it says nothing of the claim.\n\n" if ran["tiny"] else ""
    figure = f"![{title(entry['name'])}]({entry['figure']})\n\n" if entry["figure"] else ""
    rows = "".join(f"| {_plain(name)} | {_told(value)} |\n" for name, value in entry["evidence"].items())
    return (
        f"# {title(entry['name'])}\n\n> {entry['statement']}\n\n{entry['source']}.\n\n**{entry['verdict'].capitalize()}** "
        f"({entry['kind']}): {entry['why']}.\n\n{tiny}{figure}What was done: {entry['about']}.\n\n| evidence | "
        f"|\n|---|---|\n{rows}\n    {ran['command']}\n\n{entry['seconds']:,.1f} s on {ran['machine']}; {ran['versions']}; "
        f"{ran['date']}.\n"
    )


def index(entries: Sequence[Entry], claims: Sequence[Claim], folder: str) -> str:
    """The index: how many verdicts of each word, then a line for each claim, also of those without a result."""
    known = {entry["name"]: entry for entry in entries}
    counts = {word: sum(entry["verdict"] == word for entry in entries) for word in WORDS}
    missing = [claim for claim in claims if claim.name not in known]
    told = ", ".join(f"{count} {word}" for word, count in counts.items())
    lines = [_INTRO, f"{len(claims)} claims: {told}{f', {len(missing)} not run yet' if missing else ''}.", ""]
    for letter, name in _PARTS.items():
        mine = [claim for claim in claims if claim.name.startswith(letter)]
        if mine:
            lines += [f"## {name}", "", "| claim | kind | statement | verdict |", "|---|---|---|---|"]
            lines += [_line(claim, known.get(claim.name), folder) for claim in mine] + [""]
    return "\n".join(lines)


_PARTS = {"o": "Optimizers", "a": "Architectures", "x": "Slips in the notes", "s": "Scaling and search"}


def _line(claim: Claim, entry: Entry | None, folder: str) -> str:
    name = title(claim.name)
    if entry is None:
        return f"| {name} | {claim.kind} | {_cell(claim.statement)} | not run yet |"
    tiny = " (tiny run)" if entry["ran"]["tiny"] else ""
    verdict = f"**{entry['verdict']}**{tiny}: {_cell(entry['why'])}"
    return f"| [{name}]({folder}/{claim.name}.md) | {claim.kind} | {_cell(claim.statement)} | {verdict} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _plain(name: str) -> str:
    return name.replace("_", " ")


def _told(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(map(_told, value))
    if isinstance(value, dict):
        return "; ".join(f"{name} {_told(part)}" for name, part in value.items())
    if isinstance(value, bool):
        return "yes" if value else "no"
    if value is None:
        return "none"
    return f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if isinstance(value, int) else _cell(str(value))
