"""MobileNets: depthwise separable convolutions (A21), what a ReLU loses (A22), MobileNetV2's table (A23)."""

from __future__ import annotations

from typing import Any

from netwright.claims.claim import EXACT, QUICK, Claim, Evidence, Numbers, Terms, Verdict, corrected, settled
from netwright.claims.drawing import bars
from netwright.claims.reading import blocks, conv_of, convs, entered, is_depthwise, listed, traced
from netwright.graph import Flat
from netwright.graph.layers import Conv, Linear

# ---------------------------------------------------------------- A21


def _separable(terms: Terms) -> Evidence:
    rows = list(traced("mobilenetv1_100", 224).rows())
    found = []
    for row, mixing in zip(rows, rows[3:], strict=False):  # 3x3, norm, ReLU, then the 1x1
        if is_depthwise(row) and isinstance(mixing.layer, Conv):
            whole = Conv(mixing.layer.inputs, mixing.layer.outputs, (3, 3)).counts(mixing.shape)
            found.append(
                (mixing.layer.outputs, whole[1], row.counts[1] + mixing.counts[1], whole[0], row.counts[0] + mixing.counts[0])
            )
    ratios = [whole / parts for _, whole, parts, _, _ in found]
    other = sum(row.counts[1] for row in rows) - sum(parts for _, _, parts, _, _ in found)
    numbers: dict[str, Any] = {
        "layers": len(found),
        "outputs": [outputs for outputs, *_ in found],
        "times_fewer_macs": ratios,
        "times_fewer_params": [whole / parts for _, _, _, whole, parts in found],
        "limit": 9.0,
        "network_times_fewer_macs": (other + sum(whole for _, whole, *_ in found))
        / (other + sum(parts for _, _, parts, *_ in found)),
    }
    shown = [{"x": i + 1, "y": ratio} for i, ratio in enumerate(ratios)]
    return Evidence(numbers, shown, "each separable convolution of mobilenetv1_100 at 224 px, against a whole 3x3 of its shape")


def _judge_separable(found: Numbers) -> Verdict:
    ratios = found["times_fewer_macs"]
    why = (
        f"the {found['layers']} separable convolutions take {min(ratios):.2f} to {max(ratios):.2f} times fewer macs than whole "
        f"3x3s (9 C' / (9 + C') for C' outputs, which is always below {found['limit']:g}), the network as a whole "
        f"{found['network_times_fewer_macs']:.2f} times"
    )
    return corrected(min(ratios) >= 9.5 and max(ratios) <= 10, min(ratios) > 7.5 and max(ratios) < 9, why)


# ---------------------------------------------------------------- A22

SPACES = (2, 3, 5, 15, 30)  # arXiv:1801.04381, Fig. 1
DRAWS, POINTS = 200, 240


def _collapse(terms: Terms) -> Evidence:
    import numpy as np

    chance = np.random.default_rng(terms.seed)
    angle = np.linspace(0.5, 6 * np.pi, POINTS)
    spiral = np.stack([angle * np.cos(angle), angle * np.sin(angle)]) / angle[-1]
    lost, error = [], []
    for width in SPACES:
        shares, errors = [], []
        for _ in range(DRAWS):
            into = chance.standard_normal((width, 2))
            active = np.maximum(into @ spiral, 0)
            shares.append(float(((active > 0).sum(0) < 2).mean()))
            back, *_ = np.linalg.lstsq(np.vstack([active, np.ones(POINTS)]).T, spiral.T, rcond=None)
            left = spiral - (np.vstack([active, np.ones(POINTS)]).T @ back).T
            errors.append(float((left**2).sum() / (spiral**2).sum()))
        lost.append(sum(shares) / DRAWS)
        error.append(sum(errors) / DRAWS)
    numbers: dict[str, Any] = {
        "channels": list(SPACES),
        "lost": lost,
        "expected": [(1 + width) / 2**width for width in SPACES],
        "linear_error": error,
    }
    rows = [{"x": width, "y": 100 * lost[i], "label": "places lost"} for i, width in enumerate(SPACES)]
    rows += [{"x": width, "y": 100 * error[i], "label": "error of the best linear reading"} for i, width in enumerate(SPACES)]
    return Evidence(
        numbers,
        rows,
        f"a spiral in the plane through {DRAWS} random matrices into more channels and a ReLU (arXiv:1801.04381, Fig. 1)",
    )


def _judge_collapse(found: Numbers) -> Verdict:
    lost, error = found["lost"], found["linear_error"]
    why = (
        f"a place of the plane is lost where fewer than two channels are left above zero: in {listed(found['channels'])} "
        f"channels that is {', '.join(f'{100 * share:.2f}' for share in lost)} % of the places, (n + 1) / 2^n by chance; the "
        f"best linear reading misses {', '.join(f'{100 * share:.1f}' for share in error)} % of the spiral"
    )
    as_expected = all(abs(a - b) < 0.06 for a, b in zip(lost, found["expected"], strict=True))
    return settled(lost[0] > 0.5 and lost[-1] < 0.001 and error[-1] < 0.25 * error[0] and as_expected, why)


