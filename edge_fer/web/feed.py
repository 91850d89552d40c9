"""What the page shows: a one-slot mailbox that the inference loop fills and the page's thread looks into.

The loop only swaps a reference. Everything that costs time (JSON, JPEG) happens on the page's thread and only when a
viewer asks: viewers wake together on the ticks of one clock, so that they share one view, and one JPEG, per tick.
"""

import secrets
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edge_fer.records import Frame, Reading
from edge_fer.stages import Histogram
from edge_fer.web.history import SPAN_S, History

PICTURES_PER_S = 10
HEARTBEAT_S = 2.0
"""A viewer hears at least so often, news or not: silence then means a broken connection."""

Encoder = Callable[[Frame], bytes]
Clock = Callable[[], float]


@dataclass(frozen=True, slots=True)
class Totals:
    """What was counted.

    Attributes:
        frames: frames that were judged since the daemon started, or took over a new configuration.
        dropped: frames that came while an earlier one was judged, since it started.
        reconnects: how often the camera came back, since it started.
        stages: time of each stage, since it started or took over a new configuration.
    """

    frames: int = 0
    dropped: int = 0
    reconnects: int = 0
    stages: Mapping[str, Histogram] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Status:
    """How the daemon is doing.

    Attributes:
        device: the configured name of this device.
        fps: frames worked on per second, lately.
        latency_ms: time of each stage (detect, classify, …) in milliseconds, lately, in the order of the work.
        camera: what the camera is called.
        camera_online: False while it is lost.
        camera_error: what is in its way, or last was; None if nothing ever was.
        paused: whether the camera is released on request.
        broker: what the broker is called.
        broker_online: False while it is lost, None where publishing is off.
        model: name of the model.
        detector: name of the detector.
        temperature_c: of the processor, in °C; None where there is no sensor.
        totals: what was counted.
    """

    device: str
    fps: float
    latency_ms: Mapping[str, float]
    camera: str
    camera_online: bool
    camera_error: str | None
    paused: bool
    broker: str
    broker_online: bool | None
    model: str
    detector: str
    temperature_c: float | None
    totals: Totals


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What the loop said last, at `told_s`, of what was seen at `seen_s`; both in the feed's clock.

    `size` is width and height in pixels; `frame` is None where nothing was seen, and where pictures are not shown.
    """

    frame: Frame | None
    size: tuple[int, int] | None
    seen_s: float
    readings: tuple[Reading, ...]
    status: Status
    told_s: float


class View:
    """One snapshot as viewers see it; its JPEG is made once, when the first of them asks."""

    __slots__ = ("_jpeg", "seq", "snapshot")

    def __init__(self, seq: int, snapshot: Snapshot, jpeg: bytes | None) -> None:
        self.seq = seq
        self.snapshot = snapshot
        self._jpeg = jpeg

    @property
    def encoded(self) -> bytes | None:
        """The JPEG, if somebody asked for it."""
        return self._jpeg

    def jpeg(self, encode: Encoder) -> bytes | None:
        """The picture, or None where there is none."""
        if self._jpeg is None and self.snapshot.frame is not None:
            self._jpeg = encode(self.snapshot.frame)
        return self._jpeg


class Feed:
    """The mailbox and the views made of it: `put` is for the inference loop, everything else for the page's thread.

    Args:
        encode: makes a frame a JPEG; None keeps every picture out of here.
        clock: monotonic seconds.

    Attributes:
        encoded: pictures that were made.
    """

    def __init__(self, *, encode: Encoder | None, clock: Clock) -> None:
        self._encode = encode
        self._clock = clock
        self._period_s = 1 / PICTURES_PER_S
        self._mailbox: Snapshot | None = None
        self._view: View | None = None
        self._tick = -1
        self._run = secrets.token_hex(4)  # tells a viewer that came back whether this is still the same daemon
        self._ended = False
        self._history = History()
        self.encoded = 0

    @property
    def shows_pictures(self) -> bool:
        """Whether there is ever a picture in here."""
        return self._encode is not None

    def put(self, frame: Frame | None, readings: Sequence[Reading], status: Status) -> None:
        """Replace what the page shows; without a frame the last picture stays, and its age with it, until a pause."""
        now = self._clock()
        shown, size, seen_s = None, None, now
        if frame is not None:
            self._history.add(now, readings)
            shown = frame if self._encode else None
            size = frame.pixels.shape[1], frame.pixels.shape[0]
        elif not status.paused and (last := self._mailbox) is not None:
            shown, size, seen_s = last.frame, last.size, last.seen_s
        self._mailbox = Snapshot(shown, size, seen_s, tuple(readings), status, now)

    def end(self) -> None:
        """Let every stream of states end: the page closes."""
        self._ended = True

    def view(self) -> View | None:
        """The newest view; it changes at most `PICTURES_PER_S` times a second. None before the loop's first word."""
        tick = int(self._clock() / self._period_s)
        snapshot = self._mailbox
        old = self._view
        if snapshot is not None and tick != self._tick and (old is None or snapshot is not old.snapshot):
            same_picture = old is not None and snapshot.frame is old.snapshot.frame
            jpeg = old.encoded if old is not None and same_picture else None
            self._view = View(old.seq + 1 if old else 1, snapshot, jpeg)
            self._tick = tick
        return self._view

    def jpeg(self) -> tuple[int, bytes] | None:
        """The newest view's number and picture; None while there is no picture."""
        view = self.view()
        if view is None or self._encode is None:
            return None
        if view.encoded is None and view.snapshot.frame is not None:
            self.encoded += 1
        jpeg = view.jpeg(self._encode)
        return None if jpeg is None else (view.seq, jpeg)

    @property
    def newest(self) -> Snapshot | None:
        """The loop's last word; None before the first."""
        return self._mailbox

    def history(self) -> dict[str, Any]:
        """The last minutes of every face as JSON values."""
        return {"run": self._run, "span_s": SPAN_S, "faces": self._history.as_json(self._clock())}

    def silent_s(self) -> float | None:
        """Seconds since the loop's last word; None before the first."""
        snapshot = self._mailbox
        return None if snapshot is None else self._clock() - snapshot.told_s

    def state(self) -> dict[str, Any]:
        """The newest view as JSON values; `age_s` says how old what it shows is by now."""
        view = self.view()
        always = {"run": self._run, "pictures": self.shows_pictures}
        if view is None:
            return {**always, "seq": 0, "age_s": None, "size": None, "faces": [], "status": None}
        snapshot = view.snapshot
        return {
            **always,
            "seq": view.seq,
            "age_s": None if snapshot.size is None else round(self._clock() - snapshot.seen_s, 3),
            "size": None if snapshot.size is None else list(snapshot.size),
            "faces": [_face(reading) for reading in snapshot.readings],
            "status": _status(snapshot.status),
        }

    async def states(self) -> AsyncGenerator[dict[str, Any], None]:
        """The state now, then whenever it is another, and at least every `HEARTBEAT_S`, until the page closes."""
        import asyncio  # noqa: PLC0415 - a megabyte, for those who have the page

        sent: View | None = None
        due_s = self._clock()
        while not self._ended:
            view = self.view()
            if view is not sent or self._clock() >= due_s:
                yield self.state()
                sent = view
                due_s = self._clock() + HEARTBEAT_S
            await asyncio.sleep(self._period_s - self._clock() % self._period_s)


def _face(reading: Reading) -> dict[str, Any]:
    return {
        "track": reading.track,
        "emotion": reading.emotion,
        "confidence": round(reading.confidence, 4),
        "scores": {label: round(score, 4) for label, score in reading.scores.items()},
        "box": [round(value, 4) for value in reading.box],
        "for_s": round(reading.for_s, 1),
    }


def _status(status: Status) -> dict[str, Any]:
    return {
        "device": status.device,
        "fps": round(status.fps, 1),
        "latency_ms": {stage: round(value, 2) for stage, value in status.latency_ms.items()},
        "paused": status.paused,
        "camera": {"name": status.camera, "online": status.camera_online, "error": status.camera_error},
        "broker": {"name": status.broker, "online": status.broker_online},
        "model": status.model,
        "detector": status.detector,
        "temperature_c": status.temperature_c,
    }
