"""The lab against closed forms: gradients by hand, heavy ball as a recurrence, Newton in one step, counted evaluations."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from netwright.cli import main
from netwright.errors import NetwrightError
from netwright.lab import (
    LANDSCAPES,
    Basins,
    Canyon,
    Landscape,
    LeastSquares,
    Method,
    Rosenbrock,
    Saddle,
    Sphere,
    basins,
    figure,
    heavy_ball_optimum,
    landscape,
    newton_fits,
    race,
    random_slice,
    run,
    steps_map,
    train_digits,
    training_slice,
    tuned,
)
from netwright.lab.formulas import _RULES
from netwright.lab.landscapes import name_of
from netwright.lab.many import settings_at_once
from netwright.lab.methods import NAMES
from netwright.lab.slices import filter_normalised, quadratic_fit
from netwright.lab.trajectory import Walk
from netwright.optim import SGD

FIRST_ORDER = [name for name in NAMES if not name.startswith("newton")]
Capture = pytest.CaptureFixture[str]


def basins_slope(x: float, y: float) -> tuple[float, float]:
    """Of q1 q2 / (q1 + q2): (q2^2 grad q1 + q1^2 grad q2) / (q1 + q2)^2."""
    wide, narrow = 1.2**2, 0.4**2
    first, second = ((x - 1.5) ** 2 + y * y) / (2 * wide), ((x + 1.5) ** 2 + y * y) / (2 * narrow)
    total = (first + second) ** 2
    along = second**2 * (x - 1.5) / wide + first**2 * (x + 1.5) / narrow
    return along / total, (second**2 * y / wide + first**2 * y / narrow) / total


Slope = Callable[[float, float], tuple[float, float]]
SLOPES: list[tuple[Landscape, Slope]] = [
    (Sphere(), lambda x, y: (x, y)),
    (Canyon(condition=30.0), lambda x, y: (x, 30 * y)),
    (Saddle(), lambda x, y: (x, y**3 - y)),
    (Basins(), basins_slope),
    (Rosenbrock(), lambda x, y: (2 * (x - 1) - 400 * x * (y - x * x), 200 * (y - x * x))),
]


def slope(place: Landscape, theta: tuple[float, float]) -> np.ndarray:
    point = torch.tensor(theta, dtype=torch.float64, requires_grad=True)
    return torch.autograd.grad(place(point), point)[0].numpy()


@pytest.mark.parametrize(("place", "by_hand"), SLOPES, ids=lambda value: getattr(value, "__name__", None) or str(value))
@settings(max_examples=30, deadline=None)
@given(x=st.floats(-3, 3), y=st.floats(-3, 3))
def test_gradients_are_those_by_hand(place: Landscape, by_hand: Slope, x: float, y: float) -> None:
    np.testing.assert_allclose(slope(place, (x, y)), by_hand(x, y), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("degrees", [0.0, 30.0, -117.5])
@pytest.mark.parametrize("name", LANDSCAPES)
def test_minima_are_where_stated_and_turn_with_the_landscape(name: str, degrees: float) -> None:
    place = landscape(name, {"rotate": degrees})
    plain = landscape(name, {"rotate": 0.0})
    angle = math.radians(degrees)
    turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
    np.testing.assert_allclose(place.minima, np.array(plain.minima) @ turn.T, atol=1e-12)
    np.testing.assert_allclose(place.start, turn @ plain.start, atol=1e-12)
    around = np.stack([0.01 * np.array([math.cos(a), math.sin(a)]) for a in np.linspace(0, 6, 9)])
    for minimum in place.minima:
        np.testing.assert_allclose(slope(place, minimum), 0, atol=1e-9)
        here = float(place(torch.tensor(minimum, dtype=torch.float64)))
        assert (place(torch.tensor(around + np.array(minimum))) > here).all()
    anywhere = torch.tensor(np.random.default_rng(0).normal(size=(4, 5, 2)))
    turned = torch.tensor(anywhere.numpy() @ turn.T)
    assert place(turned).shape == (4, 5)
    np.testing.assert_allclose(place(turned).numpy(), plain(anywhere).numpy(), rtol=1e-9)


def test_curvatures_are_those_of_the_docstrings() -> None:
    def curvatures(place: Landscape, at: tuple[float, float]) -> list[float]:
        hessian = torch.autograd.functional.hessian(place, torch.tensor(at, dtype=torch.float64))
        return sorted(torch.linalg.eigvalsh(hessian).tolist())

    assert curvatures(Canyon(condition=50.0, rotate=20.0), (0.3, 2.0)) == pytest.approx([1, 50])
    assert curvatures(LeastSquares(condition=7.0), (1.0, 1.0)) == pytest.approx([1, 7])
    assert curvatures(Saddle(), (0.0, 0.0)) == pytest.approx([-1, 1])
    wide, narrow = ((x + 1e-6, 1e-6) for x, _ in Basins(wide=1.0, narrow=0.5).minima)
    assert curvatures(Basins(wide=1.0, narrow=0.5), wide) == pytest.approx([1, 1], abs=1e-3)
    assert curvatures(Basins(wide=1.0, narrow=0.5), narrow) == pytest.approx([4, 4], abs=1e-3)


def test_least_squares_is_solved_by_numpy_and_its_batches_cover_an_epoch() -> None:
    place = LeastSquares(batch=48)
    at = torch.tensor([0.3, -2.0], dtype=torch.float64)
    batches = place.batches(torch.Generator().manual_seed(3))
    losses = [float(next(batches)(at)) for _ in range(3)]
    assert np.average(losses, weights=[48, 48, 32]) == pytest.approx(float(place(at)))
    whole = LeastSquares(batch=128)
    assert not whole.noisy
    assert next(whole.batches(torch.Generator()))(at) == whole(at)
    assert place.minima == whole.minima


# ------------------------------------------------------------ trajectories


@pytest.mark.parametrize("form", ["torch", "notes"])
@pytest.mark.parametrize("nesterov", [False, True])
def test_heavy_ball_is_the_linear_recurrence(nesterov: bool, form: str) -> None:
    """On curvature k: theta'' = (1 + mu - lr k) theta' - mu theta; Nesterov: (1 - lr k) ((1 + mu) theta' - mu theta)."""
    lr, mu, condition = 0.03, 0.8, 25.0
    walked = run(
        Canyon(condition=condition), "nesterov" if nesterov else "momentum", {"lr": lr, "momentum": mu, "form": form}, budget=60
    )
    theta = np.array([step.theta for step in walked.steps])
    for axis, k in enumerate((1.0, condition)):
        expected = [theta[0, axis], theta[0, axis] * (1 - lr * k)]
        for _ in range(59):
            last, before = expected[-1], expected[-2]
            ahead = (1 + mu) * last - mu * before
            expected.append((1 - lr * k) * ahead if nesterov else ahead - lr * k * last)
        np.testing.assert_allclose(theta[:, axis], expected, rtol=1e-9, atol=1e-12)
    if not nesterov:  # complex roots: the modulus is sqrt(mu)
        rate = np.linalg.norm(theta[-1]) / np.linalg.norm(theta[-21])
        assert rate == pytest.approx(math.sqrt(mu) ** 20, rel=3)


def test_theta_is_not_the_look_ahead_point() -> None:
    settings = {"lr": 0.1, "momentum": 0.9, "form": "notes"}
    walked = run(Sphere(), "nesterov", settings, start=(1.0, 0.0), budget=3)
    theta, v = np.array([1.0, 0.0]), np.zeros(2)
    for step in walked.steps[1:]:
        ahead = theta + 0.9 * v
        np.testing.assert_allclose(step.gradient, ahead)
        v = 0.9 * v - 0.1 * ahead
        theta = theta + v
        np.testing.assert_allclose(step.theta, theta)


@pytest.mark.parametrize("name", ["newton", "newtoncg"])
def test_second_order_is_done_with_a_quadratic_at_once(name: str) -> None:
    place = Canyon(condition=1000.0, rotate=33.0)
    walked = run(place, name, {} if name == "newton" else {"tolerance": 0.0}, budget=12)
    assert walked.steps[1].loss < 1e-20 * walked.steps[0].loss
    assert walked.steps[1].evaluations >= 3  # a gradient, and two products with the Hessian
    if name == "newton":
        assert walked.evaluations == 3 * (len(walked.steps) - 1)


def test_newton_converges_to_the_saddle_and_momentum_does_not() -> None:
    assert run(Saddle(), "newton", budget=60).steps[-1].theta == pytest.approx((0, 0), abs=1e-9)
    assert run(Saddle(), "momentum", {"lr": 0.1}, budget=200).distance < 0.01


@dataclass(frozen=True)
class Counting(Canyon):
    """Counts how often a gradient passes it, apart from the lab's own count; rows at once are measurements, not steps."""

    passed = [0]  # noqa: RUF012
    asked = [0]  # noqa: RUF012

    def batches(self, generator: torch.Generator) -> Iterator[Callable[[Tensor], Tensor]]:
        while True:
            yield self.seen

    def seen(self, theta: Tensor) -> Tensor:
        Counting.asked[0] += 1
        return self(_Pass.apply(theta))  # type: ignore[no-any-return, no-untyped-call]


