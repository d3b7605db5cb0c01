"""The named spaces: their bounds, degrees of freedom and members."""

from __future__ import annotations

import collections
import itertools
import math
import random
import re
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netwright as nw
from netwright.errors import DesignError, NetwrightError
from netwright.graph import trace
from netwright.spaces import SPACES, AnyNetSpace, Pick, RegNetSpace, check_space
from netwright.spaces.domains import Options, Real, Whole, rising, weights
from netwright.zoo import AnyNet, EfficientNet, RegNet, network
from netwright.zoo.regnet import fit_groups

SEEDS = st.integers(0, 2**31)
PRESETS = nw.networks("regnet[xy]_*")


def pick(seed: int) -> Pick:
    return Pick(random.Random(seed))


def anynet(name: str, seed: int) -> AnyNet:
    design = SPACES[name](pick(seed))
    assert isinstance(design, AnyNet)
    return design


@pytest.mark.parametrize(
    ("name", "free"),
    [("anynetx_a", 16), ("anynetx_b", 13), ("anynetx_c", 10), ("anynetx_d", 10), ("anynetx_e", 10), ("regnetx", 5),
     ("regnety", 5), ("regnetx_whole", 6), ("mbconv", 34), ("vgg_resnet", 12)],
)  # fmt: skip
def test_degrees_of_freedom(name: str, free: int) -> None:
    """AnyNetX has 16 (Section 3.2), RegNet six numbers (3.3); MBConv 5 for each of 7 stages but the first's expansion."""
    report = check_space(name, 60, image=224)
    assert (report.ok, report.free) == (True, free)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_anynet_a_stays_in_the_papers_bounds(seed: int) -> None:
    asked = pick(seed)
    design = SPACES["anynetx_a"](asked)
    assert isinstance(design, AnyNet)
    for i in range(4):
        width, bottleneck, group = (asked.chosen[f"{name}_{i + 1}"] for name in ("width", "bottleneck", "group_width"))
        assert 1 <= design.depths[i] <= 16
        assert 8 <= int(width) <= 1024
        assert int(width) % 8 == 0
        assert bottleneck in (1, 2, 4)
        assert group in (1, 2, 4, 8, 16, 32)
        assert design.widths[i] % (design.bottlenecks[i] * design.group_widths[i]) == 0
        assert trace(design, 64).params > 0


@given(st.integers(1, 200), st.sampled_from([1, 2, 4]), st.integers(1, 64))
@settings(max_examples=300, deadline=None)
def test_widths_are_fitted_to_groups_as_in_the_authors_code(eighths: int, bottleneck: int, group: int) -> None:
    width = 8 * eighths
    inner = width // bottleneck
    taken = min(group, inner)
    share = Fraction(inner, taken)
    whole = math.floor(share)
    half = share - whole == Fraction(1, 2)
    groups = whole + (whole % 2 if half else share - whole > Fraction(1, 2))
    assert fit_groups(width, bottleneck, group) == (max(1, groups) * taken * bottleneck, taken)


@given(SEEDS)
@settings(max_examples=60, deadline=None)
def test_b_and_c_share_d_and_e_rise(seed: int) -> None:
    assert len(set(anynet("anynetx_b", seed).bottlenecks)) == 1
    for name in ("anynetx_c", "anynetx_d", "anynetx_e"):
        asked = pick(seed)
        design = SPACES[name](asked)
        assert isinstance(design, AnyNet)
        assert len({asked.chosen[f"{choice}_{i}"] for i in range(1, 5) for choice in ("bottleneck",)}) == 1
        assert len({asked.chosen[f"group_width_{i}"] for i in range(1, 5)}) == 1
        if name != "anynetx_c":
            assert list(design.widths) == sorted(design.widths)
        if name == "anynetx_e":
            assert list(design.depths) == sorted(design.depths)


def test_rising_values_come_as_often_as_among_independent_draws() -> None:
    """By brute force: the chance of each rising triple is the product of its values', over the sum for all of them."""
    domain = Whole(1, 4, log=True)
    chance = dict(zip(range(1, 5), weights(domain), strict=True))
    free = {one: math.prod(chance[v] for v in one) for one in itertools.combinations_with_replacement(range(1, 5), 3)}
    source, n = random.Random(0), 20_000
    counted = collections.Counter(tuple(rising(domain, (None,) * 3, [source.random() for _ in range(3)])) for _ in range(n))
    for one, weight in free.items():
        expected = n * weight / sum(free.values())
        assert abs(counted[one] - expected) < 5 * math.sqrt(expected) + 1, one
    held = {tuple(rising(domain, (None, 2, None), [source.random() for _ in range(3)])) for _ in range(500)}
    assert held == {one for one in free if one[1] == 2}
    with pytest.raises(DesignError, match="fall"):
        rising(domain, (3, 2, None), [0.5, 0.5, 0.5])


