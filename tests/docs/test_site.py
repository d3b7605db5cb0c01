"""The documentation site: whole, without dead links, the same without a network, and complete."""

from __future__ import annotations

import csv
import importlib
import inspect
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import click
import pytest
from axe_playwright_python.sync_playwright import Axe

import netwright
from netwright.cli import COMMANDS, cli
from netwright.training.recipes.presets import PRESETS
from tests.docs.conftest import ROOT, Seen

pytestmark = pytest.mark.slow

LOOKED_AT = (
    "index.html",
    "zoo/index.html",
    "zoo/resnet.html",
    "claims/o2-sphere-and-canyon.html",
    "recipes.html",
    "benchmarks/designing.html",
    "reference/cli/search.html",
    "reference/api/index.html",
    "reference/api/optim.html",
    "changelog.html",
)


def test_every_link_leads_somewhere(site: Path, pages: dict[str, Seen]) -> None:
    dead = []
    for place, seen in pages.items():
        for _, _, link in seen.links if place != "404.html" else ():  # a server shows that one at any depth
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = posixpath.normpath(posixpath.join(posixpath.dirname(place), unquote(parts.path))) if parts.path else place
            known = pages.get(target)
            anchor = unquote(parts.fragment)
            if not (site / target).is_file() or (anchor and known is not None and anchor not in known.ids):
                dead.append(f"{place}: {link}")
    assert dead == []
    assert len(pages) > 180


def test_nothing_is_loaded_from_another_host(site: Path, pages: dict[str, Seen]) -> None:
    loaded = [(place, link) for place, seen in pages.items() for tag, _, link in seen.links if tag != "a"]
    assert [one for one in loaded if urlsplit(one[1]).netloc] == []
    assert len(loaded) > 1000
    for path in site.rglob("*.css"):
        assert re.findall(r"url\(['\"]?(?:https?:)?//[^)]*|@import", path.read_text()) == [], path


def test_every_network_is_on_a_familys_page(pages: dict[str, Seen]) -> None:
    codes = {code for place, seen in pages.items() if place.startswith("zoo/") for code in seen.codes}
    assert set(netwright.networks()) - codes == set()


