"""The site, built once as `make docs` builds it, and what its pages hold."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path

import pytest
from filelock import FileLock

from tests.web.conftest import browser

__all__ = ["browser"]  # the same as for the workbench page

ROOT = Path(__file__).parents[2]


@dataclass
class Seen(HTMLParser):
    """What a page refers to and can be referred to by: `links` are (tag, attribute, where)."""

    links: list[tuple[str, str, str]] = field(default_factory=list)
    ids: set[str] = field(default_factory=set)
    codes: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()
        self._code: str | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name in ("href", "src", "data", "poster") and value:
                self.links.append((tag, name, value))
            elif name == "srcset":
                self.links += [(tag, name, one.split()[0]) for one in (value or "").split(",")]
            elif name in ("id", "name") and value:
                self.ids.add(value)
        self._code = "" if tag == "code" else self._code

    def handle_data(self, data: str) -> None:
        if self._code is not None:
            self._code += data

    def handle_endtag(self, tag: str) -> None:
        if tag == "code" and self._code is not None:
            self.codes.add(self._code)
            self._code = None


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Path:
    """The folder of the built site; processes that test beside each other build one."""
    base = tmp_path_factory.getbasetemp()
    made = (base if worker_id == "master" else base.parent) / "site"
    with FileLock(f"{made}.lock"):
        if not made.with_suffix(".log").exists():
            command = [
                sys.executable,
                "-W",
                "error::DeprecationWarning:netwright",
                "-m",
                "mkdocs",
                "build",
                "--strict",
                "-d",
                str(made),
            ]
            environment = os.environ | {"PYTHONPATH": str(ROOT / "src"), "NO_MKDOCS_2_WARNING": "1"}
            done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=900)
            assert done.returncode == 0, done.stderr[-4000:]
            made.with_suffix(".log").write_text(done.stderr)
    return made


@pytest.fixture(scope="session")
def pages(site: Path) -> dict[str, Seen]:
    """What each page holds, by its place on the site."""
    found = {}
    for path in sorted(site.rglob("*.html")):
        seen = Seen()
        seen.feed(path.read_text(encoding="utf-8"))
        found[path.relative_to(site).as_posix()] = seen
    return found
