"""The sink against Debian's mosquitto, seen through mosquitto_sub."""

import json
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from edge_fer.control import Request
from edge_fer.publish import schemas
from edge_fer.publish.mqtt import MqttSink
from edge_fer.publish.reports import HealthReport, Info
from edge_fer.records import Reading
from tests.publish.conftest import Message, wait_until, warnings_in

pytestmark = pytest.mark.real


def test_every_topic_is_seen_and_valid(
    mosquitto: Any,
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    info: Info,
    report: HealthReport,
) -> None:
    sink = open_sink(mosquitto)
    wait_until(lambda: sink.link.connected)
    assert sink.link.protocol == "5"
    subscriber = mosquitto.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/availability", "online")
    sink.info(info)
    sink.camera(online=True)
    for index in range(60):
        sink.publish(index / 30, [make_reading(1), make_reading(2, "sad", width=0.1)])
    sink.publish(2.0, [])
    sink.health(report)
    subscriber.wait_for("kitchen/health")
    sink.close()
    subscriber.wait_for("kitchen/availability", "offline")

    seen: dict[str, list[Message]] = {}
    for message in subscriber.messages:
        seen.setdefault(message.topic.removeprefix("edge-fer/kitchen/"), []).append(message)
    topics = {
        "availability",
        "camera/availability",
        "info",
        "emotion",
        "faces",
        "faces/1",
        "faces/2",
        "event",
        "health",
    }
    assert seen.keys() == topics
    assert [message.json["type"] for message in seen["event"]] == ["appear", "appear", "leave", "leave"]
    for topic, messages in seen.items():
        schema = Draft202012Validator(schemas.load(schemas.TOPICS["faces/+" if "faces/" in topic else topic]))
        for message in messages:
            schema.validate(message.payload if "availability" in topic else message.json)
    assert {topic: {message.qos for message in messages} for topic, messages in seen.items()} == {
        "availability": {1},
        "camera/availability": {1},
        "info": {1},
        "emotion": {1},
        "faces": {1},
        "faces/1": {0},
        "faces/2": {0},
        "event": {1},
        "health": {0},
    }
    assert [message.payload for message in seen["camera/availability"]] == ["online", "offline"]
    assert seen["emotion"][-1].json["emotion"] is None
    # Sixty frames went through in a few milliseconds: of each face only the latest value had to go out.
    assert seen["faces/1"][-1].json["seq"] == 10


def test_a_late_subscriber_finds_the_state_but_nothing_else(
    mosquitto: Any,
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    info: Info,
    report: HealthReport,
) -> None:
    early = mosquitto.subscribe("edge-fer/#")
    sink = open_sink(mosquitto)
    early.wait_for("kitchen/availability")
    sink.info(info)
    sink.camera(online=True)
    sink.publish(0, [make_reading(4)])
    sink.health(report)
    early.wait_for("kitchen/health")
    early.wait_for("kitchen/event")  # confirmed ones have a queue of their own
    late = mosquitto.subscribe("edge-fer/#")
    late.wait_for("kitchen/emotion")
    sink.camera(online=False)
    late.wait_for("kitchen/camera/availability", "offline")
    retained = {message.topic.removeprefix("edge-fer/kitchen/") for message in late.messages if message.retained}
    assert retained == {"availability", "info", "emotion", "faces", "camera/availability"}
    assert late.on("faces/4") == late.on("health") == late.on("event") == []


def test_what_a_silent_daemon_saw_expires(
    mosquitto: Any, open_sink: Callable[..., MqttSink], make_reading: Callable[..., Reading]
) -> None:
    subscriber = mosquitto.subscribe("+/kitchen/emotion")
    open_sink(mosquitto, heartbeat_s=1).publish(0, [make_reading()])  # expires after three heartbeats
    open_sink(mosquitto, heartbeat_s=100, base_topic="empty").publish(0, [])
    subscriber.wait_for("edge-fer/kitchen/emotion")
    subscriber.wait_for("empty/kitchen/emotion")

    def retained_readings() -> list[str]:
        done = subprocess.run(
            ["mosquitto_sub", "-p", str(mosquitto.port), "-t", "+/kitchen/#", "-v", "--retained-only", "-W", "1"],
            capture_output=True,
            text=True,
            check=False,
        )
        return [line.split()[0] for line in done.stdout.splitlines() if "/emotion" in line]

    wait_until(lambda: retained_readings() == ["empty/kitchen/emotion"])


def test_a_killed_daemon_is_offline_by_its_last_will(mosquitto: Any) -> None:
    script = (
        "import sys, time; from edge_fer.publish.mqtt import connect;"
        "sink = connect(device='kitchen', host='127.0.0.1', port=int(sys.argv[1]));"
        "time.sleep(60)"
    )
    subscriber = mosquitto.subscribe("edge-fer/#")
    daemon = subprocess.Popen([sys.executable, "-c", script, str(mosquitto.port)])
    subscriber.wait_for("kitchen/availability", "online")
    daemon.kill()
    daemon.wait()
    subscriber.wait_for("kitchen/availability", "offline", timeout_s=2)
    mosquitto.subscribe().wait_for("kitchen/availability", "offline")


def test_an_orderly_end_is_quick_and_offline(mosquitto: Any, open_sink: Callable[..., MqttSink]) -> None:
    sink = open_sink(mosquitto)
    subscriber = mosquitto.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/availability", "online")
    started_s = time.monotonic()
    sink.close()
    assert time.monotonic() - started_s < 0.5
    subscriber.wait_for("kitchen/availability", "offline")


def test_what_others_left_on_our_topics_is_replaced_or_ignored(
    mosquitto: Any,
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    info: Info,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ours = ("availability", "camera/availability", "info", "emotion", "faces", "running")
    foreign = ("command", "response", "event", "health", "faces/1", "x/y/z", "picture")
    garbage = bytes(range(1, 256)) * 4
    told = ["mosquitto_pub", "-h", mosquitto.host, "-p", str(mosquitto.port), "-r", "-s", "-t"]
    for name in (*ours, *foreign):
        subprocess.run([*told, f"edge-fer/kitchen/{name}"], input=garbage, check=True)
    for topic in ("homeassistant/status", "homeassistant/device/edge-fer_kitchen/config"):
        subprocess.run([*told, topic], input=garbage, check=True)
    asked: list[Request] = []
    sink = open_sink(mosquitto, home_assistant=True, ask=asked.append)
    sink.info(info)
    sink.camera(online=True)
    sink.running(True)
    sink.publish(0, [make_reading()])
    wait_until(lambda: sink.link.connected and sink.link.queued == 0)
    sink.check()
    time.sleep(0.5)
    for topic in ("emotion", "faces", "running", "info"):
        payload = mosquitto.subscribe(f"edge-fer/kitchen/{topic}").wait_for(topic).payload
        schema = schemas.TOPICS[topic]
        decoded = payload if schema in schemas.PLAIN_TEXT else json.loads(payload)
        Draft202012Validator(schemas.load(schema)).validate(decoded)
    assert asked == []
    assert (sink.link.reconnects, sink.link.lost) == (0, 0)
    assert [text for text in warnings_in(caplog) if "ignored" not in text] == []
