"""Statistics of populations against oracles written apart: NumPy one-liners, SciPy, brute force, analytic cases, coverage."""

from __future__ import annotations

import itertools
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import scipy.stats
from hypothesis import given, settings
from hypothesis import strategies as st

from netwright.errors import NetwrightError
from netwright.spaces.comparing import (
    UNDECIDED,
    bootstrap_p,
    compare_populations,
    edf_area,
    expected_best,
    holm,
    ks_test,
    mean_interval,
    widened,
)
from netwright.spaces.population import Member, Population, read_population
from netwright.spaces.statistics import Errors, edf, edf_band, normalized, resampled, summary
from netwright.spaces.trends import best_intervals, median_interval, trend, trends
from netwright.spaces.width_fit import width_fit
from netwright.zoo.regnet import NETWORKS, RegNet

shares = st.floats(0, 1, allow_nan=False)
errors_lists = st.lists(shares, min_size=1, max_size=40)


def member(error: float | None, macs: int = 10**6, status: str = "complete", **parameters: object) -> Member:
    return Member(parameters, error, macs, 10, 10, status)  # type: ignore[arg-type]


def population(errors: object, name: str = "A", macs: object = None) -> Population:
    values = [float(e) for e in errors]  # type: ignore[attr-defined]
    costs = [10**6] * len(values) if macs is None else [int(m) for m in macs]  # type: ignore[attr-defined]
    return Population(name, [member(e, m, depth=i) for i, (e, m) in enumerate(zip(values, costs, strict=True))])  # type: ignore[arg-type]


def plain(errors: object, name: str = "A") -> Errors:
    return Errors.of(population(errors, name))


# ---------------------------------------------------------------- populations


def test_a_population_is_the_same_after_json(tmp_path: Path) -> None:
    members = [
        member(0.25, 5, depth=np.int64(12), w_m=np.float32(2.5), activation="relu", se=np.bool_(True)),
        member(None, 5, "failed"),
        member(0.9, 5, "stopped early", depth=3),
    ]
    made = Population("RegNetX é", members, "5 epochs")  # type: ignore[arg-type]
    made.save(tmp_path / "p.json")
    read = read_population(tmp_path / "p.json")
    assert read == made
    assert json.loads((tmp_path / "p.json").read_text())["members"][0]["parameters"] == {
        "depth": 12,
        "w_m": 2.5,
        "activation": "relu",
        "se": True,
    }
    assert read.members[0].parameters["se"] is True
    assert type(read.members[0].parameters["depth"]) is int
    assert hash(read) == hash(made)


