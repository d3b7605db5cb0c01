"""Figures against scikit-learn and numpy, views against Pillow's crops, and the report that shows them."""

from __future__ import annotations

import copy
import csv
import io
import itertools
import json
import re
import xml.etree.ElementTree as ElementTree
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from sklearn.metrics import balanced_accuracy_score, confusion_matrix, f1_score, precision_recall_fscore_support

import netwright as nw
from netwright.cli import main
from netwright.data import BadPicture, BadPictureError, Pictures
from netwright.errors import FailedError, NetwrightError
from netwright.graph import to_json
from netwright.preprocessing import Preprocessing, whole
from netwright.report.evaluating import evaluation_sections
from netwright.report.pages import eval_page
from netwright.training.evaluating.crops import Crops
from netwright.training.evaluating.evaluation import Evaluation, evaluate_model
from netwright.training.normalize import Normalize
from netwright.training.results import accuracy_of, worst_pictures
from netwright.training.run import Run, load
from tests.conftest import make_photos

SMALL = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, stem_stride=1, classes=3, resolution=16)
SHOWN = Preprocessing(image=16, resize=20, mean=(0.4, 0.5, 0.6), std=(0.2, 0.3, 0.25))
Capture = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a run for the photos' classes, untrained."""
    return make_run(tmp_path_factory.mktemp("run"), SMALL, ("blue", "green", "red"))


def make_run(folder: Path, design: nw.Design, classes: tuple[str, ...]) -> Path:
    model = nw.build(design, SHOWN.image, seed=0).eval()
    (folder / "design.json").write_text(to_json(design))
    Run(design, model, classes, 3, SHOWN).save(folder / "model.safetensors")
    (folder / "result.json").write_text("{}")
    return folder


def evaluation_of(source: np.random.Generator, n: int, outputs: int, present: int) -> Evaluation:
    """Random predictions; only the first `present` classes have pictures."""
    probabilities = source.dirichlet(np.full(outputs, 0.3), n)
    return Evaluation(torch.from_numpy(probabilities), torch.from_numpy(source.integers(0, present, n)))


def arrays(made: Evaluation) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    return made.labels.numpy(), made.probabilities.numpy().argmax(1)


# ---------------------------------------------------------------- figures


@settings(max_examples=60)
@given(st.integers(1, 60), st.integers(1, 12), st.integers(1, 12), st.integers(0, 2**31))
@pytest.mark.filterwarnings("ignore:y_pred contains classes", "ignore:A single label was found")  # which is what we are after
def test_the_means_over_classes_are_scikit_learns(n: int, outputs: int, present: int, seed: int) -> None:
    """Also where classes have no pictures, or were never predicted, or where there is one class or one picture."""
    made = evaluation_of(np.random.default_rng(seed), n, outputs, min(present, outputs))
    labels, guesses = arrays(made)
    known = list(range(outputs))
    assert made.balanced_accuracy == pytest.approx(balanced_accuracy_score(labels, guesses))
    assert made.macro_f1 == pytest.approx(f1_score(labels, guesses, average="macro", zero_division=0))
    assert made.confusion.numpy().tolist() == confusion_matrix(labels, guesses, labels=known).tolist()
    each = precision_recall_fscore_support(labels, guesses, labels=known, zero_division=np.nan)
    for name, values in zip(("precision", "recall", "f1", "pictures"), each, strict=True):
        got = [np.nan if (value := getattr(score, name)) is None else value for score in made.by_class]
        np.testing.assert_allclose(got, values, atol=1e-12)
    assert [score.predicted for score in made.by_class] == np.bincount(guesses, minlength=outputs).tolist()


@given(st.integers(1, 60), st.integers(2, 8), st.integers(0, 2**31))
def test_the_confusion_without_its_zeros(n: int, classes: int, seed: int) -> None:
    made = evaluation_of(np.random.default_rng(seed), n, classes, classes)
    again = np.zeros((classes, classes), int)
    for label, guess, count in made.confused():
        assert count > 0
        again[label, guess] += count
    assert again.tolist() == made.confusion.tolist()


