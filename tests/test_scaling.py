"""Scaling held against the papers' formulas, the authors' figures and a search by brute force."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import netwright as nw
from netwright.errors import DesignError, NetwrightError
from netwright.graph import Count, FeatureMap, from_json, to_json, trace
from netwright.graph.resizing import Resizing
from netwright.scaling import COMPOUND, FAST, RULES, Rule, candidates, compound, fast, scale
from netwright.scaling.budget import Use
from netwright.scaling.rules import find_rule
from netwright.units import parse_milliseconds
from netwright.zoo import EfficientNet
from tests.test_latency import Law

# ---------------------------------------------------------------- the papers' figures


@pytest.mark.parametrize("how", [{"factor": 4}, {"phi": 2}], ids=str)
def test_the_golden_case_of_fast_scaling(how: dict[str, float]) -> None:
    """RegNetY-4GF x 4, read off the authors' code."""
    found = scale("regnety_040", rule="fast", **how)
    design = found.design
    assert isinstance(design, nw.zoo.AnyNet)
    assert (design.depths, design.widths) == ((2, 7, 14, 2), (224, 336, 896, 1904))
    assert design.group_widths == (112,) * 4
    assert found.image == design.resolution == 240
    params, macs, acts = found.totals
    assert (round(params / 1e6, 2), round(macs / 1e9, 3), round(acts / 1e6, 2)) == (68.14, 15.608, 26.54)
    assert found.factors == pytest.approx((4**0.1, 4**0.4, 4**0.05))