def test_only_complete_members_count() -> None:
    made = Population("A", [member(0.5), member(0.1, status="stopped early"), member(None, status="failed")])  # type: ignore[arg-type]
    assert made.errors.tolist() == [0.5]
    assert summary(Errors.of(made)).least == 0.5
    assert made.counts == {"complete": 1, "stopped early": 1, "failed": 1}
    assert made.told() == "1 complete; in no statistic: 1 stopped early, 1 failed"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"error": math.nan}, "error of a member is nan"),
        ({"error": math.inf}, "expected a share"),
        ({"error": 34.2}, "divide percentages by 100"),
        ({"error": -0.1}, "from 0 to 1"),
        ({"error": None}, "'failed'"),
        ({"error": True}, "expected a share"),
        ({"error": "0.3"}, "expected a share"),
        ({"macs": -1}, "macs of a member"),
        ({"params": 1.5}, "params of a member"),
        ({"acts": True}, "acts of a member"),
        ({"status": "completed"}, "did you mean complete"),
        ({"parameters": {"w": math.nan}}, "parameter w is nan"),
        ({"parameters": {"w": [1, 2]}}, "parameter w"),
        ({"parameters": {"": 1}}, "its name is a word"),
        ({"parameters": [1]}, "expected names and values"),
    ],
)
def test_members_that_cannot_be(change: dict[str, object], said: str) -> None:
    good = {"parameters": {"w": 1}, "error": 0.3, "macs": 1, "params": 1, "acts": 1, "status": "complete"}
    Member(**good)  # type: ignore[arg-type]
    with pytest.raises(NetwrightError, match=said) as caught:
        Member(**good | change)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    with pytest.raises(NetwrightError, match="member 2"):
        Population.from_json({"schema": 1, "population": "A", "members": [good, good | change]})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "not a population"),
        ("{", "not JSON"),
        ('{"schema": 2, "population": "A", "members": []}', "reads up to 1"),
        ('{"population": "A", "members": []}', "schema None"),
        ('{"schema": 1, "population": "", "members": []}', "give it a name"),
        ('{"schema": 1, "population": "A", "members": [3]}', "member 1: expected an object"),
        ('{"schema": 1, "population": "A", "members": [{"error": 0.1}]}', "is missing"),
        ('{"schema": 1, "population": "A", "members": [{"eror": 0.1}]}', "did you mean error"),
    ],
)
def test_files_that_hold_no_population(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(NetwrightError, match=said) as caught:
        read_population(tmp_path / "p.json")
    assert str(tmp_path / "p.json") in str(caught.value)
    with pytest.raises(NetwrightError, match="cannot read"):
        read_population(tmp_path / "absent.json")


def test_populations_without_anyone() -> None:
    for empty in (Population("A", ()), Population("A", (member(None, status="failed"),))):
        for ask in (
            Errors.of,
            best_intervals,
            trends,
            lambda p: normalized([p]),
            lambda p: compare_populations([p, population([0.1], "B")]),
        ):
            with pytest.raises(NetwrightError, match="'A' has no complete member"):
                ask(empty)
    with pytest.raises(NetwrightError, match="no population"):
        normalized([])
    with pytest.raises(NetwrightError, match="2 populations are called 'A'"):
        compare_populations([population([0.1]), population([0.2])])
    with pytest.raises(NetwrightError, match="needs two"):
        compare_populations([population([0.1])])


# ---------------------------------------------------------------- the EDF


@given(errors_lists, st.lists(shares, max_size=10))
def test_the_edf_is_the_notes_formula(errors: list[float], others: list[float]) -> None:
    made = edf(plain(errors))
    for e in [*errors, *others, 0.0, 1.0, 1.1]:
        assert made(e) == pytest.approx(sum(x < e for x in errors) / len(errors), abs=1e-12)
    assert made.errors.tolist() == sorted(set(errors))
    assert (np.diff(made.shares) > 0).all()
    assert made.shares[0] > 0
    assert made.shares[-1] == 1


@given(errors_lists, st.randoms())
def test_order_is_nothing_to_the_edf(errors: list[float], chance: object) -> None:
    shuffled = errors.copy()
    chance.shuffle(shuffled)  # type: ignore[attr-defined]
    first, second = edf(plain(errors)), edf(plain(shuffled))
    assert first.errors.tolist() == second.errors.tolist()
    assert first.shares.tolist() == second.shares.tolist()


@given(st.lists(st.tuples(shares, st.integers(-1, 3)), min_size=1, max_size=30).filter(lambda rows: any(b >= 0 for _, b in rows)))
def test_the_weighted_edf_by_brute_force(rows: list[tuple[float, int]]) -> None:
    values, bins = np.array([e for e, _ in rows]), np.array([b for _, b in rows])
    made = edf(Errors("A", values, bins))
    filled = {b for _, b in rows if b >= 0}
    weights = [0.0 if b < 0 else 1 / (len(filled) * sum(c == b for _, c in rows)) for _, b in rows]
    for e in [*values.tolist(), 1.1]:
        assert made(e) == pytest.approx(sum(w for w, (x, _) in zip(weights, rows, strict=True) if x < e), abs=1e-9)
    assert Errors("A", values, bins).weights == pytest.approx(weights)
    assert summary(Errors("A", values, bins)).mean == pytest.approx(float(np.average(values, weights=weights)))


def test_a_summary_is_numpys() -> None:
    values = np.random.default_rng(0).beta(2, 5, 37)
    made = summary(plain(values))
    assert (made.n, made.least, made.mean, made.median) == (
        37,
        values.min(),
        pytest.approx(values.mean()),
        pytest.approx(np.median(values)),
    )
    assert made.legend() == f"37 | {100 * values.min():.1f} | {100 * values.mean():.1f}"


def test_the_band_is_that_of_binomial_shares() -> None:
    """The bootstrap of F at a point is binomial: its percentiles are known without drawing anything."""
    values = np.linspace(0.1, 0.9, 40)
    band = edf_band(plain(values), times=20_000, seed=3)
    shares = np.arange(1, 41) / 40
    assert band.low == pytest.approx(scipy.stats.binom.ppf(0.025, 40, shares) / 40, abs=1 / 40 + 1e-9)
    assert band.high == pytest.approx(scipy.stats.binom.ppf(0.975, 40, shares) / 40, abs=1 / 40 + 1e-9)
    assert abs(band.low - scipy.stats.binom.ppf(0.025, 40, shares) / 40).mean() < 0.003
    assert (band.level, band.times) == (0.95, 20_000)


def test_bands_are_seeded_and_hold_the_curve() -> None:
    one = plain(np.random.default_rng(1).beta(2, 5, 25).round(2))  # with ties
    first, again, other = edf_band(one), edf_band(one), edf_band(one, seed=1)
    assert first.times == 2_000
    assert first.low.tolist() == again.low.tolist()
    assert first.low.tolist() != other.low.tolist()
    curve = edf(one).shares
    assert (first.low <= curve).all()
    assert (curve <= first.high).all()
    assert edf_band(plain([0.4])).low.tolist() == [1.0]
    for level in (0, 1, 95, math.nan):
        with pytest.raises(NetwrightError, match="level"):
            edf_band(one, level=level)
    with pytest.raises(NetwrightError, match="resamples"):
        edf_band(one, times=0)


def test_bands_cover_a_known_distribution() -> None:
    """Of 300 populations of 50 uniform errors: the band at 0.3 holds F(0.3) = 0.3 about 95 times of 100."""
    source, held = np.random.default_rng(0), 0
    for seed in range(300):
        band = edf_band(plain(source.uniform(0, 1, 50)), times=400, seed=seed)
        place = np.searchsorted(band.errors, 0.3, side="left") - 1
        held += bool(band.low[place] <= 0.3 <= band.high[place])
    assert 0.90 <= held / 300 <= 0.985


def test_resampling_in_parts_is_resampling(monkeypatch: pytest.MonkeyPatch) -> None:
    one = plain(np.random.default_rng(0).beta(2, 5, 30))
    whole = resampled(one, lambda w: w @ one.values, 500, 0)
    monkeypatch.setattr("netwright.spaces.statistics._ENTRIES", 30 * 7)
    parts = resampled(one, lambda w: w @ one.values, 500, 0)
    assert whole.shape == parts.shape == (500,)
    assert whole == pytest.approx(parts)


# ---------------------------------------------------------------- complexity


@given(
    st.lists(st.lists(st.tuples(shares, st.integers(1, 1000)), min_size=1, max_size=30), min_size=1, max_size=3),
    st.integers(1, 8),
)
def test_normalization_makes_equal_complexities(groups: list[list[tuple[float, int]]], bins: int) -> None:
    people = [population([e for e, _ in rows], f"P{i}", [m for _, m in rows]) for i, rows in enumerate(groups)]
    everyone = [m for rows in groups for _, m in rows]
    edges = np.linspace(min(everyone), max(everyone), bins + 1)
    filled = [np.histogram([m for _, m in rows], edges)[0] > 0 for rows in groups]
    if not np.logical_and.reduce(filled).any():
        with pytest.raises(NetwrightError, match="share no bin"):
            normalized(people, "macs", bins)
        return
    made = normalized(people, "macs", bins)
    costs = [np.array([m for _, m in rows], dtype=float) for rows in groups]
    for cost, counts in zip(costs, made.counts, strict=True):
        assert counts.tolist() == np.histogram(cost, made.edges)[0].tolist()
    spread = [
        np.bincount(one.bins[one.bins >= 0], weights=one.weights[one.bins >= 0], minlength=sum(made.used)) for one in made.errors
    ]
    for one in spread:
        assert one == pytest.approx(np.full(sum(made.used), 1 / sum(made.used)))
    for one in made.errors:
        assert one.weights.sum() == pytest.approx(1)


def test_normalization_says_what_it_left_out() -> None:
    first = population([0.1, 0.2, 0.3], "A", [0, 10, 100])
    second = population([0.1, 0.2], "B", [0, 35])
    made = normalized([first, second], bins=10)
    assert made.used == (True,) + (False,) * 9
    assert "7 of" not in made.told()
    # bins 0, 1, 3 and 9 hold someone; 0 is shared
    assert (
        made.told()
        == "10 equal bins of macs from 0 to 100; 6 empty; 3 without members of some population, left out with 3 designs"
    )
    assert summary(made.errors[0]).n == 1


def test_normalization_undoes_a_difference_of_complexity() -> None:
    """Errors that depend on macs alone: plain means differ, normalized ones do not."""
    source = np.random.default_rng(0)
    small, large = 1000 * source.beta(2, 4, 4000), 1000 * source.beta(4, 2, 4000)
    people = [population(0.9 - m / 2000, name, m) for name, m in (("small", small), ("large", large))]
    apart, even = compare_populations(people, times=500), compare_populations(people, by="macs", bins=20, times=500)
    assert apart.rows[0].difference == pytest.approx((large.mean() - small.mean()) / 2000, abs=0.002)
    assert abs(even.rows[0].difference) < 0.01
    assert even.normalization is not None
    assert "20 equal bins of macs" in even.told()


@pytest.mark.parametrize(
    ("by", "bins", "said"),
    [("mac", 10, "did you mean macs"), ("macs", 0, "at least 1"), ("macs", 2.5, "whole number"), ("macs", True, "whole")],
)
def test_normalizations_that_cannot_be(by: str, bins: int, said: str) -> None:
    with pytest.raises(NetwrightError, match=said):
        normalized([population([0.1, 0.2], macs=[1, 2])], by, bins)


def test_populations_that_share_no_complexity() -> None:
    with pytest.raises(NetwrightError, match="share no bin of macs"):
        compare_populations([population([0.1, 0.2], "A", [1, 2]), population([0.1], "B", [1000])], by="macs")


# ---------------------------------------------------------------- KS


@given(errors_lists, errors_lists)
def test_ks_is_the_largest_distance(first: list[float], second: list[float]) -> None:
    test = ks_test(plain(first), plain(second))
    ours, theirs = edf(plain(first)), edf(plain(second))
    points = [np.nextafter(e, 2) for e in first + second]
    assert test.statistic == pytest.approx(max(abs(float(ours(e) - theirs(e))) for e in points), abs=1e-9)
    assert 0 <= test.p <= 1 + 1e-12


@given(errors_lists, errors_lists)
def test_ks_is_the_same_under_rising_maps(first: list[float], second: list[float]) -> None:
    steps = {e: i for i, e in enumerate(sorted({*first, *second}))}  # a map that ties nothing
    moved = [[steps[e] / (len(steps) + 1) for e in one] for one in (first, second)]
    before, after = ks_test(plain(first), plain(second)), ks_test(plain(moved[0]), plain(moved[1]))
    assert (before.statistic, before.p) == pytest.approx((after.statistic, after.p), abs=1e-12)


def test_ks_without_weights_is_scipys() -> None:
    source = np.random.default_rng(5)
    first, second = source.beta(2, 5, 40), source.beta(2.6, 5, 60)
    found = scipy.stats.ks_2samp(first, second)
    assert ks_test(plain(first), plain(second)).p == pytest.approx(found.pvalue)


def test_the_permutation_test_agrees_with_scipys_where_both_hold() -> None:
    """Two bins that say nothing: bin by bin shuffled, the p value is near the one without bins."""
    source = np.random.default_rng(7)
    first, second = source.beta(2, 5, 60), source.beta(2.5, 5, 60)
    bins = np.arange(60) % 2
    made = ks_test(Errors("A", first, bins), Errors("B", second, bins), times=4000, seed=0)
    plain_p = scipy.stats.ks_2samp(first, second).pvalue
    assert made.statistic == pytest.approx(scipy.stats.ks_2samp(first, second).statistic)
    assert made.p == pytest.approx(plain_p, abs=0.06)
    assert made == ks_test(Errors("A", first, bins), Errors("B", second, bins), times=4000, seed=0)


def test_the_permutation_test_by_brute_force() -> None:
    """All ways to deal six errors of one bin and two of another: the share that is as far apart."""
    first, second = np.array([0.1, 0.2, 0.35, 0.9]), np.array([0.3, 0.5, 0.6, 0.8])
    bins = np.array([0, 0, 0, 1])
    weights = np.array([1 / 6, 1 / 6, 1 / 6, 1 / 2])
    pooled = np.concatenate([first[:3], second[:3]])

    def distance(ours: np.ndarray, theirs: np.ndarray) -> float:
        points = np.concatenate([ours, theirs])
        return max(abs(weights[ours <= e].sum() - weights[theirs <= e].sum()) for e in points)

    deals = []
    for chosen in itertools.combinations(range(6), 3):
        rest = [i for i in range(6) if i not in chosen]
        for ones in ((0.9, 0.8), (0.8, 0.9)):
            deals.append(distance(np.append(pooled[list(chosen)], ones[0]), np.append(pooled[rest], ones[1])))
    observed = distance(first, second)
    exact = np.mean([deal >= observed - 1e-12 for deal in deals])
    made = ks_test(Errors("A", first, bins), Errors("B", second, bins), times=20_000, seed=1)
    assert made.statistic == pytest.approx(observed)
    assert made.p == pytest.approx(exact, abs=0.015)


def test_the_permutation_test_keeps_its_level() -> None:
    """Errors that depend on the bin, populations that differ only in their bins: p below 0.1 about one time in ten."""
    source, below = np.random.default_rng(0), 0
    for seed in range(200):
        ours, theirs = source.integers(0, 3, 40), np.minimum(source.integers(0, 5, 40), 2)
        first, second = (source.normal(0.3 + 0.1 * bins, 0.02) for bins in (ours, theirs))
        below += ks_test(Errors("A", first, ours), Errors("B", second, theirs), times=199, seed=seed).p <= 0.1
    assert 0.05 <= below / 200 <= 0.16


# ---------------------------------------------------------------- comparing


def test_holm_is_the_textbooks() -> None:
    assert holm([]) == []
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])
    assert holm([0.6, 0.7]) == [1.0, 1.0]


