"""Telling systemd how the daemon does, by the protocol of sd_notify(3): lines of text in a datagram.

Nothing here waits for systemd or fails because of it: where nobody listens, nothing is said.
"""

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Final

FEEDS_PER_TIMEOUT: Final = 4
"""The watchdog is fed so many times before it would bite; sd_watchdog_enabled(3) advises two at least."""


class Notifier:
    """The way to systemd, or a mute one.

    Args:
        address: `NOTIFY_SOCKET`: a path, or `@` and a name in the abstract namespace; None: nobody listens.
        watchdog_s: without a word in so many seconds systemd takes the daemon for dead; None: it does not watch.
    """

    def __init__(self, address: str | None = None, *, watchdog_s: float | None = None) -> None:
        self._address = "\0" + address[1:] if address is not None and address.startswith("@") else address
        self._feed_every_s = None if watchdog_s is None else watchdog_s / FEEDS_PER_TIMEOUT
        self._fed_s: float | None = None
        self._socket: socket.socket | None = None
        if self._address is not None:
            self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
            self._socket.setblocking(False)

    @classmethod
    def from_environ(cls, environ: Mapping[str, str], pid: int | None = None) -> "Notifier":
        """As systemd set up the process: by NOTIFY_SOCKET, WATCHDOG_USEC, and WATCHDOG_PID for whom that is meant."""
        address = environ.get("NOTIFY_SOCKET", "")
        usec, watched = environ.get("WATCHDOG_USEC", ""), environ.get("WATCHDOG_PID", "")
        is_watched = usec.isdecimal() and int(usec) > 0 and watched in ("", str(pid or os.getpid()))
        return cls(address if address[:1] in ("/", "@") else None, watchdog_s=int(usec) / 1e6 if is_watched else None)

    def ready(self, status: str) -> None:
        """The daemon works, for the first time or again after `reloading`."""
        self._send("READY=1", f"STATUS={status}")

    def status(self, status: str) -> None:
        """What `systemctl status` shows: one line for people."""
        self._send(f"STATUS={status}")

    def reloading(self, now_s: float) -> None:
        """The configuration is being read anew; `now_s` in seconds of the monotonic clock (CLOCK_MONOTONIC)."""
        self._send("RELOADING=1", f"MONOTONIC_USEC={round(now_s * 1e6)}")

    def stopping(self) -> None:
        """The daemon takes its leave."""
        self._send("STOPPING=1")

    def feed(self, now_s: float) -> None:
        """Keep the watchdog from biting; may be called as often as one likes, the clock is a monotonic one."""
        if self._feed_every_s is None or (self._fed_s is not None and now_s - self._fed_s < self._feed_every_s):
            return
        self._fed_s = now_s
        self._send("WATCHDOG=1")

    def close(self) -> None:
        """Let go of the socket."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _send(self, *lines: str) -> None:
        if self._socket is None or self._address is None:
            return
        with contextlib.suppress(OSError):  # systemd is being restarted, or busy: it hears the next word
            self._socket.sendto("\n".join(line.replace("\n", " ") for line in lines).encode(), self._address)
