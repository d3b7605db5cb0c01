"""S10: RegNet against EfficientNet, under one recipe and under each one's own, on real pictures, in small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from netwright.claims.claim import FAILS, HOLDS, LONG, UNDECIDED, Claim, Evidence, Numbers, Terms, Verdict

if TYPE_CHECKING:
    from netwright.graph import Design

_PER_CLASS, _SIDE, _EPOCHS, _SEEDS = 100, 64, 6, 4


def _recipes() -> dict[str, Any]:
    """RegNet's (SGD, nothing else) and EfficientNet's (RMSProp, smoothed labels, augmentation, averaged weights), in small."""
    from netwright.training.recipes.recipe import Augmentation, Averaging, Loss, Optimizing, Recipe, Schedule

    regnet = Recipe(
        epochs=_EPOCHS,
        batch=32,
        optimizer=Optimizing(name="nesterov", lr=0.05, lr_batch=0, weight_decay=5e-5, clip_norm=0.0),
        schedule=Schedule(warmup_epochs=1.0),
        augment=Augmentation(crop="pad"),
        loss=Loss(label_smoothing=0.0),
    )
    efficientnet = regnet.replace(
        optimizer=Optimizing(name="rmsprop", lr=0.002, lr_batch=0, weight_decay=1e-5, clip_norm=0.0),
        augment=Augmentation(crop="pad", policy="trivial"),
        loss=Loss(label_smoothing=0.1),
        ema=Averaging(decay=0.98),
    )
    return {"RegNet's": regnet, "EfficientNet's": efficientnet}


def _networks(classes: int, side: int) -> dict[str, Design]:
    """RegNetX-200MF, and EfficientNet-B0 narrowed to as many macs."""
    from netwright.graph import trace
    from netwright.scaling import scale
    from netwright.zoo import network

    regnet = network("regnetx_002", classes=classes).replace(resolution=side)
    macs = trace(regnet, side).macs
    other = scale(network("efficientnet_b0", classes=classes), macs=macs, rule="width", image=side).design
    return {"RegNet": regnet, "EfficientNet": other}


def _experiment(terms: Terms) -> Evidence:
    from netwright.claims.pictures import Lesson, accuracies, small, working
    from netwright.graph import trace
    from netwright.training.seeds import spread

    with working(terms) as folder:
        pictures = small(terms, folder, _PER_CLASS, _SIDE)
        networks, recipes = _networks(pictures.classes, max(pictures.side, 32)), _recipes()
        cases = [("RegNet", "RegNet's"), ("EfficientNet", "RegNet's"), ("EfficientNet", "EfficientNet's")]
        seeds = range(terms.seed, terms.seed + (2 if terms.tiny else _SEEDS))
        lessons = {
            f"{net}, {recipe} recipe, seed {seed}": Lesson(networks[net], recipes[recipe], seed)
            for net, recipe in cases
            for seed in seeds
        }
        found = accuracies(lessons, pictures, folder / "s10", terms)
    top = {f"{net}, {recipe} recipe": [found[f"{net}, {recipe} recipe, seed {seed}"] for seed in seeds] for net, recipe in cases}
    regnet, same, own = top.values()
    numbers: dict[str, Any] = {"accuracies": top, "macs": {n: trace(d, max(pictures.side, 32)).macs for n, d in networks.items()}}
    for name, others in (("one_recipe", same), ("own_recipes", own)):
        made = spread([a - b for a, b in zip(regnet, others, strict=True)])
        numbers |= {f"{name}_difference": made.mean, f"{name}_interval_95": list(made.interval or (made.mean, made.mean))}
    rows = [{"label": label, "x": 100 * value} for label, values in top.items() for value in values]
    about = f"RegNetX-200MF and EfficientNet-B0 at as many macs, {_EPOCHS} epochs, {len(seeds)} seeds; {pictures.told}"
    return Evidence(numbers, rows, about)


def _judge(found: Numbers) -> Verdict:
    """RegNet must be better under its own recipe and worse under both, each difference clear of 0."""
    signs, told = [], []
    for name, words in (("one_recipe", "under RegNet's recipe"), ("own_recipes", "under each one's own")):
        low, high = found[f"{name}_interval_95"]
        signs.append(1 if low > 0 else -1 if high < 0 else 0)
        interval = f"95 % interval {100 * low:+.1f} to {100 * high:+.1f}"
        told.append(f"{words} RegNet is {100 * found[f'{name}_difference']:+.1f} points better ({interval})")
    word = FAILS if signs[0] < 0 or signs[1] > 0 else HOLDS if signs == [1, -1] else UNDECIDED
    return Verdict(word, f"against EfficientNet at as many macs, {' and '.join(told)}")


def _draw(found: Evidence) -> Any:
    from netwright.report.charts.plain import dots_chart

    return dots_chart(list(found.rows), "held-out accuracy (%)")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "s10-regnet-against-efficientnet",
        LONG,
        "RegNet outperforms EfficientNet when both are trained by RegNet's recipe; under each one's own recipe the answer is "
        "another.",
        "Optimizers and architectures, 2.8",
        _experiment,
        _judge,
        _draw,
    ),
)
