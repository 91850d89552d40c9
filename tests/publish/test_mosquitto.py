"""The sink against Debian's mosquitto, seen through mosquitto_sub."""

import contextlib
import dataclasses
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Protocol

import pytest
from jsonschema import Draft202012Validator

from edge_fer.control import Request
from edge_fer.errors import BrokerError
from edge_fer.publish import schemas
from edge_fer.publish.mqtt import MqttSink, connect, try_broker
from edge_fer.publish.paho import Tls
from edge_fer.publish.reports import HealthReport, Info
from edge_fer.records import Reading

pytestmark = pytest.mark.real

BLOCKED_S = 0.05  # longer than this, no call of the daemon's loop may take
HICCUPS = 2  # of a busy machine's scheduler; a call that waits for a broker is slow again and again


class Message(Protocol):
    """What the subscriber hands out."""

    topic: str
    payload: str
    qos: int
    retained: bool

    @property
    def json(self) -> Any: ...


@pytest.fixture
def open_sink() -> Iterator[Callable[..., MqttSink]]:
    """Connects sinks for the device kitchen and closes them in the end."""
    with ExitStack() as stack:

        def make(broker: Any, **options: Any) -> MqttSink:
            sink = connect(device="kitchen", **({"host": broker.host, "port": broker.port} | options))
            stack.callback(sink.close)
            return sink

        yield make


def wait_until(condition: Callable[[], bool], timeout_s: float = 10) -> None:
    deadline_s = time.monotonic() + timeout_s
    while not condition():
        if time.monotonic() > deadline_s:
            pytest.fail(f"not within {timeout_s} s")
        time.sleep(0.005)


def warnings_in(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]


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
    assert sum(duration_s > BLOCKED_S for duration_s in durations_s) <= HICCUPS
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
    assert sum(duration_s > BLOCKED_S for duration_s in durations_s) <= HICCUPS
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


RIGHT, WRONG = "correct horse", "battery staple"


