"""`scale`: a network made larger or smaller by a rule, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from netwright.costing import Cost
from netwright.costing.memory import check_batch, number_bytes
from netwright.costing.states import state_copies
from netwright.errors import NetwrightError
from netwright.graph import Design, own_image
from netwright.graph.making import check_sizes
from netwright.graph.values import to_json
from netwright.scaling.budget import Budget, Limit, Use, find_device, read_limits, relative, shown
from netwright.scaling.rules import Factors, Rule, find_rule
from netwright.scaling.solving import Staircase, solve
from netwright.zoo import name_of, network

if TYPE_CHECKING:
    from netwright.costing.latency import Profile
    from netwright.costing.memory import Precision


class Aim(NamedTuple):
    """What was wanted of a scaled network, and what it has: macs, params, bytes or milliseconds."""

    name: str
    wanted: float
    reached: float

    @property
    def gap(self) -> float:
        """How far the network lies above what was wanted, as a share of it; negative below."""
        return relative(self.reached, self.wanted)


@dataclass(frozen=True)
class Scaled:
    """A scaled design and its image in px (also the design's resolution, where it has such a field).

    `factors` are multiples before rounding: the rule's at `phi`, but that for a budget resolution or width go on where the
    rule's own steps leave more than 2 % of it (`trimmed`). `aims` are the limits of a budget; for a phi or a factor, the
    macs that the papers' count of them gives: growth^phi times the original's. `cost` and `original` are the costs of
    the scaled network and of what was scaled. Prints as a table of both.
    """

    design: Design
    image: int
    rule: Rule
    phi: float
    factors: Factors
    aims: tuple[Aim, ...]
    budgeted: bool
    cost: Cost
    original: Cost

    @property
    def totals(self) -> tuple[int, int, int]:
        """Params, macs and acts for one image."""
        return self.cost.graph.totals

    @property
    def gap(self) -> float:
        """How far the network lies above its aim, as a share of it: of a budget's limits the one that binds, 0 or below."""
        return max([aim.gap for aim in self.aims])

    @property
    def trimmed(self) -> tuple[str, ...]:
        """The dimensions that went on alone to fill a budget: resolution, width, both or none."""
        own = self.rule.factors(self.phi)
        return tuple([name for name in ("resolution", "width") if getattr(self.factors, name) != getattr(own, name)])

    def to_json(self) -> dict[str, Any]:
        """As plain values: counts for one image, bytes and milliseconds for the batch; the design is its JSON's text."""
        from netwright.costing.comparing import compare

        before, after = compare(self.original, self.cost).rows()
        aims = [{"name": aim.name, "wanted": aim.wanted, "reached": aim.reached, "gap": aim.gap} for aim in self.aims]
        return {
            "rule": self.rule.fields(),
            "phi": self.phi,
            "factors": self.factors._asdict(),
            "trimmed": list(self.trimmed),
            "image": self.image,
            "gap": self.gap,
            "budgeted": self.budgeted,
            "aims": aims,
            "original": before,
            "scaled": after,
            "design": to_json(self.design, indent=None),
        }

    def __str__(self) -> str:
        from netwright.costing.comparing import compare

        return "\n".join([str(compare(self.original, self.cost)), "", *self.told()])

    def told(self) -> list[str]:
        """The rule, the factors and the rounding's gap, in words."""
        before, side = self.original.image[-1], self.image
        unrounded = before * self.factors.resolution
        factors = ", ".join(f"{name} x {value:.4g}" for name, value in self.factors._asdict().items())
        lines = [
            f"rule     {self.rule}, phi {self.phi:.6g}",
            f"factors  {factors} ({before} px -> {unrounded:.1f}, rounded {side} px)",
        ]
        own = self.rule.factors(self.phi)
        if self.trimmed:
            gone = " and ".join(f"{name} from x {getattr(own, name):.4g}" for name in self.trimmed)
            lines.append(f"trimmed  alone goes on {gone}: the rule's next step, of all dimensions, exceeds the budget")
        for aim in self.aims:
            gap = f"{abs(100 * aim.gap):.2f} % {'above' if aim.gap > 0 else 'below'}"
            if self.budgeted:
                lines.append(f"budget   {shown(aim.name, aim.wanted)}: the network has {shown(aim.name, aim.reached)}, {gap}")
            else:
                lines.append(f"gap      {gap} the {shown('macs', aim.wanted)} of the unrounded rule")
        if self.budgeted and self.gap < -0.02:
            lines.append("         the next larger network by this rule exceeds the budget")
        if side != own_image(self.design):
            lines.append(f"image    the design has no resolution of its own: give other commands --image {side}")
        return lines


def scale(
    net: str | Design,
    *,
    phi: float | None = None,
    factor: float | None = None,
    macs: int | str | None = None,
    params: int | str | None = None,
    memory: int | str | None = None,
    inference_memory: int | str | None = None,
    latency: float | str | None = None,
    rule: str | Rule = "compound",
    image: int | None = None,
    channels: int = 3,
    batch: int = 1,
    precision: Precision = "fp32",
    optimizer: str = "momentum",
    profile: Profile | str | None = None,
) -> Scaled:
    """A network scaled by a rule (compound, fast, depth, width, resolution, or a `Rule`): a design of the same family.

    To a `phi`; to a `factor` of the macs as the papers count them; or to a budget, of one limit or several that all
    hold: `macs` and `params` ("1.8G"), `memory` in training and `inference_memory` ("2GB") at the `batch`, `precision` and with
    the `optimizer`, `latency` in ms ("5ms") of the batch as predicted with the `profile` of a device (this machine's by
    default). A budget gives the design that is nearest to it and not above, under the real rounding: `Scaled.gap` says how near.

    `image` is the side that scaling starts from, by default the network's own. The published EfficientNets B1 to B7 are
    presets of the zoo and not what the formula gives from B0: see `compound`.

    Raises NetwrightError where not exactly one of phi, factor and a budget is given, for values that cannot be, and for a
    budget that no scaling meets, with the cost of the smallest network; DesignError where the family does not scale so.

    >>> found = scale("efficientnet_b0", phi=1)
    >>> found.image, found.factors.depth, found.cost.params
    (258, 1.2, 9109994)
    >>> found = scale("efficientnet_b0", macs="1.8G")
    >>> found.cost.macs <= 1.8e9, found.gap > -0.02
    (True, True)
    """
    limits = read_limits(macs, params, memory, inference_memory, latency)
    _check_use(phi, factor, limits, batch, precision, optimizer)
    chosen, design = find_rule(rule), network(net) if isinstance(net, str) else net
    if not isinstance(design, Design):
        raise NetwrightError(f"cannot scale {net!r}: give a design or a name of the zoo")
    timed = profile is not None or latency is not None
    use = Use(channels, batch, precision, optimizer, find_device(profile, precision) if timed else None)
    name = net if isinstance(net, str) else name_of(design) or type(design).__name__
    side = own_image(design) if image is None else image
    check_sizes(image=(side, side))  # one side: a pair is none
    return scaled_to(use.cost(design, side, name), design, chosen, use, limits, phi, factor)


def scaled_to(
    original: Cost, design: Design, rule: Rule, use: Use, limits: tuple[Limit, ...], phi: float | None, factor: float | None
) -> Scaled:
    """What `scale` gives, once all is read and checked."""
    side = original.image[-1]
    if limits:
        at, factors = solve(Staircase(design, side, rule, Budget(limits), use))
    else:
        at = phi if phi is not None else rule.phi_of(factor or 0)
        factors = rule.factors(at)
    made, image = rule.rounded(design, side, factors)
    cost = use.cost(made, image, f"{original.network} scaled")
    aims = [Aim(limit.name, limit.most, limit.of(cost)) for limit in limits]
    aims = aims or [Aim("macs", rule.growth**at * original.macs, cost.macs)]
    return Scaled(made, image, rule, at, factors, tuple(aims), bool(limits), cost, original)


def _check_use(
    phi: float | None, factor: float | None, limits: tuple[Limit, ...], batch: int, precision: str, optimizer: str
) -> None:
    given = [name for name, value in (("phi", phi), ("factor", factor), ("a budget", limits or None)) if value is not None]
    if len(given) != 1:
        told = f"not {' and '.join(given)}" if given else "none is given"
        raise NetwrightError(f"scale to one of phi, factor and a budget (macs, params, memory, latency): {told}")
    check_batch(batch)
    number_bytes(precision)
    state_copies(optimizer)
