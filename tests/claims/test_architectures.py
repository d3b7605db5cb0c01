"""What the claims of architectures and scaling find, held against arithmetic by hand; their helpers; long ones in tiny."""

from __future__ import annotations

import functools
import itertools
import math
from typing import Any

import pytest

import netwright as nw
from netwright.blocks import Bottleneck
from netwright.claims import CLAIMS, Terms, find_claims, run_claim
from netwright.claims.architectures.fields import seen
from netwright.claims.architectures.signals import _apparent, _pool, _responses
from netwright.claims.architectures.trained import PAIRS
from netwright.claims.claim import LONG
from netwright.claims.paired import gap, strictly
from netwright.claims.reading import blocks, entered, is_depthwise, longest, readers
from netwright.costing.fields import Window, fields
from netwright.graph import FeatureMap, concat
from tests.claims.contrary import AGAINST
from tests.claims.test_claims import ENTRIES

VERDICTS = {  # of what is arithmetic: the slips of the notes are never said to hold
    "holds": "a1 a4 a8 a9 a10 a11 a13 a15 a17 a18 a20 a22 a23 a24 a27 a30 a31 s1 s3 s11",
    "corrected": "a2 a5 a7 a14 a16 a21 x1 x2 x3 x4 x5 x6 x7 x8 x9 s2 s7",
    "fails": "s13",
}


@pytest.mark.parametrize(("word", "number"), [(word, number) for word, numbers in VERDICTS.items() for number in numbers.split()])
def test_the_verdict_that_the_book_has_stored(word: str, number: str) -> None:
    (claim,) = find_claims(CLAIMS, [number])
    assert ENTRIES[claim.name]["verdict"] == word


@functools.cache
def found(number: str) -> dict[str, Any]:
    """What a run finds."""
    (claim,) = find_claims(CLAIMS, [number])
    return dict(run_claim(claim, Terms()).evidence.numbers)


# ---------------------------------------------------------------- by hand


def test_alexnet_and_its_memory_by_hand() -> None:
    linear = 9216 * 4096 + 4096 * 4096 + 4096 * 1000
    convs = 55**2 * 96 * 363 + 27**2 * 256 * 2400 + 13**2 * (384 * 2304 + 384 * 3456 + 256 * 3456)
    assert math.isclose(found("a1")["conv_share_of_macs"], convs / (convs + linear))
    assert math.isclose(found("a1")["linear_share_of_params"], (linear + 9192) / 62_378_344)
    of_image = 4 * (
        150_528 + 2 * (55**2 * 96 + 27**2 * 256 + 13**2 * 1024 + 27**2 * 96 + 13**2 * 256 + 36 * 256 + 4096 + 4096 + 1000)
    )
    for name, copies in (("momentum", 3), ("adam", 4)):
        until = found("a2")[f"{name}_until_batch"]
        assert until * of_image <= copies * 4 * 62_378_344 < (until + 1) * of_image


def test_vgg16_by_hand() -> None:
    stages = [(224, (3, 64, 64)), (112, (64, 128, 128)), (56, (128, 256, 256, 256)), (28, (256, 512, 512, 512)), (14, (512,) * 4)]
    macs = [side**2 * 9 * sum(a * b for a, b in itertools.pairwise(widths)) for side, widths in stages]
    numbers = found("a5")
    assert numbers["stage_gmacs"] == [count / 1e9 for count in macs]
    assert [round(count, 2) for count in numbers["stage_gmacs"]] == [1.94, 2.77, 4.62, 4.62, 1.39]
    assert round(max(numbers["conv_gflop_per_image"]), 1) == 3.7
    assert round(numbers["largest_conv_gflop_per_batch"]) == 474


