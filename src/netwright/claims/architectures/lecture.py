"""The lecture's cost tables: AlexNet (A1, A2), VGG-16 (A5), GoogLeNet (A7). Batch 128, fp32, MB of 2^20 bytes."""

from __future__ import annotations

import math
from typing import Any

from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, corrected, settled
from netwright.claims.drawing import bars
from netwright.claims.reading import BATCH, MEBI, longest
from netwright.costing.lecture import lecture_memory
from netwright.costing.memory import memory_of
from netwright.costing.table import By, Cost, Line, cost
from netwright.graph import Design, Flat, trace
from netwright.graph.layers import Activation, Conv, Input, Linear, Pool
from netwright.zoo import network

NEARLY = 0.9  # of a total: "nearly all"
MOST = 4096  # images: a batch beyond which no answer is looked for


def lectured(design: Design, by: By = "layer") -> Cost:
    """The cost of a design as the lecture's tables have it: batch 128, with Adam."""
    return cost(design, 224, by=by, batch=BATCH, optimizer="adam")


def ungrouped() -> Design:
    """AlexNet of 2012 as the lecture counts it: with each convolution over both towers."""
    return network("alexnet_2012", groups=1)


def giga_flops(macs: int) -> float:
    """Of a whole batch."""
    return 2 * BATCH * macs / 1e9


def mebibytes(line: Line) -> float:
    """The lecture's activations of a line, with their gradients."""
    return line.lecture_activations / MEBI


# ---------------------------------------------------------------- A1


def _alexnet(terms: Terms) -> Evidence:
    table = lectured(ungrouped())
    rows = [row for row in table.flat.rows if isinstance(row.layer, (Conv, Linear))]
    first = next(line for line in table.lines if line.name == "conv1")
    linear = [row.counts for row in rows if isinstance(row.layer, Linear)]
    lines = [line for line in table.lines if line.kind.startswith(("conv", "linear"))]
    numbers: dict[str, Any] = {
        "image_values": math.prod(table.image),
        "image_mb": table.lecture.activations[0] / MEBI,
        "conv1_side": first.shape[1],
        "conv1_params": first.params,
        "conv1_gflop": giga_flops(first.macs),
        "conv1_mb": mebibytes(first),
        "params": table.params,
        "gflop": giga_flops(table.macs),
        "linear_layers": len(linear),
        "linear_share_of_params": sum(counts[0] for counts in linear) / table.params,
        "conv_share_of_macs": 1 - sum(counts[1] for counts in linear) / table.macs,
    }
    shown = [{"x": line.name, "y": 100 * line.params / table.params, "label": "params"} for line in lines]
    shown += [{"x": line.name, "y": 100 * line.macs / table.macs, "label": "macs"} for line in lines]
    return Evidence(numbers, shown, "the cost table of alexnet_2012 with ungrouped convolutions, batch 128")


def _judge_alexnet(found: Numbers) -> Verdict:
    said = {"image_values": 150_528, "image_mb": 73.5, "conv1_side": 55, "conv1_params": 34_944, "conv1_mb": 283.6}
    wrong = [name for name, value in said.items() if round(found[name], 1) != value]
    wrong += [] if round(found["conv1_gflop"]) == 27 else ["conv1_gflop"]
    shares = found["linear_share_of_params"], found["conv_share_of_macs"]
    why = (
        f"{found['linear_layers']} linear layers hold {100 * shares[0]:.1f} % of {found['params']:,} params, the convolutions do "
        f"{100 * shares[1]:.1f} % of {found['gflop']:.1f} GFLOP; the first one has {found['conv1_params']:,} params, "
        f"{found['conv1_gflop']:.2f} GFLOP and {found['conv1_mb']:.1f} MB"
    )
    if wrong:
        return Verdict("corrected", f"{why}; not as printed: {', '.join(wrong)}")
    return settled(min(shares) >= NEARLY and found["linear_layers"] == 3, why)


# ---------------------------------------------------------------- A2


