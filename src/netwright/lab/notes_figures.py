"""Figures 1.1 to 1.8 of the lecture notes, computed.

Where the notes make a statement, its settings are said, and beside them what the same optimizers do once each is tuned.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from netwright.lab.landscapes import Canyon, Landscape, LeastSquares, Point, Sphere
from netwright.lab.methods import Method
from netwright.lab.picture import Figure, race_tables
from netwright.lab.racing import Race, race, steps_csv
from netwright.lab.trajectory import Trajectory, run
from netwright.lab.views import plane_of, scene, window_around
from netwright.report.charts import COLOURS, Arrow, arrows_chart, below, beside, curves_chart, race_chart

_NOTES = {"form": "notes"}


def sgd_and_momentum(seed: int) -> Figure:
    """Figure 1.1."""
    lr, goal = 0.02, 1e-3
    methods = [Method("sgd", {"lr": lr, **_NOTES}), Method("momentum", {"lr": lr, "momentum": 0.9, **_NOTES})]
    places: list[tuple[Landscape, str]] = [(Sphere(), "sphere"), (Canyon(), "canyon")]
    races, told = [], []
    for landscape, name in places:
        fixed = race(landscape, methods, budget=200, seed=seed, tune=False)
        best = race(landscape, ("sgd", "momentum"), budget=200, seed=seed)
        races.append(fixed)
        ends = " and ".join(f"{t.method.name} {_reached(t, goal)}" for t in fixed.trajectories)
        bests = " and ".join(f"{t.method.name} {_reached(t, goal)} ({t.method.told()})" for t in best.trajectories)
        told.append(f"{name}: {ends}; each tuned for the lowest loss: {bests}")
    caption = (
        f"lr {lr} for both, momentum 0.9, {races[0].budget} evaluations each; {races[1].landscape}. "
        f"Evaluations until the loss stays below 1/1000 of that at the start: {'. '.join(told)}. "
        "The statement of the notes, that momentum converges before SGD in both, holds at one small lr for both; on a sphere "
        "tuned SGD is done in one step."
    )
    charts = [race_chart(*scene(r.trajectories), name) for r, (_, name) in zip(races, places, strict=True)]
    return _figure("1.1", "Figure 1.1: plain SGD and momentum in a sphere and a canyon", caption, below(*charts), races)


def nesterov_step(seed: int) -> Figure:
    """Figure 1.2."""
    landscape, lr, mu, number = Canyon(condition=6.0), 0.12, 0.9, 1
    settings = {"lr": lr, "momentum": mu, **_NOTES}
    trajectory = run(landscape, "nesterov", settings, start=(-3.2, 1.5), budget=number + 1, seed=seed)
    last, before = trajectory.steps[number].theta, trajectory.steps[number - 1].theta
    v = (last[0] - before[0], last[1] - before[1])
    ahead = (last[0] + mu * v[0], last[1] + mu * v[1])
    here, there = _slope(landscape, last), _slope(landscape, ahead)
    standard = (ahead[0] - lr * here[0], ahead[1] - lr * here[1])
    nesterov = (ahead[0] - lr * there[0], ahead[1] - lr * there[1])
    blue, green, orange = COLOURS["momentum"], COLOURS["rmsprop"], COLOURS["nesterov"]
    spots = [last, before, ahead, standard, nesterov]
    plane = plane_of(landscape, window_around(Canyon(condition=6.0), spots))
    dots = [{"x": last[0], "y": last[1], "text": "θ"}, {"x": ahead[0], "y": ahead[1], "text": "θ + μ v"}]
    first = [
        Arrow("the step of standard momentum", last, standard, "#666666"),
        Arrow("μ v, the step of the velocity", last, ahead, blue),
        Arrow("- lr g(θ), the gradient where it stands", ahead, standard, green),
    ]
    second = [
        Arrow("the step of Nesterov momentum", last, nesterov, "#666666"),
        Arrow("μ v, the step of the velocity", last, ahead, blue),
        Arrow("- lr g(θ + μ v), the gradient where the velocity leads", ahead, nesterov, orange),
    ]
    chart = beside(
        arrows_chart(plane, first, "standard momentum", dots[:1]), arrows_chart(plane, second, "Nesterov momentum", dots)
    )
    reached = trajectory.steps[number + 1].theta
    caption = (
        f"Step {number + 1} of Nesterov momentum on {landscape} from (-3.2, 1.5), lr {lr}, momentum {mu}, and the "
        "step that standard momentum "
        f"would take from the same theta and velocity. v = ({v[0]:.3g}, {v[1]:.3g}); loss after the step: standard "
        f"{_loss(landscape, standard):.3g}, Nesterov {_loss(landscape, nesterov):.3g} (netwright.optim.SGD went to "
        f"({reached[0]:.3g}, {reached[1]:.3g}))."
    )
    vectors = {"theta": last, "v": v, "look_ahead": ahead, "standard": standard, "nesterov": nesterov}
    data = {"vectors": vectors, "trajectories": [trajectory.to_json()]}
    return Figure("1.2", "Figure 1.2: the step in Nesterov momentum", caption, chart, data, steps_csv([trajectory]))


def three_momenta(seed: int) -> Figure:
    """Figure 1.3."""
    lr, mu, goal = 0.02, 0.9, 1e-3
    names = ("sgd", "momentum", "nesterov")
    methods = [Method(name, {"lr": lr, **({} if name == "sgd" else {"momentum": mu}), **_NOTES}) for name in names]
    fixed = race(Canyon(), methods, budget=120, seed=seed, tune=False)
    best = race(Canyon(), names, budget=120, seed=seed)
    caption = (
        f"{fixed.told()}. Above: lr {lr} for all, momentum {mu}. Below: each with the lr and momentum of the grid "
        "that give the lowest "
        "loss at the end. Evaluations until the loss stays below 1/1000 of that at the start: "
        f"{_all_reached(fixed, goal)}; tuned: "
        f"{_all_reached(best, goal, settings=True)}."
    )
    chart = below(race_chart(*scene(fixed.trajectories), "one lr for all"), race_chart(*scene(best.trajectories), "each tuned"))
    return _figure("1.3", "Figure 1.3: plain SGD, standard momentum, Nesterov momentum", caption, chart, [fixed, best])


def unequal_gradients(seed: int) -> Figure:
    """Figure 1.4."""
    landscape = LeastSquares(seed=seed)
    lowest, (x, y) = landscape.minima[0], landscape.start
    slope = _slope(landscape, (x, y))
    scale = 3.0 / abs(slope[0])
    window = window_around(landscape, [landscape.start, (lowest[0] + 3, lowest[1] - 3)])
    plane = plane_of(landscape, window)
    corner = (x - scale * slope[0], y - scale * slope[1])
    arrows = [
        Arrow(f"- gradient along w1: {-slope[0]:.3g}", (x, y), (corner[0], y), COLOURS["nesterov"]),
        Arrow(f"- gradient along w2: {-slope[1]:.3g}", (x, y), (x, corner[1]), COLOURS["momentum"]),
    ]
    rows: list[dict[str, Any]] = []
    labels = {"along w1": COLOURS["nesterov"], "along w2": COLOURS["momentum"]}
    for d in np.linspace(-3, 3, 121):
        for label, place in (("along w1", (lowest[0] + d, lowest[1])), ("along w2", (lowest[0], lowest[1] + d))):
            rows.append({"x": float(d), "y": _loss(landscape, place) - landscape.lowest, "label": label})
    cut = curves_chart(
        rows, "distance from the minimum along the axis", "loss above the lowest", labels, "cuts through the minimum"
    )
    chart = beside(arrows_chart(plane, arrows, "the loss, and its gradient at the start"), cut)
    caption = (
        f"{landscape}: least squares whose feature 1 is larger than feature 2, so that the Hessian is "
        f"diag({landscape.condition:g}, 1). "
        f"At ({x:g}, {y:g}) the gradient is ({slope[0]:.3g}, {slope[1]:.3g}), {abs(slope[0] / slope[1]):.1f} times "
        "as large along w1, though "
        f"the minimum ({lowest[0]:.2f}, {lowest[1]:.2f}) is {abs(lowest[0] - x):.2g} away along w1 and "
        f"{abs(lowest[1] - y):.2g} along w2."
    )
    data = {**landscape.to_json(), "point": (x, y), "gradient": slope, "cuts": rows}
    text = "axis,distance,loss_above_lowest\n" + "".join(f"{r['label'][6:]},{r['x']},{r['y']}\n" for r in rows)
    return Figure("1.4", "Figure 1.4: a larger gradient along w1, a smaller along w2", caption, chart, data, text)


def adagrad(seed: int) -> Figure:
    """Figure 1.5."""
    told = "With lr small enough for SGD, AdaGrad's own lr falls as the squared gradients add up, and it stops early"
    return _adaptive("1.5", "SGD and AdaGrad", ("sgd", "adagrad"), 32, seed, told)


def rmsprop(seed: int) -> Figure:
    """Figure 1.6."""
    told = "RMSProp forgets old gradients and goes on where AdaGrad has stopped"
    return _adaptive("1.6", "SGD, AdaGrad and RMSProp", ("sgd", "adagrad", "rmsprop"), 32, seed, told)


def adam(seed: int) -> Figure:
    """Figure 1.7."""
    told = "Adam takes steps of about lr, in the direction of a mean gradient"
    return _adaptive("1.7", "SGD, AdaGrad, RMSProp and Adam", ("sgd", "adagrad", "rmsprop", "adam"), 32, seed, told)


def adam_with_smaller_batches(seed: int) -> Figure:
    """Figure 1.8: Figure 1.7 with another batch size."""
    names, title = ("sgd", "adagrad", "rmsprop", "adam"), "SGD, AdaGrad, RMSProp and Adam with a smaller batch size"
    return _adaptive(
        "1.8", title, names, 4, seed, "As Figure 1.7, but a batch of 4 examples instead of 32: the gradients are noisier"
    )


def _adaptive(name: str, title: str, optimizers: Sequence[str], batch: int, seed: int, told: str) -> Figure:
    lr, landscape = 0.05, LeastSquares(batch=batch)
    methods = [Method(optimizer, {"lr": lr, **_NOTES, **_notes_settings(optimizer)}) for optimizer in optimizers]
    fixed = race(landscape, methods, budget=150, seed=seed, tune=False)
    settings = {optimizer: {**_NOTES, **_notes_settings(optimizer)} for optimizer in optimizers}
    best = race(landscape, optimizers, budget=150, seed=seed, settings=settings)
    caption = (
        f"{fixed.told()}; form notes. Above: lr {lr} for all. Below: each with the lr of the grid that gives the "
        "lowest mean loss over the "
        f"last tenth of the steps. {told}. Distance from the minimum at the end: {_distances(fixed)}; "
        f"tuned: {_distances(best, settings=True)}."
    )
    chart = below(race_chart(*scene(fixed.trajectories), f"lr {lr} for all"), race_chart(*scene(best.trajectories), "each tuned"))
    return _figure(name, f"Figure {name}: {title}", caption, chart, [fixed, best])


def _notes_settings(optimizer: str) -> dict[str, Any]:
    """The notes' "typically 0.9" for RMSProp's beta, whose default is torch's 0.99."""
    return {"alpha": 0.9} if optimizer == "rmsprop" else {}


