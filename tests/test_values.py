from __future__ import annotations

import dataclasses
import json
import pickle
import subprocess
import sys
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwright import DesignError, from_json, network, networks, to_json
from netwright.blocks import Basic, Bottleneck, Plain
from netwright.graph import Count, Design, Fraction
from netwright.zoo import VGG, RegNet, ResNet


class Holder(Design):
    """A design with a field of every kind."""

    count: Count = 1
    share: Fraction = 0.5
    word: Literal["a", "b"] = "a"
    flag: bool = False
    sizes: tuple[Count, ...] = ()
    pair: tuple[int, float] = (1, 2.0)
    block: Basic | Plain | None = None


@pytest.mark.parametrize(
    ("field", "value", "expected"),
    [
        ("count", 0, "a whole number at least 1"),
        ("count", True, "a whole number"),
        ("count", 2.0, "a whole number"),
        ("share", 1.5, "a number from 0 to 1"),
        ("share", float("nan"), "a number"),
        ("share", "x", "a number"),
        ("word", "c", "one of 'a', 'b'"),
        ("flag", 1, "a bool"),
        ("sizes", [1], "a tuple"),
        ("sizes", (1, 0), "item 1 is a whole number at least 1"),
        ("pair", (1,), "a tuple of 2 values"),
        ("block", Bottleneck(), "a Basic or a Plain or None"),
    ],
)
def test_a_wrong_value_is_named_with_its_field_and_what_was_expected(field: str, value: Any, expected: str) -> None:
    with pytest.raises(DesignError) as caught:
        Holder(**{field: value})
    assert field in str(caught.value)
    assert repr(value) in str(caught.value)
    assert expected in str(caught.value)


def test_an_unknown_field_names_the_nearest() -> None:
    with pytest.raises(DesignError, match="no field 'class'; did you mean classes"):
        network("resnet18", **{"class": 10})


def test_designs_are_frozen_equal_hashable_and_printable() -> None:
    net = ResNet(block=Bottleneck(groups=32, base=4))
    assert net == network("resnext50_32x4d")
    assert hash(net) == hash(network("resnext50_32x4d"))
    assert eval(repr(net)) == net
    with pytest.raises(dataclasses.FrozenInstanceError):
        net.width = 3  # type: ignore[misc]
    assert dataclasses.replace(net, classes=10) == net.replace(classes=10)


def test_contradictory_fields_are_refused() -> None:
    with pytest.raises(DesignError, match="2 depths but 5 widths"):
        VGG(depths=(1, 1))


def test_designs_are_final() -> None:
    with pytest.raises(TypeError, match="inherits from ResNet, which is final"):
        type("Wider", (ResNet,), {})


@pytest.mark.parametrize("name", networks())
def test_every_network_survives_json(name: str) -> None:
    design = network(name)
    assert from_json(to_json(design)) == design
    assert from_json(to_json(design, None)) == design


@given(
    st.builds(
        RegNet,
        depth=st.integers(1, 60),
        w_0=st.integers(8, 300),
        w_a=st.floats(0.1, 300),
        w_m=st.floats(1.01, 4),
        group_width=st.integers(1, 200),
        squeeze=st.floats(0, 1),
    )
)
def test_any_regnet_survives_json(design: RegNet) -> None:
    again = from_json(to_json(design))
    assert again == design
    assert hash(again) == hash(design)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        "null",
        '{"type": "ResNet"}',
        '{"schema": 99, "type": "ResNet"}',
        '{"schema": true, "type": "ResNet"}',
        '{"schema": 1, "type": "os.system"}',
        '{"schema": 1, "type": "ResNet", "clases": 3}',
        '{"schema": 1, "type": "ResNet", "block": {}}',
        '{"schema": 1, "type": "ResNet", "width": "64"}',
        '{"schema": 1, "type": "Inception"}',
        '{"schema": 1, "type": ["ResNet"]}',
        '{"schema": 1, "type": "Recipe"}',
    ],
)
def test_bad_json_is_one_design_error(text: str) -> None:
    with pytest.raises(DesignError):
        from_json(text)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda x: st.lists(x) | st.dictionaries(st.text(max_size=6), x),
    )
)
def test_any_json_is_a_design_or_one_error(value: Any) -> None:
    with pytest.raises(DesignError):
        from_json(json.dumps(value))


def test_a_pickled_design_can_be_looked_up_in_another_process() -> None:
    """Hashes of strings differ between processes: a pickled design must not carry its own."""
    design = network("resnet18")
    hash(design)
    program = (
        "import pickle, sys; from netwright import network; d = pickle.load(sys.stdin.buffer); "
        "sys.exit(0 if d in {network('resnet18')} else 1)"
    )
    assert subprocess.run([sys.executable, "-c", program], input=pickle.dumps(design), check=False).returncode == 0
