"""A private PostgreSQL server, from the system's programs on a free loopback port: killed and started again at will."""

from __future__ import annotations

import contextlib
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg

ANYWHERE = Path("/usr/lib/postgresql")  # where Debian keeps them, one folder for each version; not on the PATH
MISSING = f"no PostgreSQL programs (initdb, postgres) on the PATH or under {ANYWHERE}: apt-get install postgresql"
LOCKED = "locked"  # the one user who is asked for a password
PASSWORD = "right"


def programs() -> Path | None:
    """The folder that holds initdb and postgres, of the newest version; None where they are not installed."""
    found = shutil.which("initdb")
    if found is not None and shutil.which("postgres") is not None:
        return Path(found).parent
    folders = [folder for folder in ANYWHERE.glob("*/bin") if (folder / "initdb").exists()]
    return max(folders, key=lambda folder: float(folder.parent.name), default=None)


def _user() -> str | None:
    """Whom to run it as: PostgreSQL refuses root."""
    if os.geteuid() != 0:
        return None
    known = {entry.pw_name for entry in pwd.getpwall()}
    return next(name for name in ("postgres", "nobody") if name in known)


def _free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


class Server:
    """A server on 127.0.0.1. Everybody is let in as `postgres`, and `locked` with the password `right`.

    It writes to disk as one in use does (fsync), and keeps its port when it is started again.
    """

    def __init__(self, folder: Path) -> None:
        found = programs()
        assert found is not None, MISSING
        self._programs, self._folder, self._user = found, folder, _user()
        self.port = _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            shutil.chown(folder, self._user)
        words = ["-D", str(folder / "data"), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"]
        self._run([str(found / "initdb"), *words]).communicate()
        access = folder / "data" / "pg_hba.conf"
        access.write_text(f"host all {LOCKED} 127.0.0.1/32 scram-sha-256\nhost all all 127.0.0.1/32 trust\n")

    def _run(self, words: list[str]) -> subprocess.Popen[bytes]:
        with (self._folder.parent / f"{self._folder.name}.log").open("ab") as log:
            return subprocess.Popen(
                words, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self._folder, user=self._user, start_new_session=True
            )

    def url(self, database: str = "postgres", user: str = "postgres") -> str:
        """Where a client finds a database."""
        return f"postgresql://{user}@127.0.0.1:{self.port}/{database}"

    def start(self, seconds: float = 60.0) -> None:
        """Start it and wait until it answers: after a crash, until it has recovered."""
        assert self._process is None, "it runs"
        options = {"port": str(self.port), "listen_addresses": "127.0.0.1", "unix_socket_directories": ""}
        words = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        self._process = self._run([str(self._programs / "postgres"), "-D", str(self._folder / "data"), *words])
        until = time.monotonic() + seconds
        while True:
            try:
                psycopg.connect(self.url(), connect_timeout=5).close()
                return
            except psycopg.OperationalError as error:
                assert self._process.poll() is None, f"PostgreSQL ended: see {self._folder}.log"
                if time.monotonic() > until:
                    raise error
                time.sleep(0.05)

    def do(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run one statement as the superuser; its rows, if it has any."""
        with psycopg.connect(self.url(database), autocommit=True) as connection:
            done = connection.execute(statement)  # type: ignore[call-overload,unused-ignore]
            return list(done.fetchall()) if done.description else []

    def kill(self) -> None:
        """Kill -9 the whole server, as a power cut would: the first process and all that it started."""
        assert self._process is not None, "it does not run"
        os.kill(self._process.pid, signal.SIGSTOP)  # it starts nobody else while its children are counted
        for pid in children(self._process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        os.kill(self._process.pid, signal.SIGKILL)
        self._process.wait()
        self._process = None

    def stop(self) -> None:
        """Stop it in order; nothing where it does not run."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)  # "fast": connections are ended
            try:
                self._process.wait(20)
                self._process = None
            except subprocess.TimeoutExpired:
                self.kill()


def children(parent: int) -> list[int]:
    """The processes that a process started and that are still there."""
    found = []
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            words = place.read_text().rpartition(")")[2].split()  # after the name: state, parent, ...
            if int(words[1]) == parent:
                found.append(int(place.parent.name))
    return found


@contextlib.contextmanager
def serving() -> Iterator[Server]:
    """A server that runs in the block; its folder is removed afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="netwright-postgres-"))
    folder.chmod(0o755)
    home = folder / "server"
    home.mkdir()
    server = Server(home)
    try:
        server.start()
        server.do(f"CREATE ROLE {LOCKED} LOGIN PASSWORD '{PASSWORD}'")
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)