@given(st.lists(shares, min_size=1, max_size=12))
def test_holm_by_its_definition(p_values: list[float]) -> None:
    """A hypothesis falls at a level when it and all of smaller p lie below level / (those that are left)."""
    for level, adjusted in itertools.product((0.01, 0.05, 0.3), [holm(p_values)]):
        standing, fallen = sorted(range(len(p_values)), key=lambda i: p_values[i]), set()
        for rank, i in enumerate(standing):
            if p_values[i] * (len(p_values) - rank) > level:
                break
            fallen.add(i)
        assert {i for i, p in enumerate(adjusted) if p <= level} == fallen


@given(errors_lists, errors_lists)
@settings(deadline=None)
def test_the_area_between_edfs(first: list[float], second: list[float]) -> None:
    area, ahead = edf_area(plain(first), plain(second))
    assert area == pytest.approx(scipy.stats.wasserstein_distance(first, second), abs=1e-9)
    # the area with its sign is the difference of the means
    assert area * (1 - 2 * ahead) == pytest.approx(np.mean(first) - np.mean(second), abs=1e-9)
    assert 0 <= ahead <= 1 + 1e-12


@pytest.mark.parametrize("draws", [1, 2, 3])
def test_the_expected_best_by_counting(draws: int) -> None:
    values = [0.4, 0.1, 0.3, 0.3, 0.25]
    every = np.mean([min(chosen) for chosen in itertools.product(values, repeat=draws)])
    assert expected_best(plain(values), draws) == pytest.approx(every)


