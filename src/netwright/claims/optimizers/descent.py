"""O1 to O5: gradient descent, what it does in spheres, canyons and saddles, and Newton's method (the notes, 1.1 and 1.2)."""

from __future__ import annotations

import itertools
import math
from typing import Any

from netwright.claims.claim import EXACT, QUICK, UNDECIDED, Claim, Evidence, Numbers, Terms, Verdict, settled
from netwright.claims.optimizers.paths import alone, paths_figure, sign_changes, walked

_CASES = ((128, 32), (130, 32), (127, 16), (100, 64), (7, 7), (1000, 33))  # examples, batch


@alone
def _epoch(terms: Terms) -> Evidence:
    import torch

    from netwright.lab import LeastSquares

    rows, short, complete, shuffled = [], 0, True, True
    for examples, batch in _CASES:
        generator = torch.Generator().manual_seed(terms.seed)
        made = LeastSquares(examples=examples, batch=batch)
        first, second = made.epoch(generator), made.epoch(generator)
        sizes = [len(chosen) for chosen in first]
        rows.append({"examples": examples, "batch": batch, "updates": len(sizes), "last": sizes[-1]})
        short += sizes[-1] < batch
        complete &= torch.equal(torch.cat(first).sort().values, torch.arange(examples))
        shuffled &= not torch.equal(torch.cat(first), torch.cat(second))
    expected = [math.ceil(examples / batch) for examples, batch in _CASES]
    numbers = {
        "updates": [row["updates"] for row in rows],
        "ceil_of_n_over_b": expected,
        "epochs_with_a_short_last_batch": short,
        "every_example_once": complete,
        "order_changes": shuffled,
    }
    return Evidence(numbers, rows, f"{len(rows)} pairs of examples and batch size, two epochs each, seed {terms.seed}")


def _judge_epoch(found: Numbers) -> Verdict:
    once = found["every_example_once"] and found["order_changes"]
    true = found["updates"] == found["ceil_of_n_over_b"] and found["epochs_with_a_short_last_batch"] > 0 and once
    why = (
        f"{len(found['updates'])} epochs made {found['updates']} updates, ceil(N/B) is {found['ceil_of_n_over_b']}; "
        f"{found['epochs_with_a_short_last_batch']} ended with a short batch; "
        f"{'every example came once, in a new order each time' if once else 'but not every example came once in a new order'}"
    )
    return settled(true, why)


def _draw_epoch(found: Evidence) -> Any:
    from netwright.report.charts.plain import bars_chart

    rows = [
        {"x": f"N {row['examples']}, B {row['batch']}", "y": row[name], "label": label}
        for row in found.rows
        for name, label in (("batch", "a full batch"), ("last", "the last batch"))
    ]
    return bars_chart(rows, "examples in a batch")


# ---------------------------------------------------------------- O2 and O3: spheres and canyons

_CONDITION = 30.0
_SHARES = tuple(round(0.05 * i, 2) for i in range(1, 51))  # of 1 / L


@alone
def _limits(terms: Terms) -> Evidence:
    from netwright.lab import Canyon, Sphere, run, steps_map

    numbers: dict[str, Any] = {}
    rows = []
    for name, landscape, largest in (("sphere", Sphere(), 1.0), ("canyon", Canyon(condition=_CONDITION), _CONDITION)):
        made = steps_map(landscape, lrs=[share / largest for share in _SHARES], momenta=[0.0], budget=400)
        steps = made.steps[0]
        best, wide = made.best[0], run(landscape, "sgd", {"lr": made.best[0]}, budget=60)
        numbers |= {
            f"{name}_curvature": largest,
            f"{name}_largest_lr_that_converged": float(made.lrs[steps < math.inf].max()),
            f"{name}_smallest_lr_that_diverged": float(made.lrs[steps == math.inf].min()),
            f"{name}_best_lr": best,
            f"{name}_fewest_steps": int(made.fewest),
            f"{name}_crossings_at_best_lr": sign_changes(wide, 1),
        }
        if name == "sphere":
            numbers["sphere_steps_at_smallest_lr"] = int(steps[0])
        rows += walked(f"{name}, lr {best:.3g}", [wide])
    about = f"steps until the loss is a millionth, for {len(_SHARES)} lr from 0.05 / L to 2.5 / L; L is the largest curvature"
    return Evidence(numbers, rows, about)


