"""What other sources call the layers of a family: rules from our names to theirs, read in both directions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from netwright.errors import NetwrightError, did_you_mean
from netwright.graph import Design, trace
from netwright.graph.layers import Conv
from netwright.zoo import (
    VGG,
    AlexNet,
    AnyNet,
    CifarResNet,
    EfficientNet,
    GoogLeNet,
    InceptionResNetV2,
    InceptionV3,
    InceptionV4,
    MnasNet,
    MobileNetV1,
    MobileNetV2,
    ParNet,
    RegNet,
    RepVGG,
    ResNet,
    SENet,
    SqueezeNet,
    WideResNet,
)

Shape = tuple[int, ...]
Rename = Callable[[str], str]  # our name of a layer -> theirs


@dataclass(frozen=True)
class Naming:
    """How one source names the layers of a design, and the shapes of weights that it keeps in another form."""

    source: str
    rename: Rename
    shapes: dict[str, Shape] | None = None  # of the source's weights, by our name
    joint: str = "."  # between the names of a layer and of its weight

    def of(self, name: str) -> str:
        """Their name of one of our tensors."""
        layer, _, kind = name.rpartition(".")
        return f"{self.rename(layer)}{self.joint}{kind}"


def namings(design: Design) -> list[Naming]:
    """The sources that have weights for a design's family; those whose names are netwright's own too come first."""
    own = [Naming(source, _same) for source in (*_shared(design), "netwright")]
    return own + [make(design) for make in _RENAMED.get(type(design), ())]


def naming(design: Design, source: str) -> Naming:
    """The names of one source; raises NetwrightError where it has none for the family."""
    known = {naming.source: naming for naming in namings(design)}
    if source not in known:
        near = did_you_mean(source, known)
        raise NetwrightError(
            f"{source!r} has no names for weights of {type(design).__name__}{near}; there are: {', '.join(known)}"
        )
    return known[source]


def recognised(design: Design, ours: Iterable[str], theirs: Iterable[str]) -> Naming:
    """The source that shares most names with a file; the first of those that share equally many."""
    found, ours = set(theirs), list(ours)
    return max(namings(design), key=lambda naming: sum(naming.of(name) in found for name in ours))


def _shared(design: Design) -> tuple[str, ...]:
    """The sources whose names the family has itself; ResNets with gates or deep stems are timm's alone."""
    if isinstance(design, ResNet) and (design.deep_stem or getattr(design.block, "squeeze", None)):
        return ("timm",)
    return _SHARED.get(type(design), ())


def _same(name: str) -> str:
    return name


def _by_rules(*rules: tuple[str, str | Callable[[re.Match[str]], str]]) -> Rename:
    """Apply each rule (a pattern that matches at the beginning, and what stands there instead) in turn."""
    compiled = [(re.compile(pattern), new) for pattern, new in rules]

    def rename(name: str) -> str:
        for pattern, new in compiled:
            name = pattern.sub(new, name, count=1)
        return name

    return rename


def _timm_vgg(design: Design) -> Naming:
    assert isinstance(design, VGG)
    head = {"classifier.0": "pre_logits.fc1", "classifier.3": "pre_logits.fc2", "classifier.6": "head.fc"}
    shapes: dict[str, Shape] = {
        "classifier.0.weight": (design.hidden, design.widths[-1], 7, 7),
        "classifier.3.weight": (design.hidden, design.hidden, 1, 1),
    }
    return Naming("timm", lambda name: head.get(name, name), shapes)  # its head slides over the map as convolutions


def _torchvision_efficientnet(design: Design) -> Naming:
    assert isinstance(design, EfficientNet)
    last = len(design.stages) + 1

    def block(match: re.Match[str]) -> str:
        stage, number, layer = int(match[1]), match[2], match[3]
        if design.stages[stage].block.expansion > 1:
            names = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "se": "2", "conv_pwl": "3.0", "bn3": "3.1"}
        else:
            names = {"conv_dw": "0.0", "bn1": "0.1", "se": "1", "conv_pw": "2.0", "bn2": "2.1"}
        return f"features.{stage + 1}.{number}.block.{names[layer]}"

    rules = (
        (r"^blocks\.(\d+)\.(\d+)\.(\w+)", block),
        (r"conv_reduce$", "fc1"),
        (r"conv_expand$", "fc2"),
        (r"^conv_stem$", "features.0.0"),
        (r"^bn1$", "features.0.1"),
        (r"^conv_head$", f"features.{last}.0"),
        (r"^bn2$", f"features.{last}.1"),
        (r"^classifier$", "classifier.1"),
    )
    return Naming("torchvision", _by_rules(*rules))