def test_the_widened_interval_is_students_for_normal_samples() -> None:
    """Normal bootstrap samples of deviation s sqrt((n - 1) / n) / sqrt(n) give the interval of Student's t."""
    n = 12
    deviation = math.sqrt((n - 1) / n) / math.sqrt(n)
    samples = scipy.stats.norm.ppf((np.arange(200_000) + 0.5) / 200_000) * deviation
    reach = scipy.stats.t.ppf(0.975, n - 1) / math.sqrt(n)
    assert widened(samples, n) == pytest.approx((-reach, reach), rel=0.01)
    for shift in (0.3, 0.6, 1.0):
        expected = 2 * scipy.stats.t.sf(shift * math.sqrt(n), n - 1)
        assert bootstrap_p(samples + shift, n) == pytest.approx(expected, rel=0.03)
    assert widened(samples, 1) is None
    assert bootstrap_p(samples + 9, 1) == 1


@pytest.mark.parametrize("n", [8, 30])
def test_mean_intervals_cover(n: int) -> None:
    """Of 400 skewed populations about 95 of 100 intervals hold the true mean; plain percentiles at n = 8 are near 88."""
    source, held = np.random.default_rng(n), 0
    for seed in range(400):
        low, high = mean_interval(plain(source.beta(3, 6, n)), times=600, seed=seed) or (1.0, 0.0)
        held += low <= 1 / 3 <= high
    assert 0.915 <= held / 400 <= 0.985


