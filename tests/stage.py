"""A daemon on a stage: everything around it is fake and writes down what it hears."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import numpy as np

from edge_fer.assembly import Assembly, OpenMqtt, OpenPage, mqtt_from, page_from
from edge_fer.board import Strain
from edge_fer.camera import CameraState, Capture, EndOfStream
from edge_fer.config import CameraConfig, Config
from edge_fer.control import Control, Wish
from edge_fer.cooling import Cooling
from edge_fer.daemon import Daemon
from edge_fer.errors import ConfigError
from edge_fer.notify import Notifier
from edge_fer.publish.reports import HealthReport, Info
from edge_fer.records import Frame, Reading
from edge_fer.supervision import Supervision
from tests.clocks import Clock

TINY = str(Path(__file__).parent / "fixtures" / "tiny.tflite")
ONLINE = CameraState(
    name="fake", details="", online=True, since_s=0.0, reconnects=0, dropped=2, error=None
)  # fmt: skip


class FakeCapture:
    """Plays a script: a time makes a frame, None a wait without one, a callable is called; then the film is over."""

    name = "fake"

    def __init__(self, *script: float | Callable[[], None] | None, hangs: bool = False) -> None:
        self.script = list(script)
        self.state = ONLINE
        self.stopped = False
        self.hangs = hangs
        self.when_stopped: Callable[[], None] = lambda: None

    def next(self, _timeout_s: float) -> Frame | None:
        while self.script:
            act = self.script.pop(0)
            if callable(act):
                act()
            else:
                return None if act is None else Frame(np.zeros((48, 64), np.uint8), act, 0)
        raise EndOfStream

    def stop(self) -> bool:
        if not self.stopped:
            self.stopped = True
            self.unplug()
            self.when_stopped()
        return not self.hangs

    def unplug(self) -> None:
        self.state = replace(self.state, online=False)

    def replug(self) -> None:
        self.state = replace(self.state, online=True)


@dataclass
class RecordingSink:
    """Writes down what it is told."""

    heard: list[Any] = field(default_factory=list)

    def info(self, info: Info) -> None:
        self.heard.append(info)

    def camera(self, online: bool) -> None:
        self.heard.append("camera on" if online else "camera off")

    def running(self, on: bool) -> None:
        self.heard.append("running" if on else "paused")

    def refresh(self) -> None:
        self.heard.append("refresh")

    def publish(self, time_s: float, readings: Sequence[Reading]) -> None:
        self.heard.append((time_s, len(readings)))

    def health(self, report: HealthReport) -> None:
        self.heard.append(report)

    def check(self) -> None: ...

    def close(self) -> None:
        self.heard.append("closed")


class RecordingNotifier(Notifier):
    """Writes down what systemd would be told."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []

    def ready(self, status: str) -> None:
        self.heard.append("ready")

    def reloading(self, now_s: float) -> None:
        self.heard.append("reloading")

    def stopping(self) -> None:
        self.heard.append("stopping")

    def feed(self, now_s: float) -> None:
        self.heard.append(f"fed at {now_s:g}")


def config(**changes: object) -> Config:
    return Config.model_validate({"device": "test", "model": TINY, "mqtt": {"enabled": False}, **changes})


class Stage:
    """A daemon whose surroundings are all fake; each configuration's camera gets the next of the captures."""

    def __init__(
        self,
        *captures: FakeCapture,
        settings: Config | None = None,
        open_mqtt: OpenMqtt = mqtt_from,
        open_page: OpenPage = page_from,
    ) -> None:
        self.sink = RecordingSink()
        self.clock = Clock(0.0)
        self.next_config: Config | ConfigError = settings or config()
        waiting = list(captures)

        def open_capture(_settings: CameraConfig) -> Capture:
            return cast("Capture", waiting.pop(0))

        self.control = Control()
        self.assembly = Assembly(
            settings or config(),
            control=self.control,
            output=lambda _config: self.sink,
            open_capture=open_capture,
            open_mqtt=open_mqtt,
            open_page=open_page,
        )
        self.notifier = RecordingNotifier()
        self.board = Strain(55.0, 80.0, throttled=False, under_voltage=False)
        supervision = Supervision(self.notifier, 0.0)
        self.daemon = Daemon(
            self.assembly,
            control=self.control,
            load=self.load,
            supervision=supervision,
            cooling=Cooling(lambda: self.board),
            clock=self.clock,
        )

    def ask(self, wish: Wish) -> Callable[[], None]:
        """An act for a script."""
        return lambda: self.control.ask(wish)

    def load(self) -> Config:
        if isinstance(self.next_config, ConfigError):
            raise self.next_config
        return self.next_config

    def run(self) -> list[Any]:
        self.daemon.run()
        return self.sink.heard


def reload(stage: Stage, settings: Config | ConfigError) -> Callable[[], None]:
    """An act for a script: the configuration file says something else now."""

    def act() -> None:
        stage.next_config = settings
        stage.control.ask(Wish.RELOAD)

    return act
