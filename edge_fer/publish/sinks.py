"""Where readings go: one interface for the daemon's loop, and the sinks that need no broker."""

import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Protocol, TextIO

from edge_fer.publish import payloads
from edge_fer.publish.policy import EmotionPolicy, FacesPolicy
from edge_fer.publish.reports import HealthReport, Info
from edge_fer.records import Reading


class Sink(Protocol):
    """What the daemon tells the outside; no call blocks on a network."""

    def info(self, info: Info) -> None:
        """Say what runs here: at the start and after every reload."""

    def camera(self, online: bool) -> None:
        """Say whether the camera delivers: at the start and on every change."""

    def running(self, on: bool) -> None:
        """Say whether the daemon looks, or is paused: at the start and on every change."""

    def refresh(self) -> None:
        """Tell all state again, with the next frame what is seen in it."""

    def publish(self, time_s: float, readings: Sequence[Reading]) -> None:
        """Take one frame's readings, none if nobody is there; `time_s` is the frame's time."""

    def health(self, report: HealthReport) -> None:
        """Publish how the daemon does; the caller keeps the interval."""

    def check(self) -> None:
        """Raise what ended the sink's own thread, if it has one and it ended; cheap enough for every frame."""

    def close(self) -> None:
        """Say goodbye and let go of everything, in less than a second."""


class ReadingsOnly:
    """A sink for people or pipes that is told of readings and keeps silent about all else."""

    def info(self, info: Info) -> None:
        """Nothing."""

    def camera(self, online: bool) -> None:
        """Nothing: the log tells."""

    def running(self, on: bool) -> None:
        """Nothing: the log tells."""

    def refresh(self) -> None:
        """Nothing."""

    def health(self, report: HealthReport) -> None:
        """Nothing."""

    def check(self) -> None:
        """Nothing: there is no thread."""

    def close(self) -> None:
        """Nothing: the stream belongs to the caller."""


class StdoutSink(ReadingsOnly):
    """Readings as JSON lines: one per face at most `rate_hz` times a second, and one when nobody is left."""

    def __init__(self, *, stream: TextIO, rate_hz: float, wall_clock: Callable[[], float] = time.time) -> None:
        self._stream = stream
        self._wall_clock = wall_clock
        self._faces = FacesPolicy(rate_hz=rate_hz)
        self._emotion = EmotionPolicy(heartbeat_s=float("inf"), rate_hz=rate_hz)
        self._seq = 0

    def publish(self, time_s: float, readings: Sequence[Reading]) -> None:
        """Write what is due and flush it, so that a pipe's reader sees it at once."""
        due = self._faces.update(time_s, readings)
        scene = self._emotion.update(time_s, readings)
        if scene is not None and scene.reading is None:
            due.append(scene)
        for publication in due:
            self._seq += 1
            wall_s = self._wall_clock()
            line = (
                payloads.nobody(self._seq, wall_s)
                if publication.reading is None
                else payloads.face(publication.reading, self._seq, wall_s)
            )
            self._stream.write(payloads.encode(line).decode() + "\n")
        if due:
            self._stream.flush()


class Sinks:
    """Several sinks as one, in the given order; none at all is allowed."""

    def __init__(self, *sinks: Sink) -> None:
        self._sinks = sinks

    def info(self, info: Info) -> None:
        """Tell all."""
        for sink in self._sinks:
            sink.info(info)

    def camera(self, online: bool) -> None:
        """Tell all."""
        for sink in self._sinks:
            sink.camera(online)

    def running(self, on: bool) -> None:
        """Tell all."""
        for sink in self._sinks:
            sink.running(on)

    def refresh(self) -> None:
        """Ask all."""
        for sink in self._sinks:
            sink.refresh()

    def publish(self, time_s: float, readings: Sequence[Reading]) -> None:
        """Tell all."""
        for sink in self._sinks:
            sink.publish(time_s, readings)

    def health(self, report: HealthReport) -> None:
        """Tell all."""
        for sink in self._sinks:
            sink.health(report)

    def check(self) -> None:
        """Raise the first sink's failure."""
        for sink in self._sinks:
            sink.check()

    def close(self) -> None:
        """Close all, last first, even when one fails."""
        with ExitStack() as stack:
            for sink in self._sinks:
                stack.callback(sink.close)
