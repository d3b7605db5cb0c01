"""The grid search for alpha, beta and gamma: what is to be trained."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

from netwright.errors import NetwrightError
from netwright.graph import Design, own_image
from netwright.graph.making import check_sizes
from netwright.progress import Progress
from netwright.scaling.budget import Limit, Use
from netwright.scaling.rules import compound
from netwright.scaling.scaled import Scaled, scaled_to
from netwright.zoo import name_of, network


@dataclass(frozen=True)
class Candidate:
    """A triple of the grid, and the network that it gives for double the macs."""

    alpha: float
    beta: float
    gamma: float
    scaled: Scaled

    @property
    def product(self) -> float:
        """alpha beta^2 gamma^2."""
        return self.scaled.rule.growth


def candidates(
    net: str | Design,
    *,
    step: float = 0.05,
    tolerance: float = 0.1,
    image: int | None = None,
    channels: int = 3,
    progress: Progress | None = None,
) -> tuple[Candidate, ...]:
    """All alpha, beta, gamma >= 1 on a grid whose alpha beta^2 gamma^2 is 2 within a tolerance (arXiv:1905.11946, Section 3.3).

    The grid's points are 1, 1 + `step`, 1 + 2 `step`, ...; the paper's 1.2, 1.1, 1.15 (1.92) lie on the default one. Each network
    has double the macs of the original, as near as the rounding comes from below: phi is therefore not exactly the
    paper's 1, which would give some candidates a quarter more macs than others. Where several triples round to one network, the
    triple whose product is nearest to 2 stands for it. The order is that of the grid.

    Raises NetwrightError for a step or tolerance that leaves nothing, DesignError where the family does not scale.
    """
    design = network(net) if isinstance(net, str) else net
    side = own_image(design) if image is None else image
    check_sizes(image=(side, side))
    use = Use(channels)
    original = use.cost(design, side, net if isinstance(net, str) else name_of(design) or type(design).__name__)
    found: dict[tuple[Design, int], Candidate] = {}
    double = (Limit("macs", 2 * original.macs),)
    triples = _triples(step, tolerance)
    progress = progress or Progress(True)
    with progress.bar("scaling") as bar:
        for done, triple in enumerate(triples, 1):
            made = Candidate(*triple, scaled_to(original, design, compound(*triple), use, double, None, None))
            key = (made.scaled.design, made.scaled.image)
            if key not in found or abs(made.product - 2) < abs(found[key].product - 2):
                found[key] = made
            bar(done, len(triples), "")
    return tuple(sorted(found.values(), key=lambda made: (made.alpha, made.beta, made.gamma)))


def _triples(step: float, tolerance: float) -> list[tuple[float, float, float]]:
    for name, value, most in (("step", step, 1.0), ("tolerance", tolerance, 1.0)):
        if type(value) not in (int, float) or not 0 < value <= most:
            raise NetwrightError(f"{name} is {value!r}, expected a number above 0 and at most {most:g}")
    if step < 0.01:
        raise NetwrightError(f"step is {step!r}: a finer grid than 0.01 has thousands of networks to train")
    alphas, others = _grid(step, 2 + tolerance), _grid(step, math.sqrt(2 + tolerance))
    triples = [
        (alpha, beta, gamma)
        for alpha, beta, gamma in itertools.product(alphas, others, others)
        if abs(alpha * beta**2 * gamma**2 - 2) <= tolerance
    ]
    if not triples:
        raise NetwrightError(f"no alpha, beta, gamma on a grid of {step:g} give 2 within {tolerance:g}: take a finer step")
    return triples


def _grid(step: float, most: float) -> list[float]:
    return [round(1 + i * step, 10) for i in range(int((most - 1) / step + 1e-9) + 1)]