def timms_channels(channels: int, multiplier: float) -> int:
    """timm's round_channels: make_divisible with a divisor of 8 and a limit of 0.9."""
    wanted = channels * multiplier
    made = max(8, int(wanted + 4) // 8 * 8)
    return made + 8 if made < 0.9 * wanted else made


@pytest.mark.parametrize("phi", [-1.5, 0, 0.3, 1, 2, 3, 3.7, 5, 7])
def test_compound_scaling_of_b0_is_the_formula(phi: float) -> None:
    design = scale("efficientnet_b0", phi=phi).design
    assert isinstance(design, EfficientNet)
    table = ((1, 16), (2, 24), (2, 40), (3, 80), (3, 112), (4, 192), (1, 320))  # B0, Table 1
    expected = [(math.ceil(depth * 1.2**phi), timms_channels(width, 1.1**phi)) for depth, width in table]
    assert [(row.depth, row.width) for row in design.stages] == expected
    assert (design.stem, design.neck) == (timms_channels(32, 1.1**phi), timms_channels(1280, 1.1**phi))
    assert design.resolution == round(224 * 1.15**phi)
    multiplied = EfficientNet(width=1.1**phi, depth=1.2**phi)
    assert trace(design).totals == trace(multiplied, design.resolution).totals


def test_b0_at_phi_0_is_b0() -> None:
    for rule in ("compound", "fast", "depth"):
        assert scale("efficientnet_b0", phi=0, rule=rule).design == nw.network("efficientnet_b0")
    assert scale("efficientnet_b0", phi=0).gap == 0


def test_the_presets_are_not_the_formula() -> None:
    for number in range(1, 8):
        preset, formula = nw.network(f"efficientnet_b{number}"), scale("efficientnet_b0", phi=number).design
        assert trace(preset).totals != trace(formula).totals


def test_a_preset_is_scaled_from_what_it_multiplies_by() -> None:
    """So each number is rounded once: B2 twice as wide has 64 x 1.1 and not 2 x 32 channels."""
    wide = nw.network("efficientnet_b2").scaled(width=2.0)
    assert isinstance(wide, EfficientNet)
    assert wide.stem == timms_channels(32, 2.2)
    assert [row.depth for row in wide.stages] == [math.ceil(d * 1.2) for d in (1, 2, 2, 3, 3, 4, 1)]


def test_activations_and_params_grow_as_fast_scaling_says() -> None:
    """acts as s^0.6 and params as s^0.9 (Section 4), macs as s; from a mean of several networks."""
    growth = []
    for name in ("regnety_040", "regnetx_064", "regnety_080"):
        found = scale(name, factor=8, rule="fast")
        before, after = found.original.graph.totals, found.totals
        growth.append([math.log(b / a) / math.log(8) for a, b in zip(before, after, strict=True)])
    params, macs, acts = (sum(column) / len(growth) for column in zip(*growth, strict=True))
    assert (params, macs, acts) == (pytest.approx(0.9, abs=0.06), pytest.approx(1, abs=0.04), pytest.approx(0.55, abs=0.08))


@pytest.mark.parametrize(("name", "exponents"), [("d", (1, 0, 0)), ("w", (0, 1, 0)), ("r", (0, 0, 1)), ("dwr", (1, 1, 1))])
def test_the_presets_of_fast_scaling(name: str, exponents: tuple[int, int, int]) -> None:
    d, w, r = (e / sum(exponents) for e in exponents)
    assert RULES[name].factors(RULES[name].phi_of(5.0)) == pytest.approx((5.0**d, 5.0 ** (w / 2), 5.0 ** (r / 2)))
    assert RULES[name].growth == pytest.approx(2)
    assert RULES["dWr"].replace(name="fast") == FAST


# ---------------------------------------------------------------- every family

REFUSED = {"AlexNet", "AlexNet2012", "ZFNet", "GoogLeNet", "InceptionV3", "InceptionV4", "InceptionResNetV2", "SqueezeNet"}


@pytest.mark.parametrize("name", nw.networks())
@pytest.mark.parametrize("rule", ["compound", "fast"])
def test_every_network_scales_or_says_why_not(name: str, rule: str) -> None:
    design = nw.network(name)
    if type(design).__name__ in REFUSED:
        with pytest.raises(NetwrightError, match=r"^not by the rule \w+: \w+ has no widths[^\n]*resolution[^\n]*$"):
            scale(name, phi=1, rule=rule)
        assert scale(name, phi=1, rule="resolution").cost.macs > trace(design).macs
        return
    up, down = scale(name, phi=1.5, rule=rule), scale(name, phi=-1.5, rule=rule)
    assert type(up.design) is type(down.design)
    assert type(up.design) in (type(design), nw.zoo.AnyNet)
    assert down.cost.macs < trace(design).macs < up.cost.macs
    assert down.cost.params < trace(design).params < up.cost.params
    assert from_json(to_json(up.design)) == up.design
    assert nw.cost(up.design).macs == up.cost.macs  # the design brings its image
    assert design.scaled() is design


@pytest.mark.parametrize("name", ["inception_v4", "inception_resnet_v2"])
def test_networks_without_widths_get_deeper(name: str) -> None:
    assert scale(name, phi=1, rule="depth").cost.macs > trace(nw.network(name)).macs


@pytest.mark.parametrize(
    "name", ["resnext50_32x4d", "senet154", "legacy_senet154", "regnetx_002", "repvgg_b1g4", "wrn_16_4", "vgg11"]
)
def test_torch_builds_what_was_scaled(name: str) -> None:
    found = scale(name, phi=-2.2, rule="fast")
    model = nw.build(found.design, device="meta")
    assert sum(p.numel() for p in model.parameters()) == found.cost.params


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(nw.networks()), st.floats(0.3, 4), st.floats(0.3, 4), st.sampled_from(("up", "nearest")))
def test_scaled_widths_are_multiples_and_depths_as_the_rounding_says(
    name: str, width: float, depth: float, rounding: Any
) -> None:
    design = nw.network(name)
    if type(design).__name__ in REFUSED:
        return
    graph = trace(design.scaled(width=width, depth=depth, rounding=rounding))  # every family's own checks pass
    convolutions = [row for row in graph.rows() if row.layer.kind == "conv" and row.layer.groups == 1]  # type: ignore[attr-defined]
    wide = [row.shape[0] for row in convolutions if row.shape[1] > 1]  # gates see one pixel
    if type(design).__name__ != "RegNet" or width == 1:  # its stages are multiples of their groups, which may be 1, 2 or 4
        assert all(n % 4 == 0 for n in wide)


@settings(max_examples=200, deadline=None)
@given(st.integers(1, 4096), st.floats(0.02, 60), st.floats(0.02, 60))
def test_rounded_numbers_grow_with_the_factor(number: int, one: float, other: float) -> None:
    low, high = sorted((one, other))
    for rounding in ("up", "nearest"):
        small, large = Resizing(low, low, rounding), Resizing(high, high, rounding)  # type: ignore[arg-type]
        for what in ("width", "depth", "group_width"):
            assert 1 <= getattr(small, what)(number) <= getattr(large, what)(number)
        assert high == 1 or large.width(number) % 8 == 0
    up, nearest = Resizing(high, high), Resizing(high, high, "nearest")
    assert up.depth(number) >= number * high * (1 - 1e-8)
    assert high == 1 or up.width(number) >= 0.9 * number * high
    assert abs(nearest.depth(number) - number * high) <= 0.5 or nearest.depth(number) == 1
    assert abs(nearest.width(number) - number * high) <= 4 or nearest.width(number) == 8 or high == 1