def test_alike_populations_are_seldom_told_apart() -> None:
    """Two of one distribution, 300 times: about 5 of 100 verdicts are wrong."""
    source, wrong = np.random.default_rng(0), 0
    for seed in range(300):
        people = [population(source.beta(3, 6, n), name) for name, n in (("A", 15), ("B", 25))]
        wrong += compare_populations(people, times=500, seed=seed).rows[0].verdict != UNDECIDED
    assert wrong / 300 <= 0.085


def test_three_alike_populations_keep_the_family_wise_level() -> None:
    source, wrong = np.random.default_rng(1), 0
    for seed in range(150):
        people = [population(source.beta(3, 6, 20), name) for name in "ABC"]
        rows = compare_populations(people, times=1000, seed=seed).rows
        wrong += any(row.verdict != UNDECIDED for row in rows)
    assert wrong / 150 <= 0.10


def test_a_shift_is_seen_and_has_its_sign() -> None:
    source = np.random.default_rng(0)
    base = source.beta(3, 6, 60) / 2
    made = compare_populations([population(base, "good"), population(base + 0.1, "bad"), population(base + 0.001, "same")])
    verdicts = {(row.first, row.second): row.verdict for row in made.rows}
    assert verdicts == {("good", "bad"): "better", ("good", "same"): "undecided", ("bad", "same"): "worse"}
    row = made.rows[0]
    assert row.difference == pytest.approx(-0.1)
    assert row.interval is not None
    assert row.interval[0] < -0.1 < row.interval[1] < 0
    assert row.best_difference == pytest.approx(-0.1)
    assert row.draws == 15
    assert row.area == pytest.approx(0.1)
    assert row.ahead == pytest.approx(1)
    assert row.p_holm >= row.p
    assert row.p_holm < 0.003
    assert row.told().startswith("good is better than bad: its mean error is 10.00 points lower (p 0.00")
    assert "undecided" in made.rows[1].told()
    assert "Holm's correction over 3 comparisons" in made.told()
    assert json.loads(json.dumps(made.to_json()))["comparisons"][0]["verdict"] == "better"


