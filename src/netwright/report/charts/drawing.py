"""Charts as files and as pieces of a page: SVG and PNG, drawn without a browser or a network."""

from __future__ import annotations

import hashlib
import os
import re
from html import escape
from pathlib import Path

import vl_convert

from netwright.errors import NetwrightError
from netwright.files import writing
from netwright.report.charts.theme import PALETTES, THEMES, Chart, Theme, config, themed

# Stand-ins that become names of the page's style: the page says what they are, light, dark or printed
_NAMES = {"ink": "#010203", "paper": "#010204", "quiet": "#010205", "grid": "#010206"}
_PAGE = config(**_NAMES) | {"background": "transparent"}

_OWN = r' id="((?:clip|gradient_|pattern_|part|c[0-9a-f]{8}-)\d+)"'  # what Vega names, and we after it


def to_svg(chart: Chart, label: str, theme: Theme = "light") -> str:
    """The chart as SVG with a text alternative."""
    return _named(_svg(themed(chart, theme)), label)


def inline(chart: Chart, label: str) -> str:
    """The chart as a piece of an HTML page, which it follows from light to dark: see `STYLE`."""
    svg = _named(_svg(themed(chart, _PAGE)), label)
    for name, stand_in in _NAMES.items():
        svg = svg.replace(f'"{stand_in}"', f'"var(--chart-{name}, {PALETTES["light"][name]})"')
    return _renamed(svg, f"c{hashlib.sha256(svg.encode()).hexdigest()[:8]}-")  # they are names of the whole page


def _style() -> str:
    """The page's names, as custom properties."""
    light, dark = (";".join(f"--chart-{name}:{colour}" for name, colour in PALETTES[theme].items()) for theme in THEMES)
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


STYLE = _style()  # of a page with inline charts


def _svg(chart: Chart) -> str:
    parts = ("mark", "axis", "legend", "title")
    silent = {part: chart.config.get(part, {}) | {"aria": False} for part in parts}  # the text alternative is for the whole
    made = themed(chart, chart.config | silent)
    return _renamed(_roomy(vl_convert.vegalite_to_svg(made.to_json())), "part")


_LONG, _WIDER = 12, 1.6  # letters of a label that need room; px by which a browser's may be wider than those laid out with


def _roomy(svg: str) -> str:
    """The picture with room to its left where long labels end at an axis: a reader's font may be wider than the drawing's."""
    longest = max([len(text) for text in re.findall(r'<text text-anchor="end"[^>]*>([^<]*)<', svg)], default=0)
    room = round(_WIDER * longest) if longest > _LONG else 0
    size = re.search(r'width="(\d+)" height="(\d+)" viewBox="0 0 \1 \2">(<rect width="\1")?', svg)
    if not room or size is None:
        return svg
    width, height = int(size[1]) + room, size[2]
    ground = f'<rect x="{-room}" width="{width}"' if size[3] else ""
    made = f'width="{width}" height="{height}" viewBox="{-room} 0 {width} {height}">{ground}'
    return svg[: size.start()] + made + svg[size.end() :]


def _renamed(svg: str, prefix: str) -> str:
    """The picture with its own names (of clips and gradients) counted from 0: equal charts give equal text."""
    own = {name: f"{prefix}{i}" for i, name in enumerate(dict.fromkeys(re.findall(_OWN, svg)))}
    return re.sub(r'( id="|url\(#)([^")]+)', lambda found: found[1] + own.get(found[2], found[2]), svg)


def _named(svg: str, label: str) -> str:
    told = escape("".join(c for c in label if c.isprintable()))
    return re.sub(r"<svg ", lambda _: f'<svg role="img" aria-label="{told}" ', svg, count=1)


def to_png(svg: str) -> bytes:
    """The picture at two px for one."""
    drawn: bytes = vl_convert.svg_to_png(svg, scale=2.0)
    return drawn


def save(chart: Chart, path: str | os.PathLike[str], label: str = "chart", theme: Theme = "light") -> Path:
    """Write a chart as .svg or .png; whole or not at all.

    Raises NetwrightError for another suffix or a path that cannot be written, FailedError where the disk fails or is full.
    """
    out = Path(path)
    if out.suffix.lower() not in (".svg", ".png"):
        raise NetwrightError(f"cannot tell the form of {out}: end it with .svg or .png")
    svg = to_svg(chart, label, theme)
    with writing(out) as temporary:
        temporary.write_bytes(svg.encode() if out.suffix.lower() == ".svg" else to_png(svg))
    return out
