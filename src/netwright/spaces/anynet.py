"""The AnyNet spaces A to E (arXiv:2003.13678, Section 3.2), with every bound a field."""

from __future__ import annotations

from netwright.errors import DesignError
from netwright.graph import Count, Fraction, Size
from netwright.spaces.base import Space
from netwright.spaces.pick import Pick
from netwright.zoo.regnet import AnyNet, fit_groups

Range = tuple[Count, Count]


class AnyNetSpace(Space):
    """AnyNet designs whose stages are chosen freely: depth, width, bottleneck and group width of each, 16 degrees of freedom.

    Depths and widths are uniform in the logarithm, the others uniform over their options (Section 3.2). `rising_widths`
    (space D) and `rising_depths` (E) let no stage have less than the one before: drawn as the paper's space is, only
    without the draws that it would refuse. Spaces B and C share a choice (`shared("bottleneck")`). Widths are
    fitted to whole groups as in the authors' code (`fit_groups`), so a design may be a little wider or narrower than chosen.
    """

    depth: Range = (1, 16)
    width: Range = (8, 1024)
    width_step: Count = 8
    bottleneck: tuple[Count, ...] = (1, 2, 4)
    group_width: tuple[Count, ...] = (1, 2, 4, 8, 16, 32)
    rising_widths: bool = False
    rising_depths: bool = False
    strides: tuple[Count, ...] = (2, 2, 2, 2)
    squeeze: Fraction = 0.0
    stem: tuple[Count, ...] = (32,)
    stem_stride: tuple[Count, ...] = (2,)
    classes: Size = 1000
    resolution: Count = 224

    def check(self) -> None:
        if not (self.strides and self.bottleneck and self.group_width and self.stem and self.stem_stride):
            raise DesignError("AnyNetSpace: strides, bottleneck, group_width, stem and stem_stride need at least one value each")
        if self.depth[0] > self.depth[1] or self.width[0] > self.width[1]:
            raise DesignError(f"AnyNetSpace: depth {self.depth} and width {self.width} are ranges from the least to the most")

    def __call__(self, pick: Pick) -> AnyNet:
        stages = range(1, len(self.strides) + 1)
        depths = self._chosen(pick, "depth", self.depth, 1, self.rising_depths)
        widths = self._chosen(pick, "width", self.width, self.width_step, self.rising_widths)
        bottlenecks = [pick.choice(f"bottleneck_{i}", self.bottleneck) for i in stages]
        groups = [pick.choice(f"group_width_{i}", self.group_width) for i in stages]
        fitted = [fit_groups(*stage) for stage in zip(widths, bottlenecks, groups, strict=True)]
        return AnyNet(
            depths=tuple(depths),
            widths=tuple([width for width, _ in fitted]),
            bottlenecks=tuple(bottlenecks),
            group_widths=tuple([group for _, group in fitted]),
            strides=self.strides,
            squeeze=self.squeeze,
            stem=only_or_one(pick, "stem", self.stem),
            stem_stride=only_or_one(pick, "stem_stride", self.stem_stride),
            classes=self.classes,
            resolution=self.resolution,
        )

    def _chosen(self, pick: Pick, name: str, bounds: Range, step: int, rising: bool) -> list[int]:
        """A value of each stage."""
        if rising:
            return pick.rising(name, len(self.strides), *bounds, step, log=True)
        return [pick.integer(f"{name}_{i + 1}", *bounds, step, log=True) for i in range(len(self.strides))]


def only_or_one(pick: Pick, name: str, options: tuple[int, ...]) -> int:
    """A choice, where there is one: a single option is nobody's to choose."""
    return pick.choice(name, options) if len(options) > 1 else options[0]
