"""Groups and gates: grouped convolutions (A16), ResNeXt (A17, A18), squeeze-and-excitation (A20)."""

from __future__ import annotations

from typing import Any

from netwright.blocks import Bottleneck, Branches
from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, settled
from netwright.claims.drawing import bars, lines
from netwright.claims.reading import Convs, Single, conv_of, listed, traced
from netwright.claims.slips import slip
from netwright.graph import trace
from netwright.zoo import network
from netwright.zoo.resnet import ResNet, branch_width

# ---------------------------------------------------------------- A16

GROUPS = (2, 4, 8, 16, 32)


def _grouped(terms: Terms) -> Evidence:
    whole = trace(Convs(width=256), 14, channels=256)
    parts = [trace(Convs(width=256, groups=groups), 14, channels=256) for groups in GROUPS]
    numbers: dict[str, Any] = {
        "groups": list(GROUPS),
        "params_times_fewer": [whole.params / part.params for part in parts],
        "macs_times_fewer": [whole.macs / part.macs for part in parts],
    }
    rows = [{"x": groups, "y": numbers["macs_times_fewer"][i], "label": "counted"} for i, groups in enumerate(GROUPS)]
    rows += [{"x": groups, "y": groups**2, "label": "G^2, as one of the notes says"} for groups in GROUPS]
    return Evidence(numbers, rows, "a 3x3 convolution from 256 to 256 channels on 14 px, whole and in groups")


def _judge_grouped(found: Numbers) -> Verdict:
    groups, params, macs = found["groups"], found["params_times_fewer"], found["macs_times_fewer"]
    squares = [count * count for count in groups]
    why = f"with {listed(groups)} groups the params are {listed(params)} and the macs {listed(macs)} times fewer"
    therefore = f"both are G times fewer, where G^2 would be {listed(squares)}"
    return slip(params == groups and macs == squares, params == macs == groups, why, therefore)


# ---------------------------------------------------------------- A17


def _three_forms(terms: Terms) -> Evidence:
    import torch

    from netwright.runtime import build
    from netwright.runtime.forms import convert

    grouped = ResNet((1, 2), Bottleneck(8, 16), 32, classes=10)
    forms = {form: grouped.replace(block=Branches(form, 8, 16)) for form in ("concatenate", "sum")}
    model = build(grouped, seed=terms.seed).eval()
    chance = torch.Generator().manual_seed(terms.seed)
    x = torch.randn(2, 3, 32, 32, generator=chance).double()
    with torch.no_grad():
        for norm in model.modules():
            if isinstance(norm, torch.nn.BatchNorm2d):  # as after training
                norm.weight.uniform_(0.5, 1.5, generator=chance)
                norm.running_mean.normal_(0, 0.1, generator=chance)  # type: ignore[union-attr]
        model.double()
        outputs = {"grouped": model(x)} | {form: convert(model, design)(x) for form, design in forms.items()}
    whole = outputs["grouped"]
    numbers: dict[str, Any] = {"largest_output": float(whole.abs().max()), "grouped_params": trace(grouped, 32).params}
    for form, design in forms.items():
        graph = trace(design, 32)
        numbers |= {f"{form}_difference": float((outputs[form] - whole).abs().max()), f"{form}_params": graph.params}
        numbers |= {f"{form}_macs_more": graph.macs - trace(grouped, 32).macs}
    return Evidence(numbers, about="a ResNeXt of 8 groups in its three forms with converted weights, float64, at 32 px")


def _judge_three_forms(found: Numbers) -> Verdict:
    far = max(found["concatenate_difference"], found["sum_difference"])
    equal = far < 1e-9 * found["largest_output"] and found["largest_output"] > 0
    same = found["grouped_params"] == found["concatenate_params"] == found["sum_params"] and found["sum_macs_more"] == 0
    why = (
        f"branches that are concatenated differ from the grouped convolution by {found['concatenate_difference']:.1e}, branches "
        f"that are added by {found['sum_difference']:.1e} (the largest output is {found['largest_output']:.2f}); all have "
        f"{found['grouped_params']:,} params and equal macs"
    )
    return settled(equal and same and found["concatenate_macs_more"] == 0, why)


# ---------------------------------------------------------------- A18

PUBLISHED = ((1, 64), (2, 40), (4, 24), (8, 14), (32, 4))  # arXiv:1611.05431, Table 2


def _widths(terms: Terms) -> Evidence:
    plain = trace(Single(Bottleneck(), 64), 56, channels=256).macs
    solved = [branch_width(groups) for groups, _ in PUBLISHED]
    taken = [trace(Single(Bottleneck(groups, width), 64), 56, channels=256).macs / plain for groups, width in PUBLISHED]
    numbers: dict[str, Any] = {
        "groups": [groups for groups, _ in PUBLISHED],
        "published": [width for _, width in PUBLISHED],
        "solved": solved,
        "macs_ratio": taken,
    }
    rows = [{"x": f"{groups} x {width}", "y": ratio} for (groups, width), ratio in zip(PUBLISHED, taken, strict=True)]
    return Evidence(
        numbers, rows, "the root of the quadratic, and blocks of 256 channels at 56 px with the published widths, by their macs"
    )


