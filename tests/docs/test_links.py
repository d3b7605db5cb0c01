"""No dead link: what a page of the repository points to is there, files and headings alike."""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = sorted(
    [*ROOT.glob("*.md"), *(page for name in ("docs", "benchmarks", "examples") for page in (ROOT / name).rglob("*.md"))]
)


def without_blocks(text: str) -> str:
    return re.sub(r"^( *)```.*?^\1```", "", text, flags=re.DOTALL | re.MULTILINE)


def without_code(text: str) -> str:
    text = re.sub(r"^ {4}.*$", "", without_blocks(text), flags=re.MULTILINE)
    return re.sub(r"(`+)[^`].*?\1", "", text)


@functools.cache
def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and as Python-Markdown make them, and those it sets itself."""
    text = without_blocks(page.read_text())
    found = {one or other for one, other in re.findall(r"id=\"([^\"]+)\"|\{#([\w-]+)\}", text)}
    for heading in re.findall(r"^#+ +(.+?) *#*$", text, flags=re.MULTILINE):
        plain = re.sub(r"[`*]|\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).strip()
        found |= {slug.replace(" ", "-"), re.sub(r"[-\s]+", "-", slug)}
    return found


def links(page: Path) -> list[str]:
    """What a page points to in this repository: links, images, and those written in HTML."""
    text = without_code(page.read_text())
    found = re.findall(r"\]\(\s*<?([^)\s>]+)>?(?:\s+\"[^\"]*\")?\s*\)", text)
    found += re.findall(r"^\[[^\]]+\]:\s*(\S+)", text, flags=re.MULTILINE) + re.findall(r"(?:src|href)=\"([^\"]+)\"", text)
    return [link for link in found if not re.match(r"[a-z]+:", link)]


def test_there_are_pages_and_links() -> None:
    assert len(PAGES) > 80
    assert len(links(ROOT / "README.md")) > 40


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_no_link_is_dead(page: Path) -> None:
    dead = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        inside = target.is_relative_to(ROOT)
        if not inside or not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            dead.append(link)
    assert dead == []
