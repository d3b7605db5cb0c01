"""The words of a diagram: labels of layers, what a mouse pointer is told, and how wide a line of text may become."""

from __future__ import annotations

import re
from collections import Counter

from netwright.graph import Row, Shape
from netwright.graph.layers import Activation, AdaptivePool, Conv, Flatten, Layer, Linear, LocalNorm, Norm, Pool
from netwright.report.diagram.columns import Columns
from netwright.report.diagram.tree import Unit
from netwright.units import short_amount

SIZE = 7.0  # points: the smallest text of a page
LINE = 1.25  # of its size, from one line of text to the next

# Advance widths of DejaVu Sans and its bold from space to ~, in thousandths of an em: Helvetica, Arial and Liberation Sans,
# which a viewer takes first, are narrower.
# fmt: off
_PLAIN = (
    318, 401, 460, 838, 636, 950, 780, 275, 390, 390, 500, 838, 318, 361, 318, 337, 636, 636, 636, 636, 636, 636, 636, 636, 636,
    636, 337, 337, 838, 838, 838, 531, 1000, 684, 686, 698, 770, 632, 575, 775, 752, 295, 295, 656, 557, 863, 748, 787, 603,
    787, 695, 635, 611, 732, 684, 989, 685, 611, 685, 390, 337, 390, 838, 500, 500, 613, 635, 550, 635, 615, 352, 635, 634, 278,
    278, 579, 278, 974, 634, 612, 635, 635, 411, 521, 392, 634, 592, 818, 592, 592, 525, 636, 337, 636, 838,
)
_BOLD = (
    348, 456, 521, 838, 696, 1002, 872, 306, 457, 457, 523, 838, 380, 415, 380, 365, 696, 696, 696, 696, 696, 696, 696, 696,
    696, 696, 400, 400, 838, 838, 838, 580, 1000, 774, 762, 734, 830, 683, 683, 821, 837, 372, 372, 775, 637, 995, 837, 850,
    733, 850, 770, 720, 682, 812, 774, 1103, 771, 724, 725, 457, 365, 457, 838, 500, 500, 675, 716, 593, 716, 678, 435, 716,
    712, 343, 343, 665, 343, 1042, 712, 687, 716, 716, 493, 595, 478, 712, 652, 924, 645, 652, 582, 712, 365, 712, 838,
)
# fmt: on


def text_width(text: str, size: float = SIZE, bold: bool = False) -> float:
    """An upper bound of the width of a line of text, in the unit of its size."""
    widths = _BOLD if bold else _PLAIN
    return size / 1000 * sum(widths[ord(c) - 32] if " " <= c <= "~" else 1100 for c in text)


def wrapped(text: str, width: float, size: float = SIZE, bold: bool = False) -> list[str]:
    """Text in lines of at most that width: broken at spaces; a longer word after . or _, else anywhere."""
    lines, line = [], ""
    for piece in _pieces(text, width, size, bold):
        if line and text_width((line + piece).rstrip(), size, bold) > width:
            lines.append(line.strip())
            line = piece.lstrip()
        else:
            line += piece
    return [*lines, line.strip()] if line.strip() or not lines else lines


def _pieces(text: str, width: float, size: float, bold: bool) -> list[str]:
    pieces: list[str] = []
    for word in re.findall(r"\S*\s?", text):
        fits = text_width(word.rstrip(), size, bold) <= width
        for piece in [word] if fits else re.findall(r"[^._]*[._]?", word):
            rest = piece
            while text_width(rest.rstrip(), size, bold) > width and len(rest) > 1:
                count = max(1, next(n for n in range(len(rest), -1, -1) if text_width(rest[:n], size, bold) <= width))
                pieces.append(rest[:count])
                rest = rest[count:]
            pieces += [rest] if rest else []
    return pieces


def shape_text(shape: Shape) -> str:
    """'64 x 112 x 112', or '1000' for a flat map."""
    return " x ".join(map(str, shape))


# ---------------------------------------------------------------- labels


def main_layer(rows: list[Row]) -> Row:
    """The layer that gives a shape its label: the first with a window or weights, else the first."""
    main = [row for row in rows if isinstance(row.layer, (Conv, Linear, Pool, AdaptivePool))]
    return (main or rows)[0]


