"""Quick start and tutorials run as printed, in a fresh folder, and print what they show; the Python of the other pages runs."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.needs import supplied
from tests.docs.pages import Block, Page, parse
from tests.docs.running import ROOT, run_page

DOCS = ROOT / "docs"
TUTORIALS = [DOCS / "quickstart.md", *sorted((DOCS / "tutorials").glob("*.md"))]
LONG = {"quickstart", "block_and_space", "finetune", "several_machines", "export", "budget", "optimizers"}
PLOTTED = {"race.svg"}  # of floating point numbers, whose last digits differ between processors
OTHERS = sorted(path for path in DOCS.glob("*.md") if path not in TUTORIALS and "```python" in path.read_text())


def run(page: Page, folder: Path) -> None:
    folder.mkdir()
    with supplied(page, folder) as variables:
        wrong = run_page(page, folder, **variables)
    assert not wrong, "\n\n".join(wrong)


@pytest.mark.parametrize(
    "path", [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in LONG), id=path.stem) for path in TUTORIALS]
)
def test_the_page_runs_as_printed(path: Path, tmp_path: Path) -> None:
    text = path.read_text()
    run(parse(text), tmp_path / "reader")
    for picture in re.findall(r"\]\((?:\.\./)?images/(\w+\.svg)\)", text):
        made = (tmp_path / "reader" / picture).read_text()
        assert picture in PLOTTED or made == (DOCS / "images" / picture).read_text(), picture


@pytest.mark.parametrize("path", OTHERS, ids=lambda path: path.stem)
def test_the_python_of_the_other_pages_runs(path: Path, tmp_path: Path) -> None:
    """All of it: what cannot run says why, in a comment before it."""
    page = parse(path.read_text())
    blocks = [Block(block.line, block.language, block.text, block.title) for block in page.blocks if block.language == "python"]
    run(Page(blocks, page.needs), tmp_path / "reader")


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_files_that_a_page_shows_are_those_of_the_examples(path: Path) -> None:
    for block in parse(path.read_text()).blocks:
        if block.title is not None:
            assert block.text == (ROOT / "examples" / block.title).read_text(), block.title


@pytest.mark.parametrize("path", TUTORIALS, ids=lambda path: path.stem)
def test_a_page_ends_with_where_to_go_next(path: Path) -> None:
    _, _, last = path.read_text().rpartition("\n## ")
    assert last.startswith("Where to go next\n")
    links = re.findall(r"\]\(([^)#]+)", last)
    assert len(links) >= 2
    assert [link for link in links if not (path.parent / link).exists()] == []
