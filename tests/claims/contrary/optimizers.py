from __future__ import annotations

from typing import Any

FAR, NEAR = [4.5, 4.4, 4.6], [0.01, 0.009, 0.011]
FASTER, ALIKE = [-0.5, -0.6, -0.4], [0.0, -0.1, 0.1]

AGAINST: dict[str, list[tuple[dict[str, Any], str]]] = {
    "o1-epoch-updates": [
        ({"updates": [4, 5, 8, 2, 1, 30]}, "fails"),
        ({"every_example_once": False}, "fails"),
        ({"order_changes": False}, "fails"),
        ({"epochs_with_a_short_last_batch": 0}, "fails"),
    ],
    "o2-sphere-and-canyon": [
        ({"canyon_largest_lr_that_converged": 0.08}, "fails"),
        ({"sphere_smallest_lr_that_diverged": 1.5}, "fails"),
        ({"sphere_steps_at_smallest_lr": 1}, "fails"),
        ({"canyon_crossings_at_best_lr": 0.1}, "fails"),
        ({"sphere_crossings_at_best_lr": 0.5}, "fails"),
    ],
    "o3-loss-hides-oscillation": [
        ({"steps_that_raised_the_loss": 1}, "fails"),
        ({"crossings": 0.2}, "fails"),
        ({"largest_relative_difference_of_two_loss_curves": 0.01}, "fails"),
        ({"crossings_of_the_oscillating_path": 0.0}, "fails"),
    ],
    "o4-saddles-and-local-minima": [
        ({"saddle_loss_from_the_ridge": -0.25}, "fails"),
        ({"saddle_gradient_from_the_ridge": 0.1}, "fails"),
        ({"well_loss": -0.352}, "fails"),
    ],
    "o5-newton-in-one-step": [
        ({"relative_distance_after_one_step": 0.1}, "fails"),
        ({"hessian_numbers": [256, 512, 1024, 2048]}, "fails"),
        ({"exponent_of_the_seconds": 1.1}, "undecided"),
    ],
    "o6-momentum-before-sgd": [
        ({"sphere_sgd_tuned": 20}, "holds"),
        ({"canyon_momentum": 150}, "fails"),
        ({"sphere_momentum": None}, "fails"),
        ({"gain_of_fast_changes": 9.0}, "fails"),
    ],
    "o7-nesterov-without-look-ahead": [
        ({"constant_lr_notes_form_differs_by": 0.01}, "fails"),
        ({"constant_lr_torch_form_differs_by": 0.01}, "fails"),
        ({"halved_lr_notes_form_differs_by": 0.01}, "corrected"),
    ],
    "o8-nesterov-before-momentum": [
        ({"nesterov_tuned": [2, 2, 2, 2]}, "holds"),
        ({"nesterov": [99, 99, 99, None]}, "fails"),
    ],
    "o9-adagrad-stops-short": [
        ({"adagrad_tuned_distance": FAR}, "holds"),
        ({"steps_at_which_s_fell": 1}, "fails"),
        ({"adagrad_distance": NEAR}, "fails"),
    ],
    "o10-rmsprop-starts-faster": [
        (
            {
                f"{when}_log10_loss_over_sgds{how}": [one] * 3
                for how in ("", "_tuned")
                for when, one in (("early", FASTER), ("late", ALIKE))
            },
            "holds",
        ),
        (
            {
                f"{when}_log10_loss_over_sgds{how}": [one] * 3
                for how in ("", "_tuned")
                for when, one in (("early", ALIKE), ("late", ALIKE))
            },
            "undecided",
        ),
    ],
    "o11-adam-debiasing": [
        ({"first_step_without_over_lr": 0.1}, "holds"),
        ({"first_step_debiased_over_lr": 0.5}, "fails"),
        ({"largest_ratio": {"constant": 1.0, "another": 50.0}}, "fails"),
    ],
    "o12-axis-aligned": [
        ({"adam": [53, 80, 120, 130]}, "holds"),
        ({"sgd": [49, 60, 80, 90]}, "fails"),
        ({"adagrad": [4, 4, 4, 5], "rmsprop": [3, 3, 3, 4], "adam": [50, 50, 50, 50]}, "fails"),
        ({"momentum": [21, 21, 21, None]}, "fails"),
    ],
    "o13-smaller-batches": [
        ({"adam_distance_at_4": [0.4, 0.2, 0.6]}, "undecided"),
        ({"sgd_distance_at_4": [0.001, 0.0005, 0.0015]}, "fails"),
    ],
    "o14-wide-basins": [
        ({"momentum": [0.6, 0.6, 0.6, 0.5]}, "fails"),
        ({"nesterov": [0.7, 0.7, 0.7, 0.5]}, "fails"),
    ],
    "o15-l2-and-weight-decay": [
        ({"sgd_paths_differ_by": 0.01}, "fails"),
        ({"adam_paths_differ_by": 1e-15}, "fails"),
        ({"adamw_notes_form_keeps": 0.995}, "fails"),
        ({"adamw_torch_form_keeps": 0.9}, "fails"),
    ],
}


def nesterov(low: float, high: float, *edge: str) -> dict[str, Any]:
    return {
        "nesterov_lr": 0.1,
        "adam_lr": 0.002,
        "lr_at_an_end_of_its_grid": list(edge),
        "nesterov_accuracies": [0.5, 0.52],
        "adam_accuracies": [0.5, 0.5],
        "difference": (low + high) / 2,
        "interval_95": [low, high],
    }


AGAINST["o16-nesterov-against-adam"] = [
    (nesterov(0.01, 0.03), "holds"),
    (nesterov(-0.01, 0.03, "adam"), "undecided"),
    (nesterov(-0.03, -0.01), "fails"),
]
