"""Weights: read from files of all kinds, made to fit, written under other names; fresh ones; and the real ones at hand."""

from __future__ import annotations

import copy
import json
import math
import pickle
import subprocess
import sys
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor, fx, nn

import netwright as nw
from netwright.blocks import Basic, Bottleneck, SqueezeExcite
from netwright.cli import main
from netwright.errors import NetwrightError
from netwright.graph import Design
from netwright.preprocessing import Preprocessing
from netwright.runtime.conventions import adapted, convention
from netwright.runtime.fitting import WeightsNote, tensor_shapes
from netwright.runtime.naming import naming, namings
from netwright.runtime.weights import design_of, open_weights
from netwright.zoo import VGG, CifarResNet, ResNet

State = dict[str, Tensor]
TINY = ResNet((1, 1), Basic(), width=8, classes=6)
IMAGENET = {"mean": (0.485, 0.456, 0.406), "std": (0.229, 0.224, 0.225)}


def build(design: Design, weights: Path | None = None, **changes: Any) -> fx.GraphModule:
    """A model in evaluation mode, small pictures in mind."""
    return nw.build(design, 28 if isinstance(design, VGG) else 64, weights=weights, **changes).eval()


def trained(design: Design, seed: int = 0, channels: int = 3) -> fx.GraphModule:
    """A model whose tensors, buffers too, are all its own."""
    model = build(design, seed=seed, channels=channels)
    source = torch.Generator().manual_seed(seed)
    for name, value in model.state_dict().items():
        if name.endswith(("bias", "running_mean")):
            value.normal_(0, 0.1, generator=source)
        elif name.endswith("running_var") or (value.ndim == 1 and name.endswith("weight")):
            value.uniform_(0.5, 1.5, generator=source)
        elif name.endswith("num_batches_tracked"):
            value.fill_(7)
    return model


def differing(model: nn.Module, state: Mapping[str, Tensor]) -> list[str]:
    """Names of the tensors in which a model and a state differ."""
    mine = model.state_dict()
    return [name for name in mine if name not in state or not torch.equal(mine[name], state[name])]


@pytest.fixture(scope="module")
def state() -> State:
    """Of the tiny network; not to be changed."""
    return dict(trained(TINY).state_dict())


@pytest.fixture
def file(tmp_path: Path, state: State) -> Path:
    """The tiny network's weights as a plain file."""
    save_file(state, tmp_path / "tiny.safetensors")
    return tmp_path / "tiny.safetensors"


def picture(channels: int = 3, side: int = 64) -> Tensor:
    return torch.randn(2, channels, side, side, generator=torch.Generator().manual_seed(1))


def refusal(design: Design, path: Path, **changes: Any) -> str:
    """What is said of a file that is refused: one line."""
    with pytest.raises(NetwrightError) as error:
        build(design, path, **changes)
    assert "\n" not in str(error.value)
    return str(error.value)


# ---------------------------------------------------------------- files that can be read


def prefixed(state: State, prefix: str) -> State:
    return {prefix + name: value for name, value in state.items()}


WAYS: dict[str, tuple[str, Callable[[State, Path], None]]] = {
    "safetensors": ("a.safetensors", save_file),
    "pth": ("a.pth", torch.save),
    "pt": ("a.pt", torch.save),
    "th": ("a.th", torch.save),
    "bin": ("a.bin", torch.save),
    "before torch 1.6": ("a.pth", lambda s, p: torch.save(s, p, _use_new_zipfile_serialization=False)),
    "in a script's dictionary": ("a.pth", lambda s, p: torch.save({"state_dict": s, "epoch": 3, "best": 0.9}, p)),
    "in another's": ("a.pth", lambda s, p: torch.save({"optimizer": {"state": {}}, "model": s}, p)),
    "data parallel": ("a.safetensors", lambda s, p: save_file(prefixed(s, "module."), p)),
    "data parallel in a dictionary": ("a.pth", lambda s, p: torch.save({"state_dict": prefixed(s, "module.")}, p)),
    "compiled": ("a.pth", lambda s, p: torch.save(prefixed(s, "_orig_mod."), p)),
    "compiled and parallel": ("a.pth", lambda s, p: torch.save(prefixed(s, "module._orig_mod."), p)),
    "without counters": ("a.pth", lambda s, p: torch.save({n: v for n, v in s.items() if "num_batches" not in n}, p)),
    "double": ("a.safetensors", lambda s, p: save_file({n: v.double() if v.is_floating_point() else v for n, v in s.items()}, p)),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_file_of_any_kind_gives_its_tensors(way: str, state: State, tmp_path: Path) -> None:
    name, write = WAYS[way]
    write(state, tmp_path / name)
    model = build(TINY, tmp_path / name)
    counters = [name for name in differing(model, state) if way == "without counters" and name.endswith("num_batches_tracked")]
    assert differing(model, state) == counters
    assert {p.dtype for p in model.parameters()} == {torch.float32}


def test_half_precision_gives_a_model_of_single(state: State, tmp_path: Path) -> None:
    for dtype in (torch.float16, torch.bfloat16):
        save_file({name: v.to(dtype) if v.is_floating_point() else v for name, v in state.items()}, tmp_path / "h.safetensors")
        model = build(TINY, tmp_path / "h.safetensors")
        assert {p.dtype for p in model.parameters()} == {torch.float32}
        rounded = {name: v.to(dtype).float() if v.is_floating_point() else v for name, v in state.items()}
        assert differing(model, rounded) == []


def test_a_folder_gives_the_weights_in_it(state: State, tmp_path: Path) -> None:
    save_file(state, tmp_path / "model.safetensors")
    assert differing(build(TINY, tmp_path), state) == []


# ---------------------------------------------------------------- files that cannot


class Evil:
    """Touches a file when it is unpickled by anyone who trusts it."""

    def __init__(self, touched: Path) -> None:
        self.touched = touched

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.touched,)


@pytest.mark.parametrize("name", ["evil.pth", "evil.bin", "evil.safetensors"])
def test_a_pickle_that_wants_to_run_code_is_refused_and_nothing_runs(name: str, state: State, tmp_path: Path) -> None:
    touched, path = tmp_path / "touched", tmp_path / name
    evil = Evil(touched)
    assert pickle.loads(pickle.dumps(Evil(tmp_path / "works"))) is None
    assert (tmp_path / "works").exists()
    writers: list[Callable[[], object]] = [
        lambda: path.write_bytes(pickle.dumps(evil, protocol=2)),  # torch's own, which it reads without a warning
        lambda: path.write_bytes(pickle.dumps({"state_dict": evil}, protocol=2)),
        lambda: torch.save({"state_dict": state, "hook": evil}, path),
        lambda: torch.save({**state, "fc.bias": evil}, path),
        lambda: torch.save({"model": evil}, path, _use_new_zipfile_serialization=False),
    ]
    for write in writers:
        write()
        text = refusal(TINY, path)
        assert str(path) in text
        assert (
            "not a sound safetensors file" in text
            if name.endswith("safetensors")
            else "broken, or a pickle that wants to run code" in text
        )
        assert not touched.exists()