@settings(max_examples=25, deadline=None)
@given(st.sampled_from(("efficientnet_b0", "resnet18", "regnety_004", "wrn_40_2", "repvgg_a0", "mobilenetv2_100")), st.data())
def test_a_doubling_more_is_a_larger_network(name: str, data: st.DataObject) -> None:
    rule = data.draw(st.sampled_from((COMPOUND, FAST, compound(1.3, 1.2, 1.0))))
    phi = data.draw(st.floats(-2, 3))
    small, large = scale(name, phi=phi, rule=rule), scale(name, phi=phi + 1, rule=rule)
    assert small.cost.macs < large.cost.macs
    assert small.image <= large.image
    assert scale(name, phi=phi, rule=rule) == small


# ---------------------------------------------------------------- budgets

BUDGETS: tuple[tuple[str, str, str, Any], ...] = (
    ("efficientnet_b0", "compound", "macs", "1.8G"),
    ("efficientnet_b0", "fast", "macs", "200M"),
    ("resnet50", "fast", "macs", "2G"),
    ("resnet18", "depth", "macs", "1G"),
    ("regnetx_002", "fast", "params", "10M"),
    ("regnetx_002", "compound", "macs", "431M"),
    ("regnety_004", "fast", "macs", "777M"),
    ("resnext50_32x4d", "width", "params", "9M"),
    ("wrn_40_2", "compound", "macs", "500M"),
    ("mobilenetv1_075", "compound", "memory", "300MB"),
    ("vgg11", "compound", "inference_memory", "200MB"),
    ("inception_v3", "resolution", "macs", "3G"),
    ("legacy_seresnext26_32x4d", "dwr", "macs", "5G"),
)


def brute_force(net: str, rule: Rule, name: str, most: float, at: float) -> float:
    """The largest amount within the limit, of a fine grid of phi one and a half doublings to either side."""
    reach = 1.5 * math.log(2) / math.log(rule.growth)
    design, seen, best = nw.network(net), set(), 0.0
    for i in range(-1500, 1501):
        shape = rule.at(design, design.resolution, at + i * reach / 1500)  # type: ignore[attr-defined]
        if shape not in seen:
            seen.add(shape)
            amount = amount_of(nw.cost(*shape), name)
            best = max(best, amount if amount <= most else 0.0)
    return best


def amount_of(made: nw.Cost, name: str) -> float:
    return {
        "macs": lambda: made.macs,
        "params": lambda: made.params,
        "memory": lambda: made.memory.training,
        "inference_memory": lambda: made.memory.inference,
    }[name]()


@pytest.mark.slow
@pytest.mark.parametrize(("net", "rule", "name", "most"), BUDGETS)
def test_no_design_of_the_rule_is_nearer_to_the_budget(net: str, rule: str, name: str, most: str) -> None:
    found = scale(net, rule=rule, **{name: most})  # type: ignore[arg-type]
    (aim,) = found.aims
    assert aim.reached == amount_of(nw.cost(found.design), name) <= aim.wanted
    assert aim.reached >= brute_force(net, find_rule(rule), name, aim.wanted, found.phi)
    assert found.trimmed or find_rule(rule).at(nw.network(net), found.original.image[-1], found.phi) == (
        found.design,
        found.image,
    )
    assert found.gap == aim.gap <= 0
    assert found.gap > -0.02 or "the next larger network by this rule exceeds the budget" in str(found)


@pytest.mark.parametrize(
    "net", ["efficientnet_b0", "resnet50", "regnety_004", "repvgg_a0", "vgg11_bn", "mobilenetv2_100", "parnet_s"]
)
@pytest.mark.parametrize("share", [0.35, 3.3])
def test_compound_budgets_of_macs_are_met_within_2_percent(net: str, share: float) -> None:
    most = int(share * trace(nw.network(net)).macs)
    found = scale(net, macs=most)
    assert found.cost.macs <= most
    assert found.gap > (-0.04 if net in ("repvgg_a0", "parnet_s") else -0.02)  # whose stages are all of two widths, or parallel
    assert found.cost.image == (3, found.image, found.image)
    assert found.factors.depth == COMPOUND.factors(found.phi).depth


def test_a_budget_is_filled_in_one_dimension_where_all_stages_get_deeper_at_once() -> None:
    """ResNet-18 has two blocks in each stage: above phi 0 it would have three."""
    found = scale("resnet18", macs="500M", image=96)
    own = COMPOUND.factors(found.phi)
    plain = nw.cost(*COMPOUND.at(nw.network("resnet18"), 96, found.phi))
    assert plain.macs < 0.8 * 500e6 < 0.96 * 500e6 < found.cost.macs <= 500e6
    assert found.trimmed[0] == "resolution"
    assert found.factors.depth == own.depth
    assert own.resolution < found.factors.resolution < 1.5 * own.resolution
    assert found.design.depths == (2, 2, 2, 2)  # type: ignore[attr-defined]
    assert "alone goes on resolution from x" in str(found)
    assert scale("resnet18", params="5M").trimmed == ("width",)
    assert scale("resnet18", macs="1G", rule="depth").trimmed == ()


