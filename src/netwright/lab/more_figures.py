"""The lab's further figures: Newton in one dimension, the lr x momentum map, the basin map, slices through a network."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import torch

from netwright.costing.formats import csv_table
from netwright.lab.landscapes import Basins, Canyon
from netwright.lab.maps import BasinMap, StepsMap, basins, steps_map
from netwright.lab.methods import Method
from netwright.lab.newton import FUNCTIONS, Fit, newton_fits
from netwright.lab.picture import Figure
from netwright.lab.slices import Slice, random_slice, train_digits, training_slice
from netwright.lab.views import plane_of
from netwright.report import charts as drawn
from netwright.report.charts import FAINT, Path, Plane, beside


def newton(seed: int) -> Figure:
    """Newton's method on functions of one variable, with the parabola of each step."""
    panels = (
        ("quadratic", -2.0, 1, (-3.0, 4.0, -1.2, 5.0), "x²/2 - x: one step"),
        ("exponential", -0.3, 3, (-1.0, 2.2, 0.2, 3.2), "eˣ - 2x"),
        ("double-well", 0.42, 3, (-1.5, 1.5, -0.32, 0.12), "x⁴/4 - x²/2: to the maximum"),
    )
    charts, data, rows = [], {}, []
    for name, start, steps, domain, title in panels:
        fits = newton_fits(name, start, steps)
        charts.append(_newton_panel(name, fits, domain, title))
        data[name] = [fit.to_json() for fit in fits]
        rows += [{"function": name, "step": i, **fit.to_json()} for i, fit in enumerate(fits)]
    ways = {
        name: " → ".join(f"{x:.4g}" for x in (*(fit["x"] for fit in fits), fits[-1]["reached"])) for name, fits in data.items()
    }
    caption = (
        "At each point (0, 1, ...) a parabola with the function's value, slope and curvature; its stationary point "
        "is the next step, "
        f"x - f'/f''. A quadratic is done in one step ({ways['quadratic']}). eˣ - 2x: {ways['exponential']}, minimum log 2 = "
        f"{math.log(2):.4g}. Where the curvature is negative the parabola opens downwards, and plain Newton goes to "
        "a maximum (in more "
        f"dimensions: to a saddle): {ways['double-well']}."
    )
    title = "Newton's method in one dimension (notes, 1.2)"
    return Figure("newton", title, caption, beside(*charts), {"functions": data}, csv_table(rows))


def _newton_panel(name: str, fits: tuple[Fit, ...], domain: tuple[float, float, float, float], title: str) -> Any:
    grid = np.linspace(*domain[:2], 161)
    values = FUNCTIONS[name](torch.tensor(grid)).tolist()
    curve = [{"x": float(x), "y": y} for x, y in zip(grid, values, strict=True)]
    parabolas = [
        {"x": float(x), "y": y, "step": i}
        for i, fit in enumerate(fits)
        for x, y in ((x, fit.parabola(float(x))) for x in grid)
        if domain[2] - 1 <= y <= domain[3] + 1
    ]
    ends = [(fit.x, str(i)) for i, fit in enumerate(fits)] + [(fits[-1].reached, str(len(fits)))]
    places = FUNCTIONS[name](torch.tensor([x for x, _ in ends], dtype=torch.float64)).tolist()
    points = [{"x": x, "y": y, "step": label} for (x, label), y in zip(ends, places, strict=True)]
    return drawn.newton_chart(curve, parabolas, points, domain, title)


def steps(seed: int) -> Figure:
    """The lr x momentum map of steps to epsilon on a quadratic."""
    made = steps_map(Canyon(condition=100.0))
    rows = made.rows()
    largest = made.landscape.condition if isinstance(made.landscape, Canyon) else 1.0
    edges = [{"lr": 2 * (1 + mu) / largest, "momentum": mu} for mu in np.linspace(0, 1, 21).tolist()]
    size = (made.lrs[1] - made.lrs[0], made.momenta[1] - made.momenta[0])
    cells = [{**row, "lr": row["lr"] - size[0] / 2, "momentum": row["momentum"] - size[1] / 2} for row in rows]
    marks = [
        {"lr": made.optimum[0], "momentum": made.optimum[1], "label": "analytic optimum"},
        {"lr": made.best[0], "momentum": made.best[1], "label": "fastest cell"},
    ]
    chart = drawn.steps_map(cells, edges, marks, (float(size[0]), float(size[1])), "")
    data = {
        **made.landscape.to_json(),
        "epsilon": made.epsilon,
        "budget": made.budget,
        "optimum": made.optimum,
        "best": made.best,
    }
    title = "Steps to epsilon over lr and momentum (heavy ball on a quadratic)"
    return Figure("map", title, _map_caption(made), chart, {**data, "cells": rows}, csv_table(rows))


