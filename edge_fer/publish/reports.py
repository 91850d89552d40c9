"""What the daemon tells about itself, as records of scalars."""

from collections.abc import Mapping
from dataclasses import dataclass

from edge_fer.stages import Percentiles


@dataclass(frozen=True, slots=True)
class Info:
    """What runs here; published once per start and after a change of the configuration.

    Attributes:
        version: of edge-fer.
        model_name: name of the emotion model.
        model_sha256: hex digest of its `.tflite`.
        labels: its emotions, in the order of its outputs.
        camera: what the camera is called, without a password.
        detector: kind of the face detector in use.
        started_at_s: when the daemon started, seconds since the epoch.
        config_digest: hex digest of the effective configuration, so that two devices can be compared.
    """

    version: str
    model_name: str
    model_sha256: str
    labels: tuple[str, ...]
    camera: str
    detector: str
    started_at_s: float
    config_digest: str


@dataclass(frozen=True, slots=True)
class HealthReport:
    """How the daemon does. What concerns the broker's connection is added by the sink that owns it.

    Attributes:
        fps: frames processed per second since the last report.
        stages: duration of each stage of a frame's way by its name (`detect`, `crop`, `classify`, …).
        dropped_frames: frames that the camera delivered and nobody processed, since the start.
        camera_reconnects: how often the camera was opened again, since the start.
        rss_mb: resident memory in MB (1e6 bytes).
        temperature_c: of the processor, None where it cannot be read.
        throttled: whether the board is slowed down by heat or low voltage, None where it cannot be read.
        under_voltage: whether its power supply is too weak, None where it cannot be read.
    """

    fps: float
    stages: Mapping[str, Percentiles]
    dropped_frames: int
    camera_reconnects: int
    rss_mb: float
    temperature_c: float | None = None
    throttled: bool | None = None
    under_voltage: bool | None = None


@dataclass(frozen=True, slots=True)
class DeviceState:
    """How the device is at a moment, as it answers who asks.

    Attributes:
        paused: whether the camera is released on request.
        camera_online: whether the camera delivers.
        faces: how many are in view.
        started_at_s: when the daemon started, seconds since the epoch.
        heartbeat_s: the emotion is published so often even if nothing changes.
        rate_hz: greatest rate of readings per face.
        health_s: seconds between two health messages.
    """

    paused: bool
    camera_online: bool
    faces: int
    started_at_s: float
    heartbeat_s: float
    rate_hz: float
    health_s: float


@dataclass(frozen=True, slots=True)
class LinkStats:
    """The state of the connection to the broker.

    Attributes:
        connected: whether the broker has accepted us and the connection stands.
        protocol: MQTT version spoken, `5` or `3.1.1`; None before the first connection.
        reconnects: connections after the first one.
        queued: messages that wait for the broker.
        lost: messages that were dropped unsent since the start, too old or too many. A state that a newer one
            replaced is not lost.
        events_lost: events among them.
        turned_s: when the network thread last went round, in seconds of the monotonic clock; None: not yet.
    """

    connected: bool
    protocol: str | None
    reconnects: int
    queued: int
    lost: int
    events_lost: int
    turned_s: float | None = None
