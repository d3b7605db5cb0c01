"""Long claims: what only trainings on real pictures can say (A3, A6, A12, A19, A28, A29).

All are small: few pictures, narrow networks, some seeds. Each verdict rests on 95 % intervals of paired differences.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from netwright.blocks import Bottleneck, Plain
from netwright.claims.claim import LONG, Claim, Evidence, Numbers, Terms, Verdict
from netwright.claims.drawing import intervals
from netwright.claims.paired import gap, mean, percent, shown_gaps, strictly
from netwright.claims.reading import listed
from netwright.graph import Count, Design, FeatureMap, Size
from netwright.zoo.googlenet import GoogLeNet
from netwright.zoo.resnet import CifarResNet, ResNet
from netwright.zoo.vgg import VGG

if TYPE_CHECKING:
    from netwright.claims.ground import Ground

# ---------------------------------------------------------------- A3


class Front(Design):
    """AlexNet's first two layers (11x11/4, then 5x5) or ZFNet's (7x7/2, then 5x5/2) before a small body; for 64 px and more."""

    kernel: Count = 11
    stride: Count = 4
    then: Count = 1
    width: Count = 48
    classes: Size = 10
    resolution: Count = 96

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("conv1", self.width, self.kernel, self.stride, padding=self.kernel // 2, bias=True).relu("relu1")
        x = x.max_pool(3, 2, padding=1, name="pool1").conv("conv2", 64, 5, self.then, padding=2, bias=True).relu("relu2")
        x = x.conv("conv3", 96, 3, bias=True).relu("relu3")
        return x.global_pool().linear("fc", self.classes)


FRONTS = {"alexnet": Front(), "zfnet": Front(7, 2, 2)}
ALIVE = 1e-3  # of all places of all pictures: a filter that answers at fewer is dead


def _dead_filters(terms: Terms) -> Evidence:
    from netwright.claims.ground import Ground, Setting, seeds_of

    ground = Ground(terms, Setting(96, 6, 1200, rate=0.02))
    seeds = seeds_of(terms, 3)
    dead: dict[str, list[float]] = {name: [] for name in FRONTS}
    accuracy: dict[str, list[float]] = {name: [] for name in FRONTS}
    for seed in seeds:
        for name, design in FRONTS.items():
            learned = ground.learn(design, seed, name=name)
            dead[name].append(100.0 if learned.model is None else 100 * _dead_share(learned.model, ground))
            accuracy[name].append(100 * learned.held_out)
    numbers: dict[str, Any] = {f"{name}_dead": dead[name] for name in FRONTS} | {
        f"{name}_accuracy": accuracy[name] for name in FRONTS
    }
    numbers |= gap("difference", dead["alexnet"], dead["zfnet"])
    return Evidence(
        numbers,
        shown_gaps(numbers, {"difference": "AlexNet's less ZFNet's"}),
        f"{ground.about}; {FRONTS['alexnet'].width} filters",
    )


def _dead_share(model: Any, ground: Ground) -> float:
    """The share of conv1's filters that answer, above zero, at fewer than a thousandth of the places of held-out pictures."""
    import torch

    from netwright.training.normalize import to_batch

    counted: list[Any] = []
    hook = model.get_submodule("conv1").register_forward_hook(
        lambda module, given, out: counted.append((out > 0).float().mean((0, 2, 3)))
    )
    with torch.no_grad():
        model.eval()(ground.task.normalize(to_batch(ground.held_out.pixels[:256])))
    hook.remove()
    return float((counted[0] < ALIVE).float().mean())


def _judge_dead_filters(found: Numbers) -> Verdict:
    why = (
        f"dead filters in the first layer: {percent(found['alexnet_dead'])} with 11x11/4, {percent(found['zfnet_dead'])} with "
        f"7x7/2; {_interval(found, 'difference')}"
    )
    return strictly(found["difference_low"], found["difference_high"], why)