def test_a_pickled_module_is_refused_with_a_way_out(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "whole.pth")
    assert refusal(TINY, tmp_path / "whole.pth").endswith("save its state_dict() instead")


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_truncated_and_foreign_files_are_refused(name: str, state: State, tmp_path: Path) -> None:
    path = tmp_path / name
    (save_file if name.endswith("safetensors") else torch.save)(state, path)
    content = path.read_bytes()
    foreign = [b"", b"\x00" * 8, b"years of work\n", b"\xff" * 4096, b"<html><title>404</title></html>"]
    for wrong in (*foreign, content[:4], content[:100], content[: len(content) // 2], content[:-1]):
        path.write_bytes(wrong)
        text = refusal(TINY, path)
        assert text.startswith(str(path))


def test_a_missing_file_names_the_nearest_one(file: Path) -> None:
    assert "did you mean tiny.safetensors" in refusal(TINY, file.with_name("tinny.safetensors"))
    text = refusal(TINY, file.with_name("tiny.onnx"))
    assert "onnx" in text


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], {"state_dict": {}}, torch.zeros(3)], ids=str)
def test_a_file_without_weights_is_refused(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "empty.pth")
    text = refusal(TINY, tmp_path / "empty.pth")
    assert "holds no weights: expected a dictionary of tensors, as state_dict() gives it" in text


def test_an_empty_safetensors_file_lists_what_is_missing(tmp_path: Path) -> None:
    save_file({}, tmp_path / "empty.safetensors")
    assert "missing conv1.weight" in refusal(TINY, tmp_path / "empty.safetensors")


def test_what_does_not_fit_is_listed(state: State, tmp_path: Path) -> None:
    wrong = dict(state)
    del wrong["layer1.0.bn1.running_var"]
    del wrong["layer1.0.bn1.num_batches_tracked"]  # a counter, which no one needs
    wrong["layer9.weight"] = torch.zeros(3)
    wrong["layer1.0.conv2.weight"] = torch.zeros(8, 8, 5, 5)
    wrong["bn1.weight"] = torch.zeros(16)
    save_file(wrong, tmp_path / "w.safetensors")
    text = refusal(TINY, tmp_path / "w.safetensors")
    head, _, tail = text.partition(" does not fit the network: ")
    assert head == str(tmp_path / "w.safetensors")
    assert tail.split(", ", 2)[:2] == ["missing layer1.0.bn1.running_var", "unexpected layer9.weight"]
    assert "layer1.0.conv2.weight is (8, 8, 5, 5), needs (8, 8, 3, 3)" in tail
    assert "bn1.weight is (16,), needs (8,)" in tail
    assert "more" not in tail


@pytest.mark.parametrize(("extra", "told"), [(11, 0), (12, 0), (13, 1), (40, 28)])
def test_a_dozen_misfits_are_named_and_the_others_counted(extra: int, told: int, state: State, tmp_path: Path) -> None:
    save_file(state | {f"other.{i}.weight": torch.zeros(1) for i in range(extra)}, tmp_path / "w.safetensors")
    text = refusal(TINY, tmp_path / "w.safetensors")
    assert text.count("unexpected other.") == min(extra, 12)
    assert text.endswith(f", and {told} more") if told else "more" not in text


def test_weights_of_another_network_are_refused(state: State, tmp_path: Path) -> None:
    """Of SqueezeNet's 52 tensors none is the tiny ResNet's, and none of its 27 (without counters and classifier) is there."""
    save_file(dict(trained(nw.network("squeezenet1_1", classes=6)).state_dict()), tmp_path / "w.safetensors")
    text = refusal(TINY, tmp_path / "w.safetensors")
    needed = sum(not name.endswith("num_batches_tracked") and not name.startswith("fc.") for name in state)
    assert f", and {needed + 52 - 12} more; it has no tensor of this network" in text
    assert "missing conv1.weight" in text


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.int32, torch.bool, torch.complex64])
def test_what_is_not_of_floating_point_numbers_is_refused(dtype: torch.dtype, state: State, tmp_path: Path) -> None:
    torch.save(state | {"layer1.0.conv1.weight": torch.zeros(8, 8, 3, 3, dtype=dtype)}, tmp_path / "q.pth")
    kind = str(dtype).removeprefix("torch.")
    assert f"layer1.0.conv1.weight holds {kind}, needs floating point numbers" in refusal(TINY, tmp_path / "q.pth")


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("name", ["layer2.0.conv2.weight", "bn1.running_var", "fc.bias"])
def test_numbers_that_are_none_are_refused(name: str, value: float, state: State, tmp_path: Path) -> None:
    broken = state[name].clone()
    broken.view(-1)[-1] = value
    save_file(state | {name: broken}, tmp_path / "nan.safetensors")
    assert f"{name} holds values that are no numbers" in refusal(TINY, tmp_path / "nan.safetensors")


# ---------------------------------------------------------------- classes, features, channels


def test_another_number_of_classes_leaves_the_head_fresh_and_says_so(file: Path, state: State) -> None:
    with pytest.warns(
        WeightsNote, match=r"tiny.safetensors: the classifier fc is for 6 classes, not 3: it starts afresh"
    ) as notes:
        model = nw.build(TINY.replace(classes=3), weights=file, seed=5)
    assert len(notes) == 1
    assert notes[0].filename == __file__  # whoever called build is told
    assert differing(model, state) == ["fc.weight", "fc.bias"]
    head = model.get_parameter("fc.weight")
    assert head.shape == (3, 16)
    assert 0 < head.abs().max() <= 1 / 4  # as fresh ones are: uniform up to 1 / sqrt(16)
    assert not model.get_parameter("fc.bias").any()
    with pytest.warns(WeightsNote):
        again = nw.build(TINY.replace(classes=3), weights=file, seed=5)
    assert differing(again, model.state_dict()) == []


@pytest.mark.parametrize(
    ("design", "source", "head"),
    [
        (nw.network("squeezenet1_1", classes=6), "gluon", "classifier.1"),  # a convolution
        (VGG((1, 1), (8, 4), classes=6), "timm", "classifier.6"),
        (nw.network("mobilenetv2_035", classes=6), "torchvision", "classifier"),
        (nw.network("regnetx_002", classes=6), "torchvision", "head.fc"),
    ],
)
def test_another_number_of_classes_under_other_names(design: Design, source: str, head: str, tmp_path: Path) -> None:
    model = trained(design)
    nw.save_weights(model, tmp_path / "w.safetensors", naming=source)
    with pytest.warns(WeightsNote, match=f"the classifier {head} is for 6 classes, not 4"):
        other = build(design.replace(classes=4), tmp_path / "w.safetensors", seed=0)
    assert differing(other, model.state_dict()) == [f"{head}.weight", f"{head}.bias"]


