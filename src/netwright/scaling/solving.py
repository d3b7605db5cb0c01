"""From a budget to a phi, under the real rounding."""

from __future__ import annotations

import math
from collections.abc import Callable

from netwright.errors import NetwrightError, VanishedError
from netwright.graph import Design, smallest_image
from netwright.scaling.budget import Budget, Use, shown
from netwright.scaling.rules import Factors, Rule

NARROW = 1e-6  # of a phi: two roundings this near one another are taken as one
OCTAVES = 0.5  # the look around, in doublings of the macs to either side
ENOUGH = 0.98  # of a budget: a design that takes less is trimmed

Shape = tuple[Design, int]


class Staircase:
    """The designs that a rule gives for each phi: a step wherever one of its numbers is rounded to another.

    With `base` the rule goes on from these factors, up to phi 2.
    """

    def __init__(self, design: Design, image: int, rule: Rule, budget: Budget, use: Use, base: Factors | None = None) -> None:
        self.rule, self.budget, self.use, self.base = rule, budget, use, base
        self.original = (design, image)
        self._shapes: dict[float, Shape] = {}
        self._loads: dict[Shape, float] = {}
        self.ends = (0.0, 2.0) if base else (self._least(), rule.most)

    def trimmed(self, factors: Factors, dimension: str) -> Staircase:
        """One dimension alone, from these factors on and up to twice of it."""
        width, resolution = (2**0.5 if dimension == name else 1.0 for name in ("width", "resolution"))
        rule = Rule(self.rule.name, 1.0, width, resolution, self.rule.rounding)
        return Staircase(*self.original, rule, self.budget, self.use, factors)

    def factors(self, phi: float) -> Factors:
        """Those of the rule, on top of those that are trimmed."""
        own = self.rule.factors(phi)
        return own if self.base is None else Factors(*[a * b for a, b in zip(self.base, own, strict=True)])

    def shape(self, phi: float) -> Shape:
        """The design and its image."""
        if phi not in self._shapes:
            self._shapes[phi] = self.rule.rounded(*self.original, self.factors(phi))
        return self._shapes[phi]

    def load(self, phi: float) -> float:
        """The share of the budget that the design takes; infinite where it cannot be: it is no answer then."""
        shape = self.shape(phi)
        if shape not in self._loads:
            try:
                self._loads[shape] = self.budget.load(self.use.cost(*shape))
            except VanishedError:
                self._loads[shape] = math.inf
        return self._loads[shape]

    def meets(self, phi: float) -> bool:
        """Whether the design is within the budget."""
        return self.load(phi) <= 1

    def _least(self) -> float:
        """The smallest phi whose image the network takes."""
        design, image = self.original
        low = -self.rule.most
        if self.rule.resolution == 1:
            return low
        least = smallest_image(design, self.use.channels, most=image) or image
        return low if self.shape(low)[1] >= least else crossing(low, 0.0, lambda phi: self.shape(phi)[1] < least)[1]

    def steps(self, low: float, high: float) -> list[float]:
        """A phi for each of the designs between two of them, in their order.

        Every number of a design grows with phi, so what is equal at both ends is equal between them.
        """
        if self.shape(low) == self.shape(high):
            return [low]
        if high - low < NARROW:
            return [low, high]
        middle = (low + high) / 2
        first, second = self.steps(low, middle), self.steps(middle, high)
        return first + (second[1:] if self.shape(first[-1]) == self.shape(second[0]) else second)


def crossing(low: float, high: float, holds: Callable[[float], bool]) -> tuple[float, float]:
    """Two numbers side by side, where something holds for the first and no more for the second; so it does at the ends."""
    while high - low > NARROW:
        middle = (low + high) / 2
        low, high = (middle, high) if holds(middle) else (low, middle)
    return low, high


