"""Whole evidence of the long claims, of which no run is made in the tests."""

from __future__ import annotations

from typing import Any

Against = list[tuple[dict[str, Any], str]]
ABOVE, BELOW, ACROSS = (1.0, 5.0), (-5.0, -1.0), (-1.0, 5.0)  # intervals, in points


def gap(name: str, interval: tuple[float, float]) -> dict[str, float]:
    low, high = interval
    return {f"{name}_mean": (low + high) / 2, f"{name}_low": low, f"{name}_high": high}


def by(numbers: dict[str, Any], *names: str) -> Against:
    """A claim that rests on differences: all above zero, all below, and across it."""
    words = ((ABOVE, "holds"), (BELOW, "fails"), (ACROSS, "undecided"))
    return [
        ({**numbers, **{key: value for name in names for key, value in gap(name, interval).items()}}, word)
        for interval, word in words
    ]


def degradation(plain: tuple[float, float], residual: tuple[float, float], relief: tuple[float, float]) -> dict[str, Any]:
    names = [
        f"{kind}{depth}_{part}_error" for part in ("training", "test") for depth in (20, 56) for kind in ("plain", "residual")
    ]
    return {name: [30.0, 31.0] for name in names} | gap("plain", plain) | gap("residual", residual) | gap("relief", relief)


def wide(macs: float, times: tuple[float, float], params: int = 68_883_240) -> dict[str, Any]:
    made = {"wide_params": params, "wide_gmacs": macs, "wide_layers": 50, "wide_seconds": 0.2}
    return {
        **made,
        "deep_params": 60_192_808,
        "deep_gmacs": 11.514,
        "deep_layers": 152,
        "deep_seconds": 0.3,
        **gap("times_measured", times),
    }


GROUPS = {"groups": [1, 2, 4, 30], "macs": [100, 101, 102, 103], "accuracy": [60.0, 61.0, 62.0, 62.0], **gap("last_step", ACROSS)}
RULES = {"base_macs": 900_000, "factors": [3, 9]} | {
    key: value
    for rule in ("compound", "depth", "width", "resolution")
    for key, value in {f"{rule}_accuracy": [40.0, 45.0], f"{rule}_macs": [2_700_000, 8_100_000]}.items()
}
STEPS = {key: value for rule in ("depth", "width", "resolution") for key, value in gap(f"{rule}_last_step", ACROSS).items()}
PLACES = ("shallow_8_px", "deep_8_px", "shallow_24_px", "deep_24_px")
WIDTHS = {"widths": [4, 8, 16]} | {
    key: value
    for place in PLACES
    for key, value in {f"{place}_accuracy": [30.0, 35.0, 36.0], **gap(f"{place}_last_step", ACROSS)}.items()
}

ARCHITECTURES: dict[str, Against] = {
    "a3-dead-filters": by(
        {name: [10.0, 12.0] for name in ("alexnet_dead", "zfnet_dead", "alexnet_accuracy", "zfnet_accuracy")}, "difference"
    ),
    "a6-growing-vgg": by({"grown": [40.0, 41.0], "direct": [10.0, 30.0], "chance": 10.0}, "difference"),
    "a12-degradation": [
        (degradation(ABOVE, BELOW, ABOVE), "holds"),
        (degradation(ABOVE, ACROSS, ABOVE), "holds"),
        (degradation(BELOW, BELOW, ACROSS), "fails"),
        (degradation(ABOVE, ABOVE, BELOW), "fails"),
        (degradation(ACROSS, BELOW, ABOVE), "undecided"),
        (degradation(ABOVE, ABOVE, ABOVE), "undecided"),
    ],
    "a19-more-groups": [
        *by(GROUPS, "most_less_one"),
        ({**GROUPS, **gap("most_less_one", ABOVE), "macs": [100, 101, 102, 200]}, "undecided"),
    ],
    "a25-wide-or-deep": [
        (wide(11.398, (1.2, 1.5)), "corrected"),
        (wide(12.0, (1.2, 1.5)), "holds"),
        (wide(11.398, (0.8, 1.2)), "undecided"),
        (wide(11.398, (0.6, 0.8)), "fails"),
        (wide(11.398, (1.2, 1.5), 50_000_000), "fails"),
    ],
    "a28-auxiliary-classifiers": by(
        {f"{name}_{part}": [50.0, 51.0] for name in ("with", "without") for part in ("held_out", "seen")}
        | gap("overfitting", ACROSS),
        "difference",
    ),
    "a29-resnet-tweaks-in-accuracy": by(
        {f"{name}_accuracy": [60.0, 61.0] for name in ("v1", "b", "c", "d")}, "b_less_v1", "c_less_b", "d_less_c"
    ),
}
SCALING: dict[str, Against] = {
    "s4-compound-scaling": by(RULES | STEPS, "over_depth", "over_width", "over_resolution"),
    "s14-width-scaling-saturates": by(WIDTHS, "difference"),
}