def test_a_fresh_head_does_not_carry_the_names_of_the_old_classes(state: State, tmp_path: Path) -> None:
    about = {"classes": list("abcdef"), "image": 64, "mean": [0.5] * 3, "std": [0.5] * 3}
    save_file(state, tmp_path / "six.safetensors", metadata={"netwright": json.dumps(about)})
    with pytest.warns(WeightsNote):
        model = build(TINY.replace(classes=3), tmp_path / "six.safetensors", seed=0)
    nw.save_weights(model, tmp_path / "three.safetensors")
    opened = open_weights(TINY, tmp_path / "three.safetensors")
    assert opened.count == 3
    assert opened.classes is None
    assert opened.preprocessing.image == 64  # pictures are shown as before


def test_a_file_without_a_classifier_is_told_too(state: State, tmp_path: Path) -> None:
    save_file({name: value for name, value in state.items() if not name.startswith("fc.")}, tmp_path / "f.safetensors")
    with pytest.warns(WeightsNote, match="the classifier fc is not in it: it starts afresh"):
        model = build(TINY, tmp_path / "f.safetensors", seed=0)
    assert differing(model, state) == ["fc.weight", "fc.bias"]
    assert differing(build(TINY.replace(classes=0), tmp_path / "f.safetensors"), state) == []


def test_features_and_parts_take_what_they_need_from_a_whole_file(file: Path, state: State) -> None:
    """No note: it was asked for."""
    full = build(TINY, file)
    headless = build(TINY.replace(classes=0), file)
    assert [name for name in state if name not in headless.state_dict()] == ["fc.weight", "fc.bias"]
    part = build(TINY, file, outputs=("layer1", "bn1"))
    assert differing(headless, state) == differing(part, state) == []
    assert not any(name.startswith(("layer2", "fc")) for name in part.state_dict())
    with torch.no_grad():
        torch.testing.assert_close(headless(picture()) @ state["fc.weight"].T + state["fc.bias"], full(picture()))


GREY: dict[str, Design] = {
    "resnet": TINY,
    "cifar": nw.network("resnet20_cifar", depth=1),
    "repvgg": nw.zoo.RepVGG((1, 1), 0.25, 0.25, classes=5),  # two convolutions see the picture
    "parnet": nw.zoo.ParNet((8, 8, 8, 8), (1, 1, 1), classes=5),  # so do its 1x1 and its gate
    "inception": nw.network("squeezenet1_1", classes=5),
    "same padding": nw.zoo.EfficientNet(width=0.25, depth=0.1, same=True, classes=5),
}


@pytest.mark.parametrize("name", GREY)
def test_one_channel_scores_a_grey_picture_as_three_do(name: str, tmp_path: Path) -> None:
    full = trained(GREY[name])
    save_file(dict(full.state_dict()), tmp_path / "three.safetensors")
    grey = build(GREY[name], tmp_path / "three.safetensors", channels=1)
    x = picture(1)
    with torch.no_grad():
        expected = full(x.expand(-1, 3, -1, -1))
        torch.testing.assert_close(grey(x), expected, rtol=1e-4, atol=1e-4 * float(expected.abs().max()))
    nw.save_weights(grey, tmp_path / "one.safetensors")
    again = build(GREY[name], tmp_path / "one.safetensors", channels=1)
    assert differing(again, grey.state_dict()) == []


@pytest.mark.parametrize("channels", [2, 4, 7])
def test_other_channels_are_dealt_out_in_turn(channels: int, file: Path, state: State) -> None:
    """Each of n channels gets 3/n of the weights of channel i mod 3: the sum over all stays as large."""
    model = build(TINY, file, channels=channels)
    assert differing(model, state) == ["conv1.weight"]
    weight = model.get_parameter("conv1.weight")
    assert weight.shape == (8, channels, 7, 7)
    for i in range(channels):
        torch.testing.assert_close(weight[:, i], state["conv1.weight"][:, i % 3] * 3 / channels)


def test_a_grey_file_does_not_pass_for_a_coloured_one(tmp_path: Path) -> None:
    save_file(dict(trained(TINY, channels=1).state_dict()), tmp_path / "one.safetensors")
    assert "conv1.weight is (8, 1, 7, 7), needs (8, 3, 7, 7)" in refusal(TINY, tmp_path / "one.safetensors")


# ---------------------------------------------------------------- auxiliary classifiers

PLAIN = nw.network("googlenet", classes=4)
AUX = PLAIN.replace(aux=True)


@pytest.fixture(scope="module")
def aux_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("aux") / "aux.safetensors"
    save_file(dict(trained(AUX).state_dict()), path)
    return path


def test_auxiliary_classifiers_are_loaded_where_they_are_built(aux_file: Path) -> None:
    assert differing(build(AUX, aux_file), load_file(aux_file)) == []


def test_auxiliary_classifiers_are_left_out_with_a_note(aux_file: Path) -> None:
    """Two of them: a convolution, its norm's four tensors and counter, and two linear layers with biases each."""
    with pytest.warns(WeightsNote, match="aux.safetensors: 20 tensors of auxiliary classifiers are left out") as notes:
        model = build(PLAIN, aux_file)
    assert len(notes) == 1
    assert differing(model, load_file(aux_file)) == []
    assert not any(name.startswith("aux") for name in model.state_dict())


def test_auxiliary_classifiers_that_a_file_lacks_start_afresh_with_a_note(aux_file: Path, tmp_path: Path) -> None:
    state = {name: value for name, value in load_file(aux_file).items() if not name.startswith("aux")}
    save_file(state, tmp_path / "plain.safetensors")
    with pytest.warns(WeightsNote, match="aux"):
        model = build(AUX, tmp_path / "plain.safetensors", seed=0)
    assert all(name.startswith("aux") for name in differing(model, state))
    assert all(p.isfinite().all() for p in model.parameters())


def test_all_classifiers_start_afresh_for_other_classes(aux_file: Path) -> None:
    with pytest.warns(WeightsNote) as notes:
        model = build(AUX.replace(classes=3), aux_file, seed=0)
    assert sorted(str(note.message).split(" is for ")[0].rpartition(" ")[2] for note in notes) == ["aux1.fc2", "aux2.fc2", "fc"]
    heads = {f"{name}.{kind}" for name in ("fc", "aux1.fc2", "aux2.fc2") for kind in ("weight", "bias")}
    assert set(differing(model, load_file(aux_file))) == heads


# ---------------------------------------------------------------- writing, and other sources' names


