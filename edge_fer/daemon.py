"""The daemon: the loop that takes a frame's readings from the camera to the outside, and keeps going."""

import logging
import signal
import time
from collections.abc import Callable
from types import FrameType
from typing import Final

from edge_fer.assembly import Assembly, Output
from edge_fer.camera import EndOfStream
from edge_fer.config import Config
from edge_fer.errors import EdgeFerError
from edge_fer.records import Frame, Reading
from edge_fer.vitals import Vitals

POLL_S: Final = 0.2
"""The longest wait for a frame, and so the longest that a signal or an outage goes unnoticed."""

_log = logging.getLogger(__name__)


class Daemon:
    """Runs an assembly until it is told to stop or its film is over.

    Args:
        assembly: the parts, ready to run; closed by `run`.
        load: reads the configuration anew, for SIGHUP.
        clock: monotonic seconds.
    """

    def __init__(
        self, assembly: Assembly, *, load: Callable[[], Config], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._parts = assembly
        self._load = load
        self._clock = clock
        self._stopping = False
        self._reloading = False
        self._camera_online: bool | None = None
        self._vitals = Vitals(assembly, clock())

    def stop(self) -> None:
        """End `run` soon; safe in a signal handler."""
        self._stopping = True

    def reload(self) -> None:
        """Take over the configuration's changes soon; safe in a signal handler."""
        self._reloading = True

    def run(self) -> bool:
        """Work until stopped or the film is over, then close everything.

        Returns:
            False if a thread is left behind that hangs in the camera's driver.

        Raises:
            CameraError: the camera can never be read as configured.
        """
        try:
            self._parts.announce()
            self._loop()
        except BaseException:
            self._parts.close()
            raise
        return self._parts.close()

    def _loop(self) -> None:
        while not self._stopping:
            if self._reloading:
                self._reloading = False
                self._take_over_changes()
            try:
                frame = self._parts.capture.next(POLL_S)
            except EndOfStream:
                _log.info("The film is over")
                return
            self._step(frame)

    def _step(self, frame: Frame | None) -> None:
        """What one turn of the loop does, with a frame or while waiting for one."""
        parts = self._parts
        online = parts.capture.state.online
        readings: list[Reading] = []
        if online != self._camera_online:
            self._camera_online = online
            parts.sinks.camera(online)
            if not online:
                # Nobody can be seen through a lost camera: the retained emotion must not stay.
                parts.pipeline.forget()
                parts.sinks.publish(self._clock(), readings)
        if frame is not None:
            readings = parts.pipeline.process(frame)
            parts.sinks.publish(frame.time_s, readings)
            parts.pipeline.watch.lap("publish")
        parts.sinks.check()
        self._vitals.turn(self._clock(), frame, readings)

    def _take_over_changes(self) -> None:
        try:
            changed = self._parts.change_to(self._load())
        except EdgeFerError as error:
            _log.error("The configuration was not reloaded, the old one stays: %s", error)
            return
        if changed:
            self._camera_online = None
            self._vitals = Vitals(self._parts, self._clock())
            self._parts.announce()
        _log.info("The configuration was reloaded%s", "" if changed else ": nothing changed")


def run_daemon(config: Config, *, load: Callable[[], Config], output: Output | None = None) -> bool:
    """Run until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    Args:
        config: what to run.
        load: reads the configuration anew.
        output: makes a further sink, if one is wanted.

    Returns:
        see `Daemon.run`.

    Raises:
        EdgeFerError: something that the configuration names cannot be used.
    """
    early: list[int] = []
    wanted = signal.SIGTERM, signal.SIGINT, signal.SIGHUP
    previous = {number: signal.signal(number, lambda number, _frame: early.append(number)) for number in wanted}
    try:
        daemon = Daemon(Assembly(config, output=output), load=load)

        def handle(number: int, _frame: FrameType | None) -> None:
            daemon.reload() if number == signal.SIGHUP else daemon.stop()

        for number in wanted:
            signal.signal(number, handle)
        for arrived in early:
            handle(arrived, None)
        return daemon.run()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
