import logging
import time
from typing import TYPE_CHECKING

import pytest

from edge_fer.bench.delivery import Delivery, NoBroker, TimedPost
from edge_fer.bench.laps import Spread
from edge_fer.config import MqttConfig
from edge_fer.publish.outbox import Message
from edge_fer.publish.transport import Received
from edge_fer.records import Reading
from tests.clocks import NanosecondClock
from tests.conftest import free_port

if TYPE_CHECKING:
    from tests.conftest import Mosquitto

MS = 1_000_000
READING = Reading(0.0, 1, "happy", 1.0, {"happy": 1.0}, (0.1, 0.1, 0.2, 0.2), 0.0)


def post_of(timed: TimedPost, topic: str, payload: bytes = b"{}") -> None:
    timed.post(Message(f"b/d/{topic}", payload))


def test_the_age_of_the_frame_is_taken_at_the_hand_over_and_at_the_subscriber() -> None:
    clock = NanosecondClock()
    timed = TimedPost(NoBroker(), base="b/d", clock_ns=clock)
    timed.frame_arrived(10 * MS)
    clock.now_ns = 13 * MS
    post_of(timed, "faces/1", b"one")
    clock.now_ns = 14 * MS
    post_of(timed, "emotion", b"two")
    clock.now_ns = 30 * MS
    timed.hear(Received("b/d/emotion", b"two"))
    latency = timed.latency("MQTT 5")
    assert latency.queued == Spread(3.5, 3.9, 3.95, 3.99, 3.5)
    assert latency.heard == Spread(20.0, 20.0, 20.0, 20.0, 20.0)
    assert (latency.posted, latency.received, latency.broker) == (2, 1, "MQTT 5")


def test_only_readings_of_a_frame_count() -> None:
    clock = NanosecondClock()
    timed = TimedPost(NoBroker(), base="b/d", clock_ns=clock)
    post_of(timed, "emotion")  # no frame is on its way
    timed.frame_arrived(0)
    for topic in ("faces", "event", "availability", "health"):
        post_of(timed, topic)
    timed.frame_arrived(None)
    post_of(timed, "faces/1")
    timed.hear(Received("b/d/faces/1", b"{}"))
    latency = timed.latency("none")
    assert (latency.queued, latency.heard, latency.posted, latency.received) == (None, None, 0, 0)


def test_what_the_warm_up_posted_is_not_heard_later() -> None:
    timed = TimedPost(NoBroker(), base="b/d", clock_ns=NanosecondClock())
    timed.frame_arrived(0)
    post_of(timed, "emotion")
    timed.forget()
    timed.hear(Received("b/d/emotion", b"{}"))
    assert timed.latency("none").received == 0


def test_without_a_broker_the_daemons_own_sink_hands_over_to_a_queue() -> None:
    delivery = Delivery(MqttConfig(enabled=False), "kitchen")
    delivery.timed.frame_arrived(0)
    delivery.sink.publish(0.0, [READING])
    latency = delivery.latency()
    delivery.close()
    assert (latency.posted, latency.heard) == (2, None)  # on emotion and on faces/1
    assert latency.broker == "none asked for (mqtt.enabled is false)"


def test_a_broker_that_is_not_there_is_told_and_no_obstacle() -> None:
    port = free_port()
    delivery = Delivery(MqttConfig(host="127.0.0.1", port=port), "kitchen")
    latency = delivery.latency()
    delivery.close()
    assert latency.broker == f"The MQTT broker 127.0.0.1:{port} cannot be reached: Connection refused"
    assert logging.getLogger("edge_fer.publish").level == logging.NOTSET  # who warns later is heard again


@pytest.mark.real
def test_a_subscriber_hears_through_the_broker_which_keeps_nothing(
    mosquitto: "Mosquitto",
) -> None:
    delivery = Delivery(MqttConfig(host=mosquitto.host, port=mosquitto.port, base_topic="house"), "kitchen")
    onlooker = mosquitto.subscribe("house-bench/#")
    delivery.timed.frame_arrived(delivery.timed._clock_ns())
    deadline_s = time.monotonic() + 10
    for time_s in range(1000):  # the broker may take its time to note the subscription
        delivery.sink.publish(float(time_s), [READING])
        if delivery.latency().received or time.monotonic() > deadline_s:
            break
        time.sleep(0.02)
    latency = delivery.latency()
    assert latency.broker == f"MQTT 5 at {mosquitto.host}:{mosquitto.port}"
    assert latency.queued is not None
    assert latency.heard is not None
    assert latency.heard.p50_ms > latency.queued.p50_ms
    delivery.close()
    onlooker.wait_for("/availability", "")
    assert mosquitto.retained() == set()
