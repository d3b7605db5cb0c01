"""The errors that users meet: one line that says what was wrong and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class NetwrightError(Exception):
    """A user's mistake, told in one line. The command line prints it and ends with exit code 2.

    >>> try:
    ...     nw.network("resnet51")
    ... except nw.NetwrightError as error:
    ...     print(error)
    unknown network 'resnet51'; did you mean resnet50, resnet18 or resnet50_v1?
    """


class FailedError(NetwrightError):
    """A failure that is not the user's mistake (a full disk, a diverged training): exit code 1."""


class DivergedError(FailedError):
    """A training whose loss is no longer finite."""


class DesignError(NetwrightError, ValueError):
    """A design that cannot be: `problem` says why, `path` is the full name of the layer or block at fault.

    >>> try:
    ...     nw.trace(nw.network("alexnet"), image=20)
    ... except nw.DesignError as error:
    ...     print(error.path)
    features.5
    """

    def __init__(self, problem: str, path: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.path = path

    def __str__(self) -> str:
        return f"{self.path}: {self.problem}" if self.path else self.problem

    def __reduce__(self) -> tuple[type, tuple[str, str]]:
        return type(self), (self.problem, self.path)

    def inside(self, block: str) -> DesignError:
        """The same error seen from outside `block`."""
        return type(self)(self.problem, f"{block}.{self.path}" if self.path else block)


class VanishedError(DesignError):
    """A feature map has no pixels left: the image is too small for the network."""


def did_you_mean(word: str, known: Iterable[str], limit: int = 3) -> str:
    """'; did you mean a, b or c?' for the nearest of the known words, or '' when none is near."""
    near = difflib.get_close_matches(word, list(known), n=limit, cutoff=0.5)
    if not near:
        return ""
    *most, last = near
    return f"; did you mean {', '.join(most) + ' or ' if most else ''}{last}?"
