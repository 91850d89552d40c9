"""The transport over paho-mqtt, and the only module that imports it.

The network thread is ours: paho is driven through the calls it has for external event loops. Its own thread
would queue without bound behind a stalled socket, reconnect in step with every other device of the house, and
die silently of an exception in a callback.
"""

import contextlib
import select
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from paho.mqtt.client import Client, DisconnectFlags, MQTTMessage, WebsocketConnectionError
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.reasoncodes import ReasonCode
from paho.mqtt.subscribeoptions import SubscribeOptions

from edge_fer.errors import BrokerError
from edge_fer.publish.outbox import Message
from edge_fer.publish.transport import Accepted, Closed, Confirmed, Deaf, Event, Received, Refusal, Refused, Version

_PAHO_VERSION: Final = {Version.V5: MQTTProtocolVersion.MQTTv5, Version.V311: MQTTProtocolVersion.MQTTv311}

# MQTT 5 names of reason codes; paho translates the return codes of 3.1.1 into them.
_REFUSALS: Final = {
    "Unsupported protocol version": Refusal.PROTOCOL,
    "Bad user name or password": Refusal.CREDENTIALS,
    "Not authorized": Refusal.CREDENTIALS,
    "Bad authentication method": Refusal.CREDENTIALS,
    "Banned": Refusal.CREDENTIALS,
}

# Mosquitto says now this, now that of a message that is too large for it.
_REJECTIONS: Final = {"Packet too large", "Protocol error", "Malformed packet", "Payload format invalid"}

# What the kernel holds back for a frozen broker is stale when it thaws; keep it to some hundred readings.
_SEND_BUFFER_BYTES: Final = 32 * 1024

_SESSION_S: Final = 0
"""The broker forgets us with the connection (3.1.1: clean session), and so keeps no commands while we are away.

A pause from an hour ago must not release the camera now; who asks sees that no answer comes, and asks again. The
session has nothing else to offer: what we have to say, the outbox keeps, and topics are asked for on each connection.
"""

_LARGEST_PACKET_BYTES: Final = 64 * 1024
"""The broker keeps anything larger from us (MQTT 5)."""

_NO_WEBSOCKETS: Final = "it does not speak MQTT over websockets there; look at mqtt.port and mqtt.websocket_path"

_READS_AT_ONCE: Final = 100
"""Then it is our turn to send again, however much others send us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Encryption; the broker's certificate is always verified, name included.

    Attributes:
        ca_file: PEM file of the authority to trust instead of the system's.
        cert_file: our certificate where the broker wants one, PEM.
        key_file: its key, PEM; None if it stands in `cert_file`.
    """

    ca_file: Path | None = None
    cert_file: Path | None = None
    key_file: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Broker:
    """How to reach the broker and who we are to it."""

    host: str
    port: int
    client_id: str
    keepalive_s: int = 30
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    tls: Tls | None = None
    websocket_path: str | None = None
    """Where the broker takes MQTT over websockets; None: it is spoken over TCP."""