def calibration_error_by_hand(probabilities: NDArray[np.float64], labels: NDArray[np.int64]) -> float:
    """Guo et al. 2017, equation 3, word by word: bins of (m-1)/M < p <= m/M."""
    sure, right = probabilities.max(1), probabilities.argmax(1) == labels
    limits, error = np.linspace(0, 1, 16), 0.0
    for low, high in itertools.pairwise(limits):
        mine = (sure > low) & (sure <= high)
        if mine.any():
            error += mine.sum() / len(labels) * abs(right[mine].mean() - sure[mine].mean())
    return float(error)


@given(st.integers(1, 200), st.integers(2, 12), st.integers(0, 2**31))
def test_the_calibration_error_by_hand(n: int, classes: int, seed: int) -> None:
    made = evaluation_of(np.random.default_rng(seed), n, classes, classes)
    expected = calibration_error_by_hand(made.probabilities.numpy(), made.labels.numpy())
    assert made.calibration_error == pytest.approx(expected, abs=1e-12)
    bins = made.calibration()
    assert len(bins) == 15
    assert sum(one.pictures for one in bins) == n
    assert all(one.low < one.confidence <= one.high for one in bins if one.pictures)


def test_a_probability_on_a_limit_is_in_the_lower_bin() -> None:
    """Fifths and thirds are limits of fifteenths; a certain prediction is in the last bin."""
    limits = np.linspace(0, 1, 16)
    sure = np.array([limits[6], limits[9], 1.0])
    rest = (1 - sure) / 2
    probabilities = torch.from_numpy(np.stack([sure, rest, rest], 1))
    counts = [one.pictures for one in Evaluation(probabilities, torch.zeros(3, dtype=torch.long)).calibration()]
    assert [i for i, count in enumerate(counts) if count] == [5, 8, 14]


def test_perfect_and_hopeless_calibration() -> None:
    sure = torch.tensor([[1.0, 0.0]] * 8)
    assert Evaluation(sure, torch.zeros(8, dtype=torch.long)).calibration_error == 0
    assert Evaluation(sure, torch.ones(8, dtype=torch.long)).calibration_error == 1


@given(st.integers(1, 60), st.integers(2, 9), st.integers(0, 70), st.integers(0, 2**31))
def test_the_worst_mistakes_are_the_surest(n: int, classes: int, most: int, seed: int) -> None:
    made = evaluation_of(np.random.default_rng(seed), n, classes, classes)
    labels, guesses = arrays(made)
    shares = made.probabilities.numpy()
    expected = sorted(np.flatnonzero(labels != guesses).tolist(), key=lambda i: -shares[i].max())[:most]
    worst = made.worst(most)
    assert [one.index for one in worst] == expected
    for one in worst:
        assert (one.label, one.predicted) == (labels[one.index], guesses[one.index])
        assert one.probability == shares[one.index].max()
        assert one.probability_of_label == shares[one.index, one.label]


def test_figures_as_plain_values() -> None:
    classes = ("ant", "bee", "cat", "dog")
    shares = torch.tensor([[0.7, 0.1, 0.1, 0.1], [0.2, 0.6, 0.1, 0.1], [0.1, 0.8, 0.05, 0.05], [0.1, 0.1, 0.7, 0.1]])
    made = Evaluation(
        shares, torch.tensor([0, 1, 0, 1]), ("a.jpg", "b.jpg", "c.jpg", "d.jpg"), 1, (BadPicture("e.jpg", "cut off"),)
    )
    told = accuracy_of(made, classes)
    assert json.loads(json.dumps(told)) == told
    assert told["confusion"] == {"ant": {"ant": 1, "bee": 1}, "bee": {"bee": 1, "cat": 1}}
    assert told["per_class"] == {"ant": 0.5, "bee": 0.5, "cat": None, "dog": None}
    assert told["averaged_over"] == {"balanced_accuracy": 2, "macro_f1": 3}
    assert list(told["by_class"]) == ["ant", "bee", "cat"]
    assert told["by_class"]["cat"] == {"pictures": 0, "recall": None, "precision": 0.0, "f1": 0.0}
    assert [(one["picture"], one["class"], one["predicted"]) for one in told["worst"]] == [
        ("c.jpg", "ant", "bee"),
        ("d.jpg", "bee", "cat"),
    ]
    assert told["left_out"] == [{"picture": "e.jpg", "reason": "cut off"}]


