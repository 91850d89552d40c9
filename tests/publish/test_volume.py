"""How much a room costs an hour, on the wire and in a recorder's database; `pytest -s` prints it."""

import random
from collections import Counter
from itertools import count

import pytest

from edge_fer.publish.mqtt import MqttSink
from edge_fer.publish.outbox import Message
from edge_fer.publish.reports import HealthReport, LinkStats
from edge_fer.simulate import Face
from edge_fer.stages import Percentiles

HOUR_S = 3600
FPS = 10
STAGE = Percentiles(p50_ms=21.25, p90_ms=24.0, p95_ms=25.0, p99_ms=31.75)
REPORT = HealthReport(
    fps=14.9,
    stages=dict.fromkeys(("detect", "track", "crop", "classify", "smooth", "publish"), STAGE),
    dropped_frames=12,
    camera_reconnects=0,
    rss_mb=91.4,
    temperature_c=54.2,
)


class Scale:
    """Weighs what is posted: topic, payload, and the header and expiry of MQTT 5."""

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()
        self.messages: Counter[str] = Counter()

    @property
    def stats(self) -> LinkStats:
        return LinkStats(connected=True, protocol="5", reconnects=0, queued=0, lost=0, events_lost=0)

    def post(self, message: Message) -> None:
        kind = message.topic.removeprefix("edge-fer/kitchen/").partition("/")[0]
        name = "faces/+" if kind == "faces" and not message.retain else kind
        self.bytes[name] += (
            5 + 2 * message.qos + 1 + 5 * bool(message.ttl_s) + len(message.topic) + len(message.payload)
        )
        self.messages[name] += 1

    def repeat(self) -> None: ...

    def check(self) -> None: ...

    def close(self) -> None: ...


@pytest.mark.parametrize(
    ("room", "faces", "state_mb", "all_mb"),
    [("idle", 0, 0.15, 0.15), ("busy", 2, 0.75, 11)],
)
def test_an_hour_stays_small(room: str, faces: int, state_mb: float, all_mb: float) -> None:
    scale = Scale()
    sink = MqttSink(scale, base="edge-fer/kitchen", heartbeat_s=10, rate_hz=5, event_ttl_s=3600)
    tracks, chance = count(1), random.Random(1)  # noqa: S311 - nothing secret
    people = [Face(tracks, chance) for _ in range(faces)]
    for frame in range(HOUR_S * FPS):
        time_s = frame / FPS
        sink.publish(time_s, [person.at(time_s) for person in people])
        if frame % (30 * FPS) == 0:
            sink.health(REPORT)
    without_faces = sum(scale.bytes.values()) - scale.bytes["faces/+"]
    print(f"\n{room}: {sum(scale.bytes.values()) / 1e6:.2f} MB an hour, {without_faces / 1e6:.2f} MB but faces/+;")  # noqa: T201
    print(", ".join(f"{name} {scale.messages[name]} in {scale.bytes[name]} B" for name in scale.bytes))  # noqa: T201
    assert without_faces <= state_mb * 1e6
    assert sum(scale.bytes.values()) <= all_mb * 1e6