class PahoTransport:
    """Implements `edge_fer.publish.transport.Transport`."""

    def __init__(
        self, broker: Broker, *, will: Message | None, connect_timeout_s: float = 5.0, kept: bool = False
    ) -> None:
        """How to connect.

        Args:
            broker: where, and as whom.
            will: what the broker publishes when we vanish; None: nothing.
            connect_timeout_s: for the connection to open.
            kept: whether listening begins with what the broker keeps.

        Raises:
            BrokerError: a TLS file cannot be used.
        """
        self._broker = broker
        self._will = will
        self._connect_timeout_s = connect_timeout_s
        self._kept = kept
        self._tls = None if broker.tls is None else tls_context(broker.tls)
        self._client: Client | None = None
        self._events: list[Event] = []
        self._woken, self._waker = socket.socketpair()
        self._woken.setblocking(False)
        self._waker.setblocking(False)

    def open(self, version: Version) -> None:
        """See `Transport.open`."""
        self.abort()
        self._events = []
        client = Client(
            CallbackAPIVersion.VERSION2,
            client_id=self._broker.client_id,
            protocol=_PAHO_VERSION[version],
            clean_session=True if version is Version.V311 else None,  # with MQTT 5, connect() is asked
            transport="tcp" if self._broker.websocket_path is None else "websockets",
            reconnect_on_failure=False,
        )
        if self._broker.websocket_path is not None:
            client.ws_set_options(self._broker.websocket_path)
        client.connect_timeout = self._connect_timeout_s
        if self._broker.username is not None:
            client.username_pw_set(self._broker.username, self._broker.password)
        if self._tls is not None:
            client.tls_set_context(self._tls)
        if self._will is not None:
            client.will_set(self._will.topic, self._will.payload, self._will.qos, self._will.retain)
        client.on_connect = self._on_connect
        client.on_publish = self._on_publish
        client.on_disconnect = self._on_disconnect
        client.on_message = self._on_message
        client.on_subscribe = self._on_subscribe
        self._client = client
        address = self._broker.host, self._broker.port, self._broker.keepalive_s
        try:
            if version is Version.V5:
                properties = Properties(PacketTypes.CONNECT)  # type: ignore[no-untyped-call]
                properties.SessionExpiryInterval = _SESSION_S
                properties.MaximumPacketSize = _LARGEST_PACKET_BYTES
                client.connect(*address, clean_start=True, properties=properties)
            else:
                client.connect(*address)
        except UnicodeDecodeError as error:
            raise OSError(_NO_WEBSOCKETS) from error
        except UnicodeError as error:
            raise OSError(f"'{self._broker.host}' is no host name") from error
        except (WebsocketConnectionError, IndexError) as error:  # paho takes an answer's headers for well-formed
            raise OSError(_NO_WEBSOCKETS) from error
        opened = client.socket()
        if opened is not None:
            # Of its own the websocket has no options; the copy shares those of the socket below.
            with socket.fromfd(opened.fileno(), socket.AF_INET, socket.SOCK_STREAM) as copy:
                copy.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SEND_BUFFER_BYTES)

    def poll(self) -> list[Event]:
        """See `Transport.poll`."""
        client = self._client
        if client is not None:
            self._read(client)
            if client.want_write():
                client.loop_write()
            client.loop_misc()
        events, self._events = self._events, []
        return events

    def listen(self, topics: Sequence[str]) -> None:
        """See `Transport.listen`."""
        if self._client is None:
            raise RuntimeError("listen() needs an open connection")
        if self._client.protocol == MQTTProtocolVersion.MQTTv5:
            kept = SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if self._kept else SubscribeOptions.RETAIN_DO_NOT_SEND
            options = SubscribeOptions(qos=1, noLocal=True, retainHandling=kept)
            self._client.subscribe([(topic, options) for topic in topics])
        else:
            self._client.subscribe([(topic, 1) for topic in topics])

    def send(self, message: Message, expiry_s: int | None) -> int:
        """See `Transport.send`."""
        if self._client is None:
            raise RuntimeError("send() needs an open connection")
        properties = None
        if self._client.protocol == MQTTProtocolVersion.MQTTv5:
            properties = Properties(PacketTypes.PUBLISH)  # type: ignore[no-untyped-call]
            if expiry_s is not None:
                properties.MessageExpiryInterval = expiry_s
            if message.correlation is not None:
                properties.CorrelationData = message.correlation
        return self._client.publish(
            message.topic, message.payload, message.qos, message.retain, properties=properties
        ).mid

    def is_clogged(self) -> bool:
        """See `Transport.is_clogged`."""
        return self._client is not None and self._client.want_write()

    def wait(self, timeout_s: float) -> None:
        """See `Transport.wait`."""
        opened = None if self._client is None else self._client.socket()
        poll = select.poll()  # unlike select, it knows no greatest number of a file
        poll.register(self._woken, select.POLLIN)
        if opened is not None:
            poll.register(opened, select.POLLIN | (select.POLLOUT if self.is_clogged() else 0))
        if any(number == self._woken.fileno() for number, _ in poll.poll(timeout_s * 1000)):
            self._woken.recv(4096)

    def wake(self) -> None:
        """See `Transport.wake`."""
        with contextlib.suppress(OSError):  # full of wake-ups already, or closed
            self._waker.send(b"\0")

    def disconnect(self) -> None:
        """See `Transport.disconnect`."""
        if self._client is not None:
            self._client.disconnect()  # written at once where the socket takes it
        self.abort()

    def abort(self) -> None:
        """See `Transport.abort`."""
        if self._client is not None and (opened := self._client.socket()) is not None:
            opened.close()
        self._client = None

    def close(self) -> None:
        """See `Transport.close`."""
        self.abort()
        self._woken.close()
        self._waker.close()

    def _read(self, client: Client) -> None:
        for _ in range(_READS_AT_ONCE):
            opened: Any = client.socket()
            if opened is None or not (_is_readable(opened) or _has_decrypted(opened)):
                return
            client.loop_read()

    def _on_connect(self, _client: Client, _userdata: Any, _flags: Any, reason: ReasonCode, properties: Any) -> None:
        if reason.is_failure:
            name = reason.getName()
            self._events.append(Refused(_REFUSALS.get(name, Refusal.OTHER), name))
        else:
            self._events.append(Accepted(getattr(properties, "MaximumPacketSize", None)))

    def _on_message(self, _client: Client, _userdata: Any, message: MQTTMessage) -> None:
        try:
            topic = message.topic
        except UnicodeDecodeError:
            return  # no topic that we asked for
        properties = message.properties
        self._events.append(
            Received(
                topic,
                bytes(message.payload),
                retained=message.retain,
                response_topic=getattr(properties, "ResponseTopic", None),
                correlation=getattr(properties, "CorrelationData", None),
            )
        )

    def _on_subscribe(self, _client: Client, _userdata: Any, _mid: int, reasons: list[ReasonCode], _: Any) -> None:
        self._events += [Deaf(reason.getName()) for reason in reasons if reason.is_failure]

    def _on_publish(self, _client: Client, _userdata: Any, mid: int, reason: ReasonCode, _properties: Any) -> None:
        name = reason.getName()
        self._events.append(Confirmed(mid, name if reason.is_failure else None, rejected=name in _REJECTIONS))

    def _on_disconnect(
        self, _client: Client, _userdata: Any, flags: DisconnectFlags, reason: ReasonCode, _properties: Any
    ) -> None:
        name = reason.getName()
        if not flags.is_disconnect_packet_from_server and name == "Unspecified error":
            name = "Connection closed"  # without a packet, this is all that paho knows
        self._events.append(Closed(name, taken_over=name == "Session taken over", rejected=name in _REJECTIONS))


