"""Numbers with units, read and written: `30M`, `1.8G`, `0.4GF`, `24GB`."""

from __future__ import annotations

import re

from netwright.errors import NetwrightError

_PREFIX = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}
_AMOUNT = re.compile(r"\s*(\d+(?:\.\d*)?|\.\d+)(?:e(\d+))?\s*([KMGT]?)F?\s*", re.IGNORECASE)
_BYTES = re.compile(r"\s*(\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})\s*(?:([KMGT])(i)?)?B?\s*", re.IGNORECASE | re.ASCII)


def parse_amount(text: str | int) -> int:
    """A count such as macs or params: `30M`, `1.8G`, `0.4GF` (RegNet's way of writing macs), `25_000`, `2e6`.

    Returns a positive integer; the prefixes are decimal. Raises NetwrightError for anything else.

    >>> parse_amount("1.8G")
    1800000000
    """
    found = _AMOUNT.fullmatch(str(text).replace("_", "").replace(",", ""))
    if found is not None and not isinstance(text, bool):
        digits, exponent, prefix = found.groups()
        whole, _, fraction = digits.partition(".")
        # in integers throughout: 0.3 has no exact float
        scale = _PREFIX[prefix.upper()] * 10 ** min(int(exponent or 0), 30)
        amount: int = int((whole or "0") + fraction) * scale // 10 ** len(fraction)
        if amount > 0:
            return amount
    raise NetwrightError(f"{text!r} is not an amount: write a positive number such as 30M, 1.8G or 0.4GF")


def short_amount(count: int | float) -> str:
    """Three significant digits with a decimal prefix: 25.6 M, 397.7 M -> '398 M'."""
    for prefix in ("", "K", "M", "G"):
        if count < 999.5:
            digits = 0 if not prefix or count >= 99.95 else 1 if count >= 9.995 else 2
            return f"{count:.{digits}f} {prefix}".strip()
        count /= 1000
    return f"{count:,.1f} T"


def counted(count: int, noun: str) -> str:
    """A count with its noun.

    >>> counted(1, "epoch"), counted(1200, "picture")
    ('1 epoch', '1,200 pictures')
    """
    return f"{count:,} {noun}{'s' * (count != 1)}"


def short_seconds(seconds: float) -> str:
    """'8.2 s', '3 min 05 s', '2 h 10 min'."""
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest:02d} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02d} min"


def parse_bytes(text: str | int) -> int:
    """A number of bytes: `24GB` (decimal), `24GiB` (powers of two), `512MB`, `8G` (as 8GB), `1_000_000`.

    Returns a positive integer. Raises NetwrightError for anything else.

    >>> parse_bytes("24GB"), parse_bytes("24GiB")
    (24000000000, 25769803776)
    """
    found = _BYTES.fullmatch(str(text).replace("_", "").replace(",", ""))
    if found is not None and not isinstance(text, bool):
        digits, prefix, binary = found.groups()
        whole, _, fraction = digits.partition(".")
        power = " KMGT".index((prefix or " ").upper())
        # in integers throughout, as amounts are
        count: int = int((whole or "0") + fraction) * (1024 if binary else 1000) ** power // 10 ** len(fraction)
        if count > 0:
            return count
    raise NetwrightError(f"{str(text)[:40]!r} is not a number of bytes: write a positive one such as 24GB, 24GiB, 512MB or 8G")


def short_bytes(count: int | float) -> str:
    """Three significant digits with a decimal prefix: 24_000_000_000 -> '24.0 GB'."""
    amount = short_amount(count)
    return f"{amount}B" if amount[-1].isalpha() else f"{amount} B"


_TIME = re.compile(r"\s*(\d{1,15}(?:\.\d{0,15})?|\.\d{1,15})\s*(ms|s|us)?\s*", re.IGNORECASE | re.ASCII)


def parse_milliseconds(text: str | float) -> float:
    """Milliseconds: `5`, `5.5ms`, `800us`, `0.2s`.

    Returns a positive number. Raises NetwrightError for anything else.

    >>> parse_milliseconds("0.2s"), parse_milliseconds(5)
    (200.0, 5.0)
    """
    found = _TIME.fullmatch(str(text))
    if found is not None and not isinstance(text, bool):
        milliseconds = float(found[1]) * {"s": 1e3, "us": 1e-3}.get((found[2] or "").lower(), 1.0)
        if milliseconds > 0:
            return milliseconds
    raise NetwrightError(f"{str(text)[:40]!r} is not a time: write positive milliseconds such as 5, 5.5ms or 0.2s")