def _judge_widths(found: Numbers) -> Verdict:
    rounded = [round(width) for width in found["solved"]]
    why = (
        f"for {listed(found['groups'])} groups the quadratic gives d = {', '.join(f'{width:.2f}' for width in found['solved'])}, "
        f"rounded {listed(rounded)}, and the published widths {listed(found['published'])} take {min(found['macs_ratio']):.3f} "
        f"to {max(found['macs_ratio']):.3f} times the bottleneck's macs"
    )
    near = all(0.9 < ratio < 1.1 for ratio in found["macs_ratio"])
    return settled(rounded == found["published"] and near, why)


# ---------------------------------------------------------------- A20


def _gates(terms: Terms) -> Evidence:
    import torch

    from netwright.runtime import build

    plain, gated = traced("resnet50", 224), traced("seresnet50", 224)
    rows = [row for row in gated.rows() if ".se." in row.name]
    reduce = [conv_of(row) for row in rows if row.name.endswith("fc1")]
    model = build(network("seresnet50", classes=10), seed=terms.seed).eval()
    low, high = [], []

    def hook(module: Any, given: Any, out: Any) -> None:
        low.append(float(out.min()))
        high.append(float(out.max()))

    for module in model.modules():
        if isinstance(module, torch.nn.Sigmoid):
            module.register_forward_hook(hook)
        elif isinstance(module, torch.nn.BatchNorm2d):  # as after training: a scale of zero would show the gates nothing
            torch.nn.init.ones_(module.weight)
    with torch.no_grad():
        model(torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(terms.seed)))
    numbers: dict[str, Any] = {
        "gates": len(reduce),
        "ratios": sorted({layer.inputs / layer.outputs for layer in reduce}),
        "extra_params": gated.params - plain.params,
        "params_by_formula": sum(_by_formula(layer.inputs, layer.outputs) for layer in reduce),
        "params": plain.params,
        "extra_macs": gated.macs - plain.macs,
        "macs": plain.macs,
        "gates_run": len(low),
        "gate_low": min(low),
        "gate_high": max(high),
    }
    return Evidence(numbers, about="seresnet50 against resnet50 at 224 px, and its gates on noise at 64 px")


def _by_formula(channels: int, squeezed: int) -> int:
    """Weights and biases of the two layers of a gate: 2 C^2 / r + C / r + C."""
    return 2 * channels * squeezed + squeezed + channels


def _judge_gates(found: Numbers) -> Verdict:
    share = found["extra_params"] / found["params"], found["extra_macs"] / found["macs"]
    why = (
        f"{found['gates']} gates with r = {listed(found['ratios'])} add {found['extra_params']:,} params ({100 * share[0]:.1f} "
        f"%; 2 C^2 / r each and biases) and {found['extra_macs']:,} macs ({100 * share[1]:.2f} %) to ResNet-50; the gates of a "
        f"run lie from {found['gate_low']:.3f} to {found['gate_high']:.3f}"
    )
    counted = found["ratios"] == [16] and found["extra_params"] == found["params_by_formula"] and share[1] < 0.01
    return settled(counted and found["gates_run"] == found["gates"] and 0 < found["gate_low"] <= found["gate_high"] < 1, why)


CLAIMS = (
    Claim(
        "a16-grouped-convolution",
        EXACT,
        "With G groups a convolution has G times fewer params and G^2 times fewer FLOPs (so one of the notes; the other says G "
        "times).",
        "Architectures, ResNeXt, grouped convolutions",
        _grouped,
        _judge_grouped,
        lines("groups", "times fewer macs", log=True),
    ),
    Claim(
        "a17-resnext-three-forms",
        EXACT,
        "ResNeXt's three forms compute the same function: branches that are added, branches that are concatenated, a grouped "
        "convolution.",
        "Architectures, ResNeXt, equivalent formulation",
        _three_forms,
        _judge_three_forms,
    ),
    Claim(
        "a18-resnext-widths",
        EXACT,
        "The width d of a branch follows from the number G of branches by a quadratic at equal FLOPs; the published pairs come "
        "out.",
        "Architectures, ResNeXt: parametrizing G and d",
        _widths,
        _judge_widths,
        bars("times the bottleneck's macs", "groups x width of a branch"),
    ),
    Claim(
        "a20-squeeze-excitation-cost",
        EXACT,
        "Squeeze-and-excitation with r = 16 costs little, and its gates lie between 0 and 1.",
        "Architectures, SENet",
        _gates,
        _judge_gates,
    ),
)
