"""S: what the notes say of scaling and of design spaces, as far as it is arithmetic."""

from __future__ import annotations

import itertools
import random
from typing import Any

from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, corrected, settled
from netwright.claims.drawing import bars, lines
from netwright.claims.reading import blocks, conv_of, convs, entered, is_depthwise, listed, longest, traced
from netwright.claims.slips import growth, slip
from netwright.graph import Flat, Graph, trace
from netwright.graph.layers import Conv, Linear, Multiply, Norm
from netwright.scaling.rules import COMPOUND
from netwright.spaces.named import SPACES
from netwright.spaces.pick import Pick
from netwright.zoo import network

DIMENSIONS = ("depth", "width", "resolution")

# ---------------------------------------------------------------- S1


def _doubling(terms: Terms) -> Evidence:
    design = network("efficientnet_b0")
    sizes = [trace(*COMPOUND.at(design, 224, float(phi))) for phi in range(8)]
    macs = [graph.macs for graph in sizes]
    ratios = [after / before for before, after in itertools.pairwise(macs)]
    numbers: dict[str, Any] = {
        "rule": COMPOUND.growth,
        "ratios": ratios,
        "mean_ratio": (macs[-1] / macs[0]) ** (1 / 7),
        "furthest_from_rule": max(abs(made / macs[0] / COMPOUND.growth**phi - 1) for phi, made in enumerate(macs)),
        **growth("efficientnet_b0"),
    }
    rows = [{"x": phi, "y": made / macs[0], "label": "B0 scaled, rounded"} for phi, made in enumerate(macs)]
    rows += [{"x": phi, "y": 2.0**phi, "label": "2^phi"} for phi in range(8)]
    return Evidence(
        numbers,
        rows,
        "efficientnet_b0 scaled by alpha 1.2, beta 1.1, gamma 1.15 to phi 0 to 7, and by one dimension, with the paper's "
        "rounding",
    )


def _judge_doubling(found: Numbers) -> Verdict:
    exponents = [found[f"macs_{name}"] for name in DIMENSIONS]
    right = all(abs(a - b) < 0.15 for a, b in zip(exponents, (1, 2, 2), strict=True)) and 1.8 < found["mean_ratio"] < 2.2
    why = (
        f"macs grow as d^{exponents[0]:.2f} w^{exponents[1]:.2f} r^{exponents[2]:.2f}; each phi multiplies them by "
        f"{', '.join(f'{ratio:.2f}' for ratio in found['ratios'])}, {found['mean_ratio']:.2f} in the mean (alpha beta^2 gamma^2 "
        f"is {found['rule']:.2f}), and rounding carries them up to {100 * found['furthest_from_rule']:.0f} % off the rule"
    )
    return settled(right, why)


# ---------------------------------------------------------------- S2


def _per_stage(terms: Terms) -> Evidence:
    names = ("stem", *[f"blocks.{i}" for i in range(7)], "neck")
    start = trace(network("efficientnet_b0"), 224)
    design, side = COMPOUND.at(network("efficientnet_b0"), 224, 3.0)
    depth, width, resolution = COMPOUND.factors(3.0)
    scaled = trace(design, side)
    rows = []
    for name in names:
        acts, macs = [_stage_count(scaled, name, place) / _stage_count(start, name, place) for place in (2, 1)]
        rows.append({"stage": name, "acts": acts, "macs": macs})
    body = rows[1:-1]
    numbers: dict[str, Any] = {
        "stages": list(names),
        "acts_ratio": [row["acts"] for row in rows],
        "macs_ratio": [row["macs"] for row in rows],
        "acts_whole": scaled.acts / start.acts,
        "macs_whole": scaled.macs / start.macs,
        "said_memory": width,
        "said_flops": depth * resolution**2,
        "right_memory": depth * width * resolution**2,
        "right_flops": depth * width**2 * resolution**2,
    }
    shown = [{"x": row["stage"], "y": row["macs"], "label": "counted"} for row in body]
    shown += [
        {"x": row["stage"], "y": numbers[f"{word}_flops"], "label": told}
        for row in body
        for word, told in (("said", "d r^2"), ("right", "d w^2 r^2"))
    ]
    return Evidence(numbers, shown, "efficientnet_b0 scaled to phi 3, stage by stage, activations and macs")


