"""S9: the controller of neural architecture search, on tables whose accuracies are all known."""

from __future__ import annotations

from statistics import mean
from typing import Any

from netwright.claims.claim import FAILS, HOLDS, QUICK, UNDECIDED, Claim, Evidence, Numbers, Terms, Verdict
from netwright.claims.optimizers.paths import alone

_TABLES, _TRIALS = 6, 150
_NAMES = ("random", "evolution", "controller")


@alone
def _search(terms: Terms) -> Evidence:
    from netwright.studies.goals import Goal
    from netwright.studies.samplers import sampler
    from netwright.studies.table import Study, Table, ground, interval

    values: dict[str, list[list[float]]] = {name: [] for name in _NAMES}
    regrets: dict[str, list[float]] = {name: [] for name in _NAMES}
    for seed in range(terms.seed, terms.seed + _TABLES):
        table = Table(seed)
        for name in _NAMES:
            made = Study(table, Goal()).run(sampler(name, ground(seed), Goal()), _TRIALS).values
            values[name].append(made)
            regrets[name].append(table.best - max(made))
    late = {name: [mean(run[-_TRIALS // 3 :]) for run in runs] for name, runs in values.items()}
    numbers: dict[str, Any] = {"tables": _TABLES, "trials": _TRIALS}
    for name in ("controller", "evolution"):
        differences = [a - b for a, b in zip(late[name], late["random"], strict=True)]
        numbers |= {f"{name}_late_mean_over_randoms": mean(differences), f"{name}_interval_95": list(interval(differences))}
    numbers |= {f"{name}_lacks_of_the_best": mean(found) for name, found in regrets.items()}
    rows = [
        {"x": end, "y": 100 * mean(mean(run[end - 15 : end]) for run in runs), "label": name}
        for name, runs in values.items()
        for end in range(15, _TRIALS + 1, 15)
    ]
    about = (
        f"{_TABLES} tables of 96,000 designs, {_TRIALS} trials each; mean accuracy over the last {_TRIALS // 3} of them against "
        "random search on the same table, with 95 % intervals (Student's t)"
    )
    return Evidence(numbers, rows, about)


def _judge_search(found: Numbers) -> Verdict:
    low, high = found["controller_interval_95"]
    word = HOLDS if low > 0 else FAILS if high <= 0 else UNDECIDED
    why = (
        f"in the last third of {found['trials']} trials the controller's designs were "
        f"{100 * found['controller_late_mean_over_randoms']:+.2f} points over random ones (95 % interval {100 * low:+.2f} to "
        f"{100 * high:+.2f}, {found['tables']} tables), evolution's {100 * found['evolution_late_mean_over_randoms']:+.2f}; to "
        f"the best design of all random lacks {100 * found['random_lacks_of_the_best']:.1f} points, the controller "
        f"{100 * found['controller_lacks_of_the_best']:.1f}, evolution {100 * found['evolution_lacks_of_the_best']:.1f}"
    )
    return Verdict(word, why)


def _draw_search(found: Evidence) -> Any:
    from netwright.report.charts.plain import lines_chart

    return lines_chart(list(found.rows), "trials", "mean accuracy of the last 15 designs (%)")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "s9-controller-learns",
        QUICK,
        "A controller that is trained by policy gradients learns to propose better architectures than random ones.",
        "Optimizers and architectures, 2.7",
        _search,
        _judge_search,
        _draw_search,
    ),
)