class _Pass(torch.autograd.Function):
    @staticmethod
    def forward(_: object, x: Tensor) -> Tensor:
        return x.clone()

    @staticmethod
    def backward(_: object, gradient: Tensor) -> Tensor:  # type: ignore[override]
        Counting.passed[0] += 1
        return gradient


@pytest.mark.parametrize("name", NAMES)
def test_evaluations_are_those_an_independent_counter_sees(name: str) -> None:
    Counting.passed[0] = Counting.asked[0] = 0
    walk = Walk(Counting(), Method(name), (-4.0, 1.2), 21, 0, 0.0)
    taken = list(walk)
    steps = len(taken) - 1 + (walk.used > 21)  # the last one may have been one too much
    assert taken[-1][0] <= 21
    assert walk.ended == "budget"
    assert walk.used == Counting.asked[0] + Counting.passed[0] - steps
    if name in FIRST_ORDER:
        assert walk.used == steps == 21
    elif name == "newton":
        assert walk.used == Counting.passed[0] == 3 * steps == 21


def test_rotation_is_nothing_to_sgd_and_much_to_adam() -> None:
    losses = {
        (name, degrees): [s.loss for s in run(Canyon(rotate=degrees), name, {"lr": 0.05}, budget=50).steps]
        for name in ("sgd", "momentum", "adam")
        for degrees in (0.0, 30.0)
    }
    np.testing.assert_allclose(losses["sgd", 0.0], losses["sgd", 30.0], rtol=1e-8)
    np.testing.assert_allclose(losses["momentum", 0.0], losses["momentum", 30.0], rtol=1e-8)
    assert abs(losses["adam", 0.0][-1] - losses["adam", 30.0][-1]) > 0.1 * losses["adam", 0.0][-1]