def test_what_a_network_costs_is_a_budget_that_it_meets() -> None:
    for net in ("resnet18", "regnetx_004", "wrn_16_4"):
        found = scale(net, macs=trace(nw.network(net)).macs)
        assert found.gap == 0
        assert found.cost.macs == trace(nw.network(net)).macs


def test_several_limits_hold_together() -> None:
    limits: dict[str, Any] = {"macs": "1G", "params": "8M", "memory": "600MB"}
    found = scale("efficientnet_b0", batch=2, optimizer="adam", **limits)
    assert all(aim.reached <= aim.wanted for aim in found.aims)
    assert found.cost.memory.training <= 600e6
    alone = [scale("efficientnet_b0", batch=2, optimizer="adam", **{name: most}).phi for name, most in limits.items()]
    assert found.phi == pytest.approx(min(alone), abs=0.05)
    assert len(found.to_json()["aims"]) == 3


def test_a_limit_on_latency_is_predicted_for_the_device() -> None:
    profile = Law().profile()
    found = scale("resnet18", latency="20ms", profile=profile, batch=2)
    assert 0.93 * 20 < (nw.cost(found.design, batch=2, profile=profile).milliseconds or 0) <= 20
    quicker = replace(Law(macs=2e11, moved=4e10).profile(), name="quick")
    assert scale("resnet18", latency=20, profile=quicker, batch=2).phi > found.phi
    assert "20 ms of latency" in str(found)


class Mine(nw.Design):
    """A user's design, without a resolution."""

    width: Count = 16
    depth: Count = 2

    def __call__(self, x: FeatureMap) -> FeatureMap:
        x = x.conv("stem", self.width, 3, 2)
        for i in range(self.depth):
            x = x.conv(f"conv{i}", self.width, 3).relu()
        return x.global_pool().linear("fc", 10)

    def resized(self, by: Resizing) -> Mine:
        return self.replace(width=by.width(self.width), depth=by.depth(self.depth))


class Fixed(nw.Design):
    resolution: Count = 64

    def __call__(self, x: FeatureMap) -> FeatureMap:
        return x.conv("stem", 8, 3, 2).global_pool().linear("fc", 10)


def test_a_users_own_design_scales() -> None:
    found = scale(Mine(), macs="30M", image=64)
    assert isinstance(found.design, Mine)
    assert found.cost.macs == trace(found.design, found.image).macs <= 30e6
    assert f"--image {found.image}" in str(found)
    with pytest.raises(DesignError, match="Fixed has no widths and depths to scale"):
        scale(Fixed(), phi=1)
    assert scale(Fixed(), phi=1, rule="resolution").design == Fixed(resolution=91)
    assert scale(Fixed(), phi=2, rule="r", channels=1).cost.image == (1, 128, 128)


# ---------------------------------------------------------------- the grid search's candidates


