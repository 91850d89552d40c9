"""Readings, state and health on the MQTT topics below `<base>/<device>`."""

import hashlib
import secrets
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, Protocol, TypeAlias

from edge_fer.control import Request
from edge_fer.publish import payloads
from edge_fer.publish.commands import Commands
from edge_fer.publish.connection import Connection
from edge_fer.publish.events import EventPolicy
from edge_fer.publish.homeassistant import Discovery
from edge_fer.publish.link import Link
from edge_fer.publish.outbox import Message, Outbox
from edge_fer.publish.paho import Broker, PahoTransport, Tls, tls_context
from edge_fer.publish.policy import EmotionPolicy, FacesPolicy, OnChange, Publication
from edge_fer.publish.probe import probe
from edge_fer.publish.reports import HealthReport, Info, LinkStats
from edge_fer.publish.transport import Version
from edge_fer.records import Reading

if TYPE_CHECKING:
    from edge_fer.publish.spool import Spool

VersionChoice: TypeAlias = Literal["auto", "5", "3.1.1"]

VERSIONS: Final[dict[VersionChoice, tuple[Version, ...]]] = {
    "auto": (Version.V5, Version.V311),
    "5": (Version.V5,),
    "3.1.1": (Version.V311,),
}
"""What to try, best first."""

_FACE_TTL_S: Final = 2.0
"""A look at a face or a picture is worth nothing later."""

_HEALTH_TTL_S: Final = 60.0
_HEARTBEATS_TO_EXPIRY: Final = 3


class Post(Protocol):
    """What the sink needs from a `Connection`."""

    @property
    def stats(self) -> LinkStats:
        """How it does."""

    def post(self, message: Message) -> None:
        """Queue a message without blocking."""

    def repeat(self) -> None:
        """Send every retained state again."""

    def check(self) -> None:
        """Raise if it is dead."""

    def close(self) -> None:
        """Send what waits and leave."""


