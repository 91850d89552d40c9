"""uvicorn, set up to live in one thread of a daemon that is about something else."""

import socket
from collections.abc import Iterable

import uvicorn

from edge_fer.web.app import make_app
from edge_fer.web.feed import Feed

MOST_CONNECTIONS = 64
"""With so many open, requests are answered with 503."""


class Server(uvicorn.Server):
    """A uvicorn server that does not wait for its viewers when it stops.

    Event streams never end by themselves, and a viewer that hangs would never read the end of its own.
    """

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening and drop every connection."""
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        await super().shutdown(sockets)


def make_server(feed: Feed, *, hosts: Iterable[str]) -> Server:
    """The server over a feed; `run(sockets=[…])` serves in the calling thread until `should_exit` is set."""
    return Server(
        uvicorn.Config(
            make_app(feed, hosts=hosts),
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
        )
    )
