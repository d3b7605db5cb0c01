"""Diagrams of networks: our own SVG on one A4 page, without fonts, scripts or links from elsewhere."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError, did_you_mean
from netwright.files import writing
from netwright.graph import Design, Graph, trace
from netwright.graph.layers import Pair
from netwright.report.diagram.dot import to_dot
from netwright.report.diagram.legend import INK, fill, ink
from netwright.report.diagram.page import Picture, picture_of
from netwright.report.diagram.shapes import Line, Mark, Point, Shape, Text
from netwright.report.diagram.tree import By
from netwright.zoo import name_of, network

DETAILS: tuple[By, ...] = ("layer", "block", "stage")
SUFFIXES = (".svg", ".dot", ".gv", ".png", ".pdf")
_LINE = "#5b6470"
_FONT = "Helvetica, Arial, 'Liberation Sans', 'DejaVu Sans', sans-serif"


@dataclass(frozen=True)
class Drawing:
    """A diagram: `svg` and `dot` as text; shows itself in notebooks.

    `picture` holds every shape, line and text of the page in points.
    """

    name: str
    graph: Graph = field(repr=False)
    picture: Picture = field(repr=False)

    @property
    def svg(self) -> str:
        """The page as SVG: A4 landscape, complete in itself."""
        return to_svg(self.picture)

    @property
    def dot(self) -> str:
        """The same shapes as text for Graphviz."""
        return to_dot(self.picture.columns, self.name)

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the drawing as the path's suffix says: .svg, .png, .pdf, or .dot (.gv) for Graphviz; whole or not at all.

        Raises NetwrightError for another suffix or a path that cannot be written, FailedError where the disk fails or is full.
        """
        out = Path(path)
        check_path(out)
        data = self.dot.encode() if out.suffix.lower() in (".dot", ".gv") else _rendered(self.svg, out.suffix.lower())
        with writing(out) as temporary:
            temporary.write_bytes(data)
        return out


def draw(
    net: Design | str | Callable[..., Any],
    image: int | Pair | None = None,
    *,
    channels: int = 3,
    path: str | os.PathLike[str] | None = None,
    by: By | None = None,
    name: str = "",
) -> Drawing:
    """The diagram of a design (or of a name of the zoo) for an image of `image` px, written to `path` where one is given.

    Stages are columns, equal blocks in a row are one that says `x N`; boxes are as wide as the logarithm of
    their channels, as high as that of their resolution, and darker the more of the network's macs
    they (with all N) take. `by` is the finest thing with a shape of its own: layer, block or stage; by default
    the finest that stays legible on an A4 page. Raises NetwrightError for a suffix other than .svg, .dot, .gv, .png
    and .pdf, DesignError and VanishedError as `trace` does.

    >>> draw("resnet50").svg[:4]
    '<svg'
    """
    if path is not None:
        check_path(Path(path))
    if by is not None and by not in DETAILS:
        raise NetwrightError(f"cannot draw by {by!r}: choose one of {', '.join(DETAILS)}")
    design = network(net) if isinstance(net, str) else net
    graph = trace(design, image, channels)
    called = name or (net if isinstance(net, str) else "") or _name(design)
    called = "".join(c if c.isprintable() else "?" for c in called)
    drawing = Drawing(called, graph, picture_of(graph, called, by))
    if path is not None:
        drawing.save(path)
    return drawing


def _name(design: Any) -> str:
    known = name_of(design) if isinstance(design, Design) else None
    return known or getattr(design, "__name__", "") or type(design).__name__


def check_path(path: Path) -> None:
    """Raise NetwrightError unless the suffix says how a drawing is to be written, and the path is no folder."""
    if path.suffix.lower() not in SUFFIXES:
        near = did_you_mean(path.suffix, SUFFIXES) if path.suffix else ""
        raise NetwrightError(f"cannot draw to {path}: its name must end in one of {', '.join(SUFFIXES)}{near}")
    if path.is_dir():
        raise NetwrightError(f"cannot draw to {path}: it is a folder")


def _rendered(svg: str, suffix: str) -> bytes:
    if suffix == ".svg":
        return svg.encode()
    import vl_convert

    if suffix == ".pdf":
        return bytes(vl_convert.svg_to_pdf(svg))
    return bytes(vl_convert.svg_to_png(svg, scale=3))


# ---------------------------------------------------------------- SVG


def to_svg(picture: Picture, *, linked: bool = False) -> str:
    """A picture as SVG text; millimetres outside, points inside.

    A `linked` one says with every shape, in `data-rows`, which rows of the flat graph it stands for, copies included.
    """
    copies = picture.columns.copies if linked else None
    width, height = picture.width, picture.height
    millimetres = [f"{size * 25.4 / 72:.0f}mm" for size in (width, height)]
    svg = (
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-labelledby="title desc" width="{millimetres[0]}" '
        f'height="{millimetres[1]}" viewBox="0 0 {_n(width)} {_n(height)}" font-family="{_FONT}" fill="{INK}">'
    )
    head = (
        '<defs><marker id="head" viewBox="0 0 6 6" refX="5.2" refY="3" markerWidth="5" markerHeight="5" orient="auto">'
        f'<path d="M0 0.6 5.4 3 0 5.4z" fill="{_LINE}"/></marker></defs>'
    )
    told = f'<title id="title">{_e(picture.title)}</title>\n<desc id="desc">{_e(picture.told)}</desc>'
    parts = [svg, told, head, f'<rect width="{_n(width)}" height="{_n(height)}" fill="#ffffff"/>']
    order = {"panel": 0, "frame": 1, "line": 2, "shape": 3, "text": 4}
    for mark in sorted(picture.marks, key=lambda mark: order[_layer(mark)]):
        parts.append(_svg(mark, picture.scale, copies))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _layer(mark: Mark) -> str:
    if isinstance(mark, Shape):
        return mark.kind if mark.kind in ("panel", "frame") else "shape"
    return "line" if isinstance(mark, Line) else "text"