# ---------------------------------------------------------------- running a model


def model_and_pictures(
    n: int = 23, side: int = 16, layout: str = "array", path: Path | None = None
) -> tuple[torch.nn.Module, Pictures]:
    source = np.random.default_rng(1)
    pixels = source.integers(0, 256, (n, side, side, 3), dtype=np.uint8)
    if layout == "mapped":
        assert path is not None
        pixels.tofile(path)
        pixels = np.memmap(path, np.uint8, "r", shape=pixels.shape)
    model = nw.build(SMALL, 16, seed=0)
    names = tuple(f"{i}.jpg" for i in range(n))
    return model.eval(), Pictures(_Asked(pixels) if layout == "on demand" else pixels, source.integers(0, 3, n), names)


class _Asked:
    """Pixels that give what they are asked for, and no more."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        self.shape = pixels.shape
        self.pixels = pixels

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, which: object) -> NDArray[np.uint8]:
        assert isinstance(which, slice)
        return self.pixels[which].copy()


NORMALIZE = Normalize(SHOWN.mean, SHOWN.std)


def shares_by_hand(model: torch.nn.Module, pixels: NDArray[np.uint8]) -> NDArray[np.float64]:
    """One picture after another, in numpy but for the network."""
    rows = []
    for picture in pixels:
        x = (picture / 255 - np.array(SHOWN.mean)) / np.array(SHOWN.std)
        with torch.no_grad():
            logits = model(torch.from_numpy(x.transpose(2, 0, 1)[None]).float())[0].double().numpy()
        powers = np.exp(logits - logits.max())
        rows.append(powers / powers.sum())
    return np.stack(rows)


@pytest.mark.parametrize("layout", ["array", "mapped", "on demand"])
def test_the_batch_changes_no_result(layout: str, tmp_path: Path) -> None:
    model, pictures = model_and_pictures(layout=layout, path=tmp_path / "pixels")
    expected = shares_by_hand(model, pictures.pixels[:])
    for batch in (1, 4, 22, 23, 24, 256):
        made = evaluate_model(model, pictures, NORMALIZE, batch)
        np.testing.assert_allclose(made.probabilities.numpy(), expected, atol=2e-6)
        assert made.labels.tolist() == pictures.labels.tolist()
        assert made.names == pictures.names


def crops_by_hand(picture: Image.Image, image: int, count: int) -> list[Image.Image]:
    """torchvision's FiveCrop and TenCrop, with Pillow."""
    width, height = picture.size
    left, top = round((width - image) / 2), round((height - image) / 2)
    corners = [(0, 0), (width - image, 0), (0, height - image), (width - image, height - image), (left, top)]
    five = [picture.crop((x, y, x + image, y + image)) for x, y in corners]
    if count == 5:
        return five
    mirrored = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    return five + [mirrored.crop((x, y, x + image, y + image)) for x, y in corners]


@pytest.mark.parametrize(("count", "side"), [(5, 20), (10, 20), (10, 19), (10, 17)])
def test_crops_are_those_cut_with_pillow(count: int, side: int) -> None:
    model, pictures = model_and_pictures(9, side)
    crops = Crops.of(SHOWN.replace(resize=side), count)
    assert crops is not None
    assert crops.side == side
    made = evaluate_model(model, pictures, NORMALIZE, 4, crops)
    views = [crops_by_hand(Image.fromarray(picture), 16, count) for picture in pictures.pixels[:]]
    expected = [shares_by_hand(model, np.stack([np.asarray(view) for view in mine])).mean(0) for mine in views]
    np.testing.assert_allclose(made.probabilities.numpy(), np.stack(expected), atol=2e-6)
    assert made.crops == count