def _torchvision_mobilenet(design: Design) -> Naming:
    assert isinstance(design, MobileNetV2)
    firsts = [1 + sum(stage.depth for stage in design.stages[:i]) for i in range(len(design.stages) + 1)]

    def block(match: re.Match[str]) -> str:
        stage, number, layer = int(match[1]), int(match[2]), match[3]
        if design.stages[stage].block.expansion > 1:
            names = {"conv_pw": "0.0", "bn1": "0.1", "conv_dw": "1.0", "bn2": "1.1", "conv_pwl": "2", "bn3": "3"}
        else:
            names = {"conv_dw": "0.0", "bn1": "0.1", "conv_pw": "1", "bn2": "2"}
        return f"features.{firsts[stage] + number}.conv.{names[layer]}"

    rules = (
        (r"^blocks\.(\d+)\.(\d+)\.(\w+)", block),
        (r"^conv_stem$", "features.0.0"),
        (r"^bn1$", "features.0.1"),
        (r"^conv_head$", f"features.{firsts[-1]}.0"),
        (r"^bn2$", f"features.{firsts[-1]}.1"),
        (r"^classifier$", "classifier.1"),
    )
    return Naming("torchvision", _by_rules(*rules))


def _torchvision_regnet(design: Design) -> Naming:
    rules = (
        (r"^s(\d+)\.b(\d+)\.", lambda m: f"trunk_output.block{m[1]}.block{m[1]}-{int(m[2]) - 1}."),
        (r"\.conv([123])\.conv$", lambda m: f".f.{'abc'[int(m[1]) - 1]}.0"),
        (r"\.conv([123])\.bn$", lambda m: f".f.{'abc'[int(m[1]) - 1]}.1"),
        (r"\.se\.", ".f.se."),
        (r"\.downsample\.conv$", ".proj.0"),
        (r"\.downsample\.bn$", ".proj.1"),
        (r"^stem\.conv$", "stem.0"),
        (r"^stem\.bn$", "stem.1"),
        (r"^head\.fc$", "fc"),
    )
    return Naming("torchvision", _by_rules(*rules))


def _gluon_squeezenet(design: Design) -> Naming:
    """MXNet's model zoo numbers all convolutions: the first, three of each fire module, the classifier."""
    assert isinstance(design, SqueezeNet)
    rows = trace(design.replace(classes=design.classes or 1)).rows()
    numbers = {name: i for i, name in enumerate(row.name for row in rows if isinstance(row.layer, Conv))}
    return Naming("gluon", lambda name: f"squeezenet0_conv{numbers[name]}", joint="_")


# sources whose names a family has itself
_SHARED: dict[type, tuple[str, ...]] = {
    AlexNet: ("torchvision",),
    VGG: ("torchvision",),
    GoogLeNet: ("torchvision",),
    InceptionV3: ("torchvision", "timm"),
    InceptionV4: ("timm",),
    InceptionResNetV2: ("timm",),
    ResNet: ("torchvision", "timm"),
    CifarResNet: ("akamaster",),
    SENet: ("timm",),
    WideResNet: ("szagoruyko",),
    MobileNetV1: ("timm",),
    MobileNetV2: ("timm",),
    EfficientNet: ("timm",),
    MnasNet: ("timm",),
    AnyNet: ("timm",),
    RegNet: ("timm",),
    RepVGG: ("timm",),
    ParNet: ("authors",),
    SqueezeNet: ("torchvision",),
}
_RENAMED: dict[type, tuple[Callable[[Design], Naming], ...]] = {
    VGG: (_timm_vgg,),
    MobileNetV2: (_torchvision_mobilenet,),
    EfficientNet: (_torchvision_efficientnet,),
    RegNet: (_torchvision_regnet,),
    SqueezeNet: (_gluon_squeezenet,),
}
