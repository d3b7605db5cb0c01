"""What the README says of timm and torchvision, counted."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

from tests.compat.oracles import timm, torchvision

README = " ".join((Path(__file__).parents[2] / "README.md").read_text().split())


def said(words: str) -> tuple[int, ...]:
    found = re.search(re.escape(words).replace(r"\{\}", r"([\d,]+)"), README)
    assert found, words
    return tuple(int(number.replace(",", "")) for number in found.groups())


def test_timm_has_as_many_networks_weights_and_optimizers() -> None:
    counted = (len(timm.list_models()), len(timm.list_models(pretrained=True)))
    assert said("{} networks, transformers among them, and {} sets of weights") == counted
    assert said("{} optimizers, here") == (len(import_module("timm.optim").list_optimizers()),)


def test_torchvision_has_as_many_classifiers_and_weights() -> None:
    models = torchvision.models
    names = models.list_models(module=models)
    weights = sum(len(list(models.get_model_weights(name))) for name in names)
    assert said("{} classifiers with {} sets of weights") == (len(names), weights)
