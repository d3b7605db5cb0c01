"""How depth, width and resolution grow together: single-dimension, compound and fast scaling."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, NamedTuple

from netwright.errors import DesignError, NetwrightError, did_you_mean
from netwright.graph import Design, Value
from netwright.graph.resizing import Rounding
from netwright.graph.values import AtLeast, value_from_json

MOST = 64.0  # times as deep, as wide or as fine as the original, or as little: beyond that it is another network
Multiplier = Annotated[float, AtLeast(1, 16)]


class Factors(NamedTuple):
    """Multiples of the original's depth, width and resolution, before anything is rounded."""

    depth: float
    width: float
    resolution: float


class Rule(Value):
    """Depth, width and resolution for phi 1; for another phi they are raised to its power, so phi 0 is the original.

    `rounding` "up" is EfficientNet's: widths to multiples of 8 and never more than 10 % below, depths upwards; the paper does not
    say how resolution is rounded: here to the nearest pixel. "nearest" is that of fast scaling: depth to the nearest, width to
    8, resolution to 4 px.

    Raises DesignError for a multiplier below 1 and for a rule that scales nothing.

    >>> COMPOUND.factors(2)
    Factors(depth=1.44, width=1.2100000000000002, resolution=1.3224999999999998)
    """

    name: str
    depth: Multiplier = 1.0
    width: Multiplier = 1.0
    resolution: Multiplier = 1.0
    rounding: Rounding = "up"

    def check(self) -> None:
        if self.depth == self.width == self.resolution == 1:
            raise DesignError(f"the rule {self.name} scales nothing: depth, width and resolution are all 1")

    @property
    def growth(self) -> float:
        """The multiple of the macs for each phi, as the papers count: depth x width^2 x resolution^2."""
        return self.depth * self.width**2 * self.resolution**2

    @property
    def most(self) -> float:
        """The largest phi: there one dimension reaches 64 times the original's. The smallest is its negative."""
        return math.log(MOST) / math.log(max(self.depth, self.width, self.resolution))

    def factors(self, phi: float) -> Factors:
        """Multiples of depth, width and resolution. Raises NetwrightError for a phi that is no number or goes too far."""
        if type(phi) not in (int, float) or not abs(phi) <= self.most * (1 + 1e-9):  # nan is not
            raise NetwrightError(f"phi is {phi!r}, expected a number from {-self.most:.4g} to {self.most:.4g} ({self.name})")
        return Factors(self.depth**phi, self.width**phi, self.resolution**phi)

    def phi_of(self, factor: float) -> float:
        """The phi at which the macs are `factor` times the original's, as `growth` counts them.

        Raises NetwrightError for a factor that is not positive or goes too far.
        """
        if type(factor) not in (int, float) or not 0 < factor < math.inf:
            raise NetwrightError(f"factor is {factor!r}, expected a positive number")
        phi = math.log(factor) / math.log(self.growth)
        if abs(phi) > self.most:
            most = self.growth**self.most
            raise NetwrightError(f"factor is {factor!r}: the rule {self.name} goes from {1 / most:.3g} to {most:.3g}")
        return phi

    def side(self, image: int, resolution: float) -> int:
        """The side of the scaled image in pixels, at least 1."""
        if resolution == 1:
            return image
        if self.rounding == "nearest":
            return max(4, round(image * resolution / 4) * 4)
        return max(1, round(image * resolution))

    def at(self, design: Design, image: int, phi: float) -> tuple[Design, int]:
        """The scaled design, whose resolution is the scaled image, and that image's side in pixels.

        Raises NetwrightError for a phi that goes too far, DesignError where the family does not scale so.
        """
        return self.rounded(design, image, self.factors(phi))

    def rounded(self, design: Design, image: int, factors: Factors) -> tuple[Design, int]:
        """The same for factors as they are: what this rule's rounding makes of them. Raises DesignError where that cannot be."""
        try:
            scaled = design.scaled(width=factors.width, depth=factors.depth, rounding=self.rounding)
        except DesignError as error:
            raise DesignError(f"not by the rule {self.name}: {error}") from None
        side = self.side(image, factors.resolution)
        return (scaled.replace(resolution=side) if "resolution" in scaled.fields() else scaled), side

    def __str__(self) -> str:
        told = [f"{name} x {getattr(self, name):.4g}" for name in Factors._fields if getattr(self, name) != 1]
        return f"{self.name} ({', '.join(told)} for each phi)"


