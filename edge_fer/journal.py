"""Log records as entries of systemd's journal, with fields to search by, over its native protocol.

The protocol is the one that systemd's documentation describes as "Native Journal Protocol": a datagram of
`NAME=value` lines, or, where a value holds a newline, NAME, its length in 64 bits little endian, and the value.
"""

import logging
import os
import socket
import struct
import traceback
from collections.abc import Mapping
from pathlib import Path
from typing import Final, TextIO

SOCKET: Final = "/run/systemd/journal/socket"

LONGEST: Final = 64 * 1024
"""Bytes of a value that are sent at most: a datagram must fit into the socket's buffer."""

_PRIORITIES: Final = (
    (logging.CRITICAL, 2), (logging.ERROR, 3), (logging.WARNING, 4), (logging.INFO, 6), (logging.NOTSET, 7),
)  # fmt: skip
"""Of syslog(3) for levels of logging, from each level upward."""


def is_journal(stream: TextIO, environ: Mapping[str, str]) -> bool:
    """Whether what is written there goes to the journal, by device and inode as systemd.exec(5) has it."""
    device, _, inode = environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        there = os.fstat(stream.fileno())
    except (OSError, ValueError):  # closed, or no file at all
        return False
    return (device, inode) == (str(there.st_dev), str(there.st_ino))


def encode_entry(fields: Mapping[str, str]) -> bytes:
    """A journal entry as the protocol wants it; names are capital letters, digits and underscores."""
    entry = bytearray()
    for name, value in fields.items():
        data = value.encode("utf-8", "replace")[:LONGEST]
        if b"\n" in data:
            entry += name.encode() + b"\n" + struct.pack("<Q", len(data)) + data + b"\n"
        else:
            entry += name.encode() + b"=" + data + b"\n"
    return bytes(entry)


class JournalHandler(logging.Handler):
    """Sends every record as one entry; one that the journal does not take at once is lost, as nobody waits for it.

    Args:
        fields: noted with every entry; whoever holds it too keeps it up to date.
        address: the journal's socket.
    """

    def __init__(self, fields: Mapping[str, str], address: str = SOCKET) -> None:
        super().__init__()
        self._fields = fields
        self._address = address
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def emit(self, record: logging.LogRecord) -> None:
        """Send it."""
        try:
            self._socket.sendto(encode_entry(self._entry(record)), self._address)
        except OSError:
            self.handleError(record)

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's name
        """Lost: the journal is being restarted, or flooded."""

    def close(self) -> None:
        """Let go of the socket."""
        self._socket.close()
        super().close()

    def _entry(self, record: logging.LogRecord) -> dict[str, str]:
        message = record.getMessage()
        if record.exc_info:
            message += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
        return {
            "MESSAGE": message,
            "PRIORITY": str(next(priority for level, priority in _PRIORITIES if record.levelno >= level)),
            "SYSLOG_IDENTIFIER": "edge-fer",
            "LOGGER": record.name,
            "THREAD_NAME": record.threadName or "",
            "CODE_FILE": record.pathname,
            "CODE_LINE": str(record.lineno),
            "CODE_FUNC": record.funcName or "",
            **self._fields,
        }


def log_handler(stream: TextIO, environ: Mapping[str, str], fields: Mapping[str, str]) -> logging.Handler:
    """What writes the log: into the journal where the stream is connected to it, else as lines with their time."""
    if is_journal(stream, environ) and Path(SOCKET).exists():
        return JournalHandler(fields)
    handler = logging.StreamHandler(stream)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    return handler
