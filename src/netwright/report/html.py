"""What reports are made of: the page, figures with their numbers, tables. One file, no scripts, nothing fetched."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from typing import Any
from urllib.parse import quote

from netwright.costing.formats import csv_table
from netwright.graph import Graph
from netwright.report.charts import STYLE, Chart, Rows, inline
from netwright.report.diagram.draw import to_svg
from netwright.report.diagram.page import picture_of

# Nothing outside the file may be asked for, even if something slipped in
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"
_STYLE = """
:root { color-scheme: light dark; --line: #8885; --soft: #8881; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.6rem; margin-bottom: .2rem; overflow-wrap: anywhere; } h2 { font-size: 1.2rem; margin-top: 2.2rem; }
h3 { font-size: 1rem; } p, li { overflow-wrap: anywhere; }
.lead { font-size: 1.1rem; } .note { color: color-mix(in srgb, currentColor 75%, transparent); font-size: .9rem; }
figure { margin: 1rem 0; } figcaption { max-width: 46rem; } figure svg { max-width: 100%; height: auto; display: block; }
.diagram svg { width: 100%; border-radius: 6px; } .panels { display: flex; flex-wrap: wrap; gap: .8rem .6rem; }
.scroll { overflow-x: auto; } caption { text-align: left; padding: .3rem 0; font-size: .9rem; }
table { border-collapse: collapse; min-width: min(100%, 32rem); font-size: .85rem; font-variant-numeric: tabular-nums; }
td, th { padding: .2rem .6rem; text-align: right; border-bottom: 1px solid var(--line); white-space: nowrap; }
td:first-child, th:first-child, .cost td:nth-child(-n+3), .cost th:nth-child(-n+3) { text-align: left; }
tr.winner { background: #d55e0030; font-weight: 600; } tfoot th, tfoot td { border-top: 2px solid; }
.words td, .words th, .pairs td:nth-child(2), .pairs th:nth-child(2) { text-align: left; }
.facts td { white-space: normal; overflow-wrap: anywhere; } .facts td, .facts th { text-align: left; vertical-align: top; }
ul.grid { display: flex; flex-wrap: wrap; gap: .9rem; padding: 0; }
.grid li { list-style: none; width: 8.5rem; font-size: .8rem; line-height: 1.25; }
.grid li { overflow-wrap: anywhere; break-inside: avoid; } .grid b, .grid span { display: block; }
.grid img { width: 8.5rem; height: 8.5rem; object-fit: contain; image-rendering: pixelated; background: #8882; }
.grid img[src*="jpeg"] { image-rendering: auto; } details summary { cursor: pointer; }
:focus-visible { outline: 2px solid #0072B2; outline-offset: 2px; }
@media (max-width: 40rem) { .scroll > svg { min-width: 27rem; } .diagram .scroll > svg { min-width: 44rem; } }
@media screen and (prefers-color-scheme: dark) { .diagram svg { filter: invert(.93) hue-rotate(180deg); } }
@page { size: A4; margin: 14mm; }
@media print {
 :root { color-scheme: light; } body { max-width: none; margin: 0; padding: 0; font-size: 10pt; }
 h2, h3, caption { break-after: avoid; } figure, tr, li { break-inside: avoid; } a.data { display: none; }
 figure:not(.diagram) svg { max-width: 12.5cm; } .panels svg { max-width: 8cm; } .grid li, .grid img { width: 2.6cm; }
 .grid img { height: 2.6cm; } tfoot { display: table-row-group; } .scroll { overflow: visible; }
 table { font-size: 7.5pt; } td, th { padding: .1rem .35rem; }
 details::details-content { content-visibility: visible; block-size: auto; } summary { list-style: none; font-weight: 600; }
}
"""


def page(title: str, sections: Iterable[str]) -> str:
    """A whole page of pieces of HTML under its title; empty pieces are left out."""
    body = "\n".join(section for section in sections if section)
    return (
        f'<!doctype html>\n<html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title>'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><style>{_STYLE}{STYLE}</style></head>\n'
        f"<body><main><h1>{escape(title)}</h1>\n{body}\n</main></body></html>\n"
    )


def notebook(sections: Iterable[str]) -> str:
    """Pieces of a page for the output of a notebook's cell: dark on light, whatever the notebook's colours are."""
    return f'<div style="background: #fff; color: #222; padding: .6rem">{"".join(sections)}</div>'


def figure(chart: Chart, label: str, caption: str, rows: Rows | str, name: str) -> str:
    """A chart with its text alternative (`label`) over its caption, and its numbers (rows, or CSV) as the file `name`.csv."""
    told = f'<figcaption class="note">{escape(caption)} {download(rows, name)}</figcaption>'
    return f"<figure>{scrolling(inline(chart, label), label)}{told}</figure>"


def download(rows: Rows | str, name: str) -> str:
    """A link to rows (or to CSV) that the page itself holds."""
    text = quote(rows if isinstance(rows, str) else csv_table(rows), safe=",:;()=+-_.!~*'/?@$")
    file = re.sub(r"[^\w.-]+", "-", name)
    href = f"data:text/csv;charset=utf-8,{text}"
    return f'<a class="data" download="{file}.csv" href="{href}">Numbers: {file}.csv</a>'


def diagram(graph: Graph, name: str, key: str = "net") -> str:
    """The diagram of a network; `key` tells its parts from those of other diagrams of the page."""
    svg = to_svg(picture_of(graph, "".join(c if c.isprintable() else "?" for c in name)))
    svg = svg.replace('"title desc"', f'"{key}-title {key}-desc"').replace("url(#head)", f"url(#{key}-head)")
    for part in ("title", "desc", "head"):
        svg = svg.replace(f' id="{part}"', f' id="{key}-{part}"')
    told = f"{name}: stages are columns, shading is the share of the macs."
    return f'<figure class="diagram">{scrolling(svg, told)}<figcaption class="note">{escape(told)}</figcaption></figure>'


def table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str, kind: str = "", marked: Sequence[bool] = ()) -> str:
    """A table under its caption; `kind` is a class of the page's style ("words": cells stand left); marked rows stand out."""
    kind = f' class="{kind}"' if kind else ""
    titles = "".join(f'<th scope="col">{escape(name)}</th>' for name in head)
    lines = []
    for place, row in enumerate(rows):
        mark = ' class="winner"' if place < len(marked) and marked[place] else ""
        lines.append(f"<tr{mark}>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>")
    made = (
        f"<table{kind}><caption>{escape(caption)}</caption>"
        f"<thead><tr>{titles}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
    )
    return scrolling(made, caption)


def facts(told: dict[str, Any] | Iterable[tuple[str, Any]], caption: str) -> str:
    """Words and what they are, as a table."""
    pairs = told.items() if isinstance(told, dict) else told
    lines = [f'<tr><th scope="row">{escape(name)}</th><td>{escape(str(value))}</td></tr>' for name, value in pairs]
    return f'<table class="facts"><caption>{escape(caption)}</caption><tbody>{"".join(lines)}</tbody></table>'


def scrolling(html: str, label: str) -> str:
    """What may be wider than a narrow window: it scrolls by itself, by keyboard too."""
    return f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(label[:120])}">{html}</div>'
