"""HTTP over one connection, which is dropped when it wastes our time."""

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

REQUEST_S: Final = 10.0
"""The head of a request must be there so soon, however slowly it trickles in."""
STALL_S: Final = 30.0
"""Somebody who reads nothing for so long is gone."""


class Connection(H11Protocol):
    """uvicorn's HTTP/1.1, with limits on time that it does not have."""

    _request_timer: asyncio.TimerHandle | None = None
    _stall_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._request_timer = self.loop.call_later(REQUEST_S, transport.abort)

    def data_received(self, data: bytes) -> None:
        """Take what came; while no request is at work, the next one's time runs."""
        super().data_received(data)
        if self.cycle is not None and not self.cycle.response_complete:
            self._request_timer = _stop(self._request_timer)
        elif self._request_timer is None and not self.transport.is_closing():
            self._request_timer = self.loop.call_later(REQUEST_S, self.transport.abort)

    def pause_writing(self) -> None:
        """The other side does not read."""
        super().pause_writing()
        self._stall_timer = self.loop.call_later(STALL_S, self.transport.abort)

    def resume_writing(self) -> None:
        """It reads again."""
        super().resume_writing()
        self._stall_timer = _stop(self._stall_timer)

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is to be waited for any more."""
        self._request_timer = _stop(self._request_timer)
        self._stall_timer = _stop(self._stall_timer)
        super().connection_lost(exc)


def _stop(timer: asyncio.TimerHandle | None) -> asyncio.TimerHandle | None:
    """Cancel a timer; what is left of it, None, is for its variable."""
    if timer is not None:
        timer.cancel()
    return None
