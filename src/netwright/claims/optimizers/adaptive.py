"""O9 to O13: learning rates of each parameter's own (the notes, 1.4)."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from netwright.claims.claim import (
    EXACT,
    FAILS,
    HOLDS,
    QUICK,
    UNDECIDED,
    Claim,
    Evidence,
    Numbers,
    Terms,
    Verdict,
    corrected,
)
from netwright.claims.optimizers.paths import Row, alone, near, paths_figure, walked

if TYPE_CHECKING:
    from netwright.lab import Method, Trajectory

_LR, _BUDGET, _SEEDS = 0.05, 150, 10
_FOUR = ("sgd", "adagrad", "rmsprop", "adam")


def _method(name: str, lr: float = _LR) -> Method:
    """As in the notes: their formulas, and beta 0.9 for RMSProp."""
    from netwright.lab import Method

    return Method(name, {"lr": lr, "form": "notes", **({"alpha": 0.9} if name == "rmsprop" else {})})


def _runs(names: Sequence[str], batch: int, seed: int) -> dict[str, list[Trajectory]]:
    """Each optimizer on noisy least squares, with several seeds."""
    from netwright.lab import LeastSquares, run

    place = LeastSquares(batch=batch)
    return {name: [run(place, _method(name), budget=_BUDGET, seed=seed + i) for i in range(_SEEDS)] for name in names}


def _tuned(name: str, condition: float = 10.0) -> Method:
    from netwright.lab import LeastSquares, tuned

    method = _method(name)
    fixed = {setting: value for setting, value in method.settings.items() if setting != "lr"}
    return tuned(LeastSquares(batch=32, condition=condition), name, fixed, budget=_BUDGET).method


def _spread(values: Sequence[float]) -> list[float]:
    """Mean and the ends of its 95 % interval."""
    from netwright.training.seeds import spread

    made = spread(list(values))
    low, high = made.interval or (made.mean, made.mean)
    return [made.mean, low, high]


# ---------------------------------------------------------------- O9: AdaGrad


@alone
def _adagrad(terms: Terms) -> Evidence:
    from netwright.lab import LeastSquares, run

    runs = _runs(("sgd", "adagrad"), 32, terms.seed)
    best = _tuned("adagrad")
    tuned = [run(LeastSquares(batch=32), best, budget=_BUDGET, seed=terms.seed + i) for i in range(_SEEDS)]
    sums = [[step.state["sum"] for step in made.steps[1:]] for made in runs["adagrad"]]
    falls = sum(b < a for one in sums for p, q in itertools.pairwise(one) for a, b in zip(p, q, strict=True))
    numbers = {
        "steps_at_which_s_fell": falls,
        "lr": _LR,
        "start_distance": runs["sgd"][0].landscape.nearest(runs["sgd"][0].steps[0].theta)[1],
        "sgd_distance": _spread([made.distance for made in runs["sgd"]]),
        "adagrad_distance": _spread([made.distance for made in runs["adagrad"]]),
        "adagrad_tuned_lr": best.lr,
        "adagrad_tuned_distance": _spread([made.distance for made in tuned]),
    }
    about = (
        f"least squares, condition 10, batches of 32 of 128 examples, {_BUDGET} steps, {_SEEDS} seeds; distances from the minimum"
    )
    return Evidence(numbers, walked(f"lr {_LR}", [runs["sgd"][0], runs["adagrad"][0]]), about)


def _judge_adagrad(found: Numbers) -> Verdict:
    never_falls = found["steps_at_which_s_fell"] == 0
    short = found["adagrad_distance"][1] > 0.5 * found["start_distance"] > found["sgd_distance"][2]
    tuned_short = found["adagrad_tuned_distance"][1] > 10 * found["sgd_distance"][2]
    why = (
        f"s fell in {found['steps_at_which_s_fell']} steps; at lr {found['lr']:g}, from {found['start_distance']:.2g} away, "
        f"AdaGrad stopped {found['adagrad_distance'][0]:.2g} from the minimum and SGD {found['sgd_distance'][0]:.2g}; with lr "
        f"tuned ({found['adagrad_tuned_lr']:g}) AdaGrad came to {found['adagrad_tuned_distance'][0]:.2g}"
    )
    return corrected(never_falls and short and tuned_short, never_falls and short, why)


# ---------------------------------------------------------------- O10: RMSProp


_CONDITIONS = (1.0, 10.0, 100.0)


@alone
def _rmsprop(terms: Terms) -> Evidence:
    from netwright.lab import LeastSquares, run

    numbers: dict[str, Any] = {"conditions": list(_CONDITIONS)}
    rows: list[Row] = []
    for how in ("", "_tuned"):
        early, late = [], []
        for condition in _CONDITIONS:
            place, lr = LeastSquares(batch=32, condition=condition), 0.5 / condition
            methods = {name: _tuned(name, condition) if how else _method(name, lr) for name in ("sgd", "rmsprop")}
            runs = {
                name: [run(place, method, budget=_BUDGET, seed=terms.seed + i) for i in range(_SEEDS // 2)]
                for name, method in methods.items()
            }
            early.append(_spread(_log_ratios(runs, slice(1, 16))))
            late.append(_spread(_log_ratios(runs, slice(_BUDGET - 14, None))))
            if how and condition == _CONDITIONS[1]:
                rows = walked(f"{place}, each tuned", [runs["sgd"][0], runs["rmsprop"][0]])
        numbers |= {f"early_log10_loss_over_sgds{how}": early, f"late_log10_loss_over_sgds{how}": late}
    about = (
        f"least squares of three conditions, batches of 32 of 128, lr 0.5 / condition for both and each tuned, {_SEEDS // 2} "
        "seeds; log10 of RMSProp's mean loss above the lowest over SGD's, in the first and the last 15 of 150 steps, with 95 % "
        "intervals"
    )
    return Evidence(numbers, rows, about)


def _log_ratios(runs: dict[str, list[Trajectory]], steps: slice) -> list[float]:
    pairs = zip(runs["rmsprop"], runs["sgd"], strict=True)
    return [_log_loss(ours, steps) - _log_loss(theirs, steps) for ours, theirs in pairs]


def _log_loss(made: Trajectory, steps: slice) -> float:
    losses = [step.loss - made.landscape.lowest for step in made.steps[steps]]
    return math.log10(sum(losses) / len(losses))


def _judge_rmsprop(found: Numbers) -> Verdict:
    """Faster: less loss early, the whole interval; alike: within a factor of two at the end. Both of them in every case."""
    early = [one for how in ("", "_tuned") for one in found[f"early_log10_loss_over_sgds{how}"]]
    late = [one for how in ("", "_tuned") for one in found[f"late_log10_loss_over_sgds{how}"]]
    faster, slower = sum(one[2] < 0 for one in early), sum(one[1] > 0 for one in early)
    alike = sum(max(abs(one[1]), abs(one[2])) < math.log10(2) for one in late)
    told = {
        how: ", ".join(
            f"{10 ** first[0]:.2g} and {10 ** last[0]:.2g}"
            for first, last in zip(
                found[f"early_log10_loss_over_sgds{how}"], found[f"late_log10_loss_over_sgds{how}"], strict=True
            )
        )
        for how in ("", "_tuned")
    }
    why = (
        f"RMSProp was faster at the beginning in {faster} of {len(early)} cases and slower in {slower}, and ended within a "
        f"factor of two of SGD's loss in {alike}; its loss over SGD's, early and late, at conditions {found['conditions']}: "
        f"{told['']} at one lr, {told['_tuned']} with each tuned"
    )
    word = HOLDS if faster == alike == len(early) else FAILS if slower == len(early) or not alike else UNDECIDED
    return Verdict(word, why)


# ---------------------------------------------------------------- O11: Adam's debiasing


@alone
def _debiasing(terms: Terms) -> Evidence:
    first, second = 0.9, 0.999
    step, m, s = _adam_steps([0.37])[0]
    sequences: dict[str, list[float]] = {
        "constant": [1.0] * 300,
        "a spike after 3000 zeros": [0.0] * 3000 + [1.0],
        "growing as fast as Cauchy and Schwarz allow": [0.0] * 3000 + [(first / second) ** (200 - t) for t in range(201)],
    }
    ratios = {name: max(abs(one[0]) / 1e-3 for one in _adam_steps(values)) for name, values in sequences.items()}
    numbers = {
        "lr": 1e-3,
        "first_step_debiased_over_lr": abs(step) / 1e-3,
        "first_step_without_over_lr": abs(m) / math.sqrt(s),
        "mean_without_over_gradient": m / 0.37,
        "bound": (1 - first) / math.sqrt((1 - second) * (1 - first**2 / second)),
        "largest_ratio": ratios,
    }
    rows = [{"x": "without debiasing", "y": abs(m) / math.sqrt(s)}, {"x": "debiased", "y": abs(step) / 1e-3}]
    about = "netwright.optim.Adam, lr 0.001, betas 0.9 and 0.999, eps 0, on gradients that are given"
    return Evidence(numbers, rows, about)


def _adam_steps(gradients: Sequence[float]) -> list[tuple[float, float, float]]:
    """For each gradient the step that Adam takes, and its two running means (not debiased)."""
    import torch

    from netwright.optim import Adam

    theta = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    optimizer, before, made = Adam([theta], lr=1e-3, eps=1e-300), 0.0, []
    for gradient in gradients:
        theta.grad = torch.tensor([gradient], dtype=torch.float64)
        optimizer.step()
        state, now = optimizer.state[theta], float(theta.detach())
        made.append((now - before, float(state["exp_avg"]), float(state["exp_avg_sq"])))
        before = now
    return made


def _judge_debiasing(found: Numbers) -> Verdict:
    plain, debiased = found["first_step_without_over_lr"], found["first_step_debiased_over_lr"]
    largest = max(found["largest_ratio"].values())
    rest = abs(debiased - 1) < 1e-6 and largest <= found["bound"] * (1 + 1e-6)
    why = (
        f"without debiasing the running mean starts at {found['mean_without_over_gradient']:.2g} of the gradient, but the root "
        f"of s is smaller still, so the first step is {plain:.3g} lr: {'small' if plain < 1 else 'large, not small'}; debiased "
        f"it is {debiased:.3g} lr; |g / sqrt(s)| reached {largest:.3g}, its bound is {found['bound']:.3g}"
    )
    return corrected(rest and plain < 1, rest and plain >= 1, why)


def _draw_debiasing(found: Evidence) -> Any:
    from netwright.report.charts.plain import bars_chart

    return bars_chart(list(found.rows), "size of Adam's first step (lr)")


# ---------------------------------------------------------------- O12: axis-aligned curvature

_DEGREES = (0.0, 15.0, 30.0, 45.0)
_DESCENT, _ADAPTIVE = ("sgd", "momentum"), ("adagrad", "rmsprop", "adam")


@alone
def _rotated(terms: Terms) -> Evidence:
    from netwright.lab import Canyon, tuned

    numbers: dict[str, Any] = {"degrees": list(_DEGREES)}
    rows: list[Row] = []
    for name in (*_DESCENT, *_ADAPTIVE):
        places = [Canyon(rotate=degrees) for degrees in _DEGREES]
        scores = [tuned(place, name, loss=near(place), budget=200).score for place in places]
        numbers[name] = [int(score) if math.isfinite(score) else None for score in scores]
        rows += [{"x": d, "y": score, "label": name} for d, score in zip(_DEGREES, scores, strict=True) if math.isfinite(score)]
    about = "a canyon of condition 30, turned with its start; evaluations to 1/1000 of the first loss, each tuned at each angle"
    return Evidence(numbers, rows, about)


def _judge_rotated(found: Numbers) -> Verdict:
    """Slower: at the worst angle at least half as many evaluations again; the same: within one."""
    taken = {name: [math.inf if one is None else one for one in found[name]] for name in (*_DESCENT, *_ADAPTIVE)}
    steady = all(max(taken[name]) - min(taken[name]) <= 1 for name in _DESCENT)
    slower = [name for name in _ADAPTIVE if max(taken[name]) >= 1.5 * taken[name][0]]
    told = "; ".join(f"{name} {found[name]}" for name in (*_DESCENT, *_ADAPTIVE))
    why = f"evaluations at {found['degrees']} degrees: {told}"
    rest = [name for name in _ADAPTIVE if name not in slower]
    if rest and slower:
        most = max(max(taken[name]) for name in rest)
        why += f"; {', '.join(slower)} slow down, {', '.join(rest)} (at most {most:g}) hardly when tuned anew"
    return corrected(steady and not rest, steady and bool(slower), why)


def _draw_rotated(found: Evidence) -> Any:
    from netwright.report.charts.plain import lines_chart

    return lines_chart(list(found.rows), "degrees", "evaluations", log_y=True)


# ---------------------------------------------------------------- O13: smaller batches


@alone
def _batches(terms: Terms) -> Evidence:
    numbers: dict[str, Any] = {"batches": [32, 4]}
    rows: list[Row] = []
    for batch in (32, 4):
        runs = _runs(_FOUR, batch, terms.seed)
        for name, made in runs.items():
            numbers[f"{name}_distance_at_{batch}"] = _spread([_late(one) for one in made])
        rows += walked(f"batch {batch}", [made[0] for made in runs.values()])
    about = f"least squares as in O9, lr {_LR} for all, {_SEEDS} seeds; mean distance from the minimum over the last 15 steps"
    return Evidence(numbers, rows, about)


def _late(made: Trajectory) -> float:
    places = [made.landscape.nearest(step.theta)[1] for step in made.steps[-15:]]
    return sum(places) / len(places)


def _judge_batches(found: Numbers) -> Verdict:
    small, large = ({name: found[f"{name}_distance_at_{batch}"] for name in _FOUR} for batch in (4, 32))
    farther = [name for name in _FOUR if small[name][1] > large[name][2]]
    nearer = [name for name in _FOUR if small[name][2] < large[name][1]]
    told = ", ".join(f"{name} {large[name][0]:.2g} and {small[name][0]:.2g}" for name in _FOUR)
    word = HOLDS if len(farther) == len(_FOUR) else FAILS if nearer else UNDECIDED
    return Verdict(
        word, f"distance from the minimum with batches of 32 and of 4: {told}; farther off: {len(farther)} of {len(_FOUR)}"
    )


def _panels(batches: Sequence[int]) -> Callable[[Evidence], Any]:
    def drawn(found: Evidence) -> Any:
        from netwright.lab import LeastSquares

        panels = dict.fromkeys(row["panel"] for row in found.rows)
        return paths_figure(found, {panel: LeastSquares(batch=batch) for panel, batch in zip(panels, batches, strict=True)})

    return drawn


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "o9-adagrad-stops-short",
        QUICK,
        "AdaGrad's sum of squared gradients never falls, so its learning rate may become too small while the minimum is far "
        "away: it stops before it comes close.",
        "Optimizers, 1.4.1 and figure 1.5",
        _adagrad,
        _judge_adagrad,
        _panels([32]),
    ),
    Claim(
        "o10-rmsprop-starts-faster",
        QUICK,
        "RMSProp is faster than SGD at the beginning, and then slows down and ends about where SGD does.",
        "Optimizers, 1.4.2 and figure 1.6",
        _rmsprop,
        _judge_rmsprop,
        _panels([32]),
    ),
    Claim(
        "o11-adam-debiasing",
        EXACT,
        "Without debiasing Adam starts with small steps, its mean being (1 - beta) times the gradient; with it the first step "
        "is lr, and the ratio g / sqrt(s) is bounded.",
        "Optimizers, 1.4.3",
        _debiasing,
        _judge_debiasing,
        _draw_debiasing,
    ),
    Claim(
        "o12-axis-aligned",
        QUICK,
        "AdaGrad, RMSProp and Adam assume curvature along the axes: in a rotated canyon they converge more slowly, while SGD "
        "and momentum do not notice.",
        "Optimizers, 1.4 and 1.4.3",
        _rotated,
        _judge_rotated,
        _draw_rotated,
    ),
    Claim(
        "o13-smaller-batches",
        QUICK,
        "With smaller batches SGD, AdaGrad, RMSProp and Adam walk less straight and end farther from the minimum.",
        "Optimizers, figures 1.7 and 1.8",
        _batches,
        _judge_batches,
        _panels([32, 4]),
    ),
)