def test_logarithmic_whole_numbers_are_rounded_up_from_a_uniform_logarithm() -> None:
    """The authors' sampler: exp(uniform(log(low - min(step, low / 2)), log(high))), rounded up to a step."""
    domain, n = Whole(8, 256, 8, log=True), 20_000
    source, other = random.Random(1), random.Random(2)
    ours = collections.Counter(domain.at(source.random()) for _ in range(n))
    theirs = collections.Counter(8 * math.ceil(math.exp(other.uniform(math.log(4), math.log(256))) / 8) for _ in range(n))
    assert set(ours) <= set(range(8, 257, 8))
    for value in (8, 16, 24, 64, 128):
        assert abs(ours[value] - theirs[value]) < 6 * math.sqrt(theirs[value] + 1)


@given(SEEDS)
@settings(max_examples=200, deadline=None)
def test_regnetx_stays_in_its_bounds(seed: int) -> None:
    asked = pick(seed)
    design = SPACES["regnetx"](asked)
    assert 12 <= int(asked.chosen["depth"]) <= 28
    assert 8 <= int(asked.chosen["w_0"]) <= 256
    assert 8 <= float(asked.chosen["w_a"]) <= 256
    assert 2 <= float(asked.chosen["w_m"]) <= 3
    assert int(asked.chosen["group_width"]) in range(8, 129, 8)
    if design is not None:
        assert isinstance(design, RegNet)
        assert len(design.stages()) == 4
        assert all(width % group == 0 for _, width, group in design.stages())


@pytest.mark.parametrize("name", PRESETS)
def test_the_papers_networks_are_members(name: str) -> None:
    """Those up to 16 GF come from the ranges; the largest have wider stems of the line or wider groups."""
    space, design = RegNetSpace(squeeze=0.25 if "regnety" in name else 0.0), network(name)
    assert isinstance(design, RegNet)
    assert space.has(design) == (not name.endswith("320"))
    assert space.replace(w_0=(8, 320), group_width=(8, 232)).has(design)
    assert not space.replace(squeeze=0.5).has(design)


@pytest.mark.parametrize("name", PRESETS)
def test_a_regnet_is_an_anynet(name: str) -> None:
    design = network(name)
    assert isinstance(design, RegNet)
    depths, widths, groups = zip(*design.stages(), strict=True)
    free = AnyNet(depths, widths, (1,) * 4, groups, squeeze=design.squeeze)
    assert [row[:6] for row in trace(free).rows()] == [row[:6] for row in trace(design).rows()]


def test_a_bottleneck_costs_what_its_convolutions_do() -> None:
    """Counted by hand: one stage of one block, 64 wide, bottleneck 4, groups of 8, on 16 px after a stem of 32."""
    design = AnyNet((1,), (64,), (4,), (8,), (2,), classes=0, stem_stride=1, resolution=16)
    pixels, inner = 8 * 8, 16
    stem = 3 * 32 * 9 * 256
    block = 32 * inner * 256 + inner * 8 * 9 * pixels + inner * 64 * pixels + 32 * 64 * pixels
    assert trace(design).macs == stem + block
    with pytest.raises(DesignError, match=re.escape("no multiple of bottleneck x group width = 4 x 32; (72, 18)")):
        AnyNet((1,), (72,), (4,), (32,), (2,))


@given(SEEDS)
@settings(max_examples=100, deadline=None)
def test_a_constrained_regnet_keeps_the_papers_bounds(seed: int) -> None:
    space = SPACES["regnetx_constrained"]
    design = space(pick(seed))
    if design is not None:
        graph = trace(design, 224)
        giga = graph.macs / 1e9
        bounded = graph.params < (3 + 5.5 * giga) * 1e6 and graph.acts < 6.5e6 * giga**0.5
        assert space.admits(*graph.totals) == bounded