def _interval(found: Numbers, name: str) -> str:
    return f"the 95 % interval of the difference is {found[f'{name}_low']:.1f} to {found[f'{name}_high']:.1f} points"


# ---------------------------------------------------------------- A6

_VGG = {11: (1, 1, 2, 2, 2), 13: (2, 2, 2, 2, 2), 16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}


def _narrow_vgg(layers: int) -> VGG:
    """VGG an eighth as wide, without batch norm and dropout."""
    return VGG(_VGG[layers], (8, 16, 32, 64, 64), hidden=64, dropout=0.0)


def _grown(terms: Terms) -> Evidence:
    from netwright.claims.ground import Ground, Setting, seeds_of

    epochs = 4
    by_steps = Ground(terms, Setting(32, epochs, 1500, rate=0.02))
    at_once = Ground(terms, Setting(32, epochs * len(_VGG), 1500, rate=0.02))
    seeds = seeds_of(terms, 3)
    grown = [100 * _grow(by_steps, seed) for seed in seeds]
    direct = [100 * at_once.learn(_narrow_vgg(19), seed, name="vgg19 at once").held_out for seed in seeds]
    numbers: dict[str, Any] = {"grown": grown, "direct": direct, "chance": 100 / by_steps.task.classes} | gap(
        "difference", grown, direct
    )
    about = (
        f"{by_steps.about}, for each of {listed(_VGG)} layers in turn, or {at_once.job.recipe.epochs} epochs of 19 at once; an "
        "eighth as wide, without norms"
    )
    return Evidence(numbers, shown_gaps(numbers, {"difference": "grown less at once"}), about)


def _grow(ground: Ground, seed: int) -> float:
    """The held-out accuracy of 19 layers that began as 11."""
    from netwright.runtime import save_weights
    from netwright.runtime.forms import grow

    accuracy = 0.0
    before: Any = None
    with tempfile.TemporaryDirectory() as folder:
        for layers in _VGG:
            design = _narrow_vgg(layers)
            weights = None
            if before is not None:
                weights = Path(folder) / f"vgg{layers}.safetensors"
                save_weights(grow(before, ground.job.plan.fitted(design), seed), weights)
            learned = ground.learn(design, seed, weights, f"vgg{layers} grown")
            accuracy, before = learned.held_out, learned.model
    return accuracy


def _judge_grown(found: Numbers) -> Verdict:
    why = (
        f"nineteen layers reach {percent(found['grown'])} grown from 11, 13 and 16 and {percent(found['direct'])} at once in as "
        f"many epochs (chance: {found['chance']:.0f} %); {_interval(found, 'difference')}"
    )
    return strictly(found["difference_low"], found["difference_high"], why)


# ---------------------------------------------------------------- A12


def _degradation(terms: Terms) -> Evidence:
    from netwright.claims.ground import Ground, Setting, percentages, seeds_of

    ground = Ground(terms, Setting(16, 6, 2000))
    designs: dict[str, Design] = {
        f"{name}{6 * n + 2}": CifarResNet(n, block, 8)
        for n in (3, 9)
        for name, block in (("plain", Plain()), ("residual", CifarResNet().block))
    }
    found = percentages(ground, designs, seeds_of(terms, 3))
    errors = {name: [100 - value for value in values["seen"]] for name, values in found.items()}
    deeper = {
        kind: [b - a for a, b in zip(errors[f"{kind}20"], errors[f"{kind}56"], strict=True)] for kind in ("plain", "residual")
    }
    numbers: dict[str, Any] = {f"{name}_training_error": values for name, values in errors.items()}
    numbers |= {f"{name}_test_error": [100 - value for value in values["held_out"]] for name, values in found.items()}
    numbers |= gap("plain", errors["plain56"], errors["plain20"]) | gap("residual", errors["residual56"], errors["residual20"])
    numbers |= gap("relief", deeper["plain"], deeper["residual"])
    rows = shown_gaps(numbers, {"plain": "plain: 56 less 20 layers", "residual": "residual: 56 less 20 layers"})
    return Evidence(numbers, rows, f"{ground.about}; width 8; errors on the pictures trained on")


