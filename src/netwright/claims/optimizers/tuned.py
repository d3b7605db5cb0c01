"""O16: Nesterov momentum against Adam, each tuned, on real pictures."""

from __future__ import annotations

from typing import Any

from netwright.claims.claim import LONG, Claim, Evidence, Numbers, Terms, Verdict, by_interval

_PER_CLASS, _SIDE, _EPOCHS, _SEEDS = 300, 32, 5, 5
_LRS = {"nesterov": (0.02, 0.05, 0.1, 0.2, 0.4), "adam": (0.002, 0.005, 0.01, 0.02, 0.05)}


def _recipe(name: str, lr: float) -> Any:
    from netwright.training.recipes.recipe import Loss, Optimizing, Recipe, Schedule

    optimizer = Optimizing(name=name, lr=lr, lr_batch=0, weight_decay=5e-4 if name == "nesterov" else 0.0, clip_norm=0.0)
    return Recipe(
        epochs=_EPOCHS, batch=32, optimizer=optimizer, schedule=Schedule(warmup_epochs=1.0), loss=Loss(label_smoothing=0.0)
    )


def _experiment(terms: Terms) -> Evidence:
    from netwright.claims.pictures import Lesson, accuracies, small, working
    from netwright.training.seeds import spread
    from netwright.zoo.resnet import CifarResNet

    with working(terms) as folder:
        choosing = small(terms, folder, _PER_CLASS, _SIDE, held_out=False)
        final = small(terms, folder, _PER_CLASS, _SIDE)
        design = CifarResNet(depth=1, width=8, classes=final.classes, resolution=final.side)
        lrs = {name: values[:2] if terms.tiny else values for name, values in _LRS.items()}
        grid = {f"{name} {lr:g}": Lesson(design, _recipe(name, lr), 100) for name, values in lrs.items() for lr in values}
        tried = accuracies(grid, choosing, folder / "o16-tuning", terms)
        best = {name: max(values, key=lambda lr: tried[f"{name} {lr:g}"]) for name, values in lrs.items()}
        seeds = range(terms.seed, terms.seed + (2 if terms.tiny else _SEEDS))
        lessons = {f"{name} seed {seed}": Lesson(design, _recipe(name, best[name]), seed) for name in best for seed in seeds}
        found = accuracies(lessons, final, folder / "o16-seeds", terms)
    top = {name: [found[f"{name} seed {seed}"] for seed in seeds] for name in best}
    made = spread([a - b for a, b in zip(top["nesterov"], top["adam"], strict=True)])
    numbers = {
        "nesterov_lr": best["nesterov"],
        "adam_lr": best["adam"],
        "lr_at_an_end_of_its_grid": [name for name, lr in best.items() if lr in (lrs[name][0], lrs[name][-1])],
        "nesterov_accuracies": top["nesterov"],
        "adam_accuracies": top["adam"],
        "difference": made.mean,
        "interval_95": list(made.interval or (made.mean, made.mean)),
    }
    rows = [{"label": f"{name}, lr {best[name]:g}", "accuracy": 100 * one} for name, values in top.items() for one in values]
    return Evidence(
        numbers, rows, f"an 8-layer residual network, {_EPOCHS} epochs; lr chosen on {choosing.told}; then {final.told}"
    )


def _judge(found: Numbers) -> Verdict:
    low, high = found["interval_95"]
    means = {name: 100 * sum(found[f"{name}_accuracies"]) / len(found[f"{name}_accuracies"]) for name in ("nesterov", "adam")}
    edge = found["lr_at_an_end_of_its_grid"]
    why = (
        f"Nesterov (lr {found['nesterov_lr']:g}) reached {means['nesterov']:.1f} % and Adam (lr {found['adam_lr']:g}) "
        f"{means['adam']:.1f} %: {100 * found['difference']:+.1f} points, 95 % interval {100 * low:+.1f} to {100 * high:+.1f}, "
        f"over {len(found['adam_accuracies'])} seeds"
    )
    return by_interval(low, high, why + (f" (lr at an end of its grid: {', '.join(edge)})" if edge else ""))


def _draw(found: Evidence) -> Any:
    from netwright.report.charts.plain import dots_chart

    return dots_chart([{"label": row["label"], "x": row["accuracy"]} for row in found.rows], "held-out accuracy (%)")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "o16-nesterov-against-adam",
        LONG,
        "In computer vision Nesterov momentum, properly tuned, works better than Adam: it reaches at least Adam's accuracy.",
        "Optimizers, 1.4.3",
        _experiment,
        _judge,
        _draw,
    ),
)