class MqttSink:
    """A sink (see `edge_fer.publish.sinks.Sink`) that turns the daemon's words into messages."""

    def __init__(
        self,
        connection: Post,
        *,
        base: str,
        heartbeat_s: float,
        rate_hz: float,
        event_ttl_s: float,
        health_s: float = 30.0,
        discovery: Discovery | None = None,
        commands_refused: Callable[[], int] = lambda: 0,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        """Announces the device at once.

        Args:
            connection: takes the messages.
            base: the device's topic, `<base>/<device>`.
            heartbeat_s: the emotion is published so often even if nothing changes.
            rate_hz: greatest rate on `emotion`, on each face's topic, and of each face's changes on `event`.
            event_ttl_s: after so many seconds without a broker, an event is given up.
            health_s: the interval that the caller of `health` keeps.
            discovery: how Home Assistant is told; None: not at all.
            commands_refused: how many were, so far.
            wall_clock: seconds since the epoch.
        """
        self._connection = connection
        self._base = base
        self._heartbeat_s = heartbeat_s
        self._health_s = health_s
        self._discovery = discovery
        self._retained: set[str] = set()
        self._wall_clock = wall_clock
        self._emotion = EmotionPolicy(heartbeat_s=heartbeat_s, rate_hz=rate_hz)
        self._count = OnChange(heartbeat_s=heartbeat_s, rate_hz=rate_hz)
        self._faces = FacesPolicy(rate_hz=rate_hz)
        self._events = EventPolicy(rate_hz=rate_hz)
        self._event_ttl_s = event_ttl_s
        self._commands_refused = commands_refused
        self._run = secrets.token_hex(4)
        self._time_s = 0.0
        self._closed = False
        self._post_retained(availability(base, online=True))

    @property
    def link(self) -> LinkStats:
        """The state of the connection to the broker."""
        return self._connection.stats

    def info(self, info: Info) -> None:
        """On `info`, retained; Home Assistant is told what that makes of the device."""
        self._post_state("info", payloads.encode(payloads.info(info)))
        if self._discovery is not None:
            self._post_retained(self._discovery.message(info, heartbeat_s=self._heartbeat_s, health_s=self._health_s))

    def camera(self, online: bool) -> None:
        """On `camera/availability`, retained; it holds while the device's own availability is online."""
        self._post_state("camera/availability", payloads.availability(online))

    def running(self, on: bool) -> None:
        """On `running`, retained."""
        self._post_state("running", payloads.running(on))

    def refresh(self) -> None:
        """Every retained state again, and what is seen with the next frame."""
        self._connection.repeat()
        self._emotion.due.hurry()
        self._count.hurry()

    def retune(self, *, heartbeat_s: float, rate_hz: float, health_s: float) -> None:
        """Go on with other rates, see `__init__`."""
        self._heartbeat_s, self._health_s = heartbeat_s, health_s
        self._emotion.due.retune(heartbeat_s=heartbeat_s, rate_hz=rate_hz)
        self._count.retune(heartbeat_s=heartbeat_s, rate_hz=rate_hz)
        self._faces.retune(rate_hz=rate_hz)
        self._events.spacing_s = 1 / rate_hz

    def publish(self, time_s: float, readings: Sequence[Reading]) -> None:
        """On `emotion` and `faces`, retained, the scene; on `faces/<track>` each face; on `event` what happened."""
        self._time_s = time_s
        expiry_s = _HEARTBEATS_TO_EXPIRY * self._heartbeat_s  # what is seen is not to outlive a daemon gone silent
        scene = self._emotion.update(time_s, readings)
        if scene is not None:
            self._post_state(scene.topic, self._encode(scene), expiry_s)
        if self._count(time_s, len(readings)):
            self._post_state("faces", str(len(readings)).encode(), expiry_s)
        for face in self._faces.update(time_s, readings):
            topic = f"{self._base}/{face.topic}"
            self._connection.post(Message(topic, self._encode(face), ttl_s=_FACE_TTL_S))
        self._tell_events(time_s, readings)

    def picture(self, jpeg: bytes) -> None:
        """On `picture`, neither kept by the broker nor for one that is away."""
        self._connection.post(Message(f"{self._base}/picture", jpeg, ttl_s=_FACE_TTL_S))

    def health(self, report: HealthReport) -> None:
        """On `health`."""
        stats, refused = self._connection.stats, self._commands_refused()
        payload = payloads.encode(payloads.health(report, stats, refused, self._wall_clock()))
        self._connection.post(Message(f"{self._base}/health", payload, ttl_s=_HEALTH_TTL_S))

    def check(self) -> None:
        """Raise RuntimeError if the network thread has died; tell a Home Assistant that has started."""
        self._connection.check()
        if self._discovery is not None and self._discovery.is_due():
            self.refresh()

    def close(self) -> None:
        """Say that every face left, that camera and device are offline, and disconnect; again does nothing."""
        if self._closed:
            return
        self._say_goodbye()
        self._connection.close()

    def retire(self) -> None:
        """Close for good: the broker keeps nothing of this device, and Home Assistant forgets it."""
        if self._closed:
            return
        self._say_goodbye()
        # Not as states, but in order, and so after the goodbye. What announces the device goes first: Home Assistant
        # would read an empty emotion.
        for topic in sorted(self._retained, key=lambda topic: (topic.startswith(f"{self._base}/"), topic)):
            self._connection.post(Message(topic, b"", qos=1, retain=True, latest=False))
        self._connection.close()

    def _say_goodbye(self) -> None:
        self._closed = True
        self._tell_events(self._time_s, [])
        self.camera(online=False)
        self._post_retained(availability(self._base, online=False))

    def _tell_events(self, time_s: float, readings: Sequence[Reading]) -> None:
        for event in self._events.update(time_s, readings):
            payload = payloads.encode(payloads.event(event, self._run, self._wall_clock()))
            topic, ttl_s = f"{self._base}/event", self._event_ttl_s
            self._connection.post(Message(topic, payload, qos=1, latest=False, vital=True, ttl_s=ttl_s))

    def _post_state(self, name: str, payload: bytes, ttl_s: float | None = None) -> None:
        self._post_retained(Message(f"{self._base}/{name}", payload, qos=1, retain=True, ttl_s=ttl_s))

    def _post_retained(self, message: Message) -> None:
        self._retained.add(message.topic)
        self._connection.post(message)

    def _encode(self, publication: Publication) -> bytes:
        wall_s = self._wall_clock()
        if publication.reading is None:
            return payloads.encode(payloads.nobody(publication.seq, wall_s))
        return payloads.encode(payloads.face(publication.reading, publication.seq, wall_s))


def availability(base: str, *, online: bool) -> Message:
    """The device's availability; offline is also its last will."""
    return Message(f"{base}/availability", payloads.availability(online), qos=1, retain=True)


def connect(
    *,
    device: str,
    host: str,
    port: int = 1883,
    username: str | None = None,
    password: str | None = None,
    base_topic: str = "edge-fer",
    protocol: VersionChoice = "auto",
    tls: Tls | None = None,
    websocket_path: str | None = None,
    heartbeat_s: float = 10.0,
    rate_hz: float = 5.0,
    keepalive_s: int = 30,
    event_max_age_s: float = 3600.0,
    event_max_queued: int = 1000,
    event_spool: Path | None = None,
    health_s: float = 30.0,
    discovery_prefix: str = "homeassistant",
    home_assistant: bool = False,
    pictures: bool = False,
    ask: Callable[[Request], None] | None = None,
) -> MqttSink:
    """A sink that connects in the background, now and whenever the broker is back.

    Args:
        device: the device's name, a topic level.
        host: of the broker.
        port: of the broker.
        username: None: none is sent.
        password: None: none is sent.
        base_topic: the topic above all devices.
        protocol: MQTT version; `auto` tries 5, then 3.1.1.
        tls: None: unencrypted.
        websocket_path: where the broker takes MQTT over websockets, usually `/mqtt`; None: TCP.
        heartbeat_s: see `MqttSink`.
        rate_hz: see `MqttSink`.
        keepalive_s: after so many seconds of silence the connection counts as lost.
        event_max_age_s: an event that waited for the broker for so many seconds is given up.
        event_max_queued: so many events wait at most; the oldest is given up.
        event_spool: the file in which events wait, too; None: in memory alone.
        health_s: see `MqttSink`.
        discovery_prefix: Home Assistant's.
        home_assistant: whether it is told of the device; False takes back what was told.
        pictures: whether it is told of pictures as well, since somebody calls `MqttSink.picture`.
        ask: takes what is asked of the daemon on `command`; None: nobody listens there.

    Raises:
        BrokerError: a TLS file or the spool cannot be used. A broker that is not there is no error.
    """
    base = f"{base_topic}/{device}"
    broker = Broker(
        host=host,
        port=port,
        client_id=client_id(base, machine()),
        keepalive_s=keepalive_s,
        username=username,
        password=password,
        tls=tls,
        websocket_path=websocket_path,
    )
    transport = PahoTransport(broker, will=availability(base, online=False))
    spool = None if event_spool is None else _open_spool(event_spool)
    outbox = Outbox(capacity=event_max_queued, spool=spool)
    outbox.restore(time.monotonic(), ttl_s=event_max_age_s)

    def post(message: Message) -> None:
        outbox.put(message, time.monotonic())
        transport.wake()

    commands = None if ask is None else Commands(base=base, post=post, ask=ask)
    discovery = Discovery(base=base, prefix=discovery_prefix, enabled=home_assistant, pictures=pictures)
    hear = {commands.topic: commands.hear} if commands else {}
    if home_assistant:
        hear[discovery.status_topic] = discovery.hear
    link = Link(
        transport,
        outbox,
        address=f"{host}:{port}",
        versions=VERSIONS[protocol],
        keepalive_s=keepalive_s,
        hear=hear,
    )
    connection = Connection(link, transport, outbox, release=spool.close if spool else None)
    return MqttSink(
        connection,
        base=base,
        heartbeat_s=heartbeat_s,
        rate_hz=rate_hz,
        event_ttl_s=event_max_age_s,
        health_s=health_s,
        discovery=discovery,
        commands_refused=lambda: commands.refused if commands else 0,
    )


def check_files(*, tls: Tls | None, event_spool: Path | None) -> None:
    """See whether `connect` can use these files.

    Raises:
        BrokerError: it cannot.
    """
    if tls is not None:
        tls_context(tls)
    if event_spool is not None:
        _open_spool(event_spool).close()


def try_broker(
    *,
    host: str,
    port: int = 1883,
    username: str | None = None,
    password: str | None = None,
    protocol: VersionChoice = "auto",
    tls: Tls | None = None,
    websocket_path: str | None = None,
    timeout_s: float = 5.0,
) -> str:
    """Connect and leave again without a trace; returns the MQTT version that the broker speaks.

    Takes the same arguments as `connect`; a daemon that is connected meanwhile is not disturbed.

    Raises:
        BrokerError: it cannot be reached, does not answer or refuses us, or a TLS file cannot be used.
    """
    broker = Broker(
        host=host,
        port=port,
        client_id=client_id("try", f"{machine()} {time.time_ns()}"),
        username=username,
        password=password,
        tls=tls,
        websocket_path=websocket_path,
    )
    transport = PahoTransport(broker, will=None, connect_timeout_s=timeout_s)
    try:
        return probe(transport, VERSIONS[protocol], address=f"{host}:{port}", timeout_s=timeout_s).value
    finally:
        transport.close()


def _open_spool(path: Path) -> "Spool":
    from edge_fer.publish.spool import Spool  # noqa: PLC0415 - SQLite is a megabyte

    return Spool(path)


def client_id(base: str, machine: str) -> str:
    """The same after every restart, so that a broker drops our former connection, with its last will, first.

    It differs between machines, and between devices on one machine.
    """
    digest = hashlib.sha256(f"{machine}\n{base}".encode()).hexdigest()[:8]
    return f"edge-fer-{base.rpartition('/')[2]}-{digest}"


def machine() -> str:
    """What tells this machine from others."""
    try:
        return Path("/etc/machine-id").read_text(encoding="ascii").strip()
    except OSError:
        return socket.gethostname()
