"""A Raspberry Pi has no clock that runs while it is off: at its first sync the wall clock leaps, by years maybe."""

import ast
import itertools
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from edge_fer.assembly import Assembly
from edge_fer.bench.scene import SyntheticScene
from edge_fer.board import Strain
from edge_fer.camera import CameraState, Capture, EndOfStream
from edge_fer.config import Config
from edge_fer.control import Control
from edge_fer.cooling import Cooling
from edge_fer.daemon import Daemon
from edge_fer.errors import ConfigError
from edge_fer.publish.mqtt import MqttSink
from edge_fer.publish.outbox import Message
from edge_fer.publish.reports import LinkStats
from edge_fer.records import Frame

PACKAGE = Path(__file__).parents[1] / "edge_fer"
TINY = str(Path(__file__).parent / "fixtures" / "tiny.tflite")
ONLINE = CameraState(
    name="fake", details="", online=True, since_s=0.0, reconnects=0, dropped=0, error=None
)  # fmt: skip
FRAMES, FPS, SYNC_S = 60, 10.0, 2.0
TEN_YEARS_S = 10 * 365.25 * 86400


class Clock:
    """The monotonic clock, moved on by the camera; the wall clock leaps after `SYNC_S` if it is to."""

    def __init__(self, *, leap_s: float) -> None:
        self.now_s = 0.0
        self._leap_s = leap_s

    def monotonic(self) -> float:
        return self.now_s

    def wall(self) -> float:
        return 1.5e9 + self.now_s + (self._leap_s if self.now_s >= SYNC_S else 0)


class Camera:
    """A face for four of six seconds."""

    name = "fake"
    state = ONLINE

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._scene = SyntheticScene(faces=1, width=320, height=240)
        self._index = itertools.count()

    def next(self, _timeout_s: float) -> Frame:
        index = next(self._index)
        if index == FRAMES:
            raise EndOfStream
        self._clock.now_s = index / FPS
        pixels = self._scene.read().pixels
        return Frame(pixels if index < 40 else pixels * 0, self._clock.now_s, index)

    def stop(self) -> bool:
        return True


class Post:
    """Keeps what would be published."""

    def __init__(self) -> None:
        self.messages: list[tuple[str, Any]] = []

    @property
    def stats(self) -> LinkStats:
        return LinkStats(connected=True, protocol="5", reconnects=0, queued=0, lost=0, events_lost=0)

    def post(self, message: Message) -> None:
        text = message.payload.decode()
        self.messages.append((message.topic, json.loads(text) if text.startswith("{") else text))

    def repeat(self) -> None: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


def watch(leap_s: float, models: Path, setenv: Callable[[str, str], None]) -> list[tuple[str, Any]]:
    """Everything that a daemon publishes in six seconds of its clock."""
    setenv("EDGE_FER_MODELS", str(models))
    clock, post = Clock(leap_s=leap_s), Post()
    settings = {
        "device": "test", "model": TINY, "mqtt": {"enabled": False, "health_s": 2}, "pace": {"target_fps": 0.1},
        "detector": {"kind": "haar"},  # whose search is always dearer than following, however busy the machine
    }  # fmt: skip

    def sink(_config: Config) -> MqttSink:
        return MqttSink(post, base="t", heartbeat_s=2, rate_hz=2, event_ttl_s=60, wall_clock=clock.wall)

    def load() -> Config:
        raise ConfigError("there is no other")

    control = Control()
    assembly = Assembly(
        Config.model_validate(settings),
        control=control,
        output=sink,
        open_capture=lambda _settings: cast("Capture", Camera(clock)),
    )
    calm = Cooling(lambda: Strain(None, None, None, None))
    Daemon(assembly, control=control, load=load, cooling=calm, clock=clock.monotonic).run()
    return post.messages


def without_times(messages: list[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """What does not depend on the wall clock; health without what this machine's speed decides."""
    kept: list[tuple[str, Any]] = []
    for topic, payload in messages:
        if isinstance(payload, dict):
            volatile = {"time", "started_at", "run", "rss_mb", "stages", "temperature_c"}
            kept.append((topic, {key: value for key, value in payload.items() if key not in volatile}))
        else:
            kept.append((topic, payload))
    return kept


def test_a_leap_of_the_wall_clock_changes_no_interval_and_no_smoothing(tmp_path: Path, monkeypatch: Any) -> None:
    steady = watch(0.0, tmp_path, monkeypatch.setenv)
    leaping = watch(TEN_YEARS_S, tmp_path, monkeypatch.setenv)
    assert without_times(leaping) == without_times(steady)
    emotions = [payload for topic, payload in leaping if topic == "t/emotion"]
    assert len(emotions) > 2
    assert {payload["time"][:4] for payload in emotions} == {"2017", "2027"}
    events = [payload["type"] for topic, payload in leaping if topic == "t/event"]
    assert (events[0], events[-1]) == ("appear", "leave")
    assert len([topic for topic, _ in leaping if topic == "t/health"]) == 2


def test_the_wall_clock_serves_for_telling_the_time_alone() -> None:
    """Nobody asks for it but those who stamp messages, name things, or age what lay on disk over a restart."""
    asked: dict[str, int] = {}
    for path in PACKAGE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and node.attr in {"time", "time_ns", "now", "utcnow", "today"}:
                owner = node.value.id if isinstance(node.value, ast.Name) else ""
                if owner in {"time", "datetime", "date"}:
                    name = str(path.relative_to(PACKAGE))
                    asked[name] = asked.get(name, 0) + 1
    assert asked == {
        "assembly.py": 1,  # when the daemon started
        "bench/measure.py": 1,  # when a measurement was made
        "publish/commands.py": 1,
        "publish/listen.py": 1,  # part of a client's id
        "publish/mqtt.py": 2,  # and part of one
        "publish/outbox.py": 1,  # the age of events that outlived the daemon
        "publish/sinks.py": 1,
    }
