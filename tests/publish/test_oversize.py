"""Messages that are too large for a mosquitto."""

import dataclasses
import time
from collections.abc import Callable
from typing import Any

import pytest

from edge_fer.publish.mqtt import MqttSink
from edge_fer.publish.reports import HealthReport, Info
from edge_fer.records import Reading
from tests.publish.conftest import wait_until

pytestmark = pytest.mark.real


def test_what_is_too_large_for_the_broker_stops_nothing_else(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    info: Info,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Mosquitto hangs up, and would after every new attempt."""
    broker = make_mosquitto("allow_anonymous true\nmessage_size_limit 330")
    broker.start()
    sink = open_sink(broker)
    subscriber = broker.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/availability", "online")
    sink.info(dataclasses.replace(info, camera="x" * 400))
    sink.publish(0, [make_reading()])
    subscriber.wait_for("kitchen/emotion")
    assert subscriber.on("kitchen/info") == []
    wait_until(lambda: sink.link.queued == 0)
    wait_until(lambda: sink.link.lost == 1)
    wait_until(lambda: sink.link.connected and sink.link.queued == 0)
    assert sink.link.events_lost == 0
    wait_until(lambda: "bytes on edge-fer/kitchen/info: they are dropped" in caplog.text)  # counted first, then told
    sink.publish(1, [])
    subscriber.wait_for("kitchen/event", count=2)


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_packet_beyond_the_brokers_limit_is_dropped_and_everything_else_arrives(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    info: Info,
    caplog: pytest.LogCaptureFixture,
    *,
    protocol: str,
) -> None:
    """MQTT 5 has the broker say so beforehand; a client of 3.1.1 is hung up on without a word."""
    broker = make_mosquitto("allow_anonymous true\nmax_packet_size 450")
    broker.start()
    sink = open_sink(broker, protocol=protocol)
    subscriber = broker.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/availability", "online")
    sink.info(dataclasses.replace(info, camera="x" * 600))
    sink.publish(0, [make_reading()])
    subscriber.wait_for("kitchen/emotion", timeout_s=30)
    subscriber.wait_for("kitchen/event", timeout_s=30)
    wait_until(lambda: sink.link.connected and sink.link.queued == 0 and sink.link.lost > 0, timeout_s=30)
    lost = sink.link.lost
    assert lost == 1 or (lost == 2 and protocol == "3.1.1")  # the face's own message is worthless after two seconds
    assert sink.link.events_lost == 0
    assert sink.link.reconnects == (0 if protocol == "5" else 2)
    assert caplog.text.count("bytes on edge-fer/kitchen/info: they are dropped") == 1
    sink.info(dataclasses.replace(info, camera="y" * 700))
    wait_until(lambda: sink.link.lost == lost + 1)
    sink.publish(1, [])
    subscriber.wait_for("kitchen/event", count=2)
    assert sink.link.reconnects == (0 if protocol == "5" else 2)
    assert subscriber.on("kitchen/info") == []


@pytest.mark.slow
def test_pictures_and_health_beyond_a_silent_brokers_limit_cost_a_few_connections_and_no_more(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    report: HealthReport,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With MQTT 3.1.1 the broker names no limit, and what has QoS 0 is not confirmed."""
    broker = make_mosquitto("allow_anonymous true\nmax_packet_size 450")
    broker.start()
    sink = open_sink(broker, protocol="3.1.1")
    subscriber = broker.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/availability", "online")
    stages = dict.fromkeys(("detect", "track", "crop", "classify", "smooth", "publish"), report.stages["detect"])
    report = dataclasses.replace(report, stages=stages)
    ends_s = time.monotonic() + 90
    number = 0
    while caplog.text.count("they are dropped") < 2 and time.monotonic() < ends_s:
        sink.publish(float(number), [make_reading(emotion="happy" if number % 2 else "sad")])
        sink.picture(b"\xff" * (20_000 - 30 * number))  # each a little smaller
        sink.health(report)
        number += 1
        time.sleep(0.25)
    assert "bytes on edge-fer/kitchen/picture: they are dropped" in caplog.text
    assert "bytes on edge-fer/kitchen/health: they are dropped" in caplog.text
    wait_until(lambda: sink.link.connected and sink.link.queued == 0, timeout_s=60)
    reconnects = sink.link.reconnects
    assert reconnects <= 6, "hung up on three times for each of the two topics"
    for _ in range(12):
        sink.publish(float(number), [make_reading(emotion="happy" if number % 2 else "sad")])
        sink.picture(b"\xff" * 15_000)
        sink.health(report)
        number += 1
        time.sleep(0.25)
    wait_until(lambda: sink.link.queued == 0)
    assert (sink.link.reconnects, sink.link.events_lost) == (reconnects, 0)
    subscriber.wait_for("kitchen/event", count=number)
    assert list(dict.fromkeys(message.json["seq"] for message in subscriber.on("event"))) == list(range(1, number + 1))
    assert subscriber.on("kitchen/picture") == subscriber.on("kitchen/health") == []


@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
def test_a_broker_that_swallows_what_is_too_large_keeps_its_connection(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    *,
    protocol: str,
) -> None:
    """So does mosquitto with message_size_limit; over 3.1.1 it even says that it had the message."""
    broker = make_mosquitto("allow_anonymous true\nmessage_size_limit 450")
    broker.start()
    sink = open_sink(broker, protocol=protocol)
    subscriber = broker.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/availability", "online")
    for number in range(20):
        sink.publish(float(number), [make_reading(emotion="happy" if number % 2 else "sad")])
        sink.picture(b"\xff" * 20_000)
        wait_until(lambda: sink.link.queued == 0)
    subscriber.wait_for("kitchen/event", count=20)
    assert (sink.link.reconnects, sink.link.lost, subscriber.on("kitchen/picture")) == (0, 0, [])