@pytest.mark.parametrize("crops", [0, 2, 3, 11, -1])
def test_other_counts_of_crops_are_refused(crops: int) -> None:
    with pytest.raises(NetwrightError, match=rf"crops is {crops}, expected 1, 5 .* or 10"):
        Crops.of(SHOWN, crops)


@pytest.mark.parametrize("image", [1, 3, 8, 32, 224])
def test_crops_have_room_where_the_network_is_shown_the_whole(image: int) -> None:
    crops = Crops.of(whole(image), 10)
    assert crops is not None
    assert crops.side == {1: 2, 3: 4, 8: 9, 32: 37, 224: 256}[image]
    views = list(crops.views(torch.rand(2, 3, crops.side, crops.side)))
    assert [view.shape for view in views] == [(2, 3, image, image)] * 10


def test_each_module_keeps_its_mode() -> None:
    model, pictures = model_and_pictures(3)
    model.train()
    frozen = next(module for module in model.modules() if isinstance(module, torch.nn.BatchNorm2d)).eval()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    evaluate_model(model, pictures, NORMALIZE)
    assert model.training
    assert not frozen.training
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    with pytest.raises(RuntimeError):
        evaluate_model(model, Pictures(np.zeros((2, 16, 16, 2), np.uint8), np.zeros(2, np.int64), ("a", "b")), NORMALIZE)
    assert model.training