def compound(alpha: float = 1.2, beta: float = 1.1, gamma: float = 1.15) -> Rule:
    """Compound scaling (arXiv:1905.11946, Section 3.3): depth alpha^phi, width beta^phi, resolution gamma^phi.

    The defaults are the paper's for B0, with alpha beta^2 gamma^2 = 1.92, about 2. Its published B1 to B7 are other networks:
    presets of the zoo, rounded by hand (see `EfficientNet`).
    """
    return Rule("compound", alpha, beta, gamma)


def fast(depth: float = 0.1, width: float = 0.8, resolution: float = 0.1, name: str = "fast") -> Rule:
    """Fast scaling (arXiv:2103.06877, Section 4): the exponents of d = s^depth, w = s^(width / 2), r = s^(resolution / 2).

    s is the multiple of the macs, here 2^phi. The default is the paper's dWr, whose activations grow as s^0.6 only.
    Exponents are divided by their sum. Raises NetwrightError where they are negative or all zero.
    """
    exponents = (depth, width, resolution)
    if not all(type(e) in (int, float) and 0 <= e < math.inf for e in exponents) or sum(exponents) <= 0:
        raise NetwrightError(f"the exponents of fast scaling are {exponents}: expected numbers of at least 0, one of them above")
    d, w, r = (e / sum(exponents) for e in exponents)
    return Rule(name, 2.0**d, 2.0 ** (w / 2), 2.0 ** (r / 2), "nearest")


COMPOUND, FAST = compound(), fast()
RULES: dict[str, Rule] = {
    rule.name: rule
    for rule in (
        COMPOUND,
        FAST,
        Rule("depth", depth=2.0),
        Rule("width", width=2**0.5),
        Rule("resolution", resolution=2**0.5),
        fast(1, 0, 0, "d"),
        fast(0, 1, 0, "w"),
        fast(0, 0, 1, "r"),
        fast(1, 1, 1, "dwr"),
        fast(name="dWr"),
    )
}


def find_rule(rule: str | Rule) -> Rule:
    """A rule by its name, from a file (`rule.json`, or the folder of a grid search that has one), or as it is.

    The single-dimension rules double the macs with each phi, as the papers count: depth, width and resolution round as compound
    scaling does; d, w, r, dwr and dWr (which is fast) as fast scaling does. Raises NetwrightError for an unknown name, and a
    file that holds no rule.
    """
    if isinstance(rule, Rule):
        return rule
    if rule in RULES:
        return RULES[rule]
    path = Path(rule) if isinstance(rule, str) else Path()
    if path.suffix == ".json" or (isinstance(rule, str) and path.is_dir()):
        return _read_rule(path / "rule.json" if path.is_dir() else path)
    near = did_you_mean(str(rule), RULES)
    raise NetwrightError(f"there is no scaling rule {rule!r}{near} (known: {', '.join(RULES)}; or the folder of a grid search)")


def _read_rule(path: Path) -> Rule:
    try:
        found = value_from_json(path.read_text(encoding="utf-8"))
    except OSError as error:
        way_out = "give the folder of a finished grid search (netwright search DATA --scale NET)"
        raise NetwrightError(f"cannot read the rule {path}: {error.strerror or error}; {way_out}") from None
    except (UnicodeDecodeError, NetwrightError) as error:
        raise NetwrightError(f"{path} holds no scaling rule: {error}") from None
    if not isinstance(found, Rule):
        raise NetwrightError(f"{path} holds no scaling rule: it holds a {type(found).__name__}")
    return found
