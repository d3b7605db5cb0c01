"""The lab's answers from a real server: against the library's own runs, and against all that a page should not send."""

from __future__ import annotations

import base64
import csv
import io
import json
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from netwright.lab import LANDSCAPES, Canyon, race, run, starting, tuned
from netwright.lab.methods import NAMES
from netwright.web.jobs import Cancelled, Job
from netwright.web.lab_answers import raced
from netwright.web.lab_asked import Asked
from tests.web.serving import Served, serving

CANYON: dict[str, Any] = {
    "landscape": "canyon",
    "settings": {"rotate": 30, "condition": 20},
    "start": [-3.0, 1.0],
    "budget": 15,
    "optimizers": [{"name": "sgd", "settings": {"lr": 0.05}}, {"name": "adam", "settings": {"lr": 0.2, "betas": [0.9, 0.99]}}],
}
PLACE = Canyon(condition=20, rotate=30)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("root")) as made:
        yield made


def followed(lab: Served, job: dict[str, Any]) -> dict[str, Any]:
    """A long action at its end."""
    end = time.monotonic() + 120
    while job["state"] == "running" and time.monotonic() < end:
        time.sleep(0.02)
        job = lab.get(f"/jobs/{job['id']}")
    return job


def test_everything_of_the_library_is_offered(lab: Served) -> None:
    about = lab.get("/lab/about")
    assert [one["name"] for one in about["optimizers"]] == list(NAMES)
    assert {one["name"] for one in about["landscapes"]} == set(LANDSCAPES) - {"rotated-canyon"}
    canyon = next(one for one in about["landscapes"] if one["name"] == "canyon")
    assert canyon["settings"] == {"rotate": 0.0, "condition": 30.0}
    assert {one["name"] for one in about["figures"]} >= {"1.1", "1.8", "newton", "map", "basins"}


def test_a_scene_is_the_landscape(lab: Served) -> None:
    scene = lab.post("/lab/scene", CANYON)
    x0, x1, y0, y1 = scene["window"]
    assert x0 < PLACE.start[0] < x1
    assert y0 < PLACE.start[1] < y1
    assert scene["minima"] == [[0, 0]]
    assert scene["starting"]["momentum"] == starting(PLACE, "momentum")
    line = np.array(scene["contours"][3]["points"]).reshape(-1, 2)
    turned = line @ np.array([[np.cos(np.pi / 6), -np.sin(np.pi / 6)], [np.sin(np.pi / 6), np.cos(np.pi / 6)]])
    losses = (turned[:, 0] ** 2 + 20 * turned[:, 1] ** 2) / 2
    assert losses.std() < 0.02 * losses.mean()
    closer = lab.post("/lab/scene", CANYON | {"window": [-1, 1, -0.5, 0.5]})
    assert closer["window"] == [-1, 1, -0.5, 0.5]


def test_tracks_are_those_of_the_optimizers(lab: Served) -> None:
    answer = lab.post("/lab/tracks", CANYON | {"follow": "adam"})
    alone = run(PLACE, "adam", {"lr": 0.2, "betas": (0.9, 0.99)}, start=(-3.0, 1.0), budget=15)
    track = answer["tracks"][1]
    places = np.array(track["places"]).reshape(-1, 2)
    np.testing.assert_allclose(places, [step.theta for step in alone.steps], atol=1e-6)
    np.testing.assert_allclose(track["losses"], [step.loss for step in alone.steps], rtol=1e-4)
    assert answer["formulas"] == [step.formula for step in alone.steps]
    assert [row["settings"] for row in answer["rows"]] == ["lr 0.05", "lr 0.2, betas (0.9, 0.99)"]


def test_several_starts_are_several_tracks(lab: Served) -> None:
    answer = lab.post("/lab/tracks", CANYON | {"starts": 7, "spread": 0.5, "noise": 0.1})
    assert [(track["name"], track["start"]) for track in answer["tracks"]] == [
        (name, start) for name in ("sgd", "adam") for start in range(7)
    ]
    assert answer["tracks"][0]["places"][:2] == [-3.0, 1.0]
    assert answer["formulas"] == []