def test_what_is_written_comes_back_with_what_was_noted(tmp_path: Path) -> None:
    model = trained(TINY)
    about = {"classes": ["a", "b", "c", "d", "e", "ä"], "image": 64, "resize": 72, "filter": "bilinear", "channels": 3}
    about |= {"mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6], "trained_on": {"source": "digits", "seed": 1}}
    nw.save_weights(model, tmp_path / "own.safetensors", about=about)
    opened = open_weights(TINY, tmp_path / "own.safetensors")
    assert opened.about == about
    assert opened.classes == ("a", "b", "c", "d", "e", "ä")
    assert opened.count == 6
    again = build(TINY, tmp_path / "own.safetensors")
    assert differing(again, model.state_dict()) == []
    shown = Preprocessing(64, 72, "bilinear", (0.1, 0.2, 0.3), (0.4, 0.5, 0.6))
    assert nw.preprocessing_of(again) == opened.preprocessing == shown
    nw.save_weights(again, tmp_path / "second.safetensors")  # a model keeps what its weights brought
    assert nw.preprocessing_of(build(TINY, tmp_path / "second.safetensors")) == shown
    assert open_weights(TINY, tmp_path / "second.safetensors").classes == opened.classes
    with safe_open(tmp_path / "own.safetensors", framework="pt") as held:
        assert json.loads(held.metadata()["netwright"]) == about
    assert list(tmp_path.glob("*.safetensors.*")) == []


def test_a_pth_is_what_torch_reads(tmp_path: Path) -> None:
    model = trained(TINY)
    nw.save_weights(model, tmp_path / "a.pth")
    assert differing(model, torch.load(tmp_path / "a.pth", weights_only=True)) == []


def test_broken_metadata_is_as_none(state: State, tmp_path: Path) -> None:
    for text in (
        "{",
        "[1]",
        json.dumps({"image": "x", "mean": 3, "std": None}),
        json.dumps({"image": -1, "mean": [0] * 3, "std": [1] * 3}),
    ):
        save_file(state, tmp_path / "m.safetensors", metadata={"netwright": text})
        model = build(TINY, tmp_path / "m.safetensors")
        assert differing(model, state) == []
        shown = nw.preprocessing_of(model)
        assert shown is not None
        assert shown.image == 224


NARROW_VGG = VGG((1, 1), (8, 4), classes=5)


def test_timms_names_of_vgg_hold_its_head_as_convolutions(tmp_path: Path) -> None:
    model = trained(NARROW_VGG)
    nw.save_weights(model, tmp_path / "t.safetensors", naming="timm")
    written = load_file(tmp_path / "t.safetensors")
    assert written["pre_logits.fc1.weight"].shape == (4096, 4, 7, 7)
    assert written["pre_logits.fc2.weight"].shape == (4096, 4096, 1, 1)
    assert written["head.fc.weight"].shape == (5, 4096)
    assert written.keys() & {"features.0.weight", "pre_logits.fc1.bias", "head.fc.bias"}
    assert open_weights(NARROW_VGG, tmp_path / "t.safetensors").source == "timm"
    again = build(NARROW_VGG, tmp_path / "t.safetensors")
    assert differing(again, model.state_dict()) == []
    wide = naming(nw.network("vgg16"), "timm")
    assert wide.of("classifier.0.weight") == "pre_logits.fc1.weight"
    assert (wide.shapes or {})["classifier.0.weight"] == (4096, 512, 7, 7)
    last, seen = build(NARROW_VGG, tmp_path / "t.safetensors", outputs=("features.5", "classifier.0"))(picture(side=28))
    assert last.shape == (2, 4, 7, 7)  # one window
    slid = nn.functional.conv2d(last, written["pre_logits.fc1.weight"], written["pre_logits.fc1.bias"])
    torch.testing.assert_close(slid.flatten(1), seen)


KNOWN_NAMES: list[tuple[Design, str, set[str]]] = [
    (
        nw.network("mobilenetv2_035", classes=5),
        "torchvision",
        {
            *("features.0.0.weight", "features.0.1.running_mean", "features.1.conv.0.0.weight", "features.1.conv.1.weight"),
            *("features.1.conv.2.bias", "features.2.conv.0.1.weight", "features.17.conv.2.weight", "features.17.conv.3.weight"),
            *("features.18.0.weight", "features.18.1.num_batches_tracked", "classifier.1.weight", "classifier.1.bias"),
        },
    ),
    (
        nw.network("efficientnet_b0", classes=5),
        "torchvision",
        {
            *("features.0.0.weight", "features.1.0.block.0.0.weight", "features.1.0.block.1.fc1.weight"),
            *("features.1.0.block.1.fc2.bias", "features.1.0.block.2.1.weight", "features.2.1.block.3.0.weight"),
            *("features.7.0.block.2.fc1.bias", "features.8.0.weight", "features.8.1.running_var", "classifier.1.weight"),
        },
    ),
    (
        nw.network("regnet_y_400mf", classes=5),
        "torchvision",
        {
            *("stem.0.weight", "stem.1.weight", "trunk_output.block1.block1-0.f.a.0.weight", "fc.weight"),
            *("trunk_output.block1.block1-0.proj.0.weight", "trunk_output.block1.block1-0.proj.1.bias"),
            *("trunk_output.block2.block2-1.f.b.0.weight", "trunk_output.block3.block3-4.f.se.fc1.weight"),
            *("trunk_output.block4.block4-0.f.se.fc2.bias", "trunk_output.block4.block4-0.f.c.1.running_var"),
        },
    ),
    (
        nw.network("squeezenet1_0", classes=5),
        "gluon",
        {"squeezenet0_conv0_weight", "squeezenet0_conv1_bias", "squeezenet0_conv24_weight", "squeezenet0_conv25_bias"},
    ),
    (
        nw.network("googlenet", classes=5),
        "torchvision",
        {"conv1.conv.weight", "inception3a.branch2.1.conv.weight", "inception5b.branch4.1.bn.weight", "fc.bias"},
    ),
    (nw.network("resnet20_cifar"), "akamaster", {"conv1.weight", "layer2.0.bn2.running_var", "linear.weight"}),
    (nw.network("mobilenetv1_025", classes=5), "timm", {"conv_stem.weight", "blocks.3.5.conv_dw.weight", "classifier.bias"}),
]


@pytest.mark.parametrize(("design", "source", "names"), KNOWN_NAMES, ids=[f"{type(d).__name__}-{s}" for d, s, _ in KNOWN_NAMES])
def test_other_sources_names_are_written_and_read(design: Design, source: str, names: set[str], tmp_path: Path) -> None:
    model = trained(design)
    for path in (tmp_path / "w.safetensors", tmp_path / "w.pth"):
        nw.save_weights(model, path, naming=source)
        written = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
        assert names - written.keys() == set()
        assert len(written) == len(model.state_dict())
        opened = open_weights(design, path)
        assert opened.source == source
        assert opened.count == design.fields()["classes"]
        assert differing(build(design, path), model.state_dict()) == []


def test_an_unknown_naming_names_the_known_ones(tmp_path: Path) -> None:
    cases = [(TINY, "keras", "there are: torchvision, timm, netwright"), (TINY, "tim", "did you mean timm")]
    cases += [
        (nw.network("wrn_16_4", widen=1), "timm", "'timm' has no names for weights of WideResNet"),
        (NARROW_VGG, "", "netwright, timm"),
    ]
    for design, source, message in cases:
        with pytest.raises(NetwrightError) as error:
            nw.save_weights(build(design), tmp_path / "w.safetensors", naming=source)
        assert message in str(error.value)
        assert "\n" not in str(error.value)
    assert list(tmp_path.iterdir()) == []


def test_every_naming_of_every_network_is_one_to_one() -> None:
    """No two tensors of ours get one name of theirs."""
    for name in nw.networks():
        design = nw.network(name)
        ours = list(tensor_shapes(nw.trace(design)))
        for source in namings(design):
            assert len({source.of(key) for key in ours}) == len(ours), (name, source.source)


# ---------------------------------------------------------------- how pictures are shown

CENTRAL = {"image": 224, "resize": 256, **IMAGENET}
HALF = {"mean": (0.5, 0.5, 0.5), "std": (0.5, 0.5, 0.5)}


@pytest.mark.parametrize(
    ("network", "source", "file", "shown"),
    [
        ("resnet20_cifar", "akamaster", "resnet20.th", {"image": 32, "resize": 32, **IMAGENET}),
        (
            "wrn_16_4",
            "szagoruyko",
            "wrn.pth",
            {"image": 32, "resize": 32, "mean": (0.4914, 0.4824, 0.4467), "std": (0.2471, 0.2435, 0.2616)},
        ),
        ("resnet18", "torchvision", "own.pth", CENTRAL | {"filter": "bilinear"}),
        ("resnet18", "timm", "own.safetensors", CENTRAL | {"filter": "bicubic"}),
        ("inception_v3", "torchvision", "own.pth", {"image": 299, "resize": 341, **HALF}),  # 299 / 0.875
        ("inception_v4", "timm", "own.pth", {"image": 299, "resize": 341, **HALF}),
        ("inception_resnet_v2", "timm", "own.pth", {"image": 299, "resize": 333, **HALF}),  # 299 / 0.8975
        ("squeezenet1_1", "gluon", "own.safetensors", CENTRAL | {"filter": "bilinear", "rounding": "nearest"}),
        ("resnet18", "torchvision", "resnet18-f37072fd.pth", CENTRAL | {"filter": "bilinear"}),
        ("resnet50", "torchvision", "resnet50-11ad3fa6.pth", CENTRAL | {"resize": 232, "filter": "bilinear"}),
        (
            "inception_v3",
            "torchvision",
            "inception_v3_google-0cc3c7bd.pth",
            {"image": 299, "resize": 342, "filter": "bilinear", **HALF},
        ),
        ("efficientnet_b0", "torchvision", "efficientnet_b0_rwightman-7f5810bc.pth", CENTRAL | {"filter": "bicubic"}),
        (
            "efficientnet_b7",
            "torchvision",
            "efficientnet_b7_lukemelas-c5b4e57e.pth",
            {"image": 600, "resize": 600, "filter": "bicubic"},
        ),
    ],
)
def test_pictures_are_shown_as_the_source_takes_for_granted(network: str, source: str, file: str, shown: dict[str, Any]) -> None:
    found = convention(nw.network(network), source, file).fields()
    assert {name: found[name] for name in shown} == shown


def test_a_files_name_is_enough_for_torchvisions(tmp_path: Path) -> None:
    design = nw.network("resnet18", classes=6, width=8, depths=(1, 1))
    nw.save_weights(trained(design), tmp_path / "resnet50-11ad3fa6.pth")
    shown = nw.preprocessing_of(build(design, tmp_path / "resnet50-11ad3fa6.pth"))
    assert shown == Preprocessing(224, 232, "bilinear", IMAGENET["mean"], IMAGENET["std"])


@pytest.mark.parametrize(
    ("file", "same", "eps"),
    [
        ("tf_efficientnet_b0_ns.safetensors", True, 1e-3),
        ("tf_efficientnet_b0/model.safetensors", True, 1e-3),
        ("efficientnet_b0.safetensors", False, 1e-5),
        ("tf_efficientnet_b0/another.safetensors", False, 1e-5),  # a folder's name says nothing of it
    ],
)
def test_a_port_from_tensorflow_is_padded_and_normed_as_there(file: str, same: bool, eps: float, tmp_path: Path) -> None:
    design = nw.zoo.EfficientNet(width=0.25, depth=0.1, classes=5)
    (tmp_path / file).parent.mkdir(exist_ok=True)
    save_file(trained(design).state_dict(), tmp_path / file)
    model = build(design, tmp_path / file)
    assert design_of(model) == design.replace(same=same, eps=eps)
    assert {module.eps for module in model.modules() if isinstance(module, nn.BatchNorm2d)} == {eps}
    assert any(type(module).__name__ == "SameConv2d" for module in model.modules()) == same


@pytest.mark.parametrize(("number", "eps"), [(0, 1e-5), (4, 1e-5), (5, 1e-3), (6, 1e-3), (7, 1e-3)])
def test_torchvisions_largest_efficientnets_have_another_eps(number: int, eps: float) -> None:
    design = nw.network(f"efficientnet_b{number}", classes=10)
    assert adapted(design, "torchvision", "IMAGENET1K_V1", {}) == design.replace(eps=eps)
    assert adapted(design, "timm", "timm/efficientnet_b5", {}) == design


def test_what_weights_set_is_noted_beside_them(tmp_path: Path) -> None:
    """Saved by netwright under any name they give the same outputs again."""
    design = nw.zoo.EfficientNet(width=0.25, depth=0.1, classes=5)
    save_file(trained(design).state_dict(), tmp_path / "tf_efficientnet_b0.safetensors")
    model = build(design, tmp_path / "tf_efficientnet_b0.safetensors")
    nw.save_weights(model, tmp_path / "mine.safetensors")
    again = build(design, tmp_path / "mine.safetensors")
    picture = torch.randn(1, 3, 33, 33, generator=torch.Generator().manual_seed(0))
    assert design_of(again) == design_of(model)
    assert torch.equal(again(picture), model(picture))


def test_transform_input_is_not_done_twice(tmp_path: Path) -> None:
    for name in ("googlenet", "inception_v3"):
        plain, inside = nw.network(name, classes=3), nw.network(name, classes=3, transform_input=True)
        assert convention(plain, "torchvision", "x.pth").mean == (0.5, 0.5, 0.5)
        assert convention(inside, "torchvision", "x.pth").mean == IMAGENET["mean"]
    assert convention(nw.network("googlenet"), "torchvision", "googlenet-1378be20.pth").mean == (0.5, 0.5, 0.5)
    transformed = nw.network("googlenet", transform_input=True)
    assert convention(transformed, "torchvision", "googlenet-1378be20.pth").mean == IMAGENET["mean"]


def test_a_grey_network_is_shown_grey_pictures(file: Path, tmp_path: Path) -> None:
    """Folded, saved, and used from the command line."""
    nw.save_weights(build(TINY, file, channels=1), tmp_path / "grey.safetensors")
    (tmp_path / "net.json").write_text(nw.to_json(TINY))
    Image.fromarray(np.arange(64 * 64, dtype=np.uint8).reshape(64, 64)).save(tmp_path / "grey.png")
    words = [str(tmp_path / "net.json"), str(tmp_path / "grey.png"), "--weights", str(tmp_path / "grey.safetensors")]
    assert main(["predict", *words, "--json"]) == 0
    assert open_weights(TINY, tmp_path / "grey.safetensors").preprocessing.mean == pytest.approx([sum(IMAGENET["mean"]) / 3])
    nw.save_weights(build(TINY, file, channels=4), tmp_path / "four.safetensors")
    assert main(["predict", *words[:3], str(tmp_path / "four.safetensors")]) == 2


@pytest.mark.parametrize("box", ["state_dict_ema", "model_ema", "ema"])
def test_averaged_weights_come_first(box: str, state: State, tmp_path: Path) -> None:
    """As timm's loader takes them; torch's AveragedModel and compiled data parallel models name them oddly."""
    worse = {name: torch.zeros_like(value) for name, value in state.items()}
    average = {"n_averaged": torch.tensor(3)} | {f"module.{name}": value for name, value in state.items()}
    torch.save({"state_dict": worse, "model": worse, box: average}, tmp_path / "run.pth")
    assert differing(build(TINY, tmp_path / "run.pth"), state) == []
    torch.save({f"_orig_mod.module.{name}": value for name, value in state.items()}, tmp_path / "compiled.pth")
    assert differing(build(TINY, tmp_path / "compiled.pth"), state) == []


def test_sparse_tensors_are_refused(state: State, tmp_path: Path) -> None:
    torch.save(state | {"fc.weight": state["fc.weight"].to_sparse()}, tmp_path / "sparse.pth")
    with pytest.raises(NetwrightError, match=r"fc\.weight is sparse or quantized"):
        build(TINY, tmp_path / "sparse.pth")


def test_a_stride_in_another_place_is_noted(tmp_path: Path) -> None:
    """Equal names and shapes, but another function."""
    design = ResNet((1, 1), Bottleneck(stride_first=True), width=8, classes=6)
    save_file(trained(design).state_dict(), tmp_path / "public.safetensors")
    with pytest.warns(WeightsNote, match="stride in the 3x3"):
        build(design, tmp_path / "public.safetensors")
    nw.save_weights(build(design, seed=0), tmp_path / "own.safetensors")
    build(design, tmp_path / "own.safetensors")


def test_torchvisions_names_are_those_of_the_network_that_is_built() -> None:
    with pytest.raises(NetwrightError, match="weights of resnet50, not of resnet18"):
        open_weights(nw.network("resnet18"), "ResNet50_Weights.IMAGENET1K_V2")
    with pytest.raises(NetwrightError, match="torchvision has no weights of 'regnetx_004 of the paper'"):
        open_weights(nw.network("regnetx_004"), "DEFAULT")


def test_auxiliary_classifiers_train_and_are_left_out_of_the_run(photos: Path, tmp_path: Path) -> None:
    design = nw.network("googlenet", aux=True, classes=3)
    run = nw.train(design, photos, image=64, recipe=nw.Recipe(epochs=1, batch=18), out=tmp_path / "run")
    assert design_of(run.model) == design.replace(aux=False) == run.design
    assert [name for name in run.model.state_dict() if "aux" in name] == []
    nw.save_weights(nw.build(design, seed=0), tmp_path / "aux.safetensors")
    (tmp_path / "net.json").write_text(nw.to_json(design))
    picture = next((photos / "red").glob("*.jpg"))
    with warnings.catch_warnings():
        warnings.simplefilter("default")  # the note that they are left out: the command line prints it
        assert main(["predict", str(tmp_path / "net.json"), str(picture), "--weights", str(tmp_path / "aux.safetensors")]) == 0


def test_weights_that_do_not_fit_are_told_before_pictures_are_read(file: Path, photos: Path, tmp_path: Path) -> None:
    next((photos / "red").glob("*.jpg")).write_bytes(b"broken")  # would be told if it were read
    with pytest.raises(NetwrightError, match="does not fit the network"):
        nw.train(nw.network("resnet18"), photos, weights=file, image=64, out=tmp_path / "run")
    with pytest.raises(NetwrightError, match="does not fit the network"):
        nw.build("resnet18", weights=file, device="meta")


def test_an_export_never_takes_the_weights_place(file: Path, tmp_path: Path) -> None:
    (tmp_path / "net.json").write_text(nw.to_json(TINY))
    before = file.read_bytes()
    assert main(["export", str(tmp_path / "net.json"), "--weights", str(file), "-o", str(file)]) == 2
    assert file.read_bytes() == before


def test_classes_are_a_word_of_build_too(file: Path) -> None:
    assert nw.build("resnet18", classes=0, seed=0)(torch.zeros(1, 3, 64, 64)).shape == (1, 512)
    with pytest.warns(WeightsNote, match="is for 6 classes, not 4"):
        assert nw.build(TINY, 64, classes=4, weights=file).get_parameter("fc.weight").shape[0] == 4


# ---------------------------------------------------------------- what a model carries


def test_copies_and_pickles_keep_design_and_preprocessing(file: Path) -> None:
    model = build(TINY, file)
    shown = Preprocessing(224, 256, "bilinear", IMAGENET["mean"], IMAGENET["std"])
    twins = [model, copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))]
    twins += [copy.deepcopy(twins[-1]), pickle.loads(pickle.dumps(twins[-1])), model.train().half()]
    for twin in twins:
        assert design_of(twin) == TINY
        assert nw.preprocessing_of(twin) == shown
    assert nw.preprocessing_of(build(TINY)) is None


