"""Who may look at the page: nobody without the password or the token, where one is configured."""

import asyncio
import hashlib
import ipaddress
import json
import logging
import secrets
from collections import deque
from collections.abc import Iterable
from typing import Final

from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from edge_fer.password import LONGEST, is_password, is_token
from edge_fer.web.feed import Clock

SESSION_S: Final = 7 * 24 * 3600
MOST_SESSIONS: Final = 100
"""Beyond, the oldest is forgotten."""

WINDOW_S: Final = 60.0
MOST_FAILURES: Final = 5
"""Wrong passwords in so many seconds from one address, after which it has to wait."""
MOST_FAILURES_IN_ALL: Final = 20
"""Likewise from all addresses, of which an attacker may have many."""

BODY_TIMEOUT_S: Final = 10.0
LONGEST_BODY_B: Final = 64 + 12 * LONGEST
"""A password in JSON: a character may take twelve bytes."""

BY_TOKEN: Final = "edge_fer.by_token"  # noqa: S105 - a key in a request's scope
NO_STORE: Final = {"cache-control": "no-store"}

_log = logging.getLogger(__name__)


class Throttle:
    """Counts wrong passwords of the last `WINDOW_S`; its memory is bounded by what it lets through."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._failures: deque[tuple[float, str]] = deque()

    def wait_s(self, address: str) -> float:
        """Seconds until this address may try again; 0 if it may now."""
        now_s = self._clock()
        while self._failures and self._failures[0][0] <= now_s - WINDOW_S:
            self._failures.popleft()
        mine = [failed_s for failed_s, who in self._failures if who == _network(address)]
        if len(mine) >= MOST_FAILURES:
            return mine[0] + WINDOW_S - now_s
        if len(self._failures) >= MOST_FAILURES_IN_ALL:
            return self._failures[0][0] + WINDOW_S - now_s
        return 0.0

    def count(self, address: str) -> None:
        """Note a try, as a failure until it is forgiven."""
        self._failures.append((self._clock(), _network(address)))

    def forgive(self, address: str) -> None:
        """Forget the failures of somebody who turned out to know the password."""
        self._failures = deque(one for one in self._failures if one[1] != _network(address))


class Sessions:
    """Who has given the password. Only hashes are kept, so no comparison tells anything about a valid id."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._until_s: dict[bytes, float] = {}

    def open(self) -> str:
        """A new session's id."""
        while len(self._until_s) >= MOST_SESSIONS:
            del self._until_s[next(iter(self._until_s))]
        identity = secrets.token_urlsafe(32)
        self._until_s[_digest(identity)] = self._clock() + SESSION_S
        return identity

    def holds(self, identity: str) -> bool:
        """Whether this is the id of a session that is still open."""
        return self._until_s.get(_digest(identity), 0.0) > self._clock()

    def close(self, identity: str) -> None:
        """End a session, if it is one."""
        self._until_s.pop(_digest(identity), None)


class Access:
    """The lock of one page.

    Args:
        password_hash: of the password; None leaves the page open.
        token_hash: of the token for scripts, if there is one.
        cookie: name of the session's cookie; browsers share cookies between the ports of a host.
        secure: whether the page is served over TLS, so that the cookie must never travel without.
        clock: monotonic seconds.
    """

    def __init__(
        self, *, password_hash: str | None, token_hash: str | None, cookie: str, secure: bool, clock: Clock
    ) -> None:
        self._password_hash = password_hash
        self._token_hash = token_hash
        self._cookie = cookie
        self._secure = secure
        self._sessions = Sessions(clock)
        self._throttle = Throttle(clock)
        self._checking = asyncio.Lock()

    @property
    def locked(self) -> bool:
        """Whether there is a password at all."""
        return self._password_hash is not None

    def admits(self, request: Request) -> bool:
        """Whether this request comes with a session, or without need of one."""
        return not self.locked or self._sessions.holds(request.cookies.get(self._cookie, ""))

    def admits_script(self, request: Request) -> bool:
        """Whether this request comes with the token for scripts."""
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        return self._token_hash is not None and scheme.lower() == "bearer" and is_token(token, self._token_hash)

    def routes(self) -> list[Route]:
        """`POST /api/login` takes `{"password": …}` and opens a session, `POST /api/logout` ends it."""
        return [
            Route("/api/login", self._login, methods=["POST"]),
            Route("/api/logout", self._logout, methods=["POST"]),
        ]

    async def _login(self, request: Request) -> Response:
        address = request.client.host if request.client else ""
        wait_s = self._throttle.wait_s(address)
        if wait_s:
            headers = {"retry-after": str(int(wait_s) + 1)}
            return refusal(429, "Too many wrong passwords; wait a minute.", headers)
        password = await _password_in(request)
        if password is None or self._password_hash is None:
            return refusal(400, 'Send {"password": "…"} as JSON.')
        self._throttle.count(address)
        async with self._checking:  # one at a time: each takes 16 MiB
            right = await asyncio.to_thread(is_password, password, self._password_hash)
        if not right:
            _log.warning("A wrong password for the live page came from %s", address)
            return refusal(403, "This is not the password.")
        self._throttle.forgive(address)
        response = Response(status_code=204, headers=NO_STORE)
        response.set_cookie(
            self._cookie, self._sessions.open(), SESSION_S, httponly=True, samesite="strict", secure=self._secure
        )
        return response

    async def _logout(self, request: Request) -> Response:
        self._sessions.close(request.cookies.get(self._cookie, ""))
        response = Response(status_code=204, headers=NO_STORE)
        response.delete_cookie(self._cookie, httponly=True, samesite="strict", secure=self._secure)
        return response


class Lock:
    """ASGI middleware: lets only those through whom `Access` admits, except to what is public."""

    def __init__(self, app: ASGIApp, *, access: Access, public: Iterable[str]) -> None:
        self._app = app
        self._access = access
        self._public = frozenset(public)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        request = Request(scope)
        app: ASGIApp = self._app
        scope[BY_TOKEN] = self._access.admits_script(request)
        if not (scope["path"] in self._public or scope[BY_TOKEN] or self._access.admits(request)):
            if scope["path"] == "/":
                app = RedirectResponse("/login", status_code=303, headers=NO_STORE)
            else:
                app = refusal(401, "Log in first, or send the token.", {"www-authenticate": "Bearer"})
        await app(scope, receive, send)


def refusal(status: int, sentence: str, headers: dict[str, str] | None = None) -> Response:
    """An answer that says in one sentence why not."""
    return JSONResponse({"error": sentence}, status_code=status, headers=NO_STORE | (headers or {}))


async def _password_in(request: Request) -> str | None:
    """The password that a request brings, if it brings one in a body of the right form, length and pace."""
    try:
        password = json.loads(await asyncio.wait_for(_body(request), BODY_TIMEOUT_S))["password"]
        password.encode()
    except (asyncio.TimeoutError, ClientDisconnect, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return str(password)


async def _body(request: Request) -> bytes:
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LONGEST_BODY_B:
            raise ValueError("too long")
    return body


def _network(address: str) -> str:
    """What one customer of a provider has: an IPv4 address, or 64 bits of IPv6."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    return address if parsed.version == 4 else str(ipaddress.ip_network((parsed, 64), strict=False))


def _digest(identity: str) -> bytes:
    return hashlib.sha256(identity.encode()).digest()
