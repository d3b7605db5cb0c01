"""What mkdocs calls while it builds the site: pages read off the code, links within the repository, folders in the nav."""

from __future__ import annotations

import posixpath
import re
from pathlib import Path
from typing import Any

import commands
import families
import recipes
import references
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[2]
SOURCES = ("examples/*.py", "examples/*.sh", "benchmarks/*.py")  # shown as they are, each on a page of its own
TAKEN = ("CHANGELOG.md", "CONTRIBUTING.md", "benchmarks/*.md", "benchmarks/results/*.md", "examples/*.md")  # pages beside docs/
READ = (  # code that a page is read off
    (r"src/netwright/zoo/(\w+)\.py", r"zoo/\1.md"),
    (r"src/netwright/cli/(\w+?)(?:_command)?\.py", r"reference/cli/\1.md"),
    (r"src/netwright/(__init__)\.py", r"reference/api/\1.md"),
)
LINK = re.compile(r"(\]\()(?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that no file of docs/ holds, in the order that the nav gives them."""
    for written in (families.pages(), recipes.pages(), commands.pages(), references.pages(), sources()):
        for uri, text in written.items():
            files.append(File.generated(config, uri, content=text))
    for path in [path for pattern in TAKEN for path in sorted(ROOT.glob(pattern))]:
        files.append(File.generated(config, page_of(path.relative_to(ROOT).as_posix()), abs_src_path=str(path)))
    files.append(File.generated(config, "assets/icon.svg", abs_src_path=str(ROOT / "src/netwright/web/static/icon.svg")))
    nav = config.nav or []
    shown = listed(nav)
    config.nav = expanded(nav, [uri for uri in files.src_uris if uri.endswith(".md") and uri not in shown])
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links are written for the repository, where the reader of a file follows them; here they lead to the file's page."""
    path, uri = page.file.abs_src_path, page.file.src_uri
    return LINK.sub(lambda found: found[1] + moved(found[2], Path(path), uri), markdown) if path else markdown


def sources() -> dict[str, str]:
    """Examples and benchmarks as pages of code."""
    paths = [path for pattern in SOURCES for path in sorted(ROOT.glob(pattern))]
    return {page_of(path.relative_to(ROOT).as_posix()): code_page(path) for path in paths}


def code_page(path: Path) -> str:
    """One file of code as a page."""
    kind = {".py": "python", ".sh": "bash"}.get(path.suffix, "text")
    return f"# {path.relative_to(ROOT).as_posix()}\n\n````{kind}\n{path.read_text(encoding='utf-8')}````\n"


# ---------------------------------------------------------------- links


def page_of(path: str) -> str:
    """Where a file of the repository stands on the site."""
    for pattern, page in READ:
        if found := re.fullmatch(pattern, path):
            return found.expand(page).replace("__init__", "index")
    if path.startswith("docs/"):
        return path.removeprefix("docs/")
    if path in TAKEN:
        return path.lower()
    if path.endswith(".md"):
        return path.replace("/results/", "/").replace("README", "index")
    return f"source/{path}.md"


def moved(link: str, path: Path, uri: str) -> str:
    """A link of the file `path` as its page `uri` says it."""
    place = posixpath.join(path.relative_to(ROOT).parent.as_posix(), link)
    return posixpath.relpath(page_of(posixpath.normpath(place)), posixpath.dirname(uri) or ".")


# ---------------------------------------------------------------- the nav


def listed(nav: Any) -> set[str]:
    """All paths of a nav."""
    if isinstance(nav, str):
        return {nav}
    return {path for item in (nav.values() if isinstance(nav, dict) else nav) for path in listed(item)}


def expanded(items: list[Any], pages: list[str]) -> list[Any]:
    """The nav with each folder's pages in its place, in the order of `pages`."""
    made: list[Any] = []
    for item in items:
        if isinstance(item, str):
            made += inside(item, pages) if item.endswith("/") else [item]
            continue
        ((title, inner),) = item.items()
        if isinstance(inner, str) and not inner.endswith("/"):
            made.append(item)
        else:
            made.append({title: expanded([inner] if isinstance(inner, str) else inner, pages)})
    return made


def inside(folder: str, pages: list[str]) -> list[Any]:
    """A folder's pages; those of the claims book under its chapters, as its first page has them."""
    found = [uri for uri in pages if uri.startswith(folder)]
    if folder != "claims/":
        return found
    chapters = (ROOT / "docs/claims.md").read_text(encoding="utf-8").split("\n## ")[1:]
    return [{text.partition("\n")[0]: re.findall(r"\]\((claims/[^)]+\.md)\)", text)} for text in chapters]