def _stage_count(graph: Graph, stage: str, place: int) -> int:
    return sum(row.counts[place] for row in graph.rows() if row.stage == stage)


def _judge_per_stage(found: Numbers) -> Verdict:
    def near(one: float, other: float) -> bool:
        return abs(one / other - 1) < 0.25

    as_said = near(found["acts_whole"], found["said_memory"]) and near(found["macs_whole"], found["said_flops"])
    right = near(found["acts_whole"], found["right_memory"]) and near(found["macs_whole"], found["right_flops"])
    why = (
        f"from phi 0 to 3 the activations grow {found['acts_whole']:.2f} times (w is {found['said_memory']:.2f}, d w r^2 is "
        f"{found['right_memory']:.2f}) and the macs {found['macs_whole']:.2f} times (d r^2 is {found['said_flops']:.2f}, d w^2 "
        f"r^2 is {found['right_flops']:.2f}); by stage macs grow {min(found['macs_ratio']):.1f} to "
        f"{max(found['macs_ratio']):.1f} times, for depths round up and the stem is not repeated"
    )
    return corrected(as_said, right, why)


# ---------------------------------------------------------------- S3

TABLE_1 = (  # arXiv:1905.11946, Table 1: expansion, kernel, px of the input, channels, layers; 0 for no MBConv
    (0, 3, 224, 32, 1),
    (1, 3, 112, 16, 1),
    (6, 3, 112, 24, 2),
    (6, 5, 56, 40, 2),
    (6, 3, 28, 80, 3),
    (6, 5, 14, 112, 3),
    (6, 5, 14, 192, 4),
    (6, 3, 7, 320, 1),
    (0, 1, 7, 1280, 1),
)


def _table(terms: Terms) -> Evidence:
    flat = traced("efficientnet_b0", 224).flat()
    read = [_ends(flat, "conv_stem"), *[_mbconvs(flat, f"blocks.{i}") for i in range(7)], _ends(flat, "conv_head")]
    gated = [name for name, places in blocks(flat, *[f"blocks.{i}" for i in range(7)]).items() if _is_gated(flat, places)]
    numbers: dict[str, Any] = {
        "stages": len(read),
        "differing": [i + 1 for i, (row, said) in enumerate(zip(read, TABLE_1, strict=True)) if row != said],
        "table": [
            "{}: kernel {}, {} px, {} channels, {} layers".format(f"MBConv{row[0]}" if row[0] else "Conv", *row[1:])
            for row in read
        ],
        "mbconvs": sum(row[4] for row in read if row[0]),
        "with_a_gate": len(gated),
    }
    return Evidence(numbers, about="the graph of efficientnet_b0 at 224 px, stage by stage")


def _ends(flat: Flat, name: str) -> tuple[int, int, int, int, int]:
    row = next(row for row in flat.rows if row.name == name)
    return 0, conv_of(row).kernel[0], flat.rows[row.inputs[0]].shape[1], conv_of(row).outputs, 1


def _mbconvs(flat: Flat, stage: str) -> tuple[int, int, int, int, int]:
    found = blocks(flat, stage)
    first = next(iter(found.values()))
    (depthwise,) = [row for row in convs([flat.rows[i] for i in first]) if is_depthwise(row)]
    given = entered(flat, first)
    return (
        conv_of(depthwise).inputs // given[0],
        conv_of(depthwise).kernel[0],
        given[1],
        flat.rows[first[-1]].shape[0],
        len(found),
    )


def _is_gated(flat: Flat, places: list[int]) -> bool:
    return any(isinstance(flat.rows[i].layer, Multiply) for i in places)


def _judge_table(found: Numbers) -> Verdict:
    same = found["stages"] - len(found["differing"])
    why = (
        f"{same} of {found['stages']} stages have the table's operator, kernel, resolution, channels and layers; "
        f"{found['with_a_gate']} of {found['mbconvs']} MBConvs have squeeze-and-excitation"
    )
    return settled(not found["differing"] and found["with_a_gate"] == found["mbconvs"] > 0, why)


