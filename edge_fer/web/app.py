"""The page's addresses: static files, the state as JSON and as server-sent events, and the newest picture.

Pictures are fetched, not pushed: a slow viewer then asks less often, instead of looking at a growing backlog.
"""

import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from importlib.resources import files
from typing import Final

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from edge_fer.web.access import NO_STORE, Access, Lock, refusal
from edge_fer.web.commands import Ask, command_routes
from edge_fer.web.feed import Feed
from edge_fer.web.guard import Guard, Hosts

MEDIA_TYPES: Final = {
    ".css": "text/css",
    ".html": "text/html",
    ".js": "text/javascript",
    ".svg": "image/svg+xml",
}
REVALIDATE: Final = {"cache-control": "no-cache"}
HEALTHY_S = 10.0
"""The daemon is healthy while the inference loop spoke in the last so many seconds."""


PAGES: Final = {"index.html": "/", "login.html": "/login"}


def make_app(feed: Feed, *, ask: Ask, access: Access, hosts: Hosts) -> Starlette:
    """The ASGI application.

    Args:
        feed: what it shows.
        ask: takes its viewers' wishes.
        access: who may be a viewer.
        hosts: the names to which it answers.
    """

    async def state(_: Request) -> Response:
        return JSONResponse(feed.state(), headers=NO_STORE)

    async def events(_: Request) -> Response:
        return StreamingResponse(_event_stream(feed), media_type="text/event-stream", headers=NO_STORE)

    async def history(_: Request) -> Response:
        return JSONResponse(feed.history(), headers=NO_STORE)

    async def picture(_: Request) -> Response:
        if not feed.shows_pictures:
            return PlainTextResponse("Pictures are off: web.pictures is false.\n", status_code=404, headers=NO_STORE)
        newest = feed.jpeg()
        if newest is None:
            return Response(status_code=204, headers=NO_STORE)
        seq, jpeg = newest
        return Response(jpeg, media_type="image/jpeg", headers={**NO_STORE, "picture-seq": str(seq)})

    async def healthz(_: Request) -> Response:
        silent_s = feed.silent_s()
        healthy = silent_s is not None and silent_s < HEALTHY_S
        status = "ok" if healthy else "starting" if silent_s is None else "stalled"
        return JSONResponse(
            {"status": status, "silent_s": None if silent_s is None else round(silent_s, 3)},
            status_code=200 if healthy else 503,
            headers=NO_STORE,
        )

    async def openapi(_: Request) -> Response:
        return Response(description, media_type="application/json", headers=REVALIDATE)

    description = files("edge_fer.web").joinpath("openapi.json").read_bytes()
    static = list(_static_routes())
    public = {"/api/login", "/healthz", *(route.path for route in static if route.path != "/")}
    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/api/state", state),
            Route("/api/events", events),
            Route("/api/history", history),
            Route("/api/openapi.json", openapi),
            Route("/metrics", _metrics(feed)),
            Route("/picture.jpg", picture),
            *access.routes(),
            *command_routes(ask, locked=access.locked),
            *static,
        ],
        middleware=[Middleware(Guard, hosts=hosts), Middleware(Lock, access=access, public=public)],
    )


def _metrics(feed: Feed) -> Callable[[Request], Awaitable[Response]]:
    try:
        from edge_fer.web.exposition import MEDIA_TYPE, Exposition  # noqa: PLC0415 - an extra of its own
    except ModuleNotFoundError as error:
        sentence = f"{error.name} is not installed; run `pip install 'edge-fer[metrics]'`."

        async def missing(_: Request) -> Response:
            return refusal(501, sentence)

        return missing
    exposition = Exposition(feed)

    async def metrics(_: Request) -> Response:
        return Response(exposition.text(), headers=NO_STORE | {"content-type": MEDIA_TYPE})

    return metrics


async def _event_stream(feed: Feed) -> AsyncIterator[str]:
    yield "retry: 1000\n\n"
    async for state in feed.states():
        yield f"data: {json.dumps(state, allow_nan=False)}\n\n"
    yield "event: stopped\ndata: {}\n\n"


def _static_routes() -> Iterable[Route]:
    """A route per file of `static/`; they are few and small, so they are read once, and no path is ever looked up."""
    for file in files("edge_fer.web").joinpath("static").iterdir():
        suffix = "." + file.name.rpartition(".")[2]
        if suffix in MEDIA_TYPES:
            path = PAGES.get(file.name, f"/{file.name}")
            yield Route(path, _static_file(file.read_bytes(), MEDIA_TYPES[suffix]))


def _static_file(content: bytes, media_type: str) -> Callable[[Request], Awaitable[Response]]:
    async def serve(_: Request) -> Response:
        return Response(content, media_type=media_type, headers=REVALIDATE)

    return serve