def test_a_password_is_asked_for_and_given(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    passwords = tmp_path / "passwords"
    subprocess.run(["mosquitto_passwd", "-c", "-b", passwords, "cam", RIGHT], check=True)
    broker = make_mosquitto(f"allow_anonymous false\npassword_file {passwords}")
    broker.start()
    assert try_broker(host=broker.host, port=broker.port, username="cam", password=RIGHT) == "5"
    with pytest.raises(BrokerError, match=r"refuses us: Not authorized; look at mqtt\.username and mqtt\.password$"):
        try_broker(host=broker.host, port=broker.port)

    wrong = open_sink(broker, username="cam", password=WRONG, base_topic="wrong")
    wait_until(lambda: bool(warnings_in(caplog)))
    right = open_sink(broker, username="cam", password=RIGHT)
    wait_until(lambda: right.link.connected)
    assert not wrong.link.connected
    assert warnings_in(caplog) == [
        f"The MQTT broker 127.0.0.1:{broker.port} refuses us: Not authorized; look at mqtt.username and mqtt.password"
    ]
    assert WRONG not in caplog.text


@pytest.mark.filterwarnings(  # paho leaves the socket of a failed handshake to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_tls_with_an_own_authority_and_client_certificates(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    authority: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    broker = make_mosquitto(
        f"allow_anonymous true\ncafile {authority}/ca.pem\ncertfile {authority}/server.pem\n"
        f"keyfile {authority}/server.key\nrequire_certificate true"
    )
    broker.start()
    ca, certificate, key = authority / "ca.pem", authority / "client.pem", authority / "client.key"
    ours = Tls(ca_file=ca, cert_file=certificate, key_file=key)
    sink = open_sink(broker, tls=ours)
    wait_until(lambda: sink.link.connected)
    subscriber = broker.subscribe("edge-fer/#", "--cafile", ca, "--cert", certificate, "--key", key)
    subscriber.wait_for("kitchen/availability", "online")
    assert warnings_in(caplog) == []

    address = {"host": broker.host, "port": broker.port}
    with pytest.raises(BrokerError, match=r"cannot be reached: .*certificate verify failed"):
        try_broker(**address, tls=Tls(ca_file=authority / "other-ca.pem", cert_file=certificate, key_file=key))
    with pytest.raises(BrokerError, match=r"cannot be reached: .*certificate verify failed: Hostname mismatch"):
        try_broker(host="localhost", port=broker.port, tls=ours)
    with pytest.raises(BrokerError, match=r"(does not let us in|cannot be reached): "):
        try_broker(**address, tls=Tls(ca_file=ca))
    with pytest.raises(BrokerError, match="does not let us in"):
        try_broker(**address)


@pytest.mark.filterwarnings(  # paho leaves the socket of a failed handshake to the garbage collector
    "ignore::pytest.PytestUnraisableExceptionWarning"
)
def test_an_expired_certificate_is_said_and_everything_waits(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    authority: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    sign = ["openssl", "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"]
    (authority / "server.ext").write_text("subjectAltName=IP:127.0.0.1\nauthorityKeyIdentifier=keyid")
    valid = (authority / "server.pem").read_bytes()
    expired = [*sign, "-days", "-1", "-extfile", "server.ext", "-out", "server.pem"]
    subprocess.run(expired, cwd=authority, check=True, capture_output=True)
    broker = make_mosquitto(f"allow_anonymous true\ncertfile {authority}/server.pem\nkeyfile {authority}/server.key")
    broker.start()
    sink = open_sink(broker, tls=Tls(ca_file=authority / "ca.pem"))
    sink.publish(0, [make_reading()])
    wait_until(lambda: bool(warnings_in(caplog)))
    [warning] = warnings_in(caplog)
    assert "certificate has expired" in warning
    assert not sink.link.connected
    (authority / "server.pem").write_bytes(valid)
    broker.stop()
    broker.start()
    subscriber = broker.subscribe("edge-fer/#", "--cafile", authority / "ca.pem")
    subscriber.wait_for("kitchen/emotion", timeout_s=20)
    subscriber.wait_for("kitchen/availability", "online")
    assert sink.link.events_lost == 0


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
    assert "bytes on edge-fer/kitchen/info: they are dropped" in caplog.text
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
    stages = dict.fromkeys(("detect", "track", "classify", "smooth", "publish"), report.stages["detect"])
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


def test_a_second_daemon_with_our_name_is_said(
    mosquitto: Any, open_sink: Callable[..., MqttSink], caplog: pytest.LogCaptureFixture
) -> None:
    first = open_sink(mosquitto)
    wait_until(lambda: first.link.connected)
    second = open_sink(mosquitto)
    wait_until(lambda: second.link.connected)
    wait_until(lambda: "does another daemon have the same device name?" in caplog.text)


def test_access_rules_that_forbid_our_topics_are_said(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    rules = tmp_path / "rules"
    rules.write_text("topic read #\n")
    broker = make_mosquitto(f"allow_anonymous true\nacl_file {rules}")
    broker.start()
    sink = open_sink(broker)
    sink.publish(0, [make_reading()])
    wait_until(lambda: bool(warnings_in(caplog)))
    assert warnings_in(caplog) == [
        f"The MQTT broker 127.0.0.1:{broker.port} does not take our messages: Not authorized; look at its access rules"
    ]
    assert sink.link.connected
    wait_until(lambda: sink.link.events_lost == 1)  # that the face appeared: nobody was told, and health says so
    rules.write_text("topic readwrite #\n")
    broker.stop()
    broker.start()
    subscriber = broker.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/emotion")  # what was refused once is told again on another connection
    subscriber.wait_for("kitchen/availability", "online")
    sink.publish(1, [])
    assert subscriber.wait_for("kitchen/event").json["seq"] == 2
    assert sink.link.events_lost == 1


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
    assert sum(duration_s > BLOCKED_S for duration_s in durations_s) <= HICCUPS


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