def _judge_degradation(found: Numbers) -> Verdict:
    why = (
        f"training error of 20 and 56 plain layers: {percent(found['plain20_training_error'])} and "
        f"{percent(found['plain56_training_error'])} (interval of the difference {found['plain_low']:.1f} to "
        f"{found['plain_high']:.1f} points), of residual ones {percent(found['residual20_training_error'])} and "
        f"{percent(found['residual56_training_error'])} ({found['residual_low']:.1f} to {found['residual_high']:.1f})"
    )
    if found["plain_low"] > 0 and found["relief_low"] > 0 and found["residual_low"] <= 0:
        return Verdict("holds", why)
    return Verdict("fails" if found["plain_high"] < 0 or found["relief_high"] < 0 else "undecided", why)


# ---------------------------------------------------------------- A19

PAIRS = ((1, 64), (2, 40), (4, 24), (30, 4))  # at a width of 16 their branches are 16, 10, 6 and 1 wide: macs within 4 %


def _more_groups(terms: Terms) -> Evidence:
    from netwright.claims.ground import Ground, Setting, percentages, seeds_of

    ground = Ground(terms, Setting(16, 8, 2000))
    designs: dict[str, Design] = {str(groups): CifarResNet(1, Bottleneck(groups, width), 16) for groups, width in PAIRS}
    found = percentages(ground, designs, seeds_of(terms, 3))
    held_out = [found[name]["held_out"] for name in designs]
    numbers: dict[str, Any] = {
        "groups": [groups for groups, _ in PAIRS],
        "macs": [ground.macs(design) for design in designs.values()],
        "accuracy": [mean(values) for values in held_out],
    }
    numbers |= gap("most_less_one", held_out[-1], held_out[0]) | gap("last_step", held_out[-1], held_out[-2])
    rows = shown_gaps(numbers, {"most_less_one": "30 groups less 1", "last_step": "30 groups less 4"})
    return Evidence(numbers, rows, f"{ground.about}; three bottlenecks of equal macs")


def _judge_more_groups(found: Numbers) -> Verdict:
    low, high = found["most_less_one_low"], found["most_less_one_high"]
    why = (
        f"with {listed(found['groups'])} groups at {min(found['macs']) / 1e6:.2f} to {max(found['macs']) / 1e6:.2f} M macs the "
        f"accuracy is {', '.join(f'{value:.1f}' for value in found['accuracy'])} %; the 95 % interval of the gain of most over "
        f"one is {low:.1f} to {high:.1f} points, of the last step {found['last_step_low']:.1f} to {found['last_step_high']:.1f}"
    )
    if max(found["macs"]) > 1.05 * min(found["macs"]):
        return Verdict("undecided", f"{why}; the macs are not equal")
    return strictly(low, high, why)


# ---------------------------------------------------------------- A28


def _auxiliary(terms: Terms) -> Evidence:
    from netwright.claims.ground import Ground, Setting, percentages, seeds_of

    ground = Ground(terms, Setting(32, 8, 1200, rate=0.05))
    designs: dict[str, Design] = {"with": GoogLeNet(aux=True), "without": GoogLeNet()}
    found = percentages(ground, designs, seeds_of(terms, 3))
    numbers: dict[str, Any] = {f"{name}_{part}": found[name][part] for name in designs for part in ("held_out", "seen")}
    apart = {name: [a - b for a, b in zip(found[name]["seen"], found[name]["held_out"], strict=True)] for name in designs}
    numbers |= gap("difference", found["with"]["held_out"], found["without"]["held_out"]) | gap(
        "overfitting", apart["with"], apart["without"]
    )
    rows = shown_gaps(
        numbers, {"difference": "held-out accuracy, with less without", "overfitting": "seen less held-out, with less without"}
    )
    return Evidence(numbers, rows, f"{ground.about}; GoogLeNet as released")