def test_a_module_that_build_did_not_make_is_told(tmp_path: Path) -> None:
    asks: list[Callable[[nn.Module], object]] = [
        design_of,
        nw.preprocessing_of,
        lambda model: nw.save_weights(model, tmp_path / "w.safetensors", naming="timm"),
    ]
    for model in (nn.Conv2d(3, 4, 1), fx.symbolic_trace(nn.Conv2d(3, 4, 1)), build(TINY).get_submodule("layer1")):
        for ask in asks:
            with pytest.raises(NetwrightError, match="was not made by netwright's build: its design is not known"):
                ask(model)
    assert list(tmp_path.iterdir()) == []


# ---------------------------------------------------------------- fresh weights

CUT = math.erf(math.sqrt(2))  # share of a normal distribution within two deviations
KEPT = math.sqrt(1 - 4 * math.exp(-2) / math.sqrt(2 * math.pi) / CUT)  # deviation of one that is cut there, 0.8796


def fresh(design: Design, name: str, outputs: tuple[str, ...] = ()) -> tuple[Tensor, Tensor | None]:
    """Weight and bias of a layer, by the seed 0; of a part of the network where its whole is large."""
    module = nw.build(design, outputs=outputs, seed=0).get_submodule(name)
    assert isinstance(module, (nn.Conv2d, nn.Linear))
    return module.weight.detach(), None if module.bias is None else module.bias.detach()