def label_of(columns: Columns, unit: Unit, rich: bool = False) -> list[str]:
    """The lines beside or in a shape; with `rich` a layer's output width too."""
    rows = [columns.reading.flat.rows[r] for r in unit.rows]
    if unit.kind == "block":
        return block_label(rows)
    if unit.kind == "input":
        return [] if unit.rows[0] < columns.reading.first else ["map"]
    main = main_layer(rows)
    short = short_label(main.layer)
    if isinstance(main.layer, (Conv, Linear)) and rich:
        return [f"{short}, {main.shape[0]}"]
    return [short]


def short_label(layer: Layer) -> str:
    """A layer in a few letters: 3x3/2, 5x5 dw, 1x1 g32, fc, max 3x3/2, avg."""
    if isinstance(layer, Conv):
        text = str(layer).removeprefix("conv ")
        if layer.groups == layer.inputs > 1:
            return text.removesuffix(f" g{layer.groups}") + " dw"
        return text
    if isinstance(layer, Pool):
        return str(layer).replace("_pool", "").removesuffix("/1")
    if isinstance(layer, AdaptivePool):
        return "avg" if layer.size == (1, 1) else f"avg to {layer.size[0]}x{layer.size[1]}"
    known = {Linear: "fc", LocalNorm: "LRN", Norm: "norm", Flatten: "flat"}
    return known.get(type(layer)) or (layer.kind if isinstance(layer, Activation) else layer.kind.replace("_", " "))


def shortened(label: str) -> str:
    """A pooling's label without its window: max/2 for max 3x3/2; '' for other labels."""
    found = re.fullmatch(r"(max|avg) [0-9x]+(/\d+)?", label)
    return found[1] + (found[2] or "") if found else ""


def block_label(rows: list[Row]) -> list[str]:
    """The layers of a block drawn in one piece, most of the kinds with how many there are."""
    kinds = Counter(short_label(row.layer) for row in rows if isinstance(row.layer, (Conv, Linear, Pool)))
    if not kinds:
        kinds = Counter(short_label(row.layer) for row in rows)
    joints = Counter(row.layer.kind for row in rows)
    told = [kind if count == 1 else f"{count} x {kind}" for kind, count in list(kinds.items())[:4]]
    if len(kinds) > 4:
        told.append(f"{sum(list(kinds.values())[4:])} others")
    extra = [word for word, kind in (("sum", "add"), ("gate", "multiply"), ("concat", "concat")) if joints[kind]]
    return told + ([" + ".join(extra)] if extra else [])


# ---------------------------------------------------------------- what the pointer is told


def tooltip(columns: Columns, unit: Unit, times: int, total_macs: int) -> str:
    """Name, kinds, output shape, params, macs and share of a shape."""
    rows = [columns.reading.flat.rows[r] for r in unit.rows]
    if unit.kind == "input":
        what = "the image" if unit.rows[0] < columns.reading.first else f"the output of {rows[0].name}"
        return f"{what}: {shape_text(rows[0].shape)}"
    main = main_layer(rows)
    name = main.block if unit.kind == "block" else main.name
    kinds = ", ".join(str(row.layer) for row in rows) if len(rows) <= 12 else f"{len(rows)} layers"
    params, macs = columns.counts(unit)
    repeated = f" (x {times}: all together)" if times > 1 else ""
    share = f", {percent(macs, total_macs)} of the network's macs" if total_macs else ""
    return (
        f"{name}: {kinds}; output {shape_text(rows[-1].shape)}; "
        f"{short_amount(params)} params, {short_amount(macs)} macs{share}{repeated}"
    )


def percent(part: int, whole: int) -> str:
    """'12.3 %'; a small part that is not nothing is '< 0.1 %'."""
    share = 100 * part / whole if whole else 0.0
    return "< 0.1 %" if 0 < share < 0.05 else f"{share:.1f} %"


def rounded_shares(parts: list[int]) -> list[float]:
    """Percentages of the whole with one digit after the point, whose sum is exactly 100 (largest remainders first)."""
    whole = sum(parts)
    if not whole:
        return [0.0] * len(parts)
    tenths = [1000 * part // whole for part in parts]
    rest = sorted(range(len(parts)), key=lambda i: (-(1000 * parts[i] % whole), i))
    for i in rest[: 1000 - sum(tenths)]:
        tenths[i] += 1
    return [count / 10 for count in tenths]