def _judge_limits(found: Numbers) -> Verdict:
    limits = {name: 2 / found[f"{name}_curvature"] for name in ("sphere", "canyon")}
    inside = all(
        found[f"{name}_largest_lr_that_converged"] < limit * (1 + 1e-9)
        and limit * (1 - 1e-9) < found[f"{name}_smallest_lr_that_diverged"]
        for name, limit in limits.items()
    )
    profits = found["sphere_fewest_steps"] < found["sphere_steps_at_smallest_lr"]
    oscillates = found["canyon_crossings_at_best_lr"] > 0.9 and found["sphere_crossings_at_best_lr"] == 0
    smaller = found["canyon_smallest_lr_that_diverged"] < found["sphere_largest_lr_that_converged"]
    why = (
        f"on the sphere lr up to {found['sphere_largest_lr_that_converged']:.3g} converged (2/L = {limits['sphere']:.3g}), in "
        f"the canyon up to {found['canyon_largest_lr_that_converged']:.3g} (2/L = {limits['canyon']:.3g}); the sphere took "
        f"{found['sphere_steps_at_smallest_lr']} steps at lr {_SHARES[0]:g} and {found['sphere_fewest_steps']} at "
        f"{found['sphere_best_lr']:g}; at its best lr {100 * found['canyon_crossings_at_best_lr']:.0f} % of the canyon's steps "
        f"cross its floor, and {100 * found['sphere_crossings_at_best_lr']:.0f} % on the sphere"
    )
    return settled(inside and profits and oscillates and smaller, why)


def _draw_limits(found: Evidence) -> Any:
    from netwright.lab import Canyon, Sphere

    first, second = dict.fromkeys(row["panel"] for row in found.rows)
    return paths_figure(found, {first: Sphere(), second: Canyon(condition=_CONDITION)})


@alone
def _hidden(terms: Terms) -> Evidence:
    from netwright.lab import Canyon, run

    canyon, budget = Canyon(condition=_CONDITION), 40
    made = run(canyon, "sgd", {"lr": 0.06}, budget=budget)
    losses = [step.loss for step in made.steps]
    # down the steep side alone each step multiplies by 1 - lr L: 0.8 and -0.8 have the same loss
    smooth, jumpy = (run(canyon, "sgd", {"lr": lr / _CONDITION}, start=(0.0, 1.2), budget=budget) for lr in (0.2, 1.8))
    pairs = zip(smooth.steps, jumpy.steps, strict=True)
    numbers = {
        "steps": budget,
        "steps_that_raised_the_loss": sum(b > a for a, b in itertools.pairwise(losses)),
        "crossings": sign_changes(made, 1),
        "largest_relative_difference_of_two_loss_curves": max(abs(a.loss - b.loss) / a.loss for a, b in pairs),
        "crossings_of_the_smooth_path": sign_changes(smooth, 1),
        "crossings_of_the_oscillating_path": sign_changes(jumpy, 1),
    }
    about = "a canyon of condition 30, lr 0.06 from its usual start; then lr 0.2/L and 1.8/L from its steep side"
    return Evidence(numbers, walked("canyon, lr 0.06", [made]), about)


def _judge_hidden(found: Numbers) -> Verdict:
    alike = found["largest_relative_difference_of_two_loss_curves"] < 1e-9
    told_apart = found["crossings_of_the_smooth_path"] == 0 and found["crossings_of_the_oscillating_path"] > 0.9
    why = (
        f"{found['steps_that_raised_the_loss']} of {found['steps']} steps raised the loss while {100 * found['crossings']:.0f} % "
        "crossed the canyon; two runs whose losses differ by at most "
        f"{found['largest_relative_difference_of_two_loss_curves']:.1g} of themselves crossed it in "
        f"{100 * found['crossings_of_the_smooth_path']:.0f} % and {100 * found['crossings_of_the_oscillating_path']:.0f} % of "
        "steps"
    )
    return settled(found["steps_that_raised_the_loss"] == 0 and found["crossings"] > 0.9 and alike and told_apart, why)


