"""A budget: the least and the most of each count that a design may have for one image."""

from __future__ import annotations

from dataclasses import dataclass, fields

from netwright.errors import NetwrightError
from netwright.graph.layers import Counts
from netwright.units import parse_amount

Amount = str | int
Limit = Amount | tuple[Amount | None, Amount | None] | None
COUNTED = ("params", "macs", "acts")  # in the order of a graph's totals
Span = tuple[float, float]
ANY: Span = (0.0, float("inf"))


@dataclass(frozen=True)
class Budget:
    """From the least to the most params, macs and acts of one image, both included."""

    params: Span = ANY
    macs: Span = ANY
    acts: Span = ANY

    @classmethod
    def of(cls, *, params: Limit = None, macs: Limit = None, acts: Limit = None) -> Budget:
        """From amounts: `"400M"` is at most so much, a pair from the least to the most; None is no limit.

        >>> Budget.of(macs=("360M", "0.4GF")).macs
        (360000000, 400000000)
        """
        return cls(_span("params", params), _span("macs", macs), _span("acts", acts))

    def bounded(self) -> list[str]:
        """The counts that have a limit."""
        return [field.name for field in fields(self) if getattr(self, field.name) != ANY]

    def misses(self, totals: Counts) -> str:
        """The first count that is outside, and on which side: "macs above", "params below"; '' for a design within."""
        for count, name in zip(totals, COUNTED, strict=True):
            least, most = getattr(self, name)
            if not least <= count <= most:
                return f"{name} {'above' if count > most else 'below'}"
        return ""

    def __str__(self) -> str:
        return " and ".join(f"{told(getattr(self, name))} {name}" for name in self.bounded()) or "any cost"


def told(span: Span) -> str:
    """'360,000,000 to 400,000,000', 'at most 400,000,000', 'at least 360,000,000'."""
    least, most = span
    if least <= 0:
        return f"at most {most:,}"
    return f"at least {least:,}" if most == ANY[1] else f"{least:,} to {most:,}"


def _span(name: str, limit: Limit) -> Span:
    if limit is None:
        return ANY
    if not isinstance(limit, (tuple, list)):
        limit = (None, limit)
    if len(limit) != 2:
        raise NetwrightError(f"{name} is {limit!r}, expected an amount, or the least and the most")
    low, high = limit
    least = 0 if low is None or low == 0 else parse_amount(low)
    most = ANY[1] if high is None else parse_amount(high)
    if least > most:
        raise NetwrightError(f"{name} from {least:,} to {most:,} is nothing: give the least first")
    return least, most