@pytest.mark.parametrize("form", ["torch", "notes"])
@pytest.mark.parametrize("name", FIRST_ORDER)
def test_the_formulas_numbers_give_the_step(name: str, form: str) -> None:
    walked = run(Canyon(rotate=25.0), name, {"form": form, "lr": 0.03}, budget=6, noise=0.1, seed=4)
    for before, step in pairwise(walked.steps):
        assert step.formula.endswith(" = ({:.4g}, {:.4g})".format(*step.theta))
        if name in _RULES:  # the rule itself, not the plain difference that stands where no rule holds
            assert "theta = ({:.4g}, {:.4g}) + (".format(*before.theta) not in step.formula
    assert walked.steps[0].formula == ""


def test_a_formula_that_does_not_hold_is_not_shown() -> None:
    walked = run(Sphere(), "adam", {"amsgrad": True, "lr": 0.5}, budget=30)
    before, last = walked.steps[-2], walked.steps[-1]
    if "m' / " in last.formula:
        pytest.fail("amsgrad's root is not that of the formula")
    step = np.array(last.theta) - before.theta
    assert "{:.4g}, {:.4g}".format(*step) in last.formula


def test_noise_comes_from_the_seed_and_has_its_deviation() -> None:
    same = [run(Sphere(), "sgd", {"lr": 0.1}, noise=0.5, seed=seed, budget=400) for seed in (1, 1, 2)]
    assert same[0].steps == same[1].steps != same[2].steps
    seen = np.array([np.subtract(step.gradient, before.theta) for before, step in pairwise(same[0].steps)])
    assert seen.std() == pytest.approx(0.5, rel=0.1)
    assert abs(seen.mean()) < 0.06
    batch = [run(LeastSquares(batch=4), "sgd", {"lr": 0.01}, seed=seed, budget=10).steps for seed in (1, 1, 2)]
    assert batch[0] == batch[1] != batch[2]
    whole = [run(LeastSquares(batch=128), "sgd", {"lr": 0.01}, seed=seed, budget=10).steps for seed in (1, 2)]
    assert whole[0] == whole[1]


