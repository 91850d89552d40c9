import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edge_fer.errors import BrokerError
from edge_fer.publish import schemas
from edge_fer.publish.homeassistant import Discovery
from edge_fer.publish.mqtt import MqttSink, client_id, connect
from edge_fer.publish.outbox import Message
from edge_fer.publish.paho import Tls
from edge_fer.publish.reports import HealthReport, Info, LinkStats
from edge_fer.records import Reading


@dataclass
class FakePost:
    """Keeps what is posted."""

    messages: list[Message] = field(default_factory=list)
    closed: bool = False

    @property
    def stats(self) -> LinkStats:
        return LinkStats(connected=True, protocol="5", reconnects=0, queued=1, lost=2, events_lost=1)

    def post(self, message: Message) -> None:
        assert not self.closed
        self.messages.append(message)

    def repeat(self) -> None:
        assert not self.closed

    def check(self) -> None:
        raise RuntimeError("the MQTT thread has ended")

    def close(self) -> None:
        self.closed = True

    def take(self) -> list[Message]:
        messages, self.messages = self.messages, []
        return messages


@pytest.fixture
def post() -> FakePost:
    return FakePost()


@pytest.fixture
def sink(post: FakePost) -> MqttSink:
    return MqttSink(
        post, base="edge-fer/kitchen", heartbeat_s=10, rate_hz=5, event_ttl_s=60, wall_clock=lambda: 1769860800.123
    )


def decode(message: Message) -> Any:
    """The payload, after its topic's schema has been applied to it."""
    topic = message.topic.removeprefix("edge-fer/kitchen/")
    text = message.payload.decode()
    payload = text if schemas.TOPICS.get(topic) in schemas.PLAIN_TEXT else json.loads(text)
    schema = schemas.load(schemas.TOPICS["faces/+" if topic.startswith("faces/") else topic])
    Draft202012Validator(schema).validate(payload)
    return payload


def test_the_device_comes_online_and_says_what_it_runs(sink: MqttSink, post: FakePost, info: Info) -> None:
    sink.info(info)
    sink.camera(online=True)
    availability, told, camera = post.take()
    assert availability == Message("edge-fer/kitchen/availability", b"online", qos=1, retain=True)
    assert (told.topic, told.qos, told.retain) == ("edge-fer/kitchen/info", 1, True)
    assert decode(told)["model"]["name"] == "emotion"
    assert camera == Message("edge-fer/kitchen/camera/availability", b"online", qos=1, retain=True)


def test_a_frame_makes_the_state_of_the_scene_and_a_reading_per_face(
    sink: MqttSink, post: FakePost, make_reading: Callable[..., Reading]
) -> None:
    post.take()
    sink.publish(0.0, [make_reading(3, width=0.1), make_reading(7, "sad", width=0.3)])
    emotion, *faces = [message for message in post.take() if not message.topic.endswith(("/event", "/faces"))]
    assert (emotion.topic, emotion.qos, emotion.retain, emotion.ttl_s) == ("edge-fer/kitchen/emotion", 1, True, 30)
    assert (decode(emotion)["track"], decode(emotion)["emotion"], decode(emotion)["seq"]) == (7, "sad", 1)
    assert [face.topic for face in faces] == ["edge-fer/kitchen/faces/3", "edge-fer/kitchen/faces/7"]
    assert {(face.qos, face.retain, face.latest) for face in faces} == {(0, False, True)}
    assert [decode(face)["emotion"] for face in faces] == ["happy", "sad"]
    sink.publish(0.1, [make_reading(3, width=0.1), make_reading(7, "sad", width=0.3)])
    assert post.take() == []


def test_nobody_is_a_state_that_expires_too(sink: MqttSink, post: FakePost) -> None:
    post.take()
    sink.publish(0.0, [])
    emotion, faces = post.take()
    assert (emotion.topic, emotion.retain, emotion.ttl_s) == ("edge-fer/kitchen/emotion", True, 30)
    assert decode(emotion)["emotion"] is None
    assert faces == Message("edge-fer/kitchen/faces", b"0", qos=1, retain=True, ttl_s=30)


def test_how_many_faces_are_in_view_is_told_on_a_change_and_as_heartbeat(
    sink: MqttSink, post: FakePost, make_reading: Callable[..., Reading]
) -> None:
    told = []
    for time_s, tracks in ((0, ()), (1, (1,)), (2, (1, 2)), (3, (1, 2)), (11, (1, 2)), (12, (1, 2))):
        post.take()
        sink.publish(time_s, [make_reading(track) for track in tracks])
        told += [(time_s, decode(message)) for message in post.take() if message.topic == "edge-fer/kitchen/faces"]
    assert told == [(0, 0), (1, 1), (2, 2), (12, 2)]


