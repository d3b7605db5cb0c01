"""The Predict room's answers from a real server: against the library's own, and against pictures that mean no good."""

from __future__ import annotations

import base64
import csv
import io
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import netwright as nw
from netwright.data import BadPictureError
from netwright.graph import to_json
from netwright.preprocessing import Preprocessing
from netwright.training.evaluating.looking import Looked, heat, look
from netwright.training.run import Run, load
from netwright.web.predict_answers import KEPT_PICTURES, overlay
from tests.web.serving import Answer, Served, serving

CLASSES = ("cat", "<img src=x onerror=alert(1)>", "newt")
SHOWN = Preprocessing(image=32, resize=40, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
NASTY = ("generated", "exif", "pillow")


def make_run(folder: Path, classes: tuple[str, ...] = CLASSES) -> Run:
    """The folder of a run, untrained."""
    net = nw.network("squeezenet1_1").replace(classes=len(classes))
    run = Run(net, nw.build(net, 32, seed=0).eval(), classes, 3, SHOWN)
    folder.mkdir(parents=True)
    (folder / "design.json").write_text(to_json(net))
    run.save(folder / "model.safetensors")
    (folder / "result.json").write_text("{}")
    return run


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("root")
    make_run(made / "mine")
    (made / "unfinished").mkdir()
    (made / "unfinished" / "design.json").write_text("{}")
    return made


@pytest.fixture(scope="module")
def room(root: Path) -> Iterator[Served]:
    with serving(root) as made:
        yield made


@pytest.fixture(scope="module")
def identity(room: Served) -> str:
    (found,) = room.get("/predict/runs")
    assert found["name"] == "mine"
    return str(found["id"])


def looked_at(room: Served, identity: str, content: bytes, name: str = "") -> Answer:
    return room.ask("POST", f"/api/predict/runs/{identity}/look?name={name}", content, room.authorized)


def picture(mode: str = "RGB", size: tuple[int, int] = (60, 50), form: str = "png", **how: Any) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(content, form, **how)
    return content.getvalue()


def test_a_run_says_what_it_is(room: Served, identity: str) -> None:
    about = room.get(f"/predict/runs/{identity}")
    assert about["classes"] == list(CLASSES)
    assert (about["design"], about["image"], about["channels"]) == ("SqueezeNet", 32, 3)


def test_the_answer_is_that_of_the_library(room: Served, identity: str, root: Path) -> None:
    answer = looked_at(room, identity, picture(), "holiday.jpg").json
    expected = look(load(root / "mine"), io.BytesIO(picture()), "holiday.jpg")
    assert {one["name"]: one["probability"] for one in answer["classes"]} == pytest.approx(dict(expected.classes))
    assert [one["probability"] for one in answer["classes"]] == sorted(dict(expected.classes).values(), reverse=True)
    assert answer["notes"] == ["called .jpg, but is PNG"]
    assert (answer["format"], answer["mode"], answer["size"], answer["image"]) == ("PNG", "RGB", [60, 50], 32)
    seen = Image.open(io.BytesIO(base64.b64decode(answer["seen"].partition(",")[2])))
    np.testing.assert_array_equal(np.asarray(seen), expected.pixels)


@pytest.mark.parametrize("kind", ["grad-cam", "occlusion"])
def test_a_map_is_that_of_the_library(room: Served, identity: str, root: Path, kind: Any) -> None:
    shown = looked_at(room, identity, picture()).json["picture"]
    answer = room.post("/predict/map", {"picture": shown, "kind": kind, "class": "newt"})
    while answer.get("state") == "running":
        time.sleep(0.02)
        answer = room.get(f"/jobs/{answer['id']}")
    answer = answer.get("result") or answer
    run = load(root / "mine")
    expected = heat(run, look(run, io.BytesIO(picture())).pixels, kind, "newt")
    numbers = np.array(list(csv.reader(io.StringIO(answer["csv"]))), dtype=float)
    np.testing.assert_allclose(numbers, expected, rtol=1e-3, atol=1e-6)
    drawn = Image.open(io.BytesIO(base64.b64decode(answer["overlay"].partition(",")[2])))
    assert (drawn.mode, drawn.size) == ("RGBA", (32, 32))


def test_an_overlay_is_orange_for_and_blue_against() -> None:
    drawn = np.asarray(overlay(np.array([[1.0, -1.0], [0.5, 0.0]]), 2))
    assert drawn[..., 3].tolist() == [[255, 255], [128, 0]]
    assert drawn[0, 0, :3].tolist() == [0xD5, 0x5E, 0x00]
    assert drawn[0, 1, :3].tolist() == [0x00, 0x72, 0xB2]
    assert np.asarray(overlay(np.zeros((3, 3)), 6))[..., 3].max() == 0


def test_how_it_was_read_is_told(room: Served, identity: str) -> None:
    exif = Image.Exif()
    exif[274] = 6
    turned = looked_at(room, identity, picture(form="jpeg", exif=exif)).json
    assert turned["notes"] == ["EXIF orientation 6 applied"]
    assert looked_at(room, identity, picture("CMYK", form="jpeg")).json["notes"] == ["CMYK: brought to RGB"]
    frames = [Image.new("RGB", (30, 30), colour) for colour in ("red", "blue")]
    content = io.BytesIO()
    frames[0].save(content, "gif", save_all=True, append_images=frames[1:])
    assert "2 frames: the first is read" in looked_at(room, identity, content.getvalue()).json["notes"]
    deep = io.BytesIO()
    Image.fromarray(np.arange(900, dtype=np.uint16).reshape(30, 30) * 70).save(deep, "png")
    assert looked_at(room, identity, deep.getvalue()).json["notes"] == ["16 bits grey: brought to 8"]


@pytest.mark.parametrize(
    "content", [b"", b"\x89PNG\r\n\x1a\n", b"no picture", picture()[:300], b"GIF89a", b"<svg onload=alert(1)>", bytes(1000)]
)
def test_what_is_no_picture_has_its_reason(room: Served, identity: str, content: bytes) -> None:
    answer = looked_at(room, identity, content)
    assert answer.status == 200
    assert answer.json["bad"].startswith("this is not a picture that can be read: ")
    assert "\n" not in answer.json["bad"]
    assert "0x" not in answer.json["bad"]


def test_too_many_pixels_and_bytes_are_refused(room: Served, identity: str) -> None:
    bomb = io.BytesIO()
    Image.new("1", (12_000, 9_000)).save(bomb, "png")
    assert "pixels are too many" in looked_at(room, identity, bomb.getvalue()).json["bad"]
    claimed = room.authorized | {"Content-Length": "20000001"}
    assert room.ask("POST", f"/api/predict/runs/{identity}/look", b"", claimed).status == 413
    assert looked_at(room, identity, bytes(20_000_001)).status == 413


def test_the_awkward_pictures(room: Served, identity: str, shared: Path) -> None:
    """All of them are answered, as `read_picture` takes them, and the server goes on."""
    files = sorted(path for part in NASTY for path in (shared / "nasty" / part).iterdir() if path.stat().st_size < 300_000)
    assert len(files) > 100
    run = nw.load(room.app.state.workbench.root / "mine")
    for path in files[::6]:
        answer = looked_at(room, identity, path.read_bytes(), "x")
        assert answer.status == 200, path
        told = answer.json
        expected = read(run, path)
        if isinstance(expected, str):
            assert told["bad"] == f"this is not a picture that can be read: {expected}", path
        else:
            assert told["notes"] == list(expected.file.notes)
            assert told["classes"][0]["probability"] == pytest.approx(expected.classes[0][1], abs=1e-5)


def read(run: Run, path: Path) -> Looked | str:
    """What the library says of a picture, or why it cannot be read."""
    try:
        return look(run, io.BytesIO(path.read_bytes()), "x")
    except BadPictureError as error:
        return " ".join(error.reason.split())


def test_words_of_files_and_classes_are_only_text(room: Served, identity: str) -> None:
    name = "%3Cscript%3Ealert(1)%3C/script%3E" + "a" * 1000
    answer = looked_at(room, identity, picture(), name)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.json["name"] == ("<script>alert(1)</script>" + "a" * 1000)[:255]
    assert {one["name"] for one in answer.json["classes"]} == set(CLASSES)


def test_no_run_is_named_by_a_path(room: Served, root: Path) -> None:
    for word in ("mine", str(root / "mine").replace("/", "%2F"), "..%2F..%2Fetc", "0" * 20):
        answer = looked_at(room, word, picture())
        assert answer.status in (200, 404)
        assert list(answer.json) == (["refused"] if answer.status == 200 else ["error"])


def test_questions_that_cannot_be_answered(room: Served, identity: str) -> None:
    headers = room.authorized | {"Content-Type": "application/json"}

    def asked(question: Any) -> Answer:
        return room.ask("POST", "/api/predict/map", json.dumps(question).encode(), headers)

    shown = looked_at(room, identity, picture()).json["picture"]
    assert "knows no class 'dog'" in asked({"picture": shown, "kind": "grad-cam", "class": "dog"}).json["refused"]
    assert "there is no map 'x'" in asked({"picture": shown, "kind": "x", "class": "cat"}).json["refused"]
    assert "no longer has this picture" in asked({"picture": "y", "kind": "grad-cam", "class": "cat"}).json["refused"]
    assert asked({"picture": {"a": 1}, "kind": ["grad-cam"], "class": 3}).json["refused"]
    for _ in range(KEPT_PICTURES):
        looked_at(room, identity, picture())
    assert "no longer has this picture" in asked({"picture": shown, "kind": "grad-cam", "class": "cat"}).json["refused"]


def test_a_run_that_is_trained_anew_is_loaded_anew(tmp_path: Path) -> None:
    make_run(tmp_path / "a" / "run", ("one", "two"))
    with serving(tmp_path / "a") as served:
        (found,) = served.get("/predict/runs")
        assert served.get(f"/predict/runs/{found['id']}")["classes"] == ["one", "two"]
        for name in ("design.json", "model.safetensors", "result.json"):
            (tmp_path / "a" / "run" / name).unlink()
        (tmp_path / "a" / "run").rmdir()
        make_run(tmp_path / "a" / "run", ("three", "four", "five"))
        assert served.get(f"/predict/runs/{found['id']}")["classes"] == ["three", "four", "five"]


def test_nobody_else_may_ask(room: Served, identity: str) -> None:
    path = f"/api/predict/runs/{identity}/look"
    assert room.ask("POST", path, picture(), {"Origin": room.origin}).status == 401
    assert room.ask("POST", path, picture(), room.authorized | {"Origin": "null"}).status == 403
    assert room.ask("POST", path, picture(), room.authorized | {"Sec-Fetch-Site": "cross-site"}).status == 403
    assert room.ask("GET", "/api/predict/runs", headers={}).status == 401


def test_broken_weights_are_told_in_a_line(tmp_path: Path) -> None:
    make_run(tmp_path / "root" / "run")
    (tmp_path / "root" / "run" / "model.safetensors").write_bytes(b"\x08\0\0\0\0\0\0\0{broken}")
    with serving(tmp_path / "root") as served:
        (found,) = served.get("/predict/runs")
        answer = looked_at(served, found["id"], picture())
        (line,) = answer.json.values()
        assert "\n" not in line
