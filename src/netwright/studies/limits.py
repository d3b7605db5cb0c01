"""Hard limits on what a design may cost: counts from the least to the most, bytes and milliseconds at most."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from netwright.costing import Cost
from netwright.graph import Design
from netwright.scaling.budget import Limit, Use, find_device, read_limits, shown
from netwright.spaces.budgets import ANY, Budget
from netwright.spaces.budgets import Limit as Span

if TYPE_CHECKING:
    from netwright.costing.latency import Profile

BYTES = ("memory", "inference_memory")


@dataclass(frozen=True)
class Limits:
    """What every network of a study keeps to: `counts` for one image, `more` (memory, latency) as `use` says.

    >>> limits = Limits.of(macs=("20M", "30M"), inference_memory="8MB")
    >>> str(limits)
    '20,000,000 to 30,000,000 macs and 8.00 MB of inference memory'
    """

    counts: Budget = field(default_factory=Budget)
    more: tuple[Limit, ...] = ()
    use: Use = field(default_factory=Use)

    @classmethod
    def of(
        cls,
        *,
        macs: Span = None,
        params: Span = None,
        acts: Span = None,
        memory: int | str | None = None,
        inference_memory: int | str | None = None,
        latency: float | str | None = None,
        device: Profile | str | None = None,
        use: Use | None = None,
    ) -> Limits:
        """From what a user writes: amounts or pairs of the least and the most, bytes, milliseconds, and the profile of a device.

        Raises NetwrightError for amounts that cannot be, and for a latency without a calibrated device.
        """
        more = read_limits(None, None, memory, inference_memory, latency)
        use = use or Use()
        if latency is not None or device is not None:
            use = replace(use, profile=find_device(device, use.precision))
        return cls(Budget.of(macs=macs, params=params, acts=acts), more, use)

    def cost(self, design: Design, image: int) -> Cost:
        """What a design costs as the limits count it."""
        return self.use.cost(design, image)

    def misses(self, design: Design, image: int) -> str:
        """The first of memory and latency that is over its limit, '' for a design within; counts are the space's to refuse."""
        if not self.more:
            return ""
        made = self.cost(design, image)
        return next((limit.name for limit in self.more if limit.of(made) > limit.most), "")

    def to_json(self) -> dict[str, Any]:
        """As plain values: what differs between two studies shows there."""
        counts = {name: list(getattr(self.counts, name)) for name in self.counts.bounded()}
        plain: dict[str, Any] = {name: [low, None if high == ANY[1] else high] for name, (low, high) in counts.items()}
        plain |= {limit.name: limit.most for limit in self.more}
        return plain

    def __str__(self) -> str:
        told = ([str(self.counts)] if self.counts.bounded() else []) + [shown(*limit) for limit in self.more]
        return " and ".join(told) or "any cost"
