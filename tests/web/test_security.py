"""Who is answered and who is refused, asked over real sockets; what every answer says to browsers; sizes."""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from netwright.errors import NetwrightError
from netwright.web.security import new_token
from netwright.web.server import listen, serve
from tests.web.serving import TOKEN, Served, serving


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One server for all: nothing that is refused changes it."""
    with serving(tmp_path_factory.mktemp("root")) as made:
        yield made


READS = ["/api/alive", "/api/design/choices", "/api/studies/list", "/api/jobs/x", "/api/anything"]
ASKS = ["/api/design/cost", "/api/design/table", "/api/jobs/x/cancel", "/api/studies/report/x", "/api/anything"]


@pytest.mark.parametrize("path", READS)
@pytest.mark.parametrize("given", ["", "Bearer", "Bearer wrong", f"Basic {TOKEN}", TOKEN, f"Bearer {TOKEN}x", "Bearer ü"])
def test_nothing_is_read_without_the_token(served: Served, path: str, given: str) -> None:
    headers = {"Authorization": given.encode("latin-1")} if given else {}
    answer = served.ask("GET", path, headers=headers)  # type: ignore[arg-type]
    assert answer.status == 401
    assert list(answer.json) == ["error"]


@pytest.mark.parametrize("path", ASKS)
def test_nothing_is_asked_without_the_token(served: Served, path: str) -> None:
    headers = {"Origin": served.origin, "Content-Type": "application/json"}
    assert served.ask("POST", path, b"{}", headers).status == 401
    assert served.ask("POST", f"{path}?token={TOKEN}", b"{}", headers).status == 401  # a token in an address leaks


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "localhost.evil.example:{port}", "[::1]:{port}", ""],
)
def test_another_host_is_refused_whatever_it_asks(served: Served, host: str) -> None:
    """A name of someone else's that resolves to this machine (DNS rebinding)."""
    headers = served.authorized | {"Host": host.format(port=served.port)}
    for path in ("/", "/static/app.js", "/api/alive", "/report/x"):
        assert served.ask("GET", path, headers=headers).status == 403, path


def test_localhost_is_this_server_too(served: Served) -> None:
    assert served.ask("GET", "/api/alive", headers=served.authorized | {"Host": f"localhost:{served.port}"}).status == 200


@pytest.mark.parametrize("path", ASKS)
@pytest.mark.parametrize(
    "origin",
    [None, "null", "http://evil.example", "https://127.0.0.1:{port}", "http://127.0.0.1:1", "http://127.0.0.1.evil.example"],
)
def test_what_another_page_sends_is_refused(served: Served, path: str, origin: str | None) -> None:
    headers = served.authorized | {"Content-Type": "application/json"}
    del headers["Origin"]
    headers |= {} if origin is None else {"Origin": origin.format(port=served.port)}
    assert served.ask("POST", path, b"{}", headers).status == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "none"])
def test_what_the_browser_says_is_from_elsewhere_is_refused(served: Served, site: str) -> None:
    headers = served.authorized | {"Content-Type": "application/json", "Sec-Fetch-Site": site}
    assert served.ask("POST", "/api/design/cost", b"{}", headers).status == 403


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_do_nothing(served: Served, method: str) -> None:
    assert served.ask(method, "/api/design/cost", headers=served.authorized).status in (400, 404, 405)


def test_every_answer_tells_browsers_what_is_allowed(served: Served) -> None:
    asked = [
        ("GET", "/"),
        ("GET", "/static/app.js"),
        ("GET", "/static/nothing"),
        ("GET", "/api/alive"),
        ("POST", "/api/x"),
        ("GET", "/report/x"),
    ]
    for method, path in asked:
        for headers in ({}, served.authorized, {"Host": "evil.example"}):
            answer = served.ask(method, path, headers=headers)
            policy = dict(part.strip().split(" ", 1) for part in answer.headers["content-security-policy"].split(";"))
            assert policy["default-src"] == "'self'"
            assert policy["frame-ancestors"] == policy["object-src"] == policy["base-uri"] == policy["form-action"] == "'none'"
            assert "unsafe" not in answer.headers["content-security-policy"]
            assert "script-src" not in policy  # the default holds
            assert answer.headers["x-content-type-options"] == "nosniff"
            assert answer.headers["referrer-policy"] == "no-referrer"
            assert "access-control-allow-origin" not in answer.headers
            assert "server" not in answer.headers


