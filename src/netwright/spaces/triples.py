"""The space of the grid search for alpha, beta and gamma: networks that are scaled to double the macs."""

from __future__ import annotations

from netwright.errors import DesignError
from netwright.graph import Count, Design
from netwright.graph.resizing import Rounding
from netwright.progress import Progress
from netwright.scaling.candidates import Candidate, candidates
from netwright.scaling.rules import Factors, compound
from netwright.spaces.base import Space
from netwright.spaces.pick import Pick
from netwright.zoo import name_of, network

Point = tuple[float, float, float, float, float, float]  # alpha, beta, gamma; multiples of depth, width and resolution


class ScalingSpace(Space):
    """A design of `image` px, scaled as one of some triples alpha, beta, gamma says; each network carries its resolution.

    `points` has for each triple the multiples of depth, width and resolution that give double the macs: they were found once, so
    calling the space is quick. `scalings` makes one.
    """

    net: Design
    image: Count
    points: tuple[Point, ...]
    rounding: Rounding = "up"

    @property
    def name(self) -> str:
        return f"scalings of {name_of(self.net) or type(self.net).__name__}"

    @property
    def sized(self) -> bool:
        return True

    def at(self, image: int | None = None, classes: int | None = None) -> Space:
        """The same triples for another number of classes; the image stays: the multiples were found for it."""
        change = classes is not None and "classes" in self.net.fields()
        return self.replace(net=self.net.replace(classes=classes)) if change else self

    def __call__(self, pick: Pick) -> Design:
        left = self.points
        for place, name in enumerate(("alpha", "beta", "gamma")):
            value = pick.choice(name, sorted({point[place] for point in left}))
            left = tuple([point for point in left if point[place] == value])
        ((*triple, depth, width, resolution),) = left
        rule = compound(*triple).replace(rounding=self.rounding)
        return rule.rounded(self.net, self.image, Factors(depth, width, resolution))[0]


def scalings(
    net: str | Design,
    *,
    step: float = 0.05,
    tolerance: float = 0.1,
    image: int | None = None,
    channels: int = 3,
    progress: Progress | None = None,
) -> ScalingSpace:
    """The space of `nw.scaling.candidates`, which says what the arguments are.

    Raises what that does, and DesignError for a design without the field `resolution`: nothing would say for which image a
    scaled network is.

    >>> space = scalings("resnet20_cifar", step=0.2)
    >>> space.name
    'scalings of resnet20_cifar'
    """
    design = network(net) if isinstance(net, str) else net
    if isinstance(design, Design) and "resolution" not in design.fields():
        told = "nothing would say for which image a scaled one is: give it a field resolution (px)"
        raise DesignError(f"{type(design).__name__} carries no image size: {told}")
    found = candidates(design, step=step, tolerance=tolerance, image=image, channels=channels, progress=progress)
    scaled = found[0].scaled
    return ScalingSpace(design, scaled.original.image[-1], tuple([_point(made) for made in found]), scaled.rule.rounding)


def _point(made: Candidate) -> Point:
    factors = made.scaled.factors
    return (made.alpha, made.beta, made.gamma, float(factors.depth), float(factors.width), float(factors.resolution))
