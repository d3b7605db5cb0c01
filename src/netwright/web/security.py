"""Who may ask the server for what: this machine's user, from the page itself, with the token of the printed address."""

from __future__ import annotations

import hmac
import secrets

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from netwright.web.exchange import reply

HOST = "127.0.0.1"
CSP = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' blob: data:",
        "object-src 'none'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    ]
)
HEADERS = {
    "Content-Security-Policy": CSP,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
}


def new_token() -> str:
    """A secret of 32 random bytes, fit for an address."""
    return secrets.token_urlsafe(32)


class Guard:
    """Refuses what does not come from the page, and marks every answer with what browsers need to know.

    A host other than this server's is refused whatever is asked (DNS rebinding). What is below /api/ needs the token, and
    what changes anything (not GET or HEAD) the page's own origin, so that no other site's page can ask in the user's name.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app = app
        self._token = token.encode()
        self._hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
        if port == 80:
            self._hosts |= {HOST, "localhost"}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        answer: ASGIApp = self.app if refusal is None else refusal

        async def marked(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store" if scope["path"].startswith("/api/") else "no-cache")
            await send(message)

        await answer(scope, receive, marked)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        if headers.get("host", "").lower() not in self._hosts or len(headers.getlist("host")) != 1:
            return reply({"error": "this server answers to 127.0.0.1 and localhost only"}, 403)
        if method not in ("GET", "HEAD") and not self._from_the_page(headers):
            return reply({"error": "this request does not come from the workbench page"}, 403)
        if path.startswith("/api/") and not self._has_token(headers):
            return reply({"error": "open the page with the address that `netwright ui` printed: it carries the token"}, 401)
        return None

    def _from_the_page(self, headers: Headers) -> bool:
        origins = {f"http://{host}" for host in self._hosts}
        return headers.get("origin", "").lower() in origins and headers.get("sec-fetch-site", "same-origin") == "same-origin"

    def _has_token(self, headers: Headers) -> bool:
        kind, _, given = headers.get("authorization", "").partition(" ")
        return kind.lower() == "bearer" and hmac.compare_digest(given.strip().encode(), self._token)
