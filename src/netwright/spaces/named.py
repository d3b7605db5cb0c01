"""The named spaces, and reading one from a word: its name, or `file.py:name` for a user's own."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from netwright.errors import NetwrightError, did_you_mean
from netwright.files import run_file
from netwright.graph import Design
from netwright.spaces.anynet import AnyNetSpace
from netwright.spaces.base import OwnSpace, RefinedSpace, Space
from netwright.spaces.classic import VGGResNetSpace
from netwright.spaces.compact import CompactSpace, ResidualSpace
from netwright.spaces.inverted import MBConvSpace
from netwright.spaces.regnet import RegNetSpace

_BOTTLENECK, _GROUPS = ("bottleneck",), ("bottleneck", "group_width")
_WIDER = AnyNetSpace(rising_widths=True)
_DEEPER = AnyNetSpace(rising_widths=True, rising_depths=True)

SPACES: dict[str, Space] = {
    "anynetx_a": AnyNetSpace(),
    "anynetx_b": RefinedSpace(AnyNetSpace(), stems=_BOTTLENECK, called="anynetx_b"),
    "anynetx_c": RefinedSpace(AnyNetSpace(), stems=_GROUPS, called="anynetx_c"),
    "anynetx_d": RefinedSpace(_WIDER, stems=_GROUPS, called="anynetx_d"),
    "anynetx_e": RefinedSpace(_DEEPER, stems=_GROUPS, called="anynetx_e"),
    "regnetx": RegNetSpace(),
    "regnety": RegNetSpace(squeeze=0.25),
    "regnetx_constrained": RegNetSpace(constrained=True),
    "regnetx_whole": RegNetSpace(depth=(4, 63), w_m=(1.5, 3.0), bottleneck=(1, 2, 4)),
    "mbconv": MBConvSpace(),
    "vgg_resnet": VGGResNetSpace(),
    "residual": ResidualSpace(),
    "compact": CompactSpace(),
}
ABOUT = {
    "anynetx_a": "four stages, each with a depth, width, bottleneck and group width of its own (16 choices)",
    "anynetx_b": "A with one bottleneck for all stages",
    "anynetx_c": "B with one group width for all stages",
    "anynetx_d": "C with widths that do not fall from stage to stage",
    "anynetx_e": "D with depths that do not fall either",
    "regnetx": "widths from a quantized line: depth, w_0, w_a, w_m and a group width",
    "regnety": "regnetx with squeeze-and-excitation",
    "regnetx_constrained": "regnetx with params (M) < 3 + 5.5 F and acts (M) < 6.5 sqrt(F) for F G macs",
    "regnetx_whole": "RegNet before the paper narrows it: depth below 64, w_m from 1.5, bottlenecks",
    "mbconv": "inverted residuals around EfficientNet-B0: kernel, expansion, gate, depth and width of each stage",
    "vgg_resnet": "VGG, and plain, basic and bottleneck ResNets",
    "residual": "CIFAR's ResNets with three to five stages of their own depths, and a stem that may stride",
    "compact": "residual or regnetx, as often the one as the other: what `design` takes, with bounds for small pictures",
}


def space(what: Any) -> Space:
    """A design space from a name (`regnetx`), from `file.py:name`, or from a function `space(pick) -> design`; a space as it is.

    Raises NetwrightError for an unknown name (with the nearest ones), a file that does not run, or anything else.

    >>> space("anynetx_b").name
    'anynetx_b'
    """
    if isinstance(what, str):
        return read_space(what)
    if isinstance(what, Space):
        return what
    if isinstance(what, (Design, type)):
        raise NetwrightError(f"{what!r} is no design space: a space is a function space(pick) -> design")
    return OwnSpace(what)


def read_space(word: str) -> Space:
    """The space of a name, or of `file.py:name`."""
    file, colon, name = word.rpartition(":")
    if colon and file.endswith(".py"):
        return _from_file(file, name)
    if word not in SPACES:
        hint = did_you_mean(word, SPACES) or f"; there are {', '.join(SPACES)}, and file.py:name for your own"
        raise NetwrightError(f"unknown space {word!r}{hint}")
    return SPACES[word]


def _from_file(file: str, name: str) -> Space:
    module = run_file(Path(file))
    found = getattr(module, name, None)
    if isinstance(found, Space):
        return found.replace(file=file, word=name) if isinstance(found, OwnSpace) else found
    if callable(found) and not isinstance(found, (Design, type)):
        return OwnSpace(found, file, name)
    names = [key for key, value in vars(module).items() if isinstance(value, Space) or _is_own(value, module.__name__)]
    kind = f"is a {type(found).__name__}, not a space" if found is not None else "is not there"
    hint = did_you_mean(name, [key for key in names if key != name]) or "; a space is a function space(pick) -> design"
    raise NetwrightError(f"{name!r} in {file} {kind}{hint}")


def _is_own(value: Any, module: str) -> bool:
    """Whether it is a function of that module."""
    return callable(value) and not isinstance(value, type) and getattr(value, "__module__", "") == module