class _Two(torch.nn.Module):
    """A network with an auxiliary classifier, which answers the opposite."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(1))

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        logits = x.mean((2, 3)) * self.weight
        return logits, -logits


def test_auxiliary_classifiers_have_no_say_and_weights_may_be_bf16() -> None:
    pixels = np.zeros((4, 5, 5, 3), np.uint8)
    pixels[np.arange(4), :, :, [0, 1, 2, 1]] = 200
    pictures = Pictures(pixels, np.array([0, 1, 2, 1]), tuple("abcd"))
    normalize = Normalize((0, 0, 0), (1, 1, 1))
    assert evaluate_model(_Two(), pictures, normalize).accuracy == 1
    made = evaluate_model(_Two().bfloat16(), pictures, normalize)
    assert made.accuracy == 1
    assert made.probabilities.dtype == torch.float32


def test_none_and_negative() -> None:
    model, pictures = model_and_pictures(2)
    nothing = Pictures(np.zeros((0, 16, 16, 3), np.uint8), np.zeros(0, np.int64), ())
    with pytest.raises(NetwrightError, match="there are no pictures to evaluate on"):
        evaluate_model(model, nothing, NORMALIZE)
    for batch in (0, -4):
        with pytest.raises(NetwrightError, match=f"batch is {batch}, expected at least 1"):
            evaluate_model(model, pictures, NORMALIZE, batch)


def test_steps_are_told() -> None:
    model, pictures = model_and_pictures(23)
    told: list[tuple[int, int]] = []
    evaluate_model(model, pictures, NORMALIZE, 10, step=lambda done, total, word: told.append((done, total)))
    assert told == [(10, 23), (20, 23), (23, 23)]


# ---------------------------------------------------------------- evaluating a run


def test_the_command_says_what_evaluate_gives(run: Path, photos: Path, tmp_path: Path, capsys: Capture) -> None:
    made = nw.evaluate(str(run), photos)
    report = tmp_path / "new" / "report.html"
    assert main(["eval", str(run), str(photos), "--json", "-o", str(report), "--batch", "5", "--cache", "off"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["of"] == 36
    for name in ("top1", "balanced_accuracy", "macro_f1", "calibration_error", "loss"):
        assert told[name] == pytest.approx(getattr(made, {"top1": "accuracy"}.get(name, name)), abs=1e-5)
    assert main(["eval", str(run), str(photos), "-o", str(tmp_path / "told.json")]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith(f"top-1 {100 * made.accuracy:.2f} %  ({made.correct} of 36; ")
    assert f"balanced accuracy {100 * made.balanced_accuracy:.2f} %  (mean recall, classes with pictures: 3)" in lines
    assert json.loads((tmp_path / "told.json").read_text()) == accuracy_of(made, load(run).classes)
    page = Page(report.read_text())
    assert f"{100 * made.accuracy:.1f} %" in page.text
    assert len(page.pictures) == min(36 - made.correct, 24) > 0


def test_ten_crops_of_a_run(run: Path, photos: Path, capsys: Capture) -> None:
    """The pictures are read at the size that they are resized to, and cut with Pillow."""
    assert main(["eval", str(run), str(photos), "--crops", "10", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    loaded = load(run)
    views, labels = [], []
    for i, folder in enumerate(loaded.classes):
        for file in sorted((photos / folder).iterdir()):
            with Image.open(file) as picture:
                views.append(crops_by_hand(picture.resize((20, 20), Image.Resampling.BICUBIC), 16, 10))
            labels.append(i)
    shares = [shares_by_hand(loaded.model, np.stack([np.asarray(view) for view in mine])).mean(0) for mine in views]
    expected = Evaluation(torch.from_numpy(np.stack(shares)), torch.tensor(labels))
    assert told["crops"] == 10
    assert told["loss"] == pytest.approx(expected.loss, abs=1e-5)
    assert told["top1"] == expected.accuracy


def test_mirrored_digits_are_of_no_class(tmp_path: Path, capsys: Capture) -> None:
    design = nw.zoo.RegNet(depth=4, w_0=16, w_a=16.0, w_m=2.0, group_width=8, stem=16, stem_stride=1, classes=10, resolution=8)
    model = nw.build(design, 8, channels=1, seed=0).eval()
    run = Run(design, model, tuple(map(str, range(10))), 1, whole(8).replace(mean=(0.3,), std=(0.4,)))
    assert nw.evaluate(run, "digits", crops=10).crops == 5
    run.save(tmp_path / "w.safetensors")
    (tmp_path / "design.json").write_text(to_json(design))
    words = ["eval", str(tmp_path / "design.json"), "digits", "--weights", str(tmp_path / "w.safetensors"), "--crops", "10"]
    assert main(words) == 0
    captured = capsys.readouterr()
    assert "five crops, none of them mirrored" in captured.err
    assert "; 5 crops of each picture)" in captured.out


def test_outputs_that_the_data_lacks(tmp_path: Path, photos: Path, capsys: Capture) -> None:
    """A thousand outputs, three classes with pictures: means are over what occurs, the report stays small."""
    classes = tuple(f"thing <{i}> & more" for i in range(997)) + ("blue", "green", "red")
    (tmp_path / "run").mkdir()
    folder = make_run(tmp_path / "run", SMALL.replace(classes=1000), classes)
    assert main(["eval", str(folder), str(photos), "--json", "-o", str(tmp_path / "r.html")]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["averaged_over"]["balanced_accuracy"] == 3
    assert set(told["confusion"]) == {"blue", "green", "red"}
    assert len(told["per_class"]) == 1000
    page = Page((tmp_path / "r.html").read_text())
    assert "Of 997 classes of the network there are no pictures." in page.text
    assert (tmp_path / "r.html").stat().st_size < 3e6
    assert main(["eval", str(folder), str(photos)]) == 0
    assert "of 997 other classes the data has no pictures" in capsys.readouterr().out


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """Photos of which two cannot be read."""
    root = make_photos(tmp_path / "broken", each=5)
    (root / "green" / "02.jpg").write_bytes((root / "green" / "01.jpg").read_bytes()[:200])
    (root / "red" / "04.jpg").write_bytes(b"")
    return root


@pytest.mark.parametrize("cache", ["off", "kept"])
def test_bad_pictures_stop_or_are_named(run: Path, broken: Path, tmp_path: Path, cache: str, capsys: Capture) -> None:
    words = ["eval", str(run), str(broken), "--cache", "off" if cache == "off" else str(tmp_path / "kept")]
    report = tmp_path / "r.html"
    assert main([*words, "-o", str(report)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert re.search(
        r"^netwright: .*green/02\.jpg is not a picture.*--skip-bad leaves such pictures out$", captured.err, re.MULTILINE
    )
    assert not report.exists()
    with pytest.raises(BadPictureError, match=r"green/02\.jpg"):
        nw.evaluate(str(run), broken)
    assert main([*words, "--skip-bad", "--json", "-o", str(report)]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["of"] == 13
    assert [one["picture"] for one in told["left_out"]] == ["green/02.jpg", "red/04.jpg"]
    assert all(one["reason"] for one in told["left_out"])
    page = Page(report.read_text())
    assert "2 pictures could not be read and are in no figure of this page." in page.text
    assert "green/02.jpg" in page.text
    assert main([*words, "--skip-bad"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "left out: 2 pictures that cannot be read" in lines
    assert lines[-2].startswith("  green/02.jpg: ")
    good = make_photos(tmp_path / "good", each=5)
    (good / "green" / "02.jpg").unlink()
    (good / "red" / "04.jpg").unlink()
    expected = accuracy_of(nw.evaluate(str(run), good), load(run).classes)
    assert {**told, "left_out": []} == expected


def test_nothing_but_bad_pictures(run: Path, tmp_path: Path, capsys: Capture) -> None:
    root = make_photos(tmp_path / "all", each=2)
    for file in root.rglob("*.jpg"):
        file.write_bytes(b"no picture")
    assert main(["eval", str(run), str(root), "--skip-bad"]) == 2
    assert "none of 6 pictures can be read" in capsys.readouterr().err


def test_outputs_that_are_no_numbers_are_told(run: Path, photos: Path, tmp_path: Path, capsys: Capture) -> None:
    loaded = load(run)
    model = copy.deepcopy(loaded.model)
    for weight in (p for p in model.parameters() if p.ndim == 4):
        weight.data.fill_(1e30)[::2] = -1e30  # numbers that are read without complaint
    spoilt = Run(loaded.design, model, loaded.classes, 3, loaded.preprocessing)
    with pytest.raises(FailedError, match="outputs for 36 of 36 pictures are no numbers"):
        nw.evaluate(spoilt, photos)
    (tmp_path / "spoilt").mkdir()
    for name in ("design.json", "result.json"):
        (tmp_path / "spoilt" / name).write_bytes((run / name).read_bytes())
    spoilt.save(tmp_path / "spoilt" / "model.safetensors")
    assert main(["eval", str(tmp_path / "spoilt"), str(photos)]) == 1
    assert "are no numbers" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--crops 3", "Invalid value for '--crops'"),
        ("--batch 0", "Invalid value for '--batch'"),
        ("--device gpu", "there is no device 'gpu': give auto, cpu, cuda or cuda:1"),
        ("-o report.txt", "report.txt is neither a report nor JSON: let it end with .html or .json"),
        ("-o {file}/r.html", "/r.html: Not a directory"),
        ("--skipbad", "no such option --skipbad; did you mean --skip-bad?"),
    ],
)
def test_faults_are_one_line(words: str, message: str, run: Path, photos: Path, tmp_path: Path, capsys: Capture) -> None:
    (tmp_path / "file").write_text("")
    assert main(["eval", str(run), str(photos), *words.replace("{file}", str(tmp_path / "file")).split()]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    (line,) = [line for line in captured.err.splitlines() if line.startswith("netwright: ")]
    assert message in line


# ---------------------------------------------------------------- the report


class Page(HTMLParser):
    """A page that must be well-formed: its text, its pictures, its charts."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.pictures: list[dict[str, str | None]] = []
        self.texts: list[str] = []
        self.charts = re.findall(r"<svg .*?</svg>", text, re.DOTALL)
        self.feed(text)
        self.close()
        assert self.open == []
        assert not re.search(r"<script|<link|src=\"(?!data:)|url\((?!#)", text)
        for chart in self.charts:
            ElementTree.fromstring(chart)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "img":
            self.pictures.append(dict(attrs))
        elif tag not in ("meta", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.texts).split())