def test_comparisons_are_seeded_and_turn_around() -> None:
    people = [population(np.random.default_rng(i).beta(3, 6, 20), name) for i, name in enumerate("AB")]
    first = compare_populations(people)
    assert first.rows == compare_populations(people).rows
    assert first.rows != compare_populations(people, seed=1).rows
    back = compare_populations(people, pairs=[("B", "A")]).rows[0]
    assert back.difference == -first.rows[0].difference
    assert back.interval is not None
    assert first.rows[0].interval == pytest.approx((-back.interval[1], -back.interval[0]))
    assert back.p == pytest.approx(first.rows[0].p)
    assert back.ahead == pytest.approx(1 - first.rows[0].ahead)


def test_fewer_pairs_need_less_correction() -> None:
    people = [population(np.random.default_rng(i).beta(3, 6 + i, 30), name) for i, name in enumerate("ABCD")]
    everyone = {(row.first, row.second): row for row in compare_populations(people).rows}
    planned = compare_populations(people, pairs=[("A", "D"), ("B", "C")]).rows
    assert len(everyone) == 6
    for row in planned:
        assert row.p == everyone[row.first, row.second].p
        assert row.p_holm <= everyone[row.first, row.second].p_holm


@pytest.mark.parametrize(
    ("pairs", "said"),
    [
        ([], "at least one"),
        ([("A", "A")], "pair of two"),
        ([("A", "RegNte")], "did you mean RegNet"),
        ([("A", "B"), ("B", "A")], "once"),
    ],
)
def test_pairs_that_cannot_be(pairs: list[tuple[str, str]], said: str) -> None:
    people = [population([0.1, 0.2], name) for name in ("A", "B", "RegNet")]
    with pytest.raises(NetwrightError, match=said):
        compare_populations(people, pairs=pairs)


def test_single_designs_and_equal_errors_decide_nothing() -> None:
    row = compare_populations([population([0.1], "A"), population([0.9], "B")]).rows[0]
    assert (row.verdict, row.interval, row.p) == (UNDECIDED, None, 1)
    row = compare_populations([population([0.4] * 10, "A"), population([0.4] * 10, "B")]).rows[0]
    assert (row.verdict, row.difference, row.area, row.ahead) == (UNDECIDED, 0, 0, 0.5)
    assert compare_populations([population([0.4] * 30, "A"), population([0.5] * 30, "B")]).rows[0].verdict == "better"


# ---------------------------------------------------------------- parameters


def parametrized(values: list[object], errors: list[float]) -> Population:
    return Population("A", tuple(member(e, 1, x=v) for v, e in zip(values, errors, strict=True)))


def test_best_intervals_against_their_exact_law() -> None:
    """The chance that the i-th best is the best of m draws is ((n - i) / n)^m - ((n - i - 1) / n)^m."""
    n, m = 40, 10
    source = np.random.default_rng(0)
    values = source.permutation(n)
    best = best_intervals(parametrized([int(v) for v in values], [i / 100 for i in range(n)]))["x"]
    chances = ((n - np.arange(n)) / n) ** m - ((n - np.arange(n) - 1) / n) ** m
    order = np.argsort(values)
    cumulative = np.cumsum(chances[order])
    exact = [float(values[order][np.searchsorted(cumulative, share)]) for share in (0.025, 0.5, 0.975)]
    assert best.interval is not None
    # at a step of the law chance decides between neighbours
    near = [
        {float(values[order][np.searchsorted(cumulative, share + shift)]) for shift in (-0.01, 0, 0.01)}
        for share in (0.025, 0.5, 0.975)
    ]
    assert all(found in allowed for found, allowed in zip(best.interval, near, strict=True)), (best.interval, exact)
    assert best == best_intervals(parametrized([int(v) for v in values], [i / 100 for i in range(n)]))["x"]


