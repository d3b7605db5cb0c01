"""Parameters of a population against its errors: where the best designs lie, and how the error goes with each parameter."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netwright.errors import NetwrightError, did_you_mean
from netwright.spaces.comparing import Test, holm
from netwright.spaces.population import Array, Member, Population, check_any
from netwright.spaces.statistics import LEVEL

SHARE, DRAWS = 0.25, 10_000  # of the empirical bootstrap, as the RegNet paper has them
QUANTILES = (0.25, 0.5, 0.75)


@dataclass(frozen=True)
class Best:
    """Where the best designs have a parameter: percentiles of numbers (low, median, high), or the share of each word.

    `n` complete members have the parameter, of `of` in all.
    """

    parameter: str
    n: int
    of: int
    interval: tuple[float, float, float] | None
    shares: dict[str, float]

    def told(self) -> str:
        """'12 to 24, median 18', or 'relu 80 %, silu 20 %'."""
        if self.interval is not None:
            low, median, high = (f"{value:.4g}" for value in self.interval)
            return low if low == high else f"{low} to {high}, median {median}"
        return ", ".join(f"{word} {100 * share:.0f} %" for word, share in self.shares.items())


def best_intervals(population: Population, *, share: float = SHARE, draws: int = DRAWS, seed: int = 0) -> dict[str, Best]:
    """Likely best values of each parameter, by the empirical bootstrap of the RegNet paper (arXiv:2003.13678, Section 3.1).

    25 % of the designs are drawn with replacement and the parameter of the one with the lowest error is taken (the one drawn
    first, of several); over 10,000 times the 2.5th, 50th and 97.5th percentiles are given. Percentiles are values that occur,
    not means of two. A parameter that some designs lack is judged among those that have it. Words, True and False, and
    parameters that are numbers in some designs only are given as shares.

    Raises NetwrightError for a population without complete members, a share that is not from 0 to 1, or no draws.
    """
    check_any(population)
    if not 0 < share <= 1 or draws < 1:
        raise NetwrightError(f"the bootstrap draws a share of {share} {draws} times: expected a share up to 1, at least once")
    complete = population.complete
    kept: dict[tuple[int, ...], NDArray[np.int64]] = {}  # parameters that the same designs have are judged by the same draws
    made = {}
    for name in population.parameters:
        having = tuple(i for i, member in enumerate(complete) if name in member.parameters)
        if having not in kept:
            kept[having] = _winners(population.errors[list(having)], share, draws, seed)
        mine = [complete[i] for i in having]
        made[name] = _best(name, mine, len(complete), kept[having])
    return made


def _winners(errors: Array, share: float, draws: int, seed: int) -> NDArray[np.int64]:
    """The place of the best of each draw, (draws,)."""
    n, source = len(errors), np.random.default_rng(seed)
    each = max(1, int(share * n))
    most, found = max(1, 4_000_000 // each), []
    for start in range(0, draws, most):
        drawn = source.integers(0, n, (min(most, draws - start), each))
        found.append(drawn[np.arange(len(drawn)), errors[drawn].argmin(axis=1)])
    return np.concatenate(found)


def _best(name: str, members: Sequence[Member], of: int, winners: NDArray[np.int64]) -> Best:
    values = [member.parameters[name] for member in members]
    if is_numeric(values):
        taken = np.array(values, dtype=np.float64)[winners]
        low, median, high = np.quantile(taken, [(1 - LEVEL) / 2, 0.5, (1 + LEVEL) / 2], method="inverted_cdf")
        return Best(name, len(values), of, (float(low), float(median), float(high)), {})
    words, times = np.unique(np.array([str(value) for value in values])[winners], return_counts=True)
    ranked = sorted(zip(words.tolist(), times.tolist(), strict=True), key=lambda one: -one[1])
    return Best(name, len(values), of, None, {word: count / len(winners) for word, count in ranked})


def is_numeric(values: Sequence[object]) -> bool:
    """Whether all are numbers: True and False are words here."""
    return all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values)


# ---------------------------------------------------------------- trends


@dataclass(frozen=True)
class Group:
    """Designs of neighbouring values of a parameter, or of one word: quartiles of their errors.

    `interval` is of the median, by order statistics (free of any distribution, at least 95 %); None for fewer than 6 designs,
    which have none. `centre` is the median of a number's values, or the word.
    """

    centre: float | str
    low: float | str
    high: float | str
    n: int
    quartiles: tuple[float, float, float]
    interval: tuple[float, float] | None


@dataclass(frozen=True)
class Trend:
    """How the error goes with one parameter: groups in its order, and a test of whether it goes with it at all.

    `rank` is Spearman's correlation of numbers (above 0: the error rises) with its p value; `words` is the Kruskal-Wallis test
    for words. Both are None where nothing varies or there are fewer than 3 designs. `p_holm` is corrected for the number of
    parameters tested.
    """

    parameter: str
    n: int
    of: int
    groups: tuple[Group, ...]
    rank: Test | None
    words: Test | None
    p_holm: float | None

    @property
    def varies(self) -> bool:
        """Whether the parameter has more than one value."""
        return len(self.groups) > 1 or (len(self.groups) == 1 and self.groups[0].low != self.groups[0].high)


def trend(population: Population, parameter: str, *, groups: int | None = None) -> Trend:
    """The trend of the error with one parameter, over up to `groups` groups of about equal size.

    By default there are about 10 designs to a group, and 3 to 8 groups. A number of few values has one group for each. p is
    not corrected: `trends` does that for all parameters. Raises NetwrightError for a population without complete members, a
    parameter that none has, and fewer than 1 group.
    """
    check_any(population)
    known = population.parameters
    if parameter not in known:
        near = did_you_mean(parameter, known) or (f"; it has {', '.join(known)}" if known else "; it has none")
        raise NetwrightError(f"population {population.name!r} has no parameter {parameter!r}{near}")
    if groups is not None and groups < 1:
        raise NetwrightError(f"{groups} groups of {parameter}: ask for at least 1")
    members = [member for member in population.complete if parameter in member.parameters]
    values = [member.parameters[parameter] for member in members]
    errors = np.array([member.error for member in members], dtype=np.float64)
    n, of = len(members), len(population.complete)
    groups = groups or min(8, max(3, n // 10))
    if is_numeric(values):
        numbers = np.array(values, dtype=np.float64)
        rank = _spearman(numbers, errors)
        return Trend(parameter, n, of, _numbers(numbers, errors, groups), rank, None, rank.p if rank else None)
    words = np.array([str(value) for value in values])
    made = [_group(word, word, word, errors[words == word]) for word in np.unique(words).tolist()]
    test = _kruskal(words, errors)
    return Trend(parameter, n, of, tuple(made), None, test, test.p if test else None)


def trends(population: Population, *, groups: int | None = None) -> dict[str, Trend]:
    """The trend of every parameter, p values corrected by Holm's method for the number of parameters that vary."""
    check_any(population)
    made = {name: trend(population, name, groups=groups) for name in population.parameters}
    tested = [name for name, one in made.items() if one.p_holm is not None]
    adjusted = dict(zip(tested, holm([made[name].p_holm or 0.0 for name in tested]), strict=True))
    return {name: Trend(name, one.n, one.of, one.groups, one.rank, one.words, adjusted.get(name)) for name, one in made.items()}


