"""What a broker that is away, frozen, cut off or taken over costs, seen through mosquitto_sub."""

import contextlib
import logging
import socket
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from edge_fer.publish.mqtt import MqttSink
from edge_fer.publish.reports import Info
from edge_fer.records import Reading
from tests.publish.conftest import wait_until, warnings_in

pytestmark = pytest.mark.real


def assert_none_waited(durations_s: list[float]) -> None:
    """No call of the daemon's loop waited for the broker: neither each a little, nor one for long.

    A busy machine delays some calls by tenths of a second, too.
    """
    assert statistics.median(durations_s) < 0.05
    assert max(durations_s) < 1


def test_a_broker_that_comes_after_us_gets_the_state(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    info: Info,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = make_mosquitto("allow_anonymous true")
    sink = open_sink(broker)
    sink.info(info)
    durations_s = []
    for index in range(30):
        started_s = time.monotonic()
        sink.publish(index, [make_reading(emotion="happy" if index % 2 else "sad")])
        durations_s.append(time.monotonic() - started_s)
    assert_none_waited(durations_s)
    wait_until(lambda: bool(warnings_in(caplog)))
    assert not sink.link.connected
    broker.start()
    subscriber = broker.subscribe("edge-fer/#")
    assert subscriber.wait_for("kitchen/emotion").json["seq"] == 30
    subscriber.wait_for("kitchen/info")
    subscriber.wait_for("kitchen/availability", "online")
    assert sink.link.reconnects == 0
    assert warnings_in(caplog) == [f"The MQTT broker 127.0.0.1:{broker.port} cannot be reached: Connection refused"]


def test_a_restarted_broker_is_told_everything_again(
    mosquitto: Any,
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    info: Info,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.INFO)
    sink = open_sink(mosquitto)
    sink.info(info)
    sink.camera(online=True)
    sink.publish(0, [make_reading()])
    mosquitto.subscribe("edge-fer/#").wait_for("kitchen/emotion")
    mosquitto.stop()
    wait_until(lambda: not sink.link.connected)
    sink.publish(1, [make_reading(emotion="sad")])
    mosquitto.start()
    subscriber = mosquitto.subscribe("edge-fer/#")
    assert subscriber.wait_for("kitchen/emotion").json["emotion"] == "sad"
    for topic, payload in (("info", None), ("kitchen/availability", "online"), ("camera/availability", "online")):
        subscriber.wait_for(topic, payload)
    assert sink.link.reconnects == 1
    assert len([text for text in warnings_in(caplog) if "is lost" in text]) == 1
    assert len([record for record in caplog.records if record.getMessage().startswith("Back at")]) == 1


def test_a_frozen_broker_blocks_nothing_and_thaws_into_the_present(
    mosquitto: Any, open_sink: Callable[..., MqttSink], make_reading: Callable[..., Reading]
) -> None:
    sink = open_sink(mosquitto, rate_hz=30, event_max_queued=40)
    subscriber = mosquitto.subscribe("edge-fer/kitchen/emotion")
    sink.publish(0, [make_reading(emotion="sad")])
    subscriber.wait_for("emotion")
    mosquitto.freeze()
    try:
        durations_s, most_queued = [], 0
        ends_s = time.monotonic() + 4
        index = 1
        while time.monotonic() < ends_s:
            started_s = time.monotonic()
            sink.publish(index, [make_reading(track, "happy" if index % 2 else "sad") for track in range(5)])
            sink.check()
            durations_s.append(time.monotonic() - started_s)
            most_queued = max(most_queued, sink.link.queued)
            index += 1
            time.sleep(0.01)
    finally:
        mosquitto.thaw()
    assert_none_waited(durations_s)
    assert most_queued <= 7 + 40  # the scene, the count, five faces, and as many events as may wait
    wait_until(lambda: sink.link.queued == 0)
    wait_until(lambda: subscriber.messages[-1].json["seq"] == index)  # every frame was a change
    assert len(subscriber.messages) <= 12, "beyond the window, only the latest state is to be sent"
    assert sink.link.reconnects == 0


def test_an_end_before_a_frozen_broker_is_quick_and_leaves_it_offline(
    mosquitto: Any, open_sink: Callable[..., MqttSink]
) -> None:
    sink = open_sink(mosquitto)
    subscriber = mosquitto.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/availability", "online")
    mosquitto.freeze()
    try:
        started_s = time.monotonic()
        sink.close()
        took_s = time.monotonic() - started_s
    finally:
        mosquitto.thaw()
    assert took_s < 1
    subscriber.wait_for("kitchen/availability", "offline")


class Cable:
    """What lies between a client and the broker: while it is pulled, bytes vanish and nobody is told."""

    def __init__(self, broker: Any) -> None:
        self._target = broker.host, broker.port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.host, self.port = self._listener.getsockname()
        self._pulled = threading.Event()
        self._ends: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def pull(self) -> None:
        self._pulled.set()

    def plug_in(self) -> None:
        """Connections of before are dead, as after a change of network."""
        for end in self._ends:
            end.close()
        self._ends.clear()
        self._pulled.clear()

    def close(self) -> None:
        self._listener.close()
        for end in self._ends:
            end.close()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            self._ends.append(near)
            if self._pulled.is_set():
                continue  # a kernel far away does not answer; to the client it is the same silence
            far = socket.create_connection(self._target)
            self._ends.append(far)
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=self._carry, args=(source, sink), daemon=True).start()

    def _carry(self, source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                if not self._pulled.is_set():
                    sink.sendall(data)


@pytest.mark.slow
def test_a_network_that_is_gone_blocks_nothing_and_loses_no_event(
    mosquitto: Any, open_sink: Callable[..., MqttSink], make_reading: Callable[..., Reading]
) -> None:
    cable = Cable(mosquitto)
    try:
        sink = open_sink(cable, keepalive_s=5, rate_hz=1)
        subscriber = mosquitto.subscribe("edge-fer/#")
        subscriber.wait_for("kitchen/availability", "online")
        durations_s = []

        def go_on(numbers: range, pause_s: float) -> None:
            for number in numbers:
                began_s = time.monotonic()
                sink.publish(float(number), [make_reading(emotion="happy" if number % 2 else "sad")])
                sink.check()
                durations_s.append(time.monotonic() - began_s)
                time.sleep(pause_s)

        go_on(range(20), 0.05)
        cable.pull()
        go_on(range(20, 120), 0.2)
        assert not sink.link.connected
        cable.plug_in()
        subscriber.wait_for("kitchen/event", count=120, timeout_s=60)
        go_on(range(120, 140), 0.05)
        wait_until(lambda: sink.link.queued == 0)
        subscriber.wait_for("kitchen/emotion")
    finally:
        sink.close()
        cable.close()
    subscriber.wait_for("kitchen/availability", "offline", timeout_s=20)
    numbers = [message.json["seq"] for message in subscriber.on("event")]
    assert list(dict.fromkeys(numbers)) == list(range(1, 142)), "140 changes, and that it left in the end"
    assert sink.link.events_lost == 0
    assert_none_waited(durations_s)


def test_a_second_daemon_with_our_name_is_said(
    mosquitto: Any, open_sink: Callable[..., MqttSink], caplog: pytest.LogCaptureFixture
) -> None:
    first = open_sink(mosquitto)
    wait_until(lambda: first.link.connected)
    second = open_sink(mosquitto)
    wait_until(lambda: second.link.connected)
    wait_until(lambda: "does another daemon have the same device name?" in caplog.text)


@pytest.mark.slow
def test_no_event_is_lost_while_another_daemon_fights_for_our_id(
    mosquitto: Any, open_sink: Callable[..., MqttSink], make_reading: Callable[..., Reading]
) -> None:
    subscriber = mosquitto.subscribe("edge-fer/#")
    ours = open_sink(mosquitto, rate_hz=1)
    wait_until(lambda: ours.link.connected)
    ours.publish(0.0, [make_reading(7)])
    run = subscriber.wait_for("kitchen/event").json["run"]
    rival = open_sink(mosquitto, rate_hz=1)
    for number in range(2, 101):  # happy, as it appeared, is no change
        ours.publish(float(number), [make_reading(7, emotion="happy" if number % 2 else "sad")])
        rival.publish(float(number), [make_reading(8, emotion="happy" if number % 2 else "sad")])
        time.sleep(0.1)
    assert ours.link.reconnects >= 1
    rival.close()

    def numbers() -> list[int]:
        told = [message.json for message in subscriber.on("event")]
        return list(dict.fromkeys(event["seq"] for event in told if event["run"] == run))

    wait_until(lambda: len(numbers()) == 100, timeout_s=60)
    assert numbers() == list(range(1, 101))
    assert ours.link.events_lost == 0