NORMAL = [  # the family's first layer of some size, and the deviation of its weights by hand
    ("resnet18", "layer2.0.conv2", math.sqrt(2 / (9 * 128))),  # He et al. 2015, by outputs x kernel area
    ("resnet18", "layer2.0.downsample.0", math.sqrt(2 / 128)),
    ("vgg11", "features.3", math.sqrt(2 / (9 * 128))),
    ("regnetx_032", "s2.b1.conv1.conv", math.sqrt(2 / 192)),
    ("resnet20_cifar", "layer3.0.conv1", math.sqrt(2 / (9 * 32))),  # by inputs x kernel area
    ("resnet20_cifar", "layer3.1.conv1", math.sqrt(2 / (9 * 64))),
    ("wrn_16_4", "group1.block0.conv0", math.sqrt(2 / (9 * 64))),
    ("legacy_seresnet18", "layer2.0.conv1", math.sqrt(2 / (9 * 64))),
    ("efficientnet_b0", "blocks.2.1.conv_dw", math.sqrt(2 / 25)),  # by the outputs of a group: one
    ("efficientnet_b0", "blocks.2.1.conv_pw", math.sqrt(2 / 240)),
    ("alexnet_2012", "conv2", 0.01),
    ("zfnet", "conv2", 0.01),
]