def test_other_rates_are_told_to_home_assistant(post: FakePost, info: Info) -> None:
    discovery = Discovery(base="edge-fer/kitchen", prefix="homeassistant", enabled=True)
    sink = MqttSink(post, base="edge-fer/kitchen", heartbeat_s=10, rate_hz=5, event_ttl_s=60, discovery=discovery)
    sink.retune(heartbeat_s=60, rate_hz=1, health_s=5)
    sink.info(info)
    components = json.loads(post.take()[-1].payload)["components"]
    assert (components["emotion"]["expire_after"], components["fps"]["expire_after"]) == (180, 15)


def test_a_device_that_retires_leaves_nothing_behind(
    post: FakePost, info: Info, make_reading: Callable[..., Reading]
) -> None:
    discovery = Discovery(base="edge-fer/kitchen", prefix="homeassistant", enabled=True)
    sink = MqttSink(post, base="edge-fer/kitchen", heartbeat_s=10, rate_hz=5, event_ttl_s=60, discovery=discovery)
    sink.info(info)
    sink.camera(online=True)
    sink.running(True)
    sink.publish(0.0, [make_reading()])
    kept = {message.topic for message in post.take() if message.retain}
    sink.retire()
    sink.close()
    said = post.take()
    cleared = [message.topic for message in said if message.payload == b""]
    assert set(cleared) == kept
    assert cleared[0] == "homeassistant/device/edge-fer_kitchen/config", "before Home Assistant reads an empty state"
    assert all(message.retain and not message.latest for message in said if message.payload == b"")
    assert said[2] == Message("edge-fer/kitchen/availability", b"offline", qos=1, retain=True)
    assert post.closed


def test_health_is_not_retained(sink: MqttSink, post: FakePost, report: HealthReport) -> None:
    post.take()
    sink.health(report)
    (message,) = post.take()
    assert (message.topic, message.qos, message.retain) == ("edge-fer/kitchen/health", 0, False)
    assert (decode(message)["outbox_lost"], decode(message)["events_lost"]) == (2, 1)


def test_what_happens_to_a_face_is_an_event_that_waits_its_turn(
    sink: MqttSink, post: FakePost, make_reading: Callable[..., Reading]
) -> None:
    def events() -> list[Message]:
        return [message for message in post.take() if message.topic == "edge-fer/kitchen/event"]

    sink.publish(0.0, [make_reading(3, "sad", confidence=0.6)])
    sink.publish(1.0, [make_reading(3, "happy", confidence=0.8)])
    appear, change = events()
    assert (change.qos, change.retain, change.latest, change.vital, change.ttl_s) == (1, False, False, True, 60)
    assert (decode(appear)["type"], decode(appear)["seq"]) == ("appear", 1)
    assert decode(change) == {
        "time": "2026-01-31T12:00:00.123Z",
        "run": decode(appear)["run"],
        "seq": 2,
        "type": "change",
        "track": 3,
        "before": {"emotion": "sad", "for_s": 1.0, "peak_confidence": 0.6},
        "after": {"emotion": "happy", "confidence": 0.8},
        "visible_s": 1.0,
        "summary": None,
    }
    sink.publish(1.5, [make_reading(3, "happy", confidence=0.8)])
    sink.close()  # who is in view is not seen any more
    (leave,) = events()
    told = decode(leave)
    assert (told["type"], told["seq"], told["after"]) == ("leave", 3, None)
    assert (told["visible_s"], told["summary"]) == (1.5, {"sad": 1.0, "happy": 0.5})


def test_closing_says_offline_before_it_leaves(sink: MqttSink, post: FakePost) -> None:
    post.take()
    sink.close()
    assert [(message.topic, message.payload) for message in post.take()] == [
        ("edge-fer/kitchen/camera/availability", b"offline"),
        ("edge-fer/kitchen/availability", b"offline"),
    ]
    assert post.closed


def test_a_dead_thread_is_seen(sink: MqttSink) -> None:
    with pytest.raises(RuntimeError, match="thread has ended"):
        sink.check()


def test_the_client_id_is_stable_and_differs_by_device_and_machine() -> None:
    ours = client_id("edge-fer/kitchen", "machine a")
    assert ours.startswith("edge-fer-kitchen-")
    assert ours == client_id("edge-fer/kitchen", "machine a")
    assert len({ours, client_id("edge-fer/hall", "machine a"), client_id("edge-fer/kitchen", "machine b")}) == 3


def test_tls_files_that_cannot_be_used_are_named(tmp_path: Any) -> None:
    missing, garbage = tmp_path / "missing.pem", tmp_path / "garbage.pem"
    garbage.write_text("nothing")
    with pytest.raises(BrokerError, match=r"^mqtt\.tls\.ca_file: .*missing\.pem cannot be used \(No such file"):
        connect(device="kitchen", host="localhost", tls=Tls(ca_file=missing))
    with pytest.raises(BrokerError, match=r"^mqtt\.tls\.ca_file: .*garbage\.pem cannot be used"):
        connect(device="kitchen", host="localhost", tls=Tls(ca_file=garbage))
    with pytest.raises(BrokerError, match=r"^mqtt\.tls\.cert_file: .*garbage\.pem with .*missing\.pem cannot be used"):
        connect(device="kitchen", host="localhost", tls=Tls(cert_file=garbage, key_file=missing))