def page_of(n: int, outputs: int, side: int, channels: int, present: int | None = None) -> Page:
    source = np.random.default_rng(3)
    made = evaluation_of(source, n, outputs, present or outputs)
    named = tuple(f'<i>{i} & "co"</i>' for i in range(n))
    made = Evaluation(made.probabilities, made.labels, named)
    classes = tuple(f"</td><b>&{i}\"'" for i in range(outputs))
    pictures = Pictures(source.integers(0, 256, (n, side, side, channels), dtype=np.uint8), made.labels.numpy(), named)
    worst = worst_pictures(made, pictures)
    text = eval_page(accuracy_of(made, classes), {"network": "<N>", "data": "a/<d>/"}, worst)
    assert len(text.encode()) < 3e6
    page = Page(text)
    assert len(page.pictures) == len(worst) == len(made.worst())
    for shown, pixels in zip(page.pictures, worst, strict=True):
        assert shown["alt"] is not None
        assert "<i>" in shown["alt"]
        kind = "png" if side <= 64 else "jpeg"
        assert str(shown["src"]).startswith(f"data:image/{kind};base64,")
        assert pixels.shape == (side, side, channels)
    return page


@pytest.mark.parametrize(("side", "channels"), [(8, 1), (64, 3), (65, 1), (224, 3), (1, 3)])
def test_the_report_holds_pictures_of_all_kinds(side: int, channels: int) -> None:
    page = page_of(40, 5, side, channels)
    assert "Worst mistakes" in page.text
    assert "</td><b>&3\"'" in page.text
    assert len(page.charts) == 2