@pytest.mark.parametrize(("name", "layer", "deviation"), NORMAL, ids=[f"{name}-{layer}" for name, layer, _ in NORMAL])
def test_normal_weights_have_the_deviation_of_the_paper(name: str, layer: str, deviation: float) -> None:
    weight, _ = fresh(nw.network(name), layer, (layer,))
    count = weight.numel()
    assert float(weight.mean()) == pytest.approx(0, abs=4 * deviation / math.sqrt(count))
    assert float(weight.std()) == pytest.approx(deviation, rel=4 / math.sqrt(2 * count))
    beyond = float((weight.abs() > 2 * deviation).float().mean())
    assert beyond == pytest.approx(1 - CUT, abs=4 * math.sqrt(CUT * (1 - CUT) / count))


TRUNCATED = [
    ("mobilenetv2_100", "blocks.5.1.conv_pw", 0.09),
    ("googlenet", "inception3a.branch2.1.conv", 0.01),
    ("inception_v3", "Mixed_5b.branch5x5_2.conv", 0.1),
    ("inception_v4", "features.3.conv.conv", math.sqrt(2.6 / (64 * 9))),  # by inputs x kernel area
]


@pytest.mark.parametrize(("name", "layer", "deviation"), TRUNCATED, ids=[f"{name}-{layer}" for name, layer, _ in TRUNCATED])
def test_truncated_weights_stay_within_two_deviations(name: str, layer: str, deviation: float) -> None:
    """They are a normal distribution's, cut: narrower by the factor 0.8796, and of the same form inside."""
    weight, _ = fresh(nw.network(name), layer, (layer,))
    count = weight.numel()
    assert count > 50_000
    assert float(weight.abs().max()) <= 2 * deviation * (1 + 1e-6)
    assert float(weight.abs().max()) > 1.98 * deviation
    assert float(weight.std()) == pytest.approx(KEPT * deviation, rel=4 / math.sqrt(2 * count))
    inside = float((weight.abs() < deviation).float().mean())
    assert inside == pytest.approx(math.erf(math.sqrt(0.5)) / CUT, abs=4 / math.sqrt(4 * count))


UNIFORM = [
    ("alexnet", "features.3", 1 / math.sqrt(64 * 25)),  # torch's own: 1 / sqrt(inputs x kernel area)
    ("repvgg_a0", "stages.1.1.conv_kxk.conv", 1 / math.sqrt(96 * 9)),
    ("parnet_s", "streams.0.0.block.rbr_dense.conv", 1 / math.sqrt(92 * 9)),
    ("squeezenet1_1", "features.12.expand3x3", math.sqrt(6 / (64 * 9))),  # He's as a uniform distribution
    ("inception_resnet_v2", "mixed_5b.branch1.1.conv", math.sqrt(3 / (48 * 25))),  # Glorot's by the inputs
    ("resnet18", "fc", 1 / math.sqrt(512)),
    ("efficientnet_b0", "classifier", 1 / math.sqrt(1000)),  # the authors' code: by the number of classes
]


@pytest.mark.parametrize(("name", "layer", "edge"), UNIFORM, ids=[f"{name}-{layer}" for name, layer, _ in UNIFORM])
def test_uniform_weights_fill_their_range(name: str, layer: str, edge: float) -> None:
    weight, _ = fresh(nw.network(name), layer, (layer,))
    assert 0.999 * edge < float(weight.abs().max()) <= edge * (1 + 1e-6)
    assert float(weight.std()) == pytest.approx(edge / math.sqrt(3), rel=4 / math.sqrt(weight.numel()))
    quarters = torch.histc(weight, 4, -edge, edge) / weight.numel()
    torch.testing.assert_close(quarters, torch.full((4,), 0.25), rtol=0, atol=4 / math.sqrt(weight.numel()))


def test_linear_layers_and_heads_have_their_own() -> None:
    weight, bias = fresh(nw.network("squeezenet1_1"), "classifier.1")
    assert float(weight.std()) == pytest.approx(0.01, rel=0.01)
    assert bias is not None
    assert not bias.any()
    state = nw.build(NARROW_VGG, seed=0).state_dict()
    assert float(state["classifier.3.weight"].std()) == pytest.approx(0.01, rel=0.01)
    assert float(state["classifier.6.weight"].std()) == pytest.approx(0.01, rel=0.05)


def test_torchs_own_biases_are_drawn_too() -> None:
    """As nn.Conv2d does: uniform up to 1 / sqrt(inputs x kernel area)."""
    _, bias = fresh(nw.network("alexnet"), "features.3", ("features.3",))
    assert bias is not None
    assert 0.9 / 40 < float(bias.abs().max()) <= 1 / 40


