"""A real server in a thread, and plain questions to it."""

from __future__ import annotations

import contextlib
import http.client
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from netwright.web.app import create_app
from netwright.web.server import listen, make_server
from netwright.web.storages import Storages

TOKEN = "a-token-of-tests"


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Served:
    port: int
    app: Any = field(repr=False)

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def address(self) -> str:
        return f"{self.origin}/?token={TOKEN}"

    def ask(self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> Answer:
        """A request with exactly these headers (and Host, Content-Length where they are not given)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            answer = connection.getresponse()
            return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    @property
    def authorized(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {TOKEN}", "Origin": self.origin}

    def get(self, path: str) -> Any:
        return self.ask("GET", f"/api{path}", headers=self.authorized).json

    def post(self, path: str, value: Any) -> Any:
        headers = self.authorized | {"Content-Type": "application/json"}
        return self.ask("POST", f"/api{path}", json.dumps(value).encode(), headers).json


@contextlib.contextmanager
def serving(root: Path, port: int = 0, storages: Storages | None = None) -> Iterator[Served]:
    listening = listen(port)
    port = listening.getsockname()[1]
    app = create_app(TOKEN, port, root, storages)
    server = make_server(app)
    thread = threading.Thread(target=lambda: server.run(sockets=[listening]))
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.01)
    try:
        yield Served(port, app)
    finally:
        app.state.workbench.jobs.close()
        server.should_exit = True
        thread.join(60)
        listening.close()
        assert not thread.is_alive()
