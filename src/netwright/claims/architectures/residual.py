"""Residual networks: the identity at the start (A13), bottlenecks (A14), ResNet-B to -D (A15), where shapes differ (A24)."""

from __future__ import annotations

from typing import Any

from netwright.blocks import Basic, Bottleneck
from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, corrected, settled
from netwright.claims.drawing import bars
from netwright.claims.reading import Single, blocks, conv_of, convs, entered, traced
from netwright.graph import Design, Graph, trace
from netwright.graph.layers import Add, Conv
from netwright.zoo import network

# ---------------------------------------------------------------- A13


def _identity(terms: Terms) -> Evidence:
    started, other = _differences(terms, True), _differences(terms, False)
    numbers: dict[str, Any] = {
        "blocks": len(started),
        "largest_difference": max(started.values()),
        "least_difference_without": min(other.values()),
    }
    rows = [{"x": name, "y": other[name]} for name in started]
    return Evidence(
        numbers, rows, "what the blocks of resnet18 that keep the shape do to their input, in training mode, at 64 px"
    )


def _differences(terms: Terms, zero: bool) -> dict[str, float]:
    """How far the output of each block that keeps the shape lies from its input, relative to the largest input."""
    import torch

    from netwright.runtime import build

    net, found = network("resnet18"), {}
    model = build(net, seed=terms.seed).train()
    last = [row.name for row in trace(net, 64).rows() if getattr(row.layer, "role", "") == "residual-last"]
    with torch.no_grad():
        for name in last if not zero else ():
            model.get_submodule(name).weight.fill_(1.0)  # type: ignore[operator]

        def hook(module: Any, given: Any, out: Any, name: str) -> None:
            if given[0].shape == out.shape:
                found[name] = float((out - given[0]).abs().max() / given[0].abs().max())

        for name in {name.rpartition(".")[0] for name in last}:
            model.get_submodule(name).register_forward_hook(lambda m, g, o, name=name: hook(m, g, o, name))
        model(torch.randn(8, 3, 64, 64, generator=torch.Generator().manual_seed(terms.seed)))
    return dict(sorted(found.items()))


def _judge_identity(found: Numbers) -> Verdict:
    why = (
        f"{found['blocks']} blocks give their input back with a largest difference of {found['largest_difference']:.1e}; with a "
        f"last scale of 1 instead each changes it by {100 * found['least_difference_without']:.0f} % of the largest value or more"
    )
    return settled(found["largest_difference"] == 0 and found["least_difference_without"] > 0.01 and found["blocks"] > 0, why)


# ---------------------------------------------------------------- A14

WIDE = 64  # C of the notes


