"""Which requests are answered: by the token, the name of this server, and the page of origin."""

import asyncio
import hmac
from collections.abc import Iterable
from http.cookies import CookieError, SimpleCookie
from ipaddress import ip_address
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from fastdefect.serving.problems import FOREIGN, MISDIRECTED, NO_TOKEN, SLOW, TOO_LARGE, Problem
from fastdefect.serving.settings import MOST_NAME, SMALL_BODY, Settings
from fastdefect.text import without_controls

COOKIE = "fastdefect"
_COOKIE_SECONDS = 30 * 24 * 3600
_OPEN = frozenset({"/healthz", "/readyz", "/login"})
_OPEN_BELOW = "/static/"
_PHOTOS = "/inspect"  # which has limits of its own
_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
_THIS_COMPUTER = frozenset({"localhost", "127.0.0.1", "::1"})
_EVERYWHERE = frozenset({"0.0.0.0", "::"})

_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; "
        "connect-src 'self'; font-src 'self'; manifest-src 'self'; media-src 'self' blob:; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
}


def is_this_computer(host: str) -> bool:
    """Whether only this computer can reach a server that binds to ``host``."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def cookie_of(token: str) -> str:
    """The value of the cookie after the token was sent. The token can't be computed from it."""
    return hmac.new(token.encode(), b"fastdefect page", "sha256").hexdigest()


def is_token(settings: Settings, given: str) -> bool:
    """Whether ``given`` is the token, compared in constant time; always if there is none."""
    return settings.token is None or hmac.compare_digest(settings.token.encode(), given.encode())


def remember(response: Response, token: str, *, secure: bool) -> None:
    """Set the cookie with which a browser need not send the token again."""
    response.set_cookie(
        COOKIE,
        cookie_of(token),
        max_age=_COOKIE_SECONDS,
        httponly=True,
        samesite="strict",
        secure=secure,
    )


class Guard:
    """Refuses requests before they reach the app, and adds headers to all answers."""

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app, self._settings = app, settings
        self._hosts = _names(settings.host, settings.allowed_hosts)
        self._any_address = settings.host in _EVERYWHERE

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_safe(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("Cache-Control", "no-store")
            await send(message)

        refusal = self._refusal(scope["method"], scope["path"], Headers(scope=scope))
        bounded = _bounded(receive, scope["path"], self._settings.timeout)
        await (refusal or self._app)(scope, bounded, send_safe)

    def _refusal(self, method: str, path: str, headers: Headers) -> Response | None:
        host = headers.get("host", "")
        if not self._is_ours(_name_of(host)):
            return Problem(
                MISDIRECTED,
                f"Expected a name of this server in the Host header, but got "
                f"{without_controls(host[:MOST_NAME])!r}.",
                "Start the server with --allow-host NAME.",
            ).response()
        if method not in _SAFE and _is_foreign(headers, host):
            return Problem(
                FOREIGN,
                "Expected a page of this server, but a page of another site sent the request.",
                "Send it from a page of this server, or from a program without the header Origin.",
            ).response()
        if path in _OPEN or path.startswith(_OPEN_BELOW) or self._has_token(headers):
            return None
        if method == "GET" and "text/html" in headers.get("accept", ""):
            return RedirectResponse(f"/login?next={quote(path)}", 303)
        return Problem(
            NO_TOKEN,
            "Expected the token of this server, but the request has none, or a wrong one.",
            "Send the header Authorization: Bearer TOKEN.",
            {"WWW-Authenticate": "Bearer"},
        ).response()

    def _is_ours(self, name: str) -> bool:
        if name in self._hosts:
            return True
        # An address can't be made to lead elsewhere, as a name can (DNS rebinding).
        return self._any_address and _is_address(name)

    def _has_token(self, headers: Headers) -> bool:
        token = self._settings.token
        if token is None:
            return True
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            return is_token(self._settings, given.strip())
        cookie = _cookie(headers.getlist("cookie"))
        return hmac.compare_digest(cookie_of(token).encode(), cookie.encode())


def _bounded(receive: Receive, path: str, seconds: float) -> Receive:
    """``receive`` that raises ``Problem`` if the body is late, or too large for its path."""
    end = asyncio.get_running_loop().time() + seconds
    more, got = True, 0

    async def received() -> Message:
        nonlocal more, got
        if not more:  # waits for the client to leave
            return await receive()
        try:
            async with asyncio.timeout_at(end):
                message = await receive()
        except TimeoutError:
            text = f"Expected the whole request within {seconds:g} s."
            hint = "Check the network, or send smaller photos."
            raise Problem(SLOW, text, hint, {"Connection": "close"}) from None
        more = bool(message.get("more_body"))
        got += len(message.get("body", b""))
        if got > SMALL_BODY and path != _PHOTOS:
            text = f"{path}: expected at most {SMALL_BODY} bytes."
            raise Problem(TOO_LARGE, text, f"Send photos to {_PHOTOS}.")
        return message

    return received


def _names(host: str, allowed: Iterable[str]) -> frozenset[str]:
    own = {host} - _EVERYWHERE
    return frozenset({_name_of(each) for each in (*own, *allowed)} | _THIS_COMPUTER)


def _name_of(host: str) -> str:
    """A host without its port, in small letters."""
    if host.count(":") > 1 and not host.startswith("["):
        return host.lower()  # an IPv6 address alone
    try:
        return (urlsplit(f"//{host}").hostname or "").rstrip(".")
    except ValueError:
        return ""


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True


def _is_foreign(headers: Headers, host: str) -> bool:
    """Whether a browser sends the request for a page of another site."""
    if headers.get("sec-fetch-site", "none") not in ("same-origin", "none"):
        return True
    origin = headers.get("origin")
    return origin is not None and _place_of(origin) != host.lower()


def _place_of(origin: str) -> str:
    """The host and port of an origin; empty for ``null``."""
    try:
        return urlsplit(origin).netloc.lower()
    except ValueError:
        return ""


def _cookie(lines: list[str]) -> str:
    jar: SimpleCookie = SimpleCookie()
    try:
        for line in lines:
            jar.load(line)
    except CookieError:
        return ""
    return jar[COOKIE].value if COOKIE in jar else ""
