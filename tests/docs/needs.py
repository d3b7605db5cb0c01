"""What pages ask for by `<!-- needs: ... -->`: shared data under the name that the page uses, a database, a program."""

from __future__ import annotations

import contextlib
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import SHARED
from tests.docs.pages import Page
from tests.studies.postgres import MISSING, programs, serving


@contextlib.contextmanager
def supplied(page: Page, folder: Path) -> Iterator[dict[str, str]]:
    """The variables of a shell that has everything; skips, saying why, where something is absent."""
    variables: dict[str, str] = {}
    with contextlib.ExitStack() as stack:
        for what, name in page.needs:
            if what == "postgresql":
                if programs() is None:
                    pytest.skip(MISSING)
                variables["STORAGE"] = stack.enter_context(serving()).url()
            elif not SHARED.is_dir():
                pytest.skip(f"real pictures are not at {SHARED}: set NETWRIGHT_SHARED")
            elif what == "imagenette":
                _unpack(SHARED / "imagenette224" / "imagenette224_dev.tar", folder / name)
            else:
                (folder / name).symlink_to((SHARED / what).resolve(strict=True))
        yield variables


def _unpack(archive: Path, folder: Path) -> None:
    """The tar's one folder, under the name that is wanted."""
    aside = folder.with_name(f"{folder.name}-tar")
    with tarfile.open(archive) as tar:
        tar.extractall(aside, filter="data")
    (inner,) = aside.iterdir()
    shutil.move(inner, folder)
    aside.rmdir()
