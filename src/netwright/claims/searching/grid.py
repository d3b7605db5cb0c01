"""S5: the grid search for alpha, beta and gamma."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from netwright.claims.claim import EXACT, Claim, Evidence, Numbers, Terms, Verdict, settled
from netwright.claims.optimizers.paths import alone

if TYPE_CHECKING:
    from netwright.scaling import Candidate

_STEP, _FUNCTIONS = 0.05, 40
_WEIGHTS = (1.0, 2.0, 2.0)  # of log alpha, log beta and log gamma in log 2

Point = tuple[float, float, float]


@alone
def _grid(terms: Terms) -> Evidence:
    """Accuracy sum a_i sqrt(u_i), u the logarithms: its highest point on u_1 + 2 u_2 + 2 u_3 = log 2 is known in closed form."""
    import numpy as np

    from netwright.scaling import candidates
    from netwright.zoo.resnet import CifarResNet

    made = candidates(CifarResNet(depth=18, width=160, resolution=64), step=_STEP)  # few triples round alike
    places = [_on_constraint((one.alpha, one.beta, one.gamma)) for one in made]
    source = np.random.default_rng(terms.seed)
    rows = []
    for _ in range(_FUNCTIONS):
        best = _on_constraint(source.uniform(1.05, 1.25, 3).tolist())
        factors = [weight * math.sqrt(math.log(one)) for weight, one in zip(_WEIGHTS, best, strict=True)]
        values = [_value(factors, place) for place in places]
        top, chosen = _value(factors, best), places[values.index(max(values))]
        beside = [[x + way * _STEP * (i == j) for j, x in enumerate(best)] for i in range(3) for way in (1, -1)]
        loses = max(top - _value(factors, _on_constraint(place)) for place in beside)
        off = max(abs(a - b) for a, b in zip(chosen, best, strict=True))
        rows.append({"off": off, "lacks": 1 - max(values) / top, "of_a_step": (top - max(values)) / loses})
    numbers = {
        "step": _STEP,
        "networks_of_the_grid": len(made),
        "smallest_and_largest_macs_over_double": _macs(made),
        "functions": _FUNCTIONS,
        "farthest_from_the_maximum": max(row["off"] for row in rows),
        "most_lacking_of_the_maximum": max(row["lacks"] for row in rows),
        "most_lacking_over_what_a_step_loses": max(row["of_a_step"] for row in rows),
        "trained_on_digits": _trained(),
    }
    about = (
        f"{_FUNCTIONS} accuracies sum a_i sqrt(log x_i) whose maximum under alpha beta^2 gamma^2 = 2 is known, over the networks "
        "that the grid gives from a residual network; then a coarse grid trained on the digits for 30 steps each"
    )
    return Evidence(numbers, rows, about)


def _value(factors: Sequence[float], place: Sequence[float]) -> float:
    return sum(a * math.sqrt(max(math.log(x), 0.0)) for a, x in zip(factors, place, strict=True))


def _on_constraint(place: Sequence[float]) -> Point:
    """The point of its direction where alpha beta^2 gamma^2 is 2: all networks of the grid have double the macs."""
    logs = [max(math.log(one), 0.0) for one in place]
    scale = math.log(2) / sum(weight * one for weight, one in zip(_WEIGHTS, logs, strict=True))
    alpha, beta, gamma = (math.exp(scale * one) for one in logs)
    return alpha, beta, gamma


def _macs(made: tuple[Candidate, ...]) -> list[float]:
    ratios = [one.scaled.cost.macs / (2 * one.scaled.original.macs) for one in made]
    return [min(ratios), max(ratios)]


def _trained() -> list[float]:
    """Losses after a short training of each network of a coarse grid: the search on pictures, such as one's own."""
    from netwright.lab import train_digits
    from netwright.scaling import candidates
    from netwright.zoo.resnet import CifarResNet

    made = candidates(CifarResNet(depth=1, width=8, resolution=8), step=0.25, tolerance=0.2, image=8, channels=1)
    trainings = [train_digits(one.scaled.design, steps=30, examples=128, batch=32) for one in made]
    return [one.loss(one.points[-1]) for one in trainings]


def _judge_grid(found: Numbers) -> Verdict:
    """As fine as the grid is: what the best of it lacks is no more than what one step away from the maximum loses."""
    near = found["most_lacking_over_what_a_step_loses"] <= 1
    low, high = found["smallest_and_largest_macs_over_double"]
    trained = len(found["trained_on_digits"])
    why = (
        f"over {found['functions']} functions the best of {found['networks_of_the_grid']} networks lacked at most "
        f"{100 * found['most_lacking_of_the_maximum']:.2f} % of the known maximum, "
        f"{found['most_lacking_over_what_a_step_loses']:.2f} of what one step of {found['step']:g} away from it loses, and lay "
        f"within {found['farthest_from_the_maximum']:.3f} of it; the networks have {low:.2f} to {high:.2f} times double the "
        f"macs; {trained} of a coarse grid were trained on the digits"
    )
    return settled(near and trained > 1 and 0.5 < low <= high <= 1, why)


def _draw_grid(found: Evidence) -> Any:
    from netwright.report.charts.plain import dots_chart

    rows = [{"label": "a function", "x": row["of_a_step"]} for row in found.rows]
    return dots_chart(rows, "what the best of the grid lacks, over what one step loses")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "s5-grid-search",
        EXACT,
        "A grid search for alpha, beta and gamma under alpha beta^2 gamma^2 = 2 finds the best of them, as fine as the grid is.",
        "EfficientNet questions, compound scaling",
        _grid,
        _judge_grid,
        _draw_grid,
    ),
)
