from __future__ import annotations

from typing import Any

AGAINST: dict[str, list[tuple[dict[str, Any], str]]] = {
    "x1-regnet-group-width": [({"groups": [16]}, "holds"), ({"channels_of_a_group": [8, 16]}, "fails")],
    "x2-mobilenetv2-stride": [
        ({"average_poolings": 4}, "holds"),
        ({"depthwise_3x3": 0}, "fails"),
        ({"resnet_b_average_poolings": 3}, "fails"),
    ],
    "x3-activations-between-blocks": [
        ({"mobilenetv2_read_by_an_activation": 17, "efficientnet_b0_ending_in_an_activation": 16}, "holds"),
        ({"mobilenetv2_read_by_an_activation": 3}, "fails"),
    ],
    "x4-inception-resnet-b": [({"b_first": 3}, "holds"), ({"b_kernels": ["1x1", "3x3"]}, "fails"), ({"a_first": 2}, "fails")],
    "x5-b0-stage-2": [({"side_out": 56, "channels_out": 64}, "holds"), ({"side_out": 56}, "fails")],
    "x6-b0-last-convolution": [({"outputs": 128}, "holds"), ({"outputs": 320}, "fails"), ({"kernel": 3}, "fails")],
    "x7-updates-of-an-epoch": [({"updates": [6, 5, 5]}, "holds"), ({"updates": [4, 4, 3]}, "fails")],
    "x8-memory-and-flops-formulas": [
        ({"acts_depth": 0.0, "acts_resolution": 0.0, "macs_width": 0.0}, "holds"),
        ({"macs_width": 1.0}, "fails"),
        ({"acts_resolution": 1.0}, "fails"),
    ],
    "x9-b0-phi": [({"phi1_macs": 385_814_752, "phi1_params": 5_288_548}, "holds"), ({"phi0_params": 5_000_000}, "fails")],
}