def test_divergence_is_recorded() -> None:
    walked = run(Canyon(condition=30.0), "sgd", {"lr": 0.2}, budget=500)
    assert walked.diverged
    assert walked.evaluations < 500
    assert walked.loss == walked.distance == math.inf
    written = json.dumps(walked.to_json(), allow_nan=False)
    assert json.loads(written)["loss"] is None
    assert run(Rosenbrock(), "sgd", {"lr": 5.0}, budget=100).diverged  # overflows within a few steps
    together = race(Canyon(), ["sgd", "adam"], settings={"sgd": {"lr": 1.0}, "adam": {"lr": 0.1}}, budget=50)
    assert "diverged" in str(together)


def test_trajectories_are_the_classes_that_train_networks() -> None:
    theta = torch.tensor([-4.0, 1.2], dtype=torch.float64, requires_grad=True)
    optimizer = SGD([theta], lr=0.01, momentum=0.7, weight_decay=0.1)
    for _ in range(20):
        optimizer.zero_grad()
        Canyon()(theta).backward()
        optimizer.step()
    walked = run(Canyon(), "momentum", {"lr": 0.01, "momentum": 0.7, "weight_decay": 0.1}, budget=20)
    assert walked.steps[-1].theta == tuple(theta.tolist())
    assert "momentum_buffer" in walked.steps[-1].state


# ------------------------------------------------------------ tuning, races, maps


@pytest.mark.parametrize("name", ["sgd", "nesterov", "rmsprop", "nadam", "lion"])
def test_many_runs_at_once_are_those_alone(name: str) -> None:
    place, methods = LeastSquares(batch=16), [Method(name, {"lr": lr}) for lr in (0.001, 0.01, 0.03)]
    many = settings_at_once(place, methods, (1.0, 2.0), 25, 3, 0.1)
    for number, method in enumerate(methods):
        alone = [taken[1] for taken in Walk(place, method, (1.0, 2.0), 25, 3, 0.1)]
        np.testing.assert_allclose(many[:, number].numpy(), alone, rtol=1e-10, atol=1e-12)