def _bottleneck(terms: Terms) -> Evidence:
    def count(body: Design, channels: int, width: int) -> tuple[float, float]:
        """Weights and macs per pixel of the convolutions, in C^2."""
        rows = convs(trace(Single(body, width), 14, channels=channels).rows())
        return sum(row.counts[0] for row in rows) / WIDE**2, sum(row.counts[1] for row in rows) / 14**2 / WIDE**2

    shapes: dict[str, tuple[Design, int, int]] = {
        "C, C (basic)": (Basic(), WIDE, WIDE),
        "4 C, C, 4 C": (Bottleneck(), 4 * WIDE, WIDE),
        "C, C/4, C": (Bottleneck(), WIDE, WIDE // 4),
        "4 C, 4 C (basic)": (Basic(), 4 * WIDE, 4 * WIDE),
    }
    params = {name: count(*shape)[0] for name, shape in shapes.items()}
    macs = {name: count(*shape)[1] for name, shape in shapes.items()}
    numbers: dict[str, Any] = {
        "basic": params["C, C (basic)"],
        "bottleneck": params["4 C, C, 4 C"],
        "narrow_bottleneck": params["C, C/4, C"],
        "wide_basic": params["4 C, 4 C (basic)"],
        "basic_macs": macs["C, C (basic)"],
        "bottleneck_macs": macs["4 C, C, 4 C"],
        "one_width": _one_width(),
    }
    rows = [{"x": name, "y": value} for name, value in params.items()]
    return Evidence(numbers, rows, f"the convolutions of blocks by themselves at C = {WIDE}, in C^2")


def _one_width() -> float:
    """Weights of 1x1, 3x3 and 1x1 that all go from C to C channels, in C^2."""
    layers = [Conv(WIDE, WIDE, kernel) for kernel in ((1, 1), (3, 3), (1, 1))]
    return sum(layer.counts((WIDE, 14, 14))[0] for layer in layers) / WIDE**2


def _judge_bottleneck(found: Numbers) -> Verdict:
    why = (
        f"two 3x3s of C channels have {found['basic']:g} C^2 weights; the bottleneck that goes from 4 C through C to 4 C has "
        f"{found['bottleneck']:g} C^2 (and {found['bottleneck_macs']:g} against {found['basic_macs']:g} C^2 macs per pixel), so "
        f"it costs about as much on four times the channels, where two 3x3s would have {found['wide_basic']:g} C^2; at C "
        f"channels outside (C / 4 inside) it has {found['narrow_bottleneck']:.3g} C^2; {found['one_width']:g} C^2 comes out only "
        "if no layer changes the width"
    )
    return corrected(found["basic"] == 18 and found["bottleneck"] == 11, found["basic"] == 18 and found["bottleneck"] < 18, why)


# ---------------------------------------------------------------- A15

TWEAKS = {"v1": "resnet50_v1", "B": "resnet50", "C": "resnet50c", "D": "resnet50d"}


def _tweaks(terms: Terms) -> Evidence:
    graphs = {name: traced(called, 224) for name, called in TWEAKS.items()}
    found = {name: _unread(graph) for name, graph in graphs.items()}
    numbers: dict[str, Any] = {}
    for name, graph in graphs.items():
        numbers |= {
            f"{name}_layers": len(found[name]),
            f"{name}_unread": max(found[name].values(), default=0.0),
            f"{name}_in_the_branch": sum("downsample" not in layer for layer in found[name]),
            f"{name}_gmacs": graph.macs / 1e9,
            f"{name}_params": graph.params,
        }
    rows = [{"x": name, "y": graph.macs / 1e9} for name, graph in graphs.items()]
    return Evidence(numbers, rows, "convolutions whose stride is longer than their kernel, in four forms of ResNet-50 at 224 px")


def _unread(graph: Graph) -> dict[str, float]:
    """The share of its input that each convolution steps over, where it steps over any."""
    found = {}
    for row in convs(graph.rows()):
        layer = conv_of(row)
        read = [min(1.0, kernel / stride) for kernel, stride in zip(layer.kernel, layer.stride, strict=True)]
        if read[0] * read[1] < 1:
            found[row.name] = 1 - read[0] * read[1]
    return found


def _judge_tweaks(found: Numbers) -> Verdict:
    three = found["v1_unread"] == found["B_unread"] == 0.75
    moved = found["v1_in_the_branch"] > 0 == found["B_in_the_branch"] and found["B_layers"] > 0 == found["D_layers"]
    cost = " ".join(f"{name} {found[f'{name}_gmacs']:.3f} G," for name in TWEAKS).rstrip(",")
    why = (
        f"in the first form {found['v1_layers']} strided 1x1s step over {100 * found['v1_unread']:.0f} % of their input, "
        f"{found['v1_in_the_branch']} of them in the residual branch; B leaves {found['B_layers']}, all in the shortcut, and D "
        f"{found['D_layers']}; macs: {cost}; C's stem adds {found['C_params'] - found['B_params']:,} params"
    )
    return settled(three and moved and found["C_gmacs"] > found["B_gmacs"] > found["v1_gmacs"], why)


# ---------------------------------------------------------------- A24


def _shortcuts(terms: Terms) -> Evidence:
    numbers: dict[str, Any] = {"agreeing": 0, "with_shortcut": 0, "differing": 0, "differing_with_shortcut": 0}
    for name in ("mobilenetv2_100", "efficientnet_b0"):
        flat = traced(name).flat()
        for places in blocks(flat, *[f"blocks.{i}" for i in range(7)]).values():
            kept = entered(flat, places) == flat.rows[places[-1]].shape
            added = any(isinstance(flat.rows[i].layer, Add) for i in places)
            numbers["agreeing" if kept else "differing"] += 1
            numbers["with_shortcut" if kept else "differing_with_shortcut"] += added
    resnet = traced("resnet50").flat()
    projected = [row for row in convs(resnet.rows) if "downsample" in row.name]
    return Evidence(numbers | {"resnet50_projections": len(projected)}, about="the blocks of mobilenetv2_100 and efficientnet_b0")


def _judge_shortcuts(found: Numbers) -> Verdict:
    why = (
        f"of {found['differing']} blocks whose shapes differ {found['differing_with_shortcut']} have a shortcut, of "
        f"{found['agreeing']} whose shapes agree {found['with_shortcut']} have one; ResNet-50 brings its shortcuts to the new "
        f"shape by {found['resnet50_projections']} projections instead"
    )
    none = found["differing"] > 0 == found["differing_with_shortcut"]
    return settled(none and found["with_shortcut"] == found["agreeing"], why)


CLAIMS = (
    Claim(
        "a13-identity-start",
        EXACT,
        "A residual block whose last norm starts at a scale of zero is the identity on what its shortcut carries.",
        "Architectures, residual networks: training starts as the identity",
        _identity,
        _judge_identity,
    ),
    Claim(
        "a14-bottleneck-block",
        EXACT,
        "A bottleneck takes a residual block from 18 C^2 to 11 C^2 parameters.",
        "Architectures, bottleneck residual block",
        _bottleneck,
        _judge_bottleneck,
        bars("weights (C^2)"),
    ),
    Claim(
        "a15-resnet-tweaks",
        EXACT,
        "A strided 1x1 convolution uses a quarter of its input; ResNet-B moves the stride into the 3x3, ResNet-D pools in the "
        "shortcut instead, and ResNet-C's gentler stem costs a little more.",
        "Architectures, further model tweaks",
        _tweaks,
        _judge_tweaks,
        bars("macs for one image (G)", "form of ResNet-50"),
    ),
    Claim(
        "a24-no-shortcut-where-shapes-differ",
        EXACT,
        "In MobileNetV2 there is no shortcut wherever the shapes before and after a block differ.",
        "Architectures, MobileNetV2",
        _shortcuts,
        _judge_shortcuts,
    ),
)
