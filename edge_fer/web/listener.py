"""The page's port: it lets in so many connections at a time, those included that have yet to agree on encryption."""

import socket
import weakref
from typing import Final

MOST_CONNECTIONS: Final = 128
"""Ten browsers take up to six each; the daemon needs its file descriptors for camera and broker."""


class Listener(socket.socket):
    """A listening socket that hangs up on whoever is one too many."""

    def __init__(self, listening: socket.socket) -> None:
        super().__init__(fileno=listening.detach())
        self._held: weakref.WeakSet[socket.socket] = weakref.WeakSet()

    def accept(self) -> tuple[socket.socket, object]:
        """The next connection, as `socket.accept`.

        Raises:
            BlockingIOError: there is none, or there was one too many.
        """
        connection, address = super().accept()
        if sum(held.fileno() >= 0 for held in self._held) >= MOST_CONNECTIONS:
            connection.close()
            raise BlockingIOError
        self._held.add(connection)
        return connection, address
