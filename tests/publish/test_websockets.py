"""MQTT over websockets against Debian's mosquitto, and against servers that speak none."""

import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from edge_fer.control import Request
from edge_fer.errors import BrokerError
from edge_fer.publish.mqtt import MqttSink, VersionChoice, connect, try_broker
from edge_fer.publish.paho import Tls
from edge_fer.publish.reports import DeviceState
from edge_fer.records import Reading
from tests.publish.conftest import wait_until

# paho leaves the socket of a failed handshake to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


STATE = DeviceState(
    paused=False, camera_online=True, faces=40, started_at_s=1769860682.0, heartbeat_s=10, rate_hz=5, health_s=30
)


@pytest.fixture
def open_sink() -> Iterator[Callable[..., MqttSink]]:
    with ExitStack() as stack:

        def make(port: int, **options: Any) -> MqttSink:
            sink = connect(device="kitchen", host="127.0.0.1", port=port, websocket_path="/mqtt", **options)
            stack.callback(sink.close)
            return sink

        yield make


@pytest.fixture
def websockets_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


@pytest.mark.real
@pytest.mark.parametrize("protocol", ["5", "3.1.1"])
@pytest.mark.parametrize("encrypted", [False, True], ids=["ws", "wss"])
def test_everything_goes_both_ways_and_comes_back_after_a_restart(
    make_mosquitto: Callable[[str], Any],
    open_sink: Callable[..., MqttSink],
    make_reading: Callable[..., Reading],
    *,
    authority: Path,
    websockets_port: int,
    protocol: VersionChoice,
    encrypted: bool,
) -> None:
    certificate = f"certfile {authority}/server.pem\nkeyfile {authority}/server.key\n" if encrypted else ""
    broker = make_mosquitto(
        f"allow_anonymous true\nlistener {websockets_port} 127.0.0.1\nprotocol websockets\n{certificate}"
    )
    broker.start()
    asked: list[str] = []

    def ask(request: Request) -> None:
        asked.append(request.command)
        request.answer(STATE, None)

    options: dict[str, Any] = {"protocol": protocol}
    if encrypted:
        options["tls"] = Tls(ca_file=authority / "ca.pem")
    sink = open_sink(websockets_port, ask=ask, **options)
    wait_until(lambda: sink.link.connected)
    assert sink.link.protocol == protocol
    subscriber = broker.subscribe("edge-fer/#")
    subscriber.wait_for("kitchen/availability", "online")
    sink.publish(0, [make_reading(track) for track in range(40)])
    subscriber.wait_for("kitchen/event", count=40)

    command = ["mosquitto_pub", "-p", str(broker.port), "-t", "edge-fer/kitchen/command", "-q", "1"]
    commands = ["status", "publish", "pause", "resume"]
    subprocess.run([*command, "-l"], input="\n".join(commands), text=True, check=True)
    wait_until(lambda: asked == commands)  # they come in one packet, and so at once
    subscriber.wait_for("kitchen/response", count=4)

    broker.stop()
    wait_until(lambda: not sink.link.connected)
    sink.publish(1, [])
    broker.start()
    late = broker.subscribe("edge-fer/#")
    late.wait_for("kitchen/availability", "online", timeout_s=20)
    wait_until(lambda: sink.link.queued == 0)
    assert sink.link.events_lost == 0
    sink.close()
    late.wait_for("kitchen/availability", "offline")


@pytest.mark.real
def test_a_listener_without_websockets_and_a_wrong_authority_are_said(
    make_mosquitto: Callable[[str], Any], authority: Path, websockets_port: int
) -> None:
    broker = make_mosquitto(
        f"allow_anonymous true\nlistener {websockets_port} 127.0.0.1\nprotocol websockets\n"
        f"certfile {authority}/server.pem\nkeyfile {authority}/server.key"
    )
    broker.start()
    with pytest.raises(BrokerError, match=r"cannot be reached: it does not speak MQTT over websockets there; look at"):
        try_broker(host=broker.host, port=broker.port, websocket_path="/mqtt")
    with pytest.raises(BrokerError, match=r"cannot be reached: .*certificate verify failed"):
        try_broker(
            host=broker.host,
            port=websockets_port,
            websocket_path="/mqtt",
            tls=Tls(ca_file=authority / "other-ca.pem"),
        )


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 404 Not Found\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: close\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: wrong\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: Upgrade\r\nSec-WebSocket-Accept:tight\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nSec-WebSocket-Accept: \xff\r\n\r\n",
        b"HTTP/1.1",
    ],
    ids=["404", "close", "key", "tight", "bytes", "end"],
)
def test_a_server_that_speaks_no_websockets_is_one_clear_sentence(answer: bytes) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            client, _ = server.accept()
            with client:
                client.recv(4096)
                client.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        port = server.getsockname()[1]
        with pytest.raises(BrokerError, match=r"does not speak MQTT over websockets there; look at mqtt\.port and"):
            try_broker(host="127.0.0.1", port=port, websocket_path="/mqtt")
        thread.join()
