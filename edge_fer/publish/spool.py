"""Events on disk while they wait for the broker, so that they outlive the process and a power cut. Off by default.

Each event is on the disk before the loop goes on; that costs a write to the card per event, and one when it arrived.
"""

import logging
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from edge_fer.errors import BrokerError

_log = logging.getLogger(__name__)

_SCHEMA: Final = "CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, wall_s REAL, topic TEXT, payload BLOB)"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Spooled:
    """An event of an earlier run that never arrived; `wall_s` is when it was put in, seconds since the epoch."""

    row: int
    wall_s: float
    topic: str
    payload: bytes


class Spool:
    """A file of events; the caller sees to it that only one thread at a time is in here.

    Args:
        path: the file; made if it is not there, in a folder that is.

    Raises:
        BrokerError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._broken = False
        try:
            self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=1.0)
            # Another daemon on the same file would send our events as well: the lock is kept until the end.
            self._database.execute("PRAGMA locking_mode=EXCLUSIVE")
            self._database.execute("PRAGMA journal_mode=WAL")
            self._database.execute("PRAGMA synchronous=FULL")
            self._database.execute(_SCHEMA)
        except sqlite3.Error as error:
            raise BrokerError(
                f"mqtt.events.spool: {path} cannot be used ({error}); name a file, not used by another daemon, in a"
                " folder that can be written"
            ) from error

    def waiting(self) -> list[Spooled]:
        """What earlier runs left, oldest first."""
        rows = self._try(
            lambda: self._database.execute("SELECT id, wall_s, topic, payload FROM event ORDER BY id").fetchall()
        )
        return [Spooled(*row) for row in rows or ()]

    def add(self, wall_s: float, topic: str, payload: bytes) -> int | None:
        """Write an event down; returns its row, None if the disk does not take it."""
        insert = "INSERT INTO event (wall_s, topic, payload) VALUES (?, ?, ?)"
        cursor = self._try(lambda: self._database.execute(insert, (wall_s, topic, payload)))
        return None if cursor is None else cursor.lastrowid

    def remove(self, row: int) -> None:
        """Strike an event out: it arrived, or was given up."""
        self._try(lambda: self._database.execute("DELETE FROM event WHERE id = ?", (row,)))

    def close(self) -> None:
        """Let go of the file."""
        self._database.close()

    def _try(self, act: Callable[[], T]) -> T | None:
        """A full or failing disk must not stop the daemon: events then wait in memory alone."""
        try:
            result = act()
        except sqlite3.Error as error:
            if not self._broken:
                self._broken = True
                _log.warning("Events are not spooled, %s: %s", self._path, error)
            return None
        if self._broken:
            self._broken = False
            _log.info("Events are spooled again, %s", self._path)
        return result
