"""What the devices on a broker say of themselves, as an onlooker pieces it together from their topics.

Anybody may write anything on a broker, so whatever does not read as one of our payloads is passed over.
"""

import json
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from edge_fer.publish.transport import Received

HISTORY: Final = 20
"""Confidences kept of a face."""

GONE_S: Final = 5.0
"""A face of which nothing was heard for so long has left."""

MOST_DEVICES: Final = 1000
MOST_FACES: Final = 50
"""More are not looked at: garbage on a broker must not fill our memory."""


@dataclass(slots=True)
class FaceSeen:
    """A face as its topic tells it; `heard_s` is the onlooker's time."""

    emotion: str
    confidence: float
    heard_s: float
    history: deque[float] = field(default_factory=lambda: deque(maxlen=HISTORY))


@dataclass(slots=True)
class DeviceSeen:
    """A device as its topics tell it; None is what was not heard yet."""

    heard_s: float
    online: bool | None = None
    camera_online: bool | None = None
    running: bool | None = None
    fps: float | None = None
    faces: dict[int, FaceSeen] = field(default_factory=dict)

    @property
    def state(self) -> str:
        """In a word: what keeps it from working, or `online`."""
        if not self.online:
            return "unknown" if self.online is None else "offline"
        if self.running is False:
            return "paused"
        return "no camera" if self.camera_online is False else "online"


class House:
    """All devices below a base topic.

    Args:
        base_topic: the topic above all devices.
    """

    def __init__(self, base_topic: str) -> None:
        self.topics = tuple(
            f"{base_topic}/+/{name}"
            for name in ("availability", "camera/availability", "running", "faces/+", "health", "emotion")
        )
        self._prefix = f"{base_topic}/"
        self._devices: dict[str, DeviceSeen] = {}

    def devices(self, now_s: float) -> Mapping[str, DeviceSeen]:
        """Every device by its name, in order, with the faces that are still there."""
        for seen in self._devices.values():
            seen.faces = {
                track: face
                for track, face in seen.faces.items()
                if seen.state == "online" and now_s - face.heard_s < GONE_S
            }
        return dict(sorted(self._devices.items()))

    def hear(self, received: Received, now_s: float) -> None:
        """Take one message."""
        name, _, topic = received.topic.removeprefix(self._prefix).partition("/")
        name = _printable(name)
        if topic == "availability" and not received.payload:
            self._devices.pop(name, None)  # it took itself back
            return
        if name not in self._devices and len(self._devices) >= MOST_DEVICES:
            return
        seen = self._devices.setdefault(name, DeviceSeen(now_s))
        if not received.retained:
            seen.heard_s = now_s
        match topic.split("/"):
            case ["availability"]:
                seen.online = received.payload == b"online"
            case ["camera", "availability"]:
                seen.camera_online = received.payload == b"online"
            case ["running"]:
                seen.running = received.payload != b"off"
            case ["health"]:
                seen.fps = _number(_object(received.payload).get("fps"))
            case ["faces", track] if track.isascii() and track.isdecimal() and len(seen.faces) < MOST_FACES:
                _hear_face(seen, int(track[:18]), _object(received.payload), now_s)


def _hear_face(seen: DeviceSeen, track: int, reading: Mapping[str, Any], now_s: float) -> None:
    emotion, confidence = reading.get("emotion"), _number(reading.get("confidence"))
    if not isinstance(emotion, str) or confidence is None:
        return
    face = seen.faces.setdefault(track, FaceSeen("", 0.0, now_s))
    face.emotion, face.heard_s = _printable(emotion), now_s
    face.confidence = min(max(confidence, 0.0), 1.0)
    face.history.append(face.confidence)


def _printable(text: str) -> str:
    """Without what would command the terminal."""
    return "".join(character for character in text[:64] if character.isprintable())


def _object(payload: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(payload)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and abs(value) < 1e9 else None