# ---------------------------------------------------------------- S7

DRAWS = 120


def _freedom(terms: Terms) -> Evidence:
    names = {**{f"AnyNetX-{letter}": f"anynetx_{letter.lower()}" for letter in "ABCDE"}, "RegNetX": "regnetx_whole"}
    free = {name: _free(SPACES[called], terms.seed) for name, called in names.items()}
    narrowed = _free(SPACES["regnetx"], terms.seed)
    numbers: dict[str, Any] = {"spaces": list(free), "free": list(free.values()), "regnetx_narrowed": narrowed}
    rows = [{"x": name, "y": count} for name, count in free.items()]
    return Evidence(numbers, rows, f"choices that are not always equal to another one, over {DRAWS} draws of each space")


def _free(space: Any, seed: int) -> int:
    """How many numbers can be chosen: choices that are equal in every draw are one."""
    columns: dict[str, list[Any]] = {}
    for i in range(DRAWS):
        pick = Pick(random.Random(f"{seed} {i}"))
        space(pick)
        for name, value in pick.chosen.items():
            columns.setdefault(name, []).append(value)
    return len({(name.rstrip("0123456789"), *values) for name, values in columns.items() if len(set(values)) > 1})


def _judge_freedom(found: Numbers) -> Verdict:
    free = dict(zip(found["spaces"], found["free"], strict=True))
    why = (
        f"{', '.join(f'{name} {count}' for name, count in free.items())} (with b; {found['regnetx_narrowed']} once b is fixed to "
        "1)"
    )
    expected = [free[f"AnyNetX-{letter}"] for letter in "ABCDE"] == [16, 13, 10, 10, 10]
    right = expected and free["RegNetX"] == 6
    return slip(expected and free["RegNetX"] == 16, right, why, "16 is the number of A, from which RegNet is made")


# ---------------------------------------------------------------- S11


def _parnet(terms: Terms) -> Evidence:
    trained, deployed = traced("parnet_s", 224), trace(network("parnet_s", deploy=True), 224)
    numbers: dict[str, Any] = {
        "depth": longest(trained.flat()),
        "deployed_depth": longest(deployed.flat()),
        "resnet50_depth": longest(traced("resnet50", 224).flat()),
        "params": trained.params,
        "deployed_params": deployed.params,
    }
    for key, graph in (("", trained), ("deployed_", deployed)):
        flat = graph.flat()
        found = blocks(flat, "streams.0", "streams.1", "streams.2")
        numbers |= {
            f"{key}blocks": len(found),
            f"{key}convolutions": sorted({_kernels(flat, places) for places in found.values()}),
            f"{key}gated_norms": sum(_has_sse(flat, places) for places in found.values()),
        }
    return Evidence(
        numbers,
        about="parnet_s at 224 px, trained and re-parameterized; depth counts layers with weights on the longest way",
    )


def _kernels(flat: Flat, places: list[int]) -> str:
    """The kernels of a block's convolutions on the map; its gate's see one pixel and are left out."""
    kernels = [conv_of(row).kernel for row in convs([flat.rows[i] for i in places]) if row.shape[1] > 1]
    return " ".join(sorted(f"{height}x{width}" for height, width in kernels))


def _has_sse(flat: Flat, places: list[int]) -> bool:
    """Whether one norm of the block's input is scaled by a gate: squeeze-and-excitation of the skip."""
    scaled = [flat.rows[i] for i in places if isinstance(flat.rows[i].layer, Multiply)]
    return len(scaled) == 1 and isinstance(flat.rows[scaled[0].inputs[0]].layer, Norm)


