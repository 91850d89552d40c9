"""The frames of a camera for the loop that works on them, through every outage.

A live source (camera, stream, file at its own pace) is read by a thread that keeps the newest picture only. A
lossless one (file as fast as possible, folder) is read in the caller's thread, every picture, in its own time.
"""

import logging
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from edge_fer.camera.backoff import Backoff
from edge_fer.camera.session import Session
from edge_fer.camera.source import EndOfStream, Source, UnusableSourceError
from edge_fer.errors import CameraError
from edge_fer.records import Frame

_log = logging.getLogger(__name__)

_MOST_STUCK_SESSIONS = 3


@dataclass(frozen=True, slots=True)
class CameraState:
    """How the camera is, for availability and health.

    Attributes:
        name: what it is called; without password.
        details: size, pixel format and rate that were agreed on; empty until it was first opened.
        online: whether it gives pictures.
        since_s: since when, in seconds of the monotonic clock; an outage begins with the last sign of life.
        reconnects: how often it came back.
        dropped: frames that came while the loop was busy with an earlier one, and were lost.
        error: what is in the way, or last was; None if nothing ever was.
        due_s: until then a film or folder rightly gives nothing, as its next picture's turn has not come.
    """

    name: str
    details: str
    online: bool
    since_s: float
    reconnects: int
    dropped: int
    error: str | None
    due_s: float = 0.0


