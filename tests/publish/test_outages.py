"""Events through a broker that stops, starts again and freezes, as a consumer with a persistent session sees them."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge_fer.publish.mqtt import MqttSink, connect
from edge_fer.records import Reading

pytestmark = pytest.mark.real

EMOTIONS = ("happy", "sad")


class Story:
    """A face that changes with every frame, so that every frame is an event; the first one is that it appears."""

    def __init__(self, sink: MqttSink, make_reading: Callable[..., Reading]) -> None:
        self.sink = sink
        self.told = 0
        self._make_reading = make_reading

    def go_on(self, events: int, *, over_s: float = 0.3) -> None:
        for _ in range(events):
            self.sink.publish(float(self.told), [self._make_reading(emotion=EMOTIONS[self.told % 2])])
            self.sink.check()
            self.told += 1
            time.sleep(over_s / events)


class Consumer:
    """Gets every event at least once, and forgets those whose number it knows."""

    def __init__(self, broker: Any) -> None:
        # `-c` keeps the session, so that the broker keeps what comes while the consumer itself is away.
        self._subscriber = broker.subscribe("edge-fer/kitchen/+", "-c", "-i", "consumer", "-V", "311")
        self._subscriber.wait_for("availability", "online")  # so it is subscribed

    @property
    def numbers(self) -> list[int]:
        events = [message.json for message in self._subscriber.on("/event")]
        assert len({event["run"] for event in events}) <= 1
        return list(dict.fromkeys(event["seq"] for event in events))

    def expect(self, numbers: range, *, timeout_s: float = 30) -> None:
        deadline_s = time.monotonic() + timeout_s
        while len(self.numbers) < len(numbers) and time.monotonic() < deadline_s:
            time.sleep(0.02)
        assert self.numbers == list(numbers)


@pytest.fixture
def remembering(make_mosquitto: Callable[[str], Any], tmp_path: Path) -> Any:
    """A broker that keeps sessions over a restart."""
    broker = make_mosquitto(
        f"allow_anonymous true\npersistence true\npersistence_location {tmp_path}/\nmax_queued_messages 0"
    )
    broker.start()
    return broker


@pytest.fixture
def story(remembering: Any, make_reading: Callable[..., Reading]) -> Any:
    sink = connect(device="kitchen", host=remembering.host, port=remembering.port, rate_hz=1)
    yield Story(sink, make_reading)
    sink.close()


def test_no_event_is_lost_or_told_twice_through_a_stop_a_restart_and_a_freeze(remembering: Any, story: Story) -> None:
    consumer = Consumer(remembering)
    story.go_on(50)
    consumer.expect(range(1, 51))
    remembering.stop()
    story.go_on(100)
    remembering.start()
    consumer.expect(range(1, 151))
    story.go_on(50)
    remembering.freeze()
    try:
        story.go_on(150, over_s=3)
    finally:
        remembering.thaw()
    story.go_on(50)
    consumer.expect(range(1, 401))
    assert story.sink.link.events_lost == 0


@pytest.mark.slow
def test_no_event_is_lost_through_twenty_restarts_and_a_freeze_of_a_minute(remembering: Any, story: Story) -> None:
    consumer = Consumer(remembering)
    for _ in range(20):
        story.go_on(30)
        remembering.stop()
        story.go_on(20)
        remembering.start()
    consumer.expect(range(1, 1001), timeout_s=60)
    remembering.freeze()
    try:
        story.go_on(500, over_s=60)
    finally:
        remembering.thaw()
    consumer.expect(range(1, 1501), timeout_s=60)
    assert story.sink.link.events_lost == 0


def test_beyond_the_limit_the_oldest_events_are_lost_and_counted(
    remembering: Any, make_reading: Callable[..., Reading]
) -> None:
    sink = connect(device="kitchen", host=remembering.host, port=remembering.port, rate_hz=1, event_max_queued=30)
    try:
        consumer = Consumer(remembering)
        remembering.stop()
        deadline_s = time.monotonic() + 5
        while sink.link.connected and time.monotonic() < deadline_s:
            time.sleep(0.01)
        Story(sink, make_reading).go_on(100)
        remembering.start()
        consumer.expect(range(71, 101))
        assert sink.link.events_lost == 70
    finally:
        sink.close()