def _figure(name: str, title: str, caption: str, chart: Any, races: Sequence[Race]) -> Figure:
    trajectories = [trajectory for one in races for trajectory in one.trajectories]
    tables = {
        f"{key} ({i + 1})" if len(races) > 1 else key: rows for i, r in enumerate(races) for key, rows in race_tables(r).items()
    }
    return Figure(name, title, caption, chart, {"races": [r.to_json() for r in races]}, steps_csv(trajectories), tables)


def _reached(trajectory: Trajectory, goal: float) -> str:
    lowest = trajectory.landscape.lowest
    loss = lowest + goal * (trajectory.steps[0].loss - lowest)
    found = trajectory.reached(loss)
    return str(found) if found is not None else f"not within {trajectory.budget}"


def _all_reached(one: Race, goal: float, settings: bool = False) -> str:
    return ", ".join(
        f"{t.method.name}{f' ({t.method.told()})' if settings else ''} {_reached(t, goal)}" for t in one.trajectories
    )


def _distances(one: Race, settings: bool = False) -> str:
    return ", ".join(
        f"{t.method.name}{f' (lr {t.method.lr:g})' if settings else ''} {'diverged' if t.diverged else f'{t.distance:.2g}'}"
        for t in one.trajectories
    )


def _slope(landscape: Landscape, place: Point) -> Point:
    theta = torch.tensor(place, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(landscape(theta), theta)
    x, y = slope.tolist()
    return x, y


def _loss(landscape: Landscape, place: Point) -> float:
    return float(landscape(torch.tensor(place, dtype=torch.float64)))
