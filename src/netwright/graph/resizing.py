"""Wider and deeper networks: the one place where a scaled width or depth becomes a whole number."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, get_args

from netwright.errors import NetwrightError

Rounding = Literal["up", "nearest"]
ROUNDINGS: tuple[Rounding, ...] = get_args(Rounding)
_ERROR = 1e-9  # of floats: 10 x 1.1 is not eleven and a bit


def rounded(width: float, multiple: int = 8) -> int:
    """The nearest multiple, half of one upwards, but never less than nine tenths of the width (MobileNet's rule).

    >>> [rounded(width) for width in (35.2, 17.9, 3.0)]
    [32, 24, 8]
    """
    near = max(multiple, int(width + multiple / 2) // multiple * multiple)
    return near if near >= 0.9 * width else near + multiple


@dataclass(frozen=True)
class Resizing:
    """How many times as wide and as deep a design becomes, and how its numbers are rounded.

    "up" is EfficientNet's way: widths to multiples of 8 as `rounded` does, depths upwards. "nearest" is that of the authors'
    code for fast scaling (arXiv:2103.06877): both to the nearest, half to even. What is not scaled stays as it is.

    >>> by = Resizing(wider=1.1, deeper=1.2)
    >>> by.width(320), by.depth(3)
    (352, 4)
    """

    wider: float = 1.0
    deeper: float = 1.0
    rounding: Rounding = "up"

    def __post_init__(self) -> None:
        for name in ("wider", "deeper"):
            value = getattr(self, name)
            if type(value) not in (int, float) or not 0 < value < math.inf:
                word = {"wider": "width", "deeper": "depth"}[name]
                raise NetwrightError(f"{word} is scaled by {value!r}: expected a positive number")
        if self.rounding not in ROUNDINGS:
            raise NetwrightError(f"rounding is {self.rounding!r}, expected one of {', '.join(ROUNDINGS)}")

    def width(self, width: float, multiple: int = 8) -> int:
        """The scaled width as a multiple; a width that is no whole number is one that the design multiplies itself."""
        if self.wider == 1 and width == int(width):
            return int(width)
        if self.rounding == "up" or self.wider == 1:
            return rounded(width * self.wider, multiple)
        return max(1, round(width * self.wider / multiple)) * multiple

    def depth(self, depth: float) -> int:
        """The scaled depth, at least 1."""
        scaled = depth * self.deeper
        if self.rounding == "nearest" and self.deeper != 1:
            return max(1, round(scaled))
        return max(1, math.ceil(scaled - _ERROR * scaled))

    def group_width(self, width: int) -> int:
        """The width of a group: the nearest multiple of 8, or 1, 2 or 4 (as the authors' code for fast scaling has it)."""
        if self.wider == 1:
            return width
        scaled = max(1, round(width * self.wider))
        return scaled if scaled <= 2 else 4 if scaled <= 5 else max(1, round(scaled / 8)) * 8

    def fitted(self, width: int, group_width: int) -> tuple[int, int]:
        """A width and its group's, both scaled: the width is a multiple of the group's, which is never the larger one."""
        wide, group = self.width(width), self.group_width(group_width)
        group = min(group, wide)
        return rounded(wide, group) if self.rounding == "up" else max(1, round(wide / group)) * group, group
