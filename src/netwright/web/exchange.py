"""What the page and the server say to each other: JSON in, JSON out, errors in one line, nothing too large."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from netwright.errors import FailedError, NetwrightError

if TYPE_CHECKING:
    from netwright.web.jobs import Jobs
    from netwright.web.tickets import Tickets

Plain = dict[str, Any]
MOST_JSON = 256_000  # bytes of a question


@dataclass(frozen=True)
class Workbench:
    """What all rooms of a server share: the folder below which it looks, its long actions, and addresses of files."""

    root: Path
    jobs: Jobs
    tickets: Tickets


class _Refused(Exception):  # noqa: N818
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def reading(path: str, answer: Callable[[Plain], Any]) -> Route:
    """A route that only reads (GET): `answer` gets the words of the address (of its path and after the `?`) as text."""

    async def endpoint(request: Request) -> Response:
        return await _answered(answer, {**request.query_params, **request.path_params})

    return Route(path, endpoint, methods=["GET"])


def asking(path: str, answer: Callable[[Plain], Any], quick: bool = False) -> Route:
    """A route for a question (POST): `answer` gets the JSON object that was sent, and the words of the path.

    A `quick` answer, of a few ms, is given at once, one after the other: a thread for each would make all of them late.
    """

    async def endpoint(request: Request) -> Response:
        try:
            asked = await _json_of(request)
        except _Refused as refused:
            return reply({"error": str(refused)}, refused.status)
        return await _answered(answer, asked | request.path_params, quick)

    return Route(path, endpoint, methods=["POST"])


def uploading(path: str, answer: Callable[[bytes, Plain], Any], most: int) -> Route:
    """A route for a file (POST) of at most so many bytes: `answer` gets it, and the words of the address as text."""

    async def endpoint(request: Request) -> Response:
        try:
            data = await _body_of(request, most)
        except _Refused as refused:
            return reply({"error": str(refused)}, refused.status)
        words = {**request.query_params, **request.path_params}
        return await _answered(lambda told: answer(data, told), words)

    return Route(path, endpoint, methods=["POST"])


async def _answered(answer: Callable[[Plain], Any], asked: Plain, quick: bool = False) -> Response:
    try:
        made = answer(asked) if quick else await run_in_threadpool(answer, asked)
        return made if isinstance(made, Response) else reply(made)
    except FailedError as error:
        return reply({"error": message_of(error)}, 500)
    except NetwrightError as error:
        return reply({"error": message_of(error)}, 400)
    except Exception as error:
        return reply({"error": message_of(error)}, 500)


def message_of(error: Exception) -> str:
    """What the page says of an error: one line, as the command line's."""
    told = str(error) if isinstance(error, NetwrightError) else f"failed: {type(error).__name__}: {error}"
    return " ".join(told.split())


def reply(value: Any, status: int = 200) -> Response:
    """A value as JSON."""
    return Response(dumped(value), status, media_type="application/json")


def dumped(value: Any) -> bytes:
    """JSON, in which numbers that are not finite are null."""
    try:
        return json.dumps(value, allow_nan=False, separators=(",", ":")).encode()
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False, separators=(",", ":")).encode()


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _finite(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


async def _json_of(request: Request) -> Plain:
    if request.headers.get("content-type", "").partition(";")[0].strip() != "application/json":
        raise _Refused(415, "send JSON (application/json)")
    try:
        asked = json.loads(await _body_of(request, MOST_JSON))
    except (ValueError, RecursionError) as error:
        raise _Refused(400, f"not JSON: {error}") from None
    if not isinstance(asked, dict):
        raise _Refused(400, "expected a JSON object")
    return asked


async def _body_of(request: Request, most: int) -> bytes:
    """The body, of which no more than `most` bytes are ever held."""
    told = f"too large: at most {most:,} bytes"
    length = request.headers.get("content-length", "0")
    if not length.isdigit() or int(length) > most:
        raise _Refused(413, told)
    parts, size = [], 0
    async for part in request.stream():
        size += len(part)
        if size > most:
            raise _Refused(413, told)
        parts.append(part)
    return b"".join(parts)
