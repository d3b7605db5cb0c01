"""What a design space is called on: it asks for its choices one by one (define by run)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from typing import TypeVar

T = TypeVar("T")


class Pick:
    """Draws the choices of one design; `chosen` remembers them by name.

    >>> pick = Pick(random.Random(0))
    >>> 12 <= pick.integer("depth", 12, 28) <= 28
    True
    """

    def __init__(self, source: random.Random) -> None:
        self._source = source
        self.chosen: dict[str, int | float | str | bool] = {}

    def integer(self, name: str, low: int, high: int, step: int = 1) -> int:
        """A whole number from low, low + step, ... up to high, each as likely."""
        value = low + step * self._source.randrange((high - low) // step + 1)
        self.chosen[name] = value
        return value

    def real(self, name: str, low: float, high: float, *, log: bool = False) -> float:
        """A number between low and high, uniform or uniform in its logarithm."""
        share = self._source.random()
        value = math.exp(math.log(low) + share * math.log(high / low)) if log else low + share * (high - low)
        self.chosen[name] = value
        return value

    def choice(self, name: str, options: Sequence[T]) -> T:
        """One of the options, each as likely."""
        value = options[self._source.randrange(len(options))]
        self.chosen[name] = value if isinstance(value, (int, float, str, bool)) else str(value)
        return value