def test_the_families_pages_have_the_right_numbers(site: Path) -> None:
    """Those that were read off the reference implementations."""
    text = "".join(path.read_text() for path in sorted((site / "zoo").glob("*.html")))
    shown = re.findall(r"<td[^>]*><code>(\w+)</code></td>" + r"\s*<td[^>]*>([\d,]+)</td>" * 4, text)
    counts = {name: [int(number.replace(",", "")) for number in numbers] for name, *numbers in shown}
    with (ROOT / "tests/golden/exact.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if not row["form"]]
    right = {row["network"]: [int(row[key]) for key in ("image", "params", "macs", "acts")] for row in rows}
    right = {name: numbers for name, numbers in right.items() if numbers[0] == counts[name][0]}  # at its own resolution
    assert len(right) > 60
    assert {name: counts[name] for name in right} == right


def test_a_familys_page_names_its_sources(site: Path) -> None:
    text = (site / "zoo" / "resnet.html").read_text()
    for told in ("https://arxiv.org/abs/1512.03385", "resnet50-11ad3fa6.pth", "fan-out", "class ResNet"):
        assert told in re.sub("<span[^>]*>|</span>", "", text)


def options(command: click.Command) -> Iterator[str]:
    for parameter in command.params:
        if isinstance(parameter, click.Option) and not parameter.hidden:
            yield from parameter.opts
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        yield from options(inner)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_is_on_a_page(name: str, site: Path, pages: dict[str, Seen]) -> None:
    command = cli.get_command(click.Context(cli), name)
    assert command is not None
    words = " ".join(pages[f"reference/cli/{name}.html"].codes)
    assert [option for option in options(command) if option not in words] == []
    assert f">{COMMANDS[name]}<" in (site / "reference" / "cli" / "index.html").read_text()


def test_every_public_name_is_in_the_reference(pages: dict[str, Seen]) -> None:
    ids = {anchor for place, seen in pages.items() if place.startswith("reference/api/") for anchor in seen.ids}
    assert {f"netwright.{name}" for name in netwright.__all__} - ids == set()


def test_what_the_guides_import_is_in_the_reference(pages: dict[str, Seen]) -> None:
    ids = {anchor for place, seen in pages.items() if place.startswith("reference/api/") for anchor in seen.ids}
    text = "\n".join(path.read_text() for path in [*ROOT.glob("docs/**/*.md"), ROOT / "README.md", *ROOT.glob("examples/*.py")])
    asked = [
        (module, name)
        for module, names in re.findall(r"from (netwright[\w.]*) import ([\w, ]+)", text)
        for name in names.split(",")
    ]
    asked += [(f"netwright.{module}", name) for module, name in re.findall(r"nw\.(\w+)\.(\w+)\(", text)]
    assert len(asked) > 20
    missing = []
    for module, name in ((module, name.strip()) for module, name in asked):
        value = getattr(importlib.import_module(module), name)
        if (inspect.isclass(value) or inspect.isroutine(value)) and not ids & {f"{module}.{name}", f"netwright.{name}"}:
            missing.append(f"{module}.{name}")
    assert missing == []


def test_every_recipe_result_and_claim_is_there(pages: dict[str, Seen]) -> None:
    assert set(PRESETS) <= pages["recipes.html"].ids
    assert {f"{path.stem}.html" for path in ROOT.glob("benchmarks/results/*.md")} <= {
        link for *_, link in pages["benchmarks/index.html"].links
    }
    assert {f"benchmarks/{path.stem}.html" for path in ROOT.glob("benchmarks/results/*.md")} <= set(pages)
    assert {f"claims/{path.stem}.html" for path in ROOT.glob("docs/claims/*.md")} <= set(pages)


# ---------------------------------------------------------------- in a browser, from disk, without a network


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    """A page that reaches no host and may say nothing in its console."""
    context = browser.new_context(offline=True, viewport={"width": 1280, "height": 800})
    made = context.new_page()
    said: list[str] = []
    asked: set[str] = set()
    made.on("console", lambda message: said.append(message.text) if message.type in ("error", "warning") else None)
    made.on("pageerror", lambda error: said.append(str(error)))
    made.on("request", lambda request: asked.add(request.url))
    made.set_default_timeout(60_000)
    yield made
    context.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:", "blob:", "about:"))] == []


def test_the_search_works_from_disk(site: Path, page: Any) -> None:
    page.goto((site / "index.html").as_uri())
    page.locator(".md-search__input").press_sequentially("heavy_ball_optimum")
    found = page.locator(".md-search-result__link").first
    found.wait_for()
    assert "reference/api/lab.html" in found.get_attribute("href")


def test_a_family_shows_its_drawing(site: Path, page: Any) -> None:
    page.goto((site / "zoo/vgg.html").as_uri())
    drawn = page.locator("img[alt='vgg16 as netwright draws it']")
    assert drawn.evaluate("image => image.complete && image.naturalWidth") > 500
    assert drawn.bounding_box()["width"] > 500


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_colours_can_be_read(scheme: str, site: Path, browser: Any) -> None:
    context = browser.new_context(offline=True, color_scheme=scheme)
    made = context.new_page()  # axe-core asks for style sheets in its own way, which a browser refuses from disk and says so
    for place in ("index.html", "zoo/vgg.html"):
        made.goto((site / place).as_uri())
        found = Axe().run(made).response["violations"]
        assert [one["nodes"][0]["html"] for one in found if one["id"] in ("color-contrast", "link-in-text-block")] == []
    context.close()


@pytest.mark.parametrize("place", LOOKED_AT)
def test_a_narrow_page_does_not_scroll_sideways(place: str, site: Path, page: Any) -> None:
    page.set_viewport_size({"width": 390, "height": 800})
    page.goto((site / place).as_uri())
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert page.locator("h1").first.is_visible()
