"""What viewers may ask of the daemon: pause, resume, stop.

A command needs a header with a token that only this page can read, beside the check of origins that `Guard` makes:
another site can send a form here, but neither read the token nor set the header.
"""

import logging
import secrets
from collections.abc import Callable
from typing import Final, TypeAlias

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from edge_fer.control import Wish
from edge_fer.web.access import BY_TOKEN, NO_STORE, refusal

Ask: TypeAlias = Callable[[Wish], None]

COMMANDS: Final = {"pause": Wish.PAUSE, "resume": Wish.RESUME, "stop": Wish.STOP}
TOKEN_HEADER: Final = "x-edge-fer-token"  # noqa: S105 - its name, not its value

_log = logging.getLogger(__name__)


def command_routes(ask: Ask, *, locked: bool) -> list[Route]:
    """`GET /api/session` gives the token, `POST /api/commands/NAME` takes it and asks for what the name says.

    Args:
        ask: takes the wishes.
        locked: whether viewers are logged in, and so can log out.
    """
    token = secrets.token_urlsafe(32)

    async def session(_: Request) -> Response:
        return JSONResponse({"token": token, "locked": locked}, headers=NO_STORE)

    async def command(request: Request) -> Response:
        name = request.path_params["name"]
        if name not in COMMANDS:
            return refusal(404, f"There is no such command; there are {', '.join(COMMANDS)}.")
        known = secrets.compare_digest(request.headers.get(TOKEN_HEADER, "").encode(), token.encode())
        if not (known or request.scope[BY_TOKEN]):
            return refusal(403, f"The header {TOKEN_HEADER} must hold the token of /api/session.")
        _log.info("A viewer at %s asks for %s", request.client.host if request.client else "?", name)
        ask(COMMANDS[name])
        return JSONResponse({"command": name}, status_code=202, headers=NO_STORE)

    return [Route("/api/session", session), Route("/api/commands/{name}", command, methods=["POST"])]
