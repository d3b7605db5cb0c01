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

    Memory in training is for `training` where that is another use (the batch that is trained with), else for `use`, too.

    >>> limits = Limits.of(macs=("20M", "30M"), inference_memory="8MB")
    >>> str(limits)
    '20,000,000 to 30,000,000 macs and 8.00 MB of inference memory'
    """

    counts: Budget = field(default_factory=Budget)
    more: tuple[Limit, ...] = ()
    use: Use = field(default_factory=Use)
    training: Use | None = None

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
        training: Use | None = None,
    ) -> Limits:
        """From what a user writes: amounts or pairs of the least and the most, bytes, milliseconds, and the profile of a device.

        Raises NetwrightError for amounts that cannot be, and for a latency without a calibrated device.
        """
        more = read_limits(None, None, memory, inference_memory, latency)
        use = use or Use()
        if latency is not None or device is not None:
            use = replace(use, profile=find_device(device, use.precision))
        return cls(Budget.of(macs=macs, params=params, acts=acts), more, use, training)

    def cost(self, design: Design, image: int | None) -> Cost:
        """What a design costs as the limits count it."""
        return self.use.cost(design, image)

    def costs(self, design: Design, image: int | None) -> dict[str, float]:
        """How much a design has of each thing that is limited: counts of one image; bytes and milliseconds as they are used."""
        made = self.cost(design, image)
        trained = made if self.training is None else self.training.cost(design, image)
        found: dict[str, float] = {name: getattr(made, name) for name in self.counts.bounded()}
        return found | {limit.name: limit.of(trained if limit.name == "memory" else made) for limit in self.more}

    def load(self, design: Design, image: int | None) -> float:
        """The largest share of a limit that a design takes: it is not above any of them up to 1."""
        found = self.costs(design, image)
        return max([found[name] / most for name, most in self.most.items()], default=0.0)

    @property
    def most(self) -> dict[str, float]:
        """The most of each thing that is limited upwards."""
        counts = {name: float(getattr(self.counts, name)[1]) for name in self.counts.bounded()}
        return {name: most for name, most in counts.items() if most != ANY[1]} | {limit.name: limit.most for limit in self.more}

    def misses(self, design: Design, image: int | None) -> str:
        """The first of memory and latency that is over its limit, '' for a design within; counts are the space's to refuse."""
        found = self.costs(design, image) if self.more else {}
        return next((limit.name for limit in self.more if found[limit.name] > limit.most), "")

    def to_json(self) -> dict[str, Any]:
        """As plain values: what differs between two studies shows there."""
        counts = {name: list(getattr(self.counts, name)) for name in self.counts.bounded()}
        plain: dict[str, Any] = {name: [low, None if high == ANY[1] else high] for name, (low, high) in counts.items()}
        plain |= {limit.name: limit.most for limit in self.more}
        return plain

    def __str__(self) -> str:
        told = ([str(self.counts)] if self.counts.bounded() else []) + [shown(*limit) for limit in self.more]
        return " and ".join(told) or "any cost"