class Capture:
    """Hands out frames and reopens the source for ever when it is unplugged, stalls or ends.

    Nothing is opened before the first `next`. `next` and `stop` belong to one thread; `state` may be asked by any.

    Args:
        open_source: opens the source, raising `CameraError` if that fails.
        name: what the camera is called while it is not open yet.
        live: whether pictures that are not taken in time are lost.
        open_timeout_s: after this (and `stall_timeout_s`) an attempt to open it is given up.
        stall_timeout_s: without a new picture for so long the camera is lost.
        clock: monotonic seconds.
        jitter: chance for the delays between attempts, 0 to 1.
    """

    def __init__(
        self,
        open_source: Callable[[], Source],
        *,
        name: str,
        live: bool,
        open_timeout_s: float = 10,
        stall_timeout_s: float = 5,
        clock: Callable[[], float] = time.monotonic,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.name = name
        self.live = live
        self._open_source = open_source
        self._open_timeout_s = open_timeout_s
        self._stall_timeout_s = stall_timeout_s
        self._clock = clock
        self._backoff = Backoff(jitter=jitter)
        self._stopped = threading.Event()
        self._session: Session | None = None  # of a live source
        self._stuck: list[Session] = []  # given up, but still in the hands of a driver
        self._retry_at_s = clock()
        self._source: Source | None = None  # a lossless one
        self._end: Exception | None = None  # after which there are no more frames
        self._details = ""
        self._online = False
        self._since_s = clock()
        self._was_online = False
        self._told_lost = False
        self._reconnects = 0
        self._error: str | None = None
        self._delivered = 0  # by sessions that are over, or the lossless source
        self._dropped = 0  # by sessions that are over

    @property
    def state(self) -> CameraState:
        """How the camera is now."""
        session = self._session
        return CameraState(
            name=self.name,
            details=self._details,
            online=self._online,
            since_s=self._since_s,
            reconnects=self._reconnects,
            dropped=self._dropped + (session.dropped if session else 0),
            error=self._error,
            due_s=session.alive_s if session else 0.0,
        )

    def next(self, timeout_s: float) -> Frame | None:
        """The newest frame, or for a lossless source the next one.

        Args:
            timeout_s: how long to wait at most; a lossless source takes what it takes.

        Returns:
            the frame; None if there is nothing new, which may be known before the time is up.

        Raises:
            EndOfStream: a file that does not loop is over.
            CameraError: the source can never be read, or hangs beyond what a process can mend.
        """
        if self._end is not None:
            raise self._end
        if self._stopped.is_set():
            return None
        try:
            return self._next_live(timeout_s) if self.live else self._next_lossless()
        except (EndOfStream, CameraError) as error:
            self._end = error
            self.stop()
            raise

    def stop(self, timeout_s: float = 1.0) -> bool:
        """Let go of the camera; a read that hangs in its driver is left behind after `timeout_s`.

        Returns:
            whether no thread was left behind. If one was, the process should end through `os._exit`: before 3.14
            Python aborts (SIGABRT) when a driver's call returns into an interpreter that is shutting down.
        """
        self._stopped.set()
        if self._online:
            self._online, self._since_s = False, self._clock()
        session, self._session = self._session, None
        source, self._source = self._source, None
        if source is not None:
            source.close()
        if session is not None:
            session.stop()
            session.join(timeout_s)
            self._settle(session)
            self._stuck.append(session)
        self._stuck = [session for session in self._stuck if session.running]
        if session in self._stuck:
            _log.warning("Camera %s hangs and was left behind", self.name)
        return not self._stuck

    def _next_lossless(self) -> Frame:
        if self._source is None:
            self._source = self._open_source()
            self._details = self._source.details
        picture = self._source.read()
        time_s = self._clock() if picture.position_s is None else picture.position_s
        frame = Frame(picture.pixels, time_s, self._delivered, picture.colour)
        self._delivered += 1
        if not self._online:
            self._set_online(self._clock())
        return frame

    def _next_live(self, timeout_s: float) -> Frame | None:
        now_s = self._clock()
        if self._session is None:
            if now_s < self._retry_at_s:
                self._stopped.wait(min(timeout_s, self._retry_at_s - now_s))
                return None
            self._session = self._begin()
        session = self._session
        patience_s = self._stall_timeout_s + (0 if session.details is not None else self._open_timeout_s)
        frame = session.take(max(0, min(timeout_s, session.alive_s + patience_s - now_s)))
        if frame is not None:
            if not self._online:
                self._details = session.details or ""
                self._set_online(self._clock())
            return frame
        now_s = self._clock()
        if session.error is not None:
            if not isinstance(session.error, CameraError) or isinstance(session.error, UnusableSourceError):
                raise session.error
            self._give_up(session, str(session.error), now_s)
        elif now_s - session.alive_s >= patience_s:
            what = "gave no new picture" if session.details is not None else "could not be opened"
            self._give_up(session, f"{self.name} {what} for {now_s - session.alive_s:.1f} s", now_s)
        return None

    def _begin(self) -> Session:
        self._stuck = [session for session in self._stuck if session.running]
        if len(self._stuck) >= _MOST_STUCK_SESSIONS:
            raise CameraError(
                f"{self.name} hangs in its driver, {len(self._stuck)} attempts to read it did not come back; "
                "only a restart of this program can let go of it"
            )
        return Session(self._open_source, first_index=self._delivered, clock=self._clock)

    def _give_up(self, session: Session, reason: str, now_s: float) -> None:
        self._session = None
        session.stop()
        self._settle(session)
        if session.running:
            self._stuck.append(session)
        self._error = reason
        if not self._told_lost:
            _log.warning("Camera lost: %s; trying until it is back", reason)
            self._told_lost = True
            # A camera that was well for longer than the longest wait has earned a quick attempt.
            if self._online and now_s - self._since_s >= self._backoff.longest_s:
                self._backoff.reset()
            self._online, self._since_s = False, min(session.alive_s, now_s)
        self._retry_at_s = now_s + self._backoff.next_s()

    def _settle(self, session: Session) -> None:
        self._delivered += session.delivered
        self._dropped += session.dropped

    def _set_online(self, now_s: float) -> None:
        if self._told_lost:
            _log.info("Camera %s is back after %.1f s: %s", self.name, now_s - self._since_s, self._details)
        else:
            _log.info("Camera %s: %s", self.name, self._details)
        self._told_lost = False
        self._reconnects += self._was_online
        self._online, self._was_online, self._since_s = True, True, now_s
