from __future__ import annotations

from typing import Any

from tests.claims.contrary import trained

AGAINST: dict[str, list[tuple[dict[str, Any], str]]] = {
    "a1-alexnet-table": [
        ({"linear_share_of_params": 0.7}, "fails"),
        ({"conv_share_of_macs": 0.6}, "fails"),
        ({"conv1_params": 34_848}, "corrected"),
        ({"conv1_gflop": 13.5}, "corrected"),
        ({"conv1_mb": 141.8}, "corrected"),
    ],
    "a2-alexnet-memory": [({"activations_mb": 700.0}, "holds"), ({"activations_mb": 1000.0}, "fails")],
    "a4-stacked-convolutions": [
        ({"fields": [5, 7, 8]}, "fails"),
        ({"params_ratio": [1.1, 0.6, 0.4]}, "fails"),
        ({"macs_ratio": [0.7, 0.6, 1.0]}, "fails"),
        ({"acts_ratio": [1.0, 1.0, 1.0]}, "fails"),
    ],
    "a5-vgg16-recap": [
        ({"stage_gmacs": [4.6] * 5, "conv_gflop_per_image": [4.9] * 13}, "holds"),
        ({"classifier_params": 1_000_000}, "fails"),
        ({"activations_gb": 3.3}, "fails"),
    ],
    "a7-googlenet-figures": [
        ({"gflop": 0.39}, "holds"),
        ({"gflop": 900.0}, "fails"),
        ({"depth": 21}, "fails"),
        ({"stem_params": 9_472}, "fails"),
        ({"params": 13_004_888}, "fails"),
    ],
    "a8-naive-inception": [({"least_growth": 0}, "fails"), ({"naive_gmacs": 1.0}, "fails")],
    "a9-one-by-one-convolution": [({"largest_difference": 0.1}, "fails"), ({"linear_params": 12_288}, "fails")],
    "a10-global-average-pooling": [
        ({"output_sizes": [1000, 4000]}, "fails"),
        ({"params": [6_624_904, 6_624_905]}, "fails"),
        ({"flattened_takes": [6, 7, 8]}, "fails"),
    ],
    "a11-factorized-convolutions": [({"field_5x5": [4, 5]}, "fails"), ({"macs_ratio_7x7": 1.2}, "fails")],
    "a13-identity-start": [({"largest_difference": 1e-3}, "fails"), ({"least_difference_without": 0.0}, "fails")],
    "a14-bottleneck-block": [({"bottleneck": 11.0}, "holds"), ({"bottleneck": 20.0}, "fails"), ({"basic": 17.0}, "fails")],
    "a15-resnet-tweaks": [
        ({"v1_unread": 0.5}, "fails"),
        ({"B_in_the_branch": 3}, "fails"),
        ({"D_layers": 3}, "fails"),
        ({"C_gmacs": 4.0}, "fails"),
    ],
    "a16-grouped-convolution": [
        ({"macs_times_fewer": [4, 16, 64, 256, 1024]}, "holds"),
        ({"macs_times_fewer": [2, 4, 8, 16, 31]}, "fails"),
        ({"params_times_fewer": [2, 4, 8, 16, 31]}, "fails"),
    ],
    "a17-resnext-three-forms": [
        ({"sum_difference": 1e-3}, "fails"),
        ({"concatenate_difference": 1e-3}, "fails"),
        ({"sum_params": 1}, "fails"),
        ({"concatenate_macs_more": 1}, "fails"),
    ],
    "a18-resnext-widths": [
        ({"solved": [64.0, 32.0, 16.0, 8.0, 2.0]}, "fails"),
        ({"macs_ratio": [1.0, 1.0, 1.0, 1.0, 1.5]}, "fails"),
    ],
    "a20-squeeze-excitation-cost": [
        ({"ratios": [4.0, 16.0]}, "fails"),
        ({"extra_params": 1}, "fails"),
        ({"extra_macs": 400_000_000}, "fails"),
        ({"gate_high": 1.5}, "fails"),
        ({"gate_low": -0.1}, "fails"),
    ],
    "a21-depthwise-separable": [({"times_fewer_macs": [9.6, 9.9]}, "holds"), ({"times_fewer_macs": [3.0, 8.9]}, "fails")],
    "a22-relu-loses-information": [
        ({"lost": [0.01, 0.01, 0.01, 0.0, 0.0]}, "fails"),
        ({"lost": [0.75, 0.75, 0.75, 0.75, 0.75]}, "fails"),
        ({"linear_error": [0.4, 0.4, 0.4, 0.4, 0.4]}, "fails"),
    ],
    "a23-mobilenetv2-table": [({"differing": [4]}, "fails"), ({"pooled": [320, 7, 7]}, "fails"), ({"rows": 8}, "fails")],
    "a24-no-shortcut-where-shapes-differ": [({"differing_with_shortcut": 1}, "fails"), ({"with_shortcut": 18}, "fails")],
    "a26-overlapping-pooling": [
        ({"difference_low": 0.2, "difference_high": 0.9}, "holds"),
        ({"difference_low": -0.9, "difference_high": -0.2}, "fails"),
    ],
    "a27-skip-before-the-last-relu": [
        ({"followed_by_relu": 23}, "fails"),
        ({"lowered_after": 0.2}, "fails"),
        ({"growth_after": 1.0}, "fails"),
        ({"halving_missed_before": 0.9}, "fails"),
    ],
    "a30-zfnet-keeps-fine-gratings": [
        ({"only_zfnet": 0}, "fails"),
        ({"only_alexnet": 3}, "fails"),
        ({"zfnet_highest": 0.1}, "fails"),
    ],
    "a31-receptive-fields": [({"differing": ["vgg16"]}, "fails"), ({"networks": 3}, "fails")],
    **trained.ARCHITECTURES,
}