@pytest.mark.slow
def test_the_candidates_are_the_grid_at_double_the_macs() -> None:
    found = candidates("resnet34", step=0.05, tolerance=0.09, image=96)
    double = 2 * nw.cost(nw.network("resnet34"), 96).macs
    points = [round(1 + i / 20, 2) for i in range(23)]
    grid = {(a, b, c) for a in points for b in points for c in points if abs(a * b * b * c * c - 2) <= 0.09}
    triples = {(made.alpha, made.beta, made.gamma) for made in found}
    assert triples <= grid
    assert (1.2, 1.1, 1.15) in grid
    shapes = {(made.scaled.design, made.scaled.image) for made in found}
    assert len(shapes) == len(found) >= 0.3 * len(grid)
    papers = scale("resnet34", macs=double, image=96)
    assert (papers.design, papers.image) in shapes
    assert all(0.85 * double < made.scaled.cost.macs <= double for made in found)
    assert [made.alpha for made in found] == sorted(made.alpha for made in found)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"step": 0}, "step is 0, expected a number above 0"),
        ({"step": math.nan}, "step is nan"),
        ({"step": 0.001}, "a finer grid than 0.01"),
        ({"tolerance": -1}, "tolerance is -1"),
        ({"step": 0.9, "tolerance": 0.05}, "take a finer step"),
    ],
)
def test_grids_that_cannot_be(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(NetwrightError, match=message):
        candidates("efficientnet_b0", **wrong)


# ---------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("net", "how", "message"),
    [
        ("resnet51", {"phi": 1}, "unknown network 'resnet51'; did you mean resnet50"),
        (7, {"phi": 1}, "cannot scale 7: give a design or a name of the zoo"),
        ("resnet50", {}, "none is given"),
        ("resnet50", {"phi": 1, "macs": "1G"}, "not phi and a budget"),
        ("resnet50", {"phi": math.nan}, "phi is nan, expected a number from -22.81 to 22.81"),
        ("resnet50", {"phi": 40}, "phi is 40, expected a number"),
        ("resnet50", {"phi": "3"}, "phi is '3'"),
        ("resnet50", {"phi": True}, "phi is True"),
        ("resnet50", {"factor": 0}, "factor is 0, expected a positive number"),
        ("resnet50", {"factor": -4}, "factor is -4"),
        ("resnet50", {"factor": math.inf}, "factor is inf"),
        ("resnet50", {"factor": 1e9}, "factor is 1000000000.0: the rule compound goes from"),
        ("resnet50", {"phi": 1, "rule": "compuond"}, "there is no scaling rule 'compuond'; did you mean compound?"),
        ("resnet50", {"macs": "0"}, "'0' is not an amount"),
        ("resnet50", {"macs": -3}, "-3 is not an amount"),
        ("resnet50", {"memory": "lots"}, "'lots' is not a number of bytes"),
        ("resnet50", {"latency": "soon"}, "'soon' is not a time"),
        ("resnet50", {"latency": "5ms"}, "run netwright calibrate"),
        ("resnet50", {"macs": "1K"}, r"meets 1.00 K macs: the smallest network, at \d+ px, has \d+ K macs; raise the budget"),
        ("resnet50", {"params": "5M", "rule": "resolution"}, "does not change what is limited"),
        ("resnet50", {"params": "50M", "rule": "resolution"}, "does not change what is limited"),
        ("resnet50", {"macs": "900T", "rule": "depth"}, "more than the rule depth reaches within 6 phi"),
        ("resnet50", {"phi": 1, "image": 0}, "image is"),
        ("resnet50", {"phi": 1, "batch": 0}, "batch is 0"),
        ("resnet50", {"phi": 1, "precision": "fp8"}, "there is no precision 'fp8'"),
        ("resnet50", {"phi": 1, "optimizer": "adm"}, "there is no optimizer 'adm'"),
        ("inception_v3", {"phi": -5, "rule": "resolution"}, "the image is too small"),
    ],
)
def test_mistakes_are_refused_in_one_line(net: Any, how: dict[str, Any], message: str) -> None:
    with pytest.raises(NetwrightError, match=message) as caught:
        scale(net, **how)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"width": 0}, "width is scaled by 0"),
        ({"depth": math.nan}, "depth is scaled by nan"),
        ({"rounding": "down"}, "rounding is 'down'"),
    ],
)
def test_factors_that_cannot_be(change: dict[str, Any], message: str) -> None:
    with pytest.raises(NetwrightError, match=message):
        nw.network("resnet18").scaled(**change)


def test_rules_that_cannot_be() -> None:
    with pytest.raises(DesignError, match="scales nothing"):
        compound(1, 1, 1)
    with pytest.raises(DesignError, match=re.escape("depth is 0.9, expected a number from 1 to 16")):
        compound(alpha=0.9)
    for exponents in ((0, 0, 0), (-1, 1, 1), (math.nan, 1, 1)):
        with pytest.raises(NetwrightError, match="the exponents of fast scaling are"):
            fast(*exponents)


def test_designs_whose_explicit_widths_contradict_them() -> None:
    with pytest.raises(DesignError, match="4 depths but 2 width"):
        nw.network("resnet18", width=(64, 128))


def test_times_are_read() -> None:
    assert [parse_milliseconds(text) for text in ("5", 5, "5.5 ms", "800us", "0.2s")] == [5, 5, 5.5, 0.8, 200]
    for wrong in ("0", "-1", "nan", "5 min", "", True, math.inf, "1" * 99):
        with pytest.raises(NetwrightError, match="is not a time"):
            parse_milliseconds(wrong)


def test_what_bytes_are_for_is_kept() -> None:
    found = scale("resnet18", phi=1, batch=4, precision="bf16", optimizer="adam")
    assert found.cost.memory == Use(3, 4, "bf16", "adam").cost(found.design, found.image).memory
    assert found.to_json()["scaled"]["batch"] == 4