def test_tuning_finds_the_best_of_its_grid() -> None:
    found = tuned(Sphere(), "sgd", budget=5)
    assert found.method.lr == 1.0  # 1 / curvature: one step
    scores = {setting["lr"]: run(Sphere(), "sgd", setting, budget=5).loss for setting, _ in found.scores}
    assert min(scores.values()) == found.score == scores[found.method.lr]
    fastest = tuned(Canyon(), "momentum", budget=120, loss=1e-3, grid={"lr": (0.01, 0.04), "momentum": (0.0, 0.5, 0.8)})
    counts = {
        (lr, mu): run(Canyon(), "momentum", {"lr": lr, "momentum": mu}, budget=120).reached(1e-3)
        for lr in (0.01, 0.04)
        for mu in (0.0, 0.5, 0.8)
    }
    assert fastest.score == min(count for count in counts.values() if count is not None)
    assert "evaluations to a loss of 0.001" in fastest.objective
    noisy = tuned(Sphere(), "sgd", budget=30, noise=0.3, grid={"lr": (0.1, 100.0)})
    assert noisy.method.lr == 0.1
    assert {s["lr"]: v for s, v in noisy.scores}[100.0] == math.inf
    assert tuned(Canyon(), "adam", {"lr": 0.2}, budget=5).grid == {}


def test_a_race_states_what_it_did() -> None:
    made = race(Canyon(rotate=30.0), ["adam", "nesterov", "newton"], budget=30, settings={"adam": {"lr": 0.3}})
    assert set(made.tunings) == {"nesterov", "newton"}
    assert {t.evaluations for t in made.trajectories} == {30}
    rows = list(csv.DictReader(io.StringIO(made.to_csv())))
    assert len(rows) == sum(len(t.steps) for t in made.trajectories)
    last = [row for row in rows if row["optimizer"] == "adam"][-1]
    assert (float(last["x"]), float(last["y"])) == made.trajectories[0].steps[-1].theta
    assert float(last["exp_avg_x"]) == made.trajectories[0].steps[-1].state["exp_avg"][0]
    written = json.loads(json.dumps(made.to_json(), allow_nan=False))
    assert written["tuning"]["nesterov"]["grid"]["momentum"][0] == 0.5
    assert written["landscape"] == "canyon"
    assert made.rows()[0]["settings"] == "lr 0.3"
    untuned = race(Canyon(), ["adam"], budget=3, tune=False)
    assert untuned.trajectories[0].method.lr == 1e-3


def test_the_map_is_fastest_at_the_analytic_optimum() -> None:
    """On many steps the rate is all: the spectral radius of the recurrence, from numpy, orders the cells."""
    condition = 100.0
    lr, mu = heavy_ball_optimum(1.0, condition)
    assert (lr, mu) == pytest.approx(((2 / 11) ** 2, (9 / 11) ** 2))

    def radius(lr: float, mu: float) -> float:
        blocks = [np.array([[1 + mu - lr * k, -mu], [1, 0]]) for k in (1.0, condition)]
        return max(abs(np.linalg.eigvals(block)).max() for block in blocks)

    assert radius(lr, mu) == pytest.approx(9 / 11, abs=1e-4)
    lrs, momenta = [0.005, 0.02, lr, 0.036, 0.045], [0.3, mu, 0.9]
    made = steps_map(Canyon(condition=condition), lrs=lrs, momenta=momenta, epsilon=1e-20, budget=1500)
    for row, momentum in enumerate(momenta):
        for column, rate in enumerate(lrs):
            expected = radius(rate, momentum)
            assert math.isinf(made.steps[row, column]) == (expected > 1)
            needed = math.log(1e-20) / (2 * math.log(expected))
            if expected < 1 and needed < 1500:
                assert made.steps[row, column] == pytest.approx(needed, rel=0.3)
            elif expected < 1:
                assert math.isnan(made.steps[row, column])
    assert made.best == pytest.approx((lr, mu))
    alone = run(Canyon(condition=condition), "momentum", {"lr": 0.02, "momentum": 0.9}, budget=1000)
    assert made.steps[2, 1] == alone.reached(1e-20 * alone.steps[0].loss)


