"""The page on a machine without a network: no name is resolved, no address but its own is reached, and every room works."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.conftest import CHROMIUM, settled
from tests.web.kept import HOSTILE
from tests.web.serving import Served, serving
from tests.web.test_predict_browser import handed_over
from tests.web.test_predict_room import picture

# What a browser asks for by itself (updates, suggestions) is told off the same way
UNPLUGGED = ["--no-sandbox", "--host-resolver-rules=MAP * ~NOTFOUND , EXCLUDE 127.0.0.1"]


@pytest.fixture(scope="module")
def served(root: Path) -> Iterator[Served]:
    with serving(root) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=UNPLUGGED)
        yield made
        made.close()


def test_with_the_network_unplugged_every_room_works(page: Any, served: Served) -> None:
    page.goto(served.address)
    page.get_by_text("4,089,184,256", exact=True).first.wait_for()
    page.locator(".drawing svg [data-rows]").first.wait_for()

    page.get_by_role("link", name="Lab", exact=True).click()
    page.wait_for_selector(".lab tbody tr")
    page.get_by_label("figure", exact=True).select_option("1.2")
    page.get_by_role("button", name="Draw").click()
    assert page.locator(".lab figure img").evaluate("one => one.decode().then(() => one.naturalWidth)") > 100

    page.get_by_role("link", name="Studies", exact=True).click()
    page.get_by_role("button", name=HOSTILE).click()
    for chart in ("Accuracy against macs", "Error distribution", "Learning curves"):
        page.get_by_role("img", name=chart).locator("svg").wait_for()
    page.locator(".found button").filter(has_not_text="sub").click()
    page.get_by_role("button", name="Open the report").click()
    page.frame_locator("iframe").locator("figure svg").first.wait_for()
    page.get_by_role("button", name="Close").click()

    page.get_by_role("link", name="Predict", exact=True).click()
    page.wait_for_selector("text=PageTiny: 10 classes")
    handed_over(page, "drop", picture(), "holiday.png")
    page.wait_for_selector(".cover:not([hidden])")
    settled(page)
    assert page.evaluate("document.fonts.size") == 0  # none but the system's


def test_nothing_of_the_page_names_another_address() -> None:
    """Styles and scripts fetch by these words only; a namespace is a name, not an address."""
    from netwright.web.app import STATIC

    for path in sorted(STATIC.rglob("*.*")):
        text = path.read_text().replace("http://www.w3.org/", "")
        assert not [word for word in ("http:", "https:", "@import", "@font-face", "url(", 'src="//') if word in text], path