def test_biases_of_one_are_where_alexnets_paper_has_them() -> None:
    """Section 5: the second, fourth and fifth convolution and the hidden linear layers; the others start at zero."""
    biases = {name: value for name, value in nw.build("alexnet_2012", seed=0).state_dict().items() if name.endswith("bias")}
    ones = {"conv2.bias", "conv4.bias", "conv5.bias", "classifier.1.bias", "classifier.4.bias"}
    assert {name for name, value in biases.items() if (value == 1).all()} == ones
    assert {name for name, value in biases.items() if not value.any()} == biases.keys() - ones
    assert len(biases) == 8


def test_zfnets_biases_are_zero() -> None:
    """Zeiler and Fergus, Section 3.1: all biases are set to 0."""
    model = nw.build(nw.network("zfnet", classes=3), seed=0)
    assert [name for name, value in model.state_dict().items() if name.endswith("bias") and value.any()] == []


IDENTITY: list[tuple[Design, str, str]] = [  # a stage, and the last norm of a residual branch
    (ResNet((2, 2), Basic(), width=8, classes=0), "layer2", "bn2"),
    (ResNet((2, 2), Bottleneck(), width=8, classes=0), "layer2", "bn3"),
    (ResNet((2, 2), Basic("average", SqueezeExcite(multiple=1)), width=8, classes=0), "layer2", "bn2"),
    (nw.zoo.RegNet(6, 16, 12.0, 2.0, 8, squeeze=0.25, classes=0), "s2", "conv3.bn"),
    (CifarResNet(2, classes=0), "layer2", "bn2"),
]


@pytest.mark.parametrize(("design", "stage", "last"), IDENTITY, ids=[f"{type(d).__name__}-{n}" for d, _, n in IDENTITY])
def test_an_identity_start_leaves_the_shortcut_alone(design: Design, stage: str, last: str) -> None:
    """Scales of zero: all blocks of a stage together are its shortcut (and the ReLU after it)."""
    model = nw.build(design, 64, seed=0)
    norms = {name: m for name, m in model.named_modules() if isinstance(m, nn.BatchNorm2d)}
    zero = {name for name, norm in norms.items() if not norm.weight.any()}
    assert zero == {name for name in norms if name.endswith("." + last)}
    assert all((norms[name].weight == 1).all() for name in norms.keys() - zero)
    assert not any(norm.bias.any() for norm in norms.values())
    blocks = model.get_submodule(stage)
    first = next(blocks.children())
    x = picture(next(m for m in first.modules() if isinstance(m, nn.Conv2d)).in_channels, 12).relu()
    made = model.eval().get_submodule(stage)(x)
    if isinstance(design, CifarResNet):  # every second pixel between channels of zeros
        expected = torch.cat([torch.zeros(2, 8, 6, 6), x[..., ::2, ::2], torch.zeros(2, 8, 6, 6)], 1)
    else:
        expected = nn.Sequential(*first.get_submodule("downsample").children())(x)
    torch.testing.assert_close(made, expected.relu())


@pytest.mark.parametrize(
    "name", ["mobilenetv2_035", "efficientnet_b0", "wrn_16_4", "repvgg_a0", "plain20_cifar", "inception_resnet_v2"]
)
def test_where_the_paper_says_nothing_of_it_scales_are_one(name: str) -> None:
    model = nw.build(nw.network(name, classes=3), seed=0)
    assert all((m.weight == 1).all() for m in model.modules() if isinstance(m, nn.BatchNorm2d))


SCHEMES = [TINY, nw.network("mobilenetv2_035"), nw.zoo.RepVGG((1, 1), 0.25, 0.25), nw.network("wrn_16_4"), NARROW_VGG]


@pytest.mark.parametrize("design", SCHEMES, ids=lambda design: type(design).__name__)
def test_a_seed_decides_all_weights_and_leaves_the_global_generator_alone(design: Design) -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    model = nw.build(design, seed=11)
    assert torch.equal(torch.get_rng_state(), before)
    assert differing(nw.build(design, seed=11), model.state_dict()) == []
    drawn = {name for name, value in model.state_dict().items() if name.endswith("weight") and value.ndim > 1}
    assert drawn <= set(differing(nw.build(design, seed=12), model.state_dict()))
    nw.build(design)
    assert not torch.equal(torch.get_rng_state(), before)


def test_weights_from_a_file_leave_the_global_generator_alone(file: Path) -> None:
    before = torch.get_rng_state()
    build(TINY, file)
    assert torch.equal(torch.get_rng_state(), before)


# ---------------------------------------------------------------- the real ones


@pytest.fixture(scope="session")
def cifar(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """CIFAR-10 in its binary version."""
    folder = tmp_path_factory.mktemp("cifar") / "cifar-10-batches-bin"
    subprocess.run([sys.executable, shared / "cifar10" / "unpack_cifar10.py", folder], check=True)
    return folder


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What a command prints as JSON."""
    with warnings.catch_warnings():  # the command prints warnings in its own way
        code = main([*arguments, "--json"])
    captured = capsys.readouterr()
    assert code == 0, captured.err
    found: dict[str, Any] = json.loads(captured.out)
    return found


@torch.no_grad()
def test_squeezenet_gives_its_reference_output(shared: Path) -> None:
    """One input of noise (not normalized), and what MXNet's network made of it."""
    held = np.load(shared / "weights" / "imagenet_squeezenet1_1_reference_io.npz")
    model = nw.build("squeezenet1_1", weights=shared / "weights" / "imagenet_squeezenet1_1.safetensors").eval()
    made = model(torch.from_numpy(held["input_0"])).numpy()
    assert np.abs(held["output_0"]).max() > 250
    np.testing.assert_allclose(made, held["output_0"], rtol=0, atol=1e-3)


@pytest.mark.slow
def test_squeezenet_names_as_many_samples_as_it_should(shared: Path, capsys: pytest.CaptureFixture[str]) -> None:
    weights = shared / "weights" / "imagenet_squeezenet1_1.safetensors"
    found = told(["eval", "squeezenet1_1", str(shared / "imagenet_samples"), "--weights", str(weights)], capsys)
    assert (found["correct"], round(found["top5"] * 400), found["of"]) == (247, 337, 400)


@pytest.mark.slow
@pytest.mark.parametrize(("layers", "digest", "correct"), [(20, "12fca82f", 9_173), (56, "4bfd9763", 9_339)])
def test_cifar_resnets_score_exactly_what_was_published(
    layers: int, digest: str, correct: int, shared: Path, cifar: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    weights = shared / "weights" / f"cifar10_resnet{layers}-{digest}.safetensors"
    found = told(["eval", f"resnet{layers}_cifar", str(cifar), "--weights", str(weights)], capsys)
    assert (found["correct"], found["of"]) == (correct, 10_000)


def test_the_int8_file_is_refused(shared: Path) -> None:
    path = shared / "weights" / "imagenet_mobilenetv2_tf2_int8.safetensors"
    text = refusal(nw.network("mobilenet_v2"), path)
    assert text.startswith(f"{path} does not fit the network: missing ")
