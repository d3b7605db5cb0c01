from __future__ import annotations

from typing import Any

SPACES = ("anynetx_a", "anynetx_c", "anynetx_e", "regnetx")


def order(*verdicts: str) -> dict[str, Any]:
    """Numbers of S6 with these verdicts of the three comparisons."""
    numbers: dict[str, Any] = {}
    for name in SPACES:
        numbers |= {f"{name}_mean_error": 0.6, f"{name}_interval_95": [0.58, 0.62], f"{name}_complete": 20}
    for first, second, verdict in zip(SPACES, SPACES[1:], verdicts, strict=False):
        key = f"{first}_against_{second}"
        numbers |= {f"{key}_difference": 0.02, f"{key}_p": 0.01, f"{key}_verdict": verdict}
    return numbers


def robust(low: float, high: float) -> dict[str, Any]:
    numbers: dict[str, Any] = {"designs": [20, 20], "sizes": [3, 5, 10]}
    for size in (3, 5, 10):
        numbers |= {f"of_{size}_means_agree": 0.9, f"of_{size}_best_agree": 0.8, f"of_{size}_interval_95": [low, high]}
    return numbers


def recipes(one: tuple[float, float], own: tuple[float, float]) -> dict[str, Any]:
    numbers: dict[str, Any] = {"accuracies": {"RegNet": [0.4, 0.5]}, "macs": {"RegNet": 1}}
    for name, ends in (("one_recipe", one), ("own_recipes", own)):
        numbers |= {f"{name}_difference": sum(ends) / 2, f"{name}_interval_95": list(ends)}
    return numbers


def latency(low: float, high: float) -> dict[str, Any]:
    numbers: dict[str, Any] = {}
    for name in ("parnet", "resnet"):
        numbers |= {
            f"{name}_macs": 10**9,
            f"{name}_params": 10**7,
            f"{name}_steps_in_sequence": 12,
            f"{name}_milliseconds": [9.0],
        }
    return {**numbers, "time_over_resnets": (low + high) / 2, "interval_95": [low, high]}


AGAINST: dict[str, list[tuple[dict[str, Any], str]]] = {
    "s5-grid-search": [
        ({"most_lacking_over_what_a_step_loses": 1.5}, "fails"),
        ({"trained_on_digits": []}, "fails"),
        ({"smallest_and_largest_macs_over_double": [0.3, 1.0]}, "fails"),
    ],
    "s6-order-of-the-spaces": [
        (order("undecided", "worse", "worse"), "holds"),
        (order("undecided", "undecided", "worse"), "undecided"),
        (order("undecided", "better", "worse"), "fails"),
        (order("worse", "worse", "worse"), "fails"),
    ],
    "s8-distributions-are-robust": [
        (robust(0.02, 0.2), "holds"),
        (robust(-0.02, 0.2), "undecided"),
        (robust(-0.2, -0.02), "fails"),
    ],
    "s9-controller-learns": [
        ({"controller_interval_95": [-0.01, 0.01]}, "undecided"),
        ({"controller_interval_95": [-0.02, -0.01]}, "fails"),
    ],
    "s10-regnet-against-efficientnet": [
        (recipes((0.01, 0.03), (-0.05, -0.02)), "holds"),
        (recipes((0.01, 0.03), (-0.05, 0.02)), "undecided"),
        (recipes((0.01, 0.03), (0.01, 0.02)), "fails"),
        (recipes((-0.03, -0.01), (0.01, 0.02)), "fails"),
    ],
    "s12-parnet-latency": [
        (latency(0.6, 0.8), "holds"),
        (latency(0.8, 1.1), "undecided"),
        (latency(1.1, 1.3), "fails"),
    ],
}
