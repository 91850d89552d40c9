"""A link on a fake broker."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from edge_fer.publish.link import Link
from edge_fer.publish.outbox import Message, Outbox
from edge_fer.publish.transport import Accepted, Event, Received, Version

AUTO = (Version.V5, Version.V311)
LEVELS = {logging.INFO: "info", logging.WARNING: "warning"}


@dataclass
class FakeTransport:
    """A broker that does what the test says."""

    error: OSError | None = None
    clogged: bool = False
    opened: list[Version] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    sent: list[tuple[str, int | None]] = field(default_factory=list)
    qos: list[int] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)
    listening: tuple[str, ...] = ()
    listened: int = 0

    def open(self, version: Version) -> None:
        if self.error is not None:
            raise self.error
        self.opened.append(version)

    def poll(self) -> list[Event]:
        events, self.events = self.events, []
        return events

    def listen(self, topics: Sequence[str]) -> None:
        self.listening = tuple(topics)
        self.listened += 1

    def send(self, message: Message, expiry_s: int | None) -> int:
        self.sent.append((message.payload.decode(), expiry_s))
        self.qos.append(message.qos)
        return len(self.sent)

    def is_clogged(self) -> bool:
        return self.clogged

    def wait(self, timeout_s: float) -> None:
        raise AssertionError("the link itself never waits")

    def wake(self) -> None: ...

    def disconnect(self) -> None:
        self.ended.append("disconnect")

    def abort(self) -> None:
        self.ended.append("abort")

    def close(self) -> None: ...

    @property
    def payloads(self) -> list[str]:
        return [payload for payload, _ in self.sent]


class Rig:
    """A link on a fake broker, with no jitter."""

    def __init__(
        self,
        versions: tuple[Version, ...] = AUTO,
        keepalive_s: float = 30,
        hear: Mapping[str, Callable[[Received], None]] | None = None,
    ) -> None:
        self.transport = FakeTransport()
        self.outbox = Outbox()
        self.link = Link(
            self.transport,
            self.outbox,
            address="broker:1883",
            versions=versions,
            keepalive_s=keepalive_s,
            hear=hear,
            uniform=lambda: 0.0,
        )

    def hear(self, now_s: float, *events: Event) -> float:
        """Let the broker say something at that time."""
        self.transport.events += events
        return self.link.advance(now_s)

    def connect(self, now_s: float = 0.0) -> None:
        self.link.advance(now_s)
        self.hear(now_s, Accepted())
        assert self.link.stats.connected


def event(name: str) -> Message:
    return Message("event", name.encode(), qos=1, latest=False)


def log_of(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    return [(LEVELS[record.levelno], record.getMessage()) for record in caplog.records]
