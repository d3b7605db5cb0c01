from __future__ import annotations

from typing import Any

from tests.claims.contrary import trained

AGAINST: dict[str, list[tuple[dict[str, Any], str]]] = {
    "s1-compound-doubling": [({"macs_width": 1.0}, "fails"), ({"macs_depth": 2.0}, "fails"), ({"mean_ratio": 2.6}, "fails")],
    "s2-formulas-per-stage": [
        ({"acts_whole": 1.33, "macs_whole": 4.0}, "holds"),
        ({"acts_whole": 1.33}, "fails"),
        ({"macs_whole": 4.0}, "fails"),
    ],
    "s3-b0-table-1": [({"differing": [5]}, "fails"), ({"with_a_gate": 15}, "fails")],
    "s7-degrees-of-freedom": [({"free": [16, 13, 10, 10, 10, 16]}, "holds"), ({"free": [16, 16, 10, 10, 10, 6]}, "fails")],
    "s11-parnet-depth": [
        ({"depth": 13}, "fails"),
        ({"deployed_convolutions": ["1x1 3x3"]}, "fails"),
        ({"deployed_gated_norms": 13}, "fails"),
    ],
    "s13-inception-depthwise": [
        (
            {
                "inception_v1_depthwise": 9,
                "inception_v3_depthwise": 9,
                "inception_v4_depthwise": 9,
                "inception_resnet_v2_depthwise": 9,
            },
            "holds",
        ),
    ],
    **trained.SCALING,
}
