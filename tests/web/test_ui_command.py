"""`netwright ui` and `netwright lab` as processes: what they print, what answers there, how they end."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from netwright.cli import main


@contextlib.contextmanager
def started(words: list[str], folder: Path) -> Iterator[tuple[subprocess.Popen[str], int, str, str]]:
    """The process, and the port, token and room of the address that it prints."""
    environment = os.environ | {"BROWSER": "true"}
    process = subprocess.Popen(
        [sys.executable, "-m", "netwright", *words],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.fullmatch(r"netwright ui: http://127\.0\.0\.1:(\d+)/\?token=([\w-]{43})#(\w+)\n", line)
        assert found is not None, line
        yield process, int(found[1]), found[2], found[3]
    finally:
        process.kill()
        process.communicate()


def status(port: int, path: str, headers: dict[str, str]) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers=headers)
    found = connection.getresponse().status
    connection.close()
    return found


@pytest.mark.parametrize(("words", "room"), [(["ui", "--no-browser"], "design"), (["lab"], "lab")])
def test_it_prints_its_address_answers_there_and_ends_with_ctrl_c(words: list[str], room: str, tmp_path: Path) -> None:
    with started(words, tmp_path) as (process, port, token, shown):
        assert shown == room
        assert process.stdout is not None
        assert process.stdout.readline().startswith(f"looking below {tmp_path.resolve()}")
        assert status(port, "/", {}) == 200
        assert status(port, "/api/alive", {}) == 401
        assert status(port, "/api/alive", {"Authorization": f"Bearer {token}"}) == 200
        process.send_signal(signal.SIGINT)
        _, wrong = process.communicate(timeout=60)
        assert (process.returncode, wrong) == (0, "")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("ui --root nothing", "there is no folder nothing"),
        ("ui --port 99999", "99999 is not in the range"),
        ("ui --port x", "'x' is not a valid integer"),
        ("ui extra", "unexpected extra argument"),
        ("lab --budget 5", "--budget goes with --landscape"),
    ],
)
def test_mistakes_are_one_line(
    words: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(words.split()) == 2
    told = capsys.readouterr().err
    assert message in told
    assert told.count("\n") == 1


def test_a_taken_port_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from netwright.web.server import listen

    with listen(0) as taken:
        assert main(["ui", "--no-browser", "--root", str(tmp_path), "--port", str(taken.getsockname()[1])]) == 2
    assert "--port" in capsys.readouterr().err