def test_blocks_and_groups_by_hand() -> None:
    assert found("a14")["bottleneck"] == (256 * 64 + 9 * 64 * 64 + 64 * 256) / 64**2
    assert found("a21")["times_fewer_macs"] == pytest.approx([9 * c / (9 + c) for c in found("a21")["outputs"]])
    a18 = found("a18")
    for groups, solved in zip(a18["groups"], a18["solved"], strict=True):
        assert groups * (2 * 256 * solved + 9 * solved**2) == pytest.approx(2 * 256 * 64 + 9 * 64**2)
    assert found("a20")["extra_params"] == sum(
        depth * (2 * c * c // 16 + c // 16 + c) for depth, c in ((3, 256), (4, 512), (6, 1024), (3, 2048))
    )


def test_bottlenecks_of_more_groups_take_equal_macs() -> None:
    designs = [nw.zoo.CifarResNet(1, Bottleneck(groups, width), 16) for groups, width in PAIRS]
    macs = [nw.trace(design, 16).macs for design in designs]
    assert max(macs) < 1.04 * min(macs)


def test_exact_counts_of_the_facts() -> None:
    """Of reference implementations, as in tests/golden/exact.csv."""
    assert found("a15")["B_gmacs"] == 4.089184256
    assert found("x9")["b0_macs"] == 385_814_752
    assert found("s11")["params"] == 20_930_936
    assert nw.trace(nw.network("resnet152"), 224).macs == 11_513_626_624
    assert nw.trace(nw.network("wide_resnet50_2"), 224).macs == 11_398_021_120


# ---------------------------------------------------------------- what graphs are read with


def two_ways(x: FeatureMap) -> FeatureMap:
    left = x.conv("a", 4, 3).relu().conv("b", 4, 3, 2)
    return concat(left, x.conv("c", 4, 5, 2)).global_pool().linear("fc", 2)


def test_the_longest_way_and_who_reads() -> None:
    flat = nw.trace(two_ways, 16).flat()
    assert longest(flat) == 3
    assert sorted(row.name for row in readers(flat)[0]) == ["a", "c"]
    assert longest(nw.trace(nw.network("resnet18"), 64).flat()) == 18
    assert longest(nw.trace(nw.network("vgg19"), 64).flat()) == 19


def test_blocks_of_stages_and_what_they_are_given() -> None:
    flat = nw.trace(nw.network("mobilenetv2_100"), 224).flat()
    found = blocks(flat, "blocks.1", "blocks.10")
    assert list(found) == ["blocks.1.0", "blocks.1.1"]
    assert [entered(flat, places) for places in found.values()] == [(16, 112, 112), (24, 56, 56)]
    assert [is_depthwise(row) for row in flat.rows if row.name.startswith("blocks.1.0.conv")] == [False, True, False]


@pytest.mark.parametrize("name", ["alexnet", "resnet18", "inception_v3", "efficientnet_b0", "parnet_s"])
def test_a_field_followed_backwards_is_the_forward_one(name: str) -> None:
    flat = nw.trace(nw.network(name)).flat()
    forward = fields(flat)
    for place in range(1, len(flat.rows), 7):
        if len(flat.rows[place].shape) == 3 and flat.rows[place].shape[1] > 1:
            assert seen(flat, place) == forward[place].size[0]


def test_a_differing_field_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    flat = nw.trace(two_ways, 16).flat()
    place = next(i for i, row in enumerate(flat.rows) if row.name == "b")
    assert seen(flat, place) == fields(flat)[place].size[0] == 5
    monkeypatch.setattr("netwright.claims.architectures.fields.windows", lambda *_: (Window(4, 1, 0), Window(4, 1, 0)))
    assert seen(flat, place) != 5


# ---------------------------------------------------------------- signals and intervals


def test_a_strided_filter_folds_frequencies() -> None:
    assert _apparent(0.1, 11, 4) == pytest.approx(0.1, abs=0.002)
    assert _apparent(0.2, 11, 4) == pytest.approx(0.05, abs=0.002)  # 0.25 less 0.2
    assert _apparent(0.2, 7, 2) == pytest.approx(0.2, abs=0.002)


def test_pooling_is_torchs() -> None:
    import numpy as np
    import torch
    from torch.nn import functional as F

    chance = np.random.default_rng(0)
    pixels, filters = chance.random((3, 8, 8)), chance.standard_normal((5, 3, 3))
    maps = torch.from_numpy(_responses(pixels, filters))
    torch.testing.assert_close(
        maps, F.conv2d(torch.from_numpy(pixels)[:, None], torch.from_numpy(filters)[:, None], padding=1).relu()
    )
    for window, pad in ((3, 1), (2, 0)):
        pooled = F.max_pool2d(maps, window, 2, pad).flatten(1)
        torch.testing.assert_close(torch.from_numpy(_pool(maps.numpy(), window, pad)), pooled)


def test_intervals_of_paired_differences() -> None:
    made = gap("d", [3.0, 4.0, 5.0], [1.0, 1.0, 1.0])
    reach = 4.302652729911275 / math.sqrt(3)  # Student's t of two degrees of freedom at 97.5 %
    assert made == pytest.approx({"d_mean": 3.0, "d_low": 3 - reach, "d_high": 3 + reach})
    assert [strictly(*ends, "x").word for ends in ((0.1, 1.0), (-1.0, -0.1), (0.0, 0.0), (-1.0, 1.0))] == [
        "holds",
        "fails",
        "undecided",
        "undecided",
    ]


# ---------------------------------------------------------------- long ones

TRAINED = [
    claim
    for claim in CLAIMS
    if claim.kind == LONG and claim.number in {"A3", "A6", "A12", "A19", "A25", "A28", "A29", "S4", "S14"}
]


@pytest.mark.slow
@pytest.mark.parametrize("claim", TRAINED, ids=lambda claim: claim.name)
def test_a_long_claim_runs_in_tiny_and_its_contrary_evidence_is_of_its_kind(claim: Any) -> None:
    made = run_claim(claim, Terms(tiny=True))
    assert made.verdict.why
    for numbers, _ in AGAINST[claim.name]:
        assert set(numbers) == set(made.evidence.numbers)
    if claim.draw is not None:
        assert claim.draw(made.evidence).to_dict()