def _judge_auxiliary(found: Numbers) -> Verdict:
    why = (
        f"held out {percent(found['with_held_out'])} with auxiliary classifiers, {percent(found['without_held_out'])} without; "
        f"{_interval(found, 'difference')}; seen pictures are ahead of held-out ones by {found['overfitting_low']:.1f} to "
        f"{found['overfitting_high']:.1f} points more with them"
    )
    return strictly(found["difference_low"], found["difference_high"], why)


# ---------------------------------------------------------------- A29


def _tweaked(terms: Terms) -> Evidence:
    from netwright.claims.ground import Ground, Setting, percentages, seeds_of

    ground = Ground(terms, Setting(64, 8, 1500))
    depths = (1, 1, 1, 1)
    designs: dict[str, Design] = {
        "v1": ResNet(depths, Bottleneck(stride_first=True), 16),
        "b": ResNet(depths, Bottleneck(), 16),
        "c": ResNet(depths, Bottleneck(), 16, 8),
        "d": ResNet(depths, Bottleneck(shortcut="average"), 16, 8),
    }
    found = percentages(ground, designs, seeds_of(terms, 3))
    numbers: dict[str, Any] = {f"{name}_accuracy": values["held_out"] for name, values in found.items()}
    for later, earlier in (("b", "v1"), ("c", "b"), ("d", "c")):
        numbers |= gap(f"{later}_less_{earlier}", found[later]["held_out"], found[earlier]["held_out"])
    rows = shown_gaps(numbers, {"b_less_v1": "B less the first form", "c_less_b": "C less B", "d_less_c": "D less C"})
    return Evidence(numbers, rows, f"{ground.about}; four bottlenecks, a quarter as wide as ResNet-50")


def _judge_tweaked(found: Numbers) -> Verdict:
    steps = ("b_less_v1", "c_less_b", "d_less_c")
    told = ", ".join(f"{name.upper().replace('V1', 'v1')} {percent(found[f'{name}_accuracy'])}" for name in ("v1", "b", "c", "d"))
    why = f"{told}; each over the one before, 95 % intervals: " + ", ".join(
        f"{found[f'{step}_low']:.1f} to {found[f'{step}_high']:.1f}" for step in steps
    )
    return strictly(min(found[f"{step}_low"] for step in steps), min(found[f"{step}_high"] for step in steps), f"{why} points")


_GAPS = intervals("difference (points)", at=0)

CLAIMS = (
    Claim(
        "a3-dead-filters",
        LONG,
        "ZFNet's gentler first layer leaves fewer dead filters than AlexNet's large one with its aggressive stride.",
        "Architectures, ZFNet",
        _dead_filters,
        _judge_dead_filters,
        _GAPS,
    ),
    Claim(
        "a6-growing-vgg",
        LONG,
        "Nineteen layers without batch norm train when they grow from 11, 13 and 16, and fail or lag when they are trained at "
        "once.",
        "Architectures, VGG",
        _grown,
        _judge_grown,
        _GAPS,
    ),
    Claim(
        "a12-degradation",
        LONG,
        "A plain network of 56 layers has a higher training error than one of 20; residual networks do not degrade so.",
        "Architectures, residual networks",
        _degradation,
        _judge_degradation,
        _GAPS,
    ),
    Claim(
        "a19-more-groups",
        LONG,
        "At equal FLOPs more groups are better, until it saturates.",
        "Architectures, ResNeXt, results",
        _more_groups,
        _judge_more_groups,
        _GAPS,
    ),
    Claim(
        "a28-auxiliary-classifiers",
        LONG,
        "Auxiliary classifiers on intermediate maps act as regularizers.",
        "Architectures, Inception v1, auxiliary softmax",
        _auxiliary,
        _judge_auxiliary,
        _GAPS,
    ),
    Claim(
        "a29-resnet-tweaks-in-accuracy",
        LONG,
        "ResNet-B, -C and -D are each more accurate than the form before.",
        "Architectures, further model tweaks",
        _tweaked,
        _judge_tweaked,
        _GAPS,
    ),
)
