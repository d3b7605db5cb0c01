"""What netwright says of public weights, held against what torchvision and timm say of them."""

from __future__ import annotations

import inspect
import json
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from netwright.errors import NetwrightError
from netwright.preprocessing import IMAGENET_MEAN, IMAGENET_STD
from netwright.runtime.fetch_config import read_config
from netwright.runtime.published import SERVER, published, table
from tests.compat import oracles

MODELS = oracles.torchvision.models
COVERED = re.compile(
    r"alexnet|vgg\d+(_bn)?|googlenet|inception_v3|(wide_)?resnet\d+(_2)?|resnext\w+|squeezenet\w+|mobilenet_v2"
    r"|efficientnet_b\d|regnet_[xy]_\w+"
)
NETWORKS = [name for name in MODELS.list_models(module=MODELS) if COVERED.fullmatch(name)]


def test_the_table_has_a_row_for_each_of_torchvisions_weights() -> None:
    members = {name: MODELS.get_model_weights(name).__members__ for name in NETWORKS}
    theirs = [(name, label) for name, weights in members.items() for label in weights if label != "DEFAULT"]
    assert sorted(theirs) == sorted((row.network, row.label) for row in table())
    for name, weights in members.items():
        for label, weight in weights.items():
            row = published(str(weight) if label != "DEFAULT" else f"torchvision/{name}.DEFAULT")
            assert row is not None
            assert row.network == name
            assert row.label == weight.name
            assert row.default == (weight is weights["DEFAULT"])
            assert SERVER + row.file == weight.url


@pytest.mark.parametrize("row", table(), ids=lambda row: f"{row.network}.{row.label}")
def test_a_rows_preprocessing_is_torchvisions(row: Any) -> None:
    shown = MODELS.get_model_weights(row.network)[row.label].transforms()
    assert ([row.preprocessing.resize], [row.preprocessing.image]) == (shown.resize_size, shown.crop_size)
    assert row.preprocessing.filter == shown.interpolation.value
    assert shown.antialias
    if row.network not in ("googlenet", "inception_v3"):  # see below
        assert (row.preprocessing.mean, row.preprocessing.std) == (tuple(shown.mean), tuple(shown.std))


def test_only_these_two_do_something_to_their_input() -> None:
    sources = {name: inspect.getsource(inspect.getmodule(MODELS.get_model_builder(name))) for name in NETWORKS}
    assert [name for name, source in sources.items() if "transform_input" in source] == ["googlenet", "inception_v3"]


@pytest.mark.parametrize("network", ["googlenet", "inception_v3"])
def test_what_they_do_to_it_is_in_their_rows(network: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With weights, torchvision's GoogLeNet and Inception v3 go on from ImageNet's mean and deviation to 0.5 and 0.5."""
    monkeypatch.setattr(MODELS.WeightsEnum, "get_state_dict", lambda weights, **_: {})
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", lambda model, state: None)
    with torch.device("meta"):
        model = MODELS.get_model(network, weights="DEFAULT")
    assert model.transform_input
    pictures = torch.rand(2, 3, 8, 8, dtype=torch.float64)
    mean, std = (torch.tensor(value, dtype=torch.float64).view(3, 1, 1) for value in (IMAGENET_MEAN, IMAGENET_STD))
    theirs = model._transform_input((pictures - mean) / std)
    torch.testing.assert_close((pictures - 0.5) / 0.5, theirs, rtol=0, atol=1e-15)
    assert {(row.preprocessing.mean, row.preprocessing.std) for row in table() if row.network == network} == {((0.5,) * 3,) * 2}


KEYS = ("input_size", "crop_pct", "crop_mode", "interpolation", "mean", "std")
PUBLISHED = [oracles.timm.get_pretrained_cfg(name) for name in oracles.timm.list_pretrained()]  # all that timm has
CONFIGS = {tuple(str(getattr(config, key)) for key in KEYS): config.to_dict() for config in PUBLISHED if config}


@pytest.mark.parametrize("config", CONFIGS.values(), ids=["-".join(key) for key in CONFIGS])
def test_a_config_of_timms_is_read_as_timm_reads_it(config: dict[str, Any], tmp_path: Path) -> None:
    data = oracles.timm.data
    resolved = data.resolve_data_config(pretrained_cfg=config)
    steps = {type(step).__name__: step for step in data.create_transform(**resolved).transforms}
    (tmp_path / "config.json").write_text(json.dumps({"architecture": "x", "pretrained_cfg": {k: config.get(k) for k in KEYS}}))
    _, height, width = resolved["input_size"]
    if resolved["crop_pct"] > 1 or height != width:  # some transformers: a margin around the picture, or one that is not square
        with pytest.raises(NetwrightError, match=r"expected a (number up to 1|square)"):
            read_config(tmp_path / "config.json")
        return
    ours, classes = read_config(tmp_path / "config.json")
    assert ours is not None
    assert classes is None
    resize = steps["ResizeKeepRatio" if resolved["crop_mode"] == "border" else "Resize"]
    assert resize.size in (ours.resize, (ours.resize, ours.resize))
    assert resize.interpolation.value == ours.filter
    crop = steps["CenterCropOrPad" if resolved["crop_mode"] == "border" else "CenterCrop"]
    assert tuple(crop.size) == (ours.image, ours.image)
    normalized = steps["Normalize"]
    torch.testing.assert_close(torch.tensor([ours.mean, ours.std]), torch.stack([normalized.mean, normalized.std]))
