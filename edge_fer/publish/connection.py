"""The network thread: the only one that touches the broker, so that nothing else ever waits for it."""

import logging
import threading
import time
from collections.abc import Callable
from typing import Final

from edge_fer.publish.link import Link
from edge_fer.publish.outbox import Message, Outbox
from edge_fer.publish.reports import LinkStats
from edge_fer.publish.transport import Transport

_log = logging.getLogger(__name__)

_JOIN_S: Final = 0.8


class Connection:
    """A thread that runs a link until `close`."""

    def __init__(
        self,
        link: Link,
        transport: Transport,
        outbox: Outbox,
        *,
        release: Callable[[], None] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Starts at once; `release` is called at the end of `close`."""
        self._release = release
        self._link = link
        self._transport = transport
        self._outbox = outbox
        self._clock = clock
        self._leaving = threading.Event()
        self._failure: Exception | None = None
        # A daemon: an attempt to connect, or a look-up of the host's name, may take longer than our farewell.
        self._thread = threading.Thread(target=self._run, name="mqtt", daemon=True)
        self._thread.start()

    @property
    def stats(self) -> LinkStats:
        """How the connection does."""
        return self._link.stats

    def post(self, message: Message) -> None:
        """Queue a message; never blocks."""
        self._outbox.put(message, self._clock())
        self._transport.wake()

    def repeat(self) -> None:
        """Send every retained state again."""
        self._outbox.give_back([], self._clock())
        self._transport.wake()

    def check(self) -> None:
        """Nothing if the thread is well.

        Raises:
            RuntimeError: it has ended; its exception is the cause.
        """
        if not self._thread.is_alive() and not self._leaving.is_set():
            raise RuntimeError("the MQTT thread has ended") from self._failure

    def close(self) -> None:
        """Send what waits and leave; in less than a second even if the broker hangs."""
        self._leaving.set()
        self._transport.wake()
        self._thread.join(_JOIN_S)
        if not self._thread.is_alive():
            self._transport.close()
        if self._release is not None:
            self._release()

    def _run(self) -> None:
        try:
            leaving = False
            while not self._link.has_left:
                if self._leaving.is_set() and not leaving:
                    leaving = True
                    self._link.leave(self._clock())
                self._transport.wait(self._link.advance(self._clock()))
        except Exception as error:  # noqa: BLE001 - whatever it is, `check` hands it to the daemon, which ends
            _log.exception("The MQTT thread ended")
            self._failure = error