def test_best_words_have_shares() -> None:
    found = best_intervals(parametrized([True, False, True, "x"], [0.1, 0.2, 0.3, 0.4]), share=0.5)["x"]
    # of two draws the first is among them with 7 / 16, then 5 / 16, 3 / 16, 1 / 16
    assert found.interval is None
    assert found.shares == pytest.approx({"True": 10 / 16, "False": 5 / 16, "x": 1 / 16}, abs=0.02)
    assert found.told().startswith("True 6")


def test_tied_designs_are_equally_likely_best() -> None:
    found = best_intervals(parametrized(["a", "b", "c", "d"] * 5, [0.4] * 20))["x"]
    assert found.shares == pytest.approx(dict.fromkeys("abcd", 0.25), abs=0.02)


def test_parameters_that_some_designs_lack() -> None:
    people = Population("A", (member(0.1, y=1), *(member(0.2 + i / 100, x=i % 2, y=2) for i in range(10))))
    found = best_intervals(people)
    assert (found["x"].n, found["x"].of) == (10, 11)
    assert found["y"].n == 11
    made = trends(people)
    assert (made["x"].n, made["x"].of, made["y"].n) == (10, 11, 11)
    assert sum(group.n for group in made["x"].groups) == 10


def test_one_design_is_its_own_best() -> None:
    people = parametrized([7], [0.3])
    found = best_intervals(people)["x"]
    assert (found.interval, found.told()) == ((7, 7, 7), "7")
    made = trend(people, "x")
    assert (made.rank, made.varies, made.groups[0].interval) == (None, False, None)


@pytest.mark.parametrize(("share", "draws"), [(0, 10), (1.5, 10), (0.25, 0), (math.nan, 10)])
def test_bootstraps_that_cannot_be(share: float, draws: int) -> None:
    with pytest.raises(NetwrightError, match="bootstrap"):
        best_intervals(parametrized([1], [0.1]), share=share, draws=draws)


def test_trends_are_scipys() -> None:
    source = np.random.default_rng(0)
    values, words = source.uniform(0, 10, 90), source.integers(0, 3, 90)
    errors = np.clip(0.3 + 0.02 * values + 0.05 * (words == 1) + source.normal(0, 0.03, 90), 0, 1)
    people = Population(
        "A", tuple(member(float(e), x=float(v), word=f"w{w}", fixed=3) for e, v, w in zip(errors, values, words, strict=True))
    )
    made = trends(people, groups=6)
    rank, kruskal = scipy.stats.spearmanr(values, errors), scipy.stats.kruskal(*(errors[words == w] for w in range(3)))
    assert made["x"].rank is not None
    assert (made["x"].rank.statistic, made["x"].rank.p) == pytest.approx((rank.statistic, rank.pvalue))
    assert made["word"].words is not None
    assert made["word"].words.p == pytest.approx(kruskal.pvalue)
    assert [made[name].p_holm for name in ("x", "word")] == pytest.approx(holm([rank.pvalue, kruskal.pvalue]))
    assert made["fixed"].p_holm is None
    assert not made["fixed"].varies
    assert [group.n for group in made["x"].groups] == [15] * 6
    order = np.argsort(values)
    for i, group in enumerate(made["x"].groups):
        mine = errors[order[15 * i : 15 * i + 15]]
        assert group.quartiles == pytest.approx(np.quantile(mine, [0.25, 0.5, 0.75]))
        assert group.centre == pytest.approx(np.median(values[order[15 * i : 15 * i + 15]]))
    assert [group.centre for group in made["word"].groups] == ["w0", "w1", "w2"]


@given(st.lists(st.tuples(st.integers(0, 12), shares), min_size=1, max_size=60), st.integers(1, 8))
def test_groups_keep_equal_values_together(rows: list[tuple[int, float]], groups: int) -> None:
    made = trend(parametrized([v for v, _ in rows], [e for _, e in rows]), "x", groups=groups)
    assert 1 <= len(made.groups) <= max(groups, 1)
    assert sum(group.n for group in made.groups) == len(rows)
    for before, after in itertools.pairwise(made.groups):
        assert before.high < after.low


def test_parameters_that_are_unknown() -> None:
    people = parametrized([1, 2], [0.1, 0.2])
    with pytest.raises(NetwrightError, match="it has x"):
        trend(people, "depth")
    with pytest.raises(NetwrightError, match="at least 1"):
        trend(people, "x", groups=0)