# ---------------------------------------------------------------- A23

TABLE = (  # Table 2.1 of the notes: input (side, channels), operator, t, c, n, s
    ((224, 3), "conv 3x3", None, 32, 1, 2),
    ((112, 32), "bottleneck", 1, 16, 1, 1),
    ((112, 16), "bottleneck", 6, 24, 2, 2),
    ((56, 24), "bottleneck", 6, 32, 3, 2),
    ((28, 32), "bottleneck", 6, 64, 4, 2),
    ((14, 64), "bottleneck", 6, 96, 3, 1),
    ((14, 96), "bottleneck", 6, 160, 3, 2),
    ((7, 160), "bottleneck", 6, 320, 1, 1),
    ((7, 320), "conv 1x1", None, 1280, 1, 1),
)
Read = tuple[tuple[int, int], str, int | None, int, int, int]


def _table(terms: Terms) -> Evidence:
    flat = traced("mobilenetv2_100", 224).flat()
    read = [_outside(flat, "conv_stem"), *[_stage(flat, f"blocks.{i}") for i in range(7)], _outside(flat, "conv_head")]
    pooled = next(row for row in flat.rows if row.name == "global_pool")
    numbers: dict[str, Any] = {
        "rows": len(read),
        "differing": [i + 1 for i, (row, said) in enumerate(zip(read, TABLE, strict=True)) if row != said],
        "pooled": [*flat.rows[pooled.inputs[0]].shape],
        "classified": next(row.layer.inputs for row in flat.rows if isinstance(row.layer, Linear)),
        "table": [_row_told(row) for row in read],
    }
    return Evidence(numbers, about="the graph of mobilenetv2_100 at 224 px, stage by stage")


def _row_told(row: Read) -> str:
    (side, channels), operator, expansion, width, depth, stride = row
    return f"{side}^2 x {channels}: {operator}, t {expansion or '-'}, c {width}, n {depth}, s {stride}"


def _outside(flat: Flat, name: str) -> Read:
    """The row of a convolution outside of the stages."""
    row = next(row for row in flat.rows if row.name == name)
    layer, given = conv_of(row), flat.rows[row.inputs[0]].shape
    return (given[1], given[0]), f"conv {layer.kernel[0]}x{layer.kernel[1]}", None, layer.outputs, 1, layer.stride[0]


def _stage(flat: Flat, name: str) -> Read:
    """The row of a stage: its block's expansion is what the depthwise convolution sees, over what the block sees."""
    found = blocks(flat, name)
    given = entered(flat, next(iter(found.values())))
    last = [flat.rows[places[-1]].shape for places in found.values()]
    expansions = {
        conv_of(row).inputs // entered(flat, places)[0]
        for places in found.values()
        for row in convs([flat.rows[i] for i in places])
        if is_depthwise(row)
    }
    strides = [max(conv_of(row).stride[0] for row in convs([flat.rows[i] for i in places])) for places in found.values()]
    assert len(expansions) == 1
    assert set(strides[1:]) <= {1}
    return (given[1], given[0]), "bottleneck", expansions.pop(), last[-1][0], len(found), strides[0]


def _judge_table(found: Numbers) -> Verdict:
    pooled, classified = found["pooled"], found["classified"]
    rest = pooled == [1280, 7, 7] and classified == 1280
    but = f", but not {listed(found['differing'])}" if found["differing"] else ""
    why = (
        f"{found['rows'] - len(found['differing'])} of {found['rows']} rows with inputs, t, c, n and s are those of the "
        f"graph{but}; a pooling of {pooled[1]} x {pooled[2]} px and a classifier on {classified:,} features follow"
    )
    return settled(not found["differing"] and rest and found["rows"] == 9, why)


CLAIMS = (
    Claim(
        "a21-depthwise-separable",
        EXACT,
        "A depthwise separable convolution takes almost ten times fewer FLOPs than a 3x3 convolution.",
        "Architectures, MobileNet, depthwise separable convolution",
        _separable,
        _judge_separable,
        bars("times fewer macs", "separable convolution of MobileNet"),
    ),
    Claim(
        "a22-relu-loses-information",
        QUICK,
        "A ReLU in a narrow space loses information, in a wide one hardly any.",
        "Architectures, MobileNet, inverted residual blocks",
        _collapse,
        _judge_collapse,
        bars("%", "channels of the space in which the ReLU is applied"),
    ),
    Claim(
        "a23-mobilenetv2-table",
        EXACT,
        "MobileNetV2 is built as Table 2.1 has it, row by row.",
        "Architectures, MobileNetV2, Table 2.1",
        _table,
        _judge_table,
    ),
)
