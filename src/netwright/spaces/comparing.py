"""Comparing populations: which space gives lower errors, by how much, and whether chance would do the same."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from netwright.errors import NetwrightError, did_you_mean
from netwright.spaces.population import Array, Population, check_names
from netwright.spaces.statistics import LEVEL, Errors, Normalization, edf, normalized, resampled

BETTER, WORSE, UNDECIDED = "better", "worse", "undecided"
TIMES = 10_000  # bootstrap resamples and permutations: Holm's correction needs small p values to exist
BEST_SHARE = 0.25  # of the smaller population: how many draws the best is taken of (the share of RegNet's bootstrap)
_ENTRIES = 4_000_000  # numbers held at once


@dataclass(frozen=True)
class Test:
    """A statistic and its p value."""

    __test__ = False  # not one of pytest's

    statistic: float
    p: float


@dataclass(frozen=True)
class Comparison:
    """One population against another; errors are shares, differences are the first's less the second's (below 0: better).

    - `difference` of the mean errors, which is also the signed area between the two EDFs, with its `interval`; `p` is of
      the same bootstrap, `p_holm` after Holm's correction over all comparisons made together.
    - `best_difference` of the expected lowest errors of `draws` draws from each, with `best_interval`. It stands in for the
      difference of the two minima: a minimum falls with n, and the bootstrap has no valid interval for it (Bickel and
      Freedman 1981).
    - `area` between the EDFs without sign (Wasserstein's distance), `ahead` the share of it where the first's EDF is higher.
    - `ks`, `ks_p`, `ks_p_holm`: the Kolmogorov-Smirnov test of whether the distributions differ at all.
    """

    first: str
    second: str
    difference: float
    interval: tuple[float, float] | None
    p: float
    p_holm: float
    draws: int
    best_difference: float
    best_interval: tuple[float, float] | None
    area: float
    ahead: float
    ks: float
    ks_p: float
    ks_p_holm: float

    @property
    def verdict(self) -> str:
        """Of the first: `better` or `worse` where the means differ (p after Holm at most 0.05), else `undecided`."""
        if self.p_holm > 1 - LEVEL or self.interval is None or not self.difference:
            return UNDECIDED
        return BETTER if self.difference < 0 else WORSE

    def told(self) -> str:
        """The verdict in a sentence, with the figures it rests on; errors in points (hundredths)."""
        points = f"{100 * abs(self.difference):.2f} points"
        if self.verdict != UNDECIDED:
            lower = "lower" if self.difference < 0 else "higher"
            return (
                f"{self.first} is {self.verdict} than {self.second}: its mean error is {points} {lower} (p {told_p(self.p_holm)})"
            )
        return f"{self.first} against {self.second} is undecided: the mean errors are {points} apart (p {told_p(self.p_holm)})"


def told_p(p: float) -> str:
    """A p value as it is printed: '0.031', '< 0.001'."""
    return "< 0.001" if p < 0.001 else f"{p:.3f}" if p < 0.1 else f"{p:.2f}"


@dataclass(frozen=True)
class Comparisons:
    """Comparisons made together, and how: the level of the intervals, resamples, seed, and the normalization or None."""

    rows: tuple[Comparison, ...]
    level: float
    times: int
    seed: int
    normalization: Normalization | None

    def told(self) -> str:
        """How the comparison was made, in one line."""
        how = f"normalized: {self.normalization.told()}" if self.normalization else "not normalized by complexity"
        many = f"Holm's correction over {len(self.rows)} comparisons" if len(self.rows) > 1 else "one comparison, no correction"
        return f"{how}; intervals of {100 * self.level:g} % from {self.times:,} bootstrap resamples, seed {self.seed}; {many}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        rows = [asdict(row) | {"verdict": row.verdict} for row in self.rows]
        return {"level": self.level, "times": self.times, "seed": self.seed, "told": self.told(), "comparisons": rows}


def compare_populations(
    populations: Sequence[Population],
    *,
    pairs: Sequence[tuple[str, str]] | None = None,
    by: str | None = None,
    bins: int = 10,
    times: int = TIMES,
    seed: int = 0,
) -> Comparisons:
    """Compare the errors of populations two by two: all pairs, or those named in advance (fewer tests, less to correct).

    With `by` ("macs", "params", "acts") complexities are evened out first (see `normalized`). Verdicts rest on the
    difference of the mean errors. Intervals are percentiles of the bootstrap, widened as Hesterberg (2015, Section 6) has it,
    since plain percentiles are too narrow for small n: their normal quantile is replaced by sqrt(n / (n - 1)) times
    Student's t of n - 1, with the n of the smaller population. The p value is that of the widest such interval without 0.

    Raises NetwrightError for fewer than two populations, equal names, unknown pairs, populations without complete members
    and those of `normalized`.
    """
    check_names(populations)
    if len(populations) < 2:
        raise NetwrightError(f"{populations[0].name!r} is the only population: a comparison needs two")
    chosen = _pairs([population.name for population in populations], pairs)
    normalization = normalized(populations, by, bins) if by is not None else None
    errors = normalization.errors if normalization else tuple(Errors.of(population) for population in populations)
    pool = _Pool(errors, times, seed)
    made = [_compared(pool, first, second) for first, second in chosen]
    adjusted = holm([row["p"] for row in made]), holm([row["ks_p"] for row in made])
    rows = [Comparison(**row, p_holm=p, ks_p_holm=ks_p) for row, p, ks_p in zip(made, *adjusted, strict=True)]
    return Comparisons(tuple(rows), LEVEL, times, seed, normalization)


def _pairs(names: list[str], pairs: Sequence[tuple[str, str]] | None) -> list[tuple[str, str]]:
    if pairs is None:
        return list(itertools.combinations(names, 2))
    for pair in pairs:
        if len(pair) != 2 or pair[0] == pair[1]:
            raise NetwrightError(f"{pair!r} is not a pair of two populations")
        for name in pair:
            if name not in names:
                raise NetwrightError(
                    f"there is no population {name!r}{did_you_mean(name, names) or ': there are ' + ', '.join(names)}"
                )
    if not pairs or len({frozenset(pair) for pair in pairs}) < len(pairs):
        raise NetwrightError("name each pair to compare once, and at least one")
    return [(first, second) for first, second in pairs]


class _Pool:
    """The populations of one call by name, and their resamples: each is drawn once, from a stream of its own."""

    def __init__(self, errors: Sequence[Errors], times: int, seed: int) -> None:
        self.times, self.seed = times, seed
        self.named = {one.name: one for one in errors}
        self._streams = {one.name: stream for stream, one in enumerate(errors)}
        self._kept: dict[tuple[str, int], Array] = {}

    def resamples(self, name: str, draws: int) -> Array:
        """Mean and expected best of so many draws, of bootstrap resamples: (times, 2)."""
        if (name, draws) not in self._kept:
            self._kept[name, draws] = _resamples(self.named[name], draws, self.times, [self.seed, self._streams[name]])
        return self._kept[name, draws]


def _compared(pool: _Pool, ours: str, theirs: str) -> dict[str, Any]:
    """One comparison, without the corrected p values."""
    first, second = pool.named[ours], pool.named[theirs]
    n = min(first.effective, second.effective)
    draws = max(1, int(BEST_SHARE * min((first.bins >= 0).sum(), (second.bins >= 0).sum())))
    means, bests = (pool.resamples(ours, draws) - pool.resamples(theirs, draws)).T
    area, ahead = edf_area(first, second)
    ks = ks_test(first, second, times=pool.times, seed=pool.seed)
    return {
        "first": first.name,
        "second": second.name,
        "difference": first.mean - second.mean,
        "interval": widened(means, n),
        "p": bootstrap_p(means, n),
        "draws": draws,
        "best_difference": float(expected_best(first, draws) - expected_best(second, draws)),
        "best_interval": widened(bests, n),
        "area": area,
        "ahead": ahead,
        "ks": ks.statistic,
        "ks_p": ks.p,
    }


def _resamples(errors: Errors, draws: int, times: int, seed: list[int]) -> Array:
    """Mean and expected best of bootstrap resamples, (times, 2)."""
    order = np.argsort(errors.values, kind="stable")
    values = errors.values[order]

    def both(weights: Array) -> Array:
        ranked = weights[:, order]
        return np.stack([ranked @ values, _best(ranked, values, draws)], axis=1)

    return resampled(errors, both, times, seed)


def expected_best(errors: Errors, draws: int) -> float:
    """The expected lowest error of `draws` draws with replacement from a population, exactly.

    >>> toy = Errors("toy", np.array([0.1, 0.3]), np.zeros(2, dtype=int))
    >>> round(expected_best(toy, 2), 6)   # 0.1 unless both draws give 0.3
    0.15
    """
    order = np.argsort(errors.values, kind="stable")
    return float(_best(errors.weights[order][None], errors.values[order], draws)[0])


def _best(ranked: Array, values: Array, draws: int) -> Array:
    """Weights (times, n) of rising errors (n,) -> the expected lowest of some draws (times,)."""
    above = np.clip(1 - np.cumsum(ranked, axis=1), 0, 1) ** draws  # that all draws are worse than the i-th
    above[:, -1] = 0
    chances = -np.diff(above, axis=1, prepend=1.0)
    best: Array = chances @ values
    return best


def mean_interval(errors: Errors, *, times: int = TIMES, seed: int = 0) -> tuple[float, float] | None:
    """The widened bootstrap interval of a population's mean error; None for a single design."""
    return widened(resampled(errors, lambda weights: weights @ errors.values, times, seed), errors.effective)


# ---------------------------------------------------------------- intervals and p values


def widened(samples: Array, n: float, level: float = LEVEL) -> tuple[float, float] | None:
    """The percentile interval of bootstrap samples, widened for n designs; None where there are fewer than 2."""
    from scipy.special import ndtr, stdtrit  # slow to load

    if n < 1.5:
        return None
    tail = float(ndtr(-math.sqrt(n / (n - 1)) * stdtrit(n - 1, (1 + level) / 2)))
    low, high = np.quantile(samples, [tail, 1 - tail])
    return float(low), float(high)


def bootstrap_p(samples: Array, n: float) -> float:
    """The two-sided p value of 0 under bootstrap samples of a difference: 1 less the level of the widest interval without 0."""
    from scipy.special import ndtri, stdtr

    if n < 1.5:
        return 1.0
    below, above = int((samples <= 0).sum()), int((samples >= 0).sum())
    tail = (1 + min(below, above)) / (1 + len(samples))
    if tail >= 0.5:
        return 1.0
    return float(2 * stdtr(n - 1, ndtri(tail) * math.sqrt((n - 1) / n)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p values corrected for their number by Holm's step-down method (1979), which holds for dependent tests as well.

    >>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
    [0.03, 0.06, 0.06]
    """
    adjusted, highest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda i: p_values[i])):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = highest
    return adjusted


# ---------------------------------------------------------------- whole distributions


def edf_area(first: Errors, second: Errors) -> tuple[float, float]:
    """The area between two EDFs without sign, and the share of it where the first's is higher (0.5 where there is none)."""
    ours, theirs = edf(first), edf(second)
    steps = np.union1d(ours.errors, theirs.errors)
    middles = (steps[1:] + steps[:-1]) / 2
    pieces = (ours(middles) - theirs(middles)) * np.diff(steps)
    area = float(np.abs(pieces).sum())
    return area, float(pieces[pieces > 0].sum()) / area if area else 0.5


def ks_test(first: Errors, second: Errors, *, times: int = TIMES, seed: int = 0) -> Test:
    """The two-sided Kolmogorov-Smirnov test of two error distributions: the largest distance of their EDFs, and its p value.

    Without normalization it is SciPy's (exact for fewer than 10,000 designs; with ties the p value is an upper bound). With
    it, p comes from `times` permutations: within each complexity bin the errors are dealt anew to the two populations, so
    that bins and weights stay as they are. Raises NetwrightError for no permutations.
    """
    if (first.bins == 0).all() and (second.bins == 0).all():
        from scipy.stats import ks_2samp  # slow to load

        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # where the exact p overflows SciPy takes the asymptotic one
            found = ks_2samp(first.values, second.values)
        return Test(float(found.statistic), float(found.pvalue))
    if times < 1:
        raise NetwrightError(f"{times} permutations: ask for at least 1")
    return _permuted_ks(first, second, times, seed)


def _permuted_ks(first: Errors, second: Errors, times: int, seed: int) -> Test:
    values = np.concatenate([first.values, second.values])
    bins = np.concatenate([first.bins, second.bins])
    signed = np.concatenate([first.weights, -second.weights])
    part = np.flatnonzero(bins >= 0)
    part = part[np.argsort(bins[part], kind="stable")]  # bin by bin: shuffling within bins is then sorting by bin and chance
    values, bins, signed = values[part], bins[part], signed[part]
    order = np.argsort(values, kind="stable")
    last = np.append(np.diff(values[order]) > 0, True)

    def distances(dealt: Array) -> Array:
        """Weights (some, N), as dealt to the errors -> the largest distances."""
        found: Array = np.abs(np.cumsum(dealt[:, order], axis=1)[:, last]).max(axis=1)
        return found

    observed = float(distances(signed[None])[0])
    source, reached, left = np.random.default_rng(seed), 0, times
    most = max(1, _ENTRIES // len(values))
    while left:
        some = min(most, left)
        left -= some
        dealt = np.argsort(bins + source.random((some, len(values))), axis=1)
        reached += int((distances(signed[dealt]) >= observed - 1e-12).sum())
    return Test(observed, (1 + reached) / (1 + times))