@pytest.mark.parametrize("n", [*range(1, 30), 100, 401])
def test_the_intervals_of_a_median(n: int) -> None:
    """Between the k-th smallest and the k-th largest lies the median unless fewer than k values lie on one side of it."""
    found = median_interval(np.arange(1.0, n + 1))
    cut = 0
    while 2 * scipy.stats.binom.cdf(cut, n, 0.5) <= 0.05:
        cut += 1
    assert found == ((cut, n + 1 - cut) if cut else None)
    if n < 6:
        assert found is None


def test_a_perfect_trend_warns_of_nothing() -> None:
    made = trend(parametrized(list(range(20)), [i / 100 for i in range(20)]), "x")
    assert made.rank is not None
    assert made.rank.statistic == pytest.approx(1)
    assert made.rank.p < 1e-6
    assert trend(parametrized(list(range(20)), [0.4] * 20), "x").rank is None


# ---------------------------------------------------------------- e_fit


@pytest.mark.parametrize("name", sorted(name for name in NETWORKS if name.startswith("regnetx_")))
def test_regnets_fit_themselves(name: str) -> None:
    """No worse than their own five numbers, which differ from their widths by what rounding to 8 costs."""
    net = NETWORKS[name]
    assert isinstance(net, RegNet)
    widths = net.block_widths()
    own = [net.w_0 * net.w_m ** round(math.log((net.w_0 + net.w_a * j) / net.w_0) / math.log(net.w_m)) for j in range(net.depth)]
    fit = width_fit(widths)
    assert fit.error <= np.mean(np.abs(np.log(np.array(own) / widths))) + 1e-9
    # e_fit is what the fitted numbers give
    assert fit.error == pytest.approx(np.mean(np.abs(np.log(np.array(fit.widths(net.depth)) / widths))), abs=1e-9)
    assert 1.5 <= fit.w_m <= 3


def test_widths_that_fall_do_not_fit() -> None:
    """The best of rising widths is a constant: e_fit is the mean distance from the median, ln 2 here."""
    assert width_fit([512, 256, 128, 64]).error == pytest.approx(math.log(2))
    assert width_fit([64, 64, 64]).error == pytest.approx(0, abs=1e-12)
    assert width_fit([100]).error == pytest.approx(0, abs=1e-12)


@given(st.lists(st.integers(1, 128).map(lambda w: 8 * w), min_size=2, max_size=8))
@settings(max_examples=25, deadline=None)
def test_the_fit_is_as_good_as_a_coarse_grid_in_full(widths: list[int]) -> None:
    """Against the paper's way: a grid over w_0, w_a and w_m."""
    fit = width_fit(widths)
    starts, slopes, steps = np.meshgrid(
        np.geomspace(8, 1024, 29), np.geomspace(1, 2048, 45), np.linspace(1.5, 3, 16), indexing="ij"
    )
    blocks = np.arange(len(widths))
    powers = np.rint(np.log(1 + slopes[..., None] * blocks / starts[..., None]) / np.log(steps[..., None]))
    predicted = starts[..., None] * steps[..., None] ** powers
    assert fit.error <= np.abs(np.log(predicted / np.array(widths))).mean(-1).min() + 0.004


@given(st.lists(st.integers(8, 800), min_size=1, max_size=12), st.floats(0.1, 50))
@settings(max_examples=25, deadline=None)
def test_the_fit_knows_no_unit(widths: list[int], factor: float) -> None:
    assert width_fit([w * factor for w in widths]).error == pytest.approx(width_fit(widths).error, abs=0.004)


@pytest.mark.parametrize("widths", [[], [0, 8], [-8], [math.nan], [math.inf, 8], [True]])
def test_widths_that_cannot_be(widths: list[float]) -> None:
    with pytest.raises(NetwrightError, match="block widths"):
        width_fit(widths)


@pytest.mark.parametrize("w_m", [(1.0, 2.0), (3.0, 2.0), (0.5, 0.6)])
def test_steps_that_cannot_be(w_m: tuple[float, float]) -> None:
    with pytest.raises(NetwrightError, match="w_m"):
        width_fit([8, 16], w_m)


def test_a_fit_as_a_parameter_has_a_trend() -> None:
    """As in the paper's Figure 9: e_fit of each design beside its error."""
    nets = [RegNet(depth=8, w_0=24, w_a=12.0 + i, w_m=2.0) for i in range(12)]
    rows = [member(0.3 + i / 100, e_fit=width_fit(net.block_widths()).error) for i, net in enumerate(nets)]
    made = Population("RegNetX", tuple(rows))
    assert trend(made, "e_fit").n == 12
    assert replace(made, name="B").parameters == ("e_fit",)
