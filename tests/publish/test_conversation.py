"""Commands over Debian's mosquitto, sent and heard with its own tools."""

import json
import subprocess
import time
from collections.abc import Iterator
from typing import Any

import pytest

from edge_fer.control import Request
from edge_fer.publish.mqtt import MqttSink, connect
from edge_fer.publish.reports import DeviceState

pytestmark = pytest.mark.real

TOPIC = "edge-fer/kitchen/command"
STATE = DeviceState(
    paused=False, camera_online=True, faces=2, started_at_s=0, heartbeat_s=10, rate_hz=5, health_s=30
)  # fmt: skip


@pytest.fixture
def requests() -> list[Request]:
    return []


@pytest.fixture(params=["5", "3.1.1"])
def sink(request: pytest.FixtureRequest, mosquitto: Any, requests: list[Request]) -> Iterator[MqttSink]:
    """A device that does what it is told at once: nothing, and answers."""

    def ask(asked: Request) -> None:
        requests.append(asked)
        asked.answer(STATE, None)

    sink = connect(device="kitchen", host=mosquitto.host, port=mosquitto.port, protocol=request.param, ask=ask)
    mosquitto.subscribe("edge-fer/#").wait_for("kitchen/availability", "online")
    yield sink
    sink.close()


def tell(broker: Any, payload: str | bytes, *options: str) -> None:
    text = payload if isinstance(payload, bytes) else payload.encode()
    command = ["mosquitto_pub", "-h", broker.host, "-p", str(broker.port), "-t", TOPIC, "-q", "1", "-s", *options]
    subprocess.run(command, input=text, check=True)


def test_a_command_is_heard_and_answered(mosquitto: Any, sink: MqttSink, requests: list[Request]) -> None:
    subscriber = mosquitto.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/availability", "online")
    tell(mosquitto, '{"command": "set", "values": {"rate_hz": 2}}')
    tell(mosquitto, "dance")
    first, second = (subscriber.wait_for("kitchen/response", count=count).json for count in (1, 2))
    assert [(asked.command, asked.values) for asked in requests] == [("set", {"rate_hz": 2.0})]
    assert (first["ok"], first["command"], first["state"]["faces"]) == (True, "set", 2)
    assert (second["ok"], second["command"]) == (False, None)


def test_a_retained_command_does_nothing(mosquitto: Any, requests: list[Request]) -> None:
    for version in ("5", "3.1.1"):
        tell(mosquitto, "pause", "-r")
        sink = connect(
            device="kitchen", host=mosquitto.host, port=mosquitto.port, protocol=version, ask=requests.append
        )
        subscriber = mosquitto.subscribe("edge-fer/#")
        subscriber.wait_for("kitchen/availability", "online")
        tell(mosquitto, "dance")
        subscriber.wait_for("kitchen/response")  # so the retained one was heard before, if at all
        sink.close()
        subscriber.wait_for("kitchen/availability", "offline")
    assert requests == []


def test_an_oversized_command_is_refused_or_never_delivered(
    mosquitto: Any, sink: MqttSink, requests: list[Request]
) -> None:
    subscriber = mosquitto.subscribe("edge-fer/kitchen/response")
    tell(mosquitto, b"{" * 1_000_000)
    tell(mosquitto, "status")
    deadline_s = time.monotonic() + 10
    while not requests and time.monotonic() < deadline_s:
        time.sleep(0.01)
    assert [asked.command for asked in requests] == ["status"]
    assert sink.link.reconnects == 0
    subscriber.wait_for("response")


def test_mqtt_5_response_topic_and_correlation_data(mosquitto: Any, requests: list[Request]) -> None:
    def ask(asked: Request) -> None:
        asked.answer(STATE, None)

    sink = connect(device="kitchen", host=mosquitto.host, port=mosquitto.port, ask=ask)
    try:
        mosquitto.subscribe("edge-fer/#").wait_for("kitchen/availability", "online")
        command = ["mosquitto_rr", "-h", mosquitto.host, "-p", str(mosquitto.port), "-V", "5", "-t", TOPIC,
                   "-e", "panel/answers", "-D", "publish", "correlation-data", "q7", "-m", "status",
                   "-F", "%D %p", "-W", "10"]  # fmt: skip
        answered = subprocess.run(command, capture_output=True, text=True, check=True, timeout=15).stdout
    finally:
        sink.close()
    correlation, _, payload = answered.strip().partition(" ")
    assert (correlation, json.loads(payload)["command"]) == ("q7", "status")
