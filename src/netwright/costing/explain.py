"""The formulas behind the cost table, with a layer's own numbers in them.

Every printed formula can be worked out by hand, and gives the table's number: `x` is multiplication.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from netwright.costing.arithmetic import Formula, lecture_formulas, number, output_formulas, seen_formulas, weight_formulas
from netwright.costing.fields import kernel_of
from netwright.costing.formats import csv_table, markdown_table, shape_text
from netwright.costing.table import GROUPINGS, Line, groups, lines_of
from netwright.errors import NetwrightError, did_you_mean

if TYPE_CHECKING:
    from netwright.costing.table import By, Cost

_LAYER = (
    "C, H, W: channels, height, width of the input, C', H', W': of the output; k: kernel, s: stride, p: padding, G: groups;\n"
    "B: batch, b: bytes of a number; r, j: field and jump of the input, in px of the image"
)
_GROUP = "r, j: field and jump of the map that it reads, in px of the image"


@dataclass(frozen=True)
class Explanation:
    """How the numbers of a layer, block or stage come about. Prints as lines; `line` has the numbers themselves."""

    network: str
    use: str
    reads: tuple[str, ...]
    line: Line
    formulas: tuple[Formula, ...]

    def __str__(self) -> str:
        told = f"{self.line.name} of {self.network}: {self.line.kind}, gives {shape_text(self.line.shape)}"
        width = max(len(formula.name) for formula in self.formulas)
        lines = [f"{formula.name:{width}}  {formula}" for formula in self.formulas]
        legend = _GROUP if self.line.kind.endswith(" layers") else _LAYER
        head = [told, f"reads {', '.join(self.reads)}", f"counts for one image; bytes for {self.use}", legend]
        return "\n".join([*head, "", *lines])

    def _repr_html_(self) -> str:
        from html import escape

        return f"<pre>{escape(str(self))}</pre>"

    def to_csv(self) -> str:
        """The formulas with a header."""
        return csv_table([formula._asdict() for formula in self.formulas])

    def to_markdown(self) -> str:
        """The formulas as a table."""
        body = [[f.name, f.rule, f.numbers, f"{number(f.value)} {f.unit}".strip(), f.why] for f in self.formulas]
        title = f"**{self.line.name} of {self.network}: {self.line.kind}** ({self.use})"
        return f"{title}\n\n{markdown_table(['', 'rule', 'numbers', 'value', 'why'], body, left=5)}\n"

    def to_json(self) -> dict[str, Any]:
        """Network, name, what bytes are for (use), what is read, and the formulas: rule, numbers, value, unit and why."""
        formulas = [formula._asdict() for formula in self.formulas]
        return {"network": self.network, "name": self.line.name, "use": self.use, "reads": list(self.reads), "formulas": formulas}


def explain(cost: Cost, name: str) -> Explanation:
    """The formulas of the layer, block or stage called `name`, with its own numbers in them.

    Where a name means several, it is what the table's rows are, else a layer, a stage, a block, or all layers whose
    names begin with it. Raises NetwrightError for a name that is not there, with the nearest ones.
    """
    places = _places(cost, name)
    (line,) = lines_of(cost, [(name, places)])
    flat = cost.flat
    outside = dict.fromkeys(i for place in places for i in flat.rows[place].inputs if i not in places)
    reads = tuple(
        [f"{'the image' if not flat.rows[i].inputs else flat.rows[i].name} ({shape_text(flat.rows[i].shape)})" for i in outside]
    )
    formulas = _of_layer(cost, places[0], line) if len(places) == 1 else _of_group(cost, places, list(outside), line)
    if line.milliseconds is not None:
        time = number(line.milliseconds)
        formulas.append(Formula("time", "predicted for the batch", time, line.milliseconds, "ms", str(cost.profile)))
    use = f"batch {cost.batch}, {cost.precision}, {cost.optimizer}"
    return Explanation(cost.network, use, reads, line, tuple(formulas))


def _places(cost: Cost, name: str) -> list[int]:
    order: tuple[By, ...] = (cost.by, "layer", "stage", "block")
    for by in order:
        for found, places in groups(cost.flat, by):
            if found == name:
                return places
    within = [i for i, row in enumerate(cost.flat.rows) if row.inputs and row.name.startswith(f"{name}.")]
    if within:
        return within
    known = dict.fromkeys(found for by in GROUPINGS for found, _ in groups(cost.flat, by))
    raise NetwrightError(
        f"there is no layer, block or stage {name!r}{did_you_mean(name, known) or '; the cost table lists them'}"
    )


def _of_layer(cost: Cost, place: int, line: Line) -> list[Formula]:
    row = cost.flat.rows[place]
    read = [cost.flat.rows[i].shape for i in row.inputs]
    return [
        *output_formulas(row, read),
        *weight_formulas(row, line, cost.precision),
        _saved(cost, place, line),
        *seen_formulas(cost.flat, place, cost.spans),
        *lecture_formulas(row.shape, cost, line),
    ]


def _saved(cost: Cost, place: int, line: Line) -> Formula:
    terms, whys = [], []
    for storage in cost.storages[place]:
        if storage.owner == place:
            terms += [f"{number(cost.batch)} x {storage.each}"] if storage.each else []
            terms += [storage.once] if storage.once else []
            whys.append(storage.what)
        else:
            whys.append(f"{storage.what}, counted at {cost.flat.rows[storage.owner].name}")
    why = "keeps " + "; ".join(whys) if whys else "its backward pass needs none of its maps"
    return Formula("saved bytes", "B x what it is the first to keep", " + ".join(terms) or "0", line.saved_bytes, "bytes", why)


# ---------------------------------------------------------------- blocks and stages


def _of_group(cost: Cost, places: list[int], outside: list[int], line: Line) -> list[Formula]:
    layers = lines_of(cost, [(cost.flat.rows[i].name, [i]) for i in places])
    found = [_sum(layers, "params", line), _sum(layers, "macs", line)]
    found.append(Formula("flops", "2 x macs", f"2 x {number(line.macs)}", line.flops))
    found.append(_sum(layers, "acts", line))
    for name in ("weight_bytes", "saved_bytes"):
        found.append(_sum(layers, name, line, "bytes"))
    found += _seen(cost, places, outside, line)
    return found + [_sum(layers, name, line, "bytes") for name in ("lecture_activations", "lecture_parameters")]


def _sum(layers: Sequence[Line], name: str, line: Line, unit: str = "") -> Formula:
    values = [getattr(layer, name) for layer in layers]
    terms = " + ".join(number(value) for value in values if value) or "0"
    return Formula(name.replace("_", " "), "the sum of its layers'", terms, getattr(line, name), unit)


def _seen(cost: Cost, places: list[int], outside: list[int], line: Line) -> list[Formula]:
    """Field and jump of the output, and with them the effective kernel and stride where the group reads one map."""
    reached, kernel = cost.spans, kernel_of(cost.flat, places)
    formulas = []
    assert line.field is not None
    for axis, label in _axes(line.field, line.kernel):
        formulas.append(Formula(f"field{label}", "of its last layer", number(line.field[axis]), line.field[axis], "px"))
        if len(outside) != 1:
            continue
        given = reached[outside[0]][axis]
        numbers = f"({number(line.field[axis])} - {number(given.size)}) / {number(given.jump)} + 1"
        if (line.field[axis] - given.size) / given.jump + 1 == kernel.size[axis]:
            formulas.append(Formula(f"kernel{label}", "(field - r) / j + 1", numbers, kernel.size[axis], "", "as one layer"))
        if line.jump is not None and line.stride is not None:
            numbers = f"{number(line.jump[axis])} / {number(given.jump)}"
            formulas.append(Formula(f"stride{label}", "jump / j", numbers, line.stride[axis], "", "as one layer"))
    return formulas


def _axes(*pairs: Any) -> list[tuple[int, str]]:
    return [(0, "")] if all(a == b for a, b in pairs) else [(0, " height"), (1, " width")]