def test_the_basin_map_is_what_single_runs_do() -> None:
    place, window = Basins(), (-3.0, 3.0, -2.0, 2.0)
    for name, chosen in (("momentum", {"lr": 0.1}), ("adam", {"lr": 0.1}), ("newton", {"damping": 3.0})):
        made = basins(place, Method(name, chosen), window, resolution=6, budget=90)
        assert made.ends.shape == (4, 6)
        for row, column in ((0, 0), (2, 1), (3, 5)):
            walked = run(place, name, chosen, start=(float(made.xs[column]), float(made.ys[row])), budget=90)
            number, distance = place.nearest(walked.steps[-1].theta)
            assert made.ends[row, column] == (number if distance <= made.tolerance else -1)
    assert sum(made.share(number) for number in (-1, 0, 1)) == pytest.approx(1)


@pytest.mark.parametrize("start", [-0.3, 2.0])
def test_newtons_parabola_touches_and_its_lowest_point_is_the_next_step(start: float) -> None:
    fits = newton_fits("exponential", start, 6)
    for fit, following in pairwise(fits):
        value, slope, curvature = math.exp(fit.x) - 2 * fit.x, math.exp(fit.x) - 2, math.exp(fit.x)
        assert (fit.value, fit.slope, fit.curvature) == pytest.approx((value, slope, curvature))
        assert following.x == fit.reached == pytest.approx(fit.x - slope / curvature)
        grid = np.linspace(fit.reached - 1, fit.reached + 1, 201)
        assert grid[np.argmin([fit.parabola(x) for x in grid])] == pytest.approx(fit.reached)
    assert fits[-1].reached == pytest.approx(math.log(2), abs=1e-6)
    assert newton_fits("double-well", 0.42, 5)[-1].reached == pytest.approx(0, abs=1e-6)  # a maximum
    assert len(newton_fits(lambda x: x**4, 0.0, 5)) <= 5  # no curvature: no error


# ------------------------------------------------------------ slices


@pytest.mark.slow
def test_a_slice_is_the_networks_own_loss() -> None:
    trained = train_digits(steps=8, examples=64, batch=32)
    made = training_slice(trained, resolution=5)
    assert made.path[0] == pytest.approx((0, 0), abs=1e-5)
    assert made.path[-1] == pytest.approx((1, 0), abs=1e-5)
    assert made.path_losses[0] == pytest.approx(made.plane_losses[0], rel=1e-4)  # start and end lie in the plane
    assert made.path_losses[-1] == pytest.approx(made.plane_losses[-1], rel=1e-4)
    assert made.path_error == max(abs(a - b) for a, b in zip(made.path_losses, made.plane_losses, strict=True))
    around = random_slice(trained, reach=0.5, resolution=5)
    torch.nn.utils.vector_to_parameters(trained.points[-1], trained.model.parameters())
    with torch.no_grad():
        loss = torch.nn.functional.cross_entropy(trained.model(trained.images), trained.labels)
    assert around.losses[2, 2] == pytest.approx(float(loss), rel=1e-5)
    fitted = around.losses - quadratic_fit(around.xs, around.ys, around.losses)
    assert around.fit_error == pytest.approx(math.sqrt((fitted**2).mean()))
    assert json.dumps(made.to_json(), allow_nan=False)


def test_filters_are_normalised_and_a_quadratic_fits_itself() -> None:
    weights = [torch.randn(4, 3, 3, 3), torch.randn(4), torch.randn(10, 4)]
    drawn = filter_normalised(weights, torch.Generator().manual_seed(0)).split([108, 4, 40])
    np.testing.assert_allclose(drawn[0].view(4, -1).norm(dim=1), weights[0].flatten(1).norm(dim=1), rtol=1e-5)
    np.testing.assert_allclose(drawn[2].view(10, -1).norm(dim=1), weights[2].norm(dim=1), rtol=1e-5)
    assert not drawn[1].any()
    xs, ys = np.linspace(-1, 2, 7), np.linspace(0, 3, 5)
    x, y = np.meshgrid(xs, ys)
    losses = 1 + 2 * x - y + 3 * x * x + x * y + 0.5 * y * y
    np.testing.assert_allclose(quadratic_fit(xs, ys, losses), losses, atol=1e-9)