def _judge_parnet(found: Numbers) -> Verdict:
    why = (
        f"the longest way through ParNet passes {found['depth']} layers with weights (ResNet-50: {found['resnet50_depth']}), "
        f"re-parameterized {found['deployed_depth']}; its {found['blocks']} stream blocks have {listed(found['convolutions'])} "
        f"and then a single {listed(found['deployed_convolutions'])} beside the gated norm of the skip "
        f"({found['deployed_gated_norms']} of them), {found['deployed_params']:,} params instead of {found['params']:,}"
    )
    single = found["deployed_convolutions"] == ["3x3"] and found["convolutions"] == ["1x1 3x3"]
    gated = found["deployed_gated_norms"] == found["deployed_blocks"] == found["blocks"] > 0
    return settled(found["depth"] == found["deployed_depth"] == 12 and single and gated, why)


# ---------------------------------------------------------------- S13


def _depthwise(terms: Terms) -> Evidence:
    numbers: dict[str, Any] = {}
    rows = []
    for name in ("inception_v1", "inception_v3", "inception_v4", "inception_resnet_v2", "efficientnet_b0"):
        layers = [row for row in traced(name).rows() if isinstance(row.layer, (Conv, Linear))]
        found = [row for row in convs(layers) if conv_of(row).groups > 1]
        numbers |= {
            f"{name}_convolutions": len(convs(layers)),
            f"{name}_grouped": len(found),
            f"{name}_depthwise": sum(map(is_depthwise, found)),
        }
        rows.append({"x": name, "y": len(found)})
    return Evidence(
        numbers, rows, "grouped and depthwise convolutions in the graphs of four Inception networks and of EfficientNet-B0"
    )


def _judge_depthwise(found: Numbers) -> Verdict:
    inception = [name.removesuffix("_grouped") for name in found if name.endswith("_grouped") and name.startswith("inception")]
    none = sum(found[f"{name}_depthwise"] for name in inception)
    total = sum(found[f"{name}_convolutions"] for name in inception)
    why = (
        f"of {total} convolutions in {len(inception)} Inception networks {sum(found[f'{name}_grouped'] for name in inception)} "
        f"are grouped and {none} depthwise; EfficientNet-B0 has {found['efficientnet_b0_depthwise']} among "
        f"{found['efficientnet_b0_convolutions']}"
    )
    return settled(all(found[f"{name}_depthwise"] for name in inception) and found["efficientnet_b0_depthwise"] > 0, why)


CLAIMS = (
    Claim(
        "s1-compound-doubling",
        EXACT,
        "FLOPs grow in proportion to depth, width^2 and resolution^2, and with alpha beta^2 gamma^2 of about 2 each phi doubles "
        "them.",
        "Architectures, compound scaling",
        _doubling,
        _judge_doubling,
        lines("phi", "times the macs of B0", log_y=True),
    ),
    Claim(
        "s2-formulas-per-stage",
        EXACT,
        "A network's memory is the sum over its stages of w times each one's, its FLOPs that of d r^2 times each one's.",
        "EfficientNet questions, 5",
        _per_stage,
        _judge_per_stage,
        bars("growth of the macs", "stage of B0"),
    ),
    Claim(
        "s3-b0-table-1",
        EXACT,
        "EfficientNet-B0 is built as Table 1 of its paper has it, stage by stage, with squeeze-and-excitation in each MBConv.",
        "EfficientNet questions, 7; arXiv:1905.11946, Table 1",
        _table,
        _judge_table,
    ),
    Claim(
        "s7-degrees-of-freedom",
        EXACT,
        "RegNet is a design space of 16 dimensions.",
        "Architectures, RegNet",
        _freedom,
        _judge_freedom,
        bars("degrees of freedom"),
    ),
    Claim(
        "s11-parnet-depth",
        EXACT,
        "ParNet is 12 layers deep; after re-parameterization its blocks are single 3x3 convolutions beside a squeezed and "
        "excited skip.",
        "Architectures, non-deep networks",
        _parnet,
        _judge_parnet,
    ),
    Claim(
        "s13-inception-depthwise",
        EXACT,
        "Inception networks use depthwise separable convolutions, as EfficientNets do.",
        "EfficientNet questions, 6",
        _depthwise,
        _judge_depthwise,
        bars("grouped convolutions"),
    ),
)
