"""Long claims of scaling: networks of equal macs by different rules (S4), widths at several depths and resolutions (S14)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from netwright.claims.claim import LONG, Claim, Evidence, Numbers, Terms, Verdict
from netwright.claims.drawing import intervals
from netwright.claims.paired import gap, mean, shown_gaps, strictly
from netwright.claims.reading import listed
from netwright.graph import Design
from netwright.scaling.scaled import scale
from netwright.zoo.resnet import CifarResNet

if TYPE_CHECKING:
    from netwright.claims.ground import Ground, Setting

RULES = ("compound", "depth", "width", "resolution")
SINGLE = RULES[1:]
BASE, SIDE = CifarResNet(1, width=8), 16
FACTORS = (3, 9)  # of the macs


@dataclass(frozen=True)
class Grounds:
    """The same pictures at several sizes, each read when it is first asked for."""

    terms: Terms
    setting: Setting
    read: dict[int, Ground]

    def at(self, image: int) -> Ground:
        from netwright.claims.ground import Ground

        if image not in self.read:
            self.read[image] = Ground(self.terms, replace(self.setting, image=image))
        return self.read[image]

    def accuracies(self, design: Design, image: int, seeds: range, name: str) -> list[float]:
        """Held-out accuracies (%), one for each seed."""
        return [100 * self.at(image).learn(design, seed, name=name).held_out for seed in seeds]


# ---------------------------------------------------------------- S4


def _rules(terms: Terms) -> Evidence:
    from netwright.claims.ground import Setting, seeds_of

    grounds, seeds = Grounds(terms, Setting(SIDE, 6, 1500), {}), seeds_of(terms, 3)
    found: dict[str, list[list[float]]] = {}
    macs: dict[str, list[int]] = {}
    base = grounds.at(SIDE).macs(BASE)
    for rule in RULES:
        for factor in FACTORS:
            made = scale(BASE, macs=factor * base, rule=rule, image=SIDE, channels=grounds.at(SIDE).job.plan.source.channels)
            found.setdefault(rule, []).append(grounds.accuracies(made.design, made.image, seeds, f"{rule} x {factor}"))
            macs.setdefault(rule, []).append(made.cost.macs)
    numbers: dict[str, Any] = {"base_macs": base, "factors": list(FACTORS)}
    for rule in RULES:
        numbers |= {f"{rule}_accuracy": [mean(values) for values in found[rule]], f"{rule}_macs": macs[rule]}
    for rule in SINGLE:
        numbers |= gap(f"over_{rule}", found["compound"][-1], found[rule][-1]) | gap(
            f"{rule}_last_step", found[rule][-1], found[rule][0]
        )
    rows = shown_gaps(numbers, {f"over_{rule}": f"compound less {rule}" for rule in SINGLE})
    about = (
        f"{grounds.at(SIDE).about}; an 8-layer residual network of {base / 1e6:.2f} M macs, scaled to {listed(FACTORS)} times of "
        "it by each rule"
    )
    return Evidence(numbers, rows, about)


def _judge_rules(found: Numbers) -> Verdict:
    told = ", ".join(f"{rule} {found[f'{rule}_accuracy'][0]:.1f} and {found[f'{rule}_accuracy'][-1]:.1f}" for rule in RULES)
    lows, highs = [[found[f"over_{rule}_{end}"] for rule in SINGLE] for end in ("low", "high")]
    steps = ", ".join(f"{rule} {found[f'{rule}_last_step_low']:.1f} to {found[f'{rule}_last_step_high']:.1f}" for rule in SINGLE)
    why = (
        f"accuracy (%) at {found['factors'][0]} and {found['factors'][-1]} times {found['base_macs'] / 1e6:.2f} M macs: {told}; "
        "compound is ahead of "
        + ", ".join(f"{rule} by {low:.1f} to {high:.1f}" for rule, low, high in zip(SINGLE, lows, highs, strict=True))
        + f" points; the last step of a single dimension gives: {steps} points (95 % intervals)"
    )
    return strictly(min(lows), min(highs), why)


# ---------------------------------------------------------------- S14

WIDTHS = (4, 8, 16)
PLACES = {
    "shallow, 8 px": (1, 8),
    "deep, 8 px": (2, 8),
    "shallow, 24 px": (1, 24),
    "deep, 24 px": (2, 24),
}  # blocks of a stage, px


def _widths(terms: Terms) -> Evidence:
    from netwright.claims.ground import Setting, seeds_of

    grounds, seeds = Grounds(terms, Setting(SIDE, 6, 1500), {}), seeds_of(terms, 3)
    found = {
        name: [grounds.accuracies(CifarResNet(depth, width=width), side, seeds, f"{name}, width {width}") for width in WIDTHS]
        for name, (depth, side) in PLACES.items()
    }
    last = {name: [b - a for a, b in zip(each[-2], each[-1], strict=True)] for name, each in found.items()}
    small, *_, large = last
    numbers: dict[str, Any] = {"widths": list(WIDTHS)}
    for name, each in found.items():
        key = name.replace(", ", "_").replace(" ", "_")
        numbers |= {f"{key}_accuracy": [mean(values) for values in each]} | gap(f"{key}_last_step", each[-1], each[-2])
    numbers |= gap("difference", last[large], last[small])
    rows = shown_gaps(
        numbers, {f"{name.replace(', ', '_').replace(' ', '_')}_last_step": f"{name}: width 16 less 8" for name in PLACES}
    )
    return Evidence(
        numbers,
        rows,
        f"{grounds.at(PLACES[small][1]).about}, and at {PLACES[large][1]} px; residual networks of one and two blocks a stage",
    )


def _judge_widths(found: Numbers) -> Verdict:
    names = [name.removesuffix("_accuracy") for name in found if name.endswith("_accuracy")]
    told = "; ".join(
        f"{name.replace('_', ' ')} {', '.join(f'{value:.1f}' for value in found[f'{name}_accuracy'])}" for name in names
    )
    low, high = found["difference_low"], found["difference_high"]
    why = (
        f"accuracy (%) at first widths of {', '.join(map(str, found['widths']))}: {told}; the last widening gives the deep and "
        f"large one {low:.1f} to {high:.1f} points more than the shallow and small one (95 % interval)"
    )
    return strictly(low, high, why)


_GAPS = intervals("difference (points)", at=0)

CLAIMS = (
    Claim(
        "s4-compound-scaling",
        LONG,
        "At equal macs compound scaling beats scaling depth, width or resolution alone, whose gains saturate.",
        "Architectures, compound scaling",
        _rules,
        _judge_rules,
        _GAPS,
    ),
    Claim(
        "s14-width-scaling-saturates",
        LONG,
        "Scaling the width saturates earlier in shallow networks on small images than in deep ones on large images.",
        "Architectures, model scaling, Fig. 2.7",
        _widths,
        _judge_widths,
        _GAPS,
    ),
)