# ------------------------------------------------------------ figures and the command


@pytest.mark.parametrize("name", ["1.2", "1.4", "newton"])
def test_figures_in_every_form(name: str, tmp_path: Path) -> None:
    made = figure(name)
    for suffix in ("svg", "png", "html", "json", "csv"):
        path = made.save(tmp_path / f"a.{suffix}")
        assert path.stat().st_size > 500
    assert (tmp_path / "a.svg").read_text().startswith("<svg role=")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    page = (tmp_path / "a.html").read_text()
    assert "<svg" in page
    assert "<script" not in page
    assert not {part.split('"')[0] for part in page.replace("http-equiv", "").split("http")[1:]} - {
        "://www.w3.org/2000/svg",
        "://www.w3.org/1999/xlink",
    }
    json.loads((tmp_path / "a.json").read_text())
    assert len({len(row) for row in csv.reader((tmp_path / "a.csv").read_text().splitlines())}) == 1


@pytest.mark.slow
def test_the_notes_statements_hold_in_their_figures() -> None:
    sphere, canyon = figure("1.1").data["races"]
    for made in (sphere, canyon):
        sgd, momentum = ([step["loss"] for step in t["steps"]] for t in made["trajectories"])
        assert momentum[-1] < 1e-3 * sgd[-1]  # "in both cases, momentum converges before SGD"
    fixed, best = figure("1.5").data["races"]
    sgd, adagrad = (t["distance"] for t in fixed["trajectories"])
    assert adagrad > 10 * sgd  # "AdaGrad stops before getting close to the minimum"
    assert best["trajectories"][1]["distance"] < 0.5  # but not where its lr is tuned
    seven, eight = figure("1.7").data["races"][0], figure("1.8").data["races"][0]
    assert (seven["batch"], eight["batch"]) == (32, 4)
    assert {k: v for k, v in seven.items() if k not in ("batch", "trajectories")} == {
        k: v for k, v in eight.items() if k not in ("batch", "trajectories")
    }


@pytest.mark.slow
@pytest.mark.parametrize("name", ["1.3", "1.6", "map", "basins", "slice"])
def test_the_long_figures_are_drawn(name: str, tmp_path: Path) -> None:
    made = figure(name)
    assert made.save(tmp_path / "a.svg").stat().st_size > 10_000
    assert "nan" not in made.caption
    assert json.dumps(made.to_json(), allow_nan=False)


