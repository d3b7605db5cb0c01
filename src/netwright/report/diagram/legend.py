"""The legend of a diagram, and its colours: a scale of blues that stays a scale in grey and for colour-blind eyes."""

from __future__ import annotations

from netwright.report.diagram.shapes import Line, Mark, Shape, Text, box_height, box_width
from netwright.report.diagram.text import text_width

LEGEND = 52.0  # its height, in points
INK = "#1a1a1a"
# Upper bounds of the share of the network's macs, and the fill up to it; light to dark in nearly even steps.
SHADES = (
    (0.0, "#ffffff"),
    (0.01, "#e6f0f9"),
    (0.03, "#bdd7ec"),
    (0.06, "#86b9dd"),
    (0.12, "#4a8fc4"),
    (0.25, "#2166a5"),
    (1.0, "#08306b"),
)
_WORDS = ("none", "to 1 %", "to 3 %", "to 6 %", "to 12 %", "to 25 %", "above")
_SIZE = 7.5
_SAMPLES = (
    (1, 14, 224),
    (1, 14, 56),
    (1, 7, 28),
    (1, 4, 14),
)  # of resolutions in px: the first that is not higher than the legend


def fill(share: float) -> str:
    """The colour of a share of macs from 0 to 1."""
    return next(colour for bound, colour in SHADES if share <= bound + 1e-12 or bound == 1.0)


def ink(share: float) -> str:
    """The colour of text on it."""
    return INK if share <= 0.12 else "#ffffff"


def legend(x: float, y: float, scale: float, stretch: float) -> list[Mark]:
    """The legend below the columns; samples of width and height are at their scale."""
    marks: list[Mark] = []
    for group in (_colours(), _widths(scale), _heights(scale, stretch), _signs()):
        right, part = group
        marks += [
            mark._replace(x=mark.x + x, y=mark.y + y) if not isinstance(mark, Line) else _moved(mark, x, y) for mark in part
        ]
        x += right + 22.0
    return marks


def _moved(line: Line, dx: float, dy: float) -> Line:
    return line._replace(points=tuple([(dx + px, dy + py) for px, py in line.points]))


def _colours() -> tuple[float, list[Mark]]:
    marks: list[Mark] = [Text(0, 6, "share of the network's macs", _SIZE, "start", True)]
    x = 0.0
    for i, word in enumerate(_WORDS):
        lower = SHADES[i - 1][0] if i else 0.0
        width = max(30.0, text_width(word, _SIZE) + 4)
        marks.append(Shape("swatch", x, 12, width, 12, share=(lower + SHADES[i][0]) / 2 if i else 0.0))
        marks.append(Text(x + width / 2, 33, word, _SIZE, "middle"))
        x += width
    return x, marks


def _widths(scale: float) -> tuple[float, list[Mark]]:
    """Samples below one another would be taller than the legend: beside one another."""
    marks: list[Mark] = [Text(0, 6, "width: channels (log scale)", _SIZE, "start", True)]
    x = 0.0
    for channels in (16, 128, 1024):
        width = box_width(channels) * scale
        slot = max(width, text_width(str(channels), _SIZE))
        marks.append(Shape("swatch", x + (slot - width) / 2, 12, width, 12))
        marks.append(Text(x + slot / 2, 33, str(channels), _SIZE, "middle"))
        x += slot + 6
    return max(x - 6, text_width("width: channels (log scale)", _SIZE, True)), marks


def _heights(scale: float, stretch: float) -> tuple[float, list[Mark]]:
    title = "height: resolution (log scale)"
    marks: list[Mark] = [Text(0, 6, title, _SIZE, "start", True)]
    samples = next(group for group in _SAMPLES if box_height(group[-1], stretch) * scale <= LEGEND - 12 or group is _SAMPLES[-1])
    x = 0.0
    for pixels in samples:
        height = box_height(pixels, stretch) * scale
        marks.append(Shape("swatch", x, 12, 12, height))
        marks.append(Text(x + 15, 12 + height / 2 + 3, f"{pixels} px", _SIZE, "start"))
        x += 15 + text_width(f"{pixels} px", _SIZE) + 7
    return max(x - 7, text_width(title, _SIZE, True)), marks


def _signs() -> tuple[float, list[Mark]]:
    marks: list[Mark] = [
        Shape("add", 0, 0, 9, 9),
        Text(13, 7, "sum", _SIZE, "start"),
        Shape("multiply", 0, 13, 9, 9),
        Text(13, 20, "product (gate)", _SIZE, "start"),
        Shape("concat", -3, 29, 15, 4),
        Text(16, 33, "concatenation", _SIZE, "start"),
        Line(((80, 0.5), (89, 0.5), (89, 9), (80, 9)), "shortcut"),
        Text(93, 7, "shortcut", _SIZE, "start"),
        Shape("frame", 77, 13, 12, 9),
        Text(93, 20, "block; x N: N equal", _SIZE, "start"),
        Text(77, 33, "dw depthwise, g groups, /2 stride", _SIZE, "start"),
    ]
    return 77 + text_width("dw depthwise, g groups, /2 stride", _SIZE), marks
