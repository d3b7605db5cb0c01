"""The zoo: one paper, one file. `network(name)` gives a design, `networks(pattern)` lists names.

A family's file is imported when a network or a class of it is asked for: one cost needs one family.
"""

from __future__ import annotations

import fnmatch
import functools
import importlib
from typing import TYPE_CHECKING, Any

from netwright.errors import NetwrightError, did_you_mean
from netwright.graph import Design
from netwright.graph.values import Value

if TYPE_CHECKING:
    from netwright.zoo.alexnet import AlexNet, AlexNet2012, ZFNet
    from netwright.zoo.efficientnet import EfficientNet, MnasNet
    from netwright.zoo.googlenet import GoogLeNet
    from netwright.zoo.inception_v3 import InceptionV3
    from netwright.zoo.inception_v4 import InceptionResNetV2, InceptionV4
    from netwright.zoo.mobilenet import MobileNetV1, MobileNetV2
    from netwright.zoo.parnet import ParNet
    from netwright.zoo.regnet import AnyNet, RegNet
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
    "AnyNet",
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
    "alexnet",
    "vgg",
    "googlenet",
    "inception_v3",
    "inception_v4",
    "resnet",
    "senet",
    "wide_resnet",
    "mobilenet",
    "efficientnet",
    "regnet",
    "repvgg",
    "parnet",
    "squeezenet",
)


def __getattr__(name: str) -> Any:
    if name in __all__:  # a class: it is in the one family that defines it
        for family in map(_family, _FAMILIES):
            found = getattr(family, name, None)
            if getattr(found, "__module__", None) == family.__name__:
                return found
    raise AttributeError(f"module 'netwright.zoo' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


def _family(name: str) -> Any:
    return importlib.import_module(f"netwright.zoo.{name}")


@functools.cache
def _networks() -> dict[str, Design]:
    return {name: design for family in _FAMILIES for name, design in _family(family).NETWORKS.items()}


Value.libraries.append(_networks)  # a design that is read from a file may be of any family


def networks(pattern: str = "*") -> list[str]:
    """Names of the zoo that match a shell pattern; a word without wildcards matches anywhere.

    >>> networks("resnet1?")
    ['resnet18']
    """
    pattern = pattern if any(c in pattern for c in "*?[") else f"*{pattern}*"
    return [name for name in _networks() if fnmatch.fnmatchcase(name, pattern.lower())]


def network(name: str, **changes: Any) -> Design:
    """The design of a name of the zoo, with some of its fields changed.

    Raises NetwrightError for an unknown name (with the nearest ones) and DesignError for a field
    that the design has not, or a value that does not fit.

    >>> network("resnet18", classes=10).classes
    10
    """
    likely = [family for family in _FAMILIES if name.startswith(family)]
    design = next((_family(family).NETWORKS[name] for family in likely if name in _family(family).NETWORKS), None)
    design = design or _networks().get(name)
    if design is None:
        raise NetwrightError(f"unknown network {name!r}{did_you_mean(name, _networks()) or '; see `netwright list`'}")
    return design.replace(**changes) if changes else design


def name_of(design: Design) -> str | None:
    """The first name of the zoo whose design is this one, whatever its classes, resolution and dropout; None for others.

    >>> name_of(network("resnet50", classes=10))
    'resnet50'
    """
    plain = {"classes", "resolution", "dropout", "aux", "transform_input", "eps", "same"}
    for name, known in _networks().items():
        if type(known) is type(design):
            fields, own = known.fields(), design.fields()
            if all(own[key] == value for key, value in fields.items() if key not in plain):
                return name
    return None
