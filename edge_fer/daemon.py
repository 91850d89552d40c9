"""The daemon: the loop that takes a frame's readings from the camera to the outside, and keeps going."""

import logging
import os
import signal
import time
from collections.abc import Callable, MutableMapping
from types import FrameType
from typing import Final

from edge_fer.assembly import Assembly, LostPartError, Output
from edge_fer.camera import EndOfStream
from edge_fer.config import Config
from edge_fer.control import Control, Request, Wish
from edge_fer.cooling import Cooling
from edge_fer.errors import EdgeFerError
from edge_fer.notify import Notifier
from edge_fer.publish.reports import DeviceState
from edge_fer.records import Frame, Reading
from edge_fer.supervision import Supervision, Turn
from edge_fer.vitals import Vitals

POLL_S: Final = 0.2
"""The longest wait for a frame, and so the longest that a signal or an outage goes unnoticed."""

_log = logging.getLogger(__name__)


class Daemon:
    """Runs an assembly until it is told to stop or its film is over.

    Args:
        assembly: the parts, ready to run; closed by `run`.
        control: what is asked of it meanwhile.
        load: reads the configuration anew, when a reload is asked for.
        taken_over: called with every configuration that took the place of another.
        supervision: tells systemd how it goes; None: nobody.
        cooling: looks after the board.
        clock: monotonic seconds.
    """

    def __init__(
        self,
        assembly: Assembly,
        *,
        control: Control,
        load: Callable[[], Config],
        taken_over: Callable[[Config], object] = lambda _config: None,
        supervision: Supervision | None = None,
        cooling: Cooling | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._parts = assembly
        self._control = control
        self._load = load
        self._taken_over = taken_over
        self._clock = clock
        self._supervision = supervision or Supervision(Notifier(), clock())
        self._cooling = cooling or Cooling()
        self._camera_online: bool | None = None
        self._faces = 0
        self._vitals = Vitals(assembly, clock())

    def run(self) -> bool:
        """Work until stopped or the film is over, then close everything.

        Returns:
            False if a thread is left behind that hangs in the camera's driver.

        Raises:
            CameraError: the camera can never be read as configured.
            LostPartError: a reload closed what cannot be opened again.
        """
        try:
            self._announce()
            self._loop()
        except BaseException:
            self._close()
            raise
        return self._close()

    def _close(self) -> bool:
        self._supervision.stopping()
        return self._parts.close()

    def _loop(self) -> None:
        while True:
            wish = self._control.next_wish(POLL_S if self._control.paused else 0.0)
            if wish is Wish.STOP:
                return
            if isinstance(wish, Request):
                self._answer(wish)
            elif wish is not None:
                self._fulfil(wish)
            try:
                frame = None if self._control.paused else self._parts.capture.next(POLL_S)
            except EndOfStream:
                _log.info("The film is over")
                return
            self._step(frame)

    def _step(self, frame: Frame | None) -> None:
        """What one turn of the loop does, with a frame or while waiting for one."""
        parts = self._parts
        self._tell_camera(online=parts.capture.state.online)
        readings: list[Reading] = []
        if frame is not None:
            readings = parts.pipeline.process(frame)
            parts.sinks.publish(frame.time_s, readings)
            if parts.photographer is not None:
                parts.photographer.look(self._clock(), frame, readings)
            parts.pipeline.watch.lap("publish")
            self._faces = len(readings)
        parts.sinks.check()
        now_s = self._clock()
        self._vitals.turn(now_s, frame, readings, paused=self._control.paused)
        self._cooling.turn(now_s, parts.pipeline)
        self._supervision.turn(
            now_s,
            Turn(
                framed=frame is not None,
                faces=self._faces,
                paused=self._control.paused,
                camera=parts.capture.state,
                stall_timeout_s=parts.config.camera.stall_timeout_s,
                link=None if parts.mqtt is None else parts.mqtt.link,
            ),
        )

    def _announce(self) -> None:
        self._supervision.name(self._parts.config.device_name)
        self._parts.announce()
        self._parts.sinks.running(not self._control.paused)

    def _tell_camera(self, *, online: bool) -> None:
        if online == self._camera_online:
            return
        self._camera_online = online
        self._parts.sinks.camera(online)
        if not online:
            # Nobody can be seen through a lost camera: the retained emotion must not stay.
            self._faces = 0
            self._parts.pipeline.forget()
            self._parts.sinks.publish(self._clock(), [])

    def _fulfil(self, wish: Wish) -> None:
        match wish:
            case Wish.PAUSE:
                self._pause()
            case Wish.RESUME:
                try:
                    self._resume()
                except EdgeFerError as error:
                    _log.error("The camera stays released: %s", error)
            case Wish.RELOAD:
                self._reload()

    def _answer(self, request: Request) -> None:
        """Do what was asked; whatever comes of it, the asker hears."""
        error = None
        try:
            match request.command:
                case "pause":
                    self._pause()
                case "resume":
                    self._resume()
                case "publish":
                    self._parts.sinks.refresh()
                    self._vitals.hurry()
                case "set":
                    self._take_over(self._parts.config.with_mqtt(request.values))
        except EdgeFerError as failure:
            error = str(failure)
            _log.error("The command %s failed: %s", request.command, error)
        self._tell_camera(online=self._parts.capture.state.online)
        mqtt = self._parts.config.mqtt
        state = DeviceState(
            paused=self._control.paused,
            camera_online=bool(self._camera_online),
            faces=self._faces,
            started_at_s=self._parts.started_at_s,
            heartbeat_s=mqtt.heartbeat_s,
            rate_hz=mqtt.rate_hz,
            health_s=mqtt.health_s,
        )
        request.answer(state, error)

    def _pause(self) -> None:
        if self._control.paused:
            return
        self._parts.release_camera()
        self._control.paused = True
        self._parts.sinks.running(False)
        _log.info("Paused: the camera is released")

    def _resume(self) -> None:
        """Take the camera again.

        Raises:
            UnusableSourceError: the film is gone meanwhile.
        """
        if not self._control.paused:
            return
        self._parts.reopen_camera()
        self._control.paused = False
        self._parts.sinks.running(True)
        _log.info("Resumed")

    def _reload(self) -> None:
        self._supervision.reloading(self._clock())
        try:
            changed = self._take_over(self._load())
        except LostPartError:
            raise
        except EdgeFerError as error:
            _log.error("The configuration was not reloaded, the old one stays: %s", error)
            return
        finally:
            self._supervision.reloaded()
        _log.info("The configuration was reloaded%s", "" if changed else ": nothing changed")

    def _take_over(self, config: Config) -> bool:
        """Go on with another configuration; whether anything changed.

        Raises:
            LostPartError: see `Assembly.change_to`.
            EdgeFerError: a part cannot be had; all stays as it was.
        """
        changed = self._parts.change_to(config)
        if changed:
            self._taken_over(config)
            self._camera_online = None
            self._vitals = Vitals(self._parts, self._clock())
            self._announce()
        return changed


def _set_log_level(config: Config) -> None:
    logging.getLogger().setLevel(config.log.level.upper())


SIGNALS: Final = {signal.SIGTERM: Wish.STOP, signal.SIGINT: Wish.STOP, signal.SIGHUP: Wish.RELOAD}


def run_daemon(
    config: Config,
    *,
    load: Callable[[], Config],
    output: Output | None = None,
    when_ready: Callable[[], object] = lambda: None,
    journal_fields: MutableMapping[str, str] | None = None,
) -> bool:
    """Run until SIGTERM or SIGINT; SIGHUP reloads the configuration.

    Args:
        config: what to run.
        load: reads the configuration anew.
        output: makes a further sink, if one is wanted.
        when_ready: called once when every part is open, the live page among them.
        journal_fields: what the journal notes with every line, to be kept up to date.

    Returns:
        see `Daemon.run`.

    Raises:
        EdgeFerError: something that the configuration names cannot be used.
    """
    control = Control()

    def handle(number: int, _frame: FrameType | None) -> None:
        control.ask(SIGNALS[signal.Signals(number)])

    previous = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        supervision = Supervision(Notifier.from_environ(os.environ), time.monotonic(), journal_fields)
        assembly = Assembly(config, control=control, output=output)
        daemon = Daemon(assembly, control=control, load=load, taken_over=_set_log_level, supervision=supervision)
        when_ready()
        return daemon.run()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
