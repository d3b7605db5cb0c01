"""ONNX files in eight bits: what they cost in accuracy, what they say of it, and faults."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from torch import Tensor, nn

import netwright as nw
from netwright.blocks import Basic
from netwright.cli import main
from netwright.data import Pictures, open_source
from netwright.errors import FailedError, NetwrightError
from netwright.inference.export import export_onnx
from netwright.inference.onnx_files import open_onnx
from netwright.inference.quantize import quantize_onnx
from netwright.progress import Progress
from netwright.training import exporting
from netwright.training.evaluating.evaluation import evaluate_model, evaluate_onnx
from netwright.training.exporting import Quantized
from netwright.training.run import load_network
from netwright.zoo import ResNet

SMALL = ResNet((1,), Basic(), width=16)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> nw.Run:
    """A small network trained on the digits for a moment."""
    out = tmp_path_factory.mktemp("runs") / "digits"
    return nw.train(SMALL, "digits", out=out, image=16, recipe=nw.Recipe(epochs=8), progress=Progress(quiet=True))


@pytest.fixture(scope="module")
def made(run: nw.Run, tmp_path_factory: pytest.TempPathFactory) -> Quantized:
    return nw.export_int8(run, tmp_path_factory.mktemp("onnx") / "net.onnx", "digits", pictures=64)


def test_eight_bits_keep_the_accuracy(run: nw.Run, made: Quantized) -> None:
    """Measured on the pictures that the run never saw, those of its own result; a fall of two in a hundred would be a fault."""
    assert made.before.accuracy == run.result["accuracy"]["top1"] > 0.8
    assert len(made.after.labels) == run.result["accuracy"]["of"] == 359
    assert made.after.accuracy > made.before.accuracy - 0.02
    assert made.largest_difference < 1e-4


def test_weights_and_maps_are_integers(made: Quantized) -> None:
    proto = onnx.load(made.file)
    onnx.checker.check_model(proto)
    kinds = {node.op_type for node in proto.graph.node}
    assert {"QuantizeLinear", "DequantizeLinear", "Conv"} <= kinds
    arrays = {item.name: onnx.numpy_helper.to_array(item) for item in proto.graph.initializer}
    kernels = [array for array in arrays.values() if array.ndim == 4]
    assert kernels
    assert all(array.dtype == np.int8 and abs(array.astype(int)).max() <= 64 for array in kernels)  # seven bits: no overflow
    largest = max(kernels, key=lambda array: array.size)
    assert any(array.dtype == np.float32 and array.shape == largest.shape[:1] for array in arrays.values())  # scales of channels
    assert made.bytes_after == pytest.approx(made.file.stat().st_size, rel=0.02)
    assert made.bytes_after < 0.7 * made.bytes_before  # a small network is names to a large part


def test_the_file_says_what_it_is(run: nw.Run, made: Quantized) -> None:
    network = open_onnx(made.file, threads=1)
    about = network.about
    assert (about["precision"], about["calibrated_on"], about["accuracy_of"]) == ("int8", 64, 359)
    assert (about["accuracy_float32"], about["accuracy_int8"]) == (made.before.accuracy, made.after.accuracy)
    assert (network.classes, network.channels, network.preprocessing) == (run.classes, 1, run.preprocessing)


def test_any_batch_gives_the_same(run: nw.Run, made: Quantized) -> None:
    network = open_onnx(made.file)
    x = np.random.default_rng(0).normal(size=(7, 1, 16, 16)).astype(np.float32)
    together = network(x)
    for n in (1, 2, 5):
        np.testing.assert_allclose(network(x[:n]), together[:n], rtol=1e-4, atol=1e-4)


def test_an_onnx_file_is_evaluated_as_its_model_is(run: nw.Run, tmp_path: Path) -> None:
    nw.export(run, tmp_path / "net.onnx")
    source = open_source("digits")
    pictures = source.read(source.splits["all"].take(np.arange(100)), run.preprocessing, None)
    expected = evaluate_model(run.model, pictures, run.normalize)
    for batch in (1, 33, 100):
        got = evaluate_onnx(open_onnx(tmp_path / "net.onnx"), pictures, batch)
        torch.testing.assert_close(got.probabilities, expected.probabilities, rtol=1e-3, atol=1e-5)
        assert got.accuracy == expected.accuracy
    other = Pictures(np.zeros((2, 8, 8, 1), np.uint8), np.zeros(2, np.int64), ("a", "b"))
    with pytest.raises(NetwrightError, match=r"the pictures are \(8, 8, 1\), .* takes \(16, 16, 1\)"):
        evaluate_onnx(open_onnx(tmp_path / "net.onnx"), other)


def test_ranges_are_those_of_the_pictures(run: nw.Run, tmp_path: Path) -> None:
    """Calibrated on black alone, the integers cannot tell digits: the pictures given are really what is measured."""
    nw.export(run, tmp_path / "float.onnx")
    black = [np.zeros((4, 1, 16, 16), np.float32)]
    quantize_onnx(tmp_path / "float.onnx", tmp_path / "black.onnx", iter(black), {})
    source = open_source("digits")
    pictures = source.read(source.splits["all"].take(np.arange(200)), run.preprocessing, None)
    accuracy = {name: evaluate_onnx(open_onnx(tmp_path / f"{name}.onnx"), pictures).accuracy for name in ("float", "black")}
    assert accuracy["black"] < accuracy["float"] - 0.3


# ---------------------------------------------------------------- faults


def test_what_cannot_be_quantized_is_told(run: nw.Run, made: Quantized, tmp_path: Path) -> None:
    target = tmp_path / "out.onnx"
    nw.export(run, tmp_path / "float.onnx")
    batch = np.zeros((2, 1, 16, 16), np.float32)
    for batches in ([], [batch[:0]]):
        with pytest.raises(NetwrightError, match="there are no pictures to measure ranges on"):
            quantize_onnx(tmp_path / "float.onnx", target, batches, {})
    (tmp_path / "broken.onnx").write_bytes((tmp_path / "float.onnx").read_bytes()[:999])
    for file in ("broken.onnx", "missing.onnx"):
        with pytest.raises(FailedError, match=rf"{file} cannot be quantized") as error:
            quantize_onnx(tmp_path / file, target, [batch], {})
        assert "\n" not in str(error.value)
    with pytest.raises(FailedError, match="cannot be quantized"):
        quantize_onnx(tmp_path / "float.onnx", target, [np.zeros((2, 3, 16, 16), np.float32)], {})
    with pytest.raises(FailedError, match="cannot be quantized"):
        quantize_onnx(spoiled(tmp_path / "float.onnx", tmp_path), target, [batch], {})
    examples = torch.randn(4, 1, 16, 16, generator=torch.Generator().manual_seed(0))
    export_onnx(Mixing(), tmp_path / "mixing.onnx", examples, {})
    with pytest.raises(FailedError, match=r"differs by [\d.]+ between batches"):
        quantize_onnx(tmp_path / "mixing.onnx", target, [examples.numpy()], {})
    with pytest.raises(NetwrightError, match="pictures is 0"):
        nw.export_int8(run, target, "digits", pictures=0)
    assert not target.exists()
    assert not list(tmp_path.glob(".*"))


class Mixing(nn.Module):
    """What it says of a picture depends on the others."""

    def forward(self, x: Tensor) -> Tensor:
        return (x - x.mean(0, keepdim=True)).flatten(1)[:, :10]


def spoiled(file: Path, folder: Path) -> Path:
    """The file with a bias of the classifier that is no number."""
    proto = onnx.load(file)
    (bias,) = [item for item in proto.graph.initializer if item.name.endswith("fc.bias")]
    values = onnx.numpy_helper.to_array(bias).copy()
    values[:] = np.nan
    bias.CopyFrom(onnx.numpy_helper.from_array(values, bias.name))
    onnx.save(proto, folder / "spoiled.onnx")
    return folder / "spoiled.onnx"


def test_the_command(run: nw.Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["export", str(run.folder), "-o", str(tmp_path / "net.onnx"), "--int8", "--data", "digits", "--pictures", "32"]
    assert main([*words, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    about = open_onnx(tmp_path / "net.onnx").about
    for key in ("precision", "accuracy_float32", "accuracy_int8", "accuracy_of", "calibrated_on"):
        assert told[key] == about[key]
    assert told["bytes_int8"] < told["bytes_float32"]
    assert main(words) == 0
    said = capsys.readouterr().out
    assert f"top-1 {100 * told['accuracy_int8']:.2f} % in eight bits" in said
    assert f"{100 * told['accuracy_float32']:.2f} % before" in said


def refusal(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    assert main(words) == 2
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "warning" not in line]
    return line


def test_faults_of_the_command_are_one_line(
    run: nw.Run, photos: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["export", str(run.folder), "-o", str(tmp_path / "net.onnx")]
    (tmp_path / "empty").mkdir()
    assert "--int8 needs pictures" in refusal([*words, "--int8"], capsys)
    assert "--data serves --int8" in refusal([*words, "--data", "digits"], capsys)
    assert "--pictures serves --int8" in refusal([*words, "--pictures", "9"], capsys)
    assert "there is no folder" in refusal([*words, "--int8", "--data", str(tmp_path / "nothing")], capsys)
    assert "empty" in refusal([*words, "--int8", "--data", str(tmp_path / "empty")], capsys)
    assert "has 3 channels, the network takes 1" in refusal([*words, "--int8", "--data", str(photos)], capsys)
    assert "let it end with .onnx" in refusal([*words[:-1], str(tmp_path / "net.pt"), "--int8", "--data", "digits"], capsys)
    assert not (tmp_path / "net.onnx").exists()


def unexpected(*args: object, **words: object) -> None:
    raise AssertionError("this was not to be reached")


def test_a_path_that_cannot_be_written_is_told_before_any_work(
    run: nw.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("read_with_bar", "labelled", "export_onnx", "quantize_onnx", "evaluate_onnx"):
        monkeypatch.setattr(exporting, name, unexpected)
    (tmp_path / "file").write_text("here")
    path = tmp_path / "file" / "net.onnx"
    words = ["export", str(run.folder), "-o", str(path), "--int8", "--data", "digits"]
    assert f"cannot write {path}: Not a directory" in refusal(words, capsys)
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_a_failed_evaluation_keeps_the_old_file(run: nw.Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "evaluate_onnx", unexpected)
    (tmp_path / "net.onnx").write_text("before")
    with pytest.raises(AssertionError, match="not to be reached"):
        nw.export_int8(run, tmp_path / "net.onnx", "digits", pictures=4)
    assert (tmp_path / "net.onnx").read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["net.onnx"]


def test_data_of_other_classes_and_changed_data_are_refused(photos: Path, tmp_path: Path) -> None:
    recipe, quiet = nw.Recipe(epochs=1), Progress(quiet=True)
    run = nw.train(SMALL, photos, out=tmp_path / "run", image=16, recipe=recipe, progress=quiet)
    other = tmp_path / "other"
    shutil.copytree(photos, other)
    (other / "red").rename(other / "purple")
    with pytest.raises(NetwrightError, match="a class 'purple' that the network was not trained on"):
        nw.export_int8(run, tmp_path / "net.onnx", other)
    (photos / "red" / "00.jpg").unlink()
    with pytest.raises(NetwrightError, match="have changed since the network was trained"):
        nw.export_int8(run, tmp_path / "net.onnx", photos)
    assert not (tmp_path / "net.onnx").exists()


# ---------------------------------------------------------------- real pictures


@pytest.mark.slow
def test_public_weights_keep_their_accuracy_on_imagenette(shared: Path, imagenette: Path, tmp_path: Path) -> None:
    """SqueezeNet 1.1: ranges from its training part, accuracy on its 400 validation pictures."""
    weights = shared / "weights" / "imagenet_squeezenet1_1.safetensors"
    run = load_network(nw.network("squeezenet1_1"), weights)
    made = nw.export_int8(run, tmp_path / "net.onnx", imagenette, pictures=64)
    assert len(made.after.labels) == 400
    assert made.before.accuracy > 0.5
    assert made.after.accuracy > made.before.accuracy - 0.03
    assert made.bytes_after < 0.3 * made.bytes_before