@pytest.mark.parametrize(("n", "outputs", "present"), [(1, 1, 1), (1, 10, 1), (5, 2, 1), (3000, 1000, 1000), (400, 1000, 7)])
def test_the_report_of_few_and_of_many(n: int, outputs: int, present: int) -> None:
    page = page_of(n, outputs, 12, 3, present)
    assert len(page.charts) == 2
    assert "Class by class" in page.text


def test_a_report_without_mistakes_and_without_pixels() -> None:
    probabilities = torch.eye(3)
    told = accuracy_of(Evaluation(probabilities, torch.arange(3)), ("a", "b", "c"))
    sections = "".join(evaluation_sections(told, []))
    assert "Worst mistakes" not in sections
    assert "What is confused most often" not in sections
    assert "Left out" not in sections


def test_the_charts_show_the_figures() -> None:
    """Counts are written into the cells of a small matrix, the diagram's bars have the heights of the bins."""
    source = np.random.default_rng(5)
    made = evaluation_of(source, 300, 4, 4)
    classes = ("ant", "bee", "cat", "dog")
    sections = "".join(evaluation_sections(accuracy_of(made, classes)))
    matrix, diagram = re.findall(r'href="data:text/csv;charset=utf-8,([^"]*)"', sections)
    described = csv.DictReader(io.StringIO(unquote(matrix)))
    assert {(one["class"], one["taken for"]): int(one["pictures"]) for one in described} == {
        (classes[i], classes[j]): n for i, row in enumerate(made.confusion.tolist()) for j, n in enumerate(row) if n
    }
    shown = [(one["accuracy"], one["high"]) for one in csv.DictReader(io.StringIO(unquote(diagram))) if int(one["pictures"])]
    written = re.findall(r"<text [^>]*>(\d+)</text>", re.findall(r"<svg .*?</svg>", sections, re.DOTALL)[0])
    assert sorted(written) == sorted(str(n) for row in made.confusion.tolist() for n in row if n)
    expected = [(100 * one.accuracy, 100 * one.high) for one in made.calibration() if one.pictures]
    np.testing.assert_allclose(np.array(shown, float), expected)
