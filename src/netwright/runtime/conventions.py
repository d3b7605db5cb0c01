"""What weights of a source take for granted: fields of the design, and how pictures are shown where no file says it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

from netwright.graph import Design, own_image
from netwright.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, whole
from netwright.runtime.fetch_hub import WEIGHTS
from netwright.runtime.published import table
from netwright.zoo import CifarResNet, EfficientNet, GoogLeNet, InceptionResNetV2, InceptionV3, InceptionV4, WideResNet
from netwright.zoo.efficientnet import PRESETS

_HALF = (0.5, 0.5, 0.5)
_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4824, 0.4467), (0.2471, 0.2435, 0.2616)  # of its training pictures


_SET = ("eps", "same")  # fields that weights set


def adapted(design: Design, source: str, weights: str, noted: Mapping[str, Any]) -> Design:
    """The design as the weights need it: what differs between sources under one name.

    torchvision's EfficientNet-B5 to B7 and the ports from TensorFlow have norms of eps 1e-3; the latter pad as
    TensorFlow does. They are known by the name of the file, its folder or the hub's repository (`tf_efficientnet_...`):
    under another name, give the design `same=True, eps=1e-3`. What netwright `noted` beside the weights comes first.
    """
    if noted:
        return design.replace(**{name: value for name, value in noted.items() if name in _SET and name in design.fields()})
    if isinstance(design, EfficientNet):
        path = PurePath(weights)
        if (path.parent if path.name in WEIGHTS else path).name.startswith("tf_efficientnet"):
            return design.replace(eps=1e-3, same=True)
        large = [PRESETS[f"efficientnet_b{number}"][:2] for number in (5, 6, 7)]
        if source == "torchvision" and (design.width, design.depth) in large:
            return design.replace(eps=1e-3)
    return design


def to_note(design: Design) -> dict[str, Any]:
    """The fields that weights set, as `adapted` reads them again."""
    return {name: value for name, value in design.fields().items() if name in _SET}


def convention(design: Design, source: str, file: str) -> Preprocessing:
    """How pictures are shown to weights in a file that does not say it.

    A file of torchvision's is known by its name. Networks for small pictures see them whole; others the central
    7/8 of the shorter side with ImageNet's mean and deviation, bilinear as torchvision does or bicubic as timm.
    """
    for row in table():
        if row.file == file:
            return as_transformed(row.preprocessing, design)
    image = own_image(design)
    if isinstance(design, CifarResNet):  # trained with ImageNet's figures by those whose weights are public
        return whole(image).replace(mean=IMAGENET_MEAN, std=IMAGENET_STD)
    if isinstance(design, WideResNet):
        return whole(image).replace(mean=_CIFAR_MEAN, std=_CIFAR_STD)
    crop = 0.8975 if isinstance(design, InceptionResNetV2) else 0.875
    shown = Preprocessing(image, int(image / crop), "bicubic" if source == "timm" else "bilinear", IMAGENET_MEAN, IMAGENET_STD)
    if source == "gluon":  # as the accuracy of these weights was measured
        return shown.replace(rounding="nearest")
    half = isinstance(design, (InceptionV3, InceptionV4, InceptionResNetV2)) or (
        isinstance(design, GoogLeNet) and not design.paper
    )
    return as_transformed(shown.replace(mean=_HALF, std=_HALF) if half else shown, design)


def as_transformed(shown: Preprocessing, design: Design) -> Preprocessing:
    """ImageNet's mean and deviation where the design itself brings them to those of its weights."""
    return shown.replace(mean=IMAGENET_MEAN, std=IMAGENET_STD) if design.fields().get("transform_input") else shown
