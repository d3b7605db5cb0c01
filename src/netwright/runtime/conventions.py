"""What weights of a source take for granted: fields of the design, and how pictures are shown where no file says it."""

from __future__ import annotations

from netwright.graph import Design, own_image
from netwright.preprocessing import IMAGENET_MEAN, IMAGENET_STD, Preprocessing, whole
from netwright.runtime.published import table
from netwright.zoo import CifarResNet, EfficientNet, InceptionResNetV2, InceptionV3, InceptionV4, WideResNet

_HALF = (0.5, 0.5, 0.5)
_CIFAR_MEAN, _CIFAR_STD = (0.4914, 0.4824, 0.4467), (0.2471, 0.2435, 0.2616)  # of its training pictures


def adapted(design: Design, source: str, weights: str) -> Design:
    """The design as the weights need it: what differs between sources under one name.

    torchvision's EfficientNet-B5 to B7 and the ports from TensorFlow (`tf_efficientnet_...`) have norms of eps 1e-3;
    the latter pad as TensorFlow does.
    """
    if isinstance(design, EfficientNet):
        if "tf_efficientnet" in weights:
            return design.replace(eps=1e-3, same=True)
        if source == "torchvision" and (design.width, design.depth) in ((1.6, 2.2), (1.8, 2.6), (2.0, 3.1)):
            return design.replace(eps=1e-3)
    return design


def convention(design: Design, source: str, file: str) -> Preprocessing:
    """How pictures are shown to weights in a file that does not say it.

    A file of torchvision's is known by its name. Networks for small pictures see them whole; others the central
    7/8 of the shorter side with ImageNet's mean and deviation, bilinear as torchvision does or bicubic as timm.
    """
    for row in table():
        if row.file == file:
            return row.preprocessing
    image = own_image(design)
    if isinstance(design, CifarResNet):  # trained with ImageNet's figures by those whose weights are public
        return whole(image).replace(mean=IMAGENET_MEAN, std=IMAGENET_STD)
    if isinstance(design, WideResNet):
        return whole(image).replace(mean=_CIFAR_MEAN, std=_CIFAR_STD)
    crop = 0.8975 if isinstance(design, InceptionResNetV2) else 0.875
    shown = Preprocessing(image, int(image / crop), "bicubic" if source == "timm" else "bilinear", IMAGENET_MEAN, IMAGENET_STD)
    if source == "gluon":  # as the accuracy of these weights was measured
        return shown.replace(rounding="nearest")
    inception = isinstance(design, (InceptionV3, InceptionV4, InceptionResNetV2))
    return shown.replace(mean=_HALF, std=_HALF) if inception else shown