def _draw_hidden(found: Evidence) -> Any:
    from netwright.lab import Canyon

    return paths_figure(found, {found.rows[0]["panel"]: Canyon(condition=_CONDITION)})


# ---------------------------------------------------------------- O4: saddles and local minima


@alone
def _critical(terms: Terms) -> Evidence:
    from netwright.lab import Saddle, run

    saddle = Saddle()
    ridge, beside = (run(saddle, "sgd", {"lr": 0.1}, start=(-1.6, y), budget=200) for y in (0.0, 0.02))
    local, slope, lowest = _tilted_well()
    numbers = {
        "saddle_loss_from_the_ridge": ridge.loss,
        "saddle_gradient_from_the_ridge": ridge.steps[-1].gradient_norm,
        "saddle_lowest_loss": saddle.lowest,
        "saddle_loss_from_beside_the_ridge": beside.loss,
        "well_loss": local,
        "well_gradient": slope,
        "well_lowest_loss": lowest,
    }
    about = "x^2/2 - y^2/2 + y^4/4 from (-1.6, 0) and (-1.6, 0.02); x^4/4 - x^2/2 + x/10 from 1.5; 200 steps of lr 0.1"
    return Evidence(numbers, walked("from the ridge", [ridge]) + walked("from beside the ridge", [beside]), about)


def _tilted_well() -> tuple[float, float, float]:
    """Where descent from 1.5 ends in x^4/4 - x^2/2 + x/10: loss and gradient there, and the lowest loss of all."""
    import numpy as np
    import torch

    from netwright.optim import SGD

    def loss(x: Any) -> Any:
        return x**4 / 4 - x**2 / 2 + x / 10

    x = torch.tensor(1.5, dtype=torch.float64, requires_grad=True)
    optimizer = SGD([x], lr=0.1)
    for _ in range(200):
        optimizer.zero_grad()
        loss(x).backward()
        optimizer.step()
    (slope,) = torch.autograd.grad(loss(x), x)
    stationary = np.roots([1, 0, -1, 0.1]).real
    return float(loss(x.detach())), abs(float(slope)), float(min(loss(stationary)))


def _judge_critical(found: Numbers) -> Verdict:
    saddle = found["saddle_gradient_from_the_ridge"] < 1e-6 and (
        found["saddle_loss_from_the_ridge"] - found["saddle_lowest_loss"] > 0.1
    )
    local = found["well_gradient"] < 1e-6 and found["well_loss"] - found["well_lowest_loss"] > 0.1
    why = (
        f"from the ridge descent stops in the saddle with gradient {found['saddle_gradient_from_the_ridge']:.1g} at loss "
        f"{found['saddle_loss_from_the_ridge']:.3g}, the lowest being {found['saddle_lowest_loss']:.3g} (which it reaches, "
        f"{found['saddle_loss_from_beside_the_ridge']:.3g}, from 0.02 beside the ridge); in the well it stops at loss "
        f"{found['well_loss']:.3g}, the lowest being {found['well_lowest_loss']:.3g}"
    )
    return settled(saddle and local, why)


def _draw_critical(found: Evidence) -> Any:
    from netwright.lab import Saddle

    return paths_figure(found, dict.fromkeys((row["panel"] for row in found.rows), Saddle()))


# ---------------------------------------------------------------- O5: Newton's method

_SIZES = (256, 512, 1024, 2048)


@alone
def _newton(terms: Terms) -> Evidence:
    import torch

    from netwright.optim import Newton

    generator = torch.Generator().manual_seed(terms.seed)
    raw = torch.randn(50, 50, generator=generator, dtype=torch.float64)
    matrix, target = raw @ raw.T + torch.eye(50, dtype=torch.float64), torch.randn(50, generator=generator, dtype=torch.float64)
    theta = torch.zeros(50, dtype=torch.float64, requires_grad=True)
    optimizer = Newton([theta])
    optimizer.step(lambda: theta @ matrix @ theta / 2 - target @ theta)
    exact = torch.linalg.solve(matrix, target)
    seconds = [_solving(size, generator) for size in _SIZES]
    numbers = {
        "parameters": 50,
        "relative_distance_after_one_step": float((theta.detach() - exact).norm() / exact.norm()),
        "gradient_evaluations_of_the_step": optimizer.evaluations,
        "sizes": list(_SIZES),
        "hessian_numbers": [_hessian_numbers(size) for size in _SIZES],
        "seconds_to_solve": seconds,
        "exponent_of_the_seconds": math.log(seconds[-1] / seconds[-3], 4),
    }
    rows = [{"x": size, "y": second, "label": "measured"} for size, second in zip(_SIZES, seconds, strict=True)]
    rows += [{"x": size, "y": seconds[-1] * (size / _SIZES[-1]) ** 3, "label": "k^3"} for size in _SIZES]
    return Evidence(numbers, rows, "one step of Newton on a quadratic of 50 parameters; Hessians of k parameters solved, float64")


