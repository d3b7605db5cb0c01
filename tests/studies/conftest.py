"""What tests of studies share: a PostgreSQL server where its programs are installed, and a fresh database on it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.studies.postgres import MISSING, Server, programs, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    if programs() is None:
        pytest.skip(MISSING)
    with serving() as running:
        yield running


@pytest.fixture
def database(server: Server, request: pytest.FixtureRequest) -> str:
    """The URL of an empty database."""
    name = f"test_{abs(hash(request.node.nodeid))}"
    server.do(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)')
    server.do(f'CREATE DATABASE "{name}"')
    return server.url(name)
