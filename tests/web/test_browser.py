"""The page in a real Chromium: each room's main path, by mouse and by keyboard, narrow and wide."""

from __future__ import annotations

from typing import Any

from tests.web.conftest import faults
from tests.web.serving import Served


def test_the_rooms_open_and_the_token_leaves_the_address(page: Any, served: Served) -> None:
    page.goto(served.address)
    page.wait_for_selector("h1")
    assert "token" not in page.url
    for room in ("Lab", "Studies", "Predict", "Design"):
        page.get_by_role("link", name=room).click()
        page.wait_for_selector(f".room.{room.lower()}")
    assert faults(page) == []
