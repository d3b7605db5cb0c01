"""The server's application: the page's files, the rooms' answers, and the guard before them all."""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from netwright.web import design_room, lab_room, predict_room, studies_room
from netwright.web.exchange import Plain, Workbench, asking, reading, reply
from netwright.web.jobs import Jobs
from netwright.web.refusals import told
from netwright.web.security import Guard
from netwright.web.storages import Storages
from netwright.web.tickets import Tickets

STATIC = Path(str(resources.files("netwright.web"))) / "static"


def create_app(token: str, port: int, root: Path, storages: Storages | None = None) -> Starlette:
    """The workbench of a server at `port` that asks for `token` and looks for runs and studies below `root` and in `storages`."""
    workbench = Workbench(root.resolve(), Jobs(), Tickets())
    rooms = {
        "design": design_room.routes(workbench),
        "lab": lab_room.routes(workbench),
        "studies": studies_room.routes(workbench, storages or Storages()),
        "predict": predict_room.routes(workbench),
    }
    api = [Mount(f"/{name}", routes=routes) for name, routes in rooms.items()]
    routes = [
        Route("/", _index, methods=["GET"]),
        Route("/static/vega.js", _vega, methods=["GET"]),
        Route("/report/{word}", _reports(workbench.tickets), methods=["GET"]),
        Mount("/static", StaticFiles(directory=STATIC)),
        Mount("/api", routes=[*api, *_jobs(workbench.jobs)]),
    ]
    guard = Middleware(Guard, token=token, port=port)
    app = Starlette(routes=routes, middleware=[guard], exception_handlers={404: _nothing, 405: _nothing})
    app.state.workbench = workbench
    return app


async def _index(request: Request) -> Response:
    return FileResponse(STATIC / "index.html")


def _vega(request: Request) -> Response:
    return Response(_bundle(), media_type="text/javascript", headers={"Cache-Control": "max-age=86400"})


@functools.cache
def _bundle() -> bytes:
    """Vega, Vega-Lite and Vega-Embed as vl-convert carries them: `vegaEmbed` of the window."""
    import vl_convert

    return vl_convert.javascript_bundle().encode()  # type: ignore[call-arg]  # its stub wants what has a default


# a report is a page of its own: it shows what is in it, and reaches nothing
REPORT_CSP = "; ".join(
    [
        "default-src 'none'",
        "style-src 'unsafe-inline'",
        "img-src data:",
        "font-src data:",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
        "sandbox allow-downloads",
    ]
)


def _reports(tickets: Tickets) -> Callable[[Request], Response]:
    def report(request: Request) -> Response:
        path = tickets.find(request.path_params["word"])
        if path is None:
            return PlainTextResponse("This address was good for ten minutes: open the report from the page again.", 404)
        return FileResponse(path, media_type="text/html", headers={"Content-Security-Policy": REPORT_CSP})

    return report


async def _nothing(request: Request, error: Exception) -> Response:
    status = getattr(error, "status_code", 404)
    return reply({"error": "there is nothing at this address" if status == 404 else "not to be asked so"}, status)


def _jobs(jobs: Jobs) -> list[Route]:
    def alive(asked: Plain) -> Plain:
        return {"alive": True}

    return [
        reading("/alive", alive),
        reading("/jobs/{id}", told(lambda asked: jobs.read(asked["id"]))),
        asking("/jobs/{id}/cancel", told(lambda asked: jobs.cancel(asked["id"]))),
    ]
