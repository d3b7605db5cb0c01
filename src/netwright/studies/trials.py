"""What is known of a trial: the design that was tried, what it costs, how it went."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from netwright.graph import Design, from_json
from netwright.graph.layers import Counts
from netwright.spaces.domains import Choice, Domain

RUNNING, COMPLETE, STOPPED, FAILED, LOST = "running", "complete", "stopped early", "failed", "lost"
ENDED = (COMPLETE, STOPPED, FAILED)  # these have used up their slot; the slot of a lost one is taken again


@dataclass(frozen=True)
class Proposal:
    """A design within the limits that is worth a trial: the choices that made it, and what it costs.

    `chosen` and `asked` are the pick's: values and domains by name. `totals` are params, macs and acts of one image,
    `draws` how many designs were drawn for it. `about` is what the sampler wants to find again in the trial (plain values).
    """

    design: Design
    chosen: Mapping[str, Choice]
    asked: Mapping[str, Domain]
    totals: Counts
    draws: int = 1
    about: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trial:
    """A trial as the storage holds it. A study of n trials has the slots 0 to n - 1; each is used up by one trial.

    `number` is the trial's own and grows in the order in which trials began. `values` are the goal's (maximized, a front's cost
    minimized), None before the end and for those that were stopped early or failed. `costs` has what the goal weighs against it,
    `curve` the validation accuracy after epochs, `seconds` how long it took, `reason` why it failed or was lost. `finished` is
    when it ended (seconds since 1970; 0.0 while it runs), `beats` counts its worker's signs of life, `draws` the designs drawn.
    """

    number: int
    slot: int
    status: str
    plain_design: str
    chosen: Mapping[str, Choice] = field(hash=False)
    asked: Mapping[str, Domain] = field(hash=False)
    totals: Counts
    seed: int
    values: tuple[float, ...] | None = None
    accuracy: float | None = None
    costs: Mapping[str, float] = field(default_factory=dict, hash=False)
    curve: Mapping[int, float] = field(default_factory=dict, hash=False)
    seconds: float = 0.0
    worker: str = ""
    versions: Mapping[str, str] = field(default_factory=dict, hash=False)
    reason: str = ""
    finished: float = 0.0
    beats: int = 0
    draws: int = 1
    about: Mapping[str, Any] = field(default_factory=dict, hash=False)

    @functools.cached_property
    def design(self) -> Design:
        """The design that was tried."""
        return from_json(self.plain_design)

    @property
    def host(self) -> str:
        """The machine that tried it."""
        return self.worker.partition("/")[0]

    @property
    def params(self) -> int:
        """Learned numbers."""
        return self.totals[0]

    @property
    def macs(self) -> int:
        """Multiply-adds for one image."""
        return self.totals[1]

    @property
    def acts(self) -> int:
        """Outputs of convolutions and linear layers for one image."""
        return self.totals[2]

    @property
    def value(self) -> float:
        """The first of the values: what a search for one thing compares."""
        assert self.values is not None
        return self.values[0]
