"""The zoo: one paper, one file. `network(name)` gives a design, `networks(pattern)` lists names."""

from __future__ import annotations

import fnmatch
from typing import Any

from netwright.errors import NetwrightError, did_you_mean
from netwright.graph import Design
from netwright.zoo import alexnet, googlenet, regnet, resnet, vgg
from netwright.zoo.alexnet import AlexNet
from netwright.zoo.googlenet import GoogLeNet
from netwright.zoo.regnet import RegNet
from netwright.zoo.resnet import CifarResNet, ResNet
from netwright.zoo.vgg import VGG

__all__ = ["VGG", "AlexNet", "CifarResNet", "GoogLeNet", "RegNet", "ResNet", "network", "networks"]

_NETWORKS: dict[str, Design] = {
    name: design for family in (alexnet, vgg, googlenet, resnet, regnet) for name, design in family.NETWORKS.items()
}


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
