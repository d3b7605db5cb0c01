"""What an output sees: stacked and factorized convolutions (A4, A11), and the receptive fields of the whole zoo (A31)."""

from __future__ import annotations

import statistics
from typing import Any

from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, settled
from netwright.claims.drawing import bars
from netwright.claims.reading import Convs, conv_of, convs, listed
from netwright.costing.fields import counted, fields, windows
from netwright.graph import Flat, Graph, own_image, trace
from netwright.zoo import network, networks

CHANNELS, SIDE = 64, 56  # of the maps that stacks are compared on: VGG's third stage begins so


def _traced(*kernels: tuple[int, int]) -> Graph:
    return trace(Convs(kernels, CHANNELS), SIDE, channels=CHANNELS)


def _field(graph: Graph) -> int:
    """The side of what an output sees."""
    return max(fields(graph.flat())[-1].size)


# ---------------------------------------------------------------- A4


def _stacks(terms: Terms) -> Evidence:
    depths = (2, 3, 4)
    large = {depth: _traced((2 * depth + 1,) * 2) for depth in depths}
    stacks = {depth: _traced(*[(3, 3)] * depth) for depth in depths}
    numbers: dict[str, Any] = {
        "depths": list(depths),
        "fields": [_field(graph) for graph in stacks.values()],
        "fields_of_one": [_field(graph) for graph in large.values()],
        "params_ratio": [stacks[depth].params / large[depth].params for depth in depths],
        "macs_ratio": [stacks[depth].macs / large[depth].macs for depth in depths],
        "acts_ratio": [stacks[depth].acts / large[depth].acts for depth in depths],
    }
    rows = [
        {"x": f"{depth} of 3x3 for {2 * depth + 1}x{2 * depth + 1}", "y": numbers[f"{count}_ratio"][i], "label": count}
        for i, depth in enumerate(depths)
        for count in ("params", "macs", "acts")
    ]
    return Evidence(
        numbers, rows, f"stacks of 3x3 convolutions and one large one, {CHANNELS} channels on {SIDE} px, without biases"
    )


def _judge_stacks(found: Numbers) -> Verdict:
    same = found["fields"] == found["fields_of_one"]
    fewer = max(found["params_ratio"]) < 1 and max(found["macs_ratio"]) < 1
    why = (
        f"{listed(found['depths'])} of them see {listed(found['fields'])} px, as one convolution of that size does, with "
        f"{listed(found['params_ratio'])} times its params, {listed(found['macs_ratio'])} times its macs and "
        f"{listed(found['acts_ratio'])} times its activations"
    )
    return settled(same and fewer and found["acts_ratio"] == found["depths"], why)


# ---------------------------------------------------------------- A11

FACTORS: dict[str, tuple[tuple[tuple[int, int], ...], tuple[int, int]]] = {
    "5x5 as 3x3, 3x3": (((3, 3), (3, 3)), (5, 5)),
    "7x7 as 1x7, 7x1": (((1, 7), (7, 1)), (7, 7)),
}


def _factorized(terms: Terms) -> Evidence:
    rows: list[dict[str, Any]] = []
    numbers: dict[str, Any] = {}
    for name, (parts, whole) in FACTORS.items():
        part, one = _traced(*parts), _traced(whole)
        key = f"{whole[0]}x{whole[1]}"
        numbers |= {
            f"field_{key}": [_field(part), _field(one)],
            f"params_ratio_{key}": part.params / one.params,
            f"macs_ratio_{key}": part.macs / one.macs,
        }
        rows += [{"x": name, "y": numbers[f"{count}_ratio_{key}"], "label": count} for count in ("params", "macs")]
    kernels = [conv_of(row).kernel for row in convs(trace(network("inception_v3")).rows())]
    numbers["inception_v3_factors"] = sum(kernel in ((1, 7), (7, 1), (1, 3), (3, 1)) for kernel in kernels)
    numbers["inception_v3_5x5_left"] = kernels.count((5, 5))
    return Evidence(
        numbers, rows, f"factors and whole convolutions, {CHANNELS} channels on {SIDE} px; the kernels of inception_v3"
    )


