"""One go at a camera: a thread that opens it and keeps its newest picture, until it is lost or no longer wanted."""

import threading
from collections.abc import Callable

from edge_fer.camera.source import Picture, Source
from edge_fer.records import Frame


class Session:
    """A source that its own thread opens, reads and closes, and the one-slot mailbox between it and the caller.

    A read of a camera can hang in its driver, where nothing can interrupt it. Then the caller drops the session and
    makes another: the thread still holds nothing but its own source and its own slot, and ends whenever the
    driver lets it go.

    Args:
        open_source: opens the source; called in the thread.
        first_index: the index of the first frame.
        clock: monotonic seconds.
    """

    def __init__(self, open_source: Callable[[], Source], *, first_index: int, clock: Callable[[], float]) -> None:
        self.details: str | None = None
        """What was agreed on with the device; None while it is being opened."""
        self.alive_s = clock()
        """When the source last gave a sign of life: it was opened, or gave a picture; the turn of one that waits."""
        self.delivered = 0
        """How many pictures the source gave."""
        self.dropped = 0
        """How many of them made way for a newer one before the caller came."""
        self.error: Exception | None = None
        """Why it ended."""
        self._open_source = open_source
        self._first_index = first_index
        self._clock = clock
        self._newest: Frame | None = None
        self._changed = threading.Condition()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="camera", daemon=True)
        self._thread.start()

    @property
    def running(self) -> bool:
        """Whether the thread is still there."""
        return self._thread.is_alive()

    def take(self, timeout_s: float) -> Frame | None:
        """The newest frame that was not taken yet; waits for one, or for the session's end."""
        with self._changed:
            self._changed.wait_for(lambda: self._newest is not None or self.error is not None, timeout_s)
            frame, self._newest = self._newest, None
            return frame

    def stop(self) -> None:
        """Ask the thread to close the source and end; does not wait."""
        self._stop.set()

    def join(self, timeout_s: float) -> None:
        """Wait for the thread's end."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            source = self._open_source()
        except Exception as error:  # noqa: BLE001 - raised again in the caller's thread
            self._end(error)
            return
        try:
            self.alive_s = self._clock()
            self.details = source.details
            self._read(source)
        except Exception as error:  # noqa: BLE001 - likewise
            self._end(error)
        finally:
            source.close()

    def _read(self, source: Source) -> None:
        lead_s: float | None = None  # from the source's time line to the clock's
        while not self._stop.is_set():
            picture = source.read()
            now_s = self._clock()
            if picture.position_s is not None:
                if lead_s is None:
                    lead_s = now_s - picture.position_s
                due_s = lead_s + picture.position_s
                self.alive_s = max(now_s, due_s)  # waiting for a picture's turn is no stall
                if due_s > now_s and self._stop.wait(due_s - now_s):
                    return
                now_s = self._clock()
            self._put(picture, now_s)

    def _put(self, picture: Picture, now_s: float) -> None:
        with self._changed:
            self.dropped += self._newest is not None
            self._newest = Frame(picture.pixels, now_s, self._first_index + self.delivered, picture.colour)
            self.delivered += 1
            self.alive_s = max(now_s, self.alive_s)
            self._changed.notify_all()

    def _end(self, error: Exception) -> None:
        with self._changed:
            self.error = error
            self._changed.notify_all()