def solve(stairs: Staircase) -> tuple[float, Factors]:
    """The phi of the rule's design that is nearest to the budget and not above it, and the factors of one that is nearer still.

    Where all stages get a layer more at once, a rule may leave out a third of the macs. If more than 2 % of the budget is
    left, the resolution alone goes on to fill it, and then the width: such a design has the depth that the rule gives it.
    Raises NetwrightError as `nearest` does.
    """
    phi = nearest(stairs)
    best, load = stairs.factors(phi), stairs.load(phi)
    for dimension in ("resolution", "width"):
        if load >= ENOUGH or getattr(stairs.rule, dimension) == 1 or stairs.rule.depth == 1:
            continue
        trim = stairs.trimmed(best, dimension)
        if trim.load(trim.ends[1]) > 1:
            at = crossing(*trim.ends, trim.meets)[0]
            if trim.load(at) > load:
                best, load = trim.factors(at), trim.load(at)
    return phi, best


def nearest(stairs: Staircase) -> float:
    """The phi of the design that is nearest to the budget and not above it.

    Costs grow with phi but for small steps back (a group that becomes wider may take width from its stage), so the place
    where the budget is crossed is found by halving, and all designs of half a doubling to either side are costed.
    Raises NetwrightError where no phi meets the budget, with the cost of the smallest network, or where none exceeds it.
    """
    low, high = stairs.ends
    reach = OCTAVES * math.log(2) / math.log(stairs.rule.growth)
    a, b = _bracket(stairs, reach)
    middle = crossing(a, b, stairs.meets)[0]
    phis = stairs.steps(max(low, middle - reach), min(high, middle + reach))
    met = [phi for phi in phis if stairs.meets(phi)]
    if not met:
        raise _impossible(stairs, phis)
    best = max(met, key=lambda phi: (stairs.load(phi), -abs(phi - middle)))
    return _short(stairs, best)


def _bracket(stairs: Staircase, step: float) -> tuple[float, float]:
    """A phi within the budget and one above it, by ever longer steps from the original."""
    low, high = stairs.ends
    start = min(max(0.0, low), high)
    upwards = stairs.meets(start)
    end = high if upwards else low
    at = start
    while at != end:
        ahead = min(at + step, end) if upwards else max(at - step, end)
        if stairs.meets(ahead) != upwards:
            return (at, ahead) if upwards else (ahead, at)
        at, step = ahead, 2 * step
    if upwards:
        raise _unreached(stairs, end)
    return (end, end)


def _impossible(stairs: Staircase, phis: list[float]) -> NetwrightError:
    if math.isclose(stairs.load(stairs.ends[0]), stairs.load(0.0)):
        return _unchanged(stairs)
    least = min(phis, key=stairs.load)
    design, image = stairs.shape(least)
    made = stairs.use.cost(design, image)
    has = " and ".join(shown(limit.name, limit.of(made)) for limit in stairs.budget.limits)
    return NetwrightError(
        f"no scaling by the rule {stairs.rule.name} meets {stairs.budget}: the smallest network, at {image} px, has {has}; "
        "raise the budget or start from a smaller network"
    )


def _unreached(stairs: Staircase, end: float) -> NetwrightError:
    name = stairs.rule.name
    if math.isclose(stairs.load(end), stairs.load(0.0)):
        return _unchanged(stairs)
    return NetwrightError(
        f"{stairs.budget} is more than the rule {name} reaches within {end:.4g} phi: start from a larger network"
    )


def _unchanged(stairs: Staircase) -> NetwrightError:
    return NetwrightError(f"the rule {stairs.rule.name} does not change what is limited ({stairs.budget}): choose another rule")


def _short(stairs: Staircase, phi: float) -> float:
    """The same design by a phi of fewer digits."""
    for digits in range(1, 8):
        near = round(phi, digits) + 0.0  # never -0
        if stairs.ends[0] <= near <= stairs.ends[1] and stairs.shape(near) == stairs.shape(phi):
            return near
    return phi
