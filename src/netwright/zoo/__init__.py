"""The zoo: one paper, one file. `network(name)` gives a design, `networks(pattern)` lists names."""

from __future__ import annotations

import fnmatch
from typing import Any

from netwright.errors import NetwrightError, did_you_mean
from netwright.graph import Design
from netwright.zoo import (
    alexnet,
    efficientnet,
    googlenet,
    inception_v3,
    inception_v4,
    mobilenet,
    parnet,
    regnet,
    repvgg,
    resnet,
    senet,
    squeezenet,
    vgg,
    wide_resnet,
)
from netwright.zoo.alexnet import AlexNet, AlexNet2012, ZFNet
from netwright.zoo.efficientnet import EfficientNet, MnasNet
from netwright.zoo.googlenet import GoogLeNet
from netwright.zoo.inception_v3 import InceptionV3
from netwright.zoo.inception_v4 import InceptionResNetV2, InceptionV4
from netwright.zoo.mobilenet import MobileNetV1, MobileNetV2
from netwright.zoo.parnet import ParNet
from netwright.zoo.regnet import RegNet
from netwright.zoo.repvgg import RepVGG
from netwright.zoo.resnet import CifarResNet, ResNet, branch_width
from netwright.zoo.senet import SENet
from netwright.zoo.squeezenet import SqueezeNet
from netwright.zoo.vgg import VGG
from netwright.zoo.wide_resnet import WideResNet

__all__ = [
    "VGG",
    "AlexNet",
    "AlexNet2012",
    "CifarResNet",
    "EfficientNet",
    "GoogLeNet",
    "InceptionResNetV2",
    "InceptionV3",
    "InceptionV4",
    "MnasNet",
    "MobileNetV1",
    "MobileNetV2",
    "ParNet",
    "RegNet",
    "RepVGG",
    "ResNet",
    "SENet",
    "SqueezeNet",
    "WideResNet",
    "ZFNet",
    "branch_width",
    "name_of",
    "network",
    "networks",
]

_FAMILIES = (
    alexnet,
    vgg,
    googlenet,
    inception_v3,
    inception_v4,
    resnet,
    senet,
    wide_resnet,
    mobilenet,
    efficientnet,
    regnet,
    repvgg,
    parnet,
    squeezenet,
)
_NETWORKS: dict[str, Design] = {name: design for family in _FAMILIES for name, design in family.NETWORKS.items()}


def networks(pattern: str = "*") -> list[str]:
    """Names of the zoo that match a shell pattern; a word without wildcards matches anywhere.

    >>> networks("resnet1?")
    ['resnet18']
    """
    pattern = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
    return [name for name in _NETWORKS if fnmatch.fnmatchcase(name, pattern.lower())]


def network(name: str, **changes: Any) -> Design:
    """The design of a name of the zoo, with some of its fields changed.

    Raises NetwrightError for an unknown name (with the nearest ones) and DesignError for a field
    that the design has not, or a value that does not fit.

    >>> network("resnet18", classes=10).classes
    10
    """
    design = _NETWORKS.get(name)
    if design is None:
        raise NetwrightError(f"unknown network {name!r}{did_you_mean(name, _NETWORKS) or '; see `netwright list`'}")
    return design.replace(**changes) if changes else design


def name_of(design: Design) -> str | None:
    """The first name of the zoo whose design is this one, whatever its classes, resolution and dropout; None for others.

    >>> name_of(network("resnet50", classes=10))
    'resnet50'
    """
    plain = {"classes", "resolution", "dropout", "aux", "transform_input", "eps", "same"}
    for name, known in _NETWORKS.items():
        if type(known) is type(design):
            fields, own = known.fields(), design.fields()
            if all(own[key] == value for key, value in fields.items() if key not in plain):
                return name
    return None