def _parameters_against_activations(terms: Terms) -> Evidence:
    graph = trace(ungrouped(), 224)
    of_image = sum(lecture_memory(graph, 1).activations)
    copies = {"momentum": 3, "adam": 4}
    parameters = {name: lecture_memory(graph, BATCH, name).parameters for name in copies}
    kept = memory_of(graph, 1, "fp32", "adam").saved
    numbers: dict[str, Any] = {
        "activations_mb": BATCH * of_image / MEBI,
        "kept_by_autograd_mb": BATCH * kept / MEBI,
    }
    for name, bytes_ in parameters.items():
        numbers[f"{name}_mb"] = bytes_ / MEBI
        numbers[f"{name}_until_batch"] = bytes_ // of_image
        numbers[f"{name}_until_batch_of_autograd"] = bytes_ // kept
    rows = [{"x": f"{copies[name]} copies ({name})", "y": bytes_ / MEBI} for name, bytes_ in parameters.items()]
    rows += [
        {"x": "activations, twice", "y": numbers["activations_mb"]},
        {"x": "kept by autograd", "y": numbers["kept_by_autograd_mb"]},
    ]
    return Evidence(numbers, rows, "the lecture's two columns for alexnet_2012, ungrouped, at batch 128, and what autograd keeps")


def _judge_parameters_against_activations(found: Numbers) -> Verdict:
    more = {name: found[f"{name}_mb"] > found["activations_mb"] for name in ("momentum", "adam")}
    why = (
        f"the activations take {found['activations_mb']:.1f} MB; parameters four times (Adam) {found['adam_mb']:.1f} MB, which "
        f"is more up to batch {found['adam_until_batch']}; three times (momentum) {found['momentum_mb']:.1f} MB, more up to "
        f"batch {found['momentum_until_batch']} only; against what autograd really keeps ({found['kept_by_autograd_mb']:,.0f} "
        f"MB) up to batch {found['adam_until_batch_of_autograd']}"
    )
    return corrected(all(more.values()), any(more.values()), why)


# ---------------------------------------------------------------- A5


def _vgg16(terms: Terms) -> Evidence:
    by_stage, by_layer = lectured(network("vgg16"), "stage"), lectured(network("vgg16"))
    stages = [line for line in by_stage.lines if line.name.startswith("stage")]
    layers = [line for line in by_layer.lines if line.kind.startswith("conv")]
    head = by_stage.lines[-1]
    numbers: dict[str, Any] = {
        "stage_gmacs": [line.macs / 1e9 for line in stages],
        "conv_gflop_per_image": [line.flops / 1e9 for line in layers],
        "largest_conv_gflop_per_batch": max(giga_flops(line.macs) for line in layers),
        "first_map_gb": mebibytes(layers[0]) / 1000,
        "activations_gb": sum(by_stage.lecture.activations) / MEBI / 1000,
        "classifier_params": head.params,
        "classifier_gflop": giga_flops(head.macs),
        "params": by_stage.params,
    }
    rows = [{"x": line.name, "y": line.macs / 1e9} for line in stages]
    return Evidence(numbers, rows, "the cost table of vgg16 at 224 px by stage and by layer, batch 128")


def _judge_vgg16(found: Numbers) -> Verdict:
    stages, layers = found["stage_gmacs"], found["conv_gflop_per_image"]
    constant = max(stages) <= 1.1 * min(stages)
    almost_five = all(4.5 <= flops < 5 for flops in layers)
    rest = (
        round(found["first_map_gb"]) == 3
        and 14 < found["activations_gb"] < 15
        and round(found["classifier_params"] / 1e6) == 124
        and int(found["classifier_gflop"]) == 31
    )
    why = (
        f"the stages take {', '.join(f'{macs:.2f}' for macs in stages)} G macs for one image, the most of them "
        f"{max(stages) / min(stages):.1f} times the least; the largest convolution takes {max(layers):.1f} GFLOP for one image "
        f"and {found['largest_conv_gflop_per_batch']:.0f} for the batch (said: almost 5); the first map takes "
        f"{found['first_map_gb']:.1f} GB and all {found['activations_gb']:.1f} GB; the classifier has "
        f"{found['classifier_params']:,} params and takes {found['classifier_gflop']:.1f} GFLOP"
    )
    return corrected(constant and almost_five and rest, rest, why)


# ---------------------------------------------------------------- A7


