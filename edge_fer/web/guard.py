"""What every request passes and every answer carries, so that no other web site can look through this page."""

import ipaddress
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

READING: Final = ("GET", "HEAD")
SECURITY_HEADERS: Final = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'"
    ),
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",  # or any site could show the camera in an <img>
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class Hosts:
    """The host names to which a page answers.

    Args:
        names: these; upper and lower case are the same.
        addresses: every IP address as well. No foreign page can be loaded under one that is ours.
    """

    def __init__(self, names: Iterable[str], *, addresses: bool) -> None:
        self._names = frozenset(name.lower() for name in names)
        self._addresses = addresses

    def __contains__(self, name: object) -> bool:
        return name in self._names or (self._addresses and is_address(name))

    def __str__(self) -> str:
        return ", ".join([*sorted(self._names), *(["an IP address"] if self._addresses else [])])


def is_address(name: object) -> bool:
    """Whether a host name is an IP address."""
    try:
        return isinstance(name, str) and ipaddress.ip_address(name) is not None
    except ValueError:
        return False


class Guard:
    """ASGI middleware: refuses requests to foreign host names, and from foreign sites, and adds `SECURITY_HEADERS`.

    A page elsewhere may let its own name point to 127.0.0.1 and so become same-origin with us (DNS rebinding); it
    cannot change the Host header that the browser then sends.
    """

    def __init__(self, app: ASGIApp, *, hosts: Hosts) -> None:
        self._app = app
        self._hosts = hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        app: ASGIApp = self._app
        headers = Headers(scope=scope)
        if host_name(headers.get("host", "")) not in self._hosts:
            app = PlainTextResponse(f"This page answers only to these host names: {self._hosts}.\n", status_code=421)
        elif scope["method"] not in READING and not from_this_page(headers):
            app = PlainTextResponse("Only this page itself may ask for that.\n", status_code=403)
        await app(scope, receive, send_guarded)


def from_this_page(headers: Headers) -> bool:
    """Whether a request comes from this page or from a program: other sites' browsers always name their origin."""
    origin = headers.get("origin")
    same = origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower()
    return same and headers.get("sec-fetch-site", "same-origin") == "same-origin"


def host_name(header: str) -> str | None:
    """The name in a Host header, in lower case, without port and brackets; None where there is none."""
    try:
        return urlsplit(f"//{header}").hostname
    except ValueError:
        return None
