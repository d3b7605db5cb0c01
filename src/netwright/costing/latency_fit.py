"""From measured layers to any layer: for each kind a law of overhead, compute and memory, and kriging of what it misses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from netwright.costing.workload import IN_PLACE, Work

if TYPE_CHECKING:
    from netwright.costing.latency import ChainSample, Sample

Array = NDArray[np.float64]

LARGE = 1 << 23  # values of a map (32 MiB in fp32) from which the C library takes fresh pages for each one
_LEAST = 12  # samples of a kind, below which it is predicted by the law alone
_RANGES = (1.0, 1.6, 2.5, 4.0, 6.0, 10.0, 16.0, 30.0)  # octaves over which samples of a kind resemble each other
_LEAST_CHAINS = 4
_NOISE = (0.02, 0.1)  # of a measurement, relative to how much a kind's samples scatter (variances)
_FARTHEST = 1.5  # of the natural logarithm: what is missed is never taken to be more than a factor of 4.5


def _amounts(works: Sequence[Work]) -> Array:
    """A line for each call: 1 for the call itself, macs, values read, written, of the weights, read and written in large maps."""
    lines = [
        (1.0, w.macs, w.read, w.written, w.weights, w.read * (w.read > LARGE), w.written * (w.written > LARGE)) for w in works
    ]
    return np.array(lines, dtype=np.float64).reshape(len(works), 7)


def nonnegative(matrix: Array, target: Array) -> Array:
    """The coefficients, none below zero, that bring `matrix` @ coefficients nearest to `target` (Lawson and Hanson 1974)."""
    count = matrix.shape[1]
    found, active = np.zeros(count), np.zeros(count, dtype=bool)
    scale = np.linalg.norm(matrix, axis=0)
    scale[scale == 0] = 1
    matrix = matrix / scale
    for _ in range(3 * count):
        slope = matrix.T @ (target - matrix @ found)
        slope[active] = -np.inf
        best = int(np.argmax(slope))
        if slope[best] <= 1e-10 * max(float(np.linalg.norm(target)), 1e-300):
            break
        active[best] = True
        while True:
            tried = np.zeros(count)
            tried[active] = np.linalg.lstsq(matrix[:, active], target, rcond=None)[0]
            if (tried[active] > 0).all():
                found = tried
                break
            wrong = active & (tried <= 0)
            step = np.min(found[wrong] / np.maximum(found[wrong] - tried[wrong], 1e-300))
            found = found + step * (tried - found)
            active &= found > 1e-15
            found[~active] = 0
            if not active.any():
                break
    made: Array = found / scale
    return made


class Law(NamedTuple):
    """Seconds of a kind of layer: nonnegative coefficients of its amounts, times what kriging adds near the samples.

    `traits` (n, traits) are the samples', `ranges` octaves for each trait, `pulls` (n,) the weights of the samples;
    empty where the law stands alone.
    """

    coefficients: Array
    traits: Array
    ranges: Array
    pulls: Array
    shift: float

    def seconds(self, works: Sequence[Work]) -> Array:
        """Of each call."""
        plain = _amounts(works) @ self.coefficients
        if not len(self.pulls):
            return plain
        near = _likeness(np.array([w.traits for w in works], dtype=np.float64), self.traits, self.ranges)
        missed = np.clip(self.shift + near @ self.pulls, -_FARTHEST, _FARTHEST)
        made: Array = plain * np.exp(missed)
        return made


def _likeness(these: Array, those: Array, ranges: Array) -> Array:
    """From 1 for equal traits to 0 for far ones (Matern, 3/2)."""
    apart = (these[:, None] - those[None]) / ranges
    distance = np.sqrt(3 * np.einsum("ijk,ijk->ij", apart, apart))
    made: Array = (1 + distance) * np.exp(-distance)
    return made


def fit(samples: Sequence[Sample]) -> Law:
    """The law of one kind of layer. Ranges are those that predict each sample best from all others."""
    works, seconds = [s.work for s in samples], np.array([s.seconds for s in samples])
    amounts = _amounts(works)
    coefficients = nonnegative(amounts / seconds[:, None], np.ones(len(samples)))
    missed = np.log(seconds / np.maximum(amounts @ coefficients, 1e-12))
    shift = float(np.clip(np.median(missed), -_FARTHEST, _FARTHEST))
    traits = np.array([w.traits for w in works], dtype=np.float64)
    if len(samples) < _LEAST or not traits.shape[1]:
        empty = np.zeros(0)
        return Law(coefficients * np.exp(shift), traits, empty, empty, 0.0)
    rest = missed - shift
    ranges, noise = _best_ranges(traits, rest)
    pulls = np.asarray(np.linalg.solve(_likeness(traits, traits, ranges) + noise * np.eye(len(rest)), rest), dtype=np.float64)
    return Law(coefficients, traits, ranges, pulls, shift)


def _left_out(traits: Array, rest: Array, ranges: Array, noise: float) -> float:
    """How badly each sample is predicted from all others."""
    inverse = np.linalg.inv(_likeness(traits, traits, ranges) + noise * np.eye(len(rest)))
    errors = (inverse @ rest) / np.diag(inverse)
    return float(np.abs(errors).mean() + 0.5 * np.sqrt((errors**2).mean()))


def _best_ranges(traits: Array, rest: Array) -> tuple[Array, float]:
    """One range for all traits first, then each trait's own, as long as it helps clearly."""
    count = traits.shape[1]
    best, ranges, noise = min(
        (
            (_left_out(traits, rest, np.full(count, reach), level), (np.full(count, reach)), level)
            for reach in _RANGES
            for level in _NOISE
        ),
        key=lambda tried: tried[0],
    )
    for _ in range(2):
        for place in range(count):
            for factor in (0.35, 0.6, 1.6, 2.8):
                tried = ranges.copy()
                tried[place] = min(max(tried[place] * factor, 0.5), 60.0)
                score = _left_out(traits, rest, tried, noise)
                if score < 0.99 * best:
                    best, ranges = score, tried
    return ranges, noise


