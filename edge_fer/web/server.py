"""uvicorn, set up to live in one thread of a daemon that is about something else."""

import asyncio
import socket
from pathlib import Path

import uvicorn
from starlette.applications import Starlette

from edge_fer.web.connection import Connection
from edge_fer.web.feed import PICTURES_PER_S, Feed

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


def make_server(app: Starlette, feed: Feed, *, cert_file: Path | None, key_file: Path | None) -> Server:
    """The server of an application over a feed, with TLS if there are files for it.

    `run(sockets=[…])` serves in the calling thread until `should_exit` is set.
    """
    return Server(
        uvicorn.Config(
            app,
            loop="asyncio",
            http=Connection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",  # below are broken requests, of which anybody can send many
            access_log=False,
            proxy_headers=False,
            server_header=False,
            ssl_certfile=cert_file,
            ssl_keyfile=key_file,
            timeout_graceful_shutdown=1,  # for the viewer that connected at the very moment
        ),
        feed,
    )
