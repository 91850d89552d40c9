"""Events on disk while they wait for the broker, so that they outlive the process and a power cut. Off by default.

Each event is on the disk before the loop goes on; that costs a write to the card per event, and one when it arrived.
So does SQLite with a write-ahead log and synchronous=FULL: the log is synchronised before a commit returns, and read
up to the first torn entry after a power cut. NORMAL would synchronise at checkpoints only and lose what came since;
EXTRA adds nothing, since it is about the rollback journal (https://sqlite.org/pragma.html#pragma_synchronous).
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

_MAGIC: Final = b"SQLite format 3\0"

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
        path: the file; made if it is not there, in a folder that is. A damaged one is set aside, so that it keeps
            neither the daemon from starting nor new events from being written down.

    Raises:
        BrokerError: it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._broken = False
        try:
            try:
                self._database = _open(path)
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:  # what is on the disk is not what SQLite wrote
                if not _is_spool(path):
                    raise
                _set_aside(path, error)
                self._database = _open(path)
        except (sqlite3.Error, OSError) as error:
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


def _open(path: Path) -> sqlite3.Connection:
    """The database, ours alone and sound.

    Raises:
        sqlite3.OperationalError: it cannot be opened, or is in use.
        sqlite3.DatabaseError: it is damaged.
    """
    database = sqlite3.connect(path, check_same_thread=False, isolation_level=None, timeout=1.0)
    try:
        # Another daemon on the same file would send our events as well: the lock is kept until the end.
        database.execute("PRAGMA locking_mode=EXCLUSIVE")
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(_SCHEMA)
        (finding,) = database.execute("PRAGMA quick_check(1)").fetchone()
        if finding != "ok":
            raise sqlite3.DatabaseError(finding)
    except sqlite3.Error:
        database.close()
        raise
    return database


def _is_spool(path: Path) -> bool:
    """Whether it was SQLite's once: nobody's text or photo is moved away, whatever a configuration names."""
    with path.open("rb") as file:
        head = file.read(len(_MAGIC))
    return head == _MAGIC or (head != b"" and not any(head))  # only zeros are what a power cut may leave


def _set_aside(path: Path, error: sqlite3.Error) -> None:
    """Rename a damaged database with its log, in place of one that was set aside earlier."""
    aside = path.with_name(f"{path.name}.damaged")
    for suffix in ("-wal", ""):
        part = path.with_name(path.name + suffix)
        if part.exists():
            part.replace(aside.with_name(aside.name + suffix))
    _log.error("The spool %s is damaged (%s): set aside as %s, its events are lost to us", path, error, aside.name)
