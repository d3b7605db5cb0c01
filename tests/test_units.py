from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwright.errors import NetwrightError
from netwright.units import parse_amount, short_amount, short_seconds


@pytest.mark.parametrize(
    ("text", "amount"),
    [("30M", 30_000_000), ("1.8G", 1_800_000_000), ("0.4GF", 400_000_000), ("25_000", 25_000), ("2e6", 2_000_000),
     ("0.3k", 300), (".5M", 500_000), ("1,000", 1000), (7, 7)],
)  # fmt: skip
def test_amounts(text: str | int, amount: int) -> None:
    assert parse_amount(text) == amount


@pytest.mark.parametrize(
    "text", ["", "M", "-3M", "0", "0.0G", "3 apples", "1e", "nan", "inf", "1.2.3M", "3MM", "0x10", "1e-3", True]
)
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(NetwrightError, match="not an amount"):
        parse_amount(text)


@given(st.integers(1, 10**15))
def test_an_integer_is_read_back_exactly(amount: int) -> None:
    assert parse_amount(str(amount)) == amount
    assert parse_amount(f"{amount}K") == amount * 1000


@given(st.integers(0, 999), st.integers(1, 999), st.sampled_from("KMGT"))
def test_decimal_fractions_are_exact(whole: int, thousandths: int, prefix: str) -> None:
    power = {"K": 3, "M": 6, "G": 9, "T": 12}[prefix]
    assert parse_amount(f"{whole}.{thousandths:03d}{prefix}") == (whole * 1000 + thousandths) * 10 ** (power - 3)


@given(st.text(max_size=12))
def test_any_text_is_an_amount_or_one_error(text: str) -> None:
    with contextlib.suppress(NetwrightError):
        assert parse_amount(text) > 0


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1000, "1.00 K"),
        (25_557_032, "25.6 M"),
        (397_677_568, "398 M"),
        (999_600, "1.00 M"),
        (4.1e12, "4.1 T"),
    ],
)
def test_short_amounts_keep_three_digits(count: float, text: str) -> None:
    assert short_amount(count) == text


@pytest.mark.parametrize(("seconds", "text"), [(8.24, "8.2 s"), (185, "3 min 05 s"), (7800, "2 h 10 min"), (59.99, "1 min 00 s")])
def test_short_seconds(seconds: float, text: str) -> None:
    assert short_seconds(seconds) == text