def _hessian_numbers(size: int) -> int:
    import torch

    hessian = torch.autograd.functional.hessian(lambda x: (x**3).sum(), torch.ones(size))  # type: ignore[no-untyped-call]
    return int(hessian.numel())


def _solving(size: int, generator: Any) -> float:
    """Seconds of this process's time to solve for a step, the least of several tries."""
    import time

    import torch

    from netwright.optim.newton import solved

    raw = torch.randn(size, size, generator=generator, dtype=torch.float64)
    matrix, gradient = raw + raw.T + 4 * size * torch.eye(size, dtype=torch.float64), torch.ones(size, dtype=torch.float64)
    tries = []
    for _ in range(5):
        started, count = time.process_time(), max(1, 512 // size) ** 2
        for _ in range(count):
            solved(matrix, gradient)
        tries.append((time.process_time() - started) / count)
    return min(tries)


def _judge_newton(found: Numbers) -> Verdict:
    one_step = found["relative_distance_after_one_step"] < 1e-9
    squares = found["hessian_numbers"] == [size**2 for size in found["sizes"]]
    cubic = 2 < found["exponent_of_the_seconds"] < 4  # times of a busy machine are not exact
    why = (
        f"after one step of {found['gradient_evaluations_of_the_step']} evaluations the relative distance to the minimum is "
        f"{found['relative_distance_after_one_step']:.1g}; the Hessian of {found['sizes'][-1]:,} parameters has "
        f"{found['hessian_numbers'][-1]:,} numbers; from k = {found['sizes'][-3]} to {found['sizes'][-1]} the time to solve grew "
        f"as k to the power of {found['exponent_of_the_seconds']:.1f}"
    )
    if one_step and squares and not cubic:
        return Verdict(UNDECIDED, why)
    return settled(one_step and squares, why)


def _draw_newton(found: Evidence) -> Any:
    from netwright.report.charts.plain import lines_chart

    return lines_chart(list(found.rows), "parameters k", "seconds to solve for a step", log=True)


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "o1-epoch-updates",
        EXACT,
        "An epoch shuffles the examples and makes ceil(N/B) updates; the last batch may be short.",
        "Optimizers, 1.1",
        _epoch,
        _judge_epoch,
        _draw_epoch,
    ),
    Claim(
        "o2-sphere-and-canyon",
        QUICK,
        "On a sphere gradient descent tolerates a larger lr and converges faster with it; in a canyon it needs a smaller lr "
        "(below 2/L) and oscillates.",
        "Optimizers, 1.1",
        _limits,
        _judge_limits,
        _draw_limits,
    ),
    Claim(
        "o3-loss-hides-oscillation",
        QUICK,
        "In a canyon the loss falls at every step while the path oscillates: the loss alone does not show it.",
        "Optimizers, 1.1",
        _hidden,
        _judge_hidden,
        _draw_hidden,
    ),
    Claim(
        "o4-saddles-and-local-minima",
        QUICK,
        "Gradient descent converges to critical points, so it may end in a saddle or in a local minimum.",
        "Optimizers, 1.1",
        _critical,
        _judge_critical,
        _draw_critical,
    ),
    Claim(
        "o5-newton-in-one-step",
        EXACT,
        "Newton's method reaches the minimum of a quadratic in one step; for k parameters it needs memory of k^2 and time of "
        "k^3.",
        "Optimizers, 1.2",
        _newton,
        _judge_newton,
        _draw_newton,
    ),
)