def test_slow_methods_become_a_long_action(lab: Served) -> None:
    asked = CANYON | {"optimizers": [{"name": "newton", "settings": {"lr": 0.5}}], "starts": 40, "spread": 0.5, "budget": 70}
    job = lab.post("/lab/tracks", asked)
    assert job["state"] == "running"
    assert lab.post(f"/jobs/{job['id']}/cancel", {})["id"] == job["id"]
    assert followed(lab, job)["state"] == "cancelled"
    few = lab.post("/lab/tracks", asked | {"budget": 9, "starts": 3})
    assert [track["evaluations"] for track in few["tracks"]] == [[0, 3, 6, 9]] * 3


class Told(Job):
    """A job that keeps what it was told."""

    def __init__(self) -> None:
        super().__init__("a race")
        self.steps: list[tuple[int, int]] = []

    def step(self, done: int, total: int, word: str = "") -> None:
        super().step(done, total, word)
        self.steps.append((done, total))


def test_a_race_only_gets_further_and_stops_where_it_is_cancelled() -> None:
    names = ("sgd", "lamb", "adam", "newton")  # two share an optimizer over all starts, two walk alone
    asked = Asked.of(CANYON | {"optimizers": [{"name": name} for name in names], "starts": 3, "spread": 0.4})
    job = Told()
    assert len(raced(asked, job)["tracks"]) == 12
    done = [done for done, _ in job.steps]
    assert done == sorted(done)
    assert set(done) == set(range(1, 9))
    assert {total for _, total in job.steps} == {8}
    job.cancelled.set()
    with pytest.raises(Cancelled):
        raced(asked, job)
    assert len(job.steps) == len(done)


def test_tuning_is_that_of_the_library(lab: Served) -> None:
    job = followed(lab, lab.post("/lab/tune", CANYON))
    assert job["state"] == "done", job["error"]
    found = tuned(PLACE, "sgd", start=(-3.0, 1.0), budget=15)
    assert job["result"]["sgd"]["settings"] == {"lr": found.method.lr}
    assert job["result"]["sgd"]["told"] == found.told()


@pytest.mark.parametrize("form", ["json", "csv", "svg", "png"])
def test_exports_are_those_of_the_library(lab: Served, form: str) -> None:
    job = followed(lab, lab.post("/lab/export", {"races": [CANYON], "form": form}))
    assert job["state"] == "done", job["error"]
    file = job["result"]
    content = base64.b64decode(file["content"])
    assert file["name"] == f"netwright-race.{form}"
    settings = {"sgd": {"lr": 0.05}, "adam": {"lr": 0.2, "betas": (0.9, 0.99)}}
    made = race(PLACE, ["sgd", "adam"], start=(-3.0, 1.0), budget=15, settings=settings, tune=False)
    if form == "json":
        trajectories = json.loads(content)["trajectories"]
        assert trajectories == json.loads(json.dumps(made.to_json()))["trajectories"]
    elif form == "csv":
        assert content.decode() == made.to_csv()
    else:
        assert content.startswith({"svg": b"<svg", "png": b"\x89PNG"}[form])


def test_an_export_of_several_landscapes_and_starts(lab: Served) -> None:
    races = [CANYON | {"starts": 3, "spread": 0.4}, CANYON | {"landscape": "sphere", "settings": {}}]
    job = followed(lab, lab.post("/lab/export", {"races": races, "form": "csv"}))
    rows = list(csv.DictReader(io.StringIO(base64.b64decode(job["result"]["content"]).decode())))
    assert {row["race"] for row in rows} == {"1", "2", "3", "4"}
    assert len(rows) == 4 * 2 * 16


def test_a_figure_comes_in_all_forms(lab: Served) -> None:
    job = followed(lab, lab.post("/lab/figure", {"name": "newton"}))
    assert job["state"] == "done", job["error"]
    assert [file["name"] for file in job["result"]["files"]] == [
        f"netwright-newton.{form}" for form in ("svg", "png", "csv", "json")
    ]
    assert "parabola" in job["result"]["caption"]