_SHARES = (0.75, 1.35)  # of a chain's time that its layers alone may be said to take


class Fitted:
    """All kinds of layers of a profile, ready to predict.

    Within a network a call takes `share` of what it takes alone, and `between` seconds more: what is between
    two layers (Python, code that caches have lost).
    """

    def __init__(self, laws: dict[str, Law], other: Law, share: float = 1.0, between: float = 0.0) -> None:
        self._laws, self._other = laws, other
        self.share, self.between = share, between

    @classmethod
    def to(cls, samples: Sequence[Sample], chains: Sequence[ChainSample] = ()) -> Fitted:
        """Fitted to the samples of a profile, then to its chains."""
        kinds: dict[str, list[Sample]] = {}
        for sample in samples:
            kinds.setdefault(sample.work.kind, []).append(sample)
        plain = [sample for several in kinds.values() for sample in several if not sample.work.macs]
        other = fit([s._replace(work=s.work._replace(traits=())) for s in plain or samples])
        alone = cls({kind: fit(several) for kind, several in kinds.items()}, other)
        return cls(alone._laws, other, *alone._beside(chains)) if len(chains) >= _LEAST_CHAINS else alone

    def _beside(self, chains: Sequence[ChainSample]) -> tuple[float, float]:
        """The share and the seconds between calls that fit the chains best, relative to their times."""
        alone = np.array([sum(self.seconds(chain.works)) for chain in chains])
        calls, taken = np.array([len(chain.works) for chain in chains]), np.array([chain.seconds for chain in chains])
        both = nonnegative(np.stack([alone, calls], axis=1) / taken[:, None], np.ones(len(chains)))
        share = float(np.clip(both[0], *_SHARES))
        between = nonnegative((calls / taken)[:, None], 1 - share * alone / taken)
        return share, float(between[0])

    def seconds(self, works: Sequence[Work]) -> list[float]:
        """Of each call; kinds that were not measured are taken for moving their values as others without macs do."""
        made = [0.0] * len(works)
        kinds: dict[str, list[int]] = {}
        for i, work in enumerate(works):
            kinds.setdefault(work.kind, []).append(i)
        for kind, places in kinds.items():
            law = self._laws.get(kind) or self._laws.get(kind.removesuffix(IN_PLACE)) or self._other
            for i, seconds in zip(places, law.seconds([works[i] for i in places]), strict=True):
                made[i] = max(self.share * float(seconds) + self.between, 1e-7)
        return made