def _is_readable(opened: Any) -> bool:
    poll = select.poll()
    poll.register(opened, select.POLLIN)
    return bool(poll.poll(0))


def _has_decrypted(opened: Any) -> bool:
    """Whether TLS holds bytes that the kernel no longer knows of; a websocket answers for the socket below."""
    return hasattr(opened, "pending") and bool(opened.pending())


def tls_context(tls: Tls) -> ssl.SSLContext:
    """What the files make of a connection.

    Raises:
        BrokerError: one of them cannot be used.
    """
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
    except OSError as error:  # ssl.SSLError is one too
        raise BrokerError(
            f"mqtt.tls.ca_file: {tls.ca_file} cannot be used ({_what(error)}), give a PEM file of certificates"
        ) from error
    if tls.cert_file is not None:
        try:
            # Without a password, OpenSSL would ask for an encrypted key's one on the terminal.
            context.load_cert_chain(tls.cert_file, tls.key_file, password="")
        except OSError as error:
            pair = tls.cert_file if tls.key_file is None else f"{tls.cert_file} with {tls.key_file}"
            raise BrokerError(
                f"mqtt.tls.cert_file: {pair} cannot be used ({_what(error)}),"
                " give a PEM certificate and its unencrypted key"
            ) from error
    return context


def _what(error: OSError) -> str:
    return error.strerror or str(error)
