"""Tracks for watching against the runs that they stand for; starting values against curvatures known by hand."""

from __future__ import annotations

import csv
import io
import math
from typing import Any

import numpy as np
import pytest

from netwright.errors import NetwrightError
from netwright.lab import LANDSCAPES, Canyon, LeastSquares, Method, Saddle, Sphere, around, race, races_figure, run, tracks
from netwright.lab.methods import NAMES
from netwright.lab.starting import largest_curvature, starting
from netwright.lab.views import plane_of
from netwright.report.charts import contour_lines

STARTS = ((-4.0, 1.2), (0.5, -2.0), (3.0, 0.0))


@pytest.mark.parametrize("name", NAMES)
def test_tracks_are_runs(name: str) -> None:
    place, method = Canyon(rotate=20.0), Method(name, {"lr": 0.05})
    found = tracks(place, method, STARTS, budget=12, seed=3, noise=0.1)
    for start, track in zip(STARTS, found, strict=True):
        alone = run(place, method, start=start, budget=12, seed=3, noise=0.1)
        np.testing.assert_allclose(track.places, [step.theta for step in alone.steps], rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(track.losses, [step.loss for step in alone.steps], rtol=1e-9, atol=1e-12)
        assert track.evaluations.tolist() == [step.evaluations for step in alone.steps]
        assert track.ended == alone.ended


def test_a_track_ends_where_its_run_diverges() -> None:
    place, method = Canyon(), Method("sgd", {"lr": 1.0})
    (track,) = tracks(place, method, [(-4.0, 1.2)], budget=100)
    alone = run(place, method, start=(-4.0, 1.2), budget=100)
    assert track.ended == alone.ended == "diverged"
    assert len(track.losses) == len(alone.steps) < 101


def test_mini_batches_are_those_of_the_run() -> None:
    place = LeastSquares(batch=16)
    (track,) = tracks(place, Method("adam", {"lr": 0.2}), [(1.0, 1.0)], budget=20, seed=5)
    alone = run(place, "adam", {"lr": 0.2}, start=(1.0, 1.0), budget=20, seed=5)
    np.testing.assert_allclose(track.places[-1], alone.steps[-1].theta, rtol=1e-9)


def test_a_method_that_cannot_share_tells_its_progress() -> None:
    told: list[tuple[int, int, str]] = []
    tracks(Sphere(), Method("newton"), STARTS, budget=6, step=lambda done, total, word: told.append((done, total, word)))
    assert told == [(1, 3, "newton"), (2, 3, "newton"), (3, 3, "newton")]


def test_what_a_run_refuses_tracks_refuse() -> None:
    with pytest.raises(NetwrightError, match="budget"):
        tracks(Sphere(), Method("sgd"), STARTS, budget=0)
    with pytest.raises(NetwrightError, match="noise"):
        tracks(Sphere(), Method("sgd"), STARTS, budget=5, noise=-1.0)


def test_starts_are_spread_over_a_disk() -> None:
    spread = around((1.0, 2.0), 40, 0.5)
    far = [math.dist((1.0, 2.0), one) for one in spread]
    assert spread[0] == (1.0, 2.0)
    assert max(far) == pytest.approx(0.5)
    assert sum(one <= 0.25 for one in far) == pytest.approx(10, abs=1)  # a quarter of the area
    assert len(set(spread)) == 40


def test_starting_values_follow_the_curvature() -> None:
    assert largest_curvature(Canyon(condition=50.0, rotate=33.0)) == pytest.approx(50)
    assert largest_curvature(Saddle()) == pytest.approx(2)  # 3 y^2 - 1 at the minima
    assert starting(Canyon(condition=50.0), "sgd") == {"lr": 0.036}
    assert starting(Canyon(condition=50.0), "momentum") == {"lr": 0.02}
    assert starting(Sphere(), "newtoncg") == {"lr": 1.0}


@pytest.mark.parametrize("name", LANDSCAPES)
def test_nothing_diverges_at_its_starting_value(name: str) -> None:
    place = LANDSCAPES[name]
    for optimizer in ("sgd", "momentum", "nesterov", "adagrad", "rmsprop", "adam", "adamw", "nadam", "lion"):
        (track,) = tracks(place, Method(optimizer, starting(place, optimizer)), [place.start], budget=60)
        assert track.ended == "budget", optimizer
        assert track.losses.min() < track.losses[0], optimizer


def test_contour_lines_lie_where_the_loss_has_their_level() -> None:
    plane = plane_of(Canyon(), (-4.0, 4.0, -1.5, 1.5))
    low, high = float(plane.losses.min()), float(plane.losses.max())
    lines = contour_lines(plane)
    assert len(lines) >= 14
    for share, line in lines:
        losses = (line[:, 0] ** 2 + 30 * line[:, 1] ** 2) / 2
        np.testing.assert_allclose(losses, low + share * (high - low), atol=0.002 * (high - low))


def test_several_races_are_one_figure() -> None:
    settings: dict[str, dict[str, Any]] = {"sgd": {"lr": 0.02}, "adam": {"lr": 0.1}}
    races = [
        race(place, list(settings), start=start, budget=5, settings=settings, tune=False)
        for place, start in ((Canyon(), (-4.0, 1.2)), (Canyon(), (-3.0, 1.0)), (Sphere(), (1.0, 2.0)))
    ]
    made = races_figure(races)
    rows = list(csv.DictReader(io.StringIO(made.csv)))
    assert len(rows) == 3 * 2 * 6
    assert {(row["race"], row["start_x"], row["start_y"]) for row in rows} == {
        ("1", "-4.0", "1.2"),
        ("2", "-3.0", "1.0"),
        ("3", "1.0", "2.0"),
    }
    assert [one["start"] for one in made.to_json()["races"]] == [(-4.0, 1.2), (-3.0, 1.0), (1.0, 2.0)]
    assert " and another start" in made.caption
    assert made.svg.count("canyon (condition 30)") >= 1
    assert races_figure(races[:1]).name == "race"