def test_the_command_writes_a_race(tmp_path: Path, capsys: Capture) -> None:
    line = "lab --landscape canyon --optimizer adam,nesterov --rotate 30 --budget 12 --set nesterov.momentum=0.8 --no-tune"
    assert main([*line.split(), "-o", str(tmp_path / "race.html")]) == 0
    page = (tmp_path / "race.html").read_text()
    assert "momentum 0.8" in page
    assert "<svg" in page
    assert main([*line.split(), "--json"]) == 0
    out = capsys.readouterr().out
    made = json.loads(out[out.index("{\n") :])
    assert [t["optimizer"] for t in made["trajectories"]] == ["adam", "nesterov"]
    assert made["rotate"] == 30
    line = "lab --landscape least-squares --batch 8 --noise 0.1 --optimizer sgd,newton --no-tune --form notes"
    assert main(line.split()) == 0
    table = capsys.readouterr().out
    assert "batch 8" in table
    assert "form notes" in table


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--optimizer adam", "--optimizer goes with --landscape NAME; alone, netwright lab opens the page"),
        ("--seed 3", "--seed goes with --landscape NAME"),
        ("--figure 1.5 --landscape canyon -o x.svg", "say either --figure NAME"),
        ("--figure 1.9 -o x.svg", "there is no figure '1.9'; did you mean"),
        ("--figure 1.5", "say where to draw figure 1.5"),
        ("--figure 1.5 -o x.pdf", "end it with .svg, .png, .html, .json or .csv"),
        ("--figure 1.5 -o x", "cannot tell the form of x"),
        ("--figure 1.5 --budget 5 -o x.svg", "--budget goes with --landscape"),
        ("--landscape cannyon", "there is no landscape 'cannyon'; did you mean canyon"),
        ("--landscape canyon --optimizer adm", "there is no optimizer 'adm'; did you mean adam"),
        ("--landscape canyon --optimizer ,", "--optimizer names no optimizer"),
        ("--landscape sphere --condition 3", "sphere has no condition; canyon"),
        ("--landscape canyon --condition 0.5", "condition is 0.5, expected at least 1"),
        ("--landscape canyon --condition nan", "condition is nan, expected a number"),
        ("--landscape canyon --rotate inf", "rotate is inf, expected a number"),
        ("--landscape canyon --start 1", "the start is (1.0,), expected two numbers"),
        ("--landscape canyon --start 1,2,3", "expected two numbers X,Y"),
        ("--landscape canyon --start a,b", "--start is 'a,b', expected X,Y"),
        ("--landscape canyon --start 1,inf", "expected two finite numbers"),
        ("--landscape canyon --budget -4", "the budget is -4, expected"),
        ("--landscape canyon --budget 0", "the budget is 0, expected"),
        ("--landscape canyon --noise -1", "the noise is -1.0, expected a deviation"),
        ("--landscape canyon --noise nan", "the noise is nan"),
        ("--landscape least-squares --batch 0", "batch is 0, expected at least 1"),
        ("--landscape least-squares --batch 129", "batch is 129, but there are only 128 examples"),
        ("--landscape canyon --batch 3", "canyon has no batch; least-squares has"),
        ("--landscape canyon --set adam.lt=1", "adam has no setting 'lt'; did you mean lr?"),
        ("--landscape canyon --set lr=1", "expected NAME.KEY=VALUE"),
        ("--landscape canyon --set nadam.lr=1", "nadam does not run; did you mean adam?"),
        ("--landscape canyon --set adam.lr=-1", "lr is -1"),
        ("--landscape canyon --set adam.lr=fast", "lr is 'fast'"),
        ("--landscape canyon --set adam.betas=0.9,1.5", "betas"),
        ("--landscape canyon --no-tune --budget 3 -o /proc/nowhere/x.svg", "cannot write /proc/nowhere/x.svg"),
        ("--landscape canyon --json -o x.json", "choose one of -o and --json"),
    ],
)
def test_mistakes_are_one_line(line: str, message: str, capsys: Capture) -> None:
    assert main(["lab", *line.split()]) == 2
    told = capsys.readouterr().err.strip().splitlines()
    assert message in told[-1]
    assert all("Traceback" not in part for part in told)


def test_mistakes_in_python() -> None:
    for wrong in (
        {"budget": 0},
        {"budget": 2.5},
        {"budget": True},
        {"start": (1.0,)},
        {"start": (math.nan, 0.0)},
        {"noise": -0.1},
    ):
        with pytest.raises(NetwrightError):
            run(Sphere(), "sgd", **wrong)  # type: ignore[arg-type]
    with pytest.raises(NetwrightError, match="known: sgd"):
        run(Sphere(), "xyzzy")
    with pytest.raises(NetwrightError, match="not of rosenbrock"):
        steps_map(Rosenbrock())  # type: ignore[arg-type]
    with pytest.raises(NetwrightError, match="resolution"):
        basins(Basins(), "sgd", (-1, 1, -1, 1), resolution=1)
    with pytest.raises(NetwrightError, match="did you mean quadratic"):
        newton_fits("quadratik", 1.0)
    with pytest.raises(NetwrightError, match="expected a number"):
        Canyon(condition="high")  # type: ignore[arg-type]
    with pytest.raises(NetwrightError, match="without values"):
        tuned(Sphere(), "sgd", grid={"lr": ()})
    assert name_of(Canyon(rotate=3)) == "canyon"
