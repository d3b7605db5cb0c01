"""Which pictures are held out: shares and folds, balanced over the classes, with groups kept together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from netwright.errors import NetwrightError


@dataclass(frozen=True)
class Labels:
    """The class index of each picture, the classes' names, and the pictures' groups where they have some."""

    labels: NDArray[np.int64]
    classes: Sequence[str]
    groups: Sequence[str] | None = None


def share_of(pictures: Labels, share: float, seed: int) -> NDArray[np.bool_]:
    """(n,) which pictures are held out: a share of every class.

    Every class keeps at least one picture on both sides. Where there are groups, whole ones are drawn, such that
    the classes' shares come as near as they can, and at least one stands on each side.
    """
    if not 0 < share < 1:
        raise NetwrightError(f"a share of {share:g} cannot be held out: expected a number between 0 and 1")
    if pictures.groups is not None:
        return np.equal(_dealt_groups(pictures, (1 - share, share), seed), 1)
    source = np.random.default_rng(seed)
    held_out = np.zeros(len(pictures.labels), bool)
    for mine in _by_class(pictures, source):
        count = min(max(round(share * len(mine)), 1), len(mine) - 1) if len(mine) else 0
        held_out[mine[:count]] = True
    return held_out


def fold_of(pictures: Labels, fold: tuple[int, int], seed: int) -> NDArray[np.bool_]:
    """(n,) which pictures fold i of k holds out, i counted from 1; over all i, every picture exactly once.

    Sizes of folds differ by one picture at most, and so do the counts of every class. Where there are groups, whole
    ones are dealt, such that the classes' shares come as near as they can.
    """
    i, k = fold
    if k < 2 or not 1 <= i <= k:
        raise NetwrightError(f"fold {i} of {k}: expected at least 2 folds, numbered from 1")
    if pictures.groups is not None:
        return np.equal(_dealt_groups(pictures, (1 / k,) * k, seed), i - 1)
    if len(pictures.labels) < k:
        raise NetwrightError(f"{len(pictures.labels)} pictures are too few for {k} folds")
    source = np.random.default_rng(seed)
    dealt = np.empty(len(pictures.labels), np.int64)
    start = 0  # each class goes on where the one before ended
    for mine in _by_class(pictures, source):
        dealt[mine] = (start + np.arange(len(mine))) % k
        start += len(mine)
    return np.equal(dealt, i - 1)


def _by_class(pictures: Labels, source: np.random.Generator) -> list[NDArray[np.int64]]:
    """The indices of every class's pictures, shuffled."""
    found = [source.permutation(np.flatnonzero(pictures.labels == label)) for label in range(len(pictures.classes))]
    for name, mine in zip(pictures.classes, found, strict=True):
        if len(mine) == 1:
            raise NetwrightError(f"class {name!r} has only 1 picture to train on: too few to set one apart")
    return found


def _dealt_groups(pictures: Labels, shares: Sequence[float], seed: int) -> NDArray[np.int64]:
    """(n,) the part of each picture: groups are dealt, large ones first, each to the part that lacks its classes most.

    The measure is the sum over classes of the squared distance to the part's share of the class.
    """
    names, group_of = np.unique(np.asarray(pictures.groups), return_inverse=True)
    if len(names) < len(shares):
        raise NetwrightError(f"{len(names)} groups are too few for {len(shares)} parts: a group is never divided")
    _refuse_class_in_one_group(pictures, group_of, names)
    counts = np.zeros((len(names), len(pictures.classes)))
    np.add.at(counts, (group_of, pictures.labels), 1)
    total = np.maximum(counts.sum(0), 1)
    target = np.outer(shares, np.ones(len(total)))  # of parts x classes, in shares of the class
    have = np.zeros_like(target)
    order = np.random.default_rng(seed).permutation(len(names))
    order = order[np.argsort(-counts[order].sum(1), kind="stable")]
    part = np.zeros(len(names), np.int64)
    for place, group in enumerate(order):
        added = counts[group] / total
        worse = ((have + added - target) ** 2 - (have - target) ** 2).sum(1)
        empty = np.flatnonzero(~have.any(1))
        if len(order) - place <= len(empty):  # what is left must fill the parts that have nothing
            worse[np.setdiff1d(np.arange(len(shares)), empty)] = np.inf
        part[group] = np.argmin(worse)
        have[part[group]] += added
    return part[group_of]


def _refuse_class_in_one_group(pictures: Labels, group_of: NDArray[np.int64], names: NDArray[np.str_]) -> None:
    groups = Counter(label for label, _ in set(zip(pictures.labels.tolist(), group_of.tolist(), strict=True)))
    for label, name in enumerate(pictures.classes):
        if groups[label] == 1:
            only = names[group_of[np.flatnonzero(pictures.labels == label)[0]]]
            raise NetwrightError(f"class {name!r} is in one group only ({str(only)!r}): it cannot be trained on and held out")
