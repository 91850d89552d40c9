import socket
import time

import pytest

from edge_fer.publish.paho import Broker, PahoTransport
from edge_fer.publish.transport import Closed, Event, Refusal, Refused, Version

LET_IN = bytes.fromhex("20 03 00 00 00")


@pytest.mark.parametrize("version", list(Version))
@pytest.mark.parametrize(
    "garbage",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        bytes.fromhex("20 01 00"),  # a CONNACK without its reason
        bytes.fromhex("20 03 00 7b 00"),  # with an unknown reason
        bytes.fromhex("20 06 00 00 03 f0 00 00"),  # with an unknown property
        LET_IN + bytes.fromhex("40 00"),  # a PUBACK of nothing
        LET_IN + bytes.fromhex("30 04 ff ff 61 62"),  # a PUBLISH that ends within its topic
        LET_IN + bytes.fromhex("e0 01 05"),  # a DISCONNECT with an unknown reason
        LET_IN + bytes.fromhex("ff ff ff ff ff ff"),  # a length without end
    ],
    ids=["http", "short", "reason", "property", "puback", "publish", "disconnect", "length"],
)
def test_a_broker_that_talks_nonsense_is_a_closed_connection_and_no_exception(garbage: bytes, version: Version) -> None:
    events = _events_after(garbage, version)
    assert isinstance(events[-1], Closed)


def test_an_old_brokers_refusal_of_mqtt_5_is_understood() -> None:
    refused, closed = _events_after(bytes.fromhex("20 02 00 01"), Version.V5)
    assert refused == Refused(Refusal.PROTOCOL, "Unsupported protocol version")
    assert isinstance(closed, Closed)


@pytest.mark.parametrize(("code", "reason"), [(4, "Bad user name or password"), (5, "Not authorized")])
def test_refused_credentials_are_understood_in_3_1_1(code: int, reason: str) -> None:
    events = _events_after(bytes([0x20, 2, 0, code]), Version.V311)
    assert events[0] == Refused(Refusal.CREDENTIALS, reason)


def _events_after(answer: bytes, version: Version) -> list[Event]:
    """What the transport makes of a server that says this and hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        broker = Broker(host="127.0.0.1", port=server.getsockname()[1], client_id="edge-fer-test")
        transport = PahoTransport(broker, will=None)
        try:
            transport.open(version)
            client, _ = server.accept()
            client.recv(1024)
            client.sendall(answer)
            client.close()
            events: list[Event] = []
            deadline_s = time.monotonic() + 5
            while not any(isinstance(event, Closed) for event in events) and time.monotonic() < deadline_s:
                transport.wait(0.1)
                events += transport.poll()
            return events
        finally:
            transport.close()
