"""A connection for an onlooker, who only listens."""

import time
from collections.abc import Callable, Sequence

from edge_fer.publish.connection import Connection
from edge_fer.publish.link import Link
from edge_fer.publish.mqtt import VERSIONS, VersionChoice, client_id, machine
from edge_fer.publish.outbox import Outbox
from edge_fer.publish.paho import Broker, PahoTransport, Tls
from edge_fer.publish.transport import Received


def listen(
    *,
    topics: Sequence[str],
    hear: Callable[[Received], None],
    host: str,
    port: int = 1883,
    username: str | None = None,
    password: str | None = None,
    protocol: VersionChoice = "auto",
    tls: Tls | None = None,
    websocket_path: str | None = None,
) -> Connection:
    """A connection that only listens, now and whenever the broker is back.

    Args:
        topics: topic filters, with `+` but not `#`.
        hear: called on the network thread with every message, first those that the broker keeps.
        host: see `edge_fer.publish.mqtt.connect`, and so are the others.
        port: see `connect`.
        username: see `connect`.
        password: see `connect`.
        protocol: see `connect`.
        tls: see `connect`.
        websocket_path: see `connect`.

    Raises:
        BrokerError: a TLS file cannot be used.
    """
    broker = Broker(
        host=host,
        port=port,
        client_id=client_id("listen", f"{machine()} {time.time_ns()}"),
        username=username,
        password=password,
        tls=tls,
        websocket_path=websocket_path,
    )
    transport = PahoTransport(broker, will=None, kept=True)
    outbox = Outbox()
    link = Link(
        transport,
        outbox,
        address=f"{host}:{port}",
        versions=VERSIONS[protocol],
        keepalive_s=broker.keepalive_s,
        hear=dict.fromkeys(topics, hear),
    )
    return Connection(link, transport, outbox)
