"""Formulas of a layer with its numbers in them: output size, params, macs, bytes, receptive field."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from netwright.costing.fields import Span, Spans, counted, is_gated, plain, windows
from netwright.costing.memory import number_bytes
from netwright.graph import Flat, Row, Shape
from netwright.graph.layers import AdaptivePool, Concat, Conv, Flatten, Linear, Norm, Pool, Subsample

if TYPE_CHECKING:
    from netwright.costing.table import Cost, Line


class Formula(NamedTuple):
    """`rule` in symbols, the same with `numbers`, and what they give; `why` where the rule alone does not tell."""

    name: str
    rule: str
    numbers: str
    value: float
    unit: str = ""
    why: str = ""

    def __str__(self) -> str:
        value = f"{number(self.value)} {self.unit}".rstrip()
        steps = [self.rule, self.numbers, value] if self.numbers != number(self.value) else [self.rule, value]
        return " = ".join(steps) + (f"   ({self.why})" if self.why else "")


def number(value: float) -> str:
    """Whole with commas, an exact fraction as (7 / 3), else with six digits after the point."""
    if value == int(value):
        return f"{int(value):,}"
    return f"{value:,.6f}" if isinstance(value, float) else f"({value.numerator:,} / {value.denominator:,})"


def _times(*values: float) -> str:
    return " x ".join(number(value) for value in values)


# ---------------------------------------------------------------- the output


def output_formulas(row: Row, read: Sequence[Shape]) -> list[Formula]:
    """Channels, height and width of the output, or its features."""
    layer, given = row.layer, read[0]
    if isinstance(layer, Flatten):
        return [Formula("features", "C x H x W", _times(*given), row.shape[0])]
    channels = _channels(row, read)
    if len(row.shape) != 3:
        return [channels._replace(name="features")]
    return [channels, *[_size(row, given, axis, name) for axis, name in ((0, "height"), (1, "width"))]]


def _channels(row: Row, read: Sequence[Shape]) -> Formula:
    if isinstance(row.layer, Concat):
        return Formula("channels", "the sum of the inputs'", " + ".join(number(shape[0]) for shape in read), row.shape[0])
    rule = "C' as designed" if isinstance(row.layer, (Conv, Linear, Subsample)) else "as the input's"
    return Formula("channels", rule, number(row.shape[0]), row.shape[0])


def _size(row: Row, given: Shape, axis: int, name: str) -> Formula:
    layer, size, out = row.layer, given[axis + 1], row.shape[axis + 1]
    symbol = "HW"[axis]
    if isinstance(layer, Subsample) or (isinstance(layer, Conv) and layer.padding == "same"):
        stride = layer.stride if isinstance(layer, Subsample) else layer.stride[axis]
        why = "padding 'same' fills up the rest" if isinstance(layer, Conv) else "every s-th pixel"
        return Formula(name, f"ceil({symbol} / s)", f"ceil({size} / {stride})", out, "px", why)
    if isinstance(layer, (Conv, Pool)):
        window = windows(layer, given, row.shape)[axis]
        up = isinstance(layer, Pool) and layer.ceil
        rule, numbers = (
            f"({symbol} + 2p - k) / s) + 1",
            f"({size} + 2 x {window.padding} - {window.kernel}) / {window.stride}) + 1",
        )
        word, why = ("ceil", "") if up else ("floor", "")
        if up and -(-(size + 2 * window.padding - window.kernel) // int(window.stride)) + 1 > out:
            rule, numbers, why = f"{rule} - 1", f"{numbers} - 1", "the last window would begin beyond the map"
        return Formula(name, f"{word}({rule}", f"{word}({numbers}", out, "px", why)
    rule = "as designed, whatever the input" if isinstance(layer, AdaptivePool) else "as the input's"
    return Formula(name, rule, number(out), out, "px")


# ---------------------------------------------------------------- params, macs, flops, acts, weight bytes


def weight_formulas(row: Row, line: Line, precision: str) -> list[Formula]:
    """Params, macs, flops, acts for one image, and the bytes of the weights."""
    return [
        _params(row, line),
        *_work(row, line),
        Formula(
            "weight bytes", "params x b", f"{_times(line.params, number_bytes(precision))}", line.weight_bytes, "bytes", precision
        ),
    ]


def _params(row: Row, line: Line) -> Formula:
    layer = row.layer
    if isinstance(layer, Conv):
        rule, numbers = (
            "k_h x k_w x C / G x C'",
            f"{_times(*layer.kernel, layer.inputs)} / {layer.groups} x {number(layer.outputs)}",
        )
    elif isinstance(layer, Linear):
        rule, numbers = "C x C'", _times(layer.inputs, layer.outputs)
    elif isinstance(layer, Norm):
        return Formula("params", "2 x C", _times(2, layer.channels), line.params, "", "a scale and a shift for each channel")
    else:
        return Formula("params", "nothing is learned", "0", line.params)
    if layer.bias:
        rule, numbers = f"{rule} + C'", f"{numbers} + {number(layer.outputs)}"
    return Formula("params", rule, numbers, line.params, "", "the last term: biases" if layer.bias else "no bias")


def _work(row: Row, line: Line) -> list[Formula]:
    layer = row.layer
    flops = Formula("flops", "2 x macs", _times(2, line.macs), line.flops)
    if isinstance(layer, Conv):
        rule, area = "C' x H' x W'", _times(*row.shape)
        each = f"{_times(*layer.kernel, layer.inputs)} / {layer.groups}"
        macs = Formula("macs", f"{rule} x k_h x k_w x C / G", f"{area} x {each}", line.macs, "", "biases are not counted")
        return [macs, flops, Formula("acts", rule, area, line.acts)]
    if isinstance(layer, Linear):
        macs = Formula("macs", "C x C'", _times(layer.inputs, layer.outputs), line.macs, "", "biases are not counted")
        return [macs, flops, Formula("acts", "C'", number(layer.outputs), line.acts)]
    why = "only convolutions and linear layers are counted"
    return [Formula("macs", "none", "0", line.macs, "", why), flops, Formula("acts", "none", "0", line.acts, "", why)]


# ---------------------------------------------------------------- receptive field


def seen_formulas(flat: Flat, place: int, reached: Sequence[Spans]) -> list[Formula]:
    """Field and jump: one recursion where height and width go alike, else one for each."""
    row = flat.rows[place]
    read = [reached[i] for i in counted(flat, row)]
    over = windows(row.layer, flat.rows[row.inputs[0]].shape, row.shape)
    alike = over[0] == over[1] and all(a == b for a, b in [*read, reached[place]])
    why = "of the map; through its gate every output depends on the whole image" if is_gated(flat, row) else ""
    formulas = []
    for axis, label in ((0, ""),) if alike else ((0, " height"), (1, " width")):
        own = [span[axis] for span in read]
        window, out = over[axis], reached[place][axis]
        formulas.append(_field(own, window.kernel, out, f"field{label}", why))
        if len(row.shape) == 3:
            jump = max(span.jump for span in own)
            rule, numbers = ("j", number(jump)) if window.stride == 1 else ("j x s", f"{number(jump)} x {number(window.stride)}")
            formulas.append(Formula(f"jump{label}", rule, numbers, plain(out.jump), "px"))
    return formulas


def _field(read: Sequence[Span], kernel: int, out: Span, name: str, why: str) -> Formula:
    rule, numbers = _joined(read)
    jump = max(span.jump for span in read)
    if kernel != 1:
        rule, numbers = f"{rule} + (k - 1) x j", f"{numbers} + ({kernel} - 1) x {number(jump)}"
    if min(span.start for span in read) + out.size < max(span.start + span.size for span in read) + (kernel - 1) * jump:
        rule, numbers = f"min({rule}, all that was pooled)", f"min({numbers}, {number(out.limit)})"
    if out.size != int(out.size):
        rule, numbers = f"ceil({rule})", f"ceil({numbers})"
    return Formula(name, rule, numbers, math.ceil(out.size), "px", why)


def _joined(read: Sequence[Span]) -> tuple[str, str]:
    """The field that several inputs span, without the window over it."""
    if len(read) == 1:
        return "r", number(read[0].size)
    sizes = [span.size for span in read]
    ends = [span.start + span.size for span in read]
    if max(ends) - min(span.start for span in read) == max(sizes):
        return "max(r)", f"max({', '.join(map(number, sizes))})"
    starts = ", ".join(number(span.start) for span in read)
    return "max(end) - min(start)", f"max({', '.join(map(number, ends))}) - min({starts})"


# ---------------------------------------------------------------- the lecture's memory


def lecture_formulas(shape: Shape, cost: Cost, line: Line) -> list[Formula]:
    """The notes' two columns: activations and their gradients, params with gradients and optimizer state; always fp32."""
    if line.lecture_activations:
        numbers = f"2 x {_times(cost.batch, *shape)} x 4"
        first = Formula("lecture activations", "2 x B x C' x H' x W' x 4", numbers, line.lecture_activations, "bytes")
        first = first._replace(rule="2 x B x C' x 4") if len(shape) == 1 else first
        first = first._replace(why="values and their gradients in fp32")
    else:
        first = Formula("lecture activations", "none", "0", 0, "bytes", "not a row of its tables")
    copies = line.lecture_parameters // (4 * line.params) if line.params else 3
    numbers = f"{copies} x {number(line.params)} x 4" if line.params else "0"
    why = f"weights, gradients and what {cost.optimizer} keeps"
    rule = "copies x params x 4" if line.params else "none"
    second = Formula("lecture parameters", rule, numbers, line.lecture_parameters, "bytes", why if line.params else "")
    return [first, second]