def test_answers_with_anything_of_the_users_are_not_kept(served: Served) -> None:
    assert served.ask("GET", "/api/alive", headers=served.authorized).headers["cache-control"] == "no-store"


@pytest.mark.parametrize("kind", [None, "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_only_json_is_read(served: Served, kind: str | None) -> None:
    """What a form of another page could send."""
    headers = served.authorized | ({} if kind is None else {"Content-Type": kind})
    assert served.ask("POST", "/api/design/cost", b"{}", headers).status == 415


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"3", b'"x"', b"\xff", b"[" * 100_000, b'{"a":' * 50_000, b"NaN"])
def test_what_is_no_object_is_refused_in_one_line(served: Served, body: bytes) -> None:
    answer = served.ask("POST", "/api/design/cost", body, served.authorized | {"Content-Type": "application/json"})
    assert answer.status == 400
    assert "\n" not in answer.json["error"]


def test_a_large_question_is_refused(served: Served) -> None:
    headers = served.authorized | {"Content-Type": "application/json"}
    body = json.dumps({"net": "x" * 300_000}).encode()
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it hung up before all was sent
        assert served.ask("POST", "/api/design/cost", body, headers).status == 413
    assert served.get("/alive") == {"alive": True}


def test_a_large_question_without_a_length_is_cut_off(served: Served) -> None:
    head = [
        f"POST /api/design/cost HTTP/1.1\r\nHost: 127.0.0.1:{served.port}",
        "Transfer-Encoding: chunked",
        "Content-Type: application/json",
    ]
    head += [f"{name}: {value}" for name, value in served.authorized.items()]
    with socket.create_connection(("127.0.0.1", served.port), timeout=60) as connection:
        connection.sendall("\r\n".join([*head, "", ""]).encode())
        try:
            for _ in range(40):
                connection.sendall(b"4000\r\n" + b" " * 0x4000 + b"\r\n")
        except (BrokenPipeError, ConnectionResetError):
            return
        assert b" 413 " in connection.recv(4096).split(b"\r\n")[0] + b" "


@pytest.mark.parametrize(
    "path",
    ["/static/../app.py", "/static/%2e%2e/app.py", "/static/..%2fapp.py", "/static//etc/passwd", "/..%2f..%2fpyproject.toml"],
)
def test_no_path_leads_out_of_the_pages_files(served: Served, path: str) -> None:
    assert served.ask("GET", path).status == 404


def test_the_pages_files_hold_no_inline_script_or_style(served: Served) -> None:
    page = served.ask("GET", "/").body.decode()
    assert "<style" not in page
    assert " style=" not in page
    assert " onclick=" not in page
    assert page.count("<script") == page.count('<script type="module" src=')
    assert "http" not in page.replace("http-equiv", "")


def test_it_listens_on_this_machine_only() -> None:
    with listen(0) as socket_:
        assert socket_.getsockname()[0] == "127.0.0.1"


def test_a_port_that_is_taken_is_told_with_a_way_out() -> None:
    with listen(0) as taken, pytest.raises(NetwrightError, match=r"port \d+ cannot be used .*--port"):
        listen(taken.getsockname()[1])


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(NetwrightError, match=r"there is no folder .*--root"):
        serve(tmp_path / "nothing", browser=False)


def test_tokens_differ_and_fit_an_address() -> None:
    tokens = {new_token() for _ in range(50)}
    assert len(tokens) == 50
    assert all(len(token) >= 43 and token.replace("-", "").replace("_", "").isalnum() for token in tokens)
