"""What was asked while the device was away is not done when it comes back."""

import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from edge_fer.publish.paho import Broker, PahoTransport
from edge_fer.publish.transport import Accepted, Event, Received, Version

pytestmark = pytest.mark.real

COMMAND = "edge-fer/kitchen/command"


@pytest.fixture
def open_transport() -> Iterator[Callable[[int], PahoTransport]]:
    transports: list[PahoTransport] = []

    def make(port: int) -> PahoTransport:
        broker = Broker(host="127.0.0.1", port=port, client_id="edge-fer-kitchen")
        transports.append(PahoTransport(broker, will=None))
        return transports[-1]

    yield make
    for transport in transports:
        transport.close()


def expect(transport: PahoTransport, kind: type[Event], do: Callable[[], None] = lambda: None) -> list[Event]:
    """All events until one of this kind has come; `do` is repeated meanwhile."""
    events: list[Event] = []
    deadline_s = time.monotonic() + 10
    while not any(isinstance(event, kind) for event in events):
        if time.monotonic() > deadline_s:
            pytest.fail(f"no {kind.__name__} but {events}")
        do()
        transport.wait(0.1)
        events += transport.poll()
    return events


def command(broker: Any, payload: str) -> None:
    subprocess.run(
        ["mosquitto_pub", "-p", str(broker.port), "-t", COMMAND, "-q", "1", "-m", payload], check=True, timeout=10
    )


@pytest.mark.parametrize("restarted", [False, True], ids=["cut", "restart"])
@pytest.mark.parametrize("version", list(Version))
def test_no_stale_command_comes_after_a_reconnection(
    make_mosquitto: Callable[[str], Any],
    open_transport: Callable[[int], PahoTransport],
    tmp_path: Path,
    *,
    version: Version,
    restarted: bool,
) -> None:
    broker = make_mosquitto(f"allow_anonymous true\npersistence true\npersistence_location {tmp_path}/")
    broker.start()
    transport = open_transport(broker.port)
    transport.open(version)
    expect(transport, Accepted)
    transport.listen([COMMAND])
    expect(transport, Received, lambda: command(broker, "status"))  # the first may be sooner than our subscription

    transport.abort()  # without a word, like a lost network: a session would go on
    command(broker, "pause")
    if restarted:
        broker.stop()
        broker.start()

    transport.open(version)
    seen = expect(transport, Accepted)  # a session's messages come right behind it, asked for or not
    transport.listen([COMMAND])
    seen += expect(transport, Received, lambda: command(broker, "resume"))
    assert {event.payload for event in seen if isinstance(event, Received)} == {b"resume"}
