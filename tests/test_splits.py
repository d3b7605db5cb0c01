"""Splits by their properties: disjoint, complete, stratified, repeatable; groups are never divided."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from netwright.data import Data, Listing, Source, open_source
from netwright.data.splitting import Labels, fold_of, share_of
from netwright.errors import NetwrightError

counts = st.lists(st.integers(2, 30), min_size=2, max_size=6)


def labels_of(counts: list[int]) -> np.ndarray:
    return np.random.default_rng(len(counts)).permutation(np.repeat(np.arange(len(counts)), counts))


def classes_of(counts: list[int]) -> list[str]:
    return [f"c{i}" for i in range(len(counts))]


@settings(deadline=None)
@given(counts, st.integers(2, 7), st.integers(0, 50))
def test_folds_partition_exactly_and_are_stratified(counts: list[int], k: int, seed: int) -> None:
    labels = labels_of(counts)
    assume(k <= len(labels))
    folds = np.stack([fold_of(Labels(labels, classes_of(counts)), (i, k), seed) for i in range(1, k + 1)])
    assert (folds.sum(0) == 1).all()  # every picture is held out exactly once
    sizes = folds.sum(1)
    assert sizes.max() - sizes.min() <= 1
    for label in range(len(counts)):
        mine = folds[:, labels == label].sum(1)
        assert mine.max() - mine.min() <= 1
        assert mine.max() < counts[label] or counts[label] < 2  # something is left to train on
    again = fold_of(Labels(labels, classes_of(counts)), (1, k), seed)
    np.testing.assert_array_equal(again, folds[0])


@st.composite
def grouped(draw: st.DrawFn) -> tuple[Labels, int]:
    counts = draw(st.lists(st.integers(4, 30), min_size=2, max_size=4))
    labels = labels_of(counts)
    number = draw(st.integers(4, 12))
    groups = [f"g{draw(st.integers(0, number - 1))}" for _ in labels]
    return Labels(labels, classes_of(counts), groups), draw(st.integers(0, 9))


@settings(deadline=None, max_examples=60)
@given(grouped(), st.integers(2, 4), st.floats(0.1, 0.5))
def test_groups_are_never_divided(drawn: tuple[Labels, int], k: int, share: float) -> None:
    pictures, seed = drawn
    groups = np.asarray(pictures.groups)
    per_class = [len(set(groups[pictures.labels == label])) for label in range(len(pictures.classes))]
    assume(len(set(groups)) >= k and min(per_class) > 1)
    folds = np.stack([fold_of(pictures, (i, k), seed) for i in range(1, k + 1)])
    assert (folds.sum(0) == 1).all()
    assert folds.any(1).all()
    for part in (*folds, share_of(pictures, share, seed)):
        assert part.any()
        assert not part.all()
        assert not set(groups[part]) & set(groups[~part])


def test_groups_are_balanced_about_as_well_as_scikit_learns() -> None:
    from sklearn.model_selection import StratifiedGroupKFold

    chance = np.random.default_rng(0)
    groups = np.repeat(np.arange(60), chance.integers(1, 12, 60))
    labels = np.where(chance.random(len(groups)) < 0.7, groups % 3, chance.integers(0, 3, len(groups)))
    pictures = Labels(labels, ["a", "b", "c"], [f"g{group}" for group in groups])
    ours = [fold_of(pictures, (i, 5), 0) for i in range(1, 6)]
    theirs = []
    for _, held_out in StratifiedGroupKFold(5, shuffle=True, random_state=0).split(labels, labels, groups):
        part = np.zeros(len(labels), bool)
        part[held_out] = True
        theirs.append(part)

    def unevenness(folds: list[np.ndarray]) -> float:
        return float(np.mean([np.std([(labels[part] == label).sum() for part in folds]) for label in range(3)]))

    assert unevenness(ours) <= unevenness(theirs) + 1


@pytest.mark.parametrize("share", [0.1, 0.2, 0.35])
def test_a_share_of_groups_comes_near(share: float) -> None:
    chance = np.random.default_rng(1)
    groups = np.repeat(np.arange(100), chance.integers(1, 8, 100))
    labels = chance.integers(0, 3, len(groups))
    held_out = share_of(Labels(labels, ["a", "b", "c"], [f"g{g}" for g in groups]), share, 0)
    for label in range(3):
        assert abs(held_out[labels == label].mean() - share) < 0.05


@pytest.mark.parametrize("fold", [(0, 5), (6, 5), (1, 1), (1, 0), (-1, 3)])
def test_folds_that_cannot_be(fold: tuple[int, int]) -> None:
    with pytest.raises(NetwrightError, match="expected at least 2 folds, numbered from 1"):
        open_source("digits").split(seed=0, fold=fold)


@pytest.mark.parametrize("share", [0.0, 1.0, -0.1, 1.5, float("nan")])
def test_shares_that_cannot_be(share: float) -> None:
    with pytest.raises(NetwrightError, match="expected a number between 0 and 1"):
        open_source("digits").split(seed=0, test=share)


def test_too_few_to_divide() -> None:
    with pytest.raises(NetwrightError, match="4 pictures are too few for 5 folds"):
        fold_of(Labels(np.array([0, 0, 1, 1]), ["a", "b"]), (1, 5), 0)
    with pytest.raises(NetwrightError, match="class 'b' has only 1 picture"):
        fold_of(Labels(np.array([0, 0, 0, 0, 1]), ["a", "b"]), (1, 3), 0)
    with pytest.raises(NetwrightError, match="2 groups are too few for 3 parts"):
        fold_of(Labels(np.array([0, 1, 0, 1]), ["a", "b"], ["x", "x", "y", "y"]), (1, 3), 0)
    with pytest.raises(NetwrightError, match=r"class 'b' is in one group only \('y'\)"):
        share_of(Labels(np.array([0, 0, 1, 1]), ["a", "b"], ["x", "y", "y", "y"]), 0.5, 0)


def names_of(data: Data) -> list[str]:
    return sorted((*data.train.names, *data.test.names, *(data.validation.names if data.validation else ())))


def test_folds_of_a_source() -> None:
    source = open_source("digits")
    held_out: Counter[str] = Counter()
    for i in range(1, 6):
        data = source.split(seed=3, validation=0.1, fold=(i, 5))
        held_out.update(data.test.names)
        assert names_of(data) == sorted(source.splits["all"].names)
        assert data.validation is not None
        assert abs(len(data.validation) / (len(data.validation) + len(data.train)) - 0.1) < 0.01
    assert set(held_out.values()) == {1}
    assert len(held_out) == 1797


def test_a_sources_own_test_part_takes_no_part_in_folds() -> None:
    digits = open_source("digits")
    everything = digits.splits["all"]
    parts = {"train": np.arange(1000), "validation": np.arange(1000, 1400), "test": np.arange(1400, 1797)}
    source = with_splits(digits, {split: everything.take(which) for split, which in parts.items()})
    data = source.split(seed=0, fold=(2, 4))
    assert names_of(data) == sorted(everything.names[:1400])
    assert len(data.test) == 350
    assert source.split(seed=0).test.names == everything.names[1400:]


def with_splits(source: Source, splits: dict[str, Listing]) -> Source:
    from dataclasses import replace

    return replace(source, splits=splits)


def test_a_class_that_cannot_be_trained_on_is_named() -> None:
    digits = open_source("digits")
    everything = digits.splits["all"]
    sevens = everything.labels == 7
    splits = {"train": everything.take(np.flatnonzero(~sevens)), "test": everything.take(np.flatnonzero(sevens))}
    with pytest.raises(NetwrightError, match="class '7' has pictures for test, but none to train on"):
        with_splits(digits, splits).split(seed=0)