def _googlenet(terms: Terms) -> Evidence:
    table, vgg = lectured(network("inception_v1"), "stage"), lectured(network("vgg16"), "stage")
    stem, head = table.lines[0], table.lines[-1]
    ten = vgg.lines[:3]  # to 28 px
    flat = table.flat
    modules = [row for row in flat.rows if not isinstance(row.layer, (Activation, Input))]
    numbers: dict[str, Any] = {
        "stem_layers": _stem_layers(flat),
        "stem_gflop": giga_flops(stem.macs),
        "stem_params": stem.params,
        "stem_gb": (table.lecture.activations[0] / MEBI + mebibytes(stem)) / 1000,
        "vgg_to_28_gflop": giga_flops(sum(line.macs for line in ten)),
        "vgg_to_28_params": sum(line.params for line in ten),
        "vgg_to_28_gb": sum(map(mebibytes, ten)) / 1000,
        "classifier_params": head.params,
        "classifier_mflop": 1000 * giga_flops(head.macs),
        "params": table.params,
        "gflop": giga_flops(table.macs),
        "gb": sum(table.lecture.activations) / MEBI / 1000,
        "depth": longest(flat),
        "modules": len(modules),
        "released_params": trace(network("googlenet"), 224).params,
    }
    rows = [
        {"x": what, "y": numbers[f"{key}_gflop"], "label": name}
        for what, name, key in (("to 28 px", "GoogLeNet", "stem"), ("to 28 px", "VGG-16", "vgg_to_28"))
    ]
    rows += [
        {"x": "all", "y": numbers["gflop"], "label": "GoogLeNet"},
        {"x": "all", "y": giga_flops(vgg.macs), "label": "VGG-16"},
    ]
    return Evidence(
        numbers, rows, "the cost tables of inception_v1 and vgg16 at 224 px, batch 128; modules are layers but activations"
    )


def _stem_layers(flat: Flat) -> int:
    """Convolutions and poolings of the stem."""
    return sum(isinstance(row.layer, (Conv, Pool)) for row in flat.rows if row.stage == "stem")


def _judge_googlenet(found: Numbers) -> Verdict:
    right = (
        found["stem_layers"] == 5
        and 115 < found["stem_gflop"] < 135
        and round(found["stem_params"] / 1e3) == 124
        and round(found["stem_gb"]) == 2
        and round(found["classifier_params"] / 1e6) == 1
        and found["classifier_mflop"] < 270
        and round(found["params"] / 1e6) == 7
        and round(found["gb"], 1) == 3.3
        and found["depth"] == 22
        and 80 <= found["modules"] <= 120
    )
    why = (
        f"the stem's {found['stem_layers']} layers take {found['stem_gflop']:.1f} GFLOP, {found['stem_params']:,} params and "
        f"{found['stem_gb']:.2f} GB (VGG-16 to 28 px: {found['vgg_to_28_gflop']:,.0f} GFLOP, {found['vgg_to_28_params']:,}, "
        f"{found['vgg_to_28_gb']:.1f} GB); the classifier {found['classifier_params']:,} params and "
        f"{found['classifier_mflop']:.0f} MFLOP; the whole {found['params']:,} params, {found['gb']:.1f} GB and "
        f"{found['gflop']:.0f} GFLOP, where 390 Mflops are printed; it is {found['depth']} layers deep and has "
        f"{found['modules']} modules"
    )
    return corrected(right and found["gflop"] < 0.4, right and 380 < found["gflop"] < 410, why)


CLAIMS = (
    Claim(
        "a1-alexnet-table",
        EXACT,
        "AlexNet's table: 150,528 values or 73.5 MB come in, the first convolution leaves 55 px with 34,944 params, 27 GFLOP "
        "and 283.6 MB; nearly all params are in the three linear layers, nearly all the work is in the convolutions.",
        "Architectures, AlexNet and its recap",
        _alexnet,
        _judge_alexnet,
        bars("share of the network (%)"),
    ),
    Claim(
        "a2-alexnet-memory",
        EXACT,
        "AlexNet's parameters, with their gradients and the optimizer's copies (three or four in all), need more memory than "
        "its activations at batch 128.",
        "Architectures, AlexNet, recap",
        _parameters_against_activations,
        _judge_parameters_against_activations,
        bars("MB at batch 128"),
    ),
    Claim(
        "a5-vgg16-recap",
        EXACT,
        "VGG-16's work is constant over its stages, almost 5 GFLOP for each convolution; its first maps take 3 GB, all 14 GB, "
        "and its classifier has 124 M params and takes 31 GFLOP.",
        "Architectures, recap of VGG-16, and the comparison with GoogLeNet's final layers",
        _vgg16,
        _judge_vgg16,
        bars("macs for one image (G)"),
    ),
    Claim(
        "a7-googlenet-figures",
        EXACT,
        "GoogLeNet's stem of five layers takes about 130 GFLOP, 124 K params and 2 GB, its classifier 1 M params and less than "
        "270 MFLOP, all of it 7 M params, 390 MFLOP and 3.3 GB; it is 22 layers deep and made of about 100 modules.",
        "Architectures, Inception v1: stem, final layers and summary",
        _googlenet,
        _judge_googlenet,
        bars("GFLOP at batch 128"),
    ),
)
