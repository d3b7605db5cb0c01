"""The server that the tests of studies use is one: it keeps what was committed through a kill -9 of all of it."""

from __future__ import annotations

import psycopg
import pytest

from tests.studies.postgres import LOCKED, PASSWORD, Server


def test_what_was_committed_outlives_a_kill_of_the_whole_server(server: Server) -> None:
    server.do("CREATE TABLE kept (n integer)")
    with psycopg.connect(server.url()) as held:
        server.do("INSERT INTO kept VALUES (7)")
        held.execute("INSERT INTO kept VALUES (8)")  # not committed
        server.kill()
        with pytest.raises(psycopg.OperationalError):
            held.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError, match="refused"):
        server.do("SELECT 1")
    server.start()
    assert server.do("SELECT n FROM kept") == [(7,)]


def test_only_the_locked_user_needs_a_password(server: Server) -> None:
    with pytest.raises(psycopg.OperationalError, match="password"):
        psycopg.connect(server.url(user=LOCKED))
    psycopg.connect(server.url(user=f"{LOCKED}:{PASSWORD}")).close()