def _map_caption(made: StepsMap) -> str:
    lr, momentum = made.optimum
    there = made.steps[np.abs(made.momenta - momentum).argmin(), np.abs(made.lrs - lr).argmin()]
    return (
        f"{made.landscape}: steps until the loss stays below {made.epsilon:g} of that at the start, at most {made.budget}, from "
        f"({made.landscape.start[0]:g}, {made.landscape.start[1]:g}). Analytic optimum (Goh, Why Momentum Really "
        "Works, Distill 2017): "
        f"lr = (2 / (√L + √m))² = {lr:.4g}, momentum = ((√L - √m) / (√L + √m))² = {momentum:.4g}; its cell takes "
        f"{there:g} steps. Fastest cell: {made.fewest:g} steps at lr {made.best[0]:.4g}, momentum "
        f"{made.best[1]:.4g}. The theory is of the rate in the "
        "long run, the map of finitely many steps. Dashed: lr = 2 (1 + momentum) / L, beyond which it diverges."
    )


def basin_maps(seed: int) -> Figure:
    """From which start which optimizer comes to which minimum."""
    landscape, window, budget = Basins(), (-3.6, 3.6, -2.4, 2.4), 300
    methods = [
        Method("sgd", {"lr": 0.1}),
        Method("momentum", {"lr": 0.1, "momentum": 0.9}),
        Method("nesterov", {"lr": 0.1, "momentum": 0.9}),
        Method("adam", {"lr": 0.1}),
    ]
    maps = [basins(landscape, method, window, budget=budget, seed=seed) for method in methods]
    plane = plane_of(landscape, window)
    names = ("wide basin", "narrow basin", "no minimum")
    colours = dict(zip(names, ("#8fc1e3", "#f2b48c", FAINT), strict=True))
    charts = [_basin_panel(plane, made, colours, names, legend=i == 2) for i, made in enumerate(maps)]
    shares = "; ".join(f"{made.method} {100 * made.share(0):.0f} %" for made in maps)
    lost = max(made.share(-1) for made in maps)
    caption = (
        f"{landscape}, {len(maps[0].xs)} x {len(maps[0].ys)} starts over the window, {budget} evaluations each, no "
        "noise. Share of the starts that end "
        f"in the wide basin: {shares}. In no minimum (farther than {maps[0].tolerance:g}): at most {100 * lost:.1f} %. "
        "The notes: momentum tends to prefer large basins."
    )
    chart = drawn.below(beside(*charts[:2]), beside(*charts[2:]))
    data = {**landscape.to_json(), "maps": [{"optimizer": str(made.method), "cells": made.rows()} for made in maps]}
    rows = [{"optimizer": str(made.method), **row} for made in maps for row in made.rows()]
    return Figure("basins", "From which start to which minimum", caption, chart, data, csv_table(rows))


def _basin_panel(plane: Plane, made: BasinMap, colours: dict[str, Any], names: tuple[str, ...], legend: bool) -> Any:
    wide, high = float(made.xs[1] - made.xs[0]) / 2, float(made.ys[1] - made.ys[0]) / 2
    cells = []
    for y, line in zip(made.ys.tolist(), made.ends.tolist(), strict=True):
        places = zip(made.xs.tolist(), line, strict=True)
        for end, same in itertools.groupby(places, key=lambda place: place[1]):  # a rectangle for each run of equal ends
            xs = [x for x, _ in same]
            cells.append({"x": xs[0] - wide, "x2": xs[-1] + wide, "y": y - high, "y2": y + high, "end": names[end]})
    return drawn.basin_map(plane, cells, colours, str(made.method), legend)


def slices(seed: int) -> Figure:
    """Two slices through the loss of a small network on the digits."""
    trained = train_digits(seed=seed)
    path, around = training_slice(trained), random_slice(trained, reach=0.6, seed=seed)
    charts = [
        _slice_panel(path, "along the training", ("start to end", "away from that line")),
        _slice_panel(around, "random", ("d1", "d2")),
    ]
    caption = (
        f"A residual network ({path.network}, {path.parameters:,} learned numbers) on {path.examples} of the "
        "embedded digits, trained with "
        f"{path.training}: cross-entropy from {path.path_losses[0]:.3g} to {path.path_losses[-1]:.3g}. Left: the "
        "plane of start, end and the "
        "path's largest way off that line; loss at the path's projection against the loss at the path itself: off "
        f"by at most {path.path_error:.2g}. "
        "Right: two random filter-normalised directions around the end (Li et al. 2018). A quadratic fitted to the "
        "plane is off by "
        f"{path.fit_error:.2g} (root mean square; largest {path.fit_worst:.2g}) left, {around.fit_error:.2g} "
        f"({around.fit_worst:.2g}) right. "
        "Norms hold the statistics of the end of the training. Circle: start (right: end) of the training, diamond: its end."
    )
    data = {"slices": [path.to_json(), around.to_json()]}
    rows = [{"slice": made.kind, **row} for made in (path, around) for row in made.rows()]
    return Figure("slice", "Slices through a real network's loss", caption, beside(*charts), data, csv_table(rows))


def _slice_panel(made: Slice, title: str, axes: tuple[str, str]) -> Any:
    row, column = np.unravel_index(made.losses.argmin(), made.losses.shape)
    lowest = (float(made.xs[column]), float(made.ys[row]))
    plane = Plane(made.xs, made.ys, made.losses, [lowest], axes)
    places = made.path or ((0.0, 0.0),)
    paths = [Path("path of the training" if made.path else "end of the training", "momentum", places, [(0, 1.0)])]
    return drawn.paths_chart(plane, paths, f"{title} (x: lowest loss of the grid, {made.losses.min():.2g})")
