from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netwright.errors import NetwrightError
from netwright.units import parse_amount, parse_bytes, short_amount, short_bytes, short_seconds


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


@pytest.mark.parametrize(
    ("text", "count"),
    [("24GB", 24 * 10**9), ("24GiB", 24 * 2**30), ("512MB", 512 * 10**6), ("8G", 8 * 10**9), ("8Gi", 8 * 2**30),
     ("1.5 TiB", 3 * 2**39), ("0.5KiB", 512), ("1_000_000", 10**6), ("1,024", 1024), ("7B", 7), (7, 7),
     (" 16 gb ", 16 * 10**9), (".5M", 500_000)],
)  # fmt: skip
def test_bytes(text: str | int, count: int) -> None:
    assert parse_bytes(text) == count


@pytest.mark.parametrize(
    "text",
    ["", "GB", "-3GB", "0", "0.0GB", "0.3", "3 apples", "24GF", "24 G B", "24iB", "1.2.3MB", "3MBB", "0x10", "1e9", "nan", "inf",
     "3\u212ab", "\u0663GB", "9" * 5000, True, -1, 0, 1.5e-9, None, "24GB\nx"],
)  # fmt: skip
def test_what_is_no_number_of_bytes_is_refused_in_one_line(text: str) -> None:
    with pytest.raises(NetwrightError, match="is not a number of bytes: write a positive one such as 24GB") as raised:
        parse_bytes(text)
    assert "\n" not in str(raised.value)
    assert len(str(raised.value)) < 200


@given(st.text(alphabet="0123456789.,_ KkMGTiBb-e", max_size=12) | st.text(max_size=12))
def test_any_text_is_a_number_of_bytes_or_one_error(text: str) -> None:
    with contextlib.suppress(NetwrightError):
        assert parse_bytes(text) > 0


@given(st.integers(1, 10**15), st.sampled_from(["K", "M", "G", "T"]))
def test_bytes_are_read_exactly(count: int, prefix: str) -> None:
    assert parse_bytes(f"{count}{prefix}B") == parse_bytes(f"{count}{prefix}") == count * 1000 ** ("KMGT".index(prefix) + 1)
    assert parse_bytes(f"{count}{prefix}iB") == count * 1024 ** ("KMGT".index(prefix) + 1)


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.00 KB"), (102_228_128, "102 MB"), (24 * 10**9, "24.0 GB"), (2**40, "1.1 TB")],
)
def test_short_bytes(count: int, text: str) -> None:
    assert short_bytes(count) == text


@given(st.integers(1, 10**15))
def test_short_bytes_are_read_back_within_their_digits(count: int) -> None:
    assert abs(parse_bytes(short_bytes(count)) - count) <= 0.051 * count
