"""What is on pictures: files, folders, lists on standard input; lines, JSON; bad pictures named, never passed over in silence."""

from __future__ import annotations

import io
import json
import os
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import netwright as nw
from netwright.cli import main
from netwright.data import BadPictureError, read_picture
from netwright.errors import FailedError, NetwrightError
from netwright.graph import to_json
from netwright.preprocessing import Preprocessing
from netwright.training.evaluating import predicting
from netwright.training.evaluating.predicting import Prediction, found, paths_of, predicted
from netwright.training.run import Run, load
from tests.conftest import make_photos

SMALL = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, stem_stride=1, classes=3, resolution=16)
SHOWN = Preprocessing(image=16, resize=20, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
CLASSES = ("blue", "green", "red")
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run, untrained."""
    folder = tmp_path_factory.mktemp("run")
    (folder / "design.json").write_text(to_json(SMALL))
    Run(SMALL, nw.build(SMALL, 16, seed=0).eval(), CLASSES, 3, SHOWN).save(folder / "model.safetensors")
    (folder / "result.json").write_text("{}")
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Photos, two of them bad, among other files."""
    root = make_photos(tmp_path / "place", each=3)
    (root / "green" / "01.jpg").write_bytes((root / "green" / "00.jpg").read_bytes()[:200])
    (root / "red" / "02.jpg").write_bytes(b"")
    (root / "red" / "notes.txt").write_text("no picture by its ending")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "x.jpg").write_bytes(b"")
    (root / "empty").mkdir()
    return root


BAD = ("green/01.jpg", "red/02.jpg")


def by_hand(run: Path, files: list[Path]) -> list[list[tuple[str, float]]]:
    """Classes and probabilities of each file, one at a time."""
    model, made = load(run).model, []
    for file in files:
        x = (read_picture(file, SHOWN) / 255 - np.array(SHOWN.mean)) / np.array(SHOWN.std)
        with torch.no_grad():
            logits = model(torch.from_numpy(x.transpose(2, 0, 1)[None]).float())[0].double().numpy()
        shares = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
        made.append([(CLASSES[i], float(shares[i])) for i in np.argsort(-shares)])
    return made


