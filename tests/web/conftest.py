"""A server for each test, and a real browser that tolerates no error and no request beyond this machine."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.web.kept import fill
from tests.web.serving import Served, serving

CHROMIUM = shutil.which("chromium")


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A server that looks below `tmp_path / "root"`."""
    root = tmp_path / "root"
    root.mkdir()
    with serving(root) as made:
        yield made


@pytest.fixture(scope="session")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a study and a run; not to be changed."""
    made = tmp_path_factory.mktemp("kept")
    fill(made)
    return made


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    if CHROMIUM is None:
        pytest.skip("there is no chromium: apt-get install chromium")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        made = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield made
        made.close()


PATIENCE = 120_000  # ms: a busy machine is no fault of the page
# Counts the questions that are not answered yet; one whose answer is being read is not
COUNTING = """
  window.asking = 0;
  const counted = (ask) => function (...given) {
    window.asking += 1;
    return ask.apply(this, given).finally(() => setTimeout(() => (window.asking -= 1)));
  };
  window.fetch = counted(window.fetch);
  Response.prototype.json = counted(Response.prototype.json);
"""


@pytest.fixture
def new_page(browser: Any) -> Iterator[Callable[..., Any]]:
    """Makes pages in contexts of their own (with Playwright's words for these), closed after the test."""
    contexts = []

    def make(**words: Any) -> Any:
        context = browser.new_context(**words)
        contexts.append(context)
        context.set_default_timeout(PATIENCE)
        context.add_init_script(COUNTING)
        return context.new_page()

    yield make
    for context in contexts:
        context.close()


@pytest.fixture
def page(new_page: Callable[..., Any], served: Served) -> Iterator[Any]:
    """A page of 1280 px; after the test nothing may stand in its console, and it may have asked this server only."""
    made = new_page(viewport={"width": 1280, "height": 800})
    said: list[str] = []
    asked: set[str] = set()
    made.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    made.on("pageerror", lambda error: said.append(str(error)))
    made.on("request", lambda request: asked.add(request.url))
    yield made
    made.context.close()
    assert said == []
    outside = [url for url in asked if not url.startswith((served.origin, "blob:", "data:"))]
    assert outside == []


def settled(page: Any) -> None:
    """Wait until all that was asked is answered and shown: what is half drawn is not to be measured or judged."""
    page.wait_for_function("() => window.asking === 0")


def faults(page: Any) -> list[str]:
    """What axe-core finds wrong with the page as it stands: missing labels, alternatives, contrast, roles."""
    from axe_playwright_python.sync_playwright import Axe

    settled(page)
    found = Axe().run(page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:200]}" for one in found]