WRONG = [
    ({"landscape": "hill"}, "there is no landscape 'hill'"),
    ({"landscape": ["canyon"]}, "expected text"),
    ({"settings": {"batch": 4}}, "canyon has no batch"),
    ({"settings": {"examples": 10**9}}, "the page does not set 'examples'"),
    ({"settings": {"condition": "much"}}, "condition is 'much', expected a number"),
    ({"settings": {"condition": 10**400}}, "expected a number"),
    ({"settings": {"condition": 0.5}}, "condition is 0.5, expected at least 1"),
    ({"settings": [1]}, "expected an object"),
    ({"start": [1]}, "expected two numbers"),
    ({"start": [1, True]}, "start is True, expected a number"),
    ({"budget": 10**9}, "budget is 1000000000, expected a whole number from 1 to 1000"),
    ({"budget": 0}, "budget is 0"),
    ({"budget": 1.5}, "budget is 1.5"),
    ({"starts": 1000}, "starts is 1000, expected a whole number from 1 to 40"),
    ({"noise": -1}, "the noise is -1"),
    ({"seed": -1}, "seed is -1"),
    ({"optimizers": [{"name": "adamant"}]}, "there is no optimizer 'adamant'"),
    ({"optimizers": [{"name": "sgd", "settings": {"lr": -1}}]}, "lr is -1"),
    ({"optimizers": [{"name": "sgd", "settings": {"foreach": 1}}]}, "the page does not set 'foreach'"),
    ({"optimizers": [{"name": "sgd", "settings": {"lr": [[]]}}]}, "expected a number"),
    ({"optimizers": [{"name": "sgd", "settings": {"alpha": 0.9}}]}, "sgd has no setting 'alpha'"),
    ({"optimizers": "sgd"}, "expected a list of objects"),
    ({"optimizers": [{"name": "sgd"}] * 14}, "14 optimizers, expected at most 13"),
]


@pytest.mark.parametrize(("change", "told"), WRONG)
def test_what_cannot_be_is_told_in_a_line(lab: Served, change: dict[str, Any], told: str) -> None:
    answer = lab.ask("POST", "/api/lab/tracks", json.dumps(CANYON | change).encode(), _headers(lab))
    assert answer.status == 200  # an answer like others: a browser logs others as errors of the page
    assert told in answer.json["refused"]
    assert "\n" not in answer.json["refused"]


@pytest.mark.parametrize("window", [[1, 0, 0, 1], [0, 1, 0], "all", [0, 1, 0, 10**9], [0, 0, 0, 1], [None, 1, 0, 1]])
def test_no_other_windows(lab: Served, window: Any) -> None:
    answer = lab.ask("POST", "/api/lab/scene", json.dumps(CANYON | {"window": window}).encode(), _headers(lab))
    assert answer.status == 200
    assert "window" in answer.json["refused"]


@pytest.mark.parametrize(
    ("path", "question", "told"),
    [
        ("export", {"races": [], "form": "svg"}, "nothing to export"),
        ("export", {"races": [CANYON | {"optimizers": []}], "form": "svg"}, "nothing to export"),
        ("export", {"races": [CANYON] * 5, "form": "svg"}, "5 races, expected at most 4"),
        ("export", {"races": [CANYON], "form": "exe"}, "form is 'exe'"),
        ("figure", {"name": "9.9"}, "name is '9.9'"),
        ("figure", {"name": "../secret"}, "name is '../secret'"),
    ],
)
def test_no_other_exports_and_figures(lab: Served, path: str, question: Any, told: str) -> None:
    answer = lab.ask("POST", f"/api/lab/{path}", json.dumps(question).encode(), _headers(lab))
    assert answer.status == 200
    assert told in answer.json["refused"]


@pytest.mark.parametrize("path", ["scene", "tracks", "tune", "export", "figure"])
def test_nobody_else_may_ask(lab: Served, path: str) -> None:
    body = json.dumps(CANYON).encode()
    json_only = {"Content-Type": "application/json"}
    assert lab.ask("POST", f"/api/lab/{path}", body, json_only | {"Origin": lab.origin}).status == 401
    elsewhere = _headers(lab) | {"Origin": "http://elsewhere.example"}
    assert lab.ask("POST", f"/api/lab/{path}", body, elsewhere).status == 403
    assert lab.ask("POST", f"/api/lab/{path}", body, _headers(lab) | {"Host": "elsewhere.example"}).status == 403


def _headers(lab: Served) -> dict[str, str]:
    return lab.authorized | {"Content-Type": "application/json"}
