"""X: slips in the notes, each said as the notes say it and shown from graphs, batches and formulas."""

from __future__ import annotations

import math
from typing import Any

from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, corrected
from netwright.claims.drawing import bars
from netwright.claims.reading import blocks, conv_of, convs, entered, is_depthwise, listed, readers, traced
from netwright.graph import Flat, trace
from netwright.graph.layers import Activation, Conv, Pool
from netwright.scaling.rules import COMPOUND, find_rule
from netwright.zoo import network

B0, V2 = "efficientnet_b0", "mobilenetv2_100"
STAGES = tuple(f"blocks.{i}" for i in range(7))


def slip(as_said: bool, right: bool, found: str, therefore: str) -> Verdict:
    """The verdict on a slip: what was found, and what follows of it where that is the right figure in place of the notes'."""
    return corrected(as_said, right, f"{found}: {therefore}" if right and not as_said else found)


# ---------------------------------------------------------------- X1: RegNet's g


def _group_width(terms: Terms) -> Evidence:
    design = network("regnetx_004")
    rows = convs(trace(design, 224).rows())
    grouped = [conv_of(row) for row in rows if conv_of(row).groups > 1]
    numbers: dict[str, Any] = {
        "g": design.group_width,  # type: ignore[attr-defined]
        "groups": list(dict.fromkeys(layer.groups for layer in grouped)),
        "channels_of_a_group": sorted({layer.inputs // layer.groups for layer in grouped}),
        "widths": list(dict.fromkeys(layer.outputs for layer in grouped)),
    }
    return Evidence(numbers, about="the grouped convolutions of regnetx_004")


def _judge_group_width(found: Numbers) -> Verdict:
    why = (
        f"with g = {found['g']} RegNetX-400MF's stages of {listed(found['widths'])} channels have {listed(found['groups'])} "
        f"groups, each of {listed(found['channels_of_a_group'])} channels"
    )
    right = found["channels_of_a_group"] == [found["g"]]
    return slip(found["groups"] == [found["g"]], right, why, "g is the width of a group")


# ---------------------------------------------------------------- X2: where MobileNetV2 strides


def _strides(terms: Terms) -> Evidence:
    flat = traced(V2, 224).flat()
    stride = [row for row in convs(flat.rows) if conv_of(row).stride != (1, 1) and row.name.startswith("blocks.")]
    d = traced("resnet50d", 224).flat()
    numbers: dict[str, Any] = {
        "striding": len(stride),
        "depthwise_3x3": sum(is_depthwise(row) and conv_of(row).kernel == (3, 3) for row in stride),
        "average_poolings": _poolings(flat),
        "resnet_b_striding_3x3": _striding(traced("resnet50", 224).flat()),
        "resnet_b_average_poolings": _poolings(traced("resnet50", 224).flat()),
        "resnet_d_average_poolings": _poolings(d),
    }
    return Evidence(numbers, about="strided layers in the blocks of mobilenetv2_100, resnet50 (ResNet-B) and resnet50d")


def _poolings(flat: Flat) -> int:
    return sum(isinstance(row.layer, Pool) and row.layer.kind == "avg_pool" for row in flat.rows)


def _striding(flat: Flat) -> int:
    """3x3 convolutions with a stride inside of blocks."""
    rows = [row for row in convs(flat.rows) if row.name.startswith("layer")]
    return sum(conv_of(row).kernel == (3, 3) and conv_of(row).stride == (2, 2) for row in rows)


def _judge_strides(found: Numbers) -> Verdict:
    why = (
        f"all {found['striding']} strides in MobileNetV2's blocks sit on the depthwise 3x3, as ResNet-B has "
        f"{found['resnet_b_striding_3x3']} on its 3x3s; what is ResNet-D's own, an average pooling in the shortcut, is there "
        f"{found['average_poolings']} times (ResNet-D: {found['resnet_d_average_poolings']})"
    )
    in_the_middle = found["striding"] == found["depthwise_3x3"] > 0 and found["resnet_b_striding_3x3"] > 0
    as_d = in_the_middle and found["average_poolings"] > 0
    return corrected(as_d, in_the_middle and found["resnet_b_average_poolings"] == 0 < found["resnet_d_average_poolings"], why)


# ---------------------------------------------------------------- X3: activations between inverted residuals


def _between(terms: Terms) -> Evidence:
    numbers: dict[str, Any] = {}
    for name, key in ((V2, "mobilenetv2"), (B0, "efficientnet_b0")):
        flat = traced(name, 224).flat()
        found = blocks(flat, *STAGES)
        reading = readers(flat)
        ends = [places[-1] for places in found.values()]
        numbers |= {
            f"{key}_blocks": len(found),
            f"{key}_ending_in_an_activation": sum(isinstance(flat.rows[i].layer, Activation) for i in ends),
            f"{key}_read_by_an_activation": sum(any(isinstance(row.layer, Activation) for row in reading[i]) for i in ends),
            f"{key}_activations_inside": sum(
                isinstance(flat.rows[i].layer, Activation) and flat.rows[i].layer.kind in ("relu6", "silu")
                for places in found.values()
                for i in places
            ),
        }
    return Evidence(numbers, about="what ends the blocks of mobilenetv2_100 and efficientnet_b0, and what reads them")


def _judge_between(found: Numbers) -> Verdict:
    keys = ("mobilenetv2", "efficientnet_b0")
    active = [found[f"{key}_ending_in_an_activation"] + found[f"{key}_read_by_an_activation"] for key in keys]
    total = [found[f"{key}_blocks"] for key in keys]
    why = (
        f"of MobileNetV2's {total[0]} blocks {active[0]} end in or go into an activation, of B0's {total[1]} MBConvs "
        f"{active[1]}; inside of them there are {found['mobilenetv2_activations_inside']} and "
        f"{found['efficientnet_b0_activations_inside']}"
    )
    therefore = "activations stand only where channels are many"
    return slip(active == total, active == [0, 0] and min(total) > 0, why, therefore)


# ---------------------------------------------------------------- X4: Inception-ResNet-B


def _inception_resnet_b(terms: Terms) -> Evidence:
    flat = traced("inception_resnet_v2").flat()
    numbers: dict[str, Any] = {}
    for letter, name in (("a", "repeat.0"), ("b", "repeat_1.0")):
        places = [i for i, row in enumerate(flat.rows) if row.name.startswith(name + ".")]
        given = flat.rows[places[0]].inputs[0]
        first = [
            conv_of(flat.rows[i]) for i in places if flat.rows[i].inputs == (given,) and isinstance(flat.rows[i].layer, Conv)
        ]
        numbers |= {
            f"{letter}_first": len(first),
            f"{letter}_kernels": sorted({f"{a}x{b}" for a, b in (one.kernel for one in first)}),
        }
    return Evidence(numbers, about="the convolutions that read the input of the first modules A and B of inception_resnet_v2")


def _judge_inception_resnet_b(found: Numbers) -> Verdict:
    why = (
        f"module B starts with {found['b_first']} convolutions of {listed(found['b_kernels'])}, one that is kept and one before "
        f"1x7 and 7x1; it is module A that starts with {found['a_first']}"
    )
    ones = found["a_kernels"] == found["b_kernels"] == ["1x1"]
    return corrected(ones and found["b_first"] == 3, ones and found["b_first"] == 2 and found["a_first"] == 3, why)


# ---------------------------------------------------------------- X5, X6: stages 2 and 9 of B0


def _stage_two(terms: Terms) -> Evidence:
    flat = traced(B0, 224).flat()
    places = [i for i, row in enumerate(flat.rows) if row.name.startswith("blocks.0.")]
    given, left = entered(flat, places), flat.rows[places[-1]].shape
    numbers: dict[str, Any] = {"channels_in": given[0], "side_in": given[1], "channels_out": left[0], "side_out": left[1]}
    return Evidence(numbers, about="what comes into and out of stage 2 (blocks.0) of efficientnet_b0 at 224 px")


def _judge_stage_two(found: Numbers) -> Verdict:
    why = (
        f"stage 2 takes {found['channels_in']} channels of {found['side_in']} px and leaves {found['channels_out']} of "
        f"{found['side_out']} px"
    )
    as_said = found["side_out"] < found["side_in"] and found["channels_out"] > found["channels_in"]
    right = found["side_out"] == found["side_in"] and found["channels_out"] < found["channels_in"]
    return slip(as_said, right, why, "it keeps the resolution, which the stem has halved, and reduces the channels")


def _last_one(terms: Terms) -> Evidence:
    row = next(row for row in traced(B0, 224).rows() if row.name == "conv_head")
    layer = conv_of(row)
    return Evidence(
        {"inputs": layer.inputs, "outputs": layer.outputs, "kernel": layer.kernel[0], "side": row.shape[1]},
        about="the last convolution of efficientnet_b0",
    )


def _judge_last_one(found: Numbers) -> Verdict:
    kernel, inputs, outputs = found["kernel"], found["inputs"], found["outputs"]
    why = f"the last {kernel}x{kernel} takes {inputs} channels to {outputs:,} on {found['side']} px"
    return slip(outputs < inputs, kernel == 1 and outputs > inputs, why, "it expands")


# ---------------------------------------------------------------- X7: the updates of an epoch

SIZES = ((130, 32), (128, 32), (7, 2))  # examples, batch


def _updates(terms: Terms) -> Evidence:
    import torch

    from netwright.lab.landscapes import LeastSquares

    made = []
    for examples, batch in SIZES:
        epoch = LeastSquares(examples=examples, batch=batch, seed=terms.seed).epoch(torch.Generator().manual_seed(terms.seed))
        made.append(len(epoch))
    numbers: dict[str, Any] = {
        "examples": [examples for examples, _ in SIZES],
        "batches": [batch for _, batch in SIZES],
        "updates": made,
        "u": [math.ceil(examples / batch) for examples, batch in SIZES],
    }
    return Evidence(numbers, about="the batches of an epoch of the lab's least squares")


def _judge_updates(found: Numbers) -> Verdict:
    counts, said = found["updates"], [u + 1 for u in found["u"]]
    why = (
        f"{listed(found['examples'])} examples in batches of {listed(found['batches'])} make {listed(counts)} updates, u = 0 to "
        f"U - 1; u = 0 to U would be {listed(said)}, the last of them without an example"
    )
    return corrected(counts == said, counts == found["u"], why)


# ---------------------------------------------------------------- X8: the formulas of memory and FLOPs


def _formulas(terms: Terms) -> Evidence:
    numbers, rows = growth("resnet50"), []
    for name in ("depth", "width", "resolution"):
        rows += [{"x": name, "y": numbers[f"{count}_{name}"], "label": count} for count in ("macs", "acts")]
    return Evidence(numbers, rows, "resnet50 at 224 px, and with four times the depth, twice the width and twice the resolution")


def growth(name: str) -> dict[str, Any]:
    """The exponents with which macs, activations and params grow in depth, width and resolution, with the real rounding."""
    design, found = network(name), {}
    start = trace(design, 224)
    for dimension, factor in (("depth", 4.0), ("width", 2.0), ("resolution", 2.0)):
        rule = find_rule(dimension)
        scaled = trace(*rule.at(design, 224, 2.0))
        for count in ("macs", "acts", "params"):
            found[f"{count}_{dimension}"] = math.log(getattr(scaled, count) / getattr(start, count), factor)
    return found


def _judge_formulas(found: Numbers) -> Verdict:
    macs, acts = [[found[f"{count}_{name}"] for name in ("depth", "width", "resolution")] for count in ("macs", "acts")]
    why = (
        f"activations grow as d^{acts[0]:.2f} w^{acts[1]:.2f} r^{acts[2]:.2f}, macs grow as d^{macs[0]:.2f} w^{macs[1]:.2f} "
        f"r^{macs[2]:.2f}"
    )
    as_said = _near(acts, [0, 1, 0]) and _near(macs, [1, 0, 2])
    right = _near(acts, [1, 1, 2]) and _near(macs, [1, 2, 2])
    return slip(as_said, right, why, "the memory formula lacks d and r^2, the FLOPs formula w^2")


def _near(found: list[float], said: list[int]) -> bool:
    return all(abs(a - b) < 0.2 for a, b in zip(found, said, strict=True))


# ---------------------------------------------------------------- X9: B0's phi


def _phi(terms: Terms) -> Evidence:
    design = network(B0)
    start = trace(design, 224)
    numbers: dict[str, Any] = {"b0_macs": start.macs, "b0_params": start.params}
    for phi in (0, 1):
        made, side = COMPOUND.at(design, 224, float(phi))
        graph = trace(made, side)
        numbers |= {f"phi{phi}_macs": graph.macs, f"phi{phi}_params": graph.params, f"phi{phi}_side": side}
    return Evidence(numbers, about="efficientnet_b0 scaled by the compound rule to phi 0 and 1")


def _judge_phi(found: Numbers) -> Verdict:
    same = [(found[f"phi{phi}_macs"], found[f"phi{phi}_params"]) == (found["b0_macs"], found["b0_params"]) for phi in (0, 1)]
    why = (
        f"phi 0 gives B0 itself ({found['phi0_params']:,} params at {found['phi0_side']} px), phi 1 a network of "
        f"{found['phi1_params']:,} params at {found['phi1_side']} px"
        if same[0]
        else f"phi 0 gives {found['phi0_params']:,} params, B0 has {found['b0_params']:,}"
    )
    return corrected(same[1], same[0], why)


CLAIMS = (
    Claim(
        "x1-regnet-group-width",
        EXACT,
        "RegNet's g is the number of groups of a block.",
        "Architectures, RegNet",
        _group_width,
        _judge_group_width,
    ),
    Claim(
        "x2-mobilenetv2-stride",
        EXACT,
        "The stride in the 3x3 of MobileNetV2's blocks is the trick of ResNet-D.",
        "Architectures, MobileNetV2",
        _strides,
        _judge_strides,
    ),
    Claim(
        "x3-activations-between-blocks",
        EXACT,
        "MobileNetV2 has ReLUs between its inverted residual blocks, and an MBConv ends in an activation.",
        "Architectures, MobileNetV2; EfficientNet questions, 7",
        _between,
        _judge_between,
    ),
    Claim(
        "x4-inception-resnet-b",
        EXACT,
        "Inception-ResNet-B starts with three 1x1 convolutions.",
        "Architectures, Inception-ResNet",
        _inception_resnet_b,
        _judge_inception_resnet_b,
    ),
    Claim(
        "x5-b0-stage-2",
        EXACT,
        "Stage 2 of EfficientNet-B0 reduces the resolution and increases the channels to 16.",
        "EfficientNet questions, 7, stage 2",
        _stage_two,
        _judge_stage_two,
    ),
    Claim(
        "x6-b0-last-convolution",
        EXACT,
        "The last 1x1 convolution of EfficientNet-B0 reduces the number of channels.",
        "EfficientNet questions, 7, stage 9",
        _last_one,
        _judge_last_one,
    ),
    Claim(
        "x7-updates-of-an-epoch",
        EXACT,
        "An epoch makes the updates u = 0 to U, with U = ceil(N / B).",
        "Optimizers, stochastic gradient descent with mini-batches",
        _updates,
        _judge_updates,
    ),
    Claim(
        "x8-memory-and-flops-formulas",
        EXACT,
        "A scaled network takes w times the memory and d r^2 times the FLOPs.",
        "EfficientNet questions, 5",
        _formulas,
        _judge_formulas,
        bars("exponent of the growth", "dimension that is scaled"),
    ),
    Claim("x9-b0-phi", EXACT, "EfficientNet-B0 has phi = 1.", "EfficientNet questions, 2", _phi, _judge_phi),
)