def _judge_factorized(found: Numbers) -> Verdict:
    same = all(found[f"field_{key}"][0] == found[f"field_{key}"][1] for key in ("5x5", "7x7"))
    ratios = [found[f"{count}_ratio_{key}"] for key in ("5x5", "7x7") for count in ("params", "macs")]
    why = (
        f"two 3x3s see {found['field_5x5'][0]} px with {ratios[0]:.2f} times the params and {ratios[1]:.2f} times the macs of a "
        f"5x5, 1x7 and 7x1 {found['field_7x7'][0]} px with {ratios[2]:.2f} and {ratios[3]:.2f} times those of a 7x7; "
        f"inception_v3 has {found['inception_v3_factors']} convolutions along one axis and, as released, "
        f"{found['inception_v3_5x5_left']} 5x5s left"
    )
    return settled(same and max(ratios) < 1, why)


# ---------------------------------------------------------------- A31


def _zoo(terms: Terms) -> Evidence:
    rows: list[dict[str, Any]] = []
    differing: list[str] = []
    layers = 0
    for name in networks():
        flat = trace(network(name)).flat()
        last = max(i for i, row in enumerate(flat.rows) if len(row.shape) == 3 and row.shape[1] > 1)
        found = fields(flat)
        rows.append({"x": name, "y": found[last].size[0], "image": own_image(network(name))})
        layers += len(flat.rows) - 1
        if seen(flat, last) != found[last].size[0]:
            differing.append(name)
    sizes = [row["y"] for row in rows]
    numbers: dict[str, Any] = {
        "networks": len(rows),
        "layers": layers,
        "differing": differing,
        "least": min(sizes),
        "median": statistics.median(sizes),
        "most": max(sizes),
        "beyond_the_image": sum(row["y"] > row["image"] for row in rows),
    }
    return Evidence(
        numbers, rows, "the field of the last map of more than one pixel of each network, forwards and, as a check, backwards"
    )


def seen(flat: Flat, place: int) -> int:
    """How many px of the image the output 0 of a row sees: its window followed backwards, layer by layer, to the image.

    Forwards, `fields` keeps a size and a jump for each layer; here the first and the last pixel are followed.
    """
    wanted: dict[int, tuple[float, float]] = {place: (0, 0)}
    for i in range(place, 0, -1):
        if i not in wanted or not flat.rows[i].inputs:
            continue
        low, high = wanted[i]
        row = flat.rows[i]
        window = windows(row.layer, flat.rows[row.inputs[0]].shape, row.shape)[0]
        low, high = low * window.stride - window.padding, high * window.stride - window.padding + window.kernel - 1
        for j in counted(flat, row):
            before = wanted.get(j, (low, high))
            wanted[j] = min(low, before[0]), max(high, before[1])
    return round(wanted[0][1] - wanted[0][0]) + 1


def _judge_zoo(found: Numbers) -> Verdict:
    why = (
        f"{found['networks']} networks with {found['layers']:,} layers: the last map sees from {found['least']} to "
        f"{found['most']:,} px (median {found['median']:,.0f}), in {found['beyond_the_image']} of them more than the image; "
        f"followed forwards and backwards it differs for {listed(found['differing']) if found['differing'] else 'none'}"
    )
    return settled(not found["differing"] and found["networks"] > 100, why)


def _draw_zoo(found: Evidence) -> Any:
    from netwright.report.charts.plain import bars_chart

    shown = ("alexnet", "zfnet", "vgg16", "googlenet", "resnet18", "resnet50", "parnet_s")
    rows = [{"x": row["x"], "y": row["y"]} for row in found.rows if row["x"] in shown]
    return bars_chart(rows, "receptive field of the last map (px)")


_RATIOS = bars("times those of the large convolution")

CLAIMS = (
    Claim(
        "a4-stacked-convolutions",
        EXACT,
        "Two stacked 3x3 convolutions, a VGG stage, see as much as one 5x5 with fewer params and macs, but twice the "
        "activations; n of them see 2 n + 1 pixels, with n times the activations.",
        "Architectures, VGG, stages",
        _stacks,
        _judge_stacks,
        _RATIOS,
    ),
    Claim(
        "a11-factorized-convolutions",
        EXACT,
        "A 5x5 convolution factorized into two 3x3s, and a 7x7 into 1x7 and 7x1, keep the receptive field with fewer params and "
        "macs.",
        "Architectures, Inception v3; Inception-ResNet",
        _factorized,
        _judge_factorized,
        _RATIOS,
    ),
    Claim(
        "a31-receptive-fields",
        EXACT,
        "Receptive fields of stacked layers add up layer by layer: r + (k - 1) j for a window k on maps whose neighbours lie j "
        "pixels apart.",
        "Architectures, VGG, stages",
        _zoo,
        _judge_zoo,
        _draw_zoo,
    ),
)