def _numbers(values: Array, errors: Array, groups: int) -> tuple[Group, ...]:
    distinct, places = np.unique(values, return_inverse=True)
    if len(distinct) > groups:  # equal values stay together: a cut within them would be arbitrary
        counts = np.bincount(places)
        middle = np.cumsum(counts) - counts / 2
        _, places = np.unique((middle * groups / len(values)).astype(int)[places], return_inverse=True)
    made = []
    for number in range(int(places.max()) + 1):
        mine = values[places == number]
        made.append(_group(float(np.median(mine)), float(mine.min()), float(mine.max()), errors[places == number]))
    return tuple(made)


def _group(centre: float | str, low: float | str, high: float | str, errors: Array) -> Group:
    first, median, third = np.quantile(errors, QUANTILES)
    return Group(centre, low, high, len(errors), (float(first), float(median), float(third)), median_interval(errors))


def median_interval(values: Array, level: float = LEVEL) -> tuple[float, float] | None:
    """An interval of the median between two order statistics, which covers it with at least `level`; None for too few values.

    >>> median_interval(np.arange(1.0, 11.0))
    (2.0, 9.0)
    """
    from scipy.special import bdtr  # slow to load

    ranked, n = np.sort(values), len(values)
    outside = bdtr(np.arange(n), n, 0.5)  # that at most k of n lie below the median
    cut = int(np.searchsorted(outside, (1 - level) / 2, side="right"))  # so many may be left out on each side
    return (float(ranked[cut - 1]), float(ranked[n - cut])) if cut else None


def _spearman(values: Array, errors: Array) -> Test | None:
    from scipy.stats import spearmanr  # slow to load

    if len(values) < 3 or np.ptp(values) == 0 or np.ptp(errors) == 0:
        return None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a perfect correlation divides by 0 on its way to p = 0
        found = spearmanr(values, errors)
    return Test(float(found.statistic), float(found.pvalue))


def _kruskal(words: NDArray[np.str_], errors: Array) -> Test | None:
    from scipy.stats import kruskal  # slow to load

    known = np.unique(words)
    if len(words) < 3 or len(known) < 2 or np.ptp(errors) == 0:
        return None
    found = kruskal(*(errors[words == word] for word in known))
    return Test(float(found.statistic), float(found.pvalue))
