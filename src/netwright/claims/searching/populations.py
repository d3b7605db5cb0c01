"""S6 and S8: design spaces compared by their error distributions, trained on real pictures, in small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from netwright.claims.claim import FAILS, HOLDS, LONG, UNDECIDED, Claim, Evidence, Numbers, Terms, Verdict, by_interval

if TYPE_CHECKING:
    from netwright.spaces.population import Population

SPACES = ("anynetx_a", "anynetx_c", "anynetx_e", "regnetx")
PAIRS = [("anynetx_a", "anynetx_c"), ("anynetx_c", "anynetx_e"), ("anynetx_e", "regnetx")]
_DESIGNS, _PER_CLASS, _SIDE, _LIMITS = 20, 200, 32, ("1M", "2M")
_SUBSETS, _OUTER = 400, 200


def _trained(terms: Terms) -> tuple[list[Population], str]:
    """A population of each space, and how they were trained; those in the folder of the terms are not trained again."""
    from netwright.claims.pictures import small, working
    from netwright.studies import search
    from netwright.training.recipes.recipe import Augmentation, Loss, Optimizing, Recipe, Schedule

    optimizer = Optimizing(name="momentum", lr=0.05, lr_batch=0, weight_decay=5e-5, clip_norm=0.0)
    schedule, loss = Schedule(kind="cosine", warmup_epochs=0.0), Loss(label_smoothing=0.0)
    epochs = 1 if terms.tiny else 4
    recipe = Recipe(epochs=epochs, batch=32, optimizer=optimizer, schedule=schedule, augment=Augmentation(crop="pad"), loss=loss)
    made = []
    with working(terms) as folder:
        pictures = small(terms, folder, _PER_CLASS, _SIDE)
        for name in SPACES:
            study = search(
                pictures.path,
                space=name,
                macs=("200K", "1M") if pictures.side < _SIDE else _LIMITS,
                trials=4 if terms.tiny else _DESIGNS,
                image=pictures.side,
                recipe=recipe,
                seed=terms.seed,
                workers=1 if terms.tiny else 2,
                threads=1,
                storage=str(folder / f"studies-{pictures.path.stem}-{terms.seed}.log"),
                study=f"{name}-{'tiny' if terms.tiny else 'small'}",
                progress=terms.progress,
            )
            population = study.population()
            made.append(type(population)(name, population.members, population.about))
    told = (
        f"{len(made[0].members)} designs of each space, {epochs} epochs, {pictures.told}; a fifth of those to learn from compares"
    )
    return made, told


# ---------------------------------------------------------------- S6: the order of the spaces


def _order(terms: Terms) -> Evidence:
    from netwright.spaces.comparing import compare_populations, mean_interval
    from netwright.spaces.statistics import Errors

    made, told = _trained(terms)
    compared = compare_populations(made, pairs=PAIRS)
    numbers: dict[str, Any] = {}
    for one in made:
        numbers[f"{one.name}_mean_error"] = Errors.of(one).mean
        numbers[f"{one.name}_interval_95"] = list(mean_interval(Errors.of(one)) or (0.0, 1.0))
        numbers[f"{one.name}_complete"] = len(one.complete)
    for row in compared.rows:
        key = f"{row.first}_against_{row.second}"
        numbers |= {f"{key}_difference": row.difference, f"{key}_p": row.p_holm, f"{key}_verdict": row.verdict}
    rows = [{"space": one.name, "error": member.error, "macs": member.macs} for one in made for member in one.complete]
    return Evidence(numbers, rows, f"{told}; p values after Holm's correction over {len(PAIRS)} comparisons named in advance")


def _judge_order(found: Numbers) -> Verdict:
    """As expected: A about C; E below C; RegNet below E. Against it: any difference the other way, or C other than A."""
    expected = dict(zip(PAIRS, ("undecided", "worse", "worse"), strict=True))
    verdicts = {pair: found[f"{pair[0]}_against_{pair[1]}_verdict"] for pair in PAIRS}
    right = sum(verdicts[pair] == word for pair, word in expected.items())
    against = [pair for pair in PAIRS if verdicts[pair] not in ("undecided", expected[pair])]
    means = ", ".join(f"{name} {100 * found[f'{name}_mean_error']:.1f}" for name in SPACES)
    pairs = "; ".join(
        f"{first} against {second} {100 * found[f'{first}_against_{second}_difference']:+.1f} points (p "
        f"{found[f'{first}_against_{second}_p']:.2g})"
        for first, second in PAIRS
    )
    word = HOLDS if right == len(PAIRS) else FAILS if against else UNDECIDED
    return Verdict(word, f"mean errors (%): {means}; {pairs}; {right} of {len(PAIRS)} comparisons came out as the paper has them")


def _draw_order(found: Evidence) -> Any:
    from netwright.report.charts import edf_chart
    from netwright.spaces.statistics import Errors

    names = list(dict.fromkeys(row["space"] for row in found.rows))
    errors = [np.array([row["error"] for row in found.rows if row["space"] == name]) for name in names]
    made = [Errors(name, values, np.zeros(len(values), dtype=np.int64)) for name, values in zip(names, errors, strict=True)]
    return edf_chart(made, [None] * len(made))


# ---------------------------------------------------------------- S8: distributions against single best models

_SIZES = (3, 5, 10)


def _robust(terms: Terms) -> Evidence:
    made, told = _trained(terms)
    source = np.random.default_rng(terms.seed)
    first, second = (np.array([member.error for member in one.complete]) for one in (made[0], made[-1]))
    sizes = sorted({min(size, len(first) // 2, len(second) // 2) for size in _SIZES})
    numbers: dict[str, Any] = {"designs": [len(first), len(second)], "sizes": sizes}
    rows = []
    for size in sizes:
        mean, best = _agreement(first, second, size, source)
        resamples = [
            np.subtract(*_agreement(source.choice(first, len(first)), source.choice(second, len(second)), size, source))
            for _ in range(_OUTER)
        ]
        low, high = np.quantile(resamples, [0.025, 0.975])
        numbers[f"of_{size}_means_agree"], numbers[f"of_{size}_best_agree"] = mean, best
        numbers[f"of_{size}_interval_95"] = [float(low), float(high)]
        rows += [{"x": f"{size} designs", "y": 100 * value, "label": label} for value, label in ((mean, _MEANS), (best, _BESTS))]
    about = (
        f"{told}; {_SUBSETS} pairs of subsets of {SPACES[0]} and {SPACES[-1]}: how often their order is that of the usual one; "
        f"intervals of the difference from {_OUTER} bootstrap resamples of the designs"
    )
    return Evidence(numbers, rows, about)


_MEANS, _BESTS = "distributions (mean errors)", "single best designs"


def _agreement(first: Any, second: Any, size: int, source: Any) -> tuple[float, float]:
    """In how many of the pairs of subsets the more frequent order is found: by means and by lowest errors (ties are halves)."""
    parts = [np.stack([source.choice(one, size, replace=False) for _ in range(_SUBSETS)]) for one in (first, second)]
    shares = []
    for statistic in (np.mean, np.min):
        ours, theirs = (statistic(part, axis=1) for part in parts)
        share = float((ours < theirs).mean() + (ours == theirs).mean() / 2)
        shares.append(max(share, 1 - share))
    return shares[0], shares[1]


def _judge_robust(found: Numbers) -> Verdict:
    sizes = found["sizes"]
    intervals = [found[f"of_{size}_interval_95"] for size in sizes]
    told = "; ".join(
        f"of {size} designs {100 * found[f'of_{size}_means_agree']:.0f} % and {100 * found[f'of_{size}_best_agree']:.0f} % "
        f"(difference {100 * low:+.0f} to {100 * high:+.0f} points)"
        for size, (low, high) in zip(sizes, intervals, strict=True)
    )
    why = f"two subsets gave the usual order of the spaces, by their distributions and by their single best designs: {told}"
    return by_interval(min(low for low, _ in intervals), max(high for _, high in intervals), why)


def _draw_robust(found: Evidence) -> Any:
    from netwright.report.charts.plain import bars_chart

    return bars_chart(list(found.rows), "subsets that agree (%)")


CLAIMS: tuple[Claim, ...] = (
    Claim(
        "s6-order-of-the-spaces",
        LONG,
        "Restricting the design space step by step improves it: AnyNetX C is about as good as A with fewer choices, E is "
        "better, and RegNet is the best.",
        "Optimizers and architectures, 2.8",
        _order,
        _judge_order,
        _draw_order,
    ),
    Claim(
        "s8-distributions-are-robust",
        LONG,
        "Comparing distributions of designs is more robust than comparing single well performing designs.",
        "Optimizers and architectures, 2.8",
        _robust,
        _judge_robust,
        _draw_robust,
    ),
)
