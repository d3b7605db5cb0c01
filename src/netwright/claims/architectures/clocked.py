"""A long claim that a clock decides: a wide network against a deep one (A25)."""

from __future__ import annotations

from functools import partial
from typing import Any

from netwright.claims.claim import LONG, Claim, Evidence, Numbers, Terms, Verdict, corrected
from netwright.claims.drawing import intervals
from netwright.claims.paired import gap, mean
from netwright.claims.reading import longest, traced

WIDE, DEEP = "wide_resnet50_2", "resnet152"


def _wide_or_deep(terms: Terms) -> Evidence:
    import torch

    from netwright.measuring.timing import once
    from netwright.runtime import build

    graphs = {name: traced(name, 224) for name in (WIDE, DEEP)}
    side, repeats = (64, 3) if terms.tiny else (224, 15)
    x = torch.randn(1, 3, side, side, generator=torch.Generator().manual_seed(terms.seed))
    models = {name: build(name, seed=terms.seed).eval() for name in graphs}
    seconds: dict[str, list[float]] = {name: [] for name in models}
    with torch.inference_mode():
        for turn in range(repeats + 1):
            for name, model in models.items():
                taken = once(partial(model, x), torch.device("cpu"))
                seconds[name] += [taken] if turn else []  # the first one warms up
    ratios = [deep / wide for wide, deep in zip(seconds[WIDE], seconds[DEEP], strict=True)]
    numbers: dict[str, Any] = {}
    for key, name in (("wide", WIDE), ("deep", DEEP)):
        numbers |= {f"{key}_params": graphs[name].params, f"{key}_gmacs": graphs[name].macs / 1e9}
        numbers |= {f"{key}_layers": longest(graphs[name].flat()), f"{key}_seconds": mean(seconds[name])}
    numbers |= gap("times_measured", ratios, [0.0] * len(ratios))
    rows = [
        {
            "label": "ResNet-152 over WRN-50-2",
            "x": mean(ratios),
            "low": numbers["times_measured_low"],
            "high": numbers["times_measured_high"],
        }
    ]
    return Evidence(
        numbers,
        rows,
        f"both networks on one image of {side} px, {repeats} times in turn on {torch.get_num_threads()} threads of a CPU",
    )


def _judge_wide_or_deep(found: Numbers) -> Verdict:
    more_params, more_macs = found["wide_params"] > found["deep_params"], found["wide_gmacs"] > found["deep_gmacs"]
    low, high = found["times_measured_low"], found["times_measured_high"]
    why = (
        f"WRN-50-2 has {found['wide_params']:,} params, ResNet-152 {found['deep_params']:,}; it takes {found['wide_gmacs']:.3f} "
        f"G macs against {found['deep_gmacs']:.3f}, {'more' if more_macs else 'not more'}; with {found['wide_layers']} layers "
        f"one after the other instead of {found['deep_layers']} ResNet-152 takes {low:.2f} to {high:.2f} times as long (95 % "
        "interval)"
    )
    if low <= 1 <= high:
        return Verdict("undecided", why)
    return corrected(more_params and more_macs and low > 1, more_params and not more_macs and low > 1, why)


CLAIMS = (
    Claim(
        "a25-wide-or-deep",
        LONG,
        "WRN-50-2 takes more params and more FLOPs than ResNet-152 but is faster, for it has fewer layers one after the other.",
        "Architectures, Wide ResNet",
        _wide_or_deep,
        _judge_wide_or_deep,
        intervals("times as long", at=1),
    ),
)