def type_in(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


# ---------------------------------------------------------------- from Python


@pytest.mark.parametrize("batch", [1, 2, 5, 64])
def test_batches_change_nothing(run: Path, photos: Path, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicting, "BATCH", batch)
    files = sorted(photos.rglob("*.jpg"))[:11]
    told: list[Prediction] = []
    made = load(run).predict(files, top=2, tell=told.append)
    assert made == told
    assert [prediction.picture for prediction in made] == [str(file) for file in files]
    for prediction, expected in zip(made, by_hand(run, files), strict=True):
        assert [name for name, _ in prediction.classes] == [name for name, _ in expected[:2]]
        np.testing.assert_allclose([share for _, share in prediction.classes], [share for _, share in expected[:2]], atol=2e-6)


def test_a_folder_is_all_pictures_in_it(run: Path, photos: Path) -> None:
    assert found(photos) == sorted(photos.rglob("*.jpg"))
    assert found([photos / "red", photos / "blue" / "00.jpg"])[-2:] == [photos / "red" / "11.jpg", photos / "blue" / "00.jpg"]
    assert load(run).predict(photos) == load(run).predict(sorted(photos.rglob("*.jpg")))


@pytest.mark.parametrize("batch", [1, 4, 64])
def test_bad_pictures_keep_their_places(run: Path, place: Path, batch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predicting, "BATCH", batch)
    files = [*sorted(place.rglob("*/0*.jpg")), place / "nowhere.jpg"]
    with pytest.raises(BadPictureError, match=r"green/01\.jpg"):
        load(run).predict(files)
    made = load(run).predict(files, skip_bad=True)
    assert [prediction.picture for prediction in made] == [str(file) for file in files]
    bad = {prediction.picture: prediction.bad for prediction in made if prediction.bad}
    assert list(bad) == [str(place / name) for name in BAD] + [str(place / "nowhere.jpg")]
    assert "no such file" in bad[str(place / "nowhere.jpg")]
    good = [prediction for prediction in made if not prediction.bad]
    for prediction, expected in zip(good, by_hand(run, [Path(p.picture) for p in good]), strict=True):
        np.testing.assert_allclose([share for _, share in prediction.classes], [share for _, share in expected], atol=2e-6)
    assert all(prediction.classes == () for prediction in made if prediction.bad)


def test_nothing_but_bad_pictures(run: Path, place: Path) -> None:
    made = load(run).predict([place / name for name in BAD], skip_bad=True)
    assert [bool(prediction.bad) for prediction in made] == [True, True]


@pytest.mark.parametrize("top", [0, -3])
def test_top_is_positive(run: Path, photos: Path, top: int) -> None:
    with pytest.raises(NetwrightError, match=f"top is {top}, expected at least 1"):
        load(run).predict(photos, top=top)


def test_outputs_that_are_no_numbers_are_told(photos: Path, run: Path) -> None:
    with pytest.raises(FailedError, match="outputs are no numbers"):
        predicted(lambda x: torch.full((len(x), 3), float("nan")), load(run), photos)
    with pytest.raises(NetwrightError, match="has 4 outputs, but 3 classes are named"):
        predicted(lambda x: torch.zeros(len(x), 4), load(run), photos)


@pytest.mark.parametrize(
    ("content", "paths"),
    [
        (b"a.jpg\nb c.jpg\n", ["a.jpg", "b c.jpg"]),
        (b"a.jpg\nb.jpg", ["a.jpg", "b.jpg"]),
        (b"a.jpg\r\n\r\nb.jpg\r\n", ["a.jpg", "b.jpg"]),
        (b"a.jpg\0b\nc.jpg\0", ["a.jpg", "b\nc.jpg"]),
        (b" a.jpg \n", [" a.jpg "]),
        ("Straße/ü.jpg\n".encode(), ["Straße/ü.jpg"]),
        (b"\xff.jpg\n", [os.fsdecode(b"\xff.jpg")]),
        (b"", []),
        (b"\n\n", []),
        (b"\0", []),
    ],
)
def test_lists_of_paths(content: bytes, paths: list[str]) -> None:
    assert paths_of(content) == paths


# ---------------------------------------------------------------- the command


def test_files_folders_and_lists_are_the_same(run: Path, photos: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    files = sorted(map(str, photos.rglob("*.jpg")))
    assert main(["predict", str(run), *files]) == 0
    expected = capsys.readouterr().out
    assert len(expected.splitlines()) == 36
    assert main(["predict", str(run), str(photos)]) == 0
    assert capsys.readouterr().out == expected
    for between in ("\n", "\0"):
        type_in(between.join(files).encode() + between.encode(), monkeypatch)
        assert main(["predict", str(run), "-"]) == 0
        assert capsys.readouterr().out == expected
    type_in("\n".join(files[1:-1]).encode(), monkeypatch)
    assert main(["predict", str(run), files[0], "-", files[-1]]) == 0
    assert capsys.readouterr().out == expected


def test_json_and_lines_of_json(run: Path, photos: Path, capsys: Capture) -> None:
    files = sorted(map(str, (photos / "red").iterdir()))
    assert main(["predict", str(run), *files, "--json", "--top", "9"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert main(["predict", str(run), *files, "--jsonl", "--top", "9"]) == 0
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == told
    for one, file, expected in zip(told, files, by_hand(run, [Path(file) for file in files]), strict=True):
        assert one["picture"] == file
        assert [entry["class"] for entry in one["classes"]] == [name for name, _ in expected]
        np.testing.assert_allclose([entry["probability"] for entry in one["classes"]], [x for _, x in expected], atol=2e-6)


@pytest.mark.parametrize("form", ["", "--json", "--jsonl"])
def test_skip_bad_names_them_and_ends_with_1(run: Path, place: Path, form: str, capsys: Capture) -> None:
    words = ["predict", str(run), str(place), *form.split()]
    assert main(words) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith(f"netwright: {place}/green/01.jpg is not a picture")
    assert captured.err.endswith("; --skip-bad goes on without it\n")
    assert main([*words, "--skip-bad"]) == 1
    captured = capsys.readouterr()
    lines = captured.err.splitlines()
    for line, name in zip(lines, BAD, strict=False):
        assert line.startswith(f"netwright: left out: {place / name}: ")
    assert lines[2:] == ["netwright: 2 of 9 pictures cannot be read"]
    if form:
        told = json.loads(captured.out) if form == "--json" else [json.loads(line) for line in captured.out.splitlines()]
        assert [one["picture"] for one in told] == sorted(str(p) for p in place.rglob("[a-z]*/*.jpg"))
        assert [one["picture"] for one in told if "error" in one] == [str(place / name) for name in BAD]
        assert all(one["classes"] == [] and one["error"] for one in told if "error" in one)
    else:
        assert len(captured.out.splitlines()) == 7


def test_good_pictures_with_skip_bad_end_with_0(run: Path, photos: Path, capsys: Capture) -> None:
    assert main(["predict", str(run), str(photos), "--skip-bad"]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be")
@pytest.mark.parametrize("name", [b"two\nlines.jpg", b"\xff\xfe.jpg", "naïve ü.jpg".encode(), b"-dash.jpg", b"tab\t.jpg"])
def test_odd_names_stay_on_one_line(run: Path, tmp_path: Path, name: bytes, capsys: Capture) -> None:
    file = tmp_path / os.fsdecode(name)
    Image.new("RGB", (30, 20), "red").save(file, "JPEG")
    for form in ("", "--json", "--jsonl"):
        assert main(["predict", str(run), str(tmp_path), *form.split()]) == 0
        out = capsys.readouterr().out
        out.encode()
        if form:
            told = json.loads(out) if form == "--json" else [json.loads(line) for line in out.splitlines()]
            assert [one["picture"] for one in told] == [str(file)]
        else:
            assert len(out.splitlines()) == 1


def test_an_exported_file_predicts_the_same(run: Path, place: Path, tmp_path: Path, capsys: Capture) -> None:
    nw.export(str(run), tmp_path / "net.onnx")
    told = []
    for network in (str(run), str(tmp_path / "net.onnx")):
        assert main(["predict", network, str(place), "--skip-bad", "--json"]) == 1
        told.append(json.loads(capsys.readouterr().out))
    for one, other in zip(*told, strict=True):
        assert (one["picture"], one.get("error")) == (other["picture"], other.get("error"))
        shares = [{entry["class"]: entry["probability"] for entry in each["classes"]} for each in (one, other)]
        assert shares[0] == pytest.approx(shares[1], abs=1e-5)


def test_a_bar_for_many_pictures(run: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("RGB", (30, 20), "red").save(tmp_path / "red.jpg")
    type_in(f"{tmp_path / 'red.jpg'}\n".encode() * 300, monkeypatch)
    assert main(["predict", str(run), "-"]) == 0
    captured = capsys.readouterr()
    assert len(captured.out.splitlines()) == 300
    assert "predicting 300 pictures: 100 % after" in captured.err
    assert "images/s" in captured.err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("{empty}", "empty is a folder, not a picture, and there are no pictures in it"),
        ("-", "there are no paths on standard input"),
        ("{nowhere}", "nowhere: there is no such file"),
        ("{text}", "text.txt is not a picture"),
        ("{empty} --json --jsonl", "choose one of --json and --jsonl"),
        ("{text} --device tpu", "there is no device 'tpu': give auto, cpu, cuda or cuda:1"),
        ("{text} --runtime tflite", "unknown runtime 'tflite'"),
    ],
)
def test_faults_are_one_line(
    words: str, message: str, run: Path, tmp_path: Path, capsys: Capture, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "text.txt").write_text("hello")
    type_in(b"\n", monkeypatch)
    filled = words.format(empty=tmp_path / "empty", nowhere=tmp_path / "nowhere", text=tmp_path / "text.txt")
    assert main(["predict", str(run), *filled.split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = captured.err.splitlines()
    assert line.startswith("netwright: ")
    assert message in line


def test_awkward_pictures_are_named_and_end_nothing(run: Path, shared: Path, capsys: Capture) -> None:
    """Every file of the collection, whatever its ending: one entry each, with classes or a reason."""
    files = [
        file
        for folder in ("exif", "generated", "pillow")
        for file in sorted((shared / "nasty" / folder).rglob("*"))
        if file.is_file()
    ]
    assert len(files) > 200
    assert main(["predict", str(run), *map(str, files), "--skip-bad", "--json"]) == 1
    captured = capsys.readouterr()
    told = json.loads(captured.out)
    assert [one["picture"] for one in told] == list(map(str, files))
    assert all(bool(one["classes"]) != ("error" in one) for one in told)
    bad = [one for one in told if "error" in one]
    assert 0 < len(bad) < len(told)
    assert captured.err.splitlines()[-1] == f"netwright: {len(bad)} of {len(told)} pictures cannot be read"
    assert "Traceback" not in captured.err
