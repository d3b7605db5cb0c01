"""A claims: what the notes say of architectures, read off graphs."""

from __future__ import annotations

from typing import Any

from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, corrected
from netwright.graph import Design, FeatureMap, trace


class GroupedConv(Design):
    """One 3x3 convolution of 256 channels in `groups` groups."""

    groups: int = 1

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.conv("conv", 256, 3, groups=self.groups, bias=False)


_GROUPS = (1, 2, 4, 8, 16, 32)


def _grouped(terms: Terms) -> Evidence:
    graphs = {groups: trace(GroupedConv(groups=groups), 14, channels=256) for groups in _GROUPS}
    rows = [{"groups": groups, "params": graph.params, "macs": graph.macs} for groups, graph in graphs.items()]
    numbers = {
        "groups": list(_GROUPS),
        "params_ratio": [graphs[1].params / graph.params for graph in graphs.values()],
        "macs_ratio": [graphs[1].macs / graph.macs for graph in graphs.values()],
    }
    return Evidence(numbers, rows, "a 3x3 convolution from 256 to 256 channels on 14 x 14")


def _judge_grouped(found: Numbers) -> Verdict:
    groups = found["groups"]
    squared = found["macs_ratio"] == [g * g for g in groups]
    right = found["macs_ratio"] == groups == found["params_ratio"]
    why = f"with {groups} groups params are {found['params_ratio']} and macs {found['macs_ratio']} times fewer: G times, not G^2"
    return corrected(squared, right, why)


def _draw_grouped(found: Evidence) -> Any:
    from netwright.report.charts.plain import bars_chart

    rows = [{"x": row["groups"], "y": row["macs"] / 1e6} for row in found.rows]
    return bars_chart(rows, "macs (millions)", "groups", log=True)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "a16-grouped-convolution",
        EXACT,
        "With G groups a convolution has G times fewer params and G^2 times fewer FLOPs.",
        "Architectures, ResNeXt",
        _grouped,
        _judge_grouped,
        _draw_grouped,
    ),
)