def _svg(mark: Mark, scale: float, copies: dict[int, list[int]] | None) -> str:
    if isinstance(mark, Text):
        anchor = "" if mark.anchor == "start" else f' text-anchor="{mark.anchor}"'
        weight = ' font-weight="bold"' if mark.bold else ""
        colour = "" if ink(mark.on) == INK else f' fill="{ink(mark.on)}"'
        return (
            f'<text x="{_n(mark.x)}" y="{_n(mark.y)}" font-size="{_n(mark.size)}"{anchor}{weight}{colour}>{_e(mark.text)}</text>'
        )
    if isinstance(mark, Line):
        return _path(mark, scale)
    if copies is None or not mark.rows:
        return _shape(mark, scale)
    rows = " ".join(str(row) for place in mark.rows for row in copies.get(place, [place]))
    return f'<g data-rows="{rows}">{_shape(mark, scale)}</g>'


def _path(line: Line, scale: float) -> str:
    points = line.points
    if line.kind == "curve":
        told = f"M{_xy(points[0])}C" + " ".join(map(_xy, points[1:]))
    else:
        told = _rounded(points, (9.0 if line.kind == "shortcut" else 2.5) * scale)
    head = ' marker-end="url(#head)"' if line.kind == "arrow" else ""
    return f'<path d="{told}" fill="none" stroke="{_LINE}" stroke-width="{_n(0.8 * scale)}"{head}/>'


def _rounded(points: tuple[Point, ...], radius: float) -> str:
    """A path of straight lines whose corners are rounded."""
    told = f"M{_xy(points[0])}"
    for before, corner, after in zip(points, points[1:], points[2:], strict=False):
        near = min(radius, math.dist(before, corner) / 2, math.dist(corner, after) / 2)
        told += f"L{_xy(_towards(corner, before, near))}Q{_xy(corner)} {_xy(_towards(corner, after, near))}"
    return f"{told}L{_xy(points[-1])}"


def _towards(start: Point, end: Point, length: float) -> Point:
    whole = math.dist(start, end)
    share = length / whole if whole else 0.0
    return start[0] + share * (end[0] - start[0]), start[1] + share * (end[1] - start[1])


def _xy(point: Point) -> str:
    return f"{_n(point[0])} {_n(point[1])}"


def _shape(shape: Shape, scale: float) -> str:
    title = f"<title>{_e(shape.title)}</title>" if shape.title else ""
    x, y, width, height = shape.x, shape.y, shape.width, shape.height
    place = f'x="{_n(x)}" y="{_n(y)}" width="{_n(width)}" height="{_n(height)}"'
    if shape.kind in ("add", "multiply"):
        return f"<g>{title}{_circle(shape, scale)}</g>"
    looks = {
        "panel": f'rx="{_n(4 * scale)}" fill="#f5f6f8" stroke="#c4cad3" stroke-width="{_n(0.6 * scale)}"',
        "frame": f'rx="{_n(3 * scale)}" fill="#ffffff" stroke="#8a93a0" stroke-width="{_n(0.6 * scale)}"',
        "map": f'rx="{_n(width / 2)}" fill="{_LINE}"',
        "concat": f'rx="{_n(1.5 * scale)}" fill="{_LINE}"',
    }.get(shape.kind, f'rx="{_n(1.2 * scale)}" fill="{fill(shape.share)}" stroke="#3c4654" stroke-width="{_n(0.6 * scale)}"')
    return f"<g>{title}<rect {place} {looks}/></g>" if title else f"<rect {place} {looks}/>"


def _circle(shape: Shape, scale: float) -> str:
    radius = shape.width / 2
    x, y, arm = shape.x + radius, shape.y + radius, radius * (0.62 if shape.kind == "add" else 0.45)
    cross = f"M{_n(x - arm)} {_n(y)}H{_n(x + arm)}M{_n(x)} {_n(y - arm)}V{_n(y + arm)}"
    if shape.kind == "multiply":
        cross = (
            f"M{_n(x - arm)} {_n(y - arm)}L{_n(x + arm)} {_n(y + arm)}M{_n(x - arm)} {_n(y + arm)}L{_n(x + arm)} {_n(y - arm)}"
        )
    stroke = f'stroke="#3c4654" stroke-width="{_n(0.8 * scale)}"'
    return f'<circle cx="{_n(x)}" cy="{_n(y)}" r="{_n(radius * 0.92)}" fill="#ffffff" {stroke}/><path d="{cross}" {stroke}/>'


def _n(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if value != 0 else "0"


def _e(text: str) -> str:
    """Escaped, and without the characters that XML cannot hold."""
    return escape("".join(c if c >= " " and not "\ud800" <= c <= "\udfff" and c not in "\ufffe\uffff" else "?" for c in text))
