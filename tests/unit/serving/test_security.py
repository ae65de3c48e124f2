import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from helpers.serving import DARK, Line, line, png

from fastdefect.serving.security import COOKIE, cookie_of, is_this_computer

TOKEN = "a-token-of-a-line-that-is-long"
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.fixture
def at(tmp_path: Path) -> Iterator[Line]:
    with line(tmp_path) as opened:
        yield opened


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Line]:
    settings = {"host": "0.0.0.0", "token": TOKEN, "allowed_hosts": ("line-3.example",)}
    with line(tmp_path, **settings) as opened:
        yield opened


def status(at: Line, path: str = "/today", method: str = "GET", **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return int(at.client.request(method, path, headers=named).status_code)


def test_without_the_token_only_the_checks_and_the_form_answer(locked: Line) -> None:
    refused = locked.client.get("/today")
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == "Bearer"
    assert refused.json()["type"] == "urn:fastdefect:no-token"
    for path in ("/openapi.json", "/metrics", "/queue", f"/photos/{'0' * 64}", "/nowhere", "/"):
        assert status(locked, path) == 401
    for path in ("/inspect", "/reload", "/answers/undo"):
        assert status(locked, path, "POST") == 401
    assert status(locked, "/healthz") == status(locked, "/readyz") == 200
    assert status(locked, "/healthz/../today") in (401, 404)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (f"Bearer {TOKEN}", 200),
        (f"bearer  {TOKEN}", 200),
        (f"Bearer {TOKEN}x", 401),
        ("Bearer ", 401),
        ("Bearer \xff", 401),
        (f"Basic {TOKEN}", 401),
        (TOKEN, 401),
    ],
)
def test_a_program_names_the_token(locked: Line, given: str, expected: int) -> None:
    headers = {"Authorization": given.encode("latin-1")}
    assert locked.client.get("/today", headers=headers).status_code == expected


def test_a_browser_is_led_to_the_form_and_gets_a_cookie(locked: Line) -> None:
    led = locked.client.get("/queue", headers={"Accept": "text/html,*/*"})
    assert (led.status_code, led.headers["location"]) == (303, "/login?next=/queue")
    wrong = locked.client.post("/login", data={"token": "wrong"})
    assert (wrong.headers["location"], "set-cookie" in wrong.headers) == ("/login?wrong=1", False)
    right = locked.client.post("/login", data={"token": TOKEN, "next": "/queue"})
    assert (right.status_code, right.headers["location"]) == (303, "/queue")
    cookie = right.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    assert TOKEN not in cookie
    assert locked.client.get("/today").status_code == 200
    locked.client.cookies.clear()
    for value in ("0" * 64, "", TOKEN, "\\"):
        assert status(locked, Cookie=f"{COOKIE}={value}") == 401


@pytest.mark.parametrize("place", ["//evil.example", "/\\evil.example", "https://evil.example", ""])
def test_the_form_leads_to_no_other_site(locked: Line, place: str) -> None:
    right = locked.client.post("/login", data={"token": TOKEN, "next": place})
    assert right.headers["location"] == "/"


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("localhost:8000", 200),
        ("LOCALHOST", 200),
        ("127.0.0.1:8000", 200),
        ("[::1]:8000", 200),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("192.168.1.7", 421),
        ("", 421),
        ("[", 421),
        ("localhost@evil.example", 421),
    ],
)
def test_only_the_names_of_this_server_answer(at: Line, host: str, expected: int) -> None:
    assert status(at, Host=host) == expected


def test_a_server_for_all_has_its_addresses_and_the_allowed_names(locked: Line) -> None:
    for host in ("192.168.1.7:8000", "line-3.example", "localhost"):
        assert status(locked, Host=host, **BEARER) == 200
    assert status(locked, Host="line-4.example", **BEARER) == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_a_page_of_another_site_changes_nothing(at: Line, headers: dict[str, str]) -> None:
    answer = at.client.post("/inspect", files={"photo": png(DARK)}, headers=headers)
    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:fastdefect:foreign-page"
    assert at.store.latest(1) == []


def test_an_own_page_and_a_program_may_send(at: Line) -> None:
    own = {"Origin": "http://localhost", "Sec-Fetch-Site": "same-origin"}
    for headers in (own, {}):
        answer = at.client.post("/inspect", files={"photo": png(DARK)}, headers=headers)
        assert answer.status_code == 200


def test_each_answer_has_the_headers_that_bind_a_browser(locked: Line) -> None:
    for answer in (locked.client.get("/healthz"), locked.client.get("/nowhere")):
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        assert "unsafe" not in answer.headers["content-security-policy"]
        assert answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store"
        assert "server" not in answer.headers


def test_a_body_other_than_photos_is_small(at: Line) -> None:
    large = b'{"person": "' + b"x" * 20_000 + b'"}'
    kind = {"Content-Type": "application/json"}
    answer = at.client.post("/answers/undo", content=large, headers=kind)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:fastdefect:too-large")


@pytest.mark.parametrize(
    ("path", "kind"), [("/inspect", "image/png"), ("/answers/undo", "application/json")]
)
def test_a_body_without_end_is_given_up(tmp_path: Path, path: str, kind: str) -> None:
    async def drip() -> AsyncIterator[bytes]:
        while True:
            yield b" "
            await anyio.sleep(0.02)

    async def ask(app: Any) -> httpx2.Response:
        transport = httpx2.ASGITransport(app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(path, content=drip(), headers={"Content-Type": kind})

    with line(tmp_path, timeout=0.15) as at:
        started = time.monotonic()
        answer = anyio.run(ask, at.client.app)
    assert time.monotonic() - started < 5
    assert (answer.status_code, answer.json()["type"]) == (408, "urn:fastdefect:slow-request")
    assert answer.headers["connection"] == "close"


def test_this_computer() -> None:
    assert all(map(is_this_computer, ("127.0.0.1", "127.8.8.8", "::1", "localhost")))
    assert not any(map(is_this_computer, ("0.0.0.0", "::", "192.168.1.7", "line-3")))
    assert cookie_of("a") != cookie_of("b")
