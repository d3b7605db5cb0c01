"""The server of the page: on this machine's own address only, until Ctrl-C."""

from __future__ import annotations

import gc
import socket
import threading
import webbrowser
from collections.abc import Callable
from pathlib import Path

import uvicorn

from netwright.errors import NetwrightError
from netwright.web import design_room
from netwright.web.app import create_app
from netwright.web.security import HOST, new_token
from netwright.web.storages import Storages


def serve(
    root: Path,
    *,
    port: int = 0,
    room: str = "design",
    browser: bool = True,
    say: Callable[[str], None] = print,
    storages: Storages | None = None,
) -> None:
    """Serve the page at a port (0: a free one) until Ctrl-C; `say` is told its address, the browser opens it.

    Studies are shown from below `root` and from `storages`. Raises NetwrightError for a folder that is not there and a port
    that is taken.
    """
    if not root.is_dir():
        raise NetwrightError(f"there is no folder {root}: give the one with your runs and studies with --root")
    listening = listen(port)
    port = listening.getsockname()[1]
    token = new_token()
    app = create_app(token, port, root, storages)
    address = f"http://{HOST}:{port}/?token={token}#{room}"
    say(f"netwright ui: {address}")
    say(f"looking below {root.resolve()}; Ctrl-C ends it")
    server = make_server(app, address if browser else "")
    threading.Thread(target=design_room.listed, name="the zoo's list", daemon=True).start()  # before it is asked for
    gc.set_threshold(100_000, 20, 50)  # else the collector looks at thousands of remembered blocks again and again
    try:
        server.run(sockets=[listening])
    except KeyboardInterrupt:  # uvicorn has closed all, and raises it again
        pass
    finally:
        app.state.workbench.jobs.close()
        listening.close()


def listen(port: int) -> socket.socket:
    """A socket of this machine's own address; port 0 is any free one. Raises NetwrightError for one that is taken."""
    made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        made.bind((HOST, port))
        made.listen(128)  # from here on nobody is turned away: who asks early waits
    except OSError as error:
        made.close()
        raise NetwrightError(f"port {port} cannot be used ({error.strerror or error}): choose another with --port") from None
    return made


class _Server(uvicorn.Server):
    """Opens the browser once it answers."""

    address = ""

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.address:
            webbrowser.open(self.address)


def make_server(app: object, address: str = "") -> uvicorn.Server:
    """The server of an application, which opens `address` in the browser where it is given."""
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        log_level="error",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=2,
    )
    server = _Server(config)
    server.address = address
    return server
