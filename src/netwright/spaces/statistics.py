"""Error distributions of populations: the EDF, its bands, and weights that even out complexity.

Sources: arXiv:2003.13678 (RegNet, Section 3.1) for the EDF, arXiv:1905.13214 (On Network Design Spaces for Visual
Recognition, Section 3) for the normalization of complexity.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netwright.errors import NetwrightError
from netwright.spaces.population import Array, Population, check_any, check_names

LEVEL = 0.95  # of every interval and band
TIMES = 2_000  # bootstrap resamples of a band
_ENTRIES = 4_000_000  # numbers held at once: of a resampling of many designs

Bins = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Errors:
    """Errors (n,) of a population's complete members and the complexity bin (n,) that each stands in.

    Every bin weighs the same, and so does every member of a bin: weight 1 / (k m_bin) for k bins. Without normalization
    all stand in bin 0, which makes 1 / n of it. Bin -1 is of those that take no part: their weight is 0.
    """

    name: str
    values: Array
    bins: Bins

    @classmethod
    def of(cls, population: Population) -> Errors:
        """The errors of a population, all of one weight. Raises NetwrightError where no member is complete."""
        check_any(population)
        return cls(population.name, population.errors, np.zeros(len(population.complete), dtype=np.int64))

    @property
    def weights(self) -> Array:
        """The weight of each member, (n,); they add up to 1."""
        weights: Array = weigh(self.bins, (self.bins >= 0)[None].astype(np.float64))[0]
        return weights

    @property
    def mean(self) -> float:
        """The weighted mean."""
        return float(self.weights @ self.values)

    @property
    def effective(self) -> float:
        """As how many members of one weight they count: 1 / sum of the squared weights (Kish); n without normalization."""
        return float(1 / np.square(self.weights).sum())


def weigh(bins: Bins, counts: Array) -> Array:
    """Weights (times, n) of members that were drawn `counts` (times, n) times: bins are equal, and members of a bin.

    A bin of which nothing was drawn leaves its weight to the others.
    """
    weights = np.zeros_like(counts)
    filled = np.zeros((len(counts), 1))
    for number in np.unique(bins[bins >= 0]):
        mine = bins == number
        drawn = counts[:, mine].sum(axis=1, keepdims=True)
        weights[:, mine] = counts[:, mine] / np.maximum(drawn, 1)
        filled += drawn > 0
    shared: Array = weights / filled
    return shared


# ---------------------------------------------------------------- the EDF


@dataclass(frozen=True, eq=False)
class Edf:
    """F(e), the share of designs with an error below e (equation 1 of arXiv:2003.13678): steps at the distinct errors.

    `shares[i]` holds just above `errors[i]`, up to `errors[i + 1]`; the last one is 1.
    """

    errors: Array
    shares: Array

    def __call__(self, error: float | Array) -> Array:
        """F at one error or at many; at a step itself it is still the lower value, as the definition has it (below e)."""
        places = np.searchsorted(self.errors, error, side="left")
        found: Array = np.concatenate([[0.0], self.shares])[places]
        return found


def edf(errors: Errors) -> Edf:
    """The empirical distribution function of the errors.

    >>> made = edf(Errors("toy", np.array([0.3, 0.1, 0.3, 0.2]), np.zeros(4, dtype=int)))
    >>> made.errors.tolist(), made.shares.tolist(), float(made(0.3))
    ([0.1, 0.2, 0.3], [0.25, 0.5, 1.0], 0.5)
    """
    taking_part = errors.bins >= 0
    steps, places = np.unique(errors.values[taking_part], return_inverse=True)
    shares = np.cumsum(np.bincount(places, weights=errors.weights[taking_part]))
    shares = np.minimum(shares / shares[-1], 1.0)  # sums of thirds need not end at 1
    return Edf(steps, shares)


@dataclass(frozen=True, eq=False)
class Band:
    """Pointwise bounds of F at the steps of its EDF: percentiles of bootstrap resamples.

    Each point is covered with probability `level` by itself; the whole curve at once is covered less often.
    """

    errors: Array
    low: Array
    high: Array
    level: float
    times: int


def edf_band(errors: Errors, *, level: float = LEVEL, times: int = TIMES, seed: int = 0) -> Band:
    """The bootstrap band of an EDF: designs are drawn anew with replacement `times` times, with weights made anew.

    Raises NetwrightError for a level that is not between 0 and 1, or no resamples.
    """
    if not 0 < level < 1:
        raise NetwrightError(f"level is {level}, expected a share between 0 and 1, such as 0.95")
    steps = edf(errors).errors
    # the last of each run of equal errors, in rising order
    order = np.argsort(errors.values, kind="stable")
    last = np.searchsorted(errors.values[order], steps, side="right") - 1
    curves = resampled(errors, lambda weights: np.cumsum(weights[:, order], axis=1)[:, last], times, seed)
    low, high = np.clip(np.quantile(curves, [(1 - level) / 2, (1 + level) / 2], axis=0), 0, 1)
    return Band(steps, low, high, level, times)


def resampled(errors: Errors, statistic: Callable[[Array], Array], times: int, seed: int | list[int]) -> Array:
    """A statistic of bootstrap resamples: it takes weights (some, n) and gives its values (some, ...); (times, ...) in all."""
    if times < 1:
        raise NetwrightError(f"{times} bootstrap resamples: ask for at least 1")
    source, n = np.random.default_rng(seed), len(errors.values)
    most, made, left = max(1, _ENTRIES // n), [], times
    while left:
        some = min(most, left)
        left -= some
        drawn = source.integers(0, n, (some, n)) + n * np.arange(some)[:, None]
        counts = np.bincount(drawn.ravel(), minlength=some * n).reshape(some, n).astype(np.float64)
        counts[(counts * (errors.bins >= 0)).sum(axis=1) == 0] = 1  # none that takes part: the designs as they are
        made.append(statistic(weigh(errors.bins, counts)))
    return np.concatenate(made)


# ---------------------------------------------------------------- a population in one line


@dataclass(frozen=True)
class Summary:
    """A population in one line; errors are shares. `least` is over all that take part, mean and median are weighted."""

    name: str
    n: int
    least: float
    mean: float
    median: float

    def legend(self) -> str:
        """RegNet's legend, 'n | min | mean', errors in percent.

        >>> Summary("toy", 500, 0.3821, 0.45, 0.44).legend()
        '500 | 38.2 | 45.0'
        """
        return f"{self.n:,} | {100 * self.least:.1f} | {100 * self.mean:.1f}"


def summary(errors: Errors) -> Summary:
    """n, lowest, mean and median error (the lowest error at which F passes one half)."""
    made = edf(errors)
    if (errors.bins == 0).all():
        median = float(np.median(errors.values))
    else:
        median = float(made.errors[np.searchsorted(made.shares, 0.5 - 1e-12)])
    return Summary(errors.name, int((errors.bins >= 0).sum()), float(made.errors[0]), errors.mean, median)


# ---------------------------------------------------------------- complexity


@dataclass(frozen=True, eq=False)
class Normalization:
    """Populations as if their complexities were spread alike: equal bins, equally heavy, the same ones for all.

    `edges` (k + 1,) are of all bins, `counts` (populations, k) the complete members in each; only bins that every
    population has members in are `used`, else the distributions of complexity would differ.
    """

    by: str
    edges: Array
    counts: Bins
    used: tuple[bool, ...]
    errors: tuple[Errors, ...]

    def told(self) -> str:
        """What was done, and what was left out: '10 equal bins of macs; 2 are empty ...'."""
        empty = int((self.counts.sum(axis=0) == 0).sum())
        alone = len(self.used) - sum(self.used) - empty
        left = int(self.counts[:, ~np.array(self.used)].sum())
        said = f"{len(self.used)} equal bins of {self.by} from {self.edges[0]:,.0f} to {self.edges[-1]:,.0f}"
        if empty:
            said += f"; {empty} empty"
        if alone:
            said += f"; {alone} without members of some population, left out with {left:,} designs"
        return said


def normalized(populations: Sequence[Population], by: str = "macs", bins: int = 10) -> Normalization:
    """Weigh designs so that all populations have the same, uniform distribution of a complexity (macs, params, acts).

    The range of all their complexities is cut into `bins` equal bins, and each of the m designs of a bin weighs
    1 / (k m), k the number of bins in use (arXiv:1905.13214, Section 3.2). Deviation: a bin that is empty in one
    population is left out of all, since no weight can fill it. Raises NetwrightError for an unknown complexity, no
    bins, or populations that share none.
    """
    check_names(populations)
    if isinstance(bins, bool) or not isinstance(bins, int) or bins < 1:
        raise NetwrightError(f"{bins!r} bins of {by}: ask for a whole number of at least 1")
    costs = [population.costs(by) for population in populations]
    low, high = min(c.min() for c in costs), max(c.max() for c in costs)
    edges = np.linspace(low, high, bins + 1)
    places = [np.clip(np.searchsorted(edges, c, side="right") - 1, 0, bins - 1) for c in costs]
    counts = np.array([np.bincount(place, minlength=bins) for place in places])
    used = np.array([bool((bin_ > 0).all()) for bin_ in counts.T])
    if not used.any():
        raise NetwrightError(
            f"the populations share no bin of {by}: sample them under one budget, ask for fewer bins, or do not normalize"
        )
    names = np.where(used, np.cumsum(used) - 1, -1)
    errors = (Errors(p.name, p.errors, names[place]) for p, place in zip(populations, places, strict=True))
    return Normalization(by, edges, counts, tuple(used.tolist()), tuple(errors))