@given(SEEDS)
@settings(max_examples=30, deadline=None)
def test_mbconv_stays_around_b0(seed: int) -> None:
    design = SPACES["mbconv"](pick(seed))
    assert isinstance(design, EfficientNet)
    for ours, base in zip(design.stages, EfficientNet().stages, strict=True):
        assert ours.stride == base.stride
        assert ours.block.kernel in (3, 5, 7)
        assert ours.block.expansion in (3, 4, 6) or ours.block.expansion == base.block.expansion == 1
        assert max(1, base.depth - 2) <= ours.depth <= base.depth + 2
        assert 0.5 * base.width - 4 <= ours.width <= 1.5 * base.width + 4
        assert ours.width % 8 == 0


def test_b0_is_a_member_of_mbconv() -> None:
    b0 = EfficientNet()
    chosen: dict[str, int | float | bool] = {}
    for i, stage in enumerate(b0.stages, 1):
        more = {
            "expansion": stage.block.expansion,
            "kernel": stage.block.kernel,
            "squeeze": True,
            "depth": stage.depth,
            "wider": 1.0,
        }
        chosen |= {f"{name}_{i}": value for name, value in more.items()}
    assert SPACES["mbconv"](Pick(random.Random(0), chosen)) == b0


def test_the_classic_networks_are_members() -> None:
    def member(**chosen: object) -> object:
        return SPACES["vgg_resnet"](Pick(random.Random(0), chosen))  # type: ignore[arg-type]

    depths = {f"resnet_depth_{i + 1}": depth for i, depth in enumerate((3, 4, 6, 3))}
    assert member(kind="bottleneck", resnet_width=64, **depths) == network("resnet50")
    assert member(kind="basic", resnet_width=64, **depths) == network("resnet34")
    sixteen = {f"vgg_depth_{i + 1}": depth for i, depth in enumerate((2, 2, 3, 3, 3))}
    assert member(kind="vgg", vgg_width=64, **sixteen) == network("vgg16_bn")


@pytest.mark.parametrize("name", SPACES)
def test_every_space_holds_its_contract(name: str) -> None:
    space = SPACES[name]
    assert space.name == name
    assert hash(space) == hash(SPACES[name])
    small = space.at(image=64, classes=7)
    report = check_space(small, 30, image=64)
    assert report.ok, report.problems
    designs = [small(pick(seed)) for seed in range(40)]
    assert all(design.fields()["classes"] == 7 and design.fields()["resolution"] == 64 for design in designs if design)
    assert str(check_space(space, 5, image=224)).startswith(f"{name}: ")


@pytest.mark.parametrize(
    ("space", "changes", "message"),
    [
        (AnyNetSpace, {"depth": (3, 2)}, "ranges from the least to the most"),
        (AnyNetSpace, {"bottleneck": ()}, "at least one value"),
        (AnyNetSpace, {"width": (0, 64)}, "width"),
        (AnyNetSpace, {"group_width": (8.0,)}, "group_width"),
        (RegNetSpace, {"w_m": (3.0, 2.0)}, "w_m is (3.0, 2.0)"),
        (RegNetSpace, {"w_m": (1.0, 2.0)}, "above 1"),
        (RegNetSpace, {"w_0": (1, 64)}, "at least 8"),
        (RegNetSpace, {"w_m": (float("nan"), 2.0)}, "w_m"),
        (RegNetSpace, {"dpeth": (3, 5)}, "did you mean depth"),
    ],
)
def test_bounds_that_cannot_be_are_refused(space: type, changes: dict[str, object], message: str) -> None:
    with pytest.raises(NetwrightError, match=re.escape(message)):
        space().replace(**changes)


@pytest.mark.parametrize(
    "domain",
    [Whole(5, 4), Whole(1, 4, 0), Whole(0, 4, log=True), Whole(1.0, 4), Real(3, 2), Real(0, 1, log=True),  # type: ignore[arg-type]
     Real(float("nan"), 1), Options(())],
)  # fmt: skip
def test_a_choice_of_nothing_is_refused(domain: Whole | Real | Options) -> None:
    with pytest.raises(DesignError):
        domain.check()


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 50), st.integers(0, 60), st.integers(1, 9), st.booleans())
@settings(max_examples=200, deadline=None)
def test_domains_hold_what_they_give(share: float, low: int, more: int, step: int, log: bool) -> None:
    whole, real = Whole(low, low + more, step, log), Real(low, low + more, log, 2)
    assert whole.holds(whole.at(share))
    assert real.holds(real.at(share))
    assert all(map(whole.holds, whole.few()))
    assert sum(weights(whole)) == pytest.approx(1)
    assert whole.at(0.0) == low
