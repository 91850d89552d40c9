"""uvicorn, set up to live in one thread of a daemon that is about something else."""

import asyncio
import socket
from collections.abc import Iterable

import uvicorn

from edge_fer.web.app import make_app
from edge_fer.web.commands import Ask
from edge_fer.web.feed import PICTURES_PER_S, Feed

MOST_CONNECTIONS = 64
"""With so many open, requests are answered with 503."""


FAREWELL_S = 2 / PICTURES_PER_S
"""Time for viewers to hear that the page closes."""


class Server(uvicorn.Server):
    """A uvicorn server that does not wait for long for its viewers when it stops: one that hangs would never go."""

    def __init__(self, config: uvicorn.Config, feed: Feed) -> None:
        super().__init__(config)
        self._feed = feed

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Say goodbye, stop listening and drop every connection."""
        self._feed.end()
        await asyncio.sleep(FAREWELL_S)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def make_server(feed: Feed, *, ask: Ask, hosts: Iterable[str]) -> Server:
    """The server over a feed; `run(sockets=[…])` serves in the calling thread until `should_exit` is set."""
    return Server(
        uvicorn.Config(
            make_app(feed, ask=ask, hosts=hosts),
            loop="asyncio",
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # below are broken requests, of which anybody can send many
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MOST_CONNECTIONS,
            timeout_graceful_shutdown=1,  # for the viewer that connected at the very moment
        ),
        feed,
    )
